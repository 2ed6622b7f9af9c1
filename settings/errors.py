"""What is wrong with a settings file, and how it is told to a person or to a program."""

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path


@dataclass(frozen=True, kw_only=True, slots=True)
class Finding:
    """One thing that is wrong with the settings."""

    id: str
    """Kind of mistake, stable for programs: `settings.` and words joined by `-`."""
    file: str
    """File to open, relative to the working directory where that is possible."""
    field: str
    """Dotted path of the setting, such as `network.training_zones[3]`; empty for the whole file."""
    problem: str
    """What is wrong: lower case, without a full stop."""
    got: str
    """What was given, as it is written in the file; `nothing` for what is absent."""
    allowed: str
    """What would be accepted."""
    fix: str
    """What to do."""
    line: int | None = None
    """Line of the file, from 1; None for the file as a whole."""
    column: int | None = None
    """Column of that line, from 1; None for the line as a whole."""

    @property
    def place(self) -> str:
        """`file:line:column`, as far as they are known: what editors and terminals make a link."""
        parts = [self.file, *(str(number) for number in (self.line, self.column) if number)]
        return ":".join(parts)

    def as_json(self) -> dict[str, object]:
        """The finding in the shape every command prints with `--json`."""
        where: dict[str, object] = {"file": self.file}
        if self.line is not None:
            where["line"] = self.line
        if self.column is not None:
            where["offset"] = self.column - 1
        if self.field:
            where["property"] = self.field
        subject = f"{self.field}: " if self.field else ""
        return {
            "id": self.id,
            "level": "error",
            "message": f"{subject}{self.problem}, got {self.got}; allowed: {self.allowed}",
            "fix": self.fix,
            "where": where,
        }


class SettingsError(Exception):
    """The settings of an environment are wrong; `findings` holds everything that is."""

    def __init__(self, findings: Iterable[Finding]) -> None:
        """Order the findings as a reader meets them: by file, then from top to bottom."""
        self.findings: tuple[Finding, ...] = tuple(
            sorted(
                dict.fromkeys(findings),
                key=lambda item: (item.file, item.line or 0, item.column or 0, item.field),
            )
        )
        super().__init__(render(self))

    def as_json(self) -> list[dict[str, object]]:
        """The findings for a command's `--json` output."""
        return [finding.as_json() for finding in self.findings]


def render(error: SettingsError) -> str:
    """The error as text for a terminal: one paragraph for each finding, all of them at once."""
    count = len(error.findings)
    files = ", ".join(dict.fromkeys(finding.file for finding in error.findings))
    head = f"{files}: {count} {'mistake' if count == 1 else 'mistakes'} in the settings"
    return "\n\n".join([head, *(_paragraph(finding) for finding in error.findings)])


def _paragraph(finding: Finding) -> str:
    subject = f"  {finding.field}: " if finding.field else "  "
    return "\n".join(
        [
            finding.place,
            f"{subject}{finding.problem}",
            f"    got:      {finding.got}",
            f"    allowed:  {finding.allowed}",
            f"    do:       {finding.fix}",
        ]
    )


def shown_path(path: Path) -> str:
    """The path as a person would type it: relative to the working directory when it lies inside."""
    try:
        return str(path.resolve().relative_to(Path.cwd()))
    except (ValueError, OSError):
        return str(path)
