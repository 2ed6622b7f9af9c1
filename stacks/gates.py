"""What every synth must pass: six packs of rules, on the construct tree and on the templates."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from aws_cdk import App, Stack, Validations
from aws_cdk.cloudformation_include import CfnInclude
from cdk_nag import (
    AwsSolutionsChecks,
    HIPAASecurityChecks,
    NIST80053R4Checks,
    NIST80053R5Checks,
    PCIDSS321Checks,
    ServerlessChecks,
)

from bedrock_finetuning.acknowledgements import PACKS

REPORT = "validation-report.json"
"""What synth writes beside the templates: every finding on the tree, open or acknowledged."""


@dataclass(frozen=True, order=True, kw_only=True)
class TemplateFinding:
    """A finding of a pack on a resource of a template."""

    stack: str
    logical_id: str
    finding: str


def add_gates(app: App) -> None:
    """Adds the packs on the tree; one open finding, warnings included, fails synth.

    The acknowledgements are written into the templates, where a reviewer reads them and where
    `findings_on_templates` looks for them.
    """
    Validations.of(app).add_plugins(
        AwsSolutionsChecks(app, verbose=True, write_suppressions_to_cloud_formation=True),
        HIPAASecurityChecks(app, verbose=True),
        NIST80053R4Checks(app, verbose=True),
        NIST80053R5Checks(app, verbose=True),
        PCIDSS321Checks(app, verbose=True),
        ServerlessChecks(app, verbose=True),
    )


def remarks(folder: Path) -> list[str]:
    """What the templates show and the tree does not, after synth; empty when all is well.

    Open findings on the templates, which hold raw resources and overrides too, and acknowledgements
    that no finding answers to any more: a finding that is gone leaves a reason behind that nobody
    checks, and the next one of the same kind would come in under it.

    Args:
        folder: What synth wrote.
    """
    # Not every template in the folder: another environment's may lie there from before.
    stacks = _stacks(folder)
    templates = {name: _read(folder / each["templateFile"]) for name, each in stacks.items()}
    on_templates = set(findings_on_templates(templates))
    on_tree = set(_answered_on_the_tree(folder, stacks))
    acknowledged = set(_acknowledged(templates))
    return [
        *(
            f"open finding on the template: {each.stack}/{each.logical_id}: {each.finding}"
            for each in sorted(on_templates - acknowledged)
        ),
        *(
            "acknowledgement that no finding answers to, remove it: "
            f"{each.stack}/{each.logical_id}: {each.finding}"
            for each in sorted(acknowledged - on_templates - on_tree)
        ),
    ]


def findings_on_templates(templates: dict[str, dict[str, Any]]) -> Iterator[TemplateFinding]:
    """What the packs find on templates as CloudFormation will get them.

    Args:
        templates: By the name of their stack.
    """
    app = App()
    with tempfile.TemporaryDirectory() as folder:
        for name, template in templates.items():
            file = Path(folder) / f"{name}.json"
            file.write_text(json.dumps(_strong(template)), encoding="utf-8")
            CfnInclude(Stack(app, name), "T", template_file=str(file))
    for pack in (
        AwsSolutionsChecks(),
        HIPAASecurityChecks(),
        NIST80053R4Checks(),
        NIST80053R5Checks(),
        PCIDSS321Checks(),
        ServerlessChecks(),
    ):
        for violation in pack.validate_scope(app).violations:
            for place in violation.violating_resources:
                stack, _, logical_id = (place.construct_path or "").split("/", 2)
                yield TemplateFinding(
                    stack=stack,
                    logical_id=logical_id,
                    finding=f"{pack.read_pack_name}::{violation.rule_name}",
                )


def _read(file: Path) -> dict[str, Any]:
    content: dict[str, Any] = json.loads(file.read_text(encoding="utf-8"))
    return content


def _stacks(folder: Path) -> dict[str, dict[str, Any]]:
    return {
        name: artifact["properties"]
        for name, artifact in _read(folder / "manifest.json")["artifacts"].items()
        if artifact["type"] == "aws:cloudformation:stack"
    }


def _strong(value: Any) -> Any:  # noqa: ANN401 - a piece of a template
    """The library does not read its own weak references back; an import means the same here."""
    match value:
        case {"Fn::GetStackOutput": {"StackName": stack, "OutputName": output}}:
            return {"Fn::ImportValue": f"{stack}:{output}"}
        case dict():
            return {key: _strong(each) for key, each in value.items()}
        case list():
            return [_strong(each) for each in value]
    return value


def _acknowledged(templates: dict[str, dict[str, Any]]) -> Iterator[TemplateFinding]:
    for name, template in templates.items():
        for logical_id, resource in template["Resources"].items():
            rules = resource.get("Metadata", {}).get("cdk_nag", {}).get("rules_to_suppress", [])
            for rule in rules:
                if rule["id"].split("::")[0] in PACKS:
                    yield TemplateFinding(stack=name, logical_id=logical_id, finding=rule["id"])


def _answered_on_the_tree(
    folder: Path, stacks: Mapping[str, Mapping[str, Any]]
) -> Iterator[TemplateFinding]:
    logical_ids = {
        path: entry["data"]
        for name in stacks
        for path, entries in _read(folder / f"{name}.metadata.json").items()
        for entry in entries
        if entry["type"] == "aws:cdk:logicalId"
    }
    report = _read(folder / REPORT)
    for plugin in report["pluginReports"]:
        for violation in plugin.get("suppressedViolations", []):
            path = violation["acknowledgedAt"]
            logical_id = logical_ids.get(f"/{path}")
            if logical_id is not None:
                yield TemplateFinding(
                    stack=path.split("/")[0],
                    logical_id=logical_id,
                    finding=violation["acknowledgedId"],
                )
