"""Every way to take something from templates, to widen it or to say something else, one at a time.

Nothing here knows what a resource is for: whatever stands in a template is removed, every boolean
turned, every value exchanged for another one that CloudFormation's schema admits, every reference
for somebody else's. What is left after one of these is for the gate to notice.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator, Mapping
from typing import Any, Final

from review.mutation import schemas
from review.mutation.mutant import (
    OUTPUT,
    POLICIES,
    Change,
    Mutant,
    Path,
    drop,
    is_intrinsic,
    put,
)
from review.mutation.weaken_policies import of_policy
from review.template.deployment import Deployment

FOREIGN: Final = "somebody-elses"
"""Stands for a name, id or ARN of something that these templates do not make."""

ANYWHERE: Final = "0.0.0.0/0"


def weakenings(deployment: Deployment) -> Iterator[Mutant]:
    """Every weakening of every resource, and of what stacks tell each other."""
    for stack, template in deployment.templates.items():
        for name in template.get("Outputs", {}):
            for how, change in (("removed", None), (f"set to {FOREIGN}", put(("Value",), FOREIGN))):
                yield Mutant(
                    stack=stack,
                    logical_id=name,
                    type=OUTPUT,
                    path=("Value",) if change else (),
                    how=how,
                    change=change,
                )
        for logical_id, resource in template["Resources"].items():
            yield Mutant(
                stack=stack,
                logical_id=logical_id,
                type=resource["Type"],
                path=(),
                how="removed",
                change=None,
            )
            for path, how, change in _of_resource(resource):
                yield Mutant(
                    stack=stack,
                    logical_id=logical_id,
                    type=resource["Type"],
                    path=path,
                    how=how,
                    change=change,
                )


def _of_resource(resource: Mapping[str, Any]) -> Iterator[tuple[Path, str, Change]]:
    for name in ("DeletionPolicy", "UpdateReplacePolicy"):
        if name in resource:
            other = "Delete" if resource[name] == "Retain" else "Retain"
            yield (name,), f"set to {other}", put((name,), other)
            yield (name,), "removed", drop((name,))
    if "DependsOn" in resource:
        yield ("DependsOn",), "removed", drop(("DependsOn",))
    yield from _of_value(resource["Type"], resource.get("Properties", {}), ("Properties",))


def _of_value(type_: str, value: object, path: Path) -> Iterator[tuple[Path, str, Change]]:
    """Whatever a property holds is taken away, part by part, or is something else."""
    if path[-1] in POLICIES and isinstance(value, Mapping):
        yield from of_policy(value, path)
        return
    if isinstance(value, bool):
        yield path, f"set to {not value}", put(path, not value)
    elif isinstance(value, int):
        yield from _of_number(type_, value, path)
    elif isinstance(value, str):
        yield from _of_text(type_, value, path)
    elif is_intrinsic(value):
        yield path, f"set to {FOREIGN}", put(path, FOREIGN)
    elif isinstance(value, Mapping):
        for name, inner in value.items():
            yield (*path, name), "removed", drop((*path, name))
            yield from _of_value(type_, inner, (*path, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield (*path, index), "removed", drop((*path, index))
            yield from _of_value(type_, inner, (*path, index))


def _of_number(type_: str, value: int, path: Path) -> Iterator[tuple[Path, str, Change]]:
    choices = [each for each in schemas.enum_at(type_, path[1:]) if isinstance(each, int)]
    if choices:
        # As without an enumeration: as little and as much as can be, and the next to it.
        fewer, more = [n for n in choices if n < value], [n for n in choices if n > value]
        chosen = {min(choices), max(choices)}
        chosen |= {max(fewer)} if fewer else set()
        chosen |= {min(more)} if more else set()
        yield from _others(sorted(chosen), value, path)
        return
    least, most = schemas.range_at(type_, path[1:])
    for other in dict.fromkeys((least if least is not None else 0, most or 65535)):
        if other != value:
            yield path, f"set to {other}", put(path, other)


def _of_text(type_: str, value: str, path: Path) -> Iterator[tuple[Path, str, Change]]:
    choices = schemas.enum_at(type_, path[1:])
    if choices:
        yield from _others(choices, value, path)
        return
    if _is_range(value):
        yield path, f"set to {ANYWHERE}", put(path, ANYWHERE)
    yield path, f"set to {FOREIGN}", put(path, FOREIGN)


def _others(choices: list[Any], value: object, path: Path) -> Iterator[tuple[Path, str, Change]]:
    for other in choices:
        if other != value:
            yield path, f"set to {other}", put(path, other)


def _is_range(text: str) -> bool:
    try:
        ipaddress.ip_network(text)
    except ValueError:
        return False
    return "/" in text
