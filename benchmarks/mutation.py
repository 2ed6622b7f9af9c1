"""What the gate notices of thousands of weakenings of our own templates, and of neutral changes.

    python -m benchmarks.mutation [--sample N] [--pairs N] [--neutral N] [--seed N] [--dry]
                                  [--only dev|serving]

Judged is `dev` as it is, and then what `dev` has besides where its models are deployed and called.
Without `--sample` every mutant is judged; a sample, pairs and neutral changes are shared out.
Writes `results/mutation.json` and `results/mutation.md` beside this file, those of a sample as
`mutation_sample`, those of one of the two by its name, and nothing with `--dry`; ends with 1 when a
mutant survives, a neutral change is remarked on, or too many mutants are out of scope.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Final

import yaml

from benchmarks import synth
from benchmarks.synth import RESULTS, ROOT, machine
from review.mutation.figures import as_json, complaints, summary, table
from review.mutation.run import Plan, Tally, run

TITLES: Final[Mapping[str, str]] = {
    "dev": "The environment `dev`",
    "serving": "What `dev` has besides where its models are deployed and called",
}
"""What is judged, by its name here and in the JSON file."""

_PART_OF_SERVING: Final = 0.4
"""Of a sample, the pairs and the neutral changes: about its part of the mutants."""


def with_inference(dev: Mapping[str, Any]) -> dict[str, Any]:
    """Settings with a deployment of each kind; everything else as it was.

    Args:
        dev: Settings of an environment that deploys nothing.
    """
    ((name, job), *others) = dev["jobs"].items()
    asked = {"prompt": "What is it about?", "contains": ["policy"]}
    return {
        **dev,
        "inference": {"enabled": True},
        "jobs": {
            **dict(others),
            name: {**job, "deployment": {"kind": "on_demand", "smoke_tests": [asked]}},
            "bought": {
                **job,
                "tags": {"team": "legal"},
                "deployment": {"kind": "provisioned", "model_units": 2, "hours": 4},
            },
        },
    }


def _write_serving(config: Path) -> None:
    """Write settings of dev with inference into a new folder."""
    shutil.copytree(ROOT / "config", config)
    file = config / "dev.yaml"
    values = with_inference(yaml.safe_load(file.read_text(encoding="utf-8")))
    # JSON is YAML.
    file.write_text(json.dumps(values), encoding="utf-8")


def synthesise(config: Path, out: Path) -> subprocess.Popen[str]:
    """Start to write the templates of dev by the settings in a folder.

    Without the gates: what they say of dev is not what is measured, and takes longer than synth.
    """
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "CDK_", "FINETUNE_"))
    }
    return subprocess.Popen(
        [sys.executable, synth.__file__, "--once", "plain", "--config", str(config)],
        cwd=ROOT,
        env={**kept, "CDK_VALIDATION": "false", "CDK_OUTDIR": str(out)},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
    )


def assemblies(folder: Path) -> tuple[Path, Path]:
    """Assemblies of dev as it is, and of dev with inference, both at once.

    Raises:
        SystemExit: One of them could not be made.
    """
    config = folder / "config"
    _write_serving(config)
    made = {
        out: synthesise(of, out)
        for of, out in ((ROOT / "config", folder / "dev"), (config, folder / "serving"))
    }
    texts = [process.communicate()[1] for process in made.values()]
    for process, said in zip(made.values(), texts, strict=True):
        if process.returncode != 0:
            raise SystemExit(f"synth ended with {process.returncode}:\n{said}")
    dev, serving = made
    return dev, serving


def plans(folder: Path, options: argparse.Namespace) -> dict[str, Plan]:
    """What to judge, by name."""
    dev, serving = assemblies(folder)

    def plan(paths: Path, beside: Sequence[Path], part: float) -> Plan:
        return Plan(
            paths=(paths,),
            beside=tuple(beside),
            mutants=None if options.sample is None else round(part * options.sample),
            pairs=round(part * options.pairs),
            neutral=round(part * options.neutral),
            seed=options.seed,
        )

    whole = options.only is not None
    found = {
        "dev": plan(dev, (), 1 if whole else 1 - _PART_OF_SERVING),
        "serving": plan(serving, (dev,), 1 if whole else _PART_OF_SERVING),
    }
    return {name: each for name, each in found.items() if options.only in (None, name)}


def report(tallies: Mapping[str, Tally], *, date: str, on: Mapping[str, str]) -> str:
    """The result as Markdown."""
    lines = [
        "# What the gate notices of weakened templates",
        "",
        f"Measured on {date}. docs/review-mutation.md says what is counted how.",
    ]
    for name, tally in tallies.items():
        lines += [
            "",
            f"## {TITLES[name]}",
            "",
            f"{summary(tally)}.",
            "",
            *table(tally),
            *["" for _ in complaints(tally)[:1]],
            *(f"- {each}" for each in complaints(tally)),
        ]
    lines += ["", "Machine: " + ", ".join(f"{name} {value}" for name, value in on.items())]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measures, writes and prints; returns 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description="Measure what the gate notices.")
    parser.add_argument("--sample", type=int, help="as many mutants, chosen by the seed; else all")
    parser.add_argument("--pairs", type=int, default=0, help="as many pairs of mutants")
    parser.add_argument("--neutral", type=int, default=0, help="as many neutral changes")
    parser.add_argument("--seed", type=int, default=0, help="of everything that is chosen")
    parser.add_argument("--only", choices=list(TITLES), help="all of it for one of the two")
    parser.add_argument("--dry", action="store_true", help="write no result")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        tallies = {name: run(plan) for name, plan in plans(Path(folder), options).items()}
    date = datetime.datetime.now(tz=datetime.UTC).date().isoformat()
    text = report(tallies, date=date, on=machine())
    if not options.dry:
        RESULTS.mkdir(exist_ok=True)
        parts = ["mutation", *filter(None, [options.only, "sample" if options.sample else None])]
        file = RESULTS / "_".join(parts)
        result = {
            "date": date,
            "machine": machine(),
            **{name: as_json(tally) for name, tally in tallies.items()},
        }
        content = json.dumps(result, indent=2, ensure_ascii=False) + "\n"
        file.with_suffix(".json").write_text(content, encoding="utf-8")
        file.with_suffix(".md").write_text(text, encoding="utf-8")
    print(text, end="")
    return 0 if all(tally.ok for tally in tallies.values()) else 1


if __name__ == "__main__":
    sys.exit(main())
