"""Ways to spoil a template; each returns how many places it changed."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from typing import Any

Template = dict[str, Any]
Resource = dict[str, Any]
Edit = Callable[[Template], int]


def resources(template: Template, resource_type: str) -> Iterator[tuple[str, Resource]]:
    """Logical id and definition of every resource of a type."""
    for logical_id, resource in template.get("Resources", {}).items():
        if resource["Type"] == resource_type:
            yield logical_id, resource


def _policies(node: object) -> Iterator[dict[str, Any]]:
    """Every policy document below a node."""
    if isinstance(node, dict):
        if isinstance(node.get("Statement"), list):
            yield node
        for value in node.values():
            yield from _policies(value)
    elif isinstance(node, list):
        for value in node:
            yield from _policies(value)


def _statements(
    template: Template, *, sid: str, resource_type: str | None, holding: str
) -> Iterator[tuple[dict[str, Any], dict[str, Any]]]:
    for logical_id, resource in template.get("Resources", {}).items():
        if resource_type not in (None, resource["Type"]) or holding not in logical_id:
            continue
        for document in _policies(resource):
            for statement in document["Statement"]:
                if statement.get("Sid") == sid:
                    yield document, statement


def drop_statement(sid: str, *, resource_type: str | None = None, holding: str = "") -> Edit:
    """Take a statement away.

    Args:
        sid: its Sid.
        resource_type: only in resources of this type.
        holding: only in resources whose logical id holds this text.
    """

    def edit(template: Template) -> int:
        found = list(_statements(template, sid=sid, resource_type=resource_type, holding=holding))
        for document, statement in found:
            document["Statement"].remove(statement)
        return len(found)

    return edit


def change_statement(
    sid: str,
    change: Callable[[dict[str, Any]], bool],
    *,
    resource_type: str | None = None,
    holding: str = "",
) -> Edit:
    """Change a statement in place; `change` says whether there was something to change."""

    def edit(template: Template) -> int:
        found = _statements(template, sid=sid, resource_type=resource_type, holding=holding)
        return sum(change(statement) for _, statement in found)

    return edit


def without_principal(word: str) -> Callable[[dict[str, Any]], bool]:
    """Take the roles whose reference holds `word` out of an `aws:PrincipalArn` condition."""

    def change(statement: dict[str, Any]) -> bool:
        changed = False
        for operator in statement.get("Condition", {}).values():
            named = operator.get("aws:PrincipalArn")
            if isinstance(named, list):
                kept = [arn for arn in named if word not in json.dumps(arn)]
                changed = changed or len(kept) < len(named)
                operator["aws:PrincipalArn"] = kept
        return changed

    return change


def without_action(action: str) -> Callable[[dict[str, Any]], bool]:
    """Take an action out of a statement that has several."""

    def change(statement: dict[str, Any]) -> bool:
        actions = statement["Action"]
        if not isinstance(actions, list) or action not in actions:
            return False
        actions.remove(action)
        return True

    return change


def with_condition(
    operator: str, key: str, value: str | list[str]
) -> Callable[[dict[str, Any]], bool]:
    """Give a condition that is there another value."""

    def change(statement: dict[str, Any]) -> bool:
        block = statement.get("Condition", {}).get(operator, {})
        if key not in block or block[key] == value:
            return False
        block[key] = value
        return True

    return change


def drop_resources(resource_type: str, matches: Callable[[dict[str, Any]], bool]) -> Edit:
    """Take resources away, and what waits for them."""

    def edit(template: Template) -> int:
        doomed = [
            logical_id
            for logical_id, resource in resources(template, resource_type)
            if matches(resource["Properties"])
        ]
        for logical_id in doomed:
            del template["Resources"][logical_id]
        for resource in template["Resources"].values():
            waits = resource.get("DependsOn", [])
            listed = [waits] if isinstance(waits, str) else waits
            if set(listed) & set(doomed):
                resource["DependsOn"] = [entry for entry in listed if entry not in doomed]
        return len(doomed)

    return edit


def change_properties(resource_type: str, change: Callable[[dict[str, Any]], bool]) -> Edit:
    """Change properties in place; `change` says whether there was something to change."""

    def edit(template: Template) -> int:
        return sum(
            change(resource["Properties"]) for _, resource in resources(template, resource_type)
        )

    return edit
