"""Accepting or refusing a CreateModelCustomizationJob request."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ministack.core.responses import get_account_id
from ministack.services import kms

from rehearsal.emulator import principals
from rehearsal.emulator.bedrock import job_network
from rehearsal.emulator.bedrock.access import (
    MODEL_KEY_ACTIONS,
    Access,
    model_key_keys,
    request_tag_keys,
)
from rehearsal.emulator.bedrock.catalogue import Catalogue
from rehearsal.emulator.bedrock.records import IN_PROGRESS, STOPPING, Job, Records, arn, new_id
from rehearsal.emulator.decisions import why_denied
from rehearsal.emulator.errors import ConflictError, ServiceError, ValidationError

_SERVICE = "bedrock.amazonaws.com"
_MOST_TAGS = 50
_MOST_JOBS = 10
"""Scheduled customization jobs per account; not adjustable."""


def _tags(entries: list[dict[str, str]]) -> dict[str, str]:
    return {entry["key"]: entry["value"] for entry in entries}


class Submission:
    """Checks a request the way Bedrock is assumed to, and makes the job."""

    def __init__(
        self, *, records: Records, catalogue: Catalogue, caller_needs_model_key: bool
    ) -> None:
        self._records = records
        self._catalogue = catalogue
        self._caller_needs_model_key = caller_needs_model_key

    def accept(self, request: dict[str, Any], access: Access) -> tuple[Job, bool]:
        """The job of a request.

        Returns:
            The job, and whether it is new: a client token seen before gives the old one.

        Raises:
            ServiceError: why it is refused.
        """
        self._authorise(request, access)
        with self._records.lock:
            token = request.get("clientRequestToken")
            for job in self._records.jobs.values():
                if token and job.request.get("clientRequestToken") == token:
                    return job, False
            self._check_names(request)
            job = self._make(request, access)
            self._records.jobs[job.arn] = job
            self._records.tags[job.arn] = _tags(request.get("jobTags", []))
        return job, True

    def _authorise(self, request: Mapping[str, Any], access: Access) -> None:
        job_tags = _tags(request.get("jobTags", []))
        model_tags = _tags(request.get("customModelTags", []))
        base = str(request["baseModelIdentifier"])
        base_arn = base if base.startswith("arn:") else arn(f"foundation-model/{base}", account="")
        create, tag = "bedrock:CreateModelCustomizationJob", "bedrock:TagResource"
        jobs, models = arn("model-customization-job/*"), arn("custom-model/*")
        access.require(create, base_arn, keys=request_tag_keys(job_tags))
        access.require(create, models, keys=request_tag_keys(model_tags))
        access.require(create, jobs, keys=request_tag_keys(job_tags))
        if job_tags:
            access.require(tag, jobs, keys=request_tag_keys(job_tags))
        if model_tags:
            access.require(tag, models, keys=request_tag_keys(model_tags))
        access.require(
            "iam:PassRole", str(request["roleArn"]), keys={"iam:PassedToService": _SERVICE}
        )

    def _check_names(self, request: Mapping[str, Any]) -> None:
        for name in ("jobTags", "customModelTags"):
            if len(request.get(name, [])) > _MOST_TAGS:
                raise ServiceError(
                    "TooManyTagsException", f"{name}: at most {_MOST_TAGS} tags on a resource"
                )
        running = [
            job for job in self._records.jobs.values() if job.status in (IN_PROGRESS, STOPPING)
        ]
        if len(running) >= _MOST_JOBS:
            raise ServiceError(
                "ServiceQuotaExceededException",
                f"the account has {len(running)} customization jobs, at most {_MOST_JOBS}",
            )
        if self._records.find_job(request["jobName"]):
            raise ConflictError(f"The provided job name is currently in use: {request['jobName']}")
        model_name = request["customModelName"]
        if self._records.find_model(model_name) or any(
            job.model_name == model_name for job in running
        ):
            raise ConflictError(f"The provided custom model name is currently in use: {model_name}")

    def _make(self, request: dict[str, Any], access: Access) -> Job:
        customization = request.get("customizationType", "FINE_TUNING")
        base = str(request["baseModelIdentifier"])
        model = self._catalogue.for_job(base, customization)
        if ":custom-model/" in base and self._records.find_model(base) is None:
            raise ValidationError(f"The provided model identifier is invalid: {base}")
        job = Job(
            arn=arn(f"model-customization-job/{model.model_id}/{new_id()}"),
            base_model=model.model_id,
            request=request,
            model_key_arn=self._model_key(request, access),
        )
        role_arn = str(request["roleArn"])
        keys = {"aws:SourceAccount": get_account_id(), "aws:SourceArn": job.arn}
        if not principals.trusts_service(role_arn=role_arn, service=_SERVICE, keys=keys):
            raise ValidationError(
                "Could not assume provided IAM role. Please ensure that the role exists and that "
                f"its trust policy lets {_SERVICE} assume it: {role_arn}"
            )
        self._check_role_key(job)
        source = job_network.attachment(request)
        if source is not None:
            job_network.check_exists(source)
        return job

    def _model_key(self, request: Mapping[str, Any], access: Access) -> str | None:
        identifier = request.get("customModelKmsKeyId")
        if not identifier:
            return None
        key = kms._resolve_key(identifier)
        if key is None or key.get("KeyState", "Enabled") != "Enabled":
            raise ValidationError(f"The KMS key {identifier} does not exist or is not enabled")
        if key.get("KeySpec", "SYMMETRIC_DEFAULT") != "SYMMETRIC_DEFAULT":
            raise ValidationError(f"The KMS key {identifier} is not symmetric")
        if self._caller_needs_model_key:
            for action in MODEL_KEY_ACTIONS:
                access.require(action, key["Arn"], keys=model_key_keys(action))
        return str(key["Arn"])

    def _check_role_key(self, job: Job) -> None:
        if job.model_key_arn is None:
            return
        role = principals.session_of_role(
            role_arn=job.request["roleArn"], session_name="BedrockModelCustomization"
        )
        for action in MODEL_KEY_ACTIONS:
            denied = why_denied(
                caller=role,
                action=action,
                resource=job.model_key_arn,
                keys=model_key_keys(action),
            )
            if denied:
                raise ValidationError(f"The provided role may not use the model key: {denied}")
