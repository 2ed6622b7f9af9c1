"""`finetune try`: an answer, or an error that says what to do about it."""

from __future__ import annotations

import io
import json
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.finetune.aws_fake import RefusalError, make_job
from tests.finetune.conftest import Run
from tests.finetune.owned_account import OwnedAccount

NAME = "dev-policy-review-0123456789abcdef"
OLDER = "dev-policy-review-fedcba9876543210"
TESTER = "arn:aws:iam::123456789012:role/finetune-dev-us-east-1-tester"
ANSWER = {
    "text": "Yes, it is.",
    "seconds": 1.25,
    "input_tokens": 12,
    "output_tokens": 5,
    "model": "arn:model",
}


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, project: Path) -> OwnedAccount:
    """An account with a completed job, its deployment, and the function that calls it."""
    del project
    fake = OwnedAccount()
    monkeypatch.setattr(boto3, "Session", fake.session)
    fake.stack("identity")
    fake.identity_outputs = {"TesterRoleArn": TESTER}
    fake.jobs = [make_job(NAME, "Completed")]
    fake.deployment(f"{NAME}-abc123", job="policy-review")
    fake.functions["finetune-dev-invoker"] = ANSWER
    return fake


def event(fake: OwnedAccount) -> dict[str, Any]:
    """What the function was asked."""
    (arguments,) = (arguments for name, arguments in fake.calls if name == "Invoke")
    found = json.loads(arguments["Payload"])
    assert isinstance(found, dict)
    return found


def test_a_pipe_gets_the_answer_alone(run: Run, account: OwnedAccount) -> None:
    ended = run("try", "policy-review", "Is it?", "--max-tokens", "64")
    assert ended.code == 0, ended.err
    assert ended.out == "Yes, it is.\n"
    assert "12 tokens asked, 5 answered, 1.2 s" in ended.err
    assert event(account) == {"Try": {"job_name": NAME, "prompt": "Is it?", "max_tokens": 64}}


def test_json_has_all_of_it(run: Run, account: OwnedAccount) -> None:
    del account
    answer = run("try", "policy-review", "Is it?", "--json").answer
    assert {key: answer[key] for key in ANSWER} == ANSWER
    assert answer["job"] == NAME


def test_the_prompt_may_come_through_a_pipe(
    run: Run, account: OwnedAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("from a file\n"))
    assert run("try", "policy-review", "-").code == 0
    assert event(account)["Try"]["prompt"] == "from a file\n"


def test_the_function_is_called_as_the_tester(run: Run, account: OwnedAccount) -> None:
    assert run("try", "policy-review", "Is it?").code == 0
    assert [name for name in account.names() if name in {"AssumeRole", "Invoke"}] == [
        "AssumeRole",
        "Invoke",
    ]
    # The twin: an environment without that role is asked with one's own credentials.
    account.identity_outputs = {}
    account.calls.clear()
    assert run("try", "policy-review", "Is it?").code == 0
    assert "AssumeRole" not in account.names()


def test_the_function_is_called_once_whatever_it_answers(run: Run, account: OwnedAccount) -> None:
    """Another call would be paid for again."""
    account.refusals["Invoke"] = RefusalError("TooManyRequestsException", status=429)
    ended = run("try", "policy-review", "Is it?", "--json")
    assert ended.code == 3
    assert account.names().count("Invoke") == 1


def test_a_model_can_be_named(run: Run, account: OwnedAccount) -> None:
    assert run("try", "policy-review", "Is it?", "--model", "arn:model").code == 0
    assert event(account)["Try"]["model"] == "arn:model"


def test_an_answer_of_another_model_than_was_named_is_not_taken_for_its(
    run: Run, account: OwnedAccount
) -> None:
    del account
    ended = run("try", "policy-review", "Is it?", "--model", "arn:other", "--json")
    assert (ended.code, ended.ids()) == (1, ["other-model"])


def test_what_serves_is_asked_although_a_newer_job_has_begun(
    run: Run, account: OwnedAccount
) -> None:
    account.jobs = [make_job(OLDER, "InProgress"), make_job(NAME, "Completed")]
    assert run("try", "policy-review", "Is it?").code == 0
    assert event(account)["Try"]["job_name"] == NAME


def test_throughput_serves_as_well(run: Run, account: OwnedAccount) -> None:
    account.deployments.clear()
    account.throughput(f"{NAME}-abc123", job="policy-review")
    assert run("try", "policy-review", "Is it?").code == 0


def test_an_unknown_job_is_answered_with_one_that_is_near(run: Run, account: OwnedAccount) -> None:
    ended = run("try", "polcy-review", "Is it?", "--json")
    assert (ended.code, ended.ids()) == (1, ["no-job"])
    assert "policy-review" in ended.answer["findings"][0]["fix"]
    assert "Invoke" not in account.names()


def test_a_job_that_was_never_submitted_is_named_with_its_stack(
    run: Run, account: OwnedAccount
) -> None:
    account.jobs = []
    ended = run("try", "policy-review", "Is it?", "--json")
    assert (ended.code, ended.ids()) == (1, ["no-job"])
    assert "finetune-dev-job-policy-review" in ended.answer["findings"][0]["fix"]


def test_a_model_that_is_not_deployed_is_told_with_how_to_deploy_it(
    run: Run, account: OwnedAccount
) -> None:
    account.deployments.clear()
    ended = run("try", "policy-review", "Is it?", "--json")
    assert (ended.code, ended.ids()) == (1, ["not-deployed"])
    fix = ended.answer["findings"][0]["fix"]
    assert "jobs.policy-review.deployment.kind" in fix
    assert "on_demand" in fix
    assert "inference.enabled" in fix


def test_a_deployment_that_is_not_ready_is_told_since_when(run: Run, account: OwnedAccount) -> None:
    since = datetime.now(UTC) - timedelta(minutes=4)
    account.deployments[f"{NAME}-abc123"] = {"status": "Creating", "createdAt": since}
    ended = run("try", "policy-review", "Is it?", "--json")
    assert (ended.code, ended.ids()) == (4, ["still-deploying"])
    assert f"since {since:%H:%M} UTC (4 min)" in ended.answer["findings"][0]["message"]
    assert "Invoke" not in account.names()


def test_a_deployment_that_failed_is_told_with_bedrocks_reason(
    run: Run, account: OwnedAccount
) -> None:
    account.deployments[f"{NAME}-abc123"] = {"status": "Failed", "failureMessage": "no room"}
    ended = run("try", "policy-review", "Is it?", "--json")
    assert (ended.code, ended.ids()) == (1, ["deployment-failed"])
    assert "no room" in ended.answer["findings"][0]["message"]


def test_who_may_not_list_deployments_may_still_ask(run: Run, account: OwnedAccount) -> None:
    account.refusals["ListCustomModelDeployments"] = RefusalError("AccessDeniedException")
    assert run("try", "policy-review", "Is it?").code == 0


def test_who_is_no_tester_is_told_who_is(run: Run, account: OwnedAccount) -> None:
    account.refusals["AssumeRole"] = RefusalError("AccessDenied")
    ended = run("try", "policy-review", "Is it?", "--json")
    assert (ended.code, ended.ids()) == (3, ["access-denied"])
    assert "people.invokers" in ended.answer["findings"][0]["fix"]


def test_an_environment_that_calls_no_models_is_told_so(run: Run, account: OwnedAccount) -> None:
    account.functions.clear()
    ended = run("try", "policy-review", "Is it?", "--json")
    assert (ended.code, ended.ids()) == (1, ["no-inference"])
    assert "inference.enabled" in ended.answer["findings"][0]["fix"]


REFUSED = "the model cannot be asked: {}; likely cause: one; remedy: do this"


@pytest.mark.parametrize(
    ("said", "code", "expected"),
    [
        (REFUSED.format("ThrottlingException: Too many tokens"), 3, "throttled"),
        (REFUSED.format("ModelNotReadyException: not yet"), 3, "throttled"),
        (REFUSED.format("AccessDeniedException: not authorized"), 3, "access-denied"),
        (REFUSED.format("ValidationException: maximum tokens"), 3, "not-answered"),
        ("there was no answer after 60 seconds; remedy: do this", 4, "not-answered"),
        ("Task timed out after 900.00 seconds", 4, "not-answered"),
    ],
)
def test_what_the_function_raises_is_told_in_its_own_words(
    *, run: Run, account: OwnedAccount, said: str, code: int, expected: str
) -> None:
    account.functions["finetune-dev-invoker"] = {
        "errorMessage": said,
        "errorType": "InvocationError",
    }
    ended = run("try", "policy-review", "Is it?", "--json")
    assert (ended.code, ended.ids()) == (code, [expected])
    (finding,) = ended.answer["findings"]
    assert said.partition("; remedy")[0] in finding["message"]
    assert finding["fix"] == "do this" or "remedy" not in said


def test_what_the_function_would_refuse_is_refused_before_it_is_called(
    run: Run, account: OwnedAccount
) -> None:
    assert run("try", "policy-review", "x" * 20_001, "--json").ids() == ["long-prompt"]
    assert run("try", "policy-review", "x", "--max-tokens", "4097", "--json").ids() == [
        "many-tokens"
    ]
    assert "Invoke" not in account.names()
    # The twin: the most that is allowed.
    assert run("try", "policy-review", "x" * 20_000, "--max-tokens", "4096").code == 0


@pytest.mark.parametrize("prompt", ["", "  \n"])
def test_an_empty_prompt_is_wrong_use(run: Run, account: OwnedAccount, prompt: str) -> None:
    ended = run("try", "policy-review", prompt, "--json")
    assert (ended.code, ended.ids()) == (2, ["empty-prompt"])
    assert "Invoke" not in account.names()
