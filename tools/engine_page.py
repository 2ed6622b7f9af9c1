"""The page of the engine: its states, and what is decided in each, read from the code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from customization.decisions import judge_attempt
from customization.jobs import Job, JobStatus
from customization.request import ModelPolicy
from customization.rows import TRANSITIONS, Row, RowState
from customization.steps import (
    Act,
    Place,
    StackPhase,
    StackView,
    Step,
    Successor,
    next_step,
    place_of,
)

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LONG_AGO = NOW - timedelta(days=1)
NAME = "dev-tone-0123456789abcdef"
OTHER = "dev-tone-fedcba9876543210"

_INTRODUCTION = """\
# The engine: states and transitions

Made by `make generate` from the code; a test fails when it is stale.

Three functions: the **submitter** answers CloudFormation and alone has Bedrock take jobs; the
**completion check** says when CloudFormation need wait no longer; the **follower** sees jobs to
their end. A job, its model, its token and its row in the table have one name, which follows from
the content: `<environment>-<job>-<digest>`, with `-<attempt>` from the second attempt on. What is
to be done is written into the row before it is done, and every write depends on what was read.

## States of a row
"""


_CLAIMS = """\
## Whose a row is: marks and claims

Two rows matter in every update: the one that its resource has, *A*, and the one that it wants, *B*.

- An Update from A to B marks A: `SupersededBy` is B. The first mark stands; the policies of A are
  those that its stack had accepted. CloudFormation's clean-up Delete of A adds `RetiredAt`.
- A rollback is an Update from B to A before that clean-up. It takes the mark from A, marks B as
  `WentBack`, and trains nothing. When CloudFormation has only A in its hand, it comes as an Update
  of A whose old properties are B's, and takes that mark away and no other. When CloudFormation gave
  the clean-up up, the next Update back to A looks the same, and is met the same: B's model goes by
  what B's row said before, if it was a replaced one then, and is kept if not. So the follower
  writes `RetiredAt` to A (step *retire*) as soon as it sees the stack complete without it.
- An Update of A that changes no content and finds A replaced, deleted or another stack's is a late
  one, and changes nothing.

What a row says of its resource (the attributes of `claims.PARTS`) is its *claim*. A request that
wants a row writes its own claim over it and can still fail, or be a late one of a stack that is
gone. So the row keeps the claims before, in `ClaimsBefore`: those of other resources, and of its
own resource the one by which it was a replaced row. Who gave the row up by its Delete has none.

| what is found | who | what is done with the claims |
| --- | --- | --- |
| a request wants the row | submitter | its claim stands, the one before is kept |
| a rollback leaves a row that was a replaced one before | submitter | that claim stands again |
| a request of a resource whose row another one took | submitter | its claim stands, both are kept |
| no resource stands for it, a claim's stack is still there | follower | that claim stands again |
| no resource stands for it, its stack is gone | follower | one that keeps the model is believed |

A model that its last owner kept is nobody's. A request that takes it may fail, be rolled back, or
be a late one of a stack that is gone: so the row says `WasKept`, and while it does, nothing that
undoes the request takes the model away, whatever the request's policies are. The same holds of one
that its last owner would keep, and whose end the follower has not seen yet. When the follower
finds that the resource of a complete stack stands for it, that stack's policies hold (step *own*).
Who deletes a stack in the few minutes before that keeps the model: that can be undone.

A successor is complete when a model is there that its resource stands for, or did: one that its
stack went back from is none, whatever it replaces by its row.

The follower asks CloudFormation, when a stack is at rest, and mends the marks by its word:
"""


_TURNS = """\
## When two calls meet at one row

- A refusal is one call's word only: another call may have had Bedrock take the job, and have ended
  before it could say so. So `Refused` is written when Bedrock, asked again, has no such job and no
  submission has begun since, and the follower looks for the job until the submitter's time is over.
  Only then a queued job's place is free. When a stack waits, it is free at once: nobody wants it.
- A job that is replaced while it waits is withdrawn in the one write that says that nobody wants
  it. If its turn came first it goes on as any replaced job does, and its model by `OnReplace`.
- A place in the queue is freed by what the row says after the ledger was read, and in one write
  that fails when anybody entered meanwhile: who enters writes its row before, and the ledger
  always. So no place is lost to a look that is older than the job that took it.
- A turn is the request's that it was given to: who asked for the job since has its own.
- An Update back to a content is a wish, not a rollback, when the content's row says, or said before
  a late request took it, that it was cleaned up.
"""


def render_engine() -> str:
    """Return the whole page in markdown."""
    parts = [
        _INTRODUCTION,
        _diagram(),
        "\n## When a job is wanted: each attempt's name in turn\n",
        _attempts(),
        f"\n{_TURNS}",
        _CLAIMS,
        _marks(),
        "",
        "## What the follower does next about a row\n",
        "Columns: the job in Bedrock, if it carries our owner tags. It looks, does one thing, and",
        "looks again, until there is nothing to do. Both policies are `delete-model` here and the",
        "successor is complete; all times of grace are over. Where the environment has a",
        "[follow-up](follow-up.md), it is started for a completed job once, where else the step",
        "would be to settle or to wait.\n",
    ]
    for place in Place:
        parts += [f"### {place.value}: {_meaning(place)}\n", _steps(place), ""]
    return "\n".join(parts).rstrip() + "\n"


def _meaning(place: Place) -> str:
    return {
        Place.CURRENT: "its resource stands for it",
        Place.SUPERSEDED: "another id took its place",
        Place.STRAY: "no resource stands for it",
        Place.UNKNOWN: "its stack is at work",
        Place.DELETED: "it is marked: nobody wants it",
    }[place]


def _diagram() -> str:
    lines = ["```mermaid", "stateDiagram-v2"]
    for (before, after), why in TRANSITIONS.items():
        lines.append(f"  {before.value if before else '[*]'} --> {after.value}: {why}")
    return "\n".join([*lines, "```"])


def _attempts() -> str:
    rows = []
    for status in (None, *JobStatus):
        for owned in (True, False) if status else (False,):
            for going in (True, False) if owned else (False,):
                alive = (True, False) if status is JobStatus.COMPLETED and owned else (False,)
                for model_alive in alive:
                    verdict = judge_attempt(
                        job=_job(status), owned=owned, model_alive=model_alive, going=going
                    )
                    rows.append(
                        (
                            status.value if status else "none",
                            _yes(owned) if status else "",
                            _yes(going) if owned else "",
                            _yes(model_alive) if len(alive) > 1 else "",
                            verdict.value,
                        )
                    )
    return _table(("job", "our tags", "being taken away", "model alive", "verdict"), rows)


def _marks() -> str:
    """Return what the follower does about a completed job's marks when its stack is at rest."""
    rows = []
    for marked in (True, False):
        for stands_for in (NAME, OTHER):
            for successor in Successor if marked and stands_for == OTHER else (Successor.PENDING,):
                for claimed in (False,) if marked else (True, False):
                    row = replace(
                        _row(Place.CURRENT, RowState.COMPLETED),
                        superseded_by=OTHER if marked else None,
                    )
                    step = next_step(
                        row=row,
                        job=_job(JobStatus.COMPLETED),
                        view=StackView(phase=StackPhase.SETTLED, physical_id=stands_for),
                        successor=successor,
                        now=NOW,
                        claimed=claimed,
                    )
                    rows.append(
                        (
                            _yes(marked),
                            "this one" if stands_for == NAME else "another",
                            successor.value if marked and stands_for == OTHER else "",
                            "" if marked else _yes(claimed),
                            step.act.value,
                            step.why,
                        )
                    )
    head = ("replaced", "its resource stands for", "successor", "earlier claim", "step", "why")
    return _table(head, rows)


def _steps(place: Place) -> str:
    columns = (None, *JobStatus)
    rows = [
        (state.value, *(_cell(_step(place, state, status)) for status in columns))
        for state in RowState
    ]
    return _table(("row", *(status.value if status else "no job" for status in columns)), rows)


def _cell(step: Step) -> str:
    if step.act is Act.RECORD and step.state:
        return f"record {step.state}"
    return step.act.value


def _step(place: Place, state: RowState, status: JobStatus | None) -> Step:
    row = _row(place, state)
    view = _view(place)
    if place_of(row=row, view=view, now=NOW) is not place:
        raise AssertionError(f"{place} is not made as it should be")
    return next_step(row=row, job=_job(status), view=view, successor=Successor.COMPLETED, now=NOW)


def _view(place: Place) -> StackView:
    match place:
        case Place.UNKNOWN:
            return StackView(phase=StackPhase.BUSY)
        case Place.STRAY:
            return StackView(phase=StackPhase.GONE)
        case Place.SUPERSEDED:
            return StackView(phase=StackPhase.SETTLED, physical_id=OTHER)
    return StackView(phase=StackPhase.SETTLED, physical_id=NAME)


def _row(place: Place, state: RowState) -> Row:
    return Row(
        name=NAME,
        environment="dev",
        job="tone",
        state=state,
        stack_id="stack",
        logical_id="Job",
        request_id="request",
        requested_at=LONG_AGO,
        request="{}",
        on_replace=ModelPolicy.DELETE,
        on_delete=ModelPolicy.DELETE,
        policy=ModelPolicy.DELETE,
        superseded_by=OTHER if place is Place.SUPERSEDED else None,
        claim={"StackId": "stack", "LogicalId": "Job", "OnDelete": ModelPolicy.DELETE},
        announced_at=LONG_AGO if place is not Place.UNKNOWN else None,
        submitted_at=LONG_AGO,
        deleted_at=LONG_AGO if place is Place.DELETED else None,
    )


def _job(status: JobStatus | None) -> Job | None:
    if status is None:
        return None
    return Job(
        name=NAME,
        arn="arn",
        status=status,
        created=LONG_AGO,
        model_arn="model" if status is JobStatus.COMPLETED else None,
        failure="",
        phases={},
    )


def _yes(value: bool) -> str:
    return "yes" if value else "no"


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
    return "\n".join([*lines, *(f"| {' | '.join(row)} |" for row in rows)])
