"""Trying again: how long, and with pauses that keep many callers from coming back together."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from typing import Final

FIRST_PAUSE_SECONDS: Final = 2.0
LONGEST_PAUSE_SECONDS: Final = 15.0
LEDGER_PAUSE_SECONDS: Final = 0.05
LONGEST_LEDGER_PAUSE_SECONDS: Final = 1.0


def jitter(ceiling: float) -> float:
    """Return a pause of any length up to a ceiling ("full jitter"), in seconds.

    https://aws.amazon.com/blogs/architecture/exponential-backoff-and-jitter/
    """
    return random.uniform(ceiling / 20, ceiling)  # noqa: S311 - no secret depends on it


@dataclass(kw_only=True)
class Patience:
    """What is left of the seconds that one invocation may spend on waiting."""

    seconds: float
    sleep: Callable[[float], None]
    waited: float = 0.0

    def wait(self, attempt: int) -> bool:
        """Wait before the attempt after this one (from 0); False when that would take too long."""
        pause = jitter(min(FIRST_PAUSE_SECONDS * 2.0**attempt, LONGEST_PAUSE_SECONDS))
        if self.waited + pause > self.seconds:
            return False
        self.sleep(pause)
        self.waited += pause
        return True


def ledger_pause(attempt: int) -> float:
    """Return how long to wait, in seconds, before the ledger is read again."""
    ceiling = min(LEDGER_PAUSE_SECONDS * 2.0 ** min(attempt, 10), LONGEST_LEDGER_PAUSE_SECONDS)
    return jitter(ceiling)
