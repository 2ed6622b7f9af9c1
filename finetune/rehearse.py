"""`finetune rehearse`: the whole app on this machine, without an AWS account."""

from collections.abc import Mapping
from dataclasses import asdict
from typing import TYPE_CHECKING, Annotated

import typer

from finetune.environments import (
    DEFAULT_CONFIG,
    DEFAULT_ENVIRONMENT,
    EnvironmentOption,
    finding_of,
)
from finetune.report import CommandError, ExitCode, Finding, JsonOption, Output, run_command

if TYPE_CHECKING:
    from rehearsal.errors import RehearsalError
    from rehearsal.faults.batch import FaultResult
    from settings import SettingsError


def rehearse(
    *,
    scenario: Annotated[
        str, typer.Option("--scenario", metavar="NAME", help="The scenario to run.")
    ] = "main",
    list_them: Annotated[
        bool, typer.Option("--list", help="List the scenarios and the planted faults.")
    ] = False,
    fault: Annotated[
        list[str] | None,
        typer.Option(
            "--fault",
            metavar="NAME",
            help="Plant this fault and see it refused; repeat it for several, `all` for every one.",
        ),
    ] = None,
    keep: Annotated[
        bool,
        typer.Option(
            "--keep", help="Destroy nothing and leave the emulator running for --rehearsal."
        ),
    ] = False,
    down: Annotated[bool, typer.Option("--down", help="End the rehearsal that was kept.")] = False,
    environment: EnvironmentOption = DEFAULT_ENVIRONMENT,
    as_json: JsonOption = False,
) -> None:
    """Deploy the app to a local emulator, run its job, and destroy everything again.

    The emulator enforces the deployed policies, keys and network; the real CDK command line
    deploys and the real functions run. Nothing trains, nothing leaves this machine and no AWS
    account is needed.
    """
    run_command(
        command="rehearse",
        as_json=as_json,
        action=lambda output: _rehearse(
            output=output,
            scenario=scenario,
            list_them=list_them,
            faults=fault or [],
            keep=keep,
            down=down,
            environment=environment,
        ),
    )


def _rehearse(
    *,
    output: Output,
    scenario: str,
    list_them: bool,
    faults: list[str],
    keep: bool,
    down: bool,
    environment: str,
) -> Mapping[str, object]:
    # Everything below takes a second to import, which `--help` has no use for.
    from rehearsal import run  # noqa: PLC0415
    from rehearsal.errors import RehearsalError  # noqa: PLC0415
    from settings import SettingsError  # noqa: PLC0415

    _check_use(scenario=scenario, faults=faults, keep=keep, down=down)
    if list_them:
        return _list(output)
    try:
        if down:
            run.end_kept()
            output.say("the kept rehearsal has ended")
            return {}
        found = run.rehearse(
            environment=environment,
            scenario=scenario,
            faults=faults,
            keep=keep,
            config=DEFAULT_CONFIG,
        )
    except SettingsError as error:
        raise _wrong_settings(error) from error
    except RehearsalError as error:
        raise _failed(error) from error
    result: dict[str, object] = {
        "seconds": found.seconds,
        "steps": [asdict(step) for step in found.steps],
        "faults": [asdict(one) for one in found.faults],
        **found.result,
    }
    missed = [one for one in found.faults if not one.ok]
    if missed:
        raise CommandError(
            code=ExitCode.FINDINGS, findings=[_missed(one) for one in missed], result=result
        )
    output.say(_summary(faults=len(found.faults), seconds=found.seconds, kept=keep))
    return result


def _check_use(*, scenario: str, faults: list[str], keep: bool, down: bool) -> None:
    from rehearsal.faults.catalogue import ALL, FAULTS  # noqa: PLC0415
    from rehearsal.run import DEFAULT_SCENARIO, SCENARIOS  # noqa: PLC0415

    names = [fault.name for fault in FAULTS]
    unknown = [name for name in faults if name not in (*names, ALL)]
    problem, fix = "", ""
    if scenario not in SCENARIOS:
        problem = f"there is no scenario {scenario!r}"
        fix = f"use one of: {', '.join(SCENARIOS)}"
    elif unknown:
        problem = f"there is no fault {unknown[0]!r}"
        fix = f"use `{ALL}`, or one of: {', '.join(names)}"
    elif faults and (keep or scenario != DEFAULT_SCENARIO):
        problem, fix = "--fault goes with neither --keep nor --scenario", "leave one of them out"
    elif down and (keep or faults):
        problem, fix = "--down goes alone", "leave the other options out"
    if problem:
        raise CommandError(
            code=ExitCode.USAGE,
            findings=[Finding(id="wrong-use", level="error", message=problem, fix=fix)],
        )


def _list(output: Output) -> Mapping[str, object]:
    from rehearsal.faults.catalogue import FAULTS  # noqa: PLC0415
    from rehearsal.run import SCENARIOS  # noqa: PLC0415

    output.say("scenarios:")
    for name, sentence in SCENARIOS.items():
        output.say(f"  {name:32}{sentence}")
    output.say("faults:")
    for fault in FAULTS:
        output.say(f"  {fault.name:32}{fault.says}")
    return {
        "scenarios": dict(SCENARIOS),
        "faults": {fault.name: fault.says for fault in FAULTS},
    }


def _summary(*, faults: int, seconds: float, kept: bool) -> str:
    if faults:
        return f"{faults} faults, each refused for its own reason, in {seconds:.0f} s"
    if kept:
        return "kept: use --rehearsal with other commands, end it with `finetune rehearse --down`"
    return f"rehearsed in {seconds:.0f} s"


def _missed(result: "FaultResult") -> Finding:
    return Finding(
        id="fault-missed",
        level="error",
        message=f"{result.name} ({result.says}): {result.outcome}",
        fix="find out what no longer refuses it; see rehearsal/faults/catalogue.py",
    )


def _failed(error: "RehearsalError") -> CommandError:
    from rehearsal.errors import KeptRehearsalError, NothingKeptError  # noqa: PLC0415

    findings = [Finding(id=error.id, level="error", message=error.message, fix=error.fix)]
    findings += [
        Finding(id="rehearsal-reason", level="note", message=reason, fix="")
        for reason in error.reasons
    ]
    wrong_use = isinstance(error, (KeptRehearsalError, NothingKeptError))
    code = ExitCode.USAGE if wrong_use else ExitCode.FINDINGS
    return CommandError(code=code, findings=findings, result={"reasons": list(error.reasons)})


def _wrong_settings(error: "SettingsError") -> CommandError:
    findings = [finding_of(one.as_json()) for one in error.findings]
    return CommandError(code=ExitCode.USAGE, findings=findings)
