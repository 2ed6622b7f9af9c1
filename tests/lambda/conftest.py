"""A fake AWS behind real clients, and the requests that CloudFormation would send."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

import completion_check.handler
import deployer.handler
import follower.handler
import model_report.handler
import submitter.handler
from customization import clients, patience
from customization.calls import EVERY_CALL
from tests.fakes.aws import SERVICES, STATE_MACHINE, FakeAws, Wire, client_name
from tests.fakes.cloudformation import STACK, Resource
from tests.fakes.deployments import VARIABLES, WishResource, wish
from tests.fakes.properties import TRAINING, made


@pytest.fixture(scope="session")
def wire() -> Wire:
    return Wire()


@pytest.fixture(scope="session")
def wired(wire: Wire) -> dict[str, Any]:
    return {service: wire.client(service) for service in SERVICES}


@pytest.fixture
def aws(wire: Wire, wired: dict[str, Any], monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeAws]:
    wire.aws = FakeAws()
    wire.aws.objects["made-bucket", f"fine-tuning-datasets/tone/{TRAINING}/tone.jsonl"] = {
        "sha256": TRAINING
    }
    for service, client in wired.items():
        monkeypatch.setattr(clients, client_name(service), lambda client=client: client)
    monkeypatch.setenv("TABLE_NAME", "made-table")
    monkeypatch.setenv("TOPIC_ARN", "arn:aws:sns:eu-test-1:123456789012:made-topic")
    monkeypatch.setenv("SUBMITTER_FUNCTION", "made-submitter")
    monkeypatch.setenv("FOLLOW_UP_STATE_MACHINE", STATE_MACHINE)
    # The longest pauses, so that a test can say how long they are.
    monkeypatch.setattr(patience, "jitter", lambda ceiling: ceiling)
    monkeypatch.setattr("time.sleep", wire.aws.sleep)
    monkeypatch.setenv("BUCKET_NAME", "made-bucket")
    for key, value in VARIABLES.items():
        monkeypatch.setenv(key, value)
    for handler in (
        submitter.handler,
        completion_check.handler,
        follower.handler,
        deployer.handler,
        model_report.handler,
    ):
        monkeypatch.setattr(handler, "now", lambda: wire.aws.now)
    yield wire.aws
    # Whatever a test drove: no function calls what the policies are not made for.
    for function, calls in EVERY_CALL.items():
        assert wire.aws.by_caller.get(function, set()) <= set(calls), function


@pytest.fixture
def properties() -> dict[str, Any]:
    return made()


@pytest.fixture
def resource(aws: FakeAws, properties: dict[str, Any]) -> Resource:
    return Resource(aws=aws, properties=properties)


@pytest.fixture
def wished(aws: FakeAws) -> WishResource:
    """The resource of a wish for a deployment on demand."""
    return WishResource(aws=aws, properties=wish(), stack=f"{STACK}-of-wish")
