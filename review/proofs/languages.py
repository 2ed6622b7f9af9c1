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


def matches(pattern: Pattern, text: str) -> bool:
    """Whether a text as a whole matches a pattern."""
    automaton = _automaton(pattern)
    state = automaton.start
    for character in text:
        state = automaton.after(state, character)
        if not state:
            return False
    return automaton.looked_at(state).accepts


@lru_cache(maxsize=1024)
def classes(patterns: tuple[Pattern, ...]) -> tuple[Class, ...]:
    """Every combination of patterns that some text matches, and no other.

    Raises:
        TooManyClassesError: They are too many to look at.
    """
    automata = [_automaton(pattern) for pattern in patterns]
    start = tuple((place, each.start) for place, each in enumerate(automata))
    seen = {start}
    found: dict[frozenset[int], str] = {}
    waiting = deque([(start, "")])
    while waiting:
        states, text = waiting.popleft()
        views = [(place, automata[place].looked_at(state)) for place, state in states]
        accepted = frozenset(place for place, view in views if view.accepts)
        found.setdefault(accepted, text)
        for character in _continuations([view for _, view in views]):
            following = tuple(
                (place, after)
                for place, state in states
                if (after := automata[place].after(state, character))
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


@lru_cache(maxsize=65536)
def meet(one: Pattern, other: Pattern) -> bool:
    """Whether some text matches both patterns."""
    both = frozenset({0, 1})
    return any(each.matches == both for each in classes((one, other)))


@dataclass(frozen=True, kw_only=True)
class _View:
    """What can come after some states of an automaton."""

    accepts: bool
    named: frozenset[str]
    """Characters that make a difference; a colon where it ends a part."""


def _continuations(views: Sequence[_View]) -> list[str]:
    """The characters that make a difference here: those patterns go on with, and one other."""
    named: set[str] = set()
    for view in views:
        named |= view.named
    return [*sorted(named), next(each for each in _OTHER if each not in named)]


_IN_ITS_PART: Final = frozenset({Wild.ONE_IN_ITS_PART, Wild.MANY_IN_ITS_PART})
_REPEATED: Final = frozenset({Wild.MANY, Wild.MANY_IN_ITS_PART})


class _Automaton:
    """The states of a pattern, each a place in it, together as the bits of a number."""

    def __init__(self, pattern: Pattern) -> None:
        self._pattern = pattern
        self._after: dict[tuple[int, str], int] = {}
        self._views: dict[int, _View] = {}
        self.start = self._closed(1)

    def after(self, states: int, character: str) -> int:
        """The states after a character; none where nothing matches any more."""
        key = (states, character)
        found = self._after.get(key)
        if found is None:
            found = self._after[key] = self._step(states, character)
        return found

    def looked_at(self, states: int) -> _View:
        """What can come after the states."""
        found = self._views.get(states)
        if found is None:
            steps = [step for _, step in self._at(states)]
            named = {step for step in steps if isinstance(step, str)}
            if not _IN_ITS_PART.isdisjoint(step for step in steps if isinstance(step, Wild)):
                named.add(":")
            found = self._views[states] = _View(
                accepts=bool(states >> len(self._pattern) & 1), named=frozenset(named)
            )
        return found

    def _at(self, states: int) -> Iterator[tuple[int, Step]]:
        """The steps that come next, with their places."""
        left = states & ~(1 << len(self._pattern))
        while left:
            place = (left & -left).bit_length() - 1
            left &= left - 1
            yield place, self._pattern[place]

    def _step(self, states: int, character: str) -> int:
        found = 0
        for place, step in self._at(states):
            if isinstance(step, str):
                if step == character:
                    found |= 1 << place + 1
            elif step in _IN_ITS_PART and character == ":":
                continue
            else:
                found |= 1 << (place if step in _REPEATED else place + 1)
        return self._closed(found)

    def _closed(self, states: int) -> int:
        """With the states that are reached without a character: what may stand for nothing."""
        left = states
        while left:
            place = (left & -left).bit_length() - 1
            left &= left - 1
            if place < len(self._pattern) and self._pattern[place] in _REPEATED:
                following = 1 << place + 1
                if not states & following:
                    states |= following
                    left |= following
        return states


@lru_cache(maxsize=4096)
def _automaton(pattern: Pattern) -> _Automaton:
    return _Automaton(pattern)
