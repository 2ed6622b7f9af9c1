"""What curves say: each verdict where it is due, and none where it is not."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.metrics.samples import diverges, learns, overfits, run_of, table
from training_metrics.judging import Limits, Verdict, judge
from training_metrics.runs import Run
from training_metrics.sampling import sample
from training_metrics.smoothing import smooth, smooth_at, window_for

losses = st.floats(min_value=-5, max_value=50, allow_nan=False, width=32)
with_gaps = st.one_of(losses, st.sampled_from([math.nan, math.inf, -math.inf]))


def verdicts(run: Run) -> list[str]:
    return [one.verdict.value for one in run.judgements]


def steady(share: float) -> float:
    """A loss that falls early and then stays."""
    return 0.4 + 1.6 * math.exp(-30 * share)


@pytest.mark.parametrize("noise", [0.0, 0.05])
def test_a_run_that_goes_well_is_accused_of_nothing(tmp_path: Path, noise: float) -> None:
    run = run_of(
        tmp_path,
        table("training", steady, noise=noise),
        table("validation", steady, noise=noise / 5, every=10),
    )
    assert verdicts(run) == []


@pytest.mark.parametrize("seed", range(12))
def test_noise_alone_is_no_verdict(tmp_path: Path, seed: int) -> None:
    run = run_of(
        tmp_path,
        table("training", steady, noise=0.15, seed=seed),
        table("validation", steady, noise=0.1, seed=seed + 100),
    )
    assert verdicts(run) == []


@pytest.mark.parametrize("steps", [20, 400, 5000])
def test_a_rising_validation_loss_is_overfitting_from_its_lowest_point(
    tmp_path: Path, steps: int
) -> None:
    run = run_of(
        tmp_path,
        table("training", learns, steps=steps, noise=0.002),
        table("validation", overfits, steps=steps, noise=0.002),
    )
    (found,) = run.judgements
    assert found.verdict is Verdict.OVERFITTED
    assert found.step == pytest.approx(0.4 * steps, abs=0.06 * steps)
    assert run.best is not None
    assert (run.best.curve, run.best.step) == ("validation", found.step)
    assert "went on falling" in found.message


def test_validation_once_an_epoch_is_enough_to_tell_overfitting(tmp_path: Path) -> None:
    validation = "step_number,epoch_number,validation_loss,perplexity\n100,0,.5,1.6\n200,1,.6,1.8\n"
    run = run_of(tmp_path, table("training", learns), validation)
    assert verdicts(run) == ["overfitted"]
    better = validation.replace(".6,1.8", ".499,1.6")
    assert verdicts(run_of(tmp_path / "b", table("training", learns), better)) == []


def test_a_validation_loss_that_rises_with_the_training_loss_is_no_overfitting(
    tmp_path: Path,
) -> None:
    run = run_of(
        tmp_path,
        table("training", lambda share: steady(share) + max(0, share - 0.4) * 0.1),
        table("validation", overfits),
    )
    assert verdicts(run) == ["worsened"]


def test_a_training_loss_that_rises_again_has_diverged_from_its_lowest_point(
    tmp_path: Path,
) -> None:
    run = run_of(tmp_path, table("training", diverges, noise=0.05), table("validation", overfits))
    (found,) = run.judgements
    assert (found.verdict, found.curve) == (Verdict.DIVERGED, "training")
    assert found.step == pytest.approx(200, abs=20)


def test_a_loss_that_rises_from_the_start_has_diverged(tmp_path: Path) -> None:
    run = run_of(tmp_path, table("training", lambda share: 2 + share))
    assert (verdicts(run), run.judgements[0].step) == (["diverged"], 0)


def test_a_spike_that_passes_is_no_divergence(tmp_path: Path) -> None:
    spike = table("training", lambda share: 9.0 if 0.5 < share < 0.52 else steady(share))
    assert verdicts(run_of(tmp_path, spike)) == []


def test_a_small_rise_after_a_small_fall_is_no_divergence(tmp_path: Path) -> None:
    """Most of what was gained is lost again, and it was next to nothing."""
    run = run_of(tmp_path, table("training", lambda share: 2 - 0.01 * min(share, 1 - share)))
    assert verdicts(run) == ["learned-little"]


@pytest.mark.parametrize("word", ["nan", "inf", "-inf"])
def test_a_loss_that_is_no_number_has_diverged_from_there(tmp_path: Path, word: str) -> None:
    lines = table("training", learns, steps=50).splitlines()
    lines[31:] = [",".join([*line.split(",")[:2], word, word]) for line in lines[31:]]
    run = run_of(tmp_path, "\n".join(lines))
    (found,) = run.judgements
    assert (found.verdict, found.step) == (Verdict.DIVERGED, 30)
    assert run.best is not None
    assert run.best.step < 30


def test_a_loss_without_any_number_has_no_best_step(tmp_path: Path) -> None:
    run = run_of(
        tmp_path, "step_number,epoch_number,training_loss,perplexity\n0,0,nan,nan\n1,0,nan,nan\n"
    )
    assert (run.best, verdicts(run)) == (None, ["diverged"])


def test_a_loss_that_hardly_falls_has_learned_little(tmp_path: Path) -> None:
    run = run_of(tmp_path, table("training", lambda share: 2 - 0.01 * share))
    assert verdicts(run) == ["learned-little"]
    run = run_of(tmp_path / "more", table("training", lambda share: 2 - 0.9 * min(share * 9, 1)))
    assert verdicts(run) == []


def test_a_loss_that_falls_up_to_the_end_could_go_on(tmp_path: Path) -> None:
    falling: Callable[[float], float] = lambda share: 2 - 1.5 * share  # noqa: E731
    run = run_of(tmp_path, table("training", falling), table("validation", falling))
    assert verdicts(run) == ["still-falling"]


def test_the_best_step_is_of_the_training_loss_when_there_is_no_other(tmp_path: Path) -> None:
    run = run_of(tmp_path, table("training", overfits, noise=0))
    assert run.best is not None
    assert run.best.curve == "training"
    assert run.best.step == pytest.approx(160, abs=10)


def test_whoever_disagrees_passes_other_limits(tmp_path: Path) -> None:
    run = run_of(tmp_path, table("training", learns), table("validation", overfits))
    training, *validations = run.courses
    assert judge(training=training, validations=validations)
    lenient = Limits(validation_rise=10, last_fall=10)
    assert judge(training=training, validations=validations, limits=lenient) == ()


@given(values=st.lists(with_gaps, max_size=60), half=st.integers(0, 9))
def test_smoothing_is_the_mean_of_the_numbers_around(values: list[float], half: int) -> None:
    window = 2 * half + 1
    smoothed = smooth(values, window=window)
    finite = [index for index, value in enumerate(values) if math.isfinite(value)]
    reach = min(half, max(0, (len(finite) - 1) // 2)) if len(values) >= 3 else 0
    for place, index in enumerate(finite):
        around = [values[i] for i in finite[max(0, place - reach) : place + reach + 1]]
        mean = math.fsum(around) / len(around)
        assert smoothed[index] == pytest.approx(mean, abs=1e-6)
        assert smooth_at(values, index, window=window) == pytest.approx(mean, abs=1e-6)
    for index, value in enumerate(values):
        if not math.isfinite(value):
            assert repr(smoothed[index]) == repr(value)


def test_smoothing_delays_nothing() -> None:
    valley = [abs(index - 300) / 100 for index in range(1000)]
    smoothed = smooth(valley, window=window_for(len(valley)))
    assert smoothed.index(min(smoothed)) == 300


def test_short_curves_are_not_smoothed() -> None:
    assert [window_for(points) for points in (0, 1, 99)] == [1, 1, 1]
    assert window_for(1000) == 21


@given(values=st.lists(with_gaps, min_size=1, max_size=400), most=st.integers(8, 80))
def test_thinning_out_keeps_the_extremes_and_the_order(values: list[float], most: int) -> None:
    indices = sample(values, most=most)
    assert indices == sorted(set(indices))
    finite = [value for value in values if math.isfinite(value)]
    drawn = [values[index] for index in indices if math.isfinite(values[index])]
    if finite:
        assert (min(drawn), max(drawn)) == (min(finite), max(finite))
    breaks = sum(1 for index in indices if not math.isfinite(values[index]))
    assert len(indices) <= most + 5 * breaks + 5


def test_a_long_line_breaks_where_there_is_no_number() -> None:
    values = [1.0] * 1000 + [math.nan] * 50 + [2.0] * 1000
    drawn = [values[index] for index in sample(values, most=100)]
    assert [math.isnan(value) for value in drawn].count(True) == 1
    assert math.isnan(drawn[drawn.index(2.0) - 1])


@given(values=st.lists(losses, min_size=1, max_size=400), most=st.integers(8, 80))
def test_thinning_out_keeps_both_ends(values: list[float], most: int) -> None:
    indices = sample(values, most=most)
    assert (indices[0], indices[-1]) == (0, len(values) - 1)


def test_one_extreme_among_many_points_is_kept() -> None:
    values = [1.0] * 100_000
    values[54_321] = 99.0
    values[12_345] = -99.0
    assert {12_345, 54_321} <= set(sample(values, most=200))
    # The twin: taking every five-hundredth would lose both.
    assert not {12_345, 54_321} & set(range(0, 100_000, 500))
