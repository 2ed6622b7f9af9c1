"""Bars on a terminal, lines elsewhere; both tell the same."""

from __future__ import annotations

import sys

import pytest

from finetune.report import Output
from finetune.watch_display import Bars, Lines, bars, display


def test_lines_say_each_change_once(capsys: pytest.CaptureFixture[str]) -> None:
    lines = Lines(Output(as_json=False))
    for status in ("InProgress", "InProgress", "Completed"):
        lines.show({"job": status, "training": "InProgress"})
    said = [line.split("  ", 1)[1] for line in capsys.readouterr().out.splitlines()]
    assert said == ["job: InProgress", "training: InProgress", "job: Completed"]


def test_each_phase_has_a_bar_that_stands_when_it_has_ended() -> None:
    progress = bars()
    shown = Bars(progress)
    shown.show({"job": "InProgress", "validation": "InProgress", "training": "NotStarted"})
    by_name = {task.description: task for task in progress.tasks}
    assert list(by_name) == ["job", "validation", "training"]
    assert not by_name["training"].started, "its clock waits for it"
    assert by_name["validation"].started
    assert not by_name["validation"].finished
    shown.show({"job": "InProgress", "validation": "Completed", "training": "InProgress"})
    assert by_name["validation"].finished
    assert by_name["training"].started
    assert by_name["validation"].fields["status"] == "Completed"
    shown.show({"job": "Failed", "validation": "Completed", "training": "Failed"})
    assert progress.finished


@pytest.mark.parametrize("status", ["Refused", "Withdrawn", "Missing", "Lost"])
def test_the_bar_of_a_job_that_never_came_to_its_turn_stands(status: str) -> None:
    progress = bars()
    shown = Bars(progress)
    shown.show({"job": "Queued"})
    (task,) = progress.tasks
    assert not task.started
    assert not progress.finished
    shown.show({"job": status})
    assert progress.finished
    assert task.elapsed == pytest.approx(0, abs=1)


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize("as_json", [True, False])
def test_bars_are_for_people_at_a_terminal(
    monkeypatch: pytest.MonkeyPatch, *, terminal: bool, as_json: bool
) -> None:
    monkeypatch.setattr(sys.stdout, "isatty", lambda: terminal)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: terminal)
    with display(Output(as_json=as_json)) as shown:
        assert isinstance(shown, Bars) is (terminal and not as_json)
