"""The sample data set is what its cases say, in the right form, and fit to be trained on."""

from __future__ import annotations

import hashlib
import importlib.util
import itertools
import json
import re
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
import yaml

from settings.base_models import dataset_families
from tests.finetune.conftest import ROOT
from trainingdata.check import check_file
from trainingdata.limits import limits_of

FOLDER = ROOT / "examples" / "policy-review"
FILES = {"policy-review": "train.jsonl", "policy-review-validation": "validation.jsonl"}
RESERVED = ("user:", "bot:", "assistant:", "system:", "<image>", "<video>", "[eos]")


@pytest.fixture(scope="module")
def build() -> ModuleType:
    spec = importlib.util.spec_from_file_location("policy_review_build", FOLDER / "build.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def records(name: str) -> list[dict[str, Any]]:
    return [json.loads(line) for line in (FOLDER / FILES[name]).read_text().splitlines()]


def texts(name: str, *, role: str | None = None) -> list[str]:
    return [
        "\n".join(
            block["text"]
            for message in found["messages"]
            if role in (None, message["role"])
            for block in message["content"]
        )
        for found in records(name)
    ]


ALL = [(name, text) for name in FILES for text in texts(name)]


def shingles(text: str, *, size: int = 4) -> set[tuple[str, ...]]:
    words = re.findall(r"\w+", text.lower())
    return set(zip(*(words[start:] for start in range(size)), strict=False))


def likeness(one: str, other: str) -> float:
    """Return the share of the four-word sequences of two texts that are in both."""
    first, second = shingles(one), shingles(other)
    return len(first & second) / len(first | second)


def test_the_files_are_what_the_cases_say(build: ModuleType) -> None:
    assert build.render(files=build.TRAINING_CASES) == (FOLDER / "train.jsonl").read_text()
    assert build.render(files=build.VALIDATION_CASES) == (FOLDER / "validation.jsonl").read_text()


def test_there_are_at_least_200_records_to_train_on() -> None:
    assert len(records("policy-review")) >= 200
    assert len(records("policy-review-validation")) >= 20


@pytest.mark.parametrize("name", FILES)
def test_the_core_checks_find_nothing(name: str) -> None:
    limits = limits_of(dataset_families()["amazon-nova"])
    found = check_file(path=FOLDER / FILES[name], limits=limits, core=True)
    assert found.findings == []


@pytest.mark.parametrize("name", FILES)
def test_the_lock_file_holds_the_committed_data(name: str) -> None:
    entry = json.loads((ROOT / "config" / "datasets.lock.json").read_text())[name]
    content = (FOLDER / FILES[name]).read_bytes()
    assert entry["sha256"] == hashlib.sha256(content).hexdigest()
    assert entry["bytes"] == len(content)


def test_every_answer_has_the_four_lines(build: ModuleType) -> None:
    for name in FILES:
        for found in records(name):
            for message in found["messages"]:
                if message["role"] == "assistant":
                    assert build.ANSWER.fullmatch(message["content"][0]["text"])


def test_an_answer_of_another_shape_is_refused(build: ModuleType) -> None:
    for text in ("Question\n\nRisk: high\nFinding: f", "Risk: high\nFinding: f\nWhy: w\nRemedy: r"):
        with pytest.raises(build.CaseError):
            build.parse_turn(text=text, place="here")


def test_each_verdict_is_learned_from_many_examples() -> None:
    for risk in ("critical", "high", "medium", "low"):
        assert sum(f"Risk: {risk}" in text for text in texts("policy-review")) >= 20


def test_no_two_records_are_alike_and_nothing_leaks_into_validation() -> None:
    sets = [(text[:60], shingles(text)) for _, text in ALL]
    for (one, first), (other, second) in itertools.combinations(sets, 2):
        assert len(first & second) / len(first | second) < 0.2, (one, other)


def test_the_measure_of_likeness_sees_a_near_duplicate() -> None:
    text = texts("policy-review")[0]
    assert likeness(text, text.replace("ACCOUNT_ID", "OTHER_ACCOUNT")) > 0.5


def test_no_question_is_asked_twice() -> None:
    questions = [text.partition("\n")[0] for name in FILES for text in texts(name, role="user")]
    assert sorted(questions) == sorted(set(questions))


def test_no_record_holds_a_reserved_word_in_any_case() -> None:
    for _, text in ALL:
        assert not [word for word in RESERVED if word in text.lower()]


def test_no_record_holds_an_account_id_or_a_key() -> None:
    for _, text in ALL:
        assert not re.search(r"\d{12}|A[KS]IA[A-Z0-9]{12}|-----BEGIN", text)


def test_addresses_are_private_or_from_the_ranges_for_documentation() -> None:
    allowed = re.compile(r"^(10\.|0\.0\.0\.0|192\.0\.2\.|198\.51\.100\.|203\.0\.113\.)")
    for _, text in ALL:
        for address in re.findall(r"\b\d{1,3}(?:\.\d{1,3}){3}\b", text):
            assert allowed.match(address), address


class Intrinsics(yaml.SafeLoader):
    """YAML with CloudFormation's tags, whose values do not matter here."""


Intrinsics.add_multi_constructor("!", lambda *_: None)


def test_snippets_are_written_in_the_language_they_name() -> None:
    for _, text in ALL:
        for language, snippet in re.findall(r"```(\w+)\n(.*?)```", text, re.DOTALL):
            match language:
                case "json":
                    json.loads(snippet)
                case "yaml":
                    yaml.load(snippet, Intrinsics)  # noqa: S506 a safe loader with ignored tags
                case "python":
                    compile(snippet, "snippet", "exec")
                case _:
                    assert language in {"bash", "text"}


def test_a_snippet_that_is_broken_would_be_seen() -> None:
    with pytest.raises(ValueError, match="Expecting"):
        json.loads('{"Effect": "Allow",}')


def test_the_readme_counts_right() -> None:
    text = Path(FOLDER / "README.md").read_text()
    assert f"{len(records('policy-review'))} training records" in text
    assert f"{len(records('policy-review-validation'))} validation records" in text
