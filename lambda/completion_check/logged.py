"""Whether the log of model invocations is as a stack wants it; the deployer makes it so."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import timedelta
from typing import TYPE_CHECKING, Any, Final

from customization.errors import ServiceCallError
from customization.events import Follow, IsCompleteResult, RequestType, ResourceEvent
from deployments.errors import InvocationLoggingError
from deployments.invocation_logging import EVENT, State

if TYPE_CHECKING:
    from collections.abc import Callable
    from datetime import datetime

    from aws_lambda_powertools import Logger
    from mypy_boto3_lambda import LambdaClient

SPREADS_WITHIN: Final = timedelta(minutes=3)
"""How long a refusal may come from a role or a policy that is not known everywhere yet."""


@dataclass(frozen=True, kw_only=True)
class Logged:
    """The completion check of the log of invocations, over a client that is passed in."""

    functions: Callable[[], LambdaClient]
    deployer: str
    logger: Logger
    now: Callable[[], datetime]

    def is_complete(self, event: ResourceEvent) -> IsCompleteResult:
        """Return whether the deployer has done what the stack wants.

        Raises InvocationLoggingError with the reason when it cannot be done, and ServiceCallError
        when the deployer itself failed.
        """
        if event.follow is not Follow.JOB:
            return {"IsComplete": True}
        answer = self._ask(on=event.request_type is not RequestType.DELETE, event=event)
        if answer is None:
            return {"IsComplete": False}
        state = answer.get("state")
        self.logger.info("asked the deployer", extra={"state": state})
        if state == State.DONE:
            return {"IsComplete": True}
        if state == State.NOT_YET and self._is_young(event):
            return {"IsComplete": False}
        raise InvocationLoggingError(str(answer.get("reason") or f"the deployer answered {state}"))

    def _is_young(self, event: ResourceEvent) -> bool:
        return event.submitted_at is not None and self.now() < event.submitted_at + SPREADS_WITHIN

    def _ask(self, *, on: bool, event: ResourceEvent) -> dict[str, Any] | None:
        """Return the deployer's answer, None when it has to be asked again."""
        payload = {EVENT: {"on": on, "properties": dict(event.properties)}}
        response = self.functions().invoke(
            FunctionName=self.deployer,
            InvocationType="RequestResponse",
            Payload=json.dumps(payload).encode(),
        )
        answer = json.loads(response["Payload"].read())
        if "FunctionError" not in response:
            return dict(answer)
        text = f"the deployer failed: {answer.get('errorType')}: {answer.get('errorMessage')}"
        if answer.get("errorType") == "PassingServiceError":
            self.logger.info("asked again later", extra={"error": answer["errorType"]})
            return None
        raise ServiceCallError(text)
