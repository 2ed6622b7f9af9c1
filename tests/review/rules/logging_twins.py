"""An environment that logs model invocations, with one thing changed so that it breaks a rule."""

from __future__ import annotations

from review.rules.environment import LOGGING
from review.template.deployment import ABSENT
from tests.review.rules.serving_twins import ROLE, Change, in_policy

GROUP = "AWS::Logs::LogGroup"
OURS = {"LogGroupName": "/finetune/test/invocations"}
WRITER = {"RoleName": "finetune-test-us-east-1-invocation-logs"}
TRUST = "AssumeRolePolicyDocument.Statement.0"


def _put(type_: str, path: str, value: object, **where: object) -> Change:
    return lambda made: made.put(type_, path, value, where=where)


LOGGING_TWINS: dict[str, tuple[str, Change]] = {
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
"""The rule that each change breaks."""
