"""One sweep over the table of deployments, and over what Bedrock has that no row knows.

A sweep may end anywhere and run beside another one: each step is written under the condition that
the row is as it was judged, and the next sweep goes on from there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from botocore.exceptions import BotoCoreError, ClientError

from customization import claims, endings, stacks
from customization.errors import CustomizationError
from customization.jobs import Job, error_code, tags_of
from customization.steps import StackPhase, StackView
from customization.table import When
from deployments import calls, metrics, seen
from deployments.errors import DeploymentRefusedError, PassingRefusalError
from deployments.kinds import Kind
from deployments.naming import (
    are_ours,
    execution_name,
    is_deployment_name,
    owner_of,
    tags_of_owner,
)
from deployments.rows import OF_AN_ATTEMPT, Row, RowState
from deployments.seen import Listed, Seen
from deployments.steps import REFUSAL_PATIENCE, Act, Sight, Step, Successor, next_step

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger
    from mypy_boto3_bedrock import BedrockClient
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_stepfunctions import SFNClient

    from customization.identity import PhysicalId
    from deployments.schedules import Schedules
    from deployments.table import DeploymentTable

MOST_STEPS: Final = 20
"""How many steps one row takes in one sweep at most; a test shows that it takes fewer."""
ORPHAN_GRACE: Final = timedelta(minutes=15)
"""How long something of ours may be there that no row knows: then nobody will ask for it."""
OVERDUE_GRACE: Final = timedelta(minutes=10)
"""How long after its end throughput may still be there without an alarm."""

Problem = (CustomizationError, BotoCoreError, ClientError)


@dataclass
class Summary:
    """What a sweep did, as counts."""

    rows: int = 0
    steps: int = 0
    removed: int = 0
    failed: int = 0
    overdue: int = 0
    errors: int = 0


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """One sweep over clients that are passed in; `emit` writes a line of metrics to the log.

    `follow_up` is the ARN of the state machine that reports on a deployment and tries it, if the
    environment has one.
    """

    environment: str
    bedrock: BedrockClient
    cloudformation: CloudFormationClient
    stepfunctions: Callable[[], SFNClient]
    schedules: Schedules
    table: DeploymentTable
    follow_up: str | None
    logger: Logger
    emit: Callable[[str], None]
    now: Callable[[], datetime]
    time_left: Callable[[], float]
    summary: Summary = field(default_factory=Summary)
    _views: dict[tuple[str, str], StackView] = field(default_factory=dict)

    def run(self, *, reserve_seconds: float) -> Summary:
        """Do what is to be done about every row, then about what has none; return the counts.

        What lives is looked at first, the nearest end before all others. A row that cannot be
        dealt with is logged and does not keep the others waiting.
        """
        rows = sorted(
            (row for row in self.table.rows() if row.settled_at is None),
            key=lambda row: (row.ends_at or row.requested_at + timedelta(days=365), row.name),
        )
        for row in rows:
            if self.time_left() < reserve_seconds:
                self.logger.warning("out of time", extra={"rows_left": len(rows)})
                break
            self.summary.rows += 1
            self._guarded(row.name, self._follow_and_count, row)
        self._guarded("what no row knows", self._reap)
        self.emit(
            metrics.line(
                environment=self.environment,
                overdue=self.summary.overdue,
                failed=self.summary.failed,
                now=self.now(),
            )
        )
        return self.summary

    def _guarded(self, name: str, act: Callable[..., object], *arguments: object) -> None:
        try:
            act(*arguments)
        except Problem as error:
            self.summary.errors += 1
            # Errors of botocore are named by their class: some quote the call's arguments.
            text = "" if isinstance(error, BotoCoreError) else str(error)
            self.logger.error(  # noqa: TRY400 - the traceback would quote them too
                "left for the next sweep",
                extra={"deployment": name, "error": type(error).__name__, "text": text},
            )

    def _follow_and_count(self, row: Row) -> None:
        self.follow(row)

    # Rows

    def follow(self, row: Row) -> Row:
        """Do one step after the other about a row until there is none; return it as it is then."""
        owner = owner_of(job_name=row.job_name, environment=row.environment, job=row.job)
        if owner is None or row.environment != self.environment:
            self.logger.error("a row that is not ours", extra={"deployment": row.name})
            return row
        for _ in range(MOST_STEPS):
            sight = self._look(row, owner=owner)
            step = next_step(row=row, sight=sight)
            if step.act is Act.WAIT or not self._do(step, row=row, sight=sight, owner=owner):
                self._count_overdue(row, sight=sight)
                break
            self.summary.steps += 1
            self.logger.info(step.act, extra={"deployment": row.name, "why": step.why})
            found = self.table.read(row.name)
            if found is None:
                break
            row = found
            if row.settled_at is not None:
                break
        return self.table.read(row.name) or row

    def _look(self, row: Row, *, owner: PhysicalId) -> Sight:
        """Return what is seen around a row; nothing is asked for that cannot count."""
        scheduled = self.schedules.when(row.name) if row.kind is Kind.PROVISIONED else None
        waits = row.state in {RowState.WANTED, RowState.CREATING} and row.deleted_at is None
        job = endings.find_ours(bedrock=self.bedrock, owner=owner) if waits else None
        return Sight(
            seen=seen.find(
                bedrock=self.bedrock,
                name=row.name,
                kind=row.kind,
                owner_tags=tags_of_owner(owner),
            ),
            scheduled=scheduled,
            job=job,
            view=self._view(row),
            successor=self._successor(row),
            now=self.now(),
            claimed=self._earlier_claim(row) is not None,
            follows=self.follow_up is not None,
        )

    def _do(self, step: Step, *, row: Row, sight: Sight, owner: PhysicalId) -> bool:
        """Do one step; False when the row was not as it was judged any more, or must wait."""
        ours = sight.ours
        acts: dict[Act, Callable[[], bool]] = {
            Act.CREATE: lambda: self._create(row, job=sight.job, owner=owner),
            Act.RECORD: lambda: self._record(step, row=row, ours=ours),
            Act.REMOVE: lambda: ours is not None and self._remove(ours, owner=owner),
            Act.SCHEDULE: lambda: self._schedule(row),
            Act.UNSCHEDULE: lambda: self._unschedule(row),
            Act.FOLLOW_UP: lambda: self._follow_up(row),
            Act.GIVE_BACK: lambda: self._give_back(row),
        }
        return acts.get(step.act, lambda: self._mark(step, row=row))()

    def _mark(self, step: Step, *, row: Row) -> bool:
        time = self.now().isoformat()
        values: dict[str, str] = {}
        remove: tuple[str, ...] = ()
        absent: tuple[str, ...] = ()
        match step.act:
            case Act.PLAN:
                began = step.at or self.now()
                planned = replace(row, started_at=began)
                due = planned.due(commitment_ends=step.commitment_ends)
                if due is None:
                    return False
                values = {"StartedAt": began.isoformat(), "EndsAt": due.isoformat()}
            case Act.TELL:
                values = {"ToldAt": time}
            case Act.OWE:
                by = execution_name(name=row.name, attempt=row.attempt)
                values, absent = {"FollowUpDueAt": time, "FollowedUpBy": by}, ("FollowedUpBy",)
            case Act.RESTORE:
                remove = ("DeletedAt", "SupersededBy", "RetiredAt")
                if row.deleted_at is not None and row.state.is_over:
                    values = {
                        "State": RowState.WANTED.value,
                        "Attempt": str(row.attempt + 1),
                        "WantedAt": time,
                    }
                    remove = (*remove, *OF_AN_ATTEMPT)
            case Act.DELETE:
                values = {"DeletedAt": time}
            case Act.SETTLE:
                values = {"SettledAt": time}
        when = replace(_unchanged(row), absent=absent)
        done = self.table.change(row.name, values, remove=remove, when=when)
        if done and step.act is Act.TELL:
            self.summary.failed += 1
        return done

    def _schedule(self, row: Row) -> bool:
        if row.ends_at is None:
            return False
        self.schedules.put(row.name, at=row.ends_at)
        return True

    def _unschedule(self, row: Row) -> bool:
        self.schedules.remove(row.name)
        return True

    def _create(self, row: Row, *, job: Job | None, owner: PhysicalId) -> bool:
        """Write that it is being made, then have Bedrock make it, then write what it answered.

        The first write holds only while somebody wants it: after a Delete nothing is made. A crash
        after it loses nothing, as the same call comes again with the same token.
        """
        if job is None or job.model_arn is None:
            return False
        stamp = self.now().isoformat()
        begun = self.table.change(
            row.name,
            {"State": RowState.CREATING, "CreatingAt": stamp},
            when=When(
                absent=["DeletedAt", "Arn"],
                equal={
                    "RequestId": (row.request_id,),
                    "State": (row.state.value,),
                    "EndsAt": (_iso(row.ends_at),),
                    "Attempt": (str(row.attempt),),
                },
            ),
        )
        if not begun:
            return False
        mine = When(
            absent=["Arn"], equal={"State": (RowState.CREATING.value,), "CreatingAt": (stamp,)}
        )
        try:
            arn = calls.create(
                bedrock=self.bedrock,
                row=row,
                model_arn=job.model_arn,
                owner_tags=tags_of_owner(owner),
            )
        except PassingRefusalError as error:
            since = row.refused_at or self.now()
            if self.now() - since <= REFUSAL_PATIENCE:
                values = {"State": RowState.WANTED.value, "Failure": str(error)}
                self.table.change(row.name, values, once={"RefusedAt": stamp}, when=mine)
                return False
            return self._refuse(row, error=error, mine=mine)
        except DeploymentRefusedError as error:
            return self._refuse(row, error=error, mine=mine)
        self.logger.info("made", extra={"deployment": row.name, "arn": arn})
        # Whatever became of the row meanwhile: what was bought is known.
        when = When(equal={"Attempt": (str(row.attempt),)})
        return self.table.change(row.name, {}, once={"Arn": arn}, when=when)

    def _refuse(self, row: Row, *, error: DeploymentRefusedError, mine: When) -> bool:
        """Write down that Bedrock did not take it, unless another call has begun since."""
        values = {
            "State": RowState.FAILED.value,
            "Failure": str(error),
            "EndedAt": self.now().isoformat(),
        }
        return self.table.change(row.name, values, when=mine)

    def _record(self, step: Step, *, row: Row, ours: Seen | None) -> bool:
        state = step.state or row.state
        values = {"State": state.value}
        remove: list[str] = []
        time = self.now().isoformat()
        if state.is_over:
            values["EndedAt"] = time
        else:
            remove = [name for name in ("EndedAt", "ToldAt") if row.state.is_over]
        if step.failure:
            values["Failure"] = step.failure
        elif state is RowState.ACTIVE:
            remove += ["Failure", "RefusedAt"]
        if ours is not None and not state.is_over:
            values["Arn"] = ours.arn
        once = {"ActiveAt": time} if state is RowState.ACTIVE else {}
        # The request may be a newer one: what became of it is true all the same.
        when = When(equal={"State": (row.state.value,), "Attempt": (str(row.attempt),)})
        return self.table.change(row.name, values, once=once, remove=remove, when=when)

    def _remove(self, ours: Seen, *, owner: PhysicalId) -> bool:
        done = calls.remove(
            bedrock=self.bedrock,
            name=ours.name,
            arn=ours.arn,
            kind=ours.kind,
            owner_tags=tags_of_owner(owner),
        )
        self.summary.removed += done
        return done

    def _follow_up(self, row: Row) -> bool:
        """Start the follow-up of a job whose wish came after its end, once for each attempt.

        Step Functions takes a name once in ninety days: one that was started is the only one.
        https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html
        """
        if self.follow_up is None:
            return False
        try:
            self.stepfunctions().start_execution(
                stateMachineArn=self.follow_up,
                name=execution_name(name=row.name, attempt=row.attempt),
                input=json.dumps({"job_name": row.job_name}),
            )
        except ClientError as error:
            if error_code(error) != "ExecutionAlreadyExists":
                raise
        time = {"FollowedUpAt": self.now().isoformat()}
        return self.table.change(row.name, time, when=_unchanged(row))

    def follow_for(self, *, job_name: str, execution: str) -> Row | None:
        """Follow the deployment of a job that this execution tries and tells, and return its row.

        None when there is none, or when another execution has it: the first that takes a
        deployment keeps it, so that none is tried or told twice.
        """
        rows = self.table.of_job(job_name)
        mine = [row for row in rows if row.followed_up_by == execution]
        for row in mine or rows[:1]:
            if mine or self._take(row, execution=execution):
                return self.follow(self.table.read(row.name) or row)
        return None

    def _take(self, row: Row, *, execution: str) -> bool:
        """Write which execution tries and tells a deployment, unless another one does."""
        when = When(absent=["FollowedUpBy"], equal={"Attempt": (str(row.attempt),)})
        if self.table.change(row.name, {"FollowedUpBy": execution}, when=when):
            return True
        found = self.table.read(row.name)
        return found is not None and found.followed_up_by == execution

    # Whose it is

    def _give_back(self, row: Row) -> bool:
        """Let the newest claim stand again that can be true."""
        index = self._earlier_claim(row)
        if index is None:
            return False
        before = row.claims_before
        return self.table.give_back(
            row, to=before[index], keep=before[:index], when=_unchanged(row)
        )

    def _earlier_claim(self, row: Row) -> int | None:
        """Return which of the claims before is the newest whose stack is still there."""
        if row.deleted_at is not None:
            return None
        for index in reversed(range(len(row.claims_before))):
            stack_id, logical_id = claims.resource_of(row.claims_before[index])
            view = self._look_at_stack(stack_id=stack_id, logical_id=logical_id)
            if view.phase is not StackPhase.GONE:
                return index
        return None

    def _view(self, row: Row) -> StackView:
        return self._look_at_stack(stack_id=row.stack_id, logical_id=row.logical_id)

    def _look_at_stack(self, *, stack_id: str, logical_id: str) -> StackView:
        """Return what CloudFormation says, looked up once a sweep."""
        key = (stack_id, logical_id)
        if key not in self._views:
            self._views[key] = stacks.look(
                cloudformation=self.cloudformation, stack_id=stack_id, logical_id=logical_id
            )
        return self._views[key]

    def _successor(self, row: Row) -> Successor:
        """Return what became of what the row's resource stands for now, if it is another one."""
        current = self._view(row).physical_id
        if current is None or current == row.name:
            return Successor.NONE
        found = self.table.read(current)
        if found is None:
            # A row that a restored table has lost: what it replaced serves on.
            ours = is_deployment_name(name=current, environment=self.environment)
            return Successor.PENDING if ours else Successor.NONE
        served = found.active_at is not None and found.deleted_at is None
        return Successor.SERVES if served else Successor.PENDING

    # What no row knows

    def _reap(self) -> None:
        """Remove what is ours by its tags and has no row, after a while in which one may come.

        Rows are written before anything is made, so it is what a lost or restored table left. What
        has a row that was thought to be over is looked at again.
        """
        listed = seen.listed(bedrock=self.bedrock, name_contains=f"{self.environment}-")
        for each in list(listed):
            if is_deployment_name(name=each.name, environment=self.environment):
                self._guarded(each.name, self._reap_one, each)

    def _reap_one(self, each: Listed) -> None:
        row = self.table.read(each.name)
        if row is not None and row.settled_at is None:
            return
        tags = tags_of(bedrock=self.bedrock, arn=each.arn)
        if not are_ours(tags=tags, environment=self.environment):
            return
        if row is not None and row.settled_at is not None:
            settled = When(equal={"SettledAt": (row.settled_at.isoformat(),)})
            self.table.change(row.name, {}, remove=["SettledAt"], when=settled)
            return
        if self.now() - each.made < ORPHAN_GRACE:
            return
        found = seen.find(bedrock=self.bedrock, name=each.name, kind=each.kind, owner_tags=tags)
        if found is None or found.is_committed(now=self.now()):
            return
        self.logger.warning("no row knows it: removed", extra={"deployment": each.name})
        self.summary.overdue += each.kind is Kind.PROVISIONED
        self.summary.removed += calls.remove(
            bedrock=self.bedrock, name=each.name, arn=each.arn, kind=each.kind, owner_tags=tags
        )

    def _count_overdue(self, row: Row, *, sight: Sight) -> None:
        ours = sight.ours
        if ours is None or row.kind is not Kind.PROVISIONED or row.ends_at is None:
            return
        if sight.now - row.ends_at > OVERDUE_GRACE:
            self.summary.overdue += 1


def _unchanged(row: Row) -> When:
    """Return the condition that a row is as it was judged: a newer request has another id."""
    return When(
        equal={
            "RequestId": (row.request_id,),
            "State": (row.state.value,),
            "Attempt": (str(row.attempt),),
        }
    )


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
