"""Records of a data set for people to read, and how long they are. This module shows data."""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path

from trainingdata.formats import format_of
from trainingdata.formats.base import Report
from trainingdata.json_line import parse
from trainingdata.limits import DataLimits
from trainingdata.lines import lines_of


@dataclass(frozen=True, kw_only=True)
class Shown:
    """One record for a person to read."""

    line: int
    texts: Sequence[tuple[str, str]]
    """Path and text of each part."""
    characters: int
    readable: bool = True
    """Whether the line is a record at all."""


@dataclass(kw_only=True)
class Lengths:
    """How long the records of a data set are, in characters."""

    records: int = 0
    unreadable: int = 0
    characters: int = 0
    least: int | None = None
    most: int = 0
    by_power: Counter[int] = field(default_factory=Counter)
    """Records by the power of two their length lies under: 10 for 512 to 1,023 characters."""

    def add(self, characters: int) -> None:
        """Count a record."""
        self.records += 1
        self.characters += characters
        self.least = characters if self.least is None else min(self.least, characters)
        self.most = max(self.most, characters)
        self.by_power[characters.bit_length()] += 1

    def rows(self) -> list[tuple[int, int, int]]:
        """Rows of a histogram without gaps: from, to (both included), records."""
        if not self.by_power:
            return []
        powers = range(min(self.by_power), max(self.by_power) + 1)
        return [((1 << power) >> 1, (1 << power) - 1, self.by_power[power]) for power in powers]


def records(*, path: Path, limits: DataLimits, first: int, count: int) -> list[Shown]:
    """The records from a line on, at most `count`."""
    size = path.stat().st_size
    form = format_of(limits)
    found = []
    with path.open("rb", buffering=0) as file:
        lines = enumerate(lines_of(handle=file.fileno(), start=0, stop=size), 1)
        for number, line in islice(lines, first - 1, first - 1 + count):
            record, _ = parse(line.content())
            if record is None:
                found.append(Shown(line=number, texts=(), characters=0, readable=False))
                continue
            facts = form.explain(record, Report())
            texts = tuple(zip(facts.fields, facts.texts, strict=True))
            found.append(Shown(line=number, texts=texts, characters=facts.characters))
    return found


def lengths(*, path: Path, limits: DataLimits) -> Lengths:
    """How long all records are."""
    size = path.stat().st_size
    form = format_of(limits)
    found = Lengths()
    with path.open("rb", buffering=0) as file:
        for line in lines_of(handle=file.fileno(), start=0, stop=size):
            facts = None if line.too_long else form.quick(line.buffer, line.start, line.end)
            if facts is None and not line.too_long:
                record, _ = parse(line.content())
                facts = None if record is None else form.explain(record, Report())
            if facts is None:
                found.unreadable += 1
            else:
                found.add(facts.characters)
    return found


def bar(count: int, *, most: int, width: int = 40) -> str:
    """A bar whose length stands to the width as a count to the greatest one; never empty."""
    return "█" * max(1, math.ceil(width * count / most)) if count else ""
