"""`finetune train` shows its phases: bars at a terminal, lines elsewhere, nothing with `--json`."""

from __future__ import annotations

import io
import re
import sys

import pytest
from rich.console import Console
from rich.progress import Progress, TextColumn

from finetune import train_display
from finetune.report import Output
from finetune.train_display import Phases


def go_through(phases: Phases) -> None:
    with phases.shown():
        with phases.phase("data") as phase:
            phases.say("reading a.csv")
            with phases.bar(what="checking a", total=10, output=phases.output) as progress:
                if progress is not None:
                    progress(5)
            phase.status = "130 records"
        phases.pause()
        phases.go_on()
        with phases.phase("foundations") as phase:
            phases.say("deploying network")
            phases.steps(done=3, of=40)
            phases.tick()
            phase.status = "deployed"
        phases.go_on(by_itself=True)
        with phases.phase("training") as phase:
            phases.show({"job": "InProgress"})
            phases.show({"job": "Completed"})
            phase.status = "Completed"


def test_lines_tell_each_change_once(capsys: pytest.CaptureFixture[str]) -> None:
    go_through(Phases(output=Output(as_json=False)))
    told = [re.sub(r"^\d\d:\d\d:\d\d  ", "", line) for line in capsys.readouterr().out.splitlines()]
    assert told == [
        "data: reading a.csv",
        "data: 130 records",
        "foundations: deploying network",
        "foundations: deployed",
        "job: InProgress",
        "job: Completed",
        "training: Completed",
    ]


def test_with_json_nothing_is_shown(capsys: pytest.CaptureFixture[str]) -> None:
    phases = Phases(output=Output(as_json=True))
    go_through(phases)
    printed = capsys.readouterr()
    assert (printed.out, printed.err) == ("", "")
    assert [phase.status for phase in phases.done] == ["130 records", "deployed", "Completed"]


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> io.StringIO:
    """A terminal on which a person looks."""
    file = io.StringIO()

    def made(*, by_itself: bool) -> Progress:
        return Progress(
            TextColumn("{task.description}: {task.fields[status]}", markup=False),
            console=Console(file=file, force_terminal=True, width=60),
            auto_refresh=by_itself,
            redirect_stdout=False,
        )

    monkeypatch.setattr(train_display, "bars", made)
    monkeypatch.setattr(sys.stdout, "isatty", lambda: True, raising=False)
    monkeypatch.setattr(sys.stderr, "isatty", lambda: True, raising=False)
    return file


def test_each_phase_is_a_row_and_stays_once(terminal: io.StringIO) -> None:
    go_through(Phases(output=Output(as_json=False)))
    text = re.sub(r"\x1b\[[0-9;?]*[A-Za-z]", "", terminal.getvalue())
    # What stands in the end are the last words between two starts of the bars.
    assert text.count("data: 130 records") >= 1
    after = text[text.index("foundations: deploying network") :]
    assert "data:" not in after
    assert after.rstrip().endswith("job: Completed")
    assert "training: Completed" in after


def test_a_phase_in_which_it_stops_says_so(capsys: pytest.CaptureFixture[str]) -> None:
    phases = Phases(output=Output(as_json=False))
    with pytest.raises(KeyError), phases.phase("push"):
        raise KeyError
    assert "push: stopped here" in capsys.readouterr().out
    assert phases.done == []
