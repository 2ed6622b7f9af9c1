"""What to do next about one deployment: from its row and what is seen to one step at a time.

The deployer looks, asks `next_step`, does that one thing and looks again, until there is nothing
to do. A crash between two steps loses nothing: the next look finds the same step. What is paid by
the hour gets its end, and a schedule for it, before it is bought.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from customization.jobs import Job
from customization.steps import MISSING_GRACE, REQUEST_GRACE, Place, StackPhase, StackView
from deployments.kinds import Kind
from deployments.rows import Row, RowState
from deployments.seen import Seen, Status

REFUSAL_PATIENCE: Final = timedelta(hours=1)
"""How long a deployment is tried again that is refused for what may pass."""

FOLLOW_UP_PATIENCE: Final = timedelta(days=1)
"""How long the state machine is tried to be started for a wish that came late."""


class Successor(StrEnum):
    """What became of the deployment that took a replaced one's place."""

    SERVES = "serves"
    """It is active, or was: this one may go."""
    PENDING = "pending"
    NONE = "none"
    """The resource stands for nothing that the table knows."""


class Act(StrEnum):
    """One thing that the deployer does about a row."""

    PLAN = "plan its end"
    """Write when it has to end."""
    SCHEDULE = "schedule its end"
    """Have the Scheduler remove it at its end, whatever becomes of this function."""
    OWE = "note that a follow-up is due"
    """Write that the state machine has to be started: the wish came after its job's end.

    And for which execution, unless its job's own has taken it by then: each is tried once.
    """
    FOLLOW_UP = "start the follow-up"
    CREATE = "create"
    """Write that it is being made, then have Bedrock make it."""
    RECORD = "record"
    """Write what became of it."""
    TELL = "count a failure"
    REMOVE = "remove"
    UNSCHEDULE = "remove its schedule"
    RESTORE = "restore"
    """Take back the mark of a replacement that did not come about."""
    GIVE_BACK = "give back"
    """Let an earlier claim on the row stand again."""
    DELETE = "mark as unwanted"
    SETTLE = "settle"
    """Write that nothing is left to do."""
    WAIT = "wait"
    """Look again later."""


@dataclass(frozen=True, kw_only=True)
class Step:
    """An act and why; with a state to record, a text to keep, and what a plan follows from."""

    act: Act
    why: str
    state: RowState | None = None
    at: datetime | None = None
    commitment_ends: datetime | None = None
    failure: str = ""


@dataclass(frozen=True, kw_only=True)
class Sight:
    """What is seen around a row: Bedrock, the Scheduler, the job and the stack, at one time.

    `seen` is what Bedrock has under the name, `scheduled` when the Scheduler will remove it.
    `claimed` says that an earlier claim on the row is kept whose stack is still there; `follows`
    that the environment has a follow-up to start.
    """

    seen: Seen | None
    scheduled: datetime | None
    job: Job | None
    view: StackView
    successor: Successor
    now: datetime
    claimed: bool = False
    follows: bool = False

    @property
    def ours(self) -> Seen | None:
        """What Bedrock has under the name, if it carries our tags: nothing else is changed."""
        return self.seen if self.seen is not None and self.seen.ours else None


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
    if view.phase is StackPhase.SETTLED and view.physical_id is not None:
        return Place.SUPERSEDED
    return Place.STRAY


def next_step(*, row: Row, sight: Sight) -> Step:
    """Return the one thing to do next about a row."""
    return (
        _end(row, sight)
        or _record(row, sight)
        or _tell(row)
        or _keep_end(row, sight)
        or _by_place(row, sight)
    )


# The end, which comes before all else


def _end(row: Row, sight: Sight) -> Step | None:
    """Return the step for what is past its end, whoever wants it still."""
    due = _due(row, sight)
    if due is None or sight.now < due or row.state in {RowState.WANTED, RowState.REMOVED}:
        return None
    if row.ends_at != due:
        return _plan(row, sight)
    if sight.ours is not None:
        return _remove(sight, why="its end came")
    if row.state.is_over or row.deleted_at is not None:
        return None
    if row.may_be_made(now=sight.now):
        return Step(act=Act.WAIT, why="its end came, and a creation may be under way")
    return Step(act=Act.RECORD, state=RowState.ENDED, why="its end came, and Bedrock has none")


def _due(row: Row, sight: Sight) -> datetime | None:
    ours = sight.ours
    return row.due(commitment_ends=ours.commitment_ends if ours else None)


def _remove(sight: Sight, *, why: str) -> Step:
    if sight.ours is not None and sight.ours.is_committed(now=sight.now):
        return Step(act=Act.WAIT, why="its commitment has not ended")
    return Step(act=Act.REMOVE, why=why)


# What Bedrock says


def _record(row: Row, sight: Sight) -> Step | None:
    match row.state:
        case RowState.WANTED:
            return _record_wanted(row, sight)
        case RowState.CREATING:
            return _record_creating(row, sight)
        case RowState.ACTIVE:
            return _record_active(row, sight)
        case RowState.FAILED | RowState.MISSING:
            return _record_again(row, sight)
    return None


def _record_wanted(row: Row, sight: Sight) -> Step | None:
    if row.deleted_at is not None:
        return None
    if sight.ours is not None:
        return Step(act=Act.RECORD, state=RowState.CREATING, why="Bedrock has it: it is ours")
    job = sight.job
    if job is not None and job.status.is_over and job.model_arn is None:
        return Step(
            act=Act.RECORD,
            state=RowState.NO_MODEL,
            why="its job ended without a model",
            failure=f"the job {row.job_name} ended {job.status} and has no model to serve",
        )
    return None


def _record_creating(row: Row, sight: Sight) -> Step | None:
    ours = sight.ours
    if ours is None:
        return _record_unseen(row, sight)
    if ours.status is Status.FAILED:
        return _failed(ours)
    if ours.status is Status.ACTIVE:
        return Step(act=Act.RECORD, state=RowState.ACTIVE, why="Bedrock has made it")
    if row.arn != ours.arn:
        return Step(act=Act.RECORD, state=RowState.CREATING, why="Bedrock is making it")
    return None


def _record_unseen(row: Row, sight: Sight) -> Step | None:
    """Return the step for what Bedrock took, as it answered, and does not show."""
    if row.arn is None or row.creating_at is None or row.deleted_at is not None:
        return None
    if sight.now - row.creating_at > MISSING_GRACE:
        return Step(act=Act.RECORD, state=RowState.MISSING, why="Bedrock has none")
    return Step(act=Act.WAIT, why="it is not visible yet")


def _record_active(row: Row, sight: Sight) -> Step | None:
    ours = sight.ours
    if ours is None:
        if row.deleted_at is not None:
            return None
        return Step(act=Act.RECORD, state=RowState.MISSING, why="Bedrock has none any more")
    return _failed(ours) if ours.status is Status.FAILED else None


def _record_again(row: Row, sight: Sight) -> Step | None:
    """Return the step for what was given up too early: a call's error was not Bedrock's word."""
    ours = sight.ours
    if ours is None or ours.status is Status.FAILED or row.deleted_at is not None:
        return None
    return Step(act=Act.RECORD, state=RowState.CREATING, why="Bedrock has it after all")


def _failed(ours: Seen) -> Step:
    return Step(
        act=Act.RECORD,
        state=RowState.FAILED,
        why="Bedrock says that it failed",
        failure=ours.failure or "Bedrock gives no reason",
    )


def _tell(row: Row) -> Step | None:
    if row.state.is_failure and row.told_at is None:
        return Step(act=Act.TELL, why="a failure is counted once")
    return None


# What is paid by the hour has an end, in the row and at the Scheduler


def _keep_end(row: Row, sight: Sight) -> Step | None:
    """Return the step that gives what lives, or may live, its end and its schedule."""
    if row.kind is not Kind.PROVISIONED or row.deleted_at is not None or row.state.is_over:
        return None
    if row.state is RowState.WANTED:
        return None
    return _plan(row, sight) or _schedule(row, sight)


def _plan(row: Row, sight: Sight) -> Step | None:
    due = _due(row, sight)
    if due is None:
        began = sight.ours.made if sight.ours is not None else sight.now
        return _planned(sight, at=began, why="what is paid by the hour must end")
    if row.ends_at != due:
        return _planned(sight, at=row.started_at, why="its end is another one now")
    return None


def _planned(sight: Sight, *, at: datetime | None, why: str) -> Step:
    ends = sight.ours.commitment_ends if sight.ours is not None else None
    return Step(act=Act.PLAN, at=at, commitment_ends=ends, why=why)


def _schedule(row: Row, sight: Sight) -> Step | None:
    if sight.scheduled == row.ends_at:
        return None
    return Step(act=Act.SCHEDULE, why="its end must come whatever becomes of this function")


# Whose it is


def _by_place(row: Row, sight: Sight) -> Step:
    match place_of(row=row, view=sight.view, now=sight.now):
        case Place.DELETED:
            return _take_away(row, sight)
        case Place.UNKNOWN:
            return Step(act=Act.WAIT, why="its stack is at work, or its request is")
        case Place.CURRENT:
            return _current(row, sight)
        case Place.SUPERSEDED:
            return _superseded(row, sight)
        case Place.STRAY:
            return _stray(sight)


def _current(row: Row, sight: Sight) -> Step:
    if row.superseded_by is not None:
        return Step(act=Act.RESTORE, why="its resource stands for it, not for the other")
    if row.state.is_over:
        step = _over(row, sight)
        return _follow_up(row, sight) or step if step.act is Act.SETTLE else step
    if row.state is RowState.ACTIVE or row.arn is not None:
        waits = Step(act=Act.WAIT, why="it serves, or is being made")
        return _follow_up(row, sight) or waits
    return _make(row, sight)


def _follow_up(row: Row, sight: Sight) -> Step | None:
    """Return the step that has a deployment tried and told, after all that is done about it.

    A state machine that cannot be started holds up nothing, and is tried for a day.
    """
    due = row.follow_up_due_at
    if due is None or row.followed_up_at is not None or not sight.follows:
        return None
    if sight.now - due > FOLLOW_UP_PATIENCE:
        return None
    return Step(act=Act.FOLLOW_UP, why="the wish came after the job's end")


def _make(row: Row, sight: Sight) -> Step:
    """Return the step towards having Bedrock make what is wanted and not there."""
    job = sight.job
    # What its job's own follow-up has taken by now, though it came late, is left to that one.
    came_later = job is not None and job.ended is not None and row.wanted_at >= job.ended
    if sight.follows and came_later and row.followed_up_by is None:
        return Step(act=Act.OWE, why="the wish came after the job's end")
    if sight.seen is not None:
        return Step(
            act=Act.RECORD,
            state=RowState.FAILED,
            why="another one has its name",
            failure=f"Bedrock has a deployment named {row.name} without our tags: it is not ours "
            "and is left alone; delete it or change the job's deployment",
        )
    if job is None or not job.status.is_over or job.model_arn is None:
        return Step(act=Act.WAIT, why="its model is not there yet")
    if row.kind is Kind.PROVISIONED:
        due = row.due(commitment_ends=None)
        if due is None or (row.state is RowState.WANTED and due <= sight.now):
            return _planned(sight, at=sight.now, why="what is paid by the hour must end")
        step = _plan(row, sight) or _schedule(row, sight)
        if step is not None:
            return step
    return Step(act=Act.CREATE, why="its model is there and its stack is at rest")


def _superseded(row: Row, sight: Sight) -> Step:
    if sight.view.may_go_back:
        return Step(act=Act.WAIT, why="its stack may still go back to it")
    if sight.claimed and row.superseded_by is None:
        return Step(act=Act.GIVE_BACK, why="the request that took it came to nothing")
    if row.state.is_over:
        return _over(row, sight)
    if row.state is RowState.WANTED:
        return Step(act=Act.DELETE, why="it was replaced before it was made")
    if sight.successor is Successor.PENDING:
        return Step(act=Act.WAIT, why="its successor does not serve yet")
    return Step(act=Act.DELETE, why="what took its place serves, or its stack has none")


def _stray(sight: Sight) -> Step:
    if sight.claimed:
        return Step(act=Act.GIVE_BACK, why="the request that took it came to nothing")
    return Step(act=Act.DELETE, why="no resource stands for it any more")


def _over(row: Row, sight: Sight) -> Step:
    """Return the step for what is over and is its resource's: nothing of it may be left."""
    if sight.ours is not None:
        return _remove(sight, why="it is over, and Bedrock has something left of it")
    if row.may_be_made(now=sight.now):
        return Step(act=Act.WAIT, why="a late creation may still come")
    if sight.scheduled is not None:
        return Step(act=Act.UNSCHEDULE, why="nothing is left to remove at its end")
    return Step(act=Act.SETTLE, why="it is over, and nothing is left of it")


def _take_away(row: Row, sight: Sight) -> Step:
    if _is_wanted_all_the_same(row, sight):
        return Step(act=Act.RESTORE, why="its resource stands for it: a late request gave it up")
    if sight.ours is not None:
        return _remove(sight, why="nobody wants it any more")
    if row.may_be_made(now=sight.now):
        return Step(act=Act.WAIT, why="a late creation may still come")
    if row.state is not RowState.REMOVED:
        return Step(act=Act.RECORD, state=RowState.REMOVED, why="Bedrock has none")
    return _removed(row, sight)


def _removed(row: Row, sight: Sight) -> Step:
    if sight.scheduled is not None:
        return Step(act=Act.UNSCHEDULE, why="nothing is left to remove at its end")
    if sight.view.phase is StackPhase.BUSY or _stands_for(row, sight.view):
        return Step(act=Act.WAIT, why="its stack may want it all the same")
    return Step(act=Act.SETTLE, why="nothing is left of it")


def _stands_for(row: Row, view: StackView) -> bool:
    current = view.phase is StackPhase.SETTLED and view.physical_id == row.name
    return current and not view.deletion_failed


def _is_wanted_all_the_same(row: Row, sight: Sight) -> bool:
    """Return whether a stack at rest stands for what a Delete was taken to give up.

    While a Delete is under way its stack is at work; so long after the mark, what CloudFormation
    says is newer.
    """
    if row.deleted_at is None or sight.now - row.deleted_at < REQUEST_GRACE:
        return False
    return _stands_for(row, sight.view)
