"""`finetune metrics` finds, judges, draws and compares what jobs left, and says what is missing."""

from __future__ import annotations

import json
import os
import struct
import zlib
from pathlib import Path

import pytest

from tests.finetune.conftest import Run
from tests.metrics.bucket_fake import READER, FakeBucket, RefusalError
from tests.metrics.samples import (
    ID,
    TRAINING,
    VALIDATION,
    diverges,
    learns,
    overfits,
    table,
    write,
)
from tests.metrics.test_metrics_page import Page

NAME = "dev-policy-review-0123456789abcdef"
WELL = {TRAINING: table("training", learns), VALIDATION: table("validation", learns, every=10)}
OVER = {TRAINING: table("training", learns), VALIDATION: table("validation", overfits, every=10)}


@pytest.fixture(autouse=True)
def in_a_project(project: Path) -> None:
    del project


def completed(aws: FakeBucket, name: str, files: dict[str, str], *, id: str = ID) -> None:
    folder = aws.add_job(name, "Completed", id=id)
    aws.put({f"{folder}{key}": content for key, content in files.items()})


def test_a_completed_jobs_metrics_are_read_as_the_reader(run: Run, aws: FakeBucket) -> None:
    completed(aws, NAME, WELL)
    ended = run("metrics", "policy-review", "--json")
    assert ended.code == 0, ended.out
    (found,) = ended.answer["runs"]
    assert found["name"] == NAME
    assert [(curve["label"], curve["points"]) for curve in found["curves"]] == [
        ("training", 400),
        ("validation", 40),
    ]
    assert found["best"]["curve"] == "validation"
    assert ("AssumeRole", READER) in [
        (name, arguments.get("RoleArn")) for name, arguments in aws.calls
    ]


def test_every_finding_says_what_to_do(run: Run, aws: FakeBucket) -> None:
    completed(aws, NAME, {VALIDATION: OVER[VALIDATION]})
    ended = run("metrics", "policy-review", "--json")
    assert ended.ids() == ["no-training-metrics", "overfitted"]
    assert all(finding["fix"] for finding in ended.answer["findings"])


def test_the_newest_completed_run_is_shown_and_a_newer_one_is_named(
    run: Run, aws: FakeBucket
) -> None:
    completed(aws, NAME, WELL)
    completed(aws, f"{NAME}-2", WELL, id="b" * 12)
    aws.add_job(f"{NAME}-3", "InProgress", id="c" * 12)
    ended = run("metrics", "policy-review", "--json")
    assert [one["name"] for one in ended.answer["runs"]] == [f"{NAME}-2"]
    assert "not-completed" in ended.ids()


def test_several_runs_of_a_job_are_compared_when_asked_for(run: Run, aws: FakeBucket) -> None:
    completed(aws, NAME, WELL)
    completed(aws, f"{NAME}-2", OVER, id="b" * 12)
    ended = run("metrics", "policy-review", "--runs", "5", "--json")
    assert [one["name"] for one in ended.answer["runs"]] == [f"{NAME}-2", NAME]
    assert [one["name"] for one in ended.answer["ranking"]] == [NAME, f"{NAME}-2"]


def test_without_a_name_every_job_of_the_settings_is_shown(run: Run, aws: FakeBucket) -> None:
    completed(aws, NAME, WELL)
    assert [one["name"] for one in run("metrics", "--json").answer["runs"]] == [NAME]


def test_a_job_is_found_by_its_whole_name_in_bedrock(run: Run, aws: FakeBucket) -> None:
    completed(aws, "dev-gone-0123456789abcdef", WELL)
    ended = run("metrics", "dev-gone-0123456789abcdef", "--json")
    assert (ended.code, [one["name"] for one in ended.answer["runs"]]) == (
        0,
        ["dev-gone-0123456789abcdef"],
    )


def test_outputs_in_another_bucket_are_not_this_environments(run: Run, aws: FakeBucket) -> None:
    completed(aws, NAME, WELL)
    aws.jobs[0]["outputDataConfig"] = {"s3Uri": "s3://somewhere-else/outputs/"}
    ended = run("metrics", NAME, "--json")
    assert (ended.code, ended.ids()) == (1, ["elsewhere"])


@pytest.mark.parametrize("name", ["policy-review", "nothing"])
def test_a_job_that_was_never_submitted_ends_with_1(run: Run, aws: FakeBucket, name: str) -> None:
    del aws
    ended = run("metrics", name, "--json")
    assert (ended.code, ended.ids()) == (1, ["no-job"])


def test_a_job_that_runs_has_no_metrics_yet(run: Run, aws: FakeBucket) -> None:
    aws.add_job(NAME, "InProgress", id=ID)
    ended = run("metrics", "policy-review", "--json")
    assert (ended.code, ended.ids()) == (1, ["not-completed", "no-run"])


def test_a_completed_job_that_left_nothing_ends_with_1_and_says_what_is_missing(
    run: Run, aws: FakeBucket
) -> None:
    completed(aws, NAME, {})
    ended = run("metrics", "policy-review", "--html", "page.html", "--json")
    assert ended.code == 1
    assert ended.ids() == ["no-training-metrics", "no-validation-metrics", "no-metrics"]
    assert not Path("page.html").exists()


def test_who_may_not_ask_bedrock_finds_runs_by_the_bucket(run: Run, aws: FakeBucket) -> None:
    completed(aws, NAME, WELL)
    completed(aws, f"{NAME}-2", OVER, id="b" * 12)
    aws.refusals["ListModelCustomizationJobs"] = RefusalError("AccessDeniedException", status=403)
    ended = run("metrics", "policy-review", "--json")
    assert (ended.code, [one["name"] for one in ended.answer["runs"]]) == (0, ["b" * 12])
    assert ended.ids()[0] == "no-bedrock"
    aws.files.clear()
    assert run("metrics", "policy-review", "--json").ids() == ["no-bedrock", "no-run"]


def test_who_is_no_reader_is_told_who_may_read(run: Run, aws: FakeBucket) -> None:
    completed(aws, NAME, WELL)
    aws.refusals["AssumeRole"] = RefusalError("AccessDenied", status=403)
    ended = run("metrics", "policy-review", "--json")
    assert (ended.code, ended.ids()) == (3, ["access-denied"])
    assert "people.readers" in ended.answer["findings"][0]["fix"]


def test_a_refused_object_names_the_bucket(run: Run, aws: FakeBucket) -> None:
    completed(aws, NAME, WELL)
    aws.refusals["GetObject"] = RefusalError("AccessDenied", status=403)
    ended = run("metrics", "policy-review", "--json")
    assert (ended.code, ended.ids()) == (3, ["access-denied"])
    assert "s3://data-bucket" in ended.answer["findings"][0]["message"]


@pytest.mark.parametrize(
    ("missing", "id"), [("storage", "not-deployed"), ("identity", "no-output")]
)
def test_an_environment_that_is_not_deployed_is_said_to_be_so(
    run: Run, aws: FakeBucket, missing: str, id: str
) -> None:
    if id == "not-deployed":
        del aws.stacks[f"finetune-dev-{missing}"]
    else:
        aws.stacks[f"finetune-dev-{missing}"] = {}
    ended = run("metrics", "policy-review", "--json")
    assert (ended.code, ended.ids()) == (3, [id])


def test_a_folder_is_read_without_aws(run: Run, tmp_path: Path, aws: FakeBucket) -> None:
    write(tmp_path / "copy", dict(OVER))
    write(tmp_path / "copy", dict(WELL), id="w" * 12)
    ended = run("metrics", "--folder", tmp_path / "copy", "--json")
    assert [one["name"] for one in ended.answer["runs"]] == [ID, "w" * 12]
    one = run("metrics", "w" * 12, "--folder", tmp_path / "copy", "--json")
    assert [one["name"] for one in one.answer["runs"]] == ["w" * 12]
    own = run("metrics", "--folder", tmp_path / "copy" / f"model-customization-job-{ID}", "--json")
    assert [one["name"] for one in own.answer["runs"]] == [ID]
    assert aws.calls == []


def test_a_folder_or_run_that_is_not_there_is_named(run: Run, tmp_path: Path) -> None:
    assert run("metrics", "--folder", tmp_path / "none", "--json").ids() == ["no-folder"]
    empty = run("metrics", "--folder", tmp_path, "--json")
    assert (empty.code, empty.ids()) == (1, ["no-run"])
    write(tmp_path / "copy", dict(WELL))
    ended = run("metrics", "other", "--folder", tmp_path / "copy", "--json")
    assert (ended.code, ended.ids()) == (1, ["no-run"])
    assert ID in ended.answer["findings"][0]["fix"]


def test_a_folder_is_no_rehearsal(run: Run, tmp_path: Path) -> None:
    ended = run("metrics", "--folder", tmp_path, "--rehearsal", "--json")
    assert (ended.code, ended.ids()) == (2, ["usage"])


@pytest.mark.parametrize(
    ("training", "code"), [(diverges, 1), (learns, 0)], ids=["diverged", "well"]
)
def test_strict_ends_with_1_when_a_run_went_wrong(
    run: Run, tmp_path: Path, training: object, code: int
) -> None:
    assert callable(training)
    write(tmp_path / "copy", {**WELL, TRAINING: table("training", training)})
    assert run("metrics", "--folder", tmp_path / "copy", "--strict", "--json").code == code
    assert run("metrics", "--folder", tmp_path / "copy", "--json").code == 0


def test_the_page_and_the_picture_are_written(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "copy", dict(OVER))
    ended = run(
        *("metrics", "--folder", tmp_path / "copy"),
        *("--html", tmp_path / "a.html", "--png", tmp_path / "a.png", "--json"),
    )
    assert ended.code == 0, ended.out
    page = Page((tmp_path / "a.html").read_text())
    assert [one["name"] for one in page.drawing["runs"]] == [ID]
    width, height, colours = looked_at((tmp_path / "a.png").read_bytes())
    assert width > 1000
    assert height > 800
    assert colours > 20
    assert ended.answer["html"] == str(tmp_path / "a.html")
    assert sorted(path.name for path in tmp_path.iterdir() if path.is_file()) == ["a.html", "a.png"]


def looked_at(content: bytes) -> tuple[int, int, int]:
    """Return width and height of a PNG, and how many different bytes its picture has."""
    assert content.startswith(b"\x89PNG\r\n\x1a\n")
    width, height = struct.unpack(">II", content[16:24])
    data, place = b"", 8
    while place < len(content):
        (length,) = struct.unpack(">I", content[place : place + 4])
        if content[place + 4 : place + 8] == b"IDAT":
            data += content[place + 8 : place + 8 + length]
        place += length + 12
    return width, height, len(set(zlib.decompress(data)))


@pytest.mark.parametrize("option", ["--html", "--png"])
def test_a_file_that_cannot_be_written_is_an_error_before_anything_is_read(
    run: Run, tmp_path: Path, aws: FakeBucket, option: str
) -> None:
    ended = run("metrics", "policy-review", option, tmp_path / "no" / "such.x", "--json")
    assert (ended.code, ended.ids()) == (2, ["no-folder"])
    assert aws.calls == []


def test_a_target_that_is_a_folder_is_an_error(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "copy", dict(WELL))
    (tmp_path / "page.html").mkdir()
    ended = run(
        "metrics", "--folder", tmp_path / "copy", "--html", tmp_path / "page.html", "--json"
    )
    assert (ended.code, ended.ids()[-1]) == (2, "unwritable-file")


def test_the_terminal_shows_the_numbers_and_the_curve(
    run: Run, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("shutil.get_terminal_size", lambda: os.terminal_size((80, 24)))
    write(tmp_path / "copy", dict(OVER))
    ended = run("metrics", "--folder", tmp_path / "copy")
    said = json.loads(run("metrics", "--folder", tmp_path / "copy", "--json").out)
    best = said["runs"][0]["best"]
    assert ID in ended.out
    assert str(best["step"]) in ended.out
    assert "overfitted" in ended.out
    assert "◆" in ended.out
    assert "\x1b" not in ended.out  # no colour where nobody sees it
    assert max(len(line) for line in ended.out.splitlines() if "│" in line) <= 80
    without = run("metrics", "--folder", tmp_path / "copy", "--no-plot")
    assert "◆" not in without.out


def test_several_runs_have_a_letter_each_in_the_terminal(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "copy", dict(OVER))
    write(tmp_path / "copy", dict(WELL), id="w" * 12)
    out = run("metrics", "--folder", tmp_path / "copy").out
    assert f"a {ID}, validation" in out
    assert f"b {'w' * 12}, validation" in out


def test_smoothing_is_as_asked_for(run: Run, tmp_path: Path) -> None:
    write(tmp_path / "copy", dict(WELL))

    def windows(*options: str) -> list[int]:
        answer = run("metrics", "--folder", tmp_path / "copy", "--json", *options).answer
        return [curve["window"] for curve in answer["runs"][0]["curves"]]

    assert windows() == [9, 1]
    assert windows("--smoothing", "1") == [1, 1]
    assert windows("--smoothing", "21") == [21, 21]
    assert run("metrics", "--smoothing", "0").code == 2
