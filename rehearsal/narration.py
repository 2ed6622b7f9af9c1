"""What a person sees while a rehearsal runs: its steps, with the time, on standard error."""

from __future__ import annotations

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field

from rich.console import Console
from rich.markup import escape

WHAT_IS_NOT_REAL = (
    "Not real: nothing trains; which checks Bedrock makes and when, its error texts and the exact "
    "KMS and EC2 calls it needs are assumptions."
)


@dataclass(kw_only=True)
class Step:
    """A finished step."""

    name: str
    seconds: float
    ok: bool


@dataclass(kw_only=True)
class Narration:
    """Prints steps as they end, each with the time since the start and its own."""

    console: Console
    started: float = field(default_factory=time.monotonic)
    steps: list[Step] = field(default_factory=list)

    @property
    def seconds(self) -> float:
        """Seconds since the start."""
        return time.monotonic() - self.started

    def say(self, text: str, *, style: str = "") -> None:
        """Print a line with the time."""
        shown = f"[{style}]{escape(text)}[/{style}]" if style else escape(text)
        self.console.print(
            f"[dim]{self.seconds:6.1f} s[/dim]  {shown}",
            highlight=False,
            soft_wrap=True,
        )

    def detail(self, text: str) -> None:
        """Print a line below the last one."""
        self.console.print(f"          {escape(text)}", highlight=False, soft_wrap=True)

    @contextmanager
    def step(self, name: str) -> Iterator[None]:
        """Time what happens inside and print it when it ends."""
        began = time.monotonic()
        try:
            yield
        except BaseException:
            self._end(name, began, ok=False)
            raise
        self._end(name, began, ok=True)

    def _end(self, name: str, began: float, *, ok: bool) -> None:
        took = time.monotonic() - began
        self.steps.append(Step(name=name, seconds=round(took, 2), ok=ok))
        if ok:
            self.say(f"{name} ({took:.1f} s)")
        else:
            self.say(f"{name}: failed after {took:.1f} s", style="red")
