"""Approved access of an environment that deploys: the same says nothing, and what is new does."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from review.mutation.neutral import NEUTRAL, applied
from review.proofs.baseline import access_findings, approve
from review.rules import violations
from tests.review.rules.serving_twins import in_policy
from tests.security.app_deployment import AppDeployment
from tests.security.synthesis import WITH_INFERENCE

VariantMaker = Callable[[Mapping[str, Any]], AppDeployment]


@pytest.fixture(scope="module")
def serving(variant: VariantMaker) -> AppDeployment:
    return variant(WITH_INFERENCE)


def test_what_is_as_approved_says_nothing(serving: AppDeployment) -> None:
    findings, count = access_findings(serving, approve(serving, by="Security", because="a start"))
    assert findings == []
    assert count > 50


def test_turning_deployments_on_is_new_access(
    serving: AppDeployment, variant: VariantMaker
) -> None:
    before = approve(variant({}), by="Security", because="a start")
    told = " ".join(each.message for each in access_findings(serving, before)[0])
    for role in ("deployer", "invoker", "model-report", "follow-up", "scheduler", "tester"):
        assert f"finetune-test-us-east-1-{role}" in told


def test_a_call_from_anywhere_is_new_access(serving: AppDeployment) -> None:
    approved = approve(serving, by="Security", because="a start")
    wider = in_policy("CallOurModelsInPrivate", "Condition", {})(serving)
    found = [each.message for each in access_findings(wider, approved)[0]]
    assert found
    for message in found:
        assert "bedrock:invokemodel" in message.lower()
        assert "finetune-test-us-east-1-invoker" in message


def test_what_only_has_another_id_is_no_new_access(serving: AppDeployment) -> None:
    """The invoker's group is known by the function that it is for."""
    approved = approve(serving, by="Security", because="a start")
    renamed = applied(serving, "rename_logical_ids", seed=3)
    assert [str(each.message) for each in access_findings(renamed, approved)[0]] == []


def test_another_way_to_the_models_is_new_access_whatever_the_ids(serving: AppDeployment) -> None:
    approved = approve(serving, by="Security", because="a start")
    wider = serving.put(
        "AWS::EC2::SecurityGroup",
        "SecurityGroupEgress",
        [{"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "10.0.0.0/8"}],
        where={"GroupDescription": "The function that calls models"},
    )
    assert wider.templates != serving.templates
    renamed = applied(wider, "rename_logical_ids", seed=3)
    told = [each.message for each in access_findings(renamed, approved)[0]]
    assert any("finetune-test-invoker-group: egress" in each for each in told)


# Tags that a request hands on to Bedrock have keys and values in small letters.
@pytest.mark.parametrize("neutral", sorted(set(NEUTRAL) - {"more_tags"}))
def test_neutral_changes_break_no_rule(neutral: str, serving: AppDeployment) -> None:
    same = applied(serving, neutral, seed=3)
    found = violations(same, "app")
    assert [(rule.id, str(each)) for rule, each in found if rule.level == "error"] == []
