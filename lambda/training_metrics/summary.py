"""A run in a few numbers, as JSON: for `--json` and for the lineage record."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from training_metrics.judging import Course
from training_metrics.runs import Epoch, Run


def summarise(run: Run) -> dict[str, Any]:
    """Return what is to be known of a run; a loss that is no number is None, as JSON has none."""
    best = run.best
    return {
        "name": run.name,
        "folder": run.folder,
        "curves": [
            _curve(course, epochs) for course, epochs in zip(run.courses, run.epochs, strict=True)
        ],
        "best": None
        if best is None
        else {
            "curve": best.curve,
            "step": best.step,
            "epoch": best.epoch,
            "loss": number(best.measured),
            "smoothed_loss": number(best.loss),
        },
        "judgements": [
            {
                "verdict": one.verdict.value,
                "curve": one.curve,
                "step": one.step,
                "epoch": one.epoch,
                "message": one.message,
            }
            for one in run.judgements
        ],
        "notes": [
            {"kind": note.kind, "level": note.level, "message": note.message, "file": note.file}
            for note in run.notes
        ],
    }


def _curve(course: Course, epochs: Sequence[Epoch]) -> dict[str, Any]:
    curve = course.curve
    lowest = course.lowest
    return {
        "label": curve.label,
        "kind": curve.kind,
        "file": curve.file,
        "points": len(curve),
        "first_step": curve.steps[0],
        "last_step": curve.steps[-1],
        "last_epoch": curve.epochs[-1] if curve.epochs is not None else None,
        "window": course.window,
        "first_loss": number(curve.losses[0]),
        "final_loss": number(curve.losses[-1]),
        "final_smoothed_loss": number(course.smoothed[-1]),
        "final_perplexity": number(curve.perplexities[-1]),
        "lowest_loss": None if lowest is None else number(course.smoothed[lowest]),
        "lowest_at_step": None if lowest is None else curve.steps[lowest],
        "epochs": [
            {
                "epoch": one.epoch,
                "steps": one.steps,
                "mean_loss": number(one.mean_loss),
                "lowest_loss": number(one.lowest_loss),
                "last_loss": number(one.last_loss),
                "mean_perplexity": number(one.mean_perplexity),
            }
            for one in epochs
        ],
    }


def number(value: float) -> float | None:
    """Return a number that JSON can hold, rounded to 6 digits; None for NaN and infinity."""
    return float(f"{value:.6g}") if math.isfinite(value) else None


def ranking(runs: Sequence[Run]) -> list[tuple[str, float]]:
    """Return the runs that have a validation curve by their lowest validation loss, best first.

    Losses compare only between runs validated on the same data with the same tokeniser.
    """
    found = [
        (run.name, run.best.loss)
        for run in runs
        if run.validations and run.best is not None and run.best.curve != "training"
    ]
    return sorted(found, key=lambda one: one[1])
