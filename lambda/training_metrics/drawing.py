"""What the page draws: each run's curves, thinned out, and the marks on them, as JSON.

Everybody who draws (the page, a picture, a terminal) takes the points from here, so that all show
the same.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

from training_metrics.curves import Curve
from training_metrics.judging import Course, Verdict
from training_metrics.runs import Run, epoch_starts
from training_metrics.sampling import sample
from training_metrics.smoothing import smooth, smooth_at

ALL_POINTS: Final = 60_000
"""Points of a whole page, which bounds its size whatever is compared."""
MOST_POINTS: Final = 2_000
FEWEST_POINTS: Final = 200
"""Points of one line: no screen shows more than the most, below the fewest its shape is lost."""

Measure = Literal["loss", "perplexity"]
MEASURES: Final[tuple[Measure, ...]] = ("loss", "perplexity")


@dataclass(frozen=True, kw_only=True)
class Line:
    """One line of a chart."""

    measure: Measure
    curve: Curve
    smoothed: bool
    steps: Sequence[int]
    values: Sequence[float]
    """NaN or infinity where the line breaks."""


@dataclass(frozen=True, kw_only=True)
class Mark:
    """A point of a curve that stands out."""

    kind: Literal["best", "overfitted", "worsened", "diverged"]
    curve: str
    step: int
    loss: float
    """What the smoothed line has there; NaN where it has no number."""
    perplexity: float


def lines_of(run: Run, *, most: int = MOST_POINTS) -> list[Line]:
    """Return a run's lines: as measured, and smoothed where that makes a difference."""
    lines = []
    for course in run.courses:
        curve = course.curve
        for measure in MEASURES:
            measured = curve.losses if measure == "loss" else curve.perplexities
            lines.append(_line(curve, measure=measure, values=measured, smoothed=False, most=most))
            if course.window > 1:
                smoothed = (
                    course.smoothed if measure == "loss" else smooth(measured, window=course.window)
                )
                lines.append(
                    # Without its tremble a line has a shape that fewer points show.
                    _line(curve, measure=measure, values=smoothed, smoothed=True, most=most // 2)
                )
    return lines


def _line(
    curve: Curve, *, measure: Measure, values: Sequence[float], smoothed: bool, most: int
) -> Line:
    indices = sample(values, most=most)
    return Line(
        measure=measure,
        curve=curve,
        smoothed=smoothed,
        steps=[curve.steps[index] for index in indices],
        values=[values[index] for index in indices],
    )


def marks_of(run: Run) -> list[Mark]:
    """Return the points of a run that stand out: the best step, and where what went wrong began."""
    courses = {course.curve.label: course for course in run.courses}
    marks = []
    if run.best is not None:
        marks.append(_mark("best", courses[run.best.curve], step=run.best.step))
    for one in run.judgements:
        match one.verdict:
            case Verdict.OVERFITTED:
                marks.append(_mark("overfitted", courses[one.curve], step=one.step))
            case Verdict.WORSENED:
                marks.append(_mark("worsened", courses[one.curve], step=one.step))
            case Verdict.DIVERGED:
                marks.append(_mark("diverged", courses[one.curve], step=one.step))
    return marks


def _mark(
    kind: Literal["best", "overfitted", "worsened", "diverged"], course: Course, *, step: int
) -> Mark:
    index = course.curve.steps.index(step)
    return Mark(
        kind=kind,
        curve=course.curve.label,
        step=step,
        loss=course.smoothed[index],
        perplexity=smooth_at(course.curve.perplexities, index, window=course.window),
    )


def points_for(runs: Sequence[Run]) -> int:
    """Return how many points each line of a page gets, so that the page keeps its size."""
    lines = sum(len(run.curves) for run in runs) * len(MEASURES) * 1.5
    return max(FEWEST_POINTS, min(MOST_POINTS, int(ALL_POINTS / lines))) if lines else MOST_POINTS


def drawing(runs: Sequence[Run]) -> dict[str, Any]:
    """Return everything the page's script draws, as JSON can hold it."""
    most = points_for(runs)
    return {
        "schema": 1,
        "runs": [
            {
                "name": run.name,
                "epochs": next(filter(None, map(epoch_starts, run.curves)), []),
                "lines": [
                    {
                        "measure": line.measure,
                        "kind": line.curve.kind,
                        "curve": line.curve.label,
                        "smoothed": line.smoothed,
                        "points": len(line.curve),
                        "steps": line.steps,
                        "values": list(map(_rounded, line.values)),
                    }
                    for line in lines_of(run, most=most)
                ],
                "marks": [
                    {
                        "kind": mark.kind,
                        "curve": mark.curve,
                        "step": mark.step,
                        "loss": _rounded(mark.loss),
                        "perplexity": _rounded(mark.perplexity),
                    }
                    for mark in marks_of(run)
                ],
            }
            for run in runs
        ],
    }


def _rounded(value: float) -> float | None:
    """Return a value with 6 digits, finer than any screen; None for a break."""
    return float(f"{value:.6g}") if math.isfinite(value) else None
