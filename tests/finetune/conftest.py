"""Fixtures: the command line in this process, a project to run it in, and AWS in memory."""

from __future__ import annotations

import gc
import json
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import boto3
import pytest

from finetune import main
from tests.finetune.aws_fake import FakeAws

ROOT = Path(__file__).resolve().parents[2]


@dataclass(frozen=True)
class Ended:
    """How a command ended, and what it printed."""

    code: int
    out: str
    err: str

    @property
    def answer(self) -> dict[str, Any]:
        """The object that --json printed; the whole of standard output must be it."""
        found = json.loads(self.out)
        assert isinstance(found, dict)
        return found

    def ids(self) -> list[str]:
        """The ids of the findings of a command that was run with --json."""
        return [finding["id"] for finding in self.answer["findings"]]


Run = Callable[..., Ended]


@pytest.fixture
def run(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run the command line as a shell does, in this process."""
    # What a command freezes ends with its process; here it would stay for all tests.
    monkeypatch.setattr(gc, "freeze", lambda: None)

    def one(*arguments: str | Path) -> Ended:
        monkeypatch.setattr(sys, "argv", ["finetune", *map(str, arguments)])
        with pytest.raises(SystemExit) as exit_:
            main.main()
        printed = capsys.readouterr()
        code = exit_.value.code
        return Ended(code=code if isinstance(code, int) else 0, out=printed.out, err=printed.err)

    return one


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder with the development settings and no lock file, which the command line uses."""
    config = tmp_path / "config"
    config.mkdir()
    (config / "dev.yaml").write_text((ROOT / "config" / "dev.yaml").read_text())
    monkeypatch.setenv("FINETUNE_CONFIG", str(config))
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "cache"))
    monkeypatch.delenv("FINETUNE_ENVIRONMENT", raising=False)
    monkeypatch.chdir(tmp_path)
    for name in ("AWS_PROFILE", "AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY", "AWS_SESSION_TOKEN"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("AWS_CONFIG_FILE", "/dev/null")
    monkeypatch.setenv("AWS_SHARED_CREDENTIALS_FILE", "/dev/null")
    monkeypatch.setenv("AWS_EC2_METADATA_DISABLED", "true")
    return tmp_path


@pytest.fixture
def aws(monkeypatch: pytest.MonkeyPatch) -> FakeAws:
    """AWS with the development environment deployed and nothing in its bucket."""
    fake = FakeAws()
    monkeypatch.setattr(boto3, "Session", fake.session)
    return fake


def lines(count: int = 10, *, text: str = "A question") -> str:
    """Return records of a good data set."""
    return "".join(record(f"{text} {number}") + "\n" for number in range(count))


def record(question: str = "A question", answer: str = "An answer") -> str:
    """Return one good record."""
    return json.dumps(
        {
            "schemaVersion": "bedrock-conversation-2024",
            "messages": [
                {"role": "user", "content": [{"text": question}]},
                {"role": "assistant", "content": [{"text": answer}]},
            ],
        }
    )
