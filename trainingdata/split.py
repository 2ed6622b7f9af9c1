"""Parting a data set into training and validation data, without leakage between them.

Records that are the same, nearly the same, or ask the same, stay together. The parting depends on
the data and the seed only.
"""

import os
import random
import tempfile
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

from trainingdata.check import FileCheck
from trainingdata.duplicates import Near, Records
from trainingdata.lines import lines_of


@dataclass(frozen=True, kw_only=True)
class Parted:
    """How a data set was parted."""

    training: int
    validation: int
    groups: int
    """Sets of records that had to stay together, single ones included."""


def choose(*, check: FileCheck, validation: int, seed: int) -> tuple[set[int], int]:
    """Lines of the records for validation, about as many as asked for, and the number of groups.

    Groups are taken in an order that the seed decides, as long as they fit.
    """
    records = Records.of(check)
    groups = _groups(records)
    chosen: set[int] = set()
    order = sorted(groups.values(), key=lambda group: records.whole(group[0]))
    random.Random(seed).shuffle(order)  # noqa: S311 no secret: it must give the same again
    for group in order:
        if len(chosen) + len(group) <= validation:
            chosen.update(records.places[index] for index in group)
    return chosen, len(groups)


def _groups(records: Records) -> dict[int, list[int]]:
    """Records by the first one of those they must stay with."""
    parent = list(range(len(records)))

    def root(index: int) -> int:
        while parent[index] != index:
            parent[index] = parent[parent[index]]
            index = parent[index]
        return index

    def join(one: int, other: int) -> None:
        low, high = sorted((root(one), root(other)))
        parent[high] = low

    questions: dict[int, int] = {}
    near = Near(records)
    for index in range(len(records)):
        join(questions.setdefault(records.asked(index), index), index)
        for like in near.all_like(records.sketch(index)):
            join(like, index)
        near.add(index)
    groups: dict[int, list[int]] = {}
    for index in range(len(records)):
        groups.setdefault(root(index), []).append(index)
    return groups


def part(
    *, source: Path, training: Path, validation: Path, chosen: set[int], groups: int
) -> Parted:
    """Write the lines of a file to two: the chosen ones to `validation`.

    Lines keep their content and get a line feed. The files appear whole or not at all.
    """
    counts = [0, 0]
    with ExitStack() as stack:
        targets = (training, validation)
        temporary: list[Path] = []
        for target in targets:
            handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
            temporary.append(Path(name))
            stack.callback(temporary[-1].unlink, missing_ok=True)
            os.close(handle)
        with (
            source.open("rb", buffering=0) as file,
            temporary[0].open("wb") as first,
            temporary[1].open("wb") as second,
        ):
            size = source.stat().st_size
            lines = lines_of(handle=file.fileno(), start=0, stop=size)
            for number, line in enumerate(lines, 1):
                which = int(number in chosen)
                (second if which else first).write(line.content() + b"\n")
                counts[which] += 1
        mask = os.umask(0)
        os.umask(mask)
        for made, target in zip(temporary, targets, strict=True):
            made.chmod(0o666 & ~mask)
            made.replace(target)
    return Parted(training=counts[0], validation=counts[1], groups=groups)
