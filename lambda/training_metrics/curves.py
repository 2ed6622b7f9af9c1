"""A table of metrics as curves: read from CSV, put in order, and tolerant of what is odd in it.

Columns by AWS's guide: `step_number` (from 0), `epoch_number`, `training_loss` or
`validation_loss`, `perplexity`.
https://docs.aws.amazon.com/bedrock/latest/userguide/model-customization-analyze.html
"""

from __future__ import annotations

import csv
import io
import math
import operator
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Final, Literal

from training_metrics.notes import Note

Kind = Literal["training", "validation"]

STEP: Final = "step_number"
EPOCH: Final = "epoch_number"
PERPLEXITY: Final = "perplexity"
_LARGEST_EXPONENT = 700.0
_LONGEST_LIST = 5


@dataclass(frozen=True, kw_only=True)
class Curve:
    """One table's numbers, by rising step; all lists are of one length, and of one at least."""

    kind: Kind
    label: str
    """What to call it among the curves of its run, such as `training`."""
    file: str
    steps: Sequence[int]
    epochs: Sequence[int] | None
    """None when the table has no such column."""
    losses: Sequence[float]
    """May hold NaN and infinity: a loss that diverged."""
    perplexities: Sequence[float]
    """As the table has it; where it has none, e to the power of the loss."""

    def __len__(self) -> int:
        return len(self.steps)


class UnreadableTableError(Exception):
    """A file is no table of metrics; the text says why."""


def read_curve(
    *, content: bytes, kind: Kind, label: str, file: str
) -> tuple[Curve, tuple[Note, ...]]:
    """Return the curve that a CSV file holds, and what was odd about the file.

    Raises UnreadableTableError when it is no such table or holds no number.
    """
    return _Table(content=content, kind=kind, label=label, file=file).curve()


class _Table:
    def __init__(self, *, content: bytes, kind: Kind, label: str, file: str) -> None:
        self._kind: Kind = kind
        self._label, self._file = label, file
        self._notes: list[Note] = []
        try:
            text = content.decode("utf-8-sig")
        except UnicodeDecodeError as error:
            raise UnreadableTableError("it must be UTF-8 text, and is not") from error
        head, _, body = text.lstrip("\r\n").partition("\n")
        try:
            header = [
                name.strip().lower() for name in next(csv.reader([head], skipinitialspace=True), [])
            ]
        except csv.Error as error:
            raise UnreadableTableError(f"it is no CSV ({error})") from error
        self._columns = {name: index for index, name in enumerate(header)}
        self._width = len(header)
        self._loss = f"{kind}_loss"
        missing = [name for name in (STEP, self._loss) if name not in self._columns]
        if missing:
            raise UnreadableTableError(
                f"it must have the columns {STEP} and {self._loss}, got "
                f"{', '.join(header[:8])[:200] or 'an empty file'}"
            )
        self._body = body

    def _note(self, kind: str, message: str, *, warning: bool = False) -> None:
        level: Literal["warning", "note"] = "warning" if warning else "note"
        self._notes.append(Note(kind=kind, level=level, message=message, file=self._file))

    def curve(self) -> tuple[Curve, tuple[Note, ...]]:
        steps, epochs, losses, perplexities = self._numbers()
        if not steps:
            raise UnreadableTableError("it holds no row of numbers")
        order = self._order(steps, epochs)
        if order is not None:
            losses = [losses[index] for index in order]
            perplexities = [perplexities[index] for index in order]
            epochs = [epochs[index] for index in order] if epochs else None
            steps = [steps[index] for index in order]
        if epochs is not None and any(map(operator.gt, epochs, epochs[1:])):
            self._note("epochs-fall", "the epoch falls while the step rises: epochs are left out")
            epochs = None
        curve = Curve(
            kind=self._kind,
            label=self._label,
            file=self._file,
            steps=steps,
            epochs=epochs,
            losses=losses,
            perplexities=perplexities,
        )
        return curve, tuple(self._notes)

    def _numbers(self) -> tuple[list[int], list[int] | None, list[float], list[float]]:
        """Return the columns; a whole column at a time when all is well, else row by row."""
        steps: list[int]
        epochs: list[int] | None
        perplexities: list[float] | None
        try:
            cells = self._cells()
            steps = list(map(int, cells(STEP)))
            losses = list(map(float, cells(self._loss)))
            epochs = _few(cells(EPOCH)) if EPOCH in self._columns else None
            perplexities = (
                list(map(float, cells(PERPLEXITY))) if PERPLEXITY in self._columns else None
            )
        except ValueError:
            steps, epochs, losses, perplexities = self._row_by_row()
        if EPOCH not in self._columns:
            self._note("no-epochs", f"there is no column {EPOCH}: nothing is said by epoch")
        if perplexities is None:
            self._note(
                "no-perplexity",
                f"there is no column {PERPLEXITY}: it is worked out as e to the power of the loss",
            )
            perplexities = [perplexity_of(loss) for loss in losses]
        return steps, epochs, losses, perplexities

    def _cells(self) -> Callable[[str], list[str]]:
        """Return a function that gives a column of a table without any oddity, quickly.

        A table of plain numbers needs no CSV reader, which makes a list of each row: this is three
        times as fast on 100,000 rows. Raises ValueError when the table is not so plain.
        """
        lines = self._body.split()
        commas = set(map(operator.methodcaller("count", ","), lines))
        if '"' in self._body or not commas <= {self._width - 1}:
            raise ValueError
        cells = ",".join(lines).split(",") if lines else []
        return lambda name: cells[self._columns[name] :: self._width]

    def _row_by_row(self) -> tuple[list[int], list[int] | None, list[float], list[float] | None]:
        steps: list[int] = []
        epochs: list[int] = []
        losses: list[float] = []
        perplexities: list[float] = []
        bad: list[int] = []
        without_perplexity = 0
        try:
            rows = [
                row for row in csv.reader(io.StringIO(self._body), skipinitialspace=True) if row
            ]
        except csv.Error as error:
            raise UnreadableTableError(f"it is no CSV ({error})") from error
        for number, row in enumerate(rows, start=1):
            try:
                step = _whole(row[self._columns[STEP]])
                loss = float(row[self._columns[self._loss]])
                epoch = _whole(row[self._columns[EPOCH]]) if EPOCH in self._columns else 0
            except (ValueError, IndexError, OverflowError):
                bad.append(number)
                continue
            try:
                perplexity = float(row[self._columns[PERPLEXITY]])
            except (ValueError, IndexError, KeyError):
                without_perplexity += 1
                perplexity = perplexity_of(loss)
            steps.append(step)
            losses.append(loss)
            epochs.append(epoch)
            perplexities.append(perplexity)
        if bad:
            shown = ", ".join(map(str, bad[:_LONGEST_LIST]))
            more = f" and {len(bad) - _LONGEST_LIST} more" if len(bad) > _LONGEST_LIST else ""
            self._note(
                "bad-rows",
                f"{len(bad)} of {len(rows)} rows hold no numbers and are left out"
                f" (row {shown}{more}, counted without the header)",
                warning=True,
            )
        if without_perplexity and PERPLEXITY in self._columns:
            self._note(
                "perplexity-filled",
                f"{without_perplexity} rows have no perplexity: it is worked out from the loss",
            )
        return (
            steps,
            epochs if EPOCH in self._columns else None,
            losses,
            perplexities if PERPLEXITY in self._columns else None,
        )

    def _order(self, steps: list[int], epochs: list[int] | None) -> list[int] | None:
        """Return the rows in the order to take them, None for as they are.

        Steps that begin anew with each epoch are numbered through, in place.
        """
        if all(map(operator.lt, steps, steps[1:])):
            return None
        if epochs is not None:
            pairs = list(zip(epochs, steps, strict=True))
            if all(map(operator.lt, pairs, pairs[1:])):
                self._note(
                    "steps-restart", "steps begin anew with each epoch: they are numbered through"
                )
                steps[:] = range(len(steps))
                return None
        latest = dict(zip(steps, range(len(steps)), strict=True))
        if len(latest) < len(steps):
            self._note(
                "repeated-steps",
                f"{len(steps) - len(latest)} rows repeat a step: the later row of each is taken",
                warning=True,
            )
        if any(map(operator.gt, steps, steps[1:])):
            self._note("unordered-steps", "the rows are not by rising step: they were sorted")
        return [latest[step] for step in sorted(latest)]


def perplexity_of(loss: float) -> float:
    """Return e to the power of a loss; infinity where that is too large for a number."""
    if math.isnan(loss):
        return math.nan
    return math.exp(loss) if loss < _LARGEST_EXPONENT else math.inf


def _few(cells: Sequence[str]) -> list[int]:
    """Return whole numbers of which there are few different ones, as epochs are."""
    known = {cell: int(cell) for cell in set(cells)}
    return list(map(known.__getitem__, cells))


def _whole(text: str) -> int:
    """Return a whole number that may be written as `3` or `3.0`; raises ValueError."""
    try:
        return int(text)
    except ValueError:
        number = float(text)
        if not number.is_integer():
            raise
        return int(number)
