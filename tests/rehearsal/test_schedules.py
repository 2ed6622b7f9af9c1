"""One-time schedules: who may make one, under which role it acts, and a clock that can be moved."""

from __future__ import annotations

import copy
import datetime
import io
import json
import time
import zipfile
from collections.abc import Callable, Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rehearsal.client import Client
from rehearsal.emulator_process import Emulator
from rehearsal.people import take_role
from tests.rehearsal.scene import Document, Scene, allow

Boto = Any
"""A boto3 client; they are untyped here."""
_SOON = 60.0
_A_WHILE = 2.0
"""Long enough for a schedule that must not fire: one that may is looked at twice a second."""
_TARGET = "arn:aws:scheduler:::aws-sdk:bedrock:deleteProvisionedModelThroughput"
_NOW = """
import datetime, time
def handler(event, context):
    moment = datetime.datetime.now(datetime.timezone.utc)
    assert isinstance(moment, datetime.datetime) and moment.tzinfo
    assert abs(moment.timestamp() - time.time()) < 5
    assert isinstance(moment - datetime.timedelta(days=1), datetime.datetime)
    return moment.isoformat()
"""


@pytest.fixture(autouse=True)
def clock(emulator: Emulator) -> Iterator[Callable[[float], object]]:
    """Move the account's clock by so many hours; it is put back."""
    file = emulator.state / "clock-offset"
    pace = emulator.state / "serving-seconds"
    pace.write_text("0.1", encoding="utf-8")

    def move(hours: float) -> None:
        file.write_text(str(hours * 3600), encoding="utf-8")

    yield move
    file.unlink(missing_ok=True)
    pace.unlink()


def _parts(scene: Scene) -> Callable[[Document], None]:
    """Adds a group, a scheduler's role and a role that makes schedules."""

    def change(resources: Document) -> None:
        region, account = scene.client.region, scene.client.account
        context = "kms:EncryptionContext:aws:scheduler:schedule:arn"
        schedules = scene.arn("scheduler", f"schedule/{scene.name}/*")
        key = {"Fn::GetAtt": ["DataKey", "Arn"]}
        statements = resources["DataKey"]["Properties"]["KeyPolicy"]["Statement"]
        statements.append(
            {
                **allow(
                    ["kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"],
                    "*",
                    StringLike={context: schedules},
                ),
                "Principal": {"AWS": f"arn:aws:iam::{account}:root"},
            }
        )
        resources["Schedules"] = {
            "Type": "AWS::Scheduler::ScheduleGroup",
            "Properties": {"Name": scene.name},
        }
        resources["SchedulerRole"] = scene._role(
            {"Service": "scheduler.amazonaws.com"},
            [
                allow(
                    "bedrock:DeleteProvisionedModelThroughput",
                    scene.arn("bedrock", "provisioned-model/*"),
                    StringEquals={"aws:ResourceTag/owner": scene.name},
                ),
                allow("kms:Decrypt", key, StringLike={context: schedules}),  # type: ignore[arg-type]
            ],
            StringEquals={
                "aws:SourceAccount": account,
                "aws:SourceArn": scene.arn("scheduler", f"schedule-group/{scene.name}"),
            },
        )
        resources["SchedulerRole"]["Properties"]["RoleName"] = f"{scene.name}-scheduler"
        resources["Maker"] = scene._role(
            {"AWS": f"arn:aws:iam::{account}:root"},
            [
                allow("scheduler:*", schedules),
                allow(
                    "iam:PassRole",
                    f"arn:aws:iam::{account}:role/{scene.name}-scheduler",
                    StringEquals={"iam:PassedToService": "scheduler.amazonaws.com"},
                ),
                allow(
                    ["kms:Decrypt", "kms:GenerateDataKey", "kms:DescribeKey"],
                    key,  # type: ignore[arg-type]
                    StringEquals={"kms:ViaService": f"scheduler.{region}.amazonaws.com"},
                ),
            ],
        )
        resources["Maker"]["Properties"]["RoleName"] = f"{scene.name}-maker"

    return change


@pytest.fixture(scope="module")
def made(root: Client) -> Scene:
    """A scene with those parts."""
    scene = Scene(client=root, job_seconds=0.2)
    scene.changed(_parts(scene))
    return scene


@pytest.fixture
def changed(root: Client) -> Scene:
    """One to change."""
    scene = Scene(client=root, job_seconds=0.2)
    scene.changed(_parts(scene))
    return scene


def _maker(scene: Scene) -> Boto:
    role = f"arn:aws:iam::{scene.client.account}:role/{scene.name}-maker"
    return take_role(client=scene.client, role_arn=role, session_name="test").service("scheduler")


def _schedule(scene: Scene, name: str, *, hours: float = 8, **changes: Any) -> Document:
    at = datetime.datetime.now(datetime.UTC) + datetime.timedelta(hours=hours)
    target = {
        "Arn": _TARGET,
        "RoleArn": f"arn:aws:iam::{scene.client.account}:role/{scene.name}-scheduler",
        "Input": json.dumps({"ProvisionedModelId": name}),
        **changes.pop("target", {}),
    }
    return {
        "Name": name,
        "GroupName": scene.name,
        "ScheduleExpression": f"at({at:%Y-%m-%dT%H:%M:%S})",
        "FlexibleTimeWindow": {"Mode": "OFF"},
        "ActionAfterCompletion": "DELETE",
        "KmsKeyArn": scene.ids["DataKeyArn"],
        "Target": target,
        **changes,
    }


def _buy(scene: Scene, name: str) -> None:
    model = scene.ended(scene.submit())["outputModelArn"]
    scene.bedrock.create_provisioned_model_throughput(
        provisionedModelName=name,
        modelId=model,
        modelUnits=1,
        tags=[{"key": "owner", "value": scene.name}],
    )


def _throughputs(scene: Scene) -> list[str]:
    found = scene.bedrock.list_provisioned_model_throughputs()["provisionedModelSummaries"]
    return [each["provisionedModelName"] for each in found]


def _names(scene: Scene) -> list[str]:
    found = scene.client.service("scheduler").list_schedules(GroupName=scene.name)["Schedules"]
    return [each["Name"] for each in found]


def _until(look: Callable[[], bool]) -> None:
    deadline = time.monotonic() + _SOON
    while not look():
        assert time.monotonic() < deadline
        time.sleep(0.1)


def test_a_schedule_gives_back_throughput_when_its_time_has_come_and_goes(
    made: Scene, clock: Callable[[float], object]
) -> None:
    _buy(made, "given-back")
    _maker(made).create_schedule(**_schedule(made, "given-back"))
    clock(7.9)
    time.sleep(_A_WHILE)
    assert "given-back" in _throughputs(made)
    clock(8.1)
    _until(lambda: "given-back" not in _throughputs(made))
    _until(lambda: "given-back" not in _names(made))


def test_a_schedule_for_what_is_gone_already_just_goes(
    made: Scene, clock: Callable[[float], object]
) -> None:
    _maker(made).create_schedule(**_schedule(made, "gone-before"))
    clock(9)
    _until(lambda: "gone-before" not in _names(made))


def test_a_schedule_acts_as_its_role_may(
    changed: Scene, emulator: Emulator, clock: Callable[[float], object]
) -> None:
    _buy(changed, "stays")
    _maker(changed).create_schedule(**_schedule(changed, "stays"))

    def without_right(resources: Document) -> None:
        _parts(changed)(resources)
        document = resources["SchedulerRole"]["Properties"]["Policies"][0]["PolicyDocument"]
        del document["Statement"][0]

    changed.changed(without_right)
    clock(9)
    refusals = emulator.state / "refusals.jsonl"
    wanted = "stays: AccessDeniedException: User:"
    try:
        # The file is there from the first refusal on.
        _until(lambda: refusals.exists() and wanted in refusals.read_text(encoding="utf-8"))
        assert "stays" in _throughputs(changed)
    finally:
        # Other tests share the emulator, and look at all that there is.
        changed.bedrock.delete_provisioned_model_throughput(provisionedModelId="stays")


_OTHER_ROLE = {"RoleArn": "arn:aws:iam::111122223333:role/another"}


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"target": _OTHER_ROLE}, "iam:PassRole on resource"),
        ({"target": {"Arn": _TARGET.replace("delete", "get")}}, "not supported as a target"),
        ({"target": {"Arn": _TARGET.replace("delete", "buy")}}, "not a supported target"),
        ({"target": {"Input": '{"provisionedModelId": "x"}'}}, "PascalCase"),
        ({"target": {"Input": "{"}}, "not well-formed JSON"),
        ({"ScheduleExpression": "at(2026-13-01T00:00:00)"}, "Invalid Schedule Expression"),
        ({"ScheduleExpression": "rate(1 hour)"}, "Invalid Schedule Expression"),
        ({"GroupName": "another-group"}, "not authorized to perform: scheduler:CreateSchedule"),
    ],
)
def test_what_scheduler_refuses_is_refused(made: Scene, changes: Document, reason: str) -> None:
    with pytest.raises(ClientError, match=reason):
        _maker(made).create_schedule(**_schedule(made, "refused", **copy.deepcopy(changes)))
    assert "refused" not in _names(made)


def _spoilt_trust(resources: Document) -> None:
    document = resources["SchedulerRole"]["Properties"]["AssumeRolePolicyDocument"]
    document["Statement"][0]["Principal"] = {"Service": "lambda.amazonaws.com"}


def _closed_key(resources: Document) -> None:
    del resources["DataKey"]["Properties"]["KeyPolicy"]["Statement"][-1]


@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (_spoilt_trust, "must allow AWS EventBridge Scheduler to assume"),
        (_closed_key, r"kms:\w+ on resource"),
    ],
)
def test_trust_and_key_of_a_schedule_decide(
    changed: Scene, change: Callable[[Document], None], reason: str
) -> None:
    def both(resources: Document) -> None:
        _parts(changed)(resources)
        change(resources)

    _maker(changed).create_schedule(**_schedule(changed, "sound"))
    changed.changed(both)
    with pytest.raises(ClientError, match=reason):
        _maker(changed).create_schedule(**_schedule(changed, "not-sound"))


def test_functions_see_the_moved_clock_and_their_calls_are_still_taken(
    made: Scene, clock: Callable[[float], object]
) -> None:
    iam, functions = made.iam, made.client.service("lambda")
    trust = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "sts:AssumeRole",
                "Principal": {"Service": "lambda.amazonaws.com"},
            }
        ],
    }
    role = iam.create_role(RoleName="clock", AssumeRolePolicyDocument=json.dumps(trust))["Role"]
    code = _zipped(_NOW)
    functions.create_function(
        FunctionName="clock",
        Runtime="python3.11",
        Handler="index.handler",
        Role=role["Arn"],
        Code={"ZipFile": code},
    )

    def ahead() -> float:
        answer = functions.invoke(FunctionName="clock")
        assert "FunctionError" not in answer, answer["Payload"].read()
        told = datetime.datetime.fromisoformat(json.loads(answer["Payload"].read()))
        return (told - datetime.datetime.now(datetime.UTC)).total_seconds()

    try:
        assert abs(ahead()) < 30
        clock(8)
        assert abs(ahead() - 8 * 3600) < 30
    finally:
        functions.delete_function(FunctionName="clock")
        iam.delete_role(RoleName="clock")


def _zipped(code: str) -> bytes:
    made = io.BytesIO()
    with zipfile.ZipFile(made, "w") as archive:
        archive.writestr("index.py", code)
    return made.getvalue()
