"""What the formats share: facts of a record, the rules on text, and the scan of a raw line."""

import json
from abc import ABC, abstractmethod
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from trainingdata.findings import DataFinding
from trainingdata.limits import DataLimits

_QUOTE, _BACKSLASH = b'"\\'
_SPACES = b" \t\r\n"
_MANY = 64
"""Hits of a single byte after which a search for the whole sequence is faster."""


@dataclass(slots=True)
class Facts:
    """What a record holds, as far as the rules on whole data sets need it."""

    texts: list[str] = field(default_factory=list)
    """Every text that is trained on or with, in the order of the record."""
    fields: list[str] = field(default_factory=list)
    """Path of each text; the fast way leaves them out."""
    system: int = 0
    """How many of the texts, from the first, are system prompts."""
    asked: int = 0
    """How many of the texts, from the first, the model is given; the rest it must answer."""
    roles: str = ""
    """First letters of the roles of the messages: two records with other roles are not the same."""
    media: list[str] = field(default_factory=list)
    """URIs of images and videos."""
    images: int = 0
    videos: int = 0

    @property
    def characters(self) -> int:
        """Characters of all texts."""
        return sum(map(len, self.texts))


class Report:
    """Collects what is wrong with one record."""

    def __init__(self) -> None:
        self.findings: list[DataFinding] = []

    def add(self, kind: str, message: str, fix: str, field: str | None = None) -> None:
        """Add an error."""
        self.findings.append(DataFinding(kind=kind, message=message, fix=fix, field=field))

    def warn(self, kind: str, message: str, fix: str, field: str | None = None) -> None:
        """Add a warning: a job does not fail with it, as far as is documented."""
        self.findings.append(
            DataFinding(kind=kind, message=message, fix=fix, field=field, level="warning")
        )


class RecordFormat(ABC):
    """A shape of a record, with the limits of a family."""

    def __init__(self, limits: DataLimits) -> None:
        self.limits = limits
        self.words = Words(limits.reserved_words)

    @abstractmethod
    def quick(self, buffer: bytes, start: int, end: int) -> Facts | None:
        """The facts of a line on which nothing is wrong; None when in doubt.

        The line is `buffer[start:end]`, with or without its end.
        """

    @abstractmethod
    def explain(self, record: dict[str, Any], report: Report) -> Facts:
        """Report all that is wrong with a record, and return what could be read of it."""

    def text(self, value: object, *, field: str, report: Report, facts: Facts) -> None:
        """Take up a text, or report that it is none, is empty or holds a reserved word."""
        if not isinstance(value, str) or not value.strip():
            report.add(
                "empty-text",
                "must be text that is not empty",
                "write the text, or remove the record",
                field,
            )
            return
        facts.texts.append(value)
        facts.fields.append(field)
        for word in self.limits.reserved_words:
            if word in value:
                shown = json.dumps(word)[1:-1]
                report.add(
                    "reserved-word",
                    f"holds the reserved word {shown}, with which the job fails",
                    "write it differently, for example without the colon or the brackets",
                    field,
                )

    def entries(
        self, value: object, *, field: str, report: Report
    ) -> Iterator[tuple[str, dict[str, Any]]]:
        """Yield the objects of a list that must not be empty, each with its path."""
        if not isinstance(value, list) or not value:
            report.add(
                "structure",
                "must be a list that is not empty",
                f"write it as the {self.limits.format} format says",
                field,
            )
            return
        for index, entry in enumerate(value):
            if isinstance(entry, dict):
                yield f"{field}[{index}]", entry
            else:
                report.add(
                    "structure",
                    "must be an object",
                    f"write it as the {self.limits.format} format says",
                    f"{field}[{index}]",
                )

    def only(
        self,
        value: Mapping[str, object],
        *known: str,
        field: str | None,
        report: Report,
    ) -> None:
        """Report fields that the format does not have."""
        if value.keys() - set(known):
            report.add(
                "unknown-field",
                f"has a field other than {', '.join(known)}",
                "remove it; a job refuses fields it does not know",
                field,
            )

    def require_system_allowed(self, *, report: Report) -> None:
        """Report a system prompt where the family takes none."""
        if not self.limits.system:
            report.add(
                "system-prompt",
                f"{self.limits.name} takes no system prompt",
                "put what it says into the first question",
                "system",
            )


class Words:
    """The reserved words of a family, and the fast search for them."""

    def __init__(self, words: tuple[str, ...]) -> None:
        self._before_colon = tuple(word[:-1] for word in words if word.endswith(":"))
        self._last = frozenset(word[-1] for word in self._before_colon)
        others = [word for word in words if not word.endswith(":")]
        self._others = tuple(
            (first, tuple(word for word in others if word[0] == first))
            for first in sorted({word[0] for word in others})
        )

    def in_any(self, texts: list[str]) -> bool:
        """Whether one of the texts holds a reserved word.

        A search for a single character is many times as fast as one for a word, and of the
        characters that words begin or end with, texts hold few.
        """
        before_colon, last = self._before_colon, self._last
        for text in texts:
            find = text.find
            at = find(":") if before_colon else -1
            while at >= 0:
                if text[at - 1] in last and text.endswith(before_colon, 0, at):
                    return True
                at = find(":", at + 1)
            for first, others in self._others:
                at, tries = find(first), _MANY
                while at >= 0 and tries:
                    if text.startswith(others, at):
                        return True
                    at = find(first, at + 1)
                    tries -= 1
                if at >= 0 and any(word in text for word in others):
                    return True
        return False


def names_are_single(buffer: bytes, start: int, end: int, *, names: int) -> bool:
    """Whether no object of a decoded line has a name twice; `names` is how many names it has.

    True is certain; False means that the line must be looked at. A colon that parts a name from
    its value follows an unescaped quotation mark, with nothing but space between. Of other colons
    only one that begins a text does so too. So when no more of them are found than the decoded
    record has names, none was lost to a second one of the same name. It is for the caller to see
    that no name ends with a backslash.
    """
    find = buffer.find
    at = find(b":", start, end)
    while at >= 0:
        before = buffer[at - 1]
        if before == _QUOTE:
            names -= buffer[at - 2] != _BACKSLASH
        elif before in _SPACES:
            back = at - 1
            while back > start and buffer[back] in _SPACES:
                back -= 1
            names -= buffer[back] == _QUOTE and buffer[back - 1] != _BACKSLASH
        at = find(b":", at + 1, end)
    return names == 0
