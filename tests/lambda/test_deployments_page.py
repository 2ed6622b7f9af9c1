"""The page of deployments is what the code decides."""

from __future__ import annotations

from pathlib import Path

import pytest

from deployments import steps
from deployments.steps import Act
from tools.deployments_page import render_deployments

PAGE = Path(__file__).resolve().parents[2] / "docs" / "deployments.md"


def test_the_page_of_deployments_is_what_the_code_decides() -> None:
    assert PAGE.read_text(encoding="utf-8") == render_deployments(), "run make generate"


def test_another_decision_is_another_page(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(steps, "_end", lambda *_: None)
    assert PAGE.read_text(encoding="utf-8") != render_deployments()


def test_throughput_past_its_end_is_removed_whatever_its_row_says() -> None:
    text = render_deployments()
    table = text.partition("### past its end")[2].partition("##")[0]
    rows = [line.split("|")[2:-1] for line in table.splitlines() if line.startswith("| ")][2:]
    for _, creating, active, failed in rows[1:]:
        assert {creating.strip(), active.strip(), failed.strip()} == {Act.REMOVE.value}
