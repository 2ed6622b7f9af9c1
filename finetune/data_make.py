"""`finetune data convert` and `finetune data split`: new data sets from what there is."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.data_check import check_one, findings_of, require_file
from finetune.data_model import Method, limits_for
from finetune.report import CommandError, ExitCode, Output, failure

if TYPE_CHECKING:
    from trainingdata.convert import Columns


def convert_file(
    *,
    output: Output,
    path: Path,
    target: Path,
    model: str,
    method: Method,
    columns: "Columns",
    system: str | None,
    skip_bad: bool,
    force: bool,
) -> Mapping[str, object]:
    """Write the rows of a file as a data set for a model.

    Raises `CommandError` when a row makes no record and bad rows are not to be left out.
    """
    from trainingdata.convert import convert  # noqa: PLC0415 loaded when used
    from trainingdata.rows import RowsError  # noqa: PLC0415

    limits = limits_for(model=model, method=method)
    require_file(path)
    _require_free(target, force=force)
    try:
        made = convert(
            source=path,
            target=target,
            limits=limits,
            columns=columns,
            system=system,
            skip_bad=skip_bad,
        )
    except RowsError as error:
        raise failure(
            code=ExitCode.USAGE,
            id="unreadable-rows",
            message=error.message,
            fix=error.fix,
            where={"file": str(path)},
        ) from error
    except OSError as error:
        raise _not_written(error, path=path, target=target) from error
    result = {
        "file": str(target),
        "format": limits.format,
        "records": made.records,
        "skipped": made.skipped,
        "counts": dict(made.tally.counts),
    }
    findings = [finding.as_finding(file=str(path)) for finding in made.tally.findings]
    if made.tally.errors and not skip_bad:
        raise CommandError(code=ExitCode.FINDINGS, findings=findings, result=result)
    if not made.records:
        raise failure(
            code=ExitCode.FINDINGS,
            id="no-records",
            message="no row makes a record, so nothing was written",
            fix="look at the file: its first line must name the columns",
            where={"file": str(path)},
        )
    for finding in findings:
        output.add(finding)
    output.say(f"{target}: {made.records} records as {limits.format}, {made.skipped} rows left out")
    way = "" if method is Method.FINE_TUNING else f" --method {method}"
    output.say(f"next: finetune data check {target} --model {model}{way}")
    return result


def split_file(
    *,
    output: Output,
    path: Path,
    model: str,
    method: Method,
    share: float,
    seed: int,
    force: bool,
) -> Mapping[str, object]:
    """Part a data set into training and validation data beside it.

    Raises `CommandError` for a data set with errors, and when nothing can be parted off.
    """
    from trainingdata.split import choose, part  # noqa: PLC0415 loaded when used

    limits = limits_for(model=model, method=method)
    targets = {kind: path.with_suffix(f".{kind}.jsonl") for kind in ("train", "validation")}
    require_file(path)
    for target in targets.values():
        _require_free(target, force=force)
    check = check_one(path=path, limits=limits, output=output, sensitive=False)
    if not check.ok:
        raise CommandError(code=ExitCode.FINDINGS, findings=findings_of(path, check))
    wanted = round(check.records * share) if share < 1 else round(share)
    most = limits.maximum_validation_records
    wanted = wanted if most is None else min(wanted, most)
    if not 0 < wanted < check.records:
        raise failure(
            code=ExitCode.USAGE,
            id="split-share",
            message=f"--validation {share:g} of {check.records} records is {wanted} for validation",
            fix="ask for at least one record, and leave at least one to train on",
        )
    chosen, groups = choose(check=check, validation=wanted, seed=seed)
    if not chosen:
        raise failure(
            code=ExitCode.FINDINGS,
            id="split-alike",
            message="all records are so much alike that none can be parted off without leakage",
            fix="remove duplicates, or raise --validation",
            where={"file": str(path)},
        )
    try:
        done = part(
            source=path,
            training=targets["train"],
            validation=targets["validation"],
            chosen=chosen,
            groups=groups,
        )
    except OSError as error:
        raise _not_written(error, path=path, target=targets["train"]) from error
    output.say(
        f"{targets['train']}: {done.training} records; {targets['validation']}:"
        f" {done.validation} records; {done.groups} groups of records that stay together"
    )
    return {
        "training": {"file": str(targets["train"]), "records": done.training},
        "validation": {"file": str(targets["validation"]), "records": done.validation},
        "groups": done.groups,
        "seed": seed,
    }


def _require_free(target: Path, *, force: bool) -> None:
    if target.exists() and not (force and target.is_file()):
        raise failure(
            code=ExitCode.USAGE,
            id="file-exists",
            message="the file to write exists already",
            fix="say --force to replace it, or write another",
            where={"file": str(target)},
        )


def _not_written(error: OSError, *, path: Path, target: Path) -> CommandError:
    return failure(
        code=ExitCode.USAGE,
        id="unwritable-file",
        message=f"{path} cannot be read, or {target} cannot be written"
        f" ({error.strerror or type(error).__name__})",
        fix="check the paths, their permissions and the room on the disk",
        where={"file": str(target)},
    )
