"""`finetune destroy`: an environment's stacks, in the right order, and what is left of them."""

from collections.abc import Mapping
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
from finetune.leftovers import (
    REHEARSAL_INTERVAL,
    AdministratorOption,
    YesOption,
    raise_for,
    tell,
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
    from finetune.clean_up.plan import Plan


def destroy(
    *,
    yes: YesOption = False,
    unprotect: Annotated[
        bool,
        typer.Option(
            "--unprotect", help="Take the termination protection off the stacks that have it."
        ),
    ] = False,
    administrator: AdministratorOption = None,
    timeout: Annotated[
        float,
        typer.Option("--timeout", min=1, metavar="MINUTES", help="Longest wait for one stack."),
    ] = 60,
    environment: EnvironmentOption = DEFAULT_ENVIRONMENT,
    config: ConfigOption = DEFAULT_CONFIG,
    rehearsal: RehearsalOption = False,
    as_json: JsonOption = False,
) -> None:
    """Destroy an environment's stacks: jobs first, foundations last.

    Says first what goes and what stays, and asks. Data, keys, logs and models are kept or deleted
    as what is deployed says; where the settings say otherwise, it refuses. Run it again when it was
    interrupted. Ends with 1 when something is forgotten afterwards.
    """
    run_command(
        command="destroy",
        as_json=as_json,
        action=lambda output: _destroy(
            output=output,
            yes=yes,
            unprotect=unprotect,
            administrator=administrator,
            minutes=timeout,
            environment=environment,
            config=config,
            rehearsal=rehearsal,
        ),
    )


def _destroy(
    *,
    output: Output,
    yes: bool,
    unprotect: bool,
    administrator: str | None,
    minutes: float,
    environment: str,
    config: Path,
    rehearsal: bool,
) -> Mapping[str, object]:
    from finetune.aws import aws_errors, connect  # noqa: PLC0415 loaded when used
    from finetune.clean_up import kept, picture, stacks, taking  # noqa: PLC0415
    from finetune.clean_up import plan as planning  # noqa: PLC0415
    from finetune.clean_up.looks import Region, look_at_bedrock  # noqa: PLC0415
    from finetune.clean_up.stack_deletion import Deleter, Patience  # noqa: PLC0415
    from finetune.clean_up.survey import scope_of, survey  # noqa: PLC0415
    from finetune.clean_up.teardown import Teardown  # noqa: PLC0415
    from finetune.clean_up.wanted import read_wanted  # noqa: PLC0415

    wanted = read_wanted(name=environment, directory=config)
    region = Region(
        connection=connect(region=wanted.region, rehearsal=rehearsal),
        environments=frozenset({environment}),
    )
    taking.check_account(wanted, region)
    with aws_errors(doing=f"reading the stacks in {region.name}"):
        living = stacks.living(region)
        plan = planning.make_plan(
            wanted=wanted, stacks=living, things=look_at_bedrock(region) if living else ()
        )
    result: dict[str, object] = {"destroyed": [], "kept_files": []}
    if plan.stacks:
        for sentence in planning.sentences(plan):
            output.say(sentence)
        refuse(plan, unprotect=unprotect)
        taking.ask(
            output,
            question=f"To destroy {environment} in {region.name}",
            environment=environment,
            yes=yes,
        )
        # Before anything goes: what is gone from CloudFormation could not be looked up any more.
        files = kept.write(directory=config, mappings=planning.mappings(plan))
        result["kept_files"] = [str(path) for path in files]
        result["destroyed"] = Teardown(
            region=region,
            deleter=Deleter(
                region=region,
                patience=Patience(
                    seconds=minutes * 60, interval=REHEARSAL_INTERVAL if rehearsal else 5.0
                ),
                say=output.say,
            ),
            administrator=taking.administrator_of(
                region.connection, role=administrator, wanted=wanted
            ),
            say=output.say,
        ).run(plan)
        for path in files:
            output.say(
                f"what stays is written down in {path}: see docs/clean-up.md to use it again"
            )
    else:
        output.say(f"no stack of {environment} is there in {region.name}")
    scope, problems = scope_of(environment=environment, directory=config, everybody=False)
    after = survey(scope=scope, directory=config, rehearsal=rehearsal)
    output.say("")
    tell(output, after, everything=False)
    result |= picture.as_result(after)
    raise_for(after, problems=problems, result=result)
    return result


def refuse(plan: "Plan", *, unprotect: bool) -> None:
    """Refuse a destroy that would surprise somebody.

    Raises:
        CommandError: with every reason (1), or stacks that are protected (2).
    """
    from finetune.clean_up.plan import surprises  # noqa: PLC0415 loaded when used

    findings: list[Finding] = list(surprises(plan))
    if findings:
        raise CommandError(code=ExitCode.FINDINGS, findings=findings)
    if plan.protected and not unprotect:
        raise failure(
            code=ExitCode.USAGE,
            id="protected",
            message=f"{len(plan.protected)} stacks are protected from deletion:"
            f" {', '.join(stack.name for stack in plan.protected)}",
            fix="add --unprotect if they are to go, whatever they were protected for",
        )
