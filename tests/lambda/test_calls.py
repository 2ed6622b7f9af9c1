"""The table of calls is what the functions do: policies and endpoints are made from it."""

from __future__ import annotations

import copy
from datetime import timedelta

import pytest

from customization import calls, clients
from customization.calls import (
    COMPLETION_CHECK_CALLS,
    EVERY_CALL,
    SUBMITTER_CALLS,
    actions,
    actions_for,
)
from customization.limits import bedrock_model
from tests.fakes.aws import FakeAws
from tests.fakes.cloudformation import Resource, sweep
from tests.fakes.deployments import (
    WishResource,
    deploy,
    later,
    plant_job,
    provisioned,
    serve,
    wish,
)
from tests.fakes.fault_table import ENGINE
from tests.fakes.invocation_logging import LoggingResource, logging_properties


def drive_every_path(aws: FakeAws, resource: Resource) -> None:
    before = copy.deepcopy(resource.properties)
    resource.create()
    resource.is_complete()
    resource.at_rest()
    sweep(aws)
    name = resource.create()["PhysicalResourceId"]
    aws.end_job(name, "Completed")
    resource.at_rest()
    sweep(aws)
    resource.create()
    resource.is_complete()
    resource.update({**before, "Run": "2"})
    resource.is_complete()
    resource.delete(name, before)
    resource.delete()
    resource.is_complete()
    aws.end_job(str(resource.physical_id), "Completed")
    resource.delete()
    resource.is_complete()
    # What the follower alone does: a queued job, a stray one, the model of one that goes.
    sweep(aws)
    for run in ("3", "4", "5"):
        resource.properties = {**before, "Run": run, "OnDelete": "delete-model"}
        resource.create()
    resource.at_rest()
    aws.now += timedelta(hours=1)
    aws.end_job(list(aws.jobs)[-2], "Completed")
    sweep(aws)
    resource.gone()
    sweep(aws)
    sweep(aws)


def drive_deployments(aws: FakeAws, wished: WishResource) -> None:
    plant_job(aws)
    later(aws, minutes=1)
    aws.bedrock.serving.model_units = 1
    for properties in (wish(), provisioned()):
        wished.physical_id, wished.properties = None, properties
        wished.create()
        wished.at_rest()
        deploy(aws)
        serve(aws)
        deploy(aws)
    wished.update(provisioned(Hours="9"))
    wished.at_rest("UPDATE_COMPLETE")
    deploy(aws)
    wished.delete()
    wished.is_complete()
    deploy(aws)
    wished.gone()
    later(aws, hours=1)
    deploy(aws)
    deploy(aws)


def drive_logging(logged: LoggingResource) -> None:
    for send in (logged.create, logged.delete):
        send()
        assert logged.is_complete() == {"IsComplete": True}


def test_the_functions_call_exactly_what_their_tables_hold(
    aws: FakeAws, resource: Resource, wished: WishResource
) -> None:
    drive_every_path(aws, resource)
    drive_deployments(aws, wished)
    drive_logging(LoggingResource(aws=aws, properties=logging_properties()))
    for function in (*ENGINE, "deployer"):
        assert aws.by_caller[function] == set(EVERY_CALL[function]), function


def test_a_call_that_is_not_in_the_table_is_noticed(
    aws: FakeAws, resource: Resource, monkeypatch: pytest.MonkeyPatch
) -> None:
    sleepless = clients.bedrock

    def meddling_client() -> object:
        client = sleepless()
        client.list_tags_for_resource(resourceARN="a" * 20)
        return client

    resource.create()
    monkeypatch.setattr(clients, "bedrock", meddling_client)
    resource.is_complete()
    assert aws.by_caller["completion_check"] - set(COMPLETION_CHECK_CALLS) == {
        ("bedrock", "ListTagsForResource")
    }
    aws.by_caller.clear()


def test_a_call_that_is_no_longer_made_is_noticed(aws: FakeAws, resource: Resource) -> None:
    resource.create()
    assert aws.by_caller["submitter"] < set(SUBMITTER_CALLS)


def test_each_call_has_its_actions() -> None:
    assert actions_for(("bedrock", "CreateModelCustomizationJob")) == (
        "bedrock:CreateModelCustomizationJob",
        "bedrock:TagResource",
        "iam:PassRole",
    )
    assert actions(SUBMITTER_CALLS, prefix="s3") == ("s3:GetObject", "s3:ListBucket")
    assert actions(SUBMITTER_CALLS, prefix="dynamodb") == (
        "dynamodb:GetItem",
        "dynamodb:UpdateItem",
    )
    assert actions(COMPLETION_CHECK_CALLS) == (
        "bedrock:GetModelCustomizationJob",
        "ec2:DescribeNetworkInterfaces",
    )


def test_every_call_of_bedrock_exists() -> None:
    called = {op for table in EVERY_CALL.values() for service, op in table if service == "bedrock"}
    assert called <= set(bedrock_model().operation_names)
    assert calls.services(COMPLETION_CHECK_CALLS) == ("bedrock", "ec2")
