"""The page of the engine: its states, and what is decided in each, read from the code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
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


def render_engine() -> str:
    """Return the whole page in markdown."""
    parts = [
        _INTRODUCTION,
        _diagram(),
        "\n## When a job is wanted: each attempt's name in turn\n",
        _attempts(),
        "\n## What the follower does next about a row\n",
        "Columns: the job in Bedrock, if it carries our owner tags. It looks, does one thing, and",
        "looks again, until there is nothing to do. Both policies are `delete-model` here and the",
        "successor is complete; all times of grace are over.\n",
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
