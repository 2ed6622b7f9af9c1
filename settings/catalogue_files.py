"""The tables of `settings/catalogue/`: what AWS documents, each fact with its page and its day.

A table is a YAML file of rows. In a row `source` names the page of its facts, `sources` that of
single ones, and `uncertain` says of single ones what no page confirms; every other entry is a fact.
The day on which a fact was read is in `readings.json`, together with a digest of what was read:
change a fact and its day no longer covers it, so it counts as undated until somebody dates it anew.
"""

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

import yaml

from settings.source import core_schema

FOLDER = Path(__file__).with_name("catalogue")
"""The committed tables."""
TABLES = ("families", "hyperparameters", "models", "prices", "teachers")
"""Tables of facts; `sources` holds the pages they were read on."""
READINGS = "readings.json"
"""Name of the file with the day of each fact."""

_ABOUT = ("source", "sources", "uncertain")
Rows = Mapping[str, Mapping[str, Any]]


class BrokenCatalogueError(ValueError):
    """A table of the catalogue does not hold what it must."""


# libyaml's parser takes a tenth of the time, which every synth would pay; the committed tables are
# checked by the careful reader in a test.
_Loader = core_schema(getattr(yaml, "CSafeLoader", yaml.SafeLoader))


@dataclass(frozen=True, kw_only=True, slots=True)
class Fact:
    """One thing a table says."""

    path: str
    """Table, row and name, such as `models/amazon.nova-micro-v1:0:128k/regions`."""
    value: object
    """What it says."""
    source: str
    """Address of the page it was read on."""
    uncertain: str | None = None
    """What no page confirms of it."""

    @property
    def digest(self) -> str:
        """Eight hexadecimal digits that stand for the value, its page and its mark."""
        text = json.dumps([self.value, self.source, self.uncertain], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:8]


@dataclass(frozen=True, kw_only=True, slots=True)
class Undated:
    """A fact of which nobody knows when it was true."""

    path: str
    """As in `Fact`."""
    reason: str
    """Why its day is not known."""


@cache
def table(name: str) -> Rows:
    """The rows of a table by name, as they are written.

    Raises `BrokenCatalogueError` when the file is not a mapping of mappings.
    """
    return _rows(FOLDER / f"{name}.yaml")


@cache
def sources() -> Mapping[str, str]:
    """The pages by the names that facts call them."""
    path = FOLDER / "sources.yaml"
    return {str(name): str(url) for name, url in _read(path).items()}


def _rows(path: Path) -> Rows:
    rows = _read(path)
    for name, row in rows.items():
        if not isinstance(row, dict):
            raise BrokenCatalogueError(f"{path.name}: {name} must be a mapping, got {row!r}")
    return rows


def _read(path: Path) -> dict[str, Any]:
    values = yaml.load(path.read_text(encoding="utf-8"), Loader=_Loader)  # noqa: S506 a SafeLoader
    if not isinstance(values, dict):
        raise BrokenCatalogueError(f"{path.name} must be a mapping, got {values!r}")
    return values


def content(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row without what is said about its facts."""
    return {name: value for name, value in row.items() if name not in _ABOUT}


def facts(*, tables: Mapping[str, Rows], pages: Mapping[str, str]) -> Iterator[Fact]:
    """Every fact of the tables.

    Raises `BrokenCatalogueError` for a fact without a page, or a remark about no fact.
    """
    for name, rows in tables.items():
        for key, row in rows.items():
            yield from _facts_of_row(path=f"{name}/{key}", row=row, pages=pages)


def _facts_of_row(*, path: str, row: Mapping[str, Any], pages: Mapping[str, str]) -> Iterator[Fact]:
    known = content(row)
    own: Mapping[str, str] = row.get("sources") or {}
    uncertain: Mapping[str, str] = row.get("uncertain") or {}
    for name in [*own, *uncertain]:
        if name not in known:
            raise BrokenCatalogueError(f"{path}: sources or uncertain name {name}, which is absent")
    for name, value in known.items():
        source = str(own.get(name, row.get("source")))
        if source not in pages:
            raise BrokenCatalogueError(f"{path}/{name} needs a source of sources.yaml: {source!r}")
        yield Fact(
            path=f"{path}/{name}",
            value=value,
            source=pages[source],
            uncertain=uncertain.get(name),
        )


def committed_facts() -> tuple[Fact, ...]:
    """Every fact of the committed tables."""
    return tuple(facts(tables={name: table(name) for name in TABLES}, pages=sources()))


def readings() -> Mapping[str, Mapping[str, str]]:
    """When each fact was read, and the digest of what was read, by the fact's path."""
    found: Mapping[str, Mapping[str, str]] = json.loads(
        (FOLDER / READINGS).read_text(encoding="utf-8")
    )
    return found


def undated(
    *, known: tuple[Fact, ...], read: Mapping[str, Mapping[str, str]]
) -> tuple[Undated, ...]:
    """The facts whose day does not cover what they say now, and the readings of facts that went."""
    found = []
    for fact in known:
        reading = read.get(fact.path)
        if reading is None:
            found.append(Undated(path=fact.path, reason="it was never dated"))
        elif reading["digest"] != fact.digest:
            reason = f"it was changed since it was read on {reading['read']}"
            found.append(Undated(path=fact.path, reason=reason))
    paths = {fact.path for fact in known}
    found.extend(
        Undated(path=path, reason=f"it was read on {reading['read']} and is gone")
        for path, reading in read.items()
        if path not in paths
    )
    return tuple(found)


def dated(
    *,
    known: tuple[Fact, ...],
    read: Mapping[str, Mapping[str, str]],
    day: str,
    paths: frozenset[str],
) -> dict[str, dict[str, str]]:
    """The readings with these facts read on a day; readings of facts that went are dropped."""
    return {
        fact.path: {"read": day, "digest": fact.digest}
        if fact.path in paths
        else dict(read[fact.path])
        for fact in sorted(known, key=lambda fact: fact.path)
        if fact.path in paths or fact.path in read
    }


def render_readings(read: Mapping[str, Mapping[str, str]]) -> str:
    """The text of `readings.json`, a line for each fact."""
    lines = (f"{json.dumps(path)}: {json.dumps(reading)}" for path, reading in read.items())
    return "{\n" + ",\n".join(lines) + "\n}\n"
