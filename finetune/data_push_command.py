"""`finetune data push`: check, upload once, record in the lock file."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.data_check import check_one, findings_of
from finetune.data_model import Method, family_of
from finetune.environments import Environment, read_environment
from finetune.progress import progress_bar
from finetune.report import CommandError, ExitCode, Finding, Output, failure

if TYPE_CHECKING:
    from finetune.lock_file import Entry
    from settings.base_models import DatasetFamily
    from trainingdata.check import FileCheck


def push_file(
    *,
    output: Output,
    name: str,
    path: Path,
    model: str | None,
    method: Method | None,
    upload: bool,
    allow_secrets: bool,
    environment: str,
    config: Path,
    rehearsal: bool,
) -> Mapping[str, object]:
    """Check a file for the jobs that name it, upload it unless that is done, and record it.

    Raises `CommandError`, and then the lock file stays as it was.
    """
    from finetune.data_push import make_entry  # noqa: PLC0415 loaded when used
    from finetune.lock_file import LOCK_FILE, read_entries, write_entry  # noqa: PLC0415
    from settings.errors import shown_path  # noqa: PLC0415

    require_names(name=name, path=path)
    settings = read_environment(name=environment, directory=config)
    family, training = _family(name=name, model=model, method=method, settings=settings)
    lock = config / LOCK_FILE
    previous = read_entries(path=lock).get(name)
    check = _check(
        path=path, family=family, training=training, allow_secrets=allow_secrets, output=output
    )
    entry = make_entry(
        name=name, path=path, check=check, model_family=family.name, previous=previous
    )
    output.say(
        f"{path}: {check.records} records, {check.bytes} bytes,"
        f" checked for {family.name}, sha256 {check.sha256}"
    )
    again = (
        f"finetune data push {name} {path} --environment {environment}"
        f"{f' --model {model}' if model else ''}{f' --method {method}' if method else ''}"
    )
    bucket, sent = None, False
    if upload:
        bucket, sent = _upload(
            output=output,
            settings=settings,
            entry=entry,
            path=path,
            media=check.buckets,
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
        "counts": check.counts,
        "uri": f"s3://{bucket}/{entry['key']}" if bucket else None,
        "uploaded": sent,
        "pending": bucket is None,
        "lock": {"file": shown_path(lock), "changed": changed},
    }


def require_names(*, name: str, path: Path) -> None:
    """Raise `CommandError` when data set and file are not called as S3 and Bedrock take them."""
    from settings.names import DATASET  # noqa: PLC0415 settings are slow to load
    from trainingdata.check import FILE_NAME  # noqa: PLC0415 loaded when used

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


def _family(
    *, name: str, model: str | None, method: Method | None, settings: Environment
) -> "tuple[DatasetFamily, bool]":
    """Return the family to check for, and whether the data set is (also) one to train on."""
    users = [job for job in settings.jobs.values() if name in (job.dataset, job.validation_dataset)]
    wanted = {
        (
            model or job.base_model,
            method.api_name if method else job.customization_type,
        )
        for job in users
    }
    if model is not None and not users:
        wanted = {(model, (method or Method.FINE_TUNING).api_name)}
    file = f"{settings.name}.yaml"
    if not wanted:
        raise failure(
            code=ExitCode.USAGE,
            id="no-model",
            message=f"no job in {file} names the data set {name!r}, so it is not known for which"
            " model to check it",
            fix=f"name it as `dataset` of a job in {file}, or say --model ID",
        )
    families = [family_of(model=one, method=way) for one, way in sorted(wanted)]
    named = sorted({family.name for family in families})
    if len(named) != 1:
        raise failure(
            code=ExitCode.USAGE,
            id="several-families",
            message=f"jobs with models of {' and '.join(named)} name {name!r}",
            fix="use a data set for each family",
        )
    only_validation = bool(users) and all(job.dataset != name for job in users)
    return families[0], not only_validation


def _check(
    *,
    path: Path,
    family: "DatasetFamily",
    training: bool,
    allow_secrets: bool,
    output: Output,
) -> "FileCheck":
    from trainingdata.check import judge_counts  # noqa: PLC0415 loaded when used
    from trainingdata.duplicates import Records, duplicates  # noqa: PLC0415
    from trainingdata.limits import limits_of  # noqa: PLC0415

    limits = limits_of(family)
    check = check_one(path=path, limits=limits, training=training, digest=True, output=output)
    judge_counts(
        limits=limits,
        training=check if training else None,
        validation=None if training else check,
    )
    check.tally.extend(duplicates(Records.of(check)))
    require_good(path=path, check=check, allow_secrets=allow_secrets, output=output)
    return check


def require_good(*, path: Path, check: "FileCheck", allow_secrets: bool, output: Output) -> None:
    """Tell what a check found; raise `CommandError` when it is nothing to train on.

    `allow_secrets` takes what looks like keys, tokens or passwords for none.
    """
    findings = findings_of(path, check)
    secrets = sum(count for kind, count in check.counts.items() if kind.startswith("secret-"))
    if check.ok or (allow_secrets and check.tally.errors == secrets):
        for finding in findings:
            output.add(finding)
        check.tally.errors = 0
        return
    if check.tally.errors == secrets:
        findings.append(
            Finding(
                id="data.only-secrets",
                level="note",
                message="nothing else is wrong with the data",
                fix="where these are no secrets, say --allow-secrets-in-training-data",
                where={"file": str(path)},
            )
        )
    raise CommandError(
        code=ExitCode.FINDINGS,
        findings=findings,
        result={"records": check.records, "counts": check.counts},
    )


def _upload(
    *,
    output: Output,
    settings: Environment,
    entry: "Entry",
    path: Path,
    media: tuple[str, ...],
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
    require_media_in(destination.bucket, media=media, path=path)
    with progress_bar(what="uploading", total=entry["bytes"], output=output) as progress:
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


def require_media_in(bucket: str, *, media: tuple[str, ...], path: Path) -> None:
    """Raise `CommandError` when records name media in another bucket than the data set's."""
    elsewhere = [other for other in media if other != bucket]
    if elsewhere:
        raise failure(
            code=ExitCode.FINDINGS,
            id="data.media-bucket",
            message="images and videos must be in the bucket of the data set, which is"
            f" {bucket}; the records name {elsewhere[0]}",
            fix="copy them there, and write its name into the records",
            where={"file": str(path)},
        )


def _pending(reason: str, *, again: str) -> Finding:
    return Finding(
        id="upload-pending",
        level="note",
        message=f"{reason}: the lock file's entry is written, the upload is still to be done",
        fix=f"after deploying the environment's stacks and before the job's: {again}",
    )
