"""The check of a data set: one pass over each file, in several processes where that pays.

Rules: https://docs.aws.amazon.com/bedrock/latest/userguide/model-customization-prepare.html and the
pages that the formats name.
"""

import hashlib
import multiprocessing
import os
import re
import signal
import sys
import zlib
from array import array
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

from trainingdata.findings import DataFinding, Tally
from trainingdata.likeness import SKETCH, Numbers
from trainingdata.limits import DataLimits
from trainingdata.part import Part, PartCheck, Work

CHECK_VERSION = "2"
"""Version of these rules, kept in the lock file; raise it when a rule is added or changed."""
PART_BYTES = 16 * 1024 * 1024
"""What one process checks at a time."""
ALONE_BYTES = 8 * 1024 * 1024
"""Up to here a file is checked by this process: starting others takes longer."""
COMPARED_RECORDS = 1_000_000
"""Records that duplicates are looked for among, the first of a file: bounds the memory."""
FILE_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_.-]*")
"""File names Bedrock takes: letters, digits, `_`, `-` and `.`."""

Progress = Callable[[int], None]
"""Called with the bytes checked so far."""


class FileChangedError(Exception):
    """The file changed while it was checked."""


@dataclass(kw_only=True)
class FileCheck:
    """What one pass over a file found."""

    sha256: str = ""
    """Digest of the file; empty when it was not asked for."""
    bytes: int = 0
    records: int = 0
    """Lines that hold anything: good records and bad ones."""
    lines: int = 0
    characters: int = 0
    tally: Tally = field(default_factory=Tally)
    buckets: tuple[str, ...] = ()
    """Buckets that media are in."""
    places: Numbers = field(default_factory=lambda: array("Q"))
    """Line of each record that can be compared with others."""
    digests: Numbers = field(default_factory=lambda: array("Q"))
    sketches: Numbers = field(default_factory=lambda: array("I"))

    @property
    def ok(self) -> bool:
        """Whether nothing was found that must not be trained on."""
        return self.tally.errors == 0

    @property
    def findings(self) -> list[DataFinding]:
        """The first findings of each kind."""
        return self.tally.findings

    @property
    def counts(self) -> dict[str, int]:
        """Findings of each kind, also those not kept."""
        return dict(self.tally.counts)


def check_file(
    *,
    path: Path,
    limits: DataLimits,
    training: bool = True,
    core: bool = False,
    sensitive: bool = True,
    digest: bool = False,
    counted: bool = True,
    shown: int | None = None,
    processes: int | None = None,
    progress: Progress | None = None,
) -> FileCheck:
    """Check a JSON Lines file for a family of base models and return what was found.

    `training` is False for a file that is used only for validation, to which the least number of
    records does not apply. `core` leaves out what a job does not fail with: duplicates, secrets,
    personal data; `sensitive` is False to leave out only the last two. `counted` is False when the
    number of records is judged together with another file's (see `judge_counts`). `processes` is
    how many to use; None for one a processor. Raises OSError when the file cannot be read, and
    `FileChangedError` when it changes meanwhile.
    """
    work = Work(limits=limits, likeness=not core, sensitive=sensitive and not core)
    check = FileCheck()
    if shown is not None:
        check.tally.shown = shown
    with path.open("rb", buffering=0) as file:
        handle = file.fileno()
        state = os.fstat(handle)
        check.bytes = state.st_size
        _check_size(limits=limits, training=training, check=check)
        whole = Part()
        whole.tally = check.tally
        ranges = [
            (start, min(start + PART_BYTES, state.st_size))
            for start in range(0, state.st_size, PART_BYTES)
        ]
        sha256 = hashlib.sha256() if digest else None
        workers = min(processes or os.cpu_count() or 1, len(ranges))
        if state.st_size <= ALONE_BYTES:
            workers = min(workers, 1)
        with _parts(
            path=path, handle=handle, work=work, ranges=ranges, workers=workers, coded=digest
        ) as parts:
            for (start, stop), (part, code) in zip(ranges, parts, strict=True):
                if sha256 is not None:
                    _digest(handle, start, stop, code=code, into=sha256)
                _absorb(part, check=check, whole=whole)
                if progress is not None:
                    progress(stop)
        if sha256 is not None:
            check.sha256 = sha256.hexdigest()
        if os.fstat(handle).st_size != state.st_size:
            raise FileChangedError
    check.buckets = tuple(whole.buckets)
    _check_media(whole, check=check)
    if counted:
        judge_counts(
            limits=limits,
            training=check if training else None,
            validation=None if training else check,
        )
    return check


def _absorb(part: Part, *, check: FileCheck, whole: Part) -> None:
    """Add a part to what was found before it."""
    before = check.lines
    check.tally.absorb(part.tally, lines=before)
    check.lines += part.lines
    check.records += part.records
    check.characters += part.characters
    room = COMPARED_RECORDS - len(check.places)
    if room > 0:
        check.places.extend(array("Q", [line + before for line in part.places[:room]]))
        check.digests.extend(part.digests[: 2 * room])
        check.sketches.extend(part.sketches[: SKETCH * room])
    if whole.first_images is None and part.first_images is not None:
        whole.first_images = part.first_images + before
    if whole.first_videos is None and part.first_videos is not None:
        whole.first_videos = part.first_videos + before
    for bucket, line in part.buckets.items():
        whole.buckets.setdefault(bucket, line + before)


def _check_size(*, limits: DataLimits, training: bool, check: FileCheck) -> None:
    most = limits.maximum_file_bytes if training else limits.maximum_validation_file_bytes
    if most is not None and check.bytes > most:
        check.tally.add(
            DataFinding(
                kind="file-size",
                message=f"{limits.name} takes a file of {most} bytes at most, got {check.bytes}",
                fix="remove records, or sample them",
            )
        )


def _check_media(whole: Part, *, check: FileCheck) -> None:
    images, videos = whole.first_images, whole.first_videos
    if images is not None and videos is not None and images != videos:
        check.tally.add(
            DataFinding(
                kind="mixed-media",
                message="a data set may hold images or videos, not both;"
                f" the other kind is first on line {min(images, videos)}",
                fix="make a data set of each kind",
                line=max(images, videos),
            )
        )
    for line in sorted(whole.buckets.values())[1:]:
        check.tally.add(
            DataFinding(
                kind="media-bucket",
                message="media are in more than one bucket; they must be in the data set's",
                fix="copy them into the bucket of the data set",
                line=line,
            )
        )


def judge_counts(
    *, limits: DataLimits, training: FileCheck | None, validation: FileCheck | None
) -> None:
    """Report numbers of records that the family does not take, in the file that is to change."""
    quota = "; the maximum is a quota that AWS can raise" if limits.maximum_is_quota else ""
    one = training or validation
    if one is None:
        return
    both = sum(check.records for check in (training, validation) if check is not None)
    least = limits.minimum_records if training is not None else 1
    if not least <= both <= limits.maximum_records:
        together = ", training and validation together" if training and validation else ""
        one.tally.add(
            DataFinding(
                kind="record-count",
                message=f"{limits.name} takes {least} to {limits.maximum_records} records"
                f"{together}, got {both}{quota}",
                fix="add records" if both < least else "remove records, or sample them",
            )
        )
    if validation is None:
        return
    fewest = limits.minimum_validation_records or 1
    most = limits.maximum_validation_records
    if validation.records < fewest or (most is not None and validation.records > most):
        allowed = f"{fewest} to {most}" if most is not None else f"at least {fewest}"
        finding = DataFinding(
            kind="record-count",
            message=f"{limits.name} takes {allowed} validation records, got {validation.records}",
            fix="move records between training and validation: `finetune data split`",
        )
        if validation is not one or both >= least:
            validation.tally.add(finding)
    if limits.validation != "used":
        word = "ignores validation data" if limits.validation == "ignored" else "takes none"
        validation.tally.add(
            DataFinding(
                kind="validation-data",
                level="warning" if limits.validation == "ignored" else "error",
                message=f"a job of {limits.name} {word}",
                fix="leave the validation data set out",
            )
        )


# --- several processes -----------------------------------------------------------------------

_checker: PartCheck | None = None


def _start(work: Work) -> None:
    """Make this process ready to check parts."""
    global _checker  # noqa: PLW0603 one in each process
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent ends us
    _checker = PartCheck(work)


def _check_part(path: str, coded: bool, place: tuple[int, int]) -> tuple[Part, int]:
    assert _checker is not None  # noqa: S101 made by _start
    with Path(path).open("rb", buffering=0) as file:
        part = _checker.check(handle=file.fileno(), start=place[0], stop=place[1])
        return part, _code(file.fileno(), *place) if coded else 0


@contextmanager
def _parts(
    *,
    path: Path,
    handle: int,
    work: Work,
    ranges: list[tuple[int, int]],
    workers: int,
    coded: bool,
) -> Iterator[Iterator[tuple[Part, int]]]:
    """The parts of a file, in its order, checked here or by other processes."""
    checker = PartCheck(work)  # loads what it needs, before others are forked off
    if workers <= 1:

        def here() -> Iterator[tuple[Part, int]]:
            for start, stop in ranges:
                part = checker.check(handle=handle, start=start, stop=stop)
                yield part, _code(handle, start, stop) if coded else 0

        yield here()
        return
    # Forked where that is safe: the others share what is loaded, and start at once.
    method = "fork" if sys.platform == "linux" else None
    pool = ProcessPoolExecutor(
        workers,
        mp_context=multiprocessing.get_context(method),
        initializer=_start,
        initargs=(work,),
    )
    try:
        yield pool.map(partial(_check_part, str(path), coded), ranges)
    finally:
        pool.shutdown(cancel_futures=True)


def _code(handle: int, start: int, stop: int) -> int:
    return zlib.crc32(os.pread(handle, stop - start, start))


def _digest(handle: int, start: int, stop: int, *, code: int, into: "hashlib._Hash") -> None:
    content = os.pread(handle, stop - start, start)
    if zlib.crc32(content) != code:
        raise FileChangedError
    into.update(content)
