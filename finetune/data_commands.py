"""`finetune data`: commands on data sets."""

import contextlib
import sys
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finetune.environments import (
    DEFAULT_CONFIG,
    DEFAULT_ENVIRONMENT,
    ConfigOption,
    Environment,
    EnvironmentOption,
    RehearsalOption,
    read_environment,
)
from finetune.report import (
    CommandError,
    ExitCode,
    Finding,
    JsonOption,
    Output,
    failure,
    run_command,
)

if TYPE_CHECKING:
    from finetune.data_check import FileCheck
    from finetune.lock_file import Entry
    from settings.base_models import DatasetFamily

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)


@app.callback()
def data() -> None:
    """Check data sets and push them to the environment's encrypted bucket."""


@app.command()
def push(
    *,
    name: Annotated[str, typer.Argument(help="Name by which jobs refer to the data set.")],
    file: Annotated[Path, typer.Argument(help="The data set, one JSON record on each line.")],
    model: Annotated[
        str | None,
        typer.Option(
            "--model",
            metavar="ID",
            help="Base model to check for; left out, that of the job which names the data set.",
        ),
    ] = None,
    upload: Annotated[
        bool,
        typer.Option(
            "--upload/--no-upload",
            help="Without upload: check, and write the lock file's entry; no AWS call is made.",
        ),
    ] = True,
    environment: EnvironmentOption = DEFAULT_ENVIRONMENT,
    config: ConfigOption = DEFAULT_CONFIG,
    rehearsal: RehearsalOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check a data set, upload it once, and record it in the lock file.

    The upload is encrypted with the environment's data key and goes to a key that holds the
    file's digest, which is written once; pushing the same data again uploads nothing. Before the
    environment is deployed the entry is written and the upload stays to be done.
    """
    run_command(
        command="data push",
        as_json=as_json,
        action=lambda output: _push(
            output=output,
            name=name,
            path=file,
            model=model,
            upload=upload,
            environment=environment,
            config=config,
            rehearsal=rehearsal,
        ),
    )


def _push(
    *,
    output: Output,
    name: str,
    path: Path,
    model: str | None,
    upload: bool,
    environment: str,
    config: Path,
    rehearsal: bool,
) -> Mapping[str, object]:
    from finetune.data_push import make_entry  # noqa: PLC0415 loaded when used
    from finetune.lock_file import LOCK_FILE, read_entries, write_entry  # noqa: PLC0415
    from settings.errors import shown_path  # noqa: PLC0415

    _require_names(name=name, path=path)
    settings = read_environment(name=environment, directory=config)
    family, training = _family(name=name, model=model, settings=settings)
    lock = config / LOCK_FILE
    previous = read_entries(path=lock).get(name)
    check = _check(path=path, family=family, training=training, output=output)
    entry = make_entry(
        name=name, path=path, check=check, model_family=family.name, previous=previous
    )
    output.say(
        f"{path}: {check.records} records, {check.bytes} bytes,"
        f" checked for {family.name}, sha256 {check.sha256}"
    )
    again = (
        f"finetune data push {name} {path} --environment {environment}"
        f"{f' --model {model}' if model else ''}"
    )
    bucket, sent = None, False
    if upload:
        bucket, sent = _upload(
            output=output,
            settings=settings,
            entry=entry,
            path=path,
            rehearsal=rehearsal,
            again=again,
        )
    else:
        output.add(_pending("as asked, nothing was uploaded", again=again))
    changed = write_entry(path=lock, name=name, entry=entry)
    output.say(f"{shown_path(lock)}: {'entry written' if changed else 'unchanged'}")
    return {
        "name": name,
        **entry,
        "counts": dict(check.counts),
        "uri": f"s3://{bucket}/{entry['key']}" if bucket else None,
        "uploaded": sent,
        "pending": bucket is None,
        "lock": {"file": shown_path(lock), "changed": changed},
    }


def _require_names(*, name: str, path: Path) -> None:
    from finetune.data_push import FILE_NAME  # noqa: PLC0415
    from settings.names import DATASET  # noqa: PLC0415 settings are slow to load

    if not DATASET.accepts(name):
        raise failure(
            code=ExitCode.USAGE,
            id="data-set-name",
            message=f"{name!r} is not the name of a data set: allowed are {DATASET.allowed}",
            fix="choose such a name, and use it as `dataset` of the job",
        )
    if not FILE_NAME.fullmatch(path.name):
        raise failure(
            code=ExitCode.USAGE,
            id="file-name",
            message="the file's name becomes part of an S3 URI that Bedrock reads: allowed are"
            " letters, digits, `_`, `-` and `.`, beginning with a letter or digit",
            fix="rename the file",
            where={"file": str(path)},
        )


def _family(*, name: str, model: str | None, settings: Environment) -> "tuple[DatasetFamily, bool]":
    """Return the family to check for, and whether the data set is (also) one to train on."""
    from finetune.data_check import FORMATS  # noqa: PLC0415
    from settings.base_models import foundation_models  # noqa: PLC0415

    models = foundation_models()
    users = [job for job in settings.jobs.values() if name in (job.dataset, job.validation_dataset)]
    wanted = {model} if model is not None else {job.base_model for job in users}
    file = f"{settings.name}.yaml"
    if not wanted:
        raise failure(
            code=ExitCode.USAGE,
            id="no-model",
            message=f"no job in {file} names the data set {name!r}, so it is not known for which"
            " model to check it",
            fix=f"name it as `dataset` of a job in {file}, or say --model ID",
        )
    unknown = sorted(wanted - models.keys())
    if unknown:
        raise failure(
            code=ExitCode.USAGE,
            id="unknown-model",
            message=f"there is no base model {unknown[0]!r} in the table",
            fix=f"use one of: {', '.join(models)}",
        )
    families = {family.name: family for one in wanted if (family := models[one].family)}
    if len(families) != 1:
        raise failure(
            code=ExitCode.USAGE,
            id="several-families" if families else "unknown-format",
            message=f"jobs with models of {' and '.join(sorted(families))} name {name!r}"
            if families
            else f"the data of {sorted(wanted)[0]} is of a kind this app does not support",
            fix="use a data set for each family" if families else "use another base model",
        )
    family = families.popitem()[1]
    if family.format not in FORMATS:
        raise failure(
            code=ExitCode.USAGE,
            id="unknown-format",
            message=f"{family.name} takes {family.format} records, which cannot be checked yet",
            fix=f"use a model that takes {' or '.join(FORMATS)} records",
        )
    only_validation = bool(users) and all(job.dataset != name for job in users)
    return family, not only_validation


def _check(*, path: Path, family: "DatasetFamily", training: bool, output: Output) -> "FileCheck":
    from finetune.data_check import check_file  # noqa: PLC0415

    try:
        with _progress(what="checking", total=path.stat().st_size, output=output) as progress:
            check = check_file(path=path, family=family, training=training, progress=progress)
    except OSError as error:
        raise failure(
            code=ExitCode.USAGE,
            id="unreadable-file",
            message=f"the file cannot be read ({error.strerror or type(error).__name__})",
            fix="check the path and its permissions",
            where={"file": str(path)},
        ) from error
    findings = [finding.as_finding(file=str(path)) for finding in check.findings]
    if check.ok:
        for finding in findings:
            output.add(finding)
        return check
    more = sum(check.counts.values()) - len(findings)
    if more:
        findings.append(
            Finding(
                id="data.more",
                level="note",
                message=f"{more} more findings of these kinds are not shown",
                fix="",
                where={"file": str(path)},
            )
        )
    raise CommandError(
        code=ExitCode.FINDINGS,
        findings=findings,
        result={"records": check.records, "counts": dict(check.counts)},
    )


def _upload(
    *,
    output: Output,
    settings: Environment,
    entry: "Entry",
    path: Path,
    rehearsal: bool,
    again: str,
) -> tuple[str | None, bool]:
    """Upload unless it is done; return the bucket (None before it exists) and whether bytes went.

    Raises `CommandError`, and then the lock file stays as it was.
    """
    from finetune.aws import connect  # noqa: PLC0415 loaded when used
    from finetune.data_push import find_destination, upload_once  # noqa: PLC0415

    connection = connect(region=settings.region, rehearsal=rehearsal)
    destination = find_destination(connection=connection, environment=settings)
    if destination is None:
        output.add(_pending(f"the environment {settings.name} is not deployed", again=again))
        return None, False
    with _progress(what="uploading", total=entry["bytes"], output=output) as progress:
        sent = upload_once(
            connection=connection,
            destination=destination,
            entry=entry,
            path=path,
            progress=progress,
        )
    place = f"s3://{destination.bucket}/{entry['key']}"
    output.say(f"uploaded to {place}" if sent else f"already there: {place}")
    return destination.bucket, sent


def _pending(reason: str, *, again: str) -> Finding:
    return Finding(
        id="upload-pending",
        level="note",
        message=f"{reason}: the lock file's entry is written, the upload is still to be done",
        fix=f"after deploying the environment's stacks and before the job's: {again}",
    )


@contextlib.contextmanager
def _progress(*, what: str, total: int, output: Output) -> Iterator[Callable[[int], None] | None]:
    """Show a bar on standard error while something large goes on, when a person watches."""
    if output.as_json or not sys.stderr.isatty():
        yield None
        return
    from rich.console import Console  # noqa: PLC0415 slow to load
    from rich.progress import Progress  # noqa: PLC0415

    with Progress(console=Console(stderr=True), transient=True) as bar:
        task = bar.add_task(what, total=total)
        yield lambda done: bar.update(task, completed=done)
