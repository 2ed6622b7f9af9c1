"""One line of a data set, read slowly and exactly: why it is not one good JSON object.

This is the judge. The fast way (`formats`) only says of a line that nothing is wrong with it;
whenever it is in doubt, the line comes here. Messages of the JSON reader are not used: they can
quote the data.
"""

import json
import math
from collections.abc import Iterator
from typing import Any, NoReturn

from trainingdata.findings import DataFinding

BOMS = (b"\xff\xfe", b"\xfe\xff")
"""Byte order marks of UTF-16, and the beginning of UTF-32's."""
KNOWN_NAMES = frozenset(
    {"schemaVersion", "system", "messages", "role", "content", "text", "image", "video", "format"}
    | {"source", "s3Location", "uri", "bucketOwner", "reasoningContent", "reasoningText"}
    | {"prompt", "completion", "reference_answer", "tools"}
)
"""Names of fields that may be shown; all others can be data."""
_ONE_OBJECT = "write exactly one JSON object on each line"


class _NotFiniteError(ValueError):
    """A number that JSON does not have."""


class _Doubled(dict[str, Any]):
    """An object in which a name occurs more than once."""

    def __init__(self, pairs: list[tuple[str, Any]]) -> None:
        super().__init__(pairs)
        seen: set[str] = set()
        self.name = next(name for name, _ in pairs if name in seen or seen.add(name))  # type: ignore[func-returns-value] # adds


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    return found if len(found) == len(pairs) else _Doubled(pairs)


def _refuse_constant(_name: str) -> NoReturn:
    raise _NotFiniteError


_DECODER = json.JSONDecoder(object_pairs_hook=_object, parse_constant=_refuse_constant)


def parse(line: bytes) -> tuple[dict[str, Any] | None, list[DataFinding]]:
    """Return the object on a line, or None when there is none to look into, and the findings.

    The line comes without its end. Findings have no line number.
    """
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        return None, [_encoding(line=line, error=error)]
    try:
        value = _DECODER.decode(text)
    except json.JSONDecodeError as error:
        return None, [_not_json(text=text, error=error)]
    except _NotFiniteError:
        return None, [
            DataFinding(
                kind="nan",
                message="the line holds NaN or Infinity, which JSON does not have",
                fix="write a number, a text or null instead",
            )
        ]
    except (ValueError, RecursionError):
        return None, [
            DataFinding(
                kind="not-json",
                message="the line holds a number or a nesting that JSON readers refuse",
                fix=_ONE_OBJECT,
            )
        ]
    if not isinstance(value, dict):
        return None, [
            DataFinding(
                kind="not-an-object",
                message="the line holds a JSON value that is not an object",
                fix=f"{_ONE_OBJECT}; `finetune data convert` reads a file that is one JSON list",
            )
        ]
    return value, list(_defects(value, place=""))


def _encoding(*, line: bytes, error: UnicodeDecodeError) -> DataFinding:
    if line.startswith(BOMS) or line[:400].count(0) > len(line[:400]) // 4:
        what = "the line is not UTF-8 but looks like UTF-16 or UTF-32"
    elif b"\xed" <= line[error.start : error.start + 1] < b"\xee":
        what = "the line is not UTF-8: it holds half of a surrogate pair"
    else:
        what = "the line is not UTF-8"
    return DataFinding(
        kind="encoding", message=what, fix="save the file as UTF-8", offset=error.start
    )


def _not_json(*, text: str, error: json.JSONDecodeError) -> DataFinding:
    offset = len(text[: error.pos].encode())
    begun = text.lstrip()[:1]
    if error.msg.startswith("Extra data") and begun == "{":
        kind = "more-than-one-object"
        message = "there is more than one JSON value on the line"
    elif begun in {"{", "["} and (
        error.pos >= len(text.rstrip()) or error.msg.startswith("Unterminated string")
    ):
        kind = "less-than-one-object"
        message = "the line ends within a JSON value"
    else:
        kind, message = "not-json", "the line is not JSON"
    return DataFinding(kind=kind, message=message, fix=_ONE_OBJECT, offset=offset)


def _defects(value: object, *, place: str) -> Iterator[DataFinding]:
    """Yield what other JSON readers refuse or read differently."""
    if isinstance(value, str):
        if not _encodable(value):
            yield _surrogate(place)
    elif isinstance(value, dict):
        if isinstance(value, _Doubled):
            named = f" {value.name}" if value.name in KNOWN_NAMES else ""
            yield DataFinding(
                kind="duplicate-key",
                message=f"the object has the field{named} more than once",
                fix="keep one of them",
                field=place or None,
            )
        for name, inner in value.items():
            if not _encodable(name):
                yield _surrogate(place)
            yield from _defects(inner, place=field_path(place, name))
    elif isinstance(value, list):
        for index, inner in enumerate(value):
            yield from _defects(inner, place=f"{place}[{index}]")
    elif isinstance(value, float) and not math.isfinite(value):
        yield DataFinding(
            kind="nan",
            message="is a number too large for JSON readers, which take it for infinity",
            fix="write a smaller number, or a text",
            field=place or None,
        )


def field_path(place: str, name: str) -> str:
    """The path of a field; a name that the formats do not know is not shown."""
    shown = name if name in KNOWN_NAMES else "…"
    return f"{place}.{shown}" if place else shown


def _encodable(text: str) -> bool:
    try:
        text.encode()
    except UnicodeEncodeError:
        return False
    return True


def _surrogate(place: str) -> DataFinding:
    return DataFinding(
        kind="lone-surrogate",
        message="holds half of a surrogate pair (\\ud800 to \\udfff), which is no character",
        fix="write the character itself in UTF-8, or both halves",
        field=place or None,
    )
