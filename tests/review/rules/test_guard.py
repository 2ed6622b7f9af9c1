"""Rules published in Guard pass and fail on the same templates as those in Python."""

from __future__ import annotations

import re
from typing import Any

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
FIRST = [twin for twin in TWINS if twin.number == 0]
REST = [twin for twin in TWINS if twin.number > 0]


def _found(templates: dict[str, Any]) -> dict[str, set[str]]:
    """What Guard finds, by template: all in one go, since each go starts an engine."""
    remarks: dict[str, set[str]] = {name: set() for name in templates}
    for remark in guard_remarks(templates, sources=SOURCES):
        remarks[remark.stack].add(remark.finding)
    return remarks


def _templates(chosen: list[Twin]) -> dict[str, Any]:
    return {str(twin): next(iter(twin.applied().templates.values())) for twin in chosen}


def _expected(twin: Twin) -> set[str]:
    names = {_guard_name(rule) for rule in {twin.rule} | twin.also} & NAMES
    return set() if str(twin) in CANNOT else names


@pytest.fixture(scope="module")
def found() -> dict[str, set[str]]:
    sound = {"good": next(iter(good().templates.values()))}
    return _found({**sound, **_templates(FIRST)})


def test_every_rule_in_guard_is_one_in_python() -> None:
    assert {_guard_name(rule) for rule in IN_GUARD} == NAMES
    assert len(NAMES) >= 25


def test_a_file_holds_the_rules_of_its_family() -> None:
    for family, text in SOURCES.items():
        for name in re.findall(r"^rule (\w+)", text, re.MULTILINE):
            assert name.startswith(f"{family}_")


def test_guard_passes_what_python_passes(found: dict[str, set[str]]) -> None:
    assert found["good"] == set()


@pytest.mark.slow
def test_guard_passes_what_the_app_makes(deployment: AppDeployment) -> None:
    assert not any(_found(dict(deployment.templates)).values())


@pytest.mark.parametrize("twin", FIRST, ids=str)
def test_guard_fails_what_python_fails(found: dict[str, set[str]], twin: Twin) -> None:
    assert found[str(twin)] == _expected(twin)


@pytest.mark.slow
def test_guard_fails_every_other_twin() -> None:
    found = _found(_templates(REST))
    assert found == {str(twin): _expected(twin) for twin in REST}


def test_what_guard_cannot_tell_is_a_twin() -> None:
    assert set(CANNOT) <= {str(twin) for twin in TWINS}
