"""The page of deployments: their states, and what is decided in each, read from the code."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace
from datetime import UTC, datetime, timedelta

from customization.jobs import Job, JobStatus
from customization.steps import Place, StackPhase, StackView
from deployments.events import STATE_OF
from deployments.kinds import Kind
from deployments.remedies import REMEDIES
from deployments.rows import TRANSITIONS, Row, RowState
from deployments.seen import Seen, Status
from deployments.steps import Act, Sight, Step, Successor, next_step, place_of

NOW = datetime(2026, 1, 1, tzinfo=UTC)
LONG_AGO = NOW - timedelta(hours=2)
ENDS = LONG_AGO + timedelta(hours=8)
NAME = "dev-tone-0123456789abcdef-012345"
OTHER = "dev-tone-0123456789abcdef-543210"
ARN = "arn:aws:bedrock:us-east-1:111122223333:provisioned-model/0123456789ab"

_INTRODUCTION = """\
# Deployments: states and transitions

Made by `make generate` from the code; a test fails when it is stale.

A job's stack may hold a wish that its model be served (`deployment` of the job's settings):

| kind | is | costs | ends |
| --- | --- | --- | --- |
| `none` | nothing | nothing | |
| `on_demand` | a custom model deployment | by the token | with its stack |
| `provisioned` | provisioned throughput | by the hour, used or not | after its `hours` |
| the same with a `commitment` | the same, cheaper by the hour | until its end in any case | then |

The **submitter** writes a wish down as a row of the table of deployments and answers
CloudFormation at once. The **deployer** alone has Bedrock make and remove anything: a rule wakes it
every few minutes, the follow-up's state machine while a model is deployed, and the **completion
check** while a stack's Delete waits. A deployment, its row and its resource have one name,
`<job's name>-<6 hex>`, where the digits stand for kind, units and commitment; another one of these
is another deployment, and hours, smoke tests and tags change in place.

## What can be relied on

- **Never twice.** A name, and a token that follows from name and attempt, for every purchase; a
  write under a condition before it. Bedrock is asked first: what carries our tags is taken over.
- **Known before it is paid.** The end is written, then the Scheduler is told to delete it at that
  time, then the row becomes `Creating`, and then it is bought.
- **Three ways to its end.** The schedule, which asks nobody; every sweep of the deployer, past
  the end; and what is ours by its tags though no row knows it, after fifteen minutes. The metric
  `ThroughputOverdue` counts what is there ten minutes after its end.
- **Tried and told once.** The first execution of the follow-up that asks for a deployment, or the
  one of its own that a late wish gets, is written down in its row (`FollowedUpBy`), under the
  condition that none is; all others are answered that there is nothing for them to deploy.
- **Nothing for what may roll back.** A deployment is begun when its stack, at rest, stands for it.
- **No gap.** What was replaced goes when what took its place serves, or at its own end.
- **Removed before the model.** The wish refers to its job, so CloudFormation deletes it first; the
  Delete waits until Bedrock knows neither the deployment nor what it had replaced. One whose
  commitment runs fails and names the date; the row stays, and the deployer removes it then.
- **Not bought again by itself.** What failed, ended or was removed by somebody stays so until it is
  asked for again: by an Update after a failure, by hours that reach beyond now after its end
  (counted from its first start), or by `kind: none` and back.

A Delete of a replaced name cannot be told from the clean-up of an update. After a rollback that
failed, a stack's deletion may thus leave a deployment for the deployer, which removes it when the
stack is gone; if the model is to go with the stack, Bedrock refuses that until then: delete again.

## States of a row
"""

_END = """\
## Known errors

| words in the error | likely cause | remedy |
| --- | --- | --- |
"""


def render_deployments() -> str:
    """Return docs/deployments.md."""
    parts = [
        _INTRODUCTION,
        _diagram(),
        "\nThe state machine is told "
        + ", ".join(f"`{state}`: {told}" for state, told in STATE_OF.items())
        + ".\n",
        "## What the deployer does next about a row\n",
        "Columns: what Bedrock has under the name with our tags. It looks, does one thing, looks",
        "again, until there is nothing to do. Here it is throughput whose job is completed, whose",
        "end and schedule are there and not due; all times of grace are over.\n",
    ]
    for place in Place:
        parts += [f"### {place.value}: {_MEANING[place]}\n", _steps(place), ""]
    parts += ["### past its end, whoever wants it\n", _steps(Place.CURRENT, now=ENDS), ""]
    parts += ["## When throughput is wanted, and its model is there\n", _purchase(), ""]
    parts += ["## When it was replaced\n", _replaced(), "", _END.rstrip()]
    parts += [
        f"| {', '.join(f'`{word}`' for word in remedy.words)} | {remedy.cause} | {remedy.action} |"
        for remedy in REMEDIES
    ]
    return "\n".join(parts).rstrip() + "\n"


_MEANING = {
    Place.CURRENT: "its resource stands for it",
    Place.SUPERSEDED: "another name took its place and serves",
    Place.STRAY: "no resource stands for it",
    Place.UNKNOWN: "its stack is at work",
    Place.DELETED: "it is marked: nobody wants it",
}


def _diagram() -> str:
    lines = ["```mermaid", "stateDiagram-v2"]
    for (before, after), why in TRANSITIONS.items():
        lines.append(f"  {before.value if before else '[*]'} --> {after.value}: {why}")
    return "\n".join([*lines, "```"])


def _steps(place: Place, *, now: datetime = NOW) -> str:
    columns = (None, *Status)
    rows = [
        (state.value, *(_cell(_step(place, state, status, now=now)) for status in columns))
        for state in RowState
    ]
    return _table(("row", *(status.value if status else "nothing" for status in columns)), rows)


def _step(place: Place, state: RowState, status: Status | None, *, now: datetime) -> Step:
    row, view = _row(place, state), _view(place)
    if place_of(row=row, view=view, now=now) is not place:
        raise AssertionError(f"{place} is not made as it should be")
    return next_step(row=row, sight=_sight(view=view, status=status, now=now))


def _purchase() -> str:
    """Return the steps to a purchase, in their order."""
    unplanned = replace(_row(Place.CURRENT, RowState.WANTED), started_at=None, ends_at=None)
    planned = _row(Place.CURRENT, RowState.WANTED)
    bought = replace(_row(Place.CURRENT, RowState.CREATING), arn=None)
    view = _view(Place.CURRENT)
    cases = (
        ("Wanted, no end", unplanned, _sight(view=view, scheduled=None)),
        ("Wanted, with its end, no schedule", planned, _sight(view=view, scheduled=None)),
        ("Wanted, with its end and schedule", planned, _sight(view=view)),
        ("Creating, and a call's answer was lost", bought, _sight(view=view)),
        ("Creating, its schedule was lost", bought, _sight(view=view, scheduled=None)),
        ("Creating, Bedrock makes it", bought, _sight(view=view, status=Status.CREATING)),
        (
            "Active, its schedule was lost",
            _row(Place.CURRENT, RowState.ACTIVE),
            _sight(view=view, status=Status.ACTIVE, scheduled=None),
        ),
    )
    rows = []
    for what, row, sight in cases:
        step = next_step(row=row, sight=sight)
        rows.append((what, _cell(step), step.why))
    return _table(("what is found", "step", "why"), rows)


def _replaced() -> str:
    rows = []
    for state in (RowState.WANTED, RowState.ACTIVE, RowState.ENDED):
        for successor in Successor:
            for back in (False, True):
                view = replace(_view(Place.SUPERSEDED), may_go_back=back)
                living = Status.ACTIVE if state is RowState.ACTIVE else None
                sight = replace(_sight(view=view, status=living), successor=successor)
                step = next_step(row=_row(Place.SUPERSEDED, state), sight=sight)
                found = (state.value, successor.value, "yes" if back else "no")
                rows.append((*found, _cell(step), step.why))
    return _table(("row", "successor", "its stack may go back", "step", "why"), rows)


def _cell(step: Step) -> str:
    if step.act is Act.RECORD and step.state:
        return f"record {step.state}"
    return step.act.value


def _row(place: Place, state: RowState) -> Row:
    made = state in {RowState.ACTIVE, RowState.CREATING}
    return Row(
        name=NAME,
        environment="dev",
        job="tone",
        job_name="dev-tone-0123456789abcdef",
        kind=Kind.PROVISIONED,
        model_units=1,
        commitment=None,
        hours=8,
        smoke_tests="[]",
        tags={},
        state=state,
        attempt=1,
        stack_id="made",
        logical_id="Deployment",
        request_id="made",
        requested_at=LONG_AGO,
        wanted_at=LONG_AGO,
        arn=ARN if made else None,
        started_at=LONG_AGO,
        ends_at=ENDS,
        creating_at=LONG_AGO if state is not RowState.WANTED else None,
        told_at=LONG_AGO,
        superseded_by=OTHER if place is Place.SUPERSEDED else None,
        deleted_at=LONG_AGO if place is Place.DELETED else None,
    )


def _view(place: Place) -> StackView:
    if place is Place.UNKNOWN:
        return StackView(phase=StackPhase.BUSY)
    if place in {Place.STRAY, Place.DELETED}:
        return StackView(phase=StackPhase.GONE)
    current = OTHER if place is Place.SUPERSEDED else NAME
    return StackView(phase=StackPhase.SETTLED, physical_id=current)


def _sight(
    *,
    view: StackView,
    status: Status | None = None,
    scheduled: datetime | None = ENDS,
    now: datetime = NOW,
) -> Sight:
    seen = None
    if status is not None:
        seen = Seen(name=NAME, arn=ARN, kind=Kind.PROVISIONED, status=status, made=LONG_AGO)
    return Sight(
        seen=seen,
        scheduled=scheduled,
        job=Job(
            name="dev-tone-0123456789abcdef",
            arn="made",
            status=JobStatus.COMPLETED,
            created=LONG_AGO,
            model_arn="made",
            failure="",
            phases={},
            ended=LONG_AGO,
        ),
        view=view,
        successor=Successor.SERVES,
        now=now,
    )


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(line)} |" for line in lines)
