"""Rules published in Guard pass and fail on the same templates as those in Python."""

from __future__ import annotations

import re

import pytest

from review.others.guard_engine import guard_remarks, guard_sources
from review.rules import RULES
from tests.review.rules.twins import Twin, good, twins
from tests.security.app_deployment import AppDeployment

CANNOT = {
    "roles.no-confused-deputy 2": "Guard does not know which account is this one",
}
"""Twins that Guard does not tell from the good template, and why."""


def _guard_name(rule: str) -> str:
    return re.sub("[.-]", "_", rule)


SOURCES = guard_sources()
NAMES = {
    name for text in SOURCES.values() for name in re.findall(r"^rule (\w+)", text, re.MULTILINE)
}
IN_GUARD = {rule for rule in RULES if _guard_name(rule) in NAMES}
TWINS = [twin for twin in twins() if twin.rule in IN_GUARD]


@pytest.fixture(scope="module")
def found(dev: AppDeployment) -> dict[str, set[str]]:
    """What Guard finds, by template: all in one go, since each go starts an engine."""
    templates = {f"dev {name}": template for name, template in dev.templates.items()}
    templates["good"] = next(iter(good().templates.values()))
    for twin in TWINS:
        templates[str(twin)] = next(iter(twin.applied().templates.values()))
    remarks: dict[str, set[str]] = {name: set() for name in templates}
    for remark in guard_remarks(templates, sources=SOURCES):
        remarks[remark.stack].add(remark.finding)
    return remarks


def test_every_rule_in_guard_is_one_in_python() -> None:
    assert {_guard_name(rule) for rule in IN_GUARD} == NAMES
    assert len(NAMES) >= 25


def test_a_file_holds_the_rules_of_its_family() -> None:
    for family, text in SOURCES.items():
        for name in re.findall(r"^rule (\w+)", text, re.MULTILINE):
            assert name.startswith(f"{family}_")


def test_guard_passes_what_python_passes(found: dict[str, set[str]]) -> None:
    assert found["good"] == set()
    assert {name: each for name, each in found.items() if name.startswith("dev ") and each} == {}


@pytest.mark.parametrize("twin", TWINS, ids=str)
def test_guard_fails_what_python_fails(found: dict[str, set[str]], twin: Twin) -> None:
    expected = {_guard_name(rule) for rule in {twin.rule} | twin.also} & NAMES
    assert found[str(twin)] == (set() if str(twin) in CANNOT else expected)
