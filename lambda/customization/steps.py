"""What to do next about one row: from the row, its job and its stack to one step at a time.

The follower looks, asks `next_step`, does that one thing and looks again, until there is nothing
to do. A crash between two steps loses nothing: the next look finds the same step. Whatever takes
something away is preceded by the row's mark `deleted_at`, which nobody who adopts overlooks.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from customization.jobs import Job, JobStatus
from customization.request import ModelPolicy
from customization.rows import FINAL_OF, SUBMISSION_GRACE, Row, RowState

REQUEST_GRACE: Final = timedelta(minutes=15)
"""How long a request may still be under way without its stack showing it.

The submitter runs for five minutes at most; Lambda keeps an event that it cannot deliver for as
long as the engine's stack says, which is less than this. A test compares them.
"""
MISSING_GRACE: Final = timedelta(minutes=15)
"""How long a job that Bedrock has taken may stay invisible."""
ANNOUNCEMENT_LEASE: Final = timedelta(minutes=6)
"""How long an announcement may be under way: the follower's time limit and a minute."""

FOLLOW_UP_PATIENCE: Final = timedelta(days=1)
"""How long after its end a job's follow-up is tried to be started: then the row goes on without."""


class StackPhase(StrEnum):
    """Whether CloudFormation's word on a resource can be taken."""

    BUSY = "busy"
    """An operation is under way: what the stack says may change any moment."""
    SETTLED = "settled"
    GONE = "gone"
    """The stack or its resource does not exist any more."""


@dataclass(frozen=True, kw_only=True)
class StackView:
    """What CloudFormation says of the resource that a row belongs to.

    `may_go_back` says that an operation failed which somebody will continue: what was replaced in
    it may be wanted again. `is_complete` says that the last operation left what it was to leave.
    `deletion_failed` says that the resource is there for that reason alone.
    """

    phase: StackPhase
    physical_id: str | None = None
    may_go_back: bool = False
    is_complete: bool = False
    deletion_failed: bool = False


class Place(StrEnum):
    """Whose a row is."""

    CURRENT = "current"
    """It is what its resource stands for."""
    SUPERSEDED = "superseded"
    """Another id took its place."""
    STRAY = "stray"
    """No resource stands for it: its stack is gone, or the request that made it failed."""
    UNKNOWN = "unknown"
    """It cannot be said now: look again later."""
    DELETED = "deleted"
    """Nobody wants it: what it stands for goes."""


class Successor(StrEnum):
    """What became of the id that took a superseded one's place."""

    COMPLETED = "completed"
    """It, or one that took its place in turn, has a model: this one may go."""
    PENDING = "pending"
    ELSEWHERE = "elsewhere"
    """The ids that took its place do not lead to the one that its resource stands for."""


class Act(StrEnum):
    """One thing that the follower does about a row."""

    RECORD = "record"
    """Write what became of the job."""
    ANNOUNCE = "announce"
    """Tell the topic and the alarm."""
    FOLLOW_UP = "follow up"
    """Start what comes after training."""
    GIVE_BACK = "give back"
    """Let an earlier claim on the row stand again."""
    RESTORE = "restore"
    """Take back the mark of a replacement that did not come about."""
    OWN = "own"
    """Take back the mark that an earlier owner kept the model: it has a new one."""
    SUPERSEDE = "supersede"
    """Mark the row as replaced by what its resource stands for."""
    RETIRE = "retire"
    """Write what CloudFormation's clean-up would have: it gave that up."""
    DELETE = "mark as unwanted"
    """Mark the row: nobody wants its job any more."""
    STOP = "stop"
    """Have Bedrock stop the job."""
    DELETE_MODEL = "delete the model"
    SETTLE = "settle"
    """Write that nothing is left to do."""
    WAIT = "wait"
    """Look again later."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """An act, with the state to record, the policy to delete by, and why."""

    act: Act
    why: str
    state: RowState | None = None
    policy: ModelPolicy | None = None


def place_of(*, row: Row, view: StackView, now: datetime) -> Place:
    """Return whose a row is, by its own marks and CloudFormation's word."""
    if row.deleted_at is not None:
        return Place.DELETED
    if view.phase is StackPhase.BUSY:
        return Place.UNKNOWN
    if view.phase is StackPhase.SETTLED and view.physical_id == row.name:
        return Place.CURRENT
    if now - row.requested_at < REQUEST_GRACE and row.retired_at is None:
        return Place.UNKNOWN
    if view.phase is StackPhase.SETTLED and row.superseded_by is not None:
        return Place.SUPERSEDED
    return Place.STRAY


def next_step(
    *,
    row: Row,
    job: Job | None,
    view: StackView,
    successor: Successor,
    now: datetime,
    claimed: bool = False,
    followed_up: bool = False,
) -> Step:
    """Return the one thing to do next about a row.

    `job` is the row's job in Bedrock if it is there and carries our owner tags; `successor` says
    what became of the id that took its place, and counts for superseded rows alone. `claimed`
    says that an earlier claim on the row is kept whose stack is still there, `followed_up` that
    the environment does something after training.
    """
    first = (
        _revive(row=row, job=job)
        or _record(row=row, job=job, now=now)
        or _announce(row=row, now=now)
    )
    if first is not None:
        return first
    step = _by_place(row=row, job=job, view=view, successor=successor, now=now, claimed=claimed)
    # Only where nothing else is to be done: a follow-up that cannot be started holds nothing up.
    if followed_up and step.act in {Act.SETTLE, Act.WAIT}:
        return _follow_up(row=row, now=now) or step
    return step


def _revive(*, row: Row, job: Job | None) -> Step | None:
    """Return the step for a refusal that was one call's only, while Bedrock took another's."""
    if row.state is not RowState.REFUSED or row.deleted_at is not None or job is None:
        return None
    return Step(act=Act.RECORD, state=RowState.SUBMITTED, why="Bedrock took another call's job")


def _record(*, row: Row, job: Job | None, now: datetime) -> Step | None:
    if row.state.is_final:
        return None
    if job is not None and job.status.is_over:
        final = FINAL_OF[job.status]
        return Step(act=Act.RECORD, state=final, why="Bedrock has ended the job")
    if job is not None and row.state is not RowState.SUBMITTED:
        return Step(
            act=Act.RECORD, state=RowState.SUBMITTED, why="Bedrock has the job, the row did not say"
        )
    if job is None and row.state is RowState.SUBMITTED:
        since = row.submitted_at or row.requested_at
        if now - since > MISSING_GRACE:
            return Step(act=Act.RECORD, state=RowState.MISSING, why="Bedrock has no such job")
    if job is None and row.deleted_at is not None:
        waited = now - max(row.deleted_at, row.submitting_at or row.deleted_at)
        if row.state is RowState.QUEUED or (
            row.state is RowState.SUBMITTING and waited > SUBMISSION_GRACE
        ):
            return Step(act=Act.RECORD, state=RowState.WITHDRAWN, why="it was never submitted")
    return None


def _announce(*, row: Row, now: datetime) -> Step | None:
    if not row.state.is_announced or row.announced_at is not None:
        return None
    if row.announcing_at is not None and now - row.announcing_at < ANNOUNCEMENT_LEASE:
        return Step(act=Act.WAIT, why="another call is announcing it")
    return Step(act=Act.ANNOUNCE, why="a final state is told once")


def _follow_up(*, row: Row, now: datetime) -> Step | None:
    """Return the step for a model that somebody has, for as long as it makes sense to try."""
    if row.state is not RowState.COMPLETED or row.deleted_at is not None:
        return None
    if row.followed_up_at is not None or row.ended_at is None:
        return None
    if now - row.ended_at > FOLLOW_UP_PATIENCE:
        return None
    return Step(act=Act.FOLLOW_UP, why="its model is there, and nobody has begun")


def _by_place(
    *,
    row: Row,
    job: Job | None,
    view: StackView,
    successor: Successor,
    now: datetime,
    claimed: bool,
) -> Step:
    match place_of(row=row, view=view, now=now):
        case Place.DELETED:
            return _take_away(row=row, job=job, now=now)
        case Place.UNKNOWN:
            return Step(act=Act.WAIT, why="its stack is at work, or its request is")
        case Place.CURRENT:
            return _current(row, view=view, now=now)
        case Place.STRAY:
            return _stray(row=row, claimed=claimed)
        case Place.SUPERSEDED:
            step = _superseded(row=row, view=view, successor=successor, now=now)
            left = step.act in {Act.SETTLE, Act.WAIT}
            if left and row.retired_at is None and view.is_complete:
                return Step(act=Act.RETIRE, why="its stack is complete without it")
            return step


def may_be_taken(row: Row, *, now: datetime) -> bool:
    """Return whether a call that began before a refusal may still have Bedrock take the job."""
    if row.state is not RowState.REFUSED or row.ended_at is None or row.deleted_at is not None:
        return False
    return now - row.ended_at <= SUBMISSION_GRACE


def _current(row: Row, *, view: StackView, now: datetime) -> Step:
    if row.superseded_by is not None:
        return Step(act=Act.RESTORE, why="its resource stands for it, not for the other")
    if row.was_kept and view.is_complete:
        return Step(act=Act.OWN, why="its stack is complete: its policies hold from now on")
    if may_be_taken(row, now=now):
        return Step(act=Act.WAIT, why="a late submission may still come")
    if row.state.is_final:
        return Step(act=Act.SETTLE, why="it is over, and its stack keeps it")
    return Step(act=Act.WAIT, why="its job goes on")


def _stray(*, row: Row, claimed: bool) -> Step:
    if claimed:
        return Step(act=Act.GIVE_BACK, why="the request that took it came to nothing")
    return Step(
        act=Act.DELETE, policy=row.policy_when_stray, why="no resource stands for it any more"
    )


def _superseded(*, row: Row, view: StackView, successor: Successor, now: datetime) -> Step:
    if view.may_go_back:
        return Step(act=Act.WAIT, why="its stack may still go back to it")
    if successor is Successor.ELSEWHERE:
        return Step(act=Act.SUPERSEDE, why="what took its place was given up, and another has it")
    if row.went_back or (not row.state.is_final and row.state is RowState.QUEUED):
        goes = successor is Successor.COMPLETED and not row.was_kept
        policy = row.on_replace if goes else ModelPolicy.KEEP
        why = "its stack went back to an older job" if row.went_back else "it was replaced unsent"
        return Step(act=Act.DELETE, policy=policy, why=why)
    if row.on_replace is ModelPolicy.DELETE and successor is Successor.COMPLETED:
        return Step(act=Act.DELETE, policy=ModelPolicy.DELETE, why="its successor is complete")
    has_model = row.state is RowState.COMPLETED and row.on_replace is ModelPolicy.DELETE
    if row.state.is_final and not has_model and not may_be_taken(row, now=now):
        return Step(act=Act.SETTLE, why="its model is kept, or it has none that could go")
    return Step(act=Act.WAIT, why="its successor is not complete")


def _take_away(*, row: Row, job: Job | None, now: datetime) -> Step:
    if job is not None and job.status is JobStatus.IN_PROGRESS:
        return Step(act=Act.STOP, why="nobody wants it any more")
    has_model = job is not None and job.model_arn is not None
    if has_model and row.policy is ModelPolicy.DELETE and row.model_deleted_at is None:
        return Step(act=Act.DELETE_MODEL, why="its policy says so")
    if row.state.is_final and row.deleted_at and now - row.deleted_at > SUBMISSION_GRACE:
        return Step(act=Act.SETTLE, why="nothing of it is left to take away")
    return Step(act=Act.WAIT, why="it is ending, or a late submission may still come")
