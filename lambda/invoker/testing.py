"""The smoke tests of a model: each question asked once, each answer checked and forgotten."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING, Final, TypedDict

from invoker.asking import NoAnswerError
from invoker.checking import PATTERN_SECONDS, reasons

if TYPE_CHECKING:
    from invoker.asking import Model
    from invoker.orders import SmokeTest, SmokeTests

RESERVE_SECONDS: Final = 10.0 + PATTERN_SECONDS
"""What has to be left of the function's time after an answer."""


class Result(TypedDict):
    """How one test went; the reason is empty when it passed."""

    number: int
    passed: bool
    reason: str


class Results(TypedDict):
    """How all went, as the state machine is told: no word of the model's."""

    passed: bool
    results: list[Result]


def run(asked: SmokeTests, *, model: Model, time_left: Callable[[], float]) -> Results:
    """Ask every question and check every answer; raises the errors of asking that hold for all."""
    results = [_run(test, model=model, time_left=time_left) for test in asked.tests]
    return {"passed": all(result["passed"] for result in results), "results": results}


def _run(test: SmokeTest, *, model: Model, time_left: Callable[[], float]) -> Result:
    if time_left() < test.max_seconds + RESERVE_SECONDS:
        problems = ["it was not asked: the others took all the time that there is"]
    else:
        try:
            answer = model.ask(test.prompt, max_tokens=test.max_tokens, steady=True)
        except NoAnswerError as error:
            problems = [str(error)]
        else:
            problems = list(reasons(test, answer))
    return {"number": test.number, "passed": not problems, "reason": "; ".join(problems)}
