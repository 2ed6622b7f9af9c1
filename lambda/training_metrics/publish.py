"""A completed job's metrics, read and drawn where they lie: what a function does after training."""

from __future__ import annotations

import json
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Any, Final

from training_metrics.judging import Verdict
from training_metrics.outputs import run_in
from training_metrics.page import render
from training_metrics.runs import Run, read_run
from training_metrics.sources import BucketSource
from training_metrics.summary import number

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

NAMESPACE: Final = "Finetune"
"""CloudWatch's namespace of this app's own metrics; the follower's are in it too."""
DIMENSIONS: Final = ("Environment", "Job")


@dataclass(frozen=True, kw_only=True)
class Published:
    """A run as it was read, and where its page is."""

    run: Run
    page_key: str | None
    """None when there was nothing to draw."""


def publish(
    *, client: S3Client, bucket: str, folder: str, name: str, made_at: datetime
) -> Published:
    """Read the metrics below a job's folder and write their page beside them.

    `folder` is `outputs/<job>/model-customization-job-<id>/`, `name` the job's name. Doing it again
    makes the same bytes of the same metrics and time, and then no second version of the page. Needs
    s3:ListBucket, s3:GetObject and s3:PutObject on the folder. Raises botocore's ClientError.
    """
    source = BucketSource(client=client, bucket=bucket, prefix=folder)
    names = source.names()
    files = run_in(folder, names)
    run = read_run(source=source, files=files, name=name)
    if not run.curves:
        return Published(run=run, page_key=None)
    page = render(runs=[run], title=f"Fine-tuning: {name}", made_at=made_at).encode()
    if files.page not in names or source.read(files.page) != page:
        # No encryption is asked for: the bucket's own is the data key.
        client.put_object(
            Bucket=bucket, Key=files.page, Body=page, ContentType="text/html; charset=utf-8"
        )
    return Published(run=run, page_key=files.page)


def measurements(run: Run) -> dict[str, float]:
    """Return what CloudWatch shows of a run, by metric; what is no number is left out.

    `Diverged` and `Overfitted` are 0 or 1, for alarms.
    """
    verdicts = {one.verdict for one in run.judgements}
    found: dict[str, float | None] = {
        "Diverged": float(Verdict.DIVERGED in verdicts),
        "Overfitted": float(Verdict.OVERFITTED in verdicts),
    }
    if run.training is not None:
        found["TrainingLoss"] = number(run.training.losses[-1])
        found["TrainingPerplexity"] = number(run.training.perplexities[-1])
    if run.validations:
        found["ValidationLoss"] = number(run.validations[0].losses[-1])
        found["ValidationPerplexity"] = number(run.validations[0].perplexities[-1])
    if run.best is not None:
        found["BestLoss"] = number(run.best.loss)
    return {metric: value for metric, value in found.items() if value is not None}


def metric_line(*, run: Run, environment: str, job: str, now: datetime) -> str:
    """Return a line for the log from which CloudWatch takes a run's final numbers.

    No permission is needed for it besides that to write the log.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    values = measurements(run)
    line: dict[str, Any] = {
        "_aws": {
            "Timestamp": int(now.timestamp() * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": NAMESPACE,
                    "Dimensions": [list(DIMENSIONS)],
                    "Metrics": [{"Name": metric, "Unit": "None"} for metric in values],
                }
            ],
        },
        "Environment": environment,
        "Job": job,
        "job_name": run.name,
        **values,
    }
    return json.dumps(line)
