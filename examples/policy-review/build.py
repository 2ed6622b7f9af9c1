"""Writes train.jsonl and validation.jsonl from the cases beside it.

A case file is Markdown: each `## name` begins a case, which is a question (prose and a fenced
snippet) and, from the line that begins with `Risk:`, the answer. A line `---` begins a further
question about the same snippet. The cases are the source; the two `.jsonl` files are committed so
that a data set can be pushed without running anything, and a test compares them with this output.

Usage: python examples/policy-review/build.py [--check]
"""

import argparse
import json
import re
import sys
from pathlib import Path

HERE = Path(__file__).resolve().parent
SCHEMA_VERSION = "bedrock-conversation-2024"
# The same instruction in every record: at inference it selects the trained behaviour.
INSTRUCTION = (
    "You review AWS policies and configuration for a security team. Answer in four lines: "
    "Risk (critical, high, medium or low), Finding, Why, Remedy."
)
ANSWER = re.compile(
    r"Risk: (?:critical|high|medium|low)\nFinding: [^\n]+\nWhy: [^\n]+\nRemedy: [^\n]+"
)
"""What every answer looks like: four labelled lines, in this order."""
TRAINING_CASES = ("iam", "trust", "kms", "s3", "network", "services")
VALIDATION_CASES = ("validation",)


class CaseError(Exception):
    """A case is not written in the form this program reads."""


def parse_cases(*, path: Path) -> dict[str, list[tuple[str, str]]]:
    """Return the turns, as pairs of question and answer, of each case in a file by its name."""
    cases: dict[str, list[tuple[str, str]]] = {}
    _, *sections = re.split(r"^## ", path.read_text(encoding="utf-8"), flags=re.MULTILINE)
    for section in sections:
        name, _, body = section.partition("\n")
        if name in cases:
            raise CaseError(f"{path.name}: case {name!r} appears twice: rename one")
        cases[name] = [
            parse_turn(text=turn, place=f"{path.name}: {name}") for turn in body.split("\n---\n")
        ]
    return cases


def parse_turn(*, text: str, place: str) -> tuple[str, str]:
    """Split one turn into question and answer, and refuse an answer of another shape."""
    question, marker, rest = text.partition("\nRisk: ")
    answer = f"{marker}{rest}".strip()
    if not question.strip() or not ANSWER.fullmatch(answer):
        raise CaseError(
            f"{place}: a turn must be a question and then the lines Risk, Finding, Why, Remedy"
        )
    return question.strip(), answer


def record(*, turns: list[tuple[str, str]]) -> dict[str, object]:
    """Return one training record in the Converse format.

    https://docs.aws.amazon.com/nova/latest/userguide/fine-tune-prepare-data-understanding.html
    """
    messages = [
        {"role": role, "content": [{"text": text}]}
        for question, answer in turns
        for role, text in (("user", question), ("assistant", answer))
    ]
    return {
        "schemaVersion": SCHEMA_VERSION,
        "system": [{"text": INSTRUCTION}],
        "messages": messages,
    }


def render(*, files: tuple[str, ...]) -> str:
    """Return the JSON lines of these case files.

    Neighbouring cases of a file are about one subject. Sorting by the name read backwards spreads
    the subjects over the data set, and keeps the order of the others when a case is added.
    """
    cases: dict[str, list[tuple[str, str]]] = {}
    for file in files:
        more = parse_cases(path=HERE / "cases" / f"{file}.md")
        if twice := cases.keys() & more.keys():
            raise CaseError(f"{file}.md: case {min(twice)!r} is also in another file: rename one")
        cases |= more
    names = sorted(cases, key=lambda name: name[::-1])
    return "".join(
        json.dumps(record(turns=cases[name]), ensure_ascii=False) + "\n" for name in names
    )


def main() -> int:
    """Write both files, or with --check compare them; return the exit code."""
    parser = argparse.ArgumentParser(description="Write the policy-review data set from its cases.")
    parser.add_argument("--check", action="store_true", help="compare instead of writing")
    check = parser.parse_args().check
    code = 0
    for name, files in (("train", TRAINING_CASES), ("validation", VALIDATION_CASES)):
        path, text = HERE / f"{name}.jsonl", render(files=files)
        if not check:
            path.write_text(text, encoding="utf-8", newline="\n")
            print(f"{path.name}: {text.count(chr(10))} records")
        elif not path.is_file() or path.read_text(encoding="utf-8") != text:
            print(f"{path.name} is not what the cases say: run build.py", file=sys.stderr)
            code = 1
    return code


if __name__ == "__main__":
    sys.exit(main())
