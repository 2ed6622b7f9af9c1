"""cfn-lint on the templates, in a process of its own: it alone finds misspelt operators."""

from __future__ import annotations

import json
import subprocess
import sys
import tempfile
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from review.findings import Level
from review.others.finding import Remark, ToolError
from review.template.deployment import Deployment

CONFIGURATION: Final = Path(__file__).resolve().parents[2] / ".cfnlintrc.yaml"
"""The checks that are left out, each with its reason."""
MOST_SECONDS: Final = 120
_LEVELS: Final[Mapping[str, Level]] = {"E": "error", "W": "warning", "I": "note"}
_ENDED: Final = range(32)
"""Its exit codes are sums of 2, 4 and 8 for what it found; others mean that it failed."""


class Linting:
    """A run of cfn-lint that was begun and whose remarks are asked for later.

    Args:
        deployment: What is looked at: the templates as they were read.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._folder = tempfile.TemporaryDirectory()
        self._keys: dict[str, str] = {}
        for number, (key, template) in enumerate(deployment.templates.items()):
            file = Path(self._folder.name) / f"{number}.json"
            file.write_text(json.dumps(template), encoding="utf-8")
            self._keys[str(file)] = key
        regions = sorted({stack.region for stack in deployment.stacks.values()})
        self._process = subprocess.Popen(
            [
                sys.executable,
                "-c",
                "import sys; from cfnlint.runner import main; sys.exit(main())",
                "--config-file",
                str(CONFIGURATION if CONFIGURATION.exists() else _nothing(self._folder.name)),
                "--format",
                "json",
                *(["--regions", *regions] if regions else []),
                "--",
                *self._keys,
            ],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
            cwd=self._folder.name,
        )

    def remarks(self) -> list[Remark]:
        """Everything that it found.

        Raises:
            ToolError: It failed or took too long.
        """
        try:
            out, err = self._process.communicate(timeout=MOST_SECONDS)
        except subprocess.TimeoutExpired as error:
            raise ToolError("cfn-lint", f"took longer than {MOST_SECONDS} seconds") from error
        finally:
            self.close()
        try:
            found = json.loads(out)
        except ValueError as error:
            reason = (err.strip().splitlines() or ["it said nothing"])[-1]
            raise ToolError("cfn-lint", reason[:300]) from error
        if self._process.returncode not in _ENDED:
            raise ToolError("cfn-lint", f"ended with {self._process.returncode}")
        return [self._remark(each) for each in found]

    def close(self) -> None:
        """Ends the run, whether it is done or not."""
        if self._process.poll() is None:
            self._process.kill()
            self._process.wait()
        for stream in (self._process.stdout, self._process.stderr):
            if stream is not None:
                stream.close()
        self._folder.cleanup()

    def _remark(self, match: Mapping[str, Any]) -> Remark:
        path = match["Location"]["Path"] or []
        logical_id = str(path[1]) if path[:1] == ["Resources"] and len(path) > 1 else ""
        inside = path[3:] if path[2:3] == ["Properties"] else []
        return Remark(
            tool="cfn-lint",
            stack=self._keys[match["Filename"]],
            logical_id=logical_id,
            finding=match["Rule"]["Id"],
            level=_LEVELS.get(match["Rule"]["Id"][0], "error"),
            message=match["Message"],
            property=".".join(str(each) for each in inside),
        )


def _nothing(folder: str) -> Path:
    file = Path(folder) / "nothing.yaml"
    file.write_text("{}", encoding="utf-8")
    return file
