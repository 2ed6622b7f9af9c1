"""Custom model deployments and provisioned throughput: who may, on which resource, and how long.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonbedrock.html
https://docs.aws.amazon.com/bedrock/latest/userguide/encryption-custom-job.html
What Bedrock asks of the caller's rights on the model's key when it deploys is told for customizing
and copying only; the same four are assumed. Which resources a call that makes something is decided
on besides the model, and with which tags, is assumed from the calls that make jobs.
"""

from __future__ import annotations

import contextvars
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from rehearsal.bedrock_semantics.errors import (
    NotFoundError,
    ValidationError,
)
from rehearsal.bedrock_semantics.jobs import Record
from rehearsal.bedrock_semantics.service import Bedrock, tags_as_map
from rehearsal.bedrock_semantics.serving import ACTIVE, CREATING, FAILED, IN_SERVICE
from rehearsal.emulator.bedrock.access import (
    MODEL_KEY_ACTIONS,
    Access,
    model_key_keys,
    request_tag_keys,
    resource_tag_keys,
)
from rehearsal.emulator.bedrock.catalogue import Catalogue
from rehearsal.emulator.bedrock.history import Pace
from rehearsal.emulator.bedrock.records import arn
from rehearsal.emulator.errors import AccessDeniedError, NothingThereError

Answer = dict[str, Any]
CREATE_DEPLOYMENT = "CreateCustomModelDeployment"
CREATE_THROUGHPUT = "CreateProvisionedModelThroughput"
DELETE_THROUGHPUT = "DeleteProvisionedModelThroughput"
GRANTED_MODEL_UNITS = 4
"""AWS Support grants them on request; a rehearsal is an account that has asked."""
FAILS = "fail"
"""What stands in the file of the pace for what is made next to fail."""
_FAILURE = "the rehearsal was asked to let this fail"


@dataclass(frozen=True, kw_only=True)
class _Kind:
    """What differs between the two ways a model is served."""

    resource: str
    identifier: str
    """Name of the parameter that names one in the other calls."""
    model: str
    """Name of the parameter that names the model."""
    way: str
    """How the catalogue calls it."""
    ready: str


_DEPLOYMENT = _Kind(
    resource="custom-model-deployment",
    identifier="customModelDeploymentIdentifier",
    model="modelArn",
    way="on-demand",
    ready=ACTIVE,
)
_THROUGHPUT = _Kind(
    resource="provisioned-model",
    identifier="provisionedModelId",
    model="modelId",
    way="provisioned",
    ready=IN_SERVICE,
)


class Serving:
    """Authorises the calls about what serves models, and lets what is made become ready."""

    def __init__(
        self, *, bedrock: Bedrock, catalogue: Catalogue, pace: Pace, needs_model_key: bool
    ) -> None:
        self._bedrock = bedrock
        self._catalogue = catalogue
        self._pace = pace
        self._needs_model_key = needs_model_key
        self._begun: set[str] = set()
        bedrock.serving.model_units = GRANTED_MODEL_UNITS

    def authorisations(self) -> dict[str, Callable[[Answer, Access], None]]:
        """What to look at before each operation, by its name."""
        found: dict[str, Callable[[Answer, Access], None]] = {
            CREATE_DEPLOYMENT: self._creating(CREATE_DEPLOYMENT, _DEPLOYMENT),
            CREATE_THROUGHPUT: self._creating(CREATE_THROUGHPUT, _THROUGHPUT),
        }
        for operation in ("ListCustomModelDeployments", "ListProvisionedModelThroughputs"):
            found[operation] = _listing(operation)
        for verb in ("Get", "Delete"):
            for noun, kind in (
                ("CustomModelDeployment", _DEPLOYMENT),
                ("ProvisionedModelThroughput", _THROUGHPUT),
            ):
                found[f"{verb}{noun}"] = self._about(f"{verb}{noun}", kind)
        return found

    def _find(self, kind: _Kind, identifier: str) -> Record | None:
        serving = self._bedrock.serving
        if kind is _DEPLOYMENT:
            return serving.find_deployment(identifier)
        return serving.find_throughput(identifier)

    def _creating(self, operation: str, kind: _Kind) -> Callable[[Answer, Access], None]:
        def require(request: Answer, access: Access) -> None:
            identifier = str(request[kind.model])
            tags = tags_as_map(request.get("tags", []))
            model = self._bedrock.find_model(identifier)
            model_arn = _named(identifier, "custom-model") if model is None else model["modelArn"]
            try:
                access.require(
                    f"bedrock:{operation}",
                    model_arn,
                    keys={
                        **request_tag_keys(tags),
                        **resource_tag_keys(self._bedrock.tags_of(model_arn)),
                    },
                )
            except AccessDeniedError as error:
                if model is None:
                    raise NothingThereError(error.message) from error
                raise
            if tags:
                made = arn(f"{kind.resource}/*")
                access.require("bedrock:TagResource", made, keys=request_tag_keys(tags))
            if model is not None:
                self._check_model(model, kind, access)

        return require

    def _check_model(self, model: Record, kind: _Kind, access: Access) -> None:
        """Refuse a model that is not served this way, or whose key the caller may not use.

        Raises:
            ServiceError: says which.
        """
        base = self._catalogue.find(str(model["baseModelArn"]))
        if base is None or kind.way not in base.inference:
            served = ", ".join(base.inference) if base else "no way"
            raise ValidationError(
                f"A model customized from {model['baseModelArn']} cannot be served {kind.way}; it "
                f"can be served: {served}"
            )
        if kind is _THROUGHPUT and not base.active:
            raise ValidationError(f"{base.model_id} is Legacy: no new provisioned throughput")
        key = model.get("modelKmsKeyArn")
        if key and self._needs_model_key:
            for action in MODEL_KEY_ACTIONS:
                access.require(action, key, keys=model_key_keys(action))

    def _about(self, operation: str, kind: _Kind) -> Callable[[Answer, Access], None]:
        def require(request: Answer, access: Access) -> None:
            identifier = str(request[kind.identifier])
            found = self._find(kind, identifier)
            resource = _named(identifier, kind.resource) if found is None else _arn_of(found)
            try:
                access.require(
                    f"bedrock:{operation}",
                    resource,
                    keys=resource_tag_keys(self._bedrock.tags_of(resource)),
                )
            except AccessDeniedError as error:
                if found is None:
                    raise NothingThereError(error.message) from error
                raise

        return require

    def begin(self, operation: str, answer: Answer) -> None:
        """Let what a call has just made become ready, or fail, when its time has passed."""
        made = str(next(iter(answer.values())))
        with self._bedrock.lock:
            if made in self._begun:
                # The call was answered by its token.
                return
            self._begun.add(made)
        kind = _DEPLOYMENT if operation == CREATE_DEPLOYMENT else _THROUGHPUT
        context = contextvars.copy_context()
        threading.Thread(
            target=context.run, args=(self._settle, kind, made), daemon=True, name=f"serve-{made}"
        ).start()

    def _settle(self, kind: _Kind, made: str) -> None:
        failure = _FAILURE if self._pace.says(FAILS) else None
        time.sleep(self._pace.now())
        settle = (
            self._bedrock.settle_deployment
            if kind is _DEPLOYMENT
            else self._bedrock.settle_throughput
        )
        settle(made, FAILED if failure else kind.ready, failure)


def _arn_of(record: Record) -> str:
    return str(record.get("customModelDeploymentArn") or record["provisionedModelArn"])


def _named(identifier: str, kind: str) -> str:
    return identifier if identifier.startswith("arn:") else arn(f"{kind}/{identifier}")


def _listing(operation: str) -> Callable[[Answer, Access], None]:
    def require(request: Answer, access: Access) -> None:
        access.require(f"bedrock:{operation}", "*")

    return require


@dataclass(frozen=True, kw_only=True)
class Model:
    """What answers to an ARN that is invoked."""

    arn: str
    name: str
    model: Record
    """The custom model behind it."""
    is_ready: bool
    status: str


def invoked(bedrock: Bedrock, identifier: str) -> Model:
    """What an ARN or a throughput's name stands for.

    Raises:
        ValidationError: nothing that answers has such an identifier.
        NotFoundError: there is none.
    """
    deployment, throughput = ":custom-model-deployment/", ":provisioned-model/"
    record: Record | None
    if deployment in identifier:
        record = bedrock.serving.find_deployment(identifier)
    elif throughput in identifier or not identifier.startswith("arn:"):
        record = bedrock.serving.find_throughput(identifier)
    else:
        raise ValidationError("The provided model identifier is invalid.")
    if record is None:
        if not identifier.startswith("arn:"):
            raise ValidationError("The provided model identifier is invalid.")
        raise NotFoundError(f"Could not find the model: {identifier}")
    return Model(
        arn=_arn_of(record),
        name=str(record.get("modelDeploymentName") or record.get("provisionedModelName")),
        model=bedrock.model(str(record["modelArn"])),
        is_ready=record["status"] not in (CREATING, FAILED),
        status=str(record["status"]),
    )
