"""Whatever happens, in whatever order: never twice, never orphaned, no bill past its end.

The world of tests/fakes/deployment_world.py moves on by chance; its invariants are looked at after
every step and when all has come to rest. Hypothesis chooses what happens and shrinks what fails.
Each of the deliberate breaks below has to be found.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    RuleBasedStateMachine,
    initialize,
    precondition,
    rule,
    run_state_machine_as_test,
)

from completion_check.removal import Removal
from customization import patience
from customization.identity import PhysicalId
from customization.jobs import Job
from customization.steps import Place
from deployer.sweep import Sweep
from deployments import calls, rows, seen, steps
from deployments.rows import TRANSITIONS, Row
from deployments.seen import Seen
from deployments.steps import Act, Sight, Step, Successor
from tests.fakes.aws import FakeAws
from tests.fakes.deployment_world import ACTIONS, DeploymentWorld
from tests.fakes.world import BrokenError

STEPS = int(os.environ.get("FINETUNE_DEPLOYMENT_STEPS", "2000"))
"""How many steps of chance to take; the slow test takes a hundred times as many."""
STEPS_A_WORLD = 100
STEPS_FOR_A_BREAK = 5000


@pytest.fixture(autouse=True)
def the_same_again(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(patience, "jitter", lambda ceiling: ceiling)


def run_worlds(*, count: int, first_seed: int = 0) -> tuple[int, int]:
    """Take so many steps, in a new world every hundred; return what was made and bought."""
    made = bought = 0
    for seed in range(first_seed, first_seed + count // STEPS_A_WORLD):
        world = DeploymentWorld(seed=seed)
        for _ in range(STEPS_A_WORLD):
            world.step()
        world.finish()
        made += len(world.aws.bedrock.serving.tokens)
        bought += sum(world.purchases.values())
    return made, bought


def test_the_invariants_of_deployments_hold_whatever_happens() -> None:
    made, bought = run_worlds(count=STEPS)
    assert made > STEPS / STEPS_A_WORLD, "hardly anything was made: the steps prove nothing"
    assert bought > made / 4, "hardly anything was bought: the steps prove little"


@pytest.mark.slow
def test_the_invariants_of_deployments_hold_for_long() -> None:
    run_worlds(count=STEPS * 100, first_seed=100_000)


def test_deployments_make_no_transition_that_the_page_does_not_hold(
    monkeypatch: pytest.MonkeyPatch,
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
    run_worlds(count=1500, first_seed=1000)
    known = {(before and str(before), str(after)) for before, after in TRANSITIONS}
    assert made <= known, f"not on the page: {made - known}"
    assert len(made) >= 15, f"never made: {known - made}"


def test_hypothesis_finds_no_way_to_break_deployments() -> None:
    class Deployments(RuleBasedStateMachine):
        world: DeploymentWorld | None = None

        @initialize(seed=st.integers(0, 2**16))
        def begin(self, seed: int) -> None:
            self.world = DeploymentWorld(seed=seed)

        @rule(name=st.sampled_from([n for n, (w, _) in ACTIONS.items() for _ in range(w)]))
        @precondition(lambda self: self.world is not None)
        def happens(self, name: str) -> None:
            assert self.world is not None
            self.world.act(name)

        def teardown(self) -> None:
            if self.world is not None:
                self.world.finish()

    run_state_machine_as_test(
        Deployments,
        settings=settings(
            max_examples=15,
            stateful_step_count=60,
            derandomize=True,
            database=None,
            deadline=None,
            suppress_health_check=list(HealthCheck),
        ),
    )


# The deliberate breaks, each of a kind that a person might make.


def _tags_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    find = seen.find

    def find_wrongly(**known: Any) -> Seen | None:
        found = find(**known)
        return None if found is None else replace(found, ours=True)

    monkeypatch.setattr(seen, "find", find_wrongly)


def _scheduled_later(monkeypatch: pytest.MonkeyPatch) -> None:
    schedule = steps._schedule

    def late(row: Row, sight: Sight) -> Step | None:
        return None if sight.ours is None else schedule(row, sight)

    monkeypatch.setattr(steps, "_schedule", late)


def _replaced_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sweep, "_successor", lambda *_: Successor.SERVES)


def _strays_left(monkeypatch: pytest.MonkeyPatch) -> None:
    place_of = steps.place_of

    def place_wrongly(**known: Any) -> Place:
        place = place_of(**known)
        return Place.UNKNOWN if place is Place.STRAY else place

    monkeypatch.setattr(steps, "place_of", place_wrongly)


def _end_ignored(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "_end", lambda *_: None)


def _bought_unseen(monkeypatch: pytest.MonkeyPatch) -> None:
    create = Sweep._create

    def buy_first(self: Sweep, row: Row, *, job: Job | None, owner: PhysicalId) -> bool:
        if job is not None and job.model_arn is not None:
            tags: dict[str, str] = {}
            calls.create(bedrock=self.bedrock, row=row, model_arn=job.model_arn, owner_tags=tags)
        return create(self, row, job=job, owner=owner)

    monkeypatch.setattr(Sweep, "_create", buy_first)


def _bought_again(monkeypatch: pytest.MonkeyPatch) -> None:
    record = steps._record_active

    def again(row: Row, sight: Sight) -> Step | None:
        step = record(row, sight)
        if step is not None and step.state is rows.RowState.MISSING:
            return Step(act=Act.CREATE, why="it is gone: make it again")
        return step

    monkeypatch.setattr(steps, "_record_active", again)

    def create(self: Sweep, row: Row, **more: Any) -> bool:
        if row.state is rows.RowState.ACTIVE:
            self.table.change(row.name, {"State": "Wanted"}, remove=["Arn", "ActiveAt"])
        return real(self, row, **more)

    real = Sweep._create
    monkeypatch.setattr(Sweep, "_create", create)
    monkeypatch.setattr("deployments.calls.client_token", lambda **_: os.urandom(8).hex())


def _not_waited_for(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Removal, "is_complete", lambda *_: {"IsComplete": True})


def _orphans_left(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Sweep, "_reap", lambda *_: None)


def _followed_up_by_all(monkeypatch: pytest.MonkeyPatch) -> None:
    def follow(self: Sweep, *, job_name: str, execution: str) -> Row | None:
        found = self.table.of_job(job_name)
        return self.follow(found[0]) if found else None

    monkeypatch.setattr(Sweep, "follow_for", follow)


def _followed_up_by_its_job_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "_follow_up", lambda *_: None)


BREAKS: dict[str, tuple[int, Callable[[pytest.MonkeyPatch], None]]] = {
    "owner tags are not looked at": (12, _tags_ignored),
    "the schedule is made after the purchase": (3, _scheduled_later),
    "a replaced one goes before its successor serves": (1, _replaced_at_once),
    "what no stack stands for is left alone": (7, _strays_left),
    "its end is left to the schedule alone": (38, _end_ignored),
    "it is bought before the table knows": (0, _bought_unseen),
    "what somebody removed is bought again": (36, _bought_again),
    "a stack goes before what served its model": (1, _not_waited_for),
    "what no row knows is left alone": (23, _orphans_left),
    "whoever asks follows it up": (0, _followed_up_by_all),
    "a late wish is left to its job's follow-up": (0, _followed_up_by_its_job_alone),
}
"""Each break, and the world to begin with: one that was seen to find it soon."""


@pytest.mark.parametrize("name", BREAKS)
def test_a_deliberate_break_of_deployments_is_found(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    first_seed, break_it = BREAKS[name]
    break_it(monkeypatch)
    with pytest.raises((BrokenError, AssertionError)):
        run_worlds(count=STEPS_FOR_A_BREAK, first_seed=first_seed)
