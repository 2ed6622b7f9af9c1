"""Findings on a data set: what is wrong and where, never the data itself."""

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass, field, replace

from finetune.report import Finding, Level

SHOWN_OF_EACH_KIND = 20
"""Findings kept of each kind; all are counted."""


@dataclass(frozen=True, kw_only=True, slots=True)
class DataFinding:
    """One thing that is wrong with a data set."""

    kind: str
    """Name of the rule."""
    message: str
    fix: str
    level: Level = "error"
    line: int | None = None
    """Line of the file, from 1; None for the file as a whole."""
    offset: int | None = None
    """Bytes from the beginning of the line, where a place in the line is known."""
    field: str | None = None
    """Path inside the record, such as `messages[1].content[0].text`."""

    def as_finding(self, *, file: str) -> Finding:
        """Return it in the shape that every command prints."""
        places = {"line": self.line, "offset": self.offset, "property": self.field}
        where = {key: place for key, place in places.items() if place is not None}
        message = f"{self.field}: {self.message}" if self.field else self.message
        return Finding(
            id=f"data.{self.kind}",
            level=self.level,
            message=message,
            fix=self.fix,
            where={"file": file, **where},
        )

    def as_json(self) -> dict[str, object]:
        """Return it in the shape of `files[].findings[]` of the JSON object."""
        return {
            "kind": self.kind,
            "level": self.level,
            "line": self.line,
            "offset": self.offset,
            "field": self.field,
            "message": self.message,
            "fix": self.fix,
        }


@dataclass(kw_only=True)
class Tally:
    """Findings in the order of the file: all are counted, the first of each kind are kept."""

    counts: Counter[str] = field(default_factory=Counter)
    """Findings of each kind, also those not kept."""
    errors: int = 0
    warnings: int = 0
    findings: list[DataFinding] = field(default_factory=list)
    """The first findings of each kind."""
    shown: int = SHOWN_OF_EACH_KIND
    """Findings to keep of each kind."""

    def add(self, finding: DataFinding) -> None:
        """Count a finding, and keep it when it is among the first of its kind."""
        self.counts[finding.kind] += 1
        self.errors += finding.level == "error"
        self.warnings += finding.level == "warning"
        if self.counts[finding.kind] <= self.shown:
            self.findings.append(finding)

    def extend(self, findings: Iterable[DataFinding]) -> None:
        """Add each of several findings."""
        for finding in findings:
            self.add(finding)

    def absorb(self, later: "Tally", *, lines: int) -> None:
        """Add the findings of a later part of the file that begins after a number of lines."""
        kept = Counter(finding.kind for finding in self.findings)
        for finding in later.findings:
            if kept[finding.kind] < self.shown:
                kept[finding.kind] += 1
                line = None if finding.line is None else finding.line + lines
                self.findings.append(replace(finding, line=line))
        self.counts += later.counts
        self.errors += later.errors
        self.warnings += later.warnings
