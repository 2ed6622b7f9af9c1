"""Whose a row is, and whose it is again when a request that took it comes to nothing.

A *claim* is what a row says of one resource of one stack, and not of its job: who asked for it and
when, with which policies, and what took its place there. A request takes a row by writing its own
claim over the one that stands. It may be one that fails, or a late one of a stack that is gone;
nothing in it tells. So the claims before are kept on the row, oldest first, and when no resource
stands for the row any more the follower lets the newest of them stand again that can be true.
"""

from collections.abc import Mapping, Sequence
from typing import Final

from customization.request import ModelPolicy

Claim = Mapping[str, str]
"""Some of a row's attributes, as the table holds them."""
Resource = tuple[str, str]
"""A stack's id and the logical id of a resource in it."""

PARTS: Final = (
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
)
"""The attributes of a row that belong to a claim."""
MOST_KEPT: Final = 5
"""How many claims are kept besides the one that stands."""


def resource_of(claim: Claim) -> Resource:
    """Return the resource that a claim speaks of."""
    return claim["StackId"], claim["LogicalId"]


def is_of_same(one: Claim, other: Claim) -> bool:
    """Return whether two claims speak of the same resource."""
    return resource_of(one) == resource_of(other)


def lets_model_go(claim: Claim) -> bool:
    """Return whether by a claim a model may be deleted that its resource wants no more."""
    policies = [claim["OnDelete"]]
    if was_replaced(claim):
        policies.append(claim["OnReplace"])
    return ModelPolicy.KEEP not in policies


def was_replaced(claim: Claim) -> bool:
    """Return whether a claim says that another id took this one's place in its resource."""
    return "SupersededBy" in claim


def is_replaced_for_now(claim: Claim | None, *, by: str) -> bool:
    """Return whether a claim says that an id took its place in an update that may be undone."""
    return claim is not None and claim.get("SupersededBy") == by and "RetiredAt" not in claim


def kept_when_taken(
    *, standing: Claim, kept: Sequence[Claim], taker: Resource, anew: bool
) -> list[Claim]:
    """Return the claims to keep when a resource's request takes a row.

    Of the taker's own only the newest counts by which it had left the row, for when the request
    fails: what it asked for since is what it asks for now. A job that is made `anew` under the
    row's name is not the one that the taker had left.
    """
    others = [each for each in kept if resource_of(each) != taker]
    own = [each for each in kept if resource_of(each) == taker and was_replaced(each)]
    if resource_of(standing) != taker:
        others.append(standing)
    elif was_replaced(standing):
        own.append(standing)
    return [*others, *([] if anew else own[-1:])][-MOST_KEPT:]
