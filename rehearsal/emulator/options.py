"""What the emulator is told at its start: one JSON file, read once."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass(frozen=True, kw_only=True)
class BaseModel:
    """A foundation model the emulated Bedrock knows."""

    model_id: str
    """Identifier with its suffix, `amazon.nova-2-lite-v1:0:256k`."""
    customizations: tuple[str, ...]
    """Customization types it takes, in the API's spelling (`FINE_TUNING`)."""
    active: bool
    """False: the model is `LEGACY` and takes no new job."""
    inference: tuple[str, ...] = ()
    """How what was customized from it can be served: `on-demand`, `provisioned`."""


@dataclass(frozen=True, kw_only=True)
class Options:
    """Everything a started emulator depends on."""

    state: Path
    """Folder for certificate, logs, ledger and the functions' unpacked code."""
    listen_fd: int
    """File descriptor of a bound loopback socket, inherited from the parent."""
    port: int
    account: str
    region: str
    job_seconds: float
    """How long a job takes from submission to its end."""
    base_models: tuple[BaseModel, ...]
    prefix_lists: dict[str, str]
    """Managed prefix list id of this Region by service: `s3`, `dynamodb`."""
    caller_needs_model_key: bool
    """Whether the caller of CreateModelCustomizationJob needs the model key, as the role does."""
    ends_with_parent: bool
    """End when the parent closes this process's standard input."""

    @property
    def ca_file(self) -> Path:
        """Certificate authority that clients must trust."""
        return self.state / "ca.pem"

    @property
    def ledger_file(self) -> Path:
        """JSON: by resource type, the template properties that no provisioner read."""
        return self.state / "ignored-properties.json"

    @property
    def refusals_file(self) -> Path:
        """JSON lines: every request, check or job that was refused, and why."""
        return self.state / "refusals.jsonl"

    @property
    def jobs_file(self) -> Path:
        """JSON lines: every change of a job's status, with how many jobs were in progress then."""
        return self.state / "jobs.jsonl"

    @property
    def pace_file(self) -> Path:
        """How many seconds the next jobs take, in place of `job_seconds`; may be absent."""
        return self.state / "job-seconds"

    @property
    def serving_pace_file(self) -> Path:
        """How many seconds until a deployment is ready, or `fail`; may be absent."""
        return self.state / "serving-seconds"

    @property
    def clock_file(self) -> Path:
        """How many seconds the account's time is ahead of this machine's; may be absent."""
        return self.state / "clock-offset"

    @property
    def sudden_end_file(self) -> Path:
        """JSON: the `functions` that are ended in their work; see sudden_ends.py; may be absent."""
        return self.state / "sudden-end"

    @property
    def sudden_ends_log(self) -> Path:
        """JSON lines: which invocation was ended at which call, or came to its end after all."""
        return self.state / "sudden-ends.jsonl"

    @property
    def interface_pace_file(self) -> Path:
        """How many seconds interfaces outlive their function; may be absent."""
        return self.state / "interface-seconds"

    @classmethod
    def read(cls, path: Path) -> Options:
        """Read the options file.

        Raises:
            KeyError: a value is missing.
        """
        raw: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
        return cls(
            state=Path(raw["state"]),
            listen_fd=raw["listen_fd"],
            port=raw["port"],
            account=raw["account"],
            region=raw["region"],
            job_seconds=float(raw["job_seconds"]),
            base_models=tuple(
                BaseModel(
                    model_id=model["model_id"],
                    customizations=tuple(model["customizations"]),
                    active=model["active"],
                    inference=tuple(model["inference"]),
                )
                for model in raw["base_models"]
            ),
            prefix_lists=dict(raw["prefix_lists"]),
            caller_needs_model_key=raw["caller_needs_model_key"],
            ends_with_parent=raw["ends_with_parent"],
        )
