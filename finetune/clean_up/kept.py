"""Writing down what outlives an environment, so that its next deployment can take it up again.

One file for each stack, in the form that `cdk import --resource-mapping` reads: the logical id of a
resource, and what CloudFormation knows it by.
https://docs.aws.amazon.com/cdk/v2/guide/ref-cli-cmd-import.html
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Final

FOLDER: Final = "kept"
"""Beside the settings files."""


def write(
    *, directory: Path, mappings: Mapping[str, Mapping[str, Mapping[str, str]]]
) -> list[Path]:
    """Write a file for each stack and return their paths; what a file had stays in it.

    A destroy that was interrupted sees fewer stacks when it goes on, and must not forget those
    that are gone. Raises OSError.
    """
    folder = directory / FOLDER
    written = []
    for stack, resources in sorted(mappings.items()):
        path = folder / f"{stack}.json"
        before = read(path)
        folder.mkdir(parents=True, exist_ok=True)
        handle, name = tempfile.mkstemp(dir=folder, suffix=".json")
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            json.dump({**before, **resources}, file, indent=2, sort_keys=True)
            file.write("\n")
        Path(name).replace(path)
        written.append(path)
    return written


def read(path: Path) -> dict[str, dict[str, str]]:
    """What a file says; nothing when there is none, or it is not of that form."""
    try:
        found = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found if isinstance(found, dict) else {}
