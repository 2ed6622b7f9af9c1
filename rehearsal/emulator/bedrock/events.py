"""The EventBridge event of a job's state change.

https://docs.aws.amazon.com/bedrock/latest/userguide/monitoring-eventbridge-how-it-works.html
"""

from __future__ import annotations

import json

from ministack.services import eventbridge

from rehearsal.emulator.bedrock.records import Job


def emit(job: Job) -> None:
    """Put the event on the default bus. The status is in `jobStatus`, not `status`."""

    def stamp(moment: object) -> str:
        return str(moment).replace("+00:00", "Z").replace(" ", "T") if moment else ""

    record = job.record
    detail = {
        "version": "0.0",
        "jobName": job.name,
        "jobArn": job.arn,
        "outputModelName": record["outputModelName"],
        "outputModelArn": record.get("outputModelArn", ""),
        "roleArn": record["roleArn"],
        "jobStatus": job.status,
        "failureMessage": record.get("failureMessage", ""),
        "creationTime": stamp(record["creationTime"]),
        "lastModifiedTime": stamp(record["lastModifiedTime"]),
        "endTime": stamp(record.get("endTime")),
        "baseModelArn": record["baseModelArn"],
        "hyperParameters": record["hyperParameters"],
        "trainingDataConfig": record["trainingDataConfig"],
        "outputDataConfig": record["outputDataConfig"],
    }
    eventbridge._put_events(
        {
            "Entries": [
                {
                    "Source": "aws.bedrock",
                    "DetailType": "Model Customization Job State Change",
                    "Resources": [job.arn],
                    "Detail": json.dumps(detail),
                }
            ]
        },
        allow_aws_source=True,
    )
