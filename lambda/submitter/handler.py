"""The provider framework's on_event handler: one request of CloudFormation, one answer.

A request for a deployment is written down for the deployer, one for the log of model invocations is
handed on to it; one for a job is met here.

The follower calls it too, with `{"Submit": name}`: this function alone submits jobs.

Runs in the service subnets and talks to Bedrock, S3 and DynamoDB only. Logs ids and counts, never
an event, data or a secret.
"""

from __future__ import annotations

import functools
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, TypeVar

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from customization import clients
from customization.errors import EnvironmentVariableError
from customization.events import (
    OnEventResult,
    ResourceEvent,
    SubmitEvent,
    read_jobs_in_progress,
    read_variable,
    read_whole,
)
from customization.patience import Patience, ledger_pause
from customization.table import Table
from deployments import invocation_logging
from deployments.table import DeploymentTable
from deployments.wish import RESOURCE_TYPE
from submitter.invocation_logging import LoggingRequests
from submitter.lifecycle import Lifecycle
from submitter.wishes import Wishes

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

Result = TypeVar("Result")

RESERVE_SECONDS = 30.0
"""What is left of the function's time for the work after the last wait."""
DEFAULT_PROPAGATION_SECONDS = 60
"""How long to wait for a new role, policy or key to be known everywhere in AWS."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The function's environment variables, typed."""

    table: str
    propagation_seconds: int
    jobs_in_progress: int
    deployments_table: str | None = None

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> Environment:
        """Return TABLE_NAME, PROPAGATION_SECONDS (0 to 600) and MAX_JOBS_IN_PROGRESS (1 to 10).

        And DEPLOYMENTS_TABLE, where models are deployed. Raises EnvironmentVariableError.
        """
        return cls(
            table=read_variable(variables, "TABLE_NAME"),
            propagation_seconds=read_whole(
                variables,
                "PROPAGATION_SECONDS",
                default=DEFAULT_PROPAGATION_SECONDS,
                low=0,
                high=600,
            ),
            jobs_in_progress=read_jobs_in_progress(variables),
            deployments_table=variables.get("DEPLOYMENTS_TABLE") or None,
        )


@functools.cache
def environment() -> Environment:
    """Return the environment variables, read once a container."""
    return Environment.read(os.environ)


logger = Logger()


def now() -> datetime:
    """Return the time, with its zone."""
    return datetime.now(UTC)


@logger.inject_lambda_context(log_event=False, clear_state=True)
def handler(event: object, context: LambdaContext) -> OnEventResult | None:
    """Create, update or delete the job that the event asks for, or submit one that waited.

    Errors that pass by themselves are met by doing it all again, while there is time: every step
    may be repeated.
    """
    variables = environment()
    queued = SubmitEvent.parse(event)
    request = None if queued else ResourceEvent.parse(event)
    logger.append_keys(request_type=request.request_type if request else "Submit")
    left = context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS
    patience = Patience(
        seconds=max(0.0, min(variables.propagation_seconds, left)), sleep=time.sleep
    )
    with clients.explained_errors():
        if request is not None and request.resource_type == RESOURCE_TYPE:
            wishes = _wishes(variables)
            return patiently(lambda: wishes.on_event(request), patience=patience, logger=logger)
        if request is not None and request.resource_type == invocation_logging.RESOURCE_TYPE:
            about = LoggingRequests(table=_deployments(variables), logger=logger, now=now)
            return patiently(lambda: about.on_event(request), patience=patience, logger=logger)
        lifecycle = Lifecycle(
            bedrock=clients.bedrock(),
            s3=clients.s3,
            table=Table(
                dynamodb=clients.dynamodb(),
                name=variables.table,
                pause=lambda attempt: time.sleep(ledger_pause(attempt)),
            ),
            limit=variables.jobs_in_progress,
            logger=logger,
            patience=patience,
            now=now,
        )
        return answer(lifecycle, request=request, queued=queued, patience=patience, logger=logger)


def _wishes(variables: Environment) -> Wishes:
    return Wishes(table=_deployments(variables), logger=logger, now=now)


def _deployments(variables: Environment) -> DeploymentTable:
    if variables.deployments_table is None:
        raise EnvironmentVariableError(
            "the environment variable DEPLOYMENTS_TABLE is missing: no model can be deployed; set "
            "inference.enabled: true and deploy the environment's stacks before the job's"
        )
    return DeploymentTable.of(dynamodb=clients.dynamodb(), name=variables.deployments_table)


def answer(
    lifecycle: Lifecycle,
    *,
    request: ResourceEvent | None,
    queued: SubmitEvent | None,
    patience: Patience,
    logger: Logger,
) -> OnEventResult | None:
    """Do what an event asks for about a job, again and again while errors pass by themselves."""
    return patiently(
        lambda: _do(lifecycle, request=request, queued=queued), patience=patience, logger=logger
    )


def patiently(act: Callable[[], Result], *, patience: Patience, logger: Logger) -> Result:
    """Do something that may be repeated, again and again while errors pass by themselves."""
    tries = 0
    while True:
        try:
            return act()
        except (BotoCoreError, ClientError) as error:
            if not clients.is_transient(error) or not patience.wait(tries):
                raise
            logger.info("tried again", extra={"error": type(error).__name__})
        tries += 1


def _do(
    lifecycle: Lifecycle, *, request: ResourceEvent | None, queued: SubmitEvent | None
) -> OnEventResult | None:
    if request is not None:
        return lifecycle.on_event(request)
    if queued is not None:
        lifecycle.submit_queued(queued.name)
    return None
