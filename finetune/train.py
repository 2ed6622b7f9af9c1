"""`finetune train`: from a file to a model, and on from wherever it was interrupted."""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated

import typer

from finetune.data_model import Method
from finetune.environments import (
    DEFAULT_CONFIG,
    DEFAULT_ENVIRONMENT,
    ConfigOption,
    EnvironmentOption,
    RehearsalOption,
)
from finetune.report import JsonOption, Output, run_command


def train(
    *,
    file: Annotated[
        Path,
        typer.Argument(
            help="The data: records of the model's format, or CSV, JSON or JSON Lines that can be"
            " converted."
        ),
    ],
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="ID", help="Base model; left out, that of the job in the settings."
        ),
    ] = None,
    name: Annotated[
        str | None,
        typer.Option("--name", metavar="NAME", help="Name of the job; left out, the file's."),
    ] = None,
    method: Annotated[
        Method | None, typer.Option("--method", help="How the model is customized.")
    ] = None,
    teacher: Annotated[
        str | None,
        typer.Option("--teacher", metavar="ID", help="Model to learn from, for distillation."),
    ] = None,
    grader: Annotated[
        str | None,
        typer.Option(
            "--grader", metavar="FUNCTION", help="Function that rates answers, for reinforcement."
        ),
    ] = None,
    set_: Annotated[
        list[str] | None,
        typer.Option(
            "--set",
            metavar="NAME=VALUE",
            help="A hyperparameter by the API's name, such as epochCount=2; repeat it for several.",
        ),
    ] = None,
    validation: Annotated[
        Path | None, typer.Option("--validation", metavar="FILE", help="Validation data.")
    ] = None,
    split: Annotated[
        str | None,
        typer.Option(
            "--split",
            metavar="SHARE",
            help="Part off validation data without leakage: 10%, 0.1 or a number of records.",
        ),
    ] = None,
    allow_secrets: Annotated[
        bool,
        typer.Option(
            "--allow-secrets-in-training-data",
            help="Train on data that holds what looks like keys, tokens or passwords.",
        ),
    ] = False,
    again: Annotated[
        bool,
        typer.Option("--again", help="Train once more when the same was trained, or has failed."),
    ] = False,
    yes: Annotated[
        bool, typer.Option("--yes", "-y", help="Deploy without asking, as in CI.")
    ] = False,
    timeout: Annotated[
        float | None,
        typer.Option(
            "--timeout", min=0, metavar="MINUTES", help="Stop waiting for the job after this time."
        ),
    ] = None,
    interval: Annotated[
        float, typer.Option("--interval", min=1, metavar="SECONDS", help="Time between two looks.")
    ] = 30,
    environment: EnvironmentOption = DEFAULT_ENVIRONMENT,
    config: ConfigOption = DEFAULT_CONFIG,
    rehearsal: RehearsalOption = False,
    as_json: JsonOption = False,
) -> None:
    """Check a file, push it, deploy what is missing, train, and show the metrics.

    Shows what would be made and what it costs, and asks before anything is. Run it again after an
    interruption, wherever that was: what is done is not done twice. Ends with 0 when the job is
    completed.
    """

    def action(output: Output) -> Mapping[str, object]:
        from finetune.train_phases import Asked, Training  # noqa: PLC0415 loaded when used

        asked = Asked(
            file=file,
            model=model,
            name=name,
            method=method,
            teacher=teacher,
            grader=grader,
            hyperparameters=tuple(set_ or ()),
            validation=validation,
            split=split,
            allow_secrets=allow_secrets,
            again=again,
            yes=yes,
            seconds=None if timeout is None else timeout * 60,
            interval=interval,
            environment=environment,
            config=config,
            rehearsal=rehearsal,
        )
        return Training(asked=asked, output=output).run()

    run_command(command="train", as_json=as_json, action=action)
