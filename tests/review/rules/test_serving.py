"""Rules on an environment that deploys: it breaks none of them, and each weakening breaks one."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from review.rules import RULES, violations
from review.rules.environment import SERVING_ROLES, environment_of
from tests.review.rules.serving_twins import SERVING_TWINS, ServingTwin
from tests.security.app_deployment import AppDeployment
from tests.security.synthesis import WITH_INFERENCE

VariantMaker = Callable[[Mapping[str, Any]], AppDeployment]


@pytest.fixture(scope="module")
def serving(variant: VariantMaker) -> AppDeployment:
    return variant(WITH_INFERENCE)


def _errors(made: AppDeployment) -> list[tuple[str, str]]:
    found = violations(made, "app")
    return [(rule.id, str(each)) for rule, each in found if rule.level == "error"]


def test_an_environment_that_deploys_breaks_no_rule(serving: AppDeployment) -> None:
    assert environment_of(serving).serves
    assert _errors(serving) == []


def test_one_that_does_not_is_known_as_such(dev: AppDeployment) -> None:
    assert not environment_of(dev).serves
    assert not set(SERVING_ROLES) & set(environment_of(dev).role_names)


def test_taking_one_sign_of_deployments_away_hides_none_of_the_rest(
    serving: AppDeployment,
) -> None:
    fewer = serving.without_resources("AWS::Lambda::Function", FunctionName="finetune-test-invoker")
    assert environment_of(fewer).serves
    assert _errors(fewer)


def test_a_sign_of_deployments_alone_does_not_make_one_that_deploys(dev: AppDeployment) -> None:
    more = dev.plus("engine", "AWS::Scheduler::ScheduleGroup", Name="finetune-dev")
    assert not environment_of(more).serves
    assert "deployments.schedules-only-end" in {rule for rule, _ in _errors(more)}


@pytest.mark.parametrize("twin", SERVING_TWINS, ids=str)
def test_a_weakened_one_breaks_the_rule(serving: AppDeployment, twin: ServingTwin) -> None:
    found = [str(each) for each in RULES[twin.rule](twin.change(serving))]
    assert found
    assert "cannot be understood" not in "".join(found)


@pytest.mark.parametrize(
    "changes",
    [
        {"keys": {"throughput": "none"}},
        {"keys": {"deployer_uses_model_key": False}},
        {"people": {"uploaders": ["role/a"], "readers": ["role/b"], "administrators": ["role/c"]}},
        {"network": {"scoped_s3_endpoint_policy": False}, "inference": {"enabled": True,
         "reap_minutes": 15}},
        {"jobs": {}},
    ],
    ids=["no throughput", "no key for the deployer", "no invokers", "open S3", "no jobs"],
)  # fmt: skip
@pytest.mark.slow
def test_correct_settings_break_no_rule(variant: VariantMaker, changes: Mapping[str, Any]) -> None:
    assert _errors(variant({**WITH_INFERENCE, **changes})) == []


@pytest.mark.slow
def test_throughput_as_aws_documents_it_is_told(variant: VariantMaker) -> None:
    made = variant({**WITH_INFERENCE, "keys": {"throughput": "documented"}})
    assert {rule for rule, _ in _errors(made)} == {"keys.not-for-everybody"}
