"""Deleting one stack, and waiting for what AWS releases late."""

from __future__ import annotations

import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final

from botocore.exceptions import ClientError

from finetune.aws import aws_errors, error_code
from finetune.clean_up.looks import Region
from finetune.clean_up.stacks import GONE
from finetune.report import CommandError, ExitCode, failure

LATE: Final = re.compile(
    r"network ?interface|dependent object|DependencyViolation|has dependencies|is in use by|"
    r"is currently in use|eni-[0-9a-f]+|is not empty|BucketNotEmpty",
    re.IGNORECASE,
)
"""What a deletion says that fails because a service has not released something yet."""


@dataclass(frozen=True, kw_only=True)
class Patience:
    """How long to wait, and how often to look."""

    seconds: float = 3600
    """For one stack, with all that AWS releases late."""
    interval: float = 5
    """Between two looks."""


@dataclass(frozen=True, kw_only=True)
class Deleter:
    """Deletes stacks of one Region; `say` is told what it waits for."""

    region: Region
    patience: Patience
    say: Callable[[str], None]

    def start(self, stack: str) -> str | None:
        """Ask for the deletion of a stack, once CloudFormation has done what it is at.

        Returns the newest event of before, so that what fails now can be told from what failed
        then.
        """
        self._wait(stack, until=_is_settled)
        before = self._last_event(stack)
        with aws_errors(
            doing=f"deleting the stack {stack}",
            denied="use credentials that may call cloudformation:DeleteStack",
        ):
            self._cloudformation.delete_stack(StackName=stack)
        return before

    def finish(
        self, stack: str, *, since: str | None, again: Callable[[], None] = lambda: None
    ) -> None:
        """Wait until a stack is gone, asking again where AWS released something late.

        `since` is what `start` returned. `again` is called before it is asked for again: a bucket
        may have got logs meanwhile.

        Raises:
            CommandError: it cannot be deleted (1, with the reasons), or not in time (4).
        """
        deadline = time.monotonic() + self.patience.seconds
        while True:
            left = deadline - time.monotonic()
            status = self._wait(stack, until=_is_settled, seconds=left)
            if status == GONE:
                return
            reasons = self.reasons(stack, since=since)
            waits = [reason for reason in reasons if LATE.search(reason)]
            if not waits or deadline - time.monotonic() < self.patience.interval:
                raise _stuck(stack, status=status, reasons=reasons, late=bool(waits))
            self.say(f"{stack}: waits for what AWS releases late: {waits[0]}")
            # Longer than between two looks: Lambda and Bedrock take minutes to give these back.
            time.sleep(min(6 * self.patience.interval, max(left, 0)))
            again()
            since = self.start(stack)

    def delete(self, stack: str) -> None:
        """Delete a stack and wait until it is gone."""
        self.finish(stack, since=self.start(stack))

    def unprotect(self, stack: str) -> None:
        """Take the protection from deletion off a stack."""
        with aws_errors(
            doing=f"taking the termination protection off {stack}",
            denied="use credentials that may call cloudformation:UpdateTerminationProtection",
        ):
            self._cloudformation.update_termination_protection(
                StackName=stack, EnableTerminationProtection=False
            )

    def reasons(self, stack: str, *, since: str | None = None) -> list[str]:
        """Why the resources of a stack failed, the first first; since an event, if it is named."""
        found = []
        for event in self.region.pages(
            "cloudformation", "describe_stack_events", "StackEvents", StackName=stack
        ):
            if event["EventId"] == since:
                break
            reason = event.get("ResourceStatusReason")
            if event["ResourceStatus"].endswith("_FAILED") and reason:
                found.append(f"{event['LogicalResourceId']}: {reason.splitlines()[0]}")
        return list(dict.fromkeys(reversed(found)))

    @property
    def _cloudformation(self) -> Any:  # noqa: ANN401 - typed by botocore's model alone
        return self.region.client("cloudformation")

    def _last_event(self, stack: str) -> str | None:
        events = self._described(
            lambda: next(
                iter(
                    self.region.pages(
                        "cloudformation", "describe_stack_events", "StackEvents", StackName=stack
                    )
                ),
                None,
            )
        )
        return str(events["EventId"]) if events else None

    def _wait(
        self, stack: str, *, until: Callable[[str], bool], seconds: float | None = None
    ) -> str:
        deadline = time.monotonic() + (self.patience.seconds if seconds is None else seconds)
        while True:
            with aws_errors(doing=f"describing the stack {stack}"):
                found = self._described(
                    lambda: self._cloudformation.describe_stacks(StackName=stack)["Stacks"][0]
                )
            status = str(found["StackStatus"]) if found else GONE
            if until(status):
                return status
            if time.monotonic() > deadline:
                raise failure(
                    code=ExitCode.TIMED_OUT,
                    id="timed-out",
                    message=f"the stack {stack} is still {status} when the time is up",
                    fix="it goes on in AWS: run the command again later, it takes up where this"
                    " stopped",
                    where={"stack": stack},
                )
            time.sleep(self.patience.interval)

    def _described(self, ask: Callable[[], Mapping[str, Any] | None]) -> Mapping[str, Any] | None:
        try:
            return ask()
        except ClientError as error:
            # CloudFormation has no code of its own for a stack that does not exist.
            if error_code(error) == "ValidationError" and "does not exist" in str(error):
                return None
            raise


def _is_settled(status: str) -> bool:
    return not status.endswith("_IN_PROGRESS")


def _stuck(stack: str, *, status: str, reasons: list[str], late: bool) -> CommandError:
    return failure(
        code=ExitCode.TIMED_OUT if late else ExitCode.FINDINGS,
        id="stack-stays",
        message=f"the stack {stack} is {status}: {'; '.join(reasons) or 'without a reason'}",
        fix="AWS has not released everything in time: run the command again later"
        if late
        else "take the reason away and run the command again: it takes up where this stopped",
        where={"stack": stack},
    )
