"""Containment: a policy that is stricter is within another, and one that is wider is not."""

from __future__ import annotations

import fnmatch
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from review.rules.containment import beyond, covers, implies, missing
from review.template.policies import Grant, allow, deny

ACCOUNT = {"StringEquals": {"aws:SourceAccount": "111122223333"}}


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("*", "anything*"),
        ("s3:Get*", "s3:GetObject"),
        ("s3:Get*", "s3:GetObject*"),
        ("arn:*:s3:::b/*", "arn:aws:s3:::b/outputs/*"),
        ("a?c", "abc"),
        ("a*b*c", "axxbyyc"),
    ],
)
def test_a_pattern_covers_what_it_matches(pattern: str, text: str) -> None:
    assert covers(pattern, text)


@pytest.mark.parametrize(
    ("pattern", "text"),
    [
        ("s3:GetObject", "s3:Get*"),
        ("a?c", "a*c"),
        ("a?c", "ac"),
        ("a*bb", "ab"),
        ("ab*bc", "abc"),
        ("outputs/*", "fine-tuning-datasets/*"),
    ],
)
def test_a_pattern_does_not_cover_what_is_wider_or_other(pattern: str, text: str) -> None:
    assert not covers(pattern, text)


@given(st.text("ab*?", max_size=7), st.text("ab", max_size=7))
def test_a_text_without_wildcards_is_matched_as_a_shell_does(pattern: str, text: str) -> None:
    assert covers(pattern, text) == fnmatch.fnmatchcase(text, pattern)


@given(st.text("ab*?", max_size=5), st.text("ab*", max_size=5), st.text("ab", max_size=6))
def test_what_is_covered_matches_no_more(pattern: str, inner: str, text: str) -> None:
    if covers(pattern, inner) and fnmatch.fnmatchcase(text, inner):
        assert fnmatch.fnmatchcase(text, pattern)


def test_a_hostile_pattern_takes_no_time() -> None:
    started = time.monotonic()
    assert not covers("*a" * 900 + "b", "a" * 2000)
    assert time.monotonic() - started < 5


@pytest.mark.parametrize(
    ("stricter", "looser"),
    [
        (("StringEquals", "k", ("a",)), ("StringEquals", "k", ("a", "b"))),
        (("StringEquals", "k", ("a",)), ("StringLike", "K", ("a*",))),
        (("StringEquals", "k", ("a",)), ("StringEqualsIfExists", "k", ("a",))),
        (("ArnEquals", "k", ("a",)), ("ArnLike", "k", ("a",))),
        (("StringNotEquals", "k", ("a", "b")), ("StringNotEquals", "k", ("a",))),
        (("NumericLessThan", "k", ("1.1",)), ("NumericLessThan", "k", ("1.2",))),
        (("NumericGreaterThan", "k", ("9",)), ("NumericGreaterThan", "k", ("2",))),
    ],
)
def test_a_stricter_condition_implies_the_looser(
    stricter: tuple[str, str, tuple[str, ...]], looser: tuple[str, str, tuple[str, ...]]
) -> None:
    assert implies((stricter,), (looser,))
    assert not implies((looser,), (stricter,)) or stricter[0].startswith("Arn")


@pytest.mark.parametrize(
    "other",
    [
        ("StringEqualsIfExists", "k", ("a",)),
        ("ForAllValues:StringEquals", "k", ("a",)),
        ("StringLike", "k", ("*",)),
        ("StringEquals", "other", ("a",)),
        ("StringNotEquals", "k", ("a",)),
    ],
)
def test_a_looser_condition_implies_nothing(other: tuple[str, str, tuple[str, ...]]) -> None:
    assert not implies((other,), (("StringEquals", "k", ("a",)),))


EXPECTED = allow("s3:GetObject", on=["b/data/*", "b/outputs/*"], when=ACCOUNT) | deny(
    "s3:*", by="*", on="b/*", when={"Bool": {"aws:SecureTransport": "false"}}
)


def _said(found: set[Grant]) -> tuple[int, int]:
    return len(list(beyond(found, EXPECTED))), len(list(missing(found, EXPECTED)))


def test_the_same_policy_is_neither_wider_nor_shorter() -> None:
    assert _said(EXPECTED) == (0, 0)


def test_more_conditions_and_broader_denials_are_as_good() -> None:
    more = {**ACCOUNT, "Bool": {"aws:MultiFactorAuthPresent": "true"}}
    found = allow("s3:GetObject", on=["b/data/*", "b/outputs/*"], when=more) | deny(
        "s3:*", by="*", on="*", when={"Bool": {"aws:SecureTransport": "false"}}
    )
    assert _said(found) == (0, 0)


def test_a_wider_permission_is_beyond() -> None:
    assert _said(EXPECTED | allow("s3:GetObject", on="b/*", when=ACCOUNT)) == (1, 0)
    assert _said(EXPECTED | allow("s3:Get*", on="b/data/*", when=ACCOUNT)) == (1, 0)
    assert _said(EXPECTED | allow("s3:GetObject", on="b/data/*")) == (1, 0)


def test_a_permission_or_denial_that_is_gone_is_missing() -> None:
    denials = {grant for grant in EXPECTED if grant.effect == "Deny"}
    assert _said(denials) == (0, 2)
    assert _said(EXPECTED - denials) == (0, 1)


def test_values_may_be_divided_among_statements() -> None:
    both = {"ArnEquals": {"aws:PrincipalArn": ["one", "two"]}}
    expected = allow("kms:Decrypt", on="*", when=both)
    parts = [
        allow("kms:Decrypt", on="*", when={"ArnEquals": {"aws:PrincipalArn": each}})
        for each in ("one", "two")
    ]
    assert list(beyond(parts[0] | parts[1], expected)) == []
    assert list(missing(parts[0] | parts[1], expected)) == []
    assert list(missing(parts[0], expected)) != []
