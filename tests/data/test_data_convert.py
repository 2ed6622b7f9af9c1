"""Tables and records of other tools become records that the check takes."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.data.samples import CHAT, CLAUDE, LLAMA, NOVA, PROMPTS, SECRET, found_in
from trainingdata.convert import Columns, Converted, convert
from trainingdata.limits import DataLimits
from trainingdata.rows import RowsError

ALPACA = {"instruction": "Translate", "input": "Hallo", "output": "Hello"}
SHARE = {
    "conversations": [
        {"from": "system", "value": "You help"},
        {"from": "human", "value": "a"},
        {"from": "gpt", "value": "b"},
    ]
}
OPENAI = {
    "messages": [
        {"role": "system", "content": "You help"},
        {"role": "user", "content": [{"type": "text", "text": "a"}]},
        {"role": "assistant", "content": "b"},
    ]
}


def made(
    folder: Path, content: str | bytes, *, name: str, limits: DataLimits = NOVA, **options: Any
) -> tuple[Converted, list[Any]]:
    """Convert a file of some content; return what came of it and the records written."""
    source, target = folder / name, folder / "made.jsonl"
    source.write_bytes(content if isinstance(content, bytes) else content.encode())
    target.unlink(missing_ok=True)
    result = convert(source=source, target=target, limits=limits, **options)
    # Not by splitlines: a line separator within a text ends no record.
    written = target.read_text().rstrip("\n").split("\n") if target.exists() else []
    return result, [json.loads(line) for line in written]


def said(record: dict[str, Any]) -> list[str]:
    return [block["text"] for message in record["messages"] for block in message["content"]]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        ("prompt,completion\na,b\n", "a.csv"),
        ("Prompt,Completion\r\na,b\r\n", "a.CSV"),
        ("\ufeffquestion;answer\na;b", "a.csv"),
        ("id\tinput\toutput\n1\ta\tb", "a.tsv"),
        ("user|assistant\na|b", "a.csv"),
        ('"prompt","completion"\n"a","b"', "a.csv"),
        ('[{"query": "a", "response": "b"}]', "a.json"),
        ('{"version": 1, "data": [{"prompt": "a", "target": "b"}]}', "a.json"),
        ('{"prompt": "a", "completion": "b"}', "a.json"),
        ('{"problem": "a", "solution": "b"}\r\n\r\n', "a.jsonl"),
        ('\ufeff{"prompt": "a", "label": "b"}\n', "a.ndjson"),
        ('[{"prompt": "a", "completion": "b"}]', "a.txt"),
        ('{"prompt": "a", "completion": "b"}', "a.data"),
        (
            '{"messages": [{"role": "user", "content": "a"}, {"role": "model", "content": "b"}]}',
            "a.jsonl",
        ),
    ],
)
def test_common_shapes_are_read(content: str, name: str, tmp_path: Path) -> None:
    result, records = made(tmp_path, content, name=name)
    assert (result.records, result.skipped) == (1, 0)
    assert said(records[0]) == ["a", "b"]


def test_quotes_line_ends_and_separators_in_a_table_stay_in_their_text(tmp_path: Path) -> None:
    content = 'prompt,completion\n"one, ""two""\nthree",ü\n'
    _, records = made(tmp_path, content, name="a.csv")
    assert said(records[0]) == ['one, "two"\nthree', "ü"]


@pytest.mark.parametrize("row", [SHARE, OPENAI])
def test_conversations_keep_their_system_prompt(row: dict[str, Any], tmp_path: Path) -> None:
    for limits in (NOVA, CLAUDE, LLAMA, CHAT, PROMPTS):
        _, records = made(tmp_path, json.dumps(row), name="a.jsonl", limits=limits)
        assert "You help" in json.dumps(records[0])


def test_an_instruction_and_its_input_are_asked_together(tmp_path: Path) -> None:
    _, records = made(tmp_path, json.dumps(ALPACA), name="a.jsonl")
    assert said(records[0]) == ["Translate\n\nHallo", "Hello"]
    _, records = made(tmp_path, json.dumps({**ALPACA, "input": ""}), name="a.jsonl")
    assert said(records[0]) == ["Translate", "Hello"]


@pytest.mark.parametrize("limits", [NOVA, LLAMA, CLAUDE, CHAT, PROMPTS])
def test_what_is_written_passes_the_check(limits: DataLimits, tmp_path: Path) -> None:
    rows = [{"prompt": f"question {n}: \u2028", "completion": f'answer "{n}"'} for n in range(100)]
    made(tmp_path, json.dumps(rows), name="a.json", limits=limits, system="You help")
    content = (tmp_path / "made.jsonl").read_bytes()
    found = found_in(tmp_path, content, limits=limits)
    assert (found.counts, found.records) == ({}, 100)


def test_a_reward_function_gets_the_answer_or_what_is_called_so(tmp_path: Path) -> None:
    rows = [{"prompt": "a", "answer": "b"}, {"prompt": "a", "reference_answer": {"x": 4}}]
    _, records = made(tmp_path, json.dumps(rows), name="a.json", limits=CHAT)
    assert [record["reference_answer"] for record in records] == ["b", {"x": 4}]
    assert all(record["messages"] == [{"role": "user", "content": "a"}] for record in records)


def test_prompts_alone_are_enough_for_distillation_only(tmp_path: Path) -> None:
    content = "prompt\na\nb\n"
    assert made(tmp_path, content, name="a.csv", limits=PROMPTS)[0].records == 2
    assert made(tmp_path, content, name="a.csv", limits=NOVA)[0].tally.errors == 2


def test_columns_can_be_named(tmp_path: Path) -> None:
    content = "text,prompt,out,hint\na,x,b,c\n"
    columns = Columns(prompt="text", completion="out", system="hint")
    _, records = made(tmp_path, content, name="a.csv", columns=columns)
    assert said(records[0]) == ["a", "b"]
    assert records[0]["system"] == [{"text": "c"}]
    result, _ = made(tmp_path, content, name="a.csv", columns=Columns(prompt="missing"))
    assert result.tally.errors == 1


@pytest.mark.parametrize(
    ("content", "name", "line"),
    [
        (f"prompt,completion\na,b\n{SECRET}\na,b\n", "a.csv", 3),
        (f"prompt,completion\na,b\na,b,{SECRET}\n", "a.csv", 3),
        (f"prompt,completion\na,\n{SECRET},b\n", "a.csv", 2),
        (f"{SECRET},x\na,b\n", "a.csv", 2),
        (f'["{SECRET}"]', "a.json", 1),
        ('[{"prompt": "a", "completion": "b"}, {"prompt": ["x"], "completion": "b"}]', "a.json", 2),
        (f'{{"prompt": "a", "completion": "b"}}\n{SECRET}\n', "a.jsonl", 2),
        (f'{{"messages": [{{"role": "{SECRET}", "content": "a"}}]}}', "a.jsonl", 1),
        ('{"messages": [{"role": "user", "content": 1}]}', "a.jsonl", 1),
        ('{"messages": []}', "a.jsonl", 1),
        ('{"messages": [1]}', "a.jsonl", 1),
        ('{"prompt": "a", "prompt": "b", "completion": "c"}', "a.jsonl", 1),
    ],
)
def test_a_bad_row_is_told_by_line_and_nothing_is_written(
    content: str, name: str, line: int, tmp_path: Path
) -> None:
    result, records = made(tmp_path, content, name=name)
    assert [one.line for one in result.tally.findings] == [line]
    assert records == []
    assert SECRET not in repr(result.tally.findings)
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_bad_rows_can_be_left_out(tmp_path: Path) -> None:
    content = "prompt,completion\na,b\nc\nd,e\n"
    result, records = made(tmp_path, content, name="a.csv", skip_bad=True)
    assert (result.records, result.skipped) == (2, 1)
    assert [said(record)[0] for record in records] == ["a", "d"]


@pytest.mark.parametrize(
    ("content", "name"),
    [
        (b"prompt,completion\n\xff,b", "a.csv"),
        (b'prompt,completion\n"a,b', "a.csv"),
        (b"not JSON", "a.json"),
        (b"1", "a.json"),
        (b"\xff\xfe", "a.json"),
    ],
)
def test_a_file_of_another_kind_is_refused(content: bytes, name: str, tmp_path: Path) -> None:
    with pytest.raises(RowsError) as refused:
        made(tmp_path, content, name=name)
    assert refused.value.fix
    assert [one.name for one in tmp_path.iterdir()] == [name]


def test_a_conversation_is_no_prompt_and_completion(tmp_path: Path) -> None:
    turns = [{"role": ("user", "assistant")[n % 2], "content": "a"} for n in range(4)]
    row = json.dumps({"messages": turns})
    assert made(tmp_path, row, name="a.jsonl", limits=LLAMA)[0].tally.errors == 1
    assert made(tmp_path, row, name="a.jsonl", limits=CLAUDE)[0].tally.errors == 0


def test_pictures_stay_where_the_format_takes_them_and_are_refused_elsewhere(
    tmp_path: Path,
) -> None:
    picture = {"image": {"format": "png", "source": {"s3Location": {"uri": "s3://a-b/c.png"}}}}
    row = json.dumps(
        {
            "messages": [
                {"role": "user", "content": [{"text": "a"}, picture]},
                {"role": "assistant", "content": [{"text": "b"}]},
            ]
        }
    )
    _, records = made(tmp_path, row, name="a.jsonl")
    assert records[0]["messages"][0]["content"][1] == picture
    assert made(tmp_path, row, name="a.jsonl", limits=CLAUDE)[0].tally.errors == 1
