"""What every synth must pass: six packs of rules, on the construct tree."""

from __future__ import annotations

import json
from pathlib import Path

from aws_cdk import App, Validations
from cdk_nag import (
    AwsSolutionsChecks,
    HIPAASecurityChecks,
    NIST80053R4Checks,
    NIST80053R5Checks,
    PCIDSS321Checks,
    ServerlessChecks,
)

REPORT = "validation-report.json"
"""What synth writes beside the templates: every finding, open or acknowledged."""


def add_gates(app: App) -> None:
    """Adds the packs; one open finding, warnings included, fails synth.

    The acknowledgements are written into the templates, where a reviewer reads them.
    """
    Validations.of(app).add_plugins(
        AwsSolutionsChecks(app, verbose=True, write_suppressions_to_cloud_formation=True),
        HIPAASecurityChecks(app, verbose=True),
        NIST80053R4Checks(app, verbose=True),
        NIST80053R5Checks(app, verbose=True),
        PCIDSS321Checks(app, verbose=True),
        ServerlessChecks(app, verbose=True),
    )


def stale_acknowledgements(app: App, *, report: Path) -> list[str]:
    """Acknowledgements that no finding answers to any more, as `construct: finding`.

    A finding that is gone leaves a reason behind that nobody checks; the next one of the same kind
    would come in under it.

    Args:
        app: The app after synth.
        report: The `validation-report.json` that synth wrote.
    """
    made = {
        (construct.node.path, finding)
        for construct in app.node.find_all()
        for entry in construct.node.metadata
        if entry.type == Validations.ACKNOWLEDGED_RULES_METADATA_KEY
        for finding in dict(entry.data)
    }
    answered = {
        (violation["acknowledgedAt"], violation["acknowledgedId"])
        for plugin in json.loads(report.read_text(encoding="utf-8"))["pluginReports"]
        for violation in plugin.get("suppressedViolations", [])
    }
    return sorted(f"{path}: {finding}" for path, finding in made - answered)
