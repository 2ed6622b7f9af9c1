"""The file that a job trains on: the given one, or what is made of it for the model.

What is made is derived: the same file, model and seed give the same bytes, so that nothing need be
kept to go on after an interruption, and the digest tells whether it was pushed before.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from finetune.data_check import require_file
from finetune.report import CommandError, ExitCode, Output, failure

if TYPE_CHECKING:
    from finetune.data_model import Method
    from trainingdata.limits import DataLimits

TABLES = frozenset({".csv", ".tsv", ".json"})
"""Endings of files that hold no records of any model's format."""
_LOOKED_AT = 1024 * 1024
"""Bytes in which the first record of a file is looked for."""


@dataclass(frozen=True, kw_only=True)
class Source:
    """What a job trains on, and what was given."""

    training: Path
    validation: Path | None
    given: Path
    """The file that a person named."""
    said: str
    """What was made of it, in words."""


def prepare(
    *,
    output: Output,
    path: Path,
    validation: Path | None,
    share: float | None,
    model: str,
    method: "Method",
    limits: "DataLimits",
    folder: Path,
) -> Source:
    """Return the data in the model's format, converted and parted into `folder` where needed.

    `share` is the part of the records for validation below one, a number of them from one on, and
    None to part nothing. Raises `CommandError` for what cannot be read, or makes no records.
    """
    require_file(path)
    training, words = _in_format(
        output=output, path=path, model=model, method=method, limits=limits, folder=folder
    )
    if validation is not None:
        require_file(validation)
        other, _ = _in_format(
            output=output,
            path=validation,
            model=model,
            method=method,
            limits=limits,
            folder=_made(folder / "validation"),
        )
        return Source(training=training, validation=other, given=path, said=words)
    if share is None:
        return Source(training=training, validation=None, given=path, said=words)
    parts = _parted(
        output=output, path=training, model=model, method=method, share=share, folder=folder
    )
    return Source(training=parts[0], validation=parts[1], given=path, said=f"{words}, parted")


def is_in_format(*, path: Path, limits: "DataLimits") -> bool:
    """Whether a file's first record has the shape of a family's format, right or wrong."""
    from trainingdata.formats import format_of  # noqa: PLC0415 loaded when used
    from trainingdata.formats.base import Report  # noqa: PLC0415
    from trainingdata.json_line import parse  # noqa: PLC0415

    if path.suffix.lower() in TABLES:
        return False
    with path.open("rb") as file:
        head = file.read(_LOOKED_AT).removeprefix(b"\xef\xbb\xbf")
    line = next((line for line in head.splitlines() if line.strip()), b"")
    if line.lstrip().startswith(b"["):
        return False
    record, _ = parse(line)
    if record is None:
        # No object: converting would not find one either, and the check says what is wrong.
        return True
    return _has_marks(record) or not _report(format_of(limits).explain, record, Report())


def _has_marks(record: Mapping[str, Any]) -> bool:
    return "schemaVersion" in record


def _report(explain: Any, record: dict[str, Any], report: Any) -> list[Any]:  # noqa: ANN401 - a format's own
    explain(record, report)
    found: list[Any] = report.findings
    return found


def _in_format(
    *,
    output: Output,
    path: Path,
    model: str,
    method: "Method",
    limits: "DataLimits",
    folder: Path,
) -> tuple[Path, str]:
    from trainingdata.check import FILE_NAME  # noqa: PLC0415 loaded when used

    target = folder / f"{_plain(path)}.jsonl"
    if is_in_format(path=path, limits=limits):
        if FILE_NAME.fullmatch(path.name):
            return path, f"as it is, {limits.format}"
        target.symlink_to(path.resolve())
        return target, f"as it is, {limits.format}"
    from finetune.data_make import convert_file  # noqa: PLC0415 loaded when used
    from trainingdata.convert import Columns  # noqa: PLC0415

    try:
        made = convert_file(
            output=Output(as_json=True),
            path=path,
            target=target,
            model=model,
            method=method,
            columns=Columns(),
            system=None,
            skip_bad=False,
            force=True,
        )
    except CommandError as error:
        for finding in error.findings:
            output.add(finding)
        raise failure(
            code=error.code,
            id="not-converted",
            message=f"{path.name} is not in the {limits.format} format, and cannot be converted"
            " to it as it is",
            fix=f"convert it by hand, naming its columns: finetune data convert {path} --to"
            f" data.jsonl --model {model}; then train on data.jsonl",
            where={"file": str(path)},
        ) from error
    return target, f"converted to {limits.format}, {made['records']} records"


def _parted(
    *,
    output: Output,
    path: Path,
    model: str,
    method: "Method",
    share: float,
    folder: Path,
) -> tuple[Path, Path]:
    from finetune.data_make import split_file  # noqa: PLC0415 loaded when used

    # Beside the file that is parted, which may be where nothing can be written.
    beside = folder / f"{_plain(path)}.all.jsonl"
    if path.parent == folder:
        path.rename(beside)
    else:
        beside.symlink_to(path.resolve())
    del output
    parts: Any = split_file(
        output=Output(as_json=True),
        path=beside,
        model=model,
        method=method,
        share=share,
        seed=0,
        force=True,
    )
    return Path(parts["training"]["file"]), Path(parts["validation"]["file"])


def _plain(path: Path) -> str:
    """The file's name without its ending, in characters that S3 and Bedrock take."""
    kept = [
        sign if sign.isascii() and (sign.isalnum() or sign in "_-") else "-" for sign in path.stem
    ]
    return "".join(kept).lstrip("_-") or "data"


def _made(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    return folder


def share_of(text: str) -> float:
    """The share of the records, or their number, that `--split` asks for: 10%, 0.1 or 200.

    Raises `CommandError` for what is neither.
    """
    number = text.strip()
    try:
        share = float(number.removesuffix("%")) / (100 if number.endswith("%") else 1)
    except ValueError:
        share = -1.0
    if not share > 0 or (number.endswith("%") and share >= 1) or (share > 1 and share % 1):
        raise failure(
            code=ExitCode.USAGE,
            id="split-share",
            message=f"--split must be a share of the records or a number of them, got {text!r}",
            fix="write for example --split 10%, --split 0.1 or --split 200",
        )
    return share
