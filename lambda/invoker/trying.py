"""A person's question to the model of a job."""

from __future__ import annotations

from typing import TYPE_CHECKING, Final, TypedDict

from deployments.rows import RowState
from invoker.asking import InvocationError

if TYPE_CHECKING:
    from collections.abc import Callable

    from deployments.table import DeploymentTable
    from invoker.asking import Model
    from invoker.orders import Trial

PATIENCE_SECONDS: Final = 30.0
"""How long a person waits for a model that is not ready."""


class Tried(TypedDict):
    """What a person is answered; `model` is the ARN of what served it."""

    text: str
    seconds: float
    input_tokens: int
    output_tokens: int
    model: str


def run(asked: Trial, *, table: DeploymentTable, model: Callable[[str], Model]) -> Tried:
    """Ask the newest active deployment of a job, or the one that is named.

    Raises InvocationError when the job has none.
    """
    arn = asked.model or _served(table, job_name=asked.job_name)
    answer = model(arn).ask(asked.prompt, max_tokens=asked.max_tokens)
    return {
        "text": answer.text,
        "seconds": round(answer.seconds, 3),
        "input_tokens": answer.input_tokens,
        "output_tokens": answer.output_tokens,
        "model": arn,
    }


def _served(table: DeploymentTable, *, job_name: str) -> str:
    rows = table.of_job(job_name)
    for row in rows:
        if row.state is RowState.ACTIVE and row.arn:
            return row.arn
    if not rows:
        raise InvocationError(
            f"no deployment was asked for job {job_name}: give the job a deployment in the "
            "settings and deploy its stack"
        )
    states = ", ".join(f"{row.name} is {row.state}" for row in rows)
    raise InvocationError(
        f"nothing serves the model of job {job_name} now: {states}; wait until it is Active, or "
        "see what the topic told"
    )
