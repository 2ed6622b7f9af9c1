"""The real CDK command line, pointed at an emulator."""

from __future__ import annotations

import json
import os
import re
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from rehearsal.client import Client, clean_environment
from rehearsal.errors import RehearsalError
from rehearsal.layout import ROOT
from rehearsal.processes import Children, Outcome

Template = dict[str, Any]
_TIMEOUT = 600.0
_ADMINISTRATOR = "arn:aws:iam::aws:policy/AdministratorAccess"
_EVENT = re.compile(
    r"\s*(?P<stack>\S+) \|.*_FAILED\s*\|\s*\S+\s*\|\s*(?P<where>\S+ \(\w+\))\s+(?P<why>.+)"
)
"""A resource that failed, as the CLI prints its event."""
_ERROR = re.compile(r"❌|[Ff]ailed:|error:|Error:")


@dataclass(frozen=True, kw_only=True)
class Assembly:
    """A synthesised app."""

    folder: Path

    def stacks(self) -> list[str]:
        """Names of its stacks, in the order of their dependencies."""
        manifest = json.loads((self.folder / "manifest.json").read_text(encoding="utf-8"))
        artifacts: dict[str, Any] = {
            name: artifact
            for name, artifact in manifest["artifacts"].items()
            if artifact["type"] == "aws:cloudformation:stack"
        }
        ordered: list[str] = []

        def visit(name: str) -> None:
            for dependency in artifacts[name].get("dependencies", []):
                if dependency in artifacts and dependency not in ordered:
                    visit(dependency)
            if name not in ordered:
                ordered.append(name)

        for name in artifacts:
            visit(name)
        return ordered

    def template_file(self, stack: str) -> Path:
        """File of a stack's template."""
        return self.folder / f"{stack}.template.json"

    def template(self, stack: str) -> Template:
        """A stack's template."""
        found: Template = json.loads(self.template_file(stack).read_text(encoding="utf-8"))
        return found

    def templates(self) -> dict[str, Template]:
        """Every stack's template, by stack name."""
        return {stack: self.template(stack) for stack in self.stacks()}


@dataclass(frozen=True, kw_only=True)
class Toolkit:
    """Runs `cdk` and turns its failures into sentences."""

    state: Path
    children: Children

    def _cdk(
        self,
        arguments: Sequence[str],
        *,
        name: str,
        cwd: Path,
        environment: dict[str, str],
    ) -> Outcome:
        return self.children.run(
            ["cdk", "--no-notices", "--no-color", "--no-version-reporting", *arguments],
            name=name,
            cwd=cwd,
            environment={
                **environment,
                # The CLI caches accounts by access key, which another rehearsal has used too.
                "CDK_HOME": str(self.state / "cdk-home"),
                "CDK_DISABLE_VERSION_CHECK": "1",
                "CDK_DISABLE_CLI_TELEMETRY": "true",
            },
            timeout=_TIMEOUT,
        )

    def synthesise(
        self, *, environment_name: str, config: Path, name: str = "cdk.out", gates: bool = True
    ) -> Assembly:
        """Run `python app.py` by the CLI, without credentials, into the state folder.

        Args:
            environment_name: settings file.
            config: its folder.
            name: of the folder the assembly goes to.
            gates: whether the app must pass its own gates, which take most of the time.

        Raises:
            RehearsalError: the app does not synthesise; its text is in the reasons.
        """
        folder = self.state / name
        program = "app.py" if gates else "-m rehearsal.without_gates"
        outcome = self._cdk(
            ["synth", "--quiet", "--app", f"{sys.executable} {program}", "--output", str(folder)],
            name=f"synth-{name}",
            cwd=ROOT,
            environment={
                **clean_environment(os.environ),
                "FINETUNE_ENVIRONMENT": environment_name,
                "FINETUNE_CONFIG": str(config.resolve()),
            },
        )
        if outcome.code:
            raise RehearsalError(
                "the app does not synthesise",
                fix=f"run `python app.py`, or read {outcome.log}",
                reasons=tuple(outcome.text.strip().splitlines()[-20:]),
            )
        return Assembly(folder=folder)

    def bootstrap(self, *, client: Client) -> None:
        """Make the CDK's own bucket and roles in the emulated account.

        Raises:
            RehearsalError: with the CLI's reasons.
        """
        # Outside the app's folder, or the CLI would synthesise the app first.
        outcome = self._cdk(
            [
                *("bootstrap", f"aws://{client.account}/{client.region}"),
                # The default, said by name: MiniStack resolves the template's own to nothing, and
                # CloudFormation would wait for no interfaces of functions.
                *("--cloudformation-execution-policies", _ADMINISTRATOR),
            ],
            name="bootstrap",
            cwd=self.state,
            environment=client.environment(),
        )
        self._check(outcome, "cdk bootstrap")

    def deploy(
        self, *, client: Client, assembly: Assembly, stacks: Sequence[str], concurrency: int = 4
    ) -> None:
        """Deploy stacks of a synthesised app, independent ones side by side.

        Args:
            client: who deploys.
            assembly: the synthesised app.
            stacks: names.
            concurrency: how many at once.

        Raises:
            RehearsalError: with the reasons of the failed resources.
        """
        name = f"deploy-{stacks[0]}" if len(stacks) == 1 else "deploy"
        outcome = self._cdk(
            [
                "deploy",
                "--app",
                str(assembly.folder),
                "--require-approval",
                "never",
                "--concurrency",
                str(concurrency),
                "--progress",
                "events",
                "--exclusively",
                *stacks,
            ],
            name=name,
            cwd=self.state,
            environment=client.environment(),
        )
        self._check(outcome, "cdk deploy")

    def diff(self, *, client: Client, assembly: Assembly, stacks: Sequence[str]) -> None:
        """Compare what is deployed with what was synthesised.

        Raises:
            RehearsalError: they differ.
        """
        outcome = self._cdk(
            ["diff", "--app", str(assembly.folder), "--fail", *stacks],
            name="diff",
            cwd=self.state,
            environment=client.environment(),
        )
        if outcome.code:
            raise RehearsalError(
                "`cdk diff` is not empty right after the deployment",
                fix=f"read {outcome.log}",
                reasons=tuple(
                    line for line in outcome.text.splitlines() if line.startswith(("[", "Stack "))
                ),
            )

    def destroy(
        self, *, client: Client, assembly: Assembly, stacks: Sequence[str], concurrency: int = 4
    ) -> None:
        """Destroy stacks.

        Raises:
            RehearsalError: with the reasons of the resources that stay.
        """
        outcome = self._cdk(
            [
                *("destroy", "--app", str(assembly.folder), "--force"),
                *("--concurrency", str(concurrency), *stacks),
            ],
            name="destroy",
            cwd=self.state,
            environment=client.environment(),
        )
        self._check(outcome, "cdk destroy")

    def _check(self, outcome: Outcome, what: str) -> None:
        if outcome.code == 0:
            return
        lines = outcome.text.splitlines()
        events = [
            f"{found['stack']} {found['where']}: {found['why']}"
            for found in map(_EVENT.match, lines)
            if found
        ]
        others = [line.strip() for line in lines if _ERROR.search(line)]
        raise RehearsalError(
            f"`{what}` failed",
            fix=f"read {outcome.log} and {self.children.logs / 'emulator.log'}",
            reasons=tuple(dict.fromkeys(events or others)),
        )
