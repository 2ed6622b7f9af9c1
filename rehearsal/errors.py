"""Errors of the rehearsal itself."""

from __future__ import annotations


class RehearsalError(Exception):
    """The rehearsal failed: what happened, what to do, and where to read more."""

    def __init__(self, message: str, *, fix: str, reasons: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix
        self.reasons = reasons
        """Refusals behind it, first cause first."""


class KeptRehearsalError(RehearsalError):
    """There is no kept rehearsal to end, or one that must be ended first."""
