"""`finetune review`: the security gate over templates, ours or somebody else's."""

from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, cast

import typer

from finetune.report import (
    CommandError,
    ExitCode,
    JsonOption,
    Output,
    failure,
    run_command,
)
from review.parts import PARTS, Part
from review.template.errors import UnreadableError

if TYPE_CHECKING:
    from review.report import Report
    from review.rules import Profile

PROFILES = ("app", "any")


def review(
    *,
    paths: Annotated[
        list[Path],
        typer.Argument(help="Folders that `cdk synth` wrote, and templates, JSON or YAML."),
    ],
    profile: Annotated[
        str,
        typer.Option(
            help="`app`: what this app makes. `any`: whatever fine-tunes on Amazon Bedrock."
        ),
    ] = "app",
    only: Annotated[
        str | None,
        typer.Option(help=f"The parts to do, separated by commas: {', '.join(PARTS)}."),
    ] = None,
    parameter: Annotated[
        list[str] | None,
        typer.Option(help="NAME=VALUE: a parameter of the templates; may be given several times."),
    ] = None,
    region: Annotated[
        str | None,
        typer.Option(help="The Region to think of where the templates name none."),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(
            help="The approved access to compare with; without it that of review/baseline."
        ),
    ] = None,
    html: Annotated[
        Path | None,
        typer.Option(help="Write the reviewer's page to this file: one file, no network."),
    ] = None,
    sarif: Annotated[
        Path | None, typer.Option(help="Write the findings to this file as SARIF 2.1.0.")
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Review templates: structure, IAM decisions, proofs, new access, and the rules of others.

    Nothing is deployed, and no AWS is called. Exit codes: 0 nothing open, 1 findings, 2 unreadable
    input or wrong use.
    """

    def action(output: Output) -> Mapping[str, object]:
        parts = _parts(only)
        if profile not in PROFILES:
            raise _usage("--profile", profile, PROFILES)
        if baseline is not None and "access" not in parts:
            raise failure(
                code=ExitCode.USAGE,
                id="usage",
                message="--baseline is for the part access, which --only leaves out",
                fix="add access to --only, or leave --baseline out",
            )
        if only is not None and "access" in parts and baseline is None and profile == "any":
            raise failure(
                code=ExitCode.USAGE,
                id="usage",
                message="--only access compares with a baseline, and none is named",
                fix="name it with --baseline; `finetune approve` writes one",
            )
        given = dict(_parameter(each) for each in parameter or [])
        from review.run import review as review_paths  # noqa: PLC0415 - help does without

        try:
            report = review_paths(
                paths,
                profile=cast("Profile", profile),
                only=parts,
                parameters=given,
                region=region,
                baseline=baseline,
            )
        except UnreadableError as error:
            raise failure(
                code=ExitCode.USAGE,
                id="template.unreadable",
                message=error.message,
                fix=error.fix,
                where=error.where,
            ) from error
        _say(output, report)
        written = _write(output, report, html=html, sarif=sarif)
        if not report.ok:
            raise CommandError(
                code=ExitCode.FINDINGS, findings=report.findings, result=report.as_json() | written
            )
        for finding in report.findings:
            output.add(finding)
        return report.as_json() | written

    run_command(command="review", as_json=as_json, action=action)


def _write(
    output: Output, report: "Report", *, html: Path | None, sarif: Path | None
) -> dict[str, str]:
    """Write what is asked for, and tell where it is."""
    made: dict[str, tuple[Path, Callable[[], str]]] = {}
    if html is not None:
        made["html"] = html, lambda: _page(report)
    if sarif is not None:
        made["sarif"] = sarif, lambda: _log(report)
    for file, text in made.values():
        try:
            file.write_text(text(), encoding="utf-8")
        except OSError as error:
            raise failure(
                code=ExitCode.USAGE,
                id="file.not-written",
                message=f"{file} cannot be written: {error.strerror or error}",
                fix="name a file in a folder that is there and can be written",
            ) from error
        output.say(f"written to {file}")
    return {name: str(file) for name, (file, _) in made.items()}


def _page(report: "Report") -> str:
    from review.page import render  # noqa: PLC0415 - most reviews write no page

    return render(report)


def _log(report: "Report") -> str:
    from review.sarif import sarif_text  # noqa: PLC0415 - most reviews write none

    return sarif_text(report)


def _parts(only: str | None) -> tuple[Part, ...]:
    if only is None:
        return PARTS
    named = [each.strip() for each in only.split(",")]
    for each in named:
        if each not in PARTS:
            raise _usage("--only", each, PARTS)
    return tuple(part for part in PARTS if part in named)


def _parameter(text: str) -> tuple[str, str]:
    name, separator, value = text.partition("=")
    if not separator or not name:
        raise failure(
            code=ExitCode.USAGE,
            id="usage",
            message=f"--parameter takes NAME=VALUE, got {text!r}",
            fix="write, for example, --parameter VpcCidr=10.0.0.0/16",
        )
    return name, value


def _usage(option: str, got: str, allowed: tuple[Any, ...]) -> CommandError:
    return failure(
        code=ExitCode.USAGE,
        id="usage",
        message=f"{option} takes {', '.join(map(str, allowed))}, got {got!r}",
        fix="see finetune review --help",
    )


def _say(output: Output, report: "Report") -> None:
    counts = report.counts()
    looked = f"{report.resources} resources in {report.stacks} stacks"
    tried = ", ".join(f"{number} of {part}" for part, number in report.checks.items())
    output.say(f"looked at {looked} ({report.profile}); checks: {tried or 'those of others'}")
    for taken in report.acknowledged:
        where = taken.finding.where
        place = f"{where.get('stack')}/{where.get('logical_id')}"
        output.say(f"acknowledged: {place}: {taken.finding.id}\n  because: {taken.reason}")
    folded = f"; {report.folded} said the same and are folded" if report.folded else ""
    output.say(
        f"{counts['error']} errors, {counts['warning']} warnings, {counts['note']} notes, "
        f"{len(report.acknowledged)} acknowledged{folded}"
    )
