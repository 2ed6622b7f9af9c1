"""What must be right besides names and limits before a job is taken."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ministack.core.responses import get_account_id
from ministack.services import kms

from rehearsal.bedrock_semantics.errors import ValidationError
from rehearsal.bedrock_semantics.service import tags_as_map
from rehearsal.emulator import principals
from rehearsal.emulator.bedrock import job_network
from rehearsal.emulator.bedrock.access import (
    MODEL_KEY_ACTIONS,
    Access,
    model_key_keys,
    request_tag_keys,
)
from rehearsal.emulator.bedrock.catalogue import Catalogue
from rehearsal.emulator.bedrock.records import arn
from rehearsal.emulator.decisions import why_denied

_SERVICE = "bedrock.amazonaws.com"


def authorise(request: Mapping[str, Any], access: Access) -> None:
    """Refuse a caller who may not submit this job, with these tags, under this role.

    Raises:
        AccessDeniedError: with AWS's sentence.
    """
    job_tags = tags_as_map(request.get("jobTags", []))
    model_tags = tags_as_map(request.get("customModelTags", []))
    base = str(request["baseModelIdentifier"])
    base_arn = base if base.startswith("arn:") else arn(f"foundation-model/{base}")
    create, tag = "bedrock:CreateModelCustomizationJob", "bedrock:TagResource"
    jobs, models = arn("model-customization-job/*"), arn("custom-model/*")
    access.require(create, base_arn, keys=request_tag_keys(job_tags))
    access.require(create, models, keys=request_tag_keys(model_tags))
    access.require(create, jobs, keys=request_tag_keys(job_tags))
    if job_tags:
        access.require(tag, jobs, keys=request_tag_keys(job_tags))
    if model_tags:
        access.require(tag, models, keys=request_tag_keys(model_tags))
    access.require("iam:PassRole", str(request["roleArn"]), keys={"iam:PassedToService": _SERVICE})


@dataclass(frozen=True, kw_only=True)
class Checks:
    """Base model, model key, role and network, the way Bedrock is assumed to check them."""

    access: Access
    catalogue: Catalogue
    caller_needs_model_key: bool

    def base_model(self, request: Mapping[str, Any]) -> str:
        """The id of the base model.

        Raises:
            ValidationError: the Region has none of that name, or it takes no such job.
        """
        customization = request.get("customizationType", "FINE_TUNING")
        return self.catalogue.for_job(request["baseModelIdentifier"], customization).model_id

    def model_key(self, request: Mapping[str, Any], job_arn: str) -> str | None:
        """The ARN of the model's key, None for a job without one.

        Raises:
            ServiceError: key, role or network are not as they must be.
        """
        key_arn = self._model_key(request)
        role_arn = str(request["roleArn"])
        keys = {"aws:SourceAccount": get_account_id(), "aws:SourceArn": job_arn}
        if not principals.trusts_service(role_arn=role_arn, service=_SERVICE, keys=keys):
            raise ValidationError(
                "Could not assume provided IAM role. Please ensure that the role exists and that "
                f"its trust policy lets {_SERVICE} assume it: {role_arn}"
            )
        if key_arn is not None:
            _check_role_key(role_arn=role_arn, key_arn=key_arn)
        source = job_network.attachment(request)
        if source is not None:
            job_network.check_exists(source)
        return key_arn

    def _model_key(self, request: Mapping[str, Any]) -> str | None:
        identifier = request.get("customModelKmsKeyId")
        if not identifier:
            return None
        key = kms._resolve_key(identifier)
        if key is None or key.get("KeyState", "Enabled") != "Enabled":
            raise ValidationError(f"The KMS key {identifier} does not exist or is not enabled")
        if key.get("KeySpec", "SYMMETRIC_DEFAULT") != "SYMMETRIC_DEFAULT":
            raise ValidationError(f"The KMS key {identifier} is not symmetric")
        if self.caller_needs_model_key:
            for action in MODEL_KEY_ACTIONS:
                self.access.require(action, key["Arn"], keys=model_key_keys(action))
        return str(key["Arn"])


def _check_role_key(*, role_arn: str, key_arn: str) -> None:
    role = principals.session_of_role(role_arn=role_arn, session_name="BedrockModelCustomization")
    for action in MODEL_KEY_ACTIONS:
        denied = why_denied(
            caller=role, action=action, resource=key_arn, keys=model_key_keys(action)
        )
        if denied:
            raise ValidationError(f"The provided role may not use the model key: {denied}")
