"""How long a review takes: our own checks one by one, 100 jobs against one, and all of it.

    python -m benchmarks.review [--runs N]

Every run is `finetune review --json`, a process of its own, which tells how long its parts took;
the kinds take turns, and the shortest run of each is compared: noise only adds. Writes
`results/review.json` and `results/review.md` beside this file; ends with 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks.synth import RESULTS, ROOT, lock_file, machine, settings
from review.parts import PARTS

DEFAULT_RUNS: Final = 5
OWN: Final = ("structure", "decisions")
PROVED: Final = ("proofs", "access")
KINDS: Final = (
    "own checks, dev",
    "own checks, 1 job",
    "own checks, 100 jobs",
    "proofs and access, dev",
    "everything, dev",
)


@dataclass(frozen=True, kw_only=True)
class Bar:
    """What a figure may be at most."""

    name: str
    figure: float
    limit: float
    unit: str

    def as_json(self) -> dict[str, Any]:
        """The bar and whether it is met."""
        return {
            "name": self.name,
            "figure": round(self.figure, 3),
            "limit": self.limit,
            "unit": self.unit,
            "met": self.figure <= self.limit,
        }


Run = Mapping[str, float]
"""Seconds of the parts of one run; `process` is the whole of it, Python's start and all."""


def bars(runs: Mapping[str, Sequence[Run]]) -> list[Bar]:
    """What must hold of the measured runs."""

    def shortest(kind: str, *parts: str) -> float:
        return min(sum(run.get(part, 0.0) for part in parts) for run in runs[kind])

    dev, one, many, proved, everything = KINDS
    return [
        Bar(
            name="our rules and decisions, beyond loading",
            figure=shortest(dev, *OWN),
            limit=3.0,
            unit="s",
        ),
        Bar(
            name="100 jobs, against one job: reading, rules and decisions",
            figure=shortest(many, "reading", *OWN) / shortest(one, "reading", *OWN),
            limit=5.0,
            unit="times",
        ),
        Bar(
            name="proofs of the whole app",
            figure=shortest(proved, "proofs"),
            limit=3.0,
            unit="s",
        ),
        Bar(
            name="no new access, against the committed baseline",
            figure=shortest(proved, "access"),
            limit=3.0,
            unit="s",
        ),
        Bar(
            name="the whole review with others' tools, the process and all",
            figure=shortest(everything, "process"),
            limit=12.0,
            unit="s",
        ),
    ]


def _environment(**more: str) -> dict[str, str]:
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "CDK_", "FINETUNE_"))
    }
    return {**kept, **more}


def synthesise(folder: Path, *, jobs: int | None) -> Path:
    """An assembly of dev, or of settings with a number of jobs."""
    config = ROOT / "config"
    if jobs is not None:
        config = folder / f"config-{jobs}"
        config.mkdir()
        values = {**settings(jobs=jobs), "tags": {"project": "benchmark"}}
        (config / "dev.yaml").write_text(json.dumps(values), encoding="utf-8")
        (config / "datasets.lock.json").write_text(json.dumps(lock_file()), encoding="utf-8")
    out = folder / f"out-{jobs}"
    subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env=_environment(CDK_OUTDIR=str(out), FINETUNE_CONFIG=str(config)),
        check=True,
        capture_output=True,
    )
    return out


def _run(folder: Path, *, only: str) -> Run:
    start = time.perf_counter()
    made = subprocess.run(
        [
            str(Path(sys.executable).with_name("finetune")),
            *("review", str(folder), "--json", "--only", only),
        ],
        cwd=ROOT,
        env=_environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    elapsed = time.perf_counter() - start
    if made.returncode != 0:
        raise SystemExit(f"a clean app has findings:\n{made.stdout}{made.stderr}")
    seconds: dict[str, float] = json.loads(made.stdout)["seconds"]
    return {**seconds, "process": elapsed}


def measure(*, runs: int) -> dict[str, list[Run]]:
    """The runs of each kind; one of each before warms the disk's cache."""
    found: dict[str, list[Run]] = {kind: [] for kind in KINDS}
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        dev = synthesise(folder, jobs=None)
        own = ",".join(OWN)
        inputs = {
            KINDS[0]: (dev, own),
            KINDS[1]: (synthesise(folder, jobs=1), own),
            KINDS[2]: (synthesise(folder, jobs=100), own),
            KINDS[3]: (dev, ",".join(PROVED)),
            KINDS[4]: (dev, ",".join(PARTS)),
        }
        for turn in range(runs + 1):
            for kind, (out, only) in inputs.items():
                run = _run(out, only=only)
                if turn:
                    found[kind].append(run)
    return found


def report(result: Mapping[str, Any]) -> str:
    """The result as Markdown."""
    parts = ("reading", *PARTS, "process")
    lines = [
        "# How long a review takes",
        "",
        f"Measured on {result['date']}: {result['runs']} runs of each kind, taking turns, each a "
        "process of its own; the median in seconds. `make bench` measures again.",
        "",
        f"| kind | {' | '.join(parts)} |",
        f"|---|{'---:|' * len(parts)}",
    ]
    for kind, medians in result["kinds"].items():
        shown = [f"{medians[part]:.2f}" if part in medians else "" for part in parts]
        lines.append(f"| {kind} | {' | '.join(shown)} |")
    lines += ["", "| bar | shortest run | at most | |", "|---|---:|---:|---|"]
    lines += [
        f"| {bar['name']} | {bar['figure']:.2f} {bar['unit']} | {bar['limit']:.0f} {bar['unit']} "
        f"| {'met' if bar['met'] else 'missed'} |"
        for bar in result["bars"]
    ]
    lines += [
        "",
        "Machine: " + ", ".join(f"{name} {value}" for name, value in result["machine"].items()),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measures, writes and prints; returns 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description="Measure how long a review takes.")
    parser.add_argument("--runs", type=int, default=DEFAULT_RUNS, help="runs of each kind")
    arguments = parser.parse_args()
    if arguments.runs < 1:
        parser.error("--runs must be at least 1")
    runs = measure(runs=arguments.runs)
    judged = [bar.as_json() for bar in bars(runs)]
    result = {
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "machine": machine(),
        "runs": arguments.runs,
        "kinds": {
            kind: {part: round(statistics.median(run[part] for run in each), 3) for part in each[0]}
            for kind, each in runs.items()
        },
        "bars": judged,
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "review.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    text = report(result)
    (RESULTS / "review.md").write_text(text, encoding="utf-8")
    print(text, end="")
    return 0 if all(bar["met"] for bar in judged) else 1


if __name__ == "__main__":
    sys.exit(main())
