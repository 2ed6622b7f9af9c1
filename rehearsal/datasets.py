"""The data sets of the settings, pushed by the real command as a person would push them."""

from __future__ import annotations

import hashlib
import shutil
from collections.abc import Iterable
from pathlib import Path

from rehearsal.client import Client
from rehearsal.errors import RehearsalError
from rehearsal.layout import ROOT
from rehearsal.processes import Children
from settings import DatasetLock, Settings

_FOLDERS = ("examples",)
_TIMEOUT = 300.0


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


def push(
    *, person: Client, settings: Settings, config: Path, state: Path, children: Children
) -> None:
    """Run `finetune data push` for every needed data set, with a person's credentials.

    It works on a copy of the configuration folder: a rehearsal changes no lock file.

    Raises:
        RehearsalError: the command fails; what it printed is in the reasons.
    """
    copy = state / "config"
    shutil.copytree(config, copy, dirs_exist_ok=True)
    for entry in needed_by(settings):
        push_file(
            person=person,
            name=entry.name,
            path=find_file(entry, folders=[ROOT / folder for folder in _FOLDERS]),
            environment=settings.environment,
            config=copy,
            state=state,
            children=children,
        )


def push_file(
    *,
    person: Client,
    name: str,
    path: Path,
    environment: str,
    config: Path,
    state: Path,
    children: Children,
) -> None:
    """Run `finetune data push` for one file; it is written into the lock file in `config`.

    Raises:
        RehearsalError: the command fails; what it printed is in the reasons.
    """
    outcome = children.run(
        [
            *("finetune", "data", "push", name, str(path)),
            *("--environment", environment, "--config", str(config)),
        ],
        name=f"data-push-{name}",
        cwd=state,
        environment=person.environment(),
        timeout=_TIMEOUT,
    )
    if outcome.code:
        raise RehearsalError(
            f"`finetune data push {name}` failed",
            fix=f"read {outcome.log}",
            reasons=tuple(outcome.text.strip().splitlines()),
        )
