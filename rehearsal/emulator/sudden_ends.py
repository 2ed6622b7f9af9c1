"""Functions that are ended in the middle of their work, at the call a scenario says.

A file names a function and the how-manieth of its calls ends it: before that call has any effect,
so after all effects of those before. On AWS a function ends like this when its time or memory is
over, or its machine is gone; Step Functions then sees `Runtime.ExitError`.
"""

from __future__ import annotations

import contextlib
import json
import logging
import os
import signal
import threading
from pathlib import Path
from typing import Any

from ministack.core import iam_evaluator, lambda_runtime

from rehearsal.emulator import principals

_log = logging.getLogger("rehearsal")
_file: list[Path] = []
_counts: dict[str, int] = {}
"""How many calls were made since a plan was written, by the plan."""
_lock = threading.Lock()


def _is_the_one(name: str) -> bool:
    """Whether this call of a function is the one that ends it; each plan is used up once."""
    try:
        text = _file[0].read_text(encoding="utf-8")
        plan = json.loads(text)
    except (OSError, ValueError):
        return False
    with _lock:
        if plan["function"] != name or not _file[0].exists():
            return False
        _counts[text] = _counts.get(text, 0) + 1
        if _counts[text] < plan["call"]:
            return False
        del _counts[text]
        _file[0].unlink()
        return True


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


def install(file: Path) -> None:
    """End functions as `file` says. Must come after the front door: it looks at calls first."""
    _file[:] = [file]
    inner = iam_evaluator.enforce

    def enforce(access_key_id: str, iam_action: str, *rest: Any, **named: Any) -> Any:
        arn = principals.function_of(access_key_id) if _file[0].exists() else None
        name = principals.function_config(arn).get("FunctionName", "") if arn else ""
        if name and _is_the_one(name):
            _log.info("the function %s is ended at its call of %s", name, iam_action)
            _end(name, access_key_id)
            return iam_evaluator.AuthError("InternalFailure", "whoever called is gone")
        return inner(access_key_id, iam_action, *rest, **named)

    iam_evaluator.enforce = enforce
