"""What CloudFormation's own schemas say may stand where a value stands.

The schemas come with cfn-lint.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from cfnlint.schema import ResourceNotFoundError  # type: ignore[import-untyped]  # no types
from cfnlint.schema.manager import (  # type: ignore[import-untyped]  # the same
    PROVIDER_SCHEMA_MANAGER,
)

from review.mutation.mutant import Path

Schema = Mapping[str, Any]
REGION: Final = "us-east-1"
_DEEPEST: Final = 12


@cache
def schema_of(type_: str) -> Schema | None:
    """The schema of a resource type; None for one that AWS does not know."""
    try:
        found: Schema = PROVIDER_SCHEMA_MANAGER.get_resource_schema(REGION, type_).schema
    except ResourceNotFoundError:
        return None
    return found


def resource_types() -> list[str]:
    """Every resource type that AWS knows in one Region."""
    found: list[str] = sorted(PROVIDER_SCHEMA_MANAGER.get_resource_types(REGION))
    return found


def at(type_: str, path: Path) -> list[Schema]:
    """The schemas of what stands at a path below `Properties`; several where there is a choice."""
    root = schema_of(type_)
    found = [root] if root else []
    for part in path:
        found = [
            inner
            for each in found
            for inner in (
                _items(root, each) if isinstance(part, int) else _members(root, each, part)
            )
        ]
    return [choice for each in found for choice in _choices(root, each)]


def enum_at(type_: str, path: Path) -> list[Any]:
    """The values that may stand at a path, where there are only some."""
    return list(dict.fromkeys(v for schema in at(type_, path) for v in schema.get("enum", ())))


def range_at(type_: str, path: Path) -> tuple[int | None, int | None]:
    """The least and the greatest number that may stand at a path."""
    least = [s["minimum"] for s in at(type_, path) if isinstance(s.get("minimum"), int)]
    most = [s["maximum"] for s in at(type_, path) if isinstance(s.get("maximum"), int)]
    return min(least, default=None), max(most, default=None)


def properties_of(type_: str) -> dict[str, Schema]:
    """What a template may say of a resource, without what only AWS says."""
    root = schema_of(type_)
    if root is None:
        return {}
    read_only = {
        pointer.removeprefix("/properties/") for pointer in root.get("readOnlyProperties", ())
    }
    return {
        name: schema for name, schema in root.get("properties", {}).items() if name not in read_only
    }


@cache
def defaults(type_: str) -> Mapping[str, Any]:
    """What a resource does where the template says nothing, as the schema or its page tells."""
    root = schema_of(type_) or {}
    found: dict[str, Any] = dict(_DEFAULTS.get(type_, {}))
    for name, schema in properties_of(type_).items():
        for choice in _choices(root, schema):
            default = choice.get("default")
            if isinstance(default, str) and choice.get("type") != "string":
                continue  # a text about the default, such as that of a key's policy
            if isinstance(default, bool | int | str):
                found[name] = default
    return found


_DEFAULTS: Final[Mapping[str, Mapping[str, Any]]] = {
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-kms-key.html
    "AWS::KMS::Key": {"Enabled": True},
    # https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-lambda-function.html
    "AWS::Lambda::Function": {"Environment": {}},
}
"""Defaults of AWS's that its schemas leave to the pages about the resources."""


def examples(type_: str, name: str) -> list[Any]:
    """Values that a property may have: each of an enumeration, both booleans, or a simple one."""
    root = schema_of(type_) or {}
    values: list[Any] = []
    for choice in _choices(root, properties_of(type_)[name]):
        if "enum" in choice:
            values.extend(choice["enum"])
        elif choice.get("type") == "boolean":
            values.extend([True, False])
        else:
            values.append(_example(root, choice, 0))
    unique: list[Any] = []
    for value in values:
        if value not in unique:
            unique.append(value)
    return unique


def smallest(type_: str) -> dict[str, Any]:
    """Properties of a resource with what is required and nothing else."""
    root = schema_of(type_) or {}
    found = _example(root, {**root, "type": "object"}, 0)
    return dict(found) if isinstance(found, Mapping) else {}


def _example(root: Schema, schema: Schema, depth: int) -> Any:  # noqa: ANN401 - a piece of a template
    choice = next(_choices(root, schema), {})
    kind = choice.get("type")
    kind = kind[0] if isinstance(kind, list) else kind
    example: Any = "somebody-elses"
    if "enum" in choice or "const" in choice:
        example = choice.get("const", next(iter(choice.get("enum", ())), None))
    elif depth > _DEEPEST:
        example = {}
    elif kind == "boolean":
        example = True
    elif kind in ("integer", "number"):
        example = choice.get("minimum", 1)
    elif kind == "array":
        example = [_example(root, choice.get("items", {}), depth + 1)]
    elif kind == "object":
        members = choice.get("properties", {})
        named = list(choice.get("required", ())) or list(members)[: 1 if depth else 0]
        example = {name: _example(root, members.get(name, {}), depth + 1) for name in named}
    return example


def _members(root: Schema | None, schema: Schema, name: str) -> Iterator[Schema]:
    for choice in _choices(root, schema):
        if name in choice.get("properties", {}):
            yield choice["properties"][name]


def _items(root: Schema | None, schema: Schema) -> Iterator[Schema]:
    for choice in _choices(root, schema):
        if isinstance(choice.get("items"), Mapping):
            yield choice["items"]


def _choices(root: Schema | None, schema: Schema, depth: int = 0) -> Iterator[Schema]:
    """A schema with its references followed, and each of its alternatives."""
    if depth > _DEEPEST or root is None:
        return
    if "$ref" in schema:
        here: Any = root
        for part in str(schema["$ref"]).removeprefix("#/").split("/"):
            here = here.get(part, {}) if isinstance(here, Mapping) else {}
        yield from _choices(root, here, depth + 1)
        return
    yield schema
    for word in ("anyOf", "oneOf", "allOf"):
        for each in schema.get(word, ()):
            if isinstance(each, Mapping):
                yield from _choices(root, each, depth + 1)
