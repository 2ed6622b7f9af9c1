"""Logs hold ids and counts: no event, no data, no secret."""

from __future__ import annotations

import io
import json
import logging
from collections.abc import Iterator
from typing import Any

import pytest
from botocore.exceptions import ParamValidationError

import completion_check.handler
import submitter.handler
from customization.errors import CustomizationError, ServiceCallError
from tests.fakes.aws import FakeAws, Fault, RefusalError
from tests.fakes.cloudformation import Resource

SECRET = "planted-secret"
SIGNATURE = "planted-signature"


@pytest.fixture
def log(resource: Resource) -> Iterator[io.StringIO]:
    """What the functions' own loggers write, line by line, and every other logger."""
    stream = io.StringIO()
    ours = {submitter.handler.logger, completion_check.handler.logger}
    kept = {logger: logger.registered_handler.stream for logger in ours}  # type: ignore[attr-defined] # a StreamHandler by default
    others = logging.StreamHandler(stream)
    others.addFilter(lambda record: record.name not in {logger.name for logger in ours})
    for logger in ours:
        logger.registered_handler.setStream(stream)  # type: ignore[attr-defined] # as above
    root = logging.getLogger()
    root.addHandler(others)
    yield stream
    root.removeHandler(others)
    for logger, before in kept.items():
        logger.registered_handler.setStream(before)  # type: ignore[attr-defined] # as above


def plant(resource: Resource) -> None:
    """Put a secret wherever an event may hold a value that is not an id."""
    request = resource.properties["Request"]
    request["jobTags"] = [{"key": "project", "value": SECRET}]
    request["hyperParameters"]["note"] = SECRET


def test_a_planted_secret_never_reaches_the_log(
    aws: FakeAws, resource: Resource, log: io.StringIO
) -> None:
    plant(resource)
    name = resource.create()["PhysicalResourceId"]
    resource.is_complete()
    aws.end_job(name, "Completed")
    resource.is_complete()
    resource.update({**resource.properties, "Run": "2"})
    resource.delete()
    resource.is_complete()
    assert SECRET not in log.getvalue()
    assert SIGNATURE not in log.getvalue()
    assert name in log.getvalue()


def test_logging_the_event_would_be_noticed(
    aws: FakeAws, resource: Resource, log: io.StringIO
) -> None:
    plant(resource)
    resource.create()
    submitter.handler.logger.info("event", extra={"event": resource.pending})
    assert SECRET in log.getvalue()
    assert SIGNATURE in log.getvalue()


@pytest.mark.parametrize("field", ["Run", "WaitFor", "DatasetName", "Environment"])
def test_an_error_about_a_bad_value_does_not_repeat_it(
    field: str, resource: Resource, log: io.StringIO
) -> None:
    resource.properties[field] = f"{SECRET} €"
    with pytest.raises(CustomizationError) as caught:
        resource.create()
    assert field in str(caught.value)
    assert SECRET not in str(caught.value) + log.getvalue()


def test_an_error_inside_botocore_is_told_by_its_class_alone(
    aws: FakeAws, resource: Resource, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: dict[str, Any]) -> dict[str, Any]:
        raise ParamValidationError(report=f"invalid value {SECRET}")

    monkeypatch.setattr(aws, "head_object", refuse)
    with pytest.raises(ServiceCallError, match="failed with ParamValidationError") as caught:
        resource.create()
    assert SECRET not in str(caught.value)
    assert caught.value.__suppress_context__


def test_lines_are_structured_with_ids(aws: FakeAws, resource: Resource, log: io.StringIO) -> None:
    passing = RefusalError("ValidationException", "Could not assume provided IAM role")
    aws.faults.append(Fault("CreateModelCustomizationJob", passing))
    name = resource.create()["PhysicalResourceId"]
    lines = [json.loads(line) for line in log.getvalue().splitlines() if line.startswith("{")]
    waiting, submitted = (line for line in lines if line.get("job_name") == name)
    assert waiting["code"] == "ValidationException"
    assert submitted["message"] == "submitted"
    assert submitted["job_arn"] == aws.jobs[name]["jobArn"]
    assert submitted["request_type"] == "Create"
    assert submitted["function_request_id"]
