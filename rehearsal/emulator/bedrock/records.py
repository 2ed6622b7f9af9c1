"""The jobs and custom models of the emulated accounts, and what the emulator adds to a job."""

from __future__ import annotations

import secrets
import string
import threading
from dataclasses import dataclass, field
from typing import Any

from ministack.core.responses import AccountRegionScopedDict, get_account_id, get_region

from rehearsal.bedrock_semantics.jobs import Record, enter
from rehearsal.bedrock_semantics.logging_configuration import LoggingConfiguration
from rehearsal.bedrock_semantics.service import Bedrock
from rehearsal.emulator import clock

_ID_LETTERS = string.ascii_lowercase + string.digits


def new_id() -> str:
    """The 12 characters at the end of a job's or model's ARN."""
    return "".join(secrets.choice(_ID_LETTERS) for _ in range(12))


def arn(resource: str) -> str:
    """ARN of a Bedrock resource in the calling account and Region."""
    owner = "" if resource.startswith("foundation-model/") else get_account_id()
    return f"arn:aws:bedrock:{get_region()}:{owner}:{resource}"


@dataclass(kw_only=True)
class Job:
    """A model customization job that runs here."""

    record: Record
    """The job as Bedrock answers it; the one truth about its state."""
    request: dict[str, Any]
    """The CreateModelCustomizationJob request as it was accepted."""
    stop_requested: threading.Event = field(default_factory=threading.Event)
    seconds: float = 0.0
    """How long it takes from here to its end."""
    interfaces: list[str] = field(default_factory=list)
    """Network interface ids while they exist."""

    @property
    def name(self) -> str:
        """The job's name."""
        return str(self.record["jobName"])

    @property
    def arn(self) -> str:
        """The job's ARN."""
        return str(self.record["jobArn"])

    @property
    def status(self) -> str:
        """The job's status."""
        return str(self.record["status"])

    def phase(self, name: str, status: str) -> None:
        """Change the status of one phase."""
        enter(self.record, name, status, now=clock.now())


def bedrock() -> Bedrock:
    """Bedrock with a store for each account and Region."""
    return Bedrock(
        clock=clock.now,
        arn=arn,
        new_id=new_id,
        jobs=AccountRegionScopedDict(),
        models=AccountRegionScopedDict(),
        tags=AccountRegionScopedDict(),
        requests=AccountRegionScopedDict(),
        deployments=AccountRegionScopedDict(),
        throughputs=AccountRegionScopedDict(),
        logging=LoggingConfiguration(store=AccountRegionScopedDict()),
    )
