"""What a rule has looked at to come to its verdict: properties, values, what is not there."""

from __future__ import annotations

import dataclasses
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
    """One property that was read; or what was looked for beside the resources."""

    stack: str
    logical_id: str
    """Empty for what is no property of a resource."""
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
        return len({(each.stack, each.logical_id) for each in self.looks if each.logical_id})


def evidence_of(rule: Rule, deployment: Deployment) -> Evidence:
    """Run a rule and note which properties of which resources it reads.

    What the deployment remembers from an earlier rule, such as which environment it is, is not
    read again and belongs to none; unless that is all that the rule goes by.
    """
    rule(deployment)  # what is worked out once for all rules is worked out here
    violations, looks = _looks(rule, deployment)
    if not looks:
        violations, looks = _looks(rule, _forgetful(deployment))
    looks.sort(key=lambda each: (each.value == _ABSENT, each.stack, each.logical_id, each.property))
    return Evidence(
        rule=rule, violations=violations, looks=tuple(looks[:MOST]), more=len(looks[MOST:])
    )


def _forgetful(deployment: Deployment) -> Deployment:
    """The same resources in a deployment that remembers nothing else."""
    fresh = dataclasses.replace(deployment)
    fresh.__dict__["_resolved"] = deployment.__dict__["_resolved"]
    return fresh


def _looks(rule: Rule, deployment: Deployment) -> tuple[tuple[Violation, ...], list[Look]]:
    read: dict[tuple[str, str, str], Resource] = {}
    beside: dict[tuple[str, str], object] = {}

    def note(resource: Resource, path: str) -> None:
        read.setdefault((resource.stack, resource.logical_id, path), resource)

    def note_beside(stack: str, what: str, found: object) -> None:
        beside.setdefault((stack, what), found)

    with told_of_reads(note, beside=note_beside):
        violations = tuple(rule(deployment))
    return violations, [
        *(
            Look(
                stack=stack,
                logical_id=logical_id,
                property=path,
                value=shown(_value(resource, path)),
            )
            for (stack, logical_id, path), resource in read.items()
        ),
        *(
            Look(stack=stack, logical_id="", property=what, value=shown(found))
            for (stack, what), found in beside.items()
        ),
    ]


def _value(resource: Resource, path: str) -> Any:  # noqa: ANN401 - a piece of a template
    """A property by its path, in which numbers are places in a list; or what stands beside them."""
    here: Any = {"Type": resource.type, **resource.attributes, **resource.properties}
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
