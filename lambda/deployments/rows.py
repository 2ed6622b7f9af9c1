"""What the table of deployments knows of one name: what is wanted, how far it is, whose it is.

Bedrock knows what serves a model and CloudFormation knows stacks; a row joins the two and keeps
what neither says: when it has to end, and what took its place. It is written before anything is
bought, and holds names, ARNs and settings, never data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Final

from customization.claims import Claim
from deployments.kinds import COMMITTED_FOR, Commitment, Kind

CREATION_GRACE: Final = timedelta(minutes=6)
"""How long a creation may be under way: the deployer's time limit and a minute."""

CLAIM: Final = (
    "StackId",
    "LogicalId",
    "RequestId",
    "RequestedAt",
    "SupersededBy",
    "RetiredAt",
    "Hours",
    "SmokeTests",
    "Tags",
)
"""The attributes of a row that say what one resource of one stack wants of it."""
OF_AN_ATTEMPT: Final = (
    "ActiveAt",
    "Arn",
    "CreatingAt",
    "EndedAt",
    "EndsAt",
    "Failure",
    "FollowUpDueAt",
    "FollowedUpAt",
    "FollowedUpBy",
    "RefusedAt",
    "StartedAt",
    "ToldAt",
)
"""The attributes of a row that tell of one attempt: a wish that comes again begins without them."""


class RowState(StrEnum):
    """How far a deployment has come, as far as the functions know."""

    WANTED = "Wanted"
    """Asked for: it waits for its job's model and for its stack to be at rest."""
    CREATING = "Creating"
    """Bedrock was asked for it, or is about to be: it may be there or not."""
    ACTIVE = "Active"
    """It serves the model."""
    FAILED = "Failed"
    """Bedrock did not take it, or could not make it."""
    ENDED = "Ended"
    """Its end came."""
    MISSING = "Missing"
    """Bedrock had it and does not know it any more: somebody else removed it."""
    NO_MODEL = "NoModel"
    """Its job ended without a model."""
    REMOVED = "Removed"
    """Nobody wants it any more, and Bedrock has none."""

    @property
    def is_over(self) -> bool:
        """Whether nothing becomes of it without somebody asking for it again."""
        return self not in {RowState.WANTED, RowState.CREATING, RowState.ACTIVE}

    @property
    def is_failure(self) -> bool:
        """Whether somebody has to look: the metric `FailedDeployments` counts these."""
        return self in {RowState.FAILED, RowState.MISSING}


TRANSITIONS: Mapping[tuple[RowState | None, RowState], str] = {
    (None, RowState.WANTED): "asked for",
    (RowState.WANTED, RowState.CREATING): "its model is there and its stack is at rest",
    (RowState.WANTED, RowState.NO_MODEL): "its job ended without a model",
    (RowState.WANTED, RowState.FAILED): "another one has its name",
    (RowState.WANTED, RowState.REMOVED): "not wanted any more",
    (RowState.CREATING, RowState.WANTED): "the quotas leave no room",
    (RowState.CREATING, RowState.ACTIVE): "Bedrock made it",
    (RowState.CREATING, RowState.FAILED): "Bedrock did not take it, or could not make it",
    (RowState.CREATING, RowState.ENDED): "its end came",
    (RowState.CREATING, RowState.MISSING): "Bedrock took it and does not know it",
    (RowState.CREATING, RowState.REMOVED): "not wanted any more, and Bedrock has none",
    (RowState.ACTIVE, RowState.FAILED): "Bedrock says that it failed",
    (RowState.ACTIVE, RowState.ENDED): "its end came",
    (RowState.ACTIVE, RowState.MISSING): "Bedrock does not know it any more",
    (RowState.ACTIVE, RowState.REMOVED): "not wanted any more, and Bedrock has none",
    (RowState.FAILED, RowState.CREATING): "Bedrock had taken it all the same",
    (RowState.MISSING, RowState.CREATING): "Bedrock knows it again",
    (RowState.FAILED, RowState.WANTED): "asked for again",
    (RowState.ENDED, RowState.WANTED): "asked for again, or for longer than it has lasted",
    (RowState.MISSING, RowState.WANTED): "asked for again",
    (RowState.NO_MODEL, RowState.WANTED): "asked for again",
    (RowState.REMOVED, RowState.WANTED): "asked for again",
    (RowState.FAILED, RowState.REMOVED): "not wanted any more",
    (RowState.ENDED, RowState.REMOVED): "not wanted any more",
    (RowState.MISSING, RowState.REMOVED): "not wanted any more",
    (RowState.NO_MODEL, RowState.REMOVED): "not wanted any more",
}
"""Every way from one state of a row to another; None is a row that is not there yet.

The tests by chance make no other.
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the table; times are None until what they tell has happened.

    `started_at` is when throughput was planned and its life began, `ends_at` when it has to end:
    both are written before it is bought. `superseded_by` is the name that took this one's place in
    its resource, `supersedes` the one whose place it took last, `retired_at` when CloudFormation's
    clean-up came. `followed_up_by` is the name of the one execution that tries and tells it, of
    its job or of its own. `deleted_at` says that nobody wants it: from then on it is only removed.
    `settled_at` says that nothing is left to do.
    """

    name: str
    environment: str
    job: str
    job_name: str
    kind: Kind
    model_units: int
    commitment: Commitment | None
    hours: int | None
    smoke_tests: str
    tags: Mapping[str, str]
    state: RowState
    attempt: int
    stack_id: str
    logical_id: str
    request_id: str
    requested_at: datetime
    wanted_at: datetime
    arn: str | None = None
    failure: str = ""
    superseded_by: str | None = None
    supersedes: str | None = None
    retired_at: datetime | None = None
    started_at: datetime | None = None
    ends_at: datetime | None = None
    creating_at: datetime | None = None
    active_at: datetime | None = None
    refused_at: datetime | None = None
    ended_at: datetime | None = None
    told_at: datetime | None = None
    follow_up_due_at: datetime | None = None
    followed_up_at: datetime | None = None
    followed_up_by: str | None = None
    deleted_at: datetime | None = None
    settled_at: datetime | None = None
    claim: Claim = field(default_factory=dict)
    claims_before: Sequence[Claim] = ()

    @classmethod
    def parse(cls, item: Mapping[str, str]) -> Row:
        """Return the row that an item of the table holds."""
        return cls(
            name=item["Id"],
            environment=item["Environment"],
            job=item["Job"],
            job_name=item["JobName"],
            kind=Kind(item["Kind"]),
            model_units=int(item["ModelUnits"]),
            commitment=Commitment(item["Commitment"]) if item["Commitment"] else None,
            hours=int(item["Hours"]) if item["Hours"] else None,
            smoke_tests=item["SmokeTests"],
            tags=json.loads(item["Tags"]),
            state=RowState(item["State"]),
            attempt=int(item["Attempt"]),
            stack_id=item["StackId"],
            logical_id=item["LogicalId"],
            request_id=item["RequestId"],
            requested_at=datetime.fromisoformat(item["RequestedAt"]),
            wanted_at=datetime.fromisoformat(item["WantedAt"]),
            arn=item.get("Arn"),
            failure=item.get("Failure", ""),
            superseded_by=item.get("SupersededBy"),
            supersedes=item.get("Supersedes"),
            retired_at=_moment(item, "RetiredAt"),
            started_at=_moment(item, "StartedAt"),
            ends_at=_moment(item, "EndsAt"),
            creating_at=_moment(item, "CreatingAt"),
            active_at=_moment(item, "ActiveAt"),
            refused_at=_moment(item, "RefusedAt"),
            ended_at=_moment(item, "EndedAt"),
            told_at=_moment(item, "ToldAt"),
            follow_up_due_at=_moment(item, "FollowUpDueAt"),
            followed_up_at=_moment(item, "FollowedUpAt"),
            followed_up_by=item.get("FollowedUpBy"),
            deleted_at=_moment(item, "DeletedAt"),
            settled_at=_moment(item, "SettledAt"),
            claim={key: item[key] for key in CLAIM if key in item},
            claims_before=tuple(json.loads(item.get("ClaimsBefore", "[]"))),
        )

    @property
    def life(self) -> timedelta | None:
        """How long it may live from its start; None for what costs nothing while nobody asks."""
        if self.kind is not Kind.PROVISIONED:
            return None
        asked = timedelta(hours=self.hours or 0)
        return max(asked, COMMITTED_FOR[self.commitment]) if self.commitment else asked

    def due(self, *, commitment_ends: datetime | None) -> datetime | None:
        """Return when it has to end: its start and its life, or Bedrock's word on a commitment."""
        if self.started_at is None or self.life is None:
            return None
        if commitment_ends is None:
            return _whole_seconds(self.started_at + self.life)
        asked = self.started_at + timedelta(hours=self.hours or 0)
        return _whole_seconds(max(commitment_ends, asked))

    def may_be_made(self, *, now: datetime) -> bool:
        """Return whether a call that began may still have Bedrock make it.

        Not when one has answered: the others have its token, and are answered with what it made.
        """
        until = self.may_be_made_until
        return until is not None and now <= until

    @property
    def may_be_made_until(self) -> datetime | None:
        """Until when a call that began may still have Bedrock make it; None when none may."""
        if self.creating_at is None or self.arn is not None:
            return None
        return self.creating_at + CREATION_GRACE


def _whole_seconds(moment: datetime) -> datetime:
    """Return the first whole second from a moment on: schedules know no smaller ones."""
    whole = moment.replace(microsecond=0)
    return whole if whole == moment else whole + timedelta(seconds=1)


def _moment(item: Mapping[str, str], name: str) -> datetime | None:
    return datetime.fromisoformat(item[name]) if name in item else None
