"""The list of template properties that the emulator may ignore, compared with what it did."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Set
from pathlib import Path
from typing import TypeAlias

import yaml

from rehearsal.errors import RehearsalError

Property: TypeAlias = tuple[str, str]
"""A resource type, and one of its properties as the ledger writes it."""

ACCEPTED_FILE = Path(__file__).with_name("ignored_properties.yaml")


def accepted(path: Path = ACCEPTED_FILE) -> dict[str, dict[str, str]]:
    """By resource type, each accepted property and the reason.

    Raises:
        RehearsalError: an entry has no reason.
    """
    raw = yaml.safe_load(path.read_text(encoding="utf-8")) or {}
    for resource_type, entries in raw.items():
        for name, reason in entries.items():
            if not isinstance(reason, str) or not reason.strip():
                raise RehearsalError(
                    f"{path.name}: {resource_type} {name} has no reason",
                    fix="write why it does not matter in a rehearsal",
                )
    return dict(raw)


def check(
    *,
    ledger: Mapping[str, list[str]],
    allowed: Mapping[str, Mapping[str, str]],
    used: Set[Property],
) -> None:
    """Compare the ledger with the list, both ways.

    Args:
        ledger: properties that no provisioner read, by resource type.
        allowed: properties that may be ignored, with reasons.
        used: properties of the templates; entries of what they do not hold are not stale.

    Raises:
        RehearsalError: a property is ignored and not listed, or listed and not ignored.
    """
    ignored = {(kind, name) for kind, names in ledger.items() for name in names}
    listed = {(kind, name) for kind, names in allowed.items() for name in names}
    unlisted = sorted(ignored - listed)
    stale = sorted((listed - ignored) & used)
    reasons = [
        f"{kind} {name}: no provisioner of the emulator reads it, so it was not rehearsed"
        for kind, name in unlisted
    ] + [f"{kind} {name}: on the list and not ignored (any more)" for kind, name in stale]
    if reasons:
        raise RehearsalError(
            "the emulator ignored template properties that are not accepted, or the list is stale",
            fix="teach rehearsal/emulator/cloudformation/dropped_properties.py the property, or "
            f"edit {ACCEPTED_FILE.name}",
            reasons=tuple(reasons),
        )


def held_by(templates: Iterable[Mapping[str, object]]) -> set[Property]:
    """Every property of the templates, inner ones too, as the ledger writes them."""
    found: set[Property] = set()
    for template in templates:
        resources = template.get("Resources", {})
        for resource in resources.values() if isinstance(resources, Mapping) else ():
            names = _names(resource.get("Properties", {}), "")
            found.update((resource["Type"], name) for name in names)
    return found


def _names(value: object, prefix: str) -> Iterator[str]:
    if isinstance(value, Mapping):
        for key, inner in value.items():
            name = f"{prefix}.{key}" if prefix else str(key)
            yield name
            yield from _names(inner, name)
    elif isinstance(value, list):
        for inner in value:
            yield from _names(inner, f"{prefix}[]")


def read_ledger(path: Path) -> dict[str, list[str]]:
    """The emulator's ledger file."""
    found: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))
    return found
