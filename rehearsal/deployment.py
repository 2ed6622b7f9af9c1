"""Deploying templates by CloudFormation's API: what a fault or scenario needs of the CDK.

The command line compares, publishes and polls every five seconds; the templates, the assets and
the stacks it made are the same ones here.
"""

from __future__ import annotations

import json
import time
from dataclasses import dataclass
from typing import Any

from rehearsal.client import Client
from rehearsal.errors import RehearsalError
from rehearsal.toolkit import Template

_TIMEOUT = 300.0
_INTERVAL = 0.1
_CAPABILITIES = ["CAPABILITY_NAMED_IAM"]
_GONE = "DELETE_COMPLETE"
_UNCHANGED = "No updates are to be performed"


@dataclass(frozen=True, kw_only=True)
class Deployed:
    """How a stack operation ended."""

    status: str
    reasons: tuple[str, ...]
    """Reasons of the resources that failed, the first cause first."""

    @property
    def ok(self) -> bool:
        """Whether the stack is as the template says."""
        return self.status in ("CREATE_COMPLETE", "UPDATE_COMPLETE", _GONE)


class Deployment:
    """Stack operations on one emulator."""

    def __init__(self, client: Client) -> None:
        self._cloudformation = client.service("cloudformation")

    def apply(self, *, stack: str, template: Template) -> Deployed:
        """Create or update a stack and wait until that has ended."""
        body = json.dumps(template, separators=(",", ":"))
        arguments = {"StackName": stack, "TemplateBody": body, "Capabilities": _CAPABILITIES}
        seen = self._events(stack)
        if self._status(stack) == _GONE:
            self._cloudformation.create_stack(**arguments)
            seen = set()
        else:
            try:
                self._cloudformation.update_stack(**arguments)
            except self._cloudformation.exceptions.ClientError as error:
                if _UNCHANGED in str(error):
                    return Deployed(status="UPDATE_COMPLETE", reasons=())
                raise
        return self._wait(stack, seen)

    def delete(self, *, stack: str) -> Deployed:
        """Delete a stack and wait until it is gone."""
        if self._status(stack) == _GONE:
            return Deployed(status=_GONE, reasons=())
        seen = self._events(stack)
        self._cloudformation.delete_stack(StackName=stack)
        return self._wait(stack, seen)

    def output(self, *, stack: str, name: str) -> str | None:
        """An output of a stack, None when there is none."""
        found = self._describe(stack)
        outputs = found.get("Outputs", []) if found else []
        return next((o["OutputValue"] for o in outputs if o["OutputKey"] == name), None)

    def _describe(self, stack: str) -> dict[str, Any] | None:
        try:
            found = self._cloudformation.describe_stacks(StackName=stack)["Stacks"]
        except self._cloudformation.exceptions.ClientError as error:
            if "does not exist" in str(error):
                return None
            raise
        return dict(found[0]) if found else None

    def _status(self, stack: str) -> str:
        found = self._describe(stack)
        return str(found["StackStatus"]) if found else _GONE

    def _events(self, stack: str) -> set[str]:
        if self._describe(stack) is None:
            return set()
        answer = self._cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
        return {event["EventId"] for event in answer}

    def _wait(self, stack: str, seen: set[str]) -> Deployed:
        deadline = time.monotonic() + _TIMEOUT
        while time.monotonic() < deadline:
            status = self._status(stack)
            if not status.endswith("_IN_PROGRESS"):
                return Deployed(status=status, reasons=self._reasons(stack, seen, status))
            time.sleep(_INTERVAL)
        raise RehearsalError(
            f"the stack {stack} did not settle within {_TIMEOUT:g} s", fix="read the emulator's log"
        )

    def _reasons(self, stack: str, seen: set[str], status: str) -> tuple[str, ...]:
        if status == _GONE:
            return ()
        answer = self._cloudformation.describe_stack_events(StackName=stack)["StackEvents"]
        return tuple(
            f"{event['LogicalResourceId']}: {event['ResourceStatusReason'].splitlines()[0]}"
            for event in reversed(answer)
            if event["EventId"] not in seen
            and event["ResourceStatus"].endswith("_FAILED")
            and event.get("ResourceStatusReason")
        )
