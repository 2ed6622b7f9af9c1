"""However a rehearsal ends, nothing of it stays: processes, folders, and what is said of it."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from rehearsal import emulator_process, run, session
from rehearsal.errors import NothingKeptError
from rehearsal.session import Session, clear_abandoned, undisturbed
from tests.rehearsal.conftest import WORLD


def _group(script: str) -> subprocess.Popen[bytes]:
    return subprocess.Popen(
        [sys.executable, "-c", script], start_new_session=True, stdout=subprocess.PIPE
    )


def test_what_is_dead_and_not_yet_reaped_is_not_waited_for() -> None:
    process = _group("import time; print('up', flush=True); time.sleep(60)")
    assert process.stdout is not None
    process.stdout.readline()
    try:
        assert emulator_process._has_living_members(process.pid)
        os.kill(process.pid, signal.SIGKILL)
        deadline = time.monotonic() + 10
        while emulator_process._has_living_members(process.pid):
            assert time.monotonic() < deadline
        os.killpg(process.pid, 0)  # Nobody has reaped it: to the system it is still there.
    finally:
        emulator_process.end_process_group(process.pid, gently=False)
        process.stdout.close()
        process.wait()


def test_what_does_not_listen_is_ended_all_the_same() -> None:
    script = "import signal, time; signal.signal(15, signal.SIG_IGN); print(1, flush=True)"
    process = _group(f"{script}; time.sleep(60)")
    assert process.stdout is not None
    process.stdout.readline()
    emulator_process.end_process_group(process.pid)
    assert not emulator_process._has_living_members(process.pid)
    process.stdout.close()
    process.wait()


def test_a_second_interruption_does_not_disturb_the_end(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(session, "STATE_HOME", tmp_path)
    ended = Session.end

    def interrupted_end(self: Session) -> None:
        signal.raise_signal(signal.SIGINT)
        signal.raise_signal(signal.SIGTERM)
        ended(self)

    monkeypatch.setattr(Session, "end", interrupted_end)

    def interrupted() -> None:
        with Session(world=WORLD) as running:
            assert running.state.exists()
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        interrupted()
    assert list(tmp_path.iterdir()) == []
    # The twin: outside, the same signal interrupts.
    with pytest.raises(KeyboardInterrupt):
        signal.raise_signal(signal.SIGINT)


def test_signals_are_left_alone_in_other_threads() -> None:
    """Only the main thread may say what becomes of a signal."""
    entered: list[bool] = []

    def enter() -> None:
        with undisturbed():
            entered.append(True)

    thread = threading.Thread(target=enter)
    thread.start()
    thread.join()
    assert entered == [True]


def test_folders_of_killed_rehearsals_go_and_others_stay(tmp_path: Path) -> None:
    dead = subprocess.Popen([sys.executable, "-c", ""])
    dead.wait()
    folders = {
        "abandoned": f"{dead.pid}-00000a",
        "kept": f"{dead.pid}-00000b",
        "failed": f"{dead.pid}-00000c",
        "running": f"{os.getpid()}-00000d",
        "somebody's": f"{dead.pid}-notes",
    }
    for folder in folders.values():
        (tmp_path / folder / "logs").mkdir(parents=True)
    for name in ("abandoned", "kept", "running", "somebody's"):
        (tmp_path / folders[name] / "options.json").touch()
    kept_file = tmp_path / "env.json"
    values = {"pid": 1, "state_dir": str(tmp_path / folders["kept"]), "endpoint": "https://x"}
    kept_file.write_text(json.dumps(values), encoding="utf-8")
    assert clear_abandoned(tmp_path, kept_file) == [tmp_path / folders["abandoned"]]
    assert {path.name for path in tmp_path.iterdir() if path.is_dir()} == set(folders.values()) - {
        folders["abandoned"]
    }
    # The twin: nothing points to it any more.
    kept_file.unlink()
    assert clear_abandoned(tmp_path, kept_file) == [tmp_path / folders["kept"]]
    shutil.rmtree(tmp_path / folders["failed"])


def test_nothing_kept_is_not_a_failed_rehearsal(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("rehearsal.kept.end", lambda: False)
    with pytest.raises(NothingKeptError) as raised:
        run.end_kept()
    assert raised.value.id == "no-rehearsal-kept"
