"""The condition operators, one by one and with their prefixes and suffixes.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_condition_operators.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-single-vs-multi-valued-context-keys.html
"""

from __future__ import annotations

import base64
import binascii
import ipaddress
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from decimal import Decimal, InvalidOperation
from functools import lru_cache
from typing import Final

from review.decisions.errors import MalformedPolicyError
from review.decisions.patterns import (
    ARN_PARTS,
    STAR,
    Lookup,
    Text,
    matches,
    matches_arn,
    split_arn,
    text,
)

Values = tuple[str, ...]


Matcher = Callable[[str, Text, Lookup], bool]
"""Whether one value of a request is what one value of a policy stands for."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """What an operator compares, without `Not`, `IfExists` and the set prefixes."""

    matcher: Matcher
    variables: bool = False
    wildcards: bool = False
    check: Callable[[Text], None] | None = None
    """Refuses a policy's value that no request could ever be compared with."""


@dataclass(frozen=True, kw_only=True)
class Operator:
    """An operator as a policy writes it."""

    name: str
    kind: Kind
    negated: bool
    if_exists: bool
    over: str | None
    """`ForAllValues`, `ForAnyValue` or None."""

    @property
    def looks_for_presence(self) -> bool:
        """Whether it asks only if the key is there."""
        return self.kind is _NULL

    def holds(self, given: Values | None, wanted: Sequence[Text], lookup: Lookup) -> bool:
        """Whether a key of the request satisfies the condition.

        Args:
            given: The key's values; None where the request does not carry it.
            wanted: The policy's values: one of them is enough, and with a negated operator none
                may match.
            lookup: The values of other keys, for variables.
        """
        if self.kind is _NULL:
            return any((given is None) == (each.source.lower() == "true") for each in wanted)
        if given is None:
            return self.if_exists or self._without_a_key
        each = [self._one(value, wanted, lookup) for value in given]
        return all(each) if self.over == "ForAllValues" else any(each)

    @property
    def _without_a_key(self) -> bool:
        """ForAllValues of nothing is true, ForAnyValue false, and what is not there is not equal.

        That ForAnyValue is false for a negated operator too is in the page above.
        """
        if self.over is None:
            return self.negated
        return self.over == "ForAllValues"

    def _one(self, value: str, wanted: Sequence[Text], lookup: Lookup) -> bool:
        found = any(self.kind.matcher(value, each, lookup) for each in wanted)
        return found is not self.negated


def _string_equals(given: str, wanted: Text, lookup: Lookup) -> bool:
    return matches(wanted, given, lookup)


def _string_equals_ignore_case(given: str, wanted: Text, lookup: Lookup) -> bool:
    tokens = wanted.filled(lookup)
    if tokens is None:
        return False
    return "".join(token for token in tokens if isinstance(token, str)).lower() == given.lower()


def _arn(given: str, wanted: Text, lookup: Lookup) -> bool:
    return matches_arn(wanted, given, lookup)


def _check_arn(wanted: Text) -> None:
    if wanted.has_variables or wanted.tokens == (STAR,):
        return
    if len(split_arn(wanted.plain)) != ARN_PARTS:
        raise MalformedPolicyError(
            f"{wanted.source!r} is no ARN, so that an ARN operator never matches it: an ARN has "
            "six parts, of which each may be a wildcard"
        )


def _bool(given: str, wanted: Text, _lookup: Lookup) -> bool:
    return given.lower() == wanted.source.lower()


def _check_bool(wanted: Text) -> None:
    if wanted.source.lower() not in {"true", "false"}:
        raise MalformedPolicyError(f"{wanted.source!r} is neither true nor false")


@lru_cache(maxsize=4096)
def _number(value: str) -> Decimal | None:
    try:
        found = Decimal(value.strip())
    except InvalidOperation:
        return None
    return found if found.is_finite() else None


def _check_number(wanted: Text) -> None:
    if _number(wanted.source) is None:
        raise MalformedPolicyError(f"{wanted.source!r} is no number")


def _numeric(compare: Callable[[Decimal, Decimal], bool]) -> Matcher:
    def matcher(given: str, wanted: Text, _lookup: Lookup) -> bool:
        left, right = _number(given), _number(wanted.source)
        return left is not None and right is not None and compare(left, right)

    return matcher


@lru_cache(maxsize=4096)
def _moment(value: str) -> datetime | None:
    """A time in ISO 8601, as W3C profiles it, or in seconds since 1970."""
    seconds = _number(value)
    try:
        if seconds is not None and "-" not in value.strip()[1:] and len(value.strip()) > 4:
            return datetime.fromtimestamp(float(seconds), tz=UTC)
        if len(value) == 4 and value.isdigit():
            return datetime(int(value), 1, 1, tzinfo=UTC)
        if len(value) == 7:
            value += "-01"
        found = datetime.fromisoformat(value)
    except (ValueError, OverflowError, OSError):
        return None
    return found if found.tzinfo else found.replace(tzinfo=UTC)


def _check_moment(wanted: Text) -> None:
    if _moment(wanted.source) is None:
        raise MalformedPolicyError(
            f"{wanted.source!r} is no time: write 2026-11-23T12:00:00Z, or seconds since 1970"
        )


def _date(compare: Callable[[datetime, datetime], bool]) -> Matcher:
    def matcher(given: str, wanted: Text, _lookup: Lookup) -> bool:
        left, right = _moment(given), _moment(wanted.source)
        return left is not None and right is not None and compare(left, right)

    return matcher


_Network = ipaddress.IPv4Network | ipaddress.IPv6Network


@lru_cache(maxsize=4096)
def _network(value: str) -> _Network | None:
    try:
        return ipaddress.ip_network(value, strict=False)
    except ValueError:
        return None


def _check_network(wanted: Text) -> None:
    if _network(wanted.source) is None:
        raise MalformedPolicyError(
            f"{wanted.source!r} is neither an address nor a range such as 203.0.113.0/24"
        )


def _address(given: str, wanted: Text, _lookup: Lookup) -> bool:
    inner, outer = _network(given), _network(wanted.source)
    if inner is None or outer is None or inner.version != outer.version:
        return False
    return inner.subnet_of(outer)  # type: ignore[arg-type]  # both are of one version


def _bytes(value: str) -> bytes | None:
    try:
        return base64.b64decode(value, validate=True)
    except (binascii.Error, ValueError):
        return None


def _binary(given: str, wanted: Text, _lookup: Lookup) -> bool:
    return _bytes(given) is not None and _bytes(given) == _bytes(wanted.source)


def _check_binary(wanted: Text) -> None:
    if _bytes(wanted.source) is None:
        raise MalformedPolicyError(f"{wanted.source!r} is not in base64")


_NULL: Final = Kind(matcher=_bool, check=_check_bool)
_EQUALS: Final = Kind(matcher=_string_equals, variables=True)
_IGNORE_CASE: Final = Kind(matcher=_string_equals_ignore_case, variables=True)
_LIKE: Final = Kind(matcher=_string_equals, variables=True, wildcards=True)
_ARN: Final = Kind(matcher=_arn, variables=True, wildcards=True, check=_check_arn)
_IP: Final = Kind(matcher=_address, check=_check_network)


def _number_kind(compare: Callable[[Decimal, Decimal], bool]) -> Kind:
    return Kind(matcher=_numeric(compare), check=_check_number)


def _date_kind(compare: Callable[[datetime, datetime], bool]) -> Kind:
    return Kind(matcher=_date(compare), check=_check_moment)


_NUMBER_EQUALS: Final = _number_kind(lambda left, right: left == right)
_DATE_EQUALS: Final = _date_kind(lambda left, right: left == right)

_KINDS: Final[dict[str, tuple[Kind, bool]]] = {
    "StringEquals": (_EQUALS, False),
    "StringNotEquals": (_EQUALS, True),
    "StringEqualsIgnoreCase": (_IGNORE_CASE, False),
    "StringNotEqualsIgnoreCase": (_IGNORE_CASE, True),
    "StringLike": (_LIKE, False),
    "StringNotLike": (_LIKE, True),
    "NumericEquals": (_NUMBER_EQUALS, False),
    "NumericNotEquals": (_NUMBER_EQUALS, True),
    "NumericLessThan": (_number_kind(lambda left, right: left < right), False),
    "NumericLessThanEquals": (_number_kind(lambda left, right: left <= right), False),
    "NumericGreaterThan": (_number_kind(lambda left, right: left > right), False),
    "NumericGreaterThanEquals": (_number_kind(lambda left, right: left >= right), False),
    "DateEquals": (_DATE_EQUALS, False),
    "DateNotEquals": (_DATE_EQUALS, True),
    "DateLessThan": (_date_kind(lambda left, right: left < right), False),
    "DateLessThanEquals": (_date_kind(lambda left, right: left <= right), False),
    "DateGreaterThan": (_date_kind(lambda left, right: left > right), False),
    "DateGreaterThanEquals": (_date_kind(lambda left, right: left >= right), False),
    "Bool": (Kind(matcher=_bool, check=_check_bool), False),
    "BinaryEquals": (Kind(matcher=_binary, check=_check_binary), False),
    "IpAddress": (_IP, False),
    "NotIpAddress": (_IP, True),
    # AWS says that the two of each pair behave alike.
    "ArnEquals": (_ARN, False),
    "ArnLike": (_ARN, False),
    "ArnNotEquals": (_ARN, True),
    "ArnNotLike": (_ARN, True),
    "Null": (_NULL, False),
}
_SETS: Final = ("ForAllValues", "ForAnyValue")
_IF_EXISTS: Final = "IfExists"

OPERATORS: Final = tuple(_KINDS)
"""The operators without prefix and suffix."""


@lru_cache(maxsize=1024)
def operator(name: str) -> Operator:
    """The operator of this name.

    Raises:
        MalformedPolicyError: There is none; their spelling is exact.
    """
    over, colon, rest = name.partition(":")
    if not colon:
        over, rest = "", name
    base = rest.removesuffix(_IF_EXISTS)
    if base not in _KINDS or (colon and over not in _SETS):
        raise MalformedPolicyError(
            f"the condition operator {name!r} is not known: use one of {', '.join(OPERATORS)}, "
            "with ForAllValues: or ForAnyValue: before it, or IfExists behind it"
        )
    if base == "Null" and rest != name:
        raise MalformedPolicyError(f"{name!r}: Null takes no prefix")
    if base == "Null" and base != rest:
        raise MalformedPolicyError(f"{name!r}: Null takes no IfExists")
    kind, negated = _KINDS[base]
    return Operator(
        name=name, kind=kind, negated=negated, if_exists=base != rest, over=over or None
    )


def value(of: Operator, source: str, *, variables: bool) -> Text:
    """A policy's value, taken apart as its operator reads it.

    Args:
        of: The operator.
        source: The value.
        variables: Whether the document's version knows variables.

    Raises:
        MalformedPolicyError: No request can be compared with it.
    """
    found = text(source, variables=variables and of.kind.variables, wildcards=of.kind.wildcards)
    if of.kind.check:
        of.kind.check(found)
    return found
