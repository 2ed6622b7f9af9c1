"""What a rule has looked at to come to its verdict: resources, their properties and values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from review.rules import Rule, Violation
from review.template.deployment import Deployment, Resource, told_of_reads

MOST: Final = 40
"""Values that are shown for one rule; how many more there are is said."""
_LENGTH: Final = 90
"""Of a value that is shown, in characters."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """One property that was read."""

    stack: str
    logical_id: str
    property: str
    value: str


@dataclass(frozen=True, kw_only=True)
class Evidence:
    """What one rule read, and what it said of it."""

    rule: Rule
    violations: tuple[Violation, ...]
    looks: tuple[Look, ...]
    more: int
    """Properties that were read and are not among the looks."""

    @property
    def resources(self) -> int:
        """How many resources the shown properties are of."""
        return len({(each.stack, each.logical_id) for each in self.looks})


def evidence_of(rule: Rule, deployment: Deployment) -> Evidence:
    """Run a rule and note which properties of which resources it reads.

    What the deployment remembers from an earlier rule, such as which environment it is, is not
    read again and belongs to none.
    """
    rule(deployment)  # what is worked out once for all rules is worked out here
    read: dict[tuple[str, str, str], Resource] = {}

    def note(resource: Resource, path: str) -> None:
        read.setdefault((resource.stack, resource.logical_id, path), resource)

    with told_of_reads(note):
        violations = tuple(rule(deployment))
    looks = [
        Look(stack=stack, logical_id=logical_id, property=path, value=shown(_value(resource, path)))
        for (stack, logical_id, path), resource in read.items()
    ]
    looks.sort(key=lambda each: (each.value == _ABSENT, each.stack, each.logical_id, each.property))
    return Evidence(
        rule=rule, violations=violations, looks=tuple(looks[:MOST]), more=len(looks[MOST:])
    )


def _value(resource: Resource, path: str) -> Any:  # noqa: ANN401 - a piece of a template
    """A property by its path, in which numbers are places in a list; or what stands beside them."""
    here: Any = {**resource.attributes, **resource.properties}
    for step in path.split("."):
        if isinstance(here, Mapping):
            here = here.get(step)
        elif isinstance(here, list) and step.isdecimal() and int(step) < len(here):
            here = here[int(step)]
        else:
            return None
    return here


_ABSENT: Final = "absent"


def shown(value: Any) -> str:  # noqa: ANN401 - a piece of a template
    """A value in few words; a policy by how many statements it has."""
    if value is None:
        return _ABSENT
    if isinstance(value, Mapping) and "Statement" in value:
        statements = value["Statement"]
        count = len(statements) if isinstance(statements, list) else 1
        return f"a policy of {count} statement{'' if count == 1 else 's'}"
    text = value if isinstance(value, str) else json.dumps(value, default=str, sort_keys=True)
    return text if len(text) <= _LENGTH else f"{text[: _LENGTH - 1]}…"
