"""Jobs and custom models as Bedrock keeps them, and how they are looked up."""

from __future__ import annotations

import datetime
import secrets
import string
import threading
from dataclasses import dataclass, field
from typing import Any

from ministack.core.responses import AccountRegionScopedDict, get_account_id, get_region

from rehearsal.emulator.errors import NotFoundError

IN_PROGRESS, STOPPING = "InProgress", "Stopping"
COMPLETED, FAILED, STOPPED = "Completed", "Failed", "Stopped"
ENDED = frozenset({COMPLETED, FAILED, STOPPED})

PHASES = ("validationDetails", "dataProcessingDetails", "trainingDetails")
"""https://docs.aws.amazon.com/bedrock/latest/userguide/model-customization-monitor.html"""

_ID_LETTERS = string.ascii_lowercase + string.digits


def now() -> datetime.datetime:
    """The time, in UTC."""
    return datetime.datetime.now(datetime.UTC)


def new_id() -> str:
    """The 12 characters at the end of a job's or model's ARN."""
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(12))


def arn(resource: str, *, account: str | None = None) -> str:
    """ARN of a Bedrock resource in the calling account and Region."""
    owner = get_account_id() if account is None else account
    return f"arn:aws:bedrock:{get_region()}:{owner}:{resource}"


@dataclass(kw_only=True)
class Job:
    """A model customization job."""

    arn: str
    base_model: str
    request: dict[str, Any]
    """The CreateModelCustomizationJob request as it was accepted."""
    model_key_arn: str | None
    status: str = IN_PROGRESS
    failure: str | None = None
    phases: dict[str, dict[str, Any]] = field(default_factory=dict)
    created: datetime.datetime = field(default_factory=now)
    modified: datetime.datetime = field(default_factory=now)
    ended: datetime.datetime | None = None
    model_arn: str | None = None
    stop_requested: threading.Event = field(default_factory=threading.Event)
    seconds: float = 0.0
    """How long it takes from here to its end."""
    interfaces: list[str] = field(default_factory=list)
    """Network interface ids while they exist."""

    @property
    def name(self) -> str:
        """The job's name."""
        return str(self.request["jobName"])

    @property
    def model_name(self) -> str:
        """Name of the model it makes."""
        return str(self.request["customModelName"])

    def move(self, status: str, *, failure: str | None = None) -> None:
        """Change the status and the times that go with it."""
        self.status, self.failure, self.modified = status, failure, now()
        if status in ENDED:
            self.ended = self.modified

    def phase(self, name: str, status: str) -> None:
        """Change the status of one phase."""
        at = now()
        before = self.phases.get(name, {})
        self.phases[name] = {
            "status": status,
            "creationTime": before.get("creationTime", at),
            "lastModifiedTime": at,
        }
        self.modified = at


@dataclass(frozen=True, kw_only=True)
class Model:
    """A custom model."""

    arn: str
    job: Job
    created: datetime.datetime = field(default_factory=now)

    @property
    def name(self) -> str:
        """The model's name."""
        return self.job.model_name


class Records:
    """All jobs, models and tags, by account and Region."""

    def __init__(self) -> None:
        self.jobs: Any = AccountRegionScopedDict()
        self.models: Any = AccountRegionScopedDict()
        self.tags: Any = AccountRegionScopedDict()
        self.lock = threading.RLock()

    def find_job(self, identifier: str) -> Job | None:
        """The job of an ARN or a name; names live as long as jobs do."""
        for job in self.jobs.values():
            if identifier in (job.arn, job.name):
                return job  # type: ignore[no-any-return]  # MiniStack's dictionary is untyped
        return None

    def find_model(self, identifier: str) -> Model | None:
        """The custom model of an ARN or a name."""
        for model in self.models.values():
            if identifier in (model.arn, model.name):
                return model  # type: ignore[no-any-return]  # MiniStack's dictionary is untyped
        return None

    def job(self, identifier: str) -> Job:
        """The job of an ARN or a name.

        Raises:
            NotFoundError: there is none.
        """
        found = self.find_job(identifier)
        if found is None:
            raise NotFoundError(
                f"The specified model customization job was not found: {identifier}"
            )
        return found

    def model(self, identifier: str) -> Model:
        """The custom model of an ARN or a name.

        Raises:
            NotFoundError: there is none.
        """
        found = self.find_model(identifier)
        if found is None:
            raise NotFoundError(f"Could not find model with identifier: {identifier}")
        return found

    def tags_of(self, resource_arn: str) -> dict[str, str]:
        """Tags of a job or model, empty when it has none."""
        return dict(self.tags.get(resource_arn) or {})
