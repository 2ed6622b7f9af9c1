"""Whatever a file holds: the check ends, the fast way agrees, and the documented schema holds.

The schemas are written down here once more, from the AWS pages and in another language (JSON
Schema), so that a mistake in the checks is not one in both.
"""

from __future__ import annotations

import json
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from jsonschema import Draft202012Validator

from tests.data.samples import (
    CHAT,
    CLAUDE,
    LLAMA,
    MAKERS,
    NOVA,
    NOVA_2,
    PROMPTS,
    anthropic,
    chat,
    completion,
    converse,
    dumped,
    found_in,
    log,
    medium,
    text,
)
from trainingdata import convert, lines, rows
from trainingdata.formats import format_of
from trainingdata.formats.base import Report
from trainingdata.json_line import parse
from trainingdata.limits import DataLimits

NOT_BLANK = {"type": "string", "pattern": r"\S"}
NOVA_TEXT = {
    **NOT_BLANK,
    "not": {"pattern": r"User:|Bot:|Assistant:|System:|<image>|<video>|\[EOS\]"},
}


def nova_medium(*formats: str) -> dict[str, Any]:
    location = {
        "type": "object",
        "properties": {
            "uri": {"type": "string", "pattern": "^s3://[^/]+/[A-Za-z0-9_./-]+$"},
            "bucketOwner": {"type": "string", "pattern": "^[0-9]{12}$"},
        },
        "required": ["uri"],
        "additionalProperties": False,
    }
    return {
        "type": "object",
        "properties": {
            "format": {"enum": list(formats)},
            "source": {
                "type": "object",
                "properties": {"s3Location": location},
                "required": ["s3Location"],
                "additionalProperties": False,
            },
        },
        "required": ["format", "source"],
        "additionalProperties": False,
    }


def message(role: str, content: dict[str, Any]) -> dict[str, Any]:
    return {
        "type": "object",
        "properties": {"role": {"const": role}, "content": content},
        "required": ["role", "content"],
        "additionalProperties": False,
    }


def some_of(**blocks: dict[str, Any]) -> dict[str, Any]:
    """A list of blocks, each with one of some fields."""
    one = {
        "type": "object",
        "properties": blocks,
        "additionalProperties": False,
        "minProperties": 1,
        "maxProperties": 1,
    }
    return {"type": "array", "minItems": 1, "items": one}


SYSTEM = some_of(text=NOVA_TEXT)
NOVA_USER = message(
    "user",
    some_of(
        text=NOVA_TEXT,
        image=nova_medium("jpeg", "png", "gif", "webp"),
        video=nova_medium("mov", "mkv", "mp4", "webm"),
    ),
)
NOVA_SCHEMA = {
    "type": "object",
    "properties": {
        "schemaVersion": {"const": "bedrock-conversation-2024"},
        "system": SYSTEM,
        "messages": {
            "type": "array",
            "minItems": 2,
            "items": {"anyOf": [NOVA_USER, message("assistant", some_of(text=NOVA_TEXT))]},
            "prefixItems": [NOVA_USER],
        },
    },
    "required": ["schemaVersion", "messages"],
    "additionalProperties": False,
}
PLAIN_USER = message("user", some_of(text=NOT_BLANK))
PROMPTS_SCHEMA = {
    **NOVA_SCHEMA,
    "properties": {
        "schemaVersion": {"const": "bedrock-conversation-2024"},
        "system": some_of(text=NOT_BLANK),
        "messages": {
            "type": "array",
            "minItems": 1,
            "items": {"anyOf": [PLAIN_USER, message("assistant", some_of(text=NOT_BLANK))]},
            "prefixItems": [PLAIN_USER],
        },
    },
}
LLAMA_SCHEMA = {
    "type": "object",
    "properties": {"prompt": NOT_BLANK, "completion": NOT_BLANK},
    "required": ["prompt", "completion"],
    "additionalProperties": False,
}
CLAUDE_TEXT = {**NOT_BLANK, "not": {"pattern": "\nHuman:|\nAssistant:"}}
CLAUDE_SCHEMA = {
    "type": "object",
    "properties": {
        "system": CLAUDE_TEXT,
        "messages": {
            "type": "array",
            "minItems": 2,
            "items": {"anyOf": [message("user", CLAUDE_TEXT), message("assistant", CLAUDE_TEXT)]},
            "prefixItems": [message("user", CLAUDE_TEXT)],
        },
    },
    "required": ["messages"],
    "additionalProperties": False,
}
CHAT_SCHEMA = {
    "type": "object",
    "properties": {
        "messages": {
            "type": "array",
            "minItems": 1,
            "contains": {"properties": {"role": {"const": "user"}}},
            "items": {
                "type": "object",
                "properties": {
                    "role": {"enum": ["system", "user", "assistant"]},
                    "content": NOT_BLANK,
                },
                "required": ["role", "content"],
            },
        },
        "reference_answer": {"not": {"type": "null"}},
    },
    "required": ["messages", "reference_answer"],
}
SCHEMAS: list[tuple[DataLimits, dict[str, Any], dict[str, Any]]] = [
    (NOVA, NOVA_SCHEMA, converse("a", "b", system="c")),
    (NOVA, NOVA_SCHEMA, converse([text("a"), medium()], "b", "c", "d")),
    (NOVA, NOVA_SCHEMA, converse([medium("video", "mp4")], "b")),
    (PROMPTS, PROMPTS_SCHEMA, converse("a", "b", system="c")),
    (LLAMA, LLAMA_SCHEMA, completion()),
    (CLAUDE, CLAUDE_SCHEMA, anthropic("a", "b", "c", "d", system="e")),
    (CHAT, CHAT_SCHEMA, chat(id="one", tools=[], level={"a": [1]})),
]
FORMATS = ["converse", "prompt-completion", "anthropic-messages", "rft-chat", "invocation-logs"]

SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(allow_nan=False, allow_infinity=False),
    st.text(max_size=6),
    st.sampled_from(
        [
            *("user", "assistant", "system", "User:", "[EOS]", "\nHuman:", " ", "text", "role"),
            *("bedrock-conversation-2024", "png", "s3://a-bucket/b.png", "messages", "content"),
        ]
    ),
)
NAMES = st.sampled_from(
    [
        *("schemaVersion", "system", "messages", "role", "content", "text", "image", "video"),
        *("prompt", "completion", "reference_answer", "input", "output", "a\\", "format"),
        "source",
    ]
)
VALUES = st.recursive(
    SCALARS,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3),
    max_leaves=8,
)
FUZZ = settings(
    max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture]
)


def places(value: object, path: tuple[Any, ...] = ()) -> list[tuple[Any, ...]]:
    """Paths to all parts of a value, itself included."""
    inner: list[tuple[Any, Any]] = []
    if isinstance(value, dict):
        inner = list(value.items())
    elif isinstance(value, list):
        inner = list(enumerate(value))
    return [path, *(found for key, one in inner for found in places(one, (*path, key)))]


@st.composite
def mutated(draw: st.DrawFn, record: dict[str, Any]) -> dict[str, Any]:
    """A record with some parts replaced, removed or added."""
    value: Any = json.loads(json.dumps(record))
    for _ in range(draw(st.integers(0, 3))):
        path = draw(st.sampled_from(places(value)))
        if not path:
            continue
        target = value
        for key in path[:-1]:
            target = target[key]
        what = draw(st.sampled_from(["replace", "remove", "add", "repeat"]))
        if what == "replace":
            target[path[-1]] = draw(VALUES)
        elif what == "remove":
            del target[path[-1]]
        elif isinstance(target, list):
            target.insert(path[-1], target[path[-1]] if what == "repeat" else draw(VALUES))
        else:
            target[draw(NAMES)] = draw(VALUES)
    assert isinstance(value, dict)
    return value


def exact(limits: DataLimits, line: bytes) -> list[str]:
    """Kinds of errors that the exact way finds."""
    record, findings = parse(line)
    report = Report()
    if record is not None:
        format_of(limits).explain(record, report)
    return [one.kind for one in [*findings, *report.findings] if one.level == "error"]


def alternates(record: dict[str, Any]) -> bool:
    names = [one["role"] for one in record["messages"]]
    return names == [("user", "assistant")[index % 2] for index in range(len(names))]


@pytest.mark.parametrize(("limits", "schema", "record"), SCHEMAS)
def test_nothing_passes_that_the_documented_schema_refuses(
    limits: DataLimits, schema: dict[str, Any], record: dict[str, Any]
) -> None:
    validator = Draft202012Validator(schema)
    assert validator.is_valid(record)
    assert exact(limits, dumped(record)) == []

    @FUZZ
    @given(value=mutated(record))
    def judged(value: dict[str, Any]) -> None:
        line = dumped(value)
        errors = exact(limits, line)
        if not errors:
            assert validator.is_valid(value)
            if limits is not CHAT and "messages" in value:
                assert alternates(value)
                assert limits is PROMPTS or value["messages"][-1]["role"] == "assistant"
        quick = format_of(limits).quick(line, 0, len(line))
        if quick is not None:
            assert errors == []

    judged()


@pytest.mark.parametrize("limits", [NOVA, NOVA_2, LLAMA, CLAUDE, CHAT, PROMPTS], ids=str)
def test_the_fast_way_passes_nothing_that_the_exact_one_refuses(limits: DataLimits) -> None:
    _, make = MAKERS[limits.format]
    pieces = st.sampled_from(
        [
            *(
                b'"',
                b"\\",
                b"\\u",
                b"003a",
                b"\\u003a",
                b":",
                b" :",
                b'":',
                b'\\":',
                b"User",
                b"User:",
            ),
            *(b"[EOS]", b"<image>", b"\\ud83d", b"\\ude00", b"\xc3", b"\xc3\xbc", b"\xff", b"\x00"),
            *(
                b"{",
                b"}",
                b"[",
                b"]",
                b",",
                b'"text"',
                b'"role"',
                b'"role": "user", ',
                b"NaN",
                b"1e9",
            ),
            *(b'"prompt": "a", ', b'"content": "b", ', b'"x": 1, ', b"\n", b"\r", b"\t", b" "),
        ]
    )

    @FUZZ
    @given(data=st.data())
    def judged(data: st.DataObject) -> None:
        words = b"".join(data.draw(st.lists(pieces, max_size=4)))
        line = dumped(make("@")).replace(b"@", words)
        for _ in range(data.draw(st.integers(0, 3))):
            at = data.draw(st.integers(0, len(line)))
            gone = data.draw(st.integers(0, 3))
            line = line[:at] + data.draw(pieces) + line[at + gone :]
        line = line.replace(b"\n", b" ")
        quick = format_of(limits).quick(line, 0, len(line))
        if quick is not None:
            assert exact(limits, line) == []
            loaded = json.loads(line)
            facts = format_of(limits).explain(loaded, Report())
            assert quick.texts == facts.texts
            assert (quick.system, quick.asked, quick.roles) == (
                facts.system,
                facts.asked,
                facts.roles,
            )

    judged()


@pytest.mark.parametrize("format", FORMATS)
def test_no_bytes_crash_the_check_or_are_lost(format: str, monkeypatch: pytest.MonkeyPatch) -> None:
    limits, make = MAKERS[format]
    good = dumped(make("a question"))
    monkeypatch.setattr(lines, "CHUNK_BYTES", 32)
    monkeypatch.setattr(lines, "MAXIMUM_LINE_BYTES", 4096)
    part = st.one_of(
        st.binary(max_size=80),
        st.sampled_from([good, b"\n", b"\r\n", b"\xef\xbb\xbf", b"{}", good[:30], b"\x00" * 40]),
        st.just(b"x" * 5000),
    )

    @FUZZ
    @given(parts=st.lists(part, max_size=6))
    def checked(parts: list[bytes]) -> None:
        content = b"".join(parts)
        with tempfile.TemporaryDirectory() as folder:
            found = found_in(Path(folder), content, limits=limits, core=False)
        expected = content.split(b"\n")
        if expected[-1] == b"":
            expected.pop()
        assert found.lines == len(expected)
        assert all(one.line is None or 1 <= one.line <= len(expected) for one in found.findings)

    checked()


@pytest.mark.parametrize("suffix", [".csv", ".tsv", ".json", ".jsonl"])
def test_no_file_crashes_the_conversion(suffix: str) -> None:
    texts = st.one_of(
        st.text(max_size=60).map(lambda one: one.encode("utf-8", "surrogatepass")),
        st.binary(max_size=60),
        VALUES.map(dumped),
        st.lists(VALUES, max_size=3).map(dumped),
        st.just(b'prompt,completion\n"a","b"\nc\n'),
    )

    @FUZZ
    @given(content=st.lists(texts, max_size=4))
    def converted(content: list[bytes]) -> None:
        with tempfile.TemporaryDirectory() as folder:
            source = Path(folder) / f"data{suffix}"
            source.write_bytes(b"\n".join(content))
            target = Path(folder) / "made.jsonl"
            try:
                made = convert.convert(source=source, target=target, limits=NOVA, skip_bad=True)
            except rows.RowsError:
                return
            assert target.exists() is (made.records > 0)
            assert sorted(one.name for one in Path(folder).iterdir()) == sorted(
                [source.name, *([target.name] if made.records else [])]
            )

    converted()


def test_the_schemas_here_refuse_what_they_should() -> None:
    assert not Draft202012Validator(NOVA_SCHEMA).is_valid(converse("User: a", "b"))
    assert not Draft202012Validator(NOVA_SCHEMA).is_valid(converse([], "b"))
    assert not Draft202012Validator(LLAMA_SCHEMA).is_valid(completion(" "))
    assert not Draft202012Validator(CLAUDE_SCHEMA).is_valid({"messages": []})
    assert not Draft202012Validator(CHAT_SCHEMA).is_valid(log())
