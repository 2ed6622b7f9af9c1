"""The provider framework's on_event handler: one request of CloudFormation, one answer.

Runs in the service subnets and talks to Bedrock, S3 and DynamoDB only. Logs ids and counts, never
an event, data or a secret.
"""

from __future__ import annotations

import functools
import os
import time
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from customization import clients
from customization.events import OnEventResult, ResourceEvent, read_variable, read_whole
from submitter.lifecycle import Lifecycle
from submitter.records import Records

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

RESERVE_SECONDS = 30.0
"""What is left of the function's time for the work after the last wait."""
DEFAULT_PROPAGATION_SECONDS = 60
"""How long to wait for a new role, policy or key to be known everywhere in AWS."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The function's environment variables, typed."""

    table: str
    propagation_seconds: int

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> Environment:
        """Return TABLE_NAME and PROPAGATION_SECONDS (0 to 600).

        Raises EnvironmentVariableError.
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
        )


@functools.cache
def _environment() -> Environment:
    return Environment.read(os.environ)


logger = Logger()


def now() -> datetime:
    """Return the time, with its zone."""
    return datetime.now(UTC)


@logger.inject_lambda_context(log_event=False, clear_state=True)
def handler(event: object, context: LambdaContext) -> OnEventResult:
    """Create, update or delete the job that the event asks for."""
    environment = _environment()
    request = ResourceEvent.parse(event)
    logger.append_keys(request_type=request.request_type)
    left = context.get_remaining_time_in_millis() / 1000 - RESERVE_SECONDS
    with clients.explained_errors():
        lifecycle = Lifecycle(
            bedrock=clients.bedrock(),
            s3=clients.s3,
            records=Records(dynamodb=clients.dynamodb(), table=environment.table),
            logger=logger,
            patience_seconds=max(0.0, min(environment.propagation_seconds, left)),
            sleep=time.sleep,
            now=now,
        )
        return lifecycle.on_event(request)
