"""The table of decisions, as the file beside this one writes it."""

from __future__ import annotations

import itertools
import re
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path
from typing import Annotated, Any, Final, Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, StringConstraints

_LOADER: Final = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
"""The same in C where the library was built with it: ten times as fast."""
FILE: Final = Path(__file__).with_name("table.yaml")
SERVING_FILE: Final = Path(__file__).with_name("serving.yaml")
LOGGING_FILE: Final = Path(__file__).with_name("invocation_logging.yaml")

Name = Annotated[str, StringConstraints(pattern=r"^[a-z0-9][a-z0-9-]*$", max_length=80)]
Sentence = Annotated[str, StringConstraints(min_length=10, pattern=r"\.$")]


class _Part(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Person(_Part):
    """A principal that is not in the templates: made up, or one of the people they admit."""

    means: Sentence
    """Who that is."""
    role: str | None = None
    """Name of a role of `account`."""
    user: str | None = None
    root: bool = False
    service: str | None = None
    anonymous: bool = False
    admitted_by: Literal["uploader", "reader", "tester", "model-key", "data-bucket"] | None = None
    """One whom the conditions of this role's, key's or bucket's policy let in by name."""
    is_also: str | None = None
    """A role of the templates: its name with other policies of its own."""
    named: bool = False
    """A role of the first other account that a policy of the templates names as a principal."""
    account: str = "{account}"
    may: Literal["everything", "nothing"] | list[str] = "nothing"
    """What its own policies allow, on every resource."""


class Limit(_Part):
    """A policy from above, which only takes away."""

    means: Sentence
    kind: Literal["scp", "rcp", "boundary", "session"]
    statements: list[dict[str, Any]]


class Entry(_Part):
    """One entry of the file: one decision, or the same one for several callers, acts or things."""

    id: Name
    who: Name | list[Name]
    does: str | list[str]
    to: str | list[str]
    """A thing by its name, or a text with names in braces; `*` where the action knows none."""
    source: Annotated[str, Field(alias="from")] = "anywhere"
    """An endpoint by its name, or `anywhere`: over the Internet."""
    given: Annotated[dict[str, str | list[str] | None], Field(alias="with")] = {}
    """Words of the calls, and condition keys."""
    through: list[Name] = []
    """Limits that stand over the caller or the resource."""
    expect: Literal["allowed", "denied"]
    because: Sentence
    profile: Literal["any", "app"] = "app"
    """`any`: holds wherever somebody fine-tunes on Bedrock, for what is found there."""
    setting: str | None = None
    """A setting that takes this protection away, where it is set otherwise."""
    instead_of: Name | None = None
    """The entry of the other table that does not hold where this one is asked."""
    no_twin: Sentence | None = None
    """Why no single weakening of the templates turns the decision."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Row:
    """One decision that must come out as it says."""

    id: str
    """The entry's, with what differs where the entry stands for several decisions."""
    who: str
    does: str
    to: str
    entry: Entry
    """What it has in common with others."""

    @property
    def source(self) -> str:
        """An endpoint by its name, or `anywhere`."""
        return self.entry.source

    @property
    def given(self) -> dict[str, str | list[str] | None]:
        """Words of the calls, and condition keys."""
        return self.entry.given

    @property
    def through(self) -> list[str]:
        """Limits that stand over the caller or the resource."""
        return self.entry.through

    @property
    def expect(self) -> Literal["allowed", "denied"]:
        """What must come out."""
        return self.entry.expect


def _rows(entry: Entry) -> Iterator[Row]:
    """The decisions of an entry; where there are several, what differs is added to the id."""
    lists = [
        each if isinstance(each, list) else [each] for each in (entry.who, entry.does, entry.to)
    ]
    for parts in itertools.product(*lists):
        several = [part for part, of in zip(parts, lists, strict=True) if len(of) > 1]
        who, does, to = parts
        id_ = "-".join([entry.id, *map(_as_name, several)])
        yield Row(id=id_, who=who, does=does, to=to, entry=entry)


def _as_name(text: str) -> str:
    """`s3:GetObjectVersion` as `get-object-version`, and `a + b` as `a-b`."""
    words = re.sub(r"(?<=[a-z])(?=[A-Z])", "-", text.rpartition(":")[2]).lower()
    return re.sub(r"[^a-z0-9]+", "-", words).strip("-") or "all"


class Section(_Part):
    """Entries that belong together."""

    title: Sentence
    entries: Annotated[list[Entry], Field(alias="rows", min_length=1)]


class Table(_Part):
    """All decisions, and what their names stand for."""

    things: dict[Name, str]
    """Names for ARNs that the templates do not hold, with other names in braces."""
    principals: dict[Name, Person]
    limits: dict[Name, Limit]
    sections: list[Section]

    @property
    def entries(self) -> list[Entry]:
        """The entries of all sections, in order."""
        return [entry for section in self.sections for entry in section.entries]

    @cached_property
    def rows(self) -> tuple[Row, ...]:
        """Every decision by itself."""
        return tuple(row for entry in self.entries for row in _rows(entry))


@cache
def table() -> Table:
    """The committed table."""
    return load(FILE.read_text(encoding="utf-8"))


@cache
def serving() -> Table:
    """The committed rows on deployments, which environments without one are not asked."""
    return load(SERVING_FILE.read_text(encoding="utf-8"))


@cache
def table_with_serving() -> Table:
    """Both together, for environments that deploy what they train.

    Raises:
        ValueError: An entry stands instead of one that is not there, or two rows have one id.
    """
    return _together(table(), serving())


@cache
def logging() -> Table:
    """The committed rows on the log of invocations, for environments that have one."""
    return load(LOGGING_FILE.read_text(encoding="utf-8"))


@cache
def table_with_logging() -> Table:
    """All three together, for environments that deploy and log invocations."""
    return _together(table_with_serving(), logging())


def _together(core: Table, more: Table) -> Table:
    replaced = {entry.instead_of for entry in more.entries if entry.instead_of}
    if unknown := sorted(replaced - {entry.id for entry in core.entries}):
        raise ValueError(f"a row stands instead of {unknown[0]!r}, which {FILE.name} does not hold")
    sections = [
        section.model_copy(
            update={"entries": [each for each in section.entries if each.id not in replaced]}
        )
        for section in core.sections
    ]
    return _without_twice(
        Table(
            things={**core.things, **more.things},
            principals={**core.principals, **more.principals},
            limits={**core.limits, **more.limits},
            sections=[],
        ).model_copy(update={"sections": [*sections, *more.sections]})
    )


def load(text: str) -> Table:
    """Read a table.

    Raises:
        ValueError: It is not one, or two rows have one id.
    """
    return _without_twice(Table.model_validate(yaml.load(text, _LOADER)))  # noqa: S506 - both are safe loaders


def _without_twice(found: Table) -> Table:
    ids = [row.id for row in found.rows]
    twice = sorted({each for each in ids if ids.count(each) > 1})
    if twice:
        raise ValueError(f"two rows have the id {twice[0]!r}: give one of them another")
    return found
