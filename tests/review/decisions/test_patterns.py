"""Wildcards in texts, resources and ARNs, against regular expressions and by AWS's rules."""

from __future__ import annotations

import re
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from review.decisions.patterns import matches, matches_arn, matches_resource, text


def nothing(_key: str) -> str | None:
    """A request without condition keys."""
    return None


def like(pattern: str, value: str) -> bool:
    """Whether a pattern without variables matches."""
    return matches(text(pattern, variables=False), value, nothing)


def of_resource(pattern: str, resource: str) -> bool:
    """Whether an entry of Resource matches."""
    return matches_resource(text(pattern), resource, nothing)


def of_arn(pattern: str, arn: str) -> bool:
    """Whether a value of an ARN operator matches."""
    return matches_arn(text(pattern), arn, nothing)


@given(st.text(alphabet="ab*?", max_size=12), st.text(alphabet="ab", max_size=12))
def test_a_pattern_matches_what_the_regular_expression_matches(pattern: str, value: str) -> None:
    signs = {"*": ".*", "?": "."}
    expression = "".join(signs.get(sign, re.escape(sign)) for sign in pattern)
    assert like(pattern, value) is bool(re.fullmatch(expression, value, re.DOTALL))


def test_a_hostile_pattern_takes_no_time() -> None:
    begun = time.perf_counter()
    assert not like("a*" * 500 + "b", "a" * 5000)
    assert not of_resource("arn:" + "*:" * 500 + "x", "arn:aws:s3:::" + ":" * 2000)
    assert time.perf_counter() - begun < 1


@pytest.mark.parametrize(
    ("pattern", "resource", "expected"),
    [
        ("*", "anything", True),
        ("*", "arn:aws:s3:::b", True),
        ("arn:aws:s3:::b", "arn:aws:s3:::b", True),
        ("arn:aws:s3:::b", "arn:aws:s3:::B", False),
        ("arn:aws:s3:::b", "arn:aws:s3:::b/k", False),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b/k/l:m", True),
        ("arn:aws:s3:::b/*", "arn:aws:s3:::b", False),
        ("arn:aws:s3:::b*", "arn:aws:s3:::bc/k", True),
        ("arn:aws:s3:::b/?", "arn:aws:s3:::b/k", True),
        ("arn:aws:s3:::b/?", "arn:aws:s3:::b/kk", False),
        ("arn:*:s3:::b", "arn:aws-us-gov:s3:::b", True),
        ("arn:aws:kms:*:111122223333:key/*", "arn:aws:kms:us-east-1:111122223333:key/x", True),
        ("arn:aws:kms:*:111122223333:key/*", "arn:aws:kms:us-east-1:444455556666:key/x", False),
        ("arn:aws:kms:us-*-1:1:key/x", "arn:aws:kms:us-east-1:1:key/x", True),
        # A star within a part does not cross a colon; one at its end does.
        ("arn:aws:k*s:us-east-1:1:key/x", "arn:aws:kms:us-east-1:1:key/x", True),
        ("arn:aws:k*1:1:key/x", "arn:aws:kms:us-east-1:1:key/x", False),
        ("arn:aws:kms:*", "arn:aws:kms:us-east-1:1:key/x", True),
        ("arn:aws:kms:*:key/x", "arn:aws:kms:us-east-1:1:key/x", True),
        ("arn:aws:kms", "arn:aws:kms:us-east-1:1:key/x", False),
        ("arn:aws:logs:us-east-1:1:log-group:/a:*", "arn:aws:logs:us-east-1:1:log-group:/a:x:y",
         True),
        ("arn:aws:logs:us-east-1:1:log-group:/a:*", "arn:aws:logs:us-east-1:1:log-group:/a", False),
        ("arn:aws:bedrock:r:1:job/*", "*", False),
        ("arn:aws:bedrock:r:1:job/*", "arn:aws:bedrock:r:1:job/*", True),
    ],
)  # fmt: skip
def test_a_resource_is_matched_part_by_part(pattern: str, resource: str, expected: bool) -> None:
    assert of_resource(pattern, resource) is expected


@pytest.mark.parametrize(
    ("pattern", "arn", "expected"),
    [
        ("arn:aws:bedrock:r:1:job/*", "arn:aws:bedrock:r:1:job/model:0:8k/abc", True),
        ("arn:aws:iam::1:role/*", "arn:aws:iam::1:role/path/name", True),
        ("arn:aws:iam::1:role/*", "arn:aws:iam::2:role/name", False),
        ("arn:aws:iam::*:role/x", "arn:aws:iam::1:role/x", True),
        ("arn:aws:iam:*:role/x", "arn:aws:iam::1:role/x", False),
        ("arn:aws:iam::1:*", "arn:aws:iam::1:root", True),
        ("*", "arn:aws:iam::1:root", True),
        ("*", "nothing", False),
        ("arn:aws:s3:::b", "arn:aws:s3:::B", False),
    ],
)
def test_the_six_parts_of_an_arn_are_matched_one_by_one(
    pattern: str, arn: str, expected: bool
) -> None:
    assert of_arn(pattern, arn) is expected


@pytest.mark.parametrize("sign", ["*", "?", "$"])
def test_signs_are_themselves_where_a_policy_says_so(sign: str) -> None:
    assert matches(text(f"a${{{sign}}}b"), f"a{sign}b", nothing)
    assert not matches(text(f"a${{{sign}}}b"), "axb", nothing)


def test_a_value_brings_no_wildcards_with_it() -> None:
    pattern = text("arn:aws:s3:::b/${aws:username}/*")
    assert matches_resource(pattern, "arn:aws:s3:::b/ann/x", lambda _: "ann")
    assert not matches_resource(pattern, "arn:aws:s3:::b/ann/x", lambda _: "*")
    assert not matches_resource(pattern, "arn:aws:s3:::b/ann/x", nothing)
