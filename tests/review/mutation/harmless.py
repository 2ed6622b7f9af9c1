"""Mutants that nobody has to notice, with why they do no harm.

What is mutated knows nothing of security, so it also shortens descriptions and gives functions more
memory. A survivor that none of these explains is a hole in the gate.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any, Final, NamedTuple

from review.mutation.mutant import POLICIES, Mutant
from review.rules.containment import beyond, missing
from review.template.deployment import Deployment, Resource
from review.template.policies import Grant, MalformedPolicyError, grants


class Excuse(NamedTuple):
    """Why mutants of a type and property do no harm."""

    type: str
    """Regular expression."""
    where: str
    """Regular expression of the property, below `Properties`."""
    why: str
    how: str = ".*"
    """Regular expression of what is done."""


EXCUSES: Final = [
    Excuse(
        ".*",
        r"(.*\.)?(Description|AlarmDescription|GroupDescription|DisplayName|Label)|"
        r"LifecycleConfiguration\.Rules\.Id",
        "text for people; nothing decides by it",
    ),
    Excuse(".*", r"Tags(\..*)?", "a tag other than the environment's: whoever deploys chooses it"),
    Excuse(
        "AWS::IAM::.*",
        r"(Policies\.)?PolicyName|ManagedPolicyName|RoleName",
        "a name where the library makes one up; policies and trust are compared whoever has it",
    ),
    Excuse(
        "AWS::Lambda::Function",
        "MemorySize|Timeout|EphemeralStorage|ReservedConcurrentExecutions|Environment",
        "a size; the settings are compared with it in tests/security",
        "removed|set to .*|added as (0|{.*)",
    ),
    Excuse("AWS::Logs::LogGroup", "RetentionInDays", "a month or longer", r"set to \d{2,}"),
    Excuse(
        "AWS::KMS::Key",
        "PendingWindowInDays|RotationPeriodInDays",
        "7 to 30 days to change one's mind, or AWS's own 30; rotation sooner than AWS's year",
    ),
    Excuse(
        "AWS::KMS::Key",
        "BypassPolicyLockoutSafetyCheck|MultiRegion",
        "AWS's default said aloud",
        "added as False",
    ),
    Excuse("AWS::KMS::Key", "Enabled", "AWS's default said aloud", "added as True"),
    Excuse(
        "AWS::KMS::Key",
        "KeySpec|KeyUsage|Origin",
        "AWS's default said aloud",
        "added as (SYMMETRIC_DEFAULT|ENCRYPT_DECRYPT|AWS_KMS)",
    ),
    Excuse("AWS::S3::Bucket", r"LifecycleConfiguration\.Rules\..*", "days; a size", r"set to \d+"),
    Excuse("AWS::EC2::VPC", "InstanceTenancy", "no instance of ours runs in the VPC"),
    Excuse(
        "AWS::Lambda::EventInvokeConfig",
        "DependsOn",
        "it refers to its function, which waits for the policy itself",
    ),
    Excuse(
        "AWS::SQS::Queue|Custom::.*",
        "DeletionPolicy|UpdateReplacePolicy",
        "the default, which is to delete, is what it says",
        "removed",
    ),
    Excuse("Custom::BedrockModelCustomizationJob", "", "one job less trains nothing", "removed"),
    Excuse(
        "Custom::BedrockModelCustomizationJob",
        r"Request\.hyperParameters\..*",
        "how well a model learns is not for a gate to judge",
    ),
    Excuse(
        r"AWS::EC2::SecurityGroup(In|E)gress|AWS::KMS::Alias|AWS::CDK::Metadata",
        "",
        "the same a second time, which AWS refuses or which says nothing; or the CDK's own mark",
        "a second .*|added",
    ),
]


def is_harmless(mutant: Mutant, deployment: Deployment) -> bool:
    """Whether a change needs no finding: it is excused, or a policy only got tighter by it."""
    if mutant.kind == "policy":
        return gets_tighter(mutant, deployment)
    return any(explains(excuse, mutant) for excuse in EXCUSES)


def explains(excuse: Excuse, mutant: Mutant) -> bool:
    """Whether an excuse is about a mutant."""
    return bool(
        re.fullmatch(excuse.type, mutant.type)
        and re.fullmatch(excuse.where, mutant.where.removeprefix("Properties."))
        and re.fullmatch(excuse.how, mutant.how)
    )


def gets_tighter(mutant: Mutant, deployment: Deployment) -> bool:
    """Whether a changed policy allows nothing that it did not, and still denies what it denied."""
    before = _said(deployment, mutant)
    try:
        after = _said(mutant.apply(deployment), mutant)
    except (MalformedPolicyError, AttributeError, KeyError, TypeError):
        return False
    denials = {grant for grant in before if grant.effect == "Deny"}
    return not list(beyond(after, before)) and not list(missing(after, denials))


def _said(deployment: Deployment, mutant: Mutant) -> set[Grant]:
    (resource,) = [
        each
        for each in deployment.resources
        if (each.stack, each.logical_id) == (mutant.stack, mutant.logical_id)
    ]
    return {grant for document in _documents(resource) for grant in grants(document)}


def _documents(resource: Resource) -> Iterator[Mapping[str, Any]]:
    def search(value: Any) -> Iterator[Mapping[str, Any]]:  # noqa: ANN401 - a piece of a template
        if isinstance(value, Mapping):
            for name, each in value.items():
                if name in POLICIES and isinstance(each, Mapping):
                    yield each
                else:
                    yield from search(each)
        elif isinstance(value, list):
            for each in value:
                yield from search(each)

    yield from search(resource.properties)
