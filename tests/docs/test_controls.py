"""Each control that docs/security.md places is where it says."""

from __future__ import annotations

import re
from collections.abc import Iterator
from fnmatch import fnmatchcase
from typing import NamedTuple

import pytest

from tests.docs.documents import ROOT, table_rows
from tools.shown_deployments import Deployment, as_list, synthesised

TEXT = (ROOT / "docs" / "security.md").read_text(encoding="utf-8")
_PLACE = re.compile(r"`([a-z*-]+)`\s+`((?:AWS|Custom)::[\w:]+)`\s+`([^`]+)`")


class Place(NamedTuple):
    """Where a control is."""

    stack: str
    type: str
    property: str
    """Path into the properties, with `=value` where the value matters; lists are looked through."""


def places(text: str) -> list[Place]:
    return [Place(*found) for found in _PLACE.findall(text)]


def exists(place: Place, deployment: Deployment) -> bool:
    path, _, value = place.property.partition("=")
    found = [
        at
        for each in deployment.of_type(place.type)
        if fnmatchcase(each.stack, place.stack)
        for at in _at(each.properties, path.split("."))
    ]
    return bool(found) if not value else value in map(str, found)


def _at(value: object, path: list[str]) -> Iterator[object]:
    if not path:
        yield value
        return
    for each in as_list(value):
        if isinstance(each, dict) and path[0] in each:
            yield from _at(each[path[0]], path[1:])


def steps() -> dict[str, list[str]]:
    return {row[0].split()[0]: row for row in table_rows(TEXT) if re.match(r"W\d+ ", row[0])}


@pytest.fixture(scope="module")
def dev() -> Deployment:
    return synthesised("dev")


def test_every_step_of_the_walk_through_is_there() -> None:
    assert list(steps()) == [f"W{number}" for number in range(18)]


@pytest.mark.parametrize("place", places(TEXT), ids=lambda place: f"{place.type} {place.property}")
def test_a_control_is_where_the_table_says(place: Place, dev: Deployment) -> None:
    assert exists(place, dev)


@pytest.mark.parametrize(
    "place",
    [
        Place("network", "AWS::KMS::Key", "EnableKeyRotation"),
        Place("encryption", "AWS::KMS::Key", "EnableKeyRotation=False"),
        Place("encryption", "AWS::KMS::Key", "KeyPolicy.Statement.Sid=Nothing"),
        Place("nothing", "AWS::KMS::Key", "EnableKeyRotation"),
        Place("storage", "AWS::S3::Bucket", "BucketEncryption.Nothing"),
    ],
)
def test_a_control_that_is_not_there_is_noticed(place: Place, dev: Deployment) -> None:
    assert not exists(place, dev)


def test_a_step_that_is_done_has_a_place_or_a_document() -> None:
    missing = [
        step
        for step, row in steps().items()
        if not places(row[3]) and "](" not in row[2] and "`finetune" not in row[2]
    ]

    assert missing == []
    # What the app does only where it is asked for says so.
    for step in ("W15", "W16"):
        assert "where `inference` is enabled" in steps()[step][2]
