"""The command line answers at once, in the form it was asked for, with the agreed exit codes."""

from __future__ import annotations

import importlib
import subprocess
import sys
from importlib.util import find_spec
from pathlib import Path

import pytest
import typer

from finetune import main
from finetune.environments import Environment
from finetune.report import ExitCode, Finding, Output
from tests.finetune.conftest import ROOT, Run

SLOW = ("boto3", "botocore", "yaml", "aws_cdk", "jsii", "settings")
"""Pydantic is not among them: Typer itself loads it to read the parameters of a command."""


def test_the_exit_codes_are_those_of_the_contract() -> None:
    assert {code.name: code.value for code in ExitCode} == {
        "DONE": 0,
        "FINDINGS": 1,
        "USAGE": 2,
        "AWS": 3,
        "TIMED_OUT": 4,
        "INTERRUPTED": 130,
    }


@pytest.mark.parametrize("arguments", [["--help"], ["data", "push", "--help"], ["data", "nothing"]])
def test_help_and_usage_load_nothing_slow(arguments: list[str]) -> None:
    program = (
        "import sys\nfrom finetune.main import main\n"
        "try: main()\nexcept SystemExit: pass\n"
        f"print([name for name in {SLOW!r} if name in sys.modules], file=sys.stderr)"
    )
    ended = subprocess.run(
        [sys.executable, "-c", program, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=False,
    )
    assert ended.stderr.splitlines()[-1] == "[]"


def test_the_import_test_would_see_a_slow_module() -> None:
    importlib.import_module("botocore")
    assert any(name in sys.modules for name in SLOW)


def test_each_listed_command_can_be_asked_for_help(run: Run) -> None:
    listed = run("--help")
    assert listed.code == 0
    for name, target in main.COMMANDS.items():
        if find_spec(target.split(":")[0]):
            assert name in listed.out
            assert run(name, "--help").code == 0


@pytest.mark.parametrize("arguments", [["nothing"], ["data", "nothing"], ["--nothing"], ["watch"]])
def test_wrong_use_is_told_as_text_on_standard_error(run: Run, arguments: list[str]) -> None:
    ended = run(*arguments)
    assert (ended.code, ended.out) == (2, "")
    assert "Usage: finetune" in ended.err
    assert "Traceback" not in ended.err


@pytest.mark.parametrize(
    ("arguments", "command"),
    [
        (["nothing"], "nothing"),
        (["data", "nothing"], "data"),
        (["--nothing"], ""),
        (["watch"], "watch"),
    ],
)
def test_wrong_use_is_told_as_json_when_asked(run: Run, arguments: list[str], command: str) -> None:
    ended = run(*arguments, "--json")
    assert ended.answer["command"] == command
    assert (ended.code, ended.err, ended.ids()) == (2, "", ["usage"])
    assert (ended.answer["schema"], ended.answer["ok"]) == (1, False)


def test_help_is_help_with_json_too(run: Run) -> None:
    assert run("data", "push", "--json", "--help").code == 0


def test_a_finding_has_the_keys_of_the_contract() -> None:
    finding = Finding(id="a", level="error", message="m", fix="f", where={"file": "x", "line": 3})
    assert finding.as_json() == {
        "id": "a",
        "level": "error",
        "message": "m",
        "fix": "f",
        "where": {"file": "x", "line": 3},
    }
    assert finding.as_text() == "error: x:3: m [a]\n  do: f"


def test_sentences_are_not_mixed_into_json(capsys: pytest.CaptureFixture[str]) -> None:
    Output(as_json=True).say("hello")
    assert capsys.readouterr().out == ""
    Output(as_json=False).say("hello")
    assert capsys.readouterr().out == "hello\n"


def test_ctrl_c_ends_with_130(run: Run, project: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupt(**_: object) -> None:
        raise KeyboardInterrupt

    del project
    monkeypatch.setattr("finetune.job_commands.read_environment", interrupt)
    ended = run("jobs")
    assert (ended.code, ended.err.strip()) == (130, "error: interrupted [interrupted]")


def test_stacks_are_called_as_the_app_calls_them() -> None:
    naming = importlib.import_module("bedrock_finetuning.naming")
    names = naming.Names(environment="dev", region="us-east-1")
    ours = Environment(name="dev", region="us-east-1", jobs={})
    for part in ("storage", "encryption", "identity", "job-policy-review"):
        assert ours.stack(part) == names.stack(part)


def test_the_data_prefix_is_the_one_of_the_settings() -> None:
    datasets = importlib.import_module("settings.datasets")
    pushed = importlib.import_module("finetune.data_push")
    lock = importlib.import_module("finetune.lock_file")
    assert (pushed.PREFIX, lock.LOCK_FILE) == (datasets.PREFIX, datasets.LOCK_FILE)


def test_an_unknown_target_of_the_table_would_be_noticed() -> None:
    for target in main.COMMANDS.values():
        module, name = target.split(":")
        if find_spec(module) is None:
            continue
        found = getattr(importlib.import_module(module), name)
        assert isinstance(found, typer.Typer) or callable(found)
