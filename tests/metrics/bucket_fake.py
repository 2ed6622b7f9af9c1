"""The fake AWS of the command line's tests, with outputs in its bucket and a reader role."""

from __future__ import annotations

import io
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.finetune.aws_fake import ACCOUNT, BUCKET, REGION, STACKS, FakeAws, RefusalError, make_job

READER = f"arn:aws:iam::{ACCOUNT}:role/reader"
PAGE = 2
"""Keys on one page of a listing: every listing here has several."""


class FakeBucket(FakeAws):
    """Holds objects by key, youngest last; answers as S3 does to a reader and to a writer."""

    def __init__(self) -> None:
        super().__init__()
        self.stacks = {name: dict(outputs) for name, outputs in STACKS.items()}
        self.stacks["finetune-dev-identity"]["ReaderRoleArn"] = READER
        self.files: dict[str, bytes] = {}
        self.meanwhile: Callable[[], None] | None = None
        """Something that happens once, between a listing and the next write."""

    def put(self, files: dict[str, str]) -> None:
        """Add objects, the youngest last."""
        self.files.update({key: content.encode() for key, content in files.items()})

    def add_job(self, name: str, status: str, *, job: str = "policy-review", id: str) -> str:
        """Add a job, newer than those there are, and return the folder of its outputs."""
        made = make_job(name, status)
        made["jobArn"] = made["jobArn"].rpartition("/")[0] + f"/{id}"
        made["outputDataConfig"] = {"s3Uri": f"s3://{BUCKET}/outputs/{job}/"}
        self.jobs.insert(0, made)
        return f"outputs/{job}/model-customization-job-{id}/"

    def _on_AssumeRole(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        assert arguments["RoleArn"] == READER
        return {
            "Credentials": {
                "AccessKeyId": "as-reader",
                "SecretAccessKey": "secret",
                "SessionToken": "token",
                "Expiration": datetime(2030, 1, 1, tzinfo=UTC),
            }
        }

    def _on_ListObjectsV2(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        assert arguments["Bucket"] == BUCKET
        order = list(self.files)
        keys = sorted(key for key in order if key.startswith(arguments["Prefix"]))
        start = int(arguments.get("ContinuationToken", "0"))
        born = datetime(2026, 11, 23, tzinfo=UTC)
        answer: dict[str, Any] = {
            "Contents": [
                {"Key": key, "LastModified": born + timedelta(minutes=order.index(key))}
                for key in keys[start : start + PAGE]
            ],
            "IsTruncated": start + PAGE < len(keys),
        }
        if answer["IsTruncated"]:
            answer["NextContinuationToken"] = str(start + PAGE)
        return answer

    def _on_GetObject(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        content = self.files[arguments["Key"]]
        return {"ContentLength": len(content), "Body": io.BytesIO(content)}

    def _on_PutObject(self, arguments: dict[str, Any]) -> dict[str, Any]:  # noqa: N802
        if self.meanwhile is not None:
            happens, self.meanwhile = self.meanwhile, None
            happens()
        if arguments.get("IfNoneMatch") == "*" and arguments["Key"] in self.files:
            raise RefusalError("PreconditionFailed", status=412)
        self.files[arguments["Key"]] = arguments["Body"]
        return {}


__all__ = ["BUCKET", "READER", "REGION", "FakeBucket", "RefusalError"]
