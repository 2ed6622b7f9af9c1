"""The lock file changes in one step, and only when what it says changes."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from finetune.lock_file import Entry, read_entries, write_entry
from finetune.report import CommandError


def entry(*, digest: str = "a" * 64, at: str = "2026-01-01T00:00:00Z") -> Entry:
    return {
        "sha256": digest,
        "key": f"fine-tuning-datasets/set/{digest}/data.jsonl",
        "bytes": 1,
        "records": 1,
        "check": {"version": "1", "model_family": "amazon-nova", "ok": True, "at": at},
    }


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "datasets.lock.json"


def test_an_entry_is_added_to_the_others_in_the_order_of_names(path: Path) -> None:
    write_entry(path=path, name="b", entry=entry())
    write_entry(path=path, name="a", entry=entry())
    assert list(read_entries(path=path)) == ["a", "b"]


def test_only_another_time_leaves_the_file_alone(path: Path) -> None:
    write_entry(path=path, name="set", entry=entry())
    before = path.stat().st_ino
    assert not write_entry(path=path, name="set", entry=entry(at="2027-01-01T00:00:00Z"))
    assert path.stat().st_ino == before


def test_another_digest_changes_the_file(path: Path) -> None:
    write_entry(path=path, name="set", entry=entry())
    assert write_entry(path=path, name="set", entry=entry(digest="b" * 64))


def test_another_version_of_the_check_changes_the_file(path: Path) -> None:
    write_entry(path=path, name="set", entry=entry())
    newer = entry()
    newer["check"]["version"] = "2"
    assert write_entry(path=path, name="set", entry=newer)


def test_a_write_that_fails_leaves_the_old_file_and_nothing_else(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_entry(path=path, name="set", entry=entry())
    before = path.read_bytes()

    def fail(*_: object) -> None:
        raise OSError("no space left")

    monkeypatch.setattr(Path, "replace", fail)
    with pytest.raises(OSError, match="no space"):
        write_entry(path=path, name="set", entry=entry(digest="b" * 64))
    assert path.read_bytes() == before
    assert [found.name for found in path.parent.iterdir()] == [path.name]


def test_the_file_is_readable_by_others_like_any_other(path: Path) -> None:
    write_entry(path=path, name="set", entry=entry())
    (path.parent / "ordinary").touch()
    assert path.stat().st_mode == (path.parent / "ordinary").stat().st_mode


def test_the_file_ends_with_a_newline_and_is_indented_for_reviews(path: Path) -> None:
    write_entry(path=path, name="set", entry=entry())
    assert path.read_text() == json.dumps({"set": entry()}, indent=2) + "\n"


@pytest.mark.parametrize("content", [b"{", b"[]", b"\xff"])
def test_a_file_that_is_not_ours_is_refused(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    with pytest.raises(CommandError):
        write_entry(path=path, name="set", entry=entry())
    assert path.read_bytes() == content
