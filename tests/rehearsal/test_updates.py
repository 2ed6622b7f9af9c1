"""Updates that CloudFormation takes back, and table properties that MiniStack drops."""

from __future__ import annotations

import json
from typing import Any

import pytest

from rehearsal.client import Client
from rehearsal.deployment import Deployment
from tests.rehearsal.scene import Document

_NAME = "provider"
_CODE = """
import json, os, ssl, urllib.request
def handler(event, context):
    properties = event["ResourceProperties"]
    print("SEEN " + json.dumps([
        event["RequestType"], event.get("PhysicalResourceId"), properties["Content"]]))
    name = event["PhysicalResourceId"] if event["RequestType"] == "Delete" else (
        properties["Content"])
    answer = {"Status": "SUCCESS", "PhysicalResourceId": name, "StackId": event["StackId"],
              "RequestId": event["RequestId"], "LogicalResourceId": event["LogicalResourceId"],
              "Data": {"Content": properties["Content"]}}
    trusted = ssl.create_default_context(cafile=os.environ["AWS_CA_BUNDLE"])
    urllib.request.urlopen(urllib.request.Request(
        event["ResponseURL"], data=json.dumps(answer).encode(), method="PUT"), context=trusted)
"""


def _template(content: str, *, fails: bool = False) -> Document:
    assumed_by_lambda = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": "lambda.amazonaws.com"},
    }
    refused = {
        "Type": "AWS::S3::BucketPolicy",
        "DependsOn": "Named",
        "Properties": {"Bucket": "no-such-bucket", "PolicyDocument": {"Statement": []}},
    }
    return {
        "Resources": {
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "AssumeRolePolicyDocument": {
                        "Version": "2012-10-17",
                        "Statement": [assumed_by_lambda],
                    }
                },
            },
            "Function": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "FunctionName": _NAME,
                    "Runtime": "python3.11",
                    "Handler": "index.handler",
                    "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                    "Code": {"ZipFile": _CODE},
                    "LoggingConfig": {"LogGroup": {"Ref": "Logs"}},
                },
            },
            "Logs": {"Type": "AWS::Logs::LogGroup", "Properties": {"LogGroupName": _NAME}},
            "Named": {
                "Type": "Custom::Named",
                "Properties": {
                    "ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]},
                    "ServiceTimeout": "20",
                    "Content": content,
                },
            },
            **({"Refused": refused} if fails else {}),
        },
        "Outputs": {"Name": {"Value": {"Ref": "Named"}}},
    }


def _requests(root: Client) -> list[list[Any]]:
    events = root.service("logs").filter_log_events(logGroupName=_NAME)["events"]
    return [
        json.loads(event["message"].removeprefix("SEEN "))
        for event in sorted(events, key=lambda event: event["timestamp"])
        if event["message"].startswith("SEEN ")
    ]


def test_an_update_that_is_taken_back_is_sent_back_and_cleaned_up(root: Client) -> None:
    deployment = Deployment(root)
    assert deployment.apply(stack=_NAME, template=_template("a")).ok
    # The twin: an update that stays cleans up what it replaced, and sends nothing back.
    assert deployment.apply(stack=_NAME, template=_template("b")).ok
    assert _requests(root) == [["Create", None, "a"], ["Update", "a", "b"], ["Delete", "a", "a"]]

    found = deployment.apply(stack=_NAME, template=_template("c", fails=True))
    assert found.status == "UPDATE_ROLLBACK_COMPLETE"
    assert _requests(root)[3:] == [["Update", "b", "c"], ["Update", "c", "b"], ["Delete", "c", "c"]]
    assert deployment.output(stack=_NAME, name="Name") == "b"

    assert deployment.delete(stack=_NAME).ok
    groups = root.service("logs").describe_log_groups(logGroupNamePrefix=_NAME)["logGroups"]
    assert groups == [], "a late line of a function makes its group again"


@pytest.mark.parametrize("enabled", [True, False])
def test_items_expire_as_the_template_says(root: Client, *, enabled: bool) -> None:
    name = f"table-{enabled}".lower()
    template = {
        "Resources": {
            "Table": {
                "Type": "AWS::DynamoDB::Table",
                "Properties": {
                    "TableName": name,
                    "BillingMode": "PAY_PER_REQUEST",
                    "AttributeDefinitions": [{"AttributeName": "Id", "AttributeType": "S"}],
                    "KeySchema": [{"AttributeName": "Id", "KeyType": "HASH"}],
                    "TimeToLiveSpecification": {"AttributeName": "At", "Enabled": enabled},
                },
            }
        }
    }
    assert Deployment(root).apply(stack=name, template=template).ok
    found = root.service("dynamodb").describe_time_to_live(TableName=name)
    status = found["TimeToLiveDescription"]["TimeToLiveStatus"]
    assert status == ("ENABLED" if enabled else "DISABLED")
