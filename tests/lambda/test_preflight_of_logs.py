"""The last look at the data passes over logs of calls, and over nothing else."""

from __future__ import annotations

from typing import Any

from customization.request import JobRequest
from submitter.preflight import data_objects


def job(training: dict[str, Any]) -> JobRequest:
    return JobRequest.from_properties(
        {
            "Environment": "dev",
            "Job": "support",
            "Run": "1",
            "DatasetName": "invocation-logs",
            "DatasetDigest": "0123456789abcdef" * 4,
            "KeyName": "model",
            "WaitFor": "validation",
            "ValidationMinutes": "20",
            "OnReplace": "keep-model",
            "OnDelete": "delete-model",
            "Request": {
                "roleArn": "arn:aws:iam::111122223333:role/job",
                "baseModelIdentifier": "amazon.nova-micro-v1:0:128k",
                "customizationType": "DISTILLATION",
                "trainingDataConfig": training,
                "outputDataConfig": {"s3Uri": "s3://bucket/outputs/support/"},
            },
        }
    )


def test_logs_are_not_looked_for() -> None:
    source = {"invocationLogSource": {"s3Uri": "s3://logs-of-calls/AWSLogs"}}

    assert list(data_objects(job({"invocationLogsConfig": source}))) == []


def test_a_data_set_is() -> None:
    (wanted,) = data_objects(job({"s3Uri": "s3://bucket/fine-tuning-datasets/x/train.jsonl"}))

    assert (wanted.bucket, wanted.key) == ("bucket", "fine-tuning-datasets/x/train.jsonl")
