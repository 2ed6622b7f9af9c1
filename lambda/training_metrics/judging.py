"""What curves say: the best step, and whether a run diverged, overfitted or could go on.

Levels are compared, each the mean of a tenth of the points around a place, and a change counts
only where it stands out from the noise, which is measured on the curve itself. The limits are one
object, so that whoever disagrees can pass others.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from statistics import median
from typing import Final

from training_metrics.curves import Curve
from training_metrics.smoothing import smooth, smooth_at, window_for

FEWEST_POINTS: Final = 3
"""A training curve of fewer points has a lowest one, but no course to judge."""
FEWEST_VALIDATIONS: Final = 2
"""Validation may run once an epoch: two points tell a rise."""
LEVEL_SHARE: Final = 10
"""A level is the mean of one in so many of the points. A low picked out of a curve that trembles is
low by chance too; over a tenth of the points little is left of that."""
_MOST_DIFFERENCES: Final = 4000
_MEDIAN_OF_NORMAL: Final = 0.954
"""Median of the absolute difference of two standard normal numbers: 0.6745 times root two."""


class Verdict(StrEnum):
    """What a run's curves show, the worst first."""

    DIVERGED = "diverged"
    """The training loss rose and stayed high, or became no number."""
    OVERFITTED = "overfitted"
    """The validation loss rose while the training loss went on falling."""
    WORSENED = "worsened"
    """The validation loss rose, and the training loss did not fall either."""
    LEARNED_LITTLE = "learned-little"
    """The training loss hardly fell."""
    STILL_FALLING = "still-falling"
    """The loss fell up to the end: more epochs may gain more."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """From where on a change counts; shares are of the loss unless said otherwise."""

    rise_of_gain: float = 0.25
    """Diverged: the training loss ends this share of what it had fallen above its lowest."""
    rise_of_lowest: float = 0.1
    """Diverged: and this share of its lowest above it."""
    validation_rise: float = 0.02
    """Overfitted: the validation loss ends this share above its lowest."""
    fall: float = 0.01
    """Learned little: the training loss fell by less than this."""
    last_fall: float = 0.01
    """Still falling: by more than this in the last tenth of the steps."""
    noise: float = 4.0
    """A change is one when it is this many times the standard error of what is compared."""


DEFAULT_LIMITS: Final = Limits()


@dataclass(frozen=True, kw_only=True)
class Best:
    """The step after which the model was best, by the loss that says most of it."""

    curve: str
    """Label of the curve that says so; a validation curve where there is one."""
    step: int
    epoch: int | None
    loss: float
    """The smoothed loss there."""
    measured: float
    """The loss the table has there."""


@dataclass(frozen=True, kw_only=True)
class Judgement:
    """One thing the curves show, and from which step on."""

    verdict: Verdict
    curve: str
    step: int
    epoch: int | None
    message: str
    """One sentence with the numbers."""


@dataclass(frozen=True, kw_only=True)
class Course:
    """A curve with its smoothed loss and how much that still trembles."""

    curve: Curve
    window: int
    smoothed: Sequence[float]
    finite: Sequence[int]
    """Indices where the loss is a number."""
    breadth: int
    """How many points a level is the mean of; odd."""
    error: float
    """Standard error of the difference of two levels, one of them at an end."""

    @classmethod
    def of(cls, curve: Curve, *, window: int | None = None) -> Course:
        """Smooth a curve, over `window` points or as many as suit its length.

        An even number counts as the odd one above: as many points on either side, and the middle.
        """
        points = window | 1 if window is not None else window_for(len(curve))
        losses = curve.losses
        every = all(map(math.isfinite, losses))
        breadth = max(points, len(losses) // LEVEL_SHARE // 2 * 2 + 1)
        return cls(
            curve=curve,
            window=points,
            smoothed=smooth(losses, window=points),
            finite=range(len(losses))
            if every
            else [index for index, loss in enumerate(losses) if math.isfinite(loss)],
            breadth=breadth,
            # At an end there are neighbours on one side only: half as many points.
            error=_noise(losses) * math.sqrt(3 / breadth),
        )

    @property
    def lowest(self) -> int | None:
        """Index of the lowest smoothed loss, the first of equals; None when there is no number."""
        if not self.finite:
            return None
        if len(self.finite) == len(self.smoothed):
            return self.smoothed.index(min(self.smoothed))
        return min(self.finite, key=self.smoothed.__getitem__)

    def level(self, index: int) -> float:
        """Return the mean loss around a point."""
        return smooth_at(self.curve.losses, index, window=self.breadth)

    def epoch(self, index: int) -> int | None:
        """Return the epoch of a point, when the table has epochs."""
        return self.curve.epochs[index] if self.curve.epochs is not None else None

    def place(self, index: int) -> str:
        """Return `step 12 (epoch 1)`."""
        epoch = self.epoch(index)
        step = f"step {self.curve.steps[index]}"
        return step if epoch is None else f"{step} (epoch {epoch})"


def best_of(*, training: Course | None, validations: Sequence[Course]) -> Best | None:
    """Return the best step: of the lowest validation loss, else of the lowest training loss.

    With several validation curves the first decides, as the order of their labels has it.
    """
    for course in (*validations, training):
        if course is not None and (index := course.lowest) is not None:
            return Best(
                curve=course.curve.label,
                step=course.curve.steps[index],
                epoch=course.epoch(index),
                loss=course.smoothed[index],
                measured=course.curve.losses[index],
            )
    return None


def judge(
    *, training: Course | None, validations: Sequence[Course], limits: Limits = DEFAULT_LIMITS
) -> tuple[Judgement, ...]:
    """Return what the curves show, the worst first; empty when nothing stands out.

    After a divergence nothing more is said of the run: everything else follows from it.
    """
    if training is not None and (diverged := _divergence(training, limits=limits)):
        return (diverged,)
    found = []
    for validation in validations:
        broken = _not_a_number(validation)
        risen = broken or _rise(validation, training=training, limits=limits)
        if risen:
            found.append(risen)
    if training is not None and not found:
        fallen = _little_or_more(training, validations=validations, limits=limits)
        if fallen:
            found.append(fallen)
    return tuple(sorted(found, key=lambda one: list(Verdict).index(one.verdict)))


def _divergence(course: Course, *, limits: Limits) -> Judgement | None:
    broken = _not_a_number(course)
    if broken:
        return broken
    lowest = course.lowest
    if lowest is None or len(course.finite) < FEWEST_POINTS:
        return None
    values = course.smoothed
    first, low, last = values[course.finite[0]], values[lowest], values[course.finite[-1]]
    rise = course.level(course.finite[-1]) - course.level(lowest)
    least = max(
        limits.rise_of_gain * (first - low),
        limits.rise_of_lowest * abs(low),
        limits.noise * course.error,
    )
    if rise <= least:
        return None
    return _judgement(
        Verdict.DIVERGED,
        course,
        lowest,
        f"the {course.curve.label} loss was {low:.4g} at {course.place(lowest)} and ends at"
        f" {last:.4g}: it diverged",
    )


def _not_a_number(course: Course) -> Judgement | None:
    if len(course.finite) == len(course.smoothed):
        return None
    index = next(index for index, loss in enumerate(course.curve.losses) if not math.isfinite(loss))
    return _judgement(
        Verdict.DIVERGED,
        course,
        index,
        f"the {course.curve.label} loss is no number from {course.place(index)} on"
        f" ({len(course.smoothed) - len(course.finite)} of {len(course.smoothed)} points)",
    )


def _rise(course: Course, *, training: Course | None, limits: Limits) -> Judgement | None:
    lowest = course.lowest
    if lowest is None or len(course.finite) < FEWEST_VALIDATIONS:
        return None
    low, last = course.smoothed[lowest], course.smoothed[course.finite[-1]]
    rise = course.level(course.finite[-1]) - course.level(lowest)
    if rise <= max(limits.validation_rise * abs(low), limits.noise * course.error):
        return None
    step = course.curve.steps[lowest]
    text = (
        f"the {course.curve.label} loss was lowest at {course.place(lowest)}, {low:.4g}, and ends"
        f" at {last:.4g} ({_percent(last - low, low)})"
    )
    falls = training is not None and _falls_after(training, step=step)
    if training is None or falls:
        went = f" while the {training.curve.label} loss went on falling" if training else ""
        return _judgement(Verdict.OVERFITTED, course, lowest, f"{text}{went}: it overfits")
    return _judgement(
        Verdict.WORSENED,
        course,
        lowest,
        f"{text}, and the {training.curve.label} loss did not fall either",
    )


def _falls_after(training: Course, *, step: int) -> bool:
    after = [index for index in training.finite if training.curve.steps[index] >= step]
    if len(after) < 2:
        return False
    return training.smoothed[after[-1]] < training.smoothed[after[0]]


def _little_or_more(
    training: Course, *, validations: Sequence[Course], limits: Limits
) -> Judgement | None:
    if len(training.finite) < FEWEST_POINTS:
        return None
    values, indices = training.smoothed, training.finite
    first, last = values[indices[0]], values[indices[-1]]
    if first - last < limits.fall * abs(first):
        return _judgement(
            Verdict.LEARNED_LITTLE,
            training,
            indices[0],
            f"the training loss went from {first:.4g} to {last:.4g}: it learned little",
        )
    says = validations[0] if validations else training
    if len(says.finite) < FEWEST_VALIDATIONS:
        return None
    values, indices = says.smoothed, says.finite
    index = indices[min(len(indices) * 9 // 10, len(indices) - 2)]
    before, last = values[index], values[indices[-1]]
    fall = says.level(index) - says.level(indices[-1])
    if fall <= max(limits.last_fall * abs(before), limits.noise * says.error):
        return None
    return _judgement(
        Verdict.STILL_FALLING,
        says,
        index,
        f"the {says.curve.label} loss still falls at the end, from {before:.4g} at"
        f" {says.place(index)} to {last:.4g}: more epochs may gain more",
    )


def _judgement(verdict: Verdict, course: Course, index: int, message: str) -> Judgement:
    return Judgement(
        verdict=verdict,
        curve=course.curve.label,
        step=course.curve.steps[index],
        epoch=course.epoch(index),
        message=message,
    )


def _percent(change: float, of: float) -> str:
    return f"{change / of:+.1%}" if of else "from zero"


def _noise(losses: Sequence[float]) -> float:
    """Return the standard deviation of what trembles in a curve, from steps between neighbours.

    The median stands up to spikes and to the curve's own fall; below a dozen points the fall is all
    there is, so none is taken for noise.
    """
    stride = max(1, len(losses) // _MOST_DIFFERENCES)
    differences = [
        abs(losses[index + 1] - losses[index])
        for index in range(0, len(losses) - 1, stride)
        if math.isfinite(losses[index]) and math.isfinite(losses[index + 1])
    ]
    return median(differences) / _MEDIAN_OF_NORMAL if len(differences) >= 12 else 0.0
