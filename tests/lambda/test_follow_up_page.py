"""The page of the follow-up shows every state and way of the definition, and every announcement."""

from __future__ import annotations

import copy
import re

import pytest

from customization.rows import RowState
from model_report.announcement import State
from tools import follow_up_page
from tools.follow_up_page import DEFINITION, render_follow_up


def drawn(page: str) -> set[tuple[str, str]]:
    """Return the ways that the picture shows."""
    arrows = re.findall(r"^  (s\w+) -(?:->|\.->)(?:\|[^|]+\|)? (s\w+)$", page, re.MULTILINE)
    return set(arrows)


def ways() -> set[tuple[str, str]]:
    """Return the ways that the definition has."""
    found = set()
    for name, state in DEFINITION["States"].items():
        named = [each["Next"] for each in (*state.get("Catch", []), *state.get("Choices", []))]
        named += [state[key] for key in ("Next", "Default") if key in state]
        found |= {(f"s{name}".replace(" ", ""), f"s{each}".replace(" ", "")) for each in named}
    return found


def test_the_picture_shows_every_way_of_the_definition() -> None:
    assert drawn(render_follow_up()) == ways()


def test_a_way_that_is_not_drawn_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    other = copy.deepcopy(DEFINITION)
    del other["States"]["Try"]["Catch"]
    monkeypatch.setattr(follow_up_page, "DEFINITION", other)
    assert ways() - drawn(render_follow_up()) == {("sTry", "sExplain")}


def test_no_label_breaks_the_picture() -> None:
    labels = re.findall(r"-->\|(.+)\| ", render_follow_up())
    assert labels
    for label in labels:
        assert re.fullmatch(r'"[^"<>{}$]+"', label), label


def test_every_announcement_is_on_the_page() -> None:
    page = render_follow_up()
    for state in [each for each in RowState if each.is_announced] + list(State):
        assert f"| `{state}` |" in page
    assert "| `Withdrawn` |" not in page
