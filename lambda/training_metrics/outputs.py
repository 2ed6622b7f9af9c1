"""Which files of a listing belong to which training run.

Bedrock writes below `<output>/model-customization-job-<id>/`. Its guide names one place for the
validation metrics, its own examples read two others, so the listing decides and no path is fixed.
https://docs.aws.amazon.com/bedrock/latest/userguide/model-customization-analyze.html
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

JOB_FOLDER: Final = "model-customization-job-"
"""How the folder of a job begins; the job's id follows, the last part of its ARN."""
TRAINING_FILE: Final = "step_wise_training_metrics.csv"
VALIDATION_FILE: Final = "validation_metrics.csv"
PAGE_FILE: Final = "training_metrics.html"
"""Name of the page that is kept beside a job's outputs."""
KNOWN_VALIDATION_FOLDERS: Final = (
    "post_fine_tuning_validation/",
    "",
    "post_fine_tuning_validation/validation/",
)
"""Below `validation_artifacts/`: as the guide has it, as for Llama, as for Nova."""

_ARTIFACTS = re.compile(
    r"(?P<folder>|.*?/)(?P<kind>training|validation)_artifacts/(?P<rest>.+)", re.DOTALL
)
_FOLDER = re.compile(rf"(?P<folder>(?:|.*?/){JOB_FOLDER}[^/]+/).*", re.DOTALL)


@dataclass(kw_only=True)
class RunFiles:
    """The files of one training run, by what they hold; names are as the listing has them."""

    folder: str
    """What the names of its files begin with; empty, or ends with a slash."""
    training: list[str] = field(default_factory=list)
    validation: list[str] = field(default_factory=list)

    @property
    def id(self) -> str:
        """The id of the job, when the folder names one; else the folder's own name."""
        return self.folder.rstrip("/").rsplit("/", 1)[-1].removeprefix(JOB_FOLDER)

    @property
    def page(self) -> str:
        """Name under which the page of this run is kept beside its outputs."""
        return f"{self.folder}{PAGE_FILE}"

    def validation_label(self, name: str) -> str:
        """Return what to call a validation file's curve: several data sets have a folder each."""
        rest = name.removeprefix(f"{self.folder}validation_artifacts/")
        folder = rest.rpartition("/")[0].removeprefix("post_fine_tuning_validation").strip("/")
        return "validation" if folder in {"", "validation"} else f"validation ({folder})"

    def is_known_layout(self, name: str) -> bool:
        """Return whether a validation file stands where AWS is known to put it."""
        rest = name.removeprefix(f"{self.folder}validation_artifacts/")
        return rest in {f"{folder}{VALIDATION_FILE}" for folder in KNOWN_VALIDATION_FOLDERS}


def find_runs(names: Iterable[str]) -> list[RunFiles]:
    """Return the training runs that a listing shows, in the order of their folders.

    A job's folder without any metrics is a run too: what is missing from it is worth saying.
    """
    found: dict[str, RunFiles] = {}
    for name in sorted(names):
        artifact = _ARTIFACTS.fullmatch(name)
        folder = artifact or _FOLDER.fullmatch(name)
        if folder is None:
            continue
        run = found.setdefault(folder["folder"], RunFiles(folder=folder["folder"]))
        if artifact is None or not name.lower().endswith(".csv"):
            continue
        if artifact["kind"] == "training":
            run.training.append(name)
        else:
            run.validation.append(name)
    return list(found.values())


def run_in(folder: str, names: Iterable[str]) -> RunFiles:
    """Return the run whose folder this is; one without any file when the listing has none."""
    for files in find_runs(names):
        if files.folder == folder:
            return files
    return RunFiles(folder=folder)
