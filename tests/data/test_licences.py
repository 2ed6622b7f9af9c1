"""What the app brings to a machine at run time is under permissive licences, with one exception."""

from __future__ import annotations

import re
import tomllib
from collections.abc import Iterator
from importlib import metadata

import pytest
from packaging.requirements import Requirement

from tests.finetune.conftest import ROOT

ACCEPTED = {"certifi"}
"""docs/decisions/0026-certifi-is-a-certificate-list.md"""
COPYLEFT = re.compile(r"\b(A?L?GPL|MPL|EPL|CDDL|EUPL|OSL|SSPL)|Mozilla|GNU|Eclipse", re.IGNORECASE)


def brought() -> dict[str, metadata.Distribution]:
    """Every distribution that the run-time dependencies need here, by its plain name."""
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    waiting = [Requirement(text) for text in project["dependencies"]]
    found: dict[str, metadata.Distribution] = {}
    while waiting:
        wanted = waiting.pop()
        name = re.sub(r"[-_.]+", "-", wanted.name).lower()
        if name in found:
            continue
        found[name] = metadata.distribution(name)
        waiting += needed_by(found[name], extras=wanted.extras)
    return found


def needed_by(distribution: metadata.Distribution, *, extras: set[str]) -> Iterator[Requirement]:
    for text in distribution.requires or ():
        one = Requirement(text)
        chosen = [{"extra": extra} for extra in ("", *extras)]
        if one.marker is None or any(one.marker.evaluate(extra) for extra in chosen):
            yield one


def licence_of(distribution: metadata.Distribution) -> str:
    """What a distribution says of its licence: an expression, else classifiers, else a line."""
    about = distribution.metadata
    classifiers = [one for one in about.get_all("Classifier") or [] if one.startswith("License ::")]
    expression, *_ = [*(about.get_all("License-Expression") or []), ""]
    text, *_ = [*(about.get_all("License") or []), ""]
    return expression or "; ".join(classifiers) or text.strip().partition("\n")[0]


def test_only_what_is_accepted_is_copyleft() -> None:
    licences = {name: licence_of(one) for name, one in brought().items()}
    assert {name for name, text in licences.items() if COPYLEFT.search(text)} == ACCEPTED


def test_every_licence_is_known() -> None:
    assert [name for name, one in brought().items() if not licence_of(one)] == []


@pytest.mark.parametrize(
    "text",
    ["MPL-2.0", "License :: GNU Affero General Public License v3", "LGPLv3+"],
)
def test_a_copyleft_licence_would_be_noticed(text: str) -> None:
    assert COPYLEFT.search(text)


def test_the_functions_bring_nothing_of_it() -> None:
    assert not ACCEPTED & set(re.findall(r"^([a-z0-9-]+)==", functions_lock(), re.MULTILINE))


def functions_lock() -> str:
    return (ROOT / "locks" / "functions.txt").read_text()
