"""The schedule that removes throughput at its end, whatever becomes of our functions.

A schedule of EventBridge Scheduler with Bedrock's own operation as its universal target, by name.
https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html
"""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from customization.jobs import error_code
from deployments.errors import ScheduleError
from deployments.remedies import advice

if TYPE_CHECKING:
    from mypy_boto3_scheduler import EventBridgeSchedulerClient

TRIES_FOR_SECONDS: Final = 86_400
MOST_TRIES: Final = 185
"""The most that the Scheduler offers: throughput that is just changing cannot be deleted yet.

https://docs.aws.amazon.com/scheduler/latest/APIReference/API_RetryPolicy.html
"""
_PASSING: Final = ("ThrottlingException", "InternalServerException")


@dataclass(frozen=True, kw_only=True)
class Schedules:
    """The schedules of one environment: a group, the role they act with and the key they lie under.

    `partition` is the one of the role's ARN.
    """

    scheduler: EventBridgeSchedulerClient
    group: str
    role_arn: str
    key_arn: str | None

    def when(self, name: str) -> datetime | None:
        """Return when the schedule of a name removes it; None when there is none that will."""
        try:
            answer = self.scheduler.get_schedule(GroupName=self.group, Name=name)
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                return None
            raise
        if answer.get("State") != "ENABLED" or answer.get("Target", {}).get("Arn") != self._target:
            return None
        return moment_of(str(answer.get("ScheduleExpression")))

    def put(self, name: str, *, at: datetime) -> None:
        """Have a name removed at a time (a whole second), instead of any other time.

        Raises ScheduleError for what does not pass by itself.
        """
        try:
            self.scheduler.create_schedule(**self._arguments(name, at=at))
        except ClientError as error:
            if error_code(error) != "ConflictException":
                raise _explained(error, name=name) from None
            try:
                self.scheduler.update_schedule(**self._arguments(name, at=at))
            except ClientError as again:
                raise _explained(again, name=name) from None

    def remove(self, name: str) -> None:
        """Remove the schedule of a name, or do nothing when there is none."""
        try:
            self.scheduler.delete_schedule(GroupName=self.group, Name=name)
        except ClientError as error:
            if error_code(error) != "ResourceNotFoundException":
                raise

    def _arguments(self, name: str, *, at: datetime) -> dict[str, Any]:
        return {
            "GroupName": self.group,
            "Name": name,
            "ScheduleExpression": expression_of(at),
            "ScheduleExpressionTimezone": "UTC",
            "FlexibleTimeWindow": {"Mode": "OFF"},
            "State": "ENABLED",
            "ActionAfterCompletion": "DELETE",
            **({"KmsKeyArn": self.key_arn} if self.key_arn else {}),
            "Target": {
                "Arn": self._target,
                "RoleArn": self.role_arn,
                "Input": json.dumps({"ProvisionedModelId": name}),
                "RetryPolicy": {
                    "MaximumEventAgeInSeconds": TRIES_FOR_SECONDS,
                    "MaximumRetryAttempts": MOST_TRIES,
                },
            },
        }

    @property
    def _target(self) -> str:
        partition = self.role_arn.split(":")[1]
        return f"arn:{partition}:scheduler:::aws-sdk:bedrock:deleteProvisionedModelThroughput"


def expression_of(moment: datetime) -> str:
    """Return a time as a schedule that happens once, in UTC.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html#one-time
    """
    return f"at({moment.astimezone(UTC):%Y-%m-%dT%H:%M:%S})"


def moment_of(expression: str) -> datetime | None:
    """Return the time of a schedule that happens once, None for any other."""
    found = re.fullmatch(r"at\(([0-9T:-]+)\)", expression, re.ASCII)
    if found is None:
        return None
    try:
        return datetime.fromisoformat(found[1]).replace(tzinfo=UTC)
    except ValueError:
        return None


def _explained(error: ClientError, *, name: str) -> Exception:
    code = error_code(error)
    if code in _PASSING:
        return error
    text = f"{code}: {error.response.get('Error', {}).get('Message', '')}"
    return ScheduleError(
        f"the schedule for the end of {name} could not be made, and nothing is bought without it: "
        f"{text}; {advice(text)}"
    )
