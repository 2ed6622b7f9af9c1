"""`finetune approve`: takes the access that templates give for right, so that more is noticed."""

import getpass
import shutil
import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from finetune.report import ExitCode, JsonOption, Output, failure, run_command
from review.template.errors import UnreadableError

if TYPE_CHECKING:
    from review.template.assembly import Loaded
    from review.template.deployment import Deployment


def approve(
    *,
    paths: Annotated[
        list[Path],
        typer.Argument(help="Folders that `cdk synth` wrote, and templates, JSON or YAML."),
    ],
    because: Annotated[
        str, typer.Option(help="Why the access is right: who asked for it, and what for.")
    ],
    by: Annotated[
        str | None,
        typer.Option(help="Who approves; without it the name that git has, or that of the user."),
    ] = None,
    baseline: Annotated[
        Path | None,
        typer.Option(help="The file to write; without it review/baseline/<environment>.json."),
    ] = None,
    as_json: JsonOption = False,
) -> None:
    """Approve the access that templates give: who may do what with what, and through what.

    Writes it down with who, when and why, for `finetune review` to compare with. Nothing is
    deployed, and no AWS is called. Exit codes: 0 written, 2 unreadable input or wrong use.
    """

    def action(output: Output) -> Mapping[str, object]:
        # Help does without these.
        from review.decisions.purposes import facts  # noqa: PLC0415
        from review.proofs import baseline as baselines  # noqa: PLC0415
        from review.template.assembly import load  # noqa: PLC0415

        if not because.strip():
            raise _usage("--because", "must say why the access is right, got nothing")
        name, said_by = (by, "--by") if by is not None else _whoever()
        if not name.strip():
            raise _usage("--by", "must name somebody, got nothing")
        try:
            loaded = load(paths)
            _require_known(loaded)
            file = baseline or _own_file(loaded.deployment)
            known = facts(loaded.deployment).get("environment")
            found = baselines.approve(
                loaded.deployment,
                by=name.strip(),
                because=because.strip(),
                environment=known or file.stem,
            )
        except UnreadableError as error:
            raise failure(
                code=ExitCode.USAGE,
                id="template.unreadable",
                message=error.message,
                fix=error.fix,
                where=error.where,
            ) from error
        try:
            baselines.save(found, file)
        except OSError as error:
            raise failure(
                code=ExitCode.USAGE,
                id="baseline.not-written",
                message=f"{file} cannot be written: {error.strerror or error}",
                fix="name a file that can be written with --baseline",
            ) from error
        output.say(
            f"approved: {len(found.policies)} policies and {len(found.traffic)} ways through the "
            f"network of {found.environment}"
        )
        output.say(f"by {found.approved.by} (from {said_by}), because {found.approved.because}")
        output.say(f"written to {file}: commit it")
        return {
            "baseline": str(file),
            "environment": found.environment,
            "by": found.approved.by,
            "by_from": said_by,
            "because": found.approved.because,
            "at": found.approved.at.isoformat(),
            "policies": len(found.policies),
            "ways": len(found.traffic),
        }

    run_command(command="approve", as_json=as_json, action=action)


def _require_known(loaded: "Loaded") -> None:
    """Refuse to approve what nobody has seen.

    Raises:
        UnreadableError: Something of the templates is not known before they are deployed.
    """
    unknown = [each for each in loaded.problems if each.level == "error"]
    if unknown:
        first = unknown[0]
        more = f", and {len(unknown) - 1} more" if len(unknown) > 1 else ""
        raise UnreadableError(
            f"the access cannot be approved: {first.message}{more}",
            fix=f"{first.fix}; `finetune review` lists them all",
            where=loaded.deployment.place(
                stack=first.stack, logical_id=first.logical_id, path=first.property
            ),
        )


def _own_file(deployment: "Deployment") -> Path:
    """Where the baseline of the templates' environment belongs.

    Raises:
        UnreadableError: They do not say their environment.
    """
    from review.proofs import baseline as baselines  # noqa: PLC0415 - help does without

    name = baselines.environment_name(deployment)
    return baselines.FOLDER / f"{Path(name).name}.json"


def _whoever() -> tuple[str, str]:
    """Who is at the keyboard, and who says so."""
    git = shutil.which("git")
    if git is not None:
        asked = subprocess.run(
            [git, "config", "user.name"], capture_output=True, text=True, check=False, timeout=10
        )
        if asked.returncode == 0 and asked.stdout.strip():
            return asked.stdout.strip(), "git's user.name"
    try:
        return getpass.getuser(), "the system's user"
    except (KeyError, OSError) as error:
        raise _usage("--by", "must name who approves: neither git nor the system does") from error


def _usage(option: str, message: str) -> Exception:
    return failure(
        code=ExitCode.USAGE, id="usage", message=f"{option} {message}",
        fix="see finetune approve --help",
    )  # fmt: skip
