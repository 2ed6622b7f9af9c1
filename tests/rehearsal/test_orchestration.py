"""Ports, environments, people, the ledger's list, and everything gone in the end."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest
from rich.console import Console

from rehearsal import emulator_process, ignored_properties, kept, main_scenario, people, watching
from rehearsal.client import Client, Credentials, clean_environment
from rehearsal.emulator_process import Emulator
from rehearsal.errors import KeptRehearsalError, RehearsalError
from rehearsal.layout import ROOT
from rehearsal.narration import Narration
from rehearsal.processes import Children
from rehearsal.session import Session
from rehearsal.toolkit import Assembly
from rehearsal.world import ACCOUNT, world_of
from settings import load_settings
from tests.rehearsal.conftest import WORLD


def test_nothing_of_the_persons_shell_reaches_aws_tools() -> None:
    shell = {
        "HOME": "/home/me",
        "PATH": "/usr/bin",
        "AWS_PROFILE": "production",
        "AWS_SESSION_TOKEN": "secret",
        "CDK_DEFAULT_ACCOUNT": "123456789012",
        "NODE_OPTIONS": "--inspect",
        "PYTHONPATH": "/somewhere",
        "HTTPS_PROXY": "http://proxy",
    }
    clean = clean_environment(shell)
    assert clean["HOME"] == "/home/me"
    assert clean["PATH"].endswith("/usr/bin")
    assert set(clean) == {"HOME", "PATH", "JSII_NODE"}


def test_clients_are_pointed_at_the_emulator_and_no_profile(tmp_path: Path) -> None:
    client = Client(
        endpoint="https://127.0.0.1:1", ca_file=tmp_path / "ca", region="r", account=ACCOUNT
    )
    variables = client.variables()
    assert variables["AWS_ENDPOINT_URL"] == "https://127.0.0.1:1"
    assert variables["AWS_CONFIG_FILE"] == variables["AWS_SHARED_CREDENTIALS_FILE"] == os.devnull
    assert "AWS_SESSION_TOKEN" not in variables
    somebody = Credentials(access_key="a", secret_key="b", session_token="c")
    assert client.acting_as(somebody).variables()["AWS_SESSION_TOKEN"] == "c"


def test_the_emulator_listens_on_loopback_only(emulator: Emulator) -> None:
    listening = Path("/proc/net/tcp").read_text(encoding="ascii")
    port = f"{emulator.port:04X}"
    ours = [line.split() for line in listening.splitlines() if f":{port} " in line]
    assert {fields[1] for fields in ours if fields[3] == "0A"} == {f"0100007F:{port}"}


def test_two_emulators_have_ports_of_their_own(emulator: Emulator, tmp_path: Path) -> None:
    other = emulator_process.start(state=tmp_path, world=WORLD, ends_with_parent=True)
    try:
        assert other.port != emulator.port
    finally:
        other.end()
    with socket.socket() as probe:
        assert probe.connect_ex(("127.0.0.1", other.port)) != 0


def test_a_policy_on_secure_transport_can_be_met(emulator: Emulator, root: Client) -> None:
    assert emulator.endpoint.startswith("https://")
    assert root.service("sts").get_caller_identity()["Account"] == WORLD.account


@pytest.mark.parametrize(
    ("pattern", "role"),
    [
        ("role/engineer", ("/", "engineer")),
        ("role/team-*", ("/", "team-rehearsal")),
        ("role/aws-reserved/sso/*Admin_*", ("/aws-reserved/sso/", "rehearsalAdmin_rehearsal")),
        (f"arn:aws:iam::{ACCOUNT}:role/here", ("/", "here")),
    ],
)
def test_a_pattern_of_people_becomes_a_role(pattern: str, role: tuple[str, str]) -> None:
    assert people.role_of([pattern], account=ACCOUNT) == role


def test_people_without_a_role_here_are_an_error() -> None:
    elsewhere = ["user/me", "arn:aws:iam::999999999999:role/there"]
    with pytest.raises(RehearsalError, match="is a role of this account"):
        people.role_of(elsewhere, account=ACCOUNT)


def test_an_ignored_property_must_be_on_the_list_and_the_list_must_be_true() -> None:
    properties = {"X": {"Y": 1}, "Z": [{"W": {"Ref": "A"}}]}
    used = ignored_properties.held_by(
        [{"Resources": {"A": {"Type": "AWS::A", "Properties": properties}}}, {}]
    )
    ledger = {"AWS::A": ["X.Y"]}
    ignored_properties.check(ledger=ledger, allowed={"AWS::A": {"X.Y": "why"}}, used=used)
    with pytest.raises(RehearsalError) as unlisted:
        ignored_properties.check(ledger=ledger, allowed={}, used=used)
    assert "AWS::A X.Y: no provisioner" in unlisted.value.reasons[0]
    for name in ("X.Y", "Z[].W", "X"):
        with pytest.raises(RehearsalError) as stale:
            ignored_properties.check(ledger={}, allowed={"AWS::A": {name: "why"}}, used=used)
        assert "on the list and not ignored" in stale.value.reasons[0]
    # Of a type, and of a property, that these templates do not hold.
    unused = {"AWS::B": {"X": "why"}, "AWS::A": {"X.V": "why"}}
    ignored_properties.check(ledger={}, allowed=unused, used=used)


def test_an_accepted_property_needs_a_reason(tmp_path: Path) -> None:
    file = tmp_path / "list.yaml"
    file.write_text("AWS::A:\n  X: ''\n", encoding="utf-8")
    with pytest.raises(RehearsalError, match="has no reason"):
        ignored_properties.accepted(file)
    file.write_text("AWS::A:\n  X: it does not matter here\n", encoding="utf-8")
    assert ignored_properties.accepted(file) == {"AWS::A": {"X": "it does not matter here"}}
    ignored_properties.accepted()


def test_stacks_come_in_the_order_of_their_dependencies(tmp_path: Path) -> None:
    def stack(*dependencies: str) -> dict[str, object]:
        return {"type": "aws:cloudformation:stack", "dependencies": list(dependencies)}

    artifacts = {"b": stack("a", "b.assets"), "b.assets": {"type": "assets"}, "a": stack()}
    (tmp_path / "manifest.json").write_text(json.dumps({"artifacts": artifacts}))
    assert Assembly(folder=tmp_path).stacks() == ["a", "b"]


def test_the_world_is_made_from_the_settings() -> None:
    settings = load_settings(environment="dev", directory=ROOT / "config")
    world = world_of(settings)
    assert world.account == (settings.account or ACCOUNT)
    models = {model["model_id"]: model["active"] for model in world.base_models}
    assert all(models[job.base_model] for job in settings.jobs.values())


@pytest.mark.parametrize("status", ["Failed", "Stopped"])
def test_a_job_that_does_not_complete_fails_the_rehearsal(
    status: str, monkeypatch: pytest.MonkeyPatch, root: Client
) -> None:
    ended = {"jobName": "j", "status": status, "failureMessage": "because"}
    monkeypatch.setattr(main_scenario, "outputs", lambda client, stack: {"JobName": "j"})
    monkeypatch.setattr(watching, "wait_for_end", lambda **_: ended)
    with pytest.raises(RehearsalError, match=f"ended {status}") as failure:
        main_scenario.follow_jobs(client=root, jobs=["stack"])
    assert failure.value.reasons == ("because",)
    ended["status"] = "Completed"
    assert main_scenario.follow_jobs(client=root, jobs=["stack"]) == [ended]


def test_a_running_job_is_described_by_its_phase() -> None:
    details = {
        "validationDetails": {"status": "Completed"},
        "trainingDetails": {"status": "InProgress"},
    }
    job = {"status": "InProgress", "statusDetails": details}
    assert watching.describe(job) == "InProgress: training"
    assert watching.describe({"status": "Failed"}) == "Failed"


def test_a_refusal_is_shown_once_and_first() -> None:
    denied = "User: me is not authorized to perform: a:B on resource: c"
    error = RehearsalError(
        "failed", fix="", reasons=(f"Job (J): Error: refused: {denied}; do this",)
    )
    error.caused_by((f"Create: AccessDeniedException: {denied}", f"Create of J: {denied}", "other"))
    assert error.reasons == (
        f"Create: AccessDeniedException: {denied}",
        "other",
        "Job (J): Error: refused: (as above); do this",
    )


def test_steps_are_timed_and_a_failed_one_says_so() -> None:
    console = Console(record=True, file=open(os.devnull, "w"))  # noqa: SIM115 - the process's life
    narration = Narration(console=console)
    with narration.step("first"):
        pass
    with contextlib.suppress(ValueError), narration.step("second"):
        raise ValueError
    shown = console.export_text()
    assert "first (" in shown
    assert "second: failed after" in shown
    assert [step.ok for step in narration.steps] == [True, False]


def test_a_command_and_all_it_started_end_with_the_rehearsal(tmp_path: Path) -> None:
    children = Children(logs=tmp_path)
    with pytest.raises(RehearsalError, match="did not end within"):
        children.run(
            ["sh", "-c", "sleep 60 & echo $!; wait"],
            name="slow",
            cwd=tmp_path,
            environment=dict(os.environ),
            timeout=2,
        )
    grandchild = int((tmp_path / "slow.log").read_text())
    assert not _lives(grandchild)
    assert _lives(os.getpid())
    children.end_all()
    with pytest.raises(RehearsalError, match="is ending"):
        children.run(["true"], name="late", cwd=tmp_path, environment={}, timeout=1)


def test_a_failed_rehearsal_keeps_its_logs_and_nothing_else() -> None:
    with contextlib.suppress(RehearsalError), Session(world=WORLD) as failed:
        (failed.state / "tmp").mkdir()
        (failed.logs / "emulator.log").write_text("what happened")
        raise RehearsalError("failed", fix="")
    try:
        assert [entry.name for entry in failed.state.iterdir()] == ["logs"]
    finally:
        for entry in failed.logs.iterdir():
            entry.unlink()
        failed.logs.rmdir()
        failed.state.rmdir()
    with Session(world=WORLD) as done:
        assert done.state.exists()
    assert not done.state.exists()


def test_a_kept_rehearsal_is_found_refused_twice_and_ended(
    tmp_path: Path, root: Client, emulator: Emulator
) -> None:
    file = tmp_path / "env.json"
    assert not kept.end(file)
    kept.write(person=root, pid=emulator.pid, state=tmp_path, path=file)
    assert file.stat().st_mode & 0o077 == 0
    found = kept.find(file)
    assert found is not None
    assert kept.is_running(found)
    with pytest.raises(KeptRehearsalError, match="kept already"):
        kept.refuse_second(file)
    file.write_text("{}", encoding="utf-8")
    assert kept.find(file) is None
    kept.refuse_second(file)


def _lives(pid: int) -> bool:
    """Whether a process is there and does more than wait to be reaped."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8")
    except (FileNotFoundError, ProcessLookupError):
        return False
    return stat.rpartition(")")[2].split()[0] != "Z"


def _processes_of(state_home: Path) -> list[str]:
    found = []
    for entry in Path("/proc").iterdir():
        if entry.name.isdigit():
            try:
                command = (entry / "cmdline").read_bytes().replace(b"\0", b" ").decode()
            except OSError:
                continue
            if str(state_home) in command:
                found.append(command)
    return found


def test_ctrl_c_ends_everything_and_leaves_nothing(tmp_path: Path) -> None:
    program = (
        "import rehearsal.session, rehearsal.layout, sys; from pathlib import Path;"
        f"rehearsal.session.STATE_HOME = Path({str(tmp_path)!r});"
        "from finetune.main import main; sys.argv = ['finetune', 'rehearse']; main()"
    )
    path = os.pathsep.join(str(ROOT / part) for part in (".", "constructs", "lambda"))
    running = subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        stderr=subprocess.PIPE,
        text=True,
    )
    deadline = time.monotonic() + 60
    while len(_processes_of(tmp_path)) < 2 and time.monotonic() < deadline:
        time.sleep(0.1)
    assert _processes_of(tmp_path), "neither the emulator nor the CDK started"
    running.send_signal(signal.SIGINT)
    _, said = running.communicate(timeout=120)
    assert running.returncode == 130, said
    assert _processes_of(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_the_emulator_does_not_outlive_a_parent_that_was_killed(tmp_path: Path) -> None:
    program = (
        "from pathlib import Path; from rehearsal import emulator_process as e; import time;"
        "from tests.rehearsal.conftest import WORLD;"
        f"e.start(state=Path({str(tmp_path)!r}), world=WORLD, ends_with_parent=True)"
        ".wait_until_ready(); print('ready', flush=True); time.sleep(60)"
    )
    path = os.pathsep.join(str(ROOT / part) for part in (".", "constructs", "lambda"))
    with subprocess.Popen(
        [sys.executable, "-c", program],
        cwd=ROOT,
        env={**os.environ, "PYTHONPATH": path},
        stdout=subprocess.PIPE,
        text=True,
    ) as parent:
        assert parent.stdout is not None
        assert parent.stdout.readline() == "ready\n"
        parent.kill()
    deadline = time.monotonic() + 10
    options = tmp_path / "options.json"
    while _processes_of(options) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert _processes_of(options) == []
