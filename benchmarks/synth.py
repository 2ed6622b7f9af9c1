"""How long synth takes: all gates against the built-in validation alone, and 30 jobs against one.

    python benchmarks/synth.py [--runs N]

Every run is a process of its own, as `python app.py` is, and the kinds take turns, so that whatever
else the machine does meets all of them. The shortest run of each kind is compared: noise only adds.
Writes `results/synth.json` and `results/synth.md` beside this file; ends with 1 when a bar is
missed.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
RESULTS: Final = Path(__file__).with_name("results")
DEFAULT_RUNS: Final = 5
DIGEST: Final = "0123456789abcdef" * 4


@dataclass(frozen=True, kw_only=True)
class Bar:
    """How many times longer one kind of synth may take than another."""

    name: str
    slow: str
    fast: str
    limit: float


BARS: Final = (
    Bar(
        name="every gate on, against CDK's built-in validation alone",
        slow="all gates, dev",
        fast="built-in validation alone, dev",
        limit=1.5,
    ),
    Bar(
        name="30 jobs, against one job",
        slow="all gates, 30 jobs",
        fast="all gates, 1 job",
        limit=2.0,
    ),
)


JOBS: Final[Mapping[str, int]] = {"all gates, 1 job": 1, "all gates, 30 jobs": 30}
"""How many jobs a kind has, where the benchmark decides it."""


def settings(*, jobs: int) -> dict[str, Any]:
    """Settings with a number of jobs, and everything else as dev has it by default."""
    who = ["role/finetune-engineer"]
    job = {"base_model": "amazon.nova-micro-v1:0:128k", "dataset": "reviews"}
    return {
        "region": "us-east-1",
        "people": {"uploaders": who, "readers": who, "invokers": who, "administrators": who},
        "jobs": {f"job-{number}": {**job, "run": number} for number in range(1, jobs + 1)},
    }


def lock_file() -> dict[str, Any]:
    """A lock file with the one data set that the jobs name."""
    check = {
        "version": "1",
        "model_family": "amazon-nova-micro",
        "ok": True,
        "at": "2026-11-22T12:00:00Z",
    }
    return {
        "reviews": {
            "sha256": DIGEST,
            "key": f"fine-tuning-datasets/reviews/{DIGEST}/train.jsonl",
            "bytes": 1000,
            "records": 200,
            "check": check,
        }
    }


def synthesise(*, directory: Path, gates: bool) -> int:
    """What one measured process does: `python app.py`, with other settings or without the gates."""
    sys.path[:0] = [str(ROOT), str(ROOT / "constructs"), str(ROOT / "lambda")]
    import app  # noqa: PLC0415 - the import is part of what is measured

    if not gates:
        cdk_app = app.new_app()
        app.build_app(cdk_app, directory=directory, gates=False)
        cdk_app.synth()
        return 0
    os.environ["FINETUNE_CONFIG"] = str(directory)
    return app.main()


def commands(folder: Path) -> dict[str, list[str]]:
    """The command line of each kind of synth."""
    for jobs in (1, 30):
        config = folder / f"{jobs}"
        config.mkdir()
        (config / "dev.yaml").write_text(json.dumps(settings(jobs=jobs)), encoding="utf-8")
        (config / "datasets.lock.json").write_text(json.dumps(lock_file()), encoding="utf-8")
    once = [sys.executable, __file__, "--once"]
    return {
        "all gates, dev": [sys.executable, "app.py"],
        "built-in validation alone, dev": [*once, "plain", "--config", str(ROOT / "config")],
        "all gates, 1 job": [*once, "gates", "--config", str(folder / "1")],
        "all gates, 30 jobs": [*once, "gates", "--config", str(folder / "30")],
    }


def measure(*, runs: int) -> dict[str, list[float]]:
    """Seconds of each run, by kind; one run of each before warms the disk's cache."""
    kept = {
        name: value
        for name, value in os.environ.items()
        # CDK_VALIDATION would turn the built-in validation off.
        if not name.startswith(("AWS_", "CDK_", "FINETUNE_"))
    }
    seconds: dict[str, list[float]] = {}
    with tempfile.TemporaryDirectory() as folder:
        environment = {**kept, "CDK_OUTDIR": str(Path(folder) / "out")}
        kinds = commands(Path(folder))
        for turn in range(runs + 1):
            for kind, command in kinds.items():
                start = time.perf_counter()
                made = subprocess.run(
                    command,
                    cwd=ROOT,
                    env=environment,
                    capture_output=True,
                    text=True,
                    check=False,
                )
                elapsed = time.perf_counter() - start
                if made.returncode != 0:
                    raise SystemExit(f"{kind} ended with {made.returncode}:\n{made.stderr}")
                _check_jobs(kind, Path(environment["CDK_OUTDIR"]))
                if turn:
                    seconds.setdefault(kind, []).append(elapsed)
    return seconds


def _check_jobs(kind: str, out: Path) -> None:
    """Stop when something else was synthesised than what is said to be measured.

    Raises:
        SystemExit: The manifest names another number of jobs.
    """
    wanted = JOBS.get(kind)
    manifest = json.loads((out / "manifest.json").read_text(encoding="utf-8"))
    found = sum("-job-" in name for name in manifest["artifacts"] if ".assets" not in name)
    if wanted is not None and found != wanted:
        raise SystemExit(f"{kind}: {found} jobs were synthesised, not {wanted}")


def machine() -> dict[str, str]:
    """What was measured on: no name, nothing that tells whose it is."""
    model = platform.machine()
    information = Path("/proc/cpuinfo")
    if information.exists():
        names = [
            line.partition(":")[2].strip()
            for line in information.read_text(encoding="utf-8").splitlines()
            if line.startswith("model name")
        ]
        model = names[0] if names else model
    node = subprocess.run(
        [os.environ.get("JSII_NODE", str(ROOT / "node_modules" / ".bin" / "node")), "--version"],
        capture_output=True,
        text=True,
        check=False,
    )
    return {
        "processor": model,
        "processors": str(os.cpu_count()),
        "system": f"{platform.system()} {platform.machine()}",
        "python": platform.python_version(),
        "node": node.stdout.strip(),
    }


def judged(seconds: Mapping[str, Sequence[float]]) -> list[dict[str, Any]]:
    """Each bar with its ratio and whether it is met."""
    return [
        {
            "name": bar.name,
            "ratio": round(min(seconds[bar.slow]) / min(seconds[bar.fast]), 3),
            "limit": bar.limit,
            "met": min(seconds[bar.slow]) <= bar.limit * min(seconds[bar.fast]),
        }
        for bar in BARS
    ]


def report(result: Mapping[str, Any]) -> str:
    """The result as Markdown."""
    lines = [
        "# How long synth takes",
        "",
        f"Measured on {result['date']}: {result['runs']} runs of each kind, taking turns, each a "
        "process of its own. `make bench` measures again.",
        "",
        "| kind | shortest | median |",
        "|---|---:|---:|",
        *(
            f"| {kind} | {each['min']:.2f} s | {each['median']:.2f} s |"
            for kind, each in result["kinds"].items()
        ),
        "",
        "| bar | ratio of the shortest runs | at most | |",
        "|---|---:|---:|---|",
        *(
            f"| {bar['name']} | {bar['ratio']:.2f} | {bar['limit']:.1f} "
            f"| {'met' if bar['met'] else 'missed'} |"
            for bar in result["bars"]
        ),
        "",
        "Machine: " + ", ".join(f"{name} {value}" for name, value in result["machine"].items()),
    ]
    return "\n".join(lines) + "\n"


def main() -> int:
    """Measures, writes and prints; returns 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description="Measure how long synth takes.")
    parser.add_argument("--runs", type=int, default=DEFAULT_RUNS, help="runs of each kind")
    parser.add_argument("--once", choices=("gates", "plain"), help=argparse.SUPPRESS)
    parser.add_argument("--config", type=Path, help=argparse.SUPPRESS)
    arguments = parser.parse_args()
    if arguments.once:
        return synthesise(directory=arguments.config, gates=arguments.once == "gates")
    if arguments.runs < 1:
        parser.error("--runs must be at least 1")
    seconds = measure(runs=arguments.runs)
    result = {
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "machine": machine(),
        "runs": arguments.runs,
        "kinds": {
            kind: {
                "min": round(min(times), 3),
                "median": round(statistics.median(times), 3),
                "seconds": [round(each, 3) for each in times],
            }
            for kind, times in seconds.items()
        },
        "bars": judged(seconds),
    }
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "synth.json").write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    text = report(result)
    (RESULTS / "synth.md").write_text(text, encoding="utf-8")
    print(text, end="")
    return 0 if all(bar["met"] for bar in result["bars"]) else 1


if __name__ == "__main__":
    sys.exit(main())
