"""The table of the gate's structure rules, in Markdown, read from the rules themselves."""

from __future__ import annotations

from pathlib import Path

from review.others.guard_engine import RULES as GUARD_FOLDER
from review.rules import FAMILIES, RULES, Rule
from review.rules.standards import DATADOG, HIPAA, LENS, NIST, PCI, PROWLER

SHORT = {
    HIPAA: "HIPAA",
    PCI: "PCI DSS",
    NIST: "NIST 800-53",
    LENS: "GenAI Lens",
    PROWLER: "Prowler",
    DATADOG: "Datadog",
}
"""Names of standards and tools as the table writes them."""


def render_rule_families() -> str:
    """A section for each family: what its rules require, why, and what else asks for it."""
    return "\n\n".join(_family(module.__name__, module.__doc__ or "") for module in FAMILIES)


def _family(module: str, says: str) -> str:
    name = module.rpartition(".")[2].replace("_", "-")
    rules = [rule for rule in RULES.values() if rule.family == name]
    guard = GUARD_FOLDER / f"{name.replace('-', '_')}.guard"
    lines = [
        f"### {name}",
        "",
        says.strip().splitlines()[0],
        "",
        "| rule | requires | because otherwise | step | for | asked for by |",
        "|---|---|---|---|---|---|",
        *(_row(rule, guard) for rule in rules),
    ]
    return "\n".join(lines)


def _row(rule: Rule, guard: Path) -> str:
    who = "everybody" if rule.profile == "any" else "this app"
    level = "" if rule.level == "error" else " (warning)"
    text = guard.read_text(encoding="utf-8") if guard.exists() else ""
    published = f"rule {rule.id.replace('.', '_').replace('-', '_')}" in text
    standards = "; ".join(
        f"{SHORT[name]} {', '.join(f'`{each}`' for each in ids)}"
        for name, ids in rule.standards.items()
    )
    cells = (
        f"`{rule.id}`{' (Guard)' if published else ''}",
        rule.requirement,
        rule.risk,
        rule.step or "",
        f"{who}{level}",
        standards,
    )
    return "| " + " | ".join(cell.replace("|", "\\|") for cell in cells) + " |"
