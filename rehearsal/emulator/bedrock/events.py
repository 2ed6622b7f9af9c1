"""The EventBridge event of a job's state change.

https://docs.aws.amazon.com/bedrock/latest/userguide/monitoring-eventbridge-how-it-works.html
"""

from __future__ import annotations

import json

from ministack.services import eventbridge

from rehearsal.emulator.bedrock.records import Job, arn


def emit(job: Job) -> None:
    """Put the event on the default bus. The status is in `jobStatus`, not `status`."""

    def stamp(moment: object) -> str:
        return str(moment).replace("+00:00", "Z").replace(" ", "T") if moment else ""

    request = job.request
    detail = {
        "version": "0.0",
        "jobName": job.name,
        "jobArn": job.arn,
        "outputModelName": job.model_name,
        "outputModelArn": job.model_arn or "",
        "roleArn": request["roleArn"],
        "jobStatus": job.status,
        "failureMessage": job.failure or "",
        "creationTime": stamp(job.created),
        "lastModifiedTime": stamp(job.modified),
        "endTime": stamp(job.ended),
        "baseModelArn": arn(f"foundation-model/{job.base_model}", account=""),
        "hyperParameters": request.get("hyperParameters", {}),
        "trainingDataConfig": request["trainingDataConfig"],
        "outputDataConfig": request["outputDataConfig"],
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
