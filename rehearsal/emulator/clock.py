"""The emulated account's time: this machine's, moved forward by what a file says.

Scenarios write the file to let hours pass at once. What follows the moved time: Bedrock,
EventBridge Scheduler, and the functions, whose interpreter gets it from `function_site/`. What
stays at this machine's time: signatures of people's calls, certificates, and CloudWatch.
"""

from __future__ import annotations

import datetime
import os
from pathlib import Path
from typing import Any

from ministack.core import sigv4

FILE_VARIABLE = "REHEARSAL_CLOCK_FILE"
"""How functions are told where the file is; `function_site/sitecustomize.py` reads it."""
_SITE = Path(__file__).parent / "function_site"
_MOST_SKEW = datetime.timedelta(seconds=5)

_original_failure = sigv4.request_time_failure
_file: list[Path] = []


def offset() -> datetime.timedelta:
    """How far the account's time is ahead of this machine's."""
    try:
        return datetime.timedelta(seconds=float(_file[0].read_text(encoding="utf-8")))
    except (IndexError, OSError, ValueError):
        return datetime.timedelta(0)


def now() -> datetime.datetime:
    """The account's time, in UTC."""
    return datetime.datetime.now(datetime.UTC) + offset()


def _request_time_failure(signature: Any, *, now: datetime.datetime | None = None) -> Any:
    """Take a signature that is of this machine's time, or of the account's."""
    failed = _original_failure(signature, now=now)
    moved = offset()
    if failed is None or moved < _MOST_SKEW:
        return failed
    return _original_failure(signature, now=datetime.datetime.now(datetime.UTC) + moved)


def install(file: Path) -> None:
    """Take the offset from `file` from now on, and hand it to the functions."""
    _file[:] = [file]
    sigv4.request_time_failure = _request_time_failure
    os.environ[FILE_VARIABLE] = str(file)
    os.environ["PYTHONPATH"] = str(_SITE)
