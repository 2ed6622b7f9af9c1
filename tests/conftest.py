"""What every test rests on: the folders are as they must be, and the app is synthesised once."""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest

ROOT = Path(__file__).resolve().parents[1]

# Before anything of AWS is imported: a test of this would never run, since `import aws_cdk` in
# another module fails first, and with a message that does not say why.
if (ROOT / "constructs" / "__init__.py").exists():
    raise pytest.UsageError(
        "delete constructs/__init__.py: it hides the PyPI package 'constructs' that aws-cdk-lib "
        "imports; constructs/ is a source root, a folder on the import path whose contents are "
        "the packages"
    )
if (ROOT / "lambda" / "__init__.py").exists():
    raise pytest.UsageError(
        "delete lambda/__init__.py: lambda is a keyword of Python and can be no package; lambda/ "
        "is a source root, a folder on the import path whose contents are the packages"
    )

# jsii starts its Node when aws_cdk is imported, with the environment of that moment: the pinned
# Node, and without CloudFormation's slow built-in validation, which tests of the gates turn on.
_NODE = ROOT / "node_modules" / ".bin" / "node"
if _NODE.exists():
    os.environ.setdefault("JSII_NODE", str(_NODE))
os.environ.setdefault("CDK_VALIDATION", "false")

if TYPE_CHECKING:
    from aws_cdk.assertions import Template

    from tests.security.app_deployment import AppDeployment

CONFIG = ROOT / "config"


def pytest_configure(config: pytest.Config) -> None:
    """Registers the mark of what is too slow for every run; `pytest -m slow` runs just that."""
    config.addinivalue_line("markers", "slow: minutes, not seconds; run by `make check-all`")
    if not config.option.markexpr:
        config.option.markexpr = "not slow"
    # A shell without job control has its background jobs ignore Ctrl-C, and their children too.
    if signal.getsignal(signal.SIGINT) is signal.SIG_IGN:
        signal.signal(signal.SIGINT, signal.default_int_handler)


@pytest.fixture(scope="session")
def dev(tmp_path_factory: pytest.TempPathFactory) -> AppDeployment:
    """What the committed settings of dev would deploy."""
    return _committed("dev", tmp_path_factory)


@pytest.fixture(scope="session")
def prod(tmp_path_factory: pytest.TempPathFactory) -> AppDeployment:
    """What the committed settings of prod would deploy."""
    return _committed("prod", tmp_path_factory)


@pytest.fixture(scope="session", params=["dev", "prod"])
def deployment(request: pytest.FixtureRequest) -> AppDeployment:
    """Each committed environment in turn."""
    found: AppDeployment = request.getfixturevalue(request.param)
    return found


@pytest.fixture(scope="session")
def variant(
    tmp_path_factory: pytest.TempPathFactory,
) -> Callable[[Mapping[str, Any]], AppDeployment]:
    """Make the deployment of correct settings with some sections or fields put in their place."""
    from tests.security.synthesis import VALUES, synthesise, write_settings  # noqa: PLC0415

    made: dict[str, AppDeployment] = {}

    def make(changes: Mapping[str, Any]) -> AppDeployment:
        key = repr(changes)
        if key not in made:
            folder = tmp_path_factory.mktemp("variant")
            write_settings(folder / "config", "test", {**VALUES, **changes})
            made[key] = synthesise(
                environment="test", directory=folder / "config", outdir=folder / "out"
            )
        return made[key]

    return make


@pytest.fixture(scope="session")
def templates(dev: AppDeployment) -> Mapping[str, Template]:
    """The templates of dev for the library's assertions, by the part of the environment."""
    from aws_cdk.assertions import Template  # noqa: PLC0415

    prefix = "finetune-dev-"
    return {
        name.removeprefix(prefix): Template.from_json(dict(template))
        for name, template in dev.templates.items()
    }


def _committed(environment: str, tmp_path_factory: pytest.TempPathFactory) -> AppDeployment:
    from tests.security.synthesis import synthesise  # noqa: PLC0415 - jsii takes a second to start

    return synthesise(
        environment=environment,
        directory=CONFIG,
        outdir=tmp_path_factory.mktemp(environment),
    )
