"""What single methods of customization need beside a base model and data."""

from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, WithJsonSchema, model_validator

from settings import checks, training_checks
from settings.checks import Problem
from settings.section import Section

_REGION = {"type": "string", "pattern": "^[a-z]{2,4}(-[a-z]+)+-[0-9]+$", "examples": ["us-east-1"]}
KEY_SCHEMA = {
    "type": "string",
    "pattern": "^arn:[a-z0-9-]+:kms:[a-z0-9-]+:[0-9]{12}:key/[A-Za-z0-9-]{1,128}$",
}


class InferenceProfile(Section):
    """A cross-Region inference profile through which a teacher answers."""

    id: Annotated[
        str,
        AfterValidator(training_checks.check_inference_profile),
        WithJsonSchema({"type": "string", "examples": ["us.amazon.nova-pro-v1:0"]}),
    ]
    """Id of the profile: a geography, a point and the teacher's id."""
    regions: Annotated[
        tuple[Annotated[str, AfterValidator(checks.check_region)], ...],
        Field(strict=False, min_length=1, max_length=16),
        WithJsonSchema({"type": "array", "items": _REGION, "minItems": 1, "maxItems": 16}),
    ]
    """Regions the profile routes to, all of them: the job's role may call the teacher there and
    nowhere else. See `aws bedrock get-inference-profile`. What the prompts say leaves the
    environment's Region for these."""


class Distillation(Section):
    """Which model teaches the base model, its student."""

    teacher: Annotated[
        str,
        AfterValidator(training_checks.check_teacher),
        WithJsonSchema({"type": "string", "examples": ["amazon.nova-pro-v1:0"]}),
    ]
    """Id of the teacher: one of settings/catalogue/teachers.yaml that teaches the base model."""
    inference_profile: InferenceProfile | None = None
    """The cross-Region inference profile to call the teacher through; null calls it in the
    environment's Region."""
    maximum_response_tokens: int | None = Field(default=None, ge=1, le=100_000)
    """Most tokens of an answer of the teacher; null for Bedrock's default."""

    @model_validator(mode="after")
    def _profile_is_the_teachers(self) -> Self:
        profile = self.inference_profile
        if profile is not None and not profile.id.endswith(f".{self.teacher}"):
            raise checks.refusal(
                Problem(
                    "profile-of-other-model",
                    f"the profile is not one of {self.teacher}",
                    f"a geography, a point and {self.teacher}",
                    f"write us.{self.teacher} or the like, or change the teacher",
                    ("inference_profile", "id"),
                )
            )
        return self


class Reinforcement(Section):
    """What rates the answers of the model while it learns."""

    grader_function: Annotated[
        str,
        AfterValidator(training_checks.check_grader),
        WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 512}),
    ]
    """Lambda function that rates answers, by its name or ARN, with `:alias` or `:version` or
    without. It has to exist, in the environment's account and Region; the job's role may invoke
    this one and no other. Lambda's default timeout of 3 seconds is short for it."""


class LogFilter(Section):
    """One condition on the metadata that requests were made with."""

    key: Annotated[str, AfterValidator(training_checks.check_metadata)]
    """Key of the metadata."""
    equals: Annotated[str, AfterValidator(training_checks.check_metadata)] | None = None
    """Value that requests to learn from have."""
    not_equals: Annotated[str, AfterValidator(training_checks.check_metadata)] | None = None
    """Value that requests to learn from do not have."""

    @model_validator(mode="after")
    def _one_of_two(self) -> Self:
        if (self.equals is None) == (self.not_equals is None):
            raise checks.refusal(
                Problem(
                    "filter-without-condition",
                    "a filter has one condition",
                    "either equals or not_equals",
                    "write one of the two; a second condition is a filter of its own",
                )
            )
        return self


class InvocationLogs(Section):
    """Logs of calls of models to learn from, as Bedrock's invocation logging writes them.

    https://docs.aws.amazon.com/bedrock/latest/userguide/model-invocation-logging.html
    """

    bucket: Annotated[
        str,
        AfterValidator(training_checks.check_log_bucket),
        WithJsonSchema({"type": "string", "pattern": "^[a-z0-9][a-z0-9.-]{1,61}[a-z0-9]$"}),
    ]
    """Bucket of the logs, in the environment's account and Region."""
    prefix: Annotated[
        str,
        AfterValidator(training_checks.check_log_prefix),
        WithJsonSchema({"type": "string", "minLength": 1, "pattern": "^[^/*]"}),
    ]
    """Folder of the logs. The job's role may read what is below it, and nothing beside."""
    key: (
        Annotated[str, AfterValidator(training_checks.check_key), WithJsonSchema(dict(KEY_SCHEMA))]
        | None
    ) = None
    """ARN of the KMS key the bucket encrypts with; null for a key of S3. The key's own policy has
    to let the job's role decrypt."""
    use_responses: bool = False
    """Whether the logged answers are learned from; false has the teacher answer the prompts."""
    match: Literal["all", "any"] = "all"
    """Whether a request must fulfil all filters or one of them."""
    filters: Annotated[tuple[LogFilter, ...], Field(strict=False, max_length=16)] = ()
    """Which requests to learn from, by the metadata they were made with; none for all."""
