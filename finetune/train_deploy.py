"""Deploying for `finetune train`: what would change, and the CDK's own command line doing it.

What is deployed is asked of CloudFormation each time, and compared with what was synthesised: so a
deployment that was interrupted anywhere is gone on with, and one that is complete is not repeated.
"""

import ctypes
import json
import os
import re
import selectors
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any, Literal

from finetune.aws import Connection, aws_errors, error_code
from finetune.environments import ROOT
from finetune.report import CommandError, ExitCode, Finding, failure

if TYPE_CHECKING:
    from rehearsal.toolkit import Assembly

Doing = Literal["create", "update", "repair", "nothing"]
SETTLES = 3600.0
"""Seconds for which an operation on a stack that somebody began before is waited for."""
_ABSENT = frozenset({"", "REVIEW_IN_PROGRESS", "DELETE_COMPLETE"})
_BROKEN_CREATE = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "CREATE_FAILED"})
_STUCK = frozenset({"DELETE_FAILED", "UPDATE_ROLLBACK_FAILED"})
_TICK = 0.25
_END_SECONDS = 10.0
_PARENT_DEATH_SIGNAL = 1
"""PR_SET_PDEATHSIG: https://man7.org/linux/man-pages/man2/PR_SET_PDEATHSIG.2const.html"""
_PROGRESS = re.compile(r"\s*(?P<stack>\S+) \|\s*(?P<done>\d+)/(?P<of>\d+) \|")
_FAILED = re.compile(
    r"\s*(?P<stack>\S+) \|.*_FAILED\s*\|\s*\S+\s*\|\s*(?P<where>\S+ \(\w+\))\s+(?P<why>.+)"
)
"""Events as the CDK's command line prints them with `--progress events`."""
_ERROR = re.compile(r"❌|[Ff]ailed:|error:|Error:")


@dataclass(frozen=True, kw_only=True)
class Change:
    """What a deployment would do to a stack."""

    stack: str
    doing: Doing
    added: int = 0
    """Resources that come."""
    changed: int = 0
    removed: int = 0

    @property
    def words(self) -> str:
        """It in words."""
        if self.doing == "create":
            return f"create {self.stack}: {self.added} resources"
        if self.doing == "repair":
            return f"delete {self.stack}, which failed, and create it: {self.added} resources"
        if self.doing == "nothing":
            return f"leave {self.stack} as it is"
        counts = ((self.added, "new"), (self.changed, "changed"), (self.removed, "removed"))
        told = ", ".join(f"{count} {word}" for count, word in counts if count)
        return f"update {self.stack}: {told or 'outputs, tags or protection'}"


@dataclass(kw_only=True)
class Deployer:
    """Synthesises the app and deploys its stacks, with the credentials of the caller."""

    connection: Connection
    environment: str
    folder: Path
    """A folder for what is synthesised."""
    variables: Mapping[str, str]
    """Environment variables of the processes."""
    interval: float
    """Seconds between two looks at a stack that is being worked on."""

    def synthesise(self, *, config: Path, tick: Callable[[], None]) -> "Assembly":
        """Run the app with its gates, and return what it made.

        Raises `CommandError`, with the app's own words, when it does not synthesise.
        """
        from rehearsal.toolkit import Assembly  # noqa: PLC0415 loaded when used

        folder = self.folder / "cdk.out"
        code, lines = self._run(
            [sys.executable, str(ROOT / "app.py")],
            cwd=ROOT,
            more={
                "CDK_OUTDIR": str(folder),
                "FINETUNE_ENVIRONMENT": self.environment,
                "FINETUNE_CONFIG": str(config),
            },
            tick=tick,
        )
        if code:
            raise CommandError(
                code=ExitCode.USAGE if code == ExitCode.USAGE else ExitCode.FINDINGS,
                findings=[
                    Finding(
                        id="not-synthesised",
                        level="error",
                        message=" / ".join(line.strip() for line in lines[-20:] if line.strip())
                        or f"the app ended with {code}",
                        fix="correct what is said, then run the same command again",
                    )
                ],
            )
        return Assembly(folder=folder)

    def changes(
        self, *, assembly: "Assembly", stacks: Sequence[str], tick: Callable[[str], None]
    ) -> list[Change]:
        """What a deployment would do to each stack, once nobody works on it any more.

        Raises `CommandError` for a stack that no deployment can repair.
        """
        return [self._change(stack, assembly=assembly, tick=tick) for stack in stacks]

    def _change(self, stack: str, *, assembly: "Assembly", tick: Callable[[str], None]) -> Change:
        wanted = assembly.template(stack)
        resources: dict[str, Any] = wanted.get("Resources", {})
        found = self._settled(stack, tick=tick)
        status = str(found.get("StackStatus", ""))
        if status in _STUCK:
            raise failure(
                code=ExitCode.AWS,
                id="stack-stuck",
                message=f"the stack {stack} is {status}, and no deployment can change it",
                fix="see its events in CloudFormation for the reason, then: aws cloudformation"
                f" {'continue-update-rollback' if 'UPDATE' in status else 'delete-stack'}"
                f" --stack-name {stack}; and run the same command again",
                where={"stack": stack},
            )
        if status in _ABSENT:
            return Change(stack=stack, doing="create", added=len(resources))
        if status in _BROKEN_CREATE:
            return Change(stack=stack, doing="repair", added=len(resources))
        there = self._template(stack)
        tags = {tag["Key"]: tag["Value"] for tag in found.get("Tags", [])}
        about = self._about(stack, assembly=assembly)
        if (
            there == wanted
            and tags == about.get("tags", {})
            and bool(found.get("EnableTerminationProtection"))
            is bool(about.get("terminationProtection"))
        ):
            return Change(stack=stack, doing="nothing")
        old: dict[str, Any] = there.get("Resources", {})
        both = old.keys() & resources.keys()
        return Change(
            stack=stack,
            doing="update",
            added=len(resources.keys() - old.keys()),
            changed=sum(old[name] != resources[name] for name in both),
            removed=len(old.keys() - resources.keys()),
        )

    @cached_property
    def _cloudformation(self) -> Any:  # noqa: ANN401 - typed by its use
        return self.connection.cloudformation()

    def _settled(self, stack: str, *, tick: Callable[[str], None]) -> dict[str, Any]:
        """What CloudFormation says of a stack on which nobody works; empty for none."""
        end = time.monotonic() + SETTLES
        while True:
            found = self._described(stack)
            status = str(found.get("StackStatus", ""))
            if not status.endswith("_IN_PROGRESS") or status in _ABSENT:
                return found
            if time.monotonic() > end:
                raise failure(
                    code=ExitCode.TIMED_OUT,
                    id="stack-busy",
                    message=f"the stack {stack} is still {status} after an hour",
                    fix="see its events in CloudFormation; run the same command again later",
                    where={"stack": stack},
                )
            tick(f"waits for {stack}: {status}")
            time.sleep(self.interval)

    def _described(self, stack: str) -> dict[str, Any]:
        with aws_errors(doing=f"describing the stack {stack}"):
            from botocore.exceptions import ClientError  # noqa: PLC0415 slow to load

            try:
                found = self._cloudformation.describe_stacks(StackName=stack)["Stacks"]
            except ClientError as error:
                if error_code(error) == "ValidationError" and "does not exist" in str(error):
                    return {}
                raise
        return dict(found[0]) if found else {}

    def _template(self, stack: str) -> dict[str, Any]:
        with aws_errors(doing=f"reading the template of {stack}"):
            body = self._cloudformation.get_template(StackName=stack, TemplateStage="Original")[
                "TemplateBody"
            ]
        if not isinstance(body, str):
            return dict(body)
        try:
            found: dict[str, Any] = json.loads(body)
        except ValueError:
            # Not the CDK's, so somebody else's: it differs in everything.
            return {}
        return found

    @staticmethod
    def _about(stack: str, *, assembly: "Assembly") -> dict[str, Any]:
        """What the CDK sets of a stack beside its template: tags, termination protection."""
        manifest = json.loads((assembly.folder / "manifest.json").read_text(encoding="utf-8"))
        found: dict[str, Any] = manifest["artifacts"][stack]["properties"]
        return found

    def deploy(
        self,
        *,
        assembly: "Assembly",
        stacks: Sequence[str],
        say: Callable[[str], None],
        steps: Callable[[int, int], None],
        tick: Callable[[], None],
    ) -> None:
        """Deploy stacks by `cdk deploy`, telling how far each is.

        Raises `CommandError` with the reasons of the resources that failed.
        """
        progress: dict[str, tuple[int, int]] = {}

        def look(line: str) -> None:
            found = _PROGRESS.match(line)
            if found is None:
                return
            stack = found["stack"]
            if stack not in progress:
                say(f"deploying {stack}")
            progress[stack] = int(found["done"]), int(found["of"])
            steps(
                sum(done for done, _ in progress.values()), sum(of for _, of in progress.values())
            )

        code, lines = self._run(
            [
                str(cdk_program()),
                *("--no-notices", "--no-color", "--no-version-reporting"),
                *("deploy", "--app", str(assembly.folder), "--exclusively"),
                # Asked for by us, with the costs.
                *("--require-approval", "never"),
                *("--concurrency", "4", "--progress", "events"),
                *stacks,
            ],
            cwd=self.folder,
            more={"CDK_DISABLE_VERSION_CHECK": "1"},
            tick=tick,
            look=look,
        )
        if code:
            raise _not_deployed(lines)

    def _run(
        self,
        command: Sequence[str],
        *,
        cwd: Path,
        more: Mapping[str, str],
        tick: Callable[[], None],
        look: Callable[[str], None] = lambda line: None,
    ) -> tuple[int, list[str]]:
        """Run a command to its end; return its exit code and what it printed."""
        lines: list[str] = []
        process = subprocess.Popen(
            command,
            cwd=cwd,
            env={**self.variables, **more},
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            preexec_fn=_end_with_parent,  # noqa: PLW1509 no other thread runs here
        )
        try:
            for line in _lines(process, tick=tick):
                lines.append(line)
                look(line)
            return process.wait(), lines
        finally:
            _ended(process)


def cdk_program() -> Path:
    """The pinned command line of the CDK.

    Raises `CommandError` when it is not installed.
    """
    found = ROOT / "node_modules" / ".bin" / "cdk"
    if not found.exists():
        raise failure(
            code=ExitCode.USAGE,
            id="no-cdk",
            message="the CDK's command line is not installed",
            fix=f"run `make setup` in {ROOT}",
        )
    return found


def _end_with_parent() -> None:
    """Have the kernel end this process when the one that began it is killed.

    Else a deployment would go on to the next stack beside the one that takes up its work. Where
    there is no such call, CloudFormation refuses two operations on one stack.
    """
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(_PARENT_DEATH_SIGNAL, signal.SIGTERM)


def _lines(process: "subprocess.Popen[bytes]", *, tick: Callable[[], None]) -> Iterator[str]:
    assert process.stdout is not None  # noqa: S101 it was asked for
    with selectors.DefaultSelector() as selector:
        selector.register(process.stdout, selectors.EVENT_READ)
        rest = b""
        while True:
            tick()
            if not selector.select(_TICK):
                continue
            read = os.read(process.stdout.fileno(), 65536)
            if not read:
                break
            *whole, rest = (rest + read).split(b"\n")
            yield from (line.decode("utf-8", "replace") for line in whole)
    if rest:
        yield rest.decode("utf-8", "replace")


def _ended(process: "subprocess.Popen[bytes]") -> None:
    """End a process that still runs: an interrupted deployment begins no further stack."""
    if process.poll() is None:
        process.terminate()
        try:
            process.wait(_END_SECONDS)
        except subprocess.TimeoutExpired:
            process.kill()
            process.wait()
    if process.stdout is not None:
        process.stdout.close()


def _not_deployed(lines: Sequence[str]) -> CommandError:
    from customization.remedies import find  # noqa: PLC0415 loaded when used

    events = [
        f"{found['stack']} {found['where']}: {found['why']}"
        for found in map(_FAILED.match, lines)
        if found
    ]
    others = [line.strip() for line in lines if _ERROR.search(line)]
    reasons = list(dict.fromkeys(events or others or [line for line in lines[-5:] if line.strip()]))
    remedy = find(" ".join(reasons))
    again = "then run the same command again: it goes on where it stopped"
    if remedy is not None:
        fix = f"{remedy.action}; {again}"
    elif any("bootstrap" in reason for reason in reasons):
        fix = f"run `cdk bootstrap` in {ROOT} once for this account and Region; {again}"
    else:
        fix = f"read the reason, it is CloudFormation's own; {again}"
    return CommandError(
        code=ExitCode.AWS,
        findings=[
            Finding(
                id="not-deployed",
                level="error",
                message=f"the deployment failed: {'; '.join(reasons[:5])}",
                fix=fix,
            )
        ],
    )
