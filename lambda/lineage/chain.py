"""Whether the files of a record are one whole chain."""

from __future__ import annotations

import json
from collections.abc import Sequence

from lineage.entry import SCHEMA, digest_of


def broken_links(*, name: str, files: Sequence[tuple[int, bytes]]) -> list[str]:
    """Return what is wrong with a record's files, given as number and content, by rising number.

    A chain proves that nothing in it was changed, left out or put in after the last entry was
    written. That entries are missing at its end shows in nothing but the bucket's own versions.
    """
    problems = []
    previous: str | None = None
    for expected, (number, content) in enumerate(files, start=1):
        if number != expected:
            problems.append(f"entry {expected} is missing: entry {number} follows {expected - 1}")
            break
        try:
            values = json.loads(content)
        except ValueError:
            problems.append(f"entry {number} is not JSON")
            break
        if not isinstance(values, dict) or values.get("schema") != SCHEMA:
            problems.append(f"entry {number} is not of schema {SCHEMA}: update this app")
            break
        if values.get("name") != name or values.get("sequence") != number:
            problems.append(
                f"entry {number} says it is entry {values.get('sequence')} of {values.get('name')}"
            )
        if values.get("previous") != previous:
            problems.append(
                f"entry {number} does not follow from entry {number - 1}: one of them was changed"
            )
        previous = digest_of(content)
    return problems
