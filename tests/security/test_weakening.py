"""Whatever is taken from the templates of dev or widened in them, a control notices.

The rules let stricter policies, sizes and texts pass: see tests/review/mutation. Together with the
controls that need the settings nothing passes but what is accepted here.
"""

from __future__ import annotations

import re
from collections import Counter
from typing import Final

import pytest

from review.mutation.mutant import OUTPUT, Mutant
from review.mutation.survival import Noticing
from review.mutation.weaken import weakenings
from tests.security.app_deployment import AppDeployment
from tests.security.control import SETTINGS_CONTROLS
from tests.security.controls import CONTROLS

# A weakening that no control notices, by type and property, with why that is no loss. An entry
# that no weakening answers to any more is an error, like an acknowledgement without a finding.
_TEXT = "text for people; nothing decides by it"
ACCEPTED: Final[dict[tuple[str, str], str]] = {
    (
        ".*",
        r"Properties\.(.*\.)?(Alarm|Group)?Description",
    ): _TEXT,
    ("AWS::CloudWatch::Alarm", r"Properties\.Metrics\.Label"): _TEXT,
    ("AWS::SNS::Topic", r"Properties\.DisplayName"): _TEXT,
    ("AWS::S3::Bucket", r"Properties\.LifecycleConfiguration\.Rules\.Id"): _TEXT,
    ("AWS::IAM::(Policy|Role)", r"Properties\.(Policies\.)?PolicyName"): _TEXT,
    (
        r"AWS::EC2::(RouteTable|SecurityGroup|Subnet|VPC|VPCEndpoint)",
        r"Properties\.Tags(\..*)?",
    ): "the tag `Name`, which the console shows; the tags of the settings are looked at",
    (
        "AWS::Lambda::EventInvokeConfig",
        "DependsOn",
    ): "it refers to its function, and so comes after it: the function waits for the policy itself",
    (
        "AWS::EC2::VPC",
        r"Properties\.InstanceTenancy",
    ): "nothing of ours runs on instances",
    (
        r"AWS::SQS::Queue|Custom::.*",
        "DeletionPolicy|UpdateReplacePolicy",
    ): "removed, it is what it was: the default is to delete",
}


def _is_accepted(mutant: Mutant) -> bool:
    return any(_explains(entry, mutant) for entry in ACCEPTED)


def _explains(entry: tuple[str, str], mutant: Mutant) -> bool:
    type_, where = entry
    return bool(re.fullmatch(type_, mutant.type) and re.fullmatch(where, mutant.where))


@pytest.fixture(scope="module")
def everything(dev: AppDeployment) -> list[Mutant]:
    return list(weakenings(dev))


@pytest.fixture(scope="module")
def survivors(dev: AppDeployment, everything: list[Mutant]) -> list[Mutant]:
    return list(Noticing(dev, CONTROLS).survivors(everything))


def test_every_control_that_needs_the_settings_can_fail(
    dev: AppDeployment, everything: list[Mutant]
) -> None:
    """The rules have twins of their own, in tests/review/rules."""
    silent = {control.__name__: control for control in SETTINGS_CONTROLS}
    # Removals of one property in each place: more than enough to make each of them speak.
    seen: set[tuple[str, str]] = set()
    for mutant in everything:
        if (mutant.type, mutant.where) in seen or mutant.how != "removed":
            continue
        seen.add((mutant.type, mutant.where))
        weaker = mutant.apply(dev)
        for name, control in list(silent.items()):
            if any(not each.startswith("cannot be understood") for each in control(weaker)):
                del silent[name]
    # dev has no boundary, no key of somebody else and no deployment that could be removed: the
    # twins of these are in tests/stacks, and in test_serving_controls.
    assert set(silent) == {
        "every_role_has_the_boundary_of_the_settings",
        "the_deployments_are_those_of_the_settings",
        "the_keys_of_methods_are_those_of_the_settings",
    }


def test_there_is_much_to_weaken(dev: AppDeployment, everything: list[Mutant]) -> None:
    """A generator that makes nothing would let everything through."""
    by_type = Counter(mutant.type for mutant in everything if mutant.type != OUTPUT)
    assert set(by_type) == {resource.type for resource in dev.resources}
    assert by_type.total() > 5000


def test_whatever_is_weakened_a_control_notices(survivors: list[Mutant]) -> None:
    assert [str(each) for each in survivors if not _is_accepted(each)] == []


def test_every_accepted_weakening_is_still_unnoticed(survivors: list[Mutant]) -> None:
    stale = [e for e in ACCEPTED if not any(_explains(e, each) for each in survivors)]
    assert stale == []
