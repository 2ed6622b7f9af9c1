"""Functions that are ended in the middle of their work, at each of their calls once.

A file names functions. An invocation of one of them is ended at its first call, the next one about
the same at its second, and so on until one comes to its end; before a call has any effect, that is
after all effects of those before. On AWS a function ends like this when its time or memory is over,
or its machine is gone; Step Functions then sees `Runtime.ExitError`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import threading
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ministack.core import iam_evaluator, lambda_runtime
from ministack.services import lambda_svc

from rehearsal.emulator import principals

_log = logging.getLogger("rehearsal")


def subject_of(event: object) -> str | None:
    """What an invocation is about: its step or what it asks for; None for what a rule sends."""
    if not isinstance(event, dict) or not event or "detail-type" in event:
        return None
    return str(event.get("step") or min(event))


@dataclass
class _Work:
    """An invocation that is under way."""

    function: str
    subject: str
    calls: int = 0
    was_ended: bool = False


@dataclass
class Ends:
    """Who is ended next, and where; what was done is written beside the plan.

    The plan is `{"functions": [NAME, …], "most": N}`: for each subject at most so many ends while
    the plan's text stays the same, for those who try again only so often.
    """

    plan: Path
    log: Path
    _next: dict[tuple[str, str], int] = field(default_factory=dict)
    _counts: dict[tuple[str, str, str], int] = field(default_factory=dict)
    _working: dict[str, _Work] = field(default_factory=dict)
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def _read(self) -> tuple[str, dict[str, Any]]:
        try:
            text = self.plan.read_text(encoding="utf-8")
            return text, json.loads(text)
        except (OSError, ValueError):
            return "", {"functions": [], "most": 0}

    def begin(self, function: str, event: object) -> _Work | None:
        """Note that an invocation begins; None when it is none to end."""
        subject = subject_of(event)
        if subject is None or function not in self._read()[1]["functions"]:
            return None
        with self._lock:
            self._working[function] = work = _Work(function=function, subject=subject)
        return work

    def finish(self, work: _Work) -> None:
        """Note how many calls an invocation made that came to its end."""
        with self._lock:
            self._working.pop(work.function, None)
        if not work.was_ended:
            self._write(work, end=False)

    def is_the_one(self, function: str) -> bool:
        """Count a call of a function; whether it is the one that ends it."""
        text, plan = self._read()
        with self._lock:
            work = self._working.get(function)
            if work is None or work.was_ended:
                return False
            work.calls += 1
            place = (function, work.subject)
            ends = (text, *place)
            if work.calls != self._next.get(place, 1) or self._counts.get(ends, 0) >= plan["most"]:
                return False
            self._next[place] = work.calls + 1
            self._counts[ends] = self._counts.get(ends, 0) + 1
            work.was_ended = True
        self._write(work, end=True)
        return True

    def _write(self, work: _Work, *, end: bool) -> None:
        line = {
            "function": work.function,
            "subject": work.subject,
            "calls": work.calls,
            "ended": end,
        }
        with self._lock, self.log.open("a", encoding="utf-8") as file:
            file.write(json.dumps(line) + "\n")


def _end(name: str, access_key: str) -> None:
    """End the process of the function that holds these credentials."""
    for workers in list(lambda_runtime._workers.values()):
        for worker in list(workers):
            process = worker._proc
            if worker.func_name == name and process is not None and process.poll() is None:
                with contextlib.suppress(OSError):
                    held = Path(f"/proc/{process.pid}/environ").read_bytes()
                    if access_key.encode() in held:
                        os.kill(process.pid, signal.SIGKILL)
                        process.wait()


def install(*, plan: Path, log: Path) -> None:
    """End functions as the plan says. Must come after the front door: it looks at calls first."""
    ends = Ends(plan=plan, log=log)
    inner = iam_evaluator.enforce
    execute = lambda_svc._execute_function

    def enforce(access_key_id: str, iam_action: str, *rest: Any, **named: Any) -> Any:
        arn = principals.function_of(access_key_id) if plan.exists() else None
        name = str(principals.function_config(arn).get("FunctionName", "")) if arn else ""
        if name and ends.is_the_one(name):
            _log.info("the function %s is ended at its call of %s", name, iam_action)
            _end(name, access_key_id)
            return iam_evaluator.AuthError("InternalFailure", "whoever called is gone")
        return inner(access_key_id, iam_action, *rest, **named)

    def run(function: Any, event: Any, *rest: Any, **named: Any) -> Any:
        name = str((function.get("config") or function).get("FunctionName"))
        work = ends.begin(name, event) if plan.exists() else None
        try:
            return execute(function, event, *rest, **named)
        finally:
            if work is not None:
                ends.finish(work)

    iam_evaluator.enforce = enforce
    lambda_svc._execute_function = run
