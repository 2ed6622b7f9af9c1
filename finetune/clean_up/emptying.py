"""Emptying a bucket for good: every version of every object, and uploads that were not finished."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from finetune.aws import aws_errors, error_code
from finetune.report import ExitCode, failure

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import ObjectIdentifierTypeDef


def empty(*, s3: S3Client, bucket: str, told: Callable[[int], None] | None = None) -> int:
    """Delete all that a bucket holds and return how many versions that were.

    Args:
        s3: Client of an administrator of the bucket: nobody else may delete in it.
        bucket: Its name; one that is gone is empty.
        told: Called with the number of versions deleted so far.

    Raises:
        CommandError: AWS refused; what was deleted until then is gone.
    """
    done = 0
    with aws_errors(
        doing=f"emptying the bucket {bucket}",
        denied="its policy lets only people.administrators of the settings delete: use their"
        " credentials, or name a role of theirs with --administrator",
    ):
        try:
            for versions in _in_pages(s3, bucket):
                answer = s3.delete_objects(
                    Bucket=bucket, Delete={"Objects": versions, "Quiet": True}
                )
                for error in answer.get("Errors", []):
                    raise failure(
                        code=ExitCode.AWS,
                        id="access-denied",
                        message=f"the bucket {bucket} cannot be emptied:"
                        f" {error.get('Message', error.get('Code', 'refused'))}",
                        fix="its policy lets only people.administrators of the settings delete: use"
                        " their credentials, or name a role of theirs with --administrator",
                    )
                done += len(versions)
                if told:
                    told(done)
            for upload in _uploads(s3, bucket):
                s3.abort_multipart_upload(Bucket=bucket, Key=upload[0], UploadId=upload[1])
        except s3.exceptions.ClientError as error:
            if error_code(error) != "NoSuchBucket":
                raise
    return done


def _in_pages(s3: S3Client, bucket: str) -> Iterator[list[ObjectIdentifierTypeDef]]:
    for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
        found: list[ObjectIdentifierTypeDef] = [
            {"Key": each["Key"], "VersionId": each["VersionId"]}
            for each in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
        ]
        # A page holds at most 1000 of both together, and one call deletes as many.
        # https://docs.aws.amazon.com/AmazonS3/latest/API/API_DeleteObjects.html
        if found:
            yield found


def _uploads(s3: S3Client, bucket: str) -> Iterator[tuple[str, str]]:
    for page in s3.get_paginator("list_multipart_uploads").paginate(Bucket=bucket):
        for each in page.get("Uploads", []):
            yield each["Key"], each["UploadId"]
