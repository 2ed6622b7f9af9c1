"""`finetune doctor` and `models refresh` in the rehearsal find what is planted in the account."""

from __future__ import annotations

import json
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import yaml

from bedrock_finetuning.naming import Names
from finetune import checkup, environments, main
from rehearsal import emulator_process, kept
from rehearsal.client import Client
from rehearsal.emulator_process import Emulator
from rehearsal.people import become
from rehearsal.world import world_of
from settings import load_settings
from tests.finetune.conftest import ROOT

pytestmark = pytest.mark.slow

NOVA = "amazon.nova-2-lite-v1:0:256k"
OTHER = "444455556666"
VERSION = "/cdk-bootstrap/hnb659fds/version"
NAMES = Names(environment="dev", region="us-east-1")
LOGS: Mapping[str, Any] = {"bucket": "logs-of-calls", "prefix": "calls/"}
GRADED: Mapping[str, Any] = {
    "base_model": NOVA,
    "customization_type": "REINFORCEMENT_FINE_TUNING",
    "reinforcement": {"grader_function": "reward"},
    "invocation_logs": LOGS,
}
TEACHER = "amazon.nova-pro-v1:0"
DISTILLED: Mapping[str, Any] = {
    "base_model": "amazon.nova-micro-v1:0:128k",
    "customization_type": "DISTILLATION",
    "distillation": {"teacher": TEACHER},
    "invocation_logs": LOGS,
}
DENY = {"Statement": [{"Effect": "Deny", "Action": "kms:CreateKey", "Resource": "*"}]}
TRUST = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "lambda.amazonaws.com"},
        }
    ],
}
EMPTY = {"Resources": {"Q": {"Type": "AWS::SQS::Queue"}}}


class Account:
    """The emulated account, what is planted in it, and how to take it out again."""

    def __init__(self, *, client: Client, emulator: Emulator) -> None:
        self.client = client
        self.file = emulator.state / "account.json"
        self.afterwards: list[Callable[[], object]] = []

    def plant(self, **facts: Any) -> None:
        """Plant what the account tells of itself."""
        self.file.write_text(json.dumps(facts), encoding="utf-8")

    def undo(self) -> None:
        """Take out what was planted."""
        self.file.unlink(missing_ok=True)
        while self.afterwards:
            self.afterwards.pop()()

    def service(self, name: str) -> Any:  # noqa: ANN401 - boto3's clients are untyped here
        """A client of the account's root."""
        return self.client.service(name)


@pytest.fixture(scope="module")
def emulator(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Emulator]:
    """An emulator of the development environment's Region, with its base models."""
    world = world_of(load_settings(environment="dev", directory=ROOT / "config"))
    state = tmp_path_factory.mktemp("account")
    running = emulator_process.start(state=state, world=world, ends_with_parent=True)
    try:
        running.wait_until_ready()
        yield running
    finally:
        running.end()


@pytest.fixture(scope="module")
def ready(emulator: Emulator) -> Account:
    """An account that is ready, with an engineer in a kept rehearsal."""
    world = world_of(load_settings(environment="dev", directory=ROOT / "config"))
    client = Client(
        endpoint=emulator.endpoint,
        ca_file=emulator.ca_file,
        region=world.region,
        account=world.account,
    )
    person = become(client=client, people=["role/engineer"], session_name="test")
    file = emulator.state / "kept.json"
    kept.write(person=person, pid=emulator.pid, state=emulator.state, path=file)
    client.service("ssm").put_parameter(Name=VERSION, Value="30", Type="String")
    client.service("s3").create_bucket(Bucket=LOGS["bucket"])
    return Account(client=client, emulator=emulator)


@pytest.fixture
def account(
    ready: Account, emulator: Emulator, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Account]:
    """The same with nothing planted."""
    monkeypatch.setattr(environments, "REHEARSAL_FILE", emulator.state / "kept.json")
    yield ready
    ready.undo()


Run = Callable[..., tuple[int, dict[str, Any]]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run a command with settings of its own; return its exit code and its JSON object."""

    def one(*arguments: str, **changes: Any) -> tuple[int, dict[str, Any]]:
        values = yaml.safe_load((ROOT / "config" / "dev.yaml").read_text())
        (tmp_path / "dev.yaml").write_text(yaml.safe_dump({**values, **changes}))
        lock = (ROOT / "config" / "datasets.lock.json").read_text()
        (tmp_path / "datasets.lock.json").write_text(lock)
        options = ["--rehearsal", "--config", str(tmp_path), "--json"]
        monkeypatch.setattr(sys, "argv", ["finetune", *arguments, *options])
        with pytest.raises(SystemExit) as ended:
            main.main()
        return int(str(ended.value.code or 0)), json.loads(capsys.readouterr().out)

    return one


def told(**facts: Any) -> Callable[[Account], None]:
    """What the account tells of itself."""
    return lambda account: account.plant(**facts)


def not_bootstrapped(account: Account) -> None:
    ssm = account.service("ssm")
    ssm.delete_parameter(Name=VERSION)
    account.afterwards.append(
        lambda: ssm.put_parameter(Name=VERSION, Value="30", Type="String", Overwrite=True)
    )


def old_bootstrap(account: Account) -> None:
    ssm = account.service("ssm")
    ssm.put_parameter(Name=VERSION, Value="5", Type="String", Overwrite=True)
    account.afterwards.append(
        lambda: ssm.put_parameter(Name=VERSION, Value="30", Type="String", Overwrite=True)
    )


def denied(account: Account) -> None:
    iam = account.service("iam")
    iam.put_role_policy(
        RoleName="engineer",
        PolicyName="deny",
        PolicyDocument=json.dumps({"Version": "2012-10-17", **DENY}),
    )
    account.afterwards.append(
        lambda: iam.delete_role_policy(RoleName="engineer", PolicyName="deny")
    )


def role_taken(account: Account) -> None:
    iam, name = account.service("iam"), NAMES.customization_role
    iam.create_role(RoleName=name, AssumeRolePolicyDocument=json.dumps(TRUST))
    account.afterwards.append(lambda: iam.delete_role(RoleName=name))


def table_taken(account: Account) -> None:
    dynamodb, name = account.service("dynamodb"), NAMES.state_table
    dynamodb.create_table(
        TableName=name,
        KeySchema=[{"AttributeName": "Id", "KeyType": "HASH"}],
        AttributeDefinitions=[{"AttributeName": "Id", "AttributeType": "S"}],
        BillingMode="PAY_PER_REQUEST",
    )
    account.afterwards.append(lambda: dynamodb.delete_table(TableName=name))


def stack(part: str, template: Mapping[str, Any]) -> Callable[[Account], None]:
    """A stack of the environment that is there."""

    def plant(account: Account) -> None:
        cloudformation = account.service("cloudformation")
        name = NAMES.stack(part)
        cloudformation.create_stack(
            StackName=name,
            TemplateBody=json.dumps(template),
            Capabilities=["CAPABILITY_NAMED_IAM"],
        )
        account.afterwards.append(lambda: cloudformation.delete_stack(StackName=name))

    return plant


def outputs(**values: str) -> dict[str, Any]:
    return {**EMPTY, "Outputs": {name: {"Value": value} for name, value in values.items()}}


def stuck(account: Account) -> None:
    """A stack whose creation fails, and that is left as it was rolled back."""
    policy = {
        "Type": "AWS::IAM::Policy",
        "Properties": {
            "PolicyName": "own",
            "PolicyDocument": {"Version": "2012-10-17", "Statement": []},
            "Roles": ["there-is-no-such-role"],
        },
    }
    broken = {"Resources": {"Policy": policy}}
    stack("network", broken)(account)
    cloudformation = account.service("cloudformation")
    for _ in range(200):
        found = cloudformation.describe_stacks(StackName=NAMES.stack("network"))["Stacks"][0]
        if not found["StackStatus"].endswith("_IN_PROGRESS"):
            assert found["StackStatus"] == "ROLLBACK_COMPLETE"
            return


def disabled_key(account: Account) -> None:
    kms = account.service("kms")
    arn = kms.create_key()["KeyMetadata"]["Arn"]
    kms.disable_key(KeyId=arn)
    stack("encryption", outputs(DataKeyArn=arn, ModelKeyArn=arn))(account)


def no_bucket(account: Account) -> None:
    stack("storage", outputs(DataBucketName="there-is-no-such-bucket"))(account)


def bucket_elsewhere(account: Account) -> None:
    s3 = account.service("s3")
    s3.create_bucket(
        Bucket="somewhere-else", CreateBucketConfiguration={"LocationConstraint": "eu-west-1"}
    )
    account.afterwards.append(lambda: s3.delete_bucket(Bucket="somewhere-else"))
    stack("storage", outputs(DataBucketName="somewhere-else"))(account)


def quick_grader(account: Account) -> None:
    """A function with Lambda's own timeout."""
    import io  # noqa: PLC0415 here only
    import zipfile  # noqa: PLC0415

    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as file:
        file.writestr("index.py", "def handler(event, context): return 1")
    iam, functions = account.service("iam"), account.service("lambda")
    role = iam.create_role(RoleName="reward", AssumeRolePolicyDocument=json.dumps(TRUST))["Role"]
    functions.create_function(
        FunctionName="reward",
        Runtime="python3.13",
        Handler="index.handler",
        Role=role["Arn"],
        Code={"ZipFile": content.getvalue()},
        Timeout=3,
    )
    account.afterwards.append(lambda: iam.delete_role(RoleName="reward"))
    account.afterwards.append(lambda: functions.delete_function(FunctionName="reward"))


def nothing(account: Account) -> None:
    del account


PLANTED: list[tuple[str, Callable[[Account], None], dict[str, Any]]] = [
    ("other-account", nothing, {"account": OTHER}),
    ("region-not-enabled", told(region_not_enabled=True), {}),
    ("zone-missing", told(zones="abcde"), {}),
    ("zone-left-out", told(zones="abcdefg"), {}),
    ("endpoint-refuses-zone", told(endpoints={"kms": ["c", "d"]}), {}),
    ("endpoint-service-missing", told(endpoints={"bedrock": []}), {}),
    ("prefix-list-differs", told(prefix_lists={"s3": "pl-0123456789abcdef0"}), {}),
    ("not-bootstrapped", not_bootstrapped, {}),
    ("bootstrap-too-old", old_bootstrap, {}),
    ("denied-by-organization", told(organization_refuses=["ec2:CreateVpc"]), {}),
    ("denied-to-you", denied, {}),
    ("stack-stuck", stuck, {}),
    ("name-taken", role_taken, {}),
    ("name-taken", table_taken, {}),
    ("no-concurrency-left", told(concurrent_executions=10),
     {"engine": {"reserved_concurrency": 1}}),
    ("model-not-in-region", told(absent_models=[NOVA]), {}),
    ("model-legacy", told(legacy_models=[NOVA]), {}),
    ("teacher-legacy", told(legacy_models=[TEACHER]), {"jobs": {"taught": DISTILLED}}),
    ("method-not-offered", told(customizations={NOVA: ["DISTILLATION"]}), {}),
    ("model-access-missing", told(access={NOVA: {"authorizationStatus": "NOT_AUTHORIZED"}}), {}),
    ("job-name-taken", told(jobs_of_others=["dev-policy-review-0123456789abcdef"]), {}),
    ("no-models-left", told(quotas={"L-CB5B847D": 0.0}), {}),
    ("no-jobs-left", told(jobs_of_others=[f"theirs-{number}" for number in range(10)]), {}),
    ("grader-missing", nothing, {"jobs": {"rated": GRADED}}),
    ("grader-timeout-short", quick_grader, {"jobs": {"rated": GRADED}}),
    ("key-not-usable", disabled_key, {}),
    ("bucket-missing", no_bucket, {}),
    ("bucket-elsewhere", bucket_elsewhere, {}),
]  # fmt: skip


def test_an_account_that_is_ready_has_no_finding(run: Run, account: Account) -> None:
    del account
    code, answer = run("doctor")
    assert (code, answer["findings"]) == (0, [])
    assert set(answer["checks"].values()) == {"ok"}
    assert [quota["limit"] for quota in answer["quotas"]] == [100, 10]


@pytest.mark.parametrize("planted", PLANTED, ids=lambda planted: planted[0])
def test_what_is_planted_in_the_account_is_found(
    planted: tuple[str, Callable[[Account], None], dict[str, Any]], run: Run, account: Account
) -> None:
    id, plant, changes = planted
    plant(account)
    code, answer = run("doctor", **changes)
    found = [finding for finding in answer["findings"] if finding["id"] == id]
    assert found, answer["findings"]
    assert {finding["id"] for finding in answer["findings"]} == {id}
    assert code == (1 if found[0]["level"] == "error" else 0)


def test_every_finding_is_planted_in_the_rehearsal() -> None:
    """Read from the source, so that a new finding without a cause is noticed."""
    text = Path(checkup.__file__).read_text(encoding="utf-8")
    ids = {line.split('"')[1] for line in text.splitlines() if line.strip().startswith('id="')}
    assert ids == {id for id, _, _ in PLANTED}


def test_a_refresh_shows_what_the_account_says_otherwise(run: Run, account: Account) -> None:
    code, before = run("models", "refresh")
    assert code == 1
    account.plant(legacy_models=[NOVA], absent_models=["amazon.nova-micro-v1:0:128k"])
    code, answer = run("models", "refresh")
    assert code == 1
    known = {(one["model"], one["fact"]) for one in before["differences"]}
    new = {
        (one["model"], one["fact"]): one["seen"]
        for one in answer["differences"]
        if (one["model"], one["fact"]) not in known
    }
    assert new[NOVA, "state"] == "legacy"
    assert new["amazon.nova-micro-v1:0:128k", "regions"] == []
