"""What every command prints, and the exit code it ends with.

The contract: with `--json` a command prints one object, `{"schema": 1, "command": ..., "ok": bool,
"findings": [...], ...}`, and nothing else on standard output; without it, sentences. Progress goes
to standard error in both cases.
"""

import gc
import json
import sys
from collections.abc import Callable, Mapping, Sequence
from enum import IntEnum
from typing import Annotated, NoReturn

import typer

from review.findings import Finding, Level

__all__ = [
    "SCHEMA",
    "CommandError",
    "ExitCode",
    "Finding",
    "JsonOption",
    "Level",
    "Output",
    "failure",
    "run_command",
]

SCHEMA = 1
"""Version of the JSON object; raised when a key changes its meaning or goes."""

JsonOption = Annotated[
    bool, typer.Option("--json", help="Print one JSON object instead of sentences.")
]
"""The `--json` option, the same on every command."""


class ExitCode(IntEnum):
    """How a command ended; the same numbers for every command."""

    DONE = 0
    FINDINGS = 1
    """Findings in the input, or a job or rehearsal that failed."""
    USAGE = 2
    """Unreadable input, wrong settings or wrong use."""
    AWS = 3
    """AWS refused, or there are no usable credentials."""
    TIMED_OUT = 4
    INTERRUPTED = 130


class CommandError(Exception):
    """A command that ends with findings and an exit code other than 0."""

    def __init__(
        self,
        *,
        code: ExitCode,
        findings: Sequence[Finding],
        result: Mapping[str, object] | None = None,
    ) -> None:
        super().__init__("; ".join(finding.message for finding in findings))
        self.code = code
        self.findings = tuple(findings)
        self.result = dict(result or {})
        """Further keys of the JSON object, for a command that has results besides its failure."""


def failure(
    *,
    code: ExitCode,
    id: str,
    message: str,
    fix: str,
    where: Mapping[str, str | int] | None = None,
) -> CommandError:
    """Return the exception for a command that ends with this one error."""
    finding = Finding(id=id, level="error", message=message, fix=fix, where=where or {})
    return CommandError(code=code, findings=[finding])


class Output:
    """What a running command says: sentences at once, findings also at once, results at the end."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self.findings: list[Finding] = []

    def say(self, text: str) -> None:
        """Print a sentence on standard output, unless the command prints JSON."""
        if not self.as_json:
            print(text, flush=True)

    def add(self, finding: Finding) -> None:
        """Keep a finding for the JSON object; without `--json`, print it on standard error."""
        self.findings.append(finding)
        if not self.as_json:
            print(finding.as_text(), file=sys.stderr, flush=True)

    def print_object(self, *, command: str, ok: bool, result: Mapping[str, object]) -> None:
        """Print the JSON object of the contract, when the command was asked for it."""
        if self.as_json:
            head = {"schema": SCHEMA, "command": command, "ok": ok}
            findings = [finding.as_json() for finding in self.findings]
            print(json.dumps({**head, "findings": findings, **result}, indent=2))


def run_command(
    *, command: str, as_json: bool, action: Callable[[Output], Mapping[str, object]]
) -> NoReturn:
    """Run a command's action, report what came of it, and end with its exit code.

    The action returns further keys of the JSON object, and raises `CommandError` for everything
    a user can cause. Any other exception is a defect of ours and keeps its traceback.
    """
    output = Output(as_json=as_json)
    code = ExitCode.DONE
    gc.freeze()
    gc.enable()
    try:
        result = action(output)
    except CommandError as failed:
        for finding in failed.findings:
            output.add(finding)
        code, result = failed.code, failed.result
    except KeyboardInterrupt:
        output.add(Finding(id="interrupted", level="error", message="interrupted", fix=""))
        code, result = ExitCode.INTERRUPTED, {}
    output.print_object(command=command, ok=code is ExitCode.DONE, result=result)
    raise typer.Exit(code)
