"""The same records, and nearly the same, are found in one data set and between two."""

from __future__ import annotations

import json
import random
from pathlib import Path

import pytest

from tests.data.samples import MAKERS, converse, dumped, found_in, good_lines, medium, text
from trainingdata.check import FileCheck
from trainingdata.duplicates import Records, duplicates, leaks
from trainingdata.split import choose, part

CHANCE = random.Random(7)  # noqa: S311 no secrets
WORDS = ["".join(CHANCE.choices("abcdefghijklmnop", k=6)) for _ in range(3000)]


def passage(length: int, *, seed: int) -> list[str]:
    return random.Random(seed).choices(WORDS, k=length)  # noqa: S311


def check(folder: Path, records: list[bytes], *, name: str = "data.jsonl") -> FileCheck:
    return found_in(folder, b"\n".join(records), core=False, name=name)


def told(folder: Path, records: list[bytes]) -> list[tuple[str, int | None]]:
    found = check(folder, records)
    return [(one.kind, one.line) for one in duplicates(Records.of(found))]


@pytest.mark.parametrize("format", MAKERS)
def test_the_same_record_is_told_however_it_is_written(format: str, tmp_path: Path) -> None:
    limits, _ = MAKERS[format]
    lines = good_lines(format, 12)
    again = json.dumps(json.loads(lines[3]), indent=None, separators=(" ,", ": ")).encode()
    turned = dumped(dict(reversed(json.loads(lines[5]).items())))
    content = b"\n".join([*lines, again, lines[0], turned])
    found = found_in(tmp_path, content, limits=limits, core=False)
    assert [
        (one.kind, one.line, one.level)
        for one in duplicates(Records.of(found))
        if one.kind == "duplicate"
    ] == [("duplicate", 13, "warning"), ("duplicate", 14, "warning"), ("duplicate", 15, "warning")]


@pytest.mark.parametrize("length", [30, 200, 1000, 1030, 2100, 8000])
def test_a_few_changed_words_are_seen_through_and_many_are_not(length: int, tmp_path: Path) -> None:
    words = passage(length, seed=length)
    few, many = list(words), list(words)
    few[length // 2] = "changed"
    for at in range(0, length, 3):
        many[at] = f"other{at}"
    records = [
        dumped(converse(" ".join(passage(length, seed=100_000 + number)), "yes"))
        for number in range(30)
    ]
    records += [dumped(converse(" ".join(one), "yes")) for one in (words, few, many)]
    assert told(tmp_path, records) == [("near-duplicate", 32)]


def test_case_and_space_alone_make_no_difference(tmp_path: Path) -> None:
    records = [
        dumped(converse("What is the capital of Mars then my friend", "None")),
        dumped(converse("what is  the capital\nof Mars then my FRIEND", "none")),
        dumped(converse("Short one", "yes")),
        dumped(converse("short  one", "Yes")),
        dumped(converse("Short two", "yes")),
    ]
    assert told(tmp_path, records) == [("near-duplicate", 2), ("near-duplicate", 4)]


def test_scripts_without_spaces_are_compared_by_characters(tmp_path: Path) -> None:
    letters = [chr(CHANCE.randrange(0x4E00, 0x9FA5)) for _ in range(400)]
    other = "".join(chr(CHANCE.randrange(0x4E00, 0x9FA5)) for _ in range(400))
    changed = [*letters[:200], "新", *letters[201:]]
    records = [dumped(converse(one, "好")) for one in ("".join(letters), "".join(changed), other)]
    assert told(tmp_path, records) == [("near-duplicate", 2)]


def test_the_same_question_about_other_pictures_is_no_duplicate(tmp_path: Path) -> None:
    asked = "what is there to be seen in this picture, in one sentence please"
    records = [
        dumped(converse([text(asked), medium(uri=f"s3://a-bucket/{number}.png")], "a dog"))
        for number in (1, 2, 1)
    ]
    assert told(tmp_path, records) == [("duplicate", 3)]


def test_other_roles_or_another_answer_are_another_record(tmp_path: Path) -> None:
    records = [
        dumped(converse("a", "b", "c", "d")),
        dumped(converse([text("a"), text("b")], "c")),
        dumped(converse("a", "b")),
        dumped(converse("a", "c")),
        dumped(converse("a", "b", system="c")),
    ]
    assert [kind for kind, _ in told(tmp_path, records) if kind == "duplicate"] == []


def test_leakage_is_told_with_the_lines_of_both(tmp_path: Path) -> None:
    training = good_lines("converse", 20)
    long = passage(100, seed=5)
    training.append(dumped(converse(" ".join(long), "yes")))
    long[50] = "changed"
    validation = [
        dumped(converse("quite another question", "An answer")),
        training[4],
        dumped(converse("Question number 7", "another answer")),
        dumped(converse(" ".join(long), "yes")),
        dumped(converse("and one more of its own kind", "An answer")),
    ]
    found = list(
        leaks(
            training=Records.of(check(tmp_path, training, name="one.jsonl")),
            validation=Records.of(check(tmp_path, validation, name="two.jsonl")),
            file="one.jsonl",
        )
    )
    assert [(one.kind, one.line, one.level) for one in found] == [
        ("leakage", 2, "error"),
        ("leakage", 3, "error"),
        ("near-leakage", 4, "warning"),
    ]
    assert ["line 5" in found[0].message, "line 8" in found[1].message] == [True, True]
    assert "line 21" in found[2].message


def test_a_split_has_no_leakage_is_repeatable_and_loses_nothing(tmp_path: Path) -> None:
    chance = random.Random(3)  # noqa: S311
    lines = []
    for number in range(120):
        words = passage(200, seed=number)
        for _ in range(chance.randint(1, 3)):
            again = list(words)
            again[chance.randrange(200)] = "changed"
            lines.append(dumped(converse(" ".join(again), f"answer {chance.random()}")))
    chance.shuffle(lines)
    source = tmp_path / "data.jsonl"
    found = check(tmp_path, lines)
    taken = []
    for seed in (1, 1, 2):
        chosen, groups = choose(check=found, validation=len(lines) // 10, seed=seed)
        assert groups == 120
        one, two = tmp_path / "one.jsonl", tmp_path / "two.jsonl"
        done = part(source=source, training=one, validation=two, chosen=chosen, groups=groups)
        training, validation = one.read_bytes().splitlines(), two.read_bytes().splitlines()
        assert sorted([*training, *validation]) == sorted(lines)
        assert (done.training, done.validation) == (len(training), len(validation))
        assert len(lines) // 10 - 3 <= len(validation) <= len(lines) // 10
        leaked = leaks(
            training=Records.of(check(tmp_path, training, name="three.jsonl")),
            validation=Records.of(check(tmp_path, validation, name="four.jsonl")),
            file="",
        )
        assert list(leaked) == []
        taken.append(validation)
    assert taken[0] == taken[1] != taken[2]
    careless = leaks(
        training=Records.of(check(tmp_path, lines[20:], name="three.jsonl")),
        validation=Records.of(check(tmp_path, lines[:20], name="four.jsonl")),
        file="",
    )
    assert list(careless) != []
