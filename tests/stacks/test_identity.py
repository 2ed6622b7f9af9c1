"""Identity: roles that one service or the named people take, and nobody else."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from review.template.deployment import ABSENT
from tests.security.app_deployment import AppDeployment
from tests.security.controls import (
    every_role_is_bounded,
    roles_are_taken_only_by,
    the_customization_role_is_guarded_against_confused_deputies,
)

ROLE = "AWS::IAM::Role"
CUSTOMIZATION = {"RoleName": "AmazonBedrock-finetune-dev-us-east-1-customization"}
FIRST = "AssumeRolePolicyDocument.Statement.0"


def test_every_role_is_taken_by_whom_it_is_for(deployment: AppDeployment) -> None:
    assert roles_are_taken_only_by(deployment) == []


@pytest.mark.parametrize(
    "purpose", ["submitter", "completion-check", "follower", "flow-logs", "uploader"]
)
@pytest.mark.parametrize(
    "principal", [{"AWS": "*"}, {"Service": "ec2.amazonaws.com"}, {"AWS": "444455556666"}]
)
def test_a_role_that_others_may_take_is_found(
    dev: AppDeployment, purpose: str, principal: object
) -> None:
    where = {"RoleName": f"finetune-dev-us-east-1-{purpose}"}
    assert roles_are_taken_only_by(dev.put(ROLE, f"{FIRST}.Principal", principal, where=where))


@pytest.mark.parametrize("purpose", ["flow-logs", "uploader", "reader"])
def test_a_trust_policy_without_conditions_is_found(dev: AppDeployment, purpose: str) -> None:
    where = {"RoleName": f"finetune-dev-us-east-1-{purpose}"}
    assert roles_are_taken_only_by(dev.without(ROLE, f"{FIRST}.Condition", where=where))


def test_a_role_more_is_found(dev: AppDeployment) -> None:
    more = dev.plus("identity", ROLE, AssumeRolePolicyDocument={"Version": "2012-10-17"})
    assert roles_are_taken_only_by(more)


def test_a_longer_session_is_found(dev: AppDeployment) -> None:
    assert roles_are_taken_only_by(dev.put(ROLE, "MaxSessionDuration", 43200))


def test_bedrock_takes_the_customization_role_for_jobs_of_this_account_alone(
    deployment: AppDeployment,
) -> None:
    assert the_customization_role_is_guarded_against_confused_deputies(deployment) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        (f"{FIRST}.Condition", ABSENT),
        (f"{FIRST}.Condition.StringEquals", ABSENT),
        (f"{FIRST}.Condition.ArnEquals", ABSENT),
        (f"{FIRST}.Condition.StringEquals", {"aws:SourceAccount": "*"}),
        (f"{FIRST}.Condition.ArnEquals", {"aws:SourceArn": "*"}),
        ("RoleName", "finetune-dev-us-east-1-customization"),
    ],
)
def test_a_confused_deputy_is_found(dev: AppDeployment, path: str, value: object) -> None:
    weaker = dev.put(ROLE, path, value, where=CUSTOMIZATION)
    assert the_customization_role_is_guarded_against_confused_deputies(weaker)


def test_a_second_bare_statement_is_found(dev: AppDeployment) -> None:
    """Allow statements are a union: conditions beside a bare statement bind nobody."""
    bare = {
        "Effect": "Allow",
        "Principal": {"Service": "bedrock.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    (role,) = dev.where(ROLE, **CUSTOMIZATION)

    def change(templates: dict[str, Any]) -> None:
        properties = templates[role.stack]["Resources"][role.logical_id]["Properties"]
        properties["AssumeRolePolicyDocument"]["Statement"].append(bare)

    weaker = dev.changed(change)
    assert the_customization_role_is_guarded_against_confused_deputies(weaker)
    assert roles_are_taken_only_by(weaker)


def test_without_a_boundary_in_the_settings_no_role_has_one(deployment: AppDeployment) -> None:
    assert every_role_is_bounded(deployment) == []


@pytest.mark.parametrize(
    "boundary", ["team/developer-boundary", "arn:aws:iam::111122223333:policy/boundary"]
)
def test_the_boundary_of_the_settings_is_on_every_role(
    variant: Callable[[Mapping[str, Any]], AppDeployment], boundary: str
) -> None:
    bounded = variant({"permissions_boundary": boundary})
    assert every_role_is_bounded(bounded) == []
    # The functions of the library have roles too, raw ones among them.
    assert len(bounded.of_type(ROLE)) == 11
    assert every_role_is_bounded(bounded.without(ROLE, "PermissionsBoundary"))


def test_people_of_another_account_are_named_in_full(
    variant: Callable[[Mapping[str, Any]], AppDeployment],
) -> None:
    people = {
        "uploaders": ["arn:aws:iam::444455556666:role/partner"],
        "readers": ["role/aws-reserved/sso.amazonaws.com/*AWSReservedSSO_Data_*"],
        "administrators": ["user/admin"],
    }
    made = variant({"people": people})
    assert roles_are_taken_only_by(made) == []
