"""An environment that deploys its models, with one thing changed so that it breaks a rule."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, NamedTuple

from review.template.deployment import ABSENT
from tests.security.app_deployment import AppDeployment

Change = Callable[[AppDeployment], AppDeployment]

POLICY = "AWS::IAM::ManagedPolicy"
ROLE = "AWS::IAM::Role"
KEY = "AWS::KMS::Key"
MACHINE = "AWS::StepFunctions::StateMachine"
DASHBOARD = "AWS::CloudWatch::Dashboard"
ENDPOINT = "AWS::EC2::VPCEndpoint"
FUNCTION = "AWS::Lambda::Function"
REQUEST = "Custom::BedrockModelDeployment"
FOLLOW_UP = {"StateMachineName": "finetune-test-follow-up"}
BOUGHT = {"Job": "bought"}
ASKED = {"Job": "review"}
MODEL_KEY = {"Description": "Custom models of the environment test"}
DATA_KEY = {"Description": "Data, logs and state of the environment test"}
RUNTIME = {"ServiceName": "com.amazonaws.us-east-1.bedrock-runtime"}


class ServingTwin(NamedTuple):
    """A change that breaks a rule."""

    rule: str
    change: Change
    what: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.what}"


def _put(type_: str, path: str, value: object, **where: object) -> Change:
    return lambda made: made.put(type_, path, value, where=where)


def _gone(type_: str, **where: object) -> Change:
    return lambda made: made.without_resources(type_, **where)


def in_policy(sid: str, element: str, value: object) -> Change:
    """One element of the statement of a name in some managed policy."""
    return _in_policies(POLICY, "PolicyDocument", sid, element, value)


def in_key(sid: str, element: str, value: object) -> Change:
    """One element of the statement of a name in a key's policy."""
    return _in_policies(KEY, "KeyPolicy", sid, element, value)


def _in_policies(type_: str, document: str, sid: str, element: str, value: object) -> Change:
    def change(templates: dict[str, Any]) -> None:
        for statement in _statements(templates, type_, document, sid):
            if value is ABSENT:
                del statement[element]
            else:
                statement[element] = value

    return lambda made: made.changed(change)


def _statements(
    templates: dict[str, Any], type_: str, document: str, sid: str
) -> list[dict[str, Any]]:
    found = [
        statement
        for template in templates.values()
        for resource in template["Resources"].values()
        if resource["Type"] == type_
        for statement in resource["Properties"][document]["Statement"]
        if statement.get("Sid") == sid
    ]
    assert found, f"no statement {sid}"
    return found


def _may_besides(sid: str, *actions: str) -> Change:
    """A statement more, without a condition, in the policy that has the statement of a name."""

    def change(templates: dict[str, Any]) -> None:
        more = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        for template in templates.values():
            for resource in template["Resources"].values():
                said = resource["Properties"].get("PolicyDocument", {}).get("Statement", [])
                if resource["Type"] == POLICY and any(each.get("Sid") == sid for each in said):
                    said.append(more)

    return lambda made: made.changed(change)


def _in_definition(change: Callable[[dict[str, Any]], object]) -> Change:
    """The states of the follow-up, changed."""

    def applied(made: AppDeployment) -> AppDeployment:
        (machine,) = made.where(MACHINE, **FOLLOW_UP)
        definition = json.loads(machine["DefinitionString"])
        change(definition["States"])
        return made.put(MACHINE, "DefinitionString", json.dumps(definition), where=FOLLOW_UP)

    return applied


def _in_dashboard(change: Callable[[list[dict[str, Any]]], object]) -> Change:
    def applied(made: AppDeployment) -> AppDeployment:
        (dashboard,) = made.of_type(DASHBOARD)
        body = json.loads(dashboard["DashboardBody"])
        change(body["widgets"])
        return made.put(DASHBOARD, "DashboardBody", json.dumps(body))

    return applied


def _waiting_for_no(type_: str) -> Change:
    """Nothing waits for a resource of a type any more."""

    def change(templates: dict[str, Any]) -> None:
        there = [r for template in templates.values() for r in template["Resources"].items()]
        names = {name for name, resource in there if resource["Type"] == type_}
        for _, resource in there:
            waits = resource.get("DependsOn", [])
            if isinstance(waits, list) and names & set(waits):
                resource["DependsOn"] = [each for each in waits if each not in names]

    return lambda made: made.changed(change)


def _in_outputs(change: Callable[[dict[str, Any]], object]) -> Change:
    """The outputs of the stack of the job whose model is deployed on demand, changed."""

    def in_all(templates: dict[str, Any]) -> None:
        change(templates["finetune-test-job-review"]["Outputs"])

    return lambda made: made.changed(in_all)


def _without_waiting(made: AppDeployment) -> AppDeployment:
    import dataclasses  # noqa: PLC0415 - here alone

    waiting = {**made.dependencies, "finetune-test-job-bought": frozenset[str]()}
    return dataclasses.replace(made, dependencies=waiting)


_TAG = "finetune:environment"

_CHANGES: dict[str, dict[str, Change]] = {
    "deployments.carry-a-tag": {
        "bought without": in_policy("TagWhatIsDeployedAsOurs", "Condition", ABSENT),
        "deleted whatever its tag": in_policy("RemoveOurs", "Condition", ABSENT),
    },
    "deployments.requested-as-designed": {
        "no last hour": _put(REQUEST, "Hours", "", **BOUGHT),
        "an hour in a year": _put(REQUEST, "Hours", "8760", **BOUGHT),
        "hours beside a commitment": _put(REQUEST, "Commitment", "OneMonth", **BOUGHT),
        "a commitment of no known length": _put(REQUEST, "Commitment", "Forever", **BOUGHT),
        "hours of what is paid by the call": _put(REQUEST, "Hours", "4", **ASKED),
        "another kind": _put(REQUEST, "Kind", "dedicated", **ASKED),
        "another job": _put(REQUEST, "Job", "review", **BOUGHT),
        "another job's name": _put(REQUEST, "JobName", "somebody-elses", **BOUGHT),
        "another environment": _put(REQUEST, "Environment", "prod", **BOUGHT),
        "another table": _put(REQUEST, "Table", "finetune-prod-deployments", **BOUGHT),
        "another provider": _put(REQUEST, "ServiceToken", "arn:aws:lambda:us-east-1:1:f", **ASKED),
        "no units": _put(REQUEST, "ModelUnits", "0", **BOUGHT),
        "no tests": _put(REQUEST, "SmokeTests", "yes", **ASKED),
        "tests that ask nothing": _put(REQUEST, "SmokeTests", '[{"contains": ["x"]}]', **ASKED),
        "more than is known": _put(REQUEST, "Autoscale", "true", **BOUGHT),
        "where nothing deploys": _gone("Custom::BedrockModelCustomizationJob", Job="bought"),
    },
    "deployments.made-by-one": {
        "the report buys": _may_besides("LookAtJobs", "bedrock:CreateProvisionedModelThroughput"),
        "by a wildcard": _may_besides("LookAtJobs", "bedrock:Create*"),
        "whatever its tag": in_policy("TagWhatIsDeployedAsOurs", "Condition", ABSENT),
        "of another environment": in_policy(
            "RemoveOurs", "Condition", {"StringEquals": {f"aws:ResourceTag/{_TAG}": "prod"}}
        ),
        "the scheduler deploys": _may_besides(
            "GiveOurThroughputBack", "bedrock:CreateCustomModelDeployment"
        ),
        "made bigger": _may_besides("RemoveOurs", "bedrock:UpdateProvisionedModelThroughput"),
    },
    "deployments.called-in-private": {
        "from anywhere": in_policy(
            "CallOurModelsInPrivate",
            "Condition",
            {"StringEquals": {f"aws:ResourceTag/{_TAG}": "test"}},
        ),
        "through another endpoint": in_policy(
            "CallOurModelsInPrivate",
            "Condition",
            {"StringEquals": {f"aws:ResourceTag/{_TAG}": "test", "aws:SourceVpce": "vpce-1"}},
        ),
        "whatever its tag": in_policy(
            "CallOurModelsInPrivate",
            "Condition",
            {"StringEquals": {"aws:SourceVpce": "vpce-bedrock-runtime"}},
        ),
        "a foundation model": in_policy("CallOurModelsInPrivate", "Resource", "*"),
        "by the deployer": _may_besides("RemoveOurs", "bedrock:InvokeModel"),
        "by the report, as a stream": _may_besides(
            "LookAtJobs", "bedrock:InvokeModelWithResponseStream"
        ),
    },
    "deployments.decrypted-by-bedrock-alone": {
        "by the invoker itself": in_key(
            "PermissionsInvokeInPrivate",
            "Condition",
            {"ArnEquals": {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/one"}},
        ),
        "through another service": in_key(
            "PermissionsInvokeInPrivate",
            "Condition",
            {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}},
        ),
        "by Bedrock for whatever": in_key(
            "PermissionsNovaProvisionedThroughput",
            "Condition",
            {"StringEquals": {"aws:SourceAccount": "111122223333"}},
        ),
        "every key": _may_besides("LookAtJobs", "kms:Decrypt"),
    },
    "deployments.schedules-only-end": {
        "no group": _gone("AWS::Scheduler::ScheduleGroup"),
        "another group": _put("AWS::Scheduler::ScheduleGroup", "Name", "default"),
        "a schedule of the templates": lambda made: made.plus(
            "inference", "AWS::Scheduler::Schedule", Name="it"
        ),
        "a deployer before there is a group": _waiting_for_no("AWS::Scheduler::ScheduleGroup"),
        "in any group": in_policy("ScheduleTheEnd", "Resource", "*"),
        "by the report": _may_besides("LookAtJobs", "scheduler:CreateSchedule"),
        "a schedule that calls": _may_besides("GiveOurThroughputBack", "lambda:InvokeFunction"),
    },
    "follow-up.as-designed": {
        "gone": _gone(MACHINE, **FOLLOW_UP),
        "not encrypted": _put(MACHINE, "EncryptionConfiguration", ABSENT, **FOLLOW_UP),
        "with the data": _put(
            MACHINE, "LoggingConfiguration.IncludeExecutionData", True, **FOLLOW_UP
        ),
        "not logged": _put(MACHINE, "LoggingConfiguration", ABSENT, **FOLLOW_UP),
        "another role": _put(MACHINE, "RoleArn", "arn:aws:iam::111122223333:role/x", **FOLLOW_UP),
        "express": _put(MACHINE, "StateMachineType", "EXPRESS", **FOLLOW_UP),
        "traced": _put(MACHINE, "TracingConfiguration", {"Enabled": True}, **FOLLOW_UP),
        "no definition": _put(MACHINE, "DefinitionString", "{}", **FOLLOW_UP),
        "another function": _in_definition(
            lambda states: states["Collect"]["Arguments"].update(FunctionName="somebody-elses")
        ),
        "another topic": _in_definition(
            lambda states: states["Announce"]["Arguments"].update(TopicArn="somebody-elses")
        ),
        "another service": _in_definition(
            lambda states: states["Collect"].update(
                Resource="arn:aws:states:::aws-sdk:iam:createAccessKey"
            )
        ),
        "a step without a way out": _in_definition(lambda states: states["Deploy"].pop("Catch")),
        "a step without retries": _in_definition(lambda states: states["Deploy"].pop("Retry")),
        "a way out that leads nowhere": _in_definition(
            lambda states: states["Deploy"]["Catch"][0].update(Next="Nowhere")
        ),
        "another account's role": _in_definition(
            lambda states: states["Collect"].update(Credentials={"RoleArn": "somebody-elses"})
        ),
        "many at once": _in_definition(lambda states: states.update(All={"Type": "Map"})),
        "nobody is told": _in_definition(lambda states: states.pop("Announce")),
    },
    "follow-up.dashboard-as-designed": {
        "gone": _gone(DASHBOARD),
        "another": lambda made: made.plus("inference", DASHBOARD, DashboardBody="{}"),
        "of another name": _put(DASHBOARD, "DashboardName", "it"),
        "an alarm less": _in_dashboard(lambda widgets: widgets[0]["properties"]["alarms"].pop()),
        "no alarms": _in_dashboard(lambda widgets: widgets.pop(0)),
        "a query of logs": _in_dashboard(
            lambda widgets: widgets.append({"type": "log", "properties": {"query": "SOURCE 'x'"}})
        ),
        "another Region": _in_dashboard(
            lambda widgets: widgets[1]["properties"].update(region="eu-west-1")
        ),
    },
    # What the other families say of the same resources.
    "endpoints.as-designed": {
        "no runtime": _gone(ENDPOINT, **RUNTIME),
        "the runtime by its public name": _put(ENDPOINT, "PrivateDnsEnabled", False, **RUNTIME),
        "the runtime open to all": _put(
            ENDPOINT, "PolicyDocument.Statement.0.Condition", {}, **RUNTIME
        ),
        "every model": _put(ENDPOINT, "PolicyDocument.Statement.0.Resource", "*", **RUNTIME),
        "in one zone": _put(ENDPOINT, "SubnetIds", ["subnet-1"], **RUNTIME),
        "in two groups": _put(ENDPOINT, "SecurityGroupIds", ["sg-1", "sg-2"], **RUNTIME),
    },
    "groups.as-designed": {
        "the runtime in another group": _put(ENDPOINT, "SecurityGroupIds", ["sg-1"], **RUNTIME),
        "the functions reach the runtime": _put(
            FUNCTION,
            "VpcConfig.SecurityGroupIds",
            ["sg-GroupsFunctionsGroup"],
            FunctionName="finetune-test-invoker",
        ),
    },
    "functions.as-designed": {
        "the invoker outside": _put(
            FUNCTION, "VpcConfig", ABSENT, FunctionName="finetune-test-invoker"
        ),
        "another group of schedules": _put(
            FUNCTION,
            "Environment.Variables.SCHEDULE_GROUP",
            "default",
            FunctionName="finetune-test-deployer",
        ),
        "another role for schedules": _put(
            FUNCTION,
            "Environment.Variables.SCHEDULER_ROLE_ARN",
            "arn:aws:iam::111122223333:role/administrator",
            FunctionName="finetune-test-deployer",
        ),
        "one less": _gone(FUNCTION, FunctionName="finetune-test-model-report"),
    },
    "functions.requests-do-not-grow-old": {
        "the deployer's": _put("AWS::Lambda::EventInvokeConfig", "MaximumEventAgeInSeconds", 21600),
    },
    "functions.follower-called-by-its-rules": {
        "the reaper sleeps": _put(
            "AWS::Events::Rule", "State", "DISABLED", Name="finetune-test-reap"
        ),
        "once a day": _put(
            "AWS::Events::Rule", "ScheduleExpression", "rate(1 day)", Name="finetune-test-reap"
        ),
        "gone": _gone("AWS::Events::Rule", Name="finetune-test-reap"),
        "calls the follower": lambda made: made.put(
            "AWS::Events::Rule",
            "Targets.0.Arn",
            made.arn("lambda", "function:finetune-test-follower"),
            where={"Name": "finetune-test-reap"},
        ),
    },
    "keys.used-as-designed": {
        "schedules of anybody": in_key("SchedulesRun", "Condition", {}),
        "a machine of anybody": in_key(
            "ExecutionsOfTheStateMachine",
            "Condition",
            {"ArnLike": {"kms:EncryptionContext:aws:states:stateMachineArn": "*"}},
        ),
        "logs of another account": in_key("LogsOfTheStateMachineAreDelivered", "Condition", {}),
        "throughput of another account": in_key(
            "PermissionsNovaProvisionedThroughput",
            "Condition",
            {"StringEquals": {"aws:SourceAccount": "999999999999"}},
        ),
    },
    "roles.allowed-as-designed": {
        "the tester calls all": in_policy("AskThroughTheInvoker", "Resource", "*"),
        "the machine calls all": in_policy("CallTheFunctions", "Resource", "*"),
        "the completion check wakes all": in_policy("WakeTheDeployer", "Resource", "*"),
    },
    "roles.taken-as-designed": {
        "the scheduler's for another account": lambda made: made.put(
            ROLE,
            "AssumeRolePolicyDocument.Statement.0.Condition",
            {"ArnEquals": {"aws:SourceArn": "arn:aws:scheduler:us-east-1:9:schedule-group/x"}},
            where={"RoleName": "finetune-test-us-east-1-scheduler"},
        ),
        "the machine's for another machine": lambda made: made.put(
            ROLE,
            "AssumeRolePolicyDocument.Statement.0.Condition",
            {"StringEquals": {"aws:SourceAccount": "111122223333"}},
            where={"RoleName": "finetune-test-us-east-1-follow-up"},
        ),
    },
    "roles.no-wildcards": {
        "deliveries of a function": lambda made: made.put(
            ROLE,
            "AssumeRolePolicyDocument.Statement.0.Principal",
            {"Service": "lambda.amazonaws.com"},
            where={"RoleName": "finetune-test-us-east-1-follow-up"},
        ),
    },
    "stores.table-as-designed": {
        "no deployments": _gone("AWS::DynamoDB::Table", TableName="finetune-test-deployments"),
        "under another name": _put(
            "AWS::DynamoDB::Table",
            "TableName",
            "finetune-test-other",
            TableName="finetune-test-deployments",
        ),
    },
    "stores.logs-as-designed": {
        "no log of the steps": _gone(
            "AWS::Logs::LogGroup", LogGroupName="/finetune/test/follow-up"
        ),
    },
    "watching.alarms-as-designed": {
        "throughput without an end is not told": _gone(
            "AWS::CloudWatch::Alarm", AlarmName="finetune-test-throughput-overdue"
        ),
        "a dead deployer is not told": _put(
            "AWS::CloudWatch::Alarm",
            "TreatMissingData",
            "notBreaching",
            AlarmName="finetune-test-deployer",
        ),
        "failures counted over a day": lambda made: made.put(
            "AWS::CloudWatch::Alarm",
            "Metrics.1.MetricStat.Period",
            86400,
            where={"AlarmName": "finetune-test-follow-up"},
        ),
    },
    "resources.outputs-name-ours": {
        "another deployment": _in_outputs(
            lambda said: said["DeploymentName"].update(Value="somebody-elses")
        ),
        "no deployment": _in_outputs(lambda said: said.pop("DeploymentName")),
        "a deployment that nobody asks for": _gone(REQUEST, **ASKED),
    },
    "resources.stacks-wait": {"a deployment outlives its reaper": _without_waiting},
}

SERVING_TWINS = [
    ServingTwin(rule, change, what)
    for rule, changes in _CHANGES.items()
    for what, change in changes.items()
]
