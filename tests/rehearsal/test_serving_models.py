"""Deployments and throughput in the emulator: who may, the model's key, times, and what answers."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rehearsal.client import Credentials
from rehearsal.emulator_process import Emulator
from rehearsal.people import take_role
from tests.rehearsal.scene import Document, Scene, allow

Client = Any
"""A boto3 client; they are untyped here."""
_SOON = 60.0
_WHERE_FUNCTION_IS = """
import os
def handler(event, context):
    return [os.environ[f"AWS_{name}"] for name in
            ("ACCESS_KEY_ID", "SECRET_ACCESS_KEY", "SESSION_TOKEN")]
"""
"""A function that hands out who it is: what is called with that is called from where it sits."""


@pytest.fixture(autouse=True)
def quick(emulator: Emulator) -> Iterator[None]:
    pace = emulator.state / "serving-seconds"
    pace.write_text("0.2", encoding="utf-8")
    yield
    pace.unlink()


@pytest.fixture(scope="module")
def model(sound: Scene) -> str:
    """ARN of a custom model of the sound scene."""
    return str(sound.ended(sound.submit())["outputModelArn"])


def _tags(scene: Scene) -> list[Document]:
    return [{"key": "owner", "value": scene.name}]


def _deployed(scene: Scene, model: str, name: str) -> str:
    made: str = scene.caller.create_custom_model_deployment(
        modelDeploymentName=name, modelArn=model, tags=_tags(scene), clientRequestToken=name
    )["customModelDeploymentArn"]
    return made


def _bought(scene: Scene, model: str, name: str) -> str:
    made: str = scene.caller.create_provisioned_model_throughput(
        provisionedModelName=name,
        modelId=model,
        modelUnits=1,
        tags=_tags(scene),
        clientRequestToken=name,
    )["provisionedModelArn"]
    return made


def _active(scene: Scene, arn: str) -> str:
    deadline = time.monotonic() + _SOON
    while time.monotonic() < deadline:
        status = str(
            scene.caller.get_custom_model_deployment(customModelDeploymentIdentifier=arn)["status"]
            if ":custom-model-deployment/" in arn
            else scene.caller.get_provisioned_model_throughput(provisionedModelId=arn)["status"]
        )
        if status != "Creating":
            return status
        time.sleep(0.05)
    raise AssertionError("still being created")


def _asked(client: Client, arn: str, prompt: str = "why?", **more: Any) -> Document:
    found: Document = client.converse(
        modelId=arn, messages=[{"role": "user", "content": [{"text": prompt}]}], **more
    )
    return found


def _runtime(scene: Scene, role: str = "CallerArn") -> Client:
    return take_role(client=scene.client, role_arn=scene.ids[role], session_name="test").service(
        "bedrock-runtime"
    )


def test_a_model_is_deployed_tried_and_taken_away(sound: Scene, model: str) -> None:
    arn = _deployed(sound, model, "on-demand")
    assert _deployed(sound, model, "on-demand") == arn
    assert _active(sound, arn) == "Active"
    tags = sound.caller.list_tags_for_resource(resourceARN=arn)["tags"]
    assert tags == _tags(sound)
    answer = _asked(_runtime(sound), arn, "how long?")
    assert "You asked: how long?" in answer["output"]["message"]["content"][0]["text"]
    assert answer["stopReason"] == "end_turn"
    with pytest.raises(ClientError, match="in use"):
        sound.caller.delete_custom_model(modelIdentifier=model)
    sound.caller.delete_custom_model_deployment(customModelDeploymentIdentifier="on-demand")
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        sound.bedrock.get_custom_model_deployment(customModelDeploymentIdentifier=arn)


def test_throughput_is_bought_used_and_given_back(sound: Scene, model: str) -> None:
    arn = _bought(sound, model, "bought")
    assert _active(sound, arn) == "InService"
    body = json.dumps({"messages": [{"role": "user", "content": [{"text": "and now?"}]}]})
    answer = json.loads(_runtime(sound).invoke_model(modelId=arn, body=body)["body"].read())
    assert "You asked: and now?" in answer["output"]["message"]["content"][0]["text"]
    sound.caller.delete_provisioned_model_throughput(provisionedModelId="bought")
    assert sound.bedrock.list_provisioned_model_throughputs()["provisionedModelSummaries"] == []


def test_an_answer_is_the_same_for_the_same_question_and_no_longer_than_asked(
    sound: Scene, model: str
) -> None:
    arn = _deployed(sound, model, "same")
    _active(sound, arn)
    runtime = _runtime(sound)
    assert _asked(runtime, arn)["output"] == _asked(runtime, arn)["output"]
    short = _asked(runtime, arn, inferenceConfig={"maxTokens": 3})
    assert (short["stopReason"], short["usage"]["outputTokens"]) == ("max_tokens", 3)
    sound.caller.delete_custom_model_deployment(customModelDeploymentIdentifier=arn)


def test_what_is_not_ready_or_gone_does_not_answer(
    sound: Scene, model: str, emulator: Emulator
) -> None:
    (emulator.state / "serving-seconds").write_text("2", encoding="utf-8")
    arn = _deployed(sound, model, "slow")
    root = sound.client.service("bedrock-runtime")
    with pytest.raises(ClientError, match="ModelNotReadyException"):
        _asked(root, arn)
    _active(sound, arn)
    sound.caller.delete_custom_model_deployment(customModelDeploymentIdentifier=arn)
    with pytest.raises(ClientError, match="ResourceNotFoundException"):
        _asked(root, arn)
    with pytest.raises(ClientError, match="identifier is invalid"):
        _asked(root, model)


def test_a_deployment_can_be_made_to_fail(sound: Scene, model: str, emulator: Emulator) -> None:
    (emulator.state / "serving-seconds").write_text("fail", encoding="utf-8")
    arn = _deployed(sound, model, "fails")
    assert _active(sound, arn) == "Failed"
    sound.caller.delete_custom_model_deployment(customModelDeploymentIdentifier=arn)


def test_other_tags_than_the_policy_asks_for_are_refused(sound: Scene, model: str) -> None:
    for operation, parameters in (
        ("create_custom_model_deployment", {"modelDeploymentName": "no", "modelArn": model}),
        (
            "create_provisioned_model_throughput",
            {"provisionedModelName": "no", "modelId": model, "modelUnits": 1},
        ),
    ):
        with pytest.raises(ClientError, match=r"bedrock:Create\w+ on resource: \S+custom-model/"):
            getattr(sound.caller, operation)(
                **parameters, tags=[{"key": "owner", "value": "somebody-else"}]
            )


def test_what_carries_other_tags_is_neither_used_nor_removed(sound: Scene, model: str) -> None:
    arn = sound.bedrock.create_custom_model_deployment(
        modelDeploymentName="theirs", modelArn=model, tags=[{"key": "owner", "value": "them"}]
    )["customModelDeploymentArn"]
    assert _active(sound, arn) == "Active"
    with pytest.raises(ClientError, match="bedrock:InvokeModel on resource"):
        _asked(_runtime(sound), arn)
    with pytest.raises(ClientError, match="bedrock:DeleteCustomModelDeployment on resource"):
        sound.caller.delete_custom_model_deployment(customModelDeploymentIdentifier="theirs")
    sound.bedrock.delete_custom_model_deployment(customModelDeploymentIdentifier="theirs")


def _without_key(resources: Document) -> None:
    document = resources["Caller"]["Properties"]["Policies"][0]["PolicyDocument"]
    document["Statement"] = [s for s in document["Statement"] if "kms:" not in str(s["Action"])]


def test_deploying_and_asking_need_the_models_key(scene: Scene) -> None:
    model = scene.ended(scene.submit())["outputModelArn"]
    arn = _deployed(scene, model, f"keyed-{scene.name}")
    _active(scene, arn)
    scene.changed(_without_key)
    with pytest.raises(ClientError, match=r"kms:Decrypt on resource: .* no identity-based"):
        _asked(_runtime(scene), arn)
    with pytest.raises(ClientError, match=r"kms:\w+ on resource: .* no identity-based"):
        _bought(scene, model, "without-key")
    scene.bedrock.delete_custom_model_deployment(customModelDeploymentIdentifier=arn)


# From inside the VPC, through the endpoint.

_RUNTIME_ENDPOINT = "RuntimeEndpoint"


def _invokers(resources: Document, scene: Scene, *, policy: list[str] | None = None) -> None:
    """Add an endpoint for the runtime, and a function inside the VPC and one outside, of one role
    that may invoke through the endpoint alone.
    """
    region, group = scene.client.region, {"Ref": "Group"}
    resources["Group"]["Properties"]["SecurityGroupEgress"].append(
        {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "10.0.0.0/16"}
    )
    resources[_RUNTIME_ENDPOINT] = {
        "Type": "AWS::EC2::VPCEndpoint",
        "Properties": {
            "VpcId": {"Ref": "Vpc"},
            "VpcEndpointType": "Interface",
            "ServiceName": f"com.amazonaws.{region}.bedrock-runtime",
            "PrivateDnsEnabled": True,
            "SubnetIds": [{"Ref": "SubnetA"}],
            "SecurityGroupIds": [group],
            "PolicyDocument": {
                "Version": "2012-10-17",
                "Statement": [{**allow(policy or ["bedrock:InvokeModel"], "*"), "Principal": "*"}],
            },
        },
    }
    through = {"aws:SourceVpce": {"Ref": _RUNTIME_ENDPOINT}}
    role = scene._role(
        {"Service": "lambda.amazonaws.com"},
        [
            allow("ec2:*", "*"),
            allow("bedrock:InvokeModel", "*", StringEquals=through),
            allow("kms:Decrypt", "*"),
        ],
    )
    resources["InvokerRole"] = role
    for name, vpc in (
        ("Inside", {"SubnetIds": [{"Ref": "SubnetA"}], "SecurityGroupIds": [group]}),
        ("Outside", None),
    ):
        resources[name] = {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "FunctionName": f"{scene.name}-{name}",
                "Runtime": "python3.11",
                "Handler": "index.handler",
                "Role": {"Fn::GetAtt": ["InvokerRole", "Arn"]},
                "Code": {"ZipFile": _WHERE_FUNCTION_IS},
                **({"VpcConfig": vpc} if vpc else {}),
            },
        }


def _called_from(scene: Scene, name: str) -> Client:
    """A client of the runtime that calls from where the function sits."""
    answer = scene.client.service("lambda").invoke(FunctionName=f"{scene.name}-{name}")
    key, secret, token = json.loads(answer["Payload"].read())
    credentials = Credentials(access_key=key, secret_key=secret, session_token=token)
    return scene.client.acting_as(credentials).service("bedrock-runtime")


def test_one_role_is_answered_inside_the_vpc_and_denied_outside(scene: Scene) -> None:
    arn = _deployed(scene, scene.ended(scene.submit())["outputModelArn"], f"in-{scene.name}")
    _active(scene, arn)
    scene.changed(lambda resources: _invokers(resources, scene))
    answer = _asked(_called_from(scene, "Inside"), arn)
    assert "You asked: why?" in answer["output"]["message"]["content"][0]["text"]
    with pytest.raises(ClientError, match="not authorized to perform: bedrock:InvokeModel"):
        _asked(_called_from(scene, "Outside"), arn)
    # The endpoint's own policy, its name and its absence decide too.
    scene.changed(lambda resources: _invokers(resources, scene, policy=["bedrock:Nothing"]))
    with pytest.raises(ClientError, match="no VPC endpoint policy allows the bedrock:InvokeModel"):
        _asked(_called_from(scene, "Inside"), arn)

    def without_name(resources: Document) -> None:
        _invokers(resources, scene)
        resources[_RUNTIME_ENDPOINT]["Properties"]["PrivateDnsEnabled"] = False

    scene.changed(without_name)
    with pytest.raises(ClientError, match="private DNS is off"):
        _asked(_called_from(scene, "Inside"), arn)
    scene.bedrock.delete_custom_model_deployment(customModelDeploymentIdentifier=arn)
