"""The deployer's handler: it answers the state machine about one job, or sweeps the whole table.

A rule wakes it every few minutes, the state machine while a model is being deployed, and the
completion check while a stack waits for a removal. Who woke it says at most which job to look at:
what is to be done it sees for itself, so a lost, late, repeated or forged event changes nothing.
The completion check has it turn the log of model invocations on and off besides, which is this
environment's own log or none.
Runs outside the VPC: it sees states and names, no data.
"""

from __future__ import annotations

import functools
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

from aws_lambda_powertools import Logger

from customization import clients
from customization.errors import PassingServiceError
from customization.events import read_variable
from deployer.invocation_logging import InvocationLogging
from deployer.sweep import Sweep
from deployments.events import DeployAnswer, DeployEvent, answer
from deployments.invocation_logging import Answer, SwitchEvent
from deployments.schedules import Schedules
from deployments.table import DeploymentTable

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

RESERVE_SECONDS = 30.0
"""What is left of the function's time for what no row knows, after the last row."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The function's environment variables, typed; `follow_up` is an ARN, or None."""

    name: str
    table: str
    schedule_group: str
    scheduler_role_arn: str
    key_arn: str
    follow_up: str | None

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> Environment:
        """Return what the variables say; raises EnvironmentVariableError.

        ENVIRONMENT, DEPLOYMENTS_TABLE, SCHEDULE_GROUP, SCHEDULER_ROLE_ARN, DATA_KEY_ARN and, where
        there is one, FOLLOW_UP_STATE_MACHINE.
        """
        return cls(
            name=read_variable(variables, "ENVIRONMENT"),
            table=read_variable(variables, "DEPLOYMENTS_TABLE"),
            schedule_group=read_variable(variables, "SCHEDULE_GROUP"),
            scheduler_role_arn=read_variable(variables, "SCHEDULER_ROLE_ARN"),
            key_arn=read_variable(variables, "DATA_KEY_ARN"),
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


@logger.inject_lambda_context(log_event=False, clear_state=True)
def handler(event: object, context: LambdaContext) -> DeployAnswer | Answer | dict[str, Any]:
    """Answer how far a job's deployment is after doing what is to be done, or sweep the table.

    Or turn the log of model invocations on or off.

    Raises PassingServiceError for what may not fail when the state machine asks again.
    """
    asked, switched = DeployEvent.parse(event), SwitchEvent.parse(event)
    variables = environment()
    with clients.explained_errors(passing=PassingServiceError):
        if switched is not None:
            return InvocationLogging(
                bedrock=clients.bedrock(), environment=variables.name, logger=logger
            ).switch(switched)
        sweep = Sweep(
            environment=variables.name,
            bedrock=clients.bedrock(),
            cloudformation=clients.cloudformation(),
            stepfunctions=clients.stepfunctions,
            schedules=Schedules(
                scheduler=clients.scheduler(),
                group=variables.schedule_group,
                role_arn=variables.scheduler_role_arn,
                key_arn=variables.key_arn,
            ),
            table=DeploymentTable.of(dynamodb=clients.dynamodb(), name=variables.table),
            follow_up=variables.follow_up,
            logger=logger,
            emit=emit,
            now=now,
            time_left=lambda: context.get_remaining_time_in_millis() / 1000,
        )
        if asked is not None:
            return deploy(sweep, asked)
        summary = sweep.run(reserve_seconds=RESERVE_SECONDS)
    counts = vars(summary)
    logger.info("swept", extra=counts)
    return dict(counts)


def deploy(sweep: Sweep, asked: DeployEvent) -> DeployAnswer:
    """Do what is to be done about the deployment of a job and answer how far it is."""
    return answer(sweep.follow_for(job_name=asked.job_name, execution=asked.execution))
