"""The one fake Bedrock: what it does with names, tokens, limits, states and planted faults."""

from __future__ import annotations

import ast
import itertools
import sys
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest

from rehearsal import bedrock_semantics
from rehearsal.bedrock_semantics import service, shapes
from rehearsal.bedrock_semantics.errors import (
    ConflictError,
    ImpossibleError,
    LostError,
    NotFoundError,
    QuotaError,
    ServiceError,
    TooManyTagsError,
    ValidationError,
)
from rehearsal.bedrock_semantics.jobs import ENDED, NEXT, PHASES, RUNNING, enter, move
from rehearsal.bedrock_semantics.service import MOST_TAGS, OPERATIONS, Bedrock, Fault

_CREATE = "CreateModelCustomizationJob"
_GET = "GetModelCustomizationJob"


class Clock:
    """A time that goes on when it is told to."""

    def __init__(self) -> None:
        self.now = datetime(2026, 1, 1, tzinfo=UTC)

    def __call__(self) -> datetime:
        return self.now


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def bedrock(clock: Clock) -> Bedrock:
    numbers = itertools.count()
    return Bedrock(
        clock=clock,
        arn=lambda resource: f"arn:aws:bedrock:eu-west-1:111122223333:{resource}".replace(
            ":111122223333:foundation-model", "::foundation-model"
        ),
        new_id=lambda: f"{next(numbers):012d}",
    )


def request(name: str = "first", **changes: Any) -> dict[str, Any]:
    """A sound request; every name has a token of its own."""
    return {
        "jobName": name,
        "customModelName": name,
        "clientRequestToken": f"token-{name}",
        "roleArn": "arn:aws:iam::111122223333:role/customization",
        "baseModelIdentifier": "amazon.nova-2-lite-v1:0:256k",
        "trainingDataConfig": {"s3Uri": "s3://bucket/train.jsonl"},
        "outputDataConfig": {"s3Uri": "s3://bucket/outputs/"},
        "customModelTags": [{"key": "owner", "value": name}],
        **changes,
    }


def create(bedrock: Bedrock, name: str = "first", **changes: Any) -> str:
    """Submit a job and return its ARN."""
    return str(bedrock.call(_CREATE, request(name, **changes))["jobArn"])


def test_it_is_pure(bedrock: Bedrock) -> None:
    """Neither MiniStack nor boto3 nor a clock: what both sides can import."""
    allowed = {*sys.stdlib_module_names, "botocore", "rehearsal"} - {"time", "random", "secrets"}
    for file in Path(str(bedrock_semantics.__file__)).parent.glob("*.py"):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            names = [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if isinstance(node, ast.ImportFrom):
                names = [str(node.module)]
            for name in names:
                assert name.partition(".")[0] in allowed, (file.name, name)
                assert not name.startswith("rehearsal.") or "bedrock_semantics" in name, name
    assert set(OPERATIONS) <= set(shapes.service_model().operation_names)


def test_a_job_is_found_by_name_and_by_arn(bedrock: Bedrock) -> None:
    arn = create(bedrock)
    for identifier in ("first", arn):
        assert bedrock.call(_GET, {"jobIdentifier": identifier})["jobArn"] == arn
    with pytest.raises(NotFoundError):
        bedrock.call(_GET, {"jobIdentifier": "second"})
    # Also one that somebody put there, or under another name.
    bedrock.jobs["elsewhere"] = bedrock.jobs.pop("first")
    assert bedrock.find_job(arn) is not None
    bedrock.jobs.clear()
    assert bedrock.find_job(arn) is None


def test_a_token_answers_with_the_job_it_made_whatever_else_is_asked(bedrock: Bedrock) -> None:
    arn = create(bedrock)
    assert create(bedrock, "second", clientRequestToken="token-first") == arn
    assert list(bedrock.jobs) == ["first"]
    assert create(bedrock, "second") != arn
    # A job that is gone has taken its token with it.
    bedrock.jobs.clear()
    assert create(bedrock) != arn


def test_a_name_lives_as_long_as_its_job_and_model(bedrock: Bedrock) -> None:
    create(bedrock)
    bedrock.end_job("first", "Completed")
    with pytest.raises(ValidationError, match=r"job name is currently in use\."):
        create(bedrock, clientRequestToken="other")
    with pytest.raises(ValidationError, match="model name is currently in use"):
        create(bedrock, "second", customModelName="first")
    bedrock.call("DeleteCustomModel", {"modelIdentifier": "first"})
    create(bedrock, "second", customModelName="first")


def test_a_refused_request_leaves_nothing(bedrock: Bedrock) -> None:
    class Refuses(service.AdmitsAll):
        def model_key(self, request: object, job_arn: str) -> str | None:
            raise ValidationError("no such role")

    with pytest.raises(ValidationError, match="no such role"):
        bedrock.call(_CREATE, request(), admission=Refuses())
    assert not bedrock.jobs
    assert not bedrock.tags
    assert create(bedrock)


@pytest.mark.parametrize("status", sorted(RUNNING))
def test_jobs_that_run_or_stop_count_against_the_quota(bedrock: Bedrock, status: str) -> None:
    bedrock.quota = 1
    create(bedrock)
    if status == "Stopping":
        bedrock.call("StopModelCustomizationJob", {"jobIdentifier": "first"})
    with pytest.raises(QuotaError, match="at most 1"):
        create(bedrock, "second")
    bedrock.end_job("first", "Stopped")
    assert create(bedrock, "second")


def test_a_resource_has_so_many_tags_and_no_more(bedrock: Bedrock) -> None:
    tags = [{"key": f"k{number}", "value": "v"} for number in range(MOST_TAGS)]
    arn = create(bedrock, jobTags=tags)
    one_more = [{"key": "one more", "value": "v"}]
    with pytest.raises(TooManyTagsError):
        bedrock.call("TagResource", {"resourceARN": arn, "tags": one_more})
    with pytest.raises(TooManyTagsError):
        create(bedrock, "second", jobTags=tags + one_more)
    bedrock.call("UntagResource", {"resourceARN": arn, "tagKeys": ["k0"]})
    bedrock.call("TagResource", {"resourceARN": arn, "tags": one_more})
    answer = bedrock.call("ListTagsForResource", {"resourceARN": arn})["tags"]
    assert {tag["key"] for tag in answer} == {f"k{n}" for n in range(1, MOST_TAGS)} | {"one more"}


def test_what_is_not_there_has_no_tags(bedrock: Bedrock) -> None:
    arn = create(bedrock)
    for resource in (
        f"{arn[:-1]}9",
        f"{arn[:-1]}9".replace("model-customization-job", "custom-model"),
    ):
        with pytest.raises(NotFoundError):
            bedrock.call("ListTagsForResource", {"resourceARN": resource})


def test_only_a_job_in_progress_can_be_stopped(bedrock: Bedrock) -> None:
    create(bedrock)
    stop = {"jobIdentifier": "first"}
    bedrock.call("StopModelCustomizationJob", stop)
    for status in ("Stopping", "Stopped"):
        if status == "Stopped":
            bedrock.end_job("first", status)
        with pytest.raises(ConflictError, match=status):
            bedrock.call("StopModelCustomizationJob", stop)


@pytest.mark.parametrize(
    ("before", "after"), list(itertools.product(sorted(RUNNING | ENDED), repeat=2))
)
def test_a_job_goes_where_jobs_go(bedrock: Bedrock, before: str, after: str) -> None:
    create(bedrock)
    job = bedrock.jobs["first"]
    job["status"] = before
    if after in NEXT.get(before, frozenset()):
        move(job, after, now=bedrock.clock())
        assert job["status"] == after
    else:
        with pytest.raises(ImpossibleError):
            move(job, after, now=bedrock.clock())
        assert job["status"] == before


def test_a_completed_job_makes_its_model_and_no_other_end_does(
    bedrock: Bedrock, clock: Clock
) -> None:
    for name, status in (("a", "Failed"), ("b", "Stopped"), ("c", "Completed")):
        create(bedrock, name)
        bedrock.end_job(name, status, failure="made up" if status == "Failed" else None)
    assert [model["modelName"] for model in bedrock.models.values()] == ["c"]
    job = bedrock.call(_GET, {"jobIdentifier": "c"})
    model = bedrock.call("GetCustomModel", {"modelIdentifier": "c"})
    assert (model["modelArn"], model["jobArn"]) == (job["outputModelArn"], job["jobArn"])
    assert bedrock.tags_of(model["modelArn"]) == {"owner": "c"}
    assert bedrock.call(_GET, {"jobIdentifier": "a"})["failureMessage"] == "made up"
    with pytest.raises(ImpossibleError):
        bedrock.end_job("c", "Failed")


def test_times_are_the_clocks(bedrock: Bedrock, clock: Clock) -> None:
    create(bedrock)
    job, began = bedrock.jobs["first"], clock.now
    clock.now += timedelta(minutes=1)
    enter(job, PHASES[0], "InProgress", now=clock.now)
    clock.now += timedelta(minutes=1)
    bedrock.end_job("first", "Failed")
    phase = job["statusDetails"][PHASES[0]]
    assert phase["status"] == "Failed", "the end of a job is the end of its phase"
    assert phase["creationTime"] == began + timedelta(minutes=1)
    assert (job["creationTime"], job["endTime"]) == (began, began + timedelta(minutes=2))
    assert phase["lastModifiedTime"] == job["lastModifiedTime"] == job["endTime"]


def test_a_model_that_is_used_stays(bedrock: Bedrock) -> None:
    create(bedrock)
    bedrock.end_job("first", "Completed")
    (arn,) = bedrock.models
    bedrock.in_use.add(arn)
    with pytest.raises(ConflictError, match="in use"):
        bedrock.call("DeleteCustomModel", {"modelIdentifier": arn})
    bedrock.in_use.clear()
    bedrock.call("DeleteCustomModel", {"modelIdentifier": arn})
    with pytest.raises(NotFoundError):
        bedrock.call("DeleteCustomModel", {"modelIdentifier": arn})


def test_lists_are_filtered_sorted_and_paged(bedrock: Bedrock, clock: Clock) -> None:
    bedrock.quota = 100
    for number in range(7):
        clock.now += timedelta(minutes=1)
        create(bedrock, f"job-{number}")
        if number % 2:
            bedrock.end_job(f"job-{number}", "Completed")

    def names(**asked: Any) -> list[str]:
        answer = bedrock.call("ListModelCustomizationJobs", asked)
        found = [entry["jobName"] for entry in answer["modelCustomizationJobSummaries"]]
        more = answer.get("nextToken")
        return found + (names(**{**asked, "nextToken": more}) if more else [])

    newest = [f"job-{number}" for number in range(6, -1, -1)]
    assert names() == names(maxResults=3) == newest
    assert names(sortOrder="Ascending", maxResults=2) == newest[::-1]
    assert names(statusEquals="Completed") == ["job-5", "job-3", "job-1"]
    assert names(nameContains="-4") == ["job-4"]
    assert names(creationTimeAfter=bedrock.jobs["job-4"]["creationTime"]) == ["job-6", "job-5"]
    assert names(creationTimeBefore=bedrock.jobs["job-1"]["creationTime"]) == ["job-0"]
    with pytest.raises(ValidationError, match="nextToken"):
        names(nextToken="made up")
    models = bedrock.call("ListCustomModels", {"nameContains": "job"})["modelSummaries"]
    assert [model["modelName"] for model in models] == ["job-5", "job-3", "job-1"]


@pytest.mark.parametrize("refusal", [ServiceError("InternalServerException"), LostError()])
@pytest.mark.parametrize("after", [False, True])
def test_a_planted_fault_comes_before_or_after_the_effect(
    bedrock: Bedrock, refusal: ServiceError | LostError, *, after: bool
) -> None:
    bedrock.faults.append(Fault(_CREATE, refusal, after=after))
    with pytest.raises(type(refusal)):
        create(bedrock)
    assert bool(bedrock.jobs) is after
    assert create(bedrock), "a fault happens as often as it was planted"


def test_every_answer_fits_the_api_and_one_that_does_not_is_noticed(bedrock: Bedrock) -> None:
    create(bedrock)
    job = bedrock.jobs["first"]
    bedrock.call(_GET, {"jobIdentifier": "first"})
    for spoiled in (
        {"made": "up"},
        {"jobArn": "arn:aws:bedrock:nowhere"},
        {"creationTime": "yesterday, by and large"},
        {"customizationType": "GUESSWORK"},
        {"failureMessage": "x" * 2049},
    ):
        before = dict(job)
        job.update(spoiled)
        for bedrock.check_each in (True, False):
            with pytest.raises(shapes.ShapeError):
                bedrock.call(_GET, {"jobIdentifier": "first"})
        job.clear()
        job.update(before)
    del job["roleArn"]
    with pytest.raises(shapes.ShapeError, match="roleArn"):
        bedrock.call(_GET, {"jobIdentifier": "first"})


def test_a_status_nobody_knows_can_be_planted_and_is_handed_on(bedrock: Bedrock) -> None:
    create(bedrock)
    bedrock.jobs["first"]["status"] = "Paused"
    assert bedrock.call(_GET, {"jobIdentifier": "first"})["status"] == "Paused"
