"""How the model of a completed job is served, tried and taken away again."""

import re
from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import AfterValidator, Field, ValidationInfo, WithJsonSchema, model_validator

from settings import checks
from settings.base_models import FoundationModel, foundation_models, nearest_usable, today
from settings.checks import Context, Problem
from settings.section import Section
from settings.training_checks import model_of

DAY = 24
"""Hours after which a provisioned throughput needs a setting whose name admits the cost."""
MOST_HOURS = 720
"""Most hours of a provisioned throughput: thirty days."""

LONGEST_TESTS = 840
"""Most seconds that all smoke tests of a deployment may take together: one call of the function
that asks them, which Lambda ends after 15 minutes, and a minute for what else it does."""

_WAYS = {"on_demand": "on-demand", "provisioned": "provisioned"}
"""The kinds by the words of the catalogue."""


def check_pattern(pattern: str) -> str:
    """A regular expression of Python."""
    try:
        re.compile(pattern)
    except re.error as error:
        raise checks.refusal(
            Problem(
                "bad-pattern",
                f"not a regular expression: {error}",
                "a regular expression of Python, which is looked for anywhere in the answer",
                "put it in single quotes, so that YAML leaves backslashes alone; write \\. for a"
                " point",
            )
        ) from error
    return pattern


_Text = Annotated[str, Field(min_length=1, max_length=500)]
_Texts = Annotated[tuple[_Text, ...], Field(strict=False, max_length=16)]


class SmokeTest(Section):
    """One question to a model that was deployed, and what its answer has to be like."""

    prompt: Annotated[str, Field(min_length=1, max_length=4000)]
    """The question. It stands in the job's template, so nothing confidential belongs here."""
    contains: _Texts = ()
    """Texts that the answer has to hold, all of them, in upper or lower case as written."""
    not_contains: _Texts = ()
    """Texts that the answer must not hold."""
    matches: (
        Annotated[
            str,
            Field(min_length=1, max_length=500),
            AfterValidator(check_pattern),
            WithJsonSchema({"type": "string", "minLength": 1, "maxLength": 500}),
        ]
        | None
    ) = None
    """Regular expression that is found in the answer; null for none."""
    max_seconds: int = Field(default=30, ge=1, le=120)
    """Most seconds until the answer is complete."""
    max_tokens: int = Field(default=512, ge=1, le=4096)
    """Most tokens of the answer."""


class Deployment(Section):
    """How the model of a completed job is served."""

    kind: Literal["none", "on_demand", "provisioned"] = "none"
    """`on_demand` is paid by tokens, `provisioned` by the hour until its end. The catalogue says
    which of them a base model has. Both need `inference.enabled`."""
    model_units: int = Field(default=1, ge=1, le=100)
    """Model units of provisioned throughput. AWS wants a request to its support before it sells
    any, with a commitment or without."""
    commitment: Literal["OneMonth", "SixMonths"] | None = None
    """How long provisioned throughput is bought for at least; null for by the hour. It cannot be
    given back before, and ends with its commitment."""
    accept_commitment_cost: bool = False
    """Whether the whole time of a commitment may be paid for, whatever becomes of the model. A
    commitment needs true."""
    hours: int = Field(default=8, ge=1, le=MOST_HOURS)
    """Hours after which provisioned throughput without a commitment is given back, whatever
    becomes of its stack."""
    accept_cost_beyond_a_day: bool = False
    """Whether provisioned throughput may be paid for longer than a day. `hours` above 24 need
    true."""
    smoke_tests: Annotated[tuple[SmokeTest, ...], Field(strict=False, max_length=10)] = ()
    """Questions to the model when it is deployed, from the service subnets; none for none. Their
    `max_seconds` together are at most 840."""

    @property
    def wanted(self) -> bool:
        """Whether there is anything to deploy."""
        return self.kind != "none"

    @property
    def ends_after_hours(self) -> int | None:
        """Hours after which throughput is given back; None where something else ends it."""
        return self.hours if self.kind == "provisioned" and self.commitment is None else None

    @model_validator(mode="after")
    def _cost_is_accepted(self) -> Self:
        checks.refuse(self._problems())
        return self

    def _problems(self) -> Iterator[Problem]:
        seconds = sum(test.max_seconds for test in self.smoke_tests)
        if seconds > LONGEST_TESTS:
            yield Problem(
                "smoke-tests-too-long",
                f"the tests may take {seconds} seconds together, and are asked in one go",
                f"at most {LONGEST_TESTS} seconds, the max_seconds of all tests together",
                "ask fewer questions, or lower max_seconds",
                ("smoke_tests",),
            )
        if self.kind == "on_demand":
            for name in ("model_units", "commitment", "hours"):
                if name in self.model_fields_set and getattr(self, name) is not None:
                    yield Problem(
                        "setting-of-other-kind",
                        f"an on-demand deployment has no {name}: it is paid by tokens, and stays"
                        " until its stack goes",
                        f"{name} with kind: provisioned only",
                        f"delete {name}, or set kind to provisioned",
                        (name,),
                    )
        if self.kind != "provisioned":
            return
        if self.commitment is not None:
            if not self.accept_commitment_cost:
                yield Problem(
                    "commitment-not-accepted",
                    "a commitment is paid to its end, even when the model is deleted before",
                    "null, or a commitment with accept_commitment_cost: true",
                    "delete commitment, or set accept_commitment_cost: true",
                    ("commitment",),
                )
            if "hours" in self.model_fields_set:
                yield Problem(
                    "hours-of-commitment",
                    "throughput under a commitment ends with it, not after some hours",
                    "hours without a commitment, or a commitment without hours",
                    "delete one of the two",
                    ("hours",),
                )
        elif self.hours > DAY and not self.accept_cost_beyond_a_day:
            yield Problem(
                "cost-beyond-a-day",
                f"{self.hours} hours of provisioned throughput are longer than a day, and paid by"
                " the hour",
                f"1 to {DAY}; up to {MOST_HOURS} with accept_cost_beyond_a_day: true",
                f"take {DAY} hours or fewer, or set accept_cost_beyond_a_day: true; `finetune cost"
                " --serve provisioned --until HOURS` says what it costs",
                ("hours",),
            )


class Inference(Section):
    """What deploys models and calls them in private.

    The endpoint of Bedrock's runtime, the function that calls models through it, the function that
    deploys and removes them, and the state machine that follows a completed job.
    """

    enabled: bool = False
    """Whether they exist. The endpoint costs by the hour in each service zone. Before you set it to
    false again, take away the deployments of all jobs and destroy the stack
    `finetune-<environment>-inference`: CloudFormation refuses otherwise."""
    reap_minutes: int = Field(default=5, ge=2, le=60)
    """Minutes between two looks for deployments that are to be made, or are past their end."""
    invocation_logging: bool = False
    """Whether Bedrock logs model invocations into a log group of the environment's, under its data
    key. It is one setting of Bedrock's for the whole account and Region: every call of every model
    by anybody is logged with its prompt and answer. One that others have set is never changed: the
    deployment fails and names it. Needs `enabled`; only administrators can read the log."""

    @model_validator(mode="after")
    def _somebody_turns_logging_on(self) -> Self:
        if self.invocation_logging and not self.enabled:
            checks.refuse(
                [
                    Problem(
                        "logging-without-inference",
                        "nothing in this environment turns the log of invocations on or off",
                        "false, or true where inference.enabled is true",
                        "set inference.enabled: true, or take invocation_logging away",
                        ("invocation_logging",),
                    )
                ]
            )
        return self


def check_deployment(deployment: Deployment, info: ValidationInfo) -> Deployment:
    """A way of serving that the base model's custom models have."""
    context = Context.of(info)
    model = model_of(info.data.get("base_model"))
    if model is None or not deployment.wanted:
        return deployment
    way = _WAYS[deployment.kind]
    retired = bool(info.data.get("accept_retired_base_model"))
    if way not in model.inference:
        works = next(kind for kind, word in _WAYS.items() if word in model.inference)
        other = _nearest_served(model, way=way, region=context.region)
        raise checks.refusal(
            Problem(
                "not-served-so",
                f"a custom model of {model.name} is not served {way}",
                f"none or {works} with this base model; {deployment.kind} with "
                + checks.listed(_served(way=way, region=context.region)),
                f"set kind to {works}" + (f", or base_model to {other}" if other else ""),
                ("kind",),
            )
        )
    if deployment.kind == "provisioned" and not retired and not model.takes_jobs_on(today()):
        raise checks.refusal(
            Problem(
                "retired-base-model",
                f"no new throughput may be bought for it: {model.state_sentence}",
                "none" + (", or on_demand" if "on-demand" in model.inference else ""),
                "choose another base model, or another kind",
                ("kind",),
            )
        )
    if deployment.commitment is not None and (context.region or "").startswith("us-gov-"):
        raise checks.refusal(
            Problem(
                "commitment-not-in-region",
                f"AWS sells throughput of custom models without a commitment only in"
                f" {context.region}",
                "null",
                "delete commitment",
                ("commitment",),
            )
        )
    return deployment


def _served(*, way: str, region: str | None) -> list[str]:
    return [
        model.id
        for model in foundation_models().values()
        if way in model.inference and model.usable and (region is None or region in model.regions)
    ]


def _nearest_served(model: FoundationModel, *, way: str, region: str | None) -> str | None:
    near = nearest_usable(model.id, region=region)
    served = _served(way=way, region=region)
    return near if near in served else next(iter(served), None)
