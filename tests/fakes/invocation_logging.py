"""The custom resource of the log of invocations, and how each call about it is reached."""

from __future__ import annotations

import copy
import json
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final

from tests.fakes.aws import FakeAws
from tests.fakes.cloudformation import Resource
from tests.fakes.deployments import deploy

LOG_GROUP = "/finetune/dev/invocations"
ROLE = "arn:aws:iam::123456789012:role/finetune-dev-eu-test-1-invocation-logs"
OURS: Final[dict[str, Any]] = {
    "cloudWatchConfig": {"logGroupName": LOG_GROUP, "roleArn": ROLE},
    "textDataDeliveryEnabled": True,
    "imageDataDeliveryEnabled": False,
    "embeddingDataDeliveryEnabled": False,
    "videoDataDeliveryEnabled": False,
    "audioDataDeliveryEnabled": False,
}
FOREIGN: Final[dict[str, Any]] = {
    "s3Config": {"bucketName": "made-central-logs", "keyPrefix": "bedrock"},
    "textDataDeliveryEnabled": True,
}
PATIENT = timedelta(minutes=4)
"""Longer than a new role may take to be known everywhere."""


def logging_properties(**changes: Any) -> dict[str, Any]:
    """Return the properties of the resource, with changes."""
    return {
        "ServiceToken": "arn:aws:lambda:eu-test-1:123456789012:function:framework",
        "ServiceTimeout": "3600",
        "Environment": "dev",
        "LogGroup": LOG_GROUP,
        "RoleArn": ROLE,
        **changes,
    }


@dataclass
class LoggingResource(Resource):
    """The custom resource of the log: as that of a job, and its deployer is waited for."""

    def __post_init__(self) -> None:
        self.aws.waited_for = lambda payload: deploy(self.aws, json.loads(payload))

    def _call(self, event: dict[str, Any]) -> dict[str, Any]:
        event["LogicalResourceId"] = "InvocationLogging"
        event["ResourceType"] = "Custom::BedrockInvocationLogging"
        return super()._call(event)


def present(aws: FakeAws) -> dict[str, Any] | None:
    """Return the configuration of the account and Region, None when there is none."""
    return copy.deepcopy(aws.bedrock.logging.store.get("loggingConfig"))


def plant(aws: FakeAws, configuration: dict[str, Any]) -> None:
    """Let somebody have set a configuration."""
    aws.bedrock.logging.put({"loggingConfig": configuration})


def _turn_on(aws: FakeAws, resource: LoggingResource) -> Callable[[], object]:
    resource.create()
    return lambda: _asked_for_long(aws, resource)


def _turn_off(aws: FakeAws, resource: LoggingResource) -> Callable[[], object]:
    resource.create()
    resource.is_complete()
    resource.delete()
    return lambda: _asked_for_long(aws, resource)


def _asked_for_long(aws: FakeAws, resource: LoggingResource) -> dict[str, Any]:
    answer = resource.is_complete()
    if not answer["IsComplete"]:
        aws.now += PATIENT
        answer = resource.is_complete()
    return answer


REACHED: Final = {
    ("deployer", "GetModelInvocationLoggingConfiguration"): _turn_on,
    ("deployer", "PutModelInvocationLoggingConfiguration"): _turn_on,
    ("deployer", "DeleteModelInvocationLoggingConfiguration"): _turn_off,
}
"""For each call about the log, what leads to it."""


def afterwards(aws: FakeAws, resource: LoggingResource) -> None:
    """Let the last request be asked about again, and look at what is left."""
    assert resource.is_complete() == {"IsComplete": True}
    gone = resource.last["RequestType"] == "Delete"
    assert present(aws) == (None if gone else OURS)
