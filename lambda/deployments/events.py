"""What the follow-up's state machine asks the deployer, and what it is answered."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from enum import StrEnum
from typing import TYPE_CHECKING, Any, Final, TypedDict

from customization.errors import EventError
from deployments.rows import RowState

if TYPE_CHECKING:
    from deployments.rows import Row


class DeployState(StrEnum):
    """How far a job's deployment is, as far as the state machine must know."""

    NOT_WANTED = "NotWanted"
    PENDING = "Pending"
    """Ask again later."""
    ACTIVE = "Active"
    FAILED = "Failed"


STATE_OF: Final[Mapping[RowState, DeployState]] = {
    RowState.WANTED: DeployState.PENDING,
    RowState.CREATING: DeployState.PENDING,
    RowState.ACTIVE: DeployState.ACTIVE,
    RowState.FAILED: DeployState.FAILED,
    RowState.ENDED: DeployState.FAILED,
    RowState.MISSING: DeployState.FAILED,
    RowState.NO_MODEL: DeployState.FAILED,
    RowState.REMOVED: DeployState.NOT_WANTED,
}
"""What each state of a row is to the state machine."""
_SAYS: Final[Mapping[RowState, str]] = {
    RowState.ENDED: "its end had come before it was tried",
    RowState.MISSING: "Bedrock does not know it any more: somebody removed it",
}


class DeployAnswer(TypedDict):
    """What the deployer answers about a job's deployment; `ends_at` is a time in ISO 8601."""

    state: str
    deployment: str | None
    arn: str | None
    kind: str | None
    ends_at: str | None
    smoke_tests: list[Any]
    failure: str


@dataclass(frozen=True, kw_only=True)
class DeployEvent:
    """The wish of one of the state machine's executions to know how far a job's deployment is."""

    job_name: str
    execution: str

    @classmethod
    def parse(cls, event: object) -> DeployEvent | None:
        """Return the event's typed form, or None when it is another event.

        Raises EventError when it is one and names no job or no execution.
        """
        if not isinstance(event, Mapping) or "Deploy" not in event:
            return None
        asked = event["Deploy"]
        known = asked if isinstance(asked, Mapping) else {}
        name, execution = known.get("job_name"), known.get("execution")
        if not (isinstance(name, str) and name and isinstance(execution, str) and execution):
            raise EventError(
                "Deploy must name a job and who asks: "
                '{"Deploy": {"job_name": "...", "execution": "..."}}'
            )
        return cls(job_name=name, execution=execution)


def answer(row: Row | None) -> DeployAnswer:
    """Return what the state machine is told of a row, or of none."""
    if row is None or row.deleted_at is not None:
        return {
            "state": DeployState.NOT_WANTED,
            "deployment": None,
            "arn": None,
            "kind": None,
            "ends_at": None,
            "smoke_tests": [],
            "failure": "",
        }
    return {
        "state": STATE_OF[row.state],
        "deployment": row.name,
        "arn": row.arn,
        "kind": row.kind.value,
        "ends_at": row.ends_at.isoformat() if row.ends_at else None,
        "smoke_tests": json.loads(row.smoke_tests),
        "failure": row.failure or _SAYS.get(row.state, ""),
    }
