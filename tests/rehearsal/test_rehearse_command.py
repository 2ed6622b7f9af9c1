"""`finetune rehearse`: wrong use, the list, and failures as findings with their exit codes."""

from __future__ import annotations

import json
from typing import Any

import pytest
from typer.testing import CliRunner

from finetune.main import app
from rehearsal import run
from rehearsal.errors import KeptRehearsalError, RehearsalError
from rehearsal.faults.batch import FaultResult
from rehearsal.faults.catalogue import FAULTS
from rehearsal.run import Rehearsed


def _finetune(*arguments: str) -> tuple[int, dict[str, Any]]:
    result = CliRunner().invoke(app, ["rehearse", *arguments, "--json"])
    found: dict[str, Any] = json.loads(result.stdout)
    return result.exit_code, found


@pytest.mark.parametrize(
    "arguments",
    [
        ["--fault", "no-such-fault"],
        ["--scenario", "no-such-scenario"],
        ["--fault", "all", "--keep"],
        ["--down", "--keep"],
    ],
)
def test_wrong_use_ends_with_2_and_says_what_to_do(arguments: list[str]) -> None:
    code, found = _finetune(*arguments)
    assert code == 2
    assert not found["ok"]
    assert found["findings"][0]["fix"]


def test_scenarios_and_faults_are_listed_with_a_sentence_each() -> None:
    code, found = _finetune("--list")
    assert code == 0
    assert set(found["faults"]) == {fault.name for fault in FAULTS}
    assert all(found["faults"].values())
    assert "main" in found["scenarios"]


def _ends_with(monkeypatch: pytest.MonkeyPatch, outcome: Exception | Rehearsed) -> None:
    def rehearse(**_: object) -> Rehearsed:
        if isinstance(outcome, Exception):
            raise outcome
        return outcome

    monkeypatch.setattr(run, "rehearse", rehearse)


def test_a_rehearsal_that_went_well_ends_with_0(monkeypatch: pytest.MonkeyPatch) -> None:
    _ends_with(monkeypatch, Rehearsed(seconds=1.5, result={"jobs": []}))
    code, found = _finetune()
    assert (code, found["ok"], found["seconds"], found["jobs"]) == (0, True, 1.5, [])


def test_a_failed_rehearsal_ends_with_1_and_its_reasons(monkeypatch: pytest.MonkeyPatch) -> None:
    _ends_with(monkeypatch, RehearsalError("it failed", fix="do this", reasons=("why",)))
    code, found = _finetune()
    assert code == 1
    assert [finding["message"] for finding in found["findings"]] == ["it failed", "why"]


def test_a_fault_that_was_not_caught_ends_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    results = [
        FaultResult(name="a", says="s", ok=True, outcome="refused"),
        FaultResult(name="b", says="s", ok=False, outcome="not refused: the job completed"),
    ]
    _ends_with(monkeypatch, Rehearsed(faults=results))
    code, found = _finetune("--fault", "all")
    assert code == 1
    assert [finding["id"] for finding in found["findings"]] == ["fault-missed"]
    assert len(found["faults"]) == 2
    _ends_with(monkeypatch, Rehearsed(faults=results[:1]))
    assert _finetune("--fault", "all")[0] == 0


def test_a_second_kept_rehearsal_is_wrong_use(monkeypatch: pytest.MonkeyPatch) -> None:
    _ends_with(monkeypatch, KeptRehearsalError("kept already", fix="--down"))
    code, found = _finetune("--keep")
    assert (code, found["findings"][0]["id"]) == (2, "rehearsal-kept")
    # The twin: a rehearsal that fails is another finding.
    _ends_with(monkeypatch, RehearsalError("broken", fix="mend it"))
    code, found = _finetune("--keep")
    assert (code, found["findings"][0]["id"]) == (1, "rehearsal-failed")


def test_ending_what_nobody_kept_is_wrong_use(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("rehearsal.kept.end", lambda: False)
    code, found = _finetune("--down")
    assert (code, found["findings"][0]["id"]) == (2, "no-rehearsal-kept")


def test_wrong_settings_end_with_2_before_anything_starts() -> None:
    code, found = _finetune("--environment", "no-such-environment")
    assert code == 2
    assert found["findings"]
