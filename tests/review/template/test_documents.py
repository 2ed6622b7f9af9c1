"""A file is read as CloudFormation reads it, or refused with the line and what to do."""

from __future__ import annotations

import json
import time
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from review.template.documents import MAX_BYTES, MAX_DEPTH, parse_document, read_document
from review.template.errors import UnreadableError

YAML = """\
AWSTemplateFormatVersion: 2010-09-09
Resources:
  Bucket:
    Type: AWS::S3::Bucket
    Properties:
      BucketName: !Sub "${AWS::StackName}-data"
      Tags:
        - Key: owner
          Value: !Join
            - "-"
            - - a
              - !Ref AWS::Region
      Other: !If [Chosen, !Ref A, !GetAtt B.Arn.More]
  Policy:
    Type: AWS::S3::BucketPolicy
    Properties: {Number: 0x1F, Yes: on, Nothing: ~, Text: "80", Float: 1.5, Port: 443}
"""


def properties(text: str, name: str, resource: str = "Bucket") -> Any:  # noqa: ANN401 - any YAML
    return parse_document(text, name=name).value["Resources"][resource]["Properties"]


def test_short_forms_become_functions() -> None:
    read = properties(YAML, "a.yaml")
    assert read["BucketName"] == {"Fn::Sub": "${AWS::StackName}-data"}
    assert read["Tags"][0]["Value"] == {"Fn::Join": ["-", ["a", {"Ref": "AWS::Region"}]]}
    assert read["Other"] == {"Fn::If": ["Chosen", {"Ref": "A"}, {"Fn::GetAtt": ["B", "Arn.More"]}]}


def test_plain_values_are_those_of_yaml_1_1_but_dates_stay_texts() -> None:
    assert parse_document(YAML, name="a").value["AWSTemplateFormatVersion"] == "2010-09-09"
    read = properties(YAML, "a.yaml", "Policy")
    assert read == {
        "Number": 31, "Yes": True, "Nothing": None, "Text": "80", "Float": 1.5, "Port": 443
    }  # fmt: skip


@pytest.mark.parametrize(
    ("place", "line"),
    [
        (("Resources", "Bucket"), 3),
        (("Resources", "Bucket", "Properties", "BucketName"), 6),
        (("Resources", "Bucket", "Properties", "Tags", 0, "Value"), 9),
        (("Resources", "Bucket", "Properties", "Other", "Fn::If", 1), 13),
        (("Resources", "Policy", "Properties", "Port"), 16),
        # What is not there is told where it would have to be.
        (("Resources", "Bucket", "Properties", "Missing", "Deeper"), 5),
    ],
)
def test_lines_of_yaml_are_those_of_the_file(place: tuple[str | int, ...], line: int) -> None:
    assert parse_document(YAML, name="a.yaml").line(place) == line


_JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=4), inner),
    max_leaves=20,
)


@given(value=st.dictionaries(st.text(max_size=5), _JSON, min_size=1), indent=st.integers(0, 3))
@settings(max_examples=50, deadline=None)
def test_lines_of_json_are_those_of_the_file(value: dict[str, Any], indent: int) -> None:
    text = json.dumps(value, indent=indent, ensure_ascii=False)
    document = parse_document(text, name="a.json")
    assert document.value == value
    lines = text.split("\n")

    def check(inner: object, place: tuple[str | int, ...]) -> None:
        if place and isinstance(place[-1], str):
            written = json.dumps(place[-1], ensure_ascii=False)
            assert lines[document.lines[place] - 1].lstrip().startswith(written)
        members: list[tuple[str | int, object]] = []
        if isinstance(inner, dict):
            members = list(inner.items())
        elif isinstance(inner, list):
            members = list(enumerate(inner))
        for key, each in members:
            check(each, (*place, key))

    check(value, ())


@given(value=st.dictionaries(st.text(max_size=5), _JSON, min_size=1))
@settings(max_examples=30, deadline=None)
def test_json_is_read_alike_as_yaml(value: dict[str, Any]) -> None:
    """Every JSON text is YAML; what only one of them can hold is refused by the other."""
    text = json.dumps(value)
    try:
        as_yaml = parse_document(text, name="a.yaml").value
    except UnreadableError:
        return
    assert as_yaml == value


REFUSED = {
    "a key that stands twice": ('{"a": 1,\n"a": 2}', "a.json", "'a' stands twice", None),
    "a key that stands twice in YAML": ("a: 1\nb: 2\na: 3", "a.yaml", "'a' stands twice", 3),
    "an alias": ("a: &x 1\nb: *x", "a.yaml", "CloudFormation takes no aliases", 2),
    "a bomb of aliases": (
        "a: &a [x, x]\n" + "".join(f"{n}: &n{n} [*a, *a]\n" for n in range(50)),
        "a.yaml",
        "takes no aliases",
        2,
    ),
    "a merge": ("a: &x {b: 1}\nc: {<<: {d: 1}}", "a.yaml", "takes no hash merges", 2),
    "a tag that constructs": ("a: !!python/object:os.system x", "a.yaml", "is none of", 1),
    "an unknown tag": ("a: 1\nb: !Reff x", "a.yaml", "'!Reff' is none of", 2),
    "a number that is none": ("a: !!int x", "a.yaml", "not what its tag says", 1),
    "a list as a key": ("? [a]\n: b", "a.yaml", "a key that is no text", 1),
    "several documents": ("a: 1\n---\na: 2", "a.yaml", "found 2", None),
    "no document": ("", "a.json", "found 0", None),
    "JSON that ends early": ('{"a":\n[1,', "a.json", "no JSON", 2),
    "YAML that ends early": ('a: "b', "a.yaml", "no YAML", 1),
    "no number": ('{"a": NaN}', "a.json", "NaN is no JSON", None),
    "a number of 5000 digits": (f'{{"a": {"9" * 5000}}}', "a.json", "no JSON", None),
    "half a character": ('{"a": "\\ud800"}', "a.json", "half of a pair", None),
    "JSON that is nested": (
        '{"a":' * (MAX_DEPTH + 1) + "1" + "}" * (MAX_DEPTH + 1), "a.json", "nested deeper", None
    ),
    "JSON that is nested very deeply": ("[" * 100_000, "a.json", "nested deeper", None),
    "YAML that is nested": ("[" * 5000, "a.yaml", "nested deeper", 1),
    "YAML that is nested by its lines": (
        "".join(f"{' ' * n}a:\n" for n in range(300)), "a.yaml", "nested deeper", None
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_read_safely_is_refused_at_once(case: str) -> None:
    text, name, said, line = REFUSED[case]
    begun = time.perf_counter()
    with pytest.raises(UnreadableError) as refused:
        parse_document(text, name=name)
    assert time.perf_counter() - begun < 5
    assert said in refused.value.message
    assert refused.value.fix
    assert refused.value.where["file"] == name
    if line is not None:
        assert refused.value.where["line"] == line


def test_the_deepest_allowed_nesting_is_read() -> None:
    depth = MAX_DEPTH - 1
    text = '{"a":' * depth + "1" + "}" * depth
    assert parse_document(text, name="a.json").value == parse_document(text, name="a.yaml").value


def test_a_file_larger_than_a_template_may_be_is_refused(tmp_path: Path) -> None:
    file = tmp_path / "large.json"
    file.write_text(json.dumps({"a": "x" * (10 * MAX_BYTES)}), encoding="utf-8")
    with pytest.raises(UnreadableError, match="larger than"):
        read_document(file)
    file.write_text(json.dumps({"a": "x" * (MAX_BYTES - 20)}), encoding="utf-8")
    assert read_document(file).value


@pytest.mark.parametrize("content", [b"\xff\xfe\x00", b"\x80abc", bytes(range(256))])
def test_bytes_that_are_no_text_are_refused(tmp_path: Path, content: bytes) -> None:
    file = tmp_path / "bytes.json"
    file.write_bytes(content)
    with pytest.raises(UnreadableError, match="not UTF-8"):
        read_document(file)


def test_what_is_no_file_is_refused(tmp_path: Path) -> None:
    for path in (tmp_path, tmp_path / "missing.json", Path("a\0b"), Path("/dev/zero")):
        with pytest.raises(UnreadableError):
            read_document(path)


@given(text=st.text(max_size=200) | st.text(alphabet="{}[]:,\"'!&*<-|>#% \n\tab1", max_size=80))
@settings(max_examples=150, deadline=None)
def test_any_text_is_read_or_refused(text: str) -> None:
    for name in ("a.json", "a.yaml"):
        try:
            document = parse_document(text, name=name)
        except UnreadableError:
            continue  # any other error fails the test
        assert document.line(("Resources", "X")) >= 1
        json.dumps(document.value, allow_nan=False)
