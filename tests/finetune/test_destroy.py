"""`finetune destroy`: the right order, nothing by surprise, and going on where it stopped."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import boto3
import pytest

from finetune.clean_up.plan import DATA_TYPES
from finetune.clean_up.wanted import JOB_PART, PARTS
from tests.finetune.aws_fake import RefusalError
from tests.finetune.conftest import Ended, Run
from tests.finetune.owned_account import MODEL_TYPE, HeldStack, OwnedAccount
from tests.security.app_deployment import AppDeployment

MODEL = "dev-policy-review-0123456789abcdef"
SHARED = ("identity", "encryption", "network", "storage", "access", "engine")
ORDER = [
    "finetune-dev-job-policy-review",
    *(f"finetune-dev-{part}" for part in reversed(SHARED)),
]


def settings(project: Path, *, retain: bool) -> None:
    path = project / "config" / "dev.yaml"
    path.write_text(path.read_text().replace("retain: false", f"retain: {str(retain).lower()}"))


def deployed(fake: OwnedAccount, *, retain: bool, on_delete: str = "delete-model") -> OwnedAccount:
    """The development environment as it is deployed, with data, keys and a model."""
    for part in SHARED:
        fake.stack(part, protected=retain)
    _, encryption, network, storage, _, engine = fake.held
    for key in ("data-key", "model-key"):
        encryption.holds("AWS::KMS::Key", key, stays=retain)
        fake.keys[key] = "Enabled"
    network.holds("AWS::EC2::VPC", "vpc-1")
    for bucket in ("finetune-dev-storage-data", "finetune-dev-storage-logs"):
        storage.holds("AWS::S3::Bucket", bucket, stays=retain)
        fake.buckets[bucket] = ["an-object"]
    engine.holds("AWS::DynamoDB::Table", "finetune-dev-jobs", stays=retain)
    fake.job_stack("policy-review", MODEL, on_delete=on_delete)
    fake.models[MODEL]["key"] = "model-key"
    return fake


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch, project: Path) -> OwnedAccount:
    """An account; nothing in it yet."""
    del project
    fake = OwnedAccount()
    monkeypatch.setattr(boto3, "Session", fake.session)
    monkeypatch.setattr("finetune.clean_up.stack_deletion.time.sleep", lambda _: None)
    monkeypatch.setattr("finetune.clean_up.teardown.time.sleep", lambda _: None)
    return fake


def named(stack: str) -> str:
    """The name of a stack that is named by its ARN, or by its name."""
    return stack.split("/")[1] if "/" in stack else stack


def deletions(fake: OwnedAccount) -> list[str]:
    return [
        named(arguments["StackName"]) for name, arguments in fake.calls if name == "DeleteStack"
    ]


def errors(ended: Ended) -> list[str]:
    return [each["id"] for each in ended.answer["findings"] if each["level"] == "error"]


def test_the_order_is_that_of_the_app(
    variant: Callable[[Mapping[str, Any]], AppDeployment],
) -> None:
    """Against the stacks that the app makes, each after those it depends on."""
    made = variant({"inference": {"enabled": True}})
    prefix = f"finetune-{made.settings.environment}-"
    needs = {
        stack.removeprefix(prefix): {
            each.removeprefix(prefix) for each in made.dependencies.get(stack, ())
        }
        for stack in made.templates
    }
    shared = {part for part in needs if not part.startswith(JOB_PART)}
    assert shared == set(PARTS)
    for part in shared:
        assert all(PARTS.index(each) < PARTS.index(part) for each in needs[part]), part
    # No foundation needs a job, so that jobs can go first.
    assert {each for part in shared for each in needs[part]} < set(PARTS)


@pytest.mark.parametrize("retain", [True, False])
def test_the_app_keeps_all_that_holds_data_or_nothing(
    variant: Callable[[Mapping[str, Any]], AppDeployment], retain: bool
) -> None:
    """A destroy is refused where what is deployed does something else than the setting says."""
    made = variant({"inference": {"enabled": True}, "storage": {"retain": retain}})
    policies = {
        f"{stack}.{name}": resource.get("DeletionPolicy")
        for stack, template in made.templates.items()
        for name, resource in template["Resources"].items()
        if resource["Type"] in DATA_TYPES
    }
    assert len(policies) > 10
    expected = {"Retain", "RetainExceptOnCreate"} if retain else {"Delete"}
    assert {name for name, policy in policies.items() if policy not in expected} == set()


def test_everything_goes_jobs_first_and_foundations_last(run: Run, account: OwnedAccount) -> None:
    deployed(account, retain=False)
    ended = run("destroy", "--yes", "--json")
    assert ended.code == 0, ended.out
    assert deletions(account) == ORDER
    assert ended.answer["destroyed"] == ORDER
    assert not account.held
    assert not account.buckets
    assert not account.models
    assert set(account.keys.values()) == {"PendingDeletion"}


def test_a_jobs_stack_without_tags_goes_by_its_name(run: Run, account: OwnedAccount) -> None:
    deployed(account, retain=False)
    account.job_stack("second", "dev-second-0123456789abcdef", tagged=False)
    ended = run("destroy", "--yes", "--json")
    assert ended.code == 0, ended.out
    assert "finetune-dev-job-second" in ended.answer["destroyed"]
    assert not account.held


@pytest.mark.parametrize(
    ("name", "environment", "tagged", "holds_a_job"),
    [
        ("finetune-dev-job-other", "dev", False, False),
        ("finetune-dev-job-other", "another", True, True),
        ("finetune-prod-job-other", "prod", False, True),
        ("finetune-dev-jobs", "dev", False, True),
    ],
)
def test_a_stack_that_is_only_called_so_stays(
    *,
    run: Run,
    account: OwnedAccount,
    name: str,
    environment: str,
    tagged: bool,
    holds_a_job: bool,
) -> None:
    deployed(account, retain=False)
    other = HeldStack(name=name, environment=environment, tagged=tagged)
    other.holds(MODEL_TYPE if holds_a_job else "AWS::SNS::Topic", "somebodys")
    account.held.append(other)
    run("destroy", "--yes", "--json")
    assert account.held == [other]


def test_jobs_go_side_by_side(run: Run, account: OwnedAccount) -> None:
    deployed(account, retain=False)
    account.job_stack("second", "dev-second-0123456789abcdef")
    assert run("destroy", "--yes", "--json").code == 0
    calls = account.names()
    both = [number for number, name in enumerate(calls) if name == "DeleteStack"][:2]
    # The second is asked for before the first is waited for to its end.
    between = [
        named(arguments["StackName"])
        for name, arguments in account.calls[both[0] + 1 : both[1]]
        if name == "DescribeStacks"
    ]
    assert between == [deletions(account)[1]]


def test_what_goes_and_what_stays_is_said_before_anything_is_asked(
    run: Run, account: OwnedAccount
) -> None:
    deployed(account, retain=False)
    ended = run("destroy")
    assert ended.code == 2
    assert not deletions(account)
    assert f"goes: the model {MODEL}" in ended.out
    assert "goes: the bucket finetune-dev-storage-data, with every version" in ended.out
    assert "goes: the key data-key, 7 days later" in ended.out


def test_only_the_typed_name_destroys(
    run: Run, account: OwnedAccount, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed(account, retain=False)
    monkeypatch.setattr("sys.stdin.isatty", lambda: True)
    monkeypatch.setattr("builtins.input", lambda _: "prod")
    assert run("destroy").code == 130
    assert not deletions(account)
    monkeypatch.setattr("builtins.input", lambda _: "dev")
    assert run("destroy").code == 0
    assert deletions(account) == ORDER


def test_what_is_kept_stays_and_is_written_down(
    run: Run, account: OwnedAccount, project: Path
) -> None:
    settings(project, retain=True)
    deployed(account, retain=True)
    ended = run("destroy", "--yes", "--unprotect", "--json")
    assert ended.code == 0, ended.out
    assert set(account.buckets) == {"finetune-dev-storage-data", "finetune-dev-storage-logs"}
    assert account.buckets["finetune-dev-storage-data"] == ["an-object"]
    assert set(account.keys.values()) == {"Enabled"}
    fates = {each["name"]: each["fate"] for each in ended.answer["things"]}
    assert fates["finetune-dev-storage-data"] == "kept"
    assert fates["data-key"] == "kept"
    written = project / "config" / "kept" / "finetune-dev-encryption.json"
    assert str(written) in ended.answer["kept_files"]
    # As `cdk import --resource-mapping` reads it.
    assert json.loads(written.read_text()) == {
        "R0": {"KeyId": "data-key"},
        "R1": {"KeyId": "model-key"},
    }


def test_protected_stacks_go_only_when_that_is_said(
    run: Run, account: OwnedAccount, project: Path
) -> None:
    settings(project, retain=True)
    deployed(account, retain=True)
    ended = run("destroy", "--yes", "--json")
    assert (ended.code, errors(ended)) == (2, ["protected"])
    assert not deletions(account)
    assert run("destroy", "--yes", "--unprotect", "--json").code == 0


@pytest.mark.parametrize("retain", [True, False])
def test_a_policy_that_was_not_deployed_is_told_before_anything_goes(
    run: Run, account: OwnedAccount, project: Path, retain: bool
) -> None:
    settings(project, retain=retain)
    deployed(account, retain=not retain)
    ended = run("destroy", "--yes", "--unprotect", "--json")
    assert (ended.code, errors(ended)) == (1, ["policy-differs"])
    assert "storage.retain" in ended.answer["findings"][0]["fix"]
    assert not deletions(account)


def test_a_models_policy_that_was_not_deployed_is_told_before_anything_goes(
    run: Run, account: OwnedAccount
) -> None:
    deployed(account, retain=False, on_delete="keep-model")
    ended = run("destroy", "--yes", "--json")
    assert ended.code == 1
    assert "policy-differs" in errors(ended)
    assert not deletions(account)


def test_a_model_does_not_stay_without_its_key(run: Run, account: OwnedAccount) -> None:
    deployed(account, retain=False)
    older = "dev-policy-review-fedcba9876543210"
    account.model(older, job="policy-review", key="model-key")
    ended = run("destroy", "--yes", "--json")
    assert (ended.code, errors(ended)) == (1, ["model-without-key"])
    assert older in ended.answer["findings"][0]["message"]
    assert not deletions(account)
    # The twin: with another key it may stay.
    account.models[older]["key"] = "somebody-elses"
    assert run("destroy", "--yes", "--json").code == 0
    assert older in account.models


def test_interfaces_that_aws_releases_late_are_waited_for(run: Run, account: OwnedAccount) -> None:
    deployed(account, retain=False)
    account.interfaces = [
        {
            "NetworkInterfaceId": f"eni-{number}",
            "VpcId": "vpc-1",
            "InterfaceType": "lambda",
            "TagSet": [],
            "Status": "in-use",
        }
        for number in range(3)
    ]
    ended = run("destroy", "--yes")
    assert ended.code == 0, ended.err
    assert "waits for 3 network interfaces" in ended.out
    last_look = max(
        number for number, name in enumerate(account.names())
        if name == "DescribeNetworkInterfaces"
    )  # fmt: skip
    (network,) = (
        number
        for number, (name, arguments) in enumerate(account.calls)
        if name == "DeleteStack" and named(arguments["StackName"]) == "finetune-dev-network"
    )
    assert account.interfaces == []
    assert last_look < network


def test_a_deletion_that_fails_for_what_is_released_late_is_asked_for_again(
    run: Run, account: OwnedAccount
) -> None:
    deployed(account, retain=False)
    account.held[2].refused = ["resource sg-1 has a dependent object (DependencyViolation)"]
    ended = run("destroy", "--yes")
    assert ended.code == 0, ended.err
    assert deletions(account).count("finetune-dev-network") == 2


def test_a_deletion_that_fails_for_another_reason_ends_with_it(
    run: Run, account: OwnedAccount
) -> None:
    deployed(account, retain=False)
    account.held[3].refused = ["Access denied by a policy of the organization"]
    ended = run("destroy", "--yes", "--json")
    assert (ended.code, errors(ended)) == (1, ["stack-stays"])
    assert "organization" in ended.answer["findings"][0]["message"]
    # What it needs is not touched, and another run goes on from there.
    assert {held.name for held in account.held} == {
        f"finetune-dev-{part}" for part in ("identity", "encryption", "network", "storage")
    }
    ended = run("destroy", "--yes", "--json")
    assert ended.code == 0, ended.out
    assert ended.answer["destroyed"][0] == "finetune-dev-storage"
    assert not account.held


def test_each_job_that_cannot_go_is_told_with_its_own_reason(
    run: Run, account: OwnedAccount
) -> None:
    """The second fails while the first is waited for."""
    deployed(account, retain=False)
    account.held[-1].refused = ["the first reason"]
    account.job_stack("second", "dev-second-0123456789abcdef").refused = ["the second reason"]
    ended = run("destroy", "--yes", "--json")
    assert (ended.code, errors(ended)) == (1, ["stack-stays", "stack-stays"])
    told = [each["message"] for each in ended.answer["findings"]]
    assert ["the first reason" in told[0], "the second reason" in told[1]] == [True, True]
    # Reasons of an earlier run are not told again.
    account.held[-1].refused = ["the third reason"]
    told = [each["message"] for each in run("destroy", "--yes", "--json").answer["findings"]]
    assert "the third reason" in told[0]
    assert "the second reason" not in told[0]


def test_a_job_that_cannot_go_keeps_the_foundations(run: Run, account: OwnedAccount) -> None:
    deployed(account, retain=False)
    account.held[-1].refused = ["throughput under a commitment until 2026-12-24"]
    ended = run("destroy", "--yes", "--json")
    assert (ended.code, errors(ended)) == (1, ["stack-stays"])
    assert "2026-12-24" in ended.answer["findings"][0]["message"]
    assert len(account.held) == len(SHARED) + 1


def test_who_may_not_empty_a_bucket_is_told_who_may(run: Run, account: OwnedAccount) -> None:
    deployed(account, retain=False)
    account.refusals["DeleteObjects"] = RefusalError("AccessDenied")
    ended = run("destroy", "--yes", "--json")
    assert (ended.code, errors(ended)) == (3, ["access-denied"])
    assert "--administrator" in ended.answer["findings"][0]["fix"]
    # The twin: as the role that is named.
    del account.refusals["DeleteObjects"]
    role = "arn:aws:iam::123456789012:role/finetune-administrator"
    assert run("destroy", "--yes", "--administrator", role, "--json").code == 0
    assert ("AssumeRole", {"RoleArn": role, "RoleSessionName": "finetune"}) in account.calls


def test_after_a_destroy_what_is_forgotten_ends_it_with_1(run: Run, account: OwnedAccount) -> None:
    deployed(account, retain=False)
    account.throughput("dev-gone-0123456789abcdef-abc123", job="gone")
    ended = run("destroy", "--yes", "--json")
    assert (ended.code, errors(ended)) == (1, ["forgotten"])
    assert not account.held


def test_where_nothing_is_deployed_there_is_nothing_to_ask(run: Run, account: OwnedAccount) -> None:
    ended = run("destroy", "--json")
    assert (ended.code, ended.answer["destroyed"]) == (0, [])
    assert not deletions(account)
