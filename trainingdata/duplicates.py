"""Records that are the same or nearly, in one data set or in training and validation.

Kept of each record are a few numbers (`likeness`), so that a million of them fit into memory. A
record is compared with the first of those that it may be like, not with all: what matters is that
it is told, and where its like is.
"""

from collections.abc import Iterator
from dataclasses import dataclass

from trainingdata.check import FileCheck
from trainingdata.findings import DataFinding
from trainingdata.likeness import BANDS, ROWS, SKETCH, Numbers

NEAR = 0.8
"""Share of their word sequences from which on two records are nearly the same."""
_EQUAL = round(NEAR * SKETCH)


@dataclass(frozen=True, slots=True)
class Records:
    """The records of one file, as the check of it kept them."""

    places: Numbers
    digests: Numbers
    sketches: Numbers

    @classmethod
    def of(cls, check: FileCheck) -> "Records":
        """The records that a check kept."""
        return cls(check.places, check.digests, check.sketches)

    def __len__(self) -> int:
        return len(self.places)

    def whole(self, index: int) -> int:
        """Digest of a record."""
        return self.digests[2 * index]

    def asked(self, index: int) -> int:
        """Digest of what the model is given of a record."""
        return self.digests[2 * index + 1]

    def sketch(self, index: int) -> Numbers:
        """Sketch of a record."""
        return self.sketches[SKETCH * index : SKETCH * (index + 1)]


class Near:
    """Finds an earlier record like another."""

    def __init__(self, records: Records) -> None:
        self._records = records
        self._bands: list[dict[bytes, int]] = [{} for _ in range(BANDS)]

    def like(self, sketch: Numbers) -> int | None:
        """The index of a record that was added and is nearly the same; None when none is."""
        return next(self.all_like(sketch), None)

    def all_like(self, sketch: Numbers) -> Iterator[int]:
        """Yield the indexes of records that were added and are nearly the same, each once."""
        tried: set[int] = set()
        for band, key in self._keys(sketch):
            index = self._bands[band].get(key)
            if index is None or index in tried:
                continue
            tried.add(index)
            if equal_numbers(self._records.sketch(index), sketch) >= _EQUAL:
                yield index

    def add(self, index: int) -> None:
        """Let later records be found like this one."""
        for band, key in self._keys(self._records.sketch(index)):
            self._bands[band].setdefault(key, index)

    @staticmethod
    def _keys(sketch: Numbers) -> Iterator[tuple[int, bytes]]:
        if sketch[0]:
            content = sketch.tobytes()
            size = ROWS * sketch.itemsize
            for band in range(BANDS):
                yield band, content[size * band : size * (band + 1)]


def equal_numbers(one: Numbers, other: Numbers) -> int:
    """How many numbers of two sketches are the same."""
    return sum(map(int.__eq__, one, other))


def duplicates(records: Records) -> Iterator[DataFinding]:
    """Yield a warning for each record that is the same as an earlier one, or nearly."""
    first: dict[int, int] = {}
    near = Near(records)
    for index in range(len(records)):
        line = records.places[index]
        earlier = first.setdefault(records.whole(index), index)
        if earlier != index:
            yield DataFinding(
                kind="duplicate",
                level="warning",
                message=f"the record is the same as that on line {records.places[earlier]}",
                fix="remove one of them; raise epochCount where all should be seen more often",
                line=line,
            )
            continue
        like = near.like(records.sketch(index))
        if like is None:
            near.add(index)
            continue
        yield DataFinding(
            kind="near-duplicate",
            level="warning",
            message="the record is nearly the same as that on line"
            f" {records.places[like]}: they share about {NEAR:.0%} of their word sequences"
            " or more",
            fix="keep one of them, unless the difference is what is to be learned",
            line=line,
        )


def leaks(*, training: Records, validation: Records, file: str) -> Iterator[DataFinding]:
    """Yield a finding for each validation record that is in the training data too.

    `file` names the training data. The lines are those of the validation data.
    """
    wholes = {training.whole(index): index for index in reversed(range(len(training)))}
    questions = {training.asked(index): index for index in reversed(range(len(training)))}
    near = Near(training)
    for index in range(len(training)):
        near.add(index)
    fix = "remove it from one of them: `finetune data split` keeps such records together"
    for index in range(len(validation)):
        line = validation.places[index]
        same = wholes.get(validation.whole(index))
        question = questions.get(validation.asked(index))
        if same is not None:
            yield DataFinding(
                kind="leakage",
                message=f"the record is in the training data too: {file}, line"
                f" {training.places[same]}",
                fix=fix,
                line=line,
            )
        elif question is not None:
            yield DataFinding(
                kind="leakage",
                message="the training data has the same question with another answer:"
                f" {file}, line {training.places[question]}",
                fix=fix,
                line=line,
            )
        else:
            like = near.like(validation.sketch(index))
            if like is not None:
                yield DataFinding(
                    kind="near-leakage",
                    level="warning",
                    message="the training data has nearly the same record:"
                    f" {file}, line {training.places[like]}",
                    fix=fix,
                    line=line,
                )
