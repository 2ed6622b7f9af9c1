"""SARIF: valid by the official schema, complete, and each location opens the line it is about."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any, cast
from urllib.parse import unquote, urlparse

import pytest
from jsonschema import Draft7Validator

from review.findings import Finding
from review.others.acknowledgements import Acknowledged
from review.report import Report, divide
from review.run import review
from review.sarif import sarif, sarif_text
from tests.review.template.made_up import bucket, write_template

ROOT = Path(__file__).resolve().parents[3]
SCHEMA = (
    ROOT / "node_modules" / "@microsoft" / "jest-sarif" / "lib" / "schemas"
    / "sarif-2.1.0-rtm.5.json"
)  # fmt: skip
"""As Microsoft's package for SARIF ships it."""


@pytest.fixture(scope="module")
def schema() -> Draft7Validator:
    return Draft7Validator(json.loads(SCHEMA.read_text(encoding="utf-8")))


def faults(schema: Draft7Validator, log: object) -> list[str]:
    return [each.message for each in schema.iter_errors(cast("Any", log))]


@pytest.fixture
def report(tmp_path: Path) -> Report:
    """Of a template with a space in its name."""
    content = {
        "Resources": {
            "Data": bucket(VersioningConfiguration={"Status": "Suspended"}),
            "Key": {"Type": "AWS::KMS::Key", "Properties": {"EnableKeyRotation": False}},
        }
    }
    file = write_template(tmp_path, content, "two words.json")
    return review([file], profile="any", only=("structure", "decisions", "proofs"))


def test_a_log_is_valid_by_the_official_schema(schema: Draft7Validator, report: Report) -> None:
    log = json.loads(sarif_text(report))
    assert report.findings
    assert faults(schema, log) == []


def test_the_schema_refuses_what_is_wrong(schema: Draft7Validator, report: Report) -> None:
    for path, value in (
        (("version",), "2.0"),
        (("runs", 0, "results", 0, "level"), "fatal"),
        (("runs", 0, "results", 0, "locations", 0, "physicalLocation", "region", "startLine"), 0),
        (("runs", 0, "tool", "driver", "name"), None),
    ):
        log: Any = json.loads(sarif_text(report))
        results = log["runs"][0]["results"]
        results.sort(key=lambda each: "locations" not in each)
        here = log
        for step in path[:-1]:
            here = here[step]
        here[path[-1]] = value
        assert faults(schema, log), path


def test_a_review_without_findings_is_valid_too(schema: Draft7Validator) -> None:
    log = sarif(Report(findings=(), acknowledged=(), profile="any", parts=("structure",)))
    assert faults(schema, log) == []
    assert log["runs"][0]["results"] == []


def test_every_finding_is_a_result_with_its_rule(report: Report) -> None:
    (run,) = sarif(report)["runs"]
    rules = run["tool"]["driver"]["rules"]
    assert [each["ruleId"] for each in run["results"]] == [each.id for each in report.findings]
    for result, finding in zip(run["results"], report.findings, strict=True):
        assert rules[result["ruleIndex"]]["id"] == finding.id
        assert result["level"] == finding.level
        assert finding.message in result["message"]["text"]
    rotates = next(each for each in rules if each["id"] == "keys.rotate")
    assert rotates["shortDescription"]["text"].endswith(".")
    assert rotates["help"]["text"]
    assert rotates["properties"]["step"] == "W3"
    assert rotates["properties"]["NIST 800-53 R5"]


@pytest.mark.parametrize(
    ("id_", "word"), [("keys.rotate", '"EnableKeyRotation"'), ("buckets.versioned", '"Status"')]
)
def test_a_location_opens_the_line_that_it_is_about(report: Report, id_: str, word: str) -> None:
    results = [each for each in sarif(report)["runs"][0]["results"] if each["ruleId"] == id_]
    assert results
    for result in results:
        physical = result["locations"][0]["physicalLocation"]
        uri = physical["artifactLocation"]["uri"]
        assert " " not in uri
        lines = Path(unquote(urlparse(uri).path)).read_text(encoding="utf-8").splitlines()
        assert word in lines[physical["region"]["startLine"] - 1]


def test_a_file_that_was_named_from_here_stays_so(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_template(tmp_path, {"Resources": {"Data": bucket()}}, "a b.json")
    monkeypatch.chdir(tmp_path)
    log = sarif(review([Path("a b.json")], profile="any", only=("structure",)))
    uris = {
        each["locations"][0]["physicalLocation"]["artifactLocation"]["uri"]
        for each in log["runs"][0]["results"]
        if "physicalLocation" in each.get("locations", [{}])[0]
    }
    assert uris == {"a%20b.json"}


def test_what_is_accepted_is_suppressed_with_its_reason(schema: Draft7Validator) -> None:
    finding = Finding(
        id="P::P-1", level="error", message="m", fix="f", where={"stack": "s", "logical_id": "B"}
    )
    _, taken = divide(
        [finding],
        [Acknowledged(stack="s", logical_id="B", finding="P::P-1", reason="because of it")],
    )
    log = sarif(Report(findings=(), acknowledged=tuple(taken), profile="any", parts=("packs",)))
    assert faults(schema, log) == []
    (result,) = log["runs"][0]["results"]
    assert result["suppressions"] == [{"kind": "inSource", "justification": "because of it"}]
    assert result["locations"][0]["logicalLocations"][0]["fullyQualifiedName"] == "s/B"
