"""What every synth must pass: six packs of rules, on the construct tree."""

from __future__ import annotations

from aws_cdk import App, Validations
from cdk_nag import (
    AwsSolutionsChecks,
    HIPAASecurityChecks,
    NIST80053R4Checks,
    NIST80053R5Checks,
    PCIDSS321Checks,
    ServerlessChecks,
)

PACKS = (
    AwsSolutionsChecks,
    HIPAASecurityChecks,
    NIST80053R4Checks,
    NIST80053R5Checks,
    PCIDSS321Checks,
    ServerlessChecks,
)


def add_gates(app: App) -> None:
    """Adds the packs; one open finding, warnings included, fails synth."""
    Validations.of(app).add_plugins(*(pack(app, verbose=True) for pack in PACKS))
