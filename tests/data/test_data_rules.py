"""Every rule finds what breaks it on the right line: the first, the last, across a chunk's end."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from settings import foundation_models
from tests.data.samples import (
    CHAT,
    CLAUDE,
    LLAMA,
    LOGS,
    MAKERS,
    MICRO,
    NOVA,
    NOVA_2,
    PROMPTS,
    SECRET,
    SINGLE_PROMPTS,
    anthropic,
    chat,
    completion,
    converse,
    dumped,
    found_in,
    good_lines,
    log,
    medium,
    text,
)
from trainingdata import lines as lines_module
from trainingdata.findings import SHOWN_OF_EACH_KIND
from trainingdata.formats import converse as converse_module
from trainingdata.formats.base import Words
from trainingdata.limits import DataLimits, limits_of

GOOD = dumped(converse())


def changed(**fields: Any) -> dict[str, Any]:
    return {**converse(), **fields}


def roles(*names: Any) -> dict[str, Any]:
    return changed(messages=[{"role": name, "content": [text("a")]} for name in names])


def chat_roles(*names: Any) -> dict[str, Any]:
    return chat(messages=[{"role": name, "content": "a"} for name in names])


def broken_chat(*, without: str) -> dict[str, Any]:
    return {name: value for name, value in chat().items() if name != without}


def logged(**fields: Any) -> dict[str, Any]:
    return log(input={"inputBodyJson": fields})


BAD: dict[str, list[tuple[DataLimits, bytes | dict[str, Any]]]] = {
    "blank-line": [(NOVA, b""), (NOVA, b"   "), (LLAMA, b"\t"), (CHAT, b"\r"), (CLAUDE, b"\x0b")],
    "encoding": [
        (NOVA, b'{"a": "\xff"}'),
        (LLAMA, dumped(completion("Gr\u00f6\u00dfe")).decode().encode("latin-1")),
        (CLAUDE, GOOD[:-2] + b"\xc3"),
        (CHAT, GOOD.replace(b"A question", b"\xed\xa0\x80")),
        (NOVA, GOOD.replace(b"A question", b"\xc0\xaf")),
        (NOVA, GOOD.replace(b"A question", b"\xf5\x80\x80\x80")),
    ],
    "not-json": [
        (NOVA, SECRET.encode()),
        (LLAMA, b"{'prompt': 'a', 'completion': 'b'}"),
        (NOVA, b"[" * 100_000),
        (NOVA, b'{"a": ' + b"1" * 5000 + b"}"),
        (CLAUDE, GOOD.replace(b"A question", b"a\x01b")),
        (CHAT, GOOD.replace(b"A question", rb"\x41")),
        (NOVA, GOOD[:-1] + b",}"),
        (NOVA, b"// " + GOOD),
        (NOVA, b"\xef\xbb\xbf \xef\xbb\xbf" + GOOD),
    ],
    "less-than-one-object": [
        (NOVA, b"{"),
        (NOVA, GOOD[:-1]),
        (LLAMA, b'{"prompt": "a'),
        (CHAT, b'{"messages": ['),
        (CLAUDE, GOOD[:40]),
    ],
    "more-than-one-object": [
        (NOVA, GOOD + GOOD),
        (LLAMA, dumped(completion()) + b" " + SECRET.encode()),
        (CLAUDE, b"{} {}"),
        (CHAT, dumped(chat()) + b","),
    ],
    "not-an-object": [
        (NOVA, b"[]"),
        (LLAMA, b"1"),
        (CLAUDE, dumped(SECRET)),
        (CHAT, b"null"),
        (NOVA, b"[" + GOOD + b"]"),
    ],
    "nan": [
        (NOVA, b'{"a": NaN}'),
        (CHAT, dumped(chat(weight=1)).replace(b": 1}", b": -Infinity}")),
        (CHAT, dumped(chat(weight=1)).replace(b": 1}", b": 1e999}")),
        (LOGS, dumped(log(x=1)).replace(b'"x": 1', b'"x": Infinity')),
    ],
    "duplicate-key": [
        (NOVA, GOOD.replace(b'{"role"', b'{"role": "user", "role"', 1)),
        (NOVA, GOOD[:-1] + b', "schemaVersion": "bedrock-conversation-2024"}'),
        (NOVA, GOOD.replace(b'{"text"', b'{"text" : "x\\u003a", "text"', 1)),
        (NOVA, GOOD.replace(b'{"text"', b'{"te\\u0078t": "x", "text"', 1)),
        (NOVA, GOOD.replace(b'{"text"', b'{"text"\t:\t": x : ", "text"', 1)),
        (LLAMA, b'{"prompt": "a", "prompt": "a", "completion": "b"}'),
        (CLAUDE, dumped(anthropic()).replace(b'"content"', b'"content": "a", "content"', 1)),
        (CHAT, dumped(chat())[:-1] + b', "id": 1, "id": 2}'),
        (CHAT, dumped(chat())[:-1] + b', "a\\\\": 1, "a\\\\": 2}'),
        (CHAT, dumped(chat())[:-1] + b', "m": {"n": {"o": 1, "o": 1}}}'),
        (LOGS, dumped(log()).replace(b'"modelId"', b'"modelId": "m", "modelId"')),
        (PROMPTS, GOOD.replace(b'"messages"', b'"messages": [], "messages"')),
    ],
    "lone-surrogate": [
        (NOVA, GOOD.replace(b"A question", rb"\ud800 a")),
        (LLAMA, dumped(completion("@")).replace(b"@", rb"\udc00")),
        (CLAUDE, dumped(anthropic("@", "b")).replace(b"@", rb"\ud83d\u0041")),
        (CHAT, dumped(chat())[:-1] + rb', "\uDFFF": 1}'),
        (NOVA, GOOD.replace(b"An answer", rb"ends with \uD800")),
    ],
    "schema-version": [
        (NOVA, changed(schemaVersion="2023")),
        (NOVA, changed(schemaVersion=2024)),
        (NOVA, {"messages": converse()["messages"]}),
        (PROMPTS, changed(schemaVersion=None)),
        (PROMPTS, changed(schemaVersion="bedrock-conversion-2024")),
        (LOGS, log(schemaType="Other")),
        (LOGS, log(schemaVersion=1)),
    ],
    "unknown-field": [
        (NOVA, changed(**{SECRET: 1})),
        (NOVA, changed(system=[{"text": "a", SECRET: 1}])),
        (
            NOVA,
            changed(
                messages=[
                    *converse()["messages"][:1],
                    {"role": "assistant", "content": [text("a")], SECRET: 1},
                ]
            ),
        ),
        (NOVA_2, changed(toolConfig={})),
        (LLAMA, {**completion(), "id": 1}),
        (LLAMA, {"Prompt": "a", **completion()}),
        (CLAUDE, {**anthropic(), "model": SECRET}),
        (CHAT, chat(messages=[{"role": "user", "content": "a", SECRET: 1}])),
    ],
    "structure": [
        (NOVA, changed(messages=[])),
        (NOVA, changed(messages=SECRET)),
        (NOVA, changed(messages=[SECRET])),
        (NOVA, changed(messages=None)),
        (NOVA, changed(system="text")),
        (NOVA, changed(system=[])),
        (NOVA, changed(system=None)),
        (NOVA, converse("a", [])),
        (
            NOVA,
            changed(
                messages=[
                    {"role": "user", "content": "text"},
                    {"role": "assistant", "content": [text("a")]},
                ]
            ),
        ),
        (NOVA, {"schemaVersion": "bedrock-conversation-2024"}),
        (CLAUDE, {"messages": {}}),
        (CLAUDE, {"system": "a"}),
        (CHAT, {"messages": [], "reference_answer": 1}),
        (CHAT, chat(tools={})),
        (LOGS, log(input=None)),
        (LOGS, log(modelId=None)),
        (LOGS, log(output=[])),
    ],
    "roles": [
        (NOVA, roles("assistant", "user")),
        (NOVA, roles("user")),
        (NOVA, roles("user", "user")),
        (NOVA, roles(SECRET, "assistant")),
        (NOVA, roles("user", "assistant", "user")),
        (NOVA, roles("User", "Assistant")),
        (NOVA, roles("system", "user", "assistant")),
        (NOVA, roles(None, ["assistant"])),
        (PROMPTS, roles("assistant")),
        (PROMPTS, roles("user", "user")),
        (CLAUDE, anthropic("a")),
        (CLAUDE, anthropic("a", "b", "c")),
        (CLAUDE, {"messages": [{"role": "system", "content": "a"}]}),
        (CHAT, chat_roles("system")),
        (CHAT, chat_roles("user", "system")),
        (CHAT, chat_roles("developer", "user")),
        (LOGS, logged(messages=[{"role": "assistant", "content": [text("a")]}])),
    ],
    "turns": [
        (SINGLE_PROMPTS, converse("a", "b", "c", "d")),
        (SINGLE_PROMPTS, converse("a", "b", "c")),
        (SINGLE_PROMPTS, converse("a", "b", "c", system="d")),
    ],
    "content-block": [
        (NOVA, converse([{"toolResult": {}}], "a")),
        (NOVA, converse([{}], "a")),
        (NOVA, converse([{"text": "a", **medium()}], "a")),
        (NOVA, converse([{"document": {}}], "a")),
        (NOVA, converse([{"text": "a", "type": "text"}], "a")),
        (NOVA, converse("a", [{"reasoningContent": {"reasoningText": {"text": "b"}}}, text("c")])),
        (NOVA_2, converse([{"reasoningContent": {"reasoningText": {"text": "b"}}}], "a")),
        (NOVA_2, converse("a", [{"reasoningContent": {"redactedContent": "b"}}])),
        (NOVA_2, converse("a", [{"reasoningContent": "b"}])),
        (NOVA_2, converse("a", [{"toolUse": {"name": "b"}}])),
    ],
    "empty-text": [
        (NOVA, converse("", "a")),
        (NOVA, converse("a", " \n")),
        (NOVA, converse("a", [{"text": None}])),
        (NOVA, converse(system="")),
        (NOVA, converse([text("a"), text("\u2003")], "b")),
        (NOVA_2, converse("a", [{"reasoningContent": {"reasoningText": {"text": ""}}}, text("b")])),
        (LLAMA, completion("", "a")),
        (LLAMA, {"prompt": "a"}),
        (LLAMA, {"prompt": ["a"], "completion": "b"}),
        (LLAMA, {"input": "a", "output": "b"}),
        (CLAUDE, anthropic("a", "")),
        (CLAUDE, anthropic("a", "b", system=" ")),
        (
            CLAUDE,
            {
                "messages": [
                    {"role": "user", "content": [text("a")]},
                    {"role": "assistant", "content": "b"},
                ]
            },
        ),
        (CHAT, chat("")),
        (CHAT, chat(messages=[{"role": "user", "content": [text("a")]}])),
        (LOGS, log("")),
    ],
    "reserved-word": [
        *((NOVA, converse(f"before {word} after", "a")) for word in NOVA.reserved_words),
        *((NOVA, converse("a", "b", system=f"{word}")) for word in NOVA.reserved_words),
        (NOVA, GOOD.replace(b"A question", b"\\u0055ser: hello")),
        (NOVA, GOOD.replace(b"A question", b"User\\u003a hello")),
        (NOVA, GOOD.replace(b"A question", b"\\u003Cimage\\u003e")),
        (NOVA, GOOD.replace(b"A question", b"a [E\\u004FS]")),
        (NOVA, GOOD.replace(b"A question", b"\\n" * 200 + b"Bo\\u0074:")),
        (NOVA, converse("a", "The Bot: yes")),
        (NOVA, converse([text("a"), text("xAssistant:y")], "b")),
        (CLAUDE, anthropic("a\n\nHuman: b", "c")),
        (CLAUDE, dumped(anthropic("@", "c")).replace(b"@", b"a\\u000aAssistant: b")),
    ],
    "media-not-taken": [
        (MICRO, converse([medium()], "a")),
        (MICRO, converse([text("a"), medium("video", "mp4")], "a")),
        (PROMPTS, converse([medium()], "a")),
    ],
    "media-place": [
        (NOVA, converse("a", [medium()])),
        (NOVA, converse("a", [text("b"), medium("video", "mp4")])),
        (NOVA_2, converse("a", [medium("image", "jpeg")])),
    ],
    "media-format": [
        (NOVA, converse([medium("image", "jpg")], "a")),
        (NOVA, converse([medium("image", "PNG")], "a")),
        (NOVA_2, converse([medium("image", "webp")], "a")),
        (NOVA_2, converse([medium("video", "webm")], "a")),
        (NOVA, converse([medium("video", "avi")], "a")),
        (NOVA, converse([{"image": {"source": medium()["image"]["source"]}}], "a")),
    ],
    "media-source": [
        (NOVA, converse([{"image": {"format": "png", "source": {"bytes": "aGk="}}}], "a")),
        (NOVA, converse([medium(uri="https://example.com/a.png")], "a")),
        (NOVA, converse([medium(uri="s3://bucket/with space.png")], "a")),
        (NOVA, converse([medium(uri="s3://bucket")], "a")),
        (NOVA, converse([medium(uri="s3://a-bucket/ü.png")], "a")),
        (NOVA, converse([medium(bucketOwner="111122223333")], "a")),
        (NOVA, converse([medium(uri="s3://a-bucket/a.png", bucketOwner=111122223333)], "a")),
        (NOVA, converse([medium(uri="s3://a-bucket/a.png", bucketOwner="me")], "a")),
    ],
    "media-count": [
        (NOVA, converse([medium()] * 11, "a")),
        (NOVA, converse([medium()] * 6, "a", [medium()] * 5, "b")),
        (NOVA, converse([medium("video", "mp4")] * 2, "a")),
    ],
    "mixed-media": [
        (NOVA, converse([medium(), medium("video", "mp4")], "a")),
        (NOVA, converse([medium()], "a", [medium("video", "mov")], "b")),
        (NOVA_2, converse([medium("video", "mp4")], "a", [medium()], "b")),
    ],
    "line-too-long": [
        (PROMPTS, converse("long " * 4000)),
        (PROMPTS, dumped(converse()) + b" " * 17_000),
        (SINGLE_PROMPTS, converse("é" * 8200)),
    ],
    "reference-answer": [
        (CHAT, broken_chat(without="reference_answer")),
        (CHAT, chat(reference_answer=None)),
        (CHAT, chat(reference_answer=" ")),
    ],
    "log-operation": [
        (LOGS, log(operation="ApplyGuardrail")),
        (LOGS, log(operation=None)),
        (LOGS, log(operation="converse")),
    ],
    "log-body": [
        (LOGS, log(input={"inputBodyS3Path": "s3://a-bucket/a"})),
        (LOGS, log(output={"outputBodyS3Path": "s3://a-bucket/a"})),
        (LOGS, log(input={"inputBodyJson": {}})),
        (LOGS, log(output={"outputBodyJson": "text"})),
        (LOGS, logged(max_tokens=1)),
    ],
    "log-media": [
        (LOGS, logged(messages=[{"role": "user", "content": [medium()]}])),
        (LOGS, logged(messages=[{"role": "user", "content": [text("a"), medium()]}])),
        (LOGS, logged(messages=[{"role": "user", "content": ["a"]}])),
    ],
    "log-metadata": [
        (LOGS, log(requestMetadata={str(number): "a" for number in range(17)})),
        (LOGS, log(requestMetadata={"a": "b" * 257})),
        (LOGS, log(requestMetadata={"a": 1})),
        (LOGS, log(requestMetadata=["a"])),
    ],
    "tokens": [
        (NOVA, converse("word " * 40_000, "a")),
        (LLAMA, completion("a", "x" * 96_006)),
        (CLAUDE, anthropic("a", "b", system="é" * 192_006)),
    ],
}
CASES = [
    (kind, limits, dumped(bad) if isinstance(bad, dict) else bad)
    for kind, cases in BAD.items()
    for limits, bad in cases
]
NAMES = [f"{kind}-{number}" for number, (kind, _, _) in enumerate(CASES)]


@pytest.mark.parametrize("kind", BAD)
def test_each_rule_is_broken_in_three_ways(kind: str) -> None:
    assert len(BAD[kind]) >= 3


@pytest.mark.parametrize(("kind", "limits", "bad"), CASES, ids=NAMES)
def test_a_bad_line_is_found_wherever_it_is(
    kind: str,
    limits: DataLimits,
    bad: bytes,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(lines_module, "CHUNK_BYTES", 64)  # so that every line crosses its end
    good = good_lines(limits.format, limits.minimum_records)
    places = {1: [bad, *good], 2: [good[0], bad, *good[1:]], len(good) + 1: [*good, bad]}
    for place, content in places.items():
        for end in (b"\n", b"\r\n"):
            found = found_in(tmp_path, end.join(content) + end, limits=limits)
            assert found.counts[kind] >= 1, place
            assert {one.line for one in found.findings} == {place}
            assert found.lines == len(content)
            assert found.records == len(content) - (kind == "blank-line")
            assert SECRET not in repr(found.findings)


@pytest.mark.parametrize(("kind", "limits", "bad"), CASES, ids=NAMES)
def test_a_bad_last_line_is_found_without_a_newline(
    kind: str, limits: DataLimits, bad: bytes, tmp_path: Path
) -> None:
    if not bad.strip():
        pytest.skip("what follows the last line feed is no line when it is nothing")
    good = good_lines(limits.format, limits.minimum_records)
    found = found_in(tmp_path, b"\n".join([*good, bad]), limits=limits)
    assert kind in found.counts
    assert {one.line for one in found.findings} == {len(good) + 1}


@pytest.mark.parametrize("kind", BAD)
def test_the_first_of_each_kind_are_kept_and_all_are_counted(kind: str, tmp_path: Path) -> None:
    limits, bad = BAD[kind][0]
    line = dumped(bad) if isinstance(bad, dict) else bad
    count = max(SHOWN_OF_EACH_KIND + 5, limits.minimum_records)
    found = found_in(tmp_path, (line + b"\n") * count, limits=limits)
    assert found.counts[kind] == count
    kept = [one.line for one in found.findings if one.kind == kind]
    assert kept == list(range(1, SHOWN_OF_EACH_KIND + 1))


def test_every_finding_says_what_to_do(tmp_path: Path) -> None:
    for kind, limits, bad in CASES:
        for one in found_in(tmp_path, bad + b"\n", limits=limits).findings:
            assert one.fix, kind
            assert one.message[0].islower(), kind


def test_several_mistakes_of_one_record_are_all_told(tmp_path: Path) -> None:
    bad = changed(system="x", messages=[{"role": "user", "content": [text("User: a"), {}]}])
    found = found_in(tmp_path, b"\n".join([*good_lines("converse", 9), dumped(bad)]))
    assert {one.kind for one in found.findings} == {
        "structure",
        "reserved-word",
        "content-block",
        "roles",
    }


@pytest.mark.parametrize("kept", [0, 3, 9])
def test_a_byte_order_mark_is_found_at_the_beginning_only(kept: int, tmp_path: Path) -> None:
    lines = good_lines("converse", 10)
    lines[kept] = b"\xef\xbb\xbf" + lines[kept]
    found = found_in(tmp_path, b"\n".join(lines))
    assert [(one.kind, one.line) for one in found.findings] == [
        ("not-json" if kept else "bom", kept + 1)
    ]
    assert found.records == 10


@pytest.mark.parametrize("encoding", ["utf-16", "utf-16-le", "utf-16-be", "utf-32"])
def test_another_encoding_is_told_on_every_line(encoding: str, tmp_path: Path) -> None:
    content = b"\n".join(good_lines("converse", 10)).decode().encode(encoding)
    found = found_in(tmp_path, content)
    assert not found.ok
    assert found.findings[0].line == 1
    assert found.tally.errors >= 10


@pytest.mark.parametrize("format", MAKERS)
def test_the_number_of_records_is_limited(format: str, tmp_path: Path) -> None:
    limits, _ = MAKERS[format]
    (line,) = good_lines(format, 1)
    for count, ok in (
        (0, False),
        (limits.minimum_records - 1, False),
        (limits.minimum_records, True),
        (limits.maximum_records, True),
        (limits.maximum_records + 1, False),
    ):
        found = found_in(tmp_path, (line + b"\n") * count, limits=limits)
        assert found.ok is ok, count
        assert ("record-count" in found.counts) is not ok, count


def test_a_line_too_long_is_found_without_being_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(lines_module, "MAXIMUM_LINE_BYTES", 1000)
    monkeypatch.setattr(lines_module, "CHUNK_BYTES", 250)
    lines = good_lines("converse", 10)
    for place in (0, 4, 9):
        content = [*lines[:place], dumped(converse("long " * 1000)), *lines[place:]]
        found = found_in(tmp_path, b"\n".join(content))
        assert [(one.kind, one.line) for one in found.findings] == [("line-too-long", place + 1)]
        assert found.records == 11


def test_media_of_two_kinds_or_in_two_buckets_are_told_with_the_line(tmp_path: Path) -> None:
    image = dumped(converse([medium()], "a"))
    video = dumped(converse([medium("video", "mp4")], "a"))
    elsewhere = dumped(converse([medium(uri="s3://other-bucket/a.png")], "a"))
    good = good_lines("converse", 8)
    mixed = found_in(tmp_path, b"\n".join([*good, image, image, video]))
    assert [(one.kind, one.line) for one in mixed.findings] == [("mixed-media", 11)]
    apart = found_in(tmp_path, b"\n".join([elsewhere, *good, image, image]))
    assert [(one.kind, one.line) for one in apart.findings] == [("media-bucket", 10)]


def test_several_processes_find_the_same(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from trainingdata import check  # noqa: PLC0415

    lines = good_lines("converse", 500)
    for place, (_, limits, bad) in enumerate(CASES):
        if limits == NOVA and bad:
            lines[(place * 7) % 500] = bad
    content = b"\n".join(lines)
    alone = found_in(tmp_path, content, processes=1, core=False)
    monkeypatch.setattr(check, "PART_BYTES", 3001)
    monkeypatch.setattr(check, "ALONE_BYTES", 0)
    several = found_in(tmp_path, content, processes=3, core=False)
    in_parts = found_in(tmp_path, content, processes=1, core=False)
    for other in (several, in_parts):
        assert other.counts == alone.counts
        assert other.findings == alone.findings
        assert (other.lines, other.records, other.characters) == (
            alone.lines,
            alone.records,
            alone.characters,
        )
        assert other.digests == alone.digests
        assert other.sketches == alone.sketches
        assert other.places == alone.places


def test_json_of_findings_has_the_keys_of_the_contract(tmp_path: Path) -> None:
    (found,) = found_in(tmp_path, b"\n".join([*good_lines("converse", 8), b"{"])).findings
    assert json.loads(json.dumps(found.as_json())) == {
        "kind": "less-than-one-object",
        "level": "error",
        "line": 9,
        "offset": 1,
        "field": None,
        "message": "the line ends within a JSON value",
        "fix": found.fix,
    }


@pytest.mark.parametrize(
    ("kind", "module", "scan", "answer"),
    [
        ("duplicate-key", converse_module, "names_are_single", True),
        ("reserved-word", Words, "in_any", False),
    ],
)
def test_without_its_scan_the_fast_way_would_pass_bad_lines(
    *,
    kind: str,
    module: object,
    scan: str,
    answer: bool,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    bad = [bad for limits, bad in BAD[kind] if limits == NOVA]
    lines = [dumped(one) if isinstance(one, dict) else one for one in bad]
    content = b"\n".join([*lines, *good_lines("converse", 8)])
    assert found_in(tmp_path, content).counts[kind] == len(lines)
    monkeypatch.setattr(module, scan, lambda *_, **__: answer)
    assert kind not in found_in(tmp_path, content).counts


def in_escapes(word: str, at: int) -> str:
    """A word in JSON with the letter at a place written as an escape, in capitals or not."""
    digits = f"{ord(word[at]):04x}"
    return f"{word[:at]}\\u{digits.upper() if at % 2 else digits}{word[at + 1 :]}"


@pytest.mark.parametrize("word", ["User:", "Bot:", "Assistant:", "System:", "<image>", "[EOS]"])
def test_a_reserved_word_is_found_with_any_of_its_letters_escaped(
    word: str, tmp_path: Path
) -> None:
    good = good_lines("converse", 8)
    written = [word, *(in_escapes(word, at) for at in range(len(word)))]
    all_escaped = "".join(f"\\u{ord(letter):04x}" for letter in word)
    bad = [
        dumped(converse(f"{before}MARK{after}", "An answer")).replace(b"MARK", form.encode())
        for form in (*written, all_escaped)
        for before, after in (("", ""), ("see: ", " and: more"))
    ]
    found = found_in(tmp_path, b"\n".join([*good, *bad]))
    assert found.counts == {"reserved-word": len(bad)}


def of_llama(size: str) -> DataLimits:
    return limits_of(
        foundation_models()[f"meta.llama3-2-{size}-instruct-v1:0:128k"].families["FINE_TUNING"]
    )


@pytest.mark.parametrize("size", ["11b", "90b"])
def test_llama_with_vision_takes_images_of_its_formats_and_any_number(
    size: str, tmp_path: Path
) -> None:
    images = [medium(format=form) for form in ("gif", "jpeg", "png", "webp")] * 5
    good = dumped(converse([text("What is in these?"), *images], "A desk."))
    content = b"\n".join([*good_lines("converse", 99), good])
    assert found_in(tmp_path, content, limits=of_llama(size)).counts == {}
    bad = dumped(converse([text("What is it?"), medium(format="tiff")], "A desk."))
    found = found_in(tmp_path, b"\n".join([content, bad]), limits=of_llama(size))
    assert found.counts == {"media-format": 1}


def test_llama_without_vision_takes_no_images(tmp_path: Path) -> None:
    bad = dumped(converse([text("What is it?"), medium()], "A desk."))
    content = b"\n".join([*good_lines("converse", 99), bad])
    assert found_in(tmp_path, content, limits=of_llama("1b")).counts == {"media-not-taken": 1}
