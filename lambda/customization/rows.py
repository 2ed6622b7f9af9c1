"""What the state table knows of one id: what was asked, how far its job is, whose it is.

Bedrock knows jobs and CloudFormation knows stacks; a row joins the two, and keeps what neither
says: that a job waits, what took its place, and which policy holds for its model. It holds names,
ARNs and settings, never data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum

from customization.jobs import JobStatus
from customization.request import ModelPolicy


class RowState(StrEnum):
    """How far the job of an id has come, as far as the functions know."""

    QUEUED = "Queued"
    """Asked for, and waiting for its turn."""
    SUBMITTING = "Submitting"
    """Somebody is asking Bedrock for it: a job may be there or not."""
    SUBMITTED = "Submitted"
    """Bedrock has taken it."""
    COMPLETED = "Completed"
    FAILED = "Failed"
    STOPPED = "Stopped"
    REFUSED = "Refused"
    """Bedrock did not take it."""
    MISSING = "Missing"
    """Bedrock had taken it and does not know it any more."""
    WITHDRAWN = "Withdrawn"
    """Its stack did not want it any more before it was submitted."""

    @property
    def is_final(self) -> bool:
        """Whether nothing more becomes of the job under this name."""
        return self not in {RowState.QUEUED, RowState.SUBMITTING, RowState.SUBMITTED}

    @property
    def is_failure(self) -> bool:
        """Whether somebody has to look: an alarm counts these."""
        return self in {RowState.FAILED, RowState.REFUSED, RowState.MISSING}

    @property
    def is_announced(self) -> bool:
        """Whether the topic hears of it."""
        return self.is_final and self is not RowState.WITHDRAWN


FINAL_OF: Mapping[JobStatus, RowState] = {
    JobStatus.COMPLETED: RowState.COMPLETED,
    JobStatus.FAILED: RowState.FAILED,
    JobStatus.STOPPED: RowState.STOPPED,
}
"""The row's state for each status in which a job is over."""


TRANSITIONS: Mapping[tuple[RowState | None, RowState], str] = {
    (None, RowState.QUEUED): "asked for",
    (None, RowState.SUBMITTED): "found in Bedrock, and adopted",
    (RowState.QUEUED, RowState.SUBMITTING): "its turn",
    (RowState.QUEUED, RowState.SUBMITTED): "found in Bedrock after a crash",
    (RowState.QUEUED, RowState.WITHDRAWN): "not wanted any more",
    (RowState.QUEUED, RowState.REFUSED): "its data or request is not right any more",
    (RowState.QUEUED, RowState.COMPLETED): "found ended after a crash",
    (RowState.QUEUED, RowState.FAILED): "found ended after a crash",
    (RowState.QUEUED, RowState.STOPPED): "found ended after a crash",
    (RowState.SUBMITTING, RowState.QUEUED): "the quotas leave no room",
    (RowState.SUBMITTING, RowState.SUBMITTED): "Bedrock took it",
    (RowState.SUBMITTING, RowState.REFUSED): "Bedrock did not take it",
    (RowState.SUBMITTING, RowState.WITHDRAWN): "not wanted any more, and Bedrock has none",
    (RowState.SUBMITTING, RowState.COMPLETED): "found ended after a crash",
    (RowState.SUBMITTING, RowState.FAILED): "found ended after a crash",
    (RowState.SUBMITTING, RowState.STOPPED): "found ended after a crash",
    (RowState.SUBMITTED, RowState.COMPLETED): "Bedrock ended it",
    (RowState.SUBMITTED, RowState.FAILED): "Bedrock ended it",
    (RowState.SUBMITTED, RowState.STOPPED): "Bedrock ended it",
    (RowState.SUBMITTED, RowState.MISSING): "Bedrock does not know it",
    (RowState.SUBMITTED, RowState.QUEUED): "asked for again, and Bedrock does not know it",
    (RowState.REFUSED, RowState.QUEUED): "asked for again",
    (RowState.WITHDRAWN, RowState.QUEUED): "asked for again",
    (RowState.MISSING, RowState.QUEUED): "asked for again",
    (RowState.REFUSED, RowState.SUBMITTED): "found in Bedrock, and adopted",
    (RowState.WITHDRAWN, RowState.SUBMITTED): "found in Bedrock, and adopted",
}
"""Every way from one state of a row to another; None is a row that is not there yet.

The tests by chance make no other.
"""


OF_ITS_HOLDER = (
    "StackId",
    "LogicalId",
    "RequestId",
    "RequestedAt",
    "Request",
    "OnReplace",
    "OnDelete",
    "Supersedes",
    "SupersededBy",
    "WentBack",
    "RetiredAt",
    "Adopted",
)
"""What a row says of the resource that it belongs to, and not of its job."""
MOST_HOLDERS = 5
"""How many resources are remembered that a row was taken from."""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the table; times are None until what they tell has happened.

    `superseded_by` is the id that took this one's place in its resource, `went_back` says that it
    was an older one, by a rollback. `adopted` says that it had been replaced when it was wanted
    again: when the request that wants it fails, it is a replaced one as before. `retired_at` is
    when CloudFormation's clean-up came.
    `held` is what it says of its resource, as text; `formerly` are the same of resources that it
    was taken from by another stack's request and that had not given it up, newest last.
    `deleted_at` says that nobody wants the job any more: from then on it is only stopped and, if
    `policy` says so, its model deleted. `settled_at` says that nothing is left to do.
    """

    name: str
    environment: str
    job: str
    state: RowState
    stack_id: str
    logical_id: str
    request_id: str
    requested_at: datetime
    request: str
    on_replace: ModelPolicy
    on_delete: ModelPolicy
    policy: ModelPolicy = ModelPolicy.KEEP
    failure: str = ""
    superseded_by: str | None = None
    supersedes: str | None = None
    went_back: bool = False
    adopted: bool = False
    submitting_at: datetime | None = None
    submitted_at: datetime | None = None
    refused_at: datetime | None = None
    ended_at: datetime | None = None
    announcing_at: datetime | None = None
    announced_at: datetime | None = None
    retired_at: datetime | None = None
    deleted_at: datetime | None = None
    model_deleted_at: datetime | None = None
    settled_at: datetime | None = None
    held: Mapping[str, str] = field(default_factory=dict)
    formerly: Sequence[Mapping[str, str]] = ()

    @classmethod
    def parse(cls, item: Mapping[str, str]) -> Row:
        """Return the row that an item of the table holds."""
        return cls(
            name=item["Id"],
            environment=item["Environment"],
            job=item["Job"],
            state=RowState(item["State"]),
            stack_id=item["StackId"],
            logical_id=item["LogicalId"],
            request_id=item["RequestId"],
            requested_at=datetime.fromisoformat(item["RequestedAt"]),
            request=item["Request"],
            on_replace=ModelPolicy(item["OnReplace"]),
            on_delete=ModelPolicy(item["OnDelete"]),
            policy=ModelPolicy(item.get("Policy", ModelPolicy.KEEP)),
            failure=item.get("Failure", ""),
            superseded_by=item.get("SupersededBy"),
            supersedes=item.get("Supersedes"),
            went_back=item.get("WentBack") == "true",
            adopted=item.get("Adopted") == "true",
            submitting_at=_moment(item, "SubmittingAt"),
            submitted_at=_moment(item, "SubmittedAt"),
            refused_at=_moment(item, "RefusedAt"),
            ended_at=_moment(item, "EndedAt"),
            announcing_at=_moment(item, "AnnouncingAt"),
            announced_at=_moment(item, "AnnouncedAt"),
            retired_at=_moment(item, "RetiredAt"),
            deleted_at=_moment(item, "DeletedAt"),
            model_deleted_at=_moment(item, "ModelDeletedAt"),
            settled_at=_moment(item, "SettledAt"),
            held={key: item[key] for key in OF_ITS_HOLDER if key in item},
            formerly=tuple(json.loads(item.get("Formerly", "[]"))),
        )

    def holders_after(self, *, stack_id: str, logical_id: str) -> dict[str, str]:
        """Return the attribute that remembers who had this row, for when a resource takes it.

        The request that takes it may be a late one of a stack that is gone. Whoever had given the
        row up, by its Delete, is not remembered.
        """
        holders: list[Mapping[str, str]] = []
        if self.deleted_at is None:
            holders = [*self.formerly, self.held]
        taker = (stack_id, logical_id)
        others = [each for each in holders if (each["StackId"], each["LogicalId"]) != taker]
        return {"Formerly": json.dumps(others[-MOST_HOLDERS:])}

    def is_going(self, *, completed: bool) -> bool:
        """Whether the job, or its model, is being taken away, so that nobody may adopt it."""
        if self.deleted_at is None:
            return False
        return not completed or self.policy is ModelPolicy.DELETE


def _moment(item: Mapping[str, str], name: str) -> datetime | None:
    return datetime.fromisoformat(item[name]) if name in item else None
