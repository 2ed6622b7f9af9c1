"""A record of everything that was refused, so that a reader can be told the first cause.

A refusal reaches a person through several hands (a function's error, a provider framework, a
stack event cut at some length; a HEAD request carries no text at all). This file is the source.
"""

from __future__ import annotations

import json
import logging
import threading
import time
from pathlib import Path

_log = logging.getLogger("rehearsal")
_lock = threading.Lock()
_destination: list[Path] = []


def write_to(path: Path) -> None:
    """Append refusals to `path` from now on."""
    _destination[:] = [path]


def record(*, where: str, reason: str) -> None:
    """Note one refusal.

    Args:
        where: the part that refused: `front door`, `bedrock`, `job`, `cloudformation`.
        reason: the whole text, with principal, action and resource where they apply.
    """
    _log.warning("refused (%s): %s", where, reason)
    line = json.dumps({"at": round(time.time(), 3), "where": where, "reason": reason})
    with _lock:
        for path in _destination:
            with path.open("a", encoding="utf-8") as file:
                file.write(line + "\n")
