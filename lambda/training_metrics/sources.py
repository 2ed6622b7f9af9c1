"""Where a run's files come from: a bucket or a folder of this machine, listed and read alike."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Final, Protocol

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

MOST_BYTES: Final = 128 * 1024 * 1024
"""Largest metrics file that is read; 100,000 steps take about 3 MB."""


class TooLargeError(Exception):
    """A file is larger than any table of metrics."""

    def __init__(self, size: int) -> None:
        super().__init__(f"the file must have at most {MOST_BYTES} bytes, got {size}")


class Source(Protocol):
    """Files with names that use slashes."""

    def names(self) -> Sequence[str]:
        """Return the names of all files."""

    def read(self, name: str) -> bytes:
        """Return a file's content; raises TooLargeError above MOST_BYTES."""


@dataclass(frozen=True, kw_only=True)
class BucketSource:
    """The objects of a bucket below a prefix; their keys are the names."""

    client: S3Client
    bucket: str
    prefix: str

    def names(self) -> Sequence[str]:
        """Return all keys below the prefix, however many pages the listing has."""
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=self.prefix
        )
        return [entry["Key"] for page in pages for entry in page.get("Contents", [])]

    def read(self, name: str) -> bytes:
        """Return an object's content; raises TooLargeError above MOST_BYTES."""
        answer = self.client.get_object(Bucket=self.bucket, Key=name)
        if answer["ContentLength"] > MOST_BYTES:
            raise TooLargeError(answer["ContentLength"])
        return answer["Body"].read()


@dataclass(frozen=True, kw_only=True)
class FolderSource:
    """The files below a folder, such as a copy of a job's outputs."""

    folder: Path

    def names(self) -> Sequence[str]:
        """Return the files' paths below the folder."""
        return [
            path.relative_to(self.folder).as_posix()
            for path in sorted(self.folder.rglob("*"))
            if path.is_file()
        ]

    def read(self, name: str) -> bytes:
        """Return a file's content; raises TooLargeError above MOST_BYTES."""
        path = self.folder / name
        size = path.stat().st_size
        if size > MOST_BYTES:
            raise TooLargeError(size)
        return path.read_bytes()
