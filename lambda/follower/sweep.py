"""One sweep over the table: look at each row, its job and its stack, and do what is to be done.

A sweep may end anywhere and run beside another one: each step is written under the condition that
the row is as it was judged, and the next sweep goes on from there.
"""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING

from botocore.exceptions import BotoCoreError, ClientError

from customization import claims, endings, stacks
from customization.errors import CustomizationError, ModelInUseError
from customization.identity import parse_physical_id
from customization.jobs import Job
from customization.request import ModelPolicy
from customization.rows import OF_AN_END, Row, RowState
from customization.steps import (
    Act,
    Place,
    StackPhase,
    StackView,
    Step,
    Successor,
    may_be_taken,
    next_step,
    place_of,
)
from customization.table import When
from follower import announcement

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger
    from mypy_boto3_bedrock import BedrockClient
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_sns import SNSClient

    from customization.admission import Ledger
    from customization.table import Table
    from follower.following import FollowUp

MOST_STEPS = 12
"""How many steps one row takes in one sweep at most; a test shows that it takes fewer."""


@dataclass
class Summary:
    """What a sweep did, as counts."""

    rows: int = 0
    steps: int = 0
    started: int = 0
    errors: int = 0


@dataclass(frozen=True, kw_only=True)
class Sweep:
    """One sweep over clients that are passed in; `emit` writes a line of metrics to the log."""

    bedrock: BedrockClient
    cloudformation: CloudFormationClient
    sns: SNSClient
    functions: LambdaClient
    table: Table
    topic_arn: str
    submitter: str
    limit: int
    logger: Logger
    emit: Callable[[str], None]
    now: Callable[[], datetime]
    time_left: Callable[[], float]
    follow_up: FollowUp | None = None
    _views: dict[tuple[str, str], StackView] = field(default_factory=dict)

    def run(self, *, reserve_seconds: float) -> Summary:
        """Do what is to be done about every row, then give free places to those that wait.

        A row that cannot be dealt with is logged and does not keep the others waiting. What does
        not fit into the time, less the reserve, is left for the next sweep.
        """
        summary = Summary()
        rows = sorted(self.table.unsettled(), key=lambda row: (row.requested_at, row.name))
        for row in rows:
            if self.time_left() < reserve_seconds:
                self.logger.warning("out of time", extra={"rows_left": len(rows) - summary.rows})
                break
            summary.rows += 1
            try:
                summary.steps += self._follow(row)
            except (CustomizationError, BotoCoreError, ClientError) as error:
                summary.errors += 1
                # Errors of botocore are named by their class: some quote the call's arguments.
                text = "" if isinstance(error, BotoCoreError) else str(error)
                self.logger.error(  # noqa: TRY400 - the traceback would quote them too
                    "a row is left for the next sweep",
                    extra={"job_name": row.name, "error": type(error).__name__, "text": text},
                )
        summary.started = self._serve_queue()
        return summary

    # Rows

    def _follow(self, row: Row) -> int:
        """Do one step after the other about a row until there is none; return how many."""
        owner = parse_physical_id(physical_id=row.name, environment=row.environment, job=row.job)
        if owner is None:
            self.logger.error("a row with a name that is not ours", extra={"job_name": row.name})
            return 0
        for number in range(MOST_STEPS):
            job = None
            if row.may_have_job or row.deleted_at is not None or row.announced_at is None:
                job = endings.find_ours(bedrock=self.bedrock, owner=owner)
            view = self._view(row)
            step = next_step(
                row=row,
                job=job,
                view=view,
                successor=self._successor(row),
                now=self.now(),
                claimed=self._earlier_claim(row) is not None,
                followed_up=self.follow_up is not None,
            )
            if step.act is Act.WAIT or not self._do(step, row=row, job=job):
                return number
            self.logger.info(step.act, extra={"job_name": row.name, "why": step.why})
            found = self.table.read(row.name)
            if found is None or found.settled_at is not None:
                return number + 1
            row = found
        return MOST_STEPS

    def _do(self, step: Step, *, row: Row, job: Job | None) -> bool:
        """Do one step; False when the row was not as it was judged any more, or must wait."""
        match step.act:
            case Act.RECORD:
                return self._record(step, row=row, job=job)
            case Act.ANNOUNCE:
                return self._announce(row=row, job=job)
            case Act.STOP:
                return job is not None and self._stop(job)
            case Act.DELETE_MODEL:
                return job is not None and self._delete_model(row=row, job=job)
            case Act.GIVE_BACK:
                return self._give_back(row)
            case (
                Act.RESTORE
                | Act.OWN
                | Act.SUPERSEDE
                | Act.RETIRE
                | Act.DELETE
                | Act.SETTLE
                | Act.FOLLOW_UP
                | Act.WAIT
            ):
                return self._mark(step, row=row)

    def _mark(self, step: Step, *, row: Row) -> bool:
        time = self.now().isoformat()
        values: dict[str, str] = {}
        remove: tuple[str, ...] = ()
        match step.act:
            case Act.RESTORE:
                values, remove = {"State": row.state}, ("SupersededBy", "WentBack", "RetiredAt")
            case Act.OWN:
                values, remove = {"State": row.state}, ("WasKept",)
            case Act.SUPERSEDE:
                values = {"SupersededBy": str(self._view(row).physical_id), "RetiredAt": time}
            case Act.RETIRE:
                values = {"RetiredAt": time}
            case Act.DELETE:
                values = {"DeletedAt": time, "Policy": step.policy or ModelPolicy.KEEP}
            case Act.SETTLE:
                values = {"SettledAt": time}
            case Act.FOLLOW_UP if self.follow_up is not None:
                # Before it is marked: one that was started already stays the only one.
                self.follow_up.start(row)
                values = {"FollowedUpAt": time}
        # A newer request has another id: what was judged is not so any more.
        unchanged = When(equal={"RequestId": (row.request_id,), "State": (row.state,)})
        return self.table.change(row.name, values, remove=remove, when=unchanged)

    def _give_back(self, row: Row) -> bool:
        """Let the newest claim stand again that can be true."""
        index = self._earlier_claim(row)
        if index is None:
            return False
        before = row.claims_before
        unchanged = When(equal={"RequestId": (row.request_id,), "State": (row.state,)})
        return self.table.give_back(row, to=before[index], keep=before[:index], when=unchanged)

    def _earlier_claim(self, row: Row) -> int | None:
        """Return which of the claims before is the newest whose stack is still there."""
        if row.deleted_at is not None:
            return None
        for index in reversed(range(len(row.claims_before))):
            stack_id, logical_id = claims.resource_of(row.claims_before[index])
            view = self._look(stack_id=stack_id, logical_id=logical_id)
            if view.phase is not StackPhase.GONE:
                return index
        return None

    def _record(self, step: Step, *, row: Row, job: Job | None) -> bool:
        state = step.state or row.state
        values = {"State": state.value}
        time = self.now().isoformat()
        if state.is_final:
            values["EndedAt"] = time
        if state.is_final and job is not None and job.failure:
            values["Failure"] = job.failure
        once = {"SubmittedAt": time} if state is RowState.SUBMITTED else {}
        # A refusal, perhaps told already, was no end.
        remove = OF_AN_END if row.state.is_final else ()
        # The request may be a newer one: what became of the job is true all the same.
        when = When(equal={"State": (row.state,)})
        return self.table.change(row.name, values, once=once, remove=remove, when=when)

    def _announce(self, *, row: Row, job: Job | None) -> bool:
        """Tell a final state, under a lease: at most one call tells it at a time.

        A crash between telling and writing that down has it told again when the lease is over: an
        end that is told twice can be recognised, one that is never told cannot.
        """
        before = _iso(row.announcing_at)
        lease = self.now().isoformat()
        this_end = {"State": (row.state,), "EndedAt": (_iso(row.ended_at),)}
        leased = self.table.change(
            row.name,
            {"AnnouncingAt": lease},
            when=When(absent=["AnnouncedAt"], equal={**this_end, "AnnouncingAt": (before,)}),
        )
        if not leased:
            return False
        self.sns.publish(
            TopicArn=self.topic_arn,
            Subject=announcement.subject(row),
            Message=announcement.message(row=row, job=job),
            MessageAttributes={
                "state": {"DataType": "String", "StringValue": row.state},
                "job": {"DataType": "String", "StringValue": row.job},
            },
        )
        self.emit(announcement.metric_line(row=row, now=self.now()))
        told = {"AnnouncedAt": self.now().isoformat()}
        self.table.change(row.name, told, when=When(equal={**this_end, "AnnouncingAt": (lease,)}))
        return True

    def _stop(self, job: Job) -> bool:
        seen = endings.stop(bedrock=self.bedrock, job=job)
        return seen is None or seen.status.is_over

    def _delete_model(self, *, row: Row, job: Job) -> bool:
        # Where models are served, Bedrock is asked before it would refuse.
        asks = self.follow_up is not None and job.model_arn is not None
        if asks and endings.is_served(bedrock=self.bedrock, arn=str(job.model_arn)):
            return self._wait_for_what_serves(row)
        try:
            if job.model_arn:
                endings.delete_model(bedrock=self.bedrock, arn=job.model_arn)
        except ModelInUseError as error:
            # What serves it goes in its own time: said once, and looked at again each sweep.
            if row.failure != str(error):
                self.table.change(row.name, {"Failure": str(error)})
                self.logger.warning("the model is in use", extra={"job_name": row.name})
            return False
        deleted = {"ModelDeletedAt": self.now().isoformat()}
        return self.table.change(row.name, deleted, remove=["WaitsSince"])

    def _wait_for_what_serves(self, row: Row) -> bool:
        """Say once that a model waits for what serves it, and look again at each sweep."""
        if row.waits_since is None:
            self.table.change(row.name, {}, once={"WaitsSince": self.now().isoformat()})
            self.logger.info("waits for what serves it", extra={"job_name": row.name})
        return False

    def _view(self, row: Row) -> StackView:
        """Return what CloudFormation says, looked up once a sweep and only where it counts."""
        return self._look(stack_id=row.stack_id, logical_id=row.logical_id)

    def _look(self, *, stack_id: str, logical_id: str) -> StackView:
        key = (stack_id, logical_id)
        if key not in self._views:
            self._views[key] = stacks.look(
                cloudformation=self.cloudformation, stack_id=stack_id, logical_id=logical_id
            )
        return self._views[key]

    def _successor(self, row: Row) -> Successor:
        """Return what became of the ids that took a row's place, one after the other.

        One counts that is what its resource stands for now, or was replaced in turn: what a late
        or failed request made, or what its stack went back from, is neither.
        """
        seen = {row.name}
        name = row.superseded_by
        while name is not None and name not in seen:
            seen.add(name)
            found = self.table.read(name)
            if found is None:
                break
            replaced = found.superseded_by is not None and not found.went_back
            took_over = replaced or self._view(row).physical_id == name
            if found.state is RowState.COMPLETED and found.deleted_at is None and took_over:
                return Successor.COMPLETED
            name = found.superseded_by
        leads = self._view(row).physical_id in {None, *seen}
        return Successor.PENDING if leads else Successor.ELSEWHERE

    # The queue

    def _serve_queue(self) -> int:
        """Free the places of jobs that ended, fill them with the oldest that wait; return how many.

        What should be in the ledger and is not, after a crash between two writes, is put back. The
        rows are read after the ledger: who takes a place meanwhile has written its row before.
        """
        eligible: list[str] = []

        def serve(ledger: Ledger) -> Ledger:
            rows = {row.name: row for row in self.table.unsettled()}
            waiting = [row for row in rows.values() if self._is_eligible(row)]
            waiting.sort(key=lambda row: (row.requested_at, row.name))
            eligible[:] = [row.name for row in waiting]
            running = [name for name, row in rows.items() if row.state is RowState.SUBMITTED]
            listed = (*ledger.running, *ledger.waiting)
            gone = [name for name in listed if _is_out(rows.get(name), now=self.now())]
            ledger = ledger.leave(*gone)
            for name in running:
                ledger = ledger.hold(name)
            for name in eligible:
                if name not in ledger.running:
                    ledger = ledger.wait(name)
            return ledger.promote(eligible=eligible, limit=self.limit)

        ledger = self.table.change_ledger(serve)
        started = [name for name in eligible if name in ledger.running]
        for name in started:
            self.functions.invoke(
                FunctionName=self.submitter,
                InvocationType="Event",
                Payload=json.dumps({"Submit": name}).encode(),
            )
        return len(started)

    def _is_eligible(self, row: Row) -> bool:
        """Return whether a job waits for its turn and its stack, at rest, stands for it."""
        if row.state not in {RowState.QUEUED, RowState.SUBMITTING} or row.deleted_at is not None:
            return False
        try:
            view = self._view(row)
        except (BotoCoreError, ClientError):
            return False
        return place_of(row=row, view=view, now=self.now()) is Place.CURRENT


def _is_out(row: Row | None, *, now: datetime) -> bool:
    """Return whether a name in the ledger has nothing to wait or run for any more."""
    if row is not None and may_be_taken(row, now=now):
        return False
    if row is None or row.state.is_final:
        return True
    return row.deleted_at is not None and row.state is RowState.QUEUED


def _iso(moment: datetime | None) -> str | None:
    return moment.isoformat() if moment else None
