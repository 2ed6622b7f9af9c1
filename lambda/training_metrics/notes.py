"""What was odd or missing in a run: said beside its numbers, and never an end of the reading."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True, kw_only=True)
class Note:
    """One thing a reader of the numbers should know."""

    kind: str
    """Stable name in kebab case."""
    level: Literal["error", "warning", "note"]
    message: str
    """One sentence; what was found, and what it means for the numbers."""
    file: str = ""
    """Name of the file, below the folder that was read; empty when it is about none."""
