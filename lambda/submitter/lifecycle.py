"""Create, Update and Delete of a job: look, decide, act, write down.

Every step may be repeated: names follow from the content, so a second run finds what the first one
made. A job or model without this environment's owner tags is never changed.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from customization.decisions import (
    AttemptVerdict,
    Removal,
    State,
    judge_attempt,
    judge_removal,
)
from customization.errors import AttemptsUsedError, ModelInUseError, NameTakenError
from customization.events import Follow, OnEventResult, RequestType, ResourceEvent
from customization.identity import (
    ENVIRONMENT_TAG,
    MAX_ATTEMPTS,
    PhysicalId,
    is_owned,
    parse_physical_id,
)
from customization.jobs import Job, error_code, find_job, model_is_alive, tags_of
from customization.request import JobRequest, ModelPolicy
from submitter.preflight import check_data
from submitter.submission import submit

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools import Logger
    from mypy_boto3_bedrock import BedrockClient
    from mypy_boto3_s3 import S3Client

    from submitter.records import Records


@dataclass(frozen=True, kw_only=True)
class Lifecycle:
    """The life of jobs in one environment, over clients that are passed in.

    `patience_seconds` says how long the current call may still wait for permissions to spread;
    `sleep` and `now` stand for the clock.
    """

    bedrock: BedrockClient
    s3: Callable[[], S3Client]
    records: Records
    logger: Logger
    patience_seconds: float
    sleep: Callable[[float], None]
    now: Callable[[], datetime]

    def on_event(self, event: ResourceEvent) -> OnEventResult:
        """Answer one request of CloudFormation."""
        match event.request_type:
            case RequestType.CREATE:
                return self.create(event)
            case RequestType.UPDATE:
                return self.update(event)
            case RequestType.DELETE:
                return self.delete(event)

    def create(self, event: ResourceEvent) -> OnEventResult:
        """Make a job for the content, or adopt the one that is there."""
        return self._ensure(self._request(event))

    def update(self, event: ResourceEvent) -> OnEventResult:
        """Keep the job when the content is the same, else make the new one and mark the old.

        An Update back to a content whose clean-up has not come is a rollback of the very update
        that replaced it: the old job is current again whatever became of it, and nothing is
        trained, as CloudFormation asks for the state before and not for a new attempt.
        """
        job = self._request(event)
        old = self._old_id(event)
        if old is not None and (old.environment, old.job) == (job.environment, job.job):
            if old.digest == job.digest:
                self.records.make_current(old, now=self.now())
                self.logger.info("same content: no new job", extra={"physical_id": str(old)})
                return _answer(old, follow=Follow.NOTHING)
            restored = self._rolled_back_to(job=job, current=old)
            if restored is not None:
                self.records.make_current(restored, now=self.now())
                self.records.supersede(old, by=str(restored))
                self.logger.info("rolled back", extra={"physical_id": str(restored)})
                return _answer(restored, follow=Follow.NOTHING)
        result = self._ensure(job)
        if old is not None:
            self.records.supersede(old, by=result["PhysicalResourceId"])
        return result

    def delete(self, event: ResourceEvent) -> OnEventResult:
        """Stop and remove what an id stands for, as its policy says.

        Ids that are not of this environment and job, invented by CloudFormation for a resource
        that never came to be among them, are answered without a call.
        """
        owner = _parse(event.physical_id, event.properties)
        if owner is None:
            self.logger.info("not an id of ours", extra={"physical_id": event.physical_id})
            return {"PhysicalResourceId": str(event.physical_id), "Follow": Follow.NOTHING}
        record = self.records.read(str(owner))
        superseded = record.superseded_by is not None
        policy = _policy(event.properties, "OnReplace" if superseded else "OnDelete")
        job = find_job(bedrock=self.bedrock, name=str(owner))
        owned = job is not None and self._owns(job, owner)
        successor = None
        if owned and record.superseded_by:
            successor = find_job(bedrock=self.bedrock, name=record.superseded_by)

        def judge() -> Removal:
            return judge_removal(
                job=job, owned=owned, superseded=superseded, successor=successor, policy=policy
            )

        removal = judge()
        self.logger.info(removal.note, extra={"physical_id": str(owner)})
        if removal.stop and job is not None:
            job = self._stop(job)
            follow = Follow.JOB
            # It may have completed just before, and have a model now.
            removal = judge()
        else:
            follow = Follow.JOB if owned and not superseded else Follow.NOTHING
        if removal.delete_model and job is not None and job.model_arn:
            self._delete_model(job.model_arn)
        if superseded:
            self.records.retire(owner, on_replace=policy, now=self.now())
        else:
            self.records.delete(owner)
        return {"PhysicalResourceId": str(owner), "Follow": follow}

    def _request(self, event: ResourceEvent) -> JobRequest:
        return JobRequest.from_properties(
            event.properties,
            service_model=self.bedrock.meta.service_model,
            show_values=False,
        )

    def _old_id(self, event: ResourceEvent) -> PhysicalId | None:
        return _parse(event.physical_id, event.old_properties)

    def _ensure(self, job: JobRequest) -> OnEventResult:
        """Make sure that there is a job for a content, and write it down as current."""
        for attempt in range(1, MAX_ATTEMPTS + 1):
            verdict = self._judge(job, attempt)
            if verdict is AttemptVerdict.NEXT:
                continue
            owner = PhysicalId(
                environment=job.environment, job=job.job, digest=job.digest, attempt=attempt
            )
            if verdict is AttemptVerdict.TAKEN:
                raise NameTakenError(
                    f"a job named {owner} exists without the tag "
                    f"{ENVIRONMENT_TAG}={job.environment} and the job's other owner tags: it is "
                    "not this stack's and is left alone; rename the job or raise its run"
                )
            if verdict is AttemptVerdict.SUBMIT:
                check_data(s3=self.s3(), job=job)
                arn = submit(
                    bedrock=self.bedrock,
                    job=job,
                    attempt=attempt,
                    patience_seconds=self.patience_seconds,
                    sleep=self.sleep,
                    logger=self.logger,
                )
                self.logger.info("submitted", extra={"job_name": str(owner), "job_arn": arn})
            else:
                self.logger.info("adopted", extra={"job_name": str(owner)})
            self.records.make_current(owner, now=self.now())
            return {**_answer(owner, follow=Follow.JOB), "SubmittedAt": self.now().isoformat()}
        raise AttemptsUsedError(
            f"all {MAX_ATTEMPTS} attempts at job {job.job} with the content {job.digest} have "
            "ended without a model: find out why, then raise the job's run"
        )

    def _judge(self, job: JobRequest, attempt: int) -> AttemptVerdict:
        found = find_job(bedrock=self.bedrock, name=job.name(attempt=attempt))
        owned = found is not None and is_owned(
            tags=tags_of(bedrock=self.bedrock, arn=found.arn),
            environment=job.environment,
            job=job.job,
            digest=job.digest,
        )
        alive = (
            found is not None
            and owned
            and found.model_arn is not None
            and model_is_alive(bedrock=self.bedrock, arn=found.model_arn)
        )
        return judge_attempt(job=found, owned=owned, model_alive=alive)

    def _rolled_back_to(self, *, job: JobRequest, current: PhysicalId) -> PhysicalId | None:
        """Return the id of a content that `current` replaced in an update that is not final."""
        for attempt in range(1, MAX_ATTEMPTS + 1):
            candidate = PhysicalId(
                environment=job.environment, job=job.job, digest=job.digest, attempt=attempt
            )
            record = self.records.read(str(candidate))
            if record.superseded_by == str(current) and not record.retired:
                return candidate
            if not record.exists:
                return None
        return None

    def _owns(self, job: Job, owner: PhysicalId) -> bool:
        return is_owned(
            tags=tags_of(bedrock=self.bedrock, arn=job.arn),
            environment=owner.environment,
            job=owner.job,
            digest=owner.digest,
        )

    def _stop(self, job: Job) -> Job | None:
        """Stop a job and return it as it is after; one that just ended needs no stopping."""
        try:
            self.bedrock.stop_model_customization_job(jobIdentifier=job.arn)
        except ClientError as error:
            if error_code(error) not in {
                "ConflictException",
                "ValidationException",
                "ResourceNotFoundException",
            }:
                raise
            seen = find_job(bedrock=self.bedrock, name=job.name)
            if seen is not None and not seen.status.is_over:
                raise
            return seen
        return job

    def _delete_model(self, arn: str) -> None:
        try:
            self.bedrock.delete_custom_model(modelIdentifier=arn)
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


def _answer(owner: PhysicalId, *, follow: Follow) -> OnEventResult:
    return {
        "PhysicalResourceId": str(owner),
        "Follow": follow,
        "Data": {"JobName": str(owner), "ModelName": str(owner), "State": State.SUBMITTED},
    }


def _parse(physical_id: str | None, properties: Mapping[str, object]) -> PhysicalId | None:
    environment, job = properties.get("Environment"), properties.get("Job")
    if physical_id is None or not isinstance(environment, str) or not isinstance(job, str):
        return None
    return parse_physical_id(physical_id=physical_id, environment=environment, job=job)


def _policy(properties: Mapping[str, object], name: str) -> ModelPolicy:
    """Return a policy; what is not one keeps the model, the choice that can be undone."""
    value = str(properties.get(name))
    return ModelPolicy(value) if value in set(ModelPolicy) else ModelPolicy.KEEP
