"""What CloudFormation asks for happens once, to our own jobs only, and says what it did."""

from __future__ import annotations

import copy
import json
import re
from datetime import timedelta
from typing import Any, cast

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

import submitter.handler
from customization.errors import (
    AttemptsUsedError,
    DataChangedError,
    DataNotPushedError,
    EnvironmentVariableError,
    EventError,
    JobFailedError,
    JobMissingError,
    JobRequestError,
    ModelInUseError,
    NameTakenError,
    ServiceCallError,
    SubmissionError,
    UnknownStatusError,
)
from submitter.handler import Environment
from tests.fakes.aws import FakeAws, Fault, RefusalError
from tests.fakes.cloudformation import Context, Resource, sweep

Properties = dict[str, Any]
ASSUME = RefusalError("ValidationException", "Could not assume provided IAM role. Please ensure")


def changed(properties: Properties, **top: object) -> Properties:
    return {**copy.deepcopy(properties), **top}


def run_2(properties: Properties) -> Properties:
    return changed(properties, Run="2")


def only_job(aws: FakeAws) -> dict[str, Any]:
    (job,) = aws.jobs.values()
    return job


# Create


def test_create_submits_the_job_in_the_vpc_with_key_role_and_owner_tags(
    aws: FakeAws, resource: Resource
) -> None:
    answer = resource.create()
    name = answer["PhysicalResourceId"]
    assert re.fullmatch(r"dev-tone-[0-9a-f]{16}", name)
    assert answer["Data"] == {"JobName": name, "ModelName": name, "State": "Submitted"}
    sent = aws.submitted[0]
    request = resource.properties["Request"]
    for field in ("roleArn", "vpcConfig", "customModelKmsKeyId", "hyperParameters"):
        assert sent[field] == request[field]
    assert sent["clientRequestToken"] == sent["customModelName"] == name
    assert aws.tags[only_job(aws)["jobArn"]] == {
        "project": "made",
        "finetune:environment": "dev",
        "finetune:job": "tone",
        "finetune:digest": name.split("-")[2],
    }
    assert aws.items[name]["State"] == "Submitted"
    assert aws.items[name]["SubmittedAt"] == aws.now.isoformat()


def test_a_repeated_create_adopts_the_job_and_pays_once(aws: FakeAws, resource: Resource) -> None:
    first, second = resource.create(), resource.create()
    assert first["PhysicalResourceId"] == second["PhysicalResourceId"]
    assert len(aws.submitted) == 1


def test_an_answer_lost_after_the_job_was_made_pays_once(aws: FakeAws, resource: Resource) -> None:
    lost = RefusalError("ValidationException", "Could not assume provided IAM role: made up")
    aws.faults.append(Fault("CreateModelCustomizationJob", lost, after=True))
    resource.create()
    assert len(aws.submitted) == 2
    assert len(aws.jobs) == 1


def test_a_completed_job_with_a_living_model_is_adopted(aws: FakeAws, resource: Resource) -> None:
    name = resource.create()["PhysicalResourceId"]
    aws.end_job(name, "Completed")
    assert resource.create()["PhysicalResourceId"] == name
    assert resource.is_complete() == {"IsComplete": True, "Data": {"State": "Completed"}}
    assert len(aws.submitted) == 1


@pytest.mark.parametrize("status", ["Failed", "Stopping", "Stopped"])
def test_a_job_that_ended_without_a_model_is_tried_again_under_the_next_name(
    status: str, aws: FakeAws, resource: Resource
) -> None:
    first = resource.create()["PhysicalResourceId"]
    aws.end_job(first, status)
    second = resource.create()["PhysicalResourceId"]
    assert second == f"{first}-2"
    aws.end_job(second, status)
    assert resource.create()["PhysicalResourceId"] == f"{first}-3"


@pytest.mark.parametrize("gone", ["deleted", "failed"])
def test_a_completed_job_without_its_model_is_trained_again(
    gone: str, aws: FakeAws, resource: Resource
) -> None:
    first = resource.create()["PhysicalResourceId"]
    aws.end_job(first, "Completed")
    if gone == "deleted":
        aws.models.clear()
    else:
        aws.models[only_job(aws)["outputModelArn"]]["modelStatus"] = "Failed"
    assert resource.create()["PhysicalResourceId"] == f"{first}-2"


@pytest.mark.parametrize("tag", ["finetune:environment", "finetune:job", "finetune:digest"])
def test_a_name_that_is_not_ours_is_neither_adopted_nor_passed_over(
    tag: str, aws: FakeAws, resource: Resource
) -> None:
    name = resource.create()["PhysicalResourceId"]
    aws.tags[only_job(aws)["jobArn"]][tag] = "other"
    with pytest.raises(NameTakenError, match=f"{name} exists without the tag"):
        resource.create()
    assert len(aws.jobs) == 1


def test_attempts_end(aws: FakeAws, resource: Resource, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("submitter.lifecycle.MAX_ATTEMPTS", 2)
    for _ in range(2):
        aws.end_job(resource.create()["PhysicalResourceId"], "Failed")
    with pytest.raises(AttemptsUsedError, match="raise the job's run"):
        resource.create()


def test_an_unknown_status_is_an_error(aws: FakeAws, resource: Resource) -> None:
    name = resource.create()["PhysicalResourceId"]
    aws.jobs[name]["status"] = "Paused"
    with pytest.raises(UnknownStatusError, match="'Paused'"):
        resource.create()
    with pytest.raises(UnknownStatusError, match="'Paused'"):
        resource.is_complete()


# Data


def test_data_that_was_not_pushed_is_named_with_the_command(
    aws: FakeAws, resource: Resource
) -> None:
    aws.objects.clear()
    with pytest.raises(DataNotPushedError, match=r"finetune data push tone tone\.jsonl"):
        resource.create()
    assert aws.submitted == []


def test_data_that_cannot_be_seen_is_an_error_with_both_causes(
    aws: FakeAws, resource: Resource
) -> None:
    aws.faults.append(Fault("HeadObject", RefusalError("403", "Forbidden", 403)))
    with pytest.raises(DataNotPushedError, match=r"finetune data push tone.*endpoint"):
        resource.create()


@pytest.mark.parametrize("metadata", [{}, {"sha256": "b" * 64}])
def test_data_of_another_digest_is_refused(
    metadata: dict[str, str], aws: FakeAws, resource: Resource
) -> None:
    (location,) = aws.objects
    aws.objects[location] = metadata
    with pytest.raises(DataChangedError, match="must have the sha256"):
        resource.create()
    assert aws.submitted == []


CHECKED = {"at": "2026-01-01T00:00:00Z", "model_family": "nova", "ok": True, "version": "2"}


def test_what_the_check_before_the_push_found_is_kept_in_the_row(
    aws: FakeAws, resource: Resource
) -> None:
    ((location, metadata),) = aws.objects.items()
    aws.objects[location] = {**metadata, "check": json.dumps({**CHECKED, "more": "not kept"})}
    name = str(resource.create()["PhysicalResourceId"])
    assert json.loads(aws.items[name]["Checks"]) == {metadata["sha256"]: CHECKED}


@pytest.mark.parametrize(
    "said",
    [
        "",
        "no JSON",
        "[]",
        json.dumps({**CHECKED, "ok": "yes"}),
        json.dumps({**CHECKED, "version": None}),
        json.dumps({**CHECKED, "model_family": "x" * 101}),
    ],
)
def test_a_check_that_is_not_of_its_form_is_not_known_and_stops_nobody(
    said: str, aws: FakeAws, resource: Resource
) -> None:
    ((location, metadata),) = aws.objects.items()
    aws.objects[location] = {**metadata, "check": said}
    name = str(resource.create()["PhysicalResourceId"])
    assert len(aws.jobs) == 1
    assert "Checks" not in aws.items[name]


def test_validation_data_is_checked_too(aws: FakeAws, resource: Resource) -> None:
    resource.properties |= {"ValidationDatasetName": "held", "ValidationDatasetDigest": "b" * 64}
    resource.properties["Request"]["validationDataConfig"] = {
        "validators": [{"s3Uri": "s3://made-bucket/held/held.jsonl"}]
    }
    with pytest.raises(DataNotPushedError, match=r"finetune data push held held\.jsonl"):
        resource.create()
    aws.objects["made-bucket", "held/held.jsonl"] = {"sha256": "b" * 64}
    resource.create()
    assert len(aws.jobs) == 1


# Errors of Bedrock


def test_permissions_that_are_not_effective_yet_are_waited_for(
    aws: FakeAws, resource: Resource
) -> None:
    aws.faults.append(Fault("CreateModelCustomizationJob", ASSUME, times=3))
    resource.create()
    assert aws.slept == [2, 4, 8]
    assert len(aws.jobs) == 1


def test_waiting_for_permissions_ends_with_cause_and_remedy(
    aws: FakeAws, resource: Resource
) -> None:
    aws.faults.append(Fault("CreateModelCustomizationJob", ASSUME, times=99))
    with pytest.raises(SubmissionError, match=r"tried for \d+ s.*trust policy.*aws:SourceArn"):
        resource.create()
    assert 30 < sum(aws.slept) <= 60


def test_waiting_leaves_time_to_answer(aws: FakeAws, resource: Resource) -> None:
    aws.faults.append(Fault("CreateModelCustomizationJob", ASSUME, times=99))
    resource.context = Context(seconds=37)
    with pytest.raises(SubmissionError):
        resource.create()
    assert sum(aws.slept) <= 7


@pytest.mark.parametrize(
    ("code", "message", "remedy"),
    [
        ("ServiceQuotaExceededException", "too many jobs", "quotas allow"),
        ("ValidationException", "The provided model identifier is invalid.", "lists for fine-tun"),
        ("ValidationException", "something new", "fine-tuning-troubleshooting"),
        ("TooManyTagsException", "no", "remove tags"),
    ],
)
def test_a_refusal_that_will_not_pass_is_told_at_once(
    code: str, message: str, remedy: str, aws: FakeAws, resource: Resource
) -> None:
    aws.faults.append(Fault("CreateModelCustomizationJob", RefusalError(code, message), times=9))
    with pytest.raises(SubmissionError, match=f"{message}.*{remedy}"):
        resource.create()
    assert aws.slept == []


def test_a_name_taken_meanwhile_is_told_as_such(aws: FakeAws, resource: Resource) -> None:
    taken = RefusalError("ValidationException", "The provided job name is currently in use.")
    aws.faults.append(Fault("CreateModelCustomizationJob", taken))
    with pytest.raises(NameTakenError, match="raise the job's run"):
        resource.create()


@pytest.mark.parametrize(
    "operation",
    ["GetModelCustomizationJob", "ListTagsForResource", "HeadObject", "UpdateItem"],
)
def test_any_other_error_names_the_call(operation: str, aws: FakeAws, resource: Resource) -> None:
    if operation == "ListTagsForResource":
        resource.create()
    refusal = RefusalError("InternalServerException", "made up", 500)
    aws.faults.append(Fault(operation, refusal, times=9))
    with pytest.raises(ServiceCallError, match=f"{operation} failed: InternalServerException"):
        resource.create()


# Update


@pytest.mark.parametrize("status", ["InProgress", "Completed", "Failed", "Stopped"])
def test_an_update_of_the_same_content_makes_no_job_whatever_became_of_it(
    status: str, aws: FakeAws, resource: Resource
) -> None:
    name = resource.create()["PhysicalResourceId"]
    aws.end_job(name, status)
    properties = copy.deepcopy(resource.properties)
    properties["Request"]["vpcConfig"]["subnetIds"] = ["subnet-9z"]
    properties["Request"]["jobTags"] = []
    assert resource.update(properties)["PhysicalResourceId"] == name
    state = "Completed" if status == "Completed" else "Submitted"
    assert resource.is_complete() == {"IsComplete": True, "Data": {"State": state}}
    assert len(aws.submitted) == 1


def test_an_update_of_the_content_submits_and_marks_the_old_job(
    aws: FakeAws, resource: Resource
) -> None:
    old = resource.create()["PhysicalResourceId"]
    new = resource.update(run_2(resource.properties))["PhysicalResourceId"]
    assert new != old
    assert set(aws.jobs) == {old, new}
    assert aws.items[old]["SupersededBy"] == new
    assert "SupersededBy" not in aws.items[new]


def test_another_job_name_is_another_job_and_the_old_one_is_superseded(
    aws: FakeAws, resource: Resource
) -> None:
    before = copy.deepcopy(resource.properties)
    old = resource.create()["PhysicalResourceId"]
    new = resource.update(changed(before, Job="voice"))["PhysicalResourceId"]
    assert new == old.replace("tone", "voice")
    assert aws.items[old]["SupersededBy"] == new
    resource.delete(old, before)
    assert aws.jobs[old]["status"] == "InProgress"


@pytest.mark.parametrize("was", ["InProgress", "Completed", "Failed"])
def test_a_rollback_makes_the_old_job_current_again_and_trains_nothing(
    was: str, aws: FakeAws, resource: Resource
) -> None:
    before = copy.deepcopy(resource.properties)
    old = resource.create()["PhysicalResourceId"]
    aws.end_job(old, was)
    aws.now += timedelta(hours=1)
    new = resource.update(run_2(before))["PhysicalResourceId"]
    aws.end_job(new, "Failed", failure="made up")
    with pytest.raises(JobFailedError):
        resource.is_complete()
    assert resource.update(before)["PhysicalResourceId"] == old
    assert resource.is_complete()["IsComplete"]
    assert "SupersededBy" not in aws.items[old]
    assert aws.items[new]["SupersededBy"] == old
    resource.delete(new, run_2(before))
    assert len(aws.submitted) == 2
    assert aws.jobs[old]["status"] == was


def test_the_job_that_a_rollback_leaves_is_stopped(aws: FakeAws, resource: Resource) -> None:
    before = copy.deepcopy(resource.properties)
    old = resource.create()["PhysicalResourceId"]
    aws.now += timedelta(hours=1)
    new = resource.update(run_2(before))["PhysicalResourceId"]
    resource.update(before)
    resource.delete(new, run_2(before))
    assert aws.jobs[new]["status"] == "Stopping"
    assert aws.jobs[old]["status"] == "InProgress"


def test_a_superseded_job_that_still_runs_is_not_stopped(aws: FakeAws, resource: Resource) -> None:
    before = copy.deepcopy(resource.properties)
    old = resource.create()["PhysicalResourceId"]
    # In the same second: Bedrock's times cannot tell which was first.
    new = resource.update(run_2(before))["PhysicalResourceId"]
    resource.delete(old, before)
    assert {aws.jobs[old]["status"], aws.jobs[new]["status"]} == {"InProgress"}
    assert resource.is_complete() == {"IsComplete": True}


def test_going_back_after_the_clean_up_is_a_wish_and_not_a_rollback(
    aws: FakeAws, resource: Resource
) -> None:
    before = copy.deepcopy(resource.properties)
    old = resource.create()["PhysicalResourceId"]
    aws.end_job(old, "Failed")
    resource.update(run_2(before))
    resource.delete(old, before)
    assert resource.update(before)["PhysicalResourceId"] == f"{old}-2"


def test_an_update_that_failed_before_its_job_leaves_the_old_one_current(
    aws: FakeAws, resource: Resource
) -> None:
    old = resource.create()["PhysicalResourceId"]
    before = copy.deepcopy(resource.properties)
    with pytest.raises(DataNotPushedError):
        resource.update(
            changed(before, DatasetDigest="c" * 64)
            | {
                "Request": {
                    **before["Request"],
                    "trainingDataConfig": {"s3Uri": "s3://made-bucket/other.jsonl"},
                }
            }
        )
    assert resource.update(before)["PhysicalResourceId"] == old
    assert "SupersededBy" not in aws.items[old]
    assert len(aws.submitted) == 1


# Delete


@pytest.mark.parametrize(
    "physical_id",
    [
        "finetune-dev-job-tone-Job-1A2B3C",
        "AWSCDK::CustomResourceProviderFramework::CREATE_FAILED",
        "prod-tone-0123456789abcdef",
        "dev-other-0123456789abcdef",
    ],
)
def test_an_id_that_is_not_ours_is_deleted_without_a_call(
    physical_id: str, aws: FakeAws, resource: Resource
) -> None:
    resource.delete(physical_id)
    assert resource.is_complete() == {"IsComplete": True}
    assert aws.calls == []


def test_a_delete_that_lacks_its_properties_is_answered(aws: FakeAws, resource: Resource) -> None:
    name = resource.create()["PhysicalResourceId"]
    aws.calls.clear()
    resource.delete(name, {"ServiceToken": "made"})
    assert aws.calls == []


def test_deleting_a_running_job_stops_it_and_waits_for_its_interfaces(
    aws: FakeAws, resource: Resource
) -> None:
    name = resource.create()["PhysicalResourceId"]
    aws.interfaces[only_job(aws)["jobArn"]] = 2
    resource.delete()
    assert aws.jobs[name]["status"] == "Stopping"
    assert resource.is_complete() == {"IsComplete": False}
    aws.end_job(name, "Stopped")
    assert resource.is_complete() == {"IsComplete": False}
    aws.interfaces.clear()
    assert resource.is_complete() == {"IsComplete": True}
    assert aws.items[name]["DeletedAt"]


@pytest.mark.parametrize(("policy", "models"), [("delete-model", 0), ("keep-model", 1)])
def test_deleting_a_completed_job_treats_its_model_as_on_delete_says(
    policy: str, models: int, aws: FakeAws, resource: Resource
) -> None:
    resource.properties["OnDelete"] = policy
    aws.end_job(resource.create()["PhysicalResourceId"], "Completed")
    resource.delete()
    assert resource.is_complete() == {"IsComplete": True}
    assert len(aws.models) == models
    resource.delete()
    assert len(aws.models) == models


@pytest.mark.parametrize("gone", [True, False])
def test_a_denial_is_no_reason_to_keep_a_stack_whose_model_is_gone(
    aws: FakeAws, resource: Resource, monkeypatch: pytest.MonkeyPatch, *, gone: bool
) -> None:
    def deny(p: dict[str, Any]) -> dict[str, Any]:
        # The tags of what is gone match no condition.
        raise RefusalError("AccessDeniedException", "no identity-based policy allows it", 403)

    aws.end_job(resource.create()["PhysicalResourceId"], "Completed")
    monkeypatch.setattr(aws, "delete_custom_model", deny)
    if gone:
        aws.models.clear()
        resource.delete()
        assert resource.is_complete() == {"IsComplete": True}
    else:
        with pytest.raises(ServiceCallError, match="AccessDeniedException"):
            resource.delete()


@pytest.mark.parametrize("status", ["Failed", "Stopping", "Stopped", "Completed"])
def test_deleting_a_job_that_is_over_stops_nothing(
    status: str, aws: FakeAws, resource: Resource
) -> None:
    aws.end_job(resource.create()["PhysicalResourceId"], status)
    resource.delete()
    assert ("bedrock", "StopModelCustomizationJob") not in aws.calls
    assert resource.is_complete() == {"IsComplete": status != "Stopping"}


def test_a_job_that_completes_while_it_is_stopped_loses_its_model_too(
    aws: FakeAws, resource: Resource, monkeypatch: pytest.MonkeyPatch
) -> None:
    name = resource.create()["PhysicalResourceId"]
    stop = aws.stop_model_customization_job

    def complete_first(p: dict[str, Any]) -> dict[str, Any]:
        aws.end_job(name, "Completed")
        return stop(p)

    monkeypatch.setattr(aws, "stop_model_customization_job", complete_first)
    resource.delete()
    assert aws.models == {}
    assert resource.is_complete() == {"IsComplete": True}


def test_a_job_that_will_not_stop_is_an_error(aws: FakeAws, resource: Resource) -> None:
    resource.create()
    conflict = RefusalError("ConflictException", "made up")
    aws.faults.append(Fault("StopModelCustomizationJob", conflict, times=9))
    with pytest.raises(ServiceCallError, match="StopModelCustomizationJob failed"):
        resource.delete()


def test_a_model_in_use_is_told_with_what_to_delete_first(aws: FakeAws, resource: Resource) -> None:
    aws.end_job(resource.create()["PhysicalResourceId"], "Completed")
    conflict = RefusalError("ConflictException", "in use")
    aws.faults.append(Fault("DeleteCustomModel", conflict, times=9))
    with pytest.raises(ModelInUseError, match="provisioned throughput first"):
        resource.delete()


def test_a_job_that_is_not_ours_is_left_alone(aws: FakeAws, resource: Resource) -> None:
    name = resource.create()["PhysicalResourceId"]
    aws.tags[only_job(aws)["jobArn"]]["finetune:environment"] = "prod"
    resource.delete()
    assert aws.jobs[name]["status"] == "InProgress"
    assert resource.is_complete() == {"IsComplete": True}


def test_a_job_that_never_was_is_deleted(aws: FakeAws, resource: Resource) -> None:
    name = resource.create()["PhysicalResourceId"]
    aws.jobs.clear()
    resource.delete(name)
    assert resource.is_complete() == {"IsComplete": True}


@pytest.mark.parametrize(
    ("policy", "successor", "models"),
    [
        ("keep-model", "Completed", {"old", "new"}),
        ("keep-model", "InProgress", {"old"}),
        ("delete-model", "Completed", {"new"}),
        ("delete-model", "InProgress", {"old"}),
        ("delete-model", "Failed", {"old"}),
        ("delete-model", "gone", {"old", "new"}),
    ],
)
def test_a_superseded_model_goes_only_by_policy_and_after_its_successor_is_complete(
    policy: str, successor: str, models: set[str], aws: FakeAws, resource: Resource
) -> None:
    resource.properties["OnReplace"] = policy
    before = copy.deepcopy(resource.properties)
    names = {"old": resource.create()["PhysicalResourceId"]}
    aws.end_job(names["old"], "Completed")
    aws.now += timedelta(hours=1)
    names["new"] = resource.update(run_2(before))["PhysicalResourceId"]
    aws.end_job(names["new"], "Completed" if successor == "gone" else successor)
    if successor == "gone":
        del aws.jobs[names["new"]]
    resource.delete(names["old"], before)
    assert resource.is_complete() == {"IsComplete": True}
    assert len(aws.models) == (2 if successor in {"Completed", "gone"} else 1)
    resource.at_rest("UPDATE_COMPLETE")
    if successor == "gone":
        aws.now += timedelta(hours=1)
    sweep(aws)
    sweep(aws)
    assert {model["modelName"] for model in aws.models.values()} == {names[m] for m in models}
    assert aws.items[names["old"]]["OnReplace"] == policy
    assert "RetiredAt" in aws.items[names["old"]]


# Lambda sends a request again whose answer it did not see


def test_a_repeated_update_makes_no_second_job(aws: FakeAws, resource: Resource) -> None:
    old = resource.create()["PhysicalResourceId"]
    first = resource.update(run_2(resource.properties))
    row = dict(aws.items[old])
    assert resource.again() == first
    assert (len(aws.submitted), aws.items[old]) == (2, row)


def test_a_repeated_rollback_is_the_same_rollback(aws: FakeAws, resource: Resource) -> None:
    before = copy.deepcopy(resource.properties)
    old = resource.create()["PhysicalResourceId"]
    new = resource.update(run_2(before))["PhysicalResourceId"]
    assert resource.update(before)["PhysicalResourceId"] == old
    row = dict(aws.items[new])
    assert resource.again()["PhysicalResourceId"] == old
    assert (len(aws.submitted), aws.items[new]) == (2, row)


def test_a_repeated_delete_stops_once_and_waits_on(aws: FakeAws, resource: Resource) -> None:
    name = resource.create()["PhysicalResourceId"]
    assert resource.delete() == resource.again()
    assert aws.calls.count(("bedrock", "StopModelCustomizationJob")) == 1
    assert resource.is_complete() == {"IsComplete": False}
    aws.end_job(name, "Stopped")
    assert resource.is_complete() == {"IsComplete": True}


def test_a_repeated_clean_up_of_a_superseded_id_takes_nothing(
    aws: FakeAws, resource: Resource
) -> None:
    before = copy.deepcopy(resource.properties)
    old = resource.create()["PhysicalResourceId"]
    aws.end_job(old, "Completed")
    resource.update(run_2(before))
    assert resource.delete(old, before) == resource.again()
    assert len(aws.models) == 1


# The completion check


def test_a_deployment_waits_for_validation(aws: FakeAws, resource: Resource) -> None:
    name = resource.create()["PhysicalResourceId"]
    assert resource.is_complete() == {"IsComplete": False}
    aws.validated(name)
    assert resource.is_complete() == {"IsComplete": True, "Data": {"State": "Validated"}}


def test_a_slow_validation_is_waited_for_so_long_and_no_longer(
    aws: FakeAws, resource: Resource
) -> None:
    resource.create()
    aws.now += timedelta(minutes=19, seconds=59)
    assert resource.is_complete() == {"IsComplete": False}
    aws.now += timedelta(seconds=1)
    assert resource.is_complete() == {"IsComplete": True, "Data": {"State": "Submitted"}}


def test_a_deployment_that_does_not_wait_is_complete_at_once(
    aws: FakeAws, resource: Resource
) -> None:
    resource.properties["WaitFor"] = "submission"
    resource.create()
    assert resource.is_complete() == {"IsComplete": True, "Data": {"State": "Submitted"}}


@pytest.mark.parametrize(
    ("phase", "failure", "words"),
    [
        (
            "validationDetails",
            "Unable to parse Amazon S3 file",
            ["'validation'", "Unable to parse", "finetune data check"],
        ),
        (
            "dataProcessingDetails",
            "Failed to download data. The communication between worker nodes and leader node is "
            "broken",
            ["'data processing'", "all protocols, both ways"],
        ),
        ("trainingDetails", "a new one", ["'training'", "a new one", "troubleshooting.html"]),
    ],
)
def test_a_failed_job_is_told_with_phase_message_cause_and_remedy(
    phase: str, failure: str, words: list[str], aws: FakeAws, resource: Resource
) -> None:
    name = resource.create()["PhysicalResourceId"]
    aws.end_job(name, "Failed", failure=failure, phase=phase)
    with pytest.raises(JobFailedError) as caught:
        resource.is_complete()
    for word in [name, *words]:
        assert word in str(caught.value)


def test_a_stopped_job_does_not_count_as_made(aws: FakeAws, resource: Resource) -> None:
    aws.end_job(resource.create()["PhysicalResourceId"], "Stopped")
    with pytest.raises(JobFailedError, match="was stopped"):
        resource.is_complete()


def test_the_longest_failure_fits_cloudformation_and_keeps_its_remedy(
    aws: FakeAws, resource: Resource
) -> None:
    name = resource.create()["PhysicalResourceId"]
    failure = 'unable to parse amazon s3 file "é\n' + "語" * 2000
    aws.end_job(name, "Failed", failure=failure[:2048])
    with pytest.raises(JobFailedError) as caught:
        resource.is_complete()
    text = str(caught.value)
    assert len(text.encode()) < 3000
    assert "finetune data check" in text
    assert "…" in text


def test_a_job_that_is_not_visible_yet_is_waited_for_and_one_that_is_gone_is_an_error(
    aws: FakeAws, resource: Resource
) -> None:
    resource.create()
    aws.jobs.clear()
    assert resource.is_complete() == {"IsComplete": False}
    aws.now += timedelta(minutes=5, seconds=1)
    with pytest.raises(JobMissingError, match="cannot be found"):
        resource.is_complete()


# The door


@pytest.mark.parametrize(
    ("event", "named"),
    [
        (["Create"], "JSON object"),
        ({}, "RequestType"),
        ({"RequestType": "Read"}, "RequestType"),
        ({"RequestType": "Create"}, "ResourceProperties"),
        ({"RequestType": "Update", "ResourceProperties": {}}, "PhysicalResourceId"),
        ({"RequestType": "Delete", "PhysicalResourceId": 1}, "PhysicalResourceId"),
    ],
)
def test_what_is_not_a_request_of_cloudformation_is_refused(
    event: Any,  # noqa: ANN401 - what anyone may send
    named: str,
    aws: FakeAws,
) -> None:
    with pytest.raises(EventError, match=named):
        submitter.handler.handler(event, cast("LambdaContext", Context()))
    assert aws.calls == []


def test_a_bad_request_makes_no_call(aws: FakeAws, resource: Resource) -> None:
    resource.properties["Request"]["vpcConfig"]["subnets"] = ["subnet-1a"]
    with pytest.raises(JobRequestError, match=r"vpcConfig\.subnets is unknown"):
        resource.create()
    assert aws.calls == []


@pytest.mark.parametrize(
    ("variables", "named"),
    [
        ({}, "TABLE_NAME is missing"),
        ({"TABLE_NAME": ""}, "TABLE_NAME is missing"),
        ({"TABLE_NAME": "t", "PROPAGATION_SECONDS": "soon"}, "PROPAGATION_SECONDS"),
        ({"TABLE_NAME": "t", "PROPAGATION_SECONDS": "601"}, "from 0 to 600"),
    ],
)
def test_the_environment_is_checked(variables: dict[str, str], named: str) -> None:
    assert Environment.read({"TABLE_NAME": "t"}).propagation_seconds == 60
    with pytest.raises(EnvironmentVariableError, match=named):
        Environment.read(variables)
