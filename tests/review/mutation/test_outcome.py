"""What becomes of a change is worked out: nobody keeps a list of those that do no harm."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from review.mutation.gate import Catch, Gate
from review.mutation.normal import normal_form
from review.mutation.outcome import Court, Fate
from review.mutation.scope import CLASSES, out_of_scope
from review.template.deployment import Deployment
from tests.security.app_deployment import AppDeployment

DOCS = Path(__file__).resolve().parents[3] / "docs" / "review-mutation.md"


@pytest.fixture(scope="module")
def court(dev: AppDeployment) -> Court:
    return Court(Gate(deployment=dev))


def statements_of(
    dev: AppDeployment, type_: str, change: Callable[[list[dict[str, Any]]], None]
) -> Deployment:
    """With a change made to the statements of every policy of a type."""

    def in_all(templates: dict[str, Any]) -> None:
        for template in templates.values():
            for resource in template["Resources"].values():
                if resource["Type"] == type_:
                    change(resource["Properties"]["PolicyDocument"]["Statement"])

    return dev.changed(in_all)


def test_what_says_the_same_in_other_words_is_equivalent(dev: AppDeployment, court: Court) -> None:
    def split(statements: list[dict[str, Any]]) -> None:
        first = statements[0]
        actions = first["Action"] if isinstance(first["Action"], list) else [first["Action"]]
        statements[:1] = [{**first, "Sid": f"S{n}", "Action": a} for n, a in enumerate(actions)]

    assert court.verdict(statements_of(dev, "AWS::S3::BucketPolicy", split)).fate is Fate.EQUIVALENT


def test_what_denies_more_and_breaks_nothing_is_stricter(dev: AppDeployment, court: Court) -> None:
    def deny(statements: list[dict[str, Any]]) -> None:
        statements.append(
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:GetObjectTorrent",
                "Resource": statements[0]["Resource"],
            }
        )

    assert court.verdict(statements_of(dev, "AWS::S3::BucketPolicy", deny)).fate is Fate.STRICTER


def test_what_denies_something_that_is_promised_is_caught(dev: AppDeployment, court: Court) -> None:
    def deny(statements: list[dict[str, Any]]) -> None:
        statements.append(
            {
                "Effect": "Deny",
                "Principal": "*",
                "Action": "s3:GetObject",
                "Resource": statements[0]["Resource"],
            }
        )

    verdict = court.verdict(statements_of(dev, "AWS::S3::BucketPolicy", deny))
    assert verdict.fate is Fate.CAUGHT
    assert verdict.catch is not None
    assert verdict.catch.stage == "decisions"


def allow_everybody(statements: list[dict[str, Any]]) -> None:
    statements.append({"Effect": "Allow", "Principal": "*", "Action": "s3:*", "Resource": "*"})


def test_what_allows_more_is_caught(dev: AppDeployment, court: Court) -> None:
    verdict = court.verdict(statements_of(dev, "AWS::S3::BucketPolicy", allow_everybody))
    assert verdict.catch is not None
    assert verdict.catch.stage == "rules"


@pytest.mark.parametrize(
    ("without", "stage"),
    [
        ({"rules"}, "decisions"),
        ({"rules", "decisions"}, "proofs"),
        ({"rules", "decisions", "proofs"}, "access"),
    ],
)
def test_each_part_of_the_gate_catches_by_itself(
    dev: AppDeployment, without: set[str], stage: str
) -> None:
    weaker = statements_of(dev, "AWS::S3::BucketPolicy", allow_everybody)
    found = Gate(deployment=dev, without=frozenset(without)).catch(weaker)
    assert isinstance(found, Catch)
    assert found.stage == stage


def test_what_allows_more_survives_where_nobody_looks(dev: AppDeployment) -> None:
    """It is worked out apart from who is asked, and so never taken for the same."""
    nobody = frozenset({"rules", "decisions", "proofs", "access"})
    blind = Court(Gate(deployment=dev, without=nobody))
    weaker = statements_of(dev, "AWS::S3::BucketPolicy", allow_everybody)
    assert blind.verdict(weaker).fate is Fate.SURVIVED
    assert blind.verdict(dev.without("AWS::KMS::Key", "EnableKeyRotation")).fate is Fate.SURVIVED
    broken = dev.put("AWS::KMS::Key", "KeyPolicy.Statement", "nonsense")
    assert blind.verdict(broken).fate is Fate.SURVIVED


def test_a_text_is_out_of_scope_by_its_class(dev: AppDeployment, court: Court) -> None:
    verdict = court.verdict(dev.put("AWS::KMS::Key", "Description", "for whatever"))
    assert (verdict.fate, verdict.classes) == (Fate.OUT_OF_SCOPE, ("texts",))


def test_two_classes_are_both_named(dev: AppDeployment, court: Court) -> None:
    changed = dev.put("AWS::KMS::Key", "Description", "for whatever").put(
        "AWS::KMS::Key", "PendingWindowInDays", 30
    )
    assert court.verdict(changed).classes == ("texts", "sizes")


def test_a_text_beside_something_else_is_not_out_of_scope(dev: AppDeployment) -> None:
    changed = dev.put("AWS::KMS::Key", "Description", "for whatever").put(
        "AWS::KMS::Key", "EnableKeyRotation", value=False
    )
    assert out_of_scope(normal_form(dev), normal_form(changed)) is None
    gone = dev.without_resources("AWS::SNS::TopicPolicy")
    assert out_of_scope(normal_form(dev), normal_form(gone)) is None


def test_every_class_has_its_reason_in_the_docs() -> None:
    said = re.sub(r"\s+", " ", DOCS.read_text(encoding="utf-8"))
    for each in CLASSES:
        assert f"| {each.name} | {each.why} |" in said
