"""The mutants of one deployment that are not those of another, which is judged by itself."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping
from typing import Any, Final

from review.mutation.additions import additions
from review.mutation.mutant import OUTPUT, Mutant
from review.mutation.weaken import weakenings
from review.template.deployment import Deployment

Key = tuple[str, ...]


def mutants_of(deployment: Deployment) -> Iterator[Mutant]:
    """Every mutant."""
    yield from weakenings(deployment)
    yield from additions(deployment)


def beyond(mutants: Iterable[Mutant], deployment: Deployment, other: Deployment) -> list[Mutant]:
    """Those mutants of a deployment that change what another one does not have in the same words.

    Compared is what a change is made within: the element of a list that it is in, as a statement of
    a policy is, or the property; and the whole resource where all of it goes or comes again. What
    is added from outside is new where its service is.

    Args:
        mutants: Of the deployment.
        deployment: The one that has more.
        other: The one that has less, with the same names.
    """
    known = {_key(each, other) for each in mutants_of(other)}
    services = _services(deployment) - _services(other)
    return [
        each
        for each in mutants
        if (each.adds is not None and _service(each.type) in services)
        or _key(each, deployment) not in known
    ]


def _key(mutant: Mutant, deployment: Deployment) -> Key:
    """What a mutant is known by: where and how it changes what."""
    if mutant.adds is not None:
        # A copy, or a grant for something: what it is for stands in its words.
        return mutant.type, mutant.how, _text(mutant.adds)
    template = deployment.templates[mutant.stack]
    there = template["Outputs" if mutant.type == OUTPUT else "Resources"][mutant.logical_id]
    return (
        mutant.stack,
        mutant.logical_id,
        mutant.type,
        mutant.where,
        mutant.how,
        _text(_within(there, mutant)),
    )


def _within(resource: Any, mutant: Mutant) -> Any:  # noqa: ANN401 - a piece of a template
    """The innermost element of a list that a change is in, or the property; else the resource."""
    found, here = resource, resource
    for depth, step in enumerate(mutant.path):
        if isinstance(here, Mapping) and step not in here:
            return None  # it is added
        here = here[step]
        if isinstance(step, int) or depth < _INTO_PROPERTIES:
            found = here
    return found


_INTO_PROPERTIES: Final = 2
"""The steps from a resource to one of its properties."""


def _text(value: object) -> str:
    return json.dumps(value, sort_keys=True, default=str)


def _services(deployment: Deployment) -> set[str]:
    return {
        _service(raw["Type"])
        for template in deployment.templates.values()
        for raw in template["Resources"].values()
    }


def _service(type_: str) -> str:
    return "::".join(type_.split("::")[:2])
