"""`finetune data show`: records of a data set, and a histogram of their lengths."""

from collections.abc import Mapping
from pathlib import Path

from finetune.data_check import require_file
from finetune.data_model import Method, limits_for
from finetune.report import Output


def show_file(
    *,
    output: Output,
    path: Path,
    model: str,
    method: Method,
    line: int,
    records: int,
) -> Mapping[str, object]:
    """Print records from a line on, and how long all records are."""
    from trainingdata import show  # noqa: PLC0415 loaded when used

    limits = limits_for(model=model, method=method)
    require_file(path)
    shown = show.records(path=path, limits=limits, first=line, count=records)
    lengths = show.lengths(path=path, limits=limits)
    for one in shown:
        output.say(f"line {one.line}: {one.characters} characters")
        if not one.readable:
            output.say("  no record: `finetune data check` says why")
        for field, text in one.texts:
            output.say(f"  {field}:")
            output.say("    " + printable(text).replace("\n", "\n    "))
    per_token = limits.characters_per_token
    output.say(
        f"{path}: {lengths.records} records, {lengths.least or 0} to {lengths.most} characters,"
        f" about {lengths.characters // per_token} tokens in all (an estimate: one for"
        f" {per_token} characters); {lengths.unreadable} lines are no records"
    )
    most = max(lengths.by_power.values(), default=0)
    for low, high, count in lengths.rows():
        output.say(f"  {low:>9,} to {high:>9,} characters {count:>9,} {show.bar(count, most=most)}")
    return {
        "file": str(path),
        "format": limits.format,
        "records": [
            {
                "line": one.line,
                "characters": one.characters,
                "texts": [{"field": field, "text": text} for field, text in one.texts],
            }
            for one in shown
        ],
        "lengths": {
            "records": lengths.records,
            "unreadable": lengths.unreadable,
            "characters": lengths.characters,
            "least": lengths.least,
            "most": lengths.most,
            "histogram": [
                {"from": low, "to": high, "records": count} for low, high, count in lengths.rows()
            ],
        },
    }


def printable(text: str) -> str:
    """The text without control characters, which could change what a terminal shows."""
    return "".join(
        character if character.isprintable() or character in "\n\t" else "\N{REPLACEMENT CHARACTER}"
        for character in text
    )
