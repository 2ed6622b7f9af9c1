"""How a job's end is told: a message on the topic, and a metric that an alarm watches."""

from __future__ import annotations

import json
from datetime import datetime
from typing import Any, Final

from customization import remedies
from customization.errors import clip
from customization.jobs import Job
from customization.rows import Row, RowState

NAMESPACE: Final = "Finetune"
FAILED_JOBS: Final = "FailedJobs"
"""The metric that counts jobs which failed, were refused or went missing."""
ENDED_JOBS: Final = "EndedJobs"
ENVIRONMENT_DIMENSION: Final = "Environment"
MOST_FAILURE_BYTES: Final = 4000

_VERBS = {
    RowState.COMPLETED: "is completed: its model is ready",
    RowState.FAILED: "failed",
    RowState.STOPPED: "was stopped",
    RowState.REFUSED: "was refused by Bedrock",
    RowState.MISSING: "cannot be found in Bedrock any more",
}


def subject(row: Row) -> str:
    """Return the message's subject, at most 100 ASCII characters."""
    return f"[{row.environment}] {row.job}: {row.state}"[:100]


def message(*, row: Row, job: Job | None) -> str:
    """Return the message: JSON with one sentence for people and the fields for programs.

    `id` is the same whenever the same end is told, so that a receiver who hears it twice, after a
    crash between telling and writing that down, can tell.
    """
    text = f"job {row.name} {_VERBS[row.state]}"
    phase = job.failed_phase if job else None
    if phase:
        text += f" in the phase {phase!r}"
    if row.failure:
        known = "" if "remedy:" in row.failure else f"; {remedies.advice(row.failure)}"
        text += f": {clip(row.failure, limit=MOST_FAILURE_BYTES)}{known}"
    if row.deleted_at is not None and row.state is RowState.STOPPED:
        text += ": its stack does not want it any more"
    body: dict[str, Any] = {
        "id": f"{row.name}/{row.state}/{row.ended_at.isoformat() if row.ended_at else None}",
        "environment": row.environment,
        "job": row.job,
        "name": row.name,
        "state": row.state,
        "text": text,
        "model_arn": job.model_arn if job else None,
        "stack_id": row.stack_id,
    }
    return json.dumps(body, ensure_ascii=False)


def metric_line(*, row: Row, now: datetime) -> str:
    """Return a line for the log from which CloudWatch takes the metrics of a job's end.

    No permission is needed for it besides that to write the log.
    https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/CloudWatch_Embedded_Metric_Format_Specification.html
    """
    metrics = [{"Name": name, "Unit": "Count"} for name in (ENDED_JOBS, FAILED_JOBS)]
    line = {
        "_aws": {
            "Timestamp": int(now.timestamp() * 1000),
            "CloudWatchMetrics": [
                {
                    "Namespace": NAMESPACE,
                    "Dimensions": [[ENVIRONMENT_DIMENSION]],
                    "Metrics": metrics,
                }
            ],
        },
        ENVIRONMENT_DIMENSION: row.environment,
        ENDED_JOBS: 1,
        FAILED_JOBS: int(row.state.is_failure),
        "job_name": row.name,
        "state": row.state,
    }
    return json.dumps(line)
