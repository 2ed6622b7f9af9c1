"""Good records of every format are taken as they are, whatever script or escape they are in."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from tests.data.samples import (
    CHAT,
    CLAUDE,
    LOGS,
    MAKERS,
    MICRO,
    NOVA,
    NOVA_2,
    PROMPTS,
    SINGLE_PROMPTS,
    anthropic,
    chat,
    converse,
    dumped,
    found_in,
    good_lines,
    log,
    medium,
    text,
)
from trainingdata.formats import format_of
from trainingdata.formats.base import Report
from trainingdata.json_line import parse
from trainingdata.limits import DataLimits

SCRIPTS = {
    "Latin": "Größe, naïve, façade, żółć, İstanbul",
    "Greek": "Η γρήγορη αλεπού",
    "Cyrillic": "Съешь ещё этих мягких булок",
    "Hebrew": "דג סקרן שט בים",
    "Arabic": "نص حكيم له سر قاطع",
    "Devanagari": "ऋषियों को सताने वाले",
    "Bengali": "আমার সোনার বাংলা",
    "Tamil": "யாமறிந்த மொழிகளிலே",
    "Thai": "เป็นมนุษย์สุดประเสริฐ",
    "Georgian": "ვეპხის ტყაოსანი",
    "Armenian": "Ճանաչել զիմաստութիւն",
    "Ethiopic": "ሰማይ አይታረስ ንጉሥ አይከሰስ",
    "Han": "視野無限廣，窗外有藍天",
    "Japanese": "いろはにほへと ちりぬるを",
    "Hangul": "다람쥐 헌 쳇바퀴에 타고파",
    "Emoji": "👩‍👩‍👧‍👦 🇪🇺 🤷🏽‍♀️",
    "Gothic, beyond the basic plane": "𐌰𐌱𐌲",
    "combining": "e\u0301 a\u0308 o\u0323",
}
ESCAPES = [
    r"a \" quote, a \\ backslash, a \/ slash",
    r"\b\f\n\r\t",
    r"\u0000 \u001f \u007f",
    r"\u003cb\u003e and \u0026",
    r"Gr\u00f6\u00dfe \u4f60\u597d",
    r"\ud83d\ude00 \uD83D\uDE00",
    "line separators \u2028 and \u2029, a zero width \ufeff inside",
    r"ends with a backslash \\",
    r"\"text\": \"a JSON in a text\"",
    ": begins with a colon",
    "a : colon , between : spaces",
    "the user said: a bot answers - and the system:x is fine",
]
EVERY = [*MAKERS]


def whole(lines: list[bytes], end: bytes = b"\n") -> bytes:
    return end.join(lines) + end


@pytest.mark.parametrize("format", EVERY)
def test_thirty_good_files_of_each_format_are_taken(format: str, tmp_path: Path) -> None:
    limits, make = MAKERS[format]
    lines = good_lines(format, 100)
    files = {
        "plain": whole(lines),
        "Windows line ends": whole(lines, b"\r\n"),
        "no final newline": b"\n".join(lines),
        "Windows line ends, no final newline": b"\r\n".join(lines),
        "compact": whole([dumped(json.loads(line), separators=(",", ":")) for line in lines]),
        "wide": whole([dumped(json.loads(line), separators=(" , ", " : ")) for line in lines]),
        "tabs": whole([dumped(json.loads(line), separators=("\t,\t", "\t:\t")) for line in lines]),
        "space around": whole([b" \t" + line + b" \t " for line in lines]),
        "ASCII only": whole([json.dumps(json.loads(line)).encode() for line in lines]),
        "fields in another order": whole(
            [dumped(dict(reversed(json.loads(line).items()))) for line in lines]
        ),
        "the most records": whole(lines[:1] * limits.maximum_records),
        "the fewest records": whole(lines[: limits.minimum_records]),
    }
    for script, words in SCRIPTS.items():
        files[script] = whole([*lines[1:], dumped(make(words))])
    for escaped in ESCAPES:
        raw = dumped(make("@here@")).replace(b"@here@", escaped.encode())
        files[f"escaped {escaped}"] = whole([raw, *lines[1:]])
    assert len(files) >= 30
    for name, content in files.items():
        found = found_in(tmp_path, content, limits=limits)
        assert found.counts == {}, name
        assert found.records == content.count(b"\n") + (not content.endswith(b"\n")), name


OTHER_GOOD: list[tuple[DataLimits, dict[str, Any]]] = [
    (NOVA, converse(system="You help")),
    (NOVA, converse("a", "b", "c", "d", "e", "f")),
    (NOVA, converse([text("a"), text("b")], [text("c"), text("d")])),
    (NOVA, converse([text("see"), medium()], "An answer")),
    (NOVA, converse([medium()], "An answer")),
    (NOVA, converse([medium("image", one) for one in NOVA.image_formats], "An answer")),
    (NOVA, converse([medium()] * 10, "An answer")),
    (NOVA, converse([text("see"), medium("video", "mp4")], "An answer")),
    (
        NOVA,
        converse([medium(uri="s3://a.b-c/d_e/f-g.png", bucketOwner="111122223333")], "An answer"),
    ),
    (
        NOVA_2,
        converse("a", [{"reasoningContent": {"reasoningText": {"text": "so"}}}, text("b")]),
    ),
    (PROMPTS, converse("only a question")),
    (PROMPTS, converse("a", "b", "c")),
    (PROMPTS, converse("a", "b", system="You help")),
    (SINGLE_PROMPTS, converse("a", "b")),
    (CLAUDE, anthropic("a", "b", "c", "d", system="You help")),
    (CHAT, chat(id="one", difficulty={"level": [1, 2.5, None, True]}, tools=[])),
    (CHAT, {**chat(), "reference_answer": {"solution": "x = 4", "steps": ["2x = 8"]}}),
    (
        CHAT,
        {
            "messages": [
                {"role": "system", "content": "You help"},
                {"role": "user", "content": "a"},
                {"role": "assistant", "content": "b"},
                {"role": "user", "content": "c"},
            ],
            "reference_answer": 4,
        },
    ),
    (LOGS, log(requestMetadata={"project": "one"})),
    (
        LOGS,
        log(
            operation="InvokeModel",
            input={"inputBodyJson": {"prompt": "a question", "max_gen_len": 100}},
            output={"outputBodyJson": {"generation": "an answer"}},
        ),
    ),
]


@pytest.mark.parametrize(("limits", "record"), OTHER_GOOD)
def test_what_the_documentation_shows_is_taken(limits: DataLimits, record: dict[str, Any]) -> None:
    value, findings = parse(dumped(record))
    assert value is not None
    report = Report()
    format_of(limits).explain(value, report)
    assert [*findings, *report.findings] == []


@pytest.mark.parametrize(("limits", "record"), OTHER_GOOD)
def test_the_fast_way_has_the_same_facts_as_the_exact_one(
    limits: DataLimits, record: dict[str, Any]
) -> None:
    line = dumped(record)
    quick = format_of(limits).quick(line, 0, len(line))
    exact = format_of(limits).explain(record, Report())
    if quick is not None:
        quick.fields = exact.fields
        assert quick == exact
    else:
        assert exact.media or "reasoningContent" in str(record)


def test_most_lines_go_the_fast_way() -> None:
    for format, (limits, make) in MAKERS.items():
        for words in (*SCRIPTS.values(), 'He said: "no"', "a\nb: c"):
            line = dumped(make(words))
            assert format_of(limits).quick(line, 0, len(line)) is not None, (format, words)


def test_a_validation_set_may_be_small_but_not_empty(tmp_path: Path) -> None:
    assert found_in(tmp_path, good_lines("converse", 1)[0], training=False).ok
    assert not found_in(tmp_path, b"", training=False).ok


def test_an_estimate_of_tokens_warns_and_does_not_refuse(tmp_path: Path) -> None:
    long = dumped(converse("word " * 40_000, "An answer"))
    found = found_in(tmp_path, whole([*good_lines("converse", 9), long]), limits=MICRO)
    assert [(one.kind, one.level, one.line) for one in found.findings] == [
        ("tokens", "warning", 10)
    ]
    assert found.ok


def test_a_compressed_file_is_not_taken_for_records(tmp_path: Path) -> None:
    found = found_in(tmp_path, gzip.compress(whole(good_lines("converse", 10))))
    assert not found.ok
