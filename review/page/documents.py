"""Pieces of the documents that the page shows too: they are written in one place."""

from __future__ import annotations

import re
from functools import cache
from pathlib import Path
from typing import Final, NamedTuple

from markdown_it import MarkdownIt
from markdown_it.renderer import RendererHTML

DOCS: Final = Path(__file__).resolve().parents[2] / "docs"


class Step(NamedTuple):
    """A step of the walk-through, as docs/security.md has it; pieces of HTML but for the id."""

    id: str
    title: str
    asked: str
    done: str


@cache
def section(file: str, title: str) -> str:
    """A section of a document as HTML, without its heading; links become their text.

    Raises:
        LookupError: The document has no such section.
    """
    text = (DOCS / file).read_text(encoding="utf-8")
    found = re.search(rf"^## {re.escape(title)}\n(.*?)(?=^## |\Z)", text, re.MULTILINE | re.DOTALL)
    if found is None:
        raise LookupError(f"docs/{file} has no section {title!r}: the page shows it")
    return str(_markdown().render(found[1]))


@cache
def steps() -> tuple[Step, ...]:
    """The steps of the walk-through.

    Raises:
        LookupError: docs/security.md has no table of them.
    """
    text = (DOCS / "security.md").read_text(encoding="utf-8")
    rows = re.findall(r"^\| (W\d+) ([^|]*?) \| ([^|]*?) \| ([^|]*?) \|", text, re.MULTILINE)
    if not rows:
        raise LookupError("docs/security.md has no table of the steps: the page shows it")
    return tuple(
        Step(id_, *(_markdown().renderInline(each) for each in rest)) for id_, *rest in rows
    )


@cache
def _markdown() -> MarkdownIt:
    return MarkdownIt("commonmark", {"html": False}, renderer_cls=_WithoutLinks)


class _WithoutLinks(RendererHTML):
    """The page is one file: a link from it to another document would lead nowhere."""

    def link_open(self, *_: object) -> str:
        """Nothing."""
        return ""

    link_close = link_open
