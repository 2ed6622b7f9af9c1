"""Which jobs may be in Bedrock at once, and which wait: one small ledger, changed as a whole.

A ledger is a value; every change gives a new one. The table keeps it in one item under a version,
so that taking a place and joining the queue are one step: nobody overtakes, and no place is given
twice, however many functions ask at once.
"""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, replace


@dataclass(frozen=True, kw_only=True)
class Ledger:
    """The names that hold a place, and those that wait, oldest first."""

    running: tuple[str, ...] = ()
    waiting: tuple[str, ...] = ()

    def enter(self, name: str, *, limit: int) -> Ledger:
        """Let a name in when there is a place and nobody waits before it; else let it wait."""
        if name in self.running:
            return self
        waiting = self.waiting if name in self.waiting else (*self.waiting, name)
        if waiting[0] == name and len(self.running) < limit:
            return Ledger(running=(*self.running, name), waiting=waiting[1:])
        return replace(self, waiting=waiting)

    def wait(self, name: str) -> Ledger:
        """Put a name at the end of the queue if it is nowhere."""
        if name in self.running or name in self.waiting:
            return self
        return replace(self, waiting=(*self.waiting, name))

    def hold(self, name: str) -> Ledger:
        """Give a name a place whatever the limit: its job is in Bedrock already."""
        if name in self.running:
            return self
        return Ledger(running=(*self.running, name), waiting=_without(self.waiting, name))

    def leave(self, *names: str) -> Ledger:
        """Take names out, wherever they are."""
        return Ledger(
            running=_without(self.running, *names), waiting=_without(self.waiting, *names)
        )

    def promote(self, *, eligible: Collection[str], limit: int) -> Ledger:
        """Give free places to those of the waiting that are eligible, oldest first."""
        free = max(0, limit - len(self.running))
        chosen = [name for name in self.waiting if name in eligible][:free]
        return Ledger(running=(*self.running, *chosen), waiting=_without(self.waiting, *chosen))


def _without(names: tuple[str, ...], *gone: str) -> tuple[str, ...]:
    return tuple(name for name in names if name not in gone)
