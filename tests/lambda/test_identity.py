"""Names follow from the content and from nothing else."""

from __future__ import annotations

import re
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from customization.identity import (
    ENVIRONMENT_PATTERN,
    JOB_PATTERN,
    PhysicalId,
    content_digest,
    is_owned,
    names_for,
    owner_tags,
    parse_physical_id,
)
from customization.limits import constraints

CONTENT: dict[str, Any] = {
    "base_model": "amazon.nova-2-lite-v1:0:256k",
    "customization_type": "FINE_TUNING",
    "hyperparameters": {"epochCount": "2", "learningRate": "0.00001"},
    "training_digest": "a" * 64,
    "validation_digest": None,
    "key_name": "model",
    "customization_config": None,
    "run": "1",
}
DIGEST = "0123456789abcdef"
NAMES = st.from_regex(JOB_PATTERN, fullmatch=True).filter(
    lambda name: "--" not in name and not name.endswith("-")
)
SCALARS = st.one_of(
    st.integers(-(10**9), 10**9),
    st.floats(allow_nan=False, allow_infinity=False),
    st.booleans(),
    st.text(max_size=8),
)


def as_cloudformation_sends(value: Any) -> Any:  # noqa: ANN401 - JSON
    """Return a value as a custom resource receives it: every scalar a string."""
    match value:
        case dict():
            return {key: as_cloudformation_sends(entry) for key, entry in value.items()}
        case list():
            return [as_cloudformation_sends(entry) for entry in value]
        case bool():
            return "true" if value else "false"
        case _:
            return str(value)


def test_the_digest_of_known_content_never_changes() -> None:
    # A change here would train every job of every user again.
    assert content_digest(**CONTENT) == "abb0dd35f89fb6f0"


@pytest.mark.parametrize(
    "change",
    [
        {"base_model": "amazon.nova-lite-v1:0:300k"},
        {"customization_type": "DISTILLATION"},
        {"hyperparameters": {"epochCount": "3", "learningRate": "0.00001"}},
        {"hyperparameters": {"epochCount": "2"}},
        {"training_digest": "b" * 64},
        {"validation_digest": "a" * 64},
        {"key_name": "other"},
        {"customization_config": {"rftConfig": {"hyperParameters": {"epochCount": 1}}}},
        {"run": "2"},
    ],
    ids=lambda change: next(iter(change)),
)
def test_a_change_of_what_is_trained_changes_the_digest(change: dict[str, Any]) -> None:
    assert content_digest(**{**CONTENT, **change}) != content_digest(**CONTENT)


@pytest.mark.parametrize("same", ["0.00001", "1e-5", "1E-05", "0.000010", "+1.0e-5", 0.00001])
def test_numbers_count_by_value(same: object) -> None:
    changed = {**CONTENT, "hyperparameters": {"epochCount": 2.0, "learningRate": same}}
    assert content_digest(**changed) == content_digest(**CONTENT)


@pytest.mark.parametrize("other", ["0.00002", "1e-6", "-0.00001", "1e-5 ", "1_0e-6"])
def test_other_numbers_and_other_texts_do_not_count_as_the_same(other: str) -> None:
    changed = {**CONTENT, "hyperparameters": {"epochCount": "2", "learningRate": other}}
    assert content_digest(**changed) != content_digest(**CONTENT)


@settings(max_examples=150, deadline=None)
@given(parameters=st.dictionaries(st.text(max_size=6), SCALARS, max_size=5), data=st.data())
def test_order_and_cloudformations_strings_do_not_change_the_digest(
    parameters: dict[str, Any], data: st.DataObject
) -> None:
    shuffled = dict(data.draw(st.permutations(list(parameters.items()))))
    plain = content_digest(**{**CONTENT, "hyperparameters": parameters})
    sent = {**CONTENT, "hyperparameters": as_cloudformation_sends(shuffled), "run": 1}
    assert content_digest(**sent) == plain


@settings(max_examples=200, deadline=None)
@given(
    environment=NAMES.map(lambda name: name[:12].rstrip("-")),
    job=NAMES,
    digest=st.from_regex(r"[0-9a-f]{16}", fullmatch=True),
    attempt=st.integers(1, 99),
)
def test_every_name_fits_bedrocks_patterns_and_comes_back(
    environment: str, job: str, digest: str, attempt: int
) -> None:
    name = names_for(environment=environment, job=job, digest=digest, attempt=attempt)
    assert len(name) <= 63
    for shape in ("JobName", "CustomModelName", "IdempotencyToken"):
        assert re.fullmatch(str(constraints(shape).pattern), name)
    parsed = parse_physical_id(physical_id=name, environment=environment, job=job)
    assert parsed == PhysicalId(environment=environment, job=job, digest=digest, attempt=attempt)
    assert str(parsed) == name


def test_the_longest_name_has_63_characters() -> None:
    name = names_for(environment="e" * 12, job="j" * 30, digest=DIGEST, attempt=99)
    assert len(name) == 63
    assert re.fullmatch(ENVIRONMENT_PATTERN, "e" * 13) is None
    assert re.fullmatch(JOB_PATTERN, "j" * 31) is None


@pytest.mark.parametrize(
    ("change", "named"),
    [
        ({"environment": "Dev"}, "environment"),
        ({"job": "a_b"}, "job"),
        ({"job": "a--b"}, "CustomModelName"),
        ({"environment": "dev-"}, "CustomModelName"),
        ({"digest": "xyz"}, "digest"),
        ({"attempt": 0}, "attempt"),
        ({"attempt": 100}, "attempt"),
    ],
)
def test_a_name_that_bedrock_would_refuse_is_refused(change: dict[str, Any], named: str) -> None:
    good: dict[str, Any] = {"environment": "dev", "job": "tone", "digest": DIGEST, "attempt": 1}
    assert names_for(**good) == f"dev-tone-{DIGEST}"
    with pytest.raises(ValueError, match=named):
        names_for(**{**good, **change})


@pytest.mark.parametrize(
    "foreign",
    [
        f"prod-tone-{DIGEST}",
        f"dev-tone2-{DIGEST}",
        f"dev-tone-{DIGEST}-1",
        f"dev-tone-{DIGEST}-100",
        f"dev-tone-{DIGEST}-02",
        f"dev-tone-{DIGEST}\n",
        f"dev-tone-{DIGEST.upper()}",
        "finetune-dev-job-tone-Job-1A2B3C4D5E6F",
        "AWSCDK::CustomResourceProviderFramework::CREATE_FAILED",
        "",
    ],
)
def test_an_id_that_is_not_this_jobs_is_not_parsed(foreign: str) -> None:
    assert parse_physical_id(physical_id=foreign, environment="dev", job="tone") is None
    assert parse_physical_id(physical_id=f"dev-tone-{DIGEST}", environment="dev", job="tone")


@pytest.mark.parametrize("missing", ["finetune:environment", "finetune:job", "finetune:digest"])
def test_a_job_without_every_owner_tag_is_not_ours(missing: str) -> None:
    owner = {"environment": "dev", "job": "tone", "digest": DIGEST}
    tags = {**owner_tags(**owner), "project": "made"}
    assert is_owned(tags=tags, **owner)
    assert not is_owned(tags={**tags, missing: "other"}, **owner)
    del tags[missing]
    assert not is_owned(tags=tags, **owner)
