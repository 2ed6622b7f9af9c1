"""`finetune data check | convert | split | show`: what they print, and how they end."""

from __future__ import annotations

import gzip
import json
from pathlib import Path
from typing import Any

import pytest

from finetune.data_model import Method, limits_for
from finetune.report import CommandError
from settings import foundation_models
from tests.data.samples import SECRET, chat, converse, dumped, good_lines, log
from tests.finetune.conftest import Run
from trainingdata.limits import limits_of

MICRO = ["--model", "amazon.nova-micro-v1:0:128k"]
NOVA_2 = ["--model", "amazon.nova-2-lite-v1:0:256k"]
KEY = "AKIA" + "IOSFODNN7EXAMPLE"


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.chdir(tmp_path)
    return tmp_path


def write(name: str, lines: list[bytes]) -> Path:
    path = Path(name)
    path.write_bytes(b"\n".join(lines) + b"\n")
    return path


def good(count: int = 10, **words: str) -> list[bytes]:
    asked = words.get("asked", "Question number")
    return [dumped(converse(f"{asked} {number}", "An answer")) for number in range(count)]


def test_good_data_ends_with_0_and_says_what_was_checked(run: Run, folder: Path) -> None:
    del folder
    ended = run("data", "check", write("a.jsonl", good()), *MICRO)
    assert ended.code == 0
    assert "10 records" in ended.out
    assert "estimate" in ended.out
    assert ended.err == ""


def test_the_json_object_is_that_of_the_contract(run: Run, folder: Path) -> None:
    del folder
    bad = [*good(), b"", dumped(converse("User: a", "b")), b"{"]
    ended = run("data", "check", write("a.jsonl", bad), *MICRO, "--json")
    assert (ended.code, ended.err) == (1, "")
    answer = ended.answer
    assert {name: answer[name] for name in ("schema", "command", "ok")} == {
        "schema": 1,
        "command": "data check",
        "ok": False,
    }
    (file,) = answer["files"]
    assert (file["records"], file["counts"]) == (
        12,
        {"blank-line": 1, "reserved-word": 1, "less-than-one-object": 1},
    )
    assert [one["line"] for one in file["findings"]] == [11, 12, 13]
    assert set(file["findings"][0]) == {
        *("kind", "level", "line", "offset", "field", "message", "fix"),
    }
    assert file["findings"][1]["field"] == "messages[0].content[0].text"
    assert [one["where"] for one in answer["findings"]] == [
        {"file": "a.jsonl", "line": 11},
        {"file": "a.jsonl", "line": 12, "property": "messages[0].content[0].text"},
        {"file": "a.jsonl", "line": 13, "offset": 1},
    ]


@pytest.mark.parametrize("as_json", [True, False])
def test_nothing_of_the_data_is_printed(run: Run, folder: Path, as_json: bool) -> None:
    del folder
    bad = [*good(asked=SECRET), SECRET.encode(), dumped({SECRET: SECRET}), good(1)[0], good(1)[0]]
    bad.append(dumped(converse(f"{KEY} jane.{SECRET}@example.com", "b")))
    ended = run("data", "check", write("a.jsonl", bad), *MICRO, *(["--json"] if as_json else []))
    assert ended.code == 1
    for hidden in (SECRET, KEY, "Question"):
        assert hidden not in ended.out + ended.err
    for told in ("secret-aws-key", "personal-email", "duplicate"):
        assert told in ended.out + ended.err


def test_warnings_fail_when_strict(run: Run, folder: Path) -> None:
    del folder
    path = write("a.jsonl", [*good(), good(1)[0]])
    assert run("data", "check", path, *MICRO).code == 0
    assert run("data", "check", path, *MICRO, "--strict").code == 1
    assert run("data", "check", path, *MICRO, "--strict", "--core").code == 0


def test_core_looks_only_for_what_a_job_fails_with(run: Run, folder: Path) -> None:
    del folder
    path = write("a.jsonl", [*good(), dumped(converse(KEY, "b"))])
    assert run("data", "check", path, *MICRO).code == 1
    assert run("data", "check", path, *MICRO, "--core").code == 0


def test_only_the_first_of_each_kind_are_shown_and_all_are_counted(run: Run, folder: Path) -> None:
    del folder
    path = write("a.jsonl", [b"", b"{", b"", b"{", b"", *good()])
    answer = run("data", "check", path, *MICRO, "--first", "1", "--json").answer
    assert answer["files"][0]["counts"] == {"blank-line": 3, "less-than-one-object": 2}
    assert [one["id"] for one in answer["findings"]] == [
        "data.blank-line",
        "data.less-than-one-object",
        "data.more",
    ]
    assert "2 of blank-line" in answer["findings"][-1]["message"]


def test_records_of_training_and_validation_are_counted_together(run: Run, folder: Path) -> None:
    del folder
    few, more = write("a.jsonl", good(6)), write("b.jsonl", good(2, asked="Another"))
    assert run("data", "check", few, *MICRO).code == 1
    assert run("data", "check", few, "--validation", more, *MICRO).code == 0
    many = write("c.jsonl", good(1) * 19_999)
    ended = run("data", "check", many, "--validation", more, *MICRO, "--core", "--json")
    assert ended.ids() == ["data.record-count"]
    assert "20001" in ended.answer["findings"][0]["message"]


def test_leakage_is_an_error_of_the_validation_data(run: Run, folder: Path) -> None:
    del folder
    one, two = write("a.jsonl", good()), write("b.jsonl", good(3)[2:])
    answer = run("data", "check", one, "--validation", two, *MICRO, "--json").answer
    assert [file["counts"] for file in answer["files"]] == [{}, {"leakage": 1}]
    assert answer["findings"][0]["where"] == {"file": "b.jsonl", "line": 1}


def test_validation_data_that_is_ignored_is_a_warning(run: Run, folder: Path) -> None:
    del folder
    one, two = write("a.jsonl", good()), write("b.jsonl", good(2, asked="Another"))
    ended = run("data", "check", one, "--validation", two, *NOVA_2, "--json")
    assert (ended.code, ended.ids()) == (0, ["data.validation-data"])


def test_several_files_are_told_apart(run: Run, folder: Path) -> None:
    del folder
    files = [write("a.jsonl", good()), write("b.jsonl", [*good(), b"{"])]
    answer = run("data", "check", *files, *MICRO, "--json").answer
    assert [file["ok"] for file in answer["files"]] == [True, False]


@pytest.mark.parametrize(
    ("options", "line"),
    [
        (["--method", "distillation"], good_lines("distillation-prompts", 1)[0]),
        (["--method", "distillation", "--invocation-logs"], dumped(log())),
    ],
)
def test_other_methods_take_other_records(
    run: Run, folder: Path, options: list[str], line: bytes
) -> None:
    del folder
    path = write("a.jsonl", [line] * 100)
    assert run("data", "check", path, *MICRO, *options, "--core").code == 0
    assert run("data", "check", path, *MICRO, "--core").code == 1


def test_reinforcement_takes_chats(run: Run, folder: Path) -> None:
    del folder
    path = write("a.jsonl", [dumped(chat())] * 100)
    assert run("data", "check", path, *NOVA_2, "--method", "reinforcement", "--core").code == 0
    assert run("data", "check", path, *NOVA_2, "--core").code == 1


@pytest.mark.parametrize(
    ("arguments", "finding"),
    [
        (["check", "absent.jsonl", *MICRO], "unreadable-file"),
        (["check", ".", *MICRO], "unreadable-file"),
        (["check", "a.jsonl", "--validation", "absent", *MICRO], "unreadable-file"),
        (["check", "a.jsonl.gz", *MICRO], "compressed-file"),
        (["check", "a.jsonl", "--model", "amazon.nova-mikro-v1:0:128k"], "unknown-model"),
        (["check", "a.jsonl", "--model", "amazon.nova-canvas-v1:0"], "unknown-format"),
        (["check", "a.jsonl", *MICRO, "--method", "reinforcement"], "unknown-format"),
        (["check", "a.jsonl", *MICRO, "--invocation-logs"], "logs-not-taken"),
        (["check", "a.jsonl"], "usage"),
        (["check", *MICRO], "usage"),
        (["check", "a.jsonl", *MICRO, "--method", "magic"], "usage"),
        (["convert", "absent.csv", "--to", "b.jsonl", *MICRO], "unreadable-file"),
        (["convert", "a.jsonl", "--to", "a.jsonl", *MICRO], "file-exists"),
        (["convert", "bad.json", "--to", "b.jsonl", *MICRO], "unreadable-rows"),
        (["convert", "a.jsonl", "--to", "no/such/b.jsonl", *MICRO], "unwritable-file"),
        (["split", "absent.jsonl", *MICRO], "unreadable-file"),
        (["split", "a.jsonl", *MICRO, "--validation", "0"], "split-share"),
        (["split", "a.jsonl", *MICRO, "--validation", "10"], "split-share"),
        (["show", "absent.jsonl", *MICRO], "unreadable-file"),
    ],
)
def test_wrong_use_ends_with_2(run: Run, folder: Path, arguments: list[str], finding: str) -> None:
    del folder
    write("a.jsonl", good())
    write("bad.json", [b"{"])
    Path("a.jsonl.gz").write_bytes(gzip.compress(b"{}"))
    ended = run("data", *arguments, "--json")
    assert (ended.code, ended.ids(), ended.err) == (2, [finding], "")
    assert ended.answer["findings"][0]["fix"]


def test_a_model_of_ones_own_takes_what_its_base_model_takes(run: Run, folder: Path) -> None:
    del folder
    own = (
        "arn:aws:bedrock:us-east-1:111122223333:custom-model/amazon.nova-micro-v1:0:128k/"
        "abcdefghijkl"
    )
    path = write("a.jsonl", good())
    assert run("data", "check", path, "--model", own).code == 0
    other = own.replace("custom-model", "imported-model")
    assert run("data", "check", path, "--model", other, "--json").ids() == ["unknown-model"]


def test_a_mistyped_model_is_told_its_nearest(run: Run, folder: Path) -> None:
    del folder
    write("a.jsonl", good())
    ended = run("data", "check", "a.jsonl", "--model", "amazon.nova-mikro-v1:0:128k", "--json")
    assert "amazon.nova-micro-v1:0:128k" in ended.answer["findings"][0]["fix"]


def test_a_table_becomes_a_data_set_that_the_check_takes(run: Run, folder: Path) -> None:
    rows = "".join(f"Question {number},Answer {number}\n" for number in range(10))
    (folder / "a.csv").write_text("Question,Answer\n" + rows)
    ended = run("data", "convert", "a.csv", "--to", "b.jsonl", *MICRO, "--json")
    assert (ended.code, ended.answer["records"]) == (0, 10)
    assert run("data", "check", "b.jsonl", *MICRO, "--core").code == 0
    assert run("data", "convert", "a.csv", "--to", "b.jsonl", *MICRO).code == 2
    assert run("data", "convert", "a.csv", "--to", "b.jsonl", *MICRO, "--force").code == 0


def test_bad_rows_end_with_1_unless_left_out(run: Run, folder: Path) -> None:
    (folder / "a.csv").write_text(f"prompt,completion\na,b\n{SECRET}\n")
    ended = run("data", "convert", "a.csv", "--to", "b.jsonl", *MICRO, "--json")
    assert (ended.code, ended.ids()) == (1, ["data.row"])
    assert SECRET not in ended.out
    assert not (folder / "b.jsonl").exists()
    ended = run("data", "convert", "a.csv", "--to", "b.jsonl", *MICRO, "--skip-bad", "--json")
    assert (ended.code, ended.answer["records"], ended.answer["skipped"]) == (0, 1, 1)


def test_rows_that_make_no_record_at_all_end_with_1(run: Run, folder: Path) -> None:
    (folder / "a.csv").write_text("prompt,completion\n")
    ended = run("data", "convert", "a.csv", "--to", "b.jsonl", *MICRO, "--json")
    assert (ended.code, ended.ids()) == (1, ["no-records"])


def test_a_split_writes_two_files_that_pass_together(run: Run, folder: Path) -> None:
    del folder
    lines = [
        dumped(converse(f"{number} {'word ' * number}{number * 7919}", f"{number}"))
        for number in range(50)
    ]
    write("a.jsonl", lines)
    ended = run("data", "split", "a.jsonl", *MICRO, "--validation", "0.2", "--json")
    assert ended.code == 0
    assert ended.answer["training"]["records"] + ended.answer["validation"]["records"] == 50
    assert (
        run("data", "check", "a.train.jsonl", "--validation", "a.validation.jsonl", *MICRO).code
        == 0
    )
    assert run("data", "split", "a.jsonl", *MICRO).code == 2


def test_what_cannot_be_parted_or_is_broken_is_not_split(run: Run, folder: Path) -> None:
    del folder
    write("a.jsonl", good(1) * 10)
    assert run("data", "split", "a.jsonl", *MICRO, "--json").ids() == ["split-alike"]
    write("b.jsonl", [*good(), b"{"])
    ended = run("data", "split", "b.jsonl", *MICRO, "--json")
    assert (ended.code, ended.ids()) == (1, ["data.less-than-one-object"])
    assert not list(Path().glob("*.validation.jsonl"))


def test_show_prints_records_and_a_histogram(run: Run, folder: Path) -> None:
    del folder
    lines = [dumped(converse("short", "x")), b"{", dumped(converse("long " * 100, "\x1b[31m y"))]
    write("a.jsonl", lines)
    ended = run("data", "show", "a.jsonl", *MICRO)
    assert ended.code == 0
    assert "short" in ended.out
    assert "\x1b" not in ended.out
    assert "no record" in ended.out
    assert "█" in ended.out
    answer: dict[str, Any] = run(
        "data", "show", "a.jsonl", *MICRO, "--line", "3", "--records", "1", "--json"
    ).answer
    assert [one["line"] for one in answer["records"]] == [3]
    assert answer["lengths"]["records"] == 2
    assert sum(row["records"] for row in answer["lengths"]["histogram"]) == 2
    none = run("data", "show", "a.jsonl", *MICRO, "--records", "0", "--json").answer
    assert "short" not in json.dumps(none)


def test_a_bar_is_shown_to_a_person_who_watches(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    del folder
    path = write("a.jsonl", good())
    assert run("data", "check", path, *MICRO).err == ""
    monkeypatch.setattr("sys.stderr.isatty", lambda: True, raising=False)
    monkeypatch.setenv("FORCE_COLOR", "1")
    assert "checking a.jsonl" in run("data", "check", path, *MICRO).err


def test_a_process_that_is_killed_is_told(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from concurrent.futures.process import BrokenProcessPool  # noqa: PLC0415

    del folder

    def broken(**_: object) -> None:
        raise BrokenProcessPool

    monkeypatch.setattr("trainingdata.check.check_file", broken)
    ended = run("data", "check", write("a.jsonl", good()), *MICRO, "--json")
    assert (ended.code, ended.ids()) == (2, ["process-ended"])


def test_a_file_that_changes_meanwhile_is_told(
    run: Run, folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from trainingdata import check  # noqa: PLC0415

    path = write("a.jsonl", good())
    absorb = check._absorb

    def growing(*arguments: Any, **more: Any) -> None:
        absorb(*arguments, **more)
        (folder / "a.jsonl").write_bytes(b"{}")

    monkeypatch.setattr(check, "_absorb", growing)
    ended = run("data", "check", path, *MICRO, "--json")
    assert (ended.code, ended.ids()) == (2, ["file-changed"])


def test_the_quick_way_to_the_limits_says_what_the_checked_catalogue_does() -> None:
    for model in foundation_models().values():
        for name, family in model.families.items():
            method = next(one for one in Method if one.api_name == name)
            assert limits_for(model=model.id, method=method) == limits_of(family)


def test_a_model_that_no_table_has_is_refused_with_those_like_it() -> None:
    with pytest.raises(CommandError, match="there is no base model"):
        limits_for(model="amazon.nova-mikro-v1:0:128k", method=Method.FINE_TUNING)
