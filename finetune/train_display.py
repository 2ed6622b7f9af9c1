"""What `finetune train` shows: one list of phases, each with a bar or a line."""

import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

from finetune.report import Output
from finetune.watch_display import ENDED

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

PHASES: Mapping[str, str] = {
    "data": "data",
    "plan": "plan",
    "foundations": "foundations",
    "push": "push",
    "job": "job",
    "training": "training",
    "metrics": "metrics",
}
"""Phases in their order, by name and as they are shown."""


@dataclass(kw_only=True)
class Phase:
    """A phase of a training as it was gone through."""

    name: str
    status: str = ""
    """What is to say of it, the last word in the end."""
    seconds: float = 0.0


@dataclass(kw_only=True)
class Phases:
    """Shows phases: on a terminal as bars, elsewhere as lines, and with `--json` nothing."""

    output: Output
    done: list[Phase] = field(default_factory=list)
    current: Phase | None = None
    _progress: "Progress | None" = None
    _task: "TaskID | None" = None
    _more: dict[str, "TaskID"] = field(default_factory=dict)
    _told: dict[str, str] = field(default_factory=dict)

    @contextmanager
    def shown(self) -> Iterator[None]:
        """Show phases until the context is left."""
        self.go_on()
        try:
            yield
        finally:
            self.pause()

    def go_on(self, *, by_itself: bool = False) -> None:
        """Show bars from here on, where a person looks at a terminal.

        They are brought up to date when something is told; `by_itself` also between, by a thread.
        That is for phases that begin no process: a fork may copy the locks of a thread.
        """
        if self.output.as_json or not (sys.stdout.isatty() and sys.stderr.isatty()):
            return
        self.pause()
        self._progress = bars(by_itself=by_itself)
        self._progress.start()

    def pause(self) -> None:
        """Leave the terminal to a question, or to what comes after; what is shown stays."""
        if self._progress is not None:
            self._progress.stop()
            self._progress = None
            self._more.clear()

    @contextmanager
    def phase(self, name: str) -> Iterator[Phase]:
        """Go through a phase; its `status`, when it is left, is the last word on it."""
        phase = self.current = Phase(name=name)
        began = time.monotonic()
        if self._progress is not None:
            self._task = self._progress.add_task(PHASES[name], total=None, status="")
        try:
            yield phase
        except BaseException:
            self._end("stopped here", phase=phase)
            raise
        phase.seconds = round(time.monotonic() - began, 1)
        self.done.append(phase)
        self._end(phase.status, phase=phase)

    def say(self, status: str) -> None:
        """Tell how the phase is coming along: the last word on a terminal, else a line."""
        if self.current is not None:
            self.current.status = status
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, status=status, refresh=True)
        elif self.current is not None:
            self._line(PHASES[self.current.name], status)

    def tick(self) -> None:
        """Let clocks on the terminal go on."""
        if self._progress is not None:
            self._progress.refresh()

    @contextmanager
    def bar(
        self, *, what: str, total: int, output: Output
    ) -> Iterator[Callable[[int], None] | None]:
        """Show bytes done in the bar of the phase."""
        del output
        progress, task = self._progress, self._task
        if progress is None or task is None:
            yield None
            return
        progress.update(task, status=what, total=total, completed=0, refresh=True)
        yield lambda done: progress.update(task, completed=done, refresh=True)
        progress.update(task, total=None, completed=0, refresh=True)

    def steps(self, *, done: int, of: int) -> None:
        """Show in the bar of the phase how much of it is done."""
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, completed=done, total=of, refresh=True)

    def show(self, statuses: Mapping[str, str]) -> None:
        """Take the statuses of a job and of its phases, as `finetune watch` has them."""
        for what, status in statuses.items():
            if self._progress is None:
                self._line(what, status)
                continue
            if what not in self._more:
                self._more[what] = self._progress.add_task(f"  {what}", total=None, status=status)
            over = status in ENDED
            self._progress.update(
                self._more[what],
                status=status,
                total=1 if over else None,
                completed=1 if over else 0,
                refresh=True,
            )
            if over:
                self._progress.stop_task(self._more[what])

    def _line(self, what: str, status: str) -> None:
        if status and self._told.get(what) != status:
            self._told[what] = status
            self.output.say(f"{time.strftime('%H:%M:%S')}  {what}: {status}")

    def _end(self, status: str, *, phase: Phase) -> None:
        if self._progress is not None and self._task is not None:
            self._progress.update(self._task, status=status, total=1, completed=1, refresh=True)
            self._progress.stop_task(self._task)
        else:
            self._line(PHASES[phase.name], status)
        self._task, self.current = None, None


def bars(*, by_itself: bool) -> "Progress":
    """Return the bars' layout, on standard error."""
    from rich.console import Console  # noqa: PLC0415 slow to load
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        Progress,
        SpinnerColumn,
        TextColumn,
        TimeElapsedColumn,
    )

    return Progress(
        SpinnerColumn(finished_text="·"),
        TextColumn("{task.description}", markup=False),
        BarColumn(bar_width=20),
        TimeElapsedColumn(),
        TextColumn("{task.fields[status]}", markup=False),
        console=Console(stderr=True),
        auto_refresh=by_itself,
    )
