"""Questions about those who have no business here: other accounts, anybody, and services of AWS."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import z3

from review.decisions.document import Kind, Policy
from review.decisions.evaluator import NO_UNSIGNED
from review.decisions.request import Who
from review.decisions.scene import Scene
from review.proofs import encoding
from review.proofs.access import hints_of
from review.proofs.languages import Pattern, Wild, literal
from review.proofs.proof import Asking, Proof
from review.proofs.solver import Hints
from review.proofs.symbols import Key, Symbols
from review.template.deployment import Resource

_OF_ITS_OWN_ACCOUNT: Final = frozenset({"lambda.amazonaws.com", "states.amazonaws.com"})
"""Services that take a role only for what was made with `iam:PassRole` on it, in its account.

https://docs.aws.amazon.com/IAM/latest/UserGuide/id_roles_use_passrole.html
"""
_SOURCE_KEYS: Final = ("aws:sourceaccount", "aws:sourcearn")
_CONTEXT: Final = "kms:encryptioncontext:"
_LOCAL: Final[Pattern] = (Wild.MANY_IN_ITS_PART,)


def held_policies(scene: Scene) -> Iterator[tuple[Resource, str, Policy]]:
    """Each resource with a policy of its own, its ARN, and the policy."""
    world = scene.world
    for arn, found in world.resource_policies.items():
        name = found.name.split(" and ")[0]
        yield scene.sources[name], arn, found


def no_outsider(asking: Asking, scene: Scene) -> Iterator[Proof]:
    """Nobody of another account, nobody without credentials, no foreign identity provider."""
    for resource, arn, found in held_policies(scene):
        request = asking.symbols()
        unsigned = () if _service(arn, found.kind) in NO_UNSIGNED else (Who.ANONYMOUS,)
        yield asking.prove(
            request,
            z3.Or(
                z3.And(request.has_account, z3.Not(request.is_of(asking.account))),
                request.is_a(*unsigned, Who.WEB_IDENTITY),
            ),
            *_let_in(request, arn, found),
            claim=f"{resource} lets nobody in from outside the account",
            resource=resource,
            path=document_of(found),
            hints=_hints(found, arn),
        )


def no_confused_deputy(asking: Asking, scene: Scene) -> Iterator[Proof]:
    """No service of AWS acts here for somebody of another account.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/confused-deputy.html
    """
    buckets = [each.arn for each in scene.deployment.of_type("AWS::S3::Bucket")]
    for resource, arn, found in held_policies(scene):
        request = asking.symbols()
        let_in = _let_in(request, arn, found)
        keys = [
            request.key(name)
            for name in sorted({*_SOURCE_KEYS, *request.keys})
            if name in _SOURCE_KEYS or name.startswith(_CONTEXT)
        ]
        conditions = [
            request.is_a(Who.SERVICE),
            *let_in,
            *(z3.Not(_is_ours(key, asking.account, buckets)) for key in keys),
        ]
        if found.kind is Kind.TRUST:
            conditions += [
                z3.Not(request.service.equals(each)) for each in sorted(_OF_ITS_OWN_ACCOUNT)
            ]
        yield asking.prove(
            request,
            *conditions,
            claim=f"{resource} lets no service in that acts for another account",
            resource=resource,
            path=document_of(found),
            hints=_hints(found, arn, strangers=True),
        )


def _is_ours(key: Key, account: str, buckets: list[str]) -> z3.BoolRef:
    """That a key says for whom a service acts, and that it is for us.

    A bucket's ARN names no account; what is a bucket of ours is known.
    """
    if key.name == "aws:sourceaccount":
        return z3.And(key.given, key.matches(0, literal(account)))
    parts: Pattern = tuple(step for _ in range(4) for step in (*_LOCAL, ":"))
    ours = [(*parts, *literal(account), ":", Wild.MANY)]
    ours += [shape for arn in buckets for shape in (literal(arn), (*literal(arn), "/", Wild.MANY))]
    return z3.And(key.given, encoding.some(key.matches(0, each) for each in ours))


def _let_in(request: Symbols, arn: str, found: Policy) -> list[z3.BoolRef]:
    """That a resource's policy lets a request through, for an action and resource of its kind."""
    return [
        encoding.allows(request, [found]),
        z3.Not(encoding.denies(request, [found])),
        *about(request, arn, kind=found.kind),
    ]


def _service(arn: str, kind: Kind) -> str:
    """The service of the actions that a policy decides about."""
    return "sts" if kind is Kind.TRUST else arn.split(":")[2]


def about(request: Symbols, arn: str, *, kind: Kind) -> list[z3.BoolRef]:
    """That the request is about a resource, or what is in it, by an action of its service."""
    service = _service(arn, kind)
    inside = [literal(arn)]
    if service == "s3":
        inside.append((*literal(arn), "/", Wild.ONE, Wild.MANY))
    elif service in {"lambda", "dynamodb", "logs"}:
        inside += [(*literal(arn), sign, Wild.ONE, Wild.MANY) for sign in (":", "/")]
    return [
        request.action.matches((*literal(f"{service}:"), Wild.MANY)),
        encoding.some(request.resource.matches(each) for each in inside),
    ]


def _hints(found: Policy, arn: str, *, strangers: bool = False) -> Hints:
    own = hints_of(found.statements)
    actions = [each for each in own.actions if "anything" not in each and each != "*"]
    actions += ["s3:GetObject", "kms:Decrypt", "sts:AssumeRole", "sns:Publish", "sqs:SendMessage"]
    actions += ["lambda:InvokeFunction", "dynamodb:GetItem"]
    return Hints(
        actions=actions,
        resources=[arn, f"{arn}/some-object"],
        keys={name: values for name, values in own.keys.items() if not strangers},
    )


def document_of(found: Policy) -> str:
    """The property that a policy stands in."""
    return {Kind.KEY: "KeyPolicy", Kind.TRUST: "AssumeRolePolicyDocument"}.get(
        found.kind, "PolicyDocument"
    )
