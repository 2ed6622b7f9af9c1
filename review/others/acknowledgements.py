"""Which findings of others a template takes, with which reasons, and which of these are stale."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from review.others.finding import Remark
from review.others.packs import PACKS, pack_remarks
from review.template.assembly import MAX_MANIFEST_BYTES
from review.template.deployment import Deployment
from review.template.documents import read_document
from review.template.errors import UnreadableError

REPORT: Final = "validation-report.json"
"""What synth writes beside the templates: every finding on the tree, open or acknowledged."""
OURS: Final = "finetune-review"
"""What stands before `::` in an acknowledgement of one of our own rules."""


@dataclass(frozen=True, order=True, kw_only=True)
class Acknowledged:
    """A finding that is taken at one resource."""

    stack: str
    logical_id: str
    finding: str
    """In full form: `AwsSolutions::AwsSolutions-IAM5[Resource::*]`."""
    reason: str


def acknowledged(deployment: Deployment) -> Iterator[Acknowledged]:
    """What the templates acknowledge of the packs and of our own rules.

    Only in full form: the short one, such as `AwsSolutions-IAM5`, would hide every finding of the
    rule at once, and counts for nothing.
    """
    for resource in deployment.resources:
        for each in resource.acknowledgements:
            if each.id.partition("::")[0] in {*PACKS, OURS} and "::" in each.id:
                yield Acknowledged(
                    stack=resource.stack,
                    logical_id=resource.logical_id,
                    finding=each.id,
                    reason=each.reason,
                )


def open_and_stale(
    deployment: Deployment, *, folder: Path | None
) -> tuple[list[Remark], list[Acknowledged]]:
    """The packs' findings that nobody took, and what was taken and is found no more.

    Args:
        deployment: What the packs look at.
        folder: What synth wrote; its report says what was found on the tree only.

    Raises:
        ToolError: The packs do not read the templates.
    """
    return divide(pack_remarks(deployment.templates), deployment, folder=folder)


def divide(
    remarks: Iterable[Remark], deployment: Deployment, *, folder: Path | None
) -> tuple[list[Remark], list[Acknowledged]]:
    """As `open_and_stale`, of remarks that are there already."""
    found = sorted(set(remarks))
    taken = [each for each in acknowledged(deployment) if not each.finding.startswith(OURS)]
    places = {(each.stack, each.logical_id, each.finding) for each in taken}
    answered = {(each.stack, each.logical_id, each.finding) for each in found}
    if folder is not None:
        try:
            answered |= set(_answered_on_the_tree(folder, deployment))
        except (AttributeError, KeyError, TypeError) as error:
            raise UnreadableError(
                f"{REPORT} or the metadata beside it is not what the CDK writes: {error}",
                fix="synthesise again, with the CDK that package.json pins",
                where={"file": str(folder / REPORT)},
            ) from error
    return (
        [each for each in found if (each.stack, each.logical_id, each.finding) not in places],
        sorted(
            each for each in taken if (each.stack, each.logical_id, each.finding) not in answered
        ),
    )


def _answered_on_the_tree(folder: Path, deployment: Deployment) -> Iterator[tuple[str, str, str]]:
    """What synth's report says was found on the tree and acknowledged; nothing without a report."""
    logical_ids = {
        path: (name, entry["data"])
        for name in deployment.templates
        for path, entries in _json(folder / f"{name}.metadata.json").items()
        for entry in entries
        if entry["type"] == "aws:cdk:logicalId"
    }
    for plugin in _json(folder / REPORT).get("pluginReports", []):
        for violation in plugin.get("suppressedViolations", []):
            place = logical_ids.get(f"/{violation['acknowledgedAt']}")
            if place is not None:
                yield *place, violation["acknowledgedId"]


def _json(file: Path) -> dict[str, Any]:
    """What synth wrote beside the templates; nothing where it wrote no such file."""
    if not file.is_file():
        return {}
    content = read_document(file, most=MAX_MANIFEST_BYTES).value
    return content if isinstance(content, dict) else {}
