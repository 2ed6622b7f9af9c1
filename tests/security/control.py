"""What every control is made of: a registry, and a way to put several into one."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterable
from typing import Final

from review.rules import rules_of
from review.rules.rule import NOT_UNDERSTOOD
from review.template.deployment import Deployment
from review.template.policies import Grant
from tests.security.app_deployment import AppDeployment

Control = Callable[[AppDeployment], list[str]]

SETTINGS_CONTROLS: Final[list[Control]] = []
"""All controls that need the settings; importing a module of them adds its own."""


def control(check: Control) -> Control:
    """Registers a control; what it cannot take apart is a finding, as nobody has looked at it."""

    @functools.wraps(check)
    def checked(deployment: AppDeployment) -> list[str]:
        if any(each.level == "error" for each in deployment.problems):
            return [f"cannot be understood: {each.message}" for each in deployment.problems]
        try:
            return check(deployment)
        except NOT_UNDERSTOOD as error:
            return [f"cannot be understood: {type(error).__name__} {error}"]

    SETTINGS_CONTROLS.append(checked)
    return checked


def together(*checks: Callable[[AppDeployment], Iterable[object]]) -> Control:
    """A control that finds what any of some rules and controls does."""

    def check(deployment: AppDeployment) -> list[str]:
        return [str(each) for one in checks for each in one(deployment)]

    return check


def rule_controls() -> dict[str, Control]:
    """The rules for the app by their ids; warnings tell of what the settings are free to choose."""
    return {rule.id: together(rule) for rule in rules_of("app") if rule.level == "error"}


def role_grants(deployment: Deployment, name: str) -> set[Grant]:
    """Everything a role may do: its inline policies, those beside it, and the managed ones."""
    found: set[Grant] = set()
    for role in deployment.of_type("AWS::IAM::Role"):
        if role.ref == name:
            assert not role["ManagedPolicyArns"]
            found |= role.inline_grants
    for policy in deployment.of_type("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"):
        if name in (policy["Roles"] or []):
            found |= policy.grants("PolicyDocument")
    return found
