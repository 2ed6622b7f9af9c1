"""The app: settings, then stacks, then the gates. It calls no AWS and needs no credentials."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parent

# jsii starts its Node when aws_cdk is imported: the pinned one where `make setup` has put it. So
# what imports it comes after this.
_NODE = ROOT / "node_modules" / ".bin" / "node"
if _NODE.exists():
    os.environ.setdefault("JSII_NODE", str(_NODE))

from aws_cdk import App

from bedrock_finetuning.function_assets import FunctionAssetError
from settings import Settings, SettingsError, load_settings, render
from settings.cost import costs_of, in_one_line
from settings.remarks import remarks as remarks_on_settings
from stacks.environment import build_environment
from stacks.gates import REPORT, add_gates, remarks

DEFAULT_ENVIRONMENT = "dev"


CONFIG = ROOT / "config"


def build_app(app: App, *, directory: Path = CONFIG, gates: bool = True) -> Settings:
    """Adds the stacks of the chosen environment to the app, and the gates they must pass.

    The environment is the context value `environment`, or `FINETUNE_ENVIRONMENT`, or `dev`.

    Args:
        app: The app to build into.
        directory: Where the settings files and the lock file of the datasets are.
        gates: Whether synth runs the nag packs; tests of one property do without.

    Returns:
        The settings that the stacks were made from.

    Raises:
        SettingsError: The settings are wrong; it holds every finding.
    """
    settings = load_settings(environment=environment_of(app), directory=directory)
    build_environment(app, settings=settings)
    if gates:
        add_gates(app)
    return settings


def environment_of(app: App) -> str:
    """The name of the environment that is chosen."""
    return str(
        app.node.try_get_context("environment")
        or os.environ.get("FINETUNE_ENVIRONMENT")
        or DEFAULT_ENVIRONMENT
    )


# What the CLI tells an app besides cdk.json: templates are the same with it and without.
_AS_THE_CLI = {"aws:cdk:enable-path-metadata": True, "aws:cdk:enable-asset-metadata": True}


def new_app(*, outdir: str | None = None, **context: object) -> App:
    """An app with the context and feature flags of cdk.json, which a plain App() would ignore."""
    flags = json.loads((ROOT / "cdk.json").read_text(encoding="utf-8"))["context"]
    return App(
        outdir=outdir or os.environ.get("CDK_OUTDIR", "cdk.out"),
        context={**_AS_THE_CLI, **flags, **context},
    )


def what_to_know(settings: Settings, *, directory: Path) -> Iterator[str]:
    """What is not wrong with the settings but should be known, and what they cost, by lines.

    Raises:
        SettingsError: The own prices beside the settings are wrong.
    """
    for each in remarks_on_settings(settings):
        yield f"warning: {each.field}: {each.text} [{each.id}]\n  do: {each.fix}"
    yield in_one_line(costs_of(settings=settings, directory=directory))


def main() -> int:
    """Synthesises the app and returns the exit code: 0, 1 for gates not passed, 2 for settings."""
    app = new_app()
    # As the command line reads it.
    directory = Path(os.environ.get("FINETUNE_CONFIG", CONFIG))
    try:
        settings = build_app(app, directory=directory)
        to_know = list(what_to_know(settings, directory=directory))
    except SettingsError as error:
        print(render(error), file=sys.stderr)
        return 2
    except FunctionAssetError as error:
        print(error, file=sys.stderr)
        return 2
    try:
        app.synth()
    except RuntimeError as error:
        print(str(error).split("\n    at ", maxsplit=1)[0], file=sys.stderr)
        print(f"synth failed: see {app.outdir}/{REPORT}", file=sys.stderr)
        return 1
    for line in to_know:
        print(line, file=sys.stderr)
    open_remarks = remarks(Path(app.outdir))
    for remark in open_remarks:
        print(remark, file=sys.stderr)
    return 1 if open_remarks else 0


if __name__ == "__main__":
    sys.exit(main())
