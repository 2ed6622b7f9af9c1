"""What Bedrock says of a job and its model, looked up by name and typed.

A job is looked up by name, never by a kept ARN: the name follows from its content.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from customization.errors import UnknownStatusError

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient


class JobStatus(StrEnum):
    """The statuses of a job; another one is an error, never a pass.

    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetModelCustomizationJob.html
    """

    IN_PROGRESS = "InProgress"
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPING = "Stopping"
    STOPPED = "Stopped"

    @property
    def is_over(self) -> bool:
        """Whether Bedrock will do nothing more."""
        return self in {JobStatus.COMPLETED, JobStatus.FAILED, JobStatus.STOPPED}

    @property
    def is_running(self) -> bool:
        """Whether Bedrock still works on a model."""
        return self is JobStatus.IN_PROGRESS


PHASES = (
    ("validation", "validationDetails"),
    ("data processing", "dataProcessingDetails"),
    ("training", "trainingDetails"),
)
"""The phases of a job in their order, and their names in `statusDetails`."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """One customization job as Bedrock describes it; `phases` maps a phase to its status."""

    name: str
    arn: str
    status: JobStatus
    created: datetime
    model_arn: str | None
    failure: str
    phases: Mapping[str, str]
    ended: datetime | None = None

    @property
    def is_validated(self) -> bool:
        """Whether Bedrock has accepted the data."""
        return self.phases.get("validation") == JobStatus.COMPLETED

    @property
    def failed_phase(self) -> str | None:
        """The phase that failed or was stopped, if Bedrock says."""
        ended = {JobStatus.FAILED, JobStatus.STOPPED, JobStatus.STOPPING}
        return next((name for name, _ in PHASES if self.phases.get(name) in ended), None)


def parse_job(answer: Mapping[str, Any]) -> Job:
    """Return a job from GetModelCustomizationJob's answer.

    Raises UnknownStatusError for a status that JobStatus does not hold.
    """
    name = str(answer["jobName"])
    status = str(answer.get("status"))
    if status not in set(JobStatus):
        raise UnknownStatusError(
            f"job {name} has the unknown status {status!r}: known are {', '.join(JobStatus)}; "
            "look at the job in Bedrock and update this app"
        )
    details = answer.get("statusDetails") or {}
    return Job(
        name=name,
        arn=str(answer["jobArn"]),
        status=JobStatus(status),
        created=answer["creationTime"],
        model_arn=answer.get("outputModelArn"),
        failure=str(answer.get("failureMessage") or ""),
        ended=answer.get("endTime"),
        phases={
            phase: str(details[member].get("status"))
            for phase, member in PHASES
            if details.get(member)
        },
    )


def error_code(error: ClientError) -> str:
    """Return the code of an error that a service answered, such as `ThrottlingException`."""
    return str(error.response.get("Error", {}).get("Code", ""))


def find_job(*, bedrock: BedrockClient, name: str) -> Job | None:
    """Return the job of a name or ARN, or None when there is none."""
    try:
        return parse_job(bedrock.get_model_customization_job(jobIdentifier=name))
    except ClientError as error:
        if error_code(error) == "ResourceNotFoundException":
            return None
        raise


def tags_of(*, bedrock: BedrockClient, arn: str) -> dict[str, str]:
    """Return the tags of a job or model; none when it went away meanwhile."""
    try:
        answer = bedrock.list_tags_for_resource(resourceARN=arn)
    except ClientError as error:
        if error_code(error) == "ResourceNotFoundException":
            return {}
        raise
    return {tag["key"]: tag["value"] for tag in answer.get("tags", [])}


def model_exists(*, bedrock: BedrockClient, arn: str) -> bool:
    """Return whether Bedrock has a custom model, whatever its state."""
    try:
        bedrock.get_custom_model(modelIdentifier=arn)
    except ClientError as error:
        if error_code(error) == "ResourceNotFoundException":
            return False
        raise
    return True


def model_is_alive(*, bedrock: BedrockClient, arn: str) -> bool:
    """Return whether a custom model exists and can be used, or will be."""
    try:
        answer = bedrock.get_custom_model(modelIdentifier=arn)
    except ClientError as error:
        if error_code(error) == "ResourceNotFoundException":
            return False
        raise
    # Models made before Bedrock had a status carry none.
    status = answer.get("modelStatus", "Active")
    if status not in {"Active", "Creating", "Failed"}:
        raise UnknownStatusError(
            f"model {arn} has the unknown status {status!r}: known are Active, Creating, Failed; "
            "look at the model in Bedrock and update this app"
        )
    return status != "Failed"
