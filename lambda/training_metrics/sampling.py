"""Fewer points for the same picture: first, lowest, highest and last of each stretch of a curve.

A line through these covers the same pixels as one through all points, as long as a stretch is no
wider than a pixel, so no extreme is lost (the M4 aggregation; Jugel, Jerzak, Hackenbroich and
Markl, "M4: A Visualization-Oriented Time Series Data Aggregation", VLDB 2014).
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Final

POINTS_OF_A_STRETCH: Final = 4


def sample(values: Sequence[float], *, most: int) -> list[int]:
    """Return the indices to draw, rising; the lowest and the highest value are among them.

    Where values are no numbers (NaN, infinity) the line must break, so one index of each such run
    is returned too. At most `most` indices, and 5 more for each break; when there are more breaks
    than could be told apart, no line breaks.
    """
    if len(values) <= most:
        return list(range(len(values)))
    stretch = max(1, math.ceil(len(values) * POINTS_OF_A_STRETCH / most))
    if all(map(math.isfinite, values)):
        return _stretches(values, range(len(values)), stretch)
    runs = _runs(values)
    numbers = [run for run in runs if math.isfinite(values[run.start])]
    if len(runs) - len(numbers) > most // POINTS_OF_A_STRETCH:
        together = [index for run in numbers for index in run]
        kept = [values[index] for index in together]
        return [together[index] for index in _stretches(kept, range(len(kept)), stretch)]
    chosen: list[int] = []
    for run in runs:
        is_number = math.isfinite(values[run.start])
        chosen += _stretches(values, run, stretch) if is_number else [run.start]
    return chosen


def _stretches(values: Sequence[float], run: range, stretch: int) -> list[int]:
    chosen: list[int] = []
    for begin in range(run.start, run.stop, stretch):
        end = min(begin + stretch, run.stop)
        part = values[begin:end]
        low = begin + part.index(min(part))
        high = begin + part.index(max(part))
        chosen += sorted({begin, low, high, end - 1})
    return chosen


def _runs(values: Sequence[float]) -> list[range]:
    """Return the stretches of numbers and of what is none, in turn."""
    kinds = list(map(math.isfinite, values))
    starts = [index for index in range(1, len(kinds)) if kinds[index] != kinds[index - 1]]
    return [
        range(begin, end) for begin, end in zip([0, *starts], [*starts, len(kinds)], strict=True)
    ]
