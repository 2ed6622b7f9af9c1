"""State machines act under their role: functions, topics and their keys, trust, logs, failures."""

from __future__ import annotations

import itertools
import json
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rehearsal.client import Client
from rehearsal.deployment import Deployed, Deployment
from rehearsal.emulator_process import Emulator
from tests.rehearsal.scene import Document, allow

Change = Callable[[Document], object]
_SOON = 60.0
_numbers = itertools.count(1)
_CODE = """
class PassingServiceError(Exception):
    pass
def handler(event, context):
    if event["retry"] < event.get("fails", 0):
        raise PassingServiceError("for now")
"""
_NODE = """
const { KMS } = require("@aws-sdk/client-kms");
exports.handler = async () => {
  for (let call = 0; call < 3; call++) {
    try { await new KMS({}).describeKey({ KeyId: "none" }); } catch (error) {}
  }
  return "done";
};
"""
_LOG_ACTIONS = [
    "logs:CreateLogDelivery",
    "logs:GetLogDelivery",
    "logs:UpdateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:DescribeResourcePolicies",
    "logs:DescribeLogGroups",
]


def _trusting(service: str) -> Document:
    return {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": {"Service": service}}
        ],
    }


class Machine:
    """A machine of two steps, a function and a message, and the role it acts under."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.name = f"machine{next(_numbers)}"
        self.deployment = Deployment(client)
        self.states = client.service("stepfunctions")

    def arn(self, service: str, resource: str) -> str:
        return f"arn:aws:{service}:{self.client.region}:{self.client.account}:{resource}"

    def template(self) -> Document:
        region, account = self.client.region, self.client.account
        root = {"AWS": f"arn:aws:iam::{account}:root"}
        key, function = {"Fn::GetAtt": ["Key", "Arn"]}, {"Fn::GetAtt": ["Function", "Arn"]}
        open_key = ["kms:Decrypt", "kms:GenerateDataKey"]
        machine = self.arn("states", f"stateMachine:{self.name}")
        statements = {
            "function": allow("lambda:InvokeFunction", function),  # type: ignore[arg-type]
            "topic": allow("sns:Publish", {"Ref": "Topic"}),  # type: ignore[arg-type]
            "machine-key": allow(
                open_key,
                key,  # type: ignore[arg-type]
                StringEquals={
                    "kms:ViaService": f"states.{region}.amazonaws.com",
                    "kms:EncryptionContext:aws:states:stateMachineArn": machine,
                },
            ),
            "topic-key": allow(
                open_key,
                key,  # type: ignore[arg-type]
                StringEquals={"kms:ViaService": f"sns.{region}.amazonaws.com"},
            ),
            "logs": allow(_LOG_ACTIONS, "*"),
        }
        retry = {"ErrorEquals": ["PassingServiceError"], "MaxAttempts": 2, "IntervalSeconds": 1}
        definition = {
            "QueryLanguage": "JSONata",
            "StartAt": "Work",
            "States": {
                "Work": {
                    "Type": "Task",
                    "Resource": "arn:aws:states:::lambda:invoke",
                    "Arguments": {
                        "FunctionName": "${Function.Arn}",
                        "Payload": "{% $merge([$states.input, "
                        "{'retry': $states.context.State.RetryCount}]) %}",
                    },
                    "Retry": [retry],
                    "Catch": [{"ErrorEquals": ["PassingServiceError"], "Next": "Tell"}],
                    "Next": "Tell",
                },
                "Tell": {
                    "Type": "Task",
                    "Resource": "arn:aws:states:::sns:publish",
                    "Arguments": {"TopicArn": "${Topic}", "Message": "told"},
                    "End": True,
                },
            },
        }
        return {
            "Resources": {
                "Key": {
                    "Type": "AWS::KMS::Key",
                    "Properties": {
                        "KeyPolicy": {
                            "Version": "2012-10-17",
                            "Statement": [
                                {**allow(["kms:PutKeyPolicy", *open_key], "*"), "Principal": root}
                            ],
                        }
                    },
                },
                "FunctionRole": {
                    "Type": "AWS::IAM::Role",
                    "Properties": {"AssumeRolePolicyDocument": _trusting("lambda.amazonaws.com")},
                },
                "Function": {
                    "Type": "AWS::Lambda::Function",
                    "Properties": {
                        "FunctionName": self.name,
                        "Runtime": "python3.11",
                        "Handler": "index.handler",
                        "Role": {"Fn::GetAtt": ["FunctionRole", "Arn"]},
                        "Code": {"ZipFile": _CODE},
                    },
                },
                "Topic": {"Type": "AWS::SNS::Topic", "Properties": {"KmsMasterKeyId": key}},
                "TopicPolicy": {
                    "Type": "AWS::SNS::TopicPolicy",
                    "Properties": {
                        "Topics": [{"Ref": "Topic"}],
                        # Without any of its own, a topic lets everybody in the account publish.
                        "PolicyDocument": {
                            "Version": "2012-10-17",
                            "Statement": [
                                {
                                    **allow("sns:Subscribe", {"Ref": "Topic"}),  # type: ignore[arg-type]
                                    "Principal": root,
                                }
                            ],
                        },
                    },
                },
                "Logs": {
                    "Type": "AWS::Logs::LogGroup",
                    "Properties": {"LogGroupName": f"/aws/vendedlogs/states/{self.name}"},
                },
                "Role": {
                    "Type": "AWS::IAM::Role",
                    "Properties": {
                        "AssumeRolePolicyDocument": _trusting("states.amazonaws.com"),
                        "Policies": [
                            {
                                "PolicyName": name,
                                "PolicyDocument": {
                                    "Version": "2012-10-17",
                                    "Statement": [statement],
                                },
                            }
                            for name, statement in statements.items()
                        ],
                    },
                },
                "Machine": {
                    "Type": "AWS::StepFunctions::StateMachine",
                    "Properties": {
                        "StateMachineName": self.name,
                        "StateMachineType": "STANDARD",
                        "RoleArn": {"Fn::GetAtt": ["Role", "Arn"]},
                        "DefinitionString": {"Fn::Sub": json.dumps(definition)},
                        "EncryptionConfiguration": {
                            "Type": "CUSTOMER_MANAGED_KMS_KEY",
                            "KmsKeyId": key,
                        },
                        "LoggingConfiguration": {
                            "Level": "ERROR",
                            "IncludeExecutionData": False,
                            "Destinations": [
                                {
                                    "CloudWatchLogsLogGroup": {
                                        "LogGroupArn": {"Fn::GetAtt": ["Logs", "Arn"]}
                                    }
                                }
                            ],
                        },
                    },
                },
            }
        }

    def deploy(self, change: Change = lambda resources: None) -> Deployed:
        template = self.template()
        change(template["Resources"])
        return self.deployment.apply(stack=self.name, template=template)

    def run(self, name: str, **given: Any) -> Document:
        """An execution of that name, when it has ended."""
        arn = self.states.start_execution(
            stateMachineArn=self.arn("states", f"stateMachine:{self.name}"),
            name=name,
            input=json.dumps(given),
        )["executionArn"]
        deadline = time.monotonic() + _SOON
        while time.monotonic() < deadline:
            found: Document = self.states.describe_execution(executionArn=arn)
            if found["status"] != "RUNNING":
                return found
            time.sleep(0.05)
        raise AssertionError("it is still running")


def _without(policy: str) -> Change:
    def change(resources: Document) -> None:
        role = resources["Role"]["Properties"]
        kept = [each for each in role["Policies"] if each["PolicyName"] != policy]
        assert len(kept) < len(role["Policies"])
        role["Policies"] = kept

    return change


def _trusts_another(resources: Document) -> None:
    resources["Role"]["Properties"]["AssumeRolePolicyDocument"] = _trusting("lambda.amazonaws.com")


@pytest.fixture(scope="module")
def machine(root: Client) -> Machine:
    made = Machine(root)
    assert made.deploy().ok
    return made


@pytest.fixture
def other(root: Client) -> Machine:
    """One to spoil."""
    return Machine(root)


def test_a_sound_machine_calls_and_tells(machine: Machine) -> None:
    assert machine.run("sound")["status"] == "SUCCEEDED"


def test_an_execution_of_one_name_runs_once(machine: Machine) -> None:
    machine.run("once")
    with pytest.raises(ClientError, match="ExecutionAlreadyExists"):
        machine.run("once")


def test_a_passing_error_is_tried_again_and_a_lasting_one_caught(other: Machine) -> None:
    assert other.deploy().ok
    for fails, failed in ((1, 1), (9, 3)):
        found = other.run(f"again-{fails}", fails=fails)
        assert found["status"] == "SUCCEEDED", found.get("cause")
        history = other.states.get_execution_history(executionArn=found["executionArn"])
        assert [event["type"] for event in history["events"]].count("TaskFailed") == failed


@pytest.mark.parametrize(
    ("policy", "error", "cause"),
    [
        ("function", "Lambda.AWSLambdaException", "lambda:InvokeFunction on resource"),
        ("topic", "SNS.AuthorizationErrorException", "sns:Publish on resource"),
        ("topic-key", "SNS.KmsAccessDeniedException", "kms:GenerateDataKey on resource"),
    ],
)
def test_what_the_role_may_not_fails_the_execution(
    other: Machine, emulator: Emulator, policy: str, error: str, cause: str
) -> None:
    assert other.deploy(_without(policy)).ok
    found = other.run("denied")
    assert (found["status"], found["error"]) == ("FAILED", error)
    assert cause in found["cause"]
    assert error in (emulator.state / "refusals.jsonl").read_text(encoding="utf-8")


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_trusts_another, "is authorized to assume the provided role"),
        (_without("logs"), "not authorized to access the Log Destination"),
        (_without("machine-key"), "kms:GenerateDataKey on resource"),
    ],
)
def test_trust_logs_and_key_decide_whether_there_is_a_machine(
    other: Machine, change: Change, reason: str
) -> None:
    found = other.deploy(change)
    assert not found.ok
    assert reason in " ".join(found.reasons)


def test_an_integration_nobody_knows_the_rights_of_is_refused(other: Machine) -> None:
    def change(resources: Document) -> None:
        properties = resources["Machine"]["Properties"]
        text = properties["DefinitionString"]["Fn::Sub"]
        properties["DefinitionString"]["Fn::Sub"] = text.replace("sns:publish", "sqs:sendMessage")

    assert other.deploy(change).ok
    assert "does not know what rights" in other.run("unknown")["cause"]


def test_encryption_and_logs_are_kept(machine: Machine) -> None:
    arn = machine.arn("states", f"stateMachine:{machine.name}")
    found = machine.states.describe_state_machine(stateMachineArn=arn)
    assert found["encryptionConfiguration"]["type"] == "CUSTOMER_MANAGED_KMS_KEY"
    assert found["loggingConfiguration"]["includeExecutionData"] is False


def test_a_function_that_is_ended_in_its_work_is_run_again(
    other: Machine, emulator: Emulator
) -> None:
    """The rehearsal's own way to end it: at its first call, then at its second, then at none."""

    def change(resources: Document) -> None:
        properties = resources["Machine"]["Properties"]
        text = properties["DefinitionString"]["Fn::Sub"].replace(
            "PassingServiceError", "Runtime.ExitError"
        )
        properties["DefinitionString"]["Fn::Sub"] = text
        resources["Function"]["Properties"]["Runtime"] = "nodejs22.x"
        resources["Function"]["Properties"]["Code"]["ZipFile"] = _NODE

    assert other.deploy(change).ok
    plan = emulator.state / "sudden-end"
    plan.write_text(json.dumps({"functions": [other.name], "most": 2}), encoding="utf-8")
    found = other.run("ended", step="work")
    plan.unlink()
    assert found["status"] == "SUCCEEDED", found.get("cause")
    history = other.states.get_execution_history(executionArn=found["executionArn"])["events"]
    failed = [event for event in history if event["type"] == "TaskFailed"]
    assert [event["taskFailedEventDetails"]["error"] for event in failed] == [
        "Runtime.ExitError",
        "Runtime.ExitError",
    ]
    log = (emulator.state / "sudden-ends.jsonl").read_text(encoding="utf-8").splitlines()
    ends = [json.loads(line) for line in log]
    assert [(end["calls"], end["ended"]) for end in ends] == [(1, True), (2, True), (3, False)]
