"""The report's handler: the steps of the state machine that read outputs and put things into words.

Runs in the service subnets: it reads a job's outputs and writes beside them, and reaches nothing
but S3, DynamoDB and Bedrock through their endpoints. The steps that only put into words call
nothing at all, so that they work when everything else does not.
"""

from __future__ import annotations

import functools
import os
import sys
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from customization import clients
from customization.errors import PassingServiceError
from customization.events import read_variable
from customization.table import Table
from model_report.announcement import Announcement, compose, compose_failure
from model_report.orders import Order, Step
from model_report.subject import find
from model_report.writing import Collected, Recorded, Report, Reported

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The function's environment variables, typed."""

    name: str
    table: str
    bucket: str

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> Environment:
        """Return ENVIRONMENT, TABLE_NAME and BUCKET_NAME; raises EnvironmentVariableError."""
        return cls(
            name=read_variable(variables, "ENVIRONMENT"),
            table=read_variable(variables, "TABLE_NAME"),
            bucket=read_variable(variables, "BUCKET_NAME"),
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
def handler(
    event: object, context: LambdaContext
) -> Collected | Reported | Recorded | Announcement:
    """Take one step and return what later ones need.

    Raises EventError, the errors of `model_report.subject`, PassingServiceError for what may go
    away when the step is taken again, and ServiceCallError.
    """
    order = Order.parse(event)
    variables = environment()
    logger.append_keys(job_name=order.job_name, step=order.step)
    logger.info("asked")
    match order.step:
        case Step.COMPOSE:
            return compose(order, environment=variables.name)
        case Step.EXPLAIN:
            return compose_failure(order, environment=variables.name)
    with clients.explained_errors(passing=PassingServiceError):
        report = Report(
            s3=clients.s3(),
            subject=find(
                bedrock=clients.bedrock(),
                # It reads rows alone, and waits for no ledger.
                table=Table(
                    dynamodb=clients.dynamodb(), name=variables.table, pause=lambda _: None
                ),
                job_name=order.job_name,
                bucket=variables.bucket,
            ),
            emit=emit,
            now=now,
            by=context.invoked_function_arn,
        )
        match order.step:
            case Step.COLLECT:
                return report.collect()
            case Step.REPORT:
                return report.report(order)
            case Step.RECORD:
                return report.record(order)
