"""What a lineage record holds: entries, each of one event, with the facts that it established.

An entry is a JSON file of its own. It names the digest of the one before, so that a changed, lost
or inserted entry shows. Facts are names, ARNs, settings, digests and losses, never data.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, Final

SCHEMA: Final = 1
"""Version of the entries; raised when a key changes its meaning or goes."""


class Event(StrEnum):
    """What happened to a model."""

    TRAINED = "trained"
    DEPLOYED = "deployed"
    TRIED = "tried"
    """Its smoke test ran."""
    WITHDRAWN = "withdrawn"
    """A deployment ended; the model is there still."""
    DELETED = "deleted"


@dataclass(frozen=True, kw_only=True)
class Settings:
    """What was asked for, as far as it decides what is trained."""

    base_model: str
    customization_type: str
    hyperparameters: Mapping[str, str]
    run: str
    key_name: str
    digest: str
    """16 hexadecimal digits that stand for all of it and the data; the model's name holds them."""


@dataclass(frozen=True, kw_only=True)
class Check:
    """The check that a data set passed before it was pushed."""

    version: str
    model_family: str
    ok: bool
    at: str


@dataclass(frozen=True, kw_only=True)
class DataSet:
    """One data set, by its content."""

    purpose: str
    """`training` or `validation`."""
    name: str
    uri: str
    sha256: str
    check: Check | None = None
    """None where whoever wrote the entry did not know it."""


@dataclass(frozen=True, kw_only=True)
class Template:
    """The template of the stack that asked for the job."""

    stack_id: str
    sha256: str
    """Of the template as CloudFormation has it, with its keys sorted and without white space."""


@dataclass(frozen=True, kw_only=True)
class Job:
    """The job in Bedrock, and where it ran."""

    name: str
    arn: str
    status: str
    created: str
    ended: str | None
    role_arn: str
    subnet_ids: tuple[str, ...]
    security_group_ids: tuple[str, ...]
    output_uri: str


@dataclass(frozen=True, kw_only=True)
class Model:
    """The custom model."""

    name: str
    arn: str
    key_arn: str | None


@dataclass(frozen=True, kw_only=True)
class Metrics:
    """What its training was like, in the words of `training_metrics.summary`."""

    curves: tuple[Mapping[str, Any], ...]
    best: Mapping[str, Any] | None
    verdicts: tuple[str, ...]
    files: Mapping[str, str]
    """Key of each metrics file, and its SHA-256."""


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """A way to call the model."""

    kind: str
    """`on_demand` or `provisioned`."""
    name: str
    arn: str
    until: str | None = None
    """When it ends by itself."""


@dataclass(frozen=True, kw_only=True)
class Trial:
    """How a model answered its smoke tests; never what it answered."""

    passed: bool
    tests: int
    failed: tuple[int, ...]
    """Their numbers, from 1."""


@dataclass(frozen=True, kw_only=True)
class Facts:
    """What an event established; what it says nothing of is None or empty."""

    settings: Settings | None = None
    data: tuple[DataSet, ...] = ()
    template: Template | None = None
    job: Job | None = None
    model: Model | None = None
    metrics: Metrics | None = None
    deployment: Deployment | None = None
    trial: Trial | None = None


@dataclass(frozen=True, kw_only=True)
class Entry:
    """One event in a model's life."""

    schema: int
    environment: str
    job: str
    """The job's name in the settings."""
    name: str
    """Name of the job and the model in Bedrock: whose record this is."""
    sequence: int
    """From 1, without a gap."""
    previous: str | None
    """SHA-256 of the file of the entry before; None for the first."""
    id: str
    """Names the happening, so that a retry adds no second entry."""
    event: Event
    at: str
    """When it was written, in UTC."""
    by: str
    """ARN of who wrote it."""
    facts: Facts = field(default_factory=Facts)

    def as_bytes(self) -> bytes:
        """Return the entry as its file holds it; equal entries give equal bytes."""
        return (json.dumps(asdict(self), indent=1, sort_keys=True) + "\n").encode()


def digest_of(content: bytes) -> str:
    """Return the SHA-256 of a file, in hexadecimal."""
    return hashlib.sha256(content).hexdigest()


def moment(value: datetime) -> str:
    """Return a time as entries hold it. Raises ValueError for one without a time zone."""
    if value.tzinfo is None:
        raise ValueError("a time in a lineage record must have a time zone, got none")
    return value.isoformat()
