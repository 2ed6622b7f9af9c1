"""Our rules as a policy validation plugin of the CDK: an error of theirs fails the synth."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import jsii
from aws_cdk import (
    IPolicyValidationContext,
    IPolicyValidationPlugin,
    PolicyValidationPluginReport,
    PolicyViolatingResource,
    PolicyViolation,
)

from review.findings import Finding
from review.report import Report
from review.rules import Profile, rules_of
from review.run import Part, review
from review.template.errors import UnreadableError

NAME = "finetune-review"
AT_SYNTH: Final[tuple[Part, ...]] = ("structure", "decisions", "proofs")
"""The packs have plugins of their own; what is new may well be synthesised before it is approved.

The proofs take one to two seconds of the processor.
"""


@jsii.implements(IPolicyValidationPlugin)
class ReviewPlugin:
    """Looks at what synth wrote; the findings stand in its validation report with the packs'.

    Args:
        profile: `app` for this app; `any` for others that fine-tune on Bedrock.
        only: The parts to do.
    """

    def __init__(self, *, profile: Profile = "app", only: Sequence[Part] = AT_SYNTH) -> None:
        self._profile: Profile = profile
        self._only = tuple(only)

    @property
    def name(self) -> str:
        """How the validation report calls it."""
        return NAME

    @property
    def version(self) -> str:
        """That of this report's form."""
        return "1.0.0"

    @property
    def rule_ids(self) -> list[str]:
        """The ids of the rules of the profile."""
        return [rule.id for rule in rules_of(self._profile)]

    def validate(self, context: IPolicyValidationContext) -> PolicyValidationPluginReport:
        """What our rules find in the assembly.

        Args:
            context: Names the templates; the manifest lies beside them.
        """
        folders = {Path(each.template_path).parent for each in context.stack_templates}
        found: list[Finding] = []
        try:
            for folder in sorted(_outermost(folders)):
                report: Report = review([folder], profile=self._profile, only=self._only)
                found += [each for each in report.findings if each.level != "note"]
        except UnreadableError as error:
            found.append(
                Finding(
                    id="template.unreadable",
                    level="error",
                    message=str(error),
                    fix=error.fix,
                    where=error.where,
                )
            )
        return PolicyValidationPluginReport(
            # Warnings stand in the report; a failure that listed nothing would pass the synth.
            success=all(each.level != "error" for each in found),
            violations=[_violation(each) for each in found],
        )


def _outermost(folders: Iterable[Path]) -> set[Path]:
    """Folders with a manifest, without those of stages within another."""
    every = {each for each in folders if (each / "manifest.json").is_file()}
    return {each for each in every if not any(other in each.parents for other in every)}


def _violation(finding: Finding) -> PolicyViolation:
    where = finding.where
    location = ".".join(["Properties", str(where["property"])]) if "property" in where else ""
    return PolicyViolation(
        rule_name=finding.id,
        description=finding.message,
        fix=finding.fix,
        severity=finding.level,
        violating_resources=[
            PolicyViolatingResource(
                locations=[location] if location else [],
                resource_logical_id=str(where.get("logical_id", "")),
                template_path=str(where.get("file", "")),
            )
        ],
    )
