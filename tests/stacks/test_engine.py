"""The engine: functions with one task each; nothing of theirs is lost or in the open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from tests.security.controls import (
    code_comes_from_the_accounts_own_assets,
    functions_run_where_and_as_designed,
    functions_start_after_their_permissions,
    logs_are_kept_as_long_as_set,
    nothing_failed_is_lost,
    people_hear_of_jobs_that_ended,
    state_can_be_restored,
    the_waiter_calls_the_framework_only,
)
from tests.security.deployment import Deployment

FUNCTION = "AWS::Lambda::Function"
SUBMITTER = {"FunctionName": "finetune-dev-submitter"}
CHECK = {"FunctionName": "finetune-dev-completion-check"}


def test_functions_run_where_and_as_designed(deployment: Deployment) -> None:
    assert functions_run_where_and_as_designed(deployment) == []


@pytest.mark.parametrize(
    "path",
    [
        "VpcConfig",
        "VpcConfig.SubnetIds.0",
        "VpcConfig.SecurityGroupIds.0",
        "DeadLetterConfig",
        "LoggingConfig",
        "Timeout",
        "Role",
    ],
)
def test_a_submitter_without_something_is_found(dev: Deployment, path: str) -> None:
    assert functions_run_where_and_as_designed(dev.without(FUNCTION, path, where=SUBMITTER))


def test_the_completion_check_holds_no_data_and_no_table(dev: Deployment) -> None:
    (function,) = dev.where(FUNCTION, **CHECK)
    assert function["VpcConfig"] is None
    assert "TABLE_NAME" not in function["Environment.Variables"]


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("Environment.Variables.API_TOKEN", "secret"),
        ("Timeout", 900),
        ("Runtime", "python3.9"),
        ("Layers", ["arn:aws:lambda:us-east-1:444455556666:layer:more:1"]),
        ("KmsKeyArn", "alias/aws/lambda"),
        ("ReservedConcurrentExecutions", 0),
        ("LoggingConfig", {"LogGroup": "/another"}),
    ],
)
def test_a_function_with_something_more_is_found(dev: Deployment, path: str, value: object) -> None:
    assert functions_run_where_and_as_designed(dev.put(FUNCTION, path, value, where=SUBMITTER))


def test_a_function_more_is_found(dev: Deployment) -> None:
    assert functions_run_where_and_as_designed(dev.plus("engine", FUNCTION, Handler="x.y"))


def test_concurrency_is_reserved_where_the_settings_say_so(
    variant: Callable[[Mapping[str, Any]], Deployment],
) -> None:
    reserved = variant({"engine": {"reserved_concurrency": 2}})
    assert functions_run_where_and_as_designed(reserved) == []


def test_code_comes_from_the_accounts_own_assets(deployment: Deployment) -> None:
    assert code_comes_from_the_accounts_own_assets(deployment) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("Code.S3Bucket", "bucket-of-others"),
        ("Code.S3Key", "latest.zip"),
        ("Code", {"ZipFile": "def handler(event, context): ..."}),
        ("Code", {"ImageUri": "444455556666.dkr.ecr.us-east-1.amazonaws.com/image:latest"}),
    ],
)
def test_code_from_elsewhere_is_found(dev: Deployment, path: str, value: object) -> None:
    weaker = dev.put(FUNCTION, path, value, where=SUBMITTER)
    assert code_comes_from_the_accounts_own_assets(weaker)


def test_functions_start_after_their_permissions(deployment: Deployment) -> None:
    assert functions_start_after_their_permissions(deployment) == []


def test_a_function_that_waits_for_one_policy_less_is_found(dev: Deployment) -> None:
    def change(templates: dict[str, Any]) -> None:
        for resource in templates["finetune-dev-engine"]["Resources"].values():
            waits = resource.get("DependsOn", [])
            resource["DependsOn"] = [each for each in waits if "OnEventPolicy" not in each]

    assert functions_start_after_their_permissions(dev.changed(change))


def test_a_function_that_waits_for_nothing_is_found(dev: Deployment) -> None:
    def change(templates: dict[str, Any]) -> None:
        for template in templates.values():
            for resource in template["Resources"].values():
                resource.pop("DependsOn", None)

    assert functions_start_after_their_permissions(dev.changed(change))


def test_logs_are_kept_as_long_as_the_settings_say(deployment: Deployment) -> None:
    assert logs_are_kept_as_long_as_set(deployment) == []


def test_logs_kept_for_another_time_are_found(dev: Deployment) -> None:
    group = "AWS::Logs::LogGroup"
    assert logs_are_kept_as_long_as_set(dev.put(group, "RetentionInDays", 1))
    assert logs_are_kept_as_long_as_set(dev.without(group, "RetentionInDays"))
    assert logs_are_kept_as_long_as_set(
        dev.without_resources(group, LogGroupName="/aws/lambda/finetune-dev-submitter")
    )


def test_every_function_writes_to_a_log_group_of_the_app(deployment: Deployment) -> None:
    """Lambda makes a group of its own, unencrypted and for ever, where none is named."""
    groups = {group.ref for group in deployment.of_type("AWS::Logs::LogGroup")}
    functions = deployment.of_type(FUNCTION)
    assert functions
    assert [each.ref for each in functions if each["LoggingConfig.LogGroup"] not in groups] == []


def test_nothing_that_failed_is_lost(deployment: Deployment) -> None:
    assert nothing_failed_is_lost(deployment) == []


@pytest.mark.parametrize("statement", ["0", "1"])
@pytest.mark.parametrize("element", ["", ".Condition", ".Principal", ".Action", ".Resource"])
def test_a_weaker_queue_is_found(dev: Deployment, statement: str, element: str) -> None:
    policy = "AWS::SQS::QueuePolicy"
    path = f"PolicyDocument.Statement.{statement}{element}"
    if element in {"", ".Condition"}:
        assert nothing_failed_is_lost(dev.without(policy, path))
    else:
        assert nothing_failed_is_lost(dev.put(policy, path, "everything"))


def test_a_queue_that_forgets_is_found(dev: Deployment) -> None:
    queue = "AWS::SQS::Queue"
    assert nothing_failed_is_lost(dev.put(queue, "MessageRetentionPeriod", 60))
    assert nothing_failed_is_lost(dev.without_resources("AWS::SQS::QueuePolicy"))
    assert nothing_failed_is_lost(dev.put("AWS::SQS::QueuePolicy", "Queues", []))


def test_people_hear_of_jobs_that_ended_and_the_rule_alone_tells_them(
    deployment: Deployment,
) -> None:
    assert people_hear_of_jobs_that_ended(deployment) == []


@pytest.mark.parametrize(
    ("type_", "path"),
    [
        ("AWS::SNS::TopicPolicy", "PolicyDocument.Statement.Sid=DenyInsecureTransport"),
        ("AWS::SNS::TopicPolicy", "PolicyDocument.Statement.Sid=JobStateRulePublishes.Condition"),
        ("AWS::Events::Rule", "Targets.0.DeadLetterConfig"),
        ("AWS::Events::Rule", "EventPattern.detail.jobName"),
    ],
)
def test_a_topic_that_others_fill_is_found(dev: Deployment, type_: str, path: str) -> None:
    assert people_hear_of_jobs_that_ended(dev.without(type_, path))


def test_a_rule_that_is_off_is_found(dev: Deployment) -> None:
    assert people_hear_of_jobs_that_ended(dev.put("AWS::Events::Rule", "State", "DISABLED"))
    assert people_hear_of_jobs_that_ended(dev.without_resources("AWS::Events::Rule"))


def test_the_state_of_jobs_can_be_restored(deployment: Deployment) -> None:
    assert state_can_be_restored(deployment) == []


def test_a_table_without_recovery_is_found(dev: Deployment) -> None:
    table = "AWS::DynamoDB::Table"
    assert state_can_be_restored(dev.without(table, "PointInTimeRecoverySpecification"))
    assert state_can_be_restored(dev.put(table, "StreamSpecification", {"StreamViewType": "X"}))
    assert state_can_be_restored(dev.put(table, "TableName", "another"))


def test_the_waiter_calls_the_framework_alone_and_gives_up_in_time(
    deployment: Deployment,
) -> None:
    assert the_waiter_calls_the_framework_only(deployment) == []


@pytest.mark.parametrize(
    "definition",
    [
        "{}",
        "no JSON",
        '{"StartAt": "a", "States": {"a": {"Type": "Task", "Resource": "arn:aws:lambda:x"}}}',
    ],
)
def test_another_state_machine_is_found(dev: Deployment, definition: str) -> None:
    machine = "AWS::StepFunctions::StateMachine"
    weaker = dev.put(machine, "DefinitionString", definition)
    assert the_waiter_calls_the_framework_only(weaker)
