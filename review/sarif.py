"""A report as SARIF 2.1.0, which code hosts and editors show at the line it is about.

https://docs.oasis-open.org/sarif/sarif/v2.1.0/sarif-v2.1.0.html
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

from review.findings import Finding
from review.proofs.run import QUESTIONS
from review.report import Report
from review.rules import RULES

SCHEMA: Final = (
    "https://docs.oasis-open.org/sarif/sarif/v2.1.0/errata01/os/schemas/sarif-schema-2.1.0.json"
)
"""Where OASIS publishes it; nothing here reads it from there."""
NAME: Final = "finetune review"


def sarif_text(report: Report) -> str:
    """The report as the text of a SARIF file: open findings, and accepted ones as suppressed."""
    return json.dumps(sarif(report), indent=1, ensure_ascii=False) + "\n"


def sarif(report: Report) -> dict[str, Any]:
    """The report as a SARIF log with one run."""
    every = [*report.findings, *(each.finding for each in report.acknowledged)]
    ids = list(dict.fromkeys(each.id for each in every))
    results = [_result(each, ids) for each in report.findings]
    results += [
        _result(each.finding, ids)
        | {"suppressions": [{"kind": "inSource", "justification": each.reason}]}
        for each in report.acknowledged
    ]
    return {
        "$schema": SCHEMA,
        "version": "2.1.0",
        "runs": [
            {
                "tool": {"driver": {"name": NAME, "rules": list(_rules(every))}},
                "columnKind": "unicodeCodePoints",
                "results": results,
                "properties": {"profile": report.profile, "parts": list(report.parts)},
            }
        ],
    }


def _rules(findings: list[Finding]) -> Iterator[dict[str, Any]]:
    """Each rule once, with what it requires, what may happen otherwise and what to do."""
    questions = {each.id: each for each in QUESTIONS}
    seen: set[str] = set()
    for each in findings:
        if each.id in seen:
            continue
        seen.add(each.id)
        said: dict[str, Any] = {
            "id": each.id,
            "defaultConfiguration": {"level": each.level},
            "properties": {"tags": ["security", each.id.partition(".")[0]]},
        }
        if (rule := RULES.get(each.id)) is not None:
            said |= {
                "shortDescription": {"text": rule.requirement},
                "fullDescription": {"text": rule.risk},
                "help": {"text": rule.remedy},
            }
            if rule.step:
                said["properties"]["step"] = rule.step
            said["properties"] |= {name: list(ids) for name, ids in rule.standards.items()}
        elif (question := questions.get(each.id)) is not None:
            said |= {
                "shortDescription": {"text": question.words},
                "help": {"text": f"{question.fix}."},
            }
        elif each.fix:
            said["help"] = {"text": each.fix}
        yield said


def _result(finding: Finding, ids: list[str]) -> dict[str, Any]:
    where = finding.where
    said: dict[str, Any] = {
        "ruleId": finding.id,
        "ruleIndex": ids.index(finding.id),
        "level": finding.level,
        "message": {"text": f"{finding.message}. {finding.fix}".strip().rstrip(".") + "."},
    }
    location: dict[str, Any] = {}
    if "file" in where:
        location["physicalLocation"] = {
            "artifactLocation": {"uri": _uri(str(where["file"]))},
            "region": {"startLine": int(where.get("line", 1))},
        }
    names = [str(where[key]) for key in ("stack", "logical_id", "property") if key in where]
    if names:
        kind = "resource" if "logical_id" in where else "module"
        location["logicalLocations"] = [{"fullyQualifiedName": "/".join(names), "kind": kind}]
    return said | ({"locations": [location]} if location else {})


def _uri(file: str) -> str:
    """A file as SARIF writes it: relative where it was named so, with what a URI does not take."""
    path = Path(file)
    return path.as_uri() if path.is_absolute() else quote(path.as_posix())
