"""Following jobs in the emulator and saying each change."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from rehearsal.client import Client
from rehearsal.errors import RehearsalError

ENDED = ("Completed", "Failed", "Stopped")
_PHASES = {
    "validationDetails": "validation",
    "dataProcessingDetails": "data processing",
    "trainingDetails": "training",
}
_INTERVAL = 0.25


def describe(job: dict[str, Any]) -> str:
    """A job's status and, while it runs, its phase."""
    status = str(job["status"])
    if status != "InProgress":
        return status
    details = job.get("statusDetails", {})
    running = [
        words
        for name, words in _PHASES.items()
        if details.get(name, {}).get("status") == "InProgress"
    ]
    return f"{status}: {running[-1]}" if running else status


@dataclass(kw_only=True)
class JobWatch:
    """Says every change of every job, from its own thread."""

    client: Client
    say: Callable[[str], None]
    _seen: dict[str, str] = field(default_factory=dict)
    _stop: threading.Event = field(default_factory=threading.Event)
    _thread: threading.Thread | None = None

    def __enter__(self) -> JobWatch:
        self._thread = threading.Thread(target=self._watch, daemon=True)
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._thread is not None:
            self._thread.join()

    def _watch(self) -> None:
        bedrock = self.client.service("bedrock")
        while not self._stop.wait(_INTERVAL):
            self._look(bedrock)

    def _look(self, bedrock: Any) -> None:  # noqa: ANN401 - boto3's clients are untyped here
        for job in bedrock.list_model_customization_jobs()["modelCustomizationJobSummaries"]:
            text = describe(job)
            if self._seen.get(job["jobArn"]) != text:
                self._seen[job["jobArn"]] = text
                self.say(f"job {job['jobName']}: {text}")


def wait_for_end(*, client: Client, job_name: str, timeout: float) -> dict[str, Any]:
    """Return the job when it has ended.

    Raises:
        RehearsalError: it does not end in time.
    """
    bedrock = client.service("bedrock")
    deadline = time.monotonic() + timeout
    while time.monotonic() < deadline:
        job: dict[str, Any] = bedrock.get_model_customization_job(jobIdentifier=job_name)
        if job["status"] in ENDED:
            return job
        time.sleep(_INTERVAL)
    raise RehearsalError(f"the job {job_name} did not end within {timeout:g} s", fix="run it again")
