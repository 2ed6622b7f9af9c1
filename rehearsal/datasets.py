"""The data sets of the settings, put where the lock file says."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable
from pathlib import Path

from rehearsal.client import Client
from rehearsal.errors import RehearsalError
from rehearsal.layout import ROOT
from settings import DatasetLock, Settings

_FOLDERS = ("examples",)


def needed_by(settings: Settings) -> list[DatasetLock]:
    """Every data set a job names, once."""
    found: dict[str, DatasetLock] = {}
    for job in settings.jobs.values():
        for entry in (job.training_data, job.validation_data):
            if entry is not None:
                found[entry.key] = entry
    return list(found.values())


def find_file(entry: DatasetLock, *, folders: Iterable[Path]) -> Path:
    """The file with the content that was pushed; its name does not matter.

    Raises:
        RehearsalError: this machine has no such file.
    """
    for folder in folders:
        for path in sorted(folder.rglob("*.jsonl")):
            if path.stat().st_size == entry.bytes and (
                hashlib.sha256(path.read_bytes()).hexdigest() == entry.sha256
            ):
                return path
    raise RehearsalError(
        f"the data set '{entry.name}' is not on this machine: no file below "
        f"{', '.join(map(str, folders))} has the digest {entry.sha256[:16]}… of the lock file",
        fix=f"push the file you have again: `finetune data push {entry.name} FILE`",
    )


def put(*, client: Client, bucket: str, settings: Settings) -> list[str]:
    """Put every needed data set into the bucket, write-once, as the given uploader.

    Returns:
        The keys.
    """
    s3 = client.service("s3")
    folders = [ROOT / folder for folder in _FOLDERS]
    keys = []
    for entry in needed_by(settings):
        s3.put_object(
            Bucket=bucket,
            Key=entry.key,
            Body=find_file(entry, folders=folders).read_bytes(),
            IfNoneMatch="*",
            Metadata={"sha256": entry.sha256},
        )
        keys.append(entry.key)
    return keys
