"""Rules that call functions, a shortened clock, metrics in logs, and alarms over them."""

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
from rehearsal.emulator import metric_math
from rehearsal.errors import RehearsalError
from rehearsal.people import take_role
from rehearsal.scenarios.topic import Listener
from tests.rehearsal.scene import Document, allow

_SOON = 60.0
_A_WHILE = 1.5
"""Long enough for a call that must not happen: one that may takes a tenth."""
_numbers = itertools.count(1)

_CODE = """
import json
def handler(event, context):
    wanted = event.get("detail") or {}
    if wanted.get("metric"):
        print(json.dumps({
            "_aws": {"Timestamp": 1, "CloudWatchMetrics": [{
                "Namespace": "Test", "Dimensions": [["Name"]],
                "Metrics": [{"Name": "Failures", "Unit": "Count"}]}]},
            "Name": wanted["name"], "Failures": wanted["metric"]}))
    if wanted.get("fails"):
        raise ValueError("on purpose")
"""


def _until(look: Callable[[], bool], what: str) -> None:
    deadline = time.monotonic() + _SOON
    while not look():
        assert time.monotonic() < deadline, what
        time.sleep(0.05)


class Room:
    """A function, a rule that calls it, alarms on it and a topic they tell."""

    def __init__(self, client: Client) -> None:
        self.client = client
        self.name = f"room{next(_numbers)}"
        self.deployment = Deployment(client)

    def template(self) -> Document:
        source = {"Fn::GetAtt": ["Rule", "Arn"]}
        assumed_by_lambda = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": "sts:AssumeRole",
                    "Principal": {"Service": "lambda.amazonaws.com"},
                }
            ],
        }
        region, account = self.client.region, self.client.account
        alarms = f"arn:aws:cloudwatch:{region}:{account}:alarm:{self.name}-*"
        told = {
            "Effect": "Allow",
            "Principal": {"Service": "cloudwatch.amazonaws.com"},
            "Condition": {"ArnLike": {"aws:SourceArn": alarms}},
        }
        root = {"AWS": f"arn:aws:iam::{account}:root"}
        function = {"Name": "FunctionName", "Value": self.name}

        def metric(name: str) -> Document:
            return {
                "Id": name.lower(),
                "ReturnData": False,
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/Lambda",
                        "MetricName": name,
                        "Dimensions": [function],
                    },
                    "Period": 60,
                    "Stat": "Sum",
                },
            }

        return {
            "Resources": {
                "Role": {
                    "Type": "AWS::IAM::Role",
                    "Properties": {"AssumeRolePolicyDocument": assumed_by_lambda},
                },
                "Function": {
                    "Type": "AWS::Lambda::Function",
                    "Properties": {
                        "FunctionName": self.name,
                        "Runtime": "python3.11",
                        "Handler": "index.handler",
                        "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                        "Code": {"ZipFile": _CODE},
                    },
                },
                "Rule": {
                    "Type": "AWS::Events::Rule",
                    "Properties": {
                        "Name": self.name,
                        "EventPattern": {"source": [self.name]},
                        "Targets": [{"Id": "f", "Arn": {"Fn::GetAtt": ["Function", "Arn"]}}],
                    },
                },
                "Permission": {
                    "Type": "AWS::Lambda::Permission",
                    "Properties": {
                        "Action": "lambda:InvokeFunction",
                        "FunctionName": {"Ref": "Function"},
                        "Principal": "events.amazonaws.com",
                        "SourceArn": source,
                    },
                },
                "Key": {
                    "Type": "AWS::KMS::Key",
                    "Properties": {
                        "KeyPolicy": {
                            "Version": "2012-10-17",
                            "Statement": [
                                {**allow(["kms:PutKeyPolicy", "kms:*"], "*"), "Principal": root},
                                {
                                    **told,
                                    "Action": ["kms:Decrypt", "kms:GenerateDataKey"],
                                    "Resource": "*",
                                },
                            ],
                        }
                    },
                },
                "Topic": {
                    "Type": "AWS::SNS::Topic",
                    "Properties": {"KmsMasterKeyId": {"Fn::GetAtt": ["Key", "Arn"]}},
                },
                "TopicPolicy": {
                    "Type": "AWS::SNS::TopicPolicy",
                    "Properties": {
                        "Topics": [{"Ref": "Topic"}],
                        "PolicyDocument": {
                            "Version": "2012-10-17",
                            "Statement": [
                                {**told, "Action": "sns:Publish", "Resource": {"Ref": "Topic"}}
                            ],
                        },
                    },
                },
                "Works": {
                    "Type": "AWS::CloudWatch::Alarm",
                    "Properties": {
                        "AlarmName": f"{self.name}-works",
                        "Metrics": [
                            {"Id": "well", "Expression": "invocations - errors", "Label": "Well"},
                            metric("Invocations"),
                            metric("Errors"),
                        ],
                        "Threshold": 1,
                        "EvaluationPeriods": 1,
                        "ComparisonOperator": "LessThanThreshold",
                    },
                },
                "Failures": {
                    "Type": "AWS::CloudWatch::Alarm",
                    "DependsOn": "TopicPolicy",
                    "Properties": {
                        "AlarmName": f"{self.name}-failures",
                        "Namespace": "Test",
                        "MetricName": "Failures",
                        "Dimensions": [{"Name": "Name", "Value": self.name}],
                        "Statistic": "Sum",
                        "Period": 60,
                        "Threshold": 2,
                        "EvaluationPeriods": 1,
                        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
                        "AlarmActions": [{"Ref": "Topic"}],
                    },
                },
            },
            "Outputs": {"Topic": {"Value": {"Ref": "Topic"}}},
        }

    def deploy(self, change: Callable[[Document], object] = lambda resources: None) -> Deployed:
        template = self.template()
        change(template["Resources"])
        return self.deployment.apply(stack=self.name, template=template)

    @property
    def topic(self) -> str:
        return str(self.deployment.output(stack=self.name, name="Topic"))

    def happen(self, **detail: Any) -> None:
        entry = {"Source": self.name, "DetailType": "test", "Detail": json.dumps(detail)}
        self.client.service("events").put_events(Entries=[entry])

    def invocations(self) -> int:
        now = time.time()
        points = self.client.service("cloudwatch").get_metric_statistics(
            Namespace="AWS/Lambda",
            MetricName="Invocations",
            Dimensions=[{"Name": "FunctionName", "Value": self.name}],
            StartTime=now - 600,
            EndTime=now + 60,
            Period=3600,
            Statistics=["Sum"],
        )["Datapoints"]
        return int(sum(point["Sum"] for point in points))

    def state(self, alarm: str) -> str:
        found = self.client.service("cloudwatch").describe_alarms(
            AlarmNames=[f"{self.name}-{alarm}"]
        )["MetricAlarms"]
        return str(found[0]["StateValue"])


@pytest.fixture
def room(root: Client) -> Room:
    """A room of a test's own, not deployed yet."""
    return Room(root)


def test_arithmetic_over_metrics() -> None:
    values = {"a": 7.0, "b": 2.0}
    assert metric_math.evaluate("a - b", values) == 5
    assert metric_math.evaluate("100 * (a + -b) / 4", values) == 125
    assert metric_math.evaluate("a / (b - 2)", values) is None
    assert metric_math.names("a - b * 2") == {"a", "b"}


def test_a_metric_without_data_counts_as_what_fills_it() -> None:
    values = {"a": 7.0, "b": None}
    assert metric_math.evaluate("a - b", values) is None
    assert metric_math.evaluate("FILL(a, 0) - FILL(b, 2)", values) == 5
    assert metric_math.names("FILL(a, 0) + b") == {"a", "b"}
    for unknown in ("FILL(a, REPEAT)", "FILL(a)", "SUM(a, 0)"):
        with pytest.raises(metric_math.ExpressionError, match="does not know Call"):
            metric_math.names(unknown)


@pytest.mark.parametrize(
    "expression", ["CEIL(a)", "FILL(a, b)", "a if b else c", "a >", "a ** b", "a.b"]
)
def test_what_is_not_arithmetic_is_refused(expression: str) -> None:
    with pytest.raises(metric_math.ExpressionError):
        metric_math.names(expression)


def test_an_expression_without_values_is_refused() -> None:
    with pytest.raises(metric_math.ExpressionError, match="names b"):
        metric_math.evaluate("a - b", {"a": 1.0})


def test_an_alarm_adds_up_the_metrics_of_its_expression(room: Room) -> None:
    assert room.deploy().ok
    assert room.state("works") == "INSUFFICIENT_DATA"
    room.happen(fails=True)
    _until(lambda: room.state("works") == "ALARM", "one call, one error: none went well")
    room.happen()
    _until(lambda: room.state("works") == "OK", "two calls, one error: one went well")


def test_an_alarm_over_a_metric_that_is_not_there_is_refused(room: Room) -> None:
    def misspelt(resources: Document) -> None:
        resources["Works"]["Properties"]["Metrics"][0]["Expression"] = "invocations - failures"

    found = room.deploy(misspelt)
    assert found.status == "ROLLBACK_COMPLETE"
    assert "names failures: no such metric" in found.reasons[0]


def test_an_alarm_of_which_two_metrics_return_data_is_refused(room: Room) -> None:
    def twice(resources: Document) -> None:
        del resources["Works"]["Properties"]["Metrics"][1]["ReturnData"]

    assert "two entries of the alarm return data" in room.deploy(twice).reasons[0]


def test_a_metric_in_a_log_raises_the_alarm_of_its_dimension(room: Room) -> None:
    assert room.deploy().ok
    room.happen(metric=2, name="another")
    _until(lambda: room.invocations() == 1, "the function is called")
    assert room.state("failures") == "INSUFFICIENT_DATA"
    room.happen(metric=1, name=room.name)
    _until(lambda: room.state("failures") == "OK", "one is below the threshold")
    room.happen(metric=1, name=room.name)
    _until(lambda: room.state("failures") == "ALARM", "two are not")


def test_an_alarm_is_told_on_its_topic(room: Room) -> None:
    assert room.deploy().ok
    with Listener(client=room.client, topic_arn=room.topic) as listener:
        room.happen(metric=5, name=room.name)
        told = listener.wait_for("alarm", lambda message: "AlarmName" in message, timeout=_SOON)
    assert told[0]["AlarmName"] == f"{room.name}-failures"
    assert told[0]["NewStateValue"] == "ALARM"


def _topic_for_another_alarm(resources: Document) -> None:
    policy = resources["TopicPolicy"]["Properties"]["PolicyDocument"]
    policy["Statement"][0]["Condition"] = {"ArnLike": {"aws:SourceArn": "arn:aws:cloudwatch:*:x"}}


def _key_for_another_service(resources: Document) -> None:
    policy = resources["Key"]["Properties"]["KeyPolicy"]
    policy["Statement"][1]["Principal"] = {"Service": "events.amazonaws.com"}


@pytest.mark.parametrize("spoil", [_topic_for_another_alarm, _key_for_another_service])
def test_an_alarm_that_may_not_publish_is_not_told(
    room: Room, spoil: Callable[[Document], None]
) -> None:
    assert room.deploy(spoil).ok
    with Listener(client=room.client, topic_arn=room.topic) as listener:
        room.happen(metric=5, name=room.name)
        _until(lambda: room.state("failures") == "ALARM", "the alarm is up")
        with pytest.raises(RehearsalError, match="heard 0 of 1"):
            listener.wait_for("alarm", lambda message: True, timeout=_A_WHILE)


def test_a_rule_without_permission_calls_nothing(room: Room) -> None:
    assert room.deploy(lambda resources: resources.pop("Permission")).ok
    room.happen()
    time.sleep(_A_WHILE)
    assert room.invocations() == 0

    def of_another_rule(resources: Document) -> None:
        arn = f"arn:aws:events:{room.client.region}:{room.client.account}:rule/another"
        resources["Permission"]["Properties"]["SourceArn"] = arn

    assert room.deploy(of_another_rule).ok
    room.happen()
    time.sleep(_A_WHILE)
    assert room.invocations() == 0
    assert room.deploy().ok
    room.happen()
    _until(lambda: room.invocations() == 1, "the permission is the rule's")


def _scheduled(resources: Document) -> None:
    del resources["Rule"]["Properties"]["EventPattern"]
    resources["Rule"]["Properties"]["ScheduleExpression"] = "rate(5 minutes)"


def test_a_schedule_fires_on_a_shortened_clock(room: Room) -> None:
    assert room.deploy(_scheduled).ok
    _until(lambda: room.invocations() >= 2, "every two seconds")


def test_a_disabled_schedule_does_not_fire(room: Room) -> None:
    def disabled(resources: Document) -> None:
        _scheduled(resources)
        resources["Rule"]["Properties"]["State"] = "DISABLED"

    assert room.deploy(disabled).ok
    time.sleep(3.0)
    assert room.invocations() == 0


def test_who_publishes_on_an_encrypted_topic_needs_its_key(room: Room) -> None:
    def with_publisher(actions: list[str]) -> Callable[[Document], None]:
        def change(resources: Document) -> None:
            statements = [allow("sns:Publish", "*"), allow(actions, "*")]
            resources["Publisher"] = {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "RoleName": room.name,
                    "AssumeRolePolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [
                            {
                                "Effect": "Allow",
                                "Action": "sts:AssumeRole",
                                "Principal": {"AWS": f"arn:aws:iam::{room.client.account}:root"},
                            }
                        ],
                    },
                    "Policies": [
                        {
                            "PolicyName": "own",
                            "PolicyDocument": {"Version": "2012-10-17", "Statement": statements},
                        }
                    ],
                },
            }

        return change

    def publish() -> None:
        arn = f"arn:aws:iam::{room.client.account}:role/{room.name}"
        person = take_role(client=room.client, role_arn=arn, session_name="test")
        person.service("sns").publish(TopicArn=room.topic, Message="{}")

    assert room.deploy(with_publisher(["kms:Decrypt"])).ok
    with pytest.raises(ClientError, match="kms:GenerateDataKey"):
        publish()
    assert room.deploy(with_publisher(["kms:Decrypt", "kms:GenerateDataKey"])).ok
    publish()
