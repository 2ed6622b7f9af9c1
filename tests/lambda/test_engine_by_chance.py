"""Whatever happens, in whatever order: never twice, never orphaned, never silent.

The world of tests/fakes/world.py moves on by chance; its invariants are looked at after every step
and when all has come to rest. Hypothesis chooses what happens and shrinks what fails to the few
steps that matter. Each of the deliberate breaks below has to be found.
"""

from __future__ import annotations

import copy
import json
import os
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from datetime import timedelta
from typing import Any

import pytest
from hypothesis import HealthCheck, Phase, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from customization import decisions, endings, patience, steps
from customization.admission import Ledger
from customization.decisions import AttemptVerdict
from customization.jobs import Job, JobStatus
from customization.patience import Patience
from customization.request import JobRequest
from customization.rows import TRANSITIONS, Row
from customization.steps import REQUEST_GRACE, Act, Place, Step, Successor
from customization.table import Table
from follower import sweep as follower_sweep
from submitter import lifecycle
from tests.fakes.aws import FakeAws
from tests.fakes.world import ACTIONS, BrokenError, World

STEPS = int(os.environ.get("FINETUNE_ENGINE_STEPS", "10000"))
"""How many steps of chance to take; `make check-all` takes a million."""
STEPS_A_WORLD = 100
STEPS_FOR_A_BREAK = 2000
SECONDS = 60


@pytest.fixture(autouse=True)
def checked_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """Properties of a handful of kinds are read thousands of times: read each kind once."""
    monkeypatch.setattr(patience, "jitter", lambda ceiling: ceiling)  # the same again, always
    read = JobRequest.from_properties
    known: dict[str, JobRequest] = {}

    def from_properties(properties: dict[str, Any], **more: Any) -> JobRequest:
        key = json.dumps(properties, sort_keys=True)
        if key not in known:
            known[key] = read(properties, **more)
        return known[key]

    monkeypatch.setattr(JobRequest, "from_properties", from_properties)


def run_worlds(base: dict[str, Any], *, count: int, first_seed: int = 0) -> int:
    """Take so many steps, in a new world every fifty, and return how many jobs there were."""
    jobs = 0
    for seed in range(first_seed, first_seed + count // STEPS_A_WORLD):
        world = World(seed=seed, base=base)
        for _ in range(STEPS_A_WORLD):
            world.step()
        world.finish()
        jobs += len(world.aws.jobs)
    return jobs


def test_the_invariants_hold_whatever_happens(properties: dict[str, Any]) -> None:
    started = time.monotonic()
    jobs = run_worlds(properties, count=STEPS)
    assert jobs > STEPS / STEPS_A_WORLD, "hardly a job was made: the steps prove nothing"
    assert time.monotonic() - started < SECONDS * max(1, STEPS / 10_000)


def test_the_page_holds_every_transition_that_chance_makes(
    properties: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    made: set[tuple[str | None, str]] = set()
    update_item = FakeAws.update_item

    def watched(self: FakeAws, p: dict[str, Any]) -> dict[str, Any]:
        key = p["Key"]["Id"]["S"]
        before = self.items.get(key, {}).get("State")
        answer = update_item(self, p)
        after = self.items[key].get("State")
        if after is not None and after != before:
            made.add((before and str(before), str(after)))
        return answer

    monkeypatch.setattr(FakeAws, "update_item", watched)
    run_worlds(properties, count=5000)
    known = {(before and str(before), str(after)) for before, after in TRANSITIONS}
    assert made <= known, f"not on the page: {made - known}"
    assert len(made) >= 10, f"never made: {known - made}"


def test_hypothesis_finds_no_way_to_break_an_invariant(properties: dict[str, Any]) -> None:
    run_state_machine_as_test(machine(properties), settings=chosen(examples=30))


def test_hypothesis_finds_a_break(
    properties: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    BREAKS["an end is marked as told before it is told"](monkeypatch)
    with pytest.raises((BrokenError, AssertionError)):
        # Without the phase that makes it short: that takes minutes, and nobody reads it here.
        run_state_machine_as_test(
            machine(properties), settings=settings(chosen(examples=40), phases=[Phase.generate])
        )


def chosen(*, examples: int) -> settings:
    return settings(
        max_examples=examples,
        stateful_step_count=STEPS_A_WORLD,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )


def machine(base: dict[str, Any]) -> type[RuleBasedStateMachine]:
    """The world as a state machine: hypothesis chooses what happens, and the seed."""

    class Engine(RuleBasedStateMachine):
        world: World | None = None

        @initialize(seed=st.integers(0, 2**16))
        def begin(self, seed: int) -> None:
            self.world = World(seed=seed, base=copy.deepcopy(base))

        @rule(name=st.sampled_from([n for n, (w, _) in ACTIONS.items() for _ in range(w)]))
        @precondition(lambda self: self.world is not None)
        def happens(self, name: str) -> None:
            assert self.world is not None
            self.world.act(name)

        def teardown(self) -> None:
            if self.world is not None:
                self.world.finish()

    return Engine


# The deliberate breaks, each of a kind that a person might make.


def _made_again(monkeypatch: pytest.MonkeyPatch) -> None:
    judge = decisions.judge_attempt

    def judge_wrongly(*, job: Job | None, **more: Any) -> AttemptVerdict:
        if job is not None and job.status is JobStatus.IN_PROGRESS:
            return AttemptVerdict.NEXT
        return judge(job=job, **more)

    monkeypatch.setattr(lifecycle, "judge_attempt", judge_wrongly)


def _tags_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in (lifecycle, endings):
        monkeypatch.setattr(module, "is_owned", lambda **_: True)


def _lost_early(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(follower_sweep.Sweep, "_successor", lambda *_: Successor.COMPLETED)


def _strays_left(monkeypatch: pytest.MonkeyPatch) -> None:
    place_of = steps.place_of

    def place_wrongly(**known: Any) -> Place:
        place = place_of(**known)
        return Place.UNKNOWN if place is Place.STRAY else place

    monkeypatch.setattr(steps, "place_of", place_wrongly)


def _told_later(monkeypatch: pytest.MonkeyPatch) -> None:
    announce = follower_sweep.Sweep._announce

    def mark_first(self: follower_sweep.Sweep, *, row: Row, job: Job | None) -> bool:
        self.table.change(row.name, {"AnnouncedAt": self.now().isoformat()})
        return announce(self, row=row, job=job)

    monkeypatch.setattr(follower_sweep.Sweep, "_announce", mark_first)


def _no_lease(monkeypatch: pytest.MonkeyPatch) -> None:
    change = Table.change

    def change_anyway(self: Table, name: str, values: Mapping[str, str], **more: Any) -> bool:
        if "AnnouncingAt" in values:
            more.pop("when", None)
        return change(self, name, values, **more)

    monkeypatch.setattr(Table, "change", change_anyway)


def _begun_by_no_name(monkeypatch: pytest.MonkeyPatch) -> None:
    start = FakeAws.start_execution

    def start_wrongly(self: FakeAws, p: dict[str, Any]) -> dict[str, Any]:
        return start(self, {**p, "name": f"{p['name']}-{len(self.executions)}"})

    monkeypatch.setattr(FakeAws, "start_execution", start_wrongly)


def _begun_later(monkeypatch: pytest.MonkeyPatch) -> None:
    mark = follower_sweep.Sweep._mark

    def mark_first(self: follower_sweep.Sweep, step: Step, *, row: Row) -> bool:
        if step.act is Act.FOLLOW_UP:
            self.table.change(row.name, {"FollowedUpAt": self.now().isoformat()})
        return mark(self, step, row=row)

    monkeypatch.setattr(follower_sweep.Sweep, "_mark", mark_first)


def _without_end(monkeypatch: pytest.MonkeyPatch) -> None:
    def wait(self: Patience, attempt: int) -> bool:
        self.sleep(60)
        return True

    monkeypatch.setattr(Patience, "wait", wait)


def _limit_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    enter = Ledger.enter

    def enter_wrongly(self: Ledger, name: str, *, limit: int) -> Ledger:
        return enter(self, name, limit=limit + 1)

    monkeypatch.setattr(Ledger, "enter", enter_wrongly)


BREAKS: dict[str, Callable[[pytest.MonkeyPatch], None]] = {
    "a running job is not adopted but made again": _made_again,
    "owner tags are not looked at": _tags_ignored,
    "a superseded model goes before its successor is complete": _lost_early,
    "jobs whose stack is gone are left alone": _strays_left,
    "an end is marked as told before it is told": _told_later,
    "two sweeps may tell the same end": _no_lease,
    "each call that follows a job up does so under another name": _begun_by_no_name,
    "a job is marked as followed up before it is": _begun_later,
    "waiting never ends": _without_end,
    "one more than the limit is let in": _limit_ignored,
}


@contextmanager
def found(base: dict[str, Any], *, count: int) -> Iterator[list[str]]:
    """Yield what was broken within so many steps: nothing, or one thing."""
    broken: list[str] = []
    try:
        run_worlds(base, count=count)
    except (BrokenError, AssertionError) as error:
        broken.append(str(error))
    yield broken


def test_a_job_is_found_that_its_row_does_not_know_of(properties: dict[str, Any]) -> None:
    world = World(seed=0, faults=0, base=properties)
    world.aws.jobs["made"] = {"status": "Completed", "jobName": "made"}
    world.aws.items["made"] = {"State": "Refused"}
    with pytest.raises(BrokenError, match="made is Refused, and Bedrock has its job"):
        world.look_for_jobs_that_are_not_known()
    world.aws.items["made"]["State"] = "Completed"
    world.look_for_jobs_that_are_not_known()


def test_a_write_is_found_that_dynamodb_would_refuse(properties: dict[str, Any]) -> None:
    world = World(seed=0, faults=0, base=properties)
    table = Table(dynamodb=world.aws.clients["dynamodb"], name="made", pause=lambda _: None)
    assert table.change("made", {"State": "Queued"}, once={"EndedAt": "now"}, remove=["Failure"])
    with pytest.raises(BrokenError, match="paths overlap"):
        table.change("made", {"State": "Queued"}, remove=["Failure", "Failure"])
    with pytest.raises(BrokenError, match="paths overlap"):
        table.change("made", {"State": "Queued"}, once={"EndedAt": "now"}, remove=["EndedAt"])


@pytest.mark.parametrize("name", BREAKS)
def test_a_deliberate_break_is_found(
    name: str, properties: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    BREAKS[name](monkeypatch)
    with found(properties, count=STEPS_FOR_A_BREAK) as broken:
        assert broken, f"{STEPS_FOR_A_BREAK} steps did not find that {name}"


def test_the_grace_of_a_request_covers_its_way() -> None:
    from bedrock_finetuning.provider_framework import OLDEST_EVENT  # noqa: PLC0415 - starts jsii

    submitter_runs = timedelta(minutes=5)
    assert timedelta(seconds=OLDEST_EVENT.to_seconds()) + submitter_runs <= REQUEST_GRACE
