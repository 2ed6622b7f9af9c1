"""`finetune data check`: the check of data sets, and what is said of it."""

import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.data_model import Method, limits_for
from finetune.progress import Bar, progress_bar
from finetune.report import CommandError, ExitCode, Finding, Output, failure

_GZIP = b"\x1f\x8b"
"""How a gzip file begins; invocation logs are delivered so."""

if TYPE_CHECKING:
    from trainingdata.check import FileCheck
    from trainingdata.limits import DataLimits


def check_files(
    *,
    output: Output,
    files: Sequence[Path],
    model: str,
    method: Method,
    validation: Path | None,
    logs: bool,
    core: bool,
    strict: bool,
    first: int,
) -> Mapping[str, object]:
    """Check each file, alone or together with the validation data.

    Raises `CommandError` when something was found that must not be trained on, and for `strict`
    when anything was found at all.
    """
    from trainingdata.check import judge_counts  # noqa: PLC0415 loaded when used

    limits = limits_for(model=model, method=method, logs=logs)
    checks = [
        (path, check_one(path=path, limits=limits, core=core, first=first, output=output))
        for path in files
    ]
    against = None
    if validation is not None:
        against = check_one(
            path=validation,
            limits=limits,
            training=False,
            core=core,
            first=first,
            output=output,
        )
    for path, check in checks:
        judge_counts(limits=limits, training=check, validation=against)
        if not core:
            compare(path=path, check=check, validation=against)
    told = checks if against is None or validation is None else [*checks, (validation, against)]
    for path, check in told:
        _say(path=path, check=check, limits=limits, output=output)
    result = {
        "model": model,
        "family": limits.name,
        "format": limits.format,
        "files": [_as_json(path, check) for path, check in told],
    }
    findings = [finding for path, check in told for finding in findings_of(path, check)]
    if all(check.ok and not (strict and check.tally.warnings) for _, check in told):
        for finding in findings:
            output.add(finding)
        return result
    raise CommandError(code=ExitCode.FINDINGS, findings=findings, result=result)


def check_one(
    *,
    path: Path,
    limits: "DataLimits",
    output: Output,
    training: bool = True,
    core: bool = False,
    sensitive: bool = True,
    first: int | None = None,
    digest: bool = False,
    bar: Bar = progress_bar,
) -> "FileCheck":
    """Check one file, its number of records excepted, and show how far it is by a bar.

    Raises `CommandError` for a file that cannot be read.
    """
    from concurrent.futures import BrokenExecutor  # noqa: PLC0415 loaded when used

    from trainingdata.check import FileChangedError, check_file  # noqa: PLC0415

    try:
        require_file(path)
        size = path.stat().st_size
        with bar(what=f"checking {path.name}", total=size, output=output) as progress:
            return check_file(
                path=path,
                limits=limits,
                training=training,
                core=core,
                sensitive=sensitive,
                digest=digest,
                counted=False,
                shown=first,
                progress=progress,
            )
    except OSError as error:
        raise failure(
            code=ExitCode.USAGE,
            id="unreadable-file",
            message=f"the file cannot be read ({error.strerror or type(error).__name__})",
            fix="check the path and its permissions",
            where={"file": str(path)},
        ) from error
    except BrokenExecutor as error:
        raise failure(
            code=ExitCode.USAGE,
            id="process-ended",
            message="a process that checked a part of the file was ended from outside",
            fix="see that there is memory left, and check the file again",
            where={"file": str(path)},
        ) from error
    except FileChangedError as error:
        raise failure(
            code=ExitCode.USAGE,
            id="file-changed",
            message="the file changed while it was checked",
            fix="check it again when nothing writes to it any more",
            where={"file": str(path)},
        ) from error


def require_file(path: Path) -> None:
    """Raise `CommandError` for what is not a file that can be read."""
    if not path.is_file() or not os.access(path, os.R_OK):
        raise failure(
            code=ExitCode.USAGE,
            id="unreadable-file",
            message="there is no such file"
            if not path.exists()
            else "the file cannot be read, or is none",
            fix="check the path and its permissions; a pipe or a folder cannot be read",
            where={"file": str(path)},
        )
    with path.open("rb") as file:
        if file.read(2) == _GZIP:
            raise failure(
                code=ExitCode.USAGE,
                id="compressed-file",
                message="the file is compressed; Bedrock reads data sets as they are",
                fix=f"decompress it: gunzip {path}",
                where={"file": str(path)},
            )


def findings_of(path: Path, check: "FileCheck") -> list[Finding]:
    """What is shown of a check: the first findings of each kind, and how many more there are."""
    findings = [finding.as_finding(file=str(path)) for finding in check.findings]
    kept: dict[str, int] = {}
    for finding in check.findings:
        kept[finding.kind] = kept.get(finding.kind, 0) + 1
    more = {kind: count - kept.get(kind, 0) for kind, count in check.counts.items()}
    told = ", ".join(f"{count} of {kind}" for kind, count in more.items() if count)
    if told:
        findings.append(
            Finding(
                id="data.more",
                level="note",
                message=f"more findings are counted and not shown: {told}",
                fix="",
                where={"file": str(path)},
            )
        )
    return findings


def compare(*, path: Path, check: "FileCheck", validation: "FileCheck | None") -> None:
    """Add duplicates to what was found, and leakage to what was found in validation data."""
    from trainingdata.duplicates import Records, duplicates, leaks  # noqa: PLC0415 when used

    records = Records.of(check)
    check.tally.extend(duplicates(records))
    if validation is not None:
        others = Records.of(validation)
        validation.tally.extend(leaks(training=records, validation=others, file=str(path)))


def _say(*, path: Path, check: "FileCheck", limits: "DataLimits", output: Output) -> None:
    tokens = check.characters // limits.characters_per_token
    output.say(
        f"{path}: {check.records} records, {check.bytes} bytes, about {tokens} tokens"
        f" (an estimate: one for {limits.characters_per_token} characters); checked as"
        f" {limits.format} for {limits.name}: {check.tally.errors} errors,"
        f" {check.tally.warnings} warnings"
    )


def _as_json(path: Path, check: "FileCheck") -> dict[str, object]:
    return {
        "file": str(path),
        "ok": check.ok,
        "bytes": check.bytes,
        "records": check.records,
        "characters": check.characters,
        "counts": check.counts,
        "findings": [finding.as_json() for finding in check.findings],
    }
