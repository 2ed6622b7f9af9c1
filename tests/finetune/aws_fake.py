"""AWS as the command line sees it, in memory, behind real boto3 clients.

Calls go through botocore up to the wire, so arguments are validated and serialised by the service
model; answers come from the dictionaries here.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from types import SimpleNamespace
from typing import Any

import boto3
from botocore.model import OperationModel

REGION = "us-east-1"
ACCOUNT = "123456789012"
BUCKET = "data-bucket"
KEY_ARN = f"arn:aws:kms:{REGION}:{ACCOUNT}:key/data"
UPLOADER = f"arn:aws:iam::{ACCOUNT}:role/uploader"
STACKS = {
    "finetune-dev-storage": {"DataBucketName": BUCKET},
    "finetune-dev-encryption": {"DataKeyArn": KEY_ARN},
    "finetune-dev-identity": {"UploaderRoleArn": UPLOADER},
}


class RefusalError(Exception):
    """An error that a service answers."""

    def __init__(self, code: str, message: str = "no", status: int = 400) -> None:
        super().__init__(code)
        self.code, self.message, self.status = code, message, status


@dataclass
class Stored:
    """An object of the bucket, and the request that made it."""

    body: bytes
    arguments: dict[str, Any]


@dataclass
class FakeAws:
    """The services, what they hold and what was asked of them."""

    stacks: dict[str, dict[str, str]] = field(default_factory=lambda: dict(STACKS))
    objects: dict[str, Stored] = field(default_factory=dict)
    uploads: dict[str, dict[str, Any]] = field(default_factory=dict)
    jobs: list[dict[str, Any]] = field(default_factory=list)
    rows: dict[str, dict[str, str]] = field(default_factory=dict)
    """Items of the state table, by the job's whole name."""
    owner: str = "dev"
    """Answers of GetModelCustomizationJob, the newest first."""
    calls: list[tuple[str, dict[str, Any]]] = field(default_factory=list)
    refusals: dict[str, RefusalError] = field(default_factory=dict)
    """By operation: the error answered instead of its effect."""
    before: dict[str, Callable[[dict[str, Any]], None]] = field(default_factory=dict)
    """By operation: something that happens just before it."""

    def session(self, **arguments: Any) -> boto3.Session:
        """Return a session whose clients all talk to this."""
        arguments.setdefault("aws_access_key_id", "test")
        arguments.setdefault("aws_secret_access_key", "test")
        session = REAL_SESSION(**arguments)
        session.events.register("provide-client-params.*.*", self._remember)
        # What a handler returns is the answer; the stubs know only handlers without one.
        answer: Any = self._answer
        session.events.register("before-call.*.*", answer)
        return session

    def names(self) -> list[str]:
        """Return the operations that were called, in order."""
        return [name for name, _ in self.calls]

    def _remember(self, params: dict[str, Any], model: OperationModel, **_: Any) -> None:
        self.calls.append((model.name, dict(params)))

    def _answer(self, model: OperationModel, **_: Any) -> tuple[SimpleNamespace, dict[str, Any]]:
        arguments = next(found for name, found in reversed(self.calls) if name == model.name)
        try:
            if model.name in self.before:
                self.before[model.name](arguments)
            if model.name in self.refusals:
                raise self.refusals[model.name]
            answer = getattr(self, f"_on_{model.name}")(arguments)
        except RefusalError as refusal:
            error = {"Error": {"Code": refusal.code, "Message": refusal.message}}
            return SimpleNamespace(status_code=refusal.status), error
        return SimpleNamespace(status_code=200), answer

    def _on_DescribeStacks(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802 the operation's name
        name = arguments["StackName"]
        if name not in self.stacks:
            raise RefusalError("ValidationError", f"Stack with id {name} does not exist")
        outputs = [
            {"OutputKey": key, "OutputValue": value} for key, value in self.stacks[name].items()
        ]
        return {"Stacks": [{"StackName": name, "Outputs": outputs}]}

    def _on_AssumeRole(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        assert arguments["RoleArn"] == UPLOADER
        return {
            "Credentials": {
                "AccessKeyId": "as-uploader",
                "SecretAccessKey": "secret",
                "SessionToken": "token",
                "Expiration": datetime(2030, 1, 1, tzinfo=UTC),
            }
        }

    def _on_ListObjectsV2(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        keys = [key for key in self.objects if key.startswith(arguments["Prefix"])]
        return {"Contents": [{"Key": key} for key in sorted(keys)]} if keys else {}

    def _on_HeadObject(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        stored = self.objects[arguments["Key"]]
        return {
            "ContentLength": len(stored.body),
            "Metadata": stored.arguments.get("Metadata", {}),
        }

    def _on_PutObject(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        body = arguments["Body"].read()
        if _checksum(body) != arguments["ChecksumSHA256"]:
            raise RefusalError("BadDigest")
        self._store(arguments=arguments, body=body, settings=arguments)
        return {}

    def _on_CreateMultipartUpload(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        name = f"upload-{len(self.uploads)}"
        self.uploads[name] = {"arguments": arguments, "parts": {}}
        return {"UploadId": name}

    def _on_UploadPart(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        # Parts are sent by several threads, so the call's own arguments are found by its number.
        for name, found in list(self.calls):
            if name == "UploadPart":
                assert _checksum(found["Body"]) == found["ChecksumSHA256"]
                self.uploads[found["UploadId"]]["parts"][found["PartNumber"]] = found["Body"]
        return {"ETag": '"part"'}

    def _on_CompleteMultipartUpload(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        upload = self.uploads[arguments["UploadId"]]
        numbers = [part["PartNumber"] for part in arguments["MultipartUpload"]["Parts"]]
        assert numbers == sorted(upload["parts"])
        body = b"".join(upload["parts"][number] for number in numbers)
        self._store(arguments=arguments, body=body, settings=upload["arguments"])
        del self.uploads[arguments["UploadId"]]
        return {}

    def _on_AbortMultipartUpload(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        del self.uploads[arguments["UploadId"]]
        return {}

    def _store(self, *, arguments: dict[str, Any], body: bytes, settings: dict[str, Any]) -> None:
        # What the bucket's policy demands: https, our key, and that nothing is overwritten.
        assert arguments["IfNoneMatch"] == "*"
        assert settings["ServerSideEncryption"] == "aws:kms"
        assert settings["SSEKMSKeyId"] == KEY_ARN
        if arguments["Key"] in self.objects:
            raise RefusalError("PreconditionFailed", status=412)
        self.objects[arguments["Key"]] = Stored(body=body, arguments=settings)

    def _on_ListModelCustomizationJobs(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        found = [job for job in self.jobs if arguments["nameContains"] in job["jobName"]]
        return {
            "modelCustomizationJobSummaries": [
                {
                    "jobName": job["jobName"],
                    "jobArn": job["jobArn"],
                    "status": job["status"],
                    "creationTime": job["creationTime"],
                    "customModelName": job["jobName"],
                }
                for job in found
            ]
        }

    def _on_GetModelCustomizationJob(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        return self._job(arguments)

    def _on_StopModelCustomizationJob(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        self._job(arguments)["status"] = "Stopping"
        return {}

    def _on_ListTagsForResource(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        del arguments
        return {"tags": [{"key": "finetune:environment", "value": self.owner}]}

    def _on_GetItem(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        assert arguments["TableName"] == "finetune-dev-jobs"
        name = arguments["Key"]["Id"]["S"]
        row = self.rows.get(name)
        return {"Item": {key: {"S": value} for key, value in row.items()}} if row else {}

    def _job(self, arguments: dict[str, Any]) -> dict[str, Any]:
        for job in self.jobs:
            if arguments["jobIdentifier"] in {job["jobName"], job["jobArn"]}:
                return job
        raise RefusalError("ResourceNotFoundException", status=404)


def make_job(
    name: str, status: str, *, failure: str = "", phases: dict[str, str] | None = None
) -> dict[str, Any]:
    """Return what Bedrock answers of a job."""
    job: dict[str, Any] = {
        "jobName": name,
        "jobArn": f"arn:aws:bedrock:{REGION}:{ACCOUNT}:model-customization-job/{name}",
        "status": status,
        "creationTime": datetime(2026, 11, 22, tzinfo=UTC),
        "statusDetails": {
            f"{phase}Details": {"status": state} for phase, state in (phases or {}).items()
        },
    }
    if failure:
        job["failureMessage"] = failure
    return job


def make_row(name: str, state: str, **more: str) -> dict[str, str]:
    """Return what the state table has of a job."""
    return {
        "Id": name,
        "Environment": "dev",
        "Job": "policy-review",
        "State": state,
        "StackId": f"arn:aws:cloudformation:{REGION}:{ACCOUNT}:stack/finetune-dev-job/1",
        "LogicalId": "Job",
        "RequestId": "made",
        "RequestedAt": "2026-11-22T00:00:00+00:00",
        "Request": "{}",
        "OnReplace": "keep-model",
        "OnDelete": "keep-model",
        **more,
    }


def _checksum(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


REAL_SESSION = boto3.Session
