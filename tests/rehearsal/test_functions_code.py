"""A function's code is unpacked once, and a schedule waits for the call before."""

from __future__ import annotations

import json
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

from rehearsal.client import Client
from rehearsal.deployment import Deployment
from rehearsal.emulator_process import Emulator
from tests.rehearsal.scene import Document

_CODE = """
import os, time
print("RAN", flush=True)
def handler(event, context):
    time.sleep(float(os.environ["SECONDS"]))
    return {"code": os.path.realpath(os.environ["LAMBDA_TASK_ROOT"]), "process": os.getpid()}
"""


def _template(name: str, *, seconds: float, code: str = _CODE) -> Document:
    trust = {
        "Effect": "Allow",
        "Action": "sts:AssumeRole",
        "Principal": {"Service": "lambda.amazonaws.com"},
    }
    return {
        "Resources": {
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]}
                },
            },
            "Function": {
                "Type": "AWS::Lambda::Function",
                "Properties": {
                    "FunctionName": name,
                    "Runtime": "python3.11",
                    "Handler": "index.handler",
                    "Timeout": 60,
                    "Role": {"Fn::GetAtt": ["Role", "Arn"]},
                    "Code": {"ZipFile": code},
                    "Environment": {"Variables": {"SECONDS": str(seconds)}},
                },
            },
        }
    }


def _call(root: Client, name: str) -> dict[str, Any]:
    answer = root.service("lambda").invoke(FunctionName=name)
    found: dict[str, Any] = json.loads(answer["Payload"].read())
    return found


def test_functions_of_the_same_code_share_one_folder(root: Client, emulator: Emulator) -> None:
    deployment = Deployment(root)
    for name in ("shares-a", "shares-b"):
        assert deployment.apply(stack=name, template=_template(name, seconds=0)).ok
    other = _template("shares-not", seconds=0, code=f"{_CODE}\n# other\n")
    assert deployment.apply(stack="shares-not", template=other).ok
    found = {name: _call(root, name) for name in ("shares-a", "shares-b", "shares-not")}
    assert found["shares-a"]["process"] != found["shares-b"]["process"]
    assert found["shares-a"]["code"] == found["shares-b"]["code"]
    # The twin: other code is another folder.
    assert found["shares-not"]["code"] != found["shares-a"]["code"]
    assert found["shares-a"]["code"].startswith(str(emulator.state.resolve()))
    for name in found:
        assert deployment.delete(stack=name).ok


def test_processes_that_start_at_once_find_their_code(root: Client) -> None:
    deployment = Deployment(root)
    code = f"{_CODE}\n# started at once\n"
    assert deployment.apply(stack="at-once", template=_template("at-once", seconds=1, code=code)).ok
    with ThreadPoolExecutor(max_workers=4) as pool:
        found = list(pool.map(lambda _: _call(root, "at-once"), range(4)))
    assert len({answer["process"] for answer in found}) > 1
    assert len({answer["code"] for answer in found}) == 1
    assert deployment.delete(stack="at-once").ok


def test_a_schedule_waits_for_the_call_before(root: Client) -> None:
    name = "slow-clock"
    template = _template(name, seconds=5)
    template["Resources"] |= {
        "Rule": {
            "Type": "AWS::Events::Rule",
            "Properties": {
                "ScheduleExpression": "rate(5 minutes)",
                "Targets": [{"Id": "Slow", "Arn": {"Fn::GetAtt": ["Function", "Arn"]}}],
            },
        },
        "Permission": {
            "Type": "AWS::Lambda::Permission",
            "Properties": {
                "Action": "lambda:InvokeFunction",
                "FunctionName": {"Ref": "Function"},
                "Principal": "events.amazonaws.com",
                "SourceArn": {"Fn::GetAtt": ["Rule", "Arn"]},
            },
        },
    }
    deployment = Deployment(root)
    assert deployment.apply(stack=name, template=template).ok
    calls = _invocations(root, name)
    deadline = time.monotonic() + 60
    while len(calls) < 2:
        assert time.monotonic() < deadline, "it fires again"
        time.sleep(0.2)
        calls = _invocations(root, name)
    # A call is counted when it has ended: two never overlap, though the clock ticks in between.
    assert calls[1] - calls[0] >= 5
    assert deployment.delete(stack=name).ok


def _invocations(root: Client, name: str) -> list[float]:
    """When calls ended."""
    found = root.service("cloudwatch").get_metric_data(
        MetricDataQueries=[
            {
                "Id": "m",
                "MetricStat": {
                    "Metric": {
                        "Namespace": "AWS/Lambda",
                        "MetricName": "Invocations",
                        "Dimensions": [{"Name": "FunctionName", "Value": name}],
                    },
                    "Period": 1,
                    "Stat": "Sum",
                },
            }
        ],
        StartTime=time.time() - 3600,
        EndTime=time.time() + 60,
    )["MetricDataResults"][0]
    return sorted(stamp.timestamp() for stamp in found["Timestamps"])
