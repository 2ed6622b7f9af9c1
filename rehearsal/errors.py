"""Errors of the rehearsal itself."""

from __future__ import annotations


class RehearsalError(Exception):
    """The rehearsal failed: what happened, what to do, and where to read more."""

    id = "rehearsal-failed"
    """What the finding of the command line is called."""

    def __init__(self, message: str, *, fix: str, reasons: tuple[str, ...] = ()) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix
        self.reasons = reasons
        """Refusals behind it, first cause first."""

    def caused_by(self, refusals: tuple[str, ...]) -> None:
        """Put what the emulator refused before what was said of it elsewhere.

        A sentence travels through the function's error, the provider framework and the stack's
        event; it is shown once.
        """
        shown: list[str] = []
        sentences: list[str] = []
        for reason in (*refusals, *self.reasons):
            flat = " ".join(reason.split())
            repeated = next((sentence for sentence in sentences if sentence in flat), None)
            if repeated and reason in refusals:
                continue
            sentences.append(flat.rpartition("Exception: ")[2])
            shown.append(flat.replace(repeated, "(as above)") if repeated else flat)
        self.reasons = tuple(shown)


class KeptRehearsalError(RehearsalError):
    """A rehearsal is kept that must be ended first."""

    id = "rehearsal-kept"


class NothingKeptError(RehearsalError):
    """There is no kept rehearsal to end."""

    id = "no-rehearsal-kept"
