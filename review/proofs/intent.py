"""Whether a policy admits more than the design says: for every request, not word by word."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import Any

from review.decisions.document import Kind, Policy, policy
from review.decisions.request import Principal
from review.decisions.scene import Scene
from review.proofs.access import Difference, Of, added
from review.proofs.insiders import roles
from review.proofs.proof import Asking, Proof, shown
from review.proofs.solver import Outcome
from review.rules.design import Design, design_of
from review.rules.environment import environment_of, service_of
from review.template.deployment import Resource
from review.template.policies import Grant


def nothing_beyond_the_design(asking: Asking, scene: Scene) -> Iterator[Proof]:
    """Roles, keys, buckets, queue, topic and endpoints admit what the design says, and no more."""
    for resource, path, kind, actual, intended in _pairs(scene):
        differences = list(
            added(
                before=[_document(intended, kind)] if intended else [],
                after=actual,
                of=Of(partition=asking.partition),
            )
        )
        claim = f"{resource}: its {kind} admits nothing that the design does not"
        if not differences:
            yield Proof(
                question=asking.question,
                claim=claim,
                resource=resource,
                path=path,
                outcome=Outcome.PROVEN,
            )
        for each in differences:
            yield _beyond(asking, each, claim=claim, resource=resource, path=path)


def _beyond(
    asking: Asking, found: Difference, *, claim: str, resource: Resource, path: str
) -> Proof:
    kind = "a denial that is gone" if found.lost_denial else "more than the design"
    where = f"{found.statement.label} of {found.policy.name}"
    return Proof(
        question=asking.question,
        claim=claim,
        resource=resource,
        path=path,
        outcome=found.answer.outcome,
        request=found.answer.request,
        why=found.answer.why or f"{where} is {kind}: {shown(found.answer.request)}",
        seconds=found.answer.seconds,
    )


def _pairs(
    scene: Scene,
) -> Iterator[tuple[Resource, str, Kind, list[Policy], set[Grant]]]:
    """Each policy with what the design says of it."""
    design = design_of(environment_of(scene.deployment))
    for resource, principal in roles(scene):
        intended = design.role_policies.get(resource.ref, set())
        yield resource, "Policies", Kind.IDENTITY, list(_own(principal)), intended
        trust = scene.world.resource_policies.get(resource.arn)
        if trust is not None:
            yield (
                resource,
                "AssumeRolePolicyDocument",
                Kind.TRUST,
                [trust],
                design.trust.get(resource.ref, set()),
            )
    for arn, intended, path in _held(design):
        found = scene.world.resource_policies.get(arn)
        if found is not None:
            resource = scene.sources[found.name.split(" and ")[0]]
            yield resource, path, found.kind, [found], intended
    for resource in scene.deployment.of_type("AWS::EC2::VPCEndpoint"):
        endpoint = scene.world.endpoints[resource.ref]
        intended = design.endpoint_policies.get(service_of(resource), set())
        if endpoint.policy is not None:
            yield resource, "PolicyDocument", Kind.ENDPOINT, [endpoint.policy], intended


def _own(principal: Principal) -> Iterator[Policy]:
    yield from principal.policies


def _held(design: Design) -> Iterator[tuple[str, set[Grant], str]]:
    yield design.data_key, design.data_key_policy, "KeyPolicy"
    yield design.model_key, design.model_key_policy, "KeyPolicy"
    yield design.bucket, design.data_bucket_policy, "PolicyDocument"
    yield design.logs_bucket, design.logs_bucket_policy, "PolicyDocument"
    yield design.queue, design.queue_policy, "PolicyDocument"
    yield design.topic, design.topic_policy, "PolicyDocument"


def _document(grants: Iterable[Grant], kind: Kind) -> Policy:
    """What the design says, as a policy."""
    return policy(
        {"Version": "2012-10-17", "Statement": [_statement(each, kind) for each in sorted(grants)]},
        name=f"the design of this {kind}",
        kind=kind,
    )


def _statement(grant: Grant, kind: Kind) -> dict[str, Any]:
    found: dict[str, Any] = {"Effect": grant.effect, "Action": grant.action}
    if kind is not Kind.TRUST:
        found["Resource"] = grant.resource
    if grant.principal == "*":
        found["Principal"] = "*"
    elif grant.principal:
        principal_kind, _, name = grant.principal.partition(":")
        found["Principal"] = {principal_kind: name}
    conditions: dict[str, dict[str, list[str]]] = {}
    for operator, key, values in grant.conditions:
        conditions.setdefault(operator, {})[key] = list(values)
    return found | ({"Condition": conditions} if conditions else {})
