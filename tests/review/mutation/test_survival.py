"""Whatever is weakened, added or removed is a mutant; what is neutral the rules let pass."""

from __future__ import annotations

import hashlib
import random
from collections import Counter
from pathlib import Path
from typing import get_args

import pytest

from review.mutation.additions import additions
from review.mutation.families import table
from review.mutation.mutant import OUTPUT, Kind, Mutant
from review.mutation.neutral import NEUTRAL, applied
from review.mutation.survival import Noticing, Verdict, judges_of
from review.mutation.weaken import weakenings
from review.rules import violations
from review.template.deployment import Deployment
from tests.review.rules.twins import good
from tests.security.app_deployment import AppDeployment

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = 400
"""As many as fit into an everyday run; `make mutation-all` judges every mutant."""


@pytest.fixture(scope="module")
def mutants(dev: AppDeployment) -> list[Mutant]:
    return [*weakenings(dev), *additions(dev)]


def _sample(mutants: list[Mutant]) -> list[Mutant]:
    """Another sample for each state of the rules, and the same one for the same state."""
    files = sorted((ROOT / "review" / "rules").glob("*.py"))
    state = hashlib.sha256(b"".join(file.read_bytes() for file in files)).hexdigest()
    return random.Random(state).sample(mutants, SAMPLE)  # noqa: S311 - a sample, not a secret


def test_there_is_much_to_weaken(dev: AppDeployment, mutants: list[Mutant]) -> None:
    """A generator that makes nothing would let everything through."""
    kinds = Counter(mutant.kind for mutant in mutants)
    assert kinds["structure"] > 3000
    assert kinds["policy"] > 2000
    assert kinds["addition"] > 1500
    assert {mutant.type for mutant in mutants} >= {resource.type for resource in dev.resources}


def test_every_resource_is_removed_once(dev: AppDeployment, mutants: list[Mutant]) -> None:
    removed = [
        (mutant.stack, mutant.logical_id)
        for mutant in mutants
        if not mutant.path and mutant.how == "removed" and mutant.type != OUTPUT
    ]
    assert sorted(removed) == sorted((each.stack, each.logical_id) for each in dev.resources)


def test_the_rules_alone_notice_most_of_a_sample(dev: AppDeployment, mutants: list[Mutant]) -> None:
    """What they leave is for the other parts of the gate: see test_run."""
    survivors = list(Noticing(dev, judges_of("app")).survivors(_sample(mutants)))
    assert len(survivors) < SAMPLE / 6
    in_policies = [each for each in survivors if each.kind == "policy"]
    assert len(in_policies) < SAMPLE / 20


@pytest.mark.parametrize("profile", ["any", "app"])
@pytest.mark.parametrize("change", NEUTRAL)
def test_a_neutral_change_gives_no_finding(dev: AppDeployment, change: str, profile: str) -> None:
    changed = applied(dev, change)
    assert str(changed.templates) != str(dev.templates)
    found = violations(changed, "any" if profile == "any" else "app")
    assert [(rule.id, str(each)) for rule, each in found] == []


@pytest.mark.parametrize("change", NEUTRAL)
def test_a_neutral_change_of_somebody_elses_template_gives_no_finding(change: str) -> None:
    found = violations(applied(good(), change), "any")
    assert [(rule.id, str(each)) for rule, each in found] == []


@pytest.mark.parametrize("seed", range(4))
def test_neutral_changes_together_give_no_finding(prod: AppDeployment, seed: int) -> None:
    chance = random.Random(seed)  # noqa: S311 - an order, not a secret
    changed: Deployment = prod
    for name in chance.sample(list(NEUTRAL), len(NEUTRAL)):
        changed = applied(changed, name, seed=seed)
    assert [(rule.id, str(each)) for rule, each in violations(changed, "app")] == []


def test_a_weakening_among_neutral_changes_is_found(dev: AppDeployment) -> None:
    weaker = dev.without("AWS::KMS::Key", "EnableKeyRotation")
    for name in NEUTRAL:
        assert list(violations(applied(weaker, name), "any")), name


def test_the_table_tells_what_each_family_leaves(dev: AppDeployment) -> None:
    """Written by hand: of two mutants of a kind the keys' rules notice one."""
    mutants = [
        Mutant(stack="s", logical_id=name, type="T", path=("Properties",), how="", change=None)
        for name in ("one", "two")
    ]
    verdicts = [
        Verdict(mutant=mutants[0], noticed_by=frozenset({"keys.rotate"})),
        Verdict(mutant=mutants[1], noticed_by=frozenset()),
    ]
    lines = table(verdicts)
    assert lines[0].startswith("| family | rules | structure (2) |")
    assert next(line for line in lines if line.startswith("| keys |")).split(" | ")[2] == (
        "100.0 % → 50.0 %"
    )
    assert len(lines[0].split("|")) == len(get_args(Kind)) + 4


def test_of_an_enumeration_of_numbers_the_ends_and_the_neighbours_are_tried(
    mutants: list[Mutant],
) -> None:
    """As of numbers without one: a hundred days more say nothing that a day more does not."""
    tried = {
        each.how
        for each in mutants
        if each.type == "AWS::Logs::LogGroup" and each.where.endswith("RetentionInDays")
    }
    assert tried >= {"set to 1", "set to 3653", "removed"}
    assert len(tried) <= 5
