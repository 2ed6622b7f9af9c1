"""The follower's handler: whatever wakes it, it sweeps the whole table.

EventBridge wakes it when a job changes, which it does not promise to do, and a schedule wakes it
besides. What woke it says nothing that the sweep does not see for itself, so a lost, late,
repeated or forged event changes nothing. Runs outside the VPC: it sees states and names, no data.
"""

from __future__ import annotations

import functools
import os
import sys
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from customization import clients
from customization.events import read_jobs_in_progress, read_variable
from customization.patience import ledger_pause
from customization.table import Table
from follower.following import FollowUp
from follower.sweep import Sweep

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

RESERVE_SECONDS = 30.0
"""What is left of the function's time for the queue after the last row."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The function's environment variables, typed."""

    table: str
    topic_arn: str
    submitter: str
    jobs_in_progress: int
    follow_up: str | None

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> Environment:
        """Return TABLE_NAME, TOPIC_ARN, SUBMITTER_FUNCTION and MAX_JOBS_IN_PROGRESS (1 to 10).

        And FOLLOW_UP_STATE_MACHINE, an ARN, which only environments have that do something after
        training. Raises EnvironmentVariableError.
        """
        return cls(
            table=read_variable(variables, "TABLE_NAME"),
            topic_arn=read_variable(variables, "TOPIC_ARN"),
            submitter=read_variable(variables, "SUBMITTER_FUNCTION"),
            jobs_in_progress=read_jobs_in_progress(variables),
            follow_up=variables.get("FOLLOW_UP_STATE_MACHINE") or None,
        )


@functools.cache
def environment() -> Environment:
    """Return the environment variables, read once a container."""
    return Environment.read(os.environ)


logger = Logger()


def now() -> datetime:
    """Return the time, with its zone."""
    return datetime.now(UTC)


def emit(line: str) -> None:
    """Write a line of metrics to the log, whatever the log level."""
    sys.stdout.write(f"{line}\n")


def follow_up(state_machine: str | None) -> FollowUp | None:
    """Return what starts the follow-ups, where the environment has any."""
    if state_machine is None:
        return None
    return FollowUp(
        stepfunctions=clients.stepfunctions(),
        cloudformation=clients.cloudformation(),
        state_machine=state_machine,
        logger=logger,
    )


@logger.inject_lambda_context(log_event=False, clear_state=True)
def handler(event: object, context: LambdaContext) -> dict[str, Any]:
    """Sweep the table once and return what was done, as counts."""
    variables = environment()
    with clients.explained_errors():
        summary = Sweep(
            bedrock=clients.bedrock(),
            cloudformation=clients.cloudformation(),
            sns=clients.sns(),
            functions=clients.functions(),
            table=Table(
                dynamodb=clients.dynamodb(),
                name=variables.table,
                pause=lambda attempt: time.sleep(ledger_pause(attempt)),
            ),
            topic_arn=variables.topic_arn,
            submitter=variables.submitter,
            limit=variables.jobs_in_progress,
            logger=logger,
            emit=emit,
            now=now,
            time_left=lambda: context.get_remaining_time_in_millis() / 1000,
            follow_up=follow_up(variables.follow_up),
        ).run(reserve_seconds=RESERVE_SECONDS)
    counts = {
        "rows": summary.rows,
        "steps": summary.steps,
        "started": summary.started,
        "errors": summary.errors,
    }
    logger.info("swept", extra=counts)
    return counts
