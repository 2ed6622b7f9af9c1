"""`finetune train` goes from a file to a model, asks first, and does nothing twice."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import boto3
import pytest
import yaml

from finetune import train_deploy, train_phases
from finetune.report import CommandError, ExitCode
from finetune.train_deploy import Deployer
from rehearsal.toolkit import Assembly
from tests.finetune.aws_fake import FakeAws, RefusalError, make_job
from tests.finetune.conftest import ROOT, Run, lines

MODEL = "amazon.nova-2-lite-v1:0:256k"
FOUNDATIONS = ("identity", "encryption", "network", "storage", "access", "engine")
WRITES = {"PutObject", "CreateMultipartUpload"}
OUTPUTS = {
    "storage": {"DataBucketName": "data-bucket"},
    "encryption": {"DataKeyArn": "arn:aws:kms:us-east-1:123456789012:key/data"},
    "identity": {"UploaderRoleArn": "arn:aws:iam::123456789012:role/uploader"},
}


class KilledError(BaseException):
    """What happens to a process that is killed: nothing of it goes on."""


@dataclass
class Account(FakeAws):
    """An account in which the CDK deploys: stacks have templates, and a job's stack a job."""

    stacks: dict[str, dict[str, str]] = field(default_factory=dict)
    templates: dict[str, Any] = field(default_factory=dict)
    statuses: dict[str, str] = field(default_factory=dict)
    submitted: list[str] = field(default_factory=list)

    def deploy(self, stack: str, template: Mapping[str, Any]) -> None:
        """Bring a stack to a template; a job's stack submits what is new."""
        if self.templates.get(stack) == template:
            return
        part = stack.removeprefix("finetune-dev-")
        self.templates[stack] = template
        self.stacks[stack] = dict(OUTPUTS.get(part, {}))
        self.statuses[stack] = "CREATE_COMPLETE"
        if part.startswith("job-"):
            name = f"dev-{part.removeprefix('job-')}-{template['Digest']}"
            self.stacks[stack] = {"JobName": name, "State": "Validated"}
            self.submitted.append(name)
            self.jobs.insert(0, make_job(name, "Completed"))

    def _on_DescribeStacks(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        answer = super()._on_DescribeStacks(arguments)
        (stack,) = answer["Stacks"]
        name = arguments["StackName"]
        return {"Stacks": [{**stack, "StackStatus": self.statuses.get(name, "CREATE_COMPLETE")}]}

    def _on_GetTemplate(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return {"TemplateBody": json.dumps(self.templates[arguments["StackName"]])}


@dataclass
class Program:
    """The app and the CDK's command line, in memory: templates hold what they are made from."""

    account: Account
    folder: Path
    runs: list[list[str]] = field(default_factory=list)
    killed_at: str = ""
    """A stack before which, or `app` at which, the process is killed."""
    fails: bool = False
    """Whether jobs fail while their stacks wait for them."""
    synthesised: int = 0

    def run(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        more: Mapping[str, str],
        tick: Callable[[], None],
        look: Callable[[str], None] = lambda line: None,
    ) -> tuple[int, list[str]]:
        """Take the place of a process."""
        del cwd
        tick()
        self.runs.append(list(command))
        if "deploy" not in command:
            return self._synthesise(Path(more["FINETUNE_CONFIG"]), Path(more["CDK_OUTDIR"]))
        assembly = Assembly(folder=Path(command[command.index("--app") + 1]))
        for stack in command:
            if not stack.startswith("finetune-dev-"):
                continue
            if self.killed_at and stack.endswith(self.killed_at):
                raise KilledError
            look(f"{stack} |  0/2 | 1:00:00 PM | CREATE_IN_PROGRESS   | AWS::X | A")
            self.account.deploy(stack, assembly.template(stack))
            if self.fails and "-job-" in stack:
                self.account.jobs[0] |= {"status": "Failed", "failureMessage": "bad line 7"}
                return 1, [f"{stack} | 1 | 1:00 | CREATE_FAILED | X | Job (Job1) bad line 7"]
        return 0, []

    def _synthesise(self, config: Path, folder: Path) -> tuple[int, list[str]]:
        self.synthesised += 1
        if self.killed_at == "app":
            raise KilledError
        settings = yaml.safe_load((config / "dev.yaml").read_text())
        lock = json.loads((config / "datasets.lock.json").read_text())
        templates: dict[str, dict[str, Any]] = {
            part: {"Resources": {"A": {"Type": part}}} for part in FOUNDATIONS
        }
        for name, job in settings["jobs"].items():
            trained = [job, lock[job["dataset"]]["sha256"]]
            digest = f"{abs(hash(json.dumps(trained, sort_keys=True))):016x}"[:16]
            templates[f"job-{name}"] = {"Resources": {"J": {"Type": "job"}}, "Digest": digest}
        folder.mkdir(parents=True, exist_ok=True)
        artifacts = {}
        for part, template in templates.items():
            stack = f"finetune-dev-{part}"
            (folder / f"{stack}.template.json").write_text(json.dumps(template))
            artifacts[stack] = {"type": "aws:cloudformation:stack", "properties": {}}
        (folder / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
        return 0, []


@pytest.fixture
def account(monkeypatch: pytest.MonkeyPatch) -> Account:
    """An account with nothing in it."""
    fake = Account()
    monkeypatch.setattr(boto3, "Session", fake.session)
    return fake


@pytest.fixture
def program(account: Account, project: Path, monkeypatch: pytest.MonkeyPatch) -> Program:
    """The app and the CDK's command line on this account, and settings without a job."""
    made = Program(account=account, folder=project)
    monkeypatch.setattr(Deployer, "_run", made.run)
    monkeypatch.setattr(train_phases, "STACK_INTERVAL", 0.01)
    path = project / "config" / "dev.yaml"
    text = path.read_text()
    path.write_text(text[: text.index("# One stack for each.")] + "jobs: {}\n")
    return made


@pytest.fixture
def table(project: Path) -> Path:
    """A table of questions and answers."""
    path = project / "Support Tickets.csv"
    rows = "".join(f'"Where is report {n}?","It is in room {n * 7}."\n' for n in range(220))
    path.write_text("Question,Answer\n" + rows)
    return path


def settings_of(project: Path) -> dict[str, Any]:
    found: dict[str, Any] = yaml.safe_load((project / "config" / "dev.yaml").read_text())
    return found


def statuses(answer: Mapping[str, Any]) -> dict[str, str]:
    return {phase["name"]: phase["status"] for phase in answer["phases"]}


def test_a_table_becomes_a_model(
    run: Run, program: Program, account: Account, table: Path, project: Path
) -> None:
    ended = run("train", table, "--model", MODEL, "--yes", "--json")

    assert ended.code == 0, ended.out
    assert ended.answer["job"]["status"] == "Completed"
    assert settings_of(project)["jobs"] == {
        "support-tickets": {
            "base_model": MODEL,
            "dataset": "support-tickets",
            "hyperparameters": {"epochCount": 2},
        }
    }
    (stored,) = account.objects.values()
    assert len(stored.body.splitlines()) == 220
    assert json.loads(stored.body.splitlines()[0])["schemaVersion"] == "bedrock-conversation-2024"
    deployed = [command[-1] for command in program.runs if "deploy" in command]
    assert deployed == ["finetune-dev-engine", "finetune-dev-job-support-tickets"]
    order = account.names()
    assert order.index("PutObject") > order.index("AssumeRole")


def test_a_second_run_does_nothing_and_asks_nothing(
    run: Run, program: Program, account: Account, table: Path, project: Path
) -> None:
    assert run("train", table, "--model", MODEL, "--yes", "--json").code == 0
    program.runs.clear()
    account.calls.clear()
    before = {path: path.read_bytes() for path in (project / "config").iterdir()}

    ended = run("train", table, "--model", MODEL, "--json")

    assert ended.code == 0, ended.out
    assert statuses(ended.answer)["foundations"] == "deployed already"
    assert statuses(ended.answer)["push"] == "uploaded already"
    assert not any("deploy" in command for command in program.runs)
    assert not WRITES & set(account.names())
    assert len(account.submitted) == 1
    assert {path: path.read_bytes() for path in (project / "config").iterdir()} == before


@pytest.mark.parametrize(
    "killed_at",
    ["app", "identity", "network", "engine", "PutObject", "job-support-tickets", "watch"],
)
def test_killed_anywhere_it_goes_on_and_does_nothing_twice(
    *, killed_at: str, run: Run, program: Program, account: Account, table: Path
) -> None:
    calls = {"PutObject": "PutObject", "watch": "GetModelCustomizationJob"}

    def kill(arguments: dict[str, Any]) -> None:
        raise KilledError

    if killed_at in calls:
        account.before[calls[killed_at]] = kill
    else:
        program.killed_at = killed_at
    with pytest.raises(KilledError):
        run("train", table, "--model", MODEL, "--yes")
    account.before.clear()
    program.killed_at = ""

    ended = run("train", table, "--model", MODEL, "--yes")

    assert ended.code == 0, ended.err
    assert len(account.submitted) == 1
    assert len(account.objects) == 1
    assert len(account.jobs) == 1


def test_nothing_is_done_when_nobody_can_be_asked(
    run: Run, program: Program, account: Account, table: Path, project: Path
) -> None:
    before = settings_of(project)

    ended = run("train", table, "--model", MODEL, "--json")

    assert (ended.code, ended.ids()) == (2, ["not-confirmed"])
    assert ended.answer["plan"]["stacks"]["finetune-dev-network"] == "create"
    assert "a month at rest" in ended.answer["plan"]["cost"]
    assert settings_of(project) == before
    assert not (project / "config" / "datasets.lock.json").exists()
    assert not account.templates
    assert not any("deploy" in command for command in program.runs)


class Terminal(io.StringIO):
    """Somebody who types."""

    def isatty(self) -> bool:
        return True


@pytest.mark.parametrize(("answer", "code"), [("n\n", 130), ("\n", 130), ("y\n", 0)])
def test_what_would_be_made_and_cost_is_shown_before_it_is_asked_for(
    *, answer: str, code: int, run: Run, program: Program, account: Account, table: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr("sys.stdin", Terminal(answer))

    ended = run("train", table, "--model", MODEL)

    assert ended.code == code, ended.err
    assert "create finetune-dev-network: 1 resources" in ended.out
    assert re.search(r"\$[0-9.]+ a month at rest; support-tickets \$[0-9.]+ to train", ended.out)
    assert bool(account.templates) is (code == 0)
    del program


def test_a_change_trains_anew_and_says_what_changed(
    run: Run, program: Program, account: Account, table: Path, project: Path
) -> None:
    assert run("train", table, "--model", MODEL, "--yes").code == 0

    ended = run("train", table, "--set", "epochCount=3", "--yes")

    assert ended.code == 0, ended.err
    assert "jobs.support-tickets.hyperparameters.epochCount: 3 (was 2)" in ended.out
    assert settings_of(project)["jobs"]["support-tickets"]["hyperparameters"] == {"epochCount": 3}
    assert len(account.submitted) == 2
    del program


def test_comments_and_all_other_settings_stay(
    run: Run, program: Program, table: Path, project: Path
) -> None:
    path = project / "config" / "dev.yaml"
    path.write_text((ROOT / "config" / "dev.yaml").read_text())
    (project / "config" / "datasets.lock.json").write_text(
        (ROOT / "config" / "datasets.lock.json").read_text()
    )
    before = path.read_text()

    ended = run("train", table, "--model", MODEL, "--yes")

    assert ended.code == 0, ended.err
    after = path.read_text()
    assert after.startswith(before)
    assert set(settings_of(project)["jobs"]) == {"policy-review", "support-tickets"}
    del program


def test_records_are_trained_on_as_they_are(
    run: Run, program: Program, account: Account, project: Path
) -> None:
    data = project / "notes.v1.jsonl"
    data.write_text(lines(210))
    assert run("train", data, "--model", MODEL, "--yes").code == 0
    (stored,) = account.objects.values()
    assert stored.body == data.read_bytes()
    assert list(settings_of(project)["jobs"]) == ["notes"]
    del program


def test_validation_data_is_parted_off_where_the_model_takes_it(
    run: Run, program: Program, account: Account, table: Path, project: Path
) -> None:
    ended = run(
        "train", table, "--model", "amazon.nova-micro-v1:0:128k", "--split", "10%", "--yes",
        "--json",
    )  # fmt: skip

    assert ended.code == 0, ended.out
    sizes = sorted(len(stored.body.splitlines()) for stored in account.objects.values())
    assert sizes == [22, 198]
    assert settings_of(project)["jobs"]["support-tickets"]["validation_dataset"] == (
        "support-tickets-validation"
    )
    again = run("train", table, "--split", "10%", "--json")
    assert again.code == 0, "parted in the same way, so that nothing is new"
    assert len(account.submitted) == 1
    del program


def test_bad_data_is_refused_before_anything_is_synthesised(
    run: Run, program: Program, account: Account, project: Path
) -> None:
    data = project / "bad.jsonl"
    data.write_text(lines(210) + '{"schemaVersion": "bedrock-conversation-2024"}\n')
    ended = run("train", data, "--model", MODEL, "--yes", "--json")
    assert ended.code == 1
    assert "data.structure" in ended.ids()
    assert program.synthesised == 0
    assert not account.calls


@pytest.mark.parametrize(
    ("options", "id", "code"),
    [
        ([], "no-model", 2),
        (["--model", "amazon.nova-2-lite"], "unknown-model", 2),
        (["--model", "meta.llama3-1-8b-instruct-v1:0:128k"], "settings.retired-base-model", 2),
        (["--model", MODEL, "--set", "epochCount"], "hyperparameter", 2),
        (["--model", MODEL, "--set", "a=1", "--set", "a=2"], "hyperparameter", 2),
        (["--model", MODEL, "--name", "Tickets!"], "job-name", 2),
        (["--model", MODEL, "--split", "most"], "split-share", 2),
        (["--model", MODEL, "--split", "100%"], "split-share", 2),
        (["--model", MODEL, "--split", "10%", "--validation", "x.csv"], "validation-twice", 2),
        (["--model", MODEL, "-e", "nowhere"], "no-settings", 2),
        (["--model", MODEL, "--validation", "no-such.csv"], "unreadable-file", 2),
    ],
)
def test_wrong_use_is_told_before_anything_is_done(
    *, options: list[str], id: str, code: int, run: Run, program: Program, account: Account,
    table: Path,
) -> None:  # fmt: skip
    ended = run("train", table, *options, "--yes", "--json")
    assert ended.code == code, ended.out
    assert id in ended.ids()
    assert all(finding["fix"] for finding in ended.answer["findings"])
    assert not any("deploy" in command for command in program.runs)
    assert not account.templates


def test_a_table_without_known_columns_is_told_with_the_way_to_name_them(
    run: Run, program: Program, project: Path
) -> None:
    data = project / "odd.csv"
    data.write_text("x,y\n1,2\n")
    ended = run("train", data, "--model", MODEL, "--yes", "--json")
    assert "not-converted" in ended.ids()
    fixes = [finding["fix"] for finding in ended.answer["findings"]]
    assert any("finetune data convert" in fix for fix in fixes)
    assert program.synthesised == 0


def test_a_failed_job_ends_with_1_and_again_trains_once_more(
    run: Run, program: Program, account: Account, table: Path, project: Path
) -> None:
    def fail(arguments: dict[str, Any]) -> None:
        for job in account.jobs:
            if len(account.submitted) == 1:
                job["status"], job["failureMessage"] = "Failed", "Internal error"

    account.before["GetModelCustomizationJob"] = fail
    assert run("train", table, "--model", MODEL, "--yes").code == 1
    ended = run("train", table, "--yes", "--json")
    assert (ended.code, ended.ids()[-1]) == (1, "job-ended")
    assert len(account.submitted) == 1

    ended = run("train", table, "--again", "--yes", "--json")

    assert ended.code == 0, ended.out
    assert settings_of(project)["jobs"]["support-tickets"]["run"] == 2
    assert len(account.submitted) == 2
    del program


def test_a_job_that_fails_with_its_stack_is_told_by_its_own_reason(
    run: Run, program: Program, table: Path
) -> None:
    program.fails = True
    ended = run("train", table, "--model", MODEL, "--yes", "--json")
    assert (ended.code, ended.ids()) == (1, ["job-ended"])
    assert "bad line 7" in ended.answer["findings"][0]["message"]


def test_a_stack_that_fails_without_a_job_ends_with_3(
    run: Run, program: Program, account: Account, table: Path
) -> None:
    program.fails = True
    account.refusals["GetModelCustomizationJob"] = RefusalError("ResourceNotFoundException")
    ended = run("train", table, "--model", MODEL, "--yes", "--json")
    assert (ended.code, ended.ids()) == (3, ["not-deployed"])


def test_a_stack_that_somebody_works_on_is_waited_for(
    run: Run, program: Program, account: Account, table: Path
) -> None:
    assert run("train", table, "--model", MODEL, "--yes").code == 0
    name = "finetune-dev-network"
    account.statuses[name] = "UPDATE_IN_PROGRESS"
    seen = []

    def settle(arguments: dict[str, Any]) -> None:
        if arguments["StackName"] == name:
            seen.append(1)
            if len(seen) == 3:
                account.statuses[name] = "UPDATE_COMPLETE"

    account.before["DescribeStacks"] = settle
    ended = run("train", table)
    assert ended.code == 0, ended.err
    assert f"waits for {name}: UPDATE_IN_PROGRESS" in ended.out
    del program


def test_a_stack_that_no_deployment_repairs_is_told(
    run: Run, program: Program, account: Account, table: Path
) -> None:
    assert run("train", table, "--model", MODEL, "--yes").code == 0
    account.statuses["finetune-dev-network"] = "UPDATE_ROLLBACK_FAILED"
    ended = run("train", table, "--yes", "--json")
    assert (ended.code, ended.ids()) == (3, ["stack-stuck"])
    assert "continue-update-rollback" in ended.answer["findings"][0]["fix"]
    del program


def test_credentials_that_are_missing_are_told_with_code_3(
    run: Run, program: Program, account: Account, table: Path
) -> None:
    account.refusals["DescribeStacks"] = RefusalError("ExpiredToken")
    ended = run("train", table, "--model", MODEL, "--yes", "--json")
    assert (ended.code, ended.ids()) == (3, ["expired-credentials"])
    del program


# The processes


@pytest.fixture
def deployer(tmp_path: Path) -> Deployer:
    connection: Any = None
    return Deployer(
        connection=connection, environment="dev", folder=tmp_path, variables={}, interval=0.01
    )


def test_how_far_a_deployment_is_comes_from_what_the_cli_prints(
    deployer: Deployer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    script = tmp_path / "cdk"
    script.write_text(
        "#!/bin/sh\necho 'finetune-dev-network |  3/41 | 1:00:00 PM | CREATE_COMPLETE | X | Y'\n"
        "printf 'finetune-dev-storage |  1/9 | 1:00:00 PM | CREATE_COMPLETE | X | Y'\n"
    )
    script.chmod(0o755)
    monkeypatch.setattr(train_deploy, "cdk_program", lambda: script)
    said: list[str] = []
    steps: list[tuple[int, int]] = []
    deployer.deploy(
        assembly=Assembly(folder=tmp_path),
        stacks=["a"],
        say=said.append,
        steps=lambda done, of: steps.append((done, of)),
        tick=lambda: None,
    )
    assert said == ["deploying finetune-dev-network", "deploying finetune-dev-storage"]
    assert steps == [(3, 41), (4, 50)]


@pytest.mark.parametrize(
    ("printed", "message", "fix"),
    [
        (
            "s | 1/2 | 1:00:00 PM | CREATE_FAILED | AWS::X | Net/Vpc (NetVpc12) the limit is five",
            "s Net/Vpc (NetVpc12): the limit is five",
            "CloudFormation's own",
        ),
        (
            "❌ SSM parameter not found. Has the environment been bootstrapped? Please run 'cdk"
            " bootstrap'",
            "SSM parameter not found",
            "run `cdk bootstrap`",
        ),
        (
            "error: Could not assume provided IAM role",
            "Could not assume provided IAM role",
            "check the role's trust",
        ),
        ("something nobody expected", "something nobody expected", "run the same command again"),
    ],
)
def test_a_failed_deployment_tells_why_and_what_to_do(
    *, printed: str, message: str, fix: str, deployer: Deployer, tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:  # fmt: skip
    monkeypatch.setattr(Deployer, "_run", lambda *_, **__: (1, [printed]))
    with pytest.raises(CommandError) as failed:
        deployer.deploy(
            assembly=Assembly(folder=tmp_path),
            stacks=["s"],
            say=print,
            steps=lambda done, of: None,
            tick=lambda: None,
        )
    (finding,) = failed.value.findings
    assert failed.value.code is ExitCode.AWS
    assert message in finding.message
    assert fix in finding.fix


def test_a_deployment_ends_with_the_command_that_began_it(
    deployer: Deployer, tmp_path: Path
) -> None:
    def interrupted() -> None:
        raise KeyboardInterrupt

    began: list[str] = []
    script = "import time, os; print(os.getpid(), flush=True); time.sleep(60)"

    def look(line: str) -> None:
        began.append(line)
        interrupted()

    with pytest.raises(KeyboardInterrupt):
        deployer._run(
            ["python3", "-c", script], cwd=tmp_path, more={"PATH": "/usr/bin:/bin:/usr/local/bin"},
            tick=lambda: None, look=look,
        )  # fmt: skip
    assert not Path(f"/proc/{began[0]}").exists()
