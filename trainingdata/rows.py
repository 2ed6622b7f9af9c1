"""Reading rows from CSV, JSON and JSON Lines, whoever wrote them."""

import csv
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import msgspec

from trainingdata.findings import DataFinding
from trainingdata.json_line import parse
from trainingdata.lines import lines_of

MAXIMUM_JSON_BYTES = 256 * 1024 * 1024
"""A file that is one JSON value is read whole; a larger one must be JSON Lines."""
_SNIFFED = 64 * 1024
_TABLES = {".csv": ",;\t|", ".tsv": "\t"}
"""Endings of tables, and the signs that may part their columns."""


class RowsError(Exception):
    """A file whose rows cannot be read at all."""

    def __init__(self, *, message: str, fix: str) -> None:
        super().__init__(message)
        self.message = message
        self.fix = fix


Row = tuple[int, Mapping[str, Any] | None, list[DataFinding]]
"""Line or number of a row, its fields if they could be read, and what is wrong with it."""


def rows_of(path: Path) -> Iterator[Row]:
    """Yield the rows of a file, by its ending or else its first character.

    Raises `RowsError` for a file of another kind, and OSError when it cannot be read.
    """
    ending = path.suffix.lower()
    if ending in _TABLES:
        yield from _table(path, delimiters=_TABLES[ending])
    elif ending == ".json" or (ending not in {".jsonl", ".ndjson"} and _is_one_value(path)):
        yield from _list(path)
    else:
        yield from _json_lines(path)


def _is_one_value(path: Path) -> bool:
    with path.open("rb") as file:
        return file.read(1024).lstrip(b"\xef\xbb\xbf \t\r\n").startswith(b"[")


def _json_lines(path: Path) -> Iterator[Row]:
    with path.open("rb", buffering=0) as file:
        size = path.stat().st_size
        for number, line in enumerate(lines_of(handle=file.fileno(), start=0, stop=size), 1):
            content = line.content().removeprefix(b"\xef\xbb\xbf" if number == 1 else b"")
            if line.too_long:
                raise RowsError(
                    message=f"line {number} is longer than any record",
                    fix="write one JSON object on each line",
                )
            if content.strip():
                yield (number, *parse(content))


def _list(path: Path) -> Iterator[Row]:
    if path.stat().st_size > MAXIMUM_JSON_BYTES:
        raise RowsError(
            message=f"the file is one JSON value of more than {MAXIMUM_JSON_BYTES} bytes",
            fix="write it as JSON Lines, one object on each line, and name it .jsonl",
        )
    try:
        value = msgspec.json.decode(path.read_bytes().removeprefix(b"\xef\xbb\xbf"))
    except (msgspec.DecodeError, UnicodeDecodeError, RecursionError) as error:
        raise RowsError(
            message="the file is not one JSON value in UTF-8",
            fix="name a file of JSON Lines .jsonl",
        ) from error
    if isinstance(value, dict):
        lists = [inner for inner in value.values() if isinstance(inner, list)]
        value = lists[0] if len(lists) == 1 and "messages" not in value else [value]
    if not isinstance(value, list):
        raise RowsError(
            message="the file holds neither a list of objects nor one object",
            fix="write a list of objects",
        )
    for number, row in enumerate(value, 1):
        if isinstance(row, dict):
            yield number, row, []
        else:
            yield (
                number,
                None,
                [
                    DataFinding(
                        kind="row",
                        message="the entry of the list is not an object",
                        fix="write an object with a prompt and a completion",
                    )
                ],
            )


def _table(path: Path, *, delimiters: str) -> Iterator[Row]:
    limit = csv.field_size_limit(16 * 1024 * 1024)
    try:
        # Excel writes a byte order mark, which is no part of the first column's name.
        with path.open(encoding="utf-8-sig", newline="") as file:
            head = file.read(_SNIFFED)
            file.seek(0)
            first = head.partition("\n")[0]
            delimiter = max(delimiters, key=first.count)
            reader = csv.DictReader(file, delimiter=delimiter, strict=True)
            for row in reader:
                extra = row.pop(None, None)  # what has no column
                short = None in row.values()
                if extra is None and not short:
                    yield reader.line_num, row, []
                    continue
                count = "fewer" if short else "more"
                finding = DataFinding(
                    kind="row",
                    message=f"the row has {count} columns than the header",
                    fix="put texts that hold the separator or line ends in quotes",
                )
                yield reader.line_num, None, [finding]
    except UnicodeDecodeError as error:
        raise RowsError(message="the table is not UTF-8", fix="save it as CSV in UTF-8") from error
    except csv.Error as error:
        raise RowsError(
            message="the table cannot be read: a quote is not closed, or a field is too long",
            fix="put texts in double quotes, and write quotes in them twice",
        ) from error
    finally:
        csv.field_size_limit(limit)
