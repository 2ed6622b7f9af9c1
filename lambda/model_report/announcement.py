"""What is said of a follow-up on the topic: that it stands, or what went wrong and what to do."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypedDict

from customization.errors import clip
from customization.identity import DIGEST_PATTERN, JOB_PATTERN
from model_report.explanation import Explanation, explain

if TYPE_CHECKING:
    from model_report.orders import Order

MOST_SUBJECT: Final = 100
"""SNS takes at most 100 characters of printable ASCII.
https://docs.aws.amazon.com/sns/latest/api/API_Publish.html"""
MOST_PART_BYTES: Final = 4000
"""Most bytes of one part of a message; SNS takes 256 KB in all."""
MOST_PARTS: Final = 20


class State(StrEnum):
    """How a follow-up ended; subscribers filter by it."""

    REPORTED = "Reported"
    """The report stands, and no deployment was wanted."""
    DEPLOYED = "Deployed"
    """The model is served and passed what it was asked."""
    FAILED = "FollowUpFailed"


class Announcement(TypedDict):
    """What the state machine publishes."""

    failed: bool
    subject: str
    message: str
    state: str
    job: str


def job_of(*, job_name: str, environment: str) -> str:
    """Return the job's name in the settings, which its name in Bedrock holds."""
    found = re.fullmatch(
        rf"{re.escape(environment)}-({JOB_PATTERN})-{DIGEST_PATTERN}(-[0-9]{{1,2}})?", job_name
    )
    return found[1] if found else job_name


def compose(order: Order, *, environment: str) -> Announcement:
    """Return what is said when all went well."""
    served = (order.deployment or {}).get("state") == "Active"
    return _announcement(
        order,
        environment=environment,
        state=State.DEPLOYED if served else State.REPORTED,
        explanation=None,
    )


def compose_failure(order: Order, *, environment: str) -> Announcement:
    """Return what is said when a step failed: which, likely why, what to do, and what stands."""
    return _announcement(
        order,
        environment=environment,
        state=State.FAILED,
        explanation=explain(order.failure or {}),
    )


def _announcement(
    order: Order, *, environment: str, state: State, explanation: Explanation | None
) -> Announcement:
    job = job_of(job_name=order.job_name, environment=environment)
    subject = f"[{environment}] {job}: {_TITLES[state]}"
    sentences = [*([explanation.text] if explanation else []), *_sentences(order)]
    body: dict[str, Any] = {
        # The same whenever the same follow-up is told.
        "id": f"{order.job_name}/follow-up/{order.execution}",
        "environment": environment,
        "job": job,
        "name": order.job_name,
        "state": state,
        "text": "; ".join(_clipped(sentences)),
        "failed_step": explanation.step if explanation else None,
        "error": clip(explanation.error, limit=MOST_PART_BYTES) if explanation else None,
        "model_arn": (order.collected or {}).get("model_arn"),
        "verdicts": _clipped((order.collected or {}).get("verdicts", [])),
        "missing": _clipped((order.collected or {}).get("missing", [])),
        "page": (order.reported or {}).get("page"),
        "deployment": _deployment(order),
        "smoke_tests": _smoke_tests(order),
    }
    return {
        "failed": state is State.FAILED,
        "subject": subject.encode("ascii", "replace").decode()[:MOST_SUBJECT],
        "message": json.dumps(body, ensure_ascii=False),
        "state": state,
        "job": job,
    }


_TITLES: Final = {
    State.REPORTED: "the report on its model is there",
    State.DEPLOYED: "its model is deployed",
    State.FAILED: "follow-up failed",
}


def _sentences(order: Order) -> Iterator[str]:
    """Say what stands, step by step."""
    collected = order.collected
    if collected is not None:
        quiet = "nothing stands out in its curves" if collected["curves"] else "it left no metrics"
        yield from collected["verdicts"] or [quiet]
        if collected["best_step"] is not None:
            yield f"its best step was {collected['best_step']}"
    if order.reported is not None:
        page = order.reported["page"]
        yield f"its curves are in {page}" if page else "there was nothing to draw"
    served = _deployment(order)
    if served is not None:
        text = f"it is deployed ({served['kind']}) as {served['name']}"
        yield text + (f" until {served['ends_at']}" if served["ends_at"] else "")
    tests = _smoke_tests(order)
    if tests is not None:
        yield f"{tests['passed']} of {tests['asked']} smoke tests passed"


def _deployment(order: Order) -> dict[str, Any] | None:
    answer = order.deployment or {}
    if answer.get("state") != "Active":
        return None
    return {
        "kind": answer.get("kind"),
        "name": answer.get("deployment"),
        "arn": answer.get("arn"),
        "ends_at": answer.get("ends_at"),
    }


def _smoke_tests(order: Order) -> dict[str, int] | None:
    if order.tested is None:
        return None
    results = order.tested["results"]
    return {"asked": len(results), "passed": sum(bool(each["passed"]) for each in results)}


def _clipped(texts: list[str]) -> list[str]:
    return [clip(text, limit=MOST_PART_BYTES) for text in texts[:MOST_PARTS]]
