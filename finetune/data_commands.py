"""`finetune data`: commands on data sets."""

from pathlib import Path
from typing import Annotated

import typer

from finetune.data_model import Method, MethodOption, ModelOption
from finetune.environments import (
    DEFAULT_CONFIG,
    DEFAULT_ENVIRONMENT,
    ConfigOption,
    EnvironmentOption,
    RehearsalOption,
)
from finetune.report import JsonOption, run_command

app = typer.Typer(no_args_is_help=True, add_completion=False, rich_markup_mode=None)

FirstOption = Annotated[
    int, typer.Option("--first", min=1, metavar="N", help="Findings to show of each kind.")
]


@app.callback()
def data() -> None:
    """Check data sets, make them, and push them to the environment's encrypted bucket."""


@app.command()
def check(
    *,
    files: Annotated[list[Path], typer.Argument(help="Data sets, one JSON record on each line.")],
    model: ModelOption,
    method: MethodOption = Method.FINE_TUNING,
    validation: Annotated[
        Path | None,
        typer.Option(
            "--validation",
            metavar="FILE",
            help="Validation data: counted with the training data, and checked for leakage.",
        ),
    ] = None,
    invocation_logs: Annotated[
        bool, typer.Option("--invocation-logs", help="The files are model invocation logs.")
    ] = False,
    core: Annotated[
        bool,
        typer.Option(
            "--core",
            help="Only what a job fails with: no duplicates, secrets or personal data.",
        ),
    ] = False,
    strict: Annotated[bool, typer.Option("--strict", help="Let warnings fail the check.")] = False,
    first: FirstOption = 20,
    as_json: JsonOption = False,
) -> None:
    """Find what a job would fail with, or learn by mistake, before it costs anything.

    Kinds and lines are reported, and nothing of the data. Nothing is sent anywhere.
    """
    from finetune.data_check import check_files  # noqa: PLC0415 loaded when used

    run_command(
        command="data check",
        as_json=as_json,
        action=lambda output: check_files(
            output=output,
            files=files,
            model=model,
            method=method,
            validation=validation,
            logs=invocation_logs,
            core=core,
            strict=strict,
            first=first,
        ),
    )


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
    method: Annotated[
        Method | None,
        typer.Option("--method", help="How the model is customized; left out, as that job says."),
    ] = None,
    upload: Annotated[
        bool,
        typer.Option(
            "--upload/--no-upload",
            help="Without upload: check, and write the lock file's entry; no AWS call is made.",
        ),
    ] = True,
    allow_secrets: Annotated[
        bool,
        typer.Option(
            "--allow-secrets-in-training-data",
            help="Push data that holds what looks like keys, tokens or passwords.",
        ),
    ] = False,
    environment: EnvironmentOption = DEFAULT_ENVIRONMENT,
    config: ConfigOption = DEFAULT_CONFIG,
    rehearsal: RehearsalOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check a data set, upload it once, and record it in the lock file.

    The upload is encrypted with the environment's data key and goes to a key that holds the
    file's digest, which is written once; pushing the same data again uploads nothing, and an
    upload that was interrupted goes on where it stopped. Before the environment is deployed the
    entry is written and the upload stays to be done.
    """
    from finetune.data_push_command import push_file  # noqa: PLC0415 loaded when used

    run_command(
        command="data push",
        as_json=as_json,
        action=lambda output: push_file(
            output=output,
            name=name,
            path=file,
            model=model,
            method=method,
            upload=upload,
            allow_secrets=allow_secrets,
            environment=environment,
            config=config,
            rehearsal=rehearsal,
        ),
    )
