"""A function's interfaces outlive it, and what they need outlives them.

CloudFormation waits for the interfaces when it deletes the function, and Lambda removes them in the
name of the function's role. So subnets, groups and that role's permission go later: they are of
stacks before the function's.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-lambda-function-vpcconfig.html
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterator

import pytest

from review.template.deployment import Deployment, Resource

_REMOVAL = "ec2:DeleteNetworkInterface"


def _before(deployment: Deployment, stack: str) -> set[str]:
    """Every stack that a stack rests on, and that therefore goes after it."""
    found: set[str] = set()
    waiting = list(deployment.dependencies[stack])
    while waiting:
        one = waiting.pop()
        if one not in found:
            found.add(one)
            waiting += deployment.dependencies[one]
    return found


def _needed(deployment: Deployment, function: Resource) -> Iterator[Resource]:
    """What the function's interfaces sit in, and the policies that let Lambda remove them."""
    places = {*function["VpcConfig.SubnetIds"], *function["VpcConfig.SecurityGroupIds"]}
    for resource in deployment.resources:
        if resource.ref in places:
            yield resource
        if resource.type == "AWS::IAM::ManagedPolicy" and any(
            role in str(function["Role"]) for role in resource["Roles"] or []
        ):
            statements = resource["PolicyDocument.Statement"]
            allowed = [s for s in statements if s["Effect"] == "Allow" and _REMOVAL in s["Action"]]
            if allowed:
                yield resource


def what_goes_too_early(deployment: Deployment) -> list[str]:
    """What the interfaces of functions need and might lose before they are gone."""
    found = []
    for function in deployment.of_type("AWS::Lambda::Function"):
        if not function["VpcConfig.SubnetIds"]:
            continue
        later = _before(deployment, function.stack)
        needed = list(_needed(deployment, function))
        kinds = {one.type for one in needed}
        missing = {"AWS::EC2::Subnet", "AWS::EC2::SecurityGroup", "AWS::IAM::ManagedPolicy"} - kinds
        found += [f"{function} needs no {kind} that is known" for kind in sorted(missing)]
        found += [f"{one} may go before {function}" for one in needed if one.stack not in later]
    return found


def test_what_interfaces_of_functions_need_goes_after_the_functions(
    deployment: Deployment,
) -> None:
    assert what_goes_too_early(deployment) == []


@pytest.mark.parametrize(
    ("part", "kind"), [("network", "AWS::EC2::Subnet"), ("access", "AWS::IAM::ManagedPolicy")]
)
def test_a_stack_that_could_go_first_is_found(dev: Deployment, part: str, kind: str) -> None:
    stack = f"finetune-dev-{part}"
    loose = {
        name: frozenset() if stack in needed else needed
        for name, needed in dev.dependencies.items()
    }
    found = what_goes_too_early(dataclasses.replace(dev, dependencies=loose))
    assert any(each.startswith(kind) and "may go before" in each for each in found)


def test_a_role_that_may_not_remove_interfaces_is_found(dev: Deployment) -> None:
    spoiled = dev.without("AWS::IAM::ManagedPolicy", "Roles.0")
    assert any("ManagedPolicy" in sentence for sentence in what_goes_too_early(spoiled))
