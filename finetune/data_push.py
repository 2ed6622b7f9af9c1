"""Pushing a data set: check, upload once, record in the lock file.

The object's key holds the digest of the content, and the bucket accepts each key once, so a job
trains on exactly the bytes that were checked. The file goes straight to the encrypted bucket: under
the data key, as the uploader role, with a checksum that S3 verifies.
"""

import base64
import datetime
import hashlib
import json
import math
import os
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeAlias

from finetune.aws import Connection, aws_errors, error_code, stack_outputs
from finetune.environments import Environment
from finetune.lock_file import Entry
from finetune.report import CommandError, ExitCode, failure
from finetune.unfinished import Unfinished
from trainingdata.check import CHECK_VERSION, FileCheck

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_s3.type_defs import CompletedPartTypeDef

PREFIX = "fine-tuning-datasets"
"""Prefix of all data sets in the data bucket, as in `settings.datasets`."""
PART_BYTES = 16 * 1024 * 1024
"""Size of a part of a multipart upload, and the largest file sent in one request."""
MAXIMUM_PARTS = 10_000
"""https://docs.aws.amazon.com/AmazonS3/latest/userguide/qfacts.html"""
UPLOADS_AT_ONCE = 4
"""Parts under way at a time; together with their size, what an upload needs of memory."""

_UPLOAD_GONE = {"NoSuchUpload"}
_LATER = {"ExpiredToken", "ExpiredTokenException", "RequestTimeout", "RequestTimeTooSkewed"}
"""Refusals that a later push does not meet again."""

Progress: TypeAlias = Callable[[int], None]
"""Called with the bytes sent so far."""


@dataclass(frozen=True, kw_only=True)
class Destination:
    """Where an environment keeps its data, and as whom it is written."""

    bucket: str
    key_arn: str
    """KMS key of the bucket."""
    role_arn: str
    """The uploader role."""


def find_destination(*, connection: Connection, environment: Environment) -> Destination | None:
    """Return where data goes, from the outputs of the stacks; None before they are deployed."""
    storage = environment.stack("storage")
    outputs = stack_outputs(connection=connection, stack=storage)
    if outputs is None:
        return None
    found = {storage: outputs}
    for part in ("encryption", "identity"):
        stack = environment.stack(part)
        found[stack] = stack_outputs(connection=connection, stack=stack) or {}

    def output(part: str, name: str) -> str:
        stack = environment.stack(part)
        if name not in found[stack]:
            raise failure(
                code=ExitCode.AWS,
                id="no-output",
                message=f"the stack {stack} has no output {name}: its deployment is under way or"
                " did not succeed",
                fix=f"deploy it (`cdk deploy -c environment={environment.name} {stack}`), then push"
                " again",
                where={"stack": stack, "property": name},
            )
        return found[stack][name]

    return Destination(
        bucket=output("storage", "DataBucketName"),
        key_arn=output("encryption", "DataKeyArn"),
        role_arn=output("identity", "UploaderRoleArn"),
    )


def make_entry(
    *, name: str, path: Path, check: FileCheck, model_family: str, previous: object
) -> Entry:
    """Return the lock file's entry for a checked file.

    Content that was pushed before keeps its key, whatever the file is called now.
    """
    key = f"{PREFIX}/{name}/{check.sha256}/{path.name}"
    if isinstance(previous, dict) and previous.get("sha256") == check.sha256:
        kept = previous.get("key")
        if isinstance(kept, str) and kept.startswith(f"{PREFIX}/{name}/{check.sha256}/"):
            key = kept
    now = datetime.datetime.now(tz=datetime.UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    return {
        "sha256": check.sha256,
        "key": key,
        "bytes": check.bytes,
        "records": check.records,
        "check": {
            "version": CHECK_VERSION,
            "model_family": model_family,
            "ok": check.ok,
            "at": now,
        },
    }


def upload_once(
    *,
    connection: Connection,
    destination: Destination,
    entry: Entry,
    path: Path,
    progress: Progress | None = None,
) -> bool:
    """Bring the file to its key, unless it is there, and return whether anything was sent.

    Raises `CommandError` when AWS refuses, when the object there is another, or when the file
    changes while it is read.
    """
    with aws_errors(
        doing=f"assuming the uploader role {destination.role_arn}",
        denied="the caller must be among people.uploaders of the settings, and allowed to call"
        " sts:AssumeRole on this role",
    ):
        client = connection.s3_as(role=destination.role_arn)
    with aws_errors(
        doing=f"uploading to s3://{destination.bucket}",
        denied="deploy the environment's stacks anew; if it stays, the policies of the bucket and"
        " of the data key say who may write",
    ):
        upload = _Upload(client=client, destination=destination, entry=entry, path=path)
        if upload.exists():
            return False
        return upload.send(progress=progress)


class _Upload:
    """One file on its way to one key."""

    def __init__(
        self, *, client: "S3Client", destination: Destination, entry: Entry, path: Path
    ) -> None:
        self._client = client
        self._bucket = destination.bucket
        self._key_arn = destination.key_arn
        self._entry = entry
        self._path = path
        self._part_bytes = max(PART_BYTES, math.ceil(entry["bytes"] / MAXIMUM_PARTS))

    def exists(self) -> bool:
        """Whether the object is there; end the command when it is not what its key says."""
        # A HEAD of an absent key is answered 403 to a role that may list only a prefix, because
        # that request names no prefix; a listing names it and answers truly.
        listing = self._client.list_objects_v2(Bucket=self._bucket, Prefix=self._entry["key"])
        if all(found.get("Key") != self._entry["key"] for found in listing.get("Contents", [])):
            return False
        head = self._client.head_object(Bucket=self._bucket, Key=self._entry["key"])
        if (
            head["ContentLength"] != self._entry["bytes"]
            or head["Metadata"].get("sha256") != self._entry["sha256"]
        ):
            raise failure(
                code=ExitCode.AWS,
                id="object-differs",
                message=f"s3://{self._bucket}/{self._entry['key']} exists and is not this file:"
                f" {head['ContentLength']} bytes, expected {self._entry['bytes']}",
                fix="find out who wrote it; an administrator can delete it, then push again",
            )
        return True

    def send(self, *, progress: Progress | None) -> bool:
        """Write the object unless somebody wrote it meanwhile; return whether it was written."""
        from botocore.exceptions import ClientError  # noqa: PLC0415 slow to load

        try:
            if self._entry["bytes"] <= PART_BYTES:
                self._send_whole()
            else:
                self._send_parts(progress=progress)
        except ClientError as error:
            if error_code(error) == "PreconditionFailed" and self.exists():
                return False
            if error_code(error) in {"BadDigest", "XAmzContentChecksumMismatch"}:
                raise self._changed() from error
            raise
        if progress is not None:
            progress(self._entry["bytes"])
        return True

    def _encryption(self) -> dict[str, Any]:
        return {
            "ServerSideEncryption": "aws:kms",
            "SSEKMSKeyId": self._key_arn,
            # The key's policy knows the bucket as encryption context, which a bucket key makes it.
            "BucketKeyEnabled": True,
            "ContentType": "application/jsonl",
            # The submitter reads both: what the job must train on, and what was found in it.
            "Metadata": {
                "sha256": self._entry["sha256"],
                "check": json.dumps(self._entry["check"], sort_keys=True, separators=(",", ":")),
            },
        }

    def _send_whole(self) -> None:
        with self._path.open("rb") as body:
            self._client.put_object(
                Bucket=self._bucket,
                Key=self._entry["key"],
                Body=body,
                ChecksumSHA256=base64.b64encode(bytes.fromhex(self._entry["sha256"])).decode(),
                IfNoneMatch="*",
                **self._encryption(),
            )

    def _send_parts(self, *, progress: Progress | None) -> None:
        from botocore.exceptions import ClientError  # noqa: PLC0415 slow to load

        unfinished = Unfinished(
            bucket=self._bucket, key=self._entry["key"], part_bytes=self._part_bytes
        )
        begun = unfinished.read()
        if begun is not None:
            try:
                self._finish(unfinished, *begun, progress=progress)
            except ClientError as error:
                if error_code(error) not in _UPLOAD_GONE:
                    raise
            else:
                return
        upload = self._client.create_multipart_upload(
            Bucket=self._bucket,
            Key=self._entry["key"],
            ChecksumAlgorithm="SHA256",
            **self._encryption(),
        )["UploadId"]
        self._finish(unfinished, upload, [], progress=progress)

    def _finish(
        self,
        unfinished: Unfinished,
        upload_id: str,
        parts: "list[CompletedPartTypeDef]",
        *,
        progress: Progress | None,
    ) -> None:
        """Send the parts that are missing, and make an object of all."""
        from botocore.exceptions import ClientError  # noqa: PLC0415 slow to load

        try:
            done = self._upload_parts(
                unfinished=unfinished, upload_id=upload_id, begun=parts, progress=progress
            )
            self._client.complete_multipart_upload(
                Bucket=self._bucket,
                Key=self._entry["key"],
                UploadId=upload_id,
                MultipartUpload={"Parts": done},
                IfNoneMatch="*",
            )
        except BaseException as error:
            if _is_final(error):
                # Parts of an unfinished upload are kept, and paid for, until somebody ends it.
                unfinished.forget()
                if not (isinstance(error, ClientError) and error_code(error) in _UPLOAD_GONE):
                    self._client.abort_multipart_upload(
                        Bucket=self._bucket, Key=self._entry["key"], UploadId=upload_id
                    )
            raise
        unfinished.forget()

    def _upload_parts(
        self,
        *,
        unfinished: Unfinished,
        upload_id: str,
        begun: "list[CompletedPartTypeDef]",
        progress: Progress | None,
    ) -> "list[CompletedPartTypeDef]":
        arrived = {part.get("PartNumber"): part.get("ChecksumSHA256") for part in begun}
        done = list(begun)
        sent = 0
        with ThreadPoolExecutor(max_workers=UPLOADS_AT_ONCE) as pool:
            futures: list[Future[tuple[CompletedPartTypeDef, int]]] = []
            waiting: set[Future[tuple[CompletedPartTypeDef, int]]] = set()
            try:
                for number, body in self._parts():
                    if arrived.get(number) == _checksum(body):
                        sent += len(body)
                        continue
                    futures.append(pool.submit(self._upload_part, upload_id, number, body))
                    waiting.add(futures[-1])
                    if len(waiting) >= UPLOADS_AT_ONCE:
                        finished, waiting = wait(waiting, return_when=FIRST_COMPLETED)
                        sent = _collect(finished, done=done, sent=sent, progress=progress)
                        unfinished.write(upload_id=upload_id, parts=done)
                _collect(wait(waiting).done, done=done, sent=sent, progress=progress)
            except BaseException:
                pool.shutdown(cancel_futures=True)
                unfinished.write(upload_id=upload_id, parts=[*begun, *_arrived(futures)])
                raise
        unfinished.write(upload_id=upload_id, parts=done)
        return sorted(done, key=lambda part: part.get("PartNumber", 0))

    def _parts(self) -> Iterator[tuple[int, bytes]]:
        """Yield the numbered parts; end the command when they are not what was checked."""
        digest = hashlib.sha256()
        number = 0
        with self._path.open("rb") as file:
            while body := file.read(self._part_bytes):
                number += 1
                digest.update(body)
                yield number, body
        if digest.hexdigest() != self._entry["sha256"]:
            raise self._changed()

    def _upload_part(
        self, upload_id: str, number: int, body: bytes
    ) -> "tuple[CompletedPartTypeDef, int]":
        checksum = _checksum(body)
        answer = self._client.upload_part(
            Bucket=self._bucket,
            Key=self._entry["key"],
            UploadId=upload_id,
            PartNumber=number,
            Body=body,
            ChecksumSHA256=checksum,
        )
        part: CompletedPartTypeDef = {
            "PartNumber": number,
            "ETag": answer["ETag"],
            "ChecksumSHA256": checksum,
        }
        return part, len(body)

    def _changed(self) -> CommandError:
        return failure(
            code=ExitCode.USAGE,
            id="file-changed",
            message="the file changed between the check and the upload",
            fix="push it again when nothing writes to it any more",
            where={"file": os.fspath(self._path)},
        )


def _arrived(
    futures: "list[Future[tuple[CompletedPartTypeDef, int]]]",
) -> "Iterator[CompletedPartTypeDef]":
    """Yield the parts that were sent; others failed or were never begun."""
    for future in futures:
        if future.done() and not future.cancelled() and future.exception() is None:
            yield future.result()[0]


def _checksum(body: bytes) -> str:
    return base64.b64encode(hashlib.sha256(body).digest()).decode()


def _is_final(error: BaseException) -> bool:
    """Whether going on later cannot help: the file changed, or AWS said no for good."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 slow to load

    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 400)
        return 400 <= status < 500 and error_code(error) not in _LATER
    return isinstance(error, CommandError)


def _collect(
    finished: "set[Future[tuple[CompletedPartTypeDef, int]]]",
    *,
    done: "list[CompletedPartTypeDef]",
    sent: int,
    progress: Progress | None,
) -> int:
    """Take the results of finished parts, or the first error among them; return the bytes sent."""
    for future in finished:
        part, size = future.result()
        done.append(part)
        sent += size
        if progress is not None:
            progress(sent)
    return sent
