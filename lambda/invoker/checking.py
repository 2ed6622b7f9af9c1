"""Whether an answer is as a smoke test says; a reason never quotes it."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

if TYPE_CHECKING:
    from invoker.asking import Answer
    from invoker.orders import SmokeTest

PATTERN_SECONDS: Final = 5.0
"""How long a pattern may be looked for: some take longer than the age of the world."""

# A pattern that backtracks cannot be interrupted from within: a process of its own can be ended.
_SEARCH: Final = """
import json, re, sys
given = json.load(sys.stdin)
try:
    found = re.search(given["pattern"], given["text"]) is not None
except re.error:
    sys.exit(3)
sys.exit(0 if found else 1)
"""


def reasons(test: SmokeTest, answer: Answer) -> Iterator[str]:
    """Yield what is wrong with an answer, by the fields and positions of its test."""
    cut = f" (it was cut after {test.max_tokens} tokens)" if answer.cut else ""
    if not answer.text.strip():
        yield f"the answer is empty{cut}"
        return
    if answer.seconds > test.max_seconds:
        yield f"the answer took {answer.seconds:.0f} seconds, {test.max_seconds} are allowed"
    for number, text in enumerate(test.contains, start=1):
        if text not in answer.text:
            yield f"text {number} of contains is not in the answer{cut}"
    for number, text in enumerate(test.not_contains, start=1):
        if text in answer.text:
            yield f"text {number} of not_contains is in the answer"
    if test.matches is not None:
        problem = _mismatch(test.matches, text=answer.text)
        if problem:
            yield f"{problem}{cut}"


def _mismatch(pattern: str, *, text: str) -> str | None:
    """Return why a pattern is not found in a text, None when it is."""
    try:
        done = subprocess.run(
            [sys.executable, "-I", "-S", "-c", _SEARCH],
            input=json.dumps({"pattern": pattern, "text": text}).encode(),
            capture_output=True,
            check=False,
            timeout=PATTERN_SECONDS,
        )
    except subprocess.TimeoutExpired:
        return f"matches could not be looked for within {PATTERN_SECONDS:.0f} seconds: simplify it"
    match done.returncode:
        case 0:
            return None
        case 1:
            return "matches is not found in the answer"
        case 3:
            return "matches is not a regular expression"
        case other:
            return f"matches could not be looked for: the search ended with {other}"
