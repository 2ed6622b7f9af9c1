"""The documents as tests read them: their links, code and tables."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]

_LINK = re.compile(r"(?<!!)\[[^\]]*\]\(([^)\s]+)\)")
_FENCE = re.compile(r"^```(\w*)\n(.*?)^```$", re.MULTILINE | re.DOTALL)
_SPAN = re.compile(r"(?<!`)`([^`\n]+(?:\n[^`\n]+)?)`(?!`)")
_HEADING = re.compile(r"^#{1,6} (.+)$", re.MULTILINE)
_COMMAND = re.compile(r"^(make|finetune|cdk)\b(?! *=)")


@dataclass(frozen=True, kw_only=True)
class Document:
    """A markdown file of the repository."""

    path: Path
    text: str

    @property
    def name(self) -> str:
        """Path below the repository's root."""
        return self.path.relative_to(ROOT).as_posix()

    @property
    def prose(self) -> str:
        """The text without its blocks of code."""
        return _FENCE.sub("", self.text)

    def links(self) -> Iterator[str]:
        """Targets of all links."""
        yield from _LINK.findall(self.prose)

    def anchors(self) -> set[str]:
        """What links to headings of this document may name, as GitHub derives it."""
        return {
            re.sub(r"[^\w\- ]", "", heading.lower()).strip().replace(" ", "-")
            for heading in _HEADING.findall(self.prose)
        }

    def code(self) -> Iterator[str]:
        """Each piece of code between back quotes, on one line."""
        for span in _SPAN.findall(self.prose):
            yield " ".join(span.split())

    def commands(self) -> Iterator[str]:
        """Each call of make, finetune or cdk, in the text and in blocks."""
        for language, block in _FENCE.findall(self.text):
            if language == "bash":
                for line in block.splitlines():
                    command = line.partition("#")[0].strip()
                    if _COMMAND.match(command):
                        yield command
        for span in self.code():
            if _COMMAND.match(span):
                yield span


def read(path: Path) -> Document:
    """Read a document."""
    return Document(path=path, text=path.read_text(encoding="utf-8"))


def all_documents() -> list[Document]:
    """The README and everything in docs/ and examples/."""
    found = [ROOT / "README.md", *ROOT.glob("docs/**/*.md"), *ROOT.glob("examples/*/README.md")]
    return [read(path) for path in sorted(found)]


def table_rows(text: str) -> Iterator[list[str]]:
    """The cells of each row of the tables in a text, without heads."""
    rows = [line for line in text.splitlines() if line.startswith("|")]
    for number, line in enumerate(rows):
        following = rows[number + 1] if number + 1 < len(rows) else ""
        if set(line) <= set("|-") or (following and set(following) <= set("|-")):
            continue
        yield [cell.strip() for cell in re.split(r"(?<!\\)\|", line)[1:-1]]
