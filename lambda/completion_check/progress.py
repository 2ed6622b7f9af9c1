"""Whether a Create, Update or Delete is complete, from Bedrock's and EC2's state alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from customization.decisions import judge_progress, state_of
from customization.events import Follow, IsCompleteResult, RequestType, ResourceEvent
from customization.jobs import find_job
from customization.request import JobRequest

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from aws_lambda_powertools import Logger
    from mypy_boto3_bedrock import BedrockClient
    from mypy_boto3_ec2 import EC2Client


@dataclass(frozen=True, kw_only=True)
class Progress:
    """The completion check over clients that are passed in."""

    bedrock: BedrockClient
    ec2: Callable[[], EC2Client]
    logger: Logger
    now: Callable[[], datetime]

    def is_complete(self, event: ResourceEvent) -> IsCompleteResult:
        """Return whether CloudFormation can be told that the request is done.

        Raises JobFailedError when a job that is waited for ended without a model.
        """
        name = str(event.physical_id)
        if event.request_type is RequestType.DELETE:
            return self._is_gone(name, event.follow)
        if event.follow is Follow.NOTHING:
            state = state_of(find_job(bedrock=self.bedrock, name=name))
            return {"IsComplete": True, "Data": {"State": state}}
        job = JobRequest.from_properties(
            event.properties,
            service_model=self.bedrock.meta.service_model,
            show_values=False,
        )
        progress = judge_progress(
            name=name,
            job=find_job(bedrock=self.bedrock, name=name),
            wait_for=job.wait_for,
            validation_minutes=job.validation_minutes,
            submitted_at=event.submitted_at,
            now=self.now(),
        )
        self.logger.info(progress.note, extra={"job_name": name})
        if progress.state is None:
            return {"IsComplete": False}
        return {"IsComplete": True, "Data": {"State": progress.state}}

    def _is_gone(self, name: str, follow: Follow) -> IsCompleteResult:
        """Return whether a job is over and its network interfaces are gone.

        Only then can its role, subnets and security groups go: Bedrock deletes the interfaces
        with the job's role. https://docs.aws.amazon.com/bedrock/latest/userguide/custom-model-job-access-security.html
        """
        job = find_job(bedrock=self.bedrock, name=name) if follow is Follow.JOB else None
        if job is None:
            return {"IsComplete": True}
        if not job.status.is_over:
            self.logger.info("the job is not over", extra={"job_name": name, "status": job.status})
            return {"IsComplete": False}
        left = self._interfaces(job.arn)
        self.logger.info("the job is over", extra={"job_name": name, "interfaces_left": left})
        return {"IsComplete": left == 0}

    def _interfaces(self, job_arn: str) -> int:
        # No MaxResults: with filters EC2 may answer an empty page that has a successor.
        answer = self.ec2().describe_network_interfaces(
            Filters=[
                {"Name": "tag:BedrockManaged", "Values": ["true"]},
                {"Name": "tag:BedrockModelCustomizationJobArn", "Values": [job_arn]},
            ]
        )
        return len(answer["NetworkInterfaces"])
