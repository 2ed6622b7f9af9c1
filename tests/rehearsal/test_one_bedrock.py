"""The same conversation with the emulator and with the functions' fake: the same answers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
from botocore.exceptions import ClientError

from rehearsal.bedrock_semantics import service, shapes
from tests.fakes.aws import FakeAws, Wire
from tests.rehearsal.scene import Scene

Client = Any
"""A boto3 client; they are untyped here."""


def _outcome(call: Callable[[], dict[str, Any]]) -> object:
    try:
        answer = call()
    except ClientError as error:
        return error.response["Error"]["Code"]
    return sorted(set(answer) - {"ResponseMetadata"})


def _conversation(
    bedrock: Client, request: dict[str, Any], end: Callable[[str], object]
) -> list[object]:
    """Talk about two jobs; return what came of each call, without names, times and numbers."""
    name = request["jobName"]
    other = {
        **request,
        "jobName": f"{name}-other",
        "customModelName": f"{name}-other",
        "clientRequestToken": f"{name}-other",
    }
    said: list[object] = []

    def ask(call: Callable[[], dict[str, Any]]) -> None:
        said.append(_outcome(call))

    arn = bedrock.create_model_customization_job(**request)["jobArn"]
    again = bedrock.create_model_customization_job(**{**other, "clientRequestToken": name})
    said.append(again["jobArn"] == arn)
    ask(lambda: bedrock.create_model_customization_job(**{**request, "clientRequestToken": "else"}))
    ask(lambda: bedrock.get_model_customization_job(jobIdentifier="nobody"))
    ask(lambda: bedrock.list_tags_for_resource(resourceARN=arn))
    ask(lambda: bedrock.list_tags_for_resource(resourceARN=f"{arn[:-12]}000000000999"))
    end(arn)
    job = bedrock.get_model_customization_job(jobIdentifier=name)
    said.append((job["status"], sorted(set(job) - {"ResponseMetadata", "statusDetails"})))
    ask(lambda: bedrock.stop_model_customization_job(jobIdentifier=name))
    ask(lambda: bedrock.get_custom_model(modelIdentifier=name))
    ask(lambda: bedrock.list_custom_models(nameContains=name))
    ask(lambda: bedrock.list_model_customization_jobs(nameContains=name, maxResults=1))
    ask(lambda: bedrock.list_model_customization_jobs(nameContains=name, nextToken="nothing"))
    ask(lambda: bedrock.delete_custom_model(modelIdentifier=job["outputModelArn"]))
    ask(lambda: bedrock.delete_custom_model(modelIdentifier=job["outputModelArn"]))
    ask(lambda: bedrock.get_custom_model(modelIdentifier=name))
    ask(lambda: bedrock.create_model_customization_job(**{**request, "clientRequestToken": "else"}))
    return said


@pytest.fixture
def conversations(sound: Scene) -> dict[str, list[object]]:
    request = sound.request()
    request["clientRequestToken"] = request["jobName"]
    wire = Wire()
    fake = wire.client("bedrock")

    def end_in_the_fake(_: str) -> None:
        wire.aws.end_job(request["jobName"], "Completed")

    return {
        "emulator": _conversation(sound.caller, request, sound.ended),
        "fake": _conversation(fake, request, end_in_the_fake),
    }


def test_both_say_the_same(conversations: dict[str, list[object]]) -> None:
    assert conversations["emulator"] == conversations["fake"]
    codes = [said for said in conversations["fake"] if isinstance(said, str)]
    assert codes == [
        "ValidationException",
        "ResourceNotFoundException",
        "ResourceNotFoundException",
        "ConflictException",
        "ValidationException",
        "ResourceNotFoundException",
        "ResourceNotFoundException",
        "ValidationException",
    ]


def test_another_fake_would_be_noticed(sound: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    """The twin: tokens that are forgotten change what the fake says."""
    request = sound.request()
    request["clientRequestToken"] = request["jobName"]
    monkeypatch.setattr(service.Bedrock, "_with_token", lambda *_: None)
    wire = Wire()
    said = _conversation(
        wire.client("bedrock"), request, lambda _: wire.aws.end_job(request["jobName"], "Completed")
    )
    assert said[0] is False


@pytest.mark.parametrize("direct", [False, True])
def test_the_fake_gives_no_answer_that_bedrock_could_not_give(
    sound: Scene, *, direct: bool
) -> None:
    wire = Wire(aws=FakeAws())
    client = wire.aws.direct("bedrock") if direct else wire.client("bedrock")
    client.create_model_customization_job(**sound.request())
    (job,) = wire.aws.jobs.values()
    client.get_model_customization_job(jobIdentifier=job["jobName"])
    job["customizationType"] = "GUESSWORK"
    with pytest.raises(shapes.ShapeError, match="GUESSWORK"):
        client.get_model_customization_job(jobIdentifier=job["jobName"])
