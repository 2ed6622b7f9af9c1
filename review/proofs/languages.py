"""Which of some patterns a text can match at once, exactly, with a text that shows each case.

A solver of text equations takes seconds, or gives up, where policies hold dozens of patterns on one
value. But patterns tell texts apart in few ways: here the automata of all patterns run side by side
over every text there could be, and each combination that comes up is one class, with the shortest
text that shows it. What is left for the solver is which class a value is of.
"""

from __future__ import annotations

import enum
from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Final


class Wild(enum.Enum):
    """What stands for characters that a pattern does not name."""

    ONE = enum.auto()
    ONE_IN_ITS_PART = enum.auto()
    """Any but a colon, which ends a part of an ARN."""
    MANY = enum.auto()
    MANY_IN_ITS_PART = enum.auto()


Step = str | Wild
"""One character, or what stands for characters."""
Pattern = tuple[Step, ...]

MOST_STATES: Final = 20_000
"""Above this the patterns are not told apart: no policy of a person needs as many."""

_OTHER: Final = "x0yz1_-/\x00\x01\x02"
"""What stands for every character that no pattern goes on with, the first that is free."""


class TooManyClassesError(Exception):
    """Patterns that come together in more ways than can be looked at."""


@dataclass(frozen=True, kw_only=True)
class Class:
    """Texts that match the same patterns."""

    matches: frozenset[int]
    """Places of the patterns that they match."""
    example: str


def literal(text: str) -> Pattern:
    """The pattern of one text."""
    return tuple(text)


@lru_cache(maxsize=4096)
def matches(pattern: Pattern, text: str) -> bool:
    """Whether a text as a whole matches a pattern."""
    state = _closed(pattern, 1)
    for character in text:
        state = _after(pattern, state, character)
        if not state:
            return False
    return bool(state >> len(pattern) & 1)


@lru_cache(maxsize=1024)
def classes(patterns: tuple[Pattern, ...]) -> tuple[Class, ...]:
    """Every combination of patterns that some text matches, and no other.

    Raises:
        TooManyClassesError: They are too many to look at.
    """
    start = tuple((place, _closed(pattern, 1)) for place, pattern in enumerate(patterns))
    seen = {start}
    found: dict[frozenset[int], str] = {}
    waiting = deque([(start, "")])
    while waiting:
        state, text = waiting.popleft()
        accepted = frozenset(place for place, states in state if states >> len(patterns[place]) & 1)
        found.setdefault(accepted, text)
        for character in _continuations(patterns, state):
            following = tuple(
                (place, after)
                for place, states in state
                if (after := _after(patterns[place], states, character))
            )
            if following not in seen:
                if len(seen) >= MOST_STATES:
                    raise TooManyClassesError(
                        f"{len(patterns)} patterns on one value come together in more than "
                        f"{MOST_STATES} ways"
                    )
                seen.add(following)
                waiting.append((following, text + character))
    return tuple(Class(matches=accepted, example=text) for accepted, text in found.items())


def _continuations(patterns: Sequence[Pattern], state: Sequence[tuple[int, int]]) -> Iterator[str]:
    """The characters that make a difference here: those patterns go on with, and one other."""
    named = {
        step
        for place, states in state
        for position, step in enumerate(patterns[place])
        if states >> position & 1 and isinstance(step, str)
    }
    by_parts = any(
        step in (Wild.ONE_IN_ITS_PART, Wild.MANY_IN_ITS_PART)
        for place, states in state
        for position, step in enumerate(patterns[place])
        if states >> position & 1
    )
    if by_parts:
        named.add(":")
    yield from sorted(named)
    yield next(each for each in _OTHER if each not in named)


def _closed(pattern: Pattern, states: int) -> int:
    """The states with those that are reached without a character: what `MANY` may leave out."""
    for position, step in enumerate(pattern):
        if states >> position & 1 and step in (Wild.MANY, Wild.MANY_IN_ITS_PART):
            states |= 1 << position + 1
    return states


@lru_cache(maxsize=200_000)
def _after(pattern: Pattern, states: int, character: str) -> int:
    """The states after a character."""
    found = 0
    for position, step in enumerate(pattern):
        if not states >> position & 1:
            continue
        if isinstance(step, str):
            if step == character:
                found |= 1 << position + 1
        elif step in (Wild.ONE_IN_ITS_PART, Wild.MANY_IN_ITS_PART) and character == ":":
            continue
        elif step in (Wild.MANY, Wild.MANY_IN_ITS_PART):
            found |= 1 << position
        else:
            found |= 1 << position + 1
    return _closed(pattern, found)
