"""The lock file: written by a push, read at synth, so that a job trains on what was checked.

`config/datasets.lock.json` maps the name of a data set to its digest, its key in the data bucket,
its size and the check it passed. It is committed: a change of data is a change in review.
"""

import contextlib
import fcntl
import json
import os
import tempfile
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import TypedDict

from finetune.report import CommandError, ExitCode, failure

LOCK_FILE = "datasets.lock.json"
"""Name of the file, beside the settings files."""


class Check(TypedDict):
    """The check a data set passed."""

    version: str
    model_family: str
    ok: bool
    at: str
    """When, in UTC, as `2026-01-31T12:00:00Z`."""


class Entry(TypedDict):
    """A data set as it was pushed."""

    sha256: str
    key: str
    bytes: int
    records: int
    check: Check


def read_entries(*, path: Path) -> dict[str, object]:
    """Return the entries by name; none when there is no file yet.

    Entries are not looked into: the settings check them, and a push replaces a broken one.
    """
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError:
        return {}
    except (OSError, UnicodeDecodeError) as error:
        raise _unreadable(path=path, problem=f"cannot be read ({type(error).__name__})") from error
    try:
        entries = json.loads(text)
    except ValueError as error:
        raise _unreadable(path=path, problem="is not JSON") from error
    if not isinstance(entries, dict):
        raise _unreadable(path=path, problem="does not hold a JSON object")
    return entries


def _unreadable(*, path: Path, problem: str) -> CommandError:
    return failure(
        code=ExitCode.USAGE,
        id="broken-lock-file",
        message=f"the lock file {problem}",
        fix="take it from version control again, or delete it and push each data set anew",
        where={"file": str(path)},
    )


def same_content(*, old: object, new: Entry) -> bool:
    """Whether two entries differ in nothing but the time of the check."""
    if not isinstance(old, Mapping) or not isinstance(old.get("check"), Mapping):
        return False
    timeless = {**old, "check": {**old["check"], "at": new["check"]["at"]}}
    return timeless == new


def write_entry(*, path: Path, name: str, entry: Entry) -> bool:
    """Record a data set and return whether the file changed.

    An entry that differs only in the time of its check is left alone, so that pushing the same
    data again makes no diff. The file is replaced in one step: a reader sees the old or the new
    one, and two pushes at once both end up in it.
    """
    with _alone(folder=path.parent):
        entries = read_entries(path=path)
        if same_content(old=entries.get(name), new=entry):
            return False
        entries[name] = entry
        text = json.dumps(dict(sorted(entries.items())), indent=2) + "\n"
        _replace(path=path, text=text)
        return True


@contextlib.contextmanager
def _alone(*, folder: Path) -> Iterator[None]:
    """Keep other pushes out until the file is replaced: the folder's own lock, gone with us."""
    handle = os.open(folder, os.O_RDONLY)
    try:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield
    finally:
        os.close(handle)


def _replace(*, path: Path, text: str) -> None:
    handle, temporary = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
    try:
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        # Private by mkstemp; as readable as a file written in the ordinary way.
        mask = os.umask(0)
        os.umask(mask)
        Path(temporary).chmod(0o666 & ~mask)
        Path(temporary).replace(path)
    except BaseException:
        Path(temporary).unlink(missing_ok=True)
        raise
