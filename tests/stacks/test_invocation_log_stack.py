"""The log of model invocations in the templates: who writes, who sets it, and who comes first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from customization.calls import LOGGING_CALLS, actions
from deployments.invocation_logging import RESOURCE_TYPE, Destination
from tests.security.app_deployment import AppDeployment
from tests.security.control import role_grants
from tests.security.synthesis import WITH_INFERENCE

Maker = Callable[[Mapping[str, Any]], AppDeployment]

LOGGED: Mapping[str, Any] = {
    **WITH_INFERENCE,
    "inference": {"enabled": True, "invocation_logging": True},
}
PREFIX = "finetune-test-us-east-1"
GROUP = "/finetune/test/invocations"
STACK = "finetune-test-inference"
READS = frozenset(
    f"logs:{each}"
    for each in (
        "*", "FilterLogEvents", "GetLogEvents", "GetLogRecord", "GetQueryResults", "StartLiveTail",
        "StartQuery", "Unmask",
    )
)  # fmt: skip


def readers(deployment: AppDeployment) -> list[str]:
    return [
        role.ref
        for role in deployment.of_type("AWS::IAM::Role")
        if READS & {grant.action for grant in role_grants(deployment, role.ref)}
    ]


@pytest.fixture(scope="session")
def logged(variant: Maker) -> AppDeployment:
    return variant(LOGGED)


@pytest.fixture(scope="session")
def unlogged(variant: Maker) -> AppDeployment:
    return variant(WITH_INFERENCE)


def test_nothing_of_it_is_there_unless_it_is_asked_for(unlogged: AppDeployment) -> None:
    assert unlogged.of_type(RESOURCE_TYPE) == []
    assert "InvocationLogging" not in str(unlogged.templates[STACK])
    assert not {g for g in role_grants(unlogged, f"{PREFIX}-deployer") if "Invocation" in g.action}


def test_the_other_stacks_stay_as_they_are(logged: AppDeployment, unlogged: AppDeployment) -> None:
    for name, template in unlogged.templates.items():
        if name in {STACK, "finetune-test-identity", "finetune-test-engine"}:
            continue
        assert logged.templates[name] == template, name
    for name in ("finetune-test-identity", "finetune-test-engine"):
        # Exports alone: what the stack imports of them.
        assert logged.templates[name]["Resources"] == unlogged.templates[name]["Resources"]


def test_the_submitter_takes_its_properties(logged: AppDeployment) -> None:
    (resource,) = logged.of_type(RESOURCE_TYPE)
    asked = Destination.from_properties(dict(resource.properties))
    assert asked.log_group == GROUP
    assert asked.role_arn.endswith(f":role/{PREFIX}-invocation-logs")


def test_the_log_is_under_the_data_key_and_kept_as_the_others(logged: AppDeployment) -> None:
    (group,) = logged.where("AWS::Logs::LogGroup", LogGroupName=GROUP)
    (other,) = logged.where("AWS::Logs::LogGroup", LogGroupName="/finetune/test/follow-up")
    assert group["KmsKeyId"]
    for name in ("KmsKeyId", "RetentionInDays"):
        assert group[name] == other[name]
    for name in ("DeletionPolicy", "UpdateReplacePolicy"):
        assert group.attribute(name) == other.attribute(name)


def test_no_role_may_read_it(logged: AppDeployment) -> None:
    assert readers(logged) == []


def test_a_role_that_may_read_it_is_noticed(logged: AppDeployment) -> None:
    reader = f"{PREFIX}-reader"
    more = {"Effect": "Allow", "Action": "logs:GetLogEvents", "Resource": "*"}
    weaker = logged.plus(
        "access",
        "AWS::IAM::ManagedPolicy",
        Roles=[reader],
        PolicyDocument={"Version": "2012-10-17", "Statement": [more]},
    )
    assert readers(weaker) == [reader]


def test_bedrock_writes_to_one_stream(logged: AppDeployment) -> None:
    said = role_grants(logged, f"{PREFIX}-invocation-logs")
    assert {grant.action for grant in said} == {"logs:CreateLogStream", "logs:PutLogEvents"}
    (resource,) = {grant.resource for grant in said}
    assert resource.endswith(f":log-group:{GROUP}:log-stream:aws/bedrock/modelinvocations")


def test_the_deployer_sets_it_and_passes_one_role_to_bedrock(logged: AppDeployment) -> None:
    said = role_grants(logged, f"{PREFIX}-deployer")
    assert set(actions(LOGGING_CALLS)) <= {grant.action for grant in said}
    (passed,) = [g for g in said if g.action == "iam:PassRole" and "invocation" in g.resource]
    assert passed.resource.endswith(f":role/{PREFIX}-invocation-logs")
    assert "bedrock.amazonaws.com" in str(passed.conditions)


def test_what_it_needs_is_made_before_and_goes_after_it(logged: AppDeployment) -> None:
    resources = logged.templates[STACK]["Resources"]
    (resource,) = [each for each in resources.values() if each["Type"] == RESOURCE_TYPE]
    waits = {resources[name]["Type"] for name in resource["DependsOn"]}
    assert waits >= {"AWS::IAM::ManagedPolicy", "AWS::Lambda::Function"}
    policies = [n for n in resource["DependsOn"] if "InvocationLogging" in n]
    assert len(policies) == 2, "the role's policy and the deployer's"
