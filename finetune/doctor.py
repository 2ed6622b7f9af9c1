"""`finetune doctor`: whether an account is ready for what the settings ask for."""

from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

from finetune.environments import (
    DEFAULT_CONFIG,
    DEFAULT_ENVIRONMENT,
    ConfigOption,
    EnvironmentOption,
    RehearsalOption,
    finding_of,
)
from finetune.report import (
    CommandError,
    ExitCode,
    Finding,
    JsonOption,
    Output,
    run_command,
)

if TYPE_CHECKING:
    from finetune.checkup import Found, Look
    from settings import Settings


def doctor(
    *,
    environment: EnvironmentOption = DEFAULT_ENVIRONMENT,
    config: ConfigOption = DEFAULT_CONFIG,
    rehearsal: RehearsalOption = False,
    as_json: JsonOption = False,
) -> None:
    """Look for what would make a deployment or a job fail, before AWS says so.

    Changes nothing. Ends with 1 when it finds an error; a check that may not look is told as a
    note. Each finding names the error that AWS would answer with.
    """

    def action(output: Output) -> Mapping[str, object]:
        from finetune.aws import aws_errors, connect  # noqa: PLC0415 loaded when used
        from finetune.checkup import CHECKS, Look  # noqa: PLC0415

        settings = _settings(environment=environment, directory=config)
        connection = connect(region=settings.region, rehearsal=rehearsal)
        look = Look(settings=settings, connection=connection)
        with aws_errors(doing="asking whose credentials these are"):
            identity = look.identity
        output.say(f"{identity['Arn']} in {settings.region}")
        found: list[Found] = []
        results: dict[str, str] = {}
        for name in CHECKS:
            made = _made(look, name, output)
            results[name] = "not made" if made is None else _verdict(made)
            found += made or []
            output.say(f"{name:<15} {results[name]}")
            for each in made or []:
                output.add(_finding(each))
        for quota in look.quotas:
            output.say(f"quota of {quota.name}: {quota.used} of {quota.limit} used,"
                       f" {quota.left} left")  # fmt: skip
        result: dict[str, object] = {
            "environment": environment,
            "region": settings.region,
            "account": identity["Account"],
            "checks": results,
            "prevents": {each.id: each.prevents for each in found},
            "quotas": [
                {"name": each.name, "limit": each.limit, "used": each.used, "left": each.left}
                for each in look.quotas
            ],
        }
        if any(finding.level == "error" for finding in output.findings):
            raise CommandError(code=ExitCode.FINDINGS, findings=[], result=result)
        return result

    run_command(command="doctor", as_json=as_json, action=action)


def _settings(*, environment: str, directory: Path) -> "Settings":
    from settings import SettingsError, load_settings  # noqa: PLC0415

    try:
        return load_settings(environment=environment, directory=directory)
    except SettingsError as error:
        raise CommandError(
            code=ExitCode.USAGE,
            findings=[finding_of(each.as_json()) for each in error.findings],
        ) from error


def _made(look: "Look", name: str, output: Output) -> "list[Found] | None":
    """What a check found; None when it could not be made, which is told."""
    from finetune.aws import aws_errors  # noqa: PLC0415 loaded when used
    from finetune.checkup import CHECKS  # noqa: PLC0415

    try:
        with aws_errors(doing=f"checking {name}"):
            return list(CHECKS[name](look))
    except CommandError as error:
        (why,) = error.findings
        unreachable = why.id == "unreachable"
        output.add(
            Finding(
                id="service-unreachable" if unreachable else "not-checked",
                level="error" if unreachable else "note",
                message=f"{name} was not checked: {why.message}"
                + ("; a deployment would end with EndpointConnectionError" if unreachable else ""),
                fix=why.fix,
            )
        )
        return None


def _verdict(found: "list[Found]") -> str:
    errors = sum(each.level == "error" for each in found)
    others = len(found) - errors
    if not found:
        return "ok"
    return ", ".join(
        f"{count} {word}{'' if count == 1 else 's'}"
        for count, word in ((errors, "error"), (others, "warning"))
        if count
    )


def _finding(found: "Found") -> Finding:
    return Finding(
        id=found.id,
        level=found.level,
        message=f"{found.message}; AWS would say: {found.prevents}",
        fix=found.fix,
        where=found.where,
    )
