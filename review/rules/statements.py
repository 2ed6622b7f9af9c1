"""Policy statements of any template, whatever they are made of.

The rules for everybody have to read policies that no rule of this app would admit, with NotAction
and the like, so they read statements and not grants.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from review.rules.containment import covers
from review.rules.rule import many
from review.template.deployment import Resource
from review.template.policies import Condition


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement of one policy, and where it is."""

    resource: Resource
    path: str
    """Of the document, dotted, in the resource's properties."""
    sid: str
    allows: bool
    principals: tuple[str, ...]
    """`*`, or `AWS:` and the like before the name; empty in a role's policy."""
    excludes_principals: bool
    """Whether it is about all principals but these."""
    actions: tuple[str, ...]
    """In lower case."""
    excludes_actions: bool
    resources: tuple[str, ...]
    excludes_resources: bool
    conditions: tuple[Condition, ...]
    """In the order they stand, the keys in lower case."""

    def names(self, *keys: str) -> bool:
        """Whether a condition is about one of some keys."""
        wanted = {key.lower() for key in keys}
        return any(key in wanted for _, key, _ in self.conditions)

    def requires(self, *keys: str) -> bool:
        """Whether a condition demands that one of some keys is there and has a certain value."""
        wanted = {key.lower() for key in keys}
        return any(
            key in wanted
            and "Not" not in operator
            and operator != "Null"
            and not operator.endswith("IfExists")
            and not operator.startswith("ForAllValues")
            and not any(set(value) <= set("*?") for value in values)
            for operator, key, values in self.conditions
        )

    def does(self, action: str) -> bool:
        """Whether it is about an action, in lower case."""
        named = any(covers(each, action) for each in self.actions)
        return named != self.excludes_actions

    @property
    def anybody(self) -> bool:
        """Whether its principal is everybody, which conditions may narrow."""
        return self.excludes_principals or any(
            each == "*" or each.endswith(":*") for each in self.principals
        )

    def __str__(self) -> str:
        return f"statement {self.sid!r}" if self.sid else f"a statement of {self.path}"


DOCUMENTS: Final = frozenset({"PolicyDocument", "AssumeRolePolicyDocument", "KeyPolicy", "Policy"})


def statements(resource: Resource, *paths: str) -> Iterator[Statement]:
    """The statements of a resource's policies.

    Args:
        resource: Of any type.
        paths: Only of the documents that end so.
    """
    for path, document in _documents(resource.properties, ""):
        if not paths or path.rsplit(".", maxsplit=1)[-1] in paths:
            resource.looked_at(path)
            for statement in many(document.get("Statement")):
                if isinstance(statement, Mapping):
                    yield _statement(resource, path, statement)


def _documents(value: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:  # noqa: ANN401 - a piece of a template
    if isinstance(value, list):
        for index, each in enumerate(value):
            yield from _documents(each, f"{path}.{index}" if path else str(index))
        return
    if isinstance(value, str) and path.rsplit(".", maxsplit=1)[-1] in DOCUMENTS:
        try:
            value = json.loads(value)
        except ValueError:
            return
    if isinstance(value, Mapping):
        if "Statement" in value:
            yield path, value
            return
        for name, each in value.items():
            yield from _documents(each, f"{path}.{name}" if path else str(name))


def _statement(resource: Resource, path: str, raw: Mapping[str, Any]) -> Statement:
    conditions = raw.get("Condition")
    return Statement(
        resource=resource,
        path=path,
        sid=str(raw.get("Sid") or ""),
        allows=raw.get("Effect") == "Allow",
        principals=_principals(raw.get("Principal", raw.get("NotPrincipal"))),
        excludes_principals="NotPrincipal" in raw,
        actions=tuple(str(a).lower() for a in many(raw.get("Action", raw.get("NotAction")))),
        excludes_actions="NotAction" in raw,
        resources=tuple(str(r) for r in many(raw.get("Resource", raw.get("NotResource")))),
        excludes_resources="NotResource" in raw,
        conditions=tuple(
            (str(operator), str(key).lower(), tuple(str(value) for value in many(values)))
            for operator, keys in (conditions if isinstance(conditions, Mapping) else {}).items()
            for key, values in (keys if isinstance(keys, Mapping) else {}).items()
        ),
    )


def _principals(value: Any) -> tuple[str, ...]:  # noqa: ANN401 - a piece of a policy
    if value is None:
        return ()
    if not isinstance(value, Mapping):
        return tuple(str(each) for each in many(value))
    return tuple(
        "*" if str(each) == "*" else f"{kind}:{each}"
        for kind, each_kind in value.items()
        for each in many(each_kind)
    )
