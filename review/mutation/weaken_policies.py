"""Every way to drop, widen or loosen a part of a policy document."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Final

from review.mutation.mutant import Change, Path, append, drop, is_intrinsic, put, rename

STRANGER: Final = "arn:aws:iam::999999999999:root"
"""Somebody of another account."""

Step = tuple[Path, str, Change]


def of_policy(document: Mapping[str, Any], path: Path) -> Iterator[Step]:
    """Every weakening of a document, and statements that should not be there."""
    statements = document.get("Statement", [])
    if isinstance(statements, Mapping):
        statements = [statements]
    yield (*path, "Version"), "set to 2008-10-17", put((*path, "Version"), "2008-10-17")
    here: Path = (*path, "Statement")
    for sid, statement in _added(statements):
        yield here, f"added {sid}", append(here, statement)
    for index, statement in enumerate(statements):
        yield from _of_statement(statement, (*here, index))


def _added(statements: Sequence[Mapping[str, Any]]) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Statements that admit somebody or something nobody decided."""
    principals = any("Principal" in each for each in statements)
    resources = any("Resource" in each for each in statements)
    everything = {"Effect": "Allow", "Action": "*", **({"Resource": "*"} if resources else {})}
    if principals:
        yield "everything for everybody", {**everything, "Principal": "*"}
        yield "everything for a stranger", {**everything, "Principal": {"AWS": STRANGER}}
        first = next((each for each in statements if each.get("Effect") == "Allow"), None)
        if first is not None:
            yield (
                "the first permission for a stranger",
                {
                    **{k: v for k, v in first.items() if k not in ("Sid", "Condition")},
                    "Principal": {"AWS": STRANGER},
                },
            )
    else:
        yield "everything", everything
        yield (
            "passing any role",
            {"Effect": "Allow", "Action": "iam:PassRole", "Resource": "*"},
        )
        yield (
            "reading every object",
            {"Effect": "Allow", "Action": "s3:GetObject", "Resource": "*"},
        )


def _of_statement(statement: Mapping[str, Any], path: Path) -> Iterator[Step]:
    yield path, "removed", drop(path)
    other = "Deny" if statement["Effect"] == "Allow" else "Allow"
    yield (*path, "Effect"), f"set to {other}", put((*path, "Effect"), other)
    if "Action" in statement:
        yield from _of_actions(statement["Action"], (*path, "Action"))
    for element in ("Resource", "Principal"):
        if element in statement:
            yield from _of_target(element, statement[element], (*path, element))
    for element in ("Action", "Resource", "Principal"):
        if element in statement:
            inverted = f"Not{element}"
            yield (*path, element), f"turned to {inverted}", rename((*path, element), inverted)
    if "Condition" in statement:
        yield from _of_conditions(statement["Condition"], (*path, "Condition"))


def _of_actions(action: str | Sequence[str], path: Path) -> Iterator[Step]:
    actions = [action] if isinstance(action, str) else list(action)
    if actions != ["*"]:
        yield path, "set to *", put(path, "*")
    for index, each in enumerate(actions):
        rest = actions[:index] + actions[index + 1 :]
        if rest:
            yield path, f"without {each}", put(path, rest)
        wide = f"{each.split(':')[0]}:*"
        if each not in (wide, "*"):
            yield path, f"{each} widened to {wide}", put(path, [*rest, wide])
            verb = each.rstrip("*")[:-3] + "*"
            yield path, f"{each} widened to {verb}", put(path, [*rest, verb])


def _of_target(element: str, target: object, path: Path) -> Iterator[Step]:
    if target in ("*", {"AWS": "*"}):
        # Nothing is wider, and the two say the same; but a target may be somebody else.
        if element == "Principal":
            yield path, "set to a stranger", put(path, {"AWS": STRANGER})
        return
    yield path, "set to *", put(path, "*")
    if element == "Principal":
        yield path, "set to a stranger", put(path, {"AWS": STRANGER})
        if isinstance(target, Mapping):
            for name in target:
                here: Path = (*path, name)
                yield here, "set to *", put(here, "*")
                yield here, "a stranger added", append(here, STRANGER)
        return
    yield path, "* added", append(path, "*")
    if isinstance(target, list):
        for index in range(len(target)):
            yield (*path, index), "removed", drop((*path, index))
            yield (*path, index), "set to *", put((*path, index), "*")
            yield from _wider(target[index], (*path, index))
    else:
        yield from _wider(target, path)


def _wider(target: object, path: Path) -> Iterator[Step]:
    """A resource of which the part after the last slash or colon is anything."""
    if isinstance(target, str):
        head = target.rstrip("*").rstrip("/").rpartition("/" if "/" in target else ":")[0]
        if head and target != f"{head}/*":
            separator = "/" if "/" in target else ":"
            yield path, f"widened to {head}{separator}*", put(path, f"{head}{separator}*")
    elif is_intrinsic(target) and isinstance(target, Mapping):
        joined = target.get("Fn::Join")
        if isinstance(joined, list) and isinstance(joined[1], list) and len(joined[1]) > 1:
            shorter = {"Fn::Join": [joined[0], [*joined[1][:-1], "*"]]}
            if isinstance(joined[1][-1], str) and joined[1][-1].strip("/*"):
                yield path, "its last part widened to *", put(path, shorter)


_LOOSE: Final = {
    "StringEquals": "StringLike",
    "ArnEquals": "ArnLike",
    "StringNotEquals": "StringNotLike",
    "ArnNotEquals": "ArnNotLike",
}


def _of_conditions(conditions: Mapping[str, Mapping[str, Any]], path: Path) -> Iterator[Step]:
    yield path, "removed", drop(path)
    for operator, keys in conditions.items():
        loose = f"{operator}IfExists"
        if operator != "Null":
            yield (*path, operator), f"loosened to {loose}", rename((*path, operator), loose)
        for qualifier in ("ForAnyValue", "ForAllValues"):
            other = f"{qualifier}:{operator.split(':')[-1]}"
            if other != operator:
                yield (*path, operator), f"turned to {other}", rename((*path, operator), other)
        for key, values in keys.items():
            here: Path = (*path, operator, key)
            yield here, "removed", drop(here)
            yield here, "set to *", put(here, "*")
            if operator in _LOOSE:
                changed = {name: value for name, value in keys.items() if name != key}
                like = {
                    **{name: each for name, each in conditions.items() if name != operator},
                    **({operator: changed} if changed else {}),
                }
                pattern = _LOOSE[operator]
                like[pattern] = {**like.get(pattern, {}), key: "*"}
                yield here, f"turned to {pattern} *", put(path, like)
            if isinstance(values, list) and len(values) > 1:
                for index in range(len(values)):
                    yield (*here, index), "removed", drop((*here, index))
                    yield (*here, index), "set to *", put((*here, index), "*")
