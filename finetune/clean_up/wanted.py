"""What the settings want to be there, read so that clean-up works when they are wrong otherwise.

A base model that reached its end, data that was not pushed or a budget that is exceeded is refused
everywhere else; none of them may keep somebody from taking away what costs.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Literal

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from finetune.environments import finding_of
from finetune.report import CommandError, ExitCode, failure
from settings import available_environments
from settings.model import Job, Keys, Storage
from settings.source import read_yaml

PARTS: Final = ("identity", "encryption", "network", "storage", "access", "engine", "inference")
"""The stacks all jobs share, each after those it needs; a test compares them with the app."""
JOB_PART: Final = "job-"
"""How the part begins that holds one job."""
Policy = Literal["keep-model", "delete-model"]


def _default(model: type[BaseModel], name: str) -> Any:  # noqa: ANN401 - of any field
    return model.model_fields[name].default


class _Section(BaseModel):
    model_config = ConfigDict(extra="ignore", frozen=True)


class _Job(_Section):
    on_replace: Policy = _default(Job, "on_replace")
    on_delete: Policy = _default(Job, "on_delete")


class _Storage(_Section):
    retain: bool = _default(Storage, "retain")


class _Keys(_Section):
    pending_window_days: int = Field(default=_default(Keys, "pending_window_days"), ge=7, le=30)


class _People(_Section):
    administrators: tuple[str, ...] = ()


class _Inference(_Section):
    enabled: bool = False


class _Settings(_Section):
    region: str = Field(pattern=r"^[a-z]{2,4}(-[a-z]+)+-[0-9]+$")
    account: str | None = Field(default=None, pattern=r"^[0-9]{12}$")
    storage: _Storage = _Storage()
    keys: _Keys = _Keys()
    people: _People = _People()
    inference: _Inference = _Inference()
    jobs: Mapping[str, _Job] | None = None


@dataclass(frozen=True, kw_only=True)
class Policies:
    """What becomes of a job's model."""

    on_replace: Policy
    on_delete: Policy


@dataclass(frozen=True, kw_only=True)
class Wanted:
    """What the settings of one environment want to be there, and to stay."""

    environment: str
    region: str
    account: str | None = None
    retain: bool = True
    """Whether data, keys, logs and state outlive the stacks."""
    pending_window_days: int = 30
    inference: bool = False
    jobs: Mapping[str, Policies] = field(default_factory=dict)
    administrators: tuple[str, ...] = ()

    def stack(self, part: str) -> str:
        """Name of the stack of one part."""
        return stack_name(self.environment, part)

    def wants(self, part: str) -> bool:
        """Whether the settings ask for a stack of this part."""
        if part.startswith(JOB_PART):
            return part.removeprefix(JOB_PART) in self.jobs
        return part in PARTS and (part != "inference" or self.inference)


def stack_name(environment: str, part: str) -> str:
    """Name of the stack of one part of an environment."""
    return f"finetune-{environment}-{part}"


def read_wanted(*, name: str, directory: Path) -> Wanted:
    """Return what the settings of one environment want.

    Raises CommandError (2) when the file is missing, or wrong where clean-up depends on it.
    """
    path = directory / f"{name}.yaml"
    there = available_environments(directory=directory)
    if name not in there:
        raise failure(
            code=ExitCode.USAGE,
            id="no-settings",
            message=f"there are no settings of an environment {name!r}",
            fix=f"name one of: {', '.join(there) or 'none is there'}",
            where={"file": str(path)},
        )
    source = read_yaml(path=path)
    if source.findings:
        raise CommandError(
            code=ExitCode.USAGE,
            findings=[finding_of(each.as_json()) for each in source.findings],
        )
    try:
        found = _Settings.model_validate(source.values)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field_name = ".".join(map(str, first["loc"])) or "the file"
        raise failure(
            code=ExitCode.USAGE,
            id="wrong-settings",
            message=f"{field_name} of the settings {name} is wrong: {first['msg'].lower()},"
            f" got {first['input']!r}",
            fix="correct it; `python app.py` shows all that is wrong",
            where={"file": str(path), "property": field_name},
        ) from error
    return Wanted(
        environment=name,
        region=found.region,
        account=found.account,
        retain=found.storage.retain,
        pending_window_days=found.keys.pending_window_days,
        inference=found.inference.enabled,
        jobs={
            job: Policies(on_replace=each.on_replace, on_delete=each.on_delete)
            for job, each in (found.jobs or {}).items()
        },
        administrators=found.people.administrators,
    )
