"""`finetune models`: the base models there are, what is known of each, and what an account says."""

import datetime
from collections.abc import Iterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

import typer

from finetune.environments import (
    DEFAULT_CONFIG,
    DEFAULT_ENVIRONMENT,
    ConfigOption,
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
    from settings.base_models import FoundationModel
    from settings.refresh import Difference, Seen

app = typer.Typer(
    add_completion=False,
    rich_markup_mode=None,
    pretty_exceptions_enable=False,
    invoke_without_command=True,
)
METHODS = {
    "fine-tuning": "FINE_TUNING",
    "distillation": "DISTILLATION",
    "reinforcement": "REINFORCEMENT_FINE_TUNING",
    "continued-pre-training": "CONTINUED_PRE_TRAINING",
}
"""Methods as they are typed, and their names in the API."""
PATHS_SHOWN = 20
"""Undated facts that are told one by one; more are counted."""


@app.callback()
def models(
    *,
    context: typer.Context,
    region: Annotated[
        str | None, typer.Option("--region", "-r", help="Only models customized in this Region.")
    ] = None,
    method: Annotated[
        str | None,
        typer.Option("--method", "-m", metavar="METHOD", help=f"Only for {', '.join(METHODS)}."),
    ] = None,
    served: Annotated[
        str | None,
        typer.Option("--served", metavar="HOW", help="Only served on-demand or provisioned."),
    ] = None,
    usable: Annotated[
        bool, typer.Option("--usable", help="Only models that take a new job today.")
    ] = False,
    as_json: JsonOption = False,
) -> None:
    """List the base models of the catalogue, with their state, Regions and methods.

    Facts that nobody dated since they changed are told as warnings; what no AWS page confirms is
    marked as uncertain.
    """
    if context.invoked_subcommand is not None:
        return

    def action(output: Output) -> Mapping[str, object]:
        from settings.base_models import foundation_models  # noqa: PLC0415 loaded when used

        chosen = _method(method)
        if served not in {None, "on-demand", "provisioned"}:
            raise failure(
                code=ExitCode.USAGE,
                id="unknown-way-of-serving",
                message=f"--served must be on-demand or provisioned, got {served}",
                fix="leave it out to list all",
            )
        rows = []
        for model in foundation_models().values():
            if (
                (region is None or region in model.regions)
                and (chosen is None or chosen in model.methods)
                and (served is None or served in model.inference)
                and (not usable or any(map(model.usable_for, model.methods)))
            ):
                rows.append(_row(model))
                _say(output, model)
        if not rows:
            output.say("no base model of the catalogue is so")
        undated = _tell_undated(output)
        return {"models": rows, "undated": undated}

    run_command(command="models", as_json=as_json, action=action)


@app.command()
def show(
    *,
    identifier: Annotated[str, typer.Argument(metavar="ID", help="Id of a base model.")],
    as_json: JsonOption = False,
) -> None:
    """Show every fact of one base model, with the page and the day it was read."""

    def action(output: Output) -> Mapping[str, object]:
        from settings import catalogue_files  # noqa: PLC0415 loaded when used
        from settings.base_models import foundation_models  # noqa: PLC0415

        model = foundation_models().get(identifier)
        if model is None:
            raise _unknown(identifier)
        known = catalogue_files.committed_facts()
        read = catalogue_files.readings()
        gone = {each.path: each.reason for each in catalogue_files.undated(known=known, read=read)}
        facts = []
        for fact in known:
            if fact.path not in _paths_of(model):
                continue
            day = None if fact.path in gone else read[fact.path]["read"]
            facts.append(
                {
                    "fact": fact.path,
                    "value": fact.value,
                    "source": fact.source,
                    "read": day,
                    "uncertain": fact.uncertain,
                }
            )
            when = f"read on {day}" if day else f"UNDATED: {gone[fact.path]}"
            output.say(f"{fact.path}: {fact.value}\n    {when}, {fact.source}")
            if fact.uncertain:
                output.say(f"    UNCERTAIN: {fact.uncertain}")
        return {"model": _row(model), "facts": facts}

    run_command(command="models show", as_json=as_json, action=action)


@app.command()
def refresh(
    *,
    write: Annotated[
        bool, typer.Option("--write", help="Take what the account says into the catalogue.")
    ] = False,
    region: Annotated[
        list[str] | None,
        typer.Option("--region", "-r", help="Region to ask; all of the catalogue by default."),
    ] = None,
    environment: EnvironmentOption = DEFAULT_ENVIRONMENT,
    config: ConfigOption = DEFAULT_CONFIG,
    rehearsal: RehearsalOption = False,
    as_json: JsonOption = False,
) -> None:
    """Compare the catalogue's states, ends and Regions with what the account's Bedrock says.

    Ends with 1 when they differ and nothing was written. AWS lists no reinforcement fine-tuning,
    so methods are not compared.
    """

    def action(output: Output) -> Mapping[str, object]:
        from settings import refresh as compare  # noqa: PLC0415 loaded when used
        from settings.base_models import foundation_models  # noqa: PLC0415

        known = foundation_models()
        regions = list(region or ())
        if not regions and rehearsal:
            regions = [read_environment(name=environment, directory=config).region]
        regions = regions or sorted({each for model in known.values() for each in model.regions})
        seen = [each for where in regions for each in _seen(where, rehearsal=rehearsal)]
        found = list(compare.differences(models=known, seen=seen, regions=regions))
        new = compare.unlisted(models=known, seen=seen)
        _say_differences(output, found, new, regions)
        if write:
            _write(output, found)
        elif found:
            output.add(
                Finding(
                    id="catalogue-differs",
                    level="error",
                    message=f"{len(found)} facts of the catalogue differ from what the account says"
                    f" in {', '.join(regions)}",
                    fix="look at them, then run `finetune models refresh --write`",
                )
            )
        result = {
            "regions": regions,
            "differences": [
                {"model": each.model, "fact": each.fact, "known": each.known, "seen": each.seen}
                for each in found
            ],
            "unknown": sorted({each.id for each in new}),
            "written": write and bool(found),
        }
        if found and not write:
            raise CommandError(code=ExitCode.FINDINGS, findings=[], result=result)
        return result

    run_command(command="models refresh", as_json=as_json, action=action)


@app.command()
def date(
    *,
    facts: Annotated[
        list[str],
        typer.Argument(metavar="FACT...", help="Paths of facts, as `finetune models` tells them."),
    ],
    read: Annotated[str, typer.Option("--read", metavar="YYYY-MM-DD", help="Day they were read.")],
    as_json: JsonOption = False,
) -> None:
    """Say on which day facts were read, after you changed them in settings/catalogue."""

    def action(output: Output) -> Mapping[str, object]:
        from settings import catalogue_files  # noqa: PLC0415 loaded when used

        try:
            day = datetime.date.fromisoformat(read)
        except ValueError as error:
            raise failure(
                code=ExitCode.USAGE,
                id="not-a-day",
                message=f"--read must be a day as YYYY-MM-DD, got {read}",
                fix="write the day on which you read the page",
            ) from error
        known = catalogue_files.committed_facts()
        paths = {fact.path for fact in known}
        readings = catalogue_files.readings()
        missing = [fact for fact in facts if fact not in paths and fact not in readings]
        if missing:
            raise failure(
                code=ExitCode.USAGE,
                id="unknown-fact",
                message=f"the catalogue has no {', '.join(missing)}",
                fix="copy the path that `finetune models` tells, such as"
                " models/amazon.nova-micro-v1:0:128k/state",
            )
        changed = catalogue_files.dated(
            known=known, read=readings, day=day.isoformat(), paths=frozenset(facts)
        )
        _save_readings(changed)
        output.say(f"{len(facts)} facts are read on {day}")
        return {"facts": facts, "read": day.isoformat()}

    run_command(command="models date", as_json=as_json, action=action)


def _method(method: str | None) -> str | None:
    if method is None:
        return None
    chosen = METHODS.get(method.lower().replace("_", "-"), method.upper().replace("-", "_"))
    if chosen not in METHODS.values():
        raise failure(
            code=ExitCode.USAGE,
            id="unknown-method",
            message=f"--method must be one of {', '.join(METHODS)}, got {method}",
            fix="leave it out to list all",
        )
    return chosen


def _unknown(identifier: str) -> Exception:
    from settings.base_models import foundation_models  # noqa: PLC0415 loaded when used
    from settings.checks import nearest  # noqa: PLC0415

    meant = nearest(identifier, foundation_models())
    return failure(
        code=ExitCode.USAGE,
        id="unknown-base-model",
        message=f"the catalogue has no base model {identifier}",
        fix=f"did you mean {meant}?" if meant else "see `finetune models` for those there are",
    )


def _row(model: "FoundationModel") -> dict[str, object]:
    from settings.base_models import today  # noqa: PLC0415 loaded when used

    return {
        "id": model.id,
        "name": model.name,
        "state": model.state_on(today()),
        "end_of_life": model.end_of_life.isoformat() if model.end_of_life else None,
        "ends_soon": model.ends_soon(today()),
        "regions": list(model.regions),
        "methods": list(model.methods),
        "usable_for": [method for method in model.methods if model.usable_for(method)],
        "served": list(model.inference),
        "families": {method: family.name for method, family in model.families.items()},
        "hyperparameters": {
            method: {name: parameter.allowed for name, parameter in parameters.items()}
            for method, parameters in model.hyperparameters_by_method.items()
        },
        "uncertain": dict(model.uncertain),
    }


def _say(output: Output, model: "FoundationModel") -> None:
    row = _row(model)
    end = f", ends {row['end_of_life']}" if row["end_of_life"] else ""
    words = {api: typed for typed, api in METHODS.items()}
    output.say(
        f"{model.id}\n    {model.name}: {row['state']}{end}; {', '.join(model.regions)};"
        f" {', '.join(words[method] for method in model.methods)};"
        f" served {' or '.join(model.inference)}"
    )
    for fact, why in model.uncertain.items():
        output.say(f"    UNCERTAIN {fact}: {why}")


def _paths_of(model: "FoundationModel") -> set[str]:
    """The facts that say something of a model: its own row, and the rows it names."""
    from settings import catalogue_files  # noqa: PLC0415 loaded when used

    row = catalogue_files.table("models")[model.id]
    prefixes = (
        f"models/{model.id}/",
        f"prices/{model.id}/",
        *(f"families/{name}/" for name in row["families"].values()),
        *(f"hyperparameters/{name}/" for name in row["hyperparameters"].values()),
    )
    known = catalogue_files.committed_facts()
    return {fact.path for fact in known if fact.path.startswith(prefixes)}


def _tell_undated(output: Output) -> list[dict[str, str]]:
    from settings import catalogue_files  # noqa: PLC0415 loaded when used

    found = catalogue_files.undated(
        known=catalogue_files.committed_facts(), read=catalogue_files.readings()
    )
    for each in found[:PATHS_SHOWN]:
        output.add(
            Finding(
                id="undated-fact",
                level="warning",
                message=f"undated: {each.path}: {each.reason}",
                fix=f"read it again, then `finetune models date {each.path} --read YYYY-MM-DD`",
                where={"file": "settings/catalogue"},
            )
        )
    if len(found) > PATHS_SHOWN:
        output.say(f"and {len(found) - PATHS_SHOWN} more undated facts: see --json")
    return [{"fact": each.path, "reason": each.reason} for each in found]


def _seen(region: str, *, rehearsal: bool) -> "Iterator[Seen]":
    from finetune.aws import aws_errors, connect  # noqa: PLC0415 loaded when used
    from settings.refresh import Seen  # noqa: PLC0415

    connection = connect(region=region, rehearsal=rehearsal)
    with aws_errors(
        doing=f"listing foundation models in {region}",
        denied="use credentials that may call bedrock:ListFoundationModels",
    ):
        summaries: list[Any] = connection.client("bedrock").list_foundation_models()[
            "modelSummaries"
        ]
    for summary in summaries:
        yield Seen.of(summary, region=region)


def _say_differences(
    output: Output, found: "list[Difference]", new: "tuple[Seen, ...]", regions: list[str]
) -> None:
    for each in found:
        output.say(f"{each.model}: {each.fact} is {_shown(each.known)}, the account says"
                   f" {_shown(each.seen)}")  # fmt: skip
    for identifier in sorted({each.id for each in new}):
        output.say(f"{identifier}: customizable, and not in the catalogue")
    if not found:
        output.say(f"the catalogue is as the account says in {', '.join(regions)}")


def _shown(value: object) -> str:
    if value is None:
        return "unknown"
    return ", ".join(map(str, value)) or "nowhere" if isinstance(value, list) else str(value)


def _write(output: Output, found: "list[Difference]") -> None:
    """Write the differences, and date the facts that changed."""
    from settings import catalogue_files  # noqa: PLC0415 loaded when used
    from settings import refresh as compare  # noqa: PLC0415
    from settings.base_models import today  # noqa: PLC0415

    path = catalogue_files.FOLDER / "models.yaml"
    try:
        text = compare.apply(
            text=path.read_text(encoding="utf-8"),
            rows=catalogue_files.table("models"),
            changes=found,
        )
    except catalogue_files.BrokenCatalogueError as error:
        raise failure(
            code=ExitCode.FINDINGS,
            id="catalogue-not-written",
            message=str(error),
            fix="nothing was written: do what is said, then refresh again",
        ) from error
    path.write_text(text, encoding="utf-8")
    catalogue_files.table.cache_clear()
    changed = {each.path for each in found}
    _save_readings(
        catalogue_files.dated(
            known=catalogue_files.committed_facts(),
            read=catalogue_files.readings(),
            day=today().isoformat(),
            paths=frozenset(changed),
        )
    )
    output.say(f"{len(found)} facts of settings/catalogue/models.yaml are written and dated")


def _save_readings(readings: Mapping[str, Mapping[str, str]]) -> None:
    from settings import catalogue_files  # noqa: PLC0415 loaded when used

    path = catalogue_files.FOLDER / catalogue_files.READINGS
    path.write_text(catalogue_files.render_readings(readings), encoding="utf-8")
