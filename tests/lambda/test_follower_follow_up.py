"""The follower starts what comes after training: once, for what completed, and never in the way."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from datetime import timedelta
from typing import Any, cast

import pytest

import follower.handler
from customization.request import ModelPolicy
from customization.rows import Row, RowState
from customization.steps import FOLLOW_UP_PATIENCE, Act, StackPhase, StackView, Successor, next_step
from tests.fakes.aws import START, FakeAws, Fault, RefusalError
from tests.fakes.cloudformation import STACK, Resource, sweep

Complete = Callable[[], str]


@pytest.fixture
def complete(aws: FakeAws, resource: Resource) -> Complete:
    """Return what brings the job to its end; its name comes back."""

    def completed() -> str:
        name = str(resource.create()["PhysicalResourceId"])
        resource.at_rest()
        aws.end_job(name, "Completed")
        return name

    return completed


def test_a_completed_job_is_announced_and_then_followed_up(
    aws: FakeAws, complete: Complete
) -> None:
    name = complete()
    sweep(aws)
    assert [json.loads(each["Message"])["state"] for each in aws.published] == ["Completed"]
    order = aws.executions[name]
    assert order["job_name"] == name
    assert order["template"]["stack_id"] == STACK
    assert len(order["template"]["sha256"]) == 64
    calls = [operation for _, operation in aws.calls]
    assert calls.index("Publish") < calls.index("StartExecution")
    assert {"FollowedUpAt", "SettledAt"} <= set(aws.items[name])


def test_it_is_started_once_though_the_mark_was_lost(aws: FakeAws, complete: Complete) -> None:
    name = complete()
    sweep(aws)
    del aws.items[name]["FollowedUpAt"], aws.items[name]["SettledAt"]
    sweep(aws)
    assert list(aws.executions) == [name]
    assert {"FollowedUpAt", "SettledAt"} <= set(aws.items[name])


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_a_job_without_a_model_is_announced_alone(
    status: str, aws: FakeAws, resource: Resource
) -> None:
    name = resource.create()["PhysicalResourceId"]
    resource.at_rest()
    aws.end_job(name, status)
    sweep(aws)
    assert aws.executions == {}
    assert len(aws.published) == 1
    assert "SettledAt" in aws.items[name]


def test_an_environment_without_a_follow_up_starts_none(
    aws: FakeAws, complete: Complete, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("FOLLOW_UP_STATE_MACHINE")
    follower.handler.environment.cache_clear()
    name = complete()
    sweep(aws)
    follower.handler.environment.cache_clear()
    assert aws.executions == {}
    assert ("stepfunctions", "StartExecution") not in aws.calls
    assert ("cloudformation", "GetTemplate") not in aws.calls
    assert "SettledAt" in aws.items[name]


def test_one_that_cannot_be_started_is_tried_for_a_day_and_keeps_the_row_no_longer(
    aws: FakeAws, complete: Complete
) -> None:
    name = complete()
    refusal = RefusalError("AccessDeniedException", "made up", 403)
    aws.faults.append(Fault("StartExecution", refusal, times=999))
    assert sweep(aws)["errors"] == 1
    assert "SettledAt" not in aws.items[name]
    aws.now += FOLLOW_UP_PATIENCE - timedelta(minutes=1)
    assert sweep(aws)["errors"] == 1
    assert "SettledAt" not in aws.items[name]
    aws.now += timedelta(minutes=2)
    assert sweep(aws)["errors"] == 0
    assert "SettledAt" in aws.items[name]
    assert "FollowedUpAt" not in aws.items[name]


def test_one_that_cannot_be_started_holds_nothing_else_up(
    aws: FakeAws, complete: Complete, resource: Resource
) -> None:
    name = complete()
    refusal = RefusalError("AccessDeniedException", "made up", 403)
    aws.faults.append(Fault("StartExecution", refusal, times=999))
    sweep(aws)
    resource.gone()
    aws.now += timedelta(minutes=20)
    sweep(aws)
    # OnDelete of the made-up job is delete-model.
    assert {"DeletedAt", "ModelDeletedAt"} <= set(aws.items[name])


def test_a_model_that_is_served_still_is_waited_for_and_that_is_said_once(
    aws: FakeAws, complete: Complete, resource: Resource, monkeypatch: pytest.MonkeyPatch
) -> None:
    said: list[str] = []
    monkeypatch.setattr(follower.handler.logger, "warning", lambda text, **_: said.append(text))
    name = complete()
    resource.gone()
    aws.now += timedelta(minutes=20)
    refusal = RefusalError("ConflictException", "in use", 400)
    aws.faults.append(Fault("DeleteCustomModel", refusal, times=2))
    assert [sweep(aws)["errors"] for _ in range(3)] == [0, 0, 0]
    assert said == ["the model is in use"]
    assert "ModelDeletedAt" in aws.items[name]
    assert aws.models == {}


@pytest.mark.parametrize("serves", ["deployment", "throughput"])
def test_a_model_that_something_serves_is_not_even_tried_to_be_deleted(
    serves: str,
    aws: FakeAws,
    complete: Complete,
    resource: Resource,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    said: list[str] = []
    monkeypatch.setattr(follower.handler.logger, "info", lambda text, **_: said.append(text))
    name = complete()
    (model,) = aws.models
    aws.bedrock.serving.model_units = 1
    if serves == "deployment":
        aws.bedrock.create_deployment({"modelDeploymentName": "somebodys", "modelArn": model})
        living = aws.bedrock.deployments
    else:
        bought = {"provisionedModelName": "somebodys", "modelId": model, "modelUnits": 1}
        aws.bedrock.call("CreateProvisionedModelThroughput", bought)
        living = aws.bedrock.throughputs
    resource.gone()
    aws.now += timedelta(minutes=20)
    assert [sweep(aws)["errors"] for _ in range(3)] == [0, 0, 0]
    assert ("bedrock", "DeleteCustomModel") not in aws.calls
    assert said.count("waits for what serves it") == 1
    row = aws.items[name]
    assert Row.parse(cast("Any", row)).waits_for_what_serves
    assert "Failure" not in row
    living.clear()
    sweep(aws)
    assert aws.models == {}
    assert "ModelDeletedAt" in aws.items[name]
    assert not Row.parse(cast("Any", aws.items[name])).waits_for_what_serves


def test_what_its_stack_gave_up_is_not_followed_up(
    aws: FakeAws, complete: Complete, resource: Resource
) -> None:
    complete()
    resource.gone()
    aws.now += timedelta(minutes=20)
    sweep(aws)
    assert aws.executions == {}


@pytest.mark.parametrize(
    ("code", "status", "known"), [("AccessDenied", 403, False), ("Throttling", 400, None)]
)
def test_a_template_that_cannot_be_read_is_left_out_and_one_that_may_be_is_waited_for(
    code: str, status: int, known: bool | None, aws: FakeAws, complete: Complete
) -> None:
    name = complete()
    aws.faults.append(Fault("GetTemplate", RefusalError(code, "made up", status), times=1))
    sweep(aws)
    if known is None:
        assert aws.executions == {}
        sweep(aws)
        assert aws.executions[name]["template"] is not None
    else:
        assert aws.executions[name]["template"] is None


def test_nothing_of_the_request_but_names_is_handed_on(
    aws: FakeAws, complete: Complete, resource: Resource
) -> None:
    resource.properties["Request"]["jobTags"] = [{"key": "project", "value": "planted"}]
    name = complete()
    sweep(aws)
    assert set(aws.executions[name]) == {"job_name", "template"}
    assert "planted" not in json.dumps(aws.executions)


def test_following_up_comes_after_all_that_is_to_be_done() -> None:
    def act(row: Row, view: StackView) -> Act:
        step = next_step(
            row=row,
            job=None,
            view=view,
            successor=Successor.PENDING,
            now=row.requested_at + timedelta(hours=1),
            followed_up=True,
        )
        return step.act

    row = Row(
        name="dev-tone-0123456789abcdef",
        environment="dev",
        job="tone",
        state=RowState.COMPLETED,
        stack_id=STACK,
        logical_id="Job",
        request_id="1",
        requested_at=START,
        request="{}",
        on_replace=ModelPolicy.KEEP,
        on_delete=ModelPolicy.KEEP,
        ended_at=START,
        announced_at=START,
        claim={"OnReplace": "keep-model", "OnDelete": "keep-model"},
    )
    current = StackView(phase=StackPhase.SETTLED, physical_id=row.name)
    busy = StackView(phase=StackPhase.BUSY)
    gone = StackView(phase=StackPhase.GONE)
    assert act(row, current) is Act.FOLLOW_UP
    assert act(row, busy) is Act.FOLLOW_UP
    assert act(row, gone) is Act.DELETE
    assert act(replace(row, followed_up_at=START), current) is Act.SETTLE
    assert act(replace(row, announced_at=None), current) is Act.ANNOUNCE
    assert act(replace(row, superseded_by="another"), current) is Act.RESTORE
    assert act(replace(row, state=RowState.FAILED), current) is Act.SETTLE
    assert act(replace(row, deleted_at=START), current) is Act.SETTLE
