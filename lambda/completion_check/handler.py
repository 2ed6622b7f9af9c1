"""The provider framework's is_complete handler: whether CloudFormation can be answered.

Runs outside the VPC: it holds no data and no key, and sees nothing but the state of jobs, of the
network interfaces that Bedrock makes for them, and of what serves their models.
"""

from __future__ import annotations

import os
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from aws_lambda_powertools import Logger
from botocore.exceptions import BotoCoreError, ClientError

from completion_check.logged import Logged
from completion_check.progress import Progress
from completion_check.removal import Removal
from customization import clients
from customization.events import IsCompleteResult, ResourceEvent, read_variable
from deployments import invocation_logging
from deployments.wish import RESOURCE_TYPE

if TYPE_CHECKING:
    from aws_lambda_powertools.utilities.typing import LambdaContext

logger = Logger()


def now() -> datetime:
    """Return the time, with its zone."""
    return datetime.now(UTC)


def _check(request: ResourceEvent) -> IsCompleteResult:
    if request.resource_type == RESOURCE_TYPE:
        return Removal(
            bedrock=clients.bedrock(),
            functions=clients.functions,
            deployer=read_variable(os.environ, "DEPLOYER_FUNCTION"),
            logger=logger,
            now=now,
        ).is_complete(request)
    if request.resource_type == invocation_logging.RESOURCE_TYPE:
        return Logged(
            functions=clients.functions,
            deployer=read_variable(os.environ, "DEPLOYER_FUNCTION"),
            logger=logger,
            now=now,
        ).is_complete(request)
    return Progress(
        bedrock=clients.bedrock(),
        ec2=clients.ec2,
        logger=logger,
        now=now,
    ).is_complete(request)


@logger.inject_lambda_context(log_event=False, clear_state=True)
def handler(event: object, context: LambdaContext) -> IsCompleteResult:
    """Return whether the request that the event belongs to is complete."""
    request = ResourceEvent.parse(event)
    logger.append_keys(request_type=request.request_type)
    with clients.explained_errors():
        try:
            return _check(request)
        except (BotoCoreError, ClientError) as error:
            if not clients.is_transient(error):
                raise
            # The framework would fail the deployment; it asks again in a few seconds instead, and
            # gives up when its time is over.
            logger.info("asked again later", extra={"error": type(error).__name__})
            return {"IsComplete": False}
