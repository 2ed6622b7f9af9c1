"""Destroying the stacks of an environment, in order, from wherever an earlier run stopped."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from finetune.aws import aws_errors
from finetune.clean_up import emptying, looks
from finetune.clean_up.looks import Region
from finetune.clean_up.plan import Plan
from finetune.clean_up.stack_deletion import Deleter
from finetune.clean_up.stacks import Stack
from finetune.clean_up.things import Kind
from finetune.report import CommandError

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, kw_only=True)
class Teardown:
    """One run over the stacks of an environment that are still there."""

    region: Region
    deleter: Deleter
    administrator: S3Client
    """Who empties buckets: one of people.administrators."""
    say: Callable[[str], None]

    def run(self, plan: Plan) -> list[str]:
        """Destroy every stack of the plan and return their names.

        Raises:
            CommandError: a stack stays (1), AWS refused (3) or took too long (4). What is gone is
                gone: another run goes on from there.
        """
        for stack in plan.protected:
            self.deleter.unprotect(stack.name)
            self.say(f"{stack.name}: no longer protected from deletion")
        # Jobs own their deployments and models, and everything else serves them: so they go first,
        # side by side, since each waits for Bedrock.
        problems: list[CommandError] = []
        begun = [(stack, self._begin(plan, stack)) for stack in plan.jobs]
        for stack, since in begun:
            try:
                self._end(plan, stack, since=since)
            except CommandError as error:
                problems.append(error)
        if problems:
            findings = [finding for problem in problems for finding in problem.findings]
            raise CommandError(code=max(problem.code for problem in problems), findings=findings)
        for stack in plan.shared:
            if stack.part == "network":
                self.wait_for_interfaces(stack)
            self._end(plan, stack, since=self._begin(plan, stack))
        return [stack.name for stack in plan.stacks]

    def wait_for_interfaces(self, stack: Stack) -> None:
        """Wait until Bedrock and Lambda have given back their interfaces in a network.

        They hold subnets and security groups, and AWS takes minutes. When the time is up, the
        deletion of the stack says what is in the way.
        """
        deadline = time.monotonic() + self.deleter.patience.seconds
        told = 0
        while time.monotonic() < deadline:
            with aws_errors(doing=f"looking at network interfaces of {stack.name}"):
                left = [
                    thing for thing in looks.network(self.region) if thing.kind is Kind.INTERFACE
                ]
            if not left:
                return
            if len(left) != told:
                told = len(left)
                self.say(f"{stack.name}: waits for {told} network interfaces, which AWS releases")
            time.sleep(self.deleter.patience.interval)

    def _begin(self, plan: Plan, stack: Stack) -> str | None:
        self._empty(plan, stack)
        since = self.deleter.start(stack.id)
        self.say(f"{stack.name}: is being deleted")
        return since

    def _end(self, plan: Plan, stack: Stack, *, since: str | None) -> None:
        started = time.monotonic()
        self.deleter.finish(stack.id, since=since, again=lambda: self._empty(plan, stack))
        self.say(f"{stack.name}: gone, after {time.monotonic() - started:.0f} s")

    def _empty(self, plan: Plan, stack: Stack) -> None:
        """Empty the buckets that go with a stack: access logs arrive for hours."""
        for bucket in plan.buckets_to_empty(stack):
            versions = emptying.empty(s3=self.administrator, bucket=bucket)
            if versions:
                self.say(f"{bucket}: {versions} versions of objects deleted")
