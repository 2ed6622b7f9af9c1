"""Every call of the functions × every error it may answer × before or after its effect.

The errors are those that botocore's service model lists for the operation, and those that any
call may meet: throttling, an answer from 500 on, and none at all. Each cell is driven twice, with
the error once and with the error always; what comes of it is a word of `OUTCOMES`. Afterwards the
error is gone and CloudFormation, Lambda and the clock do as they do: no job may be left twice.
"""

from __future__ import annotations

import copy
import json
import os
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from datetime import timedelta
from typing import Any, Final
from unittest import mock

from botocore.loaders import Loader
from botocore.model import ServiceModel

import deployer.handler
import submitter.handler
from customization import clients, patience
from customization.calls import EVERY_CALL
from customization.errors import CustomizationError
from tests.fakes import deployment_faults, invocation_logging
from tests.fakes.aws import (
    SERVICES,
    STATE_MACHINE,
    FakeAws,
    Fault,
    LostError,
    RefusalError,
    client_name,
)
from tests.fakes.cloudformation import Resource, sweep
from tests.fakes.deployments import VARIABLES, WishResource
from tests.fakes.invocation_logging import LoggingResource

FUNCTIONS: Final = ("submitter", "completion_check", "follower", "deployer")
"""The functions of the table."""
ENGINE: Final = ("submitter", "completion_check", "follower")
"""The functions that make, watch and end jobs."""
LOST: Final = "no answer"
ALWAYS: Final = 99

EVERYWHERE: Final[tuple[tuple[str, int], ...]] = (
    ("ThrottlingException", 429),
    ("InternalServerException", 500),
)
# What is answered besides, or instead of, what the service model lists.
_ALSO: Final[dict[str, tuple[tuple[str, int], ...]]] = {
    "HeadObject": (("404", 404), ("403", 403)),
    "DescribeStacks": (("ValidationError", 400), ("AccessDenied", 403)),
    "DescribeStackResource": (("ValidationError", 400), ("AccessDenied", 403)),
    "DescribeNetworkInterfaces": (("UnauthorizedOperation", 403),),
}
_OWN_MESSAGE: Final = {"ValidationError": "Stack with id made does not exist"}
# Errors of features that no call here uses.
_NOT_OURS: Final = frozenset(
    {
        "DuplicateItemException",
        "EC2AccessDeniedException",
        "EC2ThrottledException",
        "EC2UnexpectedException",
        "EFSIOException",
        "EFSMountConnectivityException",
        "EFSMountFailureException",
        "EFSMountTimeoutException",
        "ItemCollectionSizeLimitExceededException",
        "ReplicatedWriteConflictException",
        "S3FilesMountConnectivityException",
        "S3FilesMountFailureException",
        "S3FilesMountTimeoutException",
        "SnapStartException",
        "SnapStartNotReadyException",
        "SnapStartTimeoutException",
        "TransactionConflictException",
    }
)


@dataclass(frozen=True, order=True, kw_only=True)
class Cell:
    """One cell of the table."""

    function: str
    operation: str
    error: str
    after: bool


def cells() -> list[Cell]:
    """Return every cell that the calls and the service models ask for."""
    found = []
    for function in FUNCTIONS:
        for service, operation in EVERY_CALL[function]:
            for error in errors_of(service, operation):
                found += [
                    Cell(function=function, operation=operation, error=error, after=after)
                    for after in (False, True)
                ]
    return found


def errors_of(service: str, operation: str) -> dict[str, int]:
    """Return the codes of the errors an operation may answer, each with its HTTP status."""
    model = ServiceModel(Loader().load_service_model(service, "service-2"), service)
    listed = {
        shape.metadata.get("error", {}).get("code", shape.name): int(
            shape.metadata.get("error", {}).get("httpStatusCode", 400)
        )
        for shape in model.operation_model(operation).error_shapes
        if shape.name not in _NOT_OURS
    }
    return {**listed, **dict(EVERYWHERE), **dict(_ALSO.get(operation, ())), LOST: 0}


# How a call is reached: what stands before, and what is then asked for.


def _create(aws: FakeAws, resource: Resource) -> Callable[[], object]:
    return resource.create


def _create_again(aws: FakeAws, resource: Resource) -> Callable[[], object]:
    aws.end_job(resource.create()["PhysicalResourceId"], "Completed")
    return resource.create


def _delete_running(aws: FakeAws, resource: Resource) -> Callable[[], object]:
    resource.create()
    return resource.delete


def _delete_completed(aws: FakeAws, resource: Resource) -> Callable[[], object]:
    aws.end_job(resource.create()["PhysicalResourceId"], "Completed")
    return resource.delete


def _ask(aws: FakeAws, resource: Resource) -> Callable[[], object]:
    resource.create()
    return resource.is_complete


def _ask_for_interfaces(aws: FakeAws, resource: Resource) -> Callable[[], object]:
    name = resource.create()["PhysicalResourceId"]
    resource.delete()
    aws.end_job(name, "Stopped")
    return resource.is_complete


def _sweep_end(aws: FakeAws, resource: Resource) -> Callable[[], object]:
    aws.end_job(resource.create()["PhysicalResourceId"], "Completed")
    resource.at_rest()
    return lambda: sweep(aws)


def _sweep_stray(aws: FakeAws, resource: Resource) -> Callable[[], object]:
    resource.create()
    resource.gone()
    aws.now += timedelta(minutes=20)
    return lambda: sweep(aws)


def _sweep_stray_model(aws: FakeAws, resource: Resource) -> Callable[[], object]:
    aws.end_job(resource.create()["PhysicalResourceId"], "Completed")
    resource.gone()
    aws.now += timedelta(minutes=20)
    return lambda: sweep(aws)


def _sweep_successor(aws: FakeAws, resource: Resource) -> Callable[[], object]:
    resource.create()
    resource.update({**copy.deepcopy(resource.properties), "Run": "2"})
    resource.at_rest("UPDATE_COMPLETE")
    aws.now += timedelta(minutes=20)
    return lambda: sweep(aws)


def _sweep_queue(aws: FakeAws, resource: Resource) -> Callable[[], object]:
    with mock.patch.dict(os.environ, {"MAX_JOBS_IN_PROGRESS": "1"}):
        submitter.handler.environment.cache_clear()
        other = Resource(
            aws=aws, properties={**copy.deepcopy(resource.properties), "Job": "other"}, stack="o"
        )
        other.create()
        other.at_rest()
        resource.create()
        resource.at_rest()
    submitter.handler.environment.cache_clear()
    aws.end_job(str(other.physical_id), "Completed")
    return lambda: sweep(aws)


REACHED: Final[dict[tuple[str, str], Callable[[FakeAws, Any], Callable[[], object]]]] = {
    ("submitter", "CreateModelCustomizationJob"): _create,
    ("submitter", "DeleteCustomModel"): _delete_completed,
    ("submitter", "GetCustomModel"): _create_again,
    ("submitter", "GetModelCustomizationJob"): _create,
    ("submitter", "ListTagsForResource"): _create_again,
    ("submitter", "StopModelCustomizationJob"): _delete_running,
    ("submitter", "GetItem"): _create,
    ("submitter", "UpdateItem"): _create,
    ("submitter", "HeadObject"): _create,
    ("completion_check", "GetModelCustomizationJob"): _ask,
    ("completion_check", "DescribeNetworkInterfaces"): _ask_for_interfaces,
    ("follower", "DeleteCustomModel"): _sweep_stray_model,
    ("follower", "GetModelCustomizationJob"): _sweep_end,
    ("follower", "ListCustomModelDeployments"): _sweep_stray_model,
    ("follower", "ListProvisionedModelThroughputs"): _sweep_stray_model,
    ("follower", "ListTagsForResource"): _sweep_end,
    ("follower", "StopModelCustomizationJob"): _sweep_stray,
    ("follower", "DescribeStackResource"): _sweep_end,
    ("follower", "DescribeStacks"): _sweep_end,
    ("follower", "GetTemplate"): _sweep_end,
    ("follower", "GetItem"): _sweep_successor,
    ("follower", "Scan"): _sweep_end,
    ("follower", "UpdateItem"): _sweep_end,
    ("follower", "Invoke"): _sweep_queue,
    ("follower", "Publish"): _sweep_end,
    ("follower", "StartExecution"): _sweep_end,
    **deployment_faults.REACHED,
    **invocation_logging.REACHED,
}
"""For each call of each function, what leads to it; a call that is missing here fails the table."""

OUTCOMES: Final = {
    "done": "the function answered as if nothing had been",
    "asked again": "the framework asks again in some seconds",
    "next sweep": "the row is left for the next sweep, others are not",
    "sweep failed": "Lambda counts an error, the alarm watches it, and the next sweep does it all",
    **deployment_faults.OUTCOMES,
}
"""What may come of a cell, besides the class of an error that is told."""


def outcome(cell: Cell, *, times: int, properties: dict[str, Any]) -> str:
    """Drive a cell and return what came of it; raises AssertionError when jobs are left twice."""
    aws = FakeAws()
    location = properties["Request"]["trainingDataConfig"]["s3Uri"].removeprefix("s3://")
    bucket, _, key = location.partition("/")
    aws.objects[bucket, key] = {"sha256": properties["DatasetDigest"]}
    resource = _resource_of(cell, aws=aws, properties=properties)
    with wired(aws):
        ask = REACHED[cell.function, cell.operation](aws, resource)
        status = dict(EVERY_ERROR[cell.function, cell.operation])[cell.error]
        message = _OWN_MESSAGE.get(cell.error, "made up")
        refusal = LostError() if cell.error == LOST else RefusalError(cell.error, message, status)
        aws.faults.append(Fault(cell.operation, refusal, times=times, after=cell.after))
        before = aws.calls.count(_call(cell))
        try:
            result = ask()
        except CustomizationError as error:
            word = type(error).__name__
            if cell.function in {"follower", "deployer"} and not _is_waited_for(resource):
                word = "sweep failed"
        else:
            word = _word(result)
            if word == "done" and isinstance(resource, WishResource):
                word = deployment_faults.word_of(resource) or word
        assert aws.calls.count(_call(cell)) > before, f"{cell} was not reached"
        aws.faults.clear()
        if isinstance(resource, WishResource):
            deployment_faults.afterwards(aws, resource)
        elif isinstance(resource, LoggingResource):
            invocation_logging.afterwards(aws, resource)
        else:
            _afterwards(aws, resource)
    return word


def _resource_of(cell: Cell, *, aws: FakeAws, properties: dict[str, Any]) -> Resource:
    """Return the resource that a call is about: a wish, the log of invocations, or a job."""
    call = (cell.function, cell.operation)
    if call in invocation_logging.REACHED:
        return LoggingResource(aws=aws, properties=invocation_logging.logging_properties())
    kind = WishResource if call in deployment_faults.REACHED else Resource
    return kind(aws=aws, properties=copy.deepcopy(properties))


def _is_waited_for(resource: Resource) -> bool:
    """Return whether the deployer's error reaches the stack, and not only its alarm."""
    return isinstance(resource, LoggingResource)


def outcomes(*, properties: dict[str, Any]) -> Mapping[tuple[Cell, int], str]:
    """Return what comes of every cell, with the error once and always; driven once a process."""
    key = json.dumps(properties, sort_keys=True)
    if key not in _driven:
        _driven[key] = {
            (cell, times): outcome(cell, times=times, properties=properties)
            for cell in cells()
            for times in (1, ALWAYS)
        }
    return _driven[key]


_driven: dict[str, Mapping[tuple[Cell, int], str]] = {}


def _word(result: object) -> str:
    if isinstance(result, dict):
        if result.get("errors"):
            return "next sweep"
        if result.get("IsComplete") is False:
            return "asked again"
    return "done"


def _afterwards(aws: FakeAws, resource: Resource) -> None:
    """Let all that follows come without errors, and look at what is left."""
    deleted = resource.last["RequestType"] == "Delete"
    if deleted:
        resource.delete()
        resource.gone()
    elif aws.stacks[resource.stack].status != "DELETE_COMPLETE":
        resource.create()
        resource.at_rest()
    for _ in range(4):
        aws.now += timedelta(minutes=10)
        sweep(aws)
    living = [job for job in aws.jobs.values() if job["status"] == "InProgress"]
    contents = ["-".join(job["jobName"].split("-")[:3]) for job in living]
    assert len(set(contents)) == len(contents), f"living twice: {contents}"
    if deleted or aws.stacks[resource.stack].status == "DELETE_COMPLETE":
        assert not living, "a job that nobody wants goes on"


def _call(cell: Cell) -> tuple[str, str]:
    services = [s for s, operation in EVERY_CALL[cell.function] if operation == cell.operation]
    return services[0], cell.operation


EVERY_ERROR: Final = {
    (function, operation): errors_of(service, operation)
    for function in FUNCTIONS
    for service, operation in EVERY_CALL[function]
}


@contextmanager
def wired(aws: FakeAws) -> Iterator[None]:
    """Have the functions call a fake, without botocore in between."""
    variables = {
        "TABLE_NAME": "made-table",
        "TOPIC_ARN": "arn:aws:sns:eu-test-1:123456789012:made-topic",
        "SUBMITTER_FUNCTION": "made-submitter",
        "FOLLOW_UP_STATE_MACHINE": STATE_MACHINE,
        **VARIABLES,
    }
    submitter.handler.environment.cache_clear()
    deployer.handler.environment.cache_clear()
    with ExitStack() as stack:
        stack.enter_context(mock.patch.dict(os.environ, variables))
        stack.enter_context(mock.patch.object(patience, "jitter", lambda ceiling: ceiling))
        stack.enter_context(mock.patch("time.sleep", aws.sleep))
        for service in SERVICES:
            client = mock.Mock(return_value=aws.direct(service))
            stack.enter_context(mock.patch.object(clients, client_name(service), client))
        for module in FUNCTIONS:
            stack.enter_context(mock.patch(f"{module}.handler.now", side_effect=lambda: aws.now))
            stack.enter_context(mock.patch(f"{module}.handler.logger", mock.Mock()))
        stack.enter_context(mock.patch("follower.handler.emit"))
        stack.enter_context(mock.patch("deployer.handler.emit"))
        yield


def render(*, properties: dict[str, Any]) -> str:
    """Return the whole table in markdown."""
    lines = [
        "# What comes of each error",
        "",
        "Made by `make fault-table` from the calls of the functions and the errors that botocore's",
        "service models list for them. *Before* and *after* the call had its effect; *once*, and",
        "*always* until somebody gives up. Then all calls work again: in every cell no job and no",
        "deployment is left twice and none that nobody wants goes on. A name is the class of the",
        "error that the stack event shows, with cause and remedy; "
        + "; ".join(f"*{word}*: {meaning}" for word, meaning in OUTCOMES.items())
        + ".",
        "",
        "| function | call | error | effect | once | always |",
        "| --- | --- | --- | --- | --- | --- |",
    ]
    found = outcomes(properties=properties)
    for cell in cells():
        once, always = found[cell, 1], found[cell, ALWAYS]
        lines.append(
            f"| {cell.function} | {cell.operation} | {cell.error} "
            f"| {'after' if cell.after else 'before'} | {once} | {always} |"
        )
    return "\n".join(lines) + "\n"
