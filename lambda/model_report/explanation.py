"""What an error of a step means, and what to do about it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from customization import remedies
from customization.errors import clip

MOST_ERROR_BYTES: Final = 3000

_KILLED: Final = ("Lambda.Unknown", "Runtime.ExitError", "Sandbox.Timedout", "States.Timeout")

_BY_STEP: Final = {
    "Collect": "the metrics of the training",
    "Report": "the page and the model's record",
    "Deploy": "the deployment",
    "Try": "the smoke tests",
    "Record": "the model's record",
    "Compose": "the announcement",
}
"""What each step is about."""

_BY_ERROR: Final[dict[str, tuple[str, str]]] = {
    "DeploymentTooSlow": (
        "Bedrock takes longer than usual, or the deployer cannot go on",
        "look at the deployment with finetune leftovers and at the deployer's alarm; the deployer "
        "goes on by itself, and removes throughput at its end",
    ),
    "SmokeTestFailed": (
        "the model does not answer as its smoke tests say",
        "ask it with finetune try; then correct the tests in the settings, or train again",
    ),
    **dict.fromkeys(
        _KILLED,
        (
            "the function was ended by Lambda, each time it was tried: out of time or memory",
            "look at the function's log; metrics far above the usual size are the likely reason",
        ),
    ),
    "Lambda.TooManyRequestsException": (
        "the account runs as many functions at once as its quota allows",
        "ask for a higher quota, or lower engine.reserved_concurrency",
    ),
    "States.QueryEvaluationError": (
        "a function answered what the state machine does not expect: they are of two versions",
        "deploy the inference stack again",
    ),
}
"""What an error's name says of its cause, and what to do."""


@dataclass(frozen=True, kw_only=True)
class Explanation:
    """One failure in words; `error` is what the step itself said."""

    step: str
    error: str
    cause: str
    action: str

    @property
    def text(self) -> str:
        """One sentence for people."""
        about = _BY_STEP.get(self.step, "a step")
        known = f"; likely cause: {self.cause}; remedy: {self.action}" if self.cause else ""
        return f"what failed is {about} (step {self.step}): {self.error}{known}"


def explain(failure: Mapping[str, Any]) -> Explanation:
    """Return what a failure of the state machine means: `step`, `error` and `cause` by its words.

    A cause is what a function raised, as Lambda puts it, or a text.
    """
    name = str(failure.get("error") or "unknown")
    said = _message(str(failure.get("cause") or ""))
    step = str(failure.get("step") or "unknown")
    error = clip(f"{name}: {said}" if said else name, limit=MOST_ERROR_BYTES)
    if "remedy:" in said:
        # Our own functions say it where they raise.
        return Explanation(step=step, error=error, cause="", action="")
    known = _BY_ERROR.get(name)
    if known is None:
        remedy = remedies.find(f"{name}: {said}")
        known = (remedy.cause, remedy.action) if remedy else None
    cause, action = known or (
        "not known to this app",
        "look at the step's input and the function's log by the execution's name, then start the "
        "step's function again or deploy again",
    )
    return Explanation(step=step, error=error, cause=cause, action=action)


def _message(cause: str) -> str:
    """Return the message in what Lambda says of an error, or the text as it is."""
    try:
        told = json.loads(cause)
    except ValueError:
        return cause
    if isinstance(told, Mapping) and isinstance(told.get("errorMessage"), str):
        return str(told["errorMessage"])
    return cause
