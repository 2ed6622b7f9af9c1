"""The invoker's handler: it asks models, through the bedrock-runtime endpoint of its VPC alone.

The state machine has it run smoke tests, and is told what passed and why not, never what the model
said; people have it ask a question, and are answered. Nothing of either is logged but counts.
"""

from __future__ import annotations

import functools
import os
import time
from dataclasses import dataclass
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger

from customization import clients
from customization.errors import PassingServiceError
from customization.events import read_variable
from customization.patience import Patience
from deployments.table import DeploymentTable
from invoker import orders, testing, trying
from invoker.asking import Model

if TYPE_CHECKING:
    from collections.abc import Mapping

    from aws_lambda_powertools.utilities.typing import LambdaContext

    from invoker.testing import Results
    from invoker.trying import Tried

PATIENCE_SECONDS = 120.0
"""How long smoke tests wait in all for a model that is not ready."""


@dataclass(frozen=True, kw_only=True)
class Environment:
    """The function's environment variables, typed."""

    table: str

    @classmethod
    def read(cls, variables: Mapping[str, str]) -> Environment:
        """Return DEPLOYMENTS_TABLE; raises EnvironmentVariableError."""
        return cls(table=read_variable(variables, "DEPLOYMENTS_TABLE"))


@functools.cache
def environment() -> Environment:
    """Return the environment variables, read once a container."""
    return Environment.read(os.environ)


logger = Logger()


def clock() -> float:
    """Return seconds that never go back."""
    return time.monotonic()


@logger.inject_lambda_context(log_event=False, clear_state=True)
def handler(event: object, context: LambdaContext) -> Results | Tried:
    """Run smoke tests or ask a person's question.

    Raises EventError, the errors of `invoker.asking`, PassingServiceError for what may go away when
    it is asked again, and ServiceCallError.
    """
    asked = orders.parse(event)
    with clients.explained_errors(passing=PassingServiceError):
        if isinstance(asked, orders.Trial):
            return _try(asked)
        results = testing.run(
            asked,
            model=_model(asked.model, patience=PATIENCE_SECONDS),
            time_left=lambda: context.get_remaining_time_in_millis() / 1000,
        )
    passed = sum(result["passed"] for result in results["results"])
    logger.info("smoke tests", extra={"tests": len(asked.tests), "passed": passed})
    return results


def _try(asked: orders.Trial) -> Tried:
    tried = trying.run(
        asked,
        table=DeploymentTable.of(dynamodb=clients.dynamodb(), name=environment().table),
        model=lambda arn: _model(arn, patience=trying.PATIENCE_SECONDS),
    )
    counts = {"job_name": asked.job_name, "output_tokens": tried["output_tokens"]}
    logger.info("asked for somebody", extra=counts)
    return tried


def _model(arn: str, *, patience: float) -> Model:
    return Model(
        runtime=clients.bedrock_runtime(),
        arn=arn,
        patience=Patience(seconds=patience, sleep=time.sleep),
        clock=clock,
    )
