"""Runs in a terminal: a table, and the losses drawn with characters."""

import io
import itertools
import math
import string
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

from training_metrics.drawing import lines_of
from training_metrics.runs import Run, count_epochs

if TYPE_CHECKING:
    from training_metrics.drawing import Line

NARROWEST = 60
WIDEST = 120
"""Columns of a plot; a wider one says no more."""
ROWS = 18
SIGNS = {"braille": "⠤", "hd": "▚"}
"""How the finest markers look in a key."""
BEST = "◆"


def table(*, runs: Sequence[Run]) -> str:
    """Return a table with a row for each run, as wide as its cells: names are what is copied."""
    from rich.box import SIMPLE_HEAD  # noqa: PLC0415 slow to load
    from rich.console import Console  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415

    shown = Table(box=SIMPLE_HEAD, pad_edge=False)
    shown.add_column("run")
    for heading in ("best", "at step", "training", "validation", "perplexity", "epochs"):
        shown.add_column(heading, justify="right")
    shown.add_column("verdict")
    for run in runs:
        best = run.best
        validation = run.validations[0] if run.validations else None
        last = validation or run.training
        shown.add_row(
            run.name,
            _text(best.loss) if best else "-",
            f"{best.step:,}" if best else "-",
            _text(run.training.losses[-1]) if run.training else "-",
            _text(validation.losses[-1]) if validation else "-",
            _text(last.perplexities[-1]) if last else "-",
            str(count_epochs(run) or "-"),
            ", ".join(one.verdict.value for one in run.judgements) or "-",
        )
    text = io.StringIO()
    Console(file=text, width=1000, color_system=None).print(shown)
    return "\n".join(line.rstrip() for line in text.getvalue().strip("\n").splitlines())


def plot_losses(*, runs: Sequence[Run], width: int, colour: bool) -> str:
    """Return the losses drawn with characters, smoothed, and a key below.

    One run has both its curves; of several runs each has one, drawn with its own letter: the
    validation loss where all have one, else the training loss.
    """
    import plotext  # noqa: PLC0415 slow to load

    figure = plotext.figure
    figure.clear()
    columns = max(NARROWEST, min(WIDEST, width))
    figure.plot_size(columns, ROWS)
    figure.legend(active=False)
    key, best = [], []
    bounds = _Bounds()
    for run, line, marker, words in _chosen(runs, most=columns * 2):
        points = [
            (step, value)
            for step, value in zip(line.steps, line.values, strict=True)
            if math.isfinite(value)
        ]
        if not points:
            continue
        bounds.take(points)
        steps, values = zip(*points, strict=True)
        figure.draw(figure.signal(list(steps), list(values), marker=marker).lines())
        sign = SIGNS.get(marker, marker)
        key.append(f"{sign} {words}")
        if run.best is not None and run.best.curve == line.curve.label:
            best.append(figure.signal([run.best.step], [run.best.loss], marker=BEST))
    for signal in best:
        figure.draw(signal)
    for name, axis in (("x", 0), ("y", 1)):
        figure.ruler(name).lim(*bounds.limits(axis))
    figure.ruler("x").ticks(*bounds.ticks(0, steps=6, spelling=lambda value: f"{value:,.0f}"))
    figure.ruler("y").ticks(*bounds.ticks(1, steps=5, spelling=lambda value: f"{value:.3g}"))
    drawn = str(figure.build().string(not colour)).rstrip("\n")
    between = "   " if len(runs) == 1 else "\n  "
    return f"loss by step\n{drawn}\n  {between.join([*key, f'{BEST} best step'])}"


class _Bounds:
    """The smallest and largest step and loss drawn, and round places between them."""

    def __init__(self) -> None:
        self._low = [math.inf, math.inf]
        self._high = [-math.inf, -math.inf]

    def take(self, points: Sequence[tuple[float, float]]) -> None:
        for axis in (0, 1):
            values = [point[axis] for point in points]
            self._low[axis] = min(self._low[axis], *values)
            self._high[axis] = max(self._high[axis], *values)

    def limits(self, axis: int) -> tuple[float, float]:
        low, high = self._low[axis], self._high[axis]
        return (low, high) if low < high else (low - 1, high + 1)

    def ticks(
        self, axis: int, *, steps: int, spelling: Callable[[float], str]
    ) -> tuple[list[float], list[str]]:
        low, high = self._low[axis], self._high[axis]
        if not low < high:
            return [low], [spelling(low)]
        rough = (high - low) / steps
        power = 10.0 ** math.floor(math.log10(rough))
        step = next(power * factor for factor in (1, 2, 5, 10) if power * factor >= rough)
        first = math.ceil(low / step)
        last = math.floor(high / step + 1e-9)
        places = [number * step for number in range(first, last + 1)]
        return places, [spelling(place) for place in places]


def _chosen(runs: Sequence[Run], *, most: int) -> "Iterator[tuple[Run, Line, str, str]]":
    """Yield what to draw: run, line, marker and the words of the key."""
    if len(runs) == 1:
        for line in _losses(runs[0], most=most):
            marker = "braille" if line.curve.kind == "training" else "hd"
            yield runs[0], line, marker, line.curve.label
        return
    kind = "validation" if all(run.validations for run in runs) else "training"
    for letter, run in zip(itertools.cycle(string.ascii_lowercase), runs, strict=False):
        for line in _losses(run, most=most):
            if line.curve.kind == kind:
                yield run, line, letter, f"{run.name}, {line.curve.label}"
                break


def _losses(run: Run, *, most: int) -> "list[Line]":
    """Return the lines to draw: smoothed where a curve was, else as measured."""
    losses = [line for line in lines_of(run, most=most) if line.measure == "loss"]
    smoothed = {line.curve.label for line in losses if line.smoothed}
    return [line for line in losses if line.smoothed or line.curve.label not in smoothed]


def _text(value: float) -> str:
    return f"{value:#.4g}" if math.isfinite(value) else "no number"
