"""Whether AWS would let a request through, and which statements decide it.

The order is AWS's: an explicit Deny anywhere decides; then organization, VPC endpoint, resource
policy, identity policies, permissions boundary and session policies each have their say.
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-denyallow.html
https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic-cross-account.html

What is not modelled: KMS grants, S3 access control lists and block public access (which only take
away), and what a service checks beyond policies.
"""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from review.decisions import patterns
from review.decisions.condition_keys import require_known
from review.decisions.document import (
    Condition,
    Kind,
    Names,
    Policy,
    Statement,
    everything,
)
from review.decisions.errors import MalformedPolicyError, UndecidableError
from review.decisions.request import Principal, Request, Value, Who
from review.decisions.world import Endpoint, Guardrails, World

RCP_SERVICES: Final = frozenset(
    {
        "aoss", "cloudfront", "codeartifact", "cognito-identity", "cognito-idp", "dynamodb", "ecr",
        "events", "firehose", "kms", "logs", "s3", "secretsmanager", "sqs", "sts", "swf",
    }
)  # fmt: skip
"""Services of ours, and their neighbours, whose resources a resource control policy governs.

https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps.html
"""
NO_UNSIGNED: Final = frozenset({"kms", "iam", "sts", "ec2", "bedrock", "dynamodb", "logs"})
"""Services that take no request without a signature."""
_GATEWAY_SERVICES: Final = frozenset({"s3", "dynamodb"})
_NO_GUARDRAILS: Final = Guardrails()


class Grip(enum.IntEnum):
    """How directly a resource policy's Allow takes hold of a principal of the same account."""

    NONE = 0
    ACCOUNT = 1
    """It names the account, which decides further by its identity policies."""
    ROLE = 2
    """It names the role: boundary and session policies still limit."""
    DIRECT = 3
    """It names the user, the session, or everyone: nothing but a Deny limits it."""


@dataclass(frozen=True, kw_only=True)
class Reason:
    """One thing that decided: a statement, or that none says something."""

    text: str
    policy: str | None = None
    kind: Kind | None = None
    statement: str | None = None

    def __str__(self) -> str:
        return self.text


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What came of a request, and why."""

    allowed: bool
    reasons: tuple[Reason, ...]
    explicit: bool = False
    """Whether it is denied by a Deny, and not for want of an Allow."""

    def __str__(self) -> str:
        return "; ".join(map(str, self.reasons))


class _Context:
    """The condition keys of a request, by lower-case name."""

    def __init__(self, keys: Mapping[str, Value]) -> None:
        self._values = {name.lower(): value for name, value in keys.items()}

    def values(self, key: str) -> tuple[str, ...] | None:
        value = self._values.get(key)
        if isinstance(value, str):
            return (value,)
        # A key without values is no key.
        return value or None

    def single(self, key: str) -> str | None:
        """The value that a variable stands for."""
        require_known(key)
        value = self._values.get(key.lower())
        if value is not None and not isinstance(value, str):
            raise MalformedPolicyError(f"${{{key}}}: a key with several values is no variable")
        return value


def context_of(request: Request, world: World) -> dict[str, Value]:
    """Every condition key of a request, by its name as AWS writes it."""
    found: dict[str, Value] = {"aws:SecureTransport": "true", "aws:ViaAWSService": "false"}
    found |= request.principal.context
    parts = request.resource.split(":")
    found["aws:RequestedRegion"] = parts[3] if len(parts) > 3 and parts[3] else world.region
    if owner := world.owner_of(request.resource, stated=request.resource_account):
        found["aws:ResourceAccount"] = owner
    if request.endpoint:
        endpoint = _endpoint(request, world)
        found["aws:SourceVpce"] = endpoint.id
        found["aws:SourceVpc"] = endpoint.vpc
        if endpoint.owner:
            found["aws:VpceAccount"] = endpoint.owner
    for name, value in request.keys.items():
        lowered = name.lower()
        found = {each: kept for each, kept in found.items() if each.lower() != lowered}
        if value is not None:
            found[name] = value
    return found


def _endpoint(request: Request, world: World) -> Endpoint:
    try:
        return world.endpoints[str(request.endpoint)]
    except KeyError as error:
        raise UndecidableError(f"there is no VPC endpoint {request.endpoint!r}") from error


def evaluate(
    request: Request, world: World, *, open_keys: Callable[[str], bool] | None = None
) -> Decision:
    """Decide a request.

    Args:
        request: Who asks for what.
        world: What stands around it.
        open_keys: Tells of a condition key, in lower case, that nothing is said of it. A condition
            on such a key is taken as the caller would have it: met where it allows, and not where
            it denies. None for a request that says everything, as one of AWS does.

    Raises:
        UndecidableError: A statement that would decide says something unknown.
    """
    return _Evaluation(request, world, open_keys).decision()


class _Evaluation:
    def __init__(
        self, request: Request, world: World, open_keys: Callable[[str], bool] | None
    ) -> None:
        self._request = request
        self._principal = request.principal
        self._world = world
        self._context = _Context(context_of(request, world))
        self._open_keys = open_keys
        self._action = request.action.lower()
        self._resource_policy = world.policy_of(request.resource, action=request.action)
        owner = world.owner_of(request.resource, stated=request.resource_account)
        self._owner = owner if owner is not None else self._principal.account

    @property
    def _has_account(self) -> bool:
        return bool(self._principal.account) and self._principal.who is not Who.WEB_IDENTITY

    @property
    def _same_account(self) -> bool:
        return self._has_account and self._owner == self._principal.account

    def decision(self) -> Decision:
        if impossible := self._impossible():
            return _denied(impossible)
        denies = tuple(self._denies())
        if denies:
            return Decision(allowed=False, explicit=True, reasons=denies)
        for limit in (self._organization, self._through_the_endpoint):
            if missing := limit():
                return _denied(missing)
        return self._allowed()

    def _impossible(self) -> str | None:
        who, service = self._principal.who, self._request.service
        if who is Who.ANONYMOUS and service in NO_UNSIGNED:
            return f"{service} takes no unsigned request"
        if who is Who.ROOT and self._action.startswith("sts:assumerole"):
            return "an account's root cannot take a role"
        return None

    # What may deny.

    def _policies(self) -> Iterator[Policy]:
        """Every policy with a say in the request."""
        principal = self._principal
        if self._has_account:
            yield from principal.policies
            yield from principal.session_policies
            if principal.boundary:
                yield principal.boundary
            for level in self._guardrails(principal.account).scps:
                yield from level
        if self._request.service in RCP_SERVICES:
            for level in self._guardrails(self._owner).rcps:
                yield from level
        if self._resource_policy:
            yield self._resource_policy
        if self._request.endpoint and (policy := _endpoint(self._request, self._world).policy):
            yield policy

    def _guardrails(self, account: str) -> Guardrails:
        return self._world.guardrails.get(account, _NO_GUARDRAILS)

    def _denies(self) -> Iterator[Reason]:
        for policy in self._policies():
            for statement in policy.statements:
                if not statement.allows and self._applies(policy, statement):
                    yield Reason(
                        text=f"{statement.label} of {policy.name} denies it",
                        policy=policy.name,
                        kind=policy.kind,
                        statement=statement.label,
                    )

    # What has to allow.

    def _organization(self) -> str | None:
        """What a level of the organization does not allow.

        Resource control policies only deny: the one that allows everything cannot be detached.
        https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_evaluation.html
        """
        if not self._has_account:
            return None
        for level in self._guardrails(self._principal.account).scps:
            if not self._some_allow(level):
                names = ", ".join(policy.name for policy in level) or "none is attached"
                return f"no service control policy of one level allows it ({names})"
        return None

    def _through_the_endpoint(self) -> str | None:
        """What the endpoint's policy does not allow.

        https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html
        """
        if not self._request.endpoint:
            return None
        endpoint = _endpoint(self._request, self._world)
        policy = endpoint.policy
        if policy is None or self._some_allow([policy]):
            return None
        return f"{policy.name} lets it not through"

    def _allowed(self) -> Decision:
        grip, by_resource = self._resource_grip()
        if by_resource is None:
            return self._without_a_resource_policy()
        if not self._has_account or (self._same_account and grip is Grip.DIRECT):
            return Decision(allowed=True, reasons=(by_resource,))
        if self._same_account and grip is Grip.ROLE:
            limit = self._limited()
            return _denied(limit) if limit else Decision(allowed=True, reasons=(by_resource,))
        return self._by_identity(also=by_resource)

    def _without_a_resource_policy(self) -> Decision:
        if self._same_account and not self._resource_decides:
            return self._by_identity(also=None)
        policy = self._resource_policy
        return _denied(
            f"{policy.name} does not allow it" if policy else "the resource has no policy"
        )

    @property
    def _resource_decides(self) -> bool:
        """A key and a role are open to nobody whom their own policies do not name.

        https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html
        """
        return self._resource_policy is not None and self._resource_policy.kind in {
            Kind.KEY,
            Kind.TRUST,
        }

    def _by_identity(self, *, also: Reason | None) -> Decision:
        if self._principal.who is Who.ROOT:
            own = Reason(text="an account's root needs no policy of its own")
            return Decision(allowed=True, reasons=(own, *([also] if also else [])))
        found = self._allowing(self._principal.policies)
        if found is None:
            names = ", ".join(each.name for each in self._principal.policies) or "it has none"
            return _denied(f"no identity policy of {self._principal.name} allows it ({names})")
        if limit := self._limited():
            return _denied(limit)
        return Decision(allowed=True, reasons=(found, *([also] if also else [])))

    def _limited(self) -> str | None:
        boundary, session = self._principal.boundary, self._principal.session_policies
        if boundary and not self._some_allow([boundary]):
            return f"{boundary.name} does not allow it"
        if session and not self._some_allow(session):
            return f"no session policy allows it ({', '.join(each.name for each in session)})"
        return None

    def _resource_grip(self) -> tuple[Grip, Reason | None]:
        policy = self._resource_policy
        strongest: Grip = Grip.NONE
        reason: Reason | None = None
        if policy is None:
            return strongest, reason
        for statement in policy.statements:
            if not statement.allows or not self._applies(policy, statement):
                continue
            grip = self._grip(statement)
            if grip > strongest:
                strongest, reason = grip, _allows(policy, statement)
        return strongest, reason

    def _grip(self, statement: Statement) -> Grip:
        """How directly the statement takes hold of the principal.

        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_evaluation-logic_policy-eval-basics-resource.html
        """
        names, principal = statement.principals, self._principal
        if names is None or names.everyone or not self._has_account:
            return Grip.DIRECT
        if principal.who is Who.ROLE:
            if principal.session_arn in names.aws:
                return Grip.DIRECT
            return Grip.ROLE if principal.arn in names.aws else Grip.ACCOUNT
        own = _own_names(principal) or _account_names(principal)
        return Grip.ACCOUNT if own.isdisjoint(names.aws) else Grip.DIRECT

    def _some_allow(self, policies: Iterable[Policy]) -> bool:
        return self._allowing(policies) is not None

    def _allowing(self, policies: Iterable[Policy]) -> Reason | None:
        for policy in policies:
            for statement in policy.statements:
                if statement.allows and self._applies(policy, statement):
                    return _allows(policy, statement)
        return None

    # Whether a statement is about the request.

    def _applies(self, policy: Policy, statement: Statement) -> bool:
        try:
            return (
                self._is_about_the_action(statement)
                and self._names_the_principal(policy, statement)
                and self._is_about_the_resource(statement)
                and self._conditions_hold(statement)
            )
        except UndecidableError as error:
            raise type(error)(f"{policy.name}, {statement.label}: {error}") from error

    def _is_about_the_action(self, statement: Statement) -> bool:
        if statement.actions:
            return self._some_match(statement.actions, self._action)
        return not self._some_match(statement.not_actions, self._action)

    def _some_match(self, wanted: Sequence[patterns.Text], value: str) -> bool:
        return any(patterns.matches(each, value, self._context.single) for each in wanted)

    def _is_about_the_resource(self, statement: Statement) -> bool:
        if statement.resources:
            return self._some_resource(statement.resources)
        return not statement.not_resources or not self._some_resource(statement.not_resources)

    def _some_resource(self, wanted: Sequence[patterns.Text]) -> bool:
        resource = self._request.resource
        return any(
            everything(each) or patterns.matches_resource(each, resource, self._context.single)
            for each in wanted
        )

    def _names_the_principal(self, policy: Policy, statement: Statement) -> bool:
        if statement.principals:
            gateway = policy.kind is Kind.ENDPOINT and self._request.service in _GATEWAY_SERVICES
            if gateway and not statement.principals.everyone:
                # https://docs.aws.amazon.com/vpc/latest/privatelink/gateway-endpoints.html
                raise MalformedPolicyError(
                    "the principal of a gateway endpoint's policy is *: name roles in a condition "
                    "on aws:PrincipalArn"
                )
            return self._is_named(statement.principals)
        if statement.not_principals:
            if not statement.allows and self._principal.boundary:
                # AWS: such a Deny is always for whoever has a permissions boundary.
                return True
            return not self._is_exempt(statement.not_principals)
        return True

    def _is_named(self, names: Names) -> bool:
        principal = self._principal
        if names.everyone:
            return True
        if principal.who is Who.SERVICE:
            return bool(names.services & {principal.service, "*"})
        if principal.who is Who.WEB_IDENTITY:
            return bool(names.federated & {principal.arn, "*"})
        return not names.aws.isdisjoint(_account_names(principal) | _own_names(principal))

    def _is_exempt(self, names: Names) -> bool:
        """Whether NotPrincipal leaves a principal out: each layer of it has to be named.

        A role's session is left out when the session, the role and the account are named.
        https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
        """
        principal = self._principal
        if names.everyone or principal.who in {Who.SERVICE, Who.WEB_IDENTITY, Who.ANONYMOUS}:
            return self._is_named(names)
        return names.aws >= _own_names(principal) and not names.aws.isdisjoint(
            _account_names(principal)
        )

    def _conditions_hold(self, statement: Statement) -> bool:
        for condition in statement.conditions:
            if self._open_keys is not None and self._open_keys(condition.key):
                require_known(condition.key)
                if statement.allows:
                    continue
                return False
            if not self._holds(condition):
                return False
        return True

    def _holds(self, condition: Condition) -> bool:
        require_known(condition.key)
        given = self._context.values(condition.key)
        operator = condition.operator
        several = given is not None and len(given) > 1
        if several and operator.over is None and not operator.looks_for_presence:
            raise MalformedPolicyError(
                f"{operator.name} {condition.key}: the request has {len(given or ())} values; "
                "write ForAllValues: or ForAnyValue: before the operator"
            )
        return operator.holds(given, condition.values, self._context.single)


def _account_names(principal: Principal) -> frozenset[str]:
    """The names of the principal's account: by its number, and by the ARN of its root."""
    if not principal.account:
        return frozenset()
    account = principal.account
    return frozenset({account, f"arn:{principal.partition}:iam::{account}:root"})


def _own_names(principal: Principal) -> frozenset[str]:
    """The names of the principal beyond its account: itself, and the session of a role."""
    if principal.who is Who.ROLE:
        return frozenset({principal.arn, principal.session_arn})
    return frozenset({principal.arn} if principal.who is Who.USER else ())


def _allows(policy: Policy, statement: Statement) -> Reason:
    return Reason(
        text=f"{statement.label} of {policy.name} allows it",
        policy=policy.name,
        kind=policy.kind,
        statement=statement.label,
    )


def _denied(because: str) -> Decision:
    return Decision(allowed=False, reasons=(Reason(text=because),))
