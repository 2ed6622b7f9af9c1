"""Questions by chance about the policies of the app itself."""

from __future__ import annotations

import random
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from review.decisions.evaluator import context_of
from review.decisions.request import Request, Value, Who
from review.decisions.stage import Stage
from review.decisions.world import holder
from review.template.deployment import Deployment
from tests.review.decisions.simulator import Document, Question

_SAYS_WHO: Final = ("aws:principal", "aws:userid", "aws:username", "aws:sourcevpc")
_DOCUMENTS: Final = ("PolicyDocument", "KeyPolicy", "AssumeRolePolicyDocument")


def questions_about(
    deployment: Deployment, chance: random.Random, *, how_many: int
) -> Iterator[Question]:
    """Requests of the table, each with some condition keys changed or taken away."""
    stage = Stage(deployment)
    rows = [row for row in stage.table.rows if not row.through and row.who != "stranger"]
    made = 0
    while made < how_many:
        row = chance.choice(rows)
        for request in stage.requests(row):
            question = _question(stage, request, chance)
            if question is not None:
                made += 1
                yield question


def _question(stage: Stage, request: Request, chance: random.Random) -> Question | None:
    principal = request.principal
    context = context_of(request, stage.scene.world) if _known(stage, request) else None
    if context is None:
        return None
    identity = [_document(stage, policy.name) for policy in principal.policies]
    if any(each is None for each in identity):
        # A principal that the table made up: of its one policy everything is allowed.
        return None
    resource_policy = _of_the_resource(stage, request)
    endpoint = _of_the_endpoint(stage, request)
    documents = [*identity, resource_policy, endpoint]
    return Question(
        who=principal.who,
        action=request.action,
        resource=request.resource,
        owner=request.resource_account or _owner(request.resource) or stage.fact("account"),
        arn=principal.arn,
        service=principal.service,
        keys=_shaken(request.service, context, documents, chance),
        identity=[each for each in identity if each is not None],
        resource_policy=resource_policy,
        endpoint=endpoint,
    )


def _known(stage: Stage, request: Request) -> bool:
    """Whether the two can be asked: about what is ours, and by whom AWS would listen to."""
    if request.endpoint is not None and request.endpoint not in stage.scene.world.endpoints:
        return False
    service = request.action.partition(":")[0]
    unsigned = request.principal.who is Who.ANONYMOUS and service not in {"s3", "sqs", "sns"}
    keyed = service in {"kms", "sts"}
    return not unsigned and (not keyed or _of_the_resource(stage, request) is not None)


def _owner(resource: str) -> str:
    parts = resource.split(":")
    return parts[4] if len(parts) > 4 else ""


def _document(stage: Stage, name: str) -> Document | None:
    resource = stage.scene.sources.get(name)
    if resource is None:
        return None
    if " (inline " in name:
        place = int(name.rpartition(" (inline ")[2].rstrip(")"))
        found: Document = resource["Policies"][place]["PolicyDocument"]
        return found
    for path in _DOCUMENTS:
        if resource[path] is not None:
            return _plain(resource[path])
    return None


def _plain(document: Document) -> Document:
    """With `*` for everyone: the simulator takes no other form in an endpoint's policy."""
    statements = document["Statement"]
    return {
        **document,
        "Statement": [
            {**one, "Principal": "*"} if one.get("Principal") == {"AWS": "*"} else one
            for one in (statements if isinstance(statements, list) else [statements])
        ],
    }


def _of_the_resource(stage: Stage, request: Request) -> Document | None:
    world = stage.scene.world
    found = world.policy_of(request.resource, action=request.action)
    return _document(stage, found.name) if found and holder(request.resource) else None


def _of_the_endpoint(stage: Stage, request: Request) -> Document | None:
    endpoint = stage.scene.world.endpoints.get(request.endpoint or "")
    return _document(stage, endpoint.policy.name) if endpoint and endpoint.policy else None


def _shaken(
    service: str,
    context: Mapping[str, Value],
    documents: Sequence[Document | None],
    chance: random.Random,
) -> dict[str, Value]:
    """The context with some keys gone, and some with a value that a condition is about."""

    def is_free(name: str) -> bool:
        of_it = name.lower().startswith(("aws:", f"{service}:"))
        return of_it and not name.lower().startswith(_SAYS_WHO)

    found = {name: value for name, value in context.items() if is_free(name)}
    for name in list(found):
        if chance.random() < 0.15:
            del found[name]
    about = list(_values(documents))
    for key, value in chance.sample(about, min(len(about), chance.randint(0, 2))):
        if is_free(key) and not isinstance(found.get(key), tuple):
            found[key] = value
    return found


def _values(documents: Sequence[Document | None]) -> Iterator[tuple[str, str]]:
    for document in documents:
        for statement in (document or {}).get("Statement", []):
            for operator, keys in statement.get("Condition", {}).items():
                if operator.startswith("For"):
                    continue
                for key, values in keys.items():
                    for value in values if isinstance(values, list) else [values]:
                        if operator != "Null":
                            yield key, _concrete(value)


def _concrete(value: Any) -> str:  # noqa: ANN401 - a piece of a policy
    return str(value).replace("*", "one").replace("?", "x")
