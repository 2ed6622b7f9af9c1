"""The list of template properties that the emulator may ignore, compared with what it did."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path

import yaml

from rehearsal.errors import RehearsalError

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
    used_types: set[str],
) -> None:
    """Compare the ledger with the list, both ways.

    Args:
        ledger: properties that no provisioner read, by resource type.
        allowed: properties that may be ignored, with reasons.
        used_types: resource types of the templates; entries of other types are not stale.

    Raises:
        RehearsalError: a property is ignored and not listed, or listed and not ignored.
    """
    ignored = {(kind, name) for kind, names in ledger.items() for name in names}
    listed = {(kind, name) for kind, names in allowed.items() for name in names}
    unlisted = sorted(ignored - listed)
    stale = sorted((kind, name) for kind, name in listed - ignored if kind in used_types)
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


def read_ledger(path: Path) -> dict[str, list[str]]:
    """The emulator's ledger file."""
    found: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))
    return found
