"""A progress bar on standard error, for a person who watches."""

import contextlib
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager
from typing import Protocol

from finetune.report import Output


class Bar(Protocol):
    """Something that shows how many of some bytes are done."""

    def __call__(
        self, *, what: str, total: int, output: Output
    ) -> AbstractContextManager[Callable[[int], None] | None]:
        """Begin to show it; what is yielded is called with the bytes done so far."""


@contextlib.contextmanager
def progress_bar(
    *, what: str, total: int, output: Output
) -> Iterator[Callable[[int], None] | None]:
    """Yield a function to call with the bytes done so far; None when nobody watches."""
    if output.as_json or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415 slow to load
    from rich.progress import (  # noqa: PLC0415
        BarColumn,
        DownloadColumn,
        Progress,
        TextColumn,
        TimeRemainingColumn,
        TransferSpeedColumn,
    )

    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        DownloadColumn(),
        TransferSpeedColumn(),
        TimeRemainingColumn(),
    )
    # Without a thread of its own that refreshes: other processes may be forked meanwhile.
    console = Console(stderr=True)
    with Progress(*columns, console=console, transient=True, auto_refresh=False) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done, refresh=True)
