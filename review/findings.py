"""One thing a reader should know, in the one shape that every check and every command uses."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal

Level = Literal["error", "warning", "note"]


@dataclass(frozen=True, kw_only=True)
class Finding:
    """One thing a reader should know, where it is, and what to do about it."""

    id: str
    """Stable name: `kebab-case`, or `network.no-way-out` where rules have families."""
    level: Level
    message: str
    """What is wrong, what was found and what is allowed; never the data itself."""
    fix: str
    """What to do; empty when there is nothing to do."""
    where: Mapping[str, str | int] = field(default_factory=dict)
    """Any of `file`, `line`, `offset`, `stack`, `logical_id`, `property`."""

    def as_json(self) -> dict[str, object]:
        """Return the finding in the shape of the JSON contract."""
        return {
            "id": self.id,
            "level": self.level,
            "message": self.message,
            "fix": self.fix,
            "where": dict(self.where),
        }

    def as_text(self) -> str:
        """Return the finding as one or two lines for a terminal."""
        place = ":".join(str(self.where[key]) for key in ("file", "line") if key in self.where)
        if not place:
            place = ".".join(
                str(self.where[key])
                for key in ("stack", "logical_id", "property")
                if key in self.where
            )
        head = f"{self.level}: {f'{place}: ' if place else ''}{self.message} [{self.id}]"
        text = f"{head}\n  do: {self.fix}" if self.fix else head
        # A name in somebody else's template may hold what moves a terminal's cursor.
        return "".join(
            each if each.isprintable() or each == "\n" else "\N{REPLACEMENT CHARACTER}"
            for each in text
        )
