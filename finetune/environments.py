"""Which environment a command works on: its settings, and where they are."""

import os
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated

import typer

from finetune.report import CommandError, ExitCode, Finding

ROOT = Path(__file__).resolve().parent.parent
"""The checkout this command line belongs to."""
REHEARSAL_FILE = Path(os.environ.get("FINETUNE_REHEARSAL_FILE", ROOT / ".rehearsal" / "env.json"))
"""How to reach a kept rehearsal; `finetune rehearse --keep` writes it. A scenario names its own."""

EnvironmentOption = Annotated[
    str,
    typer.Option(
        "--environment",
        "-e",
        envvar="FINETUNE_ENVIRONMENT",
        metavar="NAME",
        help="The environment: a settings file in the configuration folder.",
    ),
]
RehearsalOption = Annotated[
    bool,
    typer.Option("--rehearsal", help="Use a rehearsal kept by `finetune rehearse --keep`."),
]
ConfigOption = Annotated[
    Path,
    typer.Option(
        "--config",
        envvar="FINETUNE_CONFIG",
        metavar="DIR",
        help="Folder of the settings files and of the lock file.",
        show_default=False,
    ),
]
DEFAULT_ENVIRONMENT = "dev"
DEFAULT_CONFIG = ROOT / "config"

_ABOUT_DATA = frozenset(
    {
        "settings.data-not-pushed",
        "settings.data-not-ok",
        "settings.data-for-other-model",
        "settings.broken-lock-file",
    }
)
"""Findings that a push takes away, and that must therefore not prevent it."""


@dataclass(frozen=True, kw_only=True)
class JobData:
    """What a push needs to know of a job: which data it takes, for which model."""

    base_model: str
    dataset: str | None
    """None for a job that learns from invocation logs."""
    validation_dataset: str | None
    customization_type: str = "FINE_TUNING"


@dataclass(frozen=True, kw_only=True)
class Environment:
    """What commands need of an environment's settings."""

    name: str
    region: str
    jobs: Mapping[str, JobData]

    def stack(self, part: str) -> str:
        """Return the name of one of the environment's stacks, such as `storage`."""
        return f"finetune-{self.name}-{part}"

    def job_of(self, name: str) -> str | None:
        """Return the job that a name is, or that a whole name in Bedrock belongs to, else None.

        A model outlives its job in the settings: its whole name is enough.
        """
        from customization.identity import DIGEST_PATTERN, JOB_PATTERN  # noqa: PLC0415 when used

        if name in self.jobs:
            return name
        whole = re.fullmatch(
            rf"{re.escape(self.name)}-({JOB_PATTERN})-{DIGEST_PATTERN}(-[0-9]{{1,2}})?", name
        )
        return whole[1] if whole else None


def read_environment(*, name: str, directory: Path) -> Environment:
    """Return an environment's settings, checked as they are at synth.

    What is wrong with the lock file or missing from it is no error here, since pushing data is how
    it gets right. Raises `CommandError` with all other mistakes at once.
    """
    # Pydantic and YAML take longer to load than `--help` may take.
    from settings import SettingsError, load_settings  # noqa: PLC0415
    from settings.source import read_yaml  # noqa: PLC0415

    try:
        load_settings(environment=name, directory=directory)
    except SettingsError as error:
        wrong = [finding for finding in error.findings if finding.id not in _ABOUT_DATA]
        if wrong:
            raise CommandError(
                code=ExitCode.USAGE, findings=[finding_of(one.as_json()) for one in wrong]
            ) from error
    values = read_yaml(path=directory / f"{name}.yaml").values
    return Environment(
        name=name,
        region=values["region"],
        jobs={
            job: JobData(
                base_model=entry["base_model"],
                dataset=entry.get("dataset"),
                validation_dataset=entry.get("validation_dataset"),
                customization_type=entry.get("customization_type", "FINE_TUNING"),
            )
            for job, entry in (values.get("jobs") or {}).items()
        },
    )


def finding_of(values: Mapping[str, object]) -> Finding:
    """A finding of the settings, as its `as_json` has it, as a command tells it."""
    where = values["where"]
    return Finding(
        id=str(values["id"]),
        level="error",
        message=str(values["message"]),
        fix=str(values["fix"]),
        where=where if isinstance(where, dict) else {},
    )
