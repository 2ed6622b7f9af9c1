"""Every way to take something from the templates or to widen it, one at a time.

Nothing here knows what a resource is for: whatever stands in a template is removed, every boolean
turned, every policy statement dropped, widened and loosened in each of its elements. What is left
after one of these is for the controls to notice.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Final

from review.template.deployment import Template
from tests.security.app_deployment import AppDeployment

Path = tuple[str | int, ...]
Change = Callable[[Any], None]

POLICIES: Final = ("PolicyDocument", "AssumeRolePolicyDocument", "KeyPolicy")


@dataclass(frozen=True, kw_only=True)
class Weakening:
    """One thing less, or one thing wider, in one resource.

    `where` is the property, without places in lists; `change` is made to the raw resource.
    """

    stack: str
    logical_id: str
    type: str
    path: Path
    how: str
    change: Change

    @property
    def where(self) -> str:
        return ".".join(str(part) for part in self.path if not isinstance(part, int))

    def __str__(self) -> str:
        path = ".".join(map(str, self.path))
        return f"{self.stack} {self.logical_id} ({self.type}): {path or 'resource'}: {self.how}"

    def apply(self, deployment: AppDeployment) -> AppDeployment:
        """The deployment with this weakening: all but one resource is shared with the original."""
        resources: dict[str, Template] = deployment.templates[self.stack]["Resources"]
        if self.path:
            changed = copy.deepcopy(resources[self.logical_id])
            self.change(changed)
            return deployment.with_resource(self.stack, self.logical_id, changed)
        rest = {key: raw for key, raw in resources.items() if key != self.logical_id}
        template = {**deployment.templates[self.stack], "Resources": rest}
        return deployment.with_templates({**deployment.templates, self.stack: template})


def weakenings(deployment: AppDeployment) -> Iterator[Weakening]:
    """Every weakening of every resource."""
    for stack, template in deployment.templates.items():
        for logical_id, resource in template["Resources"].items():
            for path, how, change in _of_resource(resource):
                yield Weakening(
                    stack=stack,
                    logical_id=logical_id,
                    type=resource["Type"],
                    path=path,
                    how=how,
                    change=change,
                )


def _of_resource(resource: Mapping[str, Any]) -> Iterator[tuple[Path, str, Change]]:
    yield (), "removed", _nothing
    for name in ("DeletionPolicy", "UpdateReplacePolicy"):
        if name in resource:
            other = "Delete" if resource[name] == "Retain" else "Retain"
            yield (name,), f"set to {other}", _put((name,), other)
    if "DependsOn" in resource:
        yield ("DependsOn",), "removed", _drop(("DependsOn",))
    yield from _of_value(resource.get("Properties", {}), ("Properties",))


def _of_value(value: object, path: Path) -> Iterator[tuple[Path, str, Change]]:
    """Whatever a property holds is taken away, part by part."""
    if path[-1] in POLICIES and isinstance(value, Mapping):
        yield from _of_policy(value, path)
        return
    if isinstance(value, bool):
        yield path, f"set to {not value}", _put(path, not value)
    if isinstance(value, Mapping) and not _is_intrinsic(value):
        for name, inner in value.items():
            yield (*path, name), "removed", _drop((*path, name))
            yield from _of_value(inner, (*path, name))
    if isinstance(value, list):
        for index, inner in enumerate(value):
            yield (*path, index), "removed", _drop((*path, index))
            yield from _of_value(inner, (*path, index))


def _is_intrinsic(value: Mapping[str, Any]) -> bool:
    return len(value) == 1 and next(iter(value)).startswith(("Fn::", "Ref"))


def _of_policy(document: Mapping[str, Any], path: Path) -> Iterator[tuple[Path, str, Change]]:
    statements = document["Statement"]
    for index, statement in enumerate(statements):
        here: Path = (*path, "Statement", index)
        yield here, "removed", _drop(here)
        other = "Deny" if statement["Effect"] == "Allow" else "Allow"
        yield (*here, "Effect"), f"set to {other}", _put((*here, "Effect"), other)
        yield from _of_actions(statement["Action"], (*here, "Action"))
        for element in ("Resource", "Principal"):
            if element in statement:
                yield from _of_target(statement[element], (*here, element))
        if "Condition" in statement:
            yield from _of_conditions(statement["Condition"], (*here, "Condition"))


def _of_actions(action: str | Sequence[str], path: Path) -> Iterator[tuple[Path, str, Change]]:
    actions = [action] if isinstance(action, str) else list(action)
    yield path, "set to *", _put(path, "*")
    for index, each in enumerate(actions):
        rest = actions[:index] + actions[index + 1 :]
        if rest:
            yield path, f"without {each}", _put(path, rest)
        wide = f"{each.split(':')[0]}:*"
        if each != wide:
            yield path, f"{each} widened to {wide}", _put(path, [*rest, wide])
            verb = each.rstrip("*")[:-3] + "*"
            yield path, f"{each} widened to {verb}", _put(path, [*rest, verb])


def _of_target(target: object, path: Path) -> Iterator[tuple[Path, str, Change]]:
    if target in ("*", {"AWS": "*"}):
        # Nothing is wider, and the two say the same.
        return
    yield path, "set to *", _put(path, "*")
    if isinstance(target, list):
        for index in range(len(target)):
            yield (*path, index), "removed", _drop((*path, index))
            yield (*path, index), "set to *", _put((*path, index), "*")
    elif isinstance(target, Mapping) and not _is_intrinsic(target):
        for name in target:
            yield (*path, name), "set to *", _put((*path, name), "*")


def _of_conditions(
    conditions: Mapping[str, Mapping[str, Any]], path: Path
) -> Iterator[tuple[Path, str, Change]]:
    yield path, "removed", _drop(path)
    for operator, keys in conditions.items():
        loose = f"{operator}IfExists"
        if operator != "Null":
            yield (*path, operator), f"loosened to {loose}", _rename((*path, operator), loose)
        any_value = f"ForAnyValue:{operator.split(':')[-1]}"
        yield (*path, operator), f"turned to {any_value}", _rename((*path, operator), any_value)
        for key, values in keys.items():
            here: Path = (*path, operator, key)
            yield here, "removed", _drop(here)
            yield here, "set to *", _put(here, "*")
            if isinstance(values, list) and len(values) > 1:
                for index in range(len(values)):
                    yield (*here, index), "removed", _drop((*here, index))
                    yield (*here, index), "set to *", _put((*here, index), "*")


def _nothing(resource: Any) -> None:  # noqa: ANN401 - a piece of a template
    """The resource itself is removed, by `apply`."""


def _parent(resource: Any, path: Path) -> Any:  # noqa: ANN401 - a piece of a template
    here = resource
    for part in path[:-1]:
        here = here[part]
    return here


def _put(path: Path, value: object) -> Change:
    def change(resource: Any) -> None:  # noqa: ANN401 - a piece of a template
        _parent(resource, path)[path[-1]] = value

    return change


def _drop(path: Path) -> Change:
    def change(resource: Any) -> None:  # noqa: ANN401 - a piece of a template
        del _parent(resource, path)[path[-1]]

    return change


def _rename(path: Path, name: str) -> Change:
    def change(resource: Any) -> None:  # noqa: ANN401 - a piece of a template
        parent = _parent(resource, path)
        parent[name] = parent.pop(path[-1])

    return change
