"""What every control is made of: a registry, and ways to say what differs from the design."""

from __future__ import annotations

import functools
import json
from collections.abc import Callable, Iterable, Mapping
from typing import Any, Final

from review.template.deployment import Resource, UnresolvedError
from review.template.policies import Grant, MalformedPolicyError, difference
from tests.security.app_deployment import AppDeployment
from tests.security.permissions import permissions_of

Control = Callable[[AppDeployment], list[str]]

CONTROLS: Final[list[Control]] = []
"""All controls; importing a module of them adds its own."""


_NOT_UNDERSTOOD: Final = (
    UnresolvedError,
    MalformedPolicyError,
    # A template that lacks what CloudFormation requires, such as the key of a tag.
    AttributeError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
)


def control(check: Control) -> Control:
    """Registers a control; what it cannot take apart is a finding, as nobody has looked at it."""

    @functools.wraps(check)
    def checked(deployment: AppDeployment) -> list[str]:
        if any(each.level == "error" for each in deployment.problems):
            return [f"cannot be understood: {each.message}" for each in deployment.problems]
        try:
            return check(deployment)
        except _NOT_UNDERSTOOD as error:
            return [f"cannot be understood: {type(error).__name__} {error}"]

    CONTROLS.append(checked)
    return checked


JOB: Final = "Custom::BedrockModelCustomizationJob"
DEFAULT_GROUP: Final = "Custom::VpcRestrictDefaultSG"


def exactly(deployment: AppDeployment, type_: str, count: int) -> tuple[list[Resource], list[str]]:
    found = deployment.of_type(type_)
    wrong = [] if len(found) == count else [f"{len(found)} of {type_}, expected {count}"]
    return found, wrong


def first(resources: Iterable[Resource]) -> Resource | None:
    return next(iter(resources), None)


def function_of(deployment: AppDeployment, purpose: str) -> Resource | None:
    name = f"finetune-{deployment.settings.environment}-{purpose}"
    return first(deployment.where("AWS::Lambda::Function", FunctionName=name))


def endpoints_of(deployment: AppDeployment) -> list[Resource]:
    return deployment.of_type("AWS::EC2::VPCEndpoint")


def service_of(endpoint: Resource) -> str:
    return str(endpoint["ServiceName"]).rsplit(".", maxsplit=1)[-1]


def property_findings(
    resource: Resource, expected: Mapping[str, Any], *, also: Iterable[str] = ()
) -> list[str]:
    """The properties that differ, and those that nobody has looked at.

    Args:
        also: Properties that another control looks at, or that say nothing about security.
    """
    looked_at = {
        name: value for name, value in resource.properties.items() if name not in set(also)
    }
    return differences(str(resource), looked_at, expected)


def differences(what: str, found: Mapping[str, Any], expected: Mapping[str, Any]) -> list[str]:
    return [
        f"{what}: {name} is {json.dumps(found.get(name))}, "
        f"expected {json.dumps(expected.get(name))}"
        for name in sorted(set(found) | set(expected))
        if _sorted(found.get(name)) != _sorted(expected.get(name))
    ]


def _sorted(value: Any) -> Any:  # noqa: ANN401 - a piece of a template
    """A list of texts in order: in a template their order says nothing."""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return sorted(value)
    if isinstance(value, dict):
        return {key: _sorted(each) for key, each in value.items()}
    return value


def policy_findings(resource: Resource, path: str, expected: set[Grant]) -> list[str]:
    if not isinstance(resource[path], Mapping):
        return [f"{resource}: no policy, so AWS's default applies"]
    try:
        found = resource.grants(path)
    except MalformedPolicyError as error:
        return [f"{resource}: {error}"]
    return difference(str(resource), found=found, expected=expected)


def role_grants(deployment: AppDeployment, name: str) -> set[Grant]:
    """Everything a role may do: its inline policies, those beside it, and the managed ones."""
    found: set[Grant] = set()
    for role in deployment.of_type("AWS::IAM::Role"):
        if role.ref == name:
            if role["ManagedPolicyArns"]:
                raise MalformedPolicyError(f"managed policies {role['ManagedPolicyArns']}")
            found |= role.inline_grants
    for policy in deployment.of_type("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"):
        if name in (policy["Roles"] or []):
            found |= policy.grants("PolicyDocument")
    return found


def job_group_of_the_role(deployment: AppDeployment) -> str | None:
    """Without a job in the settings, the group that the customization role may use."""
    name = permissions_of(deployment).names["customization"]
    groups = {
        grant.resource.rsplit("/", maxsplit=1)[-1]
        for grant in role_grants(deployment, name)
        if ":security-group/" in grant.resource
    }
    return groups.pop() if len(groups) == 1 else None
