"""Whatever is taken from the templates of dev or widened in them, a control notices."""

from __future__ import annotations

from collections import Counter

import pytest

from tests.security.controls import CONTROLS
from tests.security.deployment import Deployment
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
    ("AWS::SNS::Topic", "Properties.DisplayName"): _TEXT,
    ("AWS::S3::Bucket", "Properties.LifecycleConfiguration.Rules.Id"): _TEXT,
    ("AWS::IAM::Policy", "Properties.PolicyName"): _TEXT,
    ("AWS::IAM::Role", "Properties.Policies.PolicyName"): _TEXT,
    **{
        (f"AWS::EC2::{type_}", "Properties.Tags"): _NAME
        for type_ in ("RouteTable", "SecurityGroup", "Subnet", "VPC", "VPCEndpoint")
    },
    (
        "AWS::EC2::VPC",
        "Properties.InstanceTenancy",
    ): "the default, shared tenancy, is what it says; nothing of ours runs on instances",
}


@pytest.fixture(scope="module")
def survivors(dev: Deployment) -> list[Weakening]:
    """The weakenings that no control notices: all controls, nothing but what is new."""
    before = {check.__name__: set(check(dev)) for check in CONTROLS}
    return [
        weakening for weakening in weakenings(dev) if not _noticed(weakening.apply(dev), before)
    ]


def _noticed(weaker: Deployment, before: dict[str, set[str]]) -> bool:
    return any(set(check(weaker)) - before[check.__name__] for check in CONTROLS)


def test_there_is_much_to_weaken(dev: Deployment) -> None:
    """A generator that makes nothing would let everything through."""
    by_type = Counter(weakening.type for weakening in weakenings(dev))
    assert set(by_type) == {resource.type for resource in dev.resources}
    assert by_type.total() > 1500


def test_whatever_is_weakened_a_control_notices(survivors: list[Weakening]) -> None:
    unnoticed = [each for each in survivors if (each.type, each.where) not in ACCEPTED]
    assert list(map(str, unnoticed)) == []


def test_every_accepted_weakening_is_still_unnoticed(survivors: list[Weakening]) -> None:
    assert set(ACCEPTED) <= {(each.type, each.where) for each in survivors}
