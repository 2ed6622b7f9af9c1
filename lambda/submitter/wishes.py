"""Create, Update and Delete of a wish for a deployment: it is written down, and that is all.

The deployer does what is wanted, for whatever reason it runs next; CloudFormation need not wait for
a model that takes hours. A Delete alone is waited for, by the completion check: what serves a model
goes before the model. Names follow from what is wanted, so that every request may come twice, and
a rollback is an Update like any other.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from datetime import datetime
from typing import TYPE_CHECKING, Final

from customization import claims
from customization.errors import BusyTableError, StaleRequestError
from customization.events import Follow, OnEventResult, RequestType, ResourceEvent
from customization.table import When
from deployments.errors import WishError
from deployments.naming import is_deployment_name
from deployments.rows import OF_AN_ATTEMPT, Row, RowState
from deployments.wish import Wish

if TYPE_CHECKING:
    from aws_lambda_powertools import Logger

    from deployments.table import DeploymentTable

MOST_LOOKS: Final = 10
"""How often a row is judged again that another call changed meanwhile."""
MOST_KEPT: Final = 5
"""How many claims are kept besides the one that stands."""

_MARKS: Final = ("DeletedAt", "RetiredAt", "SettledAt", "SupersededBy")


def refuse_stale(event: ResourceEvent, *, table: DeploymentTable, now: datetime) -> None:
    """Write a request down as seen; raises StaleRequestError when nobody waits for its answer."""
    seen = table.see(event.request_id, resource=f"{event.stack_id}#{event.logical_id}", now=now)
    if seen.overtaken or now - seen.first >= event.time_limit:
        raise StaleRequestError(
            f"the request {event.request_id} first came at {seen.first.isoformat()}, and "
            "nobody waits for its answer any more: nothing was done; deploy again if the stack "
            "is not as it should be"
        )


@dataclass(frozen=True, kw_only=True)
class Wishes:
    """The wishes of one environment's stacks, over a table that is passed in."""

    table: DeploymentTable
    logger: Logger
    now: Callable[[], datetime]

    def on_event(self, event: ResourceEvent) -> OnEventResult:
        """Answer one request of CloudFormation; raises StaleRequestError for an old one."""
        if event.request_type is RequestType.DELETE:
            return self._delete(event)
        wish = Wish.from_properties(event.properties, show_values=False)
        refuse_stale(event, table=self.table, now=self.now())
        if event.physical_id is not None:
            self._reclaim(event.physical_id, event=event)
        replaced = event.physical_id if event.physical_id != wish.name else None
        self._want(wish, event=event, replaced=replaced)
        if replaced is not None:
            self._replace(replaced, by=wish.name, event=event)
        return {
            "PhysicalResourceId": wish.name,
            "Follow": Follow.NOTHING,
            "Data": {"DeploymentName": wish.name},
        }

    # Create and Update

    def _want(self, wish: Wish, *, event: ResourceEvent, replaced: str | None) -> None:
        """Write a wish down as its resource's current one.

        What is there, or on its way, goes on under the new values; what is over is wanted anew,
        and what ended only when the new hours reach beyond now.
        """
        for _ in range(MOST_LOOKS):
            row = self.table.read(wish.name)
            values = {
                **wish.values(),
                "StackId": event.stack_id,
                "LogicalId": event.logical_id,
                "RequestId": event.request_id,
                "RequestedAt": self._time,
                "ClaimsBefore": json.dumps(_kept(row, event=event)),
                **({"Supersedes": replaced} if replaced is not None else {}),
            }
            once = {"State": RowState.WANTED.value, "Attempt": "1", "WantedAt": self._time}
            remove: tuple[str, ...] = _MARKS
            if row is not None and self._is_anew(row, wish=wish, event=event):
                values |= {
                    "State": RowState.WANTED.value,
                    "Attempt": str(row.attempt + 1),
                    "WantedAt": self._time,
                }
                once = {}
                # What is extended ends by its first start, not by a second one.
                extended = row.state is RowState.ENDED and row.deleted_at is None
                kept = {"StartedAt", "EndsAt"} if extended else set()
                remove = (*_MARKS, *(name for name in OF_AN_ATTEMPT if name not in kept))
            if self.table.change(wish.name, values, once=once, remove=remove, when=_as_read(row)):
                self.logger.info("wanted", extra={"deployment": wish.name, "kind": wish.kind})
                return
        raise BusyTableError(f"the row of {wish.name} changes all the time: deploy again")

    def _is_anew(self, row: Row, *, wish: Wish, event: ResourceEvent) -> bool:
        """Return whether a wish makes something new under a name, and not the same again.

        A request that comes again is the same wish. One for what its stack has given up, or for
        what failed, is a new one; so is one that lets what ended live beyond now.
        """
        if not row.state.is_over or row.request_id == event.request_id:
            return False
        if row.state is not RowState.ENDED or row.deleted_at is not None:
            return True
        if row.stack_id != event.stack_id or event.request_type is RequestType.CREATE:
            return True
        due = replace(row, hours=wish.hours).due(commitment_ends=None)
        return due is not None and due > self.now()

    def _replace(self, old: str, *, by: str, event: ResourceEvent) -> None:
        """Mark a name as replaced: it goes when what took its place serves."""
        self.table.change(
            old,
            {"SupersededBy": by},
            remove=["SettledAt"],
            when=When(
                absent=["DeletedAt"],
                equal={"StackId": (event.stack_id,), "LogicalId": (event.logical_id,)},
            ),
        )

    def _reclaim(self, name: str, *, event: ResourceEvent) -> None:
        """Take a name back that another stack's request took from the stack that now names it.

        The other's claim is kept in turn: which of them stands for it CloudFormation knows, and
        the deployer asks it.
        """
        row = self.table.read(name)
        if row is None or row.deleted_at is not None or _is_of(row, event=event):
            return
        of = (event.stack_id, event.logical_id)
        ours = [each for each in row.claims_before if claims.resource_of(each) == of]
        if ours:
            others = [each for each in row.claims_before if each is not ours[-1]]
            self.table.give_back(row, to=ours[-1], keep=[*others, row.claim], when=_as_read(row))

    # Delete

    def _delete(self, event: ResourceEvent) -> OnEventResult:
        """Have what a name stands for removed, and all that it replaced and that is still there.

        Names that are no deployment's of this environment, invented by CloudFormation for a
        resource that never came to be among them, and those that are another stack's now are
        answered without a change. So is the clean-up of a replaced one: it goes when its successor
        serves.
        """
        name = str(event.physical_id)
        environment = event.properties.get("Environment")
        if not isinstance(environment, str) or not is_deployment_name(
            name=name, environment=environment
        ):
            self.logger.info("not a name of ours", extra={"physical_id": name})
            return _gone(name)
        refuse_stale(event, table=self.table, now=self.now())
        self._reclaim(name, event=event)
        row = self.table.read(name) or self._rediscovered(name, event=event)
        if row is None or not _is_of(row, event=event):
            self.logger.info("not this stack's", extra={"physical_id": name})
            return _gone(name)
        if row.superseded_by is not None:
            self.table.change(name, {"RetiredAt": self._time}, remove=["SettledAt"])
            self.logger.info("superseded", extra={"physical_id": name})
            return _gone(name)
        going = [row, *self._line_of(row)]
        for each in going:
            self._unwant(each)
        return self._leaving(name, [each.name for each in going])

    def _rediscovered(self, name: str, *, event: ResourceEvent) -> Row | None:
        """Write down what the table does not know, as after a restore, so that it is removed."""
        try:
            wish = Wish.from_properties(event.properties, show_values=False)
        except WishError:
            return None
        if wish.name != name:
            return None
        self._want(wish, event=event, replaced=None)
        return self.table.read(name)

    def _line_of(self, row: Row) -> list[Row]:
        """Return what the same resource has replaced, one by another, and still has.

        Besides, what an Update wanted that came to nothing before it could mark this one.
        """
        line: list[Row] = []
        looked_at = {row.name}
        before = row.supersedes
        while before is not None and before not in looked_at:
            looked_at.add(before)
            found = self.table.read(before)
            if found is None:
                break
            same = claims.resource_of(found.claim) == claims.resource_of(row.claim)
            older = found.superseded_by is not None or found.requested_at <= row.requested_at
            if same and older and found.state is not RowState.REMOVED:
                line.append(found)
            before = found.supersedes
        return line

    def _unwant(self, row: Row) -> None:
        """Mark a row: from now on nothing is made under its name, and what is there goes."""
        self.table.change(
            row.name,
            {},
            once={"DeletedAt": self._time},
            remove=["SettledAt"],
            when=When(
                present=["State"],
                equal={"StackId": (row.stack_id,), "LogicalId": (row.logical_id,)},
            ),
        )
        self.logger.info("to be removed", extra={"deployment": row.name})

    def _leaving(self, name: str, names: list[str]) -> OnEventResult:
        """Answer what has to be gone, and until when a creation may still be under way."""
        rows = [self.table.read(each) for each in names]
        times = [row.may_be_made_until for row in rows if row is not None]
        begun = [time for time in times if time is not None]
        answer: OnEventResult = {
            "PhysicalResourceId": name,
            "Follow": Follow.JOB,
            "Jobs": names,
        }
        if begun:
            answer["NotBefore"] = max(begun).isoformat()
        return answer

    @property
    def _time(self) -> str:
        return self.now().isoformat()


def _kept(row: Row | None, *, event: ResourceEvent) -> list[Mapping[str, str]]:
    """Return the claims of other resources to keep when a request takes a row.

    Whoever gave the row up, by its Delete, has none.
    """
    if row is None or row.deleted_at is not None:
        return []
    of = (event.stack_id, event.logical_id)
    others = [each for each in row.claims_before if claims.resource_of(each) != of]
    if claims.resource_of(row.claim) != of:
        others.append(row.claim)
    return others[-MOST_KEPT:]


def _as_read(row: Row | None) -> When:
    """Return the condition that a row is as it was judged: none, or the same one's."""
    deleted = row.deleted_at.isoformat() if row and row.deleted_at else None
    return When(
        equal={
            "StackId": (row.stack_id if row else None,),
            "RequestId": (row.request_id if row else None,),
            "State": (row.state.value if row else None,),
            "Attempt": (str(row.attempt) if row else None,),
            "DeletedAt": (deleted,),
        }
    )


def _is_of(row: Row, *, event: ResourceEvent) -> bool:
    return (row.stack_id, row.logical_id) == (event.stack_id, event.logical_id)


def _gone(physical_id: str) -> OnEventResult:
    return {"PhysicalResourceId": physical_id, "Follow": Follow.NOTHING}
