"""How long the submitter takes to start and make its first call, against a bare Bedrock client.

    python benchmarks/submitter_start.py [--runs N]

Both run on what is deployed, the staged zip unpacked into a folder, with no other packages, in a
process of its own each time, and take turns. The endpoint is stubbed: the first call goes through
botocore up to the wire. *submitter*: import the handler and answer a Create up to its first call of
Bedrock. *bare client*: `boto3.client("bedrock")` and the same call. The shortest runs are compared,
as noise only adds. Writes `results/submitter_start.json`; ends with 1 when the bar is missed.
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
import zipfile
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).resolve().parents[1]
RESULTS: Final = Path(__file__).with_name("results")
DEFAULT_RUNS: Final = 9
LIMIT: Final = 1.3

STUB: Final = """
import sys, time
started = time.perf_counter()
sys.path.insert(0, sys.argv[1])
from types import SimpleNamespace

class Reached(BaseException):
    pass

def answer(model, **_):
    if model.service_model.service_name == "bedrock":
        raise Reached
    return SimpleNamespace(status_code=200), {"Attributes": {}, "ResponseMetadata": {}}
"""
BARE: Final = """
import boto3
client = boto3.client("bedrock")
client.meta.events.register("before-call", answer)
try:
    client.get_model_customization_job(jobIdentifier="a" * 20)
except Reached:
    print(time.perf_counter() - started)
"""
SUBMITTER: Final = """
import json, os
from submitter.handler import handler
from customization import clients
for service in ("bedrock", "dynamodb"):
    getattr(clients, service)().meta.events.register("before-call", answer)
context = SimpleNamespace(
    function_name="made", memory_limit_in_mb=512, invoked_function_arn="made", aws_request_id="1",
    get_remaining_time_in_millis=lambda: 300_000,
)
try:
    handler(json.loads(os.environ["EVENT"]), context)
except Reached:
    print(time.perf_counter() - started)
"""


def main() -> int:
    """Measure, write the results and return 0, or 1 when the bar is missed."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--runs", type=int, default=DEFAULT_RUNS)
    runs = parser.parse_args().runs
    took: dict[str, list[float]] = {"submitter": [], "bare client": []}
    with tempfile.TemporaryDirectory() as folder:
        unpack(Path(folder))
        for number in range(runs + 1):
            for kind, program in (("bare client", BARE), ("submitter", SUBMITTER)):
                seconds = measure(program, folder=Path(folder))
                if number:  # the first run of each writes the bytecode
                    took[kind].append(seconds)
    ratio = min(took["submitter"]) / min(took["bare client"])
    result = {
        "date": datetime.datetime.now(datetime.UTC).date().isoformat(),
        "machine": f"{platform.machine()}, {os.cpu_count()} cores",
        "python": platform.python_version(),
        "runs": runs,
        "seconds": {
            kind: {"least": round(min(all_), 4), "median": round(statistics.median(all_), 4)}
            for kind, all_ in took.items()
        },
        "ratio": round(ratio, 3),
        "limit": LIMIT,
    }
    RESULTS.mkdir(exist_ok=True)
    text = json.dumps(result, indent=2)
    (RESULTS / "submitter_start.json").write_text(f"{text}\n", encoding="utf-8")
    print(text)
    return 0 if ratio <= LIMIT else 1


def unpack(folder: Path) -> None:
    """Make the submitter's zip and unpack it."""
    sys.path[:0] = [str(ROOT / "constructs"), str(ROOT / "lambda")]
    from bedrock_finetuning.function_assets import assemble, packages_of  # noqa: PLC0415 - needs the path

    asset = folder / "asset.zip"
    assemble(
        packages=packages_of("submitter"),
        dependencies=ROOT / "build" / "functions" / "dependencies.zip",
        source=ROOT / "lambda",
        target=asset,
    )
    with zipfile.ZipFile(asset) as archive:
        archive.extractall(folder)


def measure(program: str, *, folder: Path) -> float:
    """Return the seconds that one run says it took."""
    sys.path.insert(0, str(ROOT))
    from tests.fakes.properties import made  # noqa: PLC0415 - needs the path

    event = {
        "RequestType": "Create",
        "RequestId": "made",
        "StackId": "made",
        "LogicalResourceId": "Job",
        "ResourceProperties": made(),
    }
    ran = subprocess.run(
        [sys.executable, "-I", "-S", "-c", STUB + program, str(folder)],
        capture_output=True,
        text=True,
        check=True,
        cwd=folder,
        env={
            "AWS_REGION": "eu-test-1",
            "AWS_DEFAULT_REGION": "eu-test-1",
            "AWS_ACCESS_KEY_ID": "AKIDEXAMPLE",
            "AWS_SECRET_ACCESS_KEY": "made-up",
            "AWS_EC2_METADATA_DISABLED": "true",
            "TABLE_NAME": "made",
            "EVENT": json.dumps(event),
        },
    )
    return float(ran.stdout.splitlines()[-1])


if __name__ == "__main__":
    sys.exit(main())
