"""What a function does with a completed job's metrics: page, numbers and alarms' metrics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import boto3
import pytest

from tests.metrics.bucket_fake import BUCKET, FakeBucket, RefusalError
from tests.metrics.samples import (
    FOLDER,
    MADE_AT,
    TRAINING,
    VALIDATION,
    diverges,
    learns,
    overfits,
    run_of,
    table,
)
from tests.metrics.test_metrics_page import Page
from training_metrics import page
from training_metrics.publish import Published, measurements, metric_line, publish

NAME = "dev-policy-review-0123456789abcdef"
PLACE = f"outputs/policy-review/{FOLDER}/"
OVER = {TRAINING: table("training", learns), VALIDATION: table("validation", overfits)}


def published(aws: FakeBucket, files: dict[str, str]) -> Published:
    aws.put({f"{PLACE}{name}": content for name, content in files.items()})
    client = boto3.Session(region_name="eu-test-1").client("s3")
    return publish(client=client, bucket=BUCKET, folder=PLACE, name=NAME, made_at=MADE_AT)


def test_the_page_lies_beside_the_outputs_and_is_the_command_lines(aws: FakeBucket) -> None:
    done = published(aws, OVER)
    assert done.page_key == f"{PLACE}training_metrics.html"
    content = aws.files[done.page_key].decode()
    assert content == page.render(runs=[done.run], title=f"Fine-tuning: {NAME}", made_at=MADE_AT)
    assert [one["name"] for one in Page(content).drawing["runs"]] == [NAME]


def test_doing_it_again_changes_nothing(aws: FakeBucket) -> None:
    first = dict(aws.files) if published(aws, OVER) else {}
    published(aws, {})
    assert aws.files == first


def test_a_job_that_left_nothing_has_no_page_and_no_failure(aws: FakeBucket) -> None:
    done = published(aws, {"something.txt": ""})
    assert done.page_key is None
    assert [note.kind for note in done.run.notes] == [
        "no-training-metrics",
        "no-validation-metrics",
    ]
    assert "PutObject" not in aws.names()


def test_another_jobs_files_are_not_read(aws: FakeBucket) -> None:
    aws.put({f"outputs/policy-review/model-customization-job-other0000000/{TRAINING}": "broken"})
    assert published(aws, OVER).page_key == f"{PLACE}training_metrics.html"
    read = [arguments["Key"] for name, arguments in aws.calls if name == "GetObject"]
    assert all(key.startswith(PLACE) for key in read)


def test_a_refusal_is_raised_and_not_taken_for_missing_metrics(aws: FakeBucket) -> None:
    aws.refusals["GetObject"] = RefusalError("AccessDenied", status=403)
    client = boto3.Session(region_name="eu-test-1").client("s3")
    with pytest.raises(client.exceptions.ClientError, match="AccessDenied"):
        published(aws, OVER)


def test_the_last_losses_and_the_verdicts_become_metrics(tmp_path: Path) -> None:
    over = run_of(tmp_path, OVER[TRAINING], OVER[VALIDATION], name=NAME)
    values = measurements(over)
    assert over.training is not None
    assert values["TrainingLoss"] == over.training.losses[-1]
    assert values["ValidationLoss"] == over.validations[0].losses[-1]
    assert (values["Overfitted"], values["Diverged"]) == (1, 0)
    apart = run_of(tmp_path / "b", table("training", diverges))
    assert measurements(apart)["Diverged"] == 1
    assert "ValidationLoss" not in measurements(apart)
    well = run_of(tmp_path / "c", table("training", learns), table("validation", learns))
    assert (measurements(well)["Diverged"], measurements(well)["Overfitted"]) == (0, 0)


def test_a_line_of_metrics_names_each_value_it_holds(tmp_path: Path) -> None:
    content = "step_number,epoch_number,training_loss,perplexity\n0,0,1,2.7\n1,0,nan,nan\n"
    for run in (
        run_of(tmp_path, OVER[TRAINING], OVER[VALIDATION], name=NAME),
        run_of(tmp_path / "nan", content, name=NAME),
    ):
        line: dict[str, Any] = json.loads(
            metric_line(run=run, environment="dev", job="policy-review", now=MADE_AT)
        )
        (directive,) = line["_aws"]["CloudWatchMetrics"]
        named = {metric["Name"] for metric in directive["Metrics"]}
        assert named == measurements(run).keys()
        assert all(isinstance(line[name], float) for name in named)
        assert directive["Dimensions"] == [["Environment", "Job"]]
        assert (line["Environment"], line["Job"]) == ("dev", "policy-review")
        assert line["_aws"]["Timestamp"] == MADE_AT.timestamp() * 1000
