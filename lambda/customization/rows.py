"""What the state table knows of one id: what was asked, how far its job is, whose it is.

Bedrock knows jobs and CloudFormation knows stacks; a row joins the two, and keeps what neither
says: that a job waits, what took its place, and which policy holds for its model. It holds names,
ARNs and settings, never data.
"""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final

from customization import claims
from customization.claims import Claim, Resource
from customization.jobs import JobStatus
from customization.request import ModelPolicy

SUBMISSION_GRACE: Final = timedelta(minutes=6)
"""How long a row may be Submitting: the submitter's time limit and a minute."""


OF_AN_END: Final = ("AnnouncedAt", "AnnouncingAt", "EndedAt", "Failure", "RefusedAt")
"""The attributes of a row that tell of an end, for when a job is found that goes on."""


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
    (RowState.REFUSED, RowState.SUBMITTED): "found in Bedrock: another call had it take it",
    (RowState.WITHDRAWN, RowState.SUBMITTED): "found in Bedrock, and adopted",
}
"""Every way from one state of a row to another; None is a row that is not there yet.

The tests by chance make no other.
"""


@dataclass(frozen=True, kw_only=True)
class Row:
    """One row of the table; times are None until what they tell has happened.

    `superseded_by` is the id that took this one's place in its resource, `went_back` says that it
    was an older one, by a rollback. `retired_at` is when CloudFormation's clean-up came.
    `checks` is what was found in the data before it was pushed, by digest, where that is known.
    `claim` is what the row says of its resource, `claims_before` what it said of others, or of the
    same one, when requests took it, oldest first: see customization.claims.
    `deleted_at` says that nobody wants the job any more: from then on it is only stopped and, if
    `policy` says so, its model deleted; `waits_since` is when something was first seen to serve
    that model, which waits for it to go. `followed_up_at` says that what comes after its training
    was begun. `settled_at` says that nothing is left to do.
    `was_kept` says that the model was kept when its last owner left it, and that no stack that is
    complete has stood for it since.
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
    checks: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    superseded_by: str | None = None
    supersedes: str | None = None
    went_back: bool = False
    submitting_at: datetime | None = None
    submitted_at: datetime | None = None
    refused_at: datetime | None = None
    ended_at: datetime | None = None
    announcing_at: datetime | None = None
    announced_at: datetime | None = None
    followed_up_at: datetime | None = None
    retired_at: datetime | None = None
    deleted_at: datetime | None = None
    waits_since: datetime | None = None
    model_deleted_at: datetime | None = None
    settled_at: datetime | None = None
    was_kept: bool = False
    claim: Claim = field(default_factory=dict)
    claims_before: Sequence[Claim] = ()

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
            checks=json.loads(item.get("Checks", "{}")),
            superseded_by=item.get("SupersededBy"),
            supersedes=item.get("Supersedes"),
            went_back=item.get("WentBack") == "true",
            submitting_at=_moment(item, "SubmittingAt"),
            submitted_at=_moment(item, "SubmittedAt"),
            refused_at=_moment(item, "RefusedAt"),
            ended_at=_moment(item, "EndedAt"),
            announcing_at=_moment(item, "AnnouncingAt"),
            announced_at=_moment(item, "AnnouncedAt"),
            followed_up_at=_moment(item, "FollowedUpAt"),
            retired_at=_moment(item, "RetiredAt"),
            deleted_at=_moment(item, "DeletedAt"),
            waits_since=_moment(item, "WaitsSince"),
            model_deleted_at=_moment(item, "ModelDeletedAt"),
            settled_at=_moment(item, "SettledAt"),
            was_kept=item.get("WasKept") == "true",
            claim={key: item[key] for key in claims.PARTS if key in item},
            claims_before=tuple(json.loads(item.get("ClaimsBefore", "[]"))),
        )

    def claims_when_taken(self, *, taker: Resource, anew: bool = False) -> list[Claim]:
        """Return the claims to keep when a resource's request takes the row.

        Whoever had given the row up, by its Delete, has none.
        """
        if self.deleted_at is not None:
            return []
        return claims.kept_when_taken(
            standing=self.claim, kept=self.claims_before, taker=taker, anew=anew
        )

    @property
    def policy_when_stray(self) -> ModelPolicy:
        """What becomes of its model when no resource stands for it.

        OnDelete decides, as for any job that is deleted. A superseded model goes only when both
        policies let it: its successor may never have had one. What its stack had said before a
        request took the row counts too, and that the last owner kept the model: that request may
        have failed.
        """
        if self.was_kept:
            return ModelPolicy.KEEP
        before = self.own_claim_before
        goes = claims.lets_model_go(self.claim) and (not before or claims.lets_model_go(before))
        return ModelPolicy.DELETE if goes else ModelPolicy.KEEP

    @property
    def own_claim_before(self) -> Claim | None:
        """What the row said of its resource before the request that has it now, if that took it.

        There is one only when the row was a replaced one then.
        """
        own = [each for each in self.claims_before if claims.is_of_same(each, self.claim)]
        return own[-1] if own else None

    @property
    def waits_for_what_serves(self) -> bool:
        """Whether its model goes as soon as nothing serves it any more."""
        going = self.deleted_at is not None and self.model_deleted_at is None
        return going and self.waits_since is not None

    @property
    def may_have_job(self) -> bool:
        """Whether Bedrock may know more of the job than the row: a refusal is one call's word."""
        return not self.state.is_final or self.state is RowState.REFUSED

    def is_going(self, *, completed: bool) -> bool:
        """Whether the job, or its model, is being taken away, so that nobody may adopt it."""
        if self.deleted_at is None:
            return False
        return not completed or self.policy is ModelPolicy.DELETE


def _moment(item: Mapping[str, str], name: str) -> datetime | None:
    return datetime.fromisoformat(item[name]) if name in item else None
