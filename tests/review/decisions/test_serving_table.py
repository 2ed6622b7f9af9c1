"""The rows on deployments: they come out as they say, each has a twin, and others are not asked."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from review.decisions.run import ask_all, decision_findings
from review.decisions.stage import Stage
from review.decisions.table import Row, serving, table, table_with_serving
from review.template.deployment import Deployment
from tests.review.decisions.twins import Twin, Twins
from tests.security.synthesis import WITH_INFERENCE

VariantMaker = Callable[[Mapping[str, Any]], Deployment]


@pytest.fixture(scope="module")
def made(variant: VariantMaker) -> Deployment:
    return variant(WITH_INFERENCE)


@pytest.fixture(scope="module")
def twins(made: Deployment) -> dict[str, tuple[Row, Twin]]:
    """The twin of each row on deployments."""
    finder = Twins(made)
    return {row.id: (row, finder.twin(row)) for row in serving().rows}


def test_every_decision_comes_out_as_the_tables_say(made: Deployment) -> None:
    findings, asked = decision_findings(made, "app")
    assert findings == []
    assert asked > 1800


def test_what_holds_for_everybody_holds_for_one_that_deploys(made: Deployment) -> None:
    findings, asked = decision_findings(made, "any")
    assert findings == []
    assert asked > 50


def test_one_without_deployments_is_asked_nothing_of_them(dev: Deployment) -> None:
    asked = {each.row.id for each in ask_all(Stage(dev), "app")}
    assert not asked & {row.id for row in serving().rows}


def test_an_entry_that_is_replaced_is_not_asked_as_it_was(dev: Deployment) -> None:
    replaced = {entry.instead_of for entry in serving().entries if entry.instead_of}
    assert replaced == {"follower-reads-a-jobs-template"}
    assert replaced <= {each.row.entry.id for each in ask_all(Stage(dev), "app")}
    assert not replaced & {entry.id for entry in table_with_serving().entries}


def test_an_entry_in_place_of_none_is_refused(monkeypatch: pytest.MonkeyPatch) -> None:
    lost = table().model_copy(update={"sections": []})
    monkeypatch.setattr("review.decisions.table.table", lambda: lost)
    with pytest.raises(ValueError, match="instead of 'follower-reads-a-jobs-template'"):
        table_with_serving.__wrapped__()


def test_without_invokers_nobody_is_asked_as_the_tester(variant: VariantMaker) -> None:
    people = {
        "uploaders": ["role/engineer"],
        "readers": ["user/auditor"],
        "administrators": ["role/administrator"],
    }
    without = variant({**WITH_INFERENCE, "people": people, "jobs": {}})
    findings, asked = decision_findings(without, "app")
    assert findings == []
    assert asked > 1700


def test_every_decision_is_turned_by_some_weakening(twins: dict[str, tuple[Row, Twin]]) -> None:
    without = {id_ for id_, (_, twin) in twins.items() if not twin.changes}
    said = {id_ for id_, (row, _) in twins.items() if row.entry.no_twin}
    assert without == said


def test_a_wish_nobody_may_have_is_told(made: Deployment) -> None:
    """The whole way: one statement wider, one finding by the row's name."""
    weaker = made.put(
        "AWS::IAM::Role",
        "AssumeRolePolicyDocument.Statement.0.Condition",
        {},
        where={"RoleName": "finetune-test-us-east-1-scheduler"},
    )
    found = {each.id for each in decision_findings(weaker, "app")[0]}
    assert found == {
        "decisions.scheduler-takes-the-role-for-another-account",
        "decisions.scheduler-takes-the-role-for-another-group",
        "decisions.scheduler-takes-the-role-for-nobody",
    }
