"""How long the page over 10 runs of 100,000 steps takes, and how large it is.

    python benchmarks/metrics_page.py [--runs N]

Every run of the benchmark is a process of its own: the whole command, `finetune metrics --folder
DIR --html FILE`, from the files to the page. The bar is on the processor's seconds, of which the
shortest run's count: the command works on one core, so on a machine with nothing else to do they
are the seconds it takes. The clock's are written beside. Two kinds: each training run validated
every 100 steps, and validated at every step, which is twice the numbers.
Writes `results/metrics_page.json` and `results/metrics_page.md`; ends with 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import os
import platform
import random
import resource
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
RESULTS: Final = Path(__file__).with_name("results")
COMPARED: Final = 10
STEPS: Final = 100_000
EPOCHS: Final = 4
MOST_SECONDS: Final = 5.0
MOST_BYTES: Final = 2_000_000
DEFAULT_RUNS: Final = 5
KINDS: Final = {"validated every 100 steps": 100, "validated at every step": 1}


def table(kind: str, *, run: int, every: int) -> str:
    """Return a table whose loss falls and trembles, in the documented columns."""
    tremble = random.Random(f"{kind} {run}")  # noqa: S311 - made-up losses
    lines = [f"step_number,epoch_number,{kind}_loss,perplexity"]
    for step in range(0, STEPS, every):
        share = step / STEPS
        loss = 0.4 + 0.03 * run + 1.6 * math.exp(-(4 + run) * share) + tremble.gauss(0, 0.08)
        lines.append(f"{step},{step * EPOCHS // STEPS},{loss:.6f},{math.exp(loss):.6f}")
    return "\n".join(lines) + "\n"


def write_runs(folder: Path, *, every: int) -> None:
    """Write the outputs of the runs as Bedrock lays them out."""
    for run in range(COMPARED):
        job = folder / f"model-customization-job-{run:012}"
        for place, content in (
            (
                "training_artifacts/step_wise_training_metrics.csv",
                table("training", run=run, every=1),
            ),
            (
                "validation_artifacts/post_fine_tuning_validation/validation_metrics.csv",
                table("validation", run=run, every=every),
            ),
        ):
            path = job / place
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(content, encoding="utf-8")


def measure(folder: Path, *, target: Path) -> tuple[float, float]:
    """Return the processor's and the clock's seconds that the command takes to make the page."""
    started = time.perf_counter()
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    subprocess.run(
        [
            *(sys.executable, "-m", "finetune.main", "metrics", "--folder", str(folder)),
            *("--html", str(target), "--no-plot"),
        ],
        check=True,
        cwd=ROOT,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
    )
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    worked = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    return worked, time.perf_counter() - started


def main() -> int:
    """Measure, write the results and return 0, or 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=DEFAULT_RUNS)
    runs = parser.parse_args().runs
    kinds: dict[str, Any] = {}
    with tempfile.TemporaryDirectory() as name:
        for kind, every in KINDS.items():
            folder, target = Path(name) / kind, Path(name) / "page.html"
            write_runs(folder, every=every)
            took = [measure(folder, target=target) for _ in range(runs)]
            kinds[kind] = {
                "numbers": 2 * COMPARED * (STEPS + STEPS // every),
                "processor_seconds": {
                    "least": round(min(worked for worked, _ in took), 2),
                    "median": round(statistics.median(worked for worked, _ in took), 2),
                },
                "clock_seconds": {
                    "least": round(min(passed for _, passed in took), 2),
                    "median": round(statistics.median(passed for _, passed in took), 2),
                },
                "bytes": target.stat().st_size,
            }
    result = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores, Python"
        f" {platform.python_version()}",
        "load": round(os.getloadavg()[0], 1),
        "runs": runs,
        "compared": COMPARED,
        "steps": STEPS,
        "kinds": kinds,
        "most_seconds": MOST_SECONDS,
        "most_bytes": MOST_BYTES,
    }
    met = {
        kind: one["processor_seconds"]["least"] < MOST_SECONDS and one["bytes"] < MOST_BYTES
        for kind, one in kinds.items()
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "metrics_page.json").write_text(
        json.dumps(result, indent=2) + "\n", encoding="utf-8"
    )
    text = report(result, met=met)
    (RESULTS / "metrics_page.md").write_text(text, encoding="utf-8")
    print(text)
    return 0 if all(met.values()) else 1


def report(result: Mapping[str, Any], *, met: Mapping[str, bool]) -> str:
    """Return the results as a page."""
    head = (
        f"{result['compared']} runs of {result['steps']:,} steps, from the files to the page, by"
        f" the whole command. Measured on {result['date']}: {result['runs']} runs of each kind,"
        " each a process of its own. `make bench` measures again."
    )
    lines = [
        "# How long the page of metrics takes",
        "",
        head,
        "",
        "| kind | numbers drawn from | processor: shortest | median | clock: shortest | median"
        " | page | |",
        "|---|---:|---:|---:|---:|---:|---:|---|",
    ]
    for kind, one in result["kinds"].items():
        times = [
            f"{one[by][which]} s"
            for by in ("processor_seconds", "clock_seconds")
            for which in ("least", "median")
        ]
        lines.append(
            f"| {kind} | {one['numbers']:,} | {' | '.join(times)} | {one['bytes'] / 1e6:.2f} MB |"
            f" {'met' if met[kind] else '**missed**'} |"
        )
    lines += [
        "",
        f"The bars: under {MOST_SECONDS:g} s of one core, and under {MOST_BYTES / 1e6:g} MB. The"
        " clock's seconds are longer where the machine has other work.",
        "",
        f"Machine: {result['machine']}; load {result['load']} when it was measured.",
        "",
    ]
    return "\n".join(lines)


if __name__ == "__main__":
    sys.exit(main())
