"""Short ways to write policies, principals and questions in tests."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from review.decisions.document import Kind, Policy, policy
from review.decisions.evaluator import Decision, evaluate
from review.decisions.request import Principal, Request, Value, Who
from review.decisions.world import Endpoint, Guardrails, World

OURS: Final = "111122223333"
THEIRS: Final = "444455556666"
BUCKET: Final = "arn:aws:s3:::data"
OBJECT: Final = f"{BUCKET}/outputs/one"
KEY: Final = f"arn:aws:kms:us-east-1:{OURS}:key/1234abcd-12ab-34cd-56ef-1234567890ab"
ROLE: Final = f"arn:aws:iam::{OURS}:role/worker"
SESSION: Final = f"arn:aws:sts::{OURS}:assumed-role/worker/session"
USER: Final = f"arn:aws:iam::{OURS}:user/alice"
ROOT: Final = f"arn:aws:iam::{OURS}:root"

Statement = Mapping[str, Any]

EVERYTHING: Final = {"Effect": "Allow", "Action": "*", "Resource": "*"}


def allow(action: object = "s3:GetObject", **elements: object) -> dict[str, Any]:
    """An Allow, on every resource where nothing else is said."""
    return {"Effect": "Allow", "Action": action, **_on(elements), **elements}


def deny(action: object = "s3:GetObject", **elements: object) -> dict[str, Any]:
    """A Deny, on every resource where nothing else is said."""
    return {"Effect": "Deny", "Action": action, **_on(elements), **elements}


def _on(elements: Mapping[str, object]) -> dict[str, str]:
    return {} if {"Resource", "NotResource"} & set(elements) else {"Resource": "*"}


def document(*statements: Statement, version: str = "2012-10-17") -> dict[str, Any]:
    """A policy document."""
    return {"Version": version, "Statement": list(statements)}


def of(kind: Kind, *statements: Statement, version: str = "2012-10-17") -> Policy:
    """A policy of a kind."""
    return policy(document(*statements, version=version), name=str(kind), kind=kind)


def role(*statements: Statement, **more: Any) -> Principal:
    """A session of the role worker with these statements in its policy."""
    policies = (of(Kind.IDENTITY, *statements),) if statements else ()
    return Principal(who=Who.ROLE, name="worker", arn=ROLE, policies=policies, **more)


def user(*statements: Statement, **more: Any) -> Principal:
    """The user alice."""
    policies = (of(Kind.IDENTITY, *statements),) if statements else ()
    return Principal(who=Who.USER, name="alice", arn=USER, policies=policies, **more)


ACCOUNT_ROOT: Final = Principal(who=Who.ROOT, name="root", arn=ROOT)
ANONYMOUS: Final = Principal(who=Who.ANONYMOUS, name="anonymous")


def service(name: str = "events.amazonaws.com") -> Principal:
    """An AWS service on its own behalf."""
    return Principal(who=Who.SERVICE, name=name, service=name)


def outsider(*statements: Statement) -> Principal:
    """A role of another account."""
    policies = (of(Kind.IDENTITY, *statements),) if statements else ()
    arn = f"arn:aws:iam::{THEIRS}:role/outsider"
    return Principal(who=Who.ROLE, name="outsider", arn=arn, policies=policies)


def world(
    *statements: Statement,
    on: str = BUCKET,
    kind: Kind = Kind.RESOURCE,
    endpoint: tuple[Statement, ...] | None = None,
    scps: tuple[tuple[Policy, ...], ...] = (),
    rcps: tuple[tuple[Policy, ...], ...] = (),
) -> World:
    """A world with one resource policy, and an endpoint `vpce-1` where one is given."""
    through = of(Kind.ENDPOINT, *endpoint) if endpoint else None
    return World(
        account=OURS,
        partition="aws",
        region="us-east-1",
        resource_policies={on: of(kind, *statements)} if statements else {},
        endpoints={"vpce-1": Endpoint(id="vpce-1", vpc="vpc-1", policy=through)},
        guardrails={OURS: Guardrails(scps=scps, rcps=rcps)} if scps or rcps else {},
    )


def ask(
    principal: Principal,
    action: str = "s3:GetObject",
    resource: str = OBJECT,
    *,
    within: World | None = None,
    endpoint: str | None = None,
    keys: Mapping[str, Value | None] | None = None,
) -> Decision:
    """Decide one request."""
    request = Request(
        principal=principal,
        action=action,
        resource=resource,
        keys=keys or {},
        endpoint=endpoint,
    )
    return evaluate(request, within or world())
