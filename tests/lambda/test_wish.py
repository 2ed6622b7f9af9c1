"""What a stack may wish for, and what is told to who wishes something else."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any

import pytest

from customization.errors import EnvironmentVariableError, EventError
from deployer.handler import Environment
from deployments import remedies
from deployments.errors import WishError
from deployments.events import STATE_OF, DeployEvent
from deployments.kinds import Kind
from deployments.naming import client_token, deployment_name, execution_name, is_deployment_name
from deployments.rows import RowState
from deployments.schedules import expression_of, moment_of
from deployments.wish import Wish
from tests.fakes.deployments import VARIABLES, WishResource, job_name, provisioned, wish


@pytest.mark.parametrize(
    ("properties", "says"),
    [
        (wish(Kind="other"), "Kind must match on_demand|provisioned"),
        (wish(ModelUnits="0"), "ModelUnits must be 1 to 1000"),
        (wish(Commitment="OneMonth"), "Commitment is for provisioned throughput alone"),
        (provisioned(Hours=""), "Hours is missing: throughput without a commitment"),
        (provisioned(Hours="721"), "Hours must be 1 to 720"),
        (provisioned(Commitment="OneYear"), "Commitment must match"),
        (wish(JobName="dev-other-1111111111111111"), "JobName must be the physical id"),
        (wish(SmokeTests="{"), "SmokeTests must be a list of tests, as JSON"),
        (wish(SmokeTests="[1]"), "SmokeTests must be a list of tests, as JSON"),
        (wish(SmokeTests=f"[{','.join(['{}'] * 51)}]"), "SmokeTests must have at most 50"),
        (wish(Tags="none"), "Tags must be a list of key and value"),
        (wish(Tags=[{"key": str(n), "value": ""} for n in range(48)]), "Tags must have at most 47"),
        (wish(Colour="red"), "Colour is unknown: allowed are"),
    ],
)
def test_a_wish_that_cannot_be_met_says_why(properties: dict[str, Any], says: str) -> None:
    with pytest.raises(WishError) as raised:
        Wish.from_properties(properties)
    assert says in str(raised.value)


def test_a_wish_that_can_be_met_is_taken() -> None:
    for properties in (wish(), provisioned(), provisioned(Commitment="SixMonths", Hours="")):
        assert Wish.from_properties(properties).name.startswith(job_name())


def test_what_was_refused_is_not_logged() -> None:
    with pytest.raises(WishError) as raised:
        Wish.from_properties(wish(ModelUnits="4711"), show_values=False)
    assert "4711" not in str(raised.value)


def test_hours_smoke_tests_and_tags_make_no_other_deployment() -> None:
    names = {
        Wish.from_properties(each).name
        for each in (
            provisioned(),
            provisioned(Hours="9"),
            provisioned(SmokeTests="[]"),
            provisioned(Tags=[]),
        )
    }
    assert len(names) == 1
    assert Wish.from_properties(provisioned(ModelUnits="2")).name not in names


def test_an_attempt_has_a_token_and_an_execution_of_its_own() -> None:
    name = deployment_name(job_name=job_name(), kind=Kind.ON_DEMAND, model_units=1, commitment=None)
    assert client_token(name=name, attempt=1) != client_token(name=name, attempt=2)
    assert execution_name(name=name, attempt=1) == name
    assert execution_name(name=name, attempt=2) == f"{name}-2"
    assert is_deployment_name(name=name, environment="dev")
    assert not is_deployment_name(name=name, environment="prod")
    assert not is_deployment_name(name="made-stack-Deployment-ABCDEF", environment="made")


def test_a_schedule_says_its_time_in_utc() -> None:
    moment = datetime(2026, 1, 1, 12, 30, 5, tzinfo=UTC)
    assert expression_of(moment) == "at(2026-01-01T12:30:05)"
    assert moment_of(expression_of(moment)) == moment
    assert moment_of("rate(5 minutes)") is None
    assert moment_of("at(2026-13-01T00:00:00)") is None


def test_an_event_of_the_state_machine_names_a_job_and_who_asks() -> None:
    asked = {"job_name": "made", "execution": "made-up"}
    assert DeployEvent.parse({"Deploy": asked}) == DeployEvent(**asked)
    assert DeployEvent.parse({"Wake": "removal"}) is None
    with pytest.raises(EventError, match="Deploy must name a job"):
        DeployEvent.parse({"Deploy": {"execution": "made-up"}})
    with pytest.raises(EventError, match="who asks"):
        DeployEvent.parse({"Deploy": {"job_name": "made"}})


def test_every_state_of_a_row_is_told_to_the_state_machine() -> None:
    assert set(STATE_OF) == set(RowState)


def test_a_variable_that_is_missing_is_named() -> None:
    assert Environment.read(VARIABLES).follow_up is None
    for name in VARIABLES.keys() - {"DEPLOYER_FUNCTION"}:
        with pytest.raises(EnvironmentVariableError, match=name):
            Environment.read({**VARIABLES, name: ""})


def test_a_wish_where_nothing_is_deployed_is_refused_with_what_to_set(
    wished: WishResource, monkeypatch: pytest.MonkeyPatch
) -> None:
    from submitter import handler  # noqa: PLC0415 - one test's

    monkeypatch.delenv("DEPLOYMENTS_TABLE")
    handler.environment.cache_clear()
    with pytest.raises(EnvironmentVariableError, match=r"inference\.enabled: true"):
        wished.create()
    handler.environment.cache_clear()


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("ServiceQuotaExceededException: 0 model units for this model", "AWS Support"),
        ("ServiceQuotaExceededException: too many deployments", "L-1EF80F3E"),
        ("ServiceQuotaExceededException: made up", "higher quota"),
        ("ValidationException: the base model is Legacy", "Active"),
        ("ValidationException: customized before 2025-07-16", "raise the job's run"),
        ("ConflictException: the commitment has not ended", "wait for its end"),
        ("ThrottlingException: slow", "in a few minutes"),
    ],
)
def test_a_known_error_has_a_remedy(text: str, word: str) -> None:
    assert word in remedies.advice(text)


def test_an_unknown_error_says_where_to_read() -> None:
    assert "model-customization-use.html" in remedies.advice("made up")
    assert not remedies.is_passing("made up")
    assert remedies.is_passing("not authorized to perform: kms:Decrypt")
