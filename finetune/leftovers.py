"""`finetune leftovers`: what of the app exists or costs, who wants it, and taking away the rest."""

import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finetune.environments import (
    DEFAULT_CONFIG,
    DEFAULT_ENVIRONMENT,
    ConfigOption,
    EnvironmentOption,
    RehearsalOption,
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
    from finetune.clean_up.survey import Entry, Survey

REHEARSAL_INTERVAL = 0.2
"""Seconds between two looks at a rehearsed stack."""
YesOption = Annotated[bool, typer.Option("--yes", help="Ask nothing: delete at once.")]
AdministratorOption = Annotated[
    str | None,
    typer.Option(
        "--administrator",
        metavar="ARN",
        help="A role of people.administrators to empty buckets as; else your own credentials.",
    ),
]


def leftovers(
    *,
    delete: Annotated[
        bool, typer.Option("--delete", help="Take away what is forgotten, after asking.")
    ] = False,
    also_kept: Annotated[
        list[str] | None,
        typer.Option(
            "--also-kept",
            metavar="KIND",
            help="With --delete: also what is kept by policy, of this kind, such as 'custom model'"
            " or bucket. Repeat it for several.",
        ),
    ] = None,
    all_environments: Annotated[
        bool,
        typer.Option(
            "--all-environments", help="Things of every environment, not only the chosen one."
        ),
    ] = False,
    everything: Annotated[
        bool, typer.Option("--all", help="Name also what is in use, not only its number.")
    ] = False,
    yes: YesOption = False,
    administrator: AdministratorOption = None,
    environment: EnvironmentOption = DEFAULT_ENVIRONMENT,
    config: ConfigOption = DEFAULT_CONFIG,
    rehearsal: RehearsalOption = False,
    as_json: JsonOption = False,
) -> None:
    """List what of the app exists or costs, in all Regions of the settings.

    Tells apart what is in use, what the settings' policy keeps, and what is forgotten, with its age
    and what it costs a month by list prices. Ends with 1 when something is forgotten, and with 3
    when something could not be looked at.
    """
    run_command(
        command="leftovers",
        as_json=as_json,
        action=lambda output: _leftovers(
            output=output,
            delete=delete,
            also_kept=also_kept or [],
            all_environments=all_environments,
            everything=everything,
            yes=yes,
            administrator=administrator,
            environment=environment,
            config=config,
            rehearsal=rehearsal,
        ),
    )


def _leftovers(
    *,
    output: Output,
    delete: bool,
    also_kept: Sequence[str],
    all_environments: bool,
    everything: bool,
    yes: bool,
    administrator: str | None,
    environment: str,
    config: Path,
    rehearsal: bool,
) -> Mapping[str, object]:
    from finetune.clean_up import picture, taking  # noqa: PLC0415 loaded when used
    from finetune.clean_up.survey import scope_of, survey  # noqa: PLC0415

    kinds = taking.kinds_named(also_kept)
    if (kinds or yes) and not delete:
        raise failure(
            code=ExitCode.USAGE,
            id="wrong-use",
            message="--also-kept and --yes go with --delete only",
            fix="add --delete, or leave them out",
        )
    scope, problems = scope_of(
        environment=environment, directory=config, everybody=all_environments
    )
    found = survey(scope=scope, directory=config, rehearsal=rehearsal)
    tell(output, found, everything=everything)
    for problem in problems:
        output.add(problem)
    removed: list[dict[str, object]] = []
    if delete:
        doomed = taking.doomed(found, also_kept=kinds)
        for wanted in found.wanted.values():
            if wanted.region in found.regions:
                taking.check_account(wanted, found.regions[wanted.region])
        try:
            taking.confirm(
                output, doomed, environment=environment, yes=yes, what="delete these for good"
            )
        except CommandError as error:
            would = {"would_remove": [picture.as_object(entry) for entry in doomed]}
            result = {**picture.as_result(found), **would}
            raise CommandError(code=error.code, findings=error.findings, result=result) from error
        failed = taking.take_away(
            output=output,
            found=found,
            doomed=doomed,
            removed=removed,
            administrator=administrator,
            interval=REHEARSAL_INTERVAL if rehearsal else 5.0,
        )
        if doomed:
            found = survey(scope=scope, directory=config, rehearsal=rehearsal)
            output.say("")
            output.say("after that:")
            tell(output, found, everything=False)
        problems = [*problems, *failed]
    result = {**picture.as_result(found), **({"removed": removed} if delete else {})}
    raise_for(found, problems=problems, result=result)
    return result


def tell(output: Output, found: "Survey", *, everything: bool) -> None:
    """Show what is there: what is forgotten and kept by name, what is in use by number."""
    from finetune.clean_up import picture  # noqa: PLC0415 loaded when used
    from finetune.clean_up.things import Fate  # noqa: PLC0415

    where = ", ".join(found.regions)
    if not found.entries:
        output.say(f"nothing of {', '.join(sorted(found.wanted))} is there in {where}")
    for fate, heading in picture.HEADINGS.items():
        entries = found.of(fate)
        if not entries or output.as_json:
            continue
        if fate is not Fate.IN_USE or everything:
            _show(output, entries, fate=fate)
        else:
            output.say(f"{heading} ({picture.total_of(entries)}); --all names them:")
            for line in picture.grouped(entries):
                output.say(line)
        if fate is not Fate.IN_USE:
            output.say(f"  together: {picture.total_of(entries)}")
    uncertain = sorted(
        {
            f"{entry.cost.price.name}: {entry.cost.price.uncertain}"
            for entry in found.entries
            if entry.cost.price is not None and entry.cost.price.uncertain
        }
    )
    for text in uncertain:
        output.add(Finding(id="uncertain-price", level="note", message=text, fix=""))
    if found.only_tagged:
        output.add(
            Finding(
                id="only-tagged",
                level="note",
                message="the tagging API knows these besides, and no list that was read:"
                f" {', '.join(found.only_tagged)}",
                fix="it lags: look again in an hour, then look at them in the console",
            )
        )


def _show(output: Output, entries: "Sequence[Entry]", *, fate: object) -> None:
    from finetune.clean_up import bill, picture  # noqa: PLC0415 loaded when used
    from finetune.clean_up.things import Fate  # noqa: PLC0415

    shown = Fate(str(fate))
    if sys.stdout.isatty():
        from rich.console import Console  # noqa: PLC0415 slow to load

        Console().print(picture.table(entries, fate=shown))
        return
    output.say(f"{picture.HEADINGS[shown]}:")
    for entry in entries:
        thing = entry.judged.thing
        output.say(
            f"  {thing.kind}  {thing.name}  {picture.age(thing.created)}  {bill.shown(entry.cost)}"
            f"  {picture.why(entry.judged)}"
        )


def raise_for(
    found: "Survey", *, problems: Sequence[Finding], result: Mapping[str, object]
) -> None:
    """End with 3 when nobody can say that nothing is forgotten, and with 1 when something is."""
    from finetune.clean_up import picture  # noqa: PLC0415 loaded when used
    from finetune.clean_up.things import Fate  # noqa: PLC0415

    entries = found.of(Fate.FORGOTTEN)
    forgotten = []
    if entries:
        some = ", ".join(entry.judged.thing.name for entry in entries[:3])
        more = f" and {len(entries) - 3} more" if len(entries) > 3 else ""
        forgotten.append(
            Finding(
                id="forgotten",
                level="error",
                message=f"{len(entries)} {'thing is' if len(entries) == 1 else 'things are'}"
                f" forgotten, {picture.total_of(entries)}: {some}{more}",
                fix=_what_to_do(entries),
            )
        )
    blind = [*found.problems, *problems]
    if blind or forgotten:
        raise CommandError(
            code=ExitCode.AWS if found.problems else ExitCode.FINDINGS,
            findings=[*blind, *forgotten],
            result=result,
        )


def _what_to_do(entries: "Sequence[Entry]") -> str:
    """How things that are forgotten go: by the command, by naming their kind, or by hand."""
    goes = [entry for entry in entries if not (entry.judged.stays or entry.judged.by_name)]
    named = {entry.judged.thing.kind.value for entry in entries if entry.judged.by_name}
    stay = sum(bool(entry.judged.stays) for entry in entries)
    steps = ["finetune leftovers --delete"] if goes else []
    kinds = " ".join(f"--also-kept '{kind}'" for kind in sorted(named))
    steps += [f"those whose policy nobody knows: finetune leftovers --delete {kinds}"] * bool(named)
    steps += [f"{stay} go another way: see what is said of each"] * bool(stay)
    return "; ".join(steps)
