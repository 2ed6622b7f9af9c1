"""The benchmark says when a bar is missed; it is not timed here."""

from __future__ import annotations

import pytest

from benchmarks.synth import BARS, judged, report, settings


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
