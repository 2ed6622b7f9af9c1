"""Controls of the functions, and of what becomes of their events and logs."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from typing import Any, Final

from tests.security.app_deployment import AppDeployment
from tests.security.control import control, exactly, policy_findings, property_findings
from tests.security.groups import groups_in_use
from tests.security.permissions import permissions_of


@control
def functions_run_where_and_as_designed(deployment: AppDeployment) -> list[str]:
    """Seven functions: role, place, log group, dead letters, time limits, and no secrets."""
    findings = []
    functions = deployment.of_type("AWS::Lambda::Function")
    expected = _expected_functions(deployment)
    names = sorted(function.ref for function in functions)
    if names != sorted(expected):
        findings.append(f"functions {names}, expected {sorted(expected)}")
    for function in functions:
        findings += property_findings(
            function,
            expected.get(function.ref, {}),
            also={"Code", "Description", "FunctionName", "Tags"},
        )
    return findings


def _expected_functions(deployment: AppDeployment) -> dict[str, dict[str, Any]]:
    permissions = permissions_of(deployment)
    settings = deployment.settings
    env = settings.environment
    concurrency = (
        {}
        if settings.engine.reserved_concurrency is None
        else {"ReservedConcurrentExecutions": settings.engine.reserved_concurrency}
    )
    dead_letters = {"DeadLetterConfig": {"TargetArn": permissions.queue}, **concurrency}

    def ours(
        purpose: str, *, timeout: int, more_variables: Mapping[str, str], **more: object
    ) -> dict[str, Any]:
        variables = {
            "POWERTOOLS_SERVICE_NAME": purpose,
            "POWERTOOLS_LOG_LEVEL": settings.engine.log_level,
            **more_variables,
        }
        return {
            "Architectures": ["arm64"],
            "Environment": {"Variables": variables},
            "Handler": f"{purpose.replace('-', '_')}.handler.handler",
            "LoggingConfig": {"LogGroup": f"/aws/lambda/finetune-{env}-{purpose}"},
            "MemorySize": 512,
            "Role": permissions.roles[purpose],
            "Runtime": "python3.13",
            "Timeout": timeout,
            **dead_letters,
            **more,
        }

    queue = {
        "TABLE_NAME": f"finetune-{env}-jobs",
        "MAX_JOBS_IN_PROGRESS": str(settings.engine.max_jobs_in_progress),
    }
    found = {
        f"finetune-{env}-submitter": ours(
            "submitter",
            timeout=300,
            more_variables={**queue, "PROPAGATION_SECONDS": "60"},
            VpcConfig={
                "SecurityGroupIds": [groups_in_use(deployment).functions],
                "SubnetIds": [f"subnet-{cidr}" for cidr in deployment.service_cidrs.values()],
            },
        ),
        f"finetune-{env}-completion-check": ours("completion-check", timeout=60, more_variables={}),
        f"finetune-{env}-follower": ours(
            "follower",
            timeout=300,
            more_variables={
                **queue,
                "TOPIC_ARN": permissions.topic,
                "SUBMITTER_FUNCTION": f"finetune-{env}-submitter",
            },
        ),
        "CustomVpcRestrictDefaultSGCustomResourceProviderHandler": {
            "Handler": "__entrypoint__.handler",
            "LoggingConfig": {"LogGroup": f"/aws/lambda/finetune-{env}-default-group"},
            "MemorySize": 128,
            "Role": permissions.roles["default-group"],
            "Runtime": NODE,
            "Timeout": 900,
        },
    }
    for step, role in (
        ("onEvent", "on-event"),
        ("isComplete", "complete"),
        ("onTimeout", "complete"),
    ):
        variables = {
            "USER_ON_EVENT_FUNCTION_ARN": permissions.function("submitter"),
            "USER_IS_COMPLETE_FUNCTION_ARN": permissions.function("completion-check"),
            **(
                {
                    "WAITER_STATE_MACHINE_ARN": deployment.arn(
                        "states", "stateMachine:EngineFrameworkProviderwaiterstatemachine"
                    )
                }
                if step == "onEvent"
                else {}
            ),
        }
        found[f"EngineFrameworkProviderframework{step}"] = {
            "Environment": {"Variables": variables},
            "Handler": f"framework.{step}",
            "LoggingConfig": {
                "ApplicationLogLevel": "FATAL",
                "LogFormat": "JSON",
                "LogGroup": f"/aws/lambda/finetune-{env}-framework",
            },
            "MemorySize": 256,
            "Role": permissions.roles[role],
            "Runtime": NODE,
            "Timeout": 900,
            **dead_letters,
        }
    return found


NODE: Final = "nodejs24.x"
"""The runtime of the library's functions: what the pinned aws-cdk-lib writes."""


@control
def functions_start_after_their_permissions(deployment: AppDeployment) -> list[str]:
    """What runs with a role waits for the role's policies: before them its logs would be lost."""
    findings = []
    for runner in deployment.of_type("AWS::Lambda::Function", "AWS::StepFunctions::StateMachine"):
        role = str(runner["Role"] or runner["RoleArn"]).rsplit("/", maxsplit=1)[-1]
        waits_for = runner.attributes.get("DependsOn", [])
        # Those of another stack are there: its stack waits for that one.
        needed = [
            each
            for each in deployment.of_type("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy")
            if each.stack == runner.stack and role in (each["Roles"] or [])
        ]
        findings += [
            f"{runner}: does not wait for {each.ref}"
            for each in needed
            if each.logical_id not in waits_for
        ]
        if not waits_for:
            findings.append(f"{runner}: waits for nothing")
    return findings


@control
def code_comes_from_the_accounts_own_assets(deployment: AppDeployment) -> list[str]:
    """Code by its content from the bootstrap bucket of this account and Region, and no other."""
    bucket = f"cdk-hnb659fds-assets-{deployment.account}-{deployment.region}"
    return [
        f"{function}: code from {function['Code']}"
        for function in deployment.of_type("AWS::Lambda::Function")
        if function["Code.S3Bucket"] != bucket
        or not re.fullmatch(r"[0-9a-f]{64}\.zip", str(function["Code.S3Key"]))
        or set(function["Code"]) != {"S3Bucket", "S3Key"}
    ]


@control
def logs_are_kept_as_long_as_set(deployment: AppDeployment) -> list[str]:
    """A log group for each function and for the flow logs, with the retention of the settings."""
    settings = deployment.settings
    env = settings.environment
    expected = {
        f"/aws/lambda/finetune-{env}-{purpose}": settings.engine.log_retention_days
        for purpose in ("submitter", "completion-check", "follower", "framework", "default-group")
    }
    expected[f"/finetune/{env}/flow-logs"] = settings.network.flow_log_retention_days
    groups = deployment.of_type("AWS::Logs::LogGroup")
    findings = [
        f"log group missing: {name}" for name in sorted(set(expected) - {g.ref for g in groups})
    ]
    for group in groups:
        days = expected.get(group.ref)
        findings += property_findings(
            group, {"RetentionInDays": days}, also={"KmsKeyId", "LogGroupName", "Tags"}
        )
    return findings


@control
def nothing_failed_is_lost(deployment: AppDeployment) -> list[str]:
    """Dead letters stay two weeks; the queue takes them over TLS, of services from the rules."""
    permissions = permissions_of(deployment)
    queues, findings = exactly(deployment, "AWS::SQS::Queue", 1)
    for queue in queues:
        findings += property_findings(
            queue,
            {
                "MessageRetentionPeriod": 14 * 24 * 3600,
                "QueueName": f"finetune-{deployment.settings.environment}-failed-events",
            },
            also={"KmsMasterKeyId", "Tags"},
        )
    policies, more = exactly(deployment, "AWS::SQS::QueuePolicy", 1)
    findings += more
    for policy in policies:
        if policy["Queues"] != [queue.ref for queue in queues]:
            findings.append(f"{policy}: on {policy['Queues']}")
        findings += policy_findings(policy, "PolicyDocument", permissions.queue_policy)
    return findings


@control
def requests_do_not_grow_old(deployment: AppDeployment) -> list[str]:
    """What Lambda could not deliver in minutes it drops: left to itself it would try for hours."""
    permissions = permissions_of(deployment)
    env = deployment.settings.environment
    on_event = permissions.framework("onEvent").rsplit(":", maxsplit=1)[-1]
    # Seconds, and how often Lambda tries again. The follower is called again anyway.
    expected = {
        on_event: (600, 2),
        f"finetune-{env}-submitter": (600, 2),
        f"finetune-{env}-follower": (60, 0),
    }
    configs, findings = exactly(deployment, "AWS::Lambda::EventInvokeConfig", len(expected))
    of = sorted(str(config["FunctionName"]) for config in configs)
    if of != sorted(expected):
        findings.append(f"limits for {of}, expected {sorted(expected)}")
    for config in configs:
        age, retries = expected.get(str(config["FunctionName"]), (0, 0))
        findings += property_findings(
            config,
            {
                "MaximumEventAgeInSeconds": age,
                "MaximumRetryAttempts": retries,
                "Qualifier": "$LATEST",
            },
            also={"FunctionName"},
        )
    return findings


@control
def the_follower_is_called_by_its_rules_alone(deployment: AppDeployment) -> list[str]:
    """One rule hears of the environment's jobs, the other calls every few minutes; nobody else."""
    permissions = permissions_of(deployment)
    env = deployment.settings.environment
    follower = permissions.function("follower")
    expected: dict[str, dict[str, Any]] = {
        permissions.job_state_rule: {
            "EventPattern": {
                "source": ["aws.bedrock"],
                "detail-type": ["Model Customization Job State Change"],
                "detail": {
                    "jobStatus": ["Completed", "Failed", "Stopped"],
                    "jobName": [{"prefix": f"{env}-"}],
                },
            },
        },
        permissions.follow_rule: {
            "ScheduleExpression": f"rate({deployment.settings.engine.follow_minutes} minutes)",
        },
    }
    target = {
        "Arn": follower,
        "DeadLetterConfig": {"Arn": permissions.queue},
        "Id": "Follower",
    }
    rules, findings = exactly(deployment, "AWS::Events::Rule", len(expected))
    if sorted(rule.arn for rule in rules) != sorted(expected):
        findings.append(f"rules {[rule.arn for rule in rules]}, expected {sorted(expected)}")
    for rule in rules:
        findings += property_findings(
            rule,
            {**expected.get(rule.arn, {}), "Targets": [target]},
            also={"Description", "Name", "Tags"},
        )
    permitted, more = exactly(deployment, "AWS::Lambda::Permission", len(expected))
    findings += more
    sources = sorted(str(permission["SourceArn"]) for permission in permitted)
    if sources != sorted(expected):
        findings.append(f"callers {sources}, expected {sorted(expected)}")
    for permission in permitted:
        findings += property_findings(
            permission,
            {
                "Action": "lambda:InvokeFunction",
                "FunctionName": follower,
                "Principal": "events.amazonaws.com",
                "SourceAccount": deployment.account,
            },
            also={"SourceArn"},
        )
    return findings


@control
def people_hear_of_jobs_that_ended(deployment: AppDeployment) -> list[str]:
    """An encrypted topic on which the follower and the alarms publish, and nobody else."""
    permissions = permissions_of(deployment)
    topics, findings = exactly(deployment, "AWS::SNS::Topic", 1)
    for topic in topics:
        findings += property_findings(topic, {}, also={"DisplayName", "KmsMasterKeyId", "Tags"})
    policies, more = exactly(deployment, "AWS::SNS::TopicPolicy", 1)
    findings += more
    for policy in policies:
        if policy["Topics"] != [topic.ref for topic in topics]:
            findings.append(f"{policy}: on {policy['Topics']}")
        findings += policy_findings(policy, "PolicyDocument", permissions.topic_policy)
    return findings


@control
def failures_raise_an_alarm(deployment: AppDeployment) -> list[str]:
    """One alarm on jobs that failed, one on a follower that fails or is not called at all."""
    permissions = permissions_of(deployment)
    settings = deployment.settings
    env = settings.environment

    def calls(metric: str) -> dict[str, Any]:
        """A metric of the follower, over the time of three rounds."""
        return {
            "Id": metric.lower(),
            "MetricStat": {
                "Metric": {
                    "Dimensions": [{"Name": "FunctionName", "Value": f"finetune-{env}-follower"}],
                    "MetricName": metric,
                    "Namespace": "AWS/Lambda",
                },
                "Period": 3 * 60 * settings.engine.follow_minutes,
                "Stat": "Sum",
            },
            "ReturnData": False,
        }

    expected: dict[str, dict[str, Any]] = {
        f"finetune-{env}-failed-jobs": {
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "Dimensions": [{"Name": "Environment", "Value": env}],
            "MetricName": "FailedJobs",
            "Namespace": "Finetune",
            "Period": 300,
            "Statistic": "Sum",
            # No job ended: no job failed.
            "TreatMissingData": "notBreaching",
        },
        f"finetune-{env}-follower": {
            "ComparisonOperator": "LessThanThreshold",
            "Metrics": [
                {"Expression": "invocations - errors", "Id": "expr_1", "ReturnData": True},
                calls("Invocations"),
                calls("Errors"),
            ],
            # Nobody calls it: nobody hears of anything.
            "TreatMissingData": "breaching",
        },
    }
    alarms, findings = exactly(deployment, "AWS::CloudWatch::Alarm", len(expected))
    names = sorted(alarm.ref for alarm in alarms)
    if names != sorted(expected):
        findings.append(f"alarms {names}, expected {sorted(expected)}")
    for alarm in alarms:
        said = expected.get(alarm.ref, {})
        findings += property_findings(
            alarm,
            {
                **{name: value for name, value in said.items() if name != "Metrics"},
                "AlarmActions": [permissions.topic],
                "EvaluationPeriods": 1,
                "Threshold": 1,
            },
            also={"AlarmDescription", "AlarmName", "Metrics", "Tags"},
        )
        # A label is text for people.
        watched = [
            {name: value for name, value in each.items() if name != "Label"}
            for each in alarm["Metrics"] or []
        ]
        if watched != said.get("Metrics", []):
            findings.append(f"{alarm}: watches {json.dumps(watched)}")
    return findings


@control
def state_can_be_restored(deployment: AppDeployment) -> list[str]:
    """One table, by the job's id, restorable to any second of 35 days.

    Only items that say when they expire do: the requests that were seen, and no job.
    """
    tables, findings = exactly(deployment, "AWS::DynamoDB::Table", 1)
    for table in tables:
        findings += property_findings(
            table,
            {
                "AttributeDefinitions": [{"AttributeName": "Id", "AttributeType": "S"}],
                "BillingMode": "PAY_PER_REQUEST",
                "KeySchema": [{"AttributeName": "Id", "KeyType": "HASH"}],
                "PointInTimeRecoverySpecification": {"PointInTimeRecoveryEnabled": True},
                "TableName": f"finetune-{deployment.settings.environment}-jobs",
                "TimeToLiveSpecification": {"AttributeName": "ExpiresAt", "Enabled": True},
            },
            also={"DeletionProtectionEnabled", "SSESpecification", "Tags"},
        )
    return findings


@control
def the_waiter_calls_the_framework_only(deployment: AppDeployment) -> list[str]:
    """The provider's state machine asks the completion check for half an hour, then gives up."""
    permissions = permissions_of(deployment)
    machines, findings = exactly(deployment, "AWS::StepFunctions::StateMachine", 1)
    expected = {
        "framework-isComplete-task": permissions.framework("isComplete"),
        "framework-onTimeout-task": permissions.framework("onTimeout"),
    }
    for machine in machines:
        findings += property_findings(
            machine,
            {"RoleArn": permissions.roles["waiter"]},
            also={"DefinitionString", "Tags"},
        )
        try:
            states = json.loads(machine["DefinitionString"] or "{}").get("States", {})
        except ValueError:
            findings.append(f"{machine}: its definition is no JSON")
            continue
        if {name: state.get("Resource") for name, state in states.items()} != expected:
            findings.append(f"{machine}: states {sorted(states)}")
            continue
        waiting = states["framework-isComplete-task"]
        (retry,) = waiting.get("Retry") or [{}]
        if retry.get("IntervalSeconds", 0) * retry.get("MaxAttempts", 0) != 30 * 60:
            findings.append(f"{machine}: waits {retry}")
        if [catch.get("Next") for catch in waiting.get("Catch", [])] != [
            "framework-onTimeout-task"
        ]:
            findings.append(f"{machine}: a job that is never complete is not given up")
    return findings
