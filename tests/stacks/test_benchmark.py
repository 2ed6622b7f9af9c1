"""The benchmark says when a bar is missed; it is not timed here."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks.synth import BARS, _check_jobs, judged, lock_file, report, settings
from settings import load_settings


def _seconds(*, slow: float, fast: float) -> dict[str, list[float]]:
    return {bar.slow: [slow, 99.0] for bar in BARS} | {bar.fast: [fast, 99.0] for bar in BARS}


def test_a_bar_is_met_by_the_shortest_runs() -> None:
    assert [bar["met"] for bar in judged(_seconds(slow=1.4, fast=1.0))] == [True, True]


def test_a_missed_bar_is_told() -> None:
    bars = judged(_seconds(slow=1.6, fast=1.0))
    assert [bar["met"] for bar in bars] == [False, True]
    result = {"date": "2026-11-22", "runs": 1, "kinds": {}, "machine": {}, "bars": bars}
    assert "missed" in report(result)


@pytest.mark.parametrize("jobs", [1, 30])
def test_jobs_of_the_benchmark_are_all_different(jobs: int) -> None:
    made = settings(jobs=jobs)["jobs"]
    assert len({job["run"] for job in made.values()}) == jobs


@pytest.mark.parametrize("jobs", [1, 30])
def test_the_benchmarks_settings_are_right(jobs: int, tmp_path: Path) -> None:
    (tmp_path / "dev.yaml").write_text(json.dumps(settings(jobs=jobs)), encoding="utf-8")
    (tmp_path / "datasets.lock.json").write_text(json.dumps(lock_file()), encoding="utf-8")
    assert len(load_settings(environment="dev", directory=tmp_path).jobs) == jobs


def test_another_app_than_the_one_to_be_measured_is_noticed(tmp_path: Path) -> None:
    stacks: dict[str, object] = {f"finetune-dev-job-{name}": {} for name in ("a", "b")}
    manifest = json.dumps({"artifacts": {**stacks, "finetune-dev-job-a.assets": {}}})
    (tmp_path / "manifest.json").write_text(manifest, encoding="utf-8")
    with pytest.raises(SystemExit, match="2 jobs were synthesised, not 30"):
        _check_jobs("all gates, 30 jobs", tmp_path)
    _check_jobs("all gates, dev", tmp_path)
