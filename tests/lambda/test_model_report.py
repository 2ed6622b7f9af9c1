"""The report: what it reads, what it writes once, and what it says of what went well or wrong."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, cast

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

import model_report.handler
from customization import remedies
from customization.errors import EventError, PassingServiceError, ServiceCallError
from lineage.chain import broken_links
from model_report.announcement import MOST_SUBJECT, Announcement, job_of
from model_report.explanation import explain
from model_report.orders import Order
from model_report.subject import NothingToReportError, OutputsElsewhereError
from tests.fakes.aws import Fault, LostError, RefusalError, Wire
from tests.fakes.cloudformation import Context
from tests.fakes.following import Following, MortalAws

ARN = "arn:aws:bedrock:eu-test-1:123456789012:custom-model-deployment/abcdefabcdef"
DEPLOYED = {
    "state": "Active",
    "deployment": "dev-tone-0123456789abcdef-abcdef",
    "arn": ARN,
    "kind": "provisioned",
    "ends_at": "2026-01-01T08:00:00+00:00",
    "failure": "",
}
COLLECTED = {
    "job": "tone",
    "model_arn": "arn:made",
    "curves": ["training"],
    "best_step": 12,
    "verdicts": ["the loss still falls"],
    "missing": ["there are no validation metrics"],
}
REPORTED = {"page": "outputs/tone/x/training_metrics.html", "record": "outputs/tone/lineage/x/"}
NAME = "dev-tone-0123456789abcdef"


@pytest.fixture
def job(aws: object, wire: Wire) -> Following:
    """A completed job with its outputs."""
    del aws
    wire.aws = MortalAws()
    location = f"fine-tuning-datasets/tone/{'a' * 64}/tone.jsonl"
    wire.aws.objects["made-bucket", location] = {"sha256": "a" * 64}
    following = Following(aws=wire.aws, engine=cast("Any", None))
    following.job()
    return following


def step(job: Following | None, name: str, **more: Any) -> dict[str, Any]:
    """Take one step as the state machine does, through JSON."""
    event = {"step": name, "job_name": job.name if job else NAME, "execution": "made", **more}
    result = model_report.handler.handler(
        json.loads(json.dumps(event)), cast("LambdaContext", Context())
    )
    return dict(json.loads(json.dumps(result)))


# Reading


def test_the_metrics_become_words_and_cloudwatchs_numbers(
    job: Following, capsys: pytest.CaptureFixture[str]
) -> None:
    collected = step(job, "collect")
    assert collected["job"] == "tone"
    assert collected["curves"] == ["training", "validation"]
    assert collected["best_step"] == 39
    assert collected["missing"] == []
    (line,) = [text for text in capsys.readouterr().out.splitlines() if '"_aws"' in text]
    numbers = json.loads(line)
    assert (numbers["Environment"], numbers["Job"]) == ("dev", "tone")
    assert numbers["TrainingLoss"] == pytest.approx(0.5 + 1.5 * 2.718281828 ** (-39 / 8), rel=1e-3)
    ended = job.aws.jobs[job.name]["endTime"]
    assert numbers["_aws"]["Timestamp"] == ended.timestamp() * 1000


def test_the_same_numbers_again_are_the_same_line(
    job: Following, capsys: pytest.CaptureFixture[str]
) -> None:
    lines = []
    for _ in range(2):
        step(job, "collect")
        job.aws.sleep(3600)
        lines += [text for text in capsys.readouterr().out.splitlines() if '"_aws"' in text]
    assert lines[0] == lines[1]


def test_what_is_missing_is_said_and_ends_nothing(job: Following) -> None:
    job.aws.outputs.clear()
    job.plant_outputs(validation=False)
    assert [text for text in step(job, "collect")["missing"] if "validation" in text]
    job.aws.outputs.clear()
    collected = step(job, "collect")
    assert collected["curves"] == []
    assert any("there is no" in text for text in collected["missing"])
    assert step(job, "report")["page"] is None


# Writing


def test_the_page_and_the_record_are_written_once_however_often_asked(job: Following) -> None:
    first = step(job, "report", template={"stack_id": "arn:stack", "sha256": "0" * 64})
    job.aws.sleep(3600)
    assert step(job, "report") == first
    assert {len(versions) for versions in job.aws.outputs.values()} == {1}
    (entry,) = job.entries
    assert entry["by"] == Context.invoked_function_arn
    assert entry["facts"]["template"]["stack_id"] == "arn:stack"
    assert entry["facts"]["settings"]["base_model"] == "amazon.nova-2-lite-v1:0:256k"
    assert entry["facts"]["model"]["name"] == job.name
    assert set(entry["facts"]["metrics"]["files"]) == {
        key for key in job.aws.outputs if key.endswith(".csv")
    }
    assert b"<html" in job.aws.outputs[first["page"]][0]


def test_the_record_holds_what_the_check_of_the_data_found_where_that_is_known(
    job: Following,
) -> None:
    found = {"at": "2026-01-01T00:00:00Z", "model_family": "nova", "ok": True, "version": "2"}
    job.aws.items[job.name]["Checks"] = json.dumps({"a" * 64: found})
    step(job, "report")
    (entry,) = job.entries
    (data,) = [each for each in entry["facts"]["data"] if each["sha256"] == "a" * 64]
    assert data["check"] == found


def test_the_record_says_nothing_of_a_check_that_is_not_known(job: Following) -> None:
    job.aws.items[job.name].pop("Checks", None)
    step(job, "report")
    (entry,) = job.entries
    assert {json.dumps(each["check"]) for each in entry["facts"]["data"]} == {"null"}


def test_other_metrics_make_another_page(job: Following) -> None:
    page = step(job, "report")["page"]
    for key in [key for key in job.aws.outputs if "validation" in key]:
        del job.aws.outputs[key]
    step(job, "report")
    assert len(job.aws.outputs[page]) == 2


def test_what_serves_the_model_and_how_it_answered_is_added_to_the_record(job: Following) -> None:
    step(job, "report")
    results = [{"number": 1, "passed": True}, {"number": 2, "passed": False}]
    more = {"deployment": DEPLOYED, "tested": {"passed": False, "results": results}}
    assert step(job, "record", **more) == {"added": 2}
    assert step(job, "record", **more) == {"added": 0}
    # Another run of the machine tries it again, and what serves it is the same.
    assert step(job, "record", **more, execution="later") == {"added": 1}
    events = [entry["event"] for entry in job.entries]
    assert events == ["trained", "deployed", "tried", "tried"]
    assert job.entries[1]["facts"]["deployment"] == {
        "kind": "provisioned",
        "name": DEPLOYED["deployment"],
        "arn": ARN,
        "until": DEPLOYED["ends_at"],
    }
    assert job.entries[2]["facts"]["trial"] == {"passed": False, "tests": 2, "failed": [2]}
    prefix = f"outputs/tone/lineage/{job.name}/"
    files = [(n, job.aws.outputs[f"{prefix}{n:04}.json"][0]) for n in range(1, 5)]
    assert broken_links(name=job.name, files=files) == []


def test_without_a_deployment_there_is_nothing_to_add(job: Following) -> None:
    assert step(job, "record", deployment={"state": "NotWanted", "arn": None}) == {"added": 0}


# What cannot be reported


def test_a_name_that_the_table_does_not_know_is_refused(job: Following) -> None:
    with pytest.raises(NothingToReportError, match="finetune jobs"):
        step(None, "collect")


def test_a_job_that_is_not_completed_is_refused(job: Following) -> None:
    job.aws.jobs[job.name]["status"] = "Stopped"
    with pytest.raises(NothingToReportError, match="is Stopped"):
        step(job, "report")


@pytest.mark.parametrize("uri", ["s3://other-bucket/outputs/tone/", "s3://made-bucket/data/"])
def test_outputs_elsewhere_are_neither_read_nor_written(uri: str, job: Following) -> None:
    job.aws.jobs[job.name]["outputDataConfig"] = {"s3Uri": uri}
    job.aws.calls.clear()
    with pytest.raises(OutputsElsewhereError):
        step(job, "report")
    assert "s3" not in {service for service, _ in job.aws.calls}


@pytest.mark.parametrize(
    ("refusal", "kind"),
    [
        (RefusalError("SlowDown", "made up", 503), PassingServiceError),
        (LostError(), PassingServiceError),
        (RefusalError("AccessDenied", "not authorized to perform: s3:List", 403), ServiceCallError),
    ],
)
def test_errors_that_pass_are_told_apart_from_those_that_do_not(
    refusal: Exception, kind: type[Exception], job: Following
) -> None:
    job.aws.faults.append(Fault("ListObjectsV2", cast("Any", refusal), times=9))
    with pytest.raises(ServiceCallError) as caught:
        step(job, "collect")
    assert type(caught.value) is kind


# Words


def said(name: str, **more: Any) -> tuple[dict[str, Any], dict[str, Any]]:
    """Return an announcement, and its message parsed."""
    announcement = step(None, name, **more)
    assert set(announcement) == set(Announcement.__annotations__)
    return announcement, json.loads(announcement["message"])


def test_what_stands_is_said_in_words_and_in_fields(job: Following) -> None:
    tested = {"passed": True, "results": [{"number": 1, "passed": True, "reason": ""}]}
    announcement, message = said(
        "compose",
        collected=COLLECTED,
        reported=REPORTED,
        deployment=DEPLOYED,
        tested=tested,
    )
    assert (announcement["failed"], announcement["state"]) == (False, "Deployed")
    assert announcement["subject"] == "[dev] tone: its model is deployed"
    for words in ("still falls", "best step was 12", "until 2026-01-01", "1 of 1 smoke tests"):
        assert words in message["text"]
    assert message["verdicts"] == COLLECTED["verdicts"]
    assert message["missing"] == COLLECTED["missing"]
    assert message["deployment"]["arn"] == ARN
    assert message["id"] == f"{NAME}/follow-up/made"


def test_without_a_deployment_the_report_is_what_is_said(job: Following) -> None:
    announcement, message = said(
        "compose", collected=COLLECTED, reported=REPORTED, deployment={"state": "NotWanted"}
    )
    assert announcement["state"] == "Reported"
    assert message["deployment"] is None
    assert message["smoke_tests"] is None


def test_no_curves_are_not_taken_for_quiet_ones(job: Following) -> None:
    for curves, words in (([], "it left no metrics"), (["training"], "nothing stands out")):
        _, message = said("compose", collected={**COLLECTED, "verdicts": [], "curves": curves})
        assert words in message["text"]


def test_saying_it_needs_nothing_of_aws(job: Following) -> None:
    job.aws.calls.clear()
    said("compose")
    said("explain", failure={"step": "Collect", "error": "X", "cause": ""})
    assert job.aws.calls == []


def test_a_subject_is_short_and_plain_and_a_message_has_bounds(job: Following) -> None:
    long = {**COLLECTED, "verdicts": ["é" * 10_000] * 50}
    announcement, message = said(
        "explain",
        job_name="ü" * 200,
        collected=long,
        failure={"step": "Report", "error": "E" * 300, "cause": "x" * 100_000},
    )
    assert len(announcement["subject"]) <= MOST_SUBJECT
    assert announcement["subject"].isascii()
    assert len(announcement["message"].encode()) < 256 * 1024
    assert len(message["verdicts"]) == 20


@pytest.mark.parametrize(
    ("name", "job_name"),
    [
        ("dev-tone-0123456789abcdef", "tone"),
        ("dev-policy-review-0123456789abcdef-12", "policy-review"),
        ("prod-tone-0123456789abcdef", "prod-tone-0123456789abcdef"),
    ],
)
def test_the_job_of_a_name_is_read_from_it(name: str, job_name: str) -> None:
    assert job_of(job_name=name, environment="dev") == job_name


# Explaining


def test_an_error_of_a_function_is_read_from_what_lambda_says() -> None:
    cause = json.dumps({"errorMessage": "AccessDenied: made up; likely cause: x; remedy: y"})
    found = explain({"step": "Deploy", "error": "ServiceCallError", "cause": cause})
    assert found.error.startswith("ServiceCallError: AccessDenied: made up")
    # It says its remedy itself, and so once.
    assert found.text.count("remedy:") == 1


def test_a_known_text_gets_its_remedy_and_an_unknown_one_says_where_to_look() -> None:
    known = explain({"step": "Report", "error": "X", "cause": "vpc endpoint policy refuses"})
    remedy = remedies.find("vpc endpoint policy")
    assert remedy is not None
    assert remedy.action in known.text
    unknown = explain({"step": "Report", "error": "X", "cause": "never seen"})
    assert "not known to this app" in unknown.text
    assert "function's log" in unknown.text


@pytest.mark.parametrize(
    "error",
    [
        "DeploymentTooSlow",
        "SmokeTestFailed",
        "Sandbox.Timedout",
        "States.Timeout",
        "Runtime.ExitError",
        "Lambda.TooManyRequestsException",
        "States.QueryEvaluationError",
    ],
)
def test_every_error_of_the_machine_itself_has_a_cause_and_a_remedy(error: str) -> None:
    text = explain({"step": "Try", "error": error, "cause": ""}).text
    assert "remedy:" in text
    assert "not known" not in text


def test_nothing_at_all_is_explained_too() -> None:
    assert "unknown" in explain({}).text


# The door


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda event: event.update(step="sing"), "step must be one of collect"),
        (lambda event: event.pop("job_name"), "job_name must be a string"),
        (lambda event: event.update(execution=""), "execution must be a string"),
        (lambda event: event.update(tested=["x"]), "tested must be a JSON object or null"),
    ],
)
def test_an_event_that_is_no_order_is_refused(
    change: Callable[[dict[str, Any]], object], told: str
) -> None:
    event: dict[str, Any] = {"step": "collect", "job_name": NAME, "execution": "made"}
    assert Order.parse(event).template is None
    change(event)
    with pytest.raises(EventError, match=told):
        Order.parse(event)


def test_what_is_no_object_is_refused() -> None:
    with pytest.raises(EventError, match="must be a JSON object, got a list"):
        Order.parse([])
