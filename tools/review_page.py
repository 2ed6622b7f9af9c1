"""The generated part of the page of the gate: what it finds in the mistakes of others."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Final

import yaml

ROOT: Final = Path(__file__).resolve().parents[1]
PEERS: Final = ROOT / "tests" / "review" / "peers"
EXPECTED: Final = PEERS / "expected.yaml"
"""The mistakes of each template, and the ids that find them; a test holds the review to it."""


def render_peers() -> str:
    """The mistakes of peers, and under which ids the review finds them."""
    peers = yaml.safe_load(EXPECTED.read_text(encoding="utf-8"))
    rows = []
    for file, peer in peers.items():
        for number, entry in enumerate(peer["mistakes"]):
            like = f"`{Path(file).stem}`: {peer['like']}" if number == 0 else ""
            found = ", ".join(f"`{each}`" for each in entry["found"])
            rows.append((like, entry["mistake"], found))
    return _table(("template, like", "mistake", "found as"), rows)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [head, ["---"] * len(head), *rows]
    return "\n".join(f"| {' | '.join(each)} |" for each in lines)
