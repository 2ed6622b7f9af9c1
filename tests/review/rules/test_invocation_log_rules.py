"""Rules on an environment that logs model invocations, and on weakened copies of it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from review.rules import RULES, violations
from review.rules.environment import LOGGING, LOGGING_ROLE, environment_of
from review.template.deployment import ABSENT
from tests.review.rules.serving_twins import ROLE, Change, in_policy
from tests.security.app_deployment import AppDeployment
from tests.security.synthesis import WITH_INFERENCE

Maker = Callable[[Mapping[str, Any]], AppDeployment]
GROUP = "AWS::Logs::LogGroup"
OURS = {"LogGroupName": "/finetune/test/invocations"}
WRITER = {"RoleName": "finetune-test-us-east-1-invocation-logs"}
TRUST = "AssumeRolePolicyDocument.Statement.0"


@pytest.fixture(scope="module")
def logging(variant: Maker) -> AppDeployment:
    return variant({**WITH_INFERENCE, "inference": {"enabled": True, "invocation_logging": True}})


def _put(type_: str, path: str, value: object, **where: object) -> Change:
    return lambda made: made.put(type_, path, value, where=where)


TWINS: dict[str, tuple[str, Change]] = {
    "a log without a key": (
        "invocation-logging.encrypted",
        _put(GROUP, "KmsKeyId", ABSENT, **OURS),
    ),
    "somebody's log group": (
        "invocation-logging.encrypted",
        _put(LOGGING, "LogGroup", "/somebody/else"),
    ),
    "another key": (
        "stores.logs-as-designed",
        _put(GROUP, "KmsKeyId", "arn:aws:kms:us-east-1:111122223333:key/x", **OURS),
    ),
    "no log group": (
        "stores.logs-as-designed",
        lambda made: made.without_resources(GROUP, **OURS),
    ),
    "another log group of ours": (
        "invocation-logging.as-designed",
        _put(LOGGING, "LogGroup", "/finetune/test/flow-logs"),
    ),
    "a foreign role": (
        "invocation-logging.as-designed",
        _put(LOGGING, "RoleArn", "arn:aws:iam::444455556666:role/somebody"),
    ),
    "another environment": (
        "invocation-logging.as-designed",
        _put(LOGGING, "Environment", "prod"),
    ),
    "another provider": (
        "invocation-logging.as-designed",
        _put(LOGGING, "ServiceToken", "arn:aws:lambda:us-east-1:444455556666:function:x"),
    ),
    "a second one": (
        "invocation-logging.as-designed",
        lambda made: made.plus("inference", LOGGING, Environment="test"),
    ),
    "nobody turns it on": (
        "invocation-logging.as-designed",
        lambda made: made.without_resources(LOGGING),
    ),
    "no account in the trust": (
        "roles.no-confused-deputy",
        _put(ROLE, f"{TRUST}.Condition", {"ArnLike": {"aws:SourceArn": "arn:aws:bedrock:us-east-1:"
             "111122223333:*"}}, **WRITER),
    ),
    "no confinement": ("roles.no-confused-deputy", _put(ROLE, f"{TRUST}.Condition", {}, **WRITER)),
    "taken by another service": (
        "roles.taken-as-designed",
        _put(ROLE, f"{TRUST}.Principal", {"Service": "ec2.amazonaws.com"}, **WRITER),
    ),
    "writes everywhere": (
        "roles.allowed-as-designed",
        in_policy("WriteInvocations", "Resource", "*"),
    ),
    "reads besides": (
        "roles.allowed-as-designed",
        in_policy("WriteInvocations", "Action", ["logs:GetLogEvents", "logs:PutLogEvents"]),
    ),
    "the deployer passes all roles": (
        "roles.allowed-as-designed",
        in_policy("PassTheRoleOfTheLog", "Resource", "*"),
    ),
    "the deployer passes it to anybody": (
        "roles.allowed-as-designed",
        in_policy("PassTheRoleOfTheLog", "Condition", ABSENT),
    ),
}  # fmt: skip


def _errors(made: AppDeployment) -> list[tuple[str, str]]:
    found = violations(made, "app")
    return [(rule.id, str(each)) for rule, each in found if rule.level == "error"]


def test_an_environment_that_logs_invocations_breaks_no_rule(logging: AppDeployment) -> None:
    assert environment_of(logging).logs_invocations
    assert _errors(logging) == []


def test_one_that_does_not_is_known_as_such(dev: AppDeployment) -> None:
    assert not environment_of(dev).logs_invocations
    assert LOGGING_ROLE not in environment_of(dev).role_names


@pytest.mark.parametrize("what", TWINS)
def test_a_weakened_one_breaks_the_rule(logging: AppDeployment, what: str) -> None:
    rule, change = TWINS[what]
    found = [str(each) for each in RULES[rule](change(logging))]
    assert found
    assert "cannot be understood" not in "".join(found)


def test_a_resource_that_waits_for_nothing_is_told(logging: AppDeployment) -> None:
    def careless(templates: dict[str, Any]) -> None:
        for template in templates.values():
            for resource in template["Resources"].values():
                if resource["Type"] == LOGGING:
                    resource["DependsOn"] = []

    found = RULES["invocation-logging.as-designed"](logging.changed(careless))
    assert any("does not wait for" in str(each) for each in found)
