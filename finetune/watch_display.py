"""What `finetune watch` shows while it follows a job: bars on a terminal, lines anywhere else."""

import sys
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import TYPE_CHECKING, Protocol

from finetune.report import Output

if TYPE_CHECKING:
    from rich.progress import Progress, TaskID

ENDED = frozenset({"Completed", "Failed", "Stopped", "Refused", "Withdrawn", "Missing", "Lost"})
"""Statuses of a job or of a phase after which nothing of it changes."""


class Display(Protocol):
    """Something that is told what a job and its phases are at each look."""

    def show(self, statuses: Mapping[str, str]) -> None:
        """Take the statuses by what they are of: the job's name first, then its phases."""


class Lines:
    """A line with the time for each status that changed, on standard output."""

    def __init__(self, output: Output) -> None:
        self._output = output
        self._shown: dict[str, str] = {}

    def show(self, statuses: Mapping[str, str]) -> None:
        """Say what differs from what was shown last."""
        clock = time.strftime("%H:%M:%S")
        for what, status in statuses.items():
            if self._shown.get(what) != status:
                self._shown[what] = status
                self._output.say(f"{clock}  {what}: {status}")


class Bars:
    """A bar for the job and for each of its phases, with the time that it took."""

    def __init__(self, progress: "Progress") -> None:
        self._progress = progress
        self._tasks: dict[str, TaskID] = {}

    def show(self, statuses: Mapping[str, str]) -> None:
        """Bring the bars to these statuses; what ended has a full bar and its clock stands."""
        for what, status in statuses.items():
            if what not in self._tasks:
                self._tasks[what] = self._progress.add_task(
                    what, total=None, start=False, status=status
                )
            task = self._tasks[what]
            waits = status in {"NotStarted", "Queued"}
            if not waits and self._progress.tasks[task].start_time is None:
                self._progress.start_task(task)
            over = status in ENDED
            self._progress.update(
                task, status=status, total=1 if over else None, completed=1 if over else 0
            )
            if over:
                self._progress.stop_task(task)


@contextmanager
def display(output: Output) -> Iterator[Display]:
    """Show bars when a person looks at a terminal, and lines otherwise; nothing with `--json`."""
    if output.as_json or not (sys.stdout.isatty() and sys.stderr.isatty()):
        yield Lines(output)
        return
    with bars() as progress:
        yield Bars(progress)


def bars() -> "Progress":
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
        SpinnerColumn(),
        TextColumn("{task.description}", markup=False),
        BarColumn(),
        TextColumn("{task.fields[status]}", markup=False),
        TimeElapsedColumn(),
        console=Console(stderr=True),
    )
