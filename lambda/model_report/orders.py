"""What the state machine asks this function, typed and checked at the door."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from customization.errors import EventError


class Step(StrEnum):
    """The steps of the state machine that this function takes."""

    COLLECT = "collect"
    """Read the metrics and say what is missing."""
    REPORT = "report"
    """Write the page and the first entry of the model's record."""
    RECORD = "record"
    """Add to the record what serves the model, and how it was tried."""
    COMPOSE = "compose"
    """Put into words what stands."""
    EXPLAIN = "explain"
    """Put into words what went wrong, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Order:
    """One step to take for one job; what earlier steps answered is None where they did not.

    `execution` names the run of the state machine, so that what it writes is written once.
    """

    step: Step
    job_name: str
    execution: str
    template: Mapping[str, str] | None = None
    collected: Mapping[str, Any] | None = None
    reported: Mapping[str, Any] | None = None
    deployment: Mapping[str, Any] | None = None
    tested: Mapping[str, Any] | None = None
    failure: Mapping[str, Any] | None = None

    @classmethod
    def parse(cls, event: object) -> Order:
        """Return the event's typed form; raises EventError naming the field that is wrong."""
        if not isinstance(event, Mapping):
            raise EventError(f"the event must be a JSON object, got a {type(event).__name__}")
        step = event.get("step")
        if step not in set(Step):
            raise EventError(f"step must be one of {', '.join(Step)}")
        return cls(
            step=Step(step),
            job_name=_text(event, "job_name"),
            execution=_text(event, "execution"),
            template=_given(event, "template"),
            collected=_given(event, "collected"),
            reported=_given(event, "reported"),
            deployment=_given(event, "deployment"),
            tested=_given(event, "tested"),
            failure=_given(event, "failure"),
        )


def _text(event: Mapping[str, Any], name: str) -> str:
    value = event.get(name)
    if not isinstance(value, str) or not value:
        raise EventError(f"{name} must be a string")
    return value


def _given(event: Mapping[str, Any], name: str) -> Mapping[str, Any] | None:
    value = event.get(name)
    if value is not None and not isinstance(value, Mapping):
        raise EventError(f"{name} must be a JSON object or null")
    return value
