"""The rows on the log of invocations: they come out as they say, and each has a twin."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from review.decisions import purposes
from review.decisions.run import ask_all, decision_findings
from review.decisions.stage import Stage
from review.decisions.table import Row, logging
from review.template.deployment import Deployment
from tests.review.decisions.twins import Twin, Twins
from tests.security.synthesis import WITH_INFERENCE

VariantMaker = Callable[[Mapping[str, Any]], Deployment]


@pytest.fixture(scope="module")
def made(variant: VariantMaker) -> Deployment:
    return variant({**WITH_INFERENCE, "inference": {"enabled": True, "invocation_logging": True}})


@pytest.fixture(scope="module")
def twins(made: Deployment) -> dict[str, tuple[Row, Twin]]:
    finder = Twins(made)
    return {row.id: (row, finder.twin(row)) for row in logging().rows}


def test_every_decision_comes_out_as_the_tables_say(made: Deployment) -> None:
    findings, _ = decision_findings(made, "app")
    assert findings == []
    asked = {each.row.id for each in ask_all(Stage(made), "app")}
    assert {row.id for row in logging().rows} <= asked


def test_one_without_a_log_is_asked_nothing_of_it(variant: VariantMaker) -> None:
    asked = {each.row.id for each in ask_all(Stage(variant(WITH_INFERENCE)), "app")}
    assert not asked & {row.id for row in logging().rows}


def test_the_role_of_the_log_asks_and_is_asked_about() -> None:
    assert set(purposes.LOGGING_ROLES) <= {row.who for row in logging().rows}
    taken = {row.to for row in logging().rows if row.does == "take-role"}
    assert set(purposes.LOGGING_ROLES) <= taken


def test_every_decision_is_turned_by_some_weakening(twins: dict[str, tuple[Row, Twin]]) -> None:
    without = {id_ for id_, (_, twin) in twins.items() if not twin.changes}
    said = {id_ for id_, (row, _) in twins.items() if row.entry.no_twin}
    assert without == said


def test_a_role_that_anybody_behind_bedrock_takes_is_told(made: Deployment) -> None:
    weaker = made.put(
        "AWS::IAM::Role",
        "AssumeRolePolicyDocument.Statement.0.Condition",
        {},
        where={"RoleName": "finetune-test-us-east-1-invocation-logs"},
    )
    found = {each.id for each in decision_findings(weaker, "app")[0]}
    assert "decisions.bedrock-writes-invocations-of-another-account" in found
    assert "decisions.bedrock-writes-invocations-for-nobody" in found
