"""How fast `finetune data check` is, and how much memory it takes.

    python benchmarks/data_check.py [--runs N] [--full-runs N] [--aws-validator FILE]
        [--large KIND] [--folder DIR]

A file of 20,000 Converse records of about 50 KB is made and read once, so that it is in the page
cache. Every run is a process of its own, whole: the interpreter's start is in it. The kinds take
turns, so that whatever else the machine does meets all of them; medians are compared.

`bare decode` decodes each line into a typed structure with msgspec, in one process, and does
nothing else. `AWS's validator` is nova_ft_dataset_validator.py of the public repository
aws-samples/amazon-bedrock-samples, which is not part of this one: name the file to have it run.
`--large KIND` measures time and memory once more on ten times as much, of `core` or of `all`.

Writes `results/data_check.json` and `results/data_check.md`; ends with 1 when a bar is missed.
"""

from __future__ import annotations

import argparse
import datetime
import json
import os
import platform
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

ROOT: Final = Path(__file__).resolve().parents[1]
RESULTS: Final = Path(__file__).with_name("results")
RECORDS: Final = 20_000
RECORD_CHARACTERS: Final = 50_000
DIFFERENT: Final = 400
"""Texts that are made; records take two of them and a number of their own."""
MODEL: Final = "amazon.nova-micro-v1:0:128k"
DECODE: Final = """
import sys
from typing import Literal
import msgspec

class Text(msgspec.Struct):
    text: str

class Message(msgspec.Struct):
    role: Literal["user", "assistant"]
    content: list[Text]

class Record(msgspec.Struct):
    schemaVersion: Literal["bedrock-conversation-2024"]
    messages: list[Message]
    system: list[Text] = []

decode = msgspec.json.Decoder(Record).decode
with open(sys.argv[1], "rb") as file:
    for line in file:
        decode(line)
"""
BARE, CORE, ALL, AWS = "bare decode", "--core", "everything on", "AWS's validator"


@dataclass(frozen=True)
class Run:
    """One run of one kind."""

    seconds: float
    """From the start of the process to its end."""
    processor_seconds: float
    """Time on processors, of all its processes."""
    peak_mb: float
    """Most memory at once, of all its processes together, what they share counted once."""


def make_file(path: Path, *, records: int) -> None:
    """Write records of invented words, with quotes, line ends and colons as texts have them."""
    chance = random.Random(1)  # noqa: S311 the same file each time
    letters = "etaoinshrdlucmfwypvbgk"
    words = ["".join(chance.choices(letters, k=chance.randint(2, 10))) for _ in range(5000)]
    words += ["größe", "naïve", "façade", "señor", "“quoted”"]
    texts = ["".join(_sentences(chance, words, RECORD_CHARACTERS // 2)) for _ in range(DIFFERENT)]
    with path.open("w", encoding="utf-8") as file:
        for number in range(records):
            asked, answered = chance.sample(texts, 2)
            record = {
                "schemaVersion": "bedrock-conversation-2024",
                "system": [{"text": "You answer in one paragraph."}],
                "messages": [
                    {"role": "user", "content": [{"text": f"Question {number}. {asked}"}]},
                    {"role": "assistant", "content": [{"text": answered}]},
                ],
            }
            file.write(json.dumps(record, ensure_ascii=False) + "\n")


def _sentences(chance: random.Random, words: list[str], length: int) -> Iterator[str]:
    while length > 0:
        sentence = " ".join(chance.choices(words, k=chance.randint(5, 20))).capitalize()
        if chance.random() < 0.1:
            sentence = sentence.replace(" ", ": ", 1)
        if chance.random() < 0.05:
            sentence = f'"{sentence}"'
        sentence += chance.choice((". ", ". ", ". ", "? ", "! ", ".\n", ".\n\n"))
        length -= len(sentence)
        yield sentence


def run(command: Sequence[str]) -> Run:
    """Run a command to its end, watching its memory; its output must not be of interest."""
    before = os.times()
    started = time.perf_counter()
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE)
    peak = 0.0
    while process.poll() is None:
        peak = max(peak, memory_of(process.pid))
        try:
            process.wait(0.1)
        except subprocess.TimeoutExpired:
            continue
    seconds = time.perf_counter() - started
    after = os.times()
    assert process.stderr is not None
    if process.returncode != 0:
        sys.exit(f"{' '.join(command)} ended with {process.returncode}: {process.stderr.read()!r}")
    used = after.children_user + after.children_system
    used -= before.children_user + before.children_system
    return Run(round(seconds, 3), round(used, 3), round(peak / 1024, 1))


def memory_of(process: int) -> float:
    """Proportional memory of a process and those it started, in KB; 0 where it cannot be read."""
    total = 0.0
    try:
        for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
            if line.startswith("Pss:"):
                total += float(line.split()[1])
        for task in Path(f"/proc/{process}/task").iterdir():
            for child in (task / "children").read_text().split():
                total += memory_of(int(child))
    except (OSError, ValueError):
        return total
    return total


def kinds(file: Path, *, validator: Path | None) -> dict[str, list[str]]:
    """The commands to compare."""
    python = sys.executable
    check = [python, "-m", "finetune.main", "data", "check", str(file), "--model", MODEL]
    commands = {
        BARE: [python, "-c", DECODE, str(file)],
        CORE: [*check, "--core"],
        ALL: check,
    }
    if validator is not None:
        commands[AWS] = [python, str(validator), "-i", str(file), "-m", "micro"]
    return commands


def measure(
    *, folder: Path, runs: int, full_runs: int, validator: Path | None, large: str | None
) -> dict[str, Any]:
    """Run every kind, in turns, and return the numbers; the slow one in the first turns only."""
    file = folder / "large.jsonl"
    make_file(file, records=RECORDS)
    size = file.stat().st_size
    load_before = os.getloadavg()
    found: dict[str, list[Run]] = {name: [] for name in kinds(file, validator=validator)}
    for turn in range(runs):
        for name, command in kinds(file, validator=validator).items():
            if name == ALL and turn >= full_runs:
                continue
            found[name].append(run(command))
            print(f"{name}: {found[name][-1]}", flush=True)
    result: dict[str, Any] = {
        "date": datetime.datetime.now(tz=datetime.UTC).date().isoformat(),
        "machine": {
            "processors": os.cpu_count(),
            "system": f"{platform.system()} {platform.machine()}",
            "python": platform.python_version(),
            "load before and after": [load_before[0], os.getloadavg()[0]],
        },
        "file": {"records": RECORDS, "bytes": size},
        "runs": runs,
        "kinds": {
            name: {
                "seconds": [one.seconds for one in several],
                "median": statistics.median(one.seconds for one in several),
                "processor median": statistics.median(one.processor_seconds for one in several),
                "peak MB": max(one.peak_mb for one in several),
            }
            for name, several in found.items()
        },
    }
    if large:
        once = file.read_bytes()
        with file.open("ab") as more:
            for _ in range(9):
                more.write(once)
        del once
        # Ten times the records a job takes: the check says so, and reads on to the end.
        kind = CORE if large == "core" else ALL
        one = run(["sh", "-c", '"$@"; [ $? -le 1 ]', "sh", *kinds(file, validator=None)[kind]])
        result["ten times as much"] = {
            "kind": kind,
            "bytes": file.stat().st_size,
            "seconds": one.seconds,
            "peak MB": one.peak_mb,
        }
    return result


def bars(result: dict[str, Any]) -> list[tuple[str, str, bool]]:
    """Each bar: what it asks, what was measured, whether it is met."""
    found = result["kinds"]
    size = result["file"]["bytes"] / 1e6
    core = found[CORE]["median"]
    times = core / found[BARE]["median"]
    rate = size / found[ALL]["median"]
    peak = max(found[CORE]["peak MB"], found[ALL]["peak MB"])
    asked = [
        ("`--core` takes at most 1.5 times a bare decode", f"{times:.2f} times", times <= 1.5),
        ("everything on: at least 20 MB/s", f"{rate:.0f} MB/s", rate >= 20),
        ("peak memory under 300 MB", f"{peak:.0f} MB", peak < 300),
    ]
    if AWS in found:
        faster = found[AWS]["median"] / core
        asked.append(
            (
                "`--core` is at least 6 times as fast as AWS's validator",
                f"{faster:.1f} times",
                faster >= 6,
            )
        )
    if "ten times as much" in result:
        large = result["ten times as much"]
        asked.append(
            (
                f"ten times as much, {large['kind']}: peak memory under 300 MB",
                f"{large['peak MB']:.0f} MB in {large['seconds']:.0f} s",
                large["peak MB"] < 300,
            )
        )
    return asked


def written(result: dict[str, Any]) -> str:
    """The results for people."""
    machine = result["machine"]
    loads = ", ".join(f"{load:.1f}" for load in machine["load before and after"])
    rows = [
        "# `finetune data check`",
        "",
        f"{result['date']}, {machine['processors']} processors, {machine['system']}, Python"
        f" {machine['python']}; load before and after: {loads}. {result['file']['records']:,}"
        f" Converse records, {result['file']['bytes']:,} bytes, in the page cache. Whole processes,"
        f" in turns, median of {result['runs']}"
        f" ({len(result['kinds'][ALL]['seconds'])} of everything on).",
        "",
        "| kind | median | on processors | peak memory |",
        "|---|---|---|---|",
        *(
            f"| {name} | {found['median']:.2f} s | {found['processor median']:.2f} s |"
            f" {found['peak MB']:.0f} MB |"
            for name, found in result["kinds"].items()
        ),
        "",
        "| bar | measured | met |",
        "|---|---|---|",
        *(f"| {bar} | {got} | {'yes' if met else 'no'} |" for bar, got, met in bars(result)),
        "",
    ]
    return "\n".join(rows)


def main() -> None:
    """Measure, write the results, and end with 1 when a bar is missed."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--runs", type=int, default=5)
    parser.add_argument("--full-runs", type=int, help="of everything on; as --runs if left out")
    parser.add_argument("--aws-validator", type=Path, metavar="FILE")
    parser.add_argument("--large", choices=("core", "all"))
    parser.add_argument("--folder", type=Path, help="where the files are made: 1 GB, or 10")
    options = parser.parse_args()
    os.environ["PYTHONPATH"] = str(ROOT)
    with tempfile.TemporaryDirectory(dir=options.folder) as folder:
        result = measure(
            folder=Path(folder),
            runs=options.runs,
            full_runs=options.full_runs or options.runs,
            validator=options.aws_validator,
            large=options.large,
        )
    RESULTS.mkdir(exist_ok=True)
    (RESULTS / "data_check.json").write_text(json.dumps(result, indent=2) + "\n")
    (RESULTS / "data_check.md").write_text(written(result))
    print(written(result))
    if not all(met for _, _, met in bars(result)):
        sys.exit(1)


if __name__ == "__main__":
    main()
