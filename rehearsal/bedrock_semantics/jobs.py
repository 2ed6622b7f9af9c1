"""A job's states and phases, and which follow which."""

from __future__ import annotations

from datetime import datetime
from typing import Any, Final

from rehearsal.bedrock_semantics.errors import ImpossibleError

Record = dict[str, Any]
"""A job, or a custom model, as GetModelCustomizationJob or GetCustomModel answers it."""

IN_PROGRESS, STOPPING = "InProgress", "Stopping"
COMPLETED, FAILED, STOPPED = "Completed", "Failed", "Stopped"
RUNNING: Final = frozenset({IN_PROGRESS, STOPPING})
ENDED: Final = frozenset({COMPLETED, FAILED, STOPPED})

NEXT: Final = {
    IN_PROGRESS: frozenset({STOPPING, *ENDED}),
    # One that was nearly done completes all the same.
    STOPPING: ENDED,
}
"""The states that may follow a state; none follows an end."""

PHASES: Final = ("validationDetails", "dataProcessingDetails", "trainingDetails")
"""https://docs.aws.amazon.com/bedrock/latest/userguide/model-customization-monitor.html"""


def move(job: Record, status: str, *, now: datetime, failure: str | None = None) -> None:
    """Change a job's status and what goes with it.

    Raises:
        ImpossibleError: no job goes from its status to this one.
    """
    before = job["status"]
    # A status that is no job's was put there to see what comes of it.
    if status not in NEXT.get(before, ENDED if before not in ENDED else frozenset()):
        raise ImpossibleError(f"the job {job['jobName']} is {before}, and cannot be {status}")
    job["status"] = status
    job["lastModifiedTime"] = now
    if failure:
        job["failureMessage"] = failure[:2048]
    if status in ENDED:
        job["endTime"] = now
        for name, details in job.get("statusDetails", {}).items():
            if details.get("status") == IN_PROGRESS:
                enter(job, name, status, now=now)


def enter(job: Record, phase: str, status: str, *, now: datetime) -> None:
    """Change the status of one phase of a job."""
    phases = dict(job.get("statusDetails", {}))
    before = phases.get(phase, {})
    phases[phase] = {
        "status": status,
        "creationTime": before.get("creationTime", now),
        "lastModifiedTime": now,
    }
    job["statusDetails"] = phases
    job["lastModifiedTime"] = now
