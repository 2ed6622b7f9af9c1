"""Texts of policies with wildcards and variables, and what they match.

`*` stands for any characters and `?` for one; `${*}`, `${?}` and `${$}` are those characters
themselves, and `${key}` or `${key, 'default'}` the value of a condition key.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_variables.html
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import Final, NamedTuple

from review.decisions.errors import MalformedPolicyError

Lookup = Callable[[str], str | None]
"""The value of a condition key by its name; None where the request does not carry it."""

_VARIABLE: Final = re.compile(r"\$\{([^{}]*)\}")
_WITH_DEFAULT: Final = re.compile(r"([^,]+?)\s*,\s*'([^']*)'")
_LITERAL_CHARACTERS: Final = frozenset("*?$")
ARN_PARTS: Final = 6
"""arn, partition, service, Region, account, and the resource, which may hold colons itself."""


class Variable(NamedTuple):
    """A condition key whose value is put into the text."""

    key: str
    default: str | None


class _Wildcard(NamedTuple):
    sign: str


STAR: Final = _Wildcard("*")
QUESTION: Final = _Wildcard("?")

Token = str | Variable | _Wildcard


@dataclass(frozen=True)
class Text:
    """A text of a policy, taken apart once."""

    source: str
    tokens: tuple[Token, ...]

    @cached_property
    def has_variables(self) -> bool:
        """Whether what it matches depends on the request."""
        return any(isinstance(token, Variable) for token in self.tokens)

    @cached_property
    def plain(self) -> tuple[str | _Wildcard, ...]:
        """The tokens that are no variables."""
        return tuple(token for token in self.tokens if not isinstance(token, Variable))

    def of(self, lookup: Lookup) -> tuple[str | _Wildcard, ...] | None:
        """What it matches in a request: as `filled`, and quick where there is nothing to fill."""
        return self.filled(lookup) if self.has_variables else self.plain

    def filled(self, lookup: Lookup) -> tuple[str | _Wildcard, ...] | None:
        """The tokens with each variable's value in its place, as it is: a value has no wildcards.

        None when a variable has neither a value nor a default; such a text matches nothing.
        """
        found: list[str | _Wildcard] = []
        for token in self.tokens:
            if not isinstance(token, Variable):
                found.append(token)
                continue
            value = lookup(token.key)
            if value is None:
                value = token.default
            if value is None:
                return None
            found.append(value)
        return tuple(found)


@lru_cache(maxsize=65536)
def text(source: str, *, variables: bool = True, wildcards: bool = True) -> Text:
    """Take a text of a policy apart.

    Args:
        source: The text.
        variables: Whether `${...}` is read; not before version 2012-10-17 of the language, where
            it is what it looks like.
        wildcards: Whether `*` and `?` stand for other characters.

    Raises:
        MalformedPolicyError: A variable is not closed, is empty or has a malformed default.
    """
    tokens: list[Token] = []
    position = 0
    if variables:
        for found in _VARIABLE.finditer(source):
            tokens.extend(_plain(source[position : found.start()], wildcards=wildcards))
            tokens.append(_variable(found[1], source))
            position = found.end()
        if "${" in source[position:]:
            raise MalformedPolicyError(f"a variable is not closed in {source!r}")
    tokens.extend(_plain(source[position:], wildcards=wildcards))
    return Text(source, tuple(tokens))


def _variable(inside: str, source: str) -> Token:
    if inside in _LITERAL_CHARACTERS:
        return inside
    if with_default := _WITH_DEFAULT.fullmatch(inside.strip()):
        return Variable(with_default[1].strip(), with_default[2])
    name = inside.strip()
    if not name or "," in name or "'" in name:
        raise MalformedPolicyError(
            f"the variable ${{{inside}}} in {source!r} is none: write ${{key}} or "
            "${key, 'default'}"
        )
    return Variable(name, None)


def _plain(source: str, *, wildcards: bool) -> list[Token]:
    if not source:
        return []
    if not wildcards:
        return [source]
    signs: dict[str, Token] = {"*": STAR, "?": QUESTION}
    return [signs.get(part, part) for part in re.split(r"([*?])", source) if part]


def matches(pattern: Text, value: str, lookup: Lookup) -> bool:
    """Whether a text of a policy matches a value as a whole; `*` crosses everything."""
    tokens = pattern.of(lookup)
    return tokens is not None and glob(tokens, value)


@lru_cache(maxsize=65536)
def glob(tokens: tuple[str | _Wildcard, ...], value: str) -> bool:
    """Whether tokens match a value, in time linear in both where no `?` is used.

    What stands between two stars is looked for from the left, and the first place is taken: a
    later one leaves less for the rest. So no pattern makes it try all ways, as a regular
    expression may.
    """
    between: list[list[str | _Wildcard]] = [[]]
    for token in tokens:
        if token is STAR:
            between.append([])
        else:
            between[-1].append(token)
    first, *rest = (_Piece.of(part) for part in between)
    if not rest:
        return first.length == len(value) and first.at(value, 0)
    if not first.at(value, 0):
        return False
    position = first.length
    *middle, last = rest
    for piece in middle:
        found = piece.find(value, position)
        if found is None:
            return False
        position = found + piece.length
    end = len(value) - last.length
    return end >= position and last.at(value, end)


@dataclass(frozen=True)
class _Piece:
    """A run without stars: texts, and their places among single wildcards."""

    length: int
    parts: tuple[tuple[int, str], ...]

    @classmethod
    def of(cls, tokens: list[str | _Wildcard]) -> _Piece:
        length = 0
        parts: list[tuple[int, str]] = []
        for token in tokens:
            if isinstance(token, str):
                if parts and parts[-1][0] + len(parts[-1][1]) == length:
                    start, before = parts.pop()
                    parts.append((start, before + token))
                else:
                    parts.append((length, token))
                length += len(token)
            else:
                length += 1
        return cls(length, tuple(parts))

    def at(self, value: str, position: int) -> bool:
        if position + self.length > len(value):
            return False
        return all(value.startswith(part, position + start) for start, part in self.parts)

    def find(self, value: str, position: int) -> int | None:
        if len(self.parts) == 1 and self.parts[0][0] == 0 and len(self.parts[0][1]) == self.length:
            found = value.find(self.parts[0][1], position)
            return None if found < 0 else found
        last = len(value) - self.length
        return next((each for each in range(position, last + 1) if self.at(value, each)), None)


def matches_resource(pattern: Text, resource: str, lookup: Lookup) -> bool:
    """Whether an entry of a Resource element matches a resource.

    The parts of an ARN are matched one by one. A star at the end of one may cross into the next.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
    """
    tokens = pattern.of(lookup)
    return tokens is not None and _resource_matches(tokens, resource)


@lru_cache(maxsize=65536)
def _resource_matches(tokens: tuple[str | _Wildcard, ...], resource: str) -> bool:
    if tokens == (STAR,):
        return True
    parts = split_arn(tokens)
    values = resource.split(":", maxsplit=ARN_PARTS - 1)
    return _parts_match(parts, values)


def _parts_match(parts: list[tuple[str | _Wildcard, ...]], values: list[str]) -> bool:
    if not parts:
        return not values
    if not values:
        return False
    part, *rest = parts
    if len(parts) == 1:
        # The last part is the resource's: what is left, colons and all. Of a pattern that ends
        # before, the last part has to end with a star to match more than itself.
        return glob(part, ":".join(values))
    if glob(part, values[0]) and _parts_match(rest, values[1:]):
        return True
    # A star at the end of a part also takes the parts that follow.
    return (
        bool(part)
        and part[-1] is STAR
        and any(
            glob(part, ":".join(values[:taken])) and _parts_match(rest, values[taken:])
            for taken in range(2, len(values))
        )
    )


def split_arn(tokens: tuple[str | _Wildcard, ...]) -> list[tuple[str | _Wildcard, ...]]:
    """The parts of an ARN pattern, six at most; colons of the last part stay in it."""
    parts: list[list[str | _Wildcard]] = [[]]
    for token in tokens:
        if not isinstance(token, str):
            parts[-1].append(token)
            continue
        left = token
        while ":" in left and len(parts) < ARN_PARTS:
            before, _, left = left.partition(":")
            if before:
                parts[-1].append(before)
            parts.append([])
        if left:
            parts[-1].append(left)
    return [tuple(part) for part in parts]


def matches_arn(pattern: Text, value: str, lookup: Lookup) -> bool:
    """Whether a value of an ARN operator matches an ARN: its six parts are compared one by one.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
    """
    tokens = pattern.of(lookup)
    return tokens is not None and _arn_matches(tokens, value)


@lru_cache(maxsize=65536)
def _arn_matches(tokens: tuple[str | _Wildcard, ...], value: str) -> bool:
    values = value.split(":", maxsplit=ARN_PARTS - 1)
    if len(values) != ARN_PARTS or values[0] != "arn":
        return False
    if tokens == (STAR,):
        return True
    parts = split_arn(tokens)
    return len(parts) == ARN_PARTS and all(map(glob, parts, values))
