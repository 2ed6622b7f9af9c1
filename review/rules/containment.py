"""Whether a policy admits no more than another, and denies no less.

Not equality: a statement with one more condition, a denial that reaches further, two statements in
the place of one say nothing worse. What cannot be shown to be contained counts as not contained.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from functools import lru_cache
from typing import Final

from review.template.policies import Condition, Grant

_SAME: Final = {
    # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
    "ArnEquals": "ArnLike",
    "ArnNotEquals": "ArnNotLike",
}
"""Operators that AWS says behave identically."""

_PATTERNS: Final = {"ArnLike", "ArnNotLike", "StringLike", "StringNotLike"}
_LESS: Final = {"NumericLessThan", "NumericLessThanEquals"}
_GREATER: Final = {"NumericGreaterThan", "NumericGreaterThanEquals"}


@lru_cache(maxsize=65536)
def covers(pattern: str, text: str) -> bool:
    """Whether everything that `text` matches, which may hold wildcards itself, `pattern` does.

    In time that grows with the product of both lengths: the pattern may be anybody's.
    """
    if pattern in ("*", text):
        return True
    if len(pattern) > _LONGEST or len(text) > _LONGEST or not _WILDCARDS & set(pattern):
        return False
    first, *rest = pattern.split("*")
    if not rest:
        return len(first) == len(text) and _stands_at(first, text, 0)
    *middle, last = rest
    end = len(text) - len(last)
    position = len(first)
    if position > end or not _stands_at(first, text, 0) or not _stands_at(last, text, end):
        return False
    for part in middle:
        places = range(position, end - len(part) + 1)
        found = next((place for place in places if _stands_at(part, text, place)), None)
        if found is None:
            return False
        position = found + len(part)
    return True


_WILDCARDS: Final = frozenset("*?")
_LONGEST: Final = 2048
"""Longer names are of nobody's making: an ARN has 2048 characters at most."""


def _stands_at(part: str, text: str, place: int) -> bool:
    """Whether a part of a pattern without `*` matches at a place; no `?` matches a `*`."""
    if "?" not in part:
        return text.startswith(part, place)
    there = text[place : place + len(part)]
    return len(there) == len(part) and all(
        sign == char or (sign == "?" and char != "*")
        for sign, char in zip(part, there, strict=True)
    )


def covers_action(pattern: str, action: str) -> bool:
    """As `covers`, for actions: their case says nothing."""
    return covers(pattern.lower(), action.lower())


def covers_principal(principal: str, other: str) -> bool:
    """Whether a principal element names everybody that another one names."""
    return principal in ("*", other)


@lru_cache(maxsize=65536)
def implies(stricter: tuple[Condition, ...], looser: tuple[Condition, ...]) -> bool:
    """Whether a request that meets some conditions always meets the others."""
    return all(any(_implies(have, want) for have in stricter) for want in looser)


def _implies(have: Condition, want: Condition) -> bool:
    if have == want:
        return True
    qualifier, base, optional = _taken_apart(have[0])
    wanted_qualifier, wanted_base, wanted_optional = _taken_apart(want[0])
    if wanted_base == "StringLike" and base == "StringEquals":
        base = "StringLike"
    if wanted_base == "StringNotEquals" and base == "StringNotLike":
        wanted_base = "StringNotLike"
    return (
        have[1].lower() == want[1].lower()
        and qualifier == wanted_qualifier
        and base == wanted_base
        and (wanted_optional or not optional)
        and _values_imply(base, have[2], want[2])
    )


def _values_imply(base: str, values: tuple[str, ...], wanted: tuple[str, ...]) -> bool:
    """Whether an operator with some values demands no less than with others."""
    if base in _LESS:
        return max(map(float, values)) <= max(map(float, wanted))
    if base in _GREATER:
        return min(map(float, values)) >= min(map(float, wanted))

    def within(value: str, other: str) -> bool:
        return covers(other, value) if base in _PATTERNS else other == value

    if "Not" in base:
        return all(any(within(no, also) for also in values) for no in wanted)
    return all(any(within(value, also) for also in wanted) for value in values)


def _taken_apart(operator: str) -> tuple[str, str, bool]:
    """An operator's qualifier, its name as `_SAME` has it, and whether the key may be absent."""
    qualifier, _, name = operator.rpartition(":")
    base = name.removesuffix("IfExists")
    return qualifier, _SAME.get(base, base), base != name


def beyond(found: Iterable[Grant], expected: Iterable[Grant]) -> Iterator[Grant]:
    """What is allowed and is not within anything that is expected."""
    allowed = [grant for grant in expected if grant.effect == "Allow"]
    known = set(allowed)
    for grant in sorted(set(found)):
        if grant.effect == "Deny" or grant in known:
            continue
        if not any(
            covers_principal(each.principal, grant.principal)
            and covers_action(each.action, grant.action)
            and covers(each.resource, grant.resource)
            and implies(grant.conditions, each.conditions)
            for each in allowed
        ):
            yield grant


def missing(found: Iterable[Grant], expected: Iterable[Grant]) -> Iterator[Grant]:
    """What is expected and is not there: permissions that are needed, and denials.

    A permission may carry more conditions than expected; a denial may carry fewer.
    """
    there = set(found)
    for grant in sorted(set(expected) - there):
        same = [
            each
            for each in there
            if each.effect == grant.effect
            and covers_principal(each.principal, grant.principal)
            and covers_action(each.action, grant.action)
            and covers(each.resource, grant.resource)
        ]
        if grant.effect == "Deny":
            present = any(implies(grant.conditions, each.conditions) for each in same)
        else:
            present = all(
                any(_admits(each.conditions, atom) for each in same)
                for atom in _atoms(grant.conditions)
            )
        if not present:
            yield grant


def _atoms(conditions: tuple[Condition, ...]) -> list[tuple[Condition, ...]]:
    """Conditions with one value each: statements may divide the values among them."""
    atoms: list[tuple[Condition, ...]] = [()]
    for operator, key, values in conditions:
        single = (
            [(value,) for value in values]
            if ":" not in operator and "Not" not in operator
            else [values]
        )
        atoms = [(*atom, (operator, key, each)) for atom in atoms for each in single]
    return atoms


def _admits(conditions: tuple[Condition, ...], atom: tuple[Condition, ...]) -> bool:
    """Whether conditions do not shut out what one combination of expected values describes."""
    wanted = {key.lower(): (operator, key, values) for operator, key, values in atom}
    return all(
        key.lower() not in wanted
        or implies((wanted[key.lower()],), ((operator, key, values),))
        or _taken_apart(operator)[1] != _taken_apart(wanted[key.lower()][0])[1]
        for operator, key, values in conditions
    )
