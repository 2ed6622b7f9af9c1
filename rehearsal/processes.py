"""Child processes that never outlive the rehearsal."""

from __future__ import annotations

import subprocess
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from rehearsal.emulator_process import end_process_group
from rehearsal.errors import RehearsalError


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """How a command ended."""

    code: int
    log: Path

    @property
    def text(self) -> str:
        """What it printed."""
        return self.log.read_text(encoding="utf-8", errors="replace")


@dataclass(kw_only=True)
class Children:
    """Runs commands with their output in files, and ends them all on demand."""

    logs: Path
    _running: dict[int, subprocess.Popen[bytes]] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)
    _closed: bool = False

    def run(
        self,
        command: Sequence[str],
        *,
        name: str,
        cwd: Path,
        environment: Mapping[str, str],
        timeout: float,
    ) -> Outcome:
        """Run a command to its end.

        Args:
            command: program and arguments.
            name: name of its log file, without the ending.
            cwd: folder it runs in.
            environment: the whole environment.
            timeout: seconds; its process group is ended then.

        Raises:
            RehearsalError: it took too long, or the rehearsal is being ended.
        """
        log = self.logs / f"{name}.log"
        with log.open("wb") as file, self._lock:
            if self._closed:
                raise RehearsalError(f"{name}: the rehearsal is ending", fix="run it again")
            process = subprocess.Popen(
                command,
                cwd=cwd,
                env=dict(environment),
                stdin=subprocess.DEVNULL,
                stdout=file,
                stderr=subprocess.STDOUT,
                start_new_session=True,
            )
            self._running[process.pid] = process
        try:
            code = process.wait(timeout=timeout)
        except subprocess.TimeoutExpired as error:
            raise RehearsalError(
                f"{name} did not end within {timeout:g} s", fix=f"read {log}"
            ) from error
        finally:
            # Too late, interrupted, or ended by itself with something left in its group.
            end_process_group(process.pid)
            with self._lock:
                self._running.pop(process.pid, None)
        if self._closed:
            raise RehearsalError(f"{name} was ended with the rehearsal", fix="run it again")
        return Outcome(code=code, log=log)

    def end_all(self) -> None:
        """End every running command and allow no more."""
        with self._lock:
            self._closed = True
            running = list(self._running)
        for pid in running:
            end_process_group(pid)
