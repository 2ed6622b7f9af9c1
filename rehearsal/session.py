"""One rehearsal's folder, processes and clients; everything is gone when it ends."""

from __future__ import annotations

import json
import os
import re
import secrets
import shutil
import signal
import threading
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from types import FrameType, TracebackType
from typing import Any, TypeVar

from rehearsal import emulator_process, kept
from rehearsal.client import Client
from rehearsal.emulator_process import Emulator, World, is_alive
from rehearsal.errors import RehearsalError
from rehearsal.layout import KEPT_FILE, STATE_HOME
from rehearsal.processes import Children
from rehearsal.toolkit import Toolkit

T = TypeVar("T")
_MOST_ENDS = 200
"""How often a step of a function is ended at most: more often than it makes calls."""
_MOST_CAUSES = 3
"""How many refusals a failed rehearsal shows; the first is the cause as a rule."""


@dataclass(frozen=True, kw_only=True)
class Refusal:
    """Something the emulator refused."""

    where: str
    reason: str


class Session:
    """A state folder, the processes of one rehearsal and ways to reach its emulator.

    Use it as a context manager: whatever happens inside, its processes end and, unless it is
    kept, its folder goes. After a failure the logs stay.
    """

    def __init__(self, *, world: World, keep: bool = False) -> None:
        self.world = world
        self.keep = keep
        self.state = STATE_HOME / f"{os.getpid()}-{secrets.token_hex(3)}"
        self.logs = self.state / "logs"
        self.children = Children(logs=self.logs)
        self.toolkit = Toolkit(state=self.state, children=self.children)
        self.emulator: Emulator | None = None

    def __enter__(self) -> Session:
        self.logs.mkdir(parents=True)
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        with undisturbed():
            self._clean_up(error)

    def _clean_up(self, error: BaseException | None) -> None:
        if self.keep and error is None:
            self.children.end_all()
            return
        self.end()
        if isinstance(error, RehearsalError):
            error.caused_by(tuple(refusal.reason for refusal in self.refusals()[:_MOST_CAUSES]))
        if error is None or isinstance(error, KeyboardInterrupt):
            shutil.rmtree(self.state, ignore_errors=True)
        else:
            self._keep_only_logs()

    def end(self) -> None:
        """End every process of this rehearsal; calls that wait for one of them fail soon."""
        self.children.end_all()
        if self.emulator is not None:
            self.emulator.end()

    def _keep_only_logs(self) -> None:
        for name in ("refusals.jsonl", "ignored-properties.json"):
            if (self.state / name).exists():
                shutil.copy(self.state / name, self.logs / name)
        for entry in self.state.iterdir():
            if entry != self.logs:
                shutil.rmtree(entry, ignore_errors=True) if entry.is_dir() else entry.unlink()

    def start_emulator(self) -> Client:
        """Start the emulator, wait until it answers, and return a client of its root.

        Raises:
            RehearsalError: it does not start.
        """
        self.emulator = emulator_process.start(
            state=self.state, world=self.world, ends_with_parent=not self.keep
        )
        self.emulator.wait_until_ready()
        return self.client()

    def client(self) -> Client:
        """A client of the account's root."""
        if self.emulator is None:
            raise LookupError("the emulator was not started")
        return Client(
            endpoint=self.emulator.endpoint,
            ca_file=self.emulator.ca_file,
            region=self.world.region,
            account=self.world.account,
        )

    def refusals(self, *, since: int = 0) -> list[Refusal]:
        """What was refused so far, leaving out the first `since` entries."""
        path = self.state / "refusals.jsonl"
        if not path.exists():
            return []
        lines = path.read_text(encoding="utf-8").splitlines()[since:]
        entries = (json.loads(line) for line in lines)
        return [Refusal(where=entry["where"], reason=entry["reason"]) for entry in entries]

    def job_history(self, *, since: int = 0) -> list[dict[str, Any]]:
        """Starts and ends of jobs as the emulator saw them, without the first `since`."""
        path = self.state / "jobs.jsonl"
        if not path.exists():
            return []
        lines = path.read_text(encoding="utf-8").splitlines()[since:]
        return [json.loads(line) for line in lines]

    def set_pace(self, seconds: float) -> None:
        """Say how long the jobs take that start from now on."""
        (self.state / "job-seconds").write_text(str(seconds), encoding="utf-8")

    def set_serving_pace(self, seconds: float) -> None:
        """Say how long what is deployed from now on takes to be ready."""
        (self.state / "serving-seconds").write_text(str(seconds), encoding="utf-8")

    def move_clock(self, seconds: float) -> None:
        """Put the account's time so far ahead of this machine's."""
        (self.state / "clock-offset").write_text(str(seconds), encoding="utf-8")

    def end_functions(self, functions: Sequence[str]) -> None:
        """Have functions ended at one call after the other, until each step comes to its end."""
        plan = {"functions": list(functions), "most": _MOST_ENDS}
        (self.state / "sudden-end").write_text(json.dumps(plan), encoding="utf-8")

    def spare_functions(self) -> None:
        """End no function any more."""
        (self.state / "sudden-end").unlink(missing_ok=True)

    def sudden_ends(self) -> list[dict[str, Any]]:
        """Which invocations were ended at which call, and which came to their end after all."""
        path = self.state / "sudden-ends.jsonl"
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        return [json.loads(line) for line in text.splitlines()]

    @property
    def ledger_file(self) -> Path:
        """The emulator's ledger of ignored properties."""
        return self.state / "ignored-properties.json"


@contextmanager
def side_by_side() -> Iterator[Callable[[Callable[[], T]], Future[T]]]:
    """Run functions in threads; leaving waits for all."""
    with ThreadPoolExecutor(max_workers=4) as pool:

        def start(function: Callable[[], T]) -> Future[T]:
            return pool.submit(function)

        yield start


@contextmanager
def ended_by_signals() -> Iterator[None]:
    """Let SIGTERM and SIGHUP end a rehearsal as Ctrl-C does."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return

    def interrupt(number: int, frame: FrameType | None) -> None:
        raise KeyboardInterrupt

    previous = {number: signal.signal(number, interrupt) for number in _ENDING}
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


@contextmanager
def undisturbed() -> Iterator[None]:
    """Let no signal end what takes seconds and would leave something behind, as a second Ctrl-C."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    previous = {
        number: signal.signal(number, signal.SIG_IGN) for number in (signal.SIGINT, *_ENDING)
    }
    try:
        yield
    finally:
        for number, handler in previous.items():
            signal.signal(number, handler)


def clear_abandoned(home: Path = STATE_HOME, kept_file: Path = KEPT_FILE) -> list[Path]:
    """Remove the folders of rehearsals that were killed, and return them.

    Not those of running rehearsals, not a kept one's, and not the logs that a failure leaves.
    """
    there = kept.find(kept_file)
    gone = []
    for folder in home.iterdir():
        pid = folder.name.partition("-")[0]
        if (
            not _OURS.fullmatch(folder.name)
            or is_alive(int(pid))
            or (there is not None and there.state.resolve() == folder.resolve())
            or {entry.name for entry in folder.iterdir()} <= {"logs"}
        ):
            continue
        shutil.rmtree(folder, ignore_errors=True)
        gone.append(folder)
    return gone


_OURS = re.compile(r"\d+-[0-9a-f]{6}")
"""The name of a rehearsal's folder: the process that made it, and what tells two of them apart."""
_ENDING = (signal.SIGTERM, signal.SIGHUP)
