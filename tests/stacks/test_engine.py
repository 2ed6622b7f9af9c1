"""The engine: functions with one task each; nothing of theirs is lost or in the open."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from review.template.deployment import ABSENT
from tests.security.app_deployment import AppDeployment
from tests.security.controls import (
    code_comes_from_the_accounts_own_assets,
    failures_raise_an_alarm,
    functions_run_where_and_as_designed,
    functions_start_after_their_permissions,
    logs_are_kept_as_long_as_set,
    nothing_failed_is_lost,
    people_hear_of_jobs_that_ended,
    requests_do_not_grow_old,
    state_can_be_restored,
    the_follower_is_called_by_its_rules_alone,
    the_waiter_calls_the_framework_only,
)

FUNCTION = "AWS::Lambda::Function"
SUBMITTER = {"FunctionName": "finetune-dev-submitter"}
CHECK = {"FunctionName": "finetune-dev-completion-check"}
FOLLOWER = {"FunctionName": "finetune-dev-follower"}
RULE = "AWS::Events::Rule"
PERMISSION = "AWS::Lambda::Permission"
EVENT_CONFIG = "AWS::Lambda::EventInvokeConfig"
ALARM = "AWS::CloudWatch::Alarm"


def test_functions_run_where_and_as_designed(deployment: AppDeployment) -> None:
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
def test_a_submitter_without_something_is_found(dev: AppDeployment, path: str) -> None:
    assert functions_run_where_and_as_designed(dev.without(FUNCTION, path, where=SUBMITTER))


def test_the_completion_check_holds_no_data_and_no_table(dev: AppDeployment) -> None:
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
def test_a_function_with_something_more_is_found(
    dev: AppDeployment, path: str, value: object
) -> None:
    assert functions_run_where_and_as_designed(dev.put(FUNCTION, path, value, where=SUBMITTER))


def test_the_follower_is_told_where_the_jobs_stand_and_no_more(dev: AppDeployment) -> None:
    (function,) = dev.where(FUNCTION, **FOLLOWER)
    assert function["VpcConfig"] is None
    variables = "Environment.Variables"
    for name in ("TABLE_NAME", "TOPIC_ARN", "SUBMITTER_FUNCTION", "MAX_JOBS_IN_PROGRESS"):
        weaker = dev.put(FUNCTION, f"{variables}.{name}", "another", where=FOLLOWER)
        assert functions_run_where_and_as_designed(weaker)
    more = dev.put(FUNCTION, f"{variables}.BUCKET", "bucket-bucket", where=FOLLOWER)
    assert functions_run_where_and_as_designed(more)


def test_submitter_and_follower_know_the_same_number_of_places(
    variant: Callable[[Mapping[str, Any]], AppDeployment],
) -> None:
    three = variant({"engine": {"max_jobs_in_progress": 3}})
    assert functions_run_where_and_as_designed(three) == []
    places = {
        str(function["Environment.Variables.MAX_JOBS_IN_PROGRESS"])
        for function in three.of_type(FUNCTION)
        if function["Environment.Variables.TABLE_NAME"]
    }
    assert places == {"3"}


def test_a_function_more_is_found(dev: AppDeployment) -> None:
    assert functions_run_where_and_as_designed(dev.plus("engine", FUNCTION, Handler="x.y"))


def test_concurrency_is_reserved_where_the_settings_say_so(
    variant: Callable[[Mapping[str, Any]], AppDeployment],
) -> None:
    reserved = variant({"engine": {"reserved_concurrency": 2}})
    assert functions_run_where_and_as_designed(reserved) == []


def test_code_comes_from_the_accounts_own_assets(deployment: AppDeployment) -> None:
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
def test_code_from_elsewhere_is_found(dev: AppDeployment, path: str, value: object) -> None:
    weaker = dev.put(FUNCTION, path, value, where=SUBMITTER)
    assert code_comes_from_the_accounts_own_assets(weaker)


def test_functions_start_after_their_permissions(deployment: AppDeployment) -> None:
    assert functions_start_after_their_permissions(deployment) == []


def test_a_function_that_waits_for_one_policy_less_is_found(dev: AppDeployment) -> None:
    def change(templates: dict[str, Any]) -> None:
        for resource in templates["finetune-dev-engine"]["Resources"].values():
            waits = resource.get("DependsOn", [])
            resource["DependsOn"] = [each for each in waits if "OnEventPolicy" not in each]

    assert functions_start_after_their_permissions(dev.changed(change))


def test_a_function_that_waits_for_nothing_is_found(dev: AppDeployment) -> None:
    def change(templates: dict[str, Any]) -> None:
        for template in templates.values():
            for resource in template["Resources"].values():
                resource.pop("DependsOn", None)

    assert functions_start_after_their_permissions(dev.changed(change))


def test_logs_are_kept_as_long_as_the_settings_say(deployment: AppDeployment) -> None:
    assert logs_are_kept_as_long_as_set(deployment) == []


def test_logs_kept_for_another_time_are_found(dev: AppDeployment) -> None:
    group = "AWS::Logs::LogGroup"
    assert logs_are_kept_as_long_as_set(dev.put(group, "RetentionInDays", 1))
    assert logs_are_kept_as_long_as_set(dev.without(group, "RetentionInDays"))
    assert logs_are_kept_as_long_as_set(
        dev.without_resources(group, LogGroupName="/aws/lambda/finetune-dev-submitter")
    )


def test_every_function_writes_to_a_log_group_of_the_app(deployment: AppDeployment) -> None:
    """Lambda makes a group of its own, unencrypted and for ever, where none is named."""
    groups = {group.ref for group in deployment.of_type("AWS::Logs::LogGroup")}
    functions = deployment.of_type(FUNCTION)
    assert functions
    assert [each.ref for each in functions if each["LoggingConfig.LogGroup"] not in groups] == []


def test_nothing_that_failed_is_lost(deployment: AppDeployment) -> None:
    assert nothing_failed_is_lost(deployment) == []


@pytest.mark.parametrize("statement", ["0", "1"])
@pytest.mark.parametrize("element", ["", ".Condition", ".Principal", ".Action", ".Resource"])
def test_a_weaker_queue_is_found(dev: AppDeployment, statement: str, element: str) -> None:
    policy = "AWS::SQS::QueuePolicy"
    path = f"PolicyDocument.Statement.{statement}{element}"
    if element in {"", ".Condition"}:
        assert nothing_failed_is_lost(dev.without(policy, path))
    else:
        assert nothing_failed_is_lost(dev.put(policy, path, "everything"))


def test_a_queue_that_forgets_is_found(dev: AppDeployment) -> None:
    queue = "AWS::SQS::Queue"
    assert nothing_failed_is_lost(dev.put(queue, "MessageRetentionPeriod", 60))
    assert nothing_failed_is_lost(dev.without_resources("AWS::SQS::QueuePolicy"))
    assert nothing_failed_is_lost(dev.put("AWS::SQS::QueuePolicy", "Queues", []))


def test_requests_do_not_grow_old(deployment: AppDeployment) -> None:
    assert requests_do_not_grow_old(deployment) == []


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("MaximumEventAgeInSeconds", 21600),
        ("MaximumEventAgeInSeconds", ABSENT),
        ("MaximumRetryAttempts", 1),
        ("Qualifier", "live"),
        (
            "DestinationConfig",
            {"OnFailure": {"Destination": "arn:aws:sqs:us-east-1:444455556666:q"}},
        ),
        ("FunctionName", "finetune-dev-completion-check"),
    ],
)
def test_a_function_that_takes_old_requests_is_found(
    dev: AppDeployment, path: str, value: object
) -> None:
    for function in dev.of_type(EVENT_CONFIG):
        where = {"FunctionName": function["FunctionName"]}
        assert requests_do_not_grow_old(dev.put(EVENT_CONFIG, path, value, where=where))
    assert requests_do_not_grow_old(dev.without_resources(EVENT_CONFIG))


def test_what_may_be_under_way_is_given_longer_than_its_function(dev: AppDeployment) -> None:
    """Else a second call could submit or tell what the first is still submitting or telling."""
    from customization.rows import SUBMISSION_GRACE  # noqa: PLC0415
    from customization.steps import ANNOUNCEMENT_LEASE  # noqa: PLC0415

    for where, grace in ((SUBMITTER, SUBMISSION_GRACE), (FOLLOWER, ANNOUNCEMENT_LEASE)):
        (function,) = dev.where(FUNCTION, **where)
        assert function["Timeout"] < grace.total_seconds()


def test_the_follower_is_called_by_its_rules_alone(deployment: AppDeployment) -> None:
    assert the_follower_is_called_by_its_rules_alone(deployment) == []


def test_the_follower_is_called_as_often_as_the_settings_say(
    variant: Callable[[Mapping[str, Any]], AppDeployment],
) -> None:
    often = variant({"engine": {"follow_minutes": 2}})
    assert the_follower_is_called_by_its_rules_alone(often) == []
    assert failures_raise_an_alarm(often) == []
    where = {"Name": "finetune-test-follow"}
    seldom = often.put(RULE, "ScheduleExpression", "rate(1 day)", where=where)
    assert the_follower_is_called_by_its_rules_alone(seldom)


@pytest.mark.parametrize(
    ("type_", "path", "value"),
    [
        (RULE, "Targets.0.DeadLetterConfig", ABSENT),
        (RULE, "Targets.0.Arn", "arn:aws:lambda:us-east-1:444455556666:function:another"),
        (RULE, "Targets.0.RoleArn", "arn:aws:iam::111122223333:role/more"),
        (RULE, "Targets", []),
        (RULE, "State", "DISABLED"),
        (RULE, "EventBusName", "another"),
        (PERMISSION, "SourceArn", ABSENT),
        (PERMISSION, "SourceArn", "arn:aws:events:us-east-1:111122223333:rule/*"),
        (PERMISSION, "SourceAccount", ABSENT),
        (PERMISSION, "Principal", "*"),
        (PERMISSION, "Action", "lambda:*"),
        (PERMISSION, "FunctionName", "finetune-dev-submitter"),
        (PERMISSION, "FunctionUrlAuthType", "NONE"),
    ],
)
def test_a_follower_that_others_call_or_nobody_does_is_found(
    dev: AppDeployment, type_: str, path: str, value: object
) -> None:
    assert the_follower_is_called_by_its_rules_alone(dev.put(type_, path, value))


@pytest.mark.parametrize("path", ["jobName", "jobStatus"])
def test_a_rule_that_hears_of_the_jobs_of_others_is_found(dev: AppDeployment, path: str) -> None:
    where = {"Name": "finetune-dev-job-state"}
    weaker = dev.without(RULE, f"EventPattern.detail.{path}", where=where)
    assert the_follower_is_called_by_its_rules_alone(weaker)


@pytest.mark.parametrize("name", ["job-state", "follow"])
def test_a_rule_less_is_found(dev: AppDeployment, name: str) -> None:
    less = dev.without_resources(RULE, Name=f"finetune-dev-{name}")
    assert the_follower_is_called_by_its_rules_alone(less)


def test_a_rule_or_a_caller_more_is_found(dev: AppDeployment) -> None:
    for type_ in (RULE, PERMISSION):
        assert the_follower_is_called_by_its_rules_alone(dev.plus("engine", type_))


def test_people_hear_of_jobs_that_ended_from_the_follower_and_the_alarms(
    deployment: AppDeployment,
) -> None:
    assert people_hear_of_jobs_that_ended(deployment) == []


@pytest.mark.parametrize(
    "path",
    [
        "Sid=DenyInsecureTransport",
        "Sid=AlarmsPublish",
        "Sid=AlarmsPublish.Condition",
        "Sid=AlarmsPublish.Condition.ArnEquals",
        "Sid=AlarmsPublish.Condition.ArnEquals.aws:SourceArn.0",
    ],
)
def test_a_topic_that_others_fill_is_found(dev: AppDeployment, path: str) -> None:
    policy = "AWS::SNS::TopicPolicy"
    assert people_hear_of_jobs_that_ended(dev.without(policy, f"PolicyDocument.Statement.{path}"))


def test_a_topic_without_its_policy_or_with_a_subscriber_is_found(dev: AppDeployment) -> None:
    assert people_hear_of_jobs_that_ended(dev.without_resources("AWS::SNS::TopicPolicy"))
    assert people_hear_of_jobs_that_ended(dev.without_resources("AWS::SNS::Topic"))
    subscription = [{"Protocol": "https", "Endpoint": "https://example.com"}]
    told = dev.put("AWS::SNS::Topic", "Subscription", subscription)
    assert people_hear_of_jobs_that_ended(told)


def test_failures_raise_an_alarm(deployment: AppDeployment) -> None:
    assert failures_raise_an_alarm(deployment) == []


@pytest.mark.parametrize("name", ["failed-jobs", "follower"])
@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("AlarmActions", []),
        ("AlarmActions", ["arn:aws:sns:us-east-1:444455556666:another"]),
        ("ActionsEnabled", False),
        ("ComparisonOperator", "GreaterThanThreshold"),
        ("EvaluationPeriods", 100),
        ("Threshold", 1000),
        ("TreatMissingData", "ignore"),
    ],
)
def test_an_alarm_that_is_silent_is_found(
    dev: AppDeployment, name: str, path: str, value: object
) -> None:
    where = {"AlarmName": f"finetune-dev-{name}"}
    assert failures_raise_an_alarm(dev.put(ALARM, path, value, where=where))


@pytest.mark.parametrize(
    ("name", "path", "value"),
    [
        ("failed-jobs", "MetricName", "EndedJobs"),
        ("failed-jobs", "Dimensions", ABSENT),
        ("failed-jobs", "Namespace", "Another"),
        ("follower", "Metrics.0.Expression", "invocations"),
        ("follower", "Metrics.1.MetricStat.Period", 86400),
        ("follower", "Metrics.2.MetricStat.Metric.Dimensions.0.Value", "another"),
        ("follower", "Metrics", []),
    ],
)
def test_an_alarm_that_watches_something_else_is_found(
    dev: AppDeployment, name: str, path: str, value: object
) -> None:
    where = {"AlarmName": f"finetune-dev-{name}"}
    assert failures_raise_an_alarm(dev.put(ALARM, path, value, where=where))


@pytest.mark.parametrize("name", ["failed-jobs", "follower"])
def test_an_alarm_more_or_less_is_found(dev: AppDeployment, name: str) -> None:
    assert failures_raise_an_alarm(dev.without_resources(ALARM, AlarmName=f"finetune-dev-{name}"))
    assert failures_raise_an_alarm(dev.plus("engine", ALARM, AlarmName="another"))


def test_the_state_of_jobs_can_be_restored(deployment: AppDeployment) -> None:
    assert state_can_be_restored(deployment) == []


def test_a_table_without_recovery_is_found(dev: AppDeployment) -> None:
    table = "AWS::DynamoDB::Table"
    assert state_can_be_restored(dev.without(table, "PointInTimeRecoverySpecification"))
    assert state_can_be_restored(dev.put(table, "StreamSpecification", {"StreamViewType": "X"}))
    assert state_can_be_restored(dev.put(table, "TableName", "another"))


def test_a_table_that_forgets_jobs_is_found(dev: AppDeployment) -> None:
    """Rows of jobs have a time of submission: were it the time to live, they would expire."""
    path = "TimeToLiveSpecification.AttributeName"
    assert state_can_be_restored(dev.put("AWS::DynamoDB::Table", path, "SubmittedAt"))
    assert state_can_be_restored(dev.without("AWS::DynamoDB::Table", "TimeToLiveSpecification"))


def test_the_waiter_calls_the_framework_alone_and_gives_up_in_time(
    deployment: AppDeployment,
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
def test_another_state_machine_is_found(dev: AppDeployment, definition: str) -> None:
    machine = "AWS::StepFunctions::StateMachine"
    weaker = dev.put(machine, "DefinitionString", definition)
    assert the_waiter_calls_the_framework_only(weaker)
