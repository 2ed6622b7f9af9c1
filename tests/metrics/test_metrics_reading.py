"""Reading what a job left: every known layout, every oddity said, nothing guessed."""

from __future__ import annotations

import math
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.metrics.samples import (
    FOLDER,
    TRAINING,
    VALIDATION,
    learns,
    pairs,
    read,
    run_of,
    table,
    write,
)
from training_metrics import sources
from training_metrics.curves import Curve, UnreadableTableError, read_curve
from training_metrics.outputs import find_runs, run_in
from training_metrics.runs import Run, by_epoch, count_epochs, epoch_starts

HEAD = "step_number,epoch_number,training_loss,perplexity\n"


def curve_of(text: str | bytes) -> tuple[Curve, list[str]]:
    content = text if isinstance(text, bytes) else text.encode()
    curve, notes = read_curve(content=content, kind="training", label="training", file="a.csv")
    return curve, [note.kind for note in notes]


def kinds(run: Run) -> list[str]:
    return [note.kind for note in run.notes]


@pytest.mark.parametrize(
    "place",
    ["post_fine_tuning_validation/", "", "post_fine_tuning_validation/validation/"],
    ids=["the guide's", "Llama's", "Nova's"],
)
def test_validation_metrics_are_found_wherever_aws_puts_them(tmp_path: Path, place: str) -> None:
    validation = table("validation", learns, steps=40)
    where = f"validation_artifacts/{place}validation_metrics.csv"
    run = read(write(tmp_path, {TRAINING: table("training", learns), where: validation}))
    (curve,) = run.validations
    assert dict(zip(curve.steps, curve.losses, strict=True)) == {
        step: loss for step, (loss, _) in pairs(validation).items()
    }
    assert (curve.label, kinds(run)) == ("validation", [])


def test_a_layout_that_nobody_described_is_read_and_said(tmp_path: Path) -> None:
    where = "validation_artifacts/somewhere/else/validation_metrics.csv"
    run = read(
        write(tmp_path, {TRAINING: table("training", learns), where: table("validation", learns)})
    )
    assert [curve.label for curve in run.validations] == ["validation (somewhere/else)"]
    assert kinds(run) == ["unknown-layout"]


def test_each_of_several_validation_sets_is_a_curve_of_its_own(tmp_path: Path) -> None:
    places = {
        f"validation_artifacts/post_fine_tuning_validation/{name}/validation_metrics.csv": table(
            "validation", learns
        )
        for name in ("reviews", "letters")
    }
    run = read(write(tmp_path, {TRAINING: table("training", learns), **places}))
    assert [curve.label for curve in run.validations] == [
        "validation (letters)",
        "validation (reviews)",
    ]


def test_a_table_outside_the_artifacts_is_no_metric(tmp_path: Path) -> None:
    run = read(
        write(
            tmp_path,
            {TRAINING: table("training", learns), "other/validation_metrics.csv": "x", "a.txt": ""},
        )
    )
    assert run.validations == []
    assert kinds(run) == ["no-validation-metrics"]


def test_a_missing_training_table_is_said_and_the_rest_is_read(tmp_path: Path) -> None:
    run = read(write(tmp_path, {VALIDATION: table("validation", learns)}))
    assert run.training is None
    assert len(run.validations) == 1
    assert kinds(run) == ["no-training-metrics"]
    assert "training_artifacts/step_wise_training_metrics.csv" in run.notes[0].message


def test_a_folder_without_metrics_is_a_run_that_misses_both(tmp_path: Path) -> None:
    run = read(write(tmp_path, {"something.txt": "there"}))
    assert kinds(run) == ["no-training-metrics", "no-validation-metrics"]
    assert (run.curves, run.best, run.judgements) == ((), None, ())


def test_runs_are_told_apart_by_their_folders() -> None:
    names = [
        f"outputs/a/model-customization-job-{id}/{file}"
        for id in ("aaaaaaaaaaaa", "bbbbbbbbbbbb")
        for file in (TRAINING, VALIDATION)
    ]
    found = find_runs([*names, "outputs/a/lineage/x/0001.json", "outputs/a/.write_access_check"])
    assert [(run.id, len(run.training), len(run.validation)) for run in found] == [
        ("aaaaaaaaaaaa", 1, 1),
        ("bbbbbbbbbbbb", 1, 1),
    ]
    assert found[0].page == "outputs/a/model-customization-job-aaaaaaaaaaaa/training_metrics.html"


def test_a_copy_within_a_runs_folder_is_another_run() -> None:
    names = [f"{FOLDER}/a copy/{TRAINING}", f"{FOLDER}/{TRAINING}"]
    assert run_in(f"{FOLDER}/", names).training == [f"{FOLDER}/{TRAINING}"]
    assert run_in(f"{FOLDER}/", names[:1]).training == []
    assert run_in(f"{FOLDER}/", []).training == []


def test_artifacts_right_below_the_folder_are_a_run_too(tmp_path: Path) -> None:
    write(tmp_path, {TRAINING: table("training", learns)})
    (run,) = find_runs(sources.FolderSource(folder=tmp_path / FOLDER).names())
    assert (run.folder, run.training) == ("", [TRAINING])


def test_a_page_kept_beside_the_outputs_is_not_taken_for_metrics() -> None:
    (run,) = find_runs([f"{FOLDER}/training_metrics.html", f"{FOLDER}/{TRAINING}"])
    assert run.training == [f"{FOLDER}/{TRAINING}"]


def test_a_broken_table_is_said_and_ends_nothing(tmp_path: Path) -> None:
    run = read(write(tmp_path, {TRAINING: b"\xff\xfe", VALIDATION: table("validation", learns)}))
    assert run.training is None
    assert [(note.kind, note.level) for note in run.notes] == [("unreadable-metrics", "warning")]
    assert "UTF-8" in run.notes[0].message


def test_a_file_too_large_for_metrics_is_not_read(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    content = table("training", learns)
    monkeypatch.setattr(sources, "MOST_BYTES", len(content))
    assert read(write(tmp_path / "fits", {TRAINING: content})).training is not None
    monkeypatch.setattr(sources, "MOST_BYTES", len(content) - 1)
    run = read(write(tmp_path / "large", {TRAINING: content}))
    assert run.training is None
    assert str(len(content)) in run.notes[0].message


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "an empty file"),
        ("a,b\n1,2\n", "step_number and training_loss, got a, b"),
        ("step_number,epoch_number,validation_loss,perplexity\n0,0,1,2\n", "training_loss"),
        (HEAD, "no row"),
        (HEAD + "x,y,z,w\n", "no row"),
    ],
)
def test_what_is_no_table_of_metrics_is_refused_with_the_reason(text: str, why: str) -> None:
    with pytest.raises(UnreadableTableError, match=why):
        curve_of(text)


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "0,0,2.5,12.18\n1,0,2.0,7.39\n",
        "\ufeff" + HEAD + "0,0,2.5,12.18\n1,0,2.0,7.39\n",
        HEAD.replace("\n", "\r\n") + "0,0,2.5,12.18\r\n1,0,2.0,7.39\r\n",
        HEAD.upper() + "0,0,2.5,12.18\n1,0,2.0,7.39",
        '"step_number", "epoch_number","training_loss",perplexity\n"0",0,2.5,"12.18"\n1,0,2,7.39\n',
        HEAD + "0.0,0.0,2.5,12.18\n1.0,0.0,2.0,7.39\n",
        HEAD + "0, 0, 2.5, 12.18\n\n1, 0, 2.0, 7.39\n\n",
        "perplexity,training_loss,extra,epoch_number,step_number\n12.18,2.5,?,0,0\n7.39,2.0,?,0,1\n",
    ],
    ids=["plain", "bom", "crlf", "capitals", "quoted", "with points", "spaces", "other order"],
)
def test_every_spelling_of_a_table_gives_the_same_numbers(text: str) -> None:
    curve, notes = curve_of(text)
    assert (curve.steps, curve.epochs) == ([0, 1], [0, 0])
    assert (curve.losses, curve.perplexities) == ([2.5, 2.0], [12.18, 7.39])
    assert notes == []


def test_rows_without_numbers_are_left_out_and_counted() -> None:
    curve, notes = curve_of(HEAD + "0,0,2.5,12\n1,0,,\nx\n2,0,1.5,4.5\n")
    assert (curve.steps, curve.losses, notes) == ([0, 2], [2.5, 1.5], ["bad-rows"])


def test_a_row_too_long_and_one_too_short_do_not_make_two_rows() -> None:
    curve, _ = curve_of(HEAD + "0,0,2.5,12,1\n5,7,3\n")
    assert (curve.steps, curve.losses) == ([0, 5], [2.5, 3.0])


def test_a_missing_perplexity_is_worked_out_and_said() -> None:
    curve, notes = curve_of("step_number,epoch_number,training_loss\n0,0,1.0\n1,0,2000\n")
    assert curve.perplexities == [pytest.approx(math.e), math.inf]
    assert notes == ["no-perplexity"]
    curve, notes = curve_of(HEAD + "0,0,1.0,\n1,0,2.0,7.4\n")
    assert curve.perplexities == [pytest.approx(math.e), 7.4]
    assert notes == ["perplexity-filled"]


def test_without_epochs_nothing_is_said_by_epoch() -> None:
    curve, notes = curve_of("step_number,training_loss,perplexity\n0,1.0,2.7\n")
    assert (curve.epochs, by_epoch(curve), epoch_starts(curve)) == (None, [], [])
    assert notes == ["no-epochs"]


def test_a_loss_that_is_no_number_stays_one_and_is_not_dropped() -> None:
    curve, notes = curve_of(HEAD + "0,0,2.5,12\n1,0,NaN,NaN\n2,0,inf,inf\n")
    assert curve.losses[0] == 2.5
    assert math.isnan(curve.losses[1])
    assert math.isinf(curve.losses[2])
    assert notes == []


def test_steps_that_begin_anew_with_each_epoch_are_numbered_through() -> None:
    curve, notes = curve_of(HEAD + "0,0,3,20\n1,0,2,7\n0,1,1,2\n1,1,.5,1\n")
    assert (curve.steps, curve.epochs, notes) == ([0, 1, 2, 3], [0, 0, 1, 1], ["steps-restart"])


def test_unordered_and_repeated_steps_are_put_right_and_said() -> None:
    curve, notes = curve_of(HEAD + "1,0,2,7\n0,0,3,20\n1,0,1,2\n")
    assert (curve.steps, curve.losses) == ([0, 1], [3.0, 1.0])
    assert notes == ["repeated-steps", "unordered-steps"]


def test_epochs_that_fall_are_left_out() -> None:
    curve, notes = curve_of(HEAD + "0,1,3,20\n1,0,2,7\n")
    assert (curve.epochs, notes) == (None, ["epochs-fall"])


def test_epochs_are_summed_up_from_every_point(tmp_path: Path) -> None:
    run = run_of(tmp_path, HEAD + "0,0,3,20\n1,0,1,3\n2,1,2,7\n3,1,nan,nan\n")
    assert run.training is not None
    first, second = by_epoch(run.training)
    assert (first.steps, first.mean_loss, first.lowest_loss, first.last_loss) == (2, 2.0, 1.0, 1.0)
    assert (second.mean_loss, second.lowest_loss, second.mean_perplexity) == (2.0, 2.0, 7.0)
    assert math.isnan(second.last_loss)
    assert epoch_starts(run.training) == [(0, 0), (2, 1), (4, 2)]
    assert count_epochs(run) == 2


numbers = st.floats(min_value=0, max_value=50, allow_nan=False).map(lambda value: round(value, 6))


@given(
    rows=st.lists(st.tuples(st.integers(0, 3), numbers, numbers), min_size=1, max_size=60),
    gaps=st.integers(1, 9),
    plain=st.booleans(),
)
def test_every_row_of_every_table_is_read(
    rows: list[tuple[int, float, float]], gaps: int, plain: bool
) -> None:
    """Quotes send the same table the slow way, row by row."""
    epochs = sorted(epoch for epoch, _, _ in rows)
    lines = [
        f"{number * gaps},{epoch},{loss},{perplexity}"
        for number, (epoch, (_, loss, perplexity)) in enumerate(zip(epochs, rows, strict=True))
    ]
    if not plain:
        lines[0] = ",".join(f'"{cell}"' for cell in lines[0].split(","))
    curve, notes = curve_of(HEAD + "\n".join(lines))
    assert notes == []
    assert list(curve.steps) == [number * gaps for number in range(len(rows))]
    assert curve.epochs == epochs
    assert list(curve.losses) == [loss for _, loss, _ in rows]
    assert list(curve.perplexities) == [perplexity for _, _, perplexity in rows]
    assert sum(epoch.steps for epoch in by_epoch(curve)) == len(rows)
