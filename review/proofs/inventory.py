"""Everything in a deployment that gives somebody access, by whose it is."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Final

from review.decisions.document import Kind, Names, Policy, Statement, policy
from review.decisions.patterns import Text
from review.decisions.scene import UNKNOWN_BOUNDARY, Scene
from review.proofs.insiders import roles
from review.proofs.outsiders import document_of
from review.template.deployment import Resource


@dataclass(frozen=True, kw_only=True)
class Held:
    """The policies of one kind that one thing has."""

    owner: str
    """ARN of a role or another resource, or the id of an endpoint."""
    kind: Kind
    policies: tuple[Policy, ...]
    resource: Resource | None
    """Where it stands in the templates; None for what was approved and is not there any more."""
    path: str = ""

    @property
    def key(self) -> str:
        """What tells it from others, the same in every deployment of the environment."""
        return f"{self.kind} of {self.owner}"


def inventory(scene: Scene) -> Iterator[Held]:
    """What roles may do and who may take them, and the policies of resources and endpoints."""
    for resource, principal in roles(scene):
        yield Held(
            owner=resource.arn,
            kind=Kind.IDENTITY,
            policies=tuple(principal.policies),
            resource=resource,
            path="Policies",
        )
        if principal.boundary is not None and principal.boundary is not UNKNOWN_BOUNDARY:
            yield Held(
                owner=resource.arn,
                kind=Kind.BOUNDARY,
                policies=(principal.boundary,),
                resource=resource,
                path="PermissionsBoundary",
            )
    for arn, found in scene.world.resource_policies.items():
        resource = scene.sources[found.name.split(" and ")[0]]
        yield Held(
            owner=arn,
            kind=found.kind,
            policies=(found,),
            resource=resource,
            path=document_of(found),
        )
    for resource in scene.deployment.of_type("AWS::EC2::VPCEndpoint"):
        endpoint = scene.world.endpoints[resource.ref]
        yield Held(
            owner=resource.ref,
            kind=Kind.ENDPOINT,
            policies=(endpoint.policy or _ANYTHING_THROUGH,),
            resource=resource,
            path="PolicyDocument",
        )


_ANYTHING_THROUGH: Final = policy(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}],
    },
    name="the policy of an endpoint that is given none",
    kind=Kind.ENDPOINT,
)
"""https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html"""


def document(policies: Iterable[Policy]) -> dict[str, Any]:
    """Policies as one document that says the same, its statements in an order of their own."""
    statements = [_statement(each) for held in policies for each in held.statements]
    return {
        "Version": "2012-10-17",
        "Statement": sorted(statements, key=lambda each: repr(sorted(each.items(), key=str))),
    }


def _statement(found: Statement) -> dict[str, Any]:
    said: dict[str, Any] = {"Effect": "Allow" if found.allows else "Deny"}
    for element, names in (
        ("Principal", found.principals),
        ("NotPrincipal", found.not_principals),
    ):
        if names is not None:
            said[element] = _names(names)
    for element, texts in (
        ("Action", found.actions),
        ("NotAction", found.not_actions),
        ("Resource", found.resources),
        ("NotResource", found.not_resources),
    ):
        if texts:
            said[element] = _sources(texts)
    conditions: dict[str, dict[str, list[str]]] = {}
    for each in sorted(found.conditions, key=lambda one: (one.operator.name, one.key)):
        values = conditions.setdefault(each.operator.name, {})
        values[each.key] = _sources(each.values)
    return said | ({"Condition": conditions} if conditions else {})


def _names(names: Names) -> Any:  # noqa: ANN401 - a piece of a policy
    by_kind = {
        kind: sorted(found)
        for kind, found in (
            ("AWS", names.aws),
            ("Service", names.services),
            ("Federated", names.federated),
        )
        if found
    }
    if not names.everyone:
        return by_kind
    return "*" if not by_kind else {**by_kind, "AWS": ["*", *by_kind.get("AWS", [])]}


def _sources(texts: Iterable[Text]) -> list[str]:
    return sorted(each.source for each in texts)
