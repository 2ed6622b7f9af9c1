"""The last look at the data before a job is paid for: it is there, and it is what was asked for."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePosixPath
from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from customization.errors import DataChangedError, DataNotPushedError
from customization.jobs import error_code

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

    from customization.request import JobRequest

DIGEST_METADATA = "sha256"
"""The user metadata in which `finetune data push` writes a file's digest."""


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


def check_data(*, s3: S3Client, job: JobRequest) -> None:
    """Check that every file of a job is in the bucket with the digest that the settings name.

    Raises DataNotPushedError or DataChangedError, with the command that mends it.
    """
    for wanted in data_objects(job):
        _check_object(s3=s3, wanted=wanted)


def _check_object(*, s3: S3Client, wanted: DataObject) -> None:
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
