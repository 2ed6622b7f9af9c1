"""`finetune data`: commands on data sets."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, ClassVar

import typer

from finetune.data_model import Method, MethodOption, ModelOption
from finetune.environments import (
    DEFAULT_CONFIG,
    DEFAULT_ENVIRONMENT,
    ConfigOption,
    EnvironmentOption,
    RehearsalOption,
)
from finetune.lazy_group import LazyGroup
from finetune.report import JsonOption, run_command


class DataCommands(LazyGroup):
    """The commands on data sets, in the order of the help text."""

    table: ClassVar[Mapping[str, str]] = {
        name: f"{__name__}:{name}" for name in ("check", "convert", "split", "show", "push")
    }


app = typer.Typer(
    cls=DataCommands, no_args_is_help=True, add_completion=False, rich_markup_mode=None
)

FirstOption = Annotated[
    int, typer.Option("--first", min=1, metavar="N", help="Findings to show of each kind.")
]


@app.callback()
def data() -> None:
    """Check data sets, make them, and push them to the environment's encrypted bucket."""


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


def convert(
    *,
    file: Annotated[Path, typer.Argument(help="CSV, JSON or JSON Lines.")],
    to: Annotated[Path, typer.Option("--to", metavar="FILE", help="The data set to write.")],
    model: ModelOption,
    method: MethodOption = Method.FINE_TUNING,
    prompt_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="Column with what is asked.")
    ] = None,
    completion_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="Column with the answer.")
    ] = None,
    system_column: Annotated[
        str | None, typer.Option(metavar="NAME", help="Column with the system prompt.")
    ] = None,
    system: Annotated[
        str | None,
        typer.Option(metavar="TEXT", help="System prompt for every record that has none."),
    ] = None,
    skip_bad: Annotated[
        bool, typer.Option("--skip-bad", help="Leave rows out that make no record.")
    ] = False,
    force: Annotated[bool, typer.Option("--force", help="Replace the file if it exists.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Make a data set in the format of a model from a table or from records of other tools.

    Columns are found by their common names (prompt, question, instruction, ...; completion,
    answer, output, ...), and conversations as `messages` or `conversations`.
    """
    from finetune.data_make import convert_file  # noqa: PLC0415 loaded when used
    from trainingdata.convert import Columns  # noqa: PLC0415

    columns = Columns(prompt=prompt_column, completion=completion_column, system=system_column)
    run_command(
        command="data convert",
        as_json=as_json,
        action=lambda output: convert_file(
            output=output,
            path=file,
            target=to,
            model=model,
            method=method,
            columns=columns,
            system=system,
            skip_bad=skip_bad,
            force=force,
        ),
    )


def split(
    *,
    file: Annotated[Path, typer.Argument(help="The data set, one JSON record on each line.")],
    model: ModelOption,
    method: MethodOption = Method.FINE_TUNING,
    validation: Annotated[
        float,
        typer.Option(
            "--validation",
            metavar="SHARE",
            min=0,
            help="Share of the records for validation; a number of records from 1 on.",
        ),
    ] = 0.1,
    seed: Annotated[int, typer.Option("--seed", help="Another seed parts differently.")] = 0,
    force: Annotated[bool, typer.Option("--force", help="Replace files that exist.")] = False,
    as_json: JsonOption = False,
) -> None:
    """Part a data set into FILE.train.jsonl and FILE.validation.jsonl, without leakage.

    Records that are the same, nearly the same or ask the same stay together. The same data and
    seed are always parted in the same way.
    """
    from finetune.data_make import split_file  # noqa: PLC0415 loaded when used

    run_command(
        command="data split",
        as_json=as_json,
        action=lambda output: split_file(
            output=output,
            path=file,
            model=model,
            method=method,
            share=validation,
            seed=seed,
            force=force,
        ),
    )


def show(
    *,
    file: Annotated[Path, typer.Argument(help="The data set, one JSON record on each line.")],
    model: ModelOption,
    method: MethodOption = Method.FINE_TUNING,
    line: Annotated[int, typer.Option("--line", min=1, help="First line to show.")] = 1,
    records: Annotated[int, typer.Option("--records", min=0, help="Records to show.")] = 3,
    as_json: JsonOption = False,
) -> None:
    """Print records of a data set, and a histogram of their lengths. This shows data."""
    from finetune.data_show import show_file  # noqa: PLC0415 loaded when used

    run_command(
        command="data show",
        as_json=as_json,
        action=lambda output: show_file(
            output=output, path=file, model=model, method=method, line=line, records=records
        ),
    )


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
