"""A copy of a deployment with one thing changed in one resource."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, Literal, TypeVar

from review.template.deployment import Deployment

Path = tuple[str | int, ...]
"""Into a raw resource: names, and places in lists."""

Change = Callable[[Any], None]
"""Made to a raw resource."""

Kind = Literal["structure", "policy", "addition"]

OUTPUT: Final = "Output"
"""Stands for the type of what is no resource but an output of a stack."""

POLICIES: Final = frozenset({"PolicyDocument", "AssumeRolePolicyDocument", "KeyPolicy"})

AnyDeployment = TypeVar("AnyDeployment", bound=Deployment)


@dataclass(frozen=True, kw_only=True)
class Mutant:
    """One change, before it is made."""

    stack: str
    logical_id: str
    type: str
    path: Path
    """Empty for the resource, or the output, as a whole."""
    how: str
    """What is done, in words."""
    change: Change | None
    """None to remove the resource."""
    adds: Mapping[str, Any] | None = None
    """The raw resource that is added under the logical id."""

    @property
    def where(self) -> str:
        """The property, without places in lists."""
        return ".".join(str(part) for part in self.path if not isinstance(part, int))

    @property
    def kind(self) -> Kind:
        """What it is about: a policy document, anything else, or something that was not there."""
        if self.adds is not None:
            return "addition"
        return "policy" if POLICIES & set(self.path) else "structure"

    def __str__(self) -> str:
        path = ".".join(map(str, self.path)) or "resource"
        return f"{self.stack} {self.logical_id} ({self.type}): {path}: {self.how}"

    def apply(self, deployment: AnyDeployment) -> AnyDeployment:
        """The deployment with this change: all but one resource is shared with the original."""
        template = deployment.templates[self.stack]
        if self.type == OUTPUT:
            outputs = copy.deepcopy(template["Outputs"])
            if self.change is None:
                del outputs[self.logical_id]
            else:
                self.change(outputs[self.logical_id])
            return deployment.with_templates(
                {**deployment.templates, self.stack: {**template, "Outputs": outputs}}
            )
        resources: dict[str, Any] = template["Resources"]
        if self.change is not None:
            changed = copy.deepcopy(resources[self.logical_id])
            self.change(changed)
            return deployment.with_resource(self.stack, self.logical_id, changed)
        if self.adds is not None:
            resources = {**resources, self.logical_id: self.adds}
        else:
            resources = {key: raw for key, raw in resources.items() if key != self.logical_id}
        return deployment.with_templates(
            {**deployment.templates, self.stack: {**template, "Resources": resources}}
        )


def parent_of(resource: Any, path: Path) -> Any:  # noqa: ANN401 - a piece of a template
    """What a path's last step is taken from."""
    here = resource
    for part in path[:-1]:
        here = here[part]
    return here


def put(path: Path, value: object) -> Change:
    """A change that sets what is at a path."""

    def change(resource: Any) -> None:  # noqa: ANN401 - a piece of a template
        parent_of(resource, path)[path[-1]] = copy.deepcopy(value)

    return change


def drop(path: Path) -> Change:
    """A change that takes away what is at a path."""

    def change(resource: Any) -> None:  # noqa: ANN401 - a piece of a template
        del parent_of(resource, path)[path[-1]]

    return change


def rename(path: Path, name: str) -> Change:
    """A change that gives what is at a path another name."""

    def change(resource: Any) -> None:  # noqa: ANN401 - a piece of a template
        parent = parent_of(resource, path)
        parent[name] = parent.pop(path[-1])

    return change


def append(path: Path, value: object) -> Change:
    """A change that puts something at the end of the list at a path; one value becomes a list."""

    def change(resource: Any) -> None:  # noqa: ANN401 - a piece of a template
        parent = parent_of(resource, path)
        there = parent.get(path[-1], []) if isinstance(parent, dict) else parent[path[-1]]
        parent[path[-1]] = [
            *(there if isinstance(there, list) else [there]),
            copy.deepcopy(value),
        ]

    return change


def is_intrinsic(value: object) -> bool:
    """Whether a value of a template is a function of CloudFormation's."""
    return (
        isinstance(value, Mapping)
        and len(value) == 1
        and next(iter(value)).startswith(("Fn::", "Ref"))
    )
