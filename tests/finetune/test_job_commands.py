"""`finetune jobs` lists the environment's own jobs; `finetune watch` follows one to its end."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.finetune.aws_fake import FakeAws, RefusalError, make_job, make_row
from tests.finetune.conftest import Run

NAME = "dev-policy-review-0123456789abcdef"
STACK = "finetune-dev-job-policy-review"
DENIED = RefusalError("AccessDeniedException", "not authorized to perform: dynamodb:GetItem")


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


def queued(aws: FakeAws) -> None:
    """Have a job wait for its turn, as its stack and its row say."""
    aws.stacks[STACK] = {"JobName": NAME, "State": "Queued"}
    aws.rows[NAME] = make_row(NAME, "Queued")


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
    *lines, last = ended.out.splitlines()
    assert last == f"{NAME} is Completed"
    said = [line.split("  ", 1)[1] for line in lines]
    assert said == [
        f"{NAME}: InProgress",
        "validation: InProgress",
        "validation: Completed",
        "training: InProgress",
        f"{NAME}: Completed",
        "training: Completed",
    ]


def test_json_is_one_object_without_progress(run: Run, aws: FakeAws) -> None:
    states(
        aws,
        make_job(NAME, "InProgress", phases={"validation": "InProgress"}),
        make_job(NAME, "Completed", phases={"validation": "Completed"}),
    )
    ended = run("watch", "policy-review", "--json")
    assert ended.code == 0
    assert ended.answer["job"]["phases"] == {"validation": "Completed"}
    assert ended.err == ""


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
    queued(aws)
    ended = run("jobs", "--json")
    assert [(job["name"], job["status"]) for job in ended.answer["jobs"]] == [(NAME, "Queued")]
    aws.jobs = [make_job(NAME, "InProgress")]
    ended = run("jobs", "--json")
    assert [job["status"] for job in ended.answer["jobs"]] == ["InProgress"]


def test_a_model_that_waits_for_what_serves_it_is_told(run: Run, aws: FakeAws) -> None:
    aws.jobs = [make_job(NAME, "Completed")]
    waits = {"DeletedAt": "2026-11-22T00:00:00", "WaitsSince": "2026-11-22T00:00:00"}
    aws.rows[NAME] = make_row(NAME, "Completed", **waits)
    assert "waits for what serves it" in run("jobs").out
    (job,) = run("jobs", "--json").answer["jobs"]
    assert job["leaving"] == "waits for what serves it"
    # The twin: it is gone by now.
    aws.rows[NAME] |= {"ModelDeletedAt": "2026-11-22T00:00:00"}
    assert "waits for what serves it" not in run("jobs").out


def test_who_may_not_read_the_table_sees_completed_jobs_without_a_word_of_it(
    run: Run, aws: FakeAws
) -> None:
    aws.jobs = [make_job(NAME, "Completed"), make_job(f"{NAME}-2", "Completed")]
    aws.refusals["GetItem"] = DENIED
    ended = run("jobs", "--json")
    assert (ended.code, ended.ids()) == (0, [])
    assert [job["leaving"] for job in ended.answer["jobs"]] == [None, None]
    assert aws.names().count("GetItem") == 1, "asked again what was refused"


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


def test_what_follows_a_stop_is_said(run: Run, aws: FakeAws) -> None:
    aws.jobs = [make_job(NAME, "InProgress")]
    ended = run("stop", "policy-review", "--json")
    assert ended.answer["stopped"] is True
    assert any("`run`" in sentence for sentence in ended.answer["follows"])
    ended = run("stop", "policy-review", "--json")
    assert (ended.code, ended.answer["stopped"]) == (0, False)
    assert ended.answer["follows"][0] == "somebody has stopped it already"
    assert aws.names().count("StopModelCustomizationJob") == 1


@pytest.mark.parametrize("command", ["watch", "stop"])
@pytest.mark.parametrize(
    ("called", "meant"), [("polcy-review", "policy-review"), (f"{NAME[:-1]}0", NAME)]
)
def test_a_name_nobody_knows_is_answered_with_one_that_is_near(
    run: Run, aws: FakeAws, command: str, called: str, meant: str
) -> None:
    aws.jobs = [make_job(NAME, "Completed")]
    ended = run(command, called, "--json")
    assert (ended.code, ended.ids()) == (1, ["no-job"])
    assert meant in ended.answer["findings"][0]["fix"]
    # The twin: nothing is proposed for what looks like no name there is.
    ended = run(command, "zzz", "--json")
    assert "did you mean" not in ended.answer["findings"][0]["fix"]


def test_without_the_right_to_list_only_the_settings_names_are_proposed(
    run: Run, aws: FakeAws
) -> None:
    aws.refusals["ListModelCustomizationJobs"] = RefusalError("AccessDeniedException")
    ended = run("watch", "polcy-review", "--json")
    assert (ended.code, ended.ids()) == (1, ["no-job"])
    assert "policy-review" in ended.answer["findings"][0]["fix"]


def test_a_job_that_waits_for_its_turn_is_waited_for(run: Run, aws: FakeAws) -> None:
    queued(aws)
    # An older attempt that completed is not what was deployed last.
    older = make_job("dev-policy-review-fedcba9876543210", "Completed")
    aws.jobs = [older]
    coming: Iterator[list[dict[str, Any]]] = iter(
        [[older], [make_job(NAME, "InProgress"), older], [make_job(NAME, "Completed"), older]]
    )

    def advance(_: dict[str, Any]) -> None:
        aws.jobs[:] = next(coming)

    aws.before["GetModelCustomizationJob"] = advance
    ended = run("watch", "policy-review")
    assert ended.code == 0, ended.err
    assert [line.rpartition(": ")[2] for line in ended.out.splitlines()[:-1]] == [
        "Queued",
        "InProgress",
        "Completed",
    ]


def test_a_job_that_waits_for_its_turn_is_not_stopped(run: Run, aws: FakeAws) -> None:
    queued(aws)
    ended = run("stop", "policy-review", "--json")
    assert (ended.code, ended.ids()) == (1, ["not-started"])
    assert STACK in ended.answer["findings"][0]["fix"]
    # The twin: once Bedrock has it, it is.
    aws.jobs = [make_job(NAME, "InProgress")]
    assert run("stop", "policy-review", "--json").answer["stopped"] is True


def test_a_time_limit_holds_for_a_job_that_waits(run: Run, aws: FakeAws) -> None:
    queued(aws)
    ended = run("watch", "policy-review", "--timeout", "0", "--json")
    assert (ended.code, ended.ids()) == (4, ["timed-out"])
    assert ended.answer["job"]["status"] == "Queued"


def test_a_job_that_vanishes_while_it_is_watched_is_said_to_be_gone(run: Run, aws: FakeAws) -> None:
    coming: Iterator[list[dict[str, Any]]] = iter([[make_job(NAME, "InProgress")], []])

    def advance(_: dict[str, Any]) -> None:
        aws.jobs[:] = next(coming)

    aws.jobs = [make_job(NAME, "InProgress")]
    aws.before["GetModelCustomizationJob"] = advance
    ended = run("watch", "policy-review", "--json")
    assert (ended.code, ended.ids()) == (1, ["job-gone"])


def test_a_job_of_another_environment_can_be_watched(run: Run, aws: FakeAws) -> None:
    """Watching changes nothing; stopping is refused, as above."""
    aws.jobs = [make_job(f"prod-{NAME}", "Completed")]
    aws.owner = "prod"
    assert run("watch", f"prod-{NAME}").code == 0


def test_who_watches_a_stopped_job_is_told_how_to_train_again(run: Run, aws: FakeAws) -> None:
    aws.jobs = [make_job(NAME, "Stopped")]
    (finding,) = run("watch", NAME, "--json").answer["findings"]
    assert "`run`" in finding["fix"]
    # The twin: a failure without a reason is not somebody's wish.
    aws.jobs = [make_job(NAME, "Failed")]
    (finding,) = run("watch", NAME, "--json").answer["findings"]
    assert "`run`" not in finding["fix"]


# A job that waits for its turn, and never comes to it.


def changes(aws: FakeAws, *, at_look: int, change: Callable[[], object]) -> None:
    """Have something happen just before a look at the queue, the first of which is 1."""
    looks = iter(range(1, 100))

    def happen(_: dict[str, Any]) -> None:
        if next(looks) == at_look:
            change()

    aws.before["GetItem"] = happen


def test_watching_ends_with_1_and_the_reason_when_a_waiting_job_is_refused(
    run: Run, aws: FakeAws
) -> None:
    queued(aws)
    reason = "Could not assume provided IAM role"
    row = make_row(NAME, "Refused", Failure=reason)
    changes(aws, at_look=3, change=lambda: aws.rows.update({NAME: row}))
    ended = run("watch", "policy-review", "--json")
    assert (ended.code, ended.ids()) == (1, ["job-refused"])
    (finding,) = ended.answer["findings"]
    assert reason in finding["message"]
    assert "trust" in finding["fix"]
    assert "`run`" in finding["fix"]
    assert ended.answer["job"]["status"] == "Refused"
    assert aws.names().count("GetItem") == 3, "it was watched on after it was refused"


def test_a_refusal_that_names_its_remedy_is_not_given_another(run: Run, aws: FakeAws) -> None:
    queued(aws)
    aws.rows[NAME] = make_row(
        NAME, "Refused", Failure="Could not assume provided IAM role; remedy: wait"
    )
    (finding,) = run("watch", "policy-review", "--json").answer["findings"]
    assert "trust" not in finding["fix"]


def test_a_refused_job_that_bedrock_has_all_the_same_is_followed(run: Run, aws: FakeAws) -> None:
    queued(aws)
    aws.rows[NAME] = make_row(NAME, "Refused", Failure="no")
    aws.before["GetItem"] = lambda _: aws.jobs.append(make_job(NAME, "Completed"))
    assert run("watch", "policy-review").code == 0


@pytest.mark.parametrize(
    ("outputs", "why", "fix"),
    [
        (None, "is gone", "cdk deploy"),
        ({"JobName": f"{NAME[:-1]}0", "State": "Queued"}, f"{NAME[:-1]}0", "finetune watch"),
        ({"JobName": NAME, "State": "Queued"}, "went back", "`run`"),
    ],
)
@pytest.mark.parametrize("readable", [True, False])
def test_watching_ends_with_1_when_a_waiting_job_is_withdrawn(
    run: Run,
    aws: FakeAws,
    outputs: dict[str, str] | None,
    why: str,
    fix: str,
    *,
    readable: bool,
) -> None:
    queued(aws)
    if not readable:
        aws.refusals["GetItem"] = DENIED

    def withdraw() -> None:
        aws.rows[NAME] = make_row(NAME, "Withdrawn")
        if outputs is None:
            del aws.stacks[STACK]
        else:
            aws.stacks[STACK] = outputs

    changes(aws, at_look=1, change=withdraw)
    ended = run("watch", "policy-review", "--timeout", "0", "--json")
    if not readable and outputs is not None and outputs["JobName"] == NAME:
        # Its stack still stands for it, and alone cannot tell.
        assert (ended.code, ended.ids()) == (4, ["queue-not-readable", "timed-out"])
        return
    assert ended.code == 1
    finding = ended.answer["findings"][-1]
    assert finding["id"] == "job-withdrawn"
    assert why in finding["message"]
    assert fix in finding["fix"]
    assert finding["where"] == {"stack": STACK}
    assert ended.answer["job"]["status"] == "Withdrawn"


@pytest.mark.parametrize("state", ["Missing", "Completed", "Failed", "Stopped"])
def test_watching_ends_with_1_when_bedrock_lost_a_job_that_waited(
    run: Run, aws: FakeAws, state: str
) -> None:
    queued(aws)
    aws.rows[NAME] = make_row(NAME, state)
    ended = run("watch", "policy-review", "--json")
    assert (ended.code, ended.ids()) == (1, ["job-gone"])
    assert state in ended.answer["findings"][0]["message"]


@pytest.mark.parametrize("state", ["Queued", "Submitting", "Submitted"])
def test_a_job_whose_turn_may_still_come_is_watched_on(run: Run, aws: FakeAws, state: str) -> None:
    queued(aws)
    aws.rows[NAME] = make_row(NAME, state, Failure="too many jobs", RefusedAt="2026-11-22T00:00:00")
    ended = run("watch", "policy-review", "--timeout", "0", "--json")
    assert (ended.code, ended.ids()) == (4, ["timed-out"])
    assert "too many jobs" in ended.answer["findings"][0]["message"]
    assert ended.answer["job"]["status"] == state


@pytest.mark.parametrize("code", [None, "ResourceNotFoundException"])
def test_watching_ends_with_1_when_the_table_knows_nothing_of_a_waiting_job(
    run: Run, aws: FakeAws, code: str | None
) -> None:
    queued(aws)
    aws.rows.clear()
    if code is not None:
        aws.refusals["GetItem"] = RefusalError(code)
    ended = run("watch", "policy-review", "--json")
    assert (ended.code, ended.ids()) == (1, ["job-lost"])


def test_who_may_not_read_the_table_is_told_so_once_and_sees_the_job_start(
    run: Run, aws: FakeAws
) -> None:
    queued(aws)
    aws.refusals["GetItem"] = DENIED
    coming: Iterator[list[dict[str, Any]]] = iter([[], [], [make_job(NAME, "Completed")]])

    def advance(_: dict[str, Any]) -> None:
        aws.jobs[:] = next(coming)

    aws.before["GetModelCustomizationJob"] = advance
    ended = run("watch", "policy-review", "--json")
    assert (ended.code, ended.ids()) == (0, ["queue-not-readable"])
    assert "dynamodb:GetItem" in ended.answer["findings"][0]["fix"]
    assert aws.names().count("GetItem") == 1, "asked again what was refused"


def test_another_error_of_the_table_ends_with_3(run: Run, aws: FakeAws) -> None:
    queued(aws)
    aws.refusals["GetItem"] = RefusalError("ExpiredTokenException")
    ended = run("watch", "policy-review", "--json")
    assert (ended.code, ended.ids()) == (3, ["expired-credentials"])


def test_a_waiting_job_can_be_watched_by_its_whole_name(run: Run, aws: FakeAws) -> None:
    queued(aws)
    aws.rows[NAME] = make_row(NAME, "Refused", Failure="no")
    ended = run("watch", NAME, "--json")
    assert (ended.code, ended.ids()) == (1, ["job-refused"])
    # The twin: another name of the same form is nobody's.
    ended = run("watch", f"{NAME[:-1]}0", "--json")
    assert (ended.code, ended.ids()) == (1, ["no-job"])


def test_a_refused_job_is_not_listed_as_one_that_waits(run: Run, aws: FakeAws) -> None:
    queued(aws)
    assert "waits for its turn" in run("jobs").out
    aws.rows[NAME] = make_row(NAME, "Refused", Failure="no")
    ended = run("jobs")
    assert "waits for its turn" not in ended.out
    assert "Refused" in ended.out


def test_who_stops_a_refused_job_is_told_that_it_was_refused(run: Run, aws: FakeAws) -> None:
    queued(aws)
    aws.rows[NAME] = make_row(NAME, "Refused", Failure="no")
    ended = run("stop", "policy-review", "--json")
    assert (ended.code, ended.ids()) == (1, ["job-refused"])
