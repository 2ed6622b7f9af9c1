"""What survives before and after each family of rules: which of them carries how much."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Final, get_args

from review.mutation.mutant import Kind
from review.mutation.run import Plan, chosen_mutants
from review.mutation.survival import Noticing, Verdict, judges_of
from review.rules import FAMILIES, RULES
from review.template.assembly import load

KINDS: Final[Sequence[Kind]] = get_args(Kind)
NAMES: Final = tuple(module.__name__.rpartition(".")[2].replace("_", "-") for module in FAMILIES)
"""Of the families, in the order in which the table has them."""


def verdicts(plan: Plan) -> list[Verdict]:
    """What the rules alone say of the mutants of a plan, each asked for its word.

    Raises:
        UnreadableError: As `review.template.assembly.load` does.
    """
    deployment = load(plan.paths).deployment
    noticing = Noticing(deployment, judges_of(plan.profile))
    return [
        noticing.verdict(mutant, all_judges=True) for mutant in chosen_mutants(plan, deployment)
    ]


def table(found: Sequence[Verdict]) -> list[str]:
    """Lines of Markdown: what survives before and after each family, by kind of mutant."""
    total = Counter(verdict.mutant.kind for verdict in found)
    lines = [
        f"| family | rules | {' | '.join(f'{kind} ({total[kind]})' for kind in KINDS)} |",
        f"|---|---|{'---|' * len(KINDS)}",
    ]
    alive = list(found)
    for family in NAMES:
        before = Counter(verdict.mutant.kind for verdict in alive)
        alive = [
            each
            for each in alive
            if not any(RULES[name].family == family for name in each.noticed_by)
        ]
        after = Counter(verdict.mutant.kind for verdict in alive)
        cells = " | ".join(
            f"{_percent(before[kind], total[kind])} → {_percent(after[kind], total[kind])}"
            for kind in KINDS
        )
        rules = sum(rule.family == family for rule in RULES.values())
        lines.append(f"| {family} | {rules} | {cells} |")
    return lines


def _percent(part: int, whole: int) -> str:
    return f"{100 * part / whole:.1f} %" if whole else "-"
