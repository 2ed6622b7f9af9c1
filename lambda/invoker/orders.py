"""What the invoker is asked, typed and checked at the door; errors name fields, never values."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

from customization.errors import EventError

MOST_TESTS: Final = 10
MOST_TOKENS: Final = 4096
MOST_PROMPT: Final = 20_000
"""Most characters of a question."""
MOST_SECONDS: Final = 120
"""Longest time for one answer."""

SERVED: Final = re.compile(
    r"arn:[a-z-]+:bedrock:[a-z0-9-]+:[0-9]{12}:(custom-model-deployment|provisioned-model)/[a-z0-9]{12}",
    re.ASCII,
)
"""The ARN of what serves a custom model; whose it may be, the invoker's policy says."""


@dataclass(frozen=True, kw_only=True)
class SmokeTest:
    """One question, and what its answer has to be like; `number` counts from 1."""

    number: int
    prompt: str = field(repr=False)
    contains: tuple[str, ...] = ()
    not_contains: tuple[str, ...] = ()
    matches: str | None = None
    max_seconds: int = 30
    max_tokens: int = 512


@dataclass(frozen=True, kw_only=True)
class SmokeTests:
    """The smoke tests of one model, which is named by the ARN of what serves it."""

    model: str
    tests: Sequence[SmokeTest]


@dataclass(frozen=True, kw_only=True)
class Trial:
    """A person's question to the model of a job; `model` names one of several that serve it."""

    job_name: str
    prompt: str = field(repr=False)
    max_tokens: int
    model: str | None = None


def parse(event: object) -> SmokeTests | Trial:
    """Return what is asked.

    `{"SmokeTest": {"model": ARN, "tests": [...]}}` or
    `{"Try": {"job_name": NAME, "prompt": TEXT, "max_tokens": N}}`; raises EventError.
    """
    if isinstance(event, Mapping) and isinstance(event.get("SmokeTest"), Mapping):
        asked = event["SmokeTest"]
        return SmokeTests(model=_text(asked, "model", most=2048), tests=_tests(asked))
    if isinstance(event, Mapping) and isinstance(event.get("Try"), Mapping):
        asked = event["Try"]
        return Trial(
            job_name=_text(asked, "job_name", most=63),
            prompt=_text(asked, "prompt", most=MOST_PROMPT),
            max_tokens=_whole(asked, "max_tokens", default=512, most=MOST_TOKENS),
            model=_served(asked),
        )
    raise EventError("the event must hold SmokeTest or Try, a JSON object")


def _tests(asked: Mapping[str, Any]) -> tuple[SmokeTest, ...]:
    tests = asked.get("tests")
    if not isinstance(tests, list) or not 1 <= len(tests) <= MOST_TESTS:
        raise EventError(f"tests must be a list of 1 to {MOST_TESTS}")
    found = []
    for number, test in enumerate(tests, start=1):
        if not isinstance(test, Mapping):
            raise EventError(f"test {number} must be a JSON object")
        matches = test.get("matches")
        found.append(
            SmokeTest(
                number=number,
                prompt=_text(test, "prompt", most=MOST_PROMPT),
                contains=_texts(test, "contains"),
                not_contains=_texts(test, "not_contains"),
                matches=None if matches is None else _text(test, "matches", most=500),
                max_seconds=_whole(test, "max_seconds", default=30, most=MOST_SECONDS),
                max_tokens=_whole(test, "max_tokens", default=512, most=MOST_TOKENS),
            )
        )
    return tuple(found)


def _served(asked: Mapping[str, Any]) -> str | None:
    """Return the ARN of what serves a model, None where none is named."""
    if asked.get("model") is None:
        return None
    arn = _text(asked, "model", most=2048)
    if not SERVED.fullmatch(arn):
        raise EventError("model must be the ARN of a model deployment or a provisioned model")
    return arn


def _text(values: Mapping[str, Any], name: str, *, most: int) -> str:
    value = values.get(name)
    if not isinstance(value, str) or not 1 <= len(value) <= most:
        raise EventError(f"{name} must be a text of 1 to {most} characters")
    return value


def _texts(values: Mapping[str, Any], name: str) -> tuple[str, ...]:
    value = values.get(name) or []
    if not isinstance(value, list) or not all(isinstance(each, str) and each for each in value):
        raise EventError(f"{name} must be a list of texts")
    return tuple(value)


def _whole(values: Mapping[str, Any], name: str, *, default: int, most: int) -> int:
    value = values.get(name)
    value = default if value is None else value
    if isinstance(value, bool) or not isinstance(value, int) or not 1 <= value <= most:
        raise EventError(f"{name} must be a whole number from 1 to {most}")
    return value
