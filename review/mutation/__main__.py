"""Measures what the gate notices of weakened templates: `python -m review.mutation CDK_OUT`.

Prints what became of the mutants, who caught them, and every one that survived. Ends with 1 when
one survived, when a neutral change was remarked on, or when too many are out of scope; with 2 when
the templates cannot be read.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path
from typing import get_args

from review.mutation import families
from review.mutation.figures import complaints, summary, table
from review.mutation.gate import STAGES
from review.mutation.run import Plan, run
from review.rules import Profile
from review.template.errors import UnreadableError


def main(arguments: list[str] | None = None) -> int:
    """Runs, prints, and returns the exit code."""
    parser = argparse.ArgumentParser(prog="review.mutation", description=__doc__)
    parser.add_argument("path", type=Path, nargs="+", help="a cdk.out folder or a template")
    parser.add_argument("--profile", choices=get_args(Profile), default="app")
    parser.add_argument("--sample", type=int, help="as many mutants, chosen by the seed; else all")
    parser.add_argument("--pairs", type=int, default=0, help="as many pairs of mutants")
    parser.add_argument("--neutral", type=int, default=0, help="as many neutral changes")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is chosen")
    parser.add_argument("--match", default="", help="only mutants whose words this is found in")
    parser.add_argument("--processes", type=int, help="as many as there are processors without it")
    parser.add_argument(
        "--without",
        action="append",
        default=[],
        choices=[*STAGES, *families.NAMES],
        help="a stage or family of rules that is switched off, to see what survives",
    )
    parser.add_argument(
        "--families",
        action="store_true",
        help="what survives before and after each family of rules instead, the rules alone",
    )
    options = parser.parse_args(arguments)
    plan = Plan(
        paths=tuple(options.path),
        profile=options.profile,
        seed=options.seed,
        mutants=options.sample,
        pairs=options.pairs,
        neutral=options.neutral,
        without=frozenset(options.without),
        match=options.match,
    )
    try:
        if options.families:
            print("\n".join(families.table(families.verdicts(plan))))
            return 0
        tally = run(plan, processes=options.processes)
    except UnreadableError as error:
        print(error, file=sys.stderr)
        return 2
    wrong = complaints(tally)
    print("\n".join([*table(tally), "", summary(tally), *wrong]))
    return 1 if wrong else 0


if __name__ == "__main__":
    sys.exit(main())
