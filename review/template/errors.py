"""How reading templates fails: what cannot be read at all, and what cannot be resolved."""

from __future__ import annotations

from collections.abc import Mapping


class UnreadableError(Exception):
    """The input is no template that could be deployed, or not one that can be read safely.

    Args:
        message: What is wrong, what was found and what is allowed.
        fix: What to do.
        where: Any of `file`, `line`, `stack`, `logical_id`, `property`.
    """

    def __init__(
        self, message: str, *, fix: str, where: Mapping[str, str | int] | None = None
    ) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix
        self.where = dict(where or {})

    def __str__(self) -> str:
        place = ":".join(str(self.where[key]) for key in ("file", "line") if key in self.where)
        return f"{place}: {self.message}" if place else self.message


class UnresolvedError(Exception):
    """A template says something that this model does not know how to resolve."""
