"""Writes docs/fault-table.md: what comes of every error of every call, and prints it."""

import os
import sys
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
PAGE = ROOT / "docs" / "fault-table.md"


def main() -> int:
    """Drive every cell, write the page and print it; 0 when every cell came to something known."""
    os.environ.setdefault("AWS_DEFAULT_REGION", "eu-test-1")
    sys.path.insert(0, str(ROOT))
    from tests.fakes import fault_table, properties  # noqa: PLC0415 - needs the path and a Region

    text = fault_table.render(properties=properties.made())
    PAGE.write_text(text, encoding="utf-8")
    print(text, end="")
    return 0


if __name__ == "__main__":
    sys.exit(main())
