"""The log of model invocations: who may set it, and whether Bedrock may write where it is to go.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-invocation-logging.html
Of a bucket no more is looked at than whether it is there: the app names none.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import cloudwatch_logs, s3

from rehearsal.bedrock_semantics.errors import ValidationError
from rehearsal.emulator import principals
from rehearsal.emulator.bedrock.access import Access
from rehearsal.emulator.bedrock.records import arn
from rehearsal.emulator.decisions import why_denied

Answer = dict[str, Any]
_SERVICE = "bedrock.amazonaws.com"
_STREAM = "aws/bedrock/modelinvocations"
_WRITE = ("logs:CreateLogStream", "logs:PutLogEvents")
_PUT = "PutModelInvocationLoggingConfiguration"


def authorisations() -> dict[str, Callable[[Answer, Access], None]]:
    """What to look at before each operation, by its name."""
    return {
        _PUT: _putting,
        **{
            f"{verb}ModelInvocationLoggingConfiguration": _about(verb) for verb in ("Get", "Delete")
        },
    }


def _about(verb: str) -> Callable[[Answer, Access], None]:
    def require(request: Answer, access: Access) -> None:
        del request
        access.require(f"bedrock:{verb}ModelInvocationLoggingConfiguration", "*")

    return require


def _putting(request: Answer, access: Access) -> None:
    access.require(f"bedrock:{_PUT}", "*")
    logs = request["loggingConfig"].get("cloudWatchConfig")
    if logs:
        passed = {"iam:PassedToService": _SERVICE}
        access.require("iam:PassRole", logs["roleArn"], keys=passed)


def admit(configuration: Mapping[str, Any]) -> None:
    """Take a configuration whose destinations are there and open to Bedrock.

    Raises:
        ValidationError: says which is not.
    """
    logs = configuration.get("cloudWatchConfig")
    if logs:
        _check_log_group(name=logs["logGroupName"], role_arn=logs["roleArn"])
    large = (logs or {}).get("largeDataDeliveryS3Config")
    for bucket in (large, configuration.get("s3Config")):
        if bucket and bucket["bucketName"] not in s3._buckets:
            raise ValidationError(f"The bucket {bucket['bucketName']} does not exist")


def _check_log_group(*, name: str, role_arn: str) -> None:
    if name not in cloudwatch_logs._log_groups:
        raise ValidationError(f"The log group {name} does not exist")
    keys = {
        "aws:SourceAccount": get_account_id(),
        # Of which resource Bedrock speaks is not documented, but that it is one of these.
        "aws:SourceArn": arn("model-invocation-logging"),
    }
    if not principals.trusts_service(role_arn=role_arn, service=_SERVICE, keys=keys):
        raise ValidationError(
            f"Failed to validate permissions for log group: {name}, with role: {role_arn}. Its "
            f"trust policy does not let {_SERVICE} assume it"
        )
    role = principals.session_of_role(role_arn=role_arn, session_name="BedrockLogging")
    stream = f"arn:aws:logs:{get_region()}:{get_account_id()}:log-group:{name}:log-stream:{_STREAM}"
    for action in _WRITE:
        denied = why_denied(caller=role, action=action, resource=stream, keys={})
        if denied:
            raise ValidationError(
                f"Failed to validate permissions for log group: {name}, with role: {role_arn}. "
                f"{denied}"
            )
