"""A rehearsal that stays: how commands reach it, and ending it."""

from __future__ import annotations

import json
import os
import shutil
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal.client import Client
from rehearsal.emulator_process import end_process_group
from rehearsal.errors import KeptRehearsalError
from rehearsal.layout import KEPT_FILE, STATE_HOME


@dataclass(frozen=True, kw_only=True)
class Kept:
    """What is known of a kept rehearsal."""

    pid: int
    state: Path
    endpoint: str


def find(path: Path = KEPT_FILE) -> Kept | None:
    """The kept rehearsal, None when there is none or its file is broken."""
    try:
        values: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return Kept(
            pid=int(values["pid"]),
            state=Path(values["state_dir"]),
            endpoint=str(values["endpoint"]),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None


def is_running(kept: Kept) -> bool:
    """Whether its emulator still lives, and not just another process of that number."""
    command = Path(f"/proc/{kept.pid}/cmdline")
    if command.parent.parent.exists() and Path("/proc/self/cmdline").exists():
        try:
            return b"rehearsal.emulator.serve" in command.read_bytes()
        except OSError:
            return False
    try:
        os.kill(kept.pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return True


def refuse_second(path: Path = KEPT_FILE) -> None:
    """Refuse to keep a second rehearsal.

    Raises:
        KeptRehearsalError: one is kept already.
    """
    kept = find(path)
    if kept is not None and is_running(kept):
        raise KeptRehearsalError(
            f"a rehearsal is kept already, at {kept.endpoint}",
            fix="end it with `finetune rehearse --down`",
        )


def write(*, person: Client, pid: int, state: Path, path: Path = KEPT_FILE) -> None:
    """Write how to reach it; commands take it with `--rehearsal`."""
    values = {
        "endpoint": person.endpoint,
        "ca_file": str(person.ca_file),
        "region": person.region,
        "account": person.account,
        "credentials": {
            "access_key_id": person.credentials.access_key,
            "secret_access_key": person.credentials.secret_key,
            "session_token": person.credentials.session_token,
        },
        "state_dir": str(state),
        "pid": pid,
    }
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(0o600)
    path.write_text(json.dumps(values, indent=1) + "\n", encoding="utf-8")


def end(path: Path = KEPT_FILE) -> bool:
    """End the kept rehearsal and remove its folder; False when there is none."""
    kept = find(path)
    path.unlink(missing_ok=True)
    if kept is None:
        return False
    if is_running(kept):
        end_process_group(kept.pid, gently=False)
    # Only ever a folder of ours: the file could have been edited.
    if kept.state.resolve().parent == STATE_HOME.resolve():
        shutil.rmtree(kept.state, ignore_errors=True)
    return True
