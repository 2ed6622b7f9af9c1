"""Smoothing without delay: the mean of the points around each point."""

from __future__ import annotations

import math
import operator
from collections.abc import Sequence
from itertools import accumulate
from typing import Final

SHARE: Final = 50
"""Left to itself, a window takes one in this many points."""
WIDEST: Final = 2001


def window_for(points: int) -> int:
    """Return how many points to average for a curve of this many: odd, 1 for none."""
    return min(WIDEST, max(1, points // SHARE) // 2 * 2 + 1) if points >= 2 * SHARE else 1


def smooth(values: Sequence[float], *, window: int) -> list[float]:
    """Return each value's mean with its neighbours, `window` of them in all, as many on each side.

    Centred, it delays nothing: a low stays where it is. Towards an end one side has fewer
    neighbours, and only those there are count. NaN and infinity are left out of every mean and stay
    what they are.
    """
    half = window // 2
    if half == 0 or len(values) < 3:
        return list(values)
    if all(map(math.isfinite, values)):
        return _means(values, half=half)
    indices = [index for index, value in enumerate(values) if math.isfinite(value)]
    means = _means([values[index] for index in indices], half=half)
    smoothed = list(values)
    for index, mean in zip(indices, means, strict=True):
        smoothed[index] = mean
    return smoothed


def _means(values: Sequence[float], *, half: int) -> list[float]:
    count = len(values)
    half = min(half, max(0, (count - 1) // 2))
    sums = list(accumulate(values, initial=0.0))
    width = 2 * half + 1
    head = [sums[index + half + 1] / (index + half + 1) for index in range(half)]
    middle = [difference / width for difference in map(operator.sub, sums[width:], sums)]
    tail = [
        (sums[count] - sums[index - half]) / (count - index + half)
        for index in range(count - half, count)
    ]
    return head + middle + tail


def smooth_at(values: Sequence[float], index: int, *, window: int) -> float:
    """Return what `smooth` makes of one value, without the others."""
    half = min(window // 2, max(0, (len(values) - 1) // 2)) if len(values) >= 3 else 0
    if half == 0 or not math.isfinite(values[index]):
        return values[index]
    if not all(map(math.isfinite, values)):
        return smooth(values, window=window)[index]
    around = values[max(0, index - half) : index + half + 1]
    return math.fsum(around) / len(around)
