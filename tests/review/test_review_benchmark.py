"""The bars of a review's speed are judged by the shortest run, and a slow one misses them."""

from __future__ import annotations

from benchmarks.review import KINDS, PROVED, Run, bars
from review.parts import PARTS

FAST: Run = {"reading": 0.1, **dict.fromkeys(PARTS, 1.0), "process": 9.0}


def missed(**slower: float) -> list[str]:
    """The bars that are missed when every run takes this long for some parts."""
    runs = {kind: [{**FAST, **slower}, {**FAST, **slower, "process": 60.0}] for kind in KINDS}
    return [bar.name for bar in bars(runs) if not bar.as_json()["met"]]


def test_fast_runs_meet_every_bar() -> None:
    assert missed() == []


def test_each_part_that_is_slow_misses_its_bar() -> None:
    for part in (*PROVED, "structure"):
        assert missed(**{part: 3.5})
    assert missed(proofs=3.5) == ["proofs of the whole app"]
    assert missed(access=3.5) == ["no new access, against the committed baseline"]
    assert missed(process=12.5) == ["the whole review with others' tools, the process and all"]


def test_a_hundred_jobs_that_take_too_long_miss_the_bar() -> None:
    runs = {kind: [FAST] for kind in KINDS} | {KINDS[2]: [{**FAST, "reading": 20.0}]}
    assert [bar.name for bar in bars(runs) if not bar.as_json()["met"]] == [
        "100 jobs, against one job: reading, rules and decisions"
    ]
