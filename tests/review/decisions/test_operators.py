"""Each condition operator: what satisfies it, what does not, and what an absent key does."""

from __future__ import annotations

import pytest

from review.decisions import operators
from review.decisions.errors import MalformedPolicyError
from review.decisions.operators import OPERATORS
from tests.review.decisions.asking import ROLE, allow, ask, role

KEY = "aws:PrincipalTag/key"

CASES: tuple[tuple[str, object, str, str], ...] = (
    # operator, what the policy says, a value that satisfies it, one that does not
    ("StringEquals", "blue", "blue", "Blue"),
    ("StringEquals", ["red", "blue"], "blue", "green"),
    ("StringEquals", "b*", "b*", "blue"),
    ("StringNotEquals", ["red", "blue"], "green", "red"),
    ("StringNotEquals", "b*", "blue", "b*"),
    ("StringEqualsIgnoreCase", "Blue", "bLUE", "blues"),
    ("StringNotEqualsIgnoreCase", "Blue", "blues", "bLUE"),
    ("StringLike", "b*e", "blue", "Blue"),
    ("StringLike", "b?ue", "blue", "bue"),
    ("StringLike", "a${*}b", "a*b", "axb"),
    ("StringNotLike", ["r*", "b*"], "green", "blue"),
    ("NumericEquals", "1.20", "1.2", "1.21"),
    ("NumericNotEquals", "1.2", "1.3", "1.20"),
    ("NumericLessThan", "1.2", "1.1", "1.2"),
    ("NumericLessThanEquals", "1.2", "1.2", "1.3"),
    ("NumericGreaterThan", "9", "10", "9"),
    ("NumericGreaterThanEquals", "9", "9", "8.9"),
    ("NumericEquals", "1", "1", "one"),
    ("DateEquals", "2026-11-23T00:00:00Z", "1795392000", "2026-11-23T00:00:01Z"),
    ("DateNotEquals", "2026-11-23", "2026-11-24", "2026-11-23T00:00:00Z"),
    ("DateLessThan", "2026-11-23T12:00:00Z", "2026-11-23T12:30:00+01:00", "2026-11-23T13:00:00Z"),
    ("DateLessThanEquals", "2026-11", "2026-11-01T00:00:00Z", "2026-11-01T00:00:01Z"),
    ("DateGreaterThan", "2025", "2025-01-02T00:00:00Z", "2024-12-31T00:00:00Z"),
    ("DateGreaterThanEquals", "2025", "2025-01-01T00:00:00Z", "then"),
    ("Bool", "true", "True", "false"),
    ("Bool", "false", "false", "true"),
    ("BinaryEquals", "QmluYXJ5", "QmluYXJ5", "QmluYXI="),
    ("IpAddress", "203.0.113.0/24", "203.0.113.7", "203.0.114.7"),
    ("IpAddress", ["10.0.0.0/8", "2001:db8::/32"], "2001:db8::1", "2001:db9::1"),
    ("IpAddress", "203.0.113.7", "203.0.113.7", "203.0.113.8"),
    ("NotIpAddress", "203.0.113.0/24", "2001:db8::1", "203.0.113.0"),
    ("ArnEquals", "arn:aws:s3:::data*", "arn:aws:s3:::data/one", "arn:aws:s3:::dat"),
    ("ArnLike", "arn:*:iam::111122223333:role/*", ROLE, "arn:aws:iam::444455556666:role/x"),
    ("ArnLike", "*", ROLE, "no ARN"),
    ("ArnNotEquals", "arn:aws:s3:::data", "arn:aws:s3:::other", "arn:aws:s3:::data"),
    ("ArnNotLike", ["arn:aws:iam::*:role/w*"], "arn:aws:iam::1:user/w", ROLE),
)  # fmt: skip


@pytest.mark.parametrize(("name", "wanted", "good", "bad"), CASES)
def test_an_operator_tells_what_it_means(name: str, wanted: object, good: str, bad: str) -> None:
    asker = role(allow(Condition={name: {KEY: wanted}}))
    assert ask(asker, keys={KEY: good}).allowed
    assert not ask(asker, keys={KEY: bad}).allowed


def test_every_operator_is_among_the_cases() -> None:
    assert {name for name, *_ in CASES} | {"Null"} == set(OPERATORS)


@pytest.mark.parametrize("name", sorted({name for name, *_ in CASES}))
def test_an_absent_key_satisfies_what_is_negated_and_what_says_if_exists(name: str) -> None:
    wanted, good, bad = next(case[1:] for case in CASES if case[0] == name)
    negated = "Not" in name
    assert ask(role(allow(Condition={name: {KEY: wanted}}))).allowed is negated
    if_exists = role(allow(Condition={f"{name}IfExists": {KEY: wanted}}))
    assert ask(if_exists).allowed
    assert ask(if_exists, keys={KEY: good}).allowed
    assert not ask(if_exists, keys={KEY: bad}).allowed


@pytest.mark.parametrize(("absent", "expected"), [("true", True), ("false", False)])
def test_null_asks_whether_the_key_is_there(absent: str, expected: bool) -> None:
    asker = role(allow(Condition={"Null": {KEY: absent}}))
    assert ask(asker).allowed is expected
    assert ask(asker, keys={KEY: "x"}).allowed is not expected
    assert ask(asker, keys={KEY: ()}).allowed is expected


TAGS = "aws:TagKeys"


@pytest.mark.parametrize(
    ("name", "given", "expected"),
    [
        ("ForAllValues:StringEquals", ("one", "two"), True),
        ("ForAllValues:StringEquals", ("one", "three"), False),
        ("ForAllValues:StringEquals", None, True),
        ("ForAllValues:StringNotEquals", ("three", "four"), True),
        ("ForAllValues:StringNotEquals", ("three", "one"), False),
        ("ForAnyValue:StringEquals", ("three", "one"), True),
        ("ForAnyValue:StringEquals", ("three",), False),
        ("ForAnyValue:StringEquals", None, False),
        ("ForAnyValue:StringNotEquals", ("one", "three"), True),
        ("ForAnyValue:StringNotEquals", ("one", "two"), False),
        ("ForAnyValue:StringNotEquals", None, False),
        ("ForAnyValue:StringEqualsIfExists", None, True),
        ("ForAllValues:StringLikeIfExists", ("one", "x"), False),
    ],
)
def test_sets_are_compared_value_by_value(
    name: str, given: tuple[str, ...] | None, expected: bool
) -> None:
    asker = role(allow(Condition={name: {TAGS: ["one", "two"]}}))
    assert ask(asker, keys={TAGS: given}).allowed is expected


def test_all_keys_and_all_operators_have_to_hold() -> None:
    both = {
        "StringEquals": {KEY: "a", "aws:SourceVpce": "v"},
        "Bool": {"aws:ViaAWSService": "true"},
    }
    asker = role(allow(Condition=both))
    good = {KEY: "a", "aws:SourceVpce": "v", "aws:ViaAWSService": "true"}
    assert ask(asker, keys=good).allowed
    for each in good:
        assert not ask(asker, keys={**good, each: "other"}).allowed


def test_names_of_keys_have_no_case() -> None:
    asker = role(allow(Condition={"StringEquals": {"AWS:sourcevpce": "v"}}))
    assert ask(asker, keys={"aws:SourceVpce": "v"}).allowed
    assert not ask(asker, keys={"aws:SourceVpc": "v"}).allowed


@pytest.mark.parametrize(
    ("wanted", "team", "value", "expected"),
    [
        ("${aws:PrincipalTag/team}", "blue", "blue", True),
        ("${aws:PrincipalTag/team}", "red", "blue", False),
        ("${aws:PrincipalTag/team}", None, "blue", False),
        ("${aws:PrincipalTag/team, 'blue'}", None, "blue", True),
        ("${aws:PrincipalTag/team, 'blue'}", "red", "blue", False),
        ("x-${AWS:principaltag/TEAM}-*", "blue", "x-blue-y", True),
        ("${aws:PrincipalTag/team}", "*", "blue", False),
    ],
)
def test_variables_take_the_value_of_their_key(
    wanted: str, team: str | None, value: str, expected: bool
) -> None:
    asker = role(allow(Condition={"StringLike": {KEY: wanted}}))
    assert ask(asker, keys={KEY: value, "aws:PrincipalTag/team": team}).allowed is expected


def test_a_key_with_several_values_is_no_variable() -> None:
    asker = role(allow(Condition={"StringEquals": {KEY: "${aws:TagKeys}"}}))
    with pytest.raises(MalformedPolicyError, match="no variable"):
        ask(asker, keys={KEY: "x", TAGS: ("x", "y")})


def test_numbers_and_times_know_no_variables() -> None:
    with pytest.raises(MalformedPolicyError, match="is no number"):
        role(allow(Condition={"NumericEquals": {KEY: "${aws:PrincipalTag/team}"}}))


def test_an_operator_is_found_once() -> None:
    assert operators.operator("StringEquals") is operators.operator("StringEquals")
