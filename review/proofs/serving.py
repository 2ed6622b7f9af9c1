"""Questions about deployed models: who calls them from where, and what is bought and by whom.

Only environments that deploy what they train are asked.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import z3

from review.decisions.scene import Scene
from review.proofs.access import hints_of
from review.proofs.insiders import may, roles
from review.proofs.languages import Pattern, Wild, literal
from review.proofs.proof import Asking, Proof
from review.proofs.solver import Hints
from review.proofs.symbols import Symbols
from review.rules.environment import Environment, environment_of

_TAG: Final = "finetune:environment"

_CALLS: Final[tuple[Pattern, ...]] = (
    # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonbedrock.html
    (*literal("bedrock:invokemodel"), Wild.MANY),
    literal("bedrock:createmodelinvocationjob"),
)
_BUYS: Final[tuple[Pattern, ...]] = (
    literal("bedrock:createprovisionedmodelthroughput"),
    literal("bedrock:createcustommodeldeployment"),
    literal("bedrock:updateprovisionedmodelthroughput"),
)
_REMOVES: Final[tuple[Pattern, ...]] = (
    literal("bedrock:deleteprovisionedmodelthroughput"),
    literal("bedrock:deletecustommodeldeployment"),
)


def models_are_called_in_private(asking: Asking, scene: Scene) -> Iterator[Proof]:
    """A deployed model answers no role of ours but the invoker's, and it inside our network only.

    People of `people.invokers` have policies of their own, which are the account's to write.
    """
    environment = environment_of(scene.deployment)
    if not environment.serves:
        return
    served = [
        _served(environment, kind) for kind in ("custom-model-deployment", "provisioned-model")
    ]
    for resource, principal in roles(scene):
        request = asking.symbols()
        inside = z3.BoolVal(False)
        words = "calls no deployed model"
        if resource.ref == environment.role_names["invoker"]:
            endpoint = request.key("aws:sourcevpce")
            through_ours = endpoint.matches(0, literal(environment.runtime_endpoint))
            inside = z3.And(
                endpoint.given, through_ours, _is_ours(request, "aws:resourcetag", environment)
            )
            words = "calls deployed models of the environment alone, and through its own endpoint"
        yield asking.prove(
            request,
            *may(request, principal, actions=_CALLS),
            z3.Or(*(request.resource.matches(each) for each in served)),
            z3.Not(inside),
            claim=f"{resource} {words}",
            resource=resource,
            principal=principal,
            hints=Hints(
                actions=["bedrock:invokemodel"],
                resources=[f"{_arn(environment, 'provisioned-model')}/abcdefghijkl"],
                keys=hints_of(
                    statement for policy in principal.policies for statement in policy.statements
                ).keys,
            ),
        )


def nothing_is_bought_without_an_end(asking: Asking, scene: Scene) -> Iterator[Proof]:
    """What is bought carries the tag by which schedule and reaper give it back; nobody else buys.

    That these two may, the decisions say; that no purchase comes before its schedule, the tests of
    the deployer.
    """
    environment = environment_of(scene.deployment)
    if not environment.serves:
        return
    for resource, principal in roles(scene):
        request = asking.symbols()
        with_end = z3.BoolVal(False)
        words = "buys no throughput and deploys no model"
        if resource.ref == environment.role_names["deployer"]:
            with_end = z3.And(
                _is_ours(request, "aws:requesttag", environment),
                z3.Not(request.action.matches(_BUYS[-1])),
            )
            words = "buys nothing that does not carry the tag by which it is given back"
        yield asking.prove(
            request,
            *may(request, principal, actions=_BUYS),
            z3.Not(with_end),
            claim=f"{resource} {words}",
            resource=resource,
            principal=principal,
            hints=_hints(environment, "bedrock:createprovisionedmodelthroughput"),
        )


def nothing_of_others_is_removed(asking: Asking, scene: Scene) -> Iterator[Proof]:
    """Only the deployer and its schedules remove, and only what is of this environment."""
    environment = environment_of(scene.deployment)
    if not environment.serves:
        return
    who = {environment.role_names[each] for each in ("deployer", "scheduler")}
    for resource, principal in roles(scene):
        request = asking.symbols()
        ours = z3.BoolVal(False)
        words = "removes no deployment and gives nothing back"
        if resource.ref in who:
            ours = _is_ours(request, "aws:resourcetag", environment)
            words = "removes nothing but what carries the environment's tag"
        yield asking.prove(
            request,
            *may(request, principal, actions=_REMOVES),
            z3.Not(ours),
            claim=f"{resource} {words}",
            resource=resource,
            principal=principal,
            hints=_hints(environment, "bedrock:deleteprovisionedmodelthroughput"),
        )


def _is_ours(request: Symbols, kind: str, environment: Environment) -> z3.BoolRef:
    """That a tag of the request or the resource is the environment's."""
    tag = request.key(f"{kind}/{_TAG}")
    return z3.And(tag.given, tag.matches(0, literal(environment.name)))


def _arn(environment: Environment, kind: str) -> str:
    return environment.arn("bedrock", kind)


def _served(environment: Environment, kind: str) -> Pattern:
    return (*literal(f"{_arn(environment, kind)}/"), Wild.ONE, Wild.MANY)


def _hints(environment: Environment, action: str) -> Hints:
    return Hints(
        actions=[action], resources=[f"{_arn(environment, 'provisioned-model')}/abcdefghijkl"]
    )
