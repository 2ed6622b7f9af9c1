"""The log of model invocations in the emulator: who may set it, and where Bedrock may write."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rehearsal.people import take_role
from tests.rehearsal.scene import Document, Scene, allow

GROUP = "/made/invocations"
PUT = "bedrock:PutModelInvocationLoggingConfiguration"
Change = Callable[[Document], object]


def _stream(scene: Scene) -> str:
    return scene.arn("logs", f"log-group:{GROUP}:log-stream:aws/bedrock/modelinvocations")


def _own(resources: Document, role: str) -> list[Document]:
    document = resources[role]["Properties"]["Policies"][0]["PolicyDocument"]
    found: list[Document] = document["Statement"]
    return found


def _logging(scene: Scene, spoil: Change = lambda _: None) -> Scene:
    """A scene with a log group, a role that may write to it, a caller who may set it, or not."""
    logs = scene.client.service("logs")
    if not logs.describe_log_groups(logGroupNamePrefix=GROUP)["logGroups"]:
        logs.create_log_group(logGroupName=GROUP)
    scene.bedrock.delete_model_invocation_logging_configuration()

    def add(resources: Document) -> None:
        resources["Logger"] = scene._role(
            {"Service": "bedrock.amazonaws.com"},
            [allow(["logs:CreateLogStream", "logs:PutLogEvents"], _stream(scene))],
            StringEquals={"aws:SourceAccount": scene.client.account},
            ArnLike={"aws:SourceArn": scene.arn("bedrock", "*")},
        )
        _own(resources, "Caller").extend(
            [
                allow(
                    [
                        PUT,
                        "bedrock:GetModelInvocationLoggingConfiguration",
                        "bedrock:DeleteModelInvocationLoggingConfiguration",
                    ],
                    "*",
                ),
                allow("iam:PassRole", f"arn:aws:iam::{scene.client.account}:role/*"),
            ]
        )

    def both(resources: Document) -> None:
        add(resources)
        spoil(resources)

    scene.changed(both)
    return scene


def _role(scene: Scene) -> str:
    found = scene.cloudformation.describe_stack_resource(
        StackName=scene.name, LogicalResourceId="Logger"
    )["StackResourceDetail"]["PhysicalResourceId"]
    return f"arn:aws:iam::{scene.client.account}:role/{found}"


def _configuration(scene: Scene, **changes: Any) -> Document:
    logs = {"logGroupName": GROUP, "roleArn": _role(scene), **changes}
    return {"cloudWatchConfig": logs, "textDataDeliveryEnabled": True}


def _set(scene: Scene, **changes: Any) -> None:
    caller = take_role(
        client=scene.client, role_arn=scene.ids["CallerArn"], session_name="test"
    ).service("bedrock")
    caller.put_model_invocation_logging_configuration(
        loggingConfig=_configuration(scene, **changes)
    )


def test_it_is_set_read_and_removed(scene: Scene) -> None:
    logging = _logging(scene)
    _set(logging)
    found = logging.caller.get_model_invocation_logging_configuration()["loggingConfig"]
    assert found == _configuration(logging)
    logging.caller.delete_model_invocation_logging_configuration()
    answer = logging.caller.get_model_invocation_logging_configuration()
    assert "loggingConfig" not in answer


def _without(action: str) -> Change:
    def change(resources: Document) -> None:
        statements = _own(resources, "Caller")
        statements[:] = [each for each in statements if action not in each["Action"]]

    return change


@pytest.mark.parametrize("action", [PUT, "iam:PassRole"])
def test_who_may_not_set_it_or_pass_its_role_is_denied(scene: Scene, action: str) -> None:
    logging = _logging(scene, _without(action))
    with pytest.raises(ClientError, match=action):
        _set(logging)


def _of_another_account(resources: Document) -> None:
    statement = resources["Logger"]["Properties"]["AssumeRolePolicyDocument"]["Statement"][0]
    statement["Condition"] = {"StringEquals": {"aws:SourceAccount": "999999999999"}}


def _of_another_stream(resources: Document) -> None:
    _own(resources, "Logger")[0]["Resource"] = "arn:aws:logs:us-east-1:999999999999:log-group:/x"


@pytest.mark.parametrize(
    ("change", "words"),
    [(_of_another_account, "trust policy"), (_of_another_stream, "logs:CreateLogStream")],
)
def test_a_role_that_cannot_write_is_refused(scene: Scene, change: Change, words: str) -> None:
    logging = _logging(scene, change)
    with pytest.raises(ClientError, match=rf"ValidationException.*{words}"):
        _set(logging)


def test_a_log_group_that_is_not_there_is_refused(scene: Scene) -> None:
    logging = _logging(scene)
    with pytest.raises(ClientError, match="/made/nowhere does not exist"):
        _set(logging, logGroupName="/made/nowhere")


def test_a_bucket_that_is_not_there_is_refused(scene: Scene) -> None:
    logging = _logging(scene)
    with pytest.raises(ClientError, match="nowhere-made does not exist"):
        logging.bedrock.put_model_invocation_logging_configuration(
            loggingConfig={"s3Config": {"bucketName": "nowhere-made"}}
        )
