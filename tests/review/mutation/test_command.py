"""`python -m review.mutation` prints what survives each family of rules."""

from __future__ import annotations

import sys

import pytest

import review.mutation.__main__ as command
from review.rules import FAMILIES
from tests.review.rules.twins import FOLDER


def test_the_table_and_the_survivors_are_printed(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(command, "additions", lambda _: [])
    template = str(FOLDER / "good.yaml")
    arguments = ["--profile", "any", "--sample", "60", "--seed", "4", "--survivors"]
    monkeypatch.setattr(sys, "argv", ["review.mutation", template, *arguments])
    command.main()
    printed = capsys.readouterr().out.splitlines()
    assert printed[0].startswith("| family | rules |")
    assert printed[len(FAMILIES) + 2].startswith("60 mutants in ")
    assert any("(AWS::" in line for line in printed[len(FAMILIES) + 3 :])
