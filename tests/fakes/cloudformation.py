"""CloudFormation and the CDK's provider framework, as far as one custom resource sees them."""

from __future__ import annotations

import copy
import json
import uuid
from dataclasses import dataclass, field
from typing import Any, cast

from aws_lambda_powertools.utilities.typing import LambdaContext

import completion_check.handler
import submitter.handler
from tests.fakes.aws import FakeAws

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
    context: Context = field(default_factory=Context)
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
            "StackId": "arn:aws:cloudformation:eu-test-1:123456789012:stack/made/1",
            "LogicalResourceId": "Job",
            "ResourceType": "Custom::BedrockModelCustomizationJob",
            "ResourceProperties": copy.deepcopy(properties or self.properties),
            **more,
        }
        if kind != "Create":
            event["PhysicalResourceId"] = physical_id or self.physical_id
        context = cast("LambdaContext", self.context)
        sent = json.loads(json.dumps(event))
        with self.aws.called_by("submitter"):
            result = submitter.handler.handler(sent, context)
        answer: dict[str, Any] = json.loads(json.dumps(result))
        self.pending = {**event, **answer}
        if physical_id is None:
            self.physical_id = answer["PhysicalResourceId"]
        return answer
