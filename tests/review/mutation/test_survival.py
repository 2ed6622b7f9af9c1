"""Whatever is weakened, added or removed, the rules notice it; what is neutral they let pass."""

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
from tests.review.mutation.harmless import EXCUSES, explains, is_harmless
from tests.review.rules.twins import good
from tests.security.app_deployment import AppDeployment

ROOT = Path(__file__).resolve().parents[3]
SAMPLE = 400
"""As many as fit into an everyday run; `pytest -m slow` makes every mutant."""


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


def test_a_sample_of_mutants_is_noticed(dev: AppDeployment, mutants: list[Mutant]) -> None:
    survivors = list(Noticing(dev, judges_of("app")).survivors(_sample(mutants)))
    assert len(survivors) < SAMPLE / 4
    assert [str(each) for each in survivors if not is_harmless(each, dev)] == []


@pytest.mark.slow
def test_every_mutant_is_noticed(dev: AppDeployment, mutants: list[Mutant]) -> None:
    noticing = Noticing(dev, judges_of("app"))
    survivors = list(noticing.survivors(mutants))
    assert [str(each) for each in survivors if not is_harmless(each, dev)] == []
    # An excuse that no mutant needs any more is as stale as an acknowledgement without a finding.
    assert [e.why for e in EXCUSES if not any(explains(e, each) for each in survivors)] == []
    in_policies = sum(mutant.kind == "policy" for mutant in mutants)
    assert sum(each.kind == "policy" for each in survivors) <= in_policies / 4


def test_a_harmful_change_has_no_excuse(dev: AppDeployment, mutants: list[Mutant]) -> None:
    by_text = {str(mutant): mutant for mutant in mutants}
    for harmful in (
        "(AWS::Logs::LogGroup): Properties.RetentionInDays: set to 7",
        "(AWS::KMS::Key): Properties.EnableKeyRotation: set to False",
        "(AWS::KMS::Key): Properties.KeySpec: added as RSA_2048",
        "(AWS::KMS::Key): Properties.KeyPolicy.Statement.1.Condition: removed",
        "(AWS::S3::BucketPolicy): Properties.PolicyDocument.Statement.1: removed",
    ):
        found = [mutant for text, mutant in by_text.items() if text.endswith(harmful)]
        assert found, harmful
        assert not any(is_harmless(each, dev) for each in found), harmful


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
