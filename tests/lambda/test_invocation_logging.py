"""The log of model invocations: ours is turned on and off, and others' is left as it is."""

from __future__ import annotations

import copy
import json
from typing import Any

import pytest
from botocore.model import StructureShape

from completion_check.logged import SPREADS_WITHIN
from customization.errors import EventError, ServiceCallError, StaleRequestError
from customization.limits import bedrock_model
from deployments.errors import InvocationLoggingError
from deployments.invocation_logging import (
    Destination,
    SwitchEvent,
    destinations_of,
    log_group_of,
    physical_id_of,
)
from tests.fakes.aws import FakeAws, Fault, RefusalError
from tests.fakes.deployments import deploy
from tests.fakes.invocation_logging import (
    FOREIGN,
    LOG_GROUP,
    OURS,
    LoggingResource,
    logging_properties,
    plant,
    present,
)

DONE = {"IsComplete": True}
PUT = "PutModelInvocationLoggingConfiguration"
DELETE = "DeleteModelInvocationLoggingConfiguration"
MIXED: dict[str, Any] = {**OURS, "s3Config": {"bucketName": "made-central-logs"}}
LARGE: dict[str, Any] = {
    **OURS,
    "cloudWatchConfig": {
        **OURS["cloudWatchConfig"],
        "largeDataDeliveryS3Config": {"bucketName": "made-central-logs"},
    },
}


@pytest.fixture
def logged(aws: FakeAws) -> LoggingResource:
    return LoggingResource(aws=aws, properties=logging_properties())


def called(aws: FakeAws, operation: str) -> int:
    return sum(name == operation for _, name in aws.calls)


# On


def test_text_alone_goes_to_our_log_group_alone(aws: FakeAws, logged: LoggingResource) -> None:
    assert logged.create()["PhysicalResourceId"] == physical_id_of("dev")
    assert logged.is_complete() == DONE
    assert present(aws) == OURS


def test_every_kind_of_data_that_the_api_knows_is_decided_on() -> None:
    shape = bedrock_model().shape_for("LoggingConfig")
    assert isinstance(shape, StructureShape)
    flags = {name for name in shape.members if name.endswith("DataDeliveryEnabled")}
    assert flags == {name for name in OURS if name.endswith("DataDeliveryEnabled")}


def test_a_request_that_comes_again_changes_nothing(aws: FakeAws, logged: LoggingResource) -> None:
    logged.create()
    assert [logged.is_complete(), logged.is_complete()] == [DONE, DONE]
    logged.again()
    assert logged.is_complete() == DONE
    assert called(aws, PUT) == 1


def test_an_update_mends_what_was_changed_by_hand(aws: FakeAws, logged: LoggingResource) -> None:
    logged.create()
    logged.is_complete()
    plant(aws, {**OURS, "imageDataDeliveryEnabled": True})
    logged.update(logging_properties(ServiceTimeout="3599"))
    assert logged.is_complete() == DONE
    assert present(aws) == OURS


@pytest.mark.parametrize("there", [FOREIGN, MIXED, LARGE])
def test_what_others_have_set_is_never_overwritten(
    aws: FakeAws, logged: LoggingResource, there: dict[str, Any]
) -> None:
    plant(aws, there)
    logged.create()
    with pytest.raises(InvocationLoggingError) as caught:
        logged.is_complete()
    assert "made-central-logs" in str(caught.value)
    assert "inference.invocation_logging: false" in str(caught.value)
    assert present(aws) == there
    assert called(aws, PUT) == 0


def test_another_environments_log_is_others_too(aws: FakeAws, logged: LoggingResource) -> None:
    plant(aws, {"cloudWatchConfig": {**OURS["cloudWatchConfig"], "logGroupName": "/finetune/prod"}})
    logged.create()
    with pytest.raises(InvocationLoggingError, match="the log group /finetune/prod already"):
        logged.is_complete()


def test_a_configuration_without_a_destination_is_nobodys(
    aws: FakeAws, logged: LoggingResource
) -> None:
    aws.bedrock.logging.store["loggingConfig"] = {"textDataDeliveryEnabled": True}
    logged.create()
    assert logged.is_complete() == DONE
    assert present(aws) == OURS


def test_a_role_that_is_not_known_everywhere_yet_is_waited_for(
    aws: FakeAws, logged: LoggingResource
) -> None:
    refusal = RefusalError("ValidationException", "Failed to validate permissions")
    aws.faults.append(Fault(PUT, refusal, times=2))
    logged.create()
    assert [logged.is_complete()["IsComplete"] for _ in range(3)] == [False, False, True]


def test_a_role_that_stays_refused_fails_the_stack_with_its_reason(
    aws: FakeAws, logged: LoggingResource
) -> None:
    refusal = RefusalError("ValidationException", "Failed to validate permissions")
    aws.faults.append(Fault(PUT, refusal, times=99))
    logged.create()
    assert logged.is_complete() == {"IsComplete": False}
    aws.now += SPREADS_WITHIN
    with pytest.raises(InvocationLoggingError, match="Failed to validate permissions; check"):
        logged.is_complete()


def test_throttling_is_waited_for_however_long_it_takes(
    aws: FakeAws, logged: LoggingResource
) -> None:
    aws.faults.append(Fault(PUT, RefusalError("ThrottlingException", "made up", 429), times=99))
    logged.create()
    aws.now += SPREADS_WITHIN * 2
    assert logged.is_complete() == {"IsComplete": False}


def test_a_deployer_that_fails_is_told(aws: FakeAws, logged: LoggingResource) -> None:
    def broken(payload: bytes) -> None:
        raise EventError(f"made up about {len(payload)} bytes")

    logged.create()
    aws.waited_for = broken
    with pytest.raises(ServiceCallError, match="the deployer failed: EventError: made up"):
        logged.is_complete()


# Off


def test_ours_is_removed(aws: FakeAws, logged: LoggingResource) -> None:
    logged.create()
    logged.is_complete()
    logged.delete()
    assert [logged.is_complete(), logged.is_complete()] == [DONE, DONE]
    assert present(aws) is None
    assert called(aws, DELETE) == 1


@pytest.mark.parametrize("there", [FOREIGN, MIXED, LARGE])
def test_what_others_have_set_is_never_removed(
    aws: FakeAws, logged: LoggingResource, there: dict[str, Any]
) -> None:
    logged.create()
    logged.is_complete()
    plant(aws, there)
    logged.delete()
    assert logged.is_complete() == DONE
    assert present(aws) == there
    assert called(aws, DELETE) == 0


def test_the_rollback_of_a_create_that_met_others_leaves_them(
    aws: FakeAws, logged: LoggingResource
) -> None:
    plant(aws, FOREIGN)
    logged.create()
    with pytest.raises(InvocationLoggingError):
        logged.is_complete()
    logged.delete()
    assert logged.is_complete() == DONE
    assert present(aws) == FOREIGN


def test_an_id_that_cloudformation_invented_is_deleted_without_a_call(
    aws: FakeAws, logged: LoggingResource
) -> None:
    logged.create()
    logged.is_complete()
    before = len(aws.calls)
    logged.delete("made-stack-InvocationLogging-1ABC")
    assert logged.is_complete() == DONE
    assert len(aws.calls) == before
    assert present(aws) == OURS


def test_a_request_nobody_waits_for_is_refused(aws: FakeAws, logged: LoggingResource) -> None:
    logged.create()
    late = copy.deepcopy(logged.last)
    logged.is_complete()
    logged.delete()
    logged.is_complete()
    logged.last = late
    with pytest.raises(StaleRequestError):
        logged.again()
    assert present(aws) is None


# What is asked for


def test_another_log_group_than_the_environments_is_refused(logged: LoggingResource) -> None:
    logged.properties = logging_properties(LogGroup="/somebody/else")
    with pytest.raises(InvocationLoggingError, match=log_group_of("dev")):
        logged.create()


def test_all_that_is_wrong_is_told_at_once() -> None:
    with pytest.raises(InvocationLoggingError) as caught:
        Destination.from_properties({"RoleArn": "made up", "More": "1"})
    for part in ("Environment is missing", "LogGroup is missing", "'made up'", "More is unknown"):
        assert part in str(caught.value)


def test_the_deployer_of_one_environment_sets_no_log_of_another(aws: FakeAws) -> None:
    properties = logging_properties(Environment="prod", LogGroup=log_group_of("prod"))
    answer = deploy(aws, {"InvocationLogging": {"on": True, "properties": properties}})
    assert answer["state"] == "Refused"
    assert present(aws) is None


@pytest.mark.parametrize("asked", [{}, {"on": "true"}, {"on": True}, None, {"properties": {}}])
def test_an_event_that_is_not_whole_is_refused(asked: object) -> None:
    with pytest.raises(EventError, match="InvocationLogging must"):
        SwitchEvent.parse({"InvocationLogging": asked})


def test_other_events_are_no_wish_about_the_log() -> None:
    assert SwitchEvent.parse({"Deploy": {"job_name": "made"}}) is None
    assert SwitchEvent.parse(json.loads("[]")) is None


def test_all_destinations_are_named() -> None:
    assert destinations_of(LARGE) == [f"the log group {LOG_GROUP}", "s3://made-central-logs/"]
    assert destinations_of(FOREIGN) == ["s3://made-central-logs/bedrock"]
    assert destinations_of(None) == []
