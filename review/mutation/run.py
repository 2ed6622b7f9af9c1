"""A run of the harness: mutants, pairs of mutants and neutral changes, judged on all processors."""

from __future__ import annotations

import math
import multiprocessing
import os
import random
import re
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final, Literal

from review.mutation.difference import beyond, mutants_of
from review.mutation.gate import Gate, Stage
from review.mutation.mutant import Mutant
from review.mutation.neutral import NEUTRAL, STRICTER, applied
from review.mutation.outcome import Court, Fate
from review.rules import Profile
from review.template.assembly import load
from review.template.deployment import Deployment

MOST_OUT_OF_SCOPE: Final = 0.02
"""The part of all mutants that may be out of scope."""

What = Literal["mutant", "pair", "neutral"]
_AT_A_TIME: Final = 16
"""Changes that a process takes at once."""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """What a run does; the same plan does the same again.

    Args:
        paths: Folders that `cdk synth` wrote, and templates.
        beside: Others of the same environment, judged in a run of their own: what stands in these
            too is changed there.
        mutants: How many of the mutants, chosen by the seed; None for every one.
        pairs: How many pairs of mutants.
        neutral: How many neutral changes, each several at once.
        without: Stages and families of rules that are switched off, as a twin does.
        match: Regular expression that a mutant in words has to contain.
    """

    paths: tuple[Path, ...]
    beside: tuple[Path, ...] = ()
    profile: Profile = "app"
    seed: int = 0
    mutants: int | None = None
    pairs: int = 0
    neutral: int = 0
    without: frozenset[str] = frozenset()
    match: str = ""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What became of one change."""

    what: What
    text: str
    """The change in words."""
    kind: str
    fate: Fate
    stage: Stage | None = None
    by: str = ""
    """Id of what was found first."""
    classes: tuple[str, ...] = ()
    message: str = ""


@dataclass(kw_only=True)
class Tally:
    """Everything that came of a run."""

    plan: Plan
    made: int
    """How many mutants there are to choose from."""
    results: list[Result] = field(default_factory=list)
    seconds: float = 0.0

    def of(self, what: What) -> list[Result]:
        """The results for one kind of change."""
        return [each for each in self.results if each.what == what]

    @property
    def survivors(self) -> list[Result]:
        """Mutants and pairs that nobody noticed, and that are not computed to do no harm."""
        return [each for each in self.results if each.fate == Fate.SURVIVED]

    @property
    def false_alarms(self) -> list[Result]:
        """Neutral changes that the gate remarked on."""
        return [each for each in self.of("neutral") if each.fate != Fate.EQUIVALENT]

    @property
    def out_of_scope(self) -> float:
        """The part of the mutants that is out of scope."""
        found = self.of("mutant")
        return sum(each.fate == Fate.OUT_OF_SCOPE for each in found) / len(found) if found else 0.0

    @property
    def most_out_of_scope(self) -> float:
        """The part that may be: of a sample, three standard errors more."""
        judged = len(self.of("mutant"))
        if judged >= self.made or not judged:
            return MOST_OUT_OF_SCOPE
        error = math.sqrt(MOST_OUT_OF_SCOPE * (1 - MOST_OUT_OF_SCOPE) / judged)
        return MOST_OUT_OF_SCOPE + 3 * error

    @property
    def ok(self) -> bool:
        """Whether the bars are met."""
        return not (
            self.survivors or self.false_alarms or self.out_of_scope > self.most_out_of_scope
        )


def run(plan: Plan, *, processes: int | None = None, deployment: Deployment | None = None) -> Tally:
    """Judge everything that a plan asks for.

    Args:
        plan: What to do.
        processes: How many to work in; None for as many as there are processors, 1 for this one.
        deployment: What was read before, judged in this process; the plan's paths are not read.

    Raises:
        UnreadableError: As `review.template.assembly.load` does.
    """
    started = time.perf_counter()
    bench = _Bench(plan, deployment)
    if deployment is not None:
        processes = 1
    tasks = list(bench.tasks())
    tally = Tally(plan=plan, made=len(bench.mutants))
    count = min(processes or os.cpu_count() or 1, max(1, len(tasks) // _AT_A_TIME))
    if count == 1:
        tally.results = [bench.judge(task) for task in tasks]
    else:
        # Spawned, not forked: the solver's threads and the CDK's pipes do not survive a fork.
        with multiprocessing.get_context("spawn").Pool(
            count, initializer=_prepare, initargs=(plan,)
        ) as pool:
            tally.results = list(pool.imap(_judge, tasks, chunksize=_AT_A_TIME))
    tally.seconds = time.perf_counter() - started
    return tally


def all_mutants(plan: Plan, deployment: Deployment) -> list[Mutant]:
    """Every mutant that a plan could choose, the same ones in the same order each time."""
    pattern = re.compile(plan.match)
    found = list(mutants_of(deployment))
    if plan.beside:
        found = beyond(found, deployment, load(plan.beside).deployment)
    return [each for each in found if pattern.search(str(each))] if plan.match else found


def chosen_mutants(plan: Plan, deployment: Deployment) -> list[Mutant]:
    """The mutants that a plan chooses."""
    chance = random.Random(plan.seed)  # noqa: S311 - a sample, not a secret
    found = all_mutants(plan, deployment)
    return [found[place] for place in _chosen(plan, len(found), chance)]


def _chosen(plan: Plan, count: int, chance: random.Random) -> Sequence[int]:
    if plan.mutants is None or plan.mutants >= count:
        return range(count)
    return sorted(chance.sample(range(count), plan.mutants))


Task = tuple[What, int, int]
"""What, which of them, and for a pair which second one; for neutral changes the seed."""


class _Bench:
    """Makes and judges the changes of a plan."""

    def __init__(self, plan: Plan, deployment: Deployment | None = None) -> None:
        self._plan = plan
        self.deployment = deployment or load(plan.paths).deployment
        self.mutants: Sequence[Mutant] = all_mutants(plan, self.deployment)
        self._court: Court | None = None
        self._gate: Gate | None = None

    def tasks(self) -> Iterator[Task]:
        """Everything there is to judge, the same each time."""
        plan = self._plan
        chance = random.Random(plan.seed)  # noqa: S311 - a sample, not a secret
        yield from (("mutant", place, 0) for place in _chosen(plan, len(self.mutants), chance))
        yield from (("pair", *pair) for pair in self._pairs(chance, plan.pairs))
        yield from (("neutral", plan.seed + number, 0) for number in range(plan.neutral))

    def _pairs(self, chance: random.Random, count: int) -> Iterator[tuple[int, int]]:
        """Pairs of mutants that can both be made; every other one within one resource."""
        by_place: dict[tuple[str, str], list[int]] = {}
        for place, mutant in enumerate(self.mutants):
            by_place.setdefault((mutant.stack, mutant.logical_id), []).append(place)
        made = 0
        while made < count:
            first = chance.randrange(len(self.mutants))
            mutant = self.mutants[first]
            near = by_place[mutant.stack, mutant.logical_id]
            second = chance.choice(near if made % 2 else range(len(self.mutants)))
            if first == second or self._both(first, second) is None:
                continue
            made += 1
            yield first, second

    def _both(self, first: int, second: int) -> Deployment | None:
        """The deployment with two changes; None where the first leaves no place for the second."""
        try:
            return self.mutants[second].apply(self.mutants[first].apply(self.deployment))
        except (AttributeError, IndexError, KeyError, TypeError):
            return None

    @property
    def court(self) -> Court:
        """Made when first asked: whoever only hands out the tasks needs none."""
        if self._court is None:
            self._court = Court(self.gate)
        return self._court

    @property
    def gate(self) -> Gate:
        """The gate with what is switched off."""
        if self._gate is None:
            self._gate = Gate(
                deployment=self.deployment,
                profile=self._plan.profile,
                without=self._plan.without,
            )
        return self._gate

    def judge(self, task: Task) -> Result:
        """What becomes of one change."""
        what, first, second = task
        if what == "neutral":
            return self._neutral(first)
        one = self.mutants[first]
        if what == "pair":
            other = self.mutants[second]
            weaker = self._both(first, second)
            if weaker is None:  # pragma: no cover - tasks hold only pairs that can be made
                raise AssertionError("a pair that cannot be made")
            text, kind = f"{one} AND {other}", "pair"
        else:
            weaker, text, kind = one.apply(self.deployment), str(one), one.kind
        verdict = self.court.verdict(weaker, alike=f"{one.type} {one.kind}")
        return Result(
            what=what,
            text=text,
            kind=kind,
            fate=verdict.fate,
            stage=verdict.catch.stage if verdict.catch else None,
            by=verdict.catch.by if verdict.catch else "",
            message=verdict.catch.message if verdict.catch else "",
            classes=verdict.classes,
        )

    def _neutral(self, seed: int) -> Result:
        """Some neutral changes together, chosen by a seed; only what is stricter may be noted."""
        chance = random.Random(seed)  # noqa: S311 - a choice, not a secret
        names = chance.sample(list(NEUTRAL), chance.randint(1, min(5, len(NEUTRAL))))
        changed = self.deployment
        for name in names:
            changed = applied(changed, name, seed=seed)
        may_note = not STRICTER.isdisjoint(names)
        found = next(
            (
                (stage, said)
                for stage, said in self.gate.findings(changed)
                if not (said.note and may_note)
            ),
            None,
        )
        return Result(
            what="neutral",
            text=", ".join(names),
            kind="neutral",
            fate=Fate.CAUGHT if found else Fate.EQUIVALENT,
            stage=found[0] if found else None,
            by=found[1].id if found else "",
            message=found[1].message if found else "",
        )


_BENCH: dict[str, _Bench] = {}


def _prepare(plan: Plan) -> None:
    _BENCH["here"] = _Bench(plan)


def _judge(task: Task) -> Result:
    return _BENCH["here"].judge(task)
