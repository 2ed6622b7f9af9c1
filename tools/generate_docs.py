"""The parts of the documents that are made from the app, between markers in hand-written text.

A part stands between `<!-- generated: NAME -->` and `<!-- end of NAME -->`; `make generate` writes
it. The environments are those of `config/`; who the people are and which account it is appears in
no document.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from pathlib import Path

from tools.document_diagrams import render_network, render_stacks
from tools.document_rules import render_rule_families
from tools.document_tables import (
    render_allowed_paths,
    render_cost,
    render_endpoint_policies,
    render_findings,
    render_stack_contents,
)
from tools.review_page import render_peers
from tools.shown_deployments import CONFIG, ROOT, Deployment, synthesised

SHOWN = "dev"
"""The environment that the documents describe."""

_PART = re.compile(
    r"(?P<begin><!-- generated: (?P<name>[a-z-]+) -->).*?(?P<end><!-- end of (?P=name) -->)",
    re.DOTALL,
)
_MARKER = re.compile(r"<!-- (generated:|end of) [a-z-]+ -->")

PARTS: Mapping[str, tuple[str, Callable[[Deployment], str]]] = {
    "network": ("README.md", render_network),
    "stacks": ("README.md", render_stacks),
    "cost": ("README.md", lambda shown: render_cost([shown, *_others()])),
    "stack-contents": ("docs/architecture.md", render_stack_contents),
    "allowed-paths": ("docs/architecture.md", render_allowed_paths),
    "endpoint-policies": ("docs/architecture.md", render_endpoint_policies),
    "findings": ("docs/security.md", render_findings),
    "rule-families": ("docs/rules.md", lambda _: render_rule_families()),
    "peers": ("docs/review.md", lambda _: render_peers()),
}
"""Each generated part: the document it stands in, and what renders it."""


class MarkerError(Exception):
    """A document and the table of its generated parts do not agree."""


def _others() -> list[Deployment]:
    """The committed environments beside the one shown."""
    from settings import available_environments  # noqa: PLC0415 slow to load

    names = available_environments(directory=CONFIG)
    return [synthesised(name) for name in names if name != SHOWN]


def fill(*, text: str, parts: Mapping[str, str]) -> str:
    """A document's text with its generated parts renewed.

    Raises:
        MarkerError: A part has no place in the text, or a marker has no part.
    """
    found = [match["name"] for match in _PART.finditer(text)]
    if sorted(found) != sorted(parts) or len(_MARKER.findall(text)) != 2 * len(found):
        raise MarkerError(
            f"the parts of this document are {', '.join(sorted(parts))}, each once between"
            f" `<!-- generated: NAME -->` and `<!-- end of NAME -->`; got {', '.join(found)}"
        )
    return _PART.sub(
        lambda match: f"{match['begin']}\n\n{parts[match['name']]}\n\n{match['end']}", text
    )


def render_document(name: str, *, root: Path = ROOT, shown: Deployment | None = None) -> str:
    """The text of a document as it should be."""
    deployment = shown or synthesised(SHOWN)
    parts = {part: render(deployment) for part, (file, render) in PARTS.items() if file == name}
    return fill(text=(root / name).read_text(encoding="utf-8"), parts=parts)


def _renderer(name: str) -> Callable[[], str]:
    return lambda: render_document(name)


DOCUMENTS: Mapping[str, Callable[[], str]] = {
    name: _renderer(name) for name in dict.fromkeys(file for file, _ in PARTS.values())
}
"""The documents with generated parts, for `tools/generate.py`."""
