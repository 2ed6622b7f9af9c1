"""What the gate notices of thousands of weakenings of our own templates, and of neutral changes.

    python -m benchmarks.mutation [--sample N] [--pairs N] [--neutral N] [--seed N] [--dry]

Without `--sample` every mutant is judged. Writes `results/mutation.json` and `results/mutation.md`
beside this file, those of a sample as `mutation_sample`, and nothing with `--dry`; ends with 1 when
a mutant survives, a neutral change is remarked on, or too many mutants are out of scope.
"""

from __future__ import annotations

import argparse
import datetime
import json
import sys
import tempfile
from pathlib import Path

from benchmarks.review import synthesise
from benchmarks.synth import RESULTS, machine
from review.mutation.figures import as_json, complaints, summary, table
from review.mutation.run import Plan, Tally, run


def report(tally: Tally, *, date: str, on: dict[str, str]) -> str:
    """The result as Markdown."""
    lines = [
        "# What the gate notices of weakened templates",
        "",
        f"Measured on {date} on the environment `dev`: {summary(tally)}. docs/review-mutation.md "
        "says what is counted how.",
        "",
        *table(tally),
        "",
        *(f"- {each}" for each in complaints(tally)),
        "Machine: " + ", ".join(f"{name} {value}" for name, value in on.items()),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measures, writes and prints; returns 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description="Measure what the gate notices.")
    parser.add_argument("--sample", type=int, help="as many mutants, chosen by the seed; else all")
    parser.add_argument("--pairs", type=int, default=0, help="as many pairs of mutants")
    parser.add_argument("--neutral", type=int, default=0, help="as many neutral changes")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is chosen")
    parser.add_argument("--dry", action="store_true", help="write no result")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as name:
        out = synthesise(Path(name), jobs=None)
        tally = run(
            Plan(
                paths=(out,),
                mutants=options.sample,
                pairs=options.pairs,
                neutral=options.neutral,
                seed=options.seed,
            )
        )
    date = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    text = report(tally, date=date, on=machine())
    if not options.dry:
        RESULTS.mkdir(exist_ok=True)
        file = RESULTS / ("mutation" if options.sample is None else "mutation_sample")
        result = {"date": date, "machine": machine(), **as_json(tally)}
        content = json.dumps(result, indent=2, ensure_ascii=False) + "\n"
        file.with_suffix(".json").write_text(content, encoding="utf-8")
        file.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text, end="")
    return 0 if tally.ok else 1


if __name__ == "__main__":
    sys.exit(main())
