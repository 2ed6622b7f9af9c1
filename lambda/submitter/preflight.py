"""The last look at the data before a job is paid for: it is there, and it is what was asked for."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from customization.errors import DataChangedError, DataNotPushedError
from customization.jobs import error_code

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from customization.request import JobRequest

DIGEST_METADATA = "sha256"
"""The user metadata in which `finetune data push` writes a file's digest."""
CHECK_METADATA: Final = "check"
"""The user metadata in which it writes what its check found, as JSON."""
_CHECK: Final = {"version": str, "model_family": str, "ok": bool, "at": str}
"""What a check says, and as what."""
_MOST_CHARACTERS: Final = 100
"""Length of a text in it at most: it is kept in the job's row, and is no place for data."""


@dataclass(frozen=True, kw_only=True)
class DataObject:
    """One file that a job reads: where it is and what it must be."""

    dataset: str
    digest: str
    bucket: str
    key: str


def data_objects(job: JobRequest) -> Iterator[DataObject]:
    """Yield the training file of a job, and its validation file if it has one.

    A job that learns from invocation logs has no file: nobody pushed them, and they grow.
    """
    if "s3Uri" in job.request["trainingDataConfig"]:
        yield _object(job.dataset_name, job.dataset_digest, job.request["trainingDataConfig"])
    if job.validation_dataset_digest:
        name = job.validation_dataset_name or job.dataset_name
        for validator in job.request["validationDataConfig"]["validators"]:
            yield _object(name, job.validation_dataset_digest, validator)


def _object(dataset: str, digest: str, config: dict[str, str]) -> DataObject:
    bucket, _, key = config["s3Uri"].removeprefix("s3://").partition("/")
    return DataObject(dataset=dataset, digest=digest, bucket=bucket, key=key)


def check_data(*, s3: S3Client, job: JobRequest) -> dict[str, dict[str, Any]]:
    """Check that every file of a job is in the bucket with the digest that the settings name.

    Returns what the check before its push said of each, by digest, where it is known: it is read
    and kept, and decides nothing. Raises DataNotPushedError or DataChangedError, with the command
    that mends it.
    """
    checks = {}
    for wanted in data_objects(job):
        check = check_of(_check_object(s3=s3, wanted=wanted))
        if check is not None:
            checks[wanted.digest] = check
    return checks


def check_of(metadata: Mapping[str, str]) -> dict[str, Any] | None:
    """Return what an object's metadata says of its check, None when that is not of its form."""
    try:
        said = json.loads(metadata.get(CHECK_METADATA, ""))
    except ValueError:
        return None
    if not isinstance(said, dict):
        return None
    check = {name: said.get(name) for name in _CHECK}
    for name, kind in _CHECK.items():
        if not isinstance(check[name], kind) or len(str(check[name])) > _MOST_CHARACTERS:
            return None
    return check


def _check_object(*, s3: S3Client, wanted: DataObject) -> Mapping[str, str]:
    push = f"finetune data push {wanted.dataset} {PurePosixPath(wanted.key).name}"
    where = f"s3://{wanted.bucket}/{wanted.key}"
    try:
        answer = s3.head_object(Bucket=wanted.bucket, Key=wanted.key)
    except ClientError as error:
        match error_code(error):
            case "404" | "NoSuchKey" | "NotFound":
                raise DataNotPushedError(
                    f"data set {wanted.dataset!r} is not in the bucket, {where} is missing: "
                    f"run {push}, then deploy again"
                ) from None
            case "403" | "AccessDenied" | "Forbidden":
                # S3 answers so for a missing object too, where listing is not allowed.
                raise DataNotPushedError(
                    f"data set {wanted.dataset!r} cannot be seen at {where}: run {push} if it was "
                    "not pushed; else check the submitter's role and the policies of the bucket, "
                    "the data key and the S3 endpoint"
                ) from None
            case _:
                raise
    found = answer["Metadata"].get(DIGEST_METADATA)
    if found != wanted.digest:
        raise DataChangedError(
            f"data set {wanted.dataset!r} at {where} must have the sha256 {wanted.digest}, got "
            f"{found or 'none in its metadata'}: run {push}, then deploy again"
        )
    return answer["Metadata"]
