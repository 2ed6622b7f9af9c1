"""Whether a Create, Update or Delete is complete, from Bedrock's and EC2's state alone."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from customization.decisions import State, judge_progress, state_of
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
            return self._is_gone(event)
        if event.follow is not Follow.JOB:
            found = find_job(bedrock=self.bedrock, name=name)
            waits = found is None and event.follow is Follow.QUEUE
            return {
                "IsComplete": True,
                "Data": {"State": State.QUEUED if waits else state_of(found)},
            }
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

    def _is_gone(self, event: ResourceEvent) -> IsCompleteResult:
        """Return whether all jobs that go are over and their network interfaces are gone.

        Only then can their role, subnets and security groups go: Bedrock deletes the interfaces
        with the job's role. https://docs.aws.amazon.com/bedrock/latest/userguide/custom-model-job-access-security.html
        """
        if event.follow is not Follow.JOB:
            return {"IsComplete": True}
        names = event.jobs or (str(event.physical_id),)
        return {"IsComplete": all(self._is_over(name, event.not_before) for name in names)}

    def _is_over(self, name: str, not_before: datetime | None) -> bool:
        job = find_job(bedrock=self.bedrock, name=name)
        if job is None:
            return not_before is None or self.now() >= not_before
        if not job.status.is_over:
            self.logger.info("the job is not over", extra={"job_name": name, "status": job.status})
            return False
        left = self._interfaces(job.arn)
        self.logger.info("the job is over", extra={"job_name": name, "interfaces_left": left})
        return left == 0

    def _interfaces(self, job_arn: str) -> int:
        # No MaxResults: with filters EC2 may answer an empty page that has a successor.
        answer = self.ec2().describe_network_interfaces(
            Filters=[
                {"Name": "tag:BedrockManaged", "Values": ["true"]},
                {"Name": "tag:BedrockModelCustomizationJobArn", "Values": [job_arn]},
            ]
        )
        return len(answer["NetworkInterfaces"])
