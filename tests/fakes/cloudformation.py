"""CloudFormation and the CDK's provider framework, as far as one custom resource sees them."""

from __future__ import annotations

import copy
import json
import uuid
from dataclasses import dataclass, field
from typing import Any, cast

from aws_lambda_powertools.utilities.typing import LambdaContext

import completion_check.handler
import follower.handler
import submitter.handler
from tests.fakes.aws import FakeAws, FakeStack

STACK = "arn:aws:cloudformation:eu-test-1:123456789012:stack/made/1"
RESPONSE_URL = "https://made-bucket.example/answer?X-Amz-Signature=planted-signature"


class Context:
    """What Lambda passes besides the event."""

    function_name = "made-function"
    memory_limit_in_mb = 512
    invoked_function_arn = "arn:aws:lambda:eu-test-1:123456789012:function:made-function"
    aws_request_id = "11111111-2222-3333-4444-555555555555"

    def __init__(self, seconds: float = 300) -> None:
        self.seconds = seconds

    def get_remaining_time_in_millis(self) -> int:
        """Return the time that is left of the invocation."""
        return int(self.seconds * 1000)


@dataclass
class Resource:
    """One custom resource of one stack: sends requests and keeps the physical id."""

    aws: FakeAws
    properties: dict[str, Any]
    physical_id: str | None = None
    stack: str = STACK
    context: Context = field(default_factory=Context)
    last: dict[str, Any] = field(default_factory=dict)
    pending: dict[str, Any] = field(default_factory=dict)

    def create(self) -> dict[str, Any]:
        """Send Create and return what the submitter answers."""
        return self._send("Create")

    def update(self, properties: dict[str, Any]) -> dict[str, Any]:
        """Send Update to new properties; an answer with another id is not cleaned up yet."""
        old, self.properties = self.properties, properties
        return self._send("Update", OldResourceProperties=old)

    def delete(
        self, physical_id: str | None = None, properties: dict[str, Any] | None = None
    ) -> dict[str, Any]:
        """Send Delete for the current id, or for one that an Update replaced."""
        return self._send("Delete", physical_id=physical_id, properties=properties)

    def is_complete(self) -> dict[str, Any]:
        """Ask the completion check about the last request."""
        event = json.loads(json.dumps(self.pending))
        context = cast("LambdaContext", self.context)
        with self.aws.called_by("completion_check"):
            return dict(completion_check.handler.handler(event, context))

    def at_rest(self, status: str = "CREATE_COMPLETE", physical_id: str | None = None) -> None:
        """Let the stack have ended its operation, with an id for its resource."""
        resources = {"Job": str(physical_id or self.physical_id)}
        self.aws.stacks[self.stack] = FakeStack(status=status, resources=resources)

    def gone(self) -> None:
        """Let the stack be deleted."""
        self.aws.stacks[self.stack] = FakeStack(status="DELETE_COMPLETE")

    def again(self) -> dict[str, Any]:
        """Send the last request once more, as Lambda does when a function failed."""
        return self._call(self.last)

    def _send(
        self,
        kind: str,
        *,
        physical_id: str | None = None,
        properties: dict[str, Any] | None = None,
        **more: Any,
    ) -> dict[str, Any]:
        event = {
            "RequestType": kind,
            "RequestId": str(uuid.uuid4()),
            "ResponseURL": RESPONSE_URL,
            "StackId": self.stack,
            "LogicalResourceId": "Job",
            "ResourceType": "Custom::BedrockModelCustomizationJob",
            "ResourceProperties": copy.deepcopy(properties or self.properties),
            **more,
        }
        if kind != "Create":
            event["PhysicalResourceId"] = physical_id or self.physical_id
        self.aws.stacks[self.stack] = FakeStack(status=f"{kind.upper()}_IN_PROGRESS")
        self.last = event
        answer = self._call(event)
        if physical_id is None:
            self.physical_id = answer["PhysicalResourceId"]
        return answer

    def _call(self, event: dict[str, Any]) -> dict[str, Any]:
        answer = call_submitter(self.aws, event, self.context)
        assert answer is not None
        self.pending = {**event, **answer}
        return answer


def call_submitter(
    aws: FakeAws, event: dict[str, Any], context: Context | None = None
) -> dict[str, Any] | None:
    """Invoke the submitter with an event as it arrives: through JSON."""
    with aws.called_by("submitter"):
        result = submitter.handler.handler(
            json.loads(json.dumps(event)), cast("LambdaContext", context or Context())
        )
    answer: dict[str, Any] | None = json.loads(json.dumps(result))
    return answer


def sweep(aws: FakeAws, context: Context | None = None) -> dict[str, Any]:
    """Run the follower once, then the submissions that it asked for; return what it did."""
    with aws.called_by("follower"):
        result = follower.handler.handler({}, cast("LambdaContext", context or Context()))
    asked, aws.invoked = aws.invoked, []
    for payload in asked:
        call_submitter(aws, json.loads(payload))
    return result
