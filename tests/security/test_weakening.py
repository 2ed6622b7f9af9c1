"""Whatever is taken from the templates of dev or widened in them, a control notices."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

import pytest

from tests.security.app_deployment import AppDeployment
from tests.security.controls import CONTROLS
from tests.security.weakenings import Weakening, weakenings

# A weakening that no control notices, by type and property, with why that is no loss. An entry
# that no weakening answers to any more is an error, like an acknowledgement without a finding.
_TEXT = "text for people; nothing decides by it"
_NAME = "the tag `Name`, which the console shows; the tags of the settings are looked at"
ACCEPTED: dict[tuple[str, str], str] = {
    **{
        (type_, "Properties.Description"): _TEXT
        for type_ in (
            "AWS::EC2::SecurityGroupEgress",
            "AWS::EC2::SecurityGroupIngress",
            "AWS::Events::Rule",
            "AWS::IAM::ManagedPolicy",
            "AWS::IAM::Role",
            "AWS::KMS::Key",
            "AWS::Lambda::Function",
        )
    },
    ("AWS::EC2::SecurityGroup", "Properties.GroupDescription"): _TEXT,
    ("AWS::EC2::SecurityGroup", "Properties.SecurityGroupEgress.Description"): _TEXT,
    ("AWS::CloudWatch::Alarm", "Properties.AlarmDescription"): _TEXT,
    ("AWS::CloudWatch::Alarm", "Properties.Metrics.Label"): _TEXT,
    ("AWS::SNS::Topic", "Properties.DisplayName"): _TEXT,
    ("AWS::S3::Bucket", "Properties.LifecycleConfiguration.Rules.Id"): _TEXT,
    ("AWS::IAM::Policy", "Properties.PolicyName"): _TEXT,
    ("AWS::IAM::Role", "Properties.Policies.PolicyName"): _TEXT,
    **{
        (f"AWS::EC2::{type_}", "Properties.Tags"): _NAME
        for type_ in ("RouteTable", "SecurityGroup", "Subnet", "VPC", "VPCEndpoint")
    },
    (
        "AWS::Lambda::EventInvokeConfig",
        "DependsOn",
    ): "it refers to its function, and so comes after it: the function waits for the policy itself",
    (
        "AWS::EC2::VPC",
        "Properties.InstanceTenancy",
    ): "the default, shared tenancy, is what it says; nothing of ours runs on instances",
}


# What only an addition shows: the twins of these stand beside them, in tests/stacks.
SHOWN_BY_ADDITIONS = {
    "a_zone_can_be_dropped",
    "every_role_is_bounded",
    "only_known_resources",
    "stacks_wait_for_what_they_use",
}


class Outcome(NamedTuple):
    """What became of all weakenings: those nobody noticed, and the controls that noticed one."""

    survivors: list[Weakening]
    active: set[str]


@pytest.fixture(scope="module")
def outcome(dev: AppDeployment) -> Outcome:
    """Every weakening by itself: a control notices when it reports what it did not before."""
    before = {check.__name__: set(check(dev)) for check in CONTROLS}
    survivors: list[Weakening] = []
    active: set[str] = set()
    for weakening in weakenings(dev):
        weaker = weakening.apply(dev)
        # Those that have noticed nothing yet are all asked; of the others one is enough.
        noticed = False
        for check in sorted(CONTROLS, key=lambda each: each.__name__ in active):
            if noticed and check.__name__ in active:
                break
            new = set(check(weaker)) - before[check.__name__]
            noticed = noticed or bool(new)
            if any(not each.startswith("cannot be understood") for each in new):
                active.add(check.__name__)
        if not noticed:
            survivors.append(weakening)
    return Outcome(survivors, active)


def test_every_control_can_fail(outcome: Outcome) -> None:
    assert {check.__name__ for check in CONTROLS} - outcome.active == SHOWN_BY_ADDITIONS


def test_there_is_much_to_weaken(dev: AppDeployment) -> None:
    """A generator that makes nothing would let everything through."""
    by_type = Counter(weakening.type for weakening in weakenings(dev))
    assert set(by_type) == {resource.type for resource in dev.resources}
    assert by_type.total() > 1500


def test_whatever_is_weakened_a_control_notices(outcome: Outcome) -> None:
    unnoticed = [each for each in outcome.survivors if (each.type, each.where) not in ACCEPTED]
    assert list(map(str, unnoticed)) == []


def test_every_accepted_weakening_is_still_unnoticed(outcome: Outcome) -> None:
    assert set(ACCEPTED) <= {(each.type, each.where) for each in outcome.survivors}
