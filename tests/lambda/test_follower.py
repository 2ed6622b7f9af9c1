"""Jobs are seen to their end after their deployment, and to their stack's."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from datetime import timedelta
from typing import Any

import pytest

from bedrock_finetuning import follower as construct
from bedrock_finetuning import state_table
from customization import endings
from customization.admission import Ledger
from customization.errors import BusyTableError, StaleRequestError, SubmissionError
from customization.jobs import Job
from customization.rows import SUBMISSION_GRACE, Row
from customization.table import Table
from follower import announcement
from follower.handler import Environment
from submitter import lifecycle
from submitter.preflight import check_data
from tests.fakes.aws import FakeAws, FakeStack, Fault, LostError, RefusalError
from tests.fakes.cloudformation import Context, Resource, call_submitter, sweep

STACK = "arn:aws:cloudformation:eu-test-1:123456789012:stack/made/{}"


def other_run(resource: Resource, run: str) -> dict[str, Any]:
    return {**copy.deepcopy(resource.properties), "Run": run}


def deploy(aws: FakeAws, properties: dict[str, Any], number: int) -> Resource:
    """Create a job in a stack of its own, which is at rest afterwards."""
    resource = Resource(
        aws=aws,
        properties={**copy.deepcopy(properties), "Job": f"job{number}"},
        stack=STACK.format(number),
    )
    resource.create()
    assert resource.is_complete()["IsComplete"] or aws.jobs
    resource.at_rest()
    return resource


def message(aws: FakeAws, index: int = -1) -> dict[str, Any]:
    body: dict[str, Any] = json.loads(aws.published[index]["Message"])
    return body


# The queue


def test_twenty_jobs_with_a_limit_of_two_all_complete_in_order(
    aws: FakeAws, properties: dict[str, Any]
) -> None:
    resources = [deploy(aws, properties, number) for number in range(20)]
    states = [str(r.pending["Data"]["State"]) for r in resources]
    assert states == ["Submitted"] * 2 + ["Queued"] * 18
    order: list[str] = []
    for _ in range(40):
        running = [name for name, job in aws.jobs.items() if job["status"] == "InProgress"]
        assert len(running) <= 2
        if running:
            order.append(running[0])
            aws.end_job(running[0], "Completed")
        aws.now += timedelta(minutes=5)
        sweep(aws)
    assert order == [r.physical_id for r in resources]
    assert [message(aws, i)["name"] for i in range(20)] == order
    assert json.loads(aws.items["ledger"]["Running"]) == []


def test_a_queued_create_succeeds_and_says_so(aws: FakeAws, properties: dict[str, Any]) -> None:
    for number in range(2):
        deploy(aws, properties, number)
    third = Resource(aws=aws, properties={**properties, "Job": "job2"}, stack=STACK.format(2))
    answer = third.create()
    assert answer["Data"]["State"] == "Queued"
    assert third.is_complete() == {"IsComplete": True, "Data": {"State": "Queued"}}
    assert len(aws.jobs) == 2


def test_nobody_overtakes_those_that_wait(aws: FakeAws, properties: dict[str, Any]) -> None:
    resources = [deploy(aws, properties, number) for number in range(3)]
    aws.end_job(str(resources[0].physical_id), "Completed")
    # A place is free as soon as the follower has seen it, and it is the third one's.
    fourth = deploy(aws, properties, 3)
    assert fourth.pending["Data"]["State"] == "Queued"
    sweep(aws)
    assert resources[2].physical_id in aws.jobs
    assert fourth.physical_id not in aws.jobs


def test_a_queued_job_that_is_deleted_never_starts(
    aws: FakeAws, properties: dict[str, Any]
) -> None:
    resources = [deploy(aws, properties, number) for number in range(3)]
    resources[2].delete()
    assert resources[2].is_complete() == {"IsComplete": True}
    resources[2].gone()
    aws.end_job(str(resources[0].physical_id), "Completed")
    sweep(aws)
    assert resources[2].physical_id not in aws.jobs
    assert aws.items[str(resources[2].physical_id)]["State"] == "Withdrawn"


@pytest.mark.parametrize("turn_comes", [True, False])
def test_a_replaced_job_whose_turn_comes_during_its_clean_up_goes_on_as_any_replaced_one(
    turn_comes: bool, aws: FakeAws, properties: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    properties["OnReplace"] = "delete-model"
    resource = [deploy(aws, properties, number) for number in range(3)][2]
    before, old = copy.deepcopy(resource.properties), str(resource.physical_id)
    for name in list(aws.jobs):
        aws.end_job(name, "Completed")
    aws.items["ledger"] |= {"Running": json.dumps([old]), "Waiting": "[]"}
    new = str(resource.update(other_run(resource, "2"))["PhysicalResourceId"])
    find_ours = endings.find_ours

    def between_two_calls(**known: Any) -> Job | None:
        found = find_ours(**known)
        if turn_comes:
            call_submitter(aws, {"Submit": old})
        return found

    with monkeypatch.context() as patched:
        patched.setattr(endings, "find_ours", between_two_calls)
        resource.delete(old, before)
    assert (old in aws.jobs) == turn_comes
    assert aws.items[old]["State"] == ("Submitted" if turn_comes else "Withdrawn")
    resource.at_rest("UPDATE_COMPLETE")
    for name in (old, new):
        if name in aws.jobs:
            aws.end_job(name, "Completed")
        sweep(aws)
        sweep(aws)
    models = {model["modelName"] for model in aws.models.values()}
    assert new in models
    assert old not in models


def test_a_turn_that_is_not_ones_own_is_not_taken(aws: FakeAws, properties: dict[str, Any]) -> None:
    resources = [deploy(aws, properties, number) for number in range(3)]
    call_submitter(aws, {"Submit": resources[2].physical_id})
    call_submitter(aws, {"Submit": "dev-nobody-0123456789abcdef"})
    assert len(aws.jobs) == 2


def test_a_queued_job_takes_the_newest_roles_and_subnets(
    aws: FakeAws, properties: dict[str, Any]
) -> None:
    resources = [deploy(aws, properties, number) for number in range(3)]
    newer = copy.deepcopy(resources[2].properties)
    newer["Request"]["vpcConfig"]["subnetIds"] = ["subnet-9z"]
    resources[2].update(newer)
    assert resources[2].is_complete() == {"IsComplete": True, "Data": {"State": "Queued"}}
    resources[2].at_rest("UPDATE_COMPLETE")
    aws.end_job(str(resources[0].physical_id), "Completed")
    sweep(aws)
    assert aws.submitted[-1]["vpcConfig"]["subnetIds"] == ["subnet-9z"]


def test_a_queued_job_that_bedrock_refuses_is_told_with_the_remedy(
    aws: FakeAws, properties: dict[str, Any]
) -> None:
    resources = [deploy(aws, properties, number) for number in range(3)]
    aws.end_job(str(resources[0].physical_id), "Completed")
    refusal = RefusalError("ValidationException", "The provided model identifier is invalid.")
    aws.faults.append(Fault("CreateModelCustomizationJob", refusal))
    sweep(aws)
    sweep(aws)
    told = message(aws)
    assert (told["name"], told["state"]) == (resources[2].physical_id, "Refused")
    assert "choose a base model" in told["text"]


def test_a_queued_job_that_quotas_refuse_is_tried_again_for_a_day(
    aws: FakeAws, properties: dict[str, Any]
) -> None:
    resources = [deploy(aws, properties, number) for number in range(3)]
    name = str(resources[2].physical_id)
    aws.end_job(str(resources[0].physical_id), "Completed")
    aws.quota = 1
    for _ in range(3):
        aws.now += timedelta(hours=5)
        sweep(aws)
        assert aws.items[name]["State"] == "Queued"
    assert "too many scheduled jobs" in aws.items[name]["Failure"]
    aws.now += timedelta(hours=25)
    sweep(aws)
    assert aws.items[name]["State"] == "Refused"


# A submission that is refused while another call's was taken


INVALID = RefusalError("ValidationException", "The provided model identifier is invalid.")


def refused_though_taken(aws: FakeAws, properties: dict[str, Any]) -> tuple[str, dict[str, Any]]:
    """Let one call be refused while another one's submission is under way; return what it makes."""
    name = str(deploy(aws, properties, 0).physical_id)
    job = aws.jobs.pop(name)
    aws.items[name]["State"] = "Submitting"
    aws.faults.append(Fault("CreateModelCustomizationJob", INVALID))
    call_submitter(aws, {"Submit": name})
    assert aws.items[name]["State"] == "Refused"
    return name, dict(job)


def states_told(aws: FakeAws) -> list[str]:
    return [message(aws, index)["state"] for index in range(len(aws.published))]


def test_a_refusal_hides_no_job_whose_submission_ended_before_it_could_say_so(
    aws: FakeAws, properties: dict[str, Any]
) -> None:
    resources = [deploy(aws, properties, number) for number in range(3)]
    name = str(resources[2].physical_id)
    aws.end_job(str(resources[0].physical_id), "Completed")
    aws.faults.append(Fault("CreateModelCustomizationJob", INVALID, after=True))
    sweep(aws)
    assert name in aws.jobs
    assert aws.items[name]["State"] == "Submitted"
    assert name in json.loads(aws.items["ledger"]["Running"])
    aws.end_job(name, "Completed")
    sweep(aws)
    assert (message(aws)["name"], message(aws)["state"]) == (name, "Completed")
    assert "Refused" not in states_told(aws)


def test_a_refusal_counts_for_nothing_once_another_submission_has_begun(
    aws: FakeAws, properties: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    resources = [deploy(aws, properties, number) for number in range(3)]
    name = str(resources[2].physical_id)
    aws.end_job(str(resources[0].physical_id), "Completed")

    find_ours = endings.find_ours

    def another_begins(**known: Any) -> Job | None:
        if aws.items[name]["State"] == "Submitting":
            aws.items[name]["SubmittingAt"] = (aws.now + timedelta(seconds=1)).isoformat()
        return find_ours(**known)

    aws.faults.append(Fault("CreateModelCustomizationJob", INVALID))

    with monkeypatch.context() as patched:
        patched.setattr(endings, "find_ours", another_begins)
        sweep(aws)
    assert aws.items[name]["State"] == "Submitting"
    sweep(aws)
    assert aws.items[name]["State"] == "Submitted"


def test_a_job_that_bedrock_took_after_a_refusal_is_seen_to_its_end(
    aws: FakeAws, properties: dict[str, Any]
) -> None:
    name, job = refused_though_taken(aws, properties)
    sweep(aws)
    assert states_told(aws) == ["Refused"]
    aws.jobs[name] = job
    sweep(aws)
    assert aws.items[name]["State"] == "Submitted"
    assert not {"AnnouncedAt", "EndedAt", "Failure"} & aws.items[name].keys()
    assert json.loads(aws.items["ledger"]["Running"]) == [name]
    aws.end_job(name, "Failed", failure="made up")
    sweep(aws)
    assert states_told(aws) == ["Refused", "Failed"]
    assert "made up" in message(aws)["text"]


def test_a_refused_job_is_looked_for_as_long_as_a_submission_may_be_under_way(
    aws: FakeAws, properties: dict[str, Any]
) -> None:
    name, _ = refused_though_taken(aws, properties)
    aws.now += SUBMISSION_GRACE
    sweep(aws)
    assert "SettledAt" not in aws.items[name]
    assert json.loads(aws.items["ledger"]["Running"]) == [name], "its place is not free yet"
    aws.now += timedelta(seconds=1)
    sweep(aws)
    assert "SettledAt" in aws.items[name]
    assert json.loads(aws.items["ledger"]["Running"]) == []


def test_the_end_of_a_job_is_told_that_is_adopted_after_its_refusal_was(
    aws: FakeAws, properties: dict[str, Any]
) -> None:
    name, job = refused_though_taken(aws, properties)
    sweep(aws)
    aws.jobs[name] = job
    again = Resource(aws=aws, properties={**properties, "Job": "job0"}, stack=STACK.format(9))
    assert again.create()["PhysicalResourceId"] == name
    again.at_rest()
    aws.end_job(name, "Completed")
    sweep(aws)
    assert states_told(aws) == ["Refused", "Completed"]


# Ends


@pytest.mark.parametrize(("status", "failed"), [("Completed", 0), ("Failed", 1), ("Stopped", 0)])
def test_an_end_is_recorded_and_told_once(
    status: str,
    failed: int,
    aws: FakeAws,
    resource: Resource,
    capsys: pytest.CaptureFixture[str],
) -> None:
    name = resource.create()["PhysicalResourceId"]
    resource.at_rest()
    aws.end_job(name, status, failure="Unable to parse Amazon S3 file" if failed else "")
    capsys.readouterr()
    for _ in range(3):
        sweep(aws)
    assert aws.items[name]["State"] == status
    assert len(aws.published) == 1
    told = message(aws)
    assert told["name"] == name
    assert ("finetune data check" in told["text"]) == bool(failed)
    lines = [line for line in capsys.readouterr().out.splitlines() if '"_aws"' in line]
    (metrics,) = (json.loads(line) for line in lines)
    assert (metrics["FailedJobs"], metrics["EndedJobs"]) == (failed, 1)
    assert metrics["Environment"] == "dev"


def test_an_end_whose_telling_failed_is_told_later(aws: FakeAws, resource: Resource) -> None:
    aws.end_job(resource.create()["PhysicalResourceId"], "Completed")
    resource.at_rest()
    aws.faults.append(Fault("Publish", RefusalError("InternalError", "made up", 500)))
    assert sweep(aws)["errors"] == 1
    assert sweep(aws)["errors"] == 0
    assert aws.published == []
    aws.now += timedelta(minutes=10)
    sweep(aws)
    assert len(aws.published) == 1


def test_an_end_that_is_told_twice_can_be_recognised(aws: FakeAws, resource: Resource) -> None:
    aws.end_job(resource.create()["PhysicalResourceId"], "Completed")
    resource.at_rest()
    aws.faults.append(Fault("Publish", LostError(), after=True))
    sweep(aws)
    aws.now += timedelta(minutes=10)
    sweep(aws)
    assert len(aws.published) == 2
    assert message(aws, 0)["id"] == message(aws, 1)["id"]


def test_a_job_that_vanished_is_told_as_missing(aws: FakeAws, resource: Resource) -> None:
    name = resource.create()["PhysicalResourceId"]
    resource.at_rest()
    aws.jobs.clear()
    sweep(aws)
    assert aws.published == []
    aws.now += timedelta(minutes=16)
    sweep(aws)
    assert message(aws)["state"] == "Missing"
    assert aws.items[name]["State"] == "Missing"


def test_what_is_settled_is_not_looked_at_again(aws: FakeAws, resource: Resource) -> None:
    aws.end_job(resource.create()["PhysicalResourceId"], "Completed")
    resource.at_rest()
    sweep(aws)
    assert sweep(aws)["rows"] == 0


def test_one_row_that_fails_keeps_no_other_waiting(
    aws: FakeAws, properties: dict[str, Any]
) -> None:
    first, second = (deploy(aws, properties, number) for number in range(2))
    for resource in (first, second):
        aws.end_job(str(resource.physical_id), "Completed")
    aws.jobs[str(first.physical_id)]["status"] = "Paused"
    assert sweep(aws)["errors"] == 1
    assert [message(aws, i)["name"] for i in range(len(aws.published))] == [second.physical_id]


def test_a_sweep_ends_in_time(aws: FakeAws, properties: dict[str, Any]) -> None:
    for number in range(2):
        deploy(aws, properties, number)
    assert sweep(aws, Context(seconds=20))["rows"] == 0


# Jobs that nobody wants


@pytest.mark.parametrize("on_delete", ["keep-model", "delete-model"])
def test_a_job_whose_stack_is_gone_is_stopped_and_its_model_treated_by_policy(
    on_delete: str, aws: FakeAws, resource: Resource
) -> None:
    resource.properties["OnDelete"] = on_delete
    name = resource.create()["PhysicalResourceId"]
    resource.gone()
    sweep(aws)
    assert aws.jobs[name]["status"] == "InProgress", "its request may still be under way"
    aws.now += timedelta(minutes=20)
    sweep(aws)
    assert aws.jobs[name]["status"] == "Stopping"
    aws.end_job(name, "Completed")
    sweep(aws)
    assert len(aws.models) == (1 if on_delete == "keep-model" else 0)


def test_a_stack_that_cloudformation_forgot_is_gone(aws: FakeAws, resource: Resource) -> None:
    name = resource.create()["PhysicalResourceId"]
    aws.stacks.clear()
    aws.now += timedelta(minutes=20)
    sweep(aws)
    assert aws.jobs[name]["status"] == "Stopping"


def test_a_resource_that_is_gone_from_a_stack_that_stays_is_gone(
    aws: FakeAws, resource: Resource
) -> None:
    name = resource.create()["PhysicalResourceId"]
    aws.stacks[resource.stack] = FakeStack(status="UPDATE_ROLLBACK_COMPLETE")
    aws.now += timedelta(minutes=20)
    sweep(aws)
    assert aws.jobs[name]["status"] == "Stopping"


def test_a_stack_at_work_is_believed_in_nothing(aws: FakeAws, resource: Resource) -> None:
    name = resource.create()["PhysicalResourceId"]
    aws.now += timedelta(hours=2)
    sweep(aws)
    assert aws.jobs[name]["status"] == "InProgress"


def test_a_job_left_by_an_update_that_failed_is_stopped(aws: FakeAws, resource: Resource) -> None:
    before = copy.deepcopy(resource.properties)
    old = resource.create()["PhysicalResourceId"]
    new = resource.update(other_run(resource, "2"))["PhysicalResourceId"]
    # The answer is lost: CloudFormation goes back with the old id in its hand.
    resource.physical_id, resource.properties = old, before
    resource.update(before)
    resource.at_rest("UPDATE_ROLLBACK_COMPLETE", old)
    aws.now += timedelta(minutes=20)
    sweep(aws)
    assert aws.jobs[new]["status"] == "Stopping"
    assert aws.jobs[old]["status"] == "InProgress"


def test_a_rollback_without_a_clean_up_stops_what_it_went_back_from(
    aws: FakeAws, resource: Resource
) -> None:
    before = copy.deepcopy(resource.properties)
    old = resource.create()["PhysicalResourceId"]
    new = resource.update(other_run(resource, "2"))["PhysicalResourceId"]
    resource.update(before)
    resource.at_rest("UPDATE_ROLLBACK_COMPLETE", old)
    aws.now += timedelta(minutes=20)
    sweep(aws)
    assert (aws.jobs[old]["status"], aws.jobs[new]["status"]) == ("InProgress", "Stopping")


def test_a_clean_up_that_comes_again_keeps_the_model_that_it_kept(
    aws: FakeAws, resource: Resource
) -> None:
    before = copy.deepcopy(resource.properties)
    resource.create()
    after = other_run(resource, "2")
    new = resource.update(after)["PhysicalResourceId"]
    resource.update(before)
    resource.delete(new, after)
    aws.end_job(new, "Completed")
    resource.again()
    assert [model["modelName"] for model in aws.models.values()] == [new]


def test_a_model_of_a_failed_update_goes_though_its_id_had_once_been_accepted(
    aws: FakeAws, properties: dict[str, Any]
) -> None:
    resources = [deploy(aws, properties, number) for number in range(3)]
    resource = resources[2]
    first, before = str(resource.physical_id), resource.properties
    after = other_run(resource, "2")
    second = resource.update(after)["PhysicalResourceId"]
    resource.delete(first, before)
    resource.at_rest("UPDATE_COMPLETE")
    assert aws.items[first]["State"] == "Withdrawn", "it was left before it had a job"
    for each in resources[:2]:
        aws.end_job(str(each.physical_id), "Completed")
    sweep(aws)
    aws.end_job(second, "Stopped")
    assert resource.update(before)["PhysicalResourceId"] == first
    # The answer is lost: CloudFormation goes back with the second id in its hand.
    resource.physical_id, resource.properties = second, after
    resource.update(after)
    resource.at_rest("UPDATE_ROLLBACK_COMPLETE", second)
    aws.end_job(first, "Completed")
    aws.now += timedelta(minutes=20)
    sweep(aws)
    assert first not in {model["modelName"] for model in aws.models.values()}
    assert len(aws.models) == 2


def replaced_and_late(
    aws: FakeAws, resource: Resource
) -> tuple[str, str, dict[str, Any], dict[str, Any]]:
    """Return an id with a model, the one that replaced it, its properties, and a late Update.

    The late Update was cancelled before the replacement: it wants the old content, with another
    policy and another subnet.
    """
    resource.properties |= {"OnReplace": "keep-model", "OnDelete": "delete-model"}
    old = resource.create()["PhysicalResourceId"]
    aws.end_job(old, "Completed")
    resource.at_rest()
    sweep(aws)
    wanted = {**copy.deepcopy(resource.properties), "OnReplace": "delete-model"}
    wanted["Request"]["vpcConfig"]["subnetIds"] = ["subnet-9z"]
    late = {
        **resource.last,
        "RequestType": "Update",
        "RequestId": "late",
        "PhysicalResourceId": old,
        "OldResourceProperties": resource.properties,
        "ResourceProperties": wanted,
    }
    before = resource.properties
    new = resource.update(other_run(resource, "2"))["PhysicalResourceId"]
    return old, new, before, late


@pytest.mark.parametrize("cleaned_up", ["before", "after", "never"])
def test_a_late_update_of_a_replaced_job_takes_neither_mark_nor_model(
    cleaned_up: str, aws: FakeAws, resource: Resource
) -> None:
    old, new, before, late = replaced_and_late(aws, resource)
    if cleaned_up == "before":
        resource.delete(old, before)
    row = dict(aws.items[old])
    assert call_submitter(aws, late) is not None, "nobody knows that it is late"
    assert aws.items[old] == row
    if cleaned_up == "after":
        resource.delete(old, before)
    resource.at_rest("UPDATE_COMPLETE", new)
    for _ in range(3):
        aws.now += timedelta(minutes=20)
        sweep(aws)
    assert [model["modelName"] for model in aws.models.values()] == [old]
    aws.end_job(new, "Completed")
    sweep(aws)
    assert len(aws.models) == 2, "the late one's policy was never accepted"


@pytest.mark.parametrize("refused", [True, False])
def test_a_late_update_to_other_content_leaves_the_mark_of_the_one_that_was_accepted(
    refused: bool, aws: FakeAws, resource: Resource
) -> None:
    old, new, before, late = replaced_and_late(aws, resource)
    resource.delete(old, before)
    late["ResourceProperties"] = {**before, "Run": "3"}
    if refused:
        refusal = RefusalError("ValidationException", "The provided model identifier is invalid.")
        aws.faults.append(Fault("CreateModelCustomizationJob", refusal))
        with pytest.raises(SubmissionError):
            call_submitter(aws, late)
    else:
        call_submitter(aws, late)
    assert aws.items[old]["SupersededBy"] == new
    resource.at_rest("UPDATE_COMPLETE", new)
    aws.now += timedelta(minutes=20)
    sweep(aws)
    assert [model["modelName"] for model in aws.models.values()] == [old]


def test_a_model_whose_successor_was_given_up_goes_after_the_one_that_came_instead(
    aws: FakeAws, resource: Resource
) -> None:
    old, new, before, _ = replaced_and_late(aws, resource)
    resource.delete(old, before)
    aws.end_job(new, "Stopped")
    sweep(aws)
    aws.items[old]["OnReplace"] = "delete-model"
    other = resource.update(other_run(resource, "3"))["PhysicalResourceId"]
    resource.at_rest("UPDATE_COMPLETE", other)
    aws.end_job(other, "Completed")
    # As a row is whose successor's own mark an update that failed took away.
    aws.items[old]["SupersededBy"] = "dev-tone-0123456789abcdef"
    sweep(aws)
    assert aws.items[old]["SupersededBy"] == other
    sweep(aws)
    assert [model["modelName"] for model in aws.models.values()] == [other]


@pytest.mark.parametrize("accepted", ["keep-model", "delete-model"])
def test_what_was_accepted_holds_though_the_clean_up_never_came(
    accepted: str, aws: FakeAws, resource: Resource
) -> None:
    """The follower sees the stack complete: the next Update is a wish, and not a rollback."""
    lets_go = {**resource.properties, **LETS_GO}
    resource.properties = lets_go
    name = str(resource.create()["PhysicalResourceId"])
    aws.end_job(name, "Completed")
    resource.at_rest()
    sweep(aws)
    other = {**other_run(resource, "2"), "OnReplace": "keep-model"}
    current = str(resource.update(other)["PhysicalResourceId"])
    resource.delete(name, lets_go)
    resource.at_rest("UPDATE_COMPLETE")
    later(aws, 1)
    again = {**lets_go, "OnReplace": accepted}
    assert resource.update(again)["PhysicalResourceId"] == name
    resource.at_rest("UPDATE_COMPLETE")
    assert "RetiredAt" not in aws.items[current]
    later(aws, 1)
    assert "RetiredAt" in aws.items[current]
    aws.end_job(current, "Completed")
    assert resource.update(other)["PhysicalResourceId"] == current
    resource.delete(name, again)
    resource.at_rest("UPDATE_COMPLETE")
    later(aws, 3)
    assert (name in names_of(aws)) == (accepted == "keep-model")


@pytest.mark.parametrize("cleaned_up", [True, False])
def test_a_model_whose_policies_are_in_doubt_is_kept(
    cleaned_up: bool, aws: FakeAws, resource: Resource
) -> None:
    """What comes after a clean-up that never came looks like a rollback: it may be one."""
    kept = {**resource.properties, "OnReplace": "keep-model", "OnDelete": "keep-model"}
    resource.properties = kept
    name = str(resource.create()["PhysicalResourceId"])
    aws.end_job(name, "Completed")
    other = other_run(resource, "2")
    current = str(resource.update(other)["PhysicalResourceId"])
    aws.end_job(current, "Completed")
    resource.delete(name, kept)
    resource.at_rest("UPDATE_COMPLETE")
    sweep(aws)
    lets_go = {**kept, "OnReplace": "delete-model"}
    assert resource.update(lets_go)["PhysicalResourceId"] == name
    if cleaned_up:
        resource.delete(current, other)
    assert resource.update(other)["PhysicalResourceId"] == current
    resource.delete(name, lets_go)
    resource.at_rest("UPDATE_COMPLETE")
    later(aws, 3)
    assert names_of(aws) == ({current} if cleaned_up else {name, current})


@pytest.mark.parametrize("ending", ["Failed", "Completed"])
def test_a_model_is_not_lost_to_one_that_its_stack_went_back_from(
    ending: str, aws: FakeAws, properties: dict[str, Any]
) -> None:
    """What replaced it never started, was replaced, and is trained by an update that is undone."""
    lets_go = {**properties, "OnReplace": "delete-model"}
    resource = Resource(aws=aws, properties=lets_go, stack=STACK.format("line"))
    name = str(resource.create()["PhysicalResourceId"])
    aws.end_job(name, "Completed")
    resource.at_rest()
    sweep(aws)
    others = [deploy(aws, properties, number) for number in range(2)]
    never, now = other_run(resource, "2"), other_run(resource, "3")
    unsent = str(resource.update(never)["PhysicalResourceId"])
    resource.delete(name, lets_go)
    current = str(resource.update(now)["PhysicalResourceId"])
    resource.delete(unsent, never)
    assert aws.items[unsent]["State"] == "Withdrawn"
    resource.at_rest("UPDATE_COMPLETE")
    for other in others:
        aws.end_job(str(other.physical_id), "Failed")
    later(aws, 1)
    aws.end_job(current, "Failed" if ending == "Failed" else "Completed")
    assert resource.update(never)["PhysicalResourceId"] == unsent
    aws.end_job(unsent, "Completed")
    sweep(aws)
    assert resource.update(now)["PhysicalResourceId"] == current
    resource.at_rest("UPDATE_ROLLBACK_COMPLETE")
    later(aws, 3)
    assert aws.items[unsent]["State"] == "Completed"
    assert (name in names_of(aws)) == (ending == "Failed")


def test_a_rollback_under_the_old_id_takes_the_mark_of_the_update_that_it_undoes(
    aws: FakeAws, resource: Resource
) -> None:
    old, _, before, _ = replaced_and_late(aws, resource)
    # The answer is lost: CloudFormation goes back with the old id in its hand.
    resource.physical_id = old
    resource.update(before)
    assert "SupersededBy" not in aws.items[old]
    resource.delete()
    assert aws.models == {}, "it is a deletion, by OnDelete"


def test_a_late_update_of_a_deleted_job_does_not_bring_it_back(
    aws: FakeAws, resource: Resource
) -> None:
    old, _, before, late = replaced_and_late(aws, resource)
    resource.physical_id = old
    resource.update(before)
    resource.delete()
    call_submitter(aws, late)
    assert "DeletedAt" in aws.items[old]


def test_a_wrong_mark_is_taken_back(aws: FakeAws, resource: Resource) -> None:
    old = resource.create()["PhysicalResourceId"]
    resource.update(other_run(resource, "2"))
    resource.at_rest("UPDATE_FAILED", old)
    sweep(aws)
    assert "SupersededBy" not in aws.items[old]


def test_a_foreign_job_is_never_stopped(aws: FakeAws, resource: Resource) -> None:
    name = resource.create()["PhysicalResourceId"]
    aws.tags[aws.jobs[name]["jobArn"]]["finetune:environment"] = "prod"
    resource.gone()
    aws.now += timedelta(hours=1)
    for _ in range(3):
        sweep(aws)
    assert aws.jobs[name]["status"] == "InProgress"


def test_a_model_in_use_is_tried_again(aws: FakeAws, resource: Resource) -> None:
    name = resource.create()["PhysicalResourceId"]
    aws.end_job(name, "Completed")
    resource.gone()
    aws.now += timedelta(hours=1)
    aws.faults.append(Fault("DeleteCustomModel", RefusalError("ConflictException", "in use")))
    sweep(aws)
    assert "provisioned throughput first" in aws.items[name]["Failure"]
    sweep(aws)
    assert aws.models == {}


def test_deleting_a_stack_stops_every_job_of_its_line(aws: FakeAws, resource: Resource) -> None:
    old = resource.create()["PhysicalResourceId"]
    new = resource.update(other_run(resource, "2"))["PhysicalResourceId"]
    resource.delete()
    assert (aws.jobs[old]["status"], aws.jobs[new]["status"]) == ("Stopping", "Stopping")
    aws.end_job(new, "Stopped")
    assert resource.is_complete() == {"IsComplete": False}
    aws.end_job(old, "Stopped")
    assert resource.is_complete() == {"IsComplete": True}


def test_a_rollback_is_known_though_a_late_update_came_before_the_one_that_it_undoes(
    aws: FakeAws, resource: Resource
) -> None:
    old, new, before, _ = replaced_and_late(aws, resource)
    # As the row is when a late update to other content came first.
    aws.items[old]["SupersededBy"] = "dev-tone-0123456789abcdef"
    assert resource.update(before)["PhysicalResourceId"] == old
    assert "WentBack" in aws.items[new]
    resource.at_rest("UPDATE_ROLLBACK_COMPLETE", old)
    aws.now += timedelta(minutes=20)
    sweep(aws)
    assert aws.jobs[new]["status"] == "Stopping"


def test_a_wish_is_no_rollback_though_a_late_update_had_the_row_that_it_wants(
    aws: FakeAws, resource: Resource
) -> None:
    resource.properties |= {"OnReplace": "delete-model", "OnDelete": "delete-model"}
    first = copy.deepcopy(resource.properties)
    old = resource.create()["PhysicalResourceId"]
    aws.end_job(old, "Completed")
    other = other_run(resource, "2")
    new = resource.update(other)["PhysicalResourceId"]
    resource.delete(old, first)
    kept = {**first, "OnReplace": "keep-model", "OnDelete": "keep-model"}
    assert resource.update(kept)["PhysicalResourceId"] == old
    resource.delete(new, other)
    aws.end_job(new, "Completed")
    # Of an update that was cancelled, and whose rollback Lambda delivered first.
    late = {
        **resource.last,
        "RequestType": "Update",
        "RequestId": "late",
        "PhysicalResourceId": old,
        "ResourceProperties": other,
        "OldResourceProperties": kept,
    }
    call_submitter(aws, late)
    resource.at_rest("UPDATE_ROLLBACK_COMPLETE", old)
    sweep(aws)
    assert "SupersededBy" not in aws.items[old]
    assert resource.update(other)["PhysicalResourceId"] == new
    assert aws.items[old]["OnReplace"] == "keep-model", "as its stack had accepted last"
    resource.delete(old, kept)
    resource.at_rest("UPDATE_COMPLETE", new)
    for _ in range(2):
        aws.now += timedelta(minutes=20)
        sweep(aws)
    assert {model["modelName"] for model in aws.models.values()} == {old, new}


# A replaced job that is wanted again, by an update that fails


def wanted_again(
    aws: FakeAws, resource: Resource
) -> tuple[str, str, dict[str, Any], dict[str, Any]]:
    """Return a kept model's id and its successor's, and what failed and what was before.

    The update that wants the kept model again wants it with another policy.
    """
    resource.properties |= {"OnReplace": "keep-model", "OnDelete": "keep-model"}
    first = copy.deepcopy(resource.properties)
    old = resource.create()["PhysicalResourceId"]
    aws.end_job(old, "Completed")
    before = other_run(resource, "2")
    new = resource.update(before)["PhysicalResourceId"]
    resource.delete(old, first)
    aws.end_job(new, "Completed")
    resource.at_rest("UPDATE_COMPLETE", new)
    aws.now += timedelta(minutes=20)
    sweep(aws)
    failed = {**first, "OnReplace": "delete-model", "OnDelete": "delete-model"}
    assert resource.update(failed)["PhysicalResourceId"] == old
    return old, new, failed, before


@pytest.mark.parametrize("clean_up", [True, False])
def test_a_kept_model_is_not_lost_to_the_policy_of_an_update_that_was_undone(
    clean_up: bool, aws: FakeAws, resource: Resource
) -> None:
    old, new, failed, before = wanted_again(aws, resource)
    assert resource.update(before)["PhysicalResourceId"] == new
    assert (aws.items[old]["SupersededBy"], aws.items[old]["OnReplace"]) == (new, "keep-model")
    resource.again()
    if clean_up:
        resource.delete(old, failed)
    resource.at_rest("UPDATE_ROLLBACK_COMPLETE", new)
    aws.now += timedelta(minutes=20)
    sweep(aws)
    assert len(aws.models) == 2


def test_a_kept_model_is_not_lost_to_the_policy_of_an_update_whose_answer_was_lost(
    aws: FakeAws, resource: Resource
) -> None:
    old, new, _, before = wanted_again(aws, resource)
    resource.physical_id = new
    resource.update(before)
    resource.at_rest("UPDATE_ROLLBACK_COMPLETE", new)
    aws.now += timedelta(minutes=20)
    sweep(aws)
    assert (aws.items[old]["SupersededBy"], aws.items[old]["OnReplace"]) == (new, "keep-model")
    assert len(aws.models) == 2


def test_a_kept_model_that_an_update_has_back_goes_by_the_policies_of_that_update(
    aws: FakeAws, resource: Resource
) -> None:
    old, new, _, before = wanted_again(aws, resource)
    resource.delete(new, before)
    resource.at_rest("UPDATE_COMPLETE", old)
    sweep(aws)
    resource.delete()
    assert [model["modelName"] for model in aws.models.values()] == [new]


# A model that a deleted stack kept, and that another request takes


LETS_GO = {"OnReplace": "delete-model", "OnDelete": "delete-model"}


def kept_model(aws: FakeAws, properties: dict[str, Any], *, policy: str = "keep-model") -> str:
    """Return the id of a model that a stack which is gone kept, or did not."""
    first = Resource(
        aws=aws,
        properties={**copy.deepcopy(properties), "OnDelete": policy},
        stack=STACK.format("kept"),
    )
    name = str(first.create()["PhysicalResourceId"])
    aws.end_job(name, "Completed")
    first.at_rest()
    sweep(aws)
    first.delete()
    first.gone()
    aws.now += timedelta(minutes=20)
    sweep(aws)
    sweep(aws)
    return name


def later(aws: FakeAws, count: int = 2) -> None:
    for _ in range(count):
        aws.now += timedelta(minutes=20)
        sweep(aws)


def names_of(aws: FakeAws) -> set[str]:
    return {model["modelName"] for model in aws.models.values()}


def another(aws: FakeAws, properties: dict[str, Any]) -> Resource:
    return Resource(
        aws=aws,
        properties={**copy.deepcopy(properties), **LETS_GO},
        stack=STACK.format("another"),
    )


def test_a_stack_that_is_deleted_keeps_or_deletes_its_model(
    aws: FakeAws, properties: dict[str, Any]
) -> None:
    """The ground of the tests below: there is a model to lose, and one that may go goes."""
    assert names_of(aws) == set()
    name = kept_model(aws, properties)
    assert names_of(aws) == {name}
    assert kept_model(aws, {**properties, "Job": "other"}, policy="delete-model") != name
    assert names_of(aws) == {name}


def test_a_kept_model_is_not_lost_to_a_late_request_of_another_stack(
    aws: FakeAws, properties: dict[str, Any]
) -> None:
    """An update that was cancelled, and whose stack is gone since, comes after all."""
    stack = another(aws, properties)
    before = other_run(stack, "2")
    wanted = stack.properties
    stack.properties = before
    current = stack.create()["PhysicalResourceId"]
    aws.end_job(current, "Completed")
    stack.delete()
    stack.gone()
    later(aws)
    name = kept_model(aws, properties)
    assert name != current
    late = {
        **copy.deepcopy(stack.last),
        "RequestType": "Update",
        "RequestId": "late",
        "PhysicalResourceId": current,
        "ResourceProperties": wanted,
        "OldResourceProperties": before,
    }
    call_submitter(aws, late)
    assert aws.items[name]["StackId"] == stack.stack, "it looks like one in time"
    later(aws)
    assert names_of(aws) == {name}


def test_a_kept_model_is_not_lost_to_a_creation_that_is_rolled_back(
    aws: FakeAws, properties: dict[str, Any]
) -> None:
    name = kept_model(aws, properties)
    stack = another(aws, properties)
    assert stack.create()["PhysicalResourceId"] == name
    stack.delete()
    # CloudFormation, or Lambda, may send the same again.
    stack.again()
    stack.at_rest("ROLLBACK_FAILED")
    later(aws)
    stack.delete()
    stack.gone()
    later(aws)
    assert names_of(aws) == {name}
    assert aws.items[name]["Policy"] == "keep-model"


@pytest.mark.parametrize("policy", ["keep-model", "delete-model"])
def test_a_model_is_kept_by_a_stack_whose_deletion_the_follower_has_not_seen(
    policy: str, aws: FakeAws, properties: dict[str, Any]
) -> None:
    """A replaced one, which goes by both policies; who has its content again is rolled back."""
    both = {"OnReplace": policy, "OnDelete": policy}
    first = Resource(aws=aws, properties={**properties, **both}, stack=STACK.format("first"))
    name = str(first.create()["PhysicalResourceId"])
    aws.end_job(name, "Completed")
    first.at_rest()
    sweep(aws)
    new = str(first.update(other_run(first, "2"))["PhysicalResourceId"])
    first.delete(name, {**properties, **both})
    first.at_rest("UPDATE_COMPLETE")
    first.delete()
    first.gone()
    aws.end_job(new, "Stopped")
    stack = another(aws, properties)
    assert stack.create()["PhysicalResourceId"] == name
    stack.delete()
    stack.at_rest("ROLLBACK_FAILED")
    later(aws)
    assert names_of(aws) == ({name} if policy == "keep-model" else set())


@pytest.mark.parametrize("clean_up", [True, False])
def test_a_kept_model_is_not_lost_to_an_update_that_is_rolled_back(
    clean_up: bool, aws: FakeAws, properties: dict[str, Any]
) -> None:
    name = kept_model(aws, properties)
    stack = another(aws, properties)
    wanted = stack.properties
    stack.properties = before = other_run(stack, "2")
    current = stack.create()["PhysicalResourceId"]
    aws.end_job(current, "Completed")
    stack.at_rest()
    sweep(aws)
    assert stack.update(wanted)["PhysicalResourceId"] == name
    assert stack.update(before)["PhysicalResourceId"] == current
    if clean_up:
        stack.delete(name, wanted)
    stack.at_rest("UPDATE_ROLLBACK_COMPLETE")
    later(aws, 3)
    assert names_of(aws) == {name, current}


def test_a_kept_model_is_not_lost_to_the_deletion_of_a_stack_whose_rollback_failed(
    aws: FakeAws, properties: dict[str, Any]
) -> None:
    name = kept_model(aws, properties)
    stack = another(aws, properties)
    wanted = stack.properties
    stack.properties = other_run(stack, "2")
    stack.create()
    stack.at_rest()
    stack.update(wanted)
    stack.at_rest("UPDATE_ROLLBACK_FAILED")
    later(aws)
    stack.delete()
    stack.gone()
    later(aws)
    assert names_of(aws) == {name}


@pytest.mark.parametrize("way", ["deleted", "replaced", "gone"])
def test_a_kept_model_goes_by_the_policies_of_a_stack_that_had_it(
    way: str, aws: FakeAws, properties: dict[str, Any]
) -> None:
    """The twin of all above: once a stack is complete with it, the model is that stack's."""
    name = kept_model(aws, properties)
    stack = another(aws, properties)
    assert stack.create()["PhysicalResourceId"] == name
    assert aws.items[name]["WasKept"] == "true"
    stack.at_rest()
    sweep(aws)
    assert "WasKept" not in aws.items[name]
    left = set()
    if way == "deleted":
        stack.delete()
    elif way == "replaced":
        new = str(stack.update(other_run(stack, "2"))["PhysicalResourceId"])
        aws.end_job(new, "Completed")
        stack.at_rest("UPDATE_COMPLETE")
        left = {new}
    else:
        stack.gone()
        # So that the row is looked at again, as after a restore of the table.
        del aws.items[name]["SettledAt"]
    later(aws, 3)
    assert names_of(aws) == left


def test_what_is_trained_anew_under_the_name_of_a_kept_model_was_kept_by_nobody(
    aws: FakeAws, properties: dict[str, Any]
) -> None:
    name = kept_model(aws, properties)
    stack = another(aws, properties)
    stack.create()
    assert aws.items[name]["WasKept"] == "true"
    aws.jobs.clear()
    aws.models.clear()
    stack.again()
    assert "WasKept" not in aws.items[name]


@pytest.mark.parametrize("minutes", [1, 20])
def test_a_rollback_that_failed_is_continued_without_training_again(
    minutes: int, aws: FakeAws, resource: Resource
) -> None:
    before = copy.deepcopy(resource.properties)
    old = resource.create()["PhysicalResourceId"]
    aws.end_job(old, "Completed")
    after = other_run(resource, "2")
    new = resource.update(after)["PhysicalResourceId"]
    resource.update(before)
    # CloudFormation took the rollback's answer for a failure: the resource is still the new one.
    resource.physical_id, resource.properties = new, after
    resource.at_rest("UPDATE_ROLLBACK_FAILED", new)
    for _ in range(2):
        aws.now += timedelta(minutes=minutes)
        sweep(aws)
    assert (aws.items[old].get("SupersededBy") == new) == (minutes == 20)
    assert resource.update(before)["PhysicalResourceId"] == old
    assert len(aws.jobs) == 2
    resource.delete(new, after)
    assert aws.jobs[new]["status"] == "Stopping"


@pytest.mark.parametrize("on_delete", ["keep-model", "delete-model"])
def test_a_stack_that_is_deleted_after_a_rollback_that_failed_keeps_what_either_policy_keeps(
    on_delete: str, aws: FakeAws, resource: Resource
) -> None:
    resource.properties |= {"OnReplace": "delete-model", "OnDelete": "delete-model"}
    before = copy.deepcopy(resource.properties)
    old = resource.create()["PhysicalResourceId"]
    aws.end_job(old, "Completed")
    after = {**other_run(resource, "2"), "OnDelete": on_delete}
    resource.update(after)
    # Another resource failed, and the rollback's answer was lost: the stack has the old id's mark.
    resource.delete(old, {**before, "OnDelete": on_delete})
    resource.gone()
    aws.now += timedelta(minutes=20)
    sweep(aws)
    assert len(aws.models) == (1 if on_delete == "keep-model" else 0)


# Late requests of stacks that are gone


def made_again(
    aws: FakeAws, properties: dict[str, Any], *, policy: str = "delete-model"
) -> tuple[Resource, str, dict[str, Any]]:
    """Return a stack's resource, its id, and a late Update that wants the same content.

    The Update was cancelled and its stack deleted and made again, with the Update's content, before
    Lambda could deliver it.
    """
    wanted = {**copy.deepcopy(properties), "Run": "2", "OnReplace": policy, "OnDelete": policy}
    gone = Resource(aws=aws, properties=copy.deepcopy(properties), stack=STACK.format("gone"))
    old = gone.create()["PhysicalResourceId"]
    late = {
        **gone.last,
        "RequestType": "Update",
        "RequestId": "late",
        "PhysicalResourceId": old,
        "OldResourceProperties": gone.properties,
        "ResourceProperties": {**wanted, "OnReplace": "delete-model", "OnDelete": "delete-model"},
    }
    gone.delete()
    aws.end_job(old, "Stopped")
    gone.gone()
    resource = Resource(aws=aws, properties=wanted, stack=STACK.format("made-again"))
    name = resource.create()["PhysicalResourceId"]
    resource.at_rest()
    return resource, name, late


def taken_by_a_late_update(
    aws: FakeAws, properties: dict[str, Any], *, policy: str = "delete-model"
) -> tuple[Resource, str]:
    """Return a stack's resource and its id, which a late Update of the stack before it took."""
    resource, name, late = made_again(aws, properties, policy=policy)
    call_submitter(aws, late)
    assert aws.items[name]["StackId"] == STACK.format("gone"), "it looks like one in time"
    return resource, name


def test_a_model_is_kept_that_a_late_update_of_a_stack_that_is_gone_took(
    aws: FakeAws, properties: dict[str, Any]
) -> None:
    resource, name = taken_by_a_late_update(aws, properties)
    aws.end_job(name, "Completed")
    aws.now += timedelta(minutes=20)
    sweep(aws)
    assert [model["modelName"] for model in aws.models.values()] == [name]
    assert (aws.items[name]["StackId"], "DeletedAt" in aws.items[name]) == (resource.stack, False)


def test_a_model_that_a_late_update_took_goes_with_its_own_stack(
    aws: FakeAws, properties: dict[str, Any]
) -> None:
    resource, name = taken_by_a_late_update(aws, properties)
    aws.end_job(name, "Completed")
    resource.gone()
    aws.now += timedelta(minutes=20)
    sweep(aws)
    assert aws.models == {}


def test_a_job_that_a_late_update_took_is_judged_once_its_own_stack_is_at_rest(
    aws: FakeAws, properties: dict[str, Any]
) -> None:
    resource, name = taken_by_a_late_update(aws, properties)
    aws.now += timedelta(minutes=20)
    resource.at_rest("UPDATE_IN_PROGRESS")
    sweep(aws)
    assert (aws.jobs[name]["status"], "DeletedAt" in aws.items[name]) == ("InProgress", False)
    resource.at_rest("UPDATE_COMPLETE", "dev-tone-0123456789abcdef")
    sweep(aws)
    assert aws.jobs[name]["status"] == "Stopping"


def test_what_a_late_update_took_has_its_own_policies_again(
    aws: FakeAws, properties: dict[str, Any]
) -> None:
    _, name = taken_by_a_late_update(aws, properties, policy="keep-model")
    assert aws.items[name]["OnDelete"] == "delete-model"
    aws.now += timedelta(minutes=20)
    sweep(aws)
    assert (aws.items[name]["OnReplace"], aws.items[name]["OnDelete"]) == ("keep-model",) * 2
    assert "Supersedes" not in aws.items[name]


def test_a_job_that_a_late_update_took_is_replaced_as_any_other(
    aws: FakeAws, properties: dict[str, Any]
) -> None:
    resource, name = taken_by_a_late_update(aws, properties)
    aws.end_job(name, "Completed")
    new = resource.update(other_run(resource, "3"))["PhysicalResourceId"]
    resource.at_rest("UPDATE_COMPLETE")
    aws.now += timedelta(minutes=20)
    sweep(aws)
    assert (aws.items[name]["SupersededBy"], len(aws.models)) == (new, 1)
    aws.end_job(new, "Completed")
    sweep(aws)
    sweep(aws)
    assert [model["modelName"] for model in aws.models.values()] == [new]


def test_a_model_that_waits_for_its_successor_is_kept_from_a_late_update(
    aws: FakeAws, properties: dict[str, Any]
) -> None:
    resource, name, late = made_again(aws, properties)
    aws.end_job(name, "Completed")
    new = resource.update(other_run(resource, "3"))["PhysicalResourceId"]
    resource.at_rest("UPDATE_COMPLETE")
    call_submitter(aws, late)
    assert "SupersededBy" not in aws.items[name]
    aws.now += timedelta(minutes=20)
    sweep(aws)
    assert (aws.items[name]["SupersededBy"], len(aws.models)) == (new, 1)
    assert aws.items[name]["StackId"] == resource.stack


def test_a_job_that_a_late_update_took_is_deleted_as_any_other(
    aws: FakeAws, properties: dict[str, Any]
) -> None:
    resource, name = taken_by_a_late_update(aws, properties)
    resource.delete()
    assert aws.jobs[name]["status"] == "Stopping"
    assert resource.is_complete() == {"IsComplete": False}


def test_an_unchanged_job_of_a_stack_that_is_gone_takes_nothing(
    aws: FakeAws, properties: dict[str, Any]
) -> None:
    gone = Resource(aws=aws, properties=copy.deepcopy(properties), stack=STACK.format("gone"))
    name = gone.create()["PhysicalResourceId"]
    aws.end_job(name, "Completed")
    late = {
        **gone.last,
        "RequestType": "Update",
        "RequestId": "late",
        "PhysicalResourceId": name,
        "OldResourceProperties": gone.properties,
    }
    # Deleted with a policy that keeps the model, which the next stack adopts.
    gone.properties["OnDelete"] = "keep-model"
    gone.delete()
    gone.gone()
    resource = Resource(aws=aws, properties=properties, stack=STACK.format("made-again"))
    assert resource.create()["PhysicalResourceId"] == name
    resource.at_rest()
    assert json.loads(aws.items[name]["ClaimsBefore"]) == [], "who gave it up has no claim"
    call_submitter(aws, late)
    assert aws.items[name]["StackId"] == resource.stack
    aws.now += timedelta(minutes=20)
    sweep(aws)
    assert len(aws.models) == 1
    assert aws.items[name]["StackId"] == resource.stack


# Requests


def test_a_request_that_comes_again_after_its_time_is_refused(
    aws: FakeAws, resource: Resource
) -> None:
    resource.create()
    aws.now += timedelta(minutes=59)
    resource.again()
    aws.now += timedelta(minutes=1)
    with pytest.raises(StaleRequestError, match="its stack waits 3600 s: nothing was done"):
        resource.again()


def test_a_request_that_was_overtaken_is_refused(aws: FakeAws, resource: Resource) -> None:
    before = copy.deepcopy(resource.properties)
    resource.create()
    resource.update(other_run(resource, "2"))
    late = resource.last
    resource.update(before)
    with pytest.raises(StaleRequestError, match="a later request"):
        call_submitter(aws, late)


def test_a_delete_while_a_submission_is_under_way_waits_for_it(
    aws: FakeAws, resource: Resource
) -> None:
    name = resource.create()["PhysicalResourceId"]
    # As the table is while another call is asking Bedrock.
    job = aws.jobs.pop(name)
    aws.items[name]["State"] = "Submitting"
    resource.delete()
    assert resource.is_complete() == {"IsComplete": False}
    aws.jobs[name] = job
    sweep(aws)
    assert job["status"] == "Stopping"


def test_a_throttled_call_is_made_again(aws: FakeAws, resource: Resource) -> None:
    throttled = RefusalError("ThrottlingException", "slow down", 429)
    aws.faults.append(Fault("GetModelCustomizationJob", throttled, times=2))
    resource.create()
    assert aws.slept == [2, 4]
    aws.faults.append(Fault("GetModelCustomizationJob", throttled))
    assert resource.is_complete() == {"IsComplete": False}


def test_an_answer_that_never_came_is_looked_up(aws: FakeAws, resource: Resource) -> None:
    aws.faults.append(Fault("CreateModelCustomizationJob", LostError(), after=True))
    resource.create()
    assert (len(aws.jobs), len(aws.submitted)) == (1, 1)


def test_a_conflict_about_a_job_of_ours_is_no_error(aws: FakeAws, resource: Resource) -> None:
    conflict = RefusalError("ConflictException", "made up")
    aws.faults.append(Fault("CreateModelCustomizationJob", conflict, after=True))
    resource.create()
    assert len(aws.jobs) == 1


# The ledger


def test_a_ledger_that_changes_all_the_time_is_given_up(aws: FakeAws, resource: Resource) -> None:
    refusal = RefusalError("ConditionalCheckFailedException")
    resource.create()
    table = Table(dynamodb=aws.direct("dynamodb"), name="made", pause=aws.sleep)
    aws.faults.append(Fault("UpdateItem", refusal, times=99))
    with pytest.raises(BusyTableError, match="changed 30 times"):
        table.change_ledger(lambda ledger: ledger.wait("x"))


def taken_out(aws: FakeAws, name: str) -> None:
    """Leave the row of a job as it is when it was taken away, and its place not freed yet."""
    aws.jobs.pop(name, None)
    aws.items[name] |= {"State": "Withdrawn", "DeletedAt": aws.now.isoformat()}


def places(aws: FakeAws) -> list[str]:
    running: list[str] = json.loads(aws.items["ledger"]["Running"])
    return running


@pytest.mark.parametrize("known", ["new", "anew", "no more"])
def test_a_place_that_is_taken_while_the_queue_is_looked_at_is_kept(
    known: str, aws: FakeAws, resource: Resource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A request comes after the follower has read the rows, and before it writes the ledger."""
    if known != "new":
        taken_out(aws, str(resource.create()["PhysicalResourceId"]))
    unsettled = Table.unsettled
    looks: list[list[Row]] = []

    def and_then(self: Table) -> Iterator[Row]:
        looks.append(list(unsettled(self)))
        if len(looks) == 2 and known != "no more":
            before = len(aws.calls)
            resource.create()
            del aws.calls[before:]  # they are noted as the submitter's, and not the follower's
        return iter(looks[-1])

    monkeypatch.setattr(Table, "unsettled", and_then)
    sweep(aws)
    name = str(resource.physical_id)
    assert places(aws) == ([] if known == "no more" else [name])


@pytest.mark.parametrize("anew", [True, False])
def test_a_place_is_not_freed_of_a_job_that_is_asked_for_anew(
    anew: bool, aws: FakeAws, resource: Resource, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Between the write that withdraws a job whose turn had come, and the freeing of its place."""
    name = str(resource.create()["PhysicalResourceId"])
    del aws.jobs[name]
    aws.items[name]["State"] = "Queued"
    another = Resource(aws=aws, properties=resource.properties, stack=STACK.format("another"))
    change_ledger = Table.change_ledger

    def first_asked_anew(self: Table, *known: Any, **more: Any) -> Ledger:
        monkeypatch.setattr(Table, "change_ledger", change_ledger)
        if anew:
            another.create()
        return change_ledger(self, *known, **more)

    monkeypatch.setattr(Table, "change_ledger", first_asked_anew)
    resource.delete()
    assert places(aws) == ([name] if anew else [])
    assert (name in aws.jobs) == anew


@pytest.mark.parametrize("anew", [True, False])
def test_a_turn_is_for_the_request_that_it_was_given_to(
    anew: bool, aws: FakeAws, properties: dict[str, Any], monkeypatch: pytest.MonkeyPatch
) -> None:
    """While its data is looked at, a job is withdrawn, its place given away, and it asked anew."""
    third = [deploy(aws, properties, number) for number in range(3)][2]
    name = str(third.physical_id)
    for job in list(aws.jobs):
        aws.end_job(job, "Completed")
    aws.items["ledger"] |= {"Running": json.dumps([name]), "Waiting": "[]"}

    def meanwhile(**known: Any) -> None:
        monkeypatch.setattr(lifecycle, "check_data", check_data)
        if anew:
            third.delete()
            for number in (4, 5):
                deploy(aws, properties, number)
            assert third.create()["Data"]["State"] == "Queued"
        check_data(**known)

    monkeypatch.setattr(lifecycle, "check_data", meanwhile)
    call_submitter(aws, {"Submit": name})
    assert (name in aws.jobs) == (not anew)
    assert (name in places(aws)) == (not anew)
    running = [job for job in aws.jobs.values() if job["status"] == "InProgress"]
    assert len(running) == len(places(aws)) == (2 if anew else 1)


def test_two_changes_of_the_ledger_at_once_both_count(aws: FakeAws) -> None:
    table = Table(dynamodb=aws.direct("dynamodb"), name="made", pause=aws.sleep)
    first = [True]

    def change(ledger: Ledger) -> Ledger:
        if first.pop() if first else False:
            table.change_ledger(lambda inner: inner.enter("other", limit=1))
        return ledger.enter("one", limit=1)

    table.change_ledger(change)
    assert table.ledger() == Ledger(running=("other",), waiting=("one",))


def test_a_place_is_given_to_the_oldest_that_may_have_it() -> None:
    ledger = Ledger(waiting=("a", "b", "c"))
    assert ledger.promote(eligible={"b", "c"}, limit=1) == Ledger(
        running=("b",), waiting=("a", "c")
    )
    assert ledger.enter("d", limit=9).waiting == ("a", "b", "c", "d")
    assert ledger.enter("a", limit=1) == Ledger(running=("a",), waiting=("b", "c"))
    assert Ledger(running=("a",)).enter("a", limit=0) == Ledger(running=("a",))


# What the stacks and the functions must agree on


def test_the_alarm_watches_the_metric_that_the_follower_writes() -> None:
    assert construct.NAMESPACE == announcement.NAMESPACE
    assert construct.FAILED_JOBS == announcement.FAILED_JOBS
    assert construct.ENVIRONMENT_DIMENSION == announcement.ENVIRONMENT_DIMENSION


def test_requests_expire_by_the_attribute_that_the_table_is_made_with(
    aws: FakeAws, resource: Resource
) -> None:
    resource.create()
    requests = [item for name, item in aws.items.items() if name.startswith("request#")]
    assert all(state_table.EXPIRES_AT in item for item in requests)
    assert state_table.EXPIRES_AT not in aws.items[str(resource.physical_id)]


def test_the_environment_is_checked() -> None:
    known = {"TABLE_NAME": "t", "TOPIC_ARN": "a", "SUBMITTER_FUNCTION": "s"}
    assert Environment.read(known).jobs_in_progress == 2
    for missing in known:
        with pytest.raises(Exception, match=f"{missing} is missing"):
            Environment.read({k: v for k, v in known.items() if k != missing})
    with pytest.raises(Exception, match="from 1 to 10"):
        Environment.read({**known, "MAX_JOBS_IN_PROGRESS": "11"})
