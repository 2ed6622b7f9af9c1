"""`finetune leftovers`: what is there, apart by who wants it, and taking away the forgotten."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.finetune.aws_fake import RefusalError
from tests.finetune.conftest import Ended, Run
from tests.finetune.owned_account import TAG, OwnedAccount

MODEL = "dev-policy-review-0123456789abcdef"
OTHER = "dev-old-0123456789abcdef"


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, project: Path) -> OwnedAccount:
    """An account in which the development environment stands, with its one job."""
    del project
    fake = OwnedAccount()
    monkeypatch.setattr(boto3, "Session", fake.session)
    monkeypatch.setattr("finetune.clean_up.stack_deletion.time.sleep", lambda _: None)
    for part in ("identity", "encryption", "network", "storage", "access", "engine"):
        fake.stack(part)
    fake.held[2].holds("AWS::EC2::VPC", "vpc-1")
    fake.job_stack("policy-review", MODEL)
    return fake


def errors(ended: Ended) -> list[str]:
    """Ids of the errors, without what is only uncertain."""
    return [each["id"] for each in ended.answer["findings"] if each["level"] == "error"]


def by_name(answer: dict[str, Any]) -> dict[str, dict[str, Any]]:
    return {each["name"]: each for each in answer["things"]}


def test_where_everything_is_wanted_the_command_ends_with_0(
    run: Run, account: OwnedAccount
) -> None:
    del account
    ended = run("leftovers", "--json")
    assert ended.code == 0, ended.err
    assert ended.answer["counts"] == {"in use": 9, "kept": 0, "forgotten": 0}
    assert ended.answer["regions"] == ["us-east-1"]


def test_what_is_forgotten_ends_the_command_with_1_and_is_named_with_its_price(
    run: Run, account: OwnedAccount
) -> None:
    account.throughput(f"{OTHER}-abc123", job="old", modelUnits=2)
    ended = run("leftovers", "--json")
    assert (ended.code, errors(ended)[-1]) == (1, "forgotten")
    found = by_name(ended.answer)[f"{OTHER}-abc123"]
    assert found["fate"] == "forgotten"
    # 2 units at $60.50 for 730 hours.
    assert found["month"]["dollars"] == pytest.approx(2 * 60.50 * 730)
    assert found["created"].startswith("2026-11-20")


def test_the_stack_of_a_job_taken_out_of_the_settings_is_found(
    run: Run, account: OwnedAccount
) -> None:
    account.job_stack("old", OTHER)
    found = by_name(run("leftovers", "--json").answer)
    assert found["finetune-dev-job-old"]["fate"] == "forgotten"
    assert found[OTHER]["with_stack"] == "finetune-dev-job-old"


def test_an_unknown_price_is_unknown_and_never_nothing(run: Run, account: OwnedAccount) -> None:
    account.throughput(f"{OTHER}-abc123", job="old", commitmentDuration="OneMonth")
    found = by_name(run("leftovers", "--json").answer)
    assert found[f"{OTHER}-abc123"]["month"]["dollars"] is None
    assert "commitment" in found[f"{OTHER}-abc123"]["month"]["how"]
    assert "unknown" in run("leftovers").out


def test_a_list_that_aws_refuses_ends_with_3_and_keeps_no_other_from_being_read(
    run: Run, account: OwnedAccount
) -> None:
    account.refusals["ListTables"] = RefusalError("AccessDeniedException")
    account.throughput(f"{OTHER}-abc123", job="old")
    ended = run("leftovers", "--json")
    # Nobody can say that nothing else is forgotten.
    assert (ended.code, errors(ended)) == (3, ["access-denied", "forgotten"])
    (refused,) = (each for each in ended.answer["findings"] if each["id"] == "access-denied")
    assert "tables" in refused["message"]
    assert by_name(ended.answer)[f"{OTHER}-abc123"]["fate"] == "forgotten"


def test_throughput_whose_tags_may_not_be_read_is_not_passed_over(
    run: Run, account: OwnedAccount
) -> None:
    account.throughput(f"{OTHER}-abc123", job="old")
    account.refused_tags = "AccessDeniedException"
    ended = run("leftovers", "--json")
    assert ended.code == 3
    assert any("throughput" in each["message"] for each in ended.answer["findings"])


def test_what_only_the_tagging_api_knows_is_told_and_judges_nobody(
    run: Run, account: OwnedAccount
) -> None:
    account.tagged = {
        "arn:aws:ec2:us-east-1:123456789012:subnet/subnet-1": "dev",
        "arn:aws:ec2:us-east-1:123456789012:vpc/vpc-1": "dev",
        "arn:aws:ec2:us-east-1:123456789012:subnet/subnet-2": "alice",
    }
    ended = run("leftovers", "--json")
    assert ended.code == 0
    # vpc-1 is known, subnet-2 another's.
    assert ended.answer["only_tagged"] == ["arn:aws:ec2:us-east-1:123456789012:subnet/subnet-1"]


def test_things_of_other_environments_are_seen_only_when_asked_for(
    run: Run, account: OwnedAccount
) -> None:
    account.model("alice-it-0123456789abcdef", job="it")
    arn = next(arn for arn in account.tags if "alice" in arn)
    account.tags[arn][TAG] = "alice"
    assert "alice-it-0123456789abcdef" not in by_name(run("leftovers", "--json").answer)
    ended = run("leftovers", "--all-environments", "--json")
    assert "alice-it-0123456789abcdef" in by_name(ended.answer)
    # Its settings are not here: it is told and never taken.
    run("leftovers", "--all-environments", "--delete", "--also-kept", "custom model", "--yes")
    assert "alice-it-0123456789abcdef" in account.models


def test_settings_that_are_wrong_elsewhere_keep_nobody_from_cleaning_up(
    run: Run, account: OwnedAccount, project: Path
) -> None:
    del account
    path = project / "config" / "dev.yaml"
    path.write_text(path.read_text() + "\nbudget: {month: 0.01}\nsomething: else\n")
    assert run("jobs", "--json").code == 2
    assert run("leftovers", "--json").code == 0


@pytest.mark.parametrize(
    ("change", "says"),
    [
        ("region: nowhere", "region"),
        ("storage: {retain: perhaps}", "storage.retain"),
        ("jobs: {it: {on_delete: burn}}", "jobs.it.on_delete"),
    ],
)
def test_settings_that_clean_up_depends_on_must_be_right(
    run: Run, account: OwnedAccount, project: Path, change: str, says: str
) -> None:
    del account
    base = "" if change.startswith("region") else "region: us-east-1\n"
    (project / "config" / "dev.yaml").write_text(f"{base}{change}\n")
    ended = run("leftovers", "--json")
    assert (ended.code, errors(ended)) == (2, ["wrong-settings"])
    assert says in ended.answer["findings"][0]["message"]


def test_an_environment_nobody_described_is_wrong_use(run: Run, account: OwnedAccount) -> None:
    del account
    ended = run("leftovers", "-e", "nowhere", "--json")
    assert (ended.code, errors(ended)) == (2, ["no-settings"])
    assert "dev" in ended.answer["findings"][0]["fix"]


# Deleting


def test_nothing_is_deleted_where_nobody_can_be_asked(run: Run, account: OwnedAccount) -> None:
    account.throughput(f"{OTHER}-abc123", job="old")
    ended = run("leftovers", "--delete", "--json")
    assert (ended.code, errors(ended)) == (2, ["not-confirmed"])
    assert [each["name"] for each in ended.answer["would_remove"]] == [f"{OTHER}-abc123"]
    assert account.throughputs


@pytest.mark.parametrize(("typed", "goes"), [("dev", True), ("yes", False), ("", False)])
def test_only_the_typed_name_of_the_environment_deletes(
    run: Run, account: OwnedAccount, monkeypatch: pytest.MonkeyPatch, typed: str, goes: bool
) -> None:
    account.throughput(f"{OTHER}-abc123", job="old")
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: typed)
    ended = run("leftovers", "--delete")
    assert ended.code == (0 if goes else 130), ended.err
    assert bool(account.throughputs) is not goes


def test_the_forgotten_goes_in_order_and_the_command_ends_with_0(
    run: Run, account: OwnedAccount
) -> None:
    account.job_stack("old", OTHER)
    account.model(f"{OTHER}-2", job="policy-review")
    account.throughput(f"{OTHER}-abc123", job="old", model=f"{OTHER}-2")
    account.topics["finetune-dev-engine-Topic"] = {TAG: "dev"}
    ended = run("leftovers", "--delete", "--yes", "--json")
    assert ended.code == 0, ended.out
    assert [each["kind"] for each in ended.answer["removed"]] == [
        "provisioned throughput",
        "stack",
        "topic",
    ]
    assert account.models == {
        MODEL: {"job": "policy-review", "key": ""},
        f"{OTHER}-2": {"job": "policy-review", "key": ""},
    }


def test_what_the_policy_keeps_goes_only_when_its_kind_is_named(
    run: Run, account: OwnedAccount
) -> None:
    # Another model took the place of this one; on_replace keeps it.
    account.model("dev-policy-review-fedcba9876543210", job="policy-review")
    assert run("leftovers", "--delete", "--yes", "--json").code == 0
    assert "dev-policy-review-fedcba9876543210" in account.models
    assert run("leftovers", "--delete", "--also-kept", "buckets", "--yes", "--json").code == 0
    assert "dev-policy-review-fedcba9876543210" in account.models
    assert run("leftovers", "--delete", "--also-kept", "custom model", "--yes").code == 0
    # Never what is in use.
    assert list(account.models) == [MODEL]


def test_no_key_goes_before_what_it_encrypts(
    run: Run, account: OwnedAccount, project: Path
) -> None:
    path = project / "config" / "dev.yaml"
    path.write_text(path.read_text().replace("retain: false", "retain: true"))
    account.keys["data-key"] = "Enabled"
    account.buckets["finetune-dev-storage-data"] = []
    take = ("leftovers", "--delete", "--yes", "--also-kept", "key")
    assert run(*take).code == 0
    assert account.keys == {"data-key": "Enabled"}
    # The twin: with the bucket it goes.
    assert run(*take, "--also-kept", "bucket").code == 0
    assert account.keys == {"data-key": "PendingDeletion"}


def test_what_does_not_carry_our_tag_is_never_deleted(run: Run, account: OwnedAccount) -> None:
    account.topics["finetune-dev-somebody"] = {}
    ended = run("leftovers", "--delete", "--also-kept", "topic", "--yes", "--json")
    assert (ended.code, ended.answer["removed"]) == (1, [])
    assert "finetune-dev-somebody" in account.topics
    # The twin: with the tag it goes.
    account.topics["finetune-dev-somebody"] = {TAG: "dev"}
    assert run("leftovers", "--delete", "--yes", "--json").code == 0
    assert not account.topics


def test_a_bucket_is_emptied_before_it_goes(run: Run, account: OwnedAccount) -> None:
    account.buckets["finetune-dev-storage-data"] = ["a", "b"]
    ended = run("leftovers", "--delete", "--yes", "--json")
    assert ended.code == 0, ended.out
    assert "2 versions" in ended.answer["removed"][0]["done"]
    assert not account.buckets


def test_one_that_aws_does_not_let_go_keeps_no_other_from_going(
    run: Run, account: OwnedAccount
) -> None:
    account.throughput(f"{OTHER}-abc123", job="old")
    account.topics["finetune-dev-engine-Topic"] = {TAG: "dev"}
    account.refusals["DeleteProvisionedModelThroughput"] = RefusalError("ConflictException")
    ended = run("leftovers", "--delete", "--yes", "--json")
    assert ended.code == 1
    assert [each["kind"] for each in ended.answer["removed"]] == ["topic"]
    assert errors(ended)[0] == "aws-error"


def test_nothing_is_deleted_in_another_account_than_the_settings_name(
    run: Run, account: OwnedAccount, project: Path
) -> None:
    account.throughput(f"{OTHER}-abc123", job="old")
    path = project / "config" / "dev.yaml"
    path.write_text(path.read_text() + '\naccount: "444455556666"\n')
    ended = run("leftovers", "--delete", "--yes", "--json")
    assert (ended.code, errors(ended)) == (3, ["other-account"])
    assert account.throughputs


@pytest.mark.parametrize(
    "arguments", [["--also-kept", "key"], ["--yes"], ["--delete", "--also-kept", "castle"]]
)
def test_options_that_mean_nothing_are_wrong_use(
    run: Run, account: OwnedAccount, arguments: list[str]
) -> None:
    del account
    assert run("leftovers", *arguments, "--json").code == 2
