"""`finetune init`: a first settings file, from a few questions."""

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Annotated, Any

import typer

from finetune.environments import (
    DEFAULT_CONFIG,
    DEFAULT_ENVIRONMENT,
    ConfigOption,
    finding_of,
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

DEFAULT_REGION = "us-east-1"
ENGINEER, ADMINISTRATOR = "role/finetune-engineer", "role/finetune-administrator"
"""Roles that are proposed; a rehearsal makes them."""
_ABOUT_DATA = frozenset({"settings.data-not-pushed", "settings.broken-lock-file"})
"""Findings that a push takes away: a first file names data that comes later."""

_TEXT = """\
# yaml-language-server: $schema={schema}
#
# Written by `finetune init`. What is left out has a safe default; every setting is described in
# docs/settings.md. The file's name is the environment's name.

region: {region}
{account}
people:
  uploaders: {uploaders}
  readers: {uploaders}
  invokers: {uploaders}
  administrators: {administrators}

{jobs}"""
_JOB = """\
jobs:
  {job}:
    base_model: {model}
    # Pushed by `finetune data push {dataset} FILE`.
    dataset: {dataset}
{epochs}"""
_NO_JOB = """\
# `finetune train FILE --model ID` adds a job, and trains it.
jobs: {}
"""


def init(
    *,
    name: Annotated[
        str, typer.Argument(metavar="NAME", help="The environment: the name of its settings file.")
    ] = DEFAULT_ENVIRONMENT,
    region: Annotated[
        str | None, typer.Option("--region", "-r", help="AWS Region to train in.")
    ] = None,
    account: Annotated[
        str | None,
        typer.Option("--account", help="AWS account, twelve digits; empty for the credentials'."),
    ] = None,
    people: Annotated[
        str | None,
        typer.Option("--people", metavar="ROLE", help="Who pushes data and uses the models."),
    ] = None,
    administrators: Annotated[
        str | None,
        typer.Option("--administrators", metavar="ROLE", help="Who administers the data bucket."),
    ] = None,
    model: Annotated[str | None, typer.Option("--model", metavar="ID", help="Base model.")] = None,
    dataset: Annotated[
        str | None, typer.Option("--dataset", metavar="NAME", help="What the data will be called.")
    ] = None,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Write a first settings file; asks for what is not given, and never overwrites one.

    With --json it asks nothing, and takes the default of what is not given.
    """

    def action(output: Output) -> Mapping[str, object]:
        from settings.base_models import usable_in  # noqa: PLC0415 loaded when used

        path = config / f"{name}.yaml"
        if path.exists():
            raise failure(
                code=ExitCode.USAGE,
                id="settings-exist",
                message=f"there is a settings file of {name} already",
                fix=f"edit it, or choose another name: finetune init {name}-two",
                where={"file": str(path)},
            )
        ask = _default if as_json else _asked
        place = region or ask("Region", DEFAULT_REGION)
        usable = usable_in(place)
        if not usable:
            raise failure(
                code=ExitCode.USAGE,
                id="no-base-model",
                message=f"no base model of the catalogue is fine-tuned in {place}",
                fix="choose another Region: see `finetune models --usable`",
            )
        answers = {
            "region": place,
            "account": account if account is not None else ask("Account (empty: any)", ""),
            "people": people or ask("Role that pushes data and uses models", ENGINEER),
            "administrators": administrators
            or ask("Role that administers the data bucket", ADMINISTRATOR),
            **_first_job(model=model, dataset=dataset, usable=usable, ask=ask, output=output),
        }
        text = _text(answers, path=path)
        config.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
        try:
            _check(name=name, directory=config)
        except CommandError:
            path.unlink()
            raise
        output.say(f"{path} is written: next, {_next(answers, name=name, config=config)}")
        return {"environment": name, "file": str(path), "settings": answers}

    run_command(command="init", as_json=as_json, action=action)


def _first_job(
    *,
    model: str | None,
    dataset: str | None,
    usable: Sequence[str],
    ask: Callable[[str, str], str],
    output: Output,
) -> dict[str, str]:
    """What is asked of the first job; nothing when there is to be none yet."""
    if dataset is None and model is None:
        dataset = ask("Name of the data set (empty: `finetune train` adds the job)", "")
    if not dataset and model is None:
        return {}
    if model is None:
        output.say("base models: " + ", ".join(usable))
    return {
        "model": model or ask("Base model", usable[0]),
        "dataset": dataset or ask("Name of the data set", "examples"),
    }


def _next(answers: Mapping[str, str], *, name: str, config: Path) -> str:
    if "dataset" in answers:
        return f"`finetune data push {answers['dataset']} FILE -e {name}`"
    where = "" if name == DEFAULT_ENVIRONMENT else f" -e {name}"
    where += "" if config == DEFAULT_CONFIG else f" --config {config}"
    return f"`finetune train FILE --model ID{where}`"


def _asked(question: str, default: str) -> str:
    answer: str = typer.prompt(question, default=default, show_default=bool(default), err=True)
    return answer.strip()


def _default(question: str, default: str) -> str:
    del question
    return default


def _text(answers: Mapping[str, str], *, path: Path) -> str:
    schema = path.parent / "settings.schema.json"
    quoted: Callable[[Any], str] = json.dumps
    return _TEXT.format(
        schema="settings.schema.json" if schema.exists() else "config/settings.schema.json",
        region=answers["region"],
        account=f"account: {quoted(answers['account'])}\n" if answers["account"] else "",
        uploaders=quoted([answers["people"]]),
        administrators=quoted([answers["administrators"]]),
        jobs=_jobs(answers),
    )


def _jobs(answers: Mapping[str, str]) -> str:
    if "dataset" not in answers:
        return _NO_JOB
    written = ", ".join(
        f"{name}: {value}" for name, value in first_hyperparameters(answers["model"]).items()
    )
    return _JOB.format(
        job=answers["dataset"],
        model=json.dumps(answers["model"]),
        dataset=answers["dataset"],
        epochs=f"    hyperparameters: {{{written}}}\n" if written else "",
    )


def first_hyperparameters(model: str) -> dict[str, int]:
    """Hyperparameters to write down for a new fine-tuning job.

    Where no page of AWS gives a default, what a job costs is known only with the number of epochs
    written down.
    """
    from settings.training_checks import model_of  # noqa: PLC0415 loaded when used

    found = model_of(model)
    known = (found.hyperparameters if found else None) or {}
    return {} if "epochCount" in known else {"epochCount": 2}


def _check(*, name: str, directory: Path) -> None:
    from settings import SettingsError, load_settings  # noqa: PLC0415

    try:
        load_settings(environment=name, directory=directory)
    except SettingsError as error:
        wrong: list[Finding] = [
            finding_of(each.as_json()) for each in error.findings if each.id not in _ABOUT_DATA
        ]
        if wrong:
            raise CommandError(code=ExitCode.USAGE, findings=wrong) from error
