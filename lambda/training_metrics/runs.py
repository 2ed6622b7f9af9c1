"""One training run: its curves, what is missing of them, and what they say."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from training_metrics.curves import Curve, Kind, UnreadableTableError, read_curve
from training_metrics.judging import (
    DEFAULT_LIMITS,
    Best,
    Course,
    Judgement,
    Limits,
    best_of,
    judge,
)
from training_metrics.notes import Note
from training_metrics.outputs import TRAINING_FILE, RunFiles
from training_metrics.sources import Source, TooLargeError


@dataclass(frozen=True, kw_only=True)
class Epoch:
    """What a curve was like in one epoch; means are over its numbers, NaN when it has none."""

    epoch: int
    steps: int
    mean_loss: float
    lowest_loss: float
    last_loss: float
    mean_perplexity: float


@dataclass(frozen=True, kw_only=True)
class Run:
    """The metrics of one training run."""

    name: str
    """What people call it: the job's name, or its id where that is not known."""
    folder: str
    """Where its files are, as the listing has it."""
    training: Curve | None
    validations: Sequence[Curve]
    notes: Sequence[Note]
    window: int | None = None
    """How many points to average; None takes what suits each curve."""
    limits: Limits = DEFAULT_LIMITS

    @property
    def curves(self) -> tuple[Curve, ...]:
        """All curves, the training loss first."""
        return (*((self.training,) if self.training else ()), *self.validations)

    @cached_property
    def courses(self) -> tuple[Course, ...]:
        """The curves, smoothed, in the order of `curves`."""
        return tuple(Course.of(curve, window=self.window) for curve in self.curves)

    @cached_property
    def epochs(self) -> tuple[list[Epoch], ...]:
        """What each curve was like epoch by epoch, in the order of `curves`."""
        return tuple(map(by_epoch, self.curves))

    @property
    def _validation_courses(self) -> tuple[Course, ...]:
        return self.courses[1:] if self.training else self.courses

    @cached_property
    def best(self) -> Best | None:
        """The step after which the model was best, None without any number."""
        training = self.courses[0] if self.training else None
        return best_of(training=training, validations=self._validation_courses)

    @cached_property
    def judgements(self) -> tuple[Judgement, ...]:
        """What the curves show, the worst first."""
        training = self.courses[0] if self.training else None
        return judge(training=training, validations=self._validation_courses, limits=self.limits)


def read_run(
    *,
    source: Source,
    files: RunFiles,
    name: str = "",
    window: int | None = None,
    limits: Limits = DEFAULT_LIMITS,
) -> Run:
    """Return what the files of a run hold; a file that is missing or broken becomes a note."""
    notes: list[Note] = []
    training = _read_training(source=source, files=files, notes=notes)
    validations = []
    for file in files.validation:
        label = files.validation_label(file)
        curve = _read(source=source, file=file, kind="validation", label=label, notes=notes)
        if curve is None:
            continue
        if not files.is_known_layout(file):
            notes.append(
                Note(
                    kind="unknown-layout",
                    level="note",
                    message="validation metrics were read from a place that AWS does not document",
                    file=file,
                )
            )
        validations.append(curve)
    if not files.validation:
        notes.append(
            Note(
                kind="no-validation-metrics",
                level="note",
                message="there are no validation metrics below"
                f" {files.folder}validation_artifacts/: without validation data a job writes none,"
                " and nothing can be said about overfitting",
            )
        )
    return Run(
        name=name or files.id,
        folder=files.folder,
        training=training,
        validations=sorted(validations, key=lambda curve: curve.label),
        notes=notes,
        window=window,
        limits=limits,
    )


def _read_training(*, source: Source, files: RunFiles, notes: list[Note]) -> Curve | None:
    expected = [file for file in files.training if file.endswith(f"/{TRAINING_FILE}")]
    for file in expected or files.training:
        curve = _read(source=source, file=file, kind="training", label="training", notes=notes)
        if curve is not None:
            return curve
    if not files.training:
        notes.append(
            Note(
                kind="no-training-metrics",
                level="warning",
                message=f"there is no {files.folder}training_artifacts/{TRAINING_FILE}: a job"
                " writes it when it completes",
            )
        )
    return None


def _read(*, source: Source, file: str, kind: Kind, label: str, notes: list[Note]) -> Curve | None:
    try:
        curve, found = read_curve(content=source.read(file), kind=kind, label=label, file=file)
    except (UnreadableTableError, TooLargeError) as error:
        notes.append(
            Note(
                kind="unreadable-metrics",
                level="warning",
                message=f"the {kind} metrics cannot be read: {error}",
                file=file,
            )
        )
        return None
    notes.extend(found)
    return curve


def count_epochs(run: Run) -> int:
    """Return how many epochs the curves of a run name; 0 when they name none."""
    return len({epoch for curve in run.curves for _, epoch in epoch_starts(curve)[:-1]})


def by_epoch(curve: Curve) -> list[Epoch]:
    """Return what the curve was like epoch by epoch; empty when its table has no epochs."""
    if curve.epochs is None:
        return []
    found = []
    begin = 0
    epochs = curve.epochs
    while begin < len(curve):
        end = _end_of_epoch(epochs, begin)
        losses = list(filter(math.isfinite, curve.losses[begin:end]))
        perplexities = list(filter(math.isfinite, curve.perplexities[begin:end]))
        found.append(
            Epoch(
                epoch=epochs[begin],
                steps=end - begin,
                mean_loss=_mean(losses),
                lowest_loss=min(losses, default=math.nan),
                last_loss=curve.losses[end - 1],
                mean_perplexity=_mean(perplexities),
            )
        )
        begin = end
    return found


def epoch_starts(curve: Curve) -> list[tuple[int, int]]:
    """Return the first step of each epoch, as (step, epoch), and where the last one ends."""
    if curve.epochs is None:
        return []
    starts = []
    begin = 0
    while begin < len(curve):
        starts.append((curve.steps[begin], curve.epochs[begin]))
        begin = _end_of_epoch(curve.epochs, begin)
    steps = curve.steps
    stride = (steps[-1] - steps[0]) / (len(steps) - 1) if len(steps) > 1 else 1
    return [*starts, (steps[-1] + max(1, round(stride)), curve.epochs[-1] + 1)]


def _end_of_epoch(epochs: Sequence[int], begin: int) -> int:
    """Return the index after the epoch that begins here; epochs rise, so halving finds it."""
    low, high = begin, len(epochs)
    while low + 1 < high:
        middle = (low + high) // 2
        if epochs[middle] == epochs[begin]:
            low = middle
        else:
            high = middle
    return high


def _mean(values: Sequence[float]) -> float:
    return math.fsum(values) / len(values) if values else math.nan
