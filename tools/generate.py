"""Writes every committed file that is made from code; `--check` tells which are stale.

To add a generated file, add its path and the function that renders it to `GENERATED`.
"""

import argparse
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from settings.models_page import render_models
from settings.reference import render_reference
from settings.schema import render_schema
from tools.deployments_page import render_deployments
from tools.engine_page import render_engine
from tools.follow_up_page import render_follow_up
from tools.generate_docs import DOCUMENTS
from tools.iam_decisions_page import render_decisions

ROOT = Path(__file__).resolve().parent.parent

GENERATED: Mapping[str, Callable[[], str]] = {
    "config/settings.schema.json": render_schema,
    "docs/settings.md": render_reference,
    "docs/models.md": render_models,
    "docs/engine.md": render_engine,
    "docs/deployments.md": render_deployments,
    "docs/follow-up.md": render_follow_up,
    "docs/iam-decisions.md": render_decisions,
    **DOCUMENTS,
}
"""Files below the root of the repository, and what renders the text of each."""


def stale(*, root: Path, generated: Mapping[str, Callable[[], str]]) -> list[str]:
    """The files that differ from what their functions render, or are missing."""
    return [name for name, render in generated.items() if _text(root / name) != render()]


def write(*, root: Path, generated: Mapping[str, Callable[[], str]]) -> list[str]:
    """Write the files that are stale, and return their names."""
    names = stale(root=root, generated=generated)
    for name in names:
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(generated[name](), encoding="utf-8")
    return names


def _text(path: Path) -> str | None:
    return path.read_text(encoding="utf-8") if path.exists() else None


def main(
    arguments: Sequence[str] | None = None,
    *,
    root: Path = ROOT,
    generated: Mapping[str, Callable[[], str]] = GENERATED,
) -> int:
    """Write or check the generated files; 1 when `--check` finds a stale one, else 0."""
    parser = argparse.ArgumentParser(prog="tools/generate.py", description=__doc__)
    parser.add_argument("--check", action="store_true", help="write nothing, exit 1 when stale")
    if parser.parse_args(arguments).check:
        names = stale(root=root, generated=generated)
        for name in names:
            print(f"{name} is stale: run `make generate` and commit it", file=sys.stderr)
        return 1 if names else 0
    for name in write(root=root, generated=generated):
        print(f"wrote {name}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
