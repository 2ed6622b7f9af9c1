"""Runs as a picture: loss and perplexity by step, for a report or a chat."""

import io
from collections.abc import Sequence
from typing import TYPE_CHECKING

from training_metrics.drawing import MEASURES, lines_of, marks_of, points_for
from training_metrics.runs import Run

if TYPE_CHECKING:
    from matplotlib.axes import Axes

SIZE = (11.0, 8.0)
"""Inches."""
DOTS_PER_INCH = 130
FEW_RUNS = 4
"""With more of them, what was measured is only a haze behind the smoothed curves."""
MARKS = {"best": ("D", "best step"), "diverged": ("X", "diverged from here")}
WRONG = ("^", "overfits from here")


def picture(*, runs: Sequence[Run], title: str) -> bytes:
    """Return a PNG with the curves of the runs, as the page shows them."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg  # noqa: PLC0415 slow to load
    from matplotlib.figure import Figure  # noqa: PLC0415

    figure = Figure(figsize=SIZE, dpi=DOTS_PER_INCH, layout="constrained")
    FigureCanvasAgg(figure)
    figure.suptitle(title, fontweight="bold")
    upper, lower = figure.subplots(2, 1, sharex=True, height_ratios=(3, 2))
    for index, run in enumerate(runs):
        _draw(run, index=index, axes=(upper, lower), most=points_for(runs), few=len(runs))
    for axes, measure in zip((upper, lower), MEASURES, strict=True):
        axes.set_ylabel(measure)
        axes.grid(visible=True, alpha=0.25)
        axes.spines[["top", "right"]].set_visible(False)
    lower.set_xlabel("step")
    handles, labels = upper.get_legend_handles_labels()
    unique = dict(zip(labels, handles, strict=True))
    figure.legend(unique.values(), unique.keys(), loc="outside lower center", ncols=3, fontsize=8)
    content = io.BytesIO()
    # Without the version in it, the same runs give the same bytes on the same release.
    figure.savefig(content, format="png", metadata={"Software": None})
    return content.getvalue()


def _draw(run: Run, *, index: int, axes: "tuple[Axes, Axes]", most: int, few: int) -> None:
    colour = f"C{index % 10}"
    by_measure = dict(zip(MEASURES, axes, strict=True))
    lines = lines_of(run, most=most)
    smoothed = {(line.measure, line.curve.label) for line in lines if line.smoothed}
    for line in lines:
        behind = not line.smoothed and (line.measure, line.curve.label) in smoothed
        if behind and few > FEW_RUNS:
            continue
        by_measure[line.measure].plot(
            line.steps,
            line.values,
            color=colour,
            alpha=0.22 if behind else 1.0,
            linewidth=0.7 if behind else 1.6,
            linestyle="--" if line.curve.kind == "validation" and not behind else "-",
            label="_nolegend_" if behind else f"{run.name}, {line.curve.label}",
        )
    for mark in marks_of(run):
        shape, words = MARKS.get(mark.kind, WRONG)
        for measure, value in zip(MEASURES, (mark.loss, mark.perplexity), strict=True):
            if mark.kind != "best":
                by_measure[measure].axvline(mark.step, color=colour, linestyle=":", linewidth=1)
            by_measure[measure].plot(
                [mark.step],
                [value],
                marker=shape,
                markersize=8,
                color=colour,
                markeredgecolor="white",
                linestyle="none",
                label=f"{run.name}, {words}" if mark.kind != "best" else "best step",
                zorder=5 if mark.kind == "best" else 4,
            )
