"""Every step of the deployer, from a wish to a served model and to nothing."""

from __future__ import annotations

import json
import re
from datetime import datetime, timedelta
from typing import Any

import pytest

from customization.errors import PassingServiceError, ServiceCallError
from deployments import metrics
from deployments.errors import CommitmentError
from deployments.kinds import Commitment, Kind
from deployments.naming import deployment_name
from deployments.steps import REFUSAL_PATIENCE
from deployments.wish import Wish
from tests.fakes.aws import FakeAws, Fault, LostError, RefusalError
from tests.fakes.cloudformation import Resource
from tests.fakes.deployments import (
    GROUP,
    WishResource,
    ask,
    deploy,
    job_name,
    later,
    plant_job,
    provisioned,
    serve,
    wish,
)


def made(aws: FakeAws, wished: WishResource, properties: dict[str, Any] | None = None) -> str:
    """Let a wish be created, its stack be at rest, and the deployer have begun."""
    if properties is not None:
        wished.properties = properties
    plant_job(aws)
    aws.bedrock.serving.model_units = 10
    wished.create()
    wished.at_rest()
    deploy(aws)
    return str(wished.physical_id)


def active(aws: FakeAws, wished: WishResource, properties: dict[str, Any] | None = None) -> str:
    name = made(aws, wished, properties)
    serve(aws)
    deploy(aws)
    assert wished.row()["State"] == "Active"
    return name


def living(aws: FakeAws) -> list[str]:
    found = [each["modelDeploymentName"] for each in aws.bedrock.deployments.values()]
    return found + [each["provisionedModelName"] for each in aws.bedrock.throughputs.values()]


# On demand


def test_a_wish_becomes_a_deployment_with_owner_tags_and_a_token(
    aws: FakeAws, wished: WishResource
) -> None:
    name = active(aws, wished)
    (arn,) = aws.bedrock.deployments
    assert aws.tags[arn] == {
        "project": "made",
        "finetune:environment": "dev",
        "finetune:job": "tone",
        "finetune:digest": "1" * 16,
    }
    assert aws.bedrock.serving.tokens == {f"deployment/{name}-a1": arn}
    assert wished.row()["Arn"] == arn
    assert not aws.schedules


def test_a_wish_waits_for_its_jobs_model(aws: FakeAws, wished: WishResource) -> None:
    plant_job(aws, status="InProgress")
    wished.create()
    wished.at_rest()
    deploy(aws)
    assert wished.row()["State"] == "Wanted"
    assert ask(aws)["state"] == "Pending"
    aws.end_job(job_name(), "Completed")
    assert ask(aws)["state"] == "Pending"
    assert living(aws) == [wished.physical_id]


def test_nothing_is_made_while_a_stack_may_still_roll_back(
    aws: FakeAws, wished: WishResource
) -> None:
    plant_job(aws)
    wished.create()
    deploy(aws)
    assert not living(aws)
    wished.at_rest()
    deploy(aws)
    assert living(aws)


def test_a_wish_whose_job_has_no_model_says_so(aws: FakeAws, wished: WishResource) -> None:
    plant_job(aws, status="Failed")
    wished.create()
    wished.at_rest()
    answer = ask(aws)
    assert answer["state"] == "Failed"
    assert "no model to serve" in answer["failure"]
    assert deploy(aws)["failed"] == 0


def test_the_state_machine_is_told_all_it_needs(aws: FakeAws, wished: WishResource) -> None:
    assert ask(aws)["state"] == "NotWanted"
    name = active(aws, wished, provisioned())
    answer = ask(aws)
    assert answer == {
        "state": "Active",
        "deployment": name,
        "arn": next(iter(aws.bedrock.throughputs)),
        "kind": "provisioned",
        "ends_at": wished.row()["EndsAt"],
        "smoke_tests": [{"prompt": "made up"}],
        "failure": "",
    }


def test_a_wish_that_comes_after_its_jobs_end_starts_the_follow_up_once(
    aws: FakeAws, wished: WishResource
) -> None:
    plant_job(aws)
    later(aws, minutes=1)
    wished.create()
    wished.at_rest()
    deploy(aws)
    deploy(aws)
    assert aws.executions == {wished.physical_id: {"job_name": job_name()}}


def test_a_late_wish_is_not_for_its_jobs_follow_up_too(aws: FakeAws, wished: WishResource) -> None:
    name = active(aws, wished)
    assert list(aws.executions) == [name]
    assert ask(aws, execution=job_name())["state"] == "NotWanted"
    assert ask(aws, execution=name)["state"] == "Active"


def test_a_late_wish_that_its_jobs_follow_up_took_is_not_for_another(
    aws: FakeAws, wished: WishResource
) -> None:
    plant_job(aws)
    later(aws, minutes=1)
    wished.create()
    assert ask(aws, execution=job_name())["state"] == "Pending", "its stack is not at rest"
    wished.at_rest()
    deploy(aws)
    serve(aws)
    deploy(aws)
    assert aws.executions == {}
    assert ask(aws, execution=job_name())["state"] == "Active"
    assert ask(aws, execution="another")["state"] == "NotWanted"


def test_a_follow_up_that_cannot_be_started_holds_up_no_deployment(
    aws: FakeAws, wished: WishResource
) -> None:
    plant_job(aws)
    later(aws, minutes=1)
    denied = RefusalError("AccessDeniedException", "made up", 403)
    aws.faults.append(Fault("StartExecution", denied, times=99))
    wished.create()
    wished.at_rest()
    assert deploy(aws)["errors"] == 1
    serve(aws)
    deploy(aws)
    assert wished.row()["State"] == "Active"
    aws.faults.clear()
    deploy(aws)
    assert list(aws.executions) == [wished.physical_id]


def test_a_late_wish_that_fails_is_told_by_the_follow_up(
    aws: FakeAws, wished: WishResource
) -> None:
    plant_job(aws)
    later(aws, minutes=1)
    wished.properties = provisioned()
    wished.create()
    wished.at_rest()
    deploy(aws)
    later(aws, minutes=10)
    deploy(aws)
    assert wished.row()["State"] == "Failed"
    assert list(aws.executions) == [wished.physical_id]


def test_a_wish_from_before_its_jobs_end_leaves_the_follow_up_to_the_follower(
    aws: FakeAws, wished: WishResource
) -> None:
    plant_job(aws, status="InProgress")
    wished.create()
    wished.at_rest()
    later(aws, minutes=1)
    aws.end_job(job_name(), "Completed")
    deploy(aws)
    assert living(aws)
    assert not aws.executions


def test_an_answer_that_never_came_is_no_second_deployment(
    aws: FakeAws, wished: WishResource
) -> None:
    lost = Fault("CreateCustomModelDeployment", LostError(), after=True, times=99)
    aws.faults.append(lost)
    made(aws, wished)
    assert wished.row()["State"] == "Creating"
    aws.faults.clear()
    serve(aws)
    deploy(aws)
    assert wished.row()["State"] == "Active"
    assert len(living(aws)) == 1


def test_a_deployment_that_fails_is_told_once_and_removed(
    aws: FakeAws, wished: WishResource
) -> None:
    made(aws, wished)
    serve(aws, "Failed", "made-up reason")
    assert ask(aws)["failure"] == "made-up reason"
    later(aws, minutes=10)
    deploy(aws)
    assert not living(aws)
    assert wished.row()["State"] == "Failed"
    assert "SettledAt" in wished.row()


def test_a_quota_of_deployments_is_waited_for(aws: FakeAws, wished: WishResource) -> None:
    aws.bedrock.serving.most_creating = 0
    made(aws, wished)
    assert wished.row()["State"] == "Wanted"
    assert "L-430C95DD" in wished.row()["Failure"]
    aws.bedrock.serving.most_creating = 2
    deploy(aws)
    serve(aws)
    deploy(aws)
    assert wished.row()["State"] == "Active"
    assert "Failure" not in wished.row()


def test_a_quota_of_deployments_is_not_waited_for_without_end(
    aws: FakeAws, wished: WishResource
) -> None:
    aws.bedrock.serving.most_creating = 0
    made(aws, wished)
    aws.now += REFUSAL_PATIENCE + timedelta(minutes=1)
    assert deploy(aws)["failed"] == 1
    assert ask(aws)["state"] == "Failed"


def test_a_name_that_is_not_ours_is_left_alone(aws: FakeAws, wished: WishResource) -> None:
    plant_job(aws)
    name = deployment_name_of(wished)
    model = next(iter(aws.models))
    arn = aws.bedrock.create_deployment({"modelDeploymentName": name, "modelArn": model})
    serve(aws)
    wished.create()
    wished.at_rest()
    assert "without our tags" in ask(aws)["failure"]
    wished.delete()
    assert wished.is_complete() == {"IsComplete": True}
    later(aws, hours=1)
    deploy(aws)
    assert list(aws.bedrock.deployments) == [arn["customModelDeploymentArn"]]


def deployment_name_of(wished: WishResource) -> str:
    return Wish.from_properties(wished.properties).name


# Provisioned: what is paid by the hour


def test_the_schedule_is_there_before_the_purchase(aws: FakeAws, wished: WishResource) -> None:
    name = made(aws, wished, provisioned())
    order = [op for _, op in aws.calls if op.startswith("Create")]
    assert order[-2:] == ["CreateSchedule", "CreateProvisionedModelThroughput"]
    schedule = aws.schedules[name]
    ends = datetime.fromisoformat(wished.row()["EndsAt"])
    assert schedule["ScheduleExpression"] == f"at({ends:%Y-%m-%dT%H:%M:%S})"
    assert ends - aws.now == timedelta(hours=8)
    assert schedule["ActionAfterCompletion"] == "DELETE"
    assert schedule["KmsKeyArn"].endswith("123456789012")
    assert schedule["Target"]["Arn"] == (
        "arn:aws:scheduler:::aws-sdk:bedrock:deleteProvisionedModelThroughput"
    )
    assert json.loads(schedule["Target"]["Input"]) == {"ProvisionedModelId": name}
    assert GROUP == "made-group"


def test_nothing_is_bought_without_a_schedule(aws: FakeAws, wished: WishResource) -> None:
    refused = RefusalError("ServiceQuotaExceededException", "too many schedules", 402)
    aws.faults.append(Fault("CreateSchedule", refused, times=99))
    plant_job(aws)
    aws.bedrock.serving.model_units = 10
    wished.properties = provisioned()
    wished.create()
    wished.at_rest()
    assert deploy(aws)["errors"] == 1
    assert not living(aws)


def test_the_schedule_ends_it_and_the_row_says_so(aws: FakeAws, wished: WishResource) -> None:
    active(aws, wished, provisioned())
    later(aws, hours=8)
    assert aws.fire_schedules()
    assert not living(aws)
    deploy(aws)
    assert wished.row()["State"] == "Ended"
    assert ask(aws)["state"] == "Failed"


def test_the_reaper_ends_it_when_the_schedule_was_lost(aws: FakeAws, wished: WishResource) -> None:
    active(aws, wished, provisioned())
    later(aws, hours=8)
    aws.schedules.clear()
    deploy(aws)
    assert not living(aws)
    assert wished.row()["State"] == "Ended"


def test_a_lost_schedule_is_made_again_before_the_end(aws: FakeAws, wished: WishResource) -> None:
    name = active(aws, wished, provisioned())
    aws.schedules.clear()
    deploy(aws)
    assert name in aws.schedules


def test_it_lives_until_its_end(aws: FakeAws, wished: WishResource) -> None:
    name = active(aws, wished, provisioned())
    later(aws, hours=7, minutes=59)
    assert not aws.fire_schedules()
    deploy(aws)
    assert living(aws) == [name]


def test_throughput_past_its_end_that_cannot_go_is_counted(
    aws: FakeAws, wished: WishResource, capsys: pytest.CaptureFixture[str]
) -> None:
    active(aws, wished, provisioned())
    busy = RefusalError("ConflictException", "busy")
    aws.faults.append(Fault("DeleteProvisionedModelThroughput", busy, times=99))
    later(aws, hours=9)
    capsys.readouterr()
    assert deploy(aws)["overdue"] == 1
    line = next(x for x in capsys.readouterr().out.splitlines() if metrics.NAMESPACE in x)
    assert json.loads(line)[metrics.THROUGHPUT_OVERDUE] == 1
    aws.faults.clear()
    assert deploy(aws)["overdue"] == 0
    assert not living(aws)


def test_model_units_that_were_never_granted_are_told_with_what_to_do(
    aws: FakeAws, wished: WishResource
) -> None:
    plant_job(aws)
    wished.properties = provisioned()
    wished.create()
    wished.at_rest()
    assert "ask AWS Support for model units" in ask(aws)["failure"]
    later(aws, minutes=10)
    deploy(aws)
    assert not aws.schedules, "nothing is left to remove at its end"


def test_more_hours_move_the_end_and_its_schedule(aws: FakeAws, wished: WishResource) -> None:
    name = active(aws, wished, provisioned())
    begun = datetime.fromisoformat(wished.row()["StartedAt"])
    later(aws, hours=2)
    wished.update(provisioned(Hours="12"))
    wished.at_rest("UPDATE_COMPLETE")
    deploy(aws)
    ends = begun + timedelta(hours=12)
    assert datetime.fromisoformat(wished.row()["EndsAt"]) == ends
    assert aws.schedules[name]["ScheduleExpression"] == f"at({ends:%Y-%m-%dT%H:%M:%S})"
    assert living(aws) == [name]


def test_fewer_hours_than_it_has_lived_end_it(aws: FakeAws, wished: WishResource) -> None:
    active(aws, wished, provisioned())
    later(aws, hours=2)
    wished.update(provisioned(Hours="1"))
    wished.at_rest("UPDATE_COMPLETE")
    deploy(aws)
    assert not living(aws)
    assert wished.row()["State"] == "Ended"


def test_what_ended_is_bought_again_only_for_hours_beyond_now(
    aws: FakeAws, wished: WishResource
) -> None:
    name = active(aws, wished, provisioned())
    later(aws, hours=9)
    deploy(aws)
    wished.update(provisioned(SmokeTests="[]"))
    wished.at_rest("UPDATE_COMPLETE")
    deploy(aws)
    assert not living(aws)
    wished.update(provisioned(Hours="12"))
    wished.at_rest("UPDATE_COMPLETE")
    deploy(aws)
    assert living(aws) == [name]
    assert wished.row()["Attempt"] == "2"
    later(aws, hours=3)
    deploy(aws)
    serve(aws)
    deploy(aws)
    assert not living(aws), "it ends twelve hours after its first start"


def test_what_somebody_removed_is_counted_and_not_bought_again(
    aws: FakeAws, wished: WishResource
) -> None:
    active(aws, wished, provisioned())
    aws.bedrock.throughputs.clear()
    assert deploy(aws)["failed"] == 1
    assert deploy(aws)["failed"] == 0
    assert wished.row()["State"] == "Missing"
    later(aws, minutes=10)
    deploy(aws)
    assert not living(aws)
    assert not aws.schedules


def test_a_commitments_end_is_bedrocks_word(aws: FakeAws, wished: WishResource) -> None:
    name = active(aws, wished, provisioned(Commitment="OneMonth", Hours=""))
    (bought,) = aws.bedrock.throughputs.values()
    ends = bought["commitmentExpirationTime"]
    deploy(aws)
    assert datetime.fromisoformat(wished.row()["EndsAt"]) == ends
    assert aws.schedules[name]["ScheduleExpression"] == f"at({ends:%Y-%m-%dT%H:%M:%S})"
    later(aws, hours=24 * 30)
    deploy(aws)
    assert not living(aws)


def test_a_delete_under_a_commitment_names_the_date_and_keeps_the_row(
    aws: FakeAws, wished: WishResource
) -> None:
    name = active(aws, wished, provisioned(Commitment="OneMonth", Hours=""))
    (bought,) = aws.bedrock.throughputs.values()
    wished.delete()
    date = re.escape(bought["commitmentExpirationTime"].isoformat())
    with pytest.raises(CommitmentError, match=date):
        wished.is_complete()
    deploy(aws)
    assert living(aws) == [name]
    later(aws, hours=24 * 31)
    deploy(aws)
    assert not living(aws)
    assert wished.is_complete() == {"IsComplete": True}


# Replacement and removal


def test_a_delete_is_complete_when_bedrock_knows_it_no_more(
    aws: FakeAws, wished: WishResource
) -> None:
    active(aws, wished)
    wished.delete()
    assert wished.is_complete() == {"IsComplete": False}
    assert aws.invoked, "the deployer is woken"
    deploy(aws)
    assert not living(aws)
    later(aws, minutes=7)
    assert wished.is_complete() == {"IsComplete": True}
    deploy(aws)
    assert wished.row()["State"] == "Removed"


def test_a_delete_waits_for_a_creation_that_may_be_under_way(
    aws: FakeAws, wished: WishResource
) -> None:
    lost = RefusalError("ThrottlingException", "made up", 429)
    aws.faults.append(Fault("CreateCustomModelDeployment", lost, times=99))
    made(aws, wished)
    aws.faults.clear()
    wished.delete()
    assert wished.is_complete() == {"IsComplete": False}
    deploy(aws)
    assert wished.row()["State"] == "Creating"
    later(aws, minutes=7)
    assert wished.is_complete() == {"IsComplete": True}


def test_a_replaced_one_goes_when_its_successor_serves(aws: FakeAws, wished: WishResource) -> None:
    active(aws, wished)
    plant_job(aws, digest="2")
    old = wished.replace(wish(JobName=job_name(digest="2")))
    later(aws, minutes=20)
    deploy(aws)
    deploy(aws)
    assert set(living(aws)) == {old, wished.physical_id}
    serve(aws)
    deploy(aws)
    deploy(aws)
    assert living(aws) == [wished.physical_id]


def test_a_replaced_one_stays_while_its_successor_cannot_serve(
    aws: FakeAws, wished: WishResource
) -> None:
    active(aws, wished)
    plant_job(aws, digest="2", status="Failed")
    old = wished.replace(wish(JobName=job_name(digest="2")))
    later(aws, hours=20)
    deploy(aws)
    deploy(aws)
    assert living(aws) == [old]


def test_what_a_rollback_goes_back_to_goes_on(aws: FakeAws, wished: WishResource) -> None:
    first = active(aws, wished)
    old = wished.properties
    plant_job(aws, digest="2")
    wished.update(wish(JobName=job_name(digest="2")))
    new, new_properties = str(wished.physical_id), wished.properties
    wished.update(old)
    assert wished.physical_id == first
    wished.delete(new, new_properties)
    wished.at_rest("UPDATE_ROLLBACK_COMPLETE")
    later(aws, hours=1)
    deploy(aws)
    deploy(aws)
    assert living(aws) == [first]
    assert "SupersededBy" not in wished.row()
    assert wished.row(new)["State"] == "Removed"


def test_a_delete_takes_what_it_replaced_along(aws: FakeAws, wished: WishResource) -> None:
    active(aws, wished)
    plant_job(aws, digest="2")
    old = wished.replace(wish(JobName=job_name(digest="2")))
    answer = wished.delete()
    assert answer["Jobs"] == [wished.physical_id, old]
    deploy(aws)
    later(aws, minutes=7)
    assert wished.is_complete() == {"IsComplete": True}
    assert not living(aws)


def test_what_no_stack_stands_for_goes(aws: FakeAws, wished: WishResource) -> None:
    active(aws, wished, provisioned())
    wished.gone()
    later(aws, minutes=20)
    deploy(aws)
    deploy(aws)
    assert not living(aws)
    assert not aws.schedules


def test_what_no_row_knows_goes_after_a_while(aws: FakeAws, wished: WishResource) -> None:
    active(aws, wished, provisioned())
    aws.items.clear()
    deploy(aws)
    assert living(aws), "a row may come yet"
    later(aws, minutes=20)
    assert deploy(aws)["overdue"] == 1
    assert not living(aws)


def test_what_no_row_knows_and_is_not_ours_stays(aws: FakeAws, wished: WishResource) -> None:
    name = active(aws, wished)
    aws.items.clear()
    (arn,) = aws.bedrock.deployments
    aws.tags[arn]["finetune:environment"] = "prod"
    later(aws, hours=1)
    deploy(aws)
    assert living(aws) == [name]


def test_a_new_stack_takes_a_name_that_its_old_one_gave_up(
    aws: FakeAws, wished: WishResource
) -> None:
    name = active(aws, wished)
    wished.delete()
    deploy(aws)
    wished.gone()
    later(aws, minutes=10)
    deploy(aws)
    again = WishResource(aws=aws, properties=wished.properties, stack="another")
    again.create()
    again.at_rest()
    deploy(aws)
    assert living(aws) == [name]
    assert wished.row(name)["Attempt"] == "2"


def test_a_late_request_of_a_stack_that_is_gone_takes_nothing_away(
    aws: FakeAws, wished: WishResource
) -> None:
    name = active(aws, wished)
    late = WishResource(aws=aws, properties=wished.properties, stack="gone")
    late.create()
    late.gone()
    later(aws, minutes=30)
    deploy(aws)
    deploy(aws)
    assert living(aws) == [name]
    assert wished.row(name)["StackId"] == wished.stack


def test_an_invented_id_is_answered_without_a_change(aws: FakeAws, wished: WishResource) -> None:
    answer = wished.delete("made-stack-Deployment-ABCDEF", wished.properties)
    assert answer["Follow"] == "nothing"
    assert not aws.items


def test_an_error_of_the_state_machines_question_may_pass(
    aws: FakeAws, wished: WishResource
) -> None:
    wished.create()
    wished.at_rest()
    throttled = RefusalError("ThrottlingException", "made up", 429)
    aws.faults.append(Fault("GetCustomModelDeployment", throttled, times=99))
    with pytest.raises(PassingServiceError):
        ask(aws)
    aws.faults.clear()
    denied = RefusalError("AccessDeniedException", "made up", 403)
    aws.faults.append(Fault("GetCustomModelDeployment", denied, times=99))
    with pytest.raises(ServiceCallError):
        ask(aws)


def test_a_model_goes_after_what_serves_it(
    aws: FakeAws, wished: WishResource, resource: Resource
) -> None:
    active(aws, wished)
    model = next(iter(aws.models))
    with pytest.raises(RefusalError, match="in use"):
        aws.bedrock.delete_model({"modelIdentifier": model})
    wished.delete()
    deploy(aws)
    aws.bedrock.delete_model({"modelIdentifier": model})


def test_names_fit_and_tell_kinds_apart() -> None:
    long = f"{'e' * 12}-{'j' * 30}-{'a' * 16}-99"
    names = {
        deployment_name(job_name=long, kind=kind, model_units=units, commitment=commitment)
        for kind in Kind
        for units in (1, 2)
        for commitment in (None, *Commitment)
    }
    assert len(names) == 12
    assert {len(name) for name in names} == {63}
