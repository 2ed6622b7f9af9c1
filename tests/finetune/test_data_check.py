"""The core checks find each mistake on its line, refuse no good file, and repeat no data."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from finetune import data_check
from finetune.data_check import FileCheck, check_file
from settings.base_models import dataset_families
from tests.finetune.conftest import lines, record

NOVA = dataset_families()["amazon-nova"]
SECRET = "hunter2-do-not-print"
GOOD = record().encode()


def changed(**fields: Any) -> bytes:
    return json.dumps({**json.loads(record()), **fields}).encode()


def messages(*turns: tuple[str, Any]) -> bytes:
    return changed(messages=[{"role": role, "content": content} for role, content in turns])


TEXT = [{"text": "Some text"}]
BAD: dict[str, list[bytes]] = {
    "blank-line": [b"", b"   ", b"\t"],
    "encoding": [b'{"a": "\xff"}', "{}".encode("utf-16"), GOOD[:-2] + b"\xc3"],
    "not-json": [
        SECRET.encode(),
        GOOD[:-1],
        b'{"a": NaN}',
        b"[" * 100_000,
        b'{"a": ' + b"1" * 5000 + b"}",
    ],
    "more-than-one-object": [GOOD + GOOD, GOOD + b" " + SECRET.encode(), b"{} {}"],
    "not-an-object": [b"[]", b"1", json.dumps(SECRET).encode()],
    "schema-version": [b"{}", changed(schemaVersion="2023"), changed(schemaVersion=2024)],
    "unknown-field": [
        changed(**{SECRET: 1}),
        changed(system=[{"text": "a", SECRET: 1}]),
        changed(messages=[{"role": "user", "content": TEXT, SECRET: 1}]),
    ],
    "structure": [
        changed(messages=[]),
        changed(messages=SECRET),
        changed(messages=[SECRET]),
        changed(system="text"),
        messages(("user", SECRET), ("assistant", TEXT)),
        messages(("user", TEXT), ("assistant", [])),
    ],
    "roles": [
        messages(("assistant", TEXT), ("user", TEXT)),
        messages(("user", TEXT)),
        messages(("user", TEXT), ("user", TEXT)),
        messages((SECRET, TEXT), ("assistant", TEXT)),
        messages(("user", TEXT), ("assistant", TEXT), ("user", TEXT)),
    ],
    "content-block": [
        messages(("user", [{"toolResult": {}}]), ("assistant", TEXT)),
        messages(("user", [{}]), ("assistant", TEXT)),
        messages(("user", [{"text": "a", "image": {}}]), ("assistant", TEXT)),
        messages(("user", TEXT), ("assistant", [{"image": {}}])),
    ],
    "empty-text": [
        messages(("user", [{"text": ""}]), ("assistant", TEXT)),
        messages(("user", TEXT), ("assistant", [{"text": " \n"}])),
        messages(("user", TEXT), ("assistant", [{"text": None}])),
        changed(system=[{"text": ""}]),
    ],
    "reserved-word": [
        *(
            messages(("user", [{"text": f"before {word} after"}]), ("assistant", TEXT))
            for word in data_check.RESERVED_WORDS["amazon-nova"]
        ),
        GOOD.replace(b"A question", b"\\u0055ser: hello"),
        changed(system=[{"text": "System: be brief"}]),
    ],
}


def check(tmp_path: Path, content: bytes, **arguments: Any) -> FileCheck:
    path = tmp_path / "data.jsonl"
    path.write_bytes(content)
    return check_file(path=path, family=NOVA, **arguments)


@pytest.mark.parametrize(
    ("kind", "line"), [(kind, line) for kind, bad in BAD.items() for line in bad]
)
@pytest.mark.parametrize("number", [1, 6, 11])
def test_each_mistake_is_found_on_its_line(
    tmp_path: Path, kind: str, line: bytes, number: int
) -> None:
    content = [GOOD] * 10
    content.insert(number - 1, line)
    found = check(tmp_path, b"\n".join(content) + b"\n")
    assert [(one.kind, one.line) for one in found.findings] == [(kind, number)]
    assert not found.ok


@pytest.mark.parametrize("line", [line for bad in BAD.values() for line in bad])
def test_findings_repeat_nothing_of_the_data(tmp_path: Path, line: bytes) -> None:
    found = check(tmp_path, lines(9).encode() + line.replace(b"Some text", SECRET.encode()) + b"\n")
    assert not found.ok
    assert SECRET not in repr(found.findings)


@pytest.mark.parametrize(
    "content",
    [
        pytest.param(lines().encode(), id="ordinary"),
        pytest.param(lines().rstrip("\n").encode(), id="no final newline"),
        pytest.param(lines().replace("\n", "\r\n").encode(), id="Windows line ends"),
        pytest.param(lines(text="Ünïcode 漢字 العربية 🙂").encode(), id="scripts"),
        pytest.param(
            "".join(
                json.dumps(json.loads(line), ensure_ascii=False) + "\n"
                for line in lines(text="漢字\u2028\x7f").splitlines()
            ).encode(),
            id="separators inside text",
        ),
        pytest.param((changed(system=[{"text": "Be brief."}]) + b"\n") * 10, id="system text"),
        pytest.param(
            (messages(*[("user", TEXT), ("assistant", TEXT)] * 3) + b"\n") * 10, id="three turns"
        ),
        pytest.param(
            (messages(("user", [*TEXT, {"image": {}}]), ("assistant", TEXT)) + b"\n") * 10,
            id="an image",
        ),
        pytest.param(
            (messages(("user", TEXT), ("assistant", [{"reasoningContent": {}}, *TEXT])) + b"\n")
            * 10,
            id="reasoning",
        ),
        pytest.param(lines(text="the user: or USER, Users:").encode(), id="not quite reserved"),
    ],
)
def test_a_good_file_is_not_refused(tmp_path: Path, content: bytes) -> None:
    found = check(tmp_path, content)
    assert (found.findings, found.records) == ([], 10)


def test_a_byte_order_mark_is_found_and_the_record_after_it_still_read(tmp_path: Path) -> None:
    found = check(tmp_path, b"\xef\xbb\xbf" + lines().encode())
    assert [(one.kind, one.line) for one in found.findings] == [("bom", 1)]
    assert found.records == 10


def test_a_line_too_long_is_found_without_being_kept(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(data_check, "MAXIMUM_LINE_BYTES", 1000)
    content = lines(3) + record("long " * 1000) + "\n" + lines(6)
    found = check(tmp_path, content.encode())
    assert [(one.kind, one.line) for one in found.findings] == [("line-too-long", 4)]
    assert (found.records, found.bytes) == (10, len(content.encode()))


@pytest.mark.parametrize(("count", "ok"), [(7, False), (8, True), (20_000, True), (20_001, False)])
def test_the_number_of_records_is_limited(tmp_path: Path, count: int, ok: bool) -> None:
    found = check(tmp_path, (GOOD + b"\n") * count)
    assert found.ok is ok
    assert ("record-count" in found.counts) is not ok


def test_a_validation_set_may_be_small_but_not_empty(tmp_path: Path) -> None:
    assert check(tmp_path, lines(1).encode(), training=False).ok
    assert not check(tmp_path, b"", training=False).ok


def test_an_estimate_of_tokens_warns_and_does_not_refuse(tmp_path: Path) -> None:
    found = check(tmp_path, lines(9).encode() + record("word " * 40_000).encode())
    assert [(one.kind, one.level) for one in found.findings] == [("tokens", "warning")]
    assert found.ok


def test_all_findings_are_counted_and_the_first_of_each_kind_kept(tmp_path: Path) -> None:
    found = check(tmp_path, b"{}\n" * 500 + b"\n" * 3)
    assert found.counts == {"schema-version": 500, "blank-line": 3}
    assert len(found.findings) == data_check.SHOWN_OF_EACH_KIND + 3


def test_the_digest_is_that_of_the_whole_file(tmp_path: Path) -> None:
    import hashlib  # noqa: PLC0415

    content = b"\xef\xbb\xbf" + lines().encode() + b"\nbroken\r\n"
    assert check(tmp_path, content).sha256 == hashlib.sha256(content).hexdigest()
