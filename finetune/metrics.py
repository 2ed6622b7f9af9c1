"""`finetune metrics`: what training left behind, judged, drawn and compared."""

import datetime
import os
import shutil
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
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
from finetune.outputs import PREFIX
from finetune.report import (
    CommandError,
    ExitCode,
    Finding,
    JsonOption,
    Output,
    failure,
    run_command,
)
from training_metrics.outputs import JOB_FOLDER, find_runs, run_in

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient

    from finetune.outputs import Outputs
    from training_metrics.judging import Judgement
    from training_metrics.notes import Note
    from training_metrics.runs import Run


FIXES: Mapping[str, str] = {
    "no-training-metrics": "wait until the job is Completed; see `finetune jobs`",
    "no-validation-metrics": "give the job a `validation_dataset`, if its model takes one",
    "unreadable-metrics": "look at the file; it is read as AWS documents it",
    "bad-rows": "look at these rows of the file",
    "repeated-steps": "look at the file: it may hold two runs",
}
"""What to do about what is missing or odd, where there is something to do."""

VERDICT_FIXES: Mapping[str, str] = {
    "diverged": "lower the learning rate, or give it more warm-up steps",
    "overfitted": "train fewer epochs, up to the best step, or with more data",
    "worsened": "check that the validation data is of the kind trained on; lower the learning rate",
    "learned-little": "raise the learning rate or the epochs; check the data",
    "still-falling": "train more epochs, if the gain is worth their price",
}
"""What to do about each verdict."""


@dataclass(frozen=True, kw_only=True)
class Found:
    """A run that was asked for: its name, and what the keys of its files begin with."""

    name: str
    prefix: str


def metrics(
    *,
    names: Annotated[
        list[str] | None,
        typer.Argument(
            metavar="NAME...",
            help="Jobs of the settings, or whole names of jobs in Bedrock; several are compared."
            " With --folder: names or ids of the runs in it; left out, all of them.",
        ),
    ] = None,
    runs: Annotated[
        int,
        typer.Option("--runs", min=1, metavar="N", help="Compare the newest N of each job."),
    ] = 1,
    html: Annotated[
        Path | None,
        typer.Option("--html", metavar="FILE", help="Write a page that holds everything it needs."),
    ] = None,
    png: Annotated[
        Path | None, typer.Option("--png", metavar="FILE", help="Write the curves as a picture.")
    ] = None,
    smoothing: Annotated[
        int | None,
        typer.Option(
            "--smoothing",
            min=1,
            metavar="POINTS",
            help="Average so many points; 1 for none; left out, one in fifty.",
        ),
    ] = None,
    plot: Annotated[
        bool, typer.Option("--plot/--no-plot", help="Draw the losses in the terminal.")
    ] = True,
    strict: Annotated[
        bool,
        typer.Option("--strict", help="End with 1 when a run diverged or overfitted."),
    ] = False,
    folder: Annotated[
        Path | None,
        typer.Option("--folder", metavar="DIR", help="Read a local copy of outputs instead."),
    ] = None,
    environment: EnvironmentOption = DEFAULT_ENVIRONMENT,
    config: ConfigOption = DEFAULT_CONFIG,
    rehearsal: RehearsalOption = False,
    as_json: JsonOption = False,
) -> None:
    """Show training and validation loss and perplexity, say what they mean, and compare runs.

    Marks the best step, divergence and overfitting. Reads the outputs as the environment's reader
    role, whatever layout the model's family has, and says what is missing. Ends with 1 when there
    are no metrics at all.
    """

    def action(output: Output) -> Mapping[str, object]:
        for target in (html, png):
            _require_folder(target)
        if folder is not None:
            if rehearsal:
                raise failure(
                    code=ExitCode.USAGE,
                    id="usage",
                    message="--folder reads this machine and --rehearsal an emulator: got both",
                    fix="leave one of them out",
                )
            found = _read_folder(folder=folder, names=names or [], window=smoothing)
        else:
            found = runs_of(
                output=output,
                settings=read_environment(name=environment, directory=config),
                names=names or [],
                newest=runs,
                window=smoothing,
                rehearsal=rehearsal,
            )
        return show_runs(
            output=output,
            runs=found,
            title=f"Fine-tuning: {folder.resolve().name if folder else environment}",
            html=html,
            png=png,
            plot=plot,
            strict=strict,
        )

    run_command(command="metrics", as_json=as_json, action=action)


def _require_folder(target: Path | None) -> None:
    if target is not None and not target.absolute().parent.is_dir():
        raise failure(
            code=ExitCode.USAGE,
            id="no-folder",
            message=f"there is no folder {target.absolute().parent} to write {target.name} into",
            fix="make it, or choose another place",
            where={"file": str(target)},
        )


def _read_folder(*, folder: Path, names: Sequence[str], window: int | None) -> "list[Run]":
    from training_metrics.runs import read_run  # noqa: PLC0415 loaded when used
    from training_metrics.sources import FolderSource  # noqa: PLC0415

    if not folder.is_dir():
        raise failure(
            code=ExitCode.USAGE,
            id="no-folder",
            message=f"{folder} is no folder",
            fix="name the folder that `model-customization-job-…` is in, or that one itself",
            where={"file": str(folder)},
        )
    source = FolderSource(folder=folder)
    try:
        found = find_runs(source.names())
        own = folder.resolve().name.removeprefix(JOB_FOLDER)
        called = {files.id or own: files for files in found}
        unknown = [name for name in names if name.removeprefix(JOB_FOLDER) not in called]
        if unknown or not found:
            raise _no_run(
                message=f"no run below {folder} is called {', '.join(unknown)}"
                if unknown
                else f"there are no outputs of a job below {folder}",
                there=called,
            )
        wanted = [name.removeprefix(JOB_FOLDER) for name in names] or list(called)
        return [
            read_run(source=source, files=called[name], name=name, window=window)
            for name in dict.fromkeys(wanted)
        ]
    except OSError as error:
        raise failure(
            code=ExitCode.USAGE,
            id="unreadable-file",
            message=f"a file cannot be read ({error.strerror or type(error).__name__})",
            fix="check its permissions",
            where={"file": str(error.filename or folder)},
        ) from error


def _no_run(*, message: str, there: Mapping[str, object]) -> CommandError:
    from finetune.outputs import listing  # noqa: PLC0415 loaded when used

    return failure(
        code=ExitCode.FINDINGS,
        id="no-run",
        message=message,
        fix=f"there are: {listing(there)}"
        if there
        else "a job writes its outputs when it completes; see `finetune jobs`",
    )


def runs_of(
    *,
    output: Output,
    settings: Environment,
    names: Sequence[str],
    newest: int,
    window: int | None,
    rehearsal: bool,
) -> "list[Run]":
    """Return the newest completed runs of jobs, read as the environment's reader.

    Raises `CommandError` when there are none or they may not be read.
    """
    from finetune.aws import aws_errors, connect  # noqa: PLC0415 loaded when used
    from finetune.outputs import open_outputs  # noqa: PLC0415
    from training_metrics.runs import read_run  # noqa: PLC0415
    from training_metrics.sources import BucketSource  # noqa: PLC0415

    wanted = list(names) or list(settings.jobs)
    connection = connect(region=settings.region, rehearsal=rehearsal)
    outputs = open_outputs(connection=connection, environment=settings)
    finder = _Finder(
        output=output, bedrock=connection.bedrock(), settings=settings, outputs=outputs
    )
    found = []
    with aws_errors(
        doing=f"reading the outputs in s3://{outputs.bucket}",
        denied="deploy the environment's stacks anew; if it stays, the policies of the bucket and"
        " of the data key say who may read",
    ):
        for name in dict.fromkeys(wanted):
            for one in finder.find(name=name, newest=newest):
                source = BucketSource(
                    client=outputs.client, bucket=outputs.bucket, prefix=one.prefix
                )
                files = run_in(one.prefix, source.names())
                found.append(read_run(source=source, files=files, name=one.name, window=window))
    return found


class _Finder:
    """Finds the outputs of jobs: by what Bedrock says of them, else by the bucket alone."""

    def __init__(
        self,
        *,
        output: Output,
        bedrock: "BedrockClient",
        settings: Environment,
        outputs: "Outputs",
    ) -> None:
        self._output = output
        self._bedrock = bedrock
        self._settings = settings
        self._outputs = outputs

    def find(self, *, name: str, newest: int) -> "list[Found]":
        """Return the newest completed runs of a job of the settings, or the one of a whole name.

        Raises CommandError when there is none.
        """
        if name not in self._settings.jobs:
            return [self._by_whole_name(name)]
        try:
            return self._by_job(name, newest=newest)
        except CommandError as error:
            if [finding.id for finding in error.findings] != ["access-denied"]:
                raise
            self._output.add(
                Finding(
                    id="no-bedrock",
                    level="note",
                    message="Bedrock may not be asked with these credentials: the runs are found by"
                    " the bucket alone, and named by their ids",
                    fix="use credentials that may call bedrock:ListModelCustomizationJobs and"
                    " bedrock:GetModelCustomizationJob",
                )
            )
            return self._by_bucket(name, newest=newest)

    def _by_job(self, job: str, *, newest: int) -> "list[Found]":
        from finetune.job_commands import summaries_of  # noqa: PLC0415 loaded when used

        summaries = list(summaries_of(bedrock=self._bedrock, environment=self._settings, job=job))
        if not summaries:
            raise failure(
                code=ExitCode.FINDINGS,
                id="no-job",
                message=f"the job {job!r} was not submitted in the environment"
                f" {self._settings.name}",
                fix=f"deploy its stack: cdk deploy -c environment={self._settings.name}"
                f" {self._settings.stack(f'job-{job}')}",
                where={"stack": self._settings.stack(f"job-{job}")},
            )
        latest = summaries[0]
        completed = [one for one in summaries if one["status"] == "Completed"][:newest]
        if latest["status"] != "Completed":
            self._output.add(
                Finding(
                    id="not-completed",
                    level="note",
                    message=f"the newest job {latest['jobName']} is {latest['status']}: metrics are"
                    " written when a job completes",
                    fix=f"finetune watch {job}",
                )
            )
        if not completed:
            raise failure(
                code=ExitCode.FINDINGS,
                id="no-run",
                message=f"no run of the job {job!r} has completed",
                fix=f"finetune watch {job}",
            )
        return [
            Found(name=one["jobName"], prefix=self._prefix(job=job, arn=one["jobArn"]))
            for one in completed
        ]

    def _by_whole_name(self, name: str) -> "Found":
        from botocore.exceptions import ClientError  # noqa: PLC0415 loaded when used

        from customization.jobs import error_code  # noqa: PLC0415
        from finetune.aws import aws_errors  # noqa: PLC0415

        with aws_errors(doing=f"looking at the job {name}"):
            try:
                job = self._bedrock.get_model_customization_job(jobIdentifier=name)
            except ClientError as error:
                if error_code(error) not in {"ResourceNotFoundException", "ValidationException"}:
                    raise
                raise failure(
                    code=ExitCode.FINDINGS,
                    id="no-job",
                    message=f"Bedrock has no job {name!r}, and the settings name none so",
                    fix="see `finetune jobs` for the names there are",
                ) from error
        bucket, _, key = job["outputDataConfig"]["s3Uri"].removeprefix("s3://").partition("/")
        if bucket != self._outputs.bucket:
            raise failure(
                code=ExitCode.FINDINGS,
                id="elsewhere",
                message=f"the job {name} writes its outputs to s3://{bucket}, and this environment"
                f" keeps them in s3://{self._outputs.bucket}",
                fix="choose the job's environment with -e",
            )
        prefix = f"{key.rstrip('/')}/" if key else ""
        identity = job["jobArn"].rsplit("/", 1)[-1]
        return Found(name=job["jobName"], prefix=f"{prefix}{JOB_FOLDER}{identity}/")

    def _by_bucket(self, job: str, *, newest: int) -> "list[Found]":
        from finetune.aws import aws_errors  # noqa: PLC0415 loaded when used

        prefix = f"{PREFIX}/{job}/"
        with aws_errors(doing=f"listing s3://{self._outputs.bucket}/{prefix}"):
            folders = self._outputs.newest_folders(prefix=prefix)
        runs = [folder for folder in folders if folder.startswith(f"{prefix}{JOB_FOLDER}")]
        if not runs:
            raise failure(
                code=ExitCode.FINDINGS,
                id="no-run",
                message=f"there are no outputs below s3://{self._outputs.bucket}/{prefix}",
                fix=f"a job writes them when it completes: finetune watch {job}",
            )
        return [
            Found(name=run.rstrip("/").rsplit(JOB_FOLDER, 1)[-1], prefix=run)
            for run in runs[:newest]
        ]

    def _prefix(self, *, job: str, arn: str) -> str:
        return f"{PREFIX}/{job}/{JOB_FOLDER}{arn.rsplit('/', 1)[-1]}/"


def show_runs(
    *,
    output: Output,
    runs: "Sequence[Run]",
    title: str,
    html: Path | None,
    png: Path | None,
    plot: bool,
    strict: bool,
) -> Mapping[str, object]:
    """Show runs, write their page and picture, and return the keys of the JSON object."""
    from training_metrics.summary import ranking, summarise  # noqa: PLC0415 loaded when used

    result: dict[str, object] = {
        "runs": [summarise(run) for run in runs],
        "ranking": [{"name": name, "lowest_validation_loss": loss} for name, loss in ranking(runs)],
        "html": str(html) if html else None,
        "png": str(png) if png else None,
    }
    drawn = [run for run in runs if run.curves]
    for run in runs:
        for note in run.notes:
            output.add(_note_finding(run=run, note=note))
    if not drawn:
        raise CommandError(
            code=ExitCode.FINDINGS,
            findings=[
                Finding(
                    id="no-metrics",
                    level="error",
                    message="there are no metrics to show",
                    fix="see what is said to be missing",
                )
            ],
            result={**result, "html": None, "png": None},
        )
    if not output.as_json:
        from finetune.metrics_terminal import plot_losses, table  # noqa: PLC0415

        width = shutil.get_terminal_size().columns
        output.say(table(runs=drawn))
        if plot:
            colour = sys.stdout.isatty() and "NO_COLOR" not in os.environ
            output.say(plot_losses(runs=drawn, width=width, colour=colour))
    if html is not None:
        from training_metrics.page import render  # noqa: PLC0415

        made_at = datetime.datetime.now(tz=datetime.UTC)
        _write(path=html, content=render(runs=drawn, title=title, made_at=made_at).encode())
        output.say(f"page: {html}")
    if png is not None:
        from finetune.metrics_picture import picture  # noqa: PLC0415 matplotlib is slow to load

        _write(path=png, content=picture(runs=drawn, title=title))
        output.say(f"picture: {png}")
    judged = [_judgement_finding(run=run, judgement=one) for run in drawn for one in run.judgements]
    wrong = [finding for finding in judged if finding.level == "warning"]
    if strict and wrong:
        raise CommandError(code=ExitCode.FINDINGS, findings=judged, result=result)
    for finding in judged:
        output.add(finding)
    return result


def _note_finding(*, run: "Run", note: "Note") -> Finding:
    return Finding(
        id=note.kind,
        level=note.level,
        message=f"{run.name}: {note.message}",
        fix=FIXES.get(note.kind, ""),
        where={"file": note.file} if note.file else {},
    )


def _judgement_finding(*, run: "Run", judgement: "Judgement") -> Finding:
    serious = judgement.verdict.value in {"diverged", "overfitted", "worsened"}
    return Finding(
        id=judgement.verdict.value,
        level="warning" if serious else "note",
        message=f"{run.name}: {judgement.message}",
        fix=VERDICT_FIXES[judgement.verdict.value],
    )


def _write(*, path: Path, content: bytes) -> None:
    """Write a file whole or not at all; end the command when it cannot be written."""
    beside = path.with_name(f".{path.name}.part")
    try:
        beside.write_bytes(content)
        beside.replace(path)
    except OSError as error:
        beside.unlink(missing_ok=True)
        raise failure(
            code=ExitCode.USAGE,
            id="unwritable-file",
            message=f"the file cannot be written ({error.strerror or type(error).__name__})",
            fix="choose another place",
            where={"file": str(path)},
        ) from error
