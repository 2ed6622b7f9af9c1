"""`finetune lineage`: where a model comes from, as its record says, and whether that is whole."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from finetune.outputs import PREFIX, listing
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
    from lineage.entry import Entry

Files = Sequence[tuple[int, bytes]]
"""A record's files, as number and content, by rising number."""
_ENTRY = re.compile(r"([0-9]{4})\.json")


def lineage(
    *,
    name: Annotated[
        str,
        typer.Argument(
            help="A job of the settings, for its newest model, or a model's whole name."
        ),
    ],
    folder: Annotated[
        Path | None,
        typer.Option("--folder", metavar="DIR", help="Read a local copy of outputs instead."),
    ] = None,
    environment: EnvironmentOption = DEFAULT_ENVIRONMENT,
    config: ConfigOption = DEFAULT_CONFIG,
    rehearsal: RehearsalOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show what a model was made from, by whom and when, and what became of it.

    Checks that the record is one whole chain: ends with 1 when an entry was changed, lost or put
    in, and when there is no record.
    """

    def action(output: Output) -> Mapping[str, object]:
        if folder is not None:
            found, files = _from_folder(folder=folder, name=name)
        else:
            found, files = _from_bucket(
                settings=read_environment(name=environment, directory=config),
                name=name,
                rehearsal=rehearsal,
            )
        return _show(output=output, name=found, files=files)

    run_command(command="lineage", as_json=as_json, action=action)


def _from_folder(*, folder: Path, name: str) -> tuple[str, Files]:
    from lineage.store import FOLDER  # noqa: PLC0415 loaded when used

    records = {path.name: path for path in sorted(folder.rglob(f"{FOLDER}/*")) if path.is_dir()}
    if name not in records:
        raise _no_record(place=str(folder), name=name, there=list(records))
    files = []
    try:
        for path in sorted(records[name].iterdir()):
            match = _ENTRY.fullmatch(path.name)
            if match:
                files.append((int(match[1]), path.read_bytes()))
    except OSError as error:
        raise failure(
            code=ExitCode.USAGE,
            id="unreadable-file",
            message=f"a file cannot be read ({error.strerror or type(error).__name__})",
            fix="check its permissions",
            where={"file": str(error.filename or folder)},
        ) from error
    return name, files


def _from_bucket(*, settings: Environment, name: str, rehearsal: bool) -> tuple[str, Files]:
    from finetune.aws import aws_errors, connect  # noqa: PLC0415 loaded when used
    from finetune.outputs import open_outputs  # noqa: PLC0415
    from lineage.store import FOLDER, RecordStore  # noqa: PLC0415

    job = _job_of(settings=settings, name=name)
    outputs = open_outputs(
        connection=connect(region=settings.region, rehearsal=rehearsal), environment=settings
    )
    prefix = f"{PREFIX}/{job}/"
    store = RecordStore(client=outputs.client, bucket=outputs.bucket, prefix=prefix)
    with aws_errors(doing=f"reading records in s3://{outputs.bucket}/{prefix}"):
        folders = outputs.newest_folders(prefix=f"{prefix}{FOLDER}/")
        there = [folder.rstrip("/").rsplit("/", 1)[-1] for folder in folders]
        wanted = there[0] if name == job and there else name
        if wanted not in there:
            raise _no_record(place=f"s3://{outputs.bucket}/{prefix}", name=name, there=there)
        return wanted, store.files(wanted)


def _job_of(*, settings: Environment, name: str) -> str:
    """Return the job that a name is or belongs to."""
    job = settings.job_of(name)
    if job is not None:
        return job
    raise failure(
        code=ExitCode.USAGE,
        id="no-job",
        message=f"{name!r} is no job of the settings of {settings.name}, nor a model of one",
        fix=f"name one of: {listing(settings.jobs)}" if settings.jobs else "see `finetune jobs`",
    )


def _no_record(*, place: str, name: str, there: Sequence[str]) -> CommandError:
    return failure(
        code=ExitCode.FINDINGS,
        id="no-record",
        message=f"there is no record of {name} below {place}",
        fix=f"there are: {listing(there)}"
        if there
        else "a record begins when a job has completed; see `finetune jobs`",
    )


def _show(*, output: Output, name: str, files: Files) -> Mapping[str, object]:
    from lineage.chain import broken_links  # noqa: PLC0415 loaded when used

    result: dict[str, object] = {
        "name": name,
        "entries": [json.loads(content) for _, content in files if _is_json(content)],
    }
    problems = broken_links(name=name, files=files)
    entries, misfits = _typed(files)
    findings = [
        Finding(
            id="broken-record",
            level="error",
            message=f"the record of {name} is not whole: {problem}",
            fix="compare the versions of its objects in the bucket; CloudTrail's data events and"
            " the access logs say who wrote",
        )
        for problem in problems or misfits
    ]
    for line in _lines(entries):
        output.say(line)
    if findings:
        raise CommandError(code=ExitCode.FINDINGS, findings=findings, result=result)
    count = f"{len(entries)} entries" if len(entries) > 1 else "one entry"
    output.say(f"record: {count}, one whole chain")
    return result


def _is_json(content: bytes) -> bool:
    try:
        json.loads(content)
    except ValueError:
        return False
    return True


def _typed(files: Files) -> "tuple[list[Entry], list[str]]":
    """Return the entries that have the form of one, and what is wrong with the others."""
    from pydantic import TypeAdapter, ValidationError  # noqa: PLC0415 slow to load

    from lineage.entry import Entry  # noqa: PLC0415

    adapter = TypeAdapter(Entry)
    entries, misfits = [], []
    for number, content in files:
        try:
            entries.append(adapter.validate_json(content))
        except ValidationError as error:
            first = error.errors()[0]
            field = ".".join(map(str, first["loc"])) or "it"
            misfits.append(f"entry {number} has not the form of one: {field}: {first['msg']}")
    return entries, misfits


def _lines(entries: "Sequence[Entry]") -> Iterator[str]:
    for entry in entries:
        if entry.sequence == 1:
            yield f"{entry.name}  ({entry.environment}, job {entry.job})"
        yield f"{entry.at}  {entry.event.value}, by {entry.by}"
        facts = entry.facts
        if facts.settings:
            asked = facts.settings
            yield f"  base model   {asked.base_model}, {asked.customization_type}, run {asked.run}"
            values = ", ".join(f"{key} {value}" for key, value in asked.hyperparameters.items())
            yield f"  settings     {values or 'defaults of Bedrock'}; digest {asked.digest}"
        for data in facts.data:
            yield f"  {data.purpose:<11}  {data.name}, sha256 {data.sha256}"
            yield f"               {data.uri}"
            if data.check:
                verdict = "passed" if data.check.ok else "did not pass"
                yield (
                    f"               {verdict} check {data.check.version} for"
                    f" {data.check.model_family} at {data.check.at}"
                )
        if facts.template:
            yield f"  template     sha256 {facts.template.sha256}"
            yield f"               {facts.template.stack_id}"
        if facts.job:
            yield f"  job          {facts.job.arn}"
            yield (
                f"               {facts.job.status}, {facts.job.created} to"
                f" {facts.job.ended or 'now'}, as {facts.job.role_arn}"
            )
            yield f"               in {', '.join(facts.job.subnet_ids) or 'no VPC'}"
        if facts.model:
            yield f"  model        {facts.model.arn}"
            yield f"               key {facts.model.key_arn or 'of AWS'}"
        if facts.metrics:
            yield from _metrics(facts.metrics.curves, facts.metrics.best, facts.metrics.verdicts)
        if facts.deployment:
            until = f", until {facts.deployment.until}" if facts.deployment.until else ""
            yield f"  deployment   {facts.deployment.kind}: {facts.deployment.arn}{until}"
        if facts.trial:
            failed = ", ".join(map(str, facts.trial.failed))
            verdict = f"failed {failed}" if failed else "all passed"
            yield f"  smoke tests  {facts.trial.tests} asked, {verdict}"


def _metrics(
    curves: Sequence[Mapping[str, Any]], best: Mapping[str, Any] | None, verdicts: Sequence[str]
) -> Iterator[str]:
    for curve in curves:
        yield (
            f"  metrics      {curve.get('label')} loss {curve.get('final_loss')} after"
            f" {curve.get('points')} steps, lowest {curve.get('lowest_loss')}"
        )
    if best:
        yield f"               best at step {best.get('step')}, by the {best.get('curve')} loss"
    yield f"               {', '.join(verdicts) or 'nothing stands out'}"
