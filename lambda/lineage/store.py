"""Records in the bucket: read as files, and added to by writing each file once."""

from __future__ import annotations

import base64
import hashlib
import json
import re
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from lineage.entry import SCHEMA, Entry, Event, Facts, digest_of, moment

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

FOLDER: Final = "lineage"
"""Below a job's outputs."""
MOST_ENTRIES: Final = 9999
MOST_TRIES: Final = 5
"""How often a number is taken by another writer before this one gives up."""
_TAKEN: Final = frozenset({"PreconditionFailed", "ConditionalRequestConflict"})
_FILE = re.compile(r"([0-9]{4})\.json")


class CrowdedRecordError(Exception):
    """Other writers took every number that was tried."""


@dataclass(frozen=True, kw_only=True)
class RecordStore:
    """The records of one job of an environment.

    `prefix` is the job's outputs, such as `outputs/policy-review/`.
    """

    client: S3Client
    bucket: str
    prefix: str

    def folder(self, name: str) -> str:
        """Return what the keys of a record begin with."""
        return f"{self.prefix}{FOLDER}/{name}/"

    def files(self, name: str) -> list[tuple[int, bytes]]:
        """Return a record's files as number and content, by rising number; none when there is none.

        Files that are called otherwise are not entries, and are passed over.
        """
        folder = self.folder(name)
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=folder
        )
        keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
        found = []
        for key in sorted(keys):
            match = _FILE.fullmatch(key.removeprefix(folder))
            if match:
                answer = self.client.get_object(Bucket=self.bucket, Key=key)
                found.append((int(match[1]), answer["Body"].read()))
        return found

    def append(
        self,
        *,
        environment: str,
        job: str,
        name: str,
        id: str,
        event: Event,
        facts: Facts,
        at: datetime,
        by: str,
    ) -> Entry | None:
        """Add an entry to a record and return it; None when the happening `id` is in it already.

        Nothing is ever written over: S3 refuses a key that exists, and then the next number is
        tried after reading again. Needs s3:ListBucket, s3:GetObject and s3:PutObject on the folder.
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/conditional-writes.html

        Raises CrowdedRecordError when that happens MOST_TRIES times over.
        """
        for _ in range(MOST_TRIES):
            files = self.files(name)
            if any(json.loads(content).get("id") == id for _, content in files):
                return None
            sequence = files[-1][0] + 1 if files else 1
            if sequence > MOST_ENTRIES:
                break
            entry = Entry(
                schema=SCHEMA,
                environment=environment,
                job=job,
                name=name,
                sequence=sequence,
                previous=digest_of(files[-1][1]) if files else None,
                id=id,
                event=event,
                at=moment(at),
                by=by,
                facts=facts,
            )
            if self._put(key=f"{self.folder(name)}{sequence:04}.json", content=entry.as_bytes()):
                return entry
        raise CrowdedRecordError(f"no number for another entry in {self.folder(name)} was free")

    def _put(self, *, key: str, content: bytes) -> bool:
        """Write a new object; False when the key is taken."""
        try:
            # No encryption is asked for: the bucket's own is the data key.
            self.client.put_object(
                Bucket=self.bucket,
                Key=key,
                Body=content,
                ContentType="application/json",
                ChecksumSHA256=base64.b64encode(hashlib.sha256(content).digest()).decode(),
                IfNoneMatch="*",
            )
        except ClientError as error:
            if error.response.get("Error", {}).get("Code") in _TAKEN:
                return False
            raise
        return True
