"""Who asks for what, and everything else that AWS would know of the request."""

from __future__ import annotations

import enum
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property

from review.decisions.document import Policy
from review.decisions.errors import MalformedRequestError
from review.decisions.patterns import ARN_PARTS

Value = str | tuple[str, ...]
"""The value of a condition key; a tuple for a key that holds several."""


class Who(enum.StrEnum):
    """The kinds of principals."""

    ROLE = "role"
    USER = "user"
    ROOT = "root"
    SERVICE = "service"
    ANONYMOUS = "anonymous"
    WEB_IDENTITY = "federated"


@dataclass(frozen=True, kw_only=True)
class Principal:
    """A principal with the policies that its own account gives it."""

    who: Who
    name: str
    """How reasons call it."""
    arn: str = ""
    """Of the role (not of its session), user or root; of a federated provider. None for others."""
    session: str = "session"
    """Name of a role's session."""
    service: str = ""
    """A service's principal, such as bedrock.amazonaws.com."""
    policies: tuple[Policy, ...] = ()
    boundary: Policy | None = None
    session_policies: tuple[Policy, ...] = ()
    """Policies passed when the session was made; all of them together are one limit."""
    keys: Mapping[str, Value] = field(default_factory=dict)
    """Condition keys that belong to the principal, such as aws:PrincipalTag/team."""

    def __post_init__(self) -> None:
        """Refuse a principal that AWS could not have."""
        if self.who in {Who.ROLE, Who.USER, Who.ROOT} and len(self.arn.split(":")) < ARN_PARTS:
            raise MalformedRequestError(f"{self.name}: a {self.who} has an ARN, got {self.arn!r}")
        if self.who is Who.SERVICE and not self.service:
            raise MalformedRequestError(
                f"{self.name}: a service has a name such as s3.amazonaws.com"
            )

    @property
    def account(self) -> str:
        """The twelve digits of its account; empty for services and anonymous callers."""
        return self.arn.split(":")[4] if self.arn else ""

    @property
    def partition(self) -> str:
        """`aws` or another; empty where it has no ARN."""
        return self.arn.split(":")[1] if self.arn else ""

    @property
    def session_arn(self) -> str:
        """ARN of a role's session."""
        role = self.arn.rsplit("/", maxsplit=1)[-1]
        return f"arn:{self.partition}:sts::{self.account}:assumed-role/{role}/{self.session}"

    @property
    def caller_arn(self) -> str:
        """The ARN that logs show: of the session for a role."""
        return self.session_arn if self.who is Who.ROLE else self.arn

    @cached_property
    def context(self) -> Mapping[str, Value]:
        """The condition keys that say who asks.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
        """
        return dict(self._context()) | dict(self.keys)

    def _context(self) -> Iterator[tuple[str, Value]]:
        if self.who is Who.SERVICE:
            yield "aws:PrincipalIsAWSService", "true"
            yield "aws:PrincipalServiceName", self.service
            yield "aws:PrincipalServiceNamesList", (self.service,)
            return
        yield "aws:PrincipalIsAWSService", "false"
        if self.who is Who.ANONYMOUS:
            yield "aws:PrincipalAccount", "anonymous"
            yield "aws:PrincipalType", "Anonymous"
            yield "aws:userid", "anonymous"
            return
        if self.who is Who.WEB_IDENTITY:
            yield "aws:FederatedProvider", self.arn
            yield "aws:PrincipalType", "FederatedUser"
            return
        yield "aws:PrincipalArn", self.arn
        yield "aws:PrincipalAccount", self.account
        if self.who is Who.ROLE:
            yield "aws:PrincipalType", "AssumedRole"
            yield "aws:userid", f"AROA{'EXAMPLE':0<17}:{self.session}"
        elif self.who is Who.USER:
            yield "aws:PrincipalType", "User"
            yield "aws:userid", f"AIDA{'EXAMPLE':0<17}"
            yield "aws:username", self.arn.rsplit("/", maxsplit=1)[-1]
        else:
            yield "aws:PrincipalType", "Account"
            yield "aws:userid", self.account


@dataclass(frozen=True, kw_only=True)
class Request:
    """One action on one resource.

    A call that touches several resources, or makes a service ask for more in the caller's name,
    is several requests.
    """

    principal: Principal
    action: str
    resource: str
    """An ARN; `*` for an action that knows no resource."""
    keys: Mapping[str, Value | None] = field(default_factory=dict)
    """Condition keys beyond those of the principal, the endpoint and the resource, which they
    replace; None takes a key away."""
    endpoint: str | None = None
    """Id of the VPC endpoint that the request passes."""
    resource_account: str | None = None
    """Where the resource's ARN names no account, as that of a bucket: whose it is."""

    def __post_init__(self) -> None:
        """Refuse a question that has no answer."""
        service, colon, operation = self.action.partition(":")
        if not (service and colon and operation) or "*" in self.action:
            raise MalformedRequestError(
                f"an action is asked for as service:Action, got {self.action!r}"
            )
        if self.resource != "*" and len(self.resource.split(":")) < ARN_PARTS:
            raise MalformedRequestError(
                f"a resource is an ARN, or * where the action has none, got {self.resource!r}"
            )

    @cached_property
    def service(self) -> str:
        """The service that the action is of, in lower case."""
        return self.action.partition(":")[0].lower()

    def __str__(self) -> str:
        return f"{self.principal.name}: {self.action} on {self.resource}"
