"""A run finds what survives, by the same figures each time, and passes only when nothing does."""

from __future__ import annotations

from dataclasses import replace

import pytest

from review.mutation import neutral
from review.mutation.__main__ import main
from review.mutation.figures import as_json, complaints, counts, summary, table
from review.mutation.gate import Gate
from review.mutation.outcome import Fate
from review.mutation.run import MOST_OUT_OF_SCOPE, Plan, Result, Tally, run
from tests.review.rules.twins import FOLDER
from tests.security.app_deployment import AppDeployment

GOOD = FOLDER / "good.yaml"
OF_ANYBODY = Plan(paths=(GOOD,), profile="any", mutants=24, pairs=4, seed=3)


def of_dev(*, match: str = "", **more: object) -> Plan:
    return replace(Plan(paths=(), match=match), **more)  # type: ignore[arg-type]  # one's own names


def test_a_sample_of_the_app_survives_nowhere(dev: AppDeployment) -> None:
    """Mutants, pairs and neutral changes; `make mutation` takes thousands."""
    tally = run(of_dev(mutants=120, pairs=30, neutral=2, seed=11), deployment=dev)
    assert complaints(tally) == []
    assert tally.ok
    assert [len(tally.of("mutant")), len(tally.of("pair")), len(tally.of("neutral"))] == [
        120,
        30,
        2,
    ]
    caught = sum(each.fate is Fate.CAUGHT for each in tally.of("mutant"))
    assert caught > 90


def test_without_a_family_of_rules_mutants_survive(dev: AppDeployment) -> None:
    plan = of_dev(match="DataKey.*EnableKeyRotation: set")
    assert run(plan, deployment=dev).ok
    blind = run(replace(plan, without=frozenset({"keys"})), deployment=dev)
    assert not blind.ok
    assert {each.text.rpartition(": ")[0].rpartition(".")[2] for each in blind.survivors} == {
        "EnableKeyRotation"
    }


def test_without_the_proofs_and_what_else_asks_about_policies_mutants_survive(
    dev: AppDeployment,
) -> None:
    """What the rules and the decisions let pass is for the proofs and the comparison to notice."""
    plan = of_dev(
        match=r"Flow.*ManagedPolicy.*Statement.0.Action: (set to \*|logs:Put.*widened to logs:\*)",
        without=frozenset({"rules", "decisions", "access"}),
    )
    seeing = run(plan, deployment=dev)
    assert seeing.ok
    assert {each.stage for each in seeing.of("mutant")} == {"proofs"}
    blind = run(replace(plan, without=plan.without | {"proofs"}), deployment=dev)
    assert len(blind.survivors) == len(seeing.results) > 1
    assert any(line.startswith("survived: ") for line in complaints(blind))


def test_the_same_plan_does_the_same_in_one_process_and_in_two() -> None:
    one, two = run(OF_ANYBODY, processes=1), run(OF_ANYBODY, processes=2)
    assert [(each.text, each.fate, each.stage) for each in one.results] == [
        (each.text, each.fate, each.stage) for each in two.results
    ]
    another = run(replace(OF_ANYBODY, seed=4), processes=1)
    assert [each.text for each in another.results] != [each.text for each in one.results]


def test_a_gate_that_cries_wolf_does_not_pass(
    dev: AppDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    def harm(templates: neutral.Templates, _: object) -> None:
        for template in templates.values():
            for resource in template["Resources"].values():
                resource.get("Properties", {}).pop("EnableKeyRotation", None)

    monkeypatch.setattr(neutral, "NEUTRAL", {"harm": harm})
    monkeypatch.setattr("review.mutation.run.NEUTRAL", {"harm": harm})
    tally = run(of_dev(match="nothing at all", neutral=1), deployment=dev)
    assert not tally.ok
    assert complaints(tally)[0].startswith("false alarm: harm: ")


def test_what_a_gate_said_before_is_nothing_new(dev: AppDeployment) -> None:
    weak = dev.without("AWS::KMS::Key", "EnableKeyRotation")
    gate = Gate(deployment=weak)
    assert gate.catch(weak) is None
    assert gate.catch(weak.without("AWS::S3::Bucket", "VersioningConfiguration")) is not None


# The figures.


def result(fate: Fate, **more: object) -> Result:
    made = Result(what="mutant", text="a change", kind="structure", fate=fate)
    return replace(made, **more)  # type: ignore[arg-type]  # names of its own


def tally_of(*results: Result, made: int | None = None) -> Tally:
    return Tally(
        plan=Plan(paths=()), made=len(results) if made is None else made, results=list(results)
    )


CAUGHT = result(Fate.CAUGHT, stage="rules", by="keys.rotate")
TEXT = result(Fate.OUT_OF_SCOPE, classes=("texts",))


def test_the_figures_add_up() -> None:
    tally = tally_of(CAUGHT, TEXT, result(Fate.STRICTER), result(Fate.SURVIVED))
    found = counts(tally.results)
    assert sum(found.values()) == 4
    assert found["caught by the structure rules"] == found["out of scope: texts"] == 1
    lines = table(tally)
    assert lines[0].startswith("| what became of them | mutants | structure |")
    assert "| survived | 1 | 1 | 0 | 0 | 0 |" in lines
    assert as_json(tally)["survived"] == ["a change"]
    assert summary(tally).startswith("all 4 mutants, 0 pairs")


def test_two_classes_have_a_row_of_their_own() -> None:
    both = result(Fate.OUT_OF_SCOPE, classes=("texts", "sizes"))
    assert counts([both])["out of scope: texts and sizes"] == 1


def test_one_survivor_is_too_many() -> None:
    assert tally_of(CAUGHT).ok
    assert not tally_of(CAUGHT, result(Fate.SURVIVED)).ok
    assert not tally_of(CAUGHT, result(Fate.SURVIVED, what="pair")).ok


def test_too_many_out_of_scope_do_not_pass() -> None:
    assert tally_of(*[CAUGHT] * 98, TEXT, TEXT).ok
    too_many = tally_of(*[CAUGHT] * 97, TEXT, TEXT, TEXT)
    assert not too_many.ok
    assert complaints(too_many) == [
        "out of scope are 3.00 % of the mutants, at most 2.00 %: have the gate judge some of them"
    ]


def test_a_sample_may_be_off_by_chance_and_not_by_more() -> None:
    assert tally_of(*[CAUGHT] * 97, *[TEXT] * 3, made=8000).ok
    assert not tally_of(*[CAUGHT] * 90, *[TEXT] * 10, made=8000).ok
    assert tally_of(CAUGHT, made=8000).most_out_of_scope > MOST_OUT_OF_SCOPE


# The command.


def test_the_command_ends_with_1_and_names_what_survives(
    capsys: pytest.CaptureFixture[str],
) -> None:
    arguments = [str(GOOD), "--profile", "any", "--match", "EnableKeyRotation"]
    assert main([*arguments, "--processes", "1"]) == 0
    assert "survived:" not in capsys.readouterr().out
    assert main([*arguments, "--processes", "1", "--without", "keys"]) == 1
    assert "EnableKeyRotation: set to False" in capsys.readouterr().out


def test_the_command_prints_what_each_family_leaves(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(GOOD), "--profile", "any", "--sample", "60", "--seed", "4", "--families"]) == 0
    assert capsys.readouterr().out.startswith("| family | rules | structure (")


def test_templates_that_cannot_be_read_end_with_2(capsys: pytest.CaptureFixture[str]) -> None:
    assert main([str(FOLDER / "nowhere.yaml")]) == 2
    assert "nowhere.yaml" in capsys.readouterr().err
