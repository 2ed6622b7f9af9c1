"""Measures which weakenings survive each family of rules: `python -m review.mutation CDK_OUT`."""

from __future__ import annotations

import argparse
import random
import time
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import get_args

from review.mutation.additions import additions
from review.mutation.mutant import Kind
from review.mutation.survival import Noticing, Verdict, judges_of
from review.mutation.weaken import weakenings
from review.rules import FAMILIES, RULES, Profile
from review.template.assembly import load

KINDS: Sequence[Kind] = get_args(Kind)


def main() -> None:
    """Prints the table, and the survivors where they are asked for."""
    parser = argparse.ArgumentParser(prog="review.mutation", description=__doc__)
    parser.add_argument("path", type=Path, help="a cdk.out folder or a template")
    parser.add_argument("--profile", choices=get_args(Profile), default="app")
    parser.add_argument("--sample", type=int, help="as many mutants, chosen by chance")
    parser.add_argument("--seed", type=int, default=0, help="of the choice")
    parser.add_argument("--survivors", action="store_true", help="list what nobody notices")
    options = parser.parse_args()

    deployment = load([options.path]).deployment
    mutants = [*weakenings(deployment), *additions(deployment)]
    if options.sample is not None and options.sample < len(mutants):
        chance = random.Random(options.seed)  # noqa: S311 - a sample, not a secret
        mutants = chance.sample(mutants, options.sample)
    noticing = Noticing(deployment, judges_of(options.profile))
    started = time.monotonic()
    verdicts = [noticing.verdict(mutant, all_judges=True) for mutant in mutants]
    print("\n".join(table(verdicts)))
    print(f"{len(mutants)} mutants in {time.monotonic() - started:.0f} s")
    if options.survivors:
        for verdict in verdicts:
            if not verdict.noticed_by:
                print(verdict.mutant)


def table(verdicts: Sequence[Verdict]) -> list[str]:
    """Lines of Markdown: what survives before and after each family, by kind of mutant."""
    total = Counter(verdict.mutant.kind for verdict in verdicts)
    lines = [
        f"| family | rules | {' | '.join(f'{kind} ({total[kind]})' for kind in KINDS)} |",
        f"|---|---|{'---|' * len(KINDS)}",
    ]
    families = [module.__name__.rpartition(".")[2].replace("_", "-") for module in FAMILIES]
    alive = list(verdicts)
    for family in families:
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


if __name__ == "__main__":
    main()
