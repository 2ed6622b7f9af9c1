"""Stopping jobs and deleting models of ours: the two things that take something away."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from customization.errors import ModelInUseError
from customization.identity import PhysicalId, is_owned
from customization.jobs import Job, error_code, find_job, tags_of

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient


def find_ours(*, bedrock: BedrockClient, owner: PhysicalId) -> Job | None:
    """Return the job of an id when it is there and carries the id's owner tags, else None."""
    job = find_job(bedrock=bedrock, name=str(owner))
    if job is None or not is_owned(
        tags=tags_of(bedrock=bedrock, arn=job.arn),
        environment=owner.environment,
        job=owner.job,
        digest=owner.digest,
    ):
        return None
    return job


def stop(*, bedrock: BedrockClient, job: Job) -> Job | None:
    """Stop a job and return it as it is after; one that just ended needs no stopping."""
    try:
        bedrock.stop_model_customization_job(jobIdentifier=job.arn)
    except ClientError as error:
        if error_code(error) not in {
            "ConflictException",
            "ValidationException",
            "ResourceNotFoundException",
        }:
            raise
        seen = find_job(bedrock=bedrock, name=job.arn)
        if seen is not None and seen.status.is_running:
            raise
        return seen
    return find_job(bedrock=bedrock, name=job.arn)


def is_served(*, bedrock: BedrockClient, arn: str) -> bool:
    """Return whether a deployment or provisioned throughput of a model is there, whoever's it is.

    Whatever state it is in: Bedrock deletes no model while there is one.
    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_DeleteCustomModel.html
    """
    deployments = bedrock.list_custom_model_deployments(modelArnEquals=arn, maxResults=1)
    if deployments.get("modelDeploymentSummaries"):
        return True
    bought = bedrock.list_provisioned_model_throughputs(modelArnEquals=arn, maxResults=1)
    return bool(bought.get("provisionedModelSummaries"))


def delete_model(*, bedrock: BedrockClient, arn: str) -> None:
    """Delete a model, or do nothing when it is gone already; raises ModelInUseError."""
    try:
        bedrock.delete_custom_model(modelIdentifier=arn)
    except ClientError as error:
        code = error_code(error)
        if code == "ResourceNotFoundException":
            return
        if code == "ConflictException":
            raise ModelInUseError(
                f"model {arn} cannot be deleted while something uses it: delete its custom "
                "model deployments and provisioned throughput first, then delete again, or "
                "set the job's on_delete: keep-model"
            ) from None
        raise
