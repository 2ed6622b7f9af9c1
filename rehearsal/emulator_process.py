"""Starting and ending the emulator as a process of its own."""

from __future__ import annotations

import contextlib
import json
import os
import signal
import socket
import ssl
import subprocess
import time
import urllib.request
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any

from rehearsal.errors import RehearsalError
from rehearsal.layout import ROOT

LOOPBACK = "127.0.0.1"
_READY_SECONDS = 180.0
_END_SECONDS = 3.0
_HEALTH = "/_ministack/health"


@dataclass(frozen=True, kw_only=True)
class World:
    """What the emulated account looks like."""

    account: str
    region: str
    job_seconds: float
    """How long a job takes from submission to its end."""
    base_models: tuple[Mapping[str, Any], ...]
    """`model_id`, `customizations`, `active`, `inference` of each model the Region has."""
    prefix_lists: Mapping[str, str]
    caller_needs_model_key: bool


@dataclass(kw_only=True)
class Emulator:
    """A running emulator."""

    state: Path
    port: int
    pid: int
    process: subprocess.Popen[bytes] | None

    @property
    def endpoint(self) -> str:
        """Base URL of every service."""
        return f"https://{LOOPBACK}:{self.port}"

    @property
    def ca_file(self) -> Path:
        """Certificate authority to trust."""
        return self.state / "ca.pem"

    @property
    def log_file(self) -> Path:
        """The emulator's own log, with the output of the functions it ran."""
        return self.state / "logs" / "emulator.log"

    def wait_until_ready(self) -> None:
        """Return when it answers.

        Raises:
            RehearsalError: it ended, or does not answer in time.
        """
        deadline = time.monotonic() + _READY_SECONDS
        while time.monotonic() < deadline:
            if self.process is not None and self.process.poll() is not None:
                raise RehearsalError(
                    f"the emulator ended with exit code {self.process.returncode}",
                    fix=f"read {self.log_file}, or run `make setup` again",
                )
            if self.ca_file.exists() and self._answers():
                return
            time.sleep(0.05)
        raise RehearsalError(
            f"the emulator did not answer within {_READY_SECONDS:g} s",
            fix=f"read {self.log_file}",
        )

    def _answers(self) -> bool:
        context = ssl.create_default_context(cafile=str(self.ca_file))
        opener = urllib.request.build_opener(
            urllib.request.ProxyHandler({}), urllib.request.HTTPSHandler(context=context)
        )
        try:
            with opener.open(f"{self.endpoint}{_HEALTH}", timeout=2) as answer:
                return bool(answer.status == 200)
        except OSError:
            return False

    def end(self) -> None:
        """End it and every function process it started, at once: it has nothing to save."""
        end_process_group(self.pid, gently=False)
        if self.process is not None:
            self.process.wait()


def end_process_group(pid: int, *, gently: bool = True) -> None:
    """End a process that leads its own group, with everything in that group.

    Args:
        pid: the leader.
        gently: give it some seconds to end by itself.
    """
    for number in (signal.SIGTERM, signal.SIGKILL) if gently else (signal.SIGKILL,):
        try:
            os.killpg(pid, number)
        except (ProcessLookupError, PermissionError):
            return
        deadline = time.monotonic() + _END_SECONDS
        while time.monotonic() < deadline and _group_lives(pid):
            time.sleep(0.02)


def is_alive(pid: int) -> bool:
    """Whether there is a process of this number."""
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def _group_lives(pid: int) -> bool:
    with contextlib.suppress(ChildProcessError):
        os.waitpid(pid, os.WNOHANG)
    try:
        os.killpg(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return _has_living_members(pid)


def _has_living_members(group: int) -> bool:
    """Whether a process of a group does more than wait to be reaped; True where nobody knows.

    Orphans are the first process's to reap, and in many containers that never happens.
    """
    processes = Path("/proc")
    if not (processes / "self" / "stat").exists():
        return True
    for entry in processes.iterdir():
        if not entry.name.isdecimal():
            continue
        with contextlib.suppress(OSError):
            # After the name, which may hold anything: state, parent, group.
            state, _, member_of = (entry / "stat").read_text().rpartition(")")[2].split()[:3]
            if int(member_of) == group and state not in ("Z", "X"):
                return True
    return False


def interpreter() -> Path:
    """Python of the emulator's environment.

    Raises:
        RehearsalError: it is not set up.
    """
    found = ROOT / ".venv-emulator" / "bin" / "python"
    if not found.exists():
        raise RehearsalError("the emulator's environment is missing", fix="run `make setup`")
    return found


def start(*, state: Path, world: World, ends_with_parent: bool) -> Emulator:
    """Start an emulator on a free loopback port; it is not ready yet.

    The port is bound here and handed over, so that two rehearsals cannot take the same one.

    Args:
        state: an existing folder for everything it writes.
        world: what it emulates.
        ends_with_parent: whether it ends when this process does, however that comes about.
    """
    logs = state / "logs"
    logs.mkdir(parents=True, exist_ok=True)
    listener = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
    with listener:
        listener.bind((LOOPBACK, 0))
        port = listener.getsockname()[1]
        options_file = state / "options.json"
        options_file.write_text(
            json.dumps(
                {
                    "state": str(state),
                    "listen_fd": listener.fileno(),
                    "port": port,
                    "account": world.account,
                    "region": world.region,
                    "job_seconds": world.job_seconds,
                    "base_models": [dict(model) for model in world.base_models],
                    "prefix_lists": dict(world.prefix_lists),
                    "caller_needs_model_key": world.caller_needs_model_key,
                    "ends_with_parent": ends_with_parent,
                }
            ),
            encoding="utf-8",
        )
        log: IO[bytes]
        with (logs / "emulator.log").open("wb") as log:
            process = subprocess.Popen(
                [
                    str(interpreter()),
                    "-m",
                    "rehearsal.emulator.serve",
                    str(options_file),
                ],
                cwd=ROOT,
                stdin=subprocess.PIPE if ends_with_parent else subprocess.DEVNULL,
                stdout=log,
                stderr=subprocess.STDOUT,
                pass_fds=(listener.fileno(),),
                start_new_session=True,
            )
    return Emulator(state=state, port=port, pid=process.pid, process=process)
