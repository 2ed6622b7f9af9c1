"""Executions of a state machine, run by the emulator's engine, with tasks done by a test."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
PYTHON = ROOT / ".venv-emulator" / "bin" / "python"

Json = Mapping[str, Any]
Do = Callable[[str, Json], Json]
"""Does a task, by its resource and arguments, and returns its result."""


class TaskError(Exception):
    """How a task fails, as Step Functions names it."""

    def __init__(self, error: str, cause: str = "") -> None:
        super().__init__(error, cause)
        self.error, self.cause = error, cause


@dataclass(frozen=True, kw_only=True)
class Ended:
    """How an execution ended; `kept` is its whole history as text, `waited` are seconds."""

    status: str
    output: Any
    error: str | None
    cause: str | None
    path: list[str]
    kept: str = field(repr=False)
    waited: list[float]


class Engine:
    """The emulator's engine in a process of its own, for any number of executions."""

    def __enter__(self) -> Engine:
        self._process = subprocess.Popen(
            [str(PYTHON), str(Path(__file__).with_name("asl_engine.py"))],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.close()
        self._process.stdout.close()
        self._process.wait(timeout=20)

    def run(
        self, definition: Mapping[str, Any], *, order: Mapping[str, Any], name: str, do: Do
    ) -> Ended:
        """Run one execution to its end."""
        self._write({"definition": definition, "input": order, "name": name})
        while True:
            line = self._read()
            if "status" in line:
                return Ended(**line)
            try:
                self._write({"result": do(line["resource"], line["arguments"])})
            except TaskError as failure:
                self._write({"error": failure.error, "cause": failure.cause})

    def _write(self, line: Mapping[str, Any]) -> None:
        assert self._process.stdin
        self._process.stdin.write(json.dumps(line) + "\n")
        self._process.stdin.flush()

    def _read(self) -> dict[str, Any]:
        assert self._process.stdout
        line = self._process.stdout.readline()
        assert line, "the engine ended: is it made? (make setup)"
        found: dict[str, Any] = json.loads(line)
        return found
