"""What every synth must pass: our own rules and decisions, and six packs of rules of others."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import cast

from aws_cdk import App, IPolicyValidationPlugin, Validations
from cdk_nag import (
    AwsSolutionsChecks,
    HIPAASecurityChecks,
    NIST80053R4Checks,
    NIST80053R5Checks,
    PCIDSS321Checks,
    ServerlessChecks,
)

from review.others.acknowledgements import REPORT, open_and_stale
from review.plugin import NAME, ReviewPlugin
from review.template.assembly import load

__all__ = ["REPORT", "add_gates", "remarks"]


def add_gates(app: App) -> None:
    """Adds our rules and the packs on the tree; one open finding, warnings included, fails synth.

    The acknowledgements are written into the templates, where a reviewer reads them and where
    `remarks` looks for them.
    """
    Validations.of(app).add_plugins(
        # jsii takes any object that implements the interface; mypy sees a protocol of properties.
        cast("IPolicyValidationPlugin", ReviewPlugin()),
        AwsSolutionsChecks(app, verbose=True, write_suppressions_to_cloud_formation=True),
        HIPAASecurityChecks(app, verbose=True),
        NIST80053R4Checks(app, verbose=True),
        NIST80053R5Checks(app, verbose=True),
        PCIDSS321Checks(app, verbose=True),
        ServerlessChecks(app, verbose=True),
    )


def remarks(folder: Path) -> list[str]:
    """What is open after a synth that did not raise; empty when all is well.

    Under the CDK CLI synth does not raise: what our own plugin has reported. Open findings of the
    packs on the templates, which hold raw resources and overrides that the tree does not show. And
    acknowledgements that no finding answers to any more: a finding that is gone leaves a reason
    behind that nobody checks, and the next one of the same kind would come in under it.

    Args:
        folder: What synth wrote.
    """
    opened, stale = open_and_stale(load([folder]).deployment, folder=folder)
    return [
        *_reported(folder),
        *(
            f"open finding on the template: {each.stack}/{each.logical_id}: {each.finding}"
            for each in opened
        ),
        *(
            "acknowledgement that no finding answers to, remove it: "
            f"{each.stack}/{each.logical_id}: {each.finding}"
            for each in stale
        ),
    ]


def _reported(folder: Path) -> Iterator[str]:
    report = folder / REPORT
    content = json.loads(report.read_text(encoding="utf-8")) if report.exists() else {}
    for plugin in content.get("pluginReports", []):
        if plugin["pluginName"] == NAME and plugin["conclusion"] == "failure":
            for violation in plugin["violations"]:
                yield f"{NAME}: {violation['ruleName']}: {violation['description']}"
