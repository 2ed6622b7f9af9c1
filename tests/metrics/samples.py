"""Made-up outputs of jobs, for the tests of reading, judging and drawing them."""

from __future__ import annotations

import math
import random
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path

from training_metrics.outputs import RunFiles, find_runs
from training_metrics.runs import Run, read_run
from training_metrics.sources import FolderSource

ID = "abc123def456"
FOLDER = f"model-customization-job-{ID}"
TRAINING = "training_artifacts/step_wise_training_metrics.csv"
VALIDATION = "validation_artifacts/post_fine_tuning_validation/validation_metrics.csv"
MADE_AT = datetime(2026, 11, 23, 12, 0, tzinfo=UTC)

Shape = Callable[[float], float]
"""A loss by the share of the training that is done, 0 to 1."""


def learns(share: float) -> float:
    """A loss that falls from 2 towards 0.4."""
    return 0.4 + 1.6 * math.exp(-8 * share)


def overfits(share: float) -> float:
    """A validation loss that is lowest at two fifths and rises after."""
    return 0.5 + 1.5 * math.exp(-10 * share) + max(0.0, share - 0.4)


def diverges(share: float) -> float:
    """A loss that falls until half and then rises high above where it began."""
    return learns(share) if share < 0.5 else 0.45 + 6 * (share - 0.5)


def table(
    kind: str,
    shape: Shape,
    *,
    steps: int = 400,
    epochs: int = 4,
    noise: float = 0.0,
    seed: int = 0,
    every: int = 1,
) -> str:
    """Return a CSV in the documented columns."""
    tremble = random.Random(seed)  # noqa: S311 - made-up losses
    lines = [f"step_number,epoch_number,{kind}_loss,perplexity"]
    for step in range(0, steps, every):
        loss = shape(step / steps) + tremble.gauss(0, noise)
        lines.append(f"{step},{step * epochs // steps},{loss:.5f},{math.exp(min(loss, 50)):.5f}")
    return "\n".join(lines) + "\n"


def write(root: Path, files: dict[str, str | bytes], *, id: str = ID) -> Path:
    """Write files of a job below a folder, as Bedrock lays them out, and return that folder."""
    for name, content in files.items():
        path = root / f"model-customization-job-{id}" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content if isinstance(content, bytes) else content.encode())
    return root


def read(root: Path, *, name: str = "", window: int | None = None) -> Run:
    """Return the one run below a folder."""
    source = FolderSource(folder=root)
    (files,) = find_runs(source.names())
    return read_run(source=source, files=files, name=name, window=window)


def run_of(
    root: Path,
    training: str | None,
    validation: str | None = None,
    *,
    name: str = "",
    id: str = ID,
    window: int | None = None,
) -> Run:
    """Return the run whose tables these are."""
    tables: dict[str, str | bytes] = {}
    if training is not None:
        tables[TRAINING] = training
    if validation is not None:
        tables[VALIDATION] = validation
    write(root / id, tables, id=id)
    if not tables:
        files = RunFiles(folder=f"model-customization-job-{id}/")
        return read_run(source=FolderSource(folder=root), files=files, name=name, window=window)
    return read(root / id, name=name, window=window)


def pairs(csv: str) -> dict[int, tuple[float, float]]:
    """Return what a CSV says: step to loss and perplexity."""
    rows = [line.split(",") for line in csv.splitlines()[1:]]
    return {int(row[0]): (float(row[2]), float(row[3])) for row in rows}
