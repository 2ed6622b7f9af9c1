"""`finetune jobs` lists the environment's own jobs; `finetune watch` follows one to its end."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.finetune.aws_fake import FakeAws, RefusalError, make_job
from tests.finetune.conftest import Run

NAME = "dev-policy-review-0123456789abcdef"


@pytest.fixture(autouse=True)
def in_a_project(project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    del project
    monkeypatch.setattr("finetune.job_commands.time.sleep", lambda _: None)


def states(aws: FakeAws, *jobs: dict[str, Any]) -> None:
    """Let each look at the job see the next of these states."""
    coming: Iterator[dict[str, Any]] = iter(jobs)

    def advance(_: dict[str, Any]) -> None:
        aws.jobs[:] = [next(coming, aws.jobs[0])]

    aws.jobs[:] = [jobs[0]]
    aws.before["GetModelCustomizationJob"] = advance


def test_only_jobs_of_this_environment_and_settings_are_listed(run: Run, aws: FakeAws) -> None:
    aws.jobs = [
        make_job(f"{NAME}-2", "InProgress"),
        make_job(NAME, "Failed"),
        make_job("dev-policy-review-extra-0123456789abcdef", "Completed"),
        make_job(f"prod-{NAME}", "Completed"),
    ]
    ended = run("jobs", "--json")
    assert ended.code == 0
    assert [(job["name"], job["status"]) for job in ended.answer["jobs"]] == [
        (f"{NAME}-2", "InProgress"),
        (NAME, "Failed"),
    ]


def test_a_job_that_was_not_submitted_is_said_to_be_so(run: Run, aws: FakeAws) -> None:
    del aws
    assert "policy-review: not submitted yet" in run("jobs").out


def test_watching_ends_with_0_when_the_job_is_completed(run: Run, aws: FakeAws) -> None:
    states(
        aws,
        make_job(NAME, "InProgress", phases={"validation": "InProgress"}),
        make_job(NAME, "InProgress", phases={"validation": "Completed", "training": "InProgress"}),
        make_job(NAME, "InProgress", phases={"validation": "Completed", "training": "InProgress"}),
        make_job(NAME, "Completed", phases={"validation": "Completed", "training": "Completed"}),
    )
    ended = run("watch", "policy-review")
    assert ended.code == 0, ended.err
    said = [line.split("  ", 1)[1] for line in ended.out.splitlines()]
    assert said == [
        f"{NAME}: InProgress",
        "validation: InProgress",
        "validation: Completed",
        "training: InProgress",
        f"{NAME}: Completed",
        "training: Completed",
    ]


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_watching_ends_with_1_and_the_message_when_the_job_did_not_complete(
    run: Run, aws: FakeAws, status: str
) -> None:
    message = "Could not assume provided IAM role"
    states(
        aws,
        make_job(NAME, "InProgress"),
        make_job(NAME, status, failure=message, phases={"training": status}),
    )
    ended = run("watch", "policy-review", "--json")
    assert (ended.code, ended.ids()) == (1, ["job-ended"])
    (finding,) = ended.answer["findings"]
    assert message in finding["message"]
    assert "training" in finding["message"]
    assert "trust" in finding["fix"]
    assert ended.answer["job"]["status"] == status


def test_watching_ends_with_4_at_the_time_limit(run: Run, aws: FakeAws) -> None:
    aws.jobs = [make_job(NAME, "InProgress")]
    ended = run("watch", "policy-review", "--timeout", "0", "--json")
    assert (ended.code, ended.ids()) == (4, ["timed-out"])


def test_the_newest_attempt_is_watched(run: Run, aws: FakeAws) -> None:
    aws.jobs = [make_job(f"{NAME}-2", "Completed"), make_job(NAME, "Failed")]
    assert run("watch", "policy-review").code == 0


def test_a_job_can_be_watched_by_its_name_in_bedrock(run: Run, aws: FakeAws) -> None:
    aws.jobs = [make_job(f"{NAME}-2", "Completed"), make_job(NAME, "Failed")]
    assert run("watch", NAME).code == 1


@pytest.mark.parametrize("name", ["policy-review", "no-such-job"])
def test_a_job_that_does_not_exist_ends_with_1(run: Run, aws: FakeAws, name: str) -> None:
    del aws
    ended = run("watch", name, "--json")
    assert (ended.code, ended.ids()) == (1, ["no-job"])


def test_a_status_nobody_knows_is_an_error_and_never_a_pass(run: Run, aws: FakeAws) -> None:
    aws.jobs = [make_job(NAME, "Paused")]
    ended = run("watch", NAME, "--json")
    assert (ended.code, ended.ids()) == (3, ["unknown-status"])


def test_what_aws_refuses_ends_with_3(run: Run, aws: FakeAws) -> None:
    aws.refusals["ListModelCustomizationJobs"] = RefusalError("AccessDeniedException")
    ended = run("jobs", "--json")
    assert (ended.code, ended.ids()) == (3, ["access-denied"])


def test_a_job_that_waits_for_its_turn_is_listed(run: Run, aws: FakeAws) -> None:
    aws.stacks["finetune-dev-job-policy-review"] = {"JobName": NAME, "State": "Queued"}
    ended = run("jobs", "--json")
    assert [(job["name"], job["status"]) for job in ended.answer["jobs"]] == [(NAME, "Queued")]
    aws.jobs = [make_job(NAME, "InProgress")]
    ended = run("jobs", "--json")
    assert [job["status"] for job in ended.answer["jobs"]] == ["InProgress"]


def test_stopping_asks_bedrock_and_says_what_comes(run: Run, aws: FakeAws) -> None:
    aws.jobs = [make_job(NAME, "InProgress")]
    ended = run("stop", "policy-review")
    assert ended.code == 0, ended.err
    assert f"{NAME}: Stopping" in ended.out
    assert f"finetune watch {NAME}" in ended.out
    assert aws.jobs[0]["status"] == "Stopping"


def test_stopping_a_job_that_is_over_changes_nothing(run: Run, aws: FakeAws) -> None:
    aws.jobs = [make_job(NAME, "Completed")]
    assert "there is nothing to stop" in run("stop", NAME).out
    assert aws.jobs[0]["status"] == "Completed"


def test_a_job_of_another_environment_is_not_stopped(run: Run, aws: FakeAws) -> None:
    aws.jobs = [make_job(NAME, "InProgress")]
    aws.owner = "prod"
    ended = run("stop", NAME, "--json")
    assert ended.code == 1
    assert ended.answer["findings"][0]["id"] == "not-ours"
    assert aws.jobs[0]["status"] == "InProgress"


def test_stopping_what_is_not_there_is_said(run: Run, aws: FakeAws) -> None:
    del aws
    assert run("stop", "policy-review").code == 1
