"""The request for a customization job: restored from CloudFormation, validated, completed.

CloudFormation turns every property into a string; the shapes of botocore's service model say what
each was. Synth and the submitter go through the same `JobRequest.from_properties`, so what
deploys is what was checked.
"""

import math
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any, Final

from botocore.model import ListShape, MapShape, ServiceModel, Shape, StructureShape

from customization import identity
from customization.errors import JobRequestError
from customization.limits import CREATE_JOB_SHAPE, bedrock_model, describe, matches
from customization.properties import PropertyReader

RESOURCE_TYPE: Final = "Custom::BedrockModelCustomizationJob"
"""The custom resource's type in a template."""
MAX_TAGS: Final = 50
"""Most tags on one job or model; the service model says 200, TooManyTagsException says 50.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateModelCustomizationJob.html"""
MAX_VALIDATION_MINUTES: Final = 20
"""Longest wait for Bedrock's validation phase, so that a deployment ends well within an hour."""

_DERIVED = ("jobName", "customModelName", "clientRequestToken")
_SHA256 = r"[0-9a-f]{64}"
_NAME = r"[A-Za-z0-9][A-Za-z0-9._-]{0,127}"


class WaitFor(StrEnum):
    """When a deployment counts a job as made."""

    SUBMISSION = "submission"
    VALIDATION = "validation"


class ModelPolicy(StrEnum):
    """What happens to a model that its stack no longer wants."""

    KEEP = "keep-model"
    DELETE = "delete-model"


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """One customization job, as the settings ask for it.

    `request` holds CreateModelCustomizationJob's arguments in the API's own field names without
    the names and the token, which follow from the content and the attempt.
    """

    environment: str
    job: str
    run: str
    dataset_name: str
    dataset_digest: str
    validation_dataset_name: str | None
    validation_dataset_digest: str | None
    key_name: str
    wait_for: WaitFor
    on_replace: ModelPolicy
    on_delete: ModelPolicy
    validation_minutes: int
    request: Mapping[str, Any]

    @classmethod
    def from_properties(
        cls,
        properties: Mapping[str, object],
        *,
        service_model: ServiceModel | None = None,
        show_values: bool = True,
    ) -> "JobRequest":
        """Return the request that a custom resource's properties state.

        Raises JobRequestError with every problem at once: unknown, missing and badly typed
        fields, and each value that the service model's limits refuse. `show_values` puts the
        refused values into the text; the functions leave them out of what they log.
        """
        reader = _Reader(properties, show_values=show_values)
        model = service_model or bedrock_model()
        shape = model.shape_for(CREATE_JOB_SHAPE)
        job = cls(
            environment=reader.text("Environment", identity.ENVIRONMENT_PATTERN),
            job=reader.text("Job", identity.JOB_PATTERN),
            run=reader.text("Run", r"[0-9]{1,9}"),
            dataset_name=reader.text("DatasetName", _NAME),
            dataset_digest=reader.text("DatasetDigest", _SHA256),
            validation_dataset_name=reader.optional("ValidationDatasetName", _NAME),
            validation_dataset_digest=reader.optional("ValidationDatasetDigest", _SHA256),
            key_name=reader.text("KeyName", _NAME),
            wait_for=reader.choice("WaitFor", WaitFor, WaitFor.VALIDATION),
            on_replace=reader.choice("OnReplace", ModelPolicy, ModelPolicy.KEEP),
            on_delete=reader.choice("OnDelete", ModelPolicy, ModelPolicy.KEEP),
            validation_minutes=reader.whole("ValidationMinutes", 1, MAX_VALIDATION_MINUTES),
            request=reader.structure("Request", shape),
        )
        problems = reader.finish()
        for name in _DERIVED:
            if name in job.request:
                problems.append(f"Request.{name} is derived from the content: leave it out")
        if (job.validation_dataset_digest is None) != ("validationDataConfig" not in job.request):
            problems.append(
                "ValidationDatasetDigest and Request.validationDataConfig belong together: "
                "give both or neither"
            )
        problems += job._problems(
            named=not problems, service_model=service_model, show_values=show_values
        )
        if problems:
            raise JobRequestError(problems)
        return job

    def _problems(
        self, *, named: bool, service_model: ServiceModel | None, show_values: bool
    ) -> list[str]:
        problems = []
        arguments = {"jobName": "x", "customModelName": "x", **self.request}
        if named:
            try:
                arguments = self.create_arguments(attempt=identity.MAX_ATTEMPTS)
            except ValueError as error:
                problems.append(str(error))
        return problems + validate_request(
            arguments, service_model=service_model, show_values=show_values
        )

    @cached_property
    def digest(self) -> str:
        """The 16 hexadecimal digits that stand for what is trained."""
        return identity.content_digest(
            base_model=str(self.request.get("baseModelIdentifier", "")),
            customization_type=str(self.request.get("customizationType", "FINE_TUNING")),
            hyperparameters=self.request.get("hyperParameters", {}),
            training_digest=self.dataset_digest,
            validation_digest=self.validation_dataset_digest,
            key_name=self.key_name,
            customization_config=self.request.get("customizationConfig"),
            run=self.run,
        )

    def name(self, *, attempt: int) -> str:
        """Return the name of an attempt: of the job, its model, its token and the resource."""
        return identity.names_for(
            environment=self.environment, job=self.job, digest=self.digest, attempt=attempt
        )

    @property
    def owner_tags(self) -> dict[str, str]:
        """The tags that make a Bedrock job or model this environment's."""
        return identity.owner_tags(environment=self.environment, job=self.job, digest=self.digest)

    def create_arguments(self, *, attempt: int) -> dict[str, Any]:
        """Return the arguments of CreateModelCustomizationJob for an attempt (from 1)."""
        name = self.name(attempt=attempt)
        return {
            **self.request,
            "jobName": name,
            "customModelName": name,
            "clientRequestToken": name,
            "jobTags": self._with_owner_tags(self.request.get("jobTags", ())),
            "customModelTags": self._with_owner_tags(self.request.get("customModelTags", ())),
        }

    def _with_owner_tags(self, tags: object) -> object:
        if not isinstance(tags, Sequence) or isinstance(tags, str):
            return tags  # validation names the field
        owned = self.owner_tags
        others = [tag for tag in tags if not (isinstance(tag, Mapping) and tag.get("key") in owned)]
        return [*others, *({"key": key, "value": value} for key, value in owned.items())]


class _Reader(PropertyReader):
    """Reads the request besides, which has a shape of botocore's."""

    def structure(self, name: str, shape: Shape) -> Mapping[str, Any]:
        self.seen.add(name)
        value = self.properties.get(name)
        if not isinstance(value, Mapping):
            self.problems.append(f"{name} is missing or not a structure")
            return {}
        restored: Mapping[str, Any] = restore(value=value, shape=shape)
        return restored


def restore(*, value: Any, shape: Shape) -> Any:  # noqa: ANN401 - JSON, typed by the shape
    """Return a value with the types that a botocore shape states, undoing CloudFormation's strings.

    What cannot be restored is returned as it is, for `validate_request` to refuse.
    """
    match shape:
        case StructureShape() if isinstance(value, Mapping):
            members = shape.members
            return {
                key: restore(value=entry, shape=members[key]) if key in members else entry
                for key, entry in value.items()
            }
        case ListShape() if isinstance(value, list | tuple):
            return [restore(value=entry, shape=shape.member) for entry in value]
        case MapShape() if isinstance(value, Mapping):
            return {key: restore(value=entry, shape=shape.value) for key, entry in value.items()}
    if isinstance(value, str):
        return _scalar(value, shape.type_name)
    return value


def _scalar(text: str, kind: str) -> object:
    match kind:
        case "boolean" if text in {"true", "false"}:
            return text == "true"
        case "integer" | "long" if re.fullmatch(r"-?[0-9]{1,18}", text, re.ASCII):
            return int(text)
        case "float" | "double":
            try:
                return float(text)
            except ValueError:
                return text
    return text


def validate_request(
    request: Mapping[str, Any],
    *,
    service_model: ServiceModel | None = None,
    show_values: bool = True,
) -> list[str]:
    """Return what Bedrock would refuse in the arguments of CreateModelCustomizationJob.

    Checks, from botocore's service model, what its client leaves to the service: patterns, enums
    and upper bounds, besides required and unknown fields, types, unions and lower bounds; then the
    number and uniqueness of tags. Each problem starts with the field's path. An empty list means
    that the request has the right form, not that roles, data and quotas allow it.
    """
    model = service_model or bedrock_model()
    shape = model.shape_for(CREATE_JOB_SHAPE)
    problems = list(_check(value=request, shape=shape, path="", show=show_values))
    for field in ("jobTags", "customModelTags"):
        problems.extend(_check_tags(request.get(field), field))
    return problems


def _check(*, value: object, shape: Shape, path: str, show: bool) -> Iterator[str]:
    got = f", got {_brief(value)}" if show else ""
    where = path or "the request"
    match shape:
        case StructureShape():
            if isinstance(value, Mapping):
                yield from _check_members(value=value, shape=shape, path=path, show=show)
            else:
                yield f"{where} must be a structure, got a {type(value).__name__}"
        case ListShape():
            if isinstance(value, list | tuple):
                yield from _check_bounds(len(value), shape, where, "entries", "")
                for index, entry in enumerate(value):
                    inner = f"{path}[{index}]"
                    yield from _check(value=entry, shape=shape.member, path=inner, show=show)
            else:
                yield f"{where} must be a list, got a {type(value).__name__}"
        case MapShape():
            if isinstance(value, Mapping):
                yield from _check_bounds(len(value), shape, where, "entries", "")
                for key, entry in value.items():
                    inner = f"{path}.{key}"
                    yield from _check(value=key, shape=shape.key, path=inner, show=show)
                    yield from _check(value=entry, shape=shape.value, path=inner, show=show)
            else:
                yield f"{where} must be a map, got a {type(value).__name__}"
        case _:
            yield from _check_scalar(value, shape, where, got)


def _check_members(
    *, value: Mapping[str, object], shape: StructureShape, path: str, show: bool
) -> Iterator[str]:
    dot = f"{path}." if path else ""
    members = shape.members
    for name in shape.required_members:
        if name not in value:
            yield f"{dot}{name} is missing"
    for name, entry in value.items():
        if name not in members:
            yield f"{dot}{name} is unknown: allowed are {', '.join(sorted(members))}"
        else:
            yield from _check(value=entry, shape=members[name], path=f"{dot}{name}", show=show)
    if shape.is_tagged_union and len(value) != 1:
        yield f"{path} must hold exactly one of {', '.join(sorted(members))}, got {len(value)}"


def _check_scalar(value: object, shape: Shape, where: str, got: str) -> Iterator[str]:
    match shape.type_name:
        case "string":
            yield from _check_string(value, shape, where, got)
        case "boolean":
            if not isinstance(value, bool):
                yield f"{where} must be true or false{got}"
        case "integer" | "long":
            if isinstance(value, bool) or not isinstance(value, int):
                yield f"{where} must be a whole number{got}"
            else:
                yield from _check_bounds(value, shape, where, "", got)
        case "float" | "double":
            if not isinstance(value, int | float) or isinstance(value, bool):
                yield f"{where} must be a number{got}"
            elif not math.isfinite(value):
                yield f"{where} must be a finite number{got}"
            else:
                yield from _check_bounds(value, shape, where, "", got)
        case other:
            raise NotImplementedError(f"{where} is a {other}, which no request held so far")


def _check_string(value: object, shape: Shape, where: str, got: str) -> Iterator[str]:
    if not isinstance(value, str):
        yield f"{where} must be a string, got a {type(value).__name__}{_hint(value)}"
        return
    limit = describe(shape=shape)
    yield from _check_bounds(len(value), shape, where, "characters", got)
    if limit.enum and value not in limit.enum:
        yield f"{where} must be one of {', '.join(limit.enum)}{got}"
    too_long = limit.maximum is not None and len(value) > limit.maximum
    if limit.pattern and not too_long and not matches(value=value, expression=limit.pattern):
        yield f"{where} must match {limit.pattern}{got}"


def _check_bounds(size: float, shape: Shape, where: str, unit: str, got: str) -> Iterator[str]:
    limit = describe(shape=shape)
    suffix = f" {unit}" if unit else ""
    counted = f", got {size}" if unit else got
    if limit.minimum is not None and size < limit.minimum:
        yield f"{where} must have at least {limit.minimum}{suffix}{counted}"
    if limit.maximum is not None and size > limit.maximum:
        yield f"{where} must have at most {limit.maximum}{suffix}{counted}"


def _check_tags(tags: object, field: str) -> Iterator[str]:
    if not isinstance(tags, Sequence) or isinstance(tags, str):
        return
    keys = [str(tag.get("key")) for tag in tags if isinstance(tag, Mapping)]
    if len(keys) > MAX_TAGS:
        yield f"{field} must have at most {MAX_TAGS} entries, got {len(keys)}"
    for key in sorted({key for key in keys if keys.count(key) > 1}):
        yield f"{field} holds the key {key!r} more than once"
    for key in sorted({key for key in keys if key.lower().startswith("aws:")}):
        yield f"{field} holds the key {key!r}: AWS keeps the prefix 'aws:' for itself"


def _brief(value: object) -> str:
    text = repr(value)
    return text if len(text) <= 120 else f"{text[:119]}…"


def _hint(value: object) -> str:
    number = isinstance(value, int | float) and not isinstance(value, bool)
    return f": write it as {str(value)!r}" if number else ""
