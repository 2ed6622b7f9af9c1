"""Policies taken apart into grants, so that two of them can be compared by what they say.

How statements are grouped, ordered or named says nothing; who, what, on what and under which
conditions does. A grant is one action of one principal on one resource under the conditions of its
statement. Two policies with the same grants decide the same.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any, NamedTuple

Condition = tuple[str, str, tuple[str, ...]]


class Grant(NamedTuple):
    """One action on one resource by one principal; the principal is empty in a role's policy."""

    effect: str
    principal: str
    action: str
    resource: str
    conditions: tuple[Condition, ...]

    def __str__(self) -> str:
        who = f"{self.principal} " if self.principal else ""
        when = "; ".join(f"{op} {key} {', '.join(values)}" for op, key, values in self.conditions)
        return f"{self.effect} {who}{self.action} on {self.resource}" + (
            f" if {when}" if when else ""
        )


class MalformedPolicyError(Exception):
    """A policy document that this reader does not know how to take apart."""


_KNOWN = {"Sid", "Effect", "Principal", "Action", "Resource", "Condition"}


def grants(document: Mapping[str, Any]) -> set[Grant]:
    """The grants of a policy document.

    Raises:
        MalformedPolicyError: It uses NotAction, NotPrincipal, NotResource, or an old version, with
            which `${...}` in it would not be read.
    """
    if document.get("Version") != "2012-10-17":
        raise MalformedPolicyError(f"version {document.get('Version')!r}, expected 2012-10-17")
    found: set[Grant] = set()
    for statement in _many(document.get("Statement", [])):
        unknown = set(statement) - _KNOWN
        if unknown:
            raise MalformedPolicyError(f"statement element {sorted(unknown)[0]}")
        found |= statement_grants(
            effect=statement["Effect"],
            principals=_principals(statement.get("Principal")),
            actions=_many(statement.get("Action", [])),
            resources=_many(statement.get("Resource", "")),
            when=statement.get("Condition", {}),
        )
    return found


def statement_grants(
    *,
    effect: str,
    principals: Iterable[str] = ("",),
    actions: Iterable[str],
    resources: Iterable[str] = ("",),
    when: Mapping[str, Mapping[str, Any]] | None = None,
) -> set[Grant]:
    """The grants of one statement."""
    conditions = tuple(
        sorted(
            (operator, key, tuple(sorted(str(each) for each in _many(values))))
            for operator, keys in (when or {}).items()
            for key, values in keys.items()
        )
    )
    resources = list(resources)
    return {
        Grant(effect, principal, action, resource, conditions)
        for principal in principals
        for action in actions
        for resource in resources
    }


def allow(
    *actions: str,
    on: str | Sequence[str] = "",
    by: str | Sequence[str] = "",
    when: Mapping[str, Mapping[str, Any]] | None = None,
) -> set[Grant]:
    """Grants that allow; `by` is left out in a role's policy, `on` in a trust policy."""
    return statement_grants(
        effect="Allow", principals=_many(by), actions=actions, resources=_many(on), when=when
    )


def deny(
    *actions: str,
    on: str | Sequence[str],
    by: str | Sequence[str] = "",
    when: Mapping[str, Mapping[str, Any]],
) -> set[Grant]:
    """Grants that deny."""
    return statement_grants(
        effect="Deny", principals=_many(by), actions=actions, resources=_many(on), when=when
    )


def difference(what: str, *, found: set[Grant], expected: set[Grant]) -> list[str]:
    """What a policy says beyond what is expected, and what it does not say of it."""
    return [
        *(f"{what}: unexpected: {grant}" for grant in sorted(found - expected)),
        *(f"{what}: missing: {grant}" for grant in sorted(expected - found)),
    ]


def _many(value: Any) -> list[Any]:  # noqa: ANN401 - a piece of a policy
    return list(value) if isinstance(value, list | tuple | set | frozenset) else [value]


def _principals(value: Any) -> list[str]:  # noqa: ANN401 - a piece of a policy
    if value is None:
        return [""]
    if isinstance(value, str):
        return [value]
    # Anyone of AWS and anyone at all are the same where a policy allows or denies.
    return [
        "*" if each == "*" else f"{kind}:{each}"
        for kind, each_kind in value.items()
        for each in _many(each_kind)
    ]
