"""The contract of app.py: what it reads, what it writes, how it ends, and that it needs nobody."""

from __future__ import annotations

import copy
import functools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

import app
from tests.security.app_deployment import AppDeployment
from tests.security.synthesis import VALUES, write_settings

ROOT = Path(app.__file__).resolve().parent
Run = Callable[..., tuple[int, str]]


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Run:
    """Run app.main() on a folder of settings; the exit code and what it said to the user."""
    monkeypatch.setenv("CDK_OUTDIR", str(tmp_path / "out"))
    monkeypatch.delenv("CDK_CONTEXT_JSON", raising=False)
    monkeypatch.delenv("FINETUNE_ENVIRONMENT", raising=False)
    build = app.build_app

    def main(folder: Path, **environment: str) -> tuple[int, str]:
        for name, value in environment.items():
            monkeypatch.setenv(name, value)
        monkeypatch.setenv("FINETUNE_CONFIG", str(folder))
        monkeypatch.setattr(app, "build_app", functools.partial(build, gates=False))
        # What the gates remark is another test's; here nothing is synthesised.
        monkeypatch.setattr(app, "remarks", lambda _: [])
        code = app.main()
        return code, capsys.readouterr().err

    return main


JOB = ("jobs", "review")
TWO_JOBS_OF_ONE_NAME = """
region: us-east-1
people: {uploaders: [role/a], readers: [role/a], administrators: [role/a]}
jobs:
  review: {base_model: "amazon.nova-micro-v1:0:128k", dataset: reviews}
  review: {base_model: "amazon.nova-lite-v1:0:300k", dataset: reviews}
"""

BAD: dict[str, tuple[tuple[str, ...], object, str]] = {
    "an unknown field": (("network", "zones"), ["a"], "network.zones"),
    "a wrong type": (("keys", "pending_window_days"), "seven", "keys.pending_window_days"),
    "17 zones": (
        ("network", "training_zones"),
        list("abcdefghijklmnopq"),
        "network.training_zones",
    ),
    "a CIDR that is too small": (("network", "cidr"), "10.0.0.0/24", "network.cidr"),
    "an unknown base model": (
        (*JOB, "base_model"),
        "amazon.nova-mega-v1:0",
        "jobs.review.base_model",
    ),
}


def _with(path: tuple[str, ...], value: object) -> dict[str, Any]:
    values = copy.deepcopy(dict(VALUES))
    here = values
    for part in path[:-1]:
        here = here.setdefault(part, {})
    here[path[-1]] = value
    return values


def _is_explained(said: str, *, file: str, field: str) -> None:
    assert "Traceback" not in said
    for part in (file, field, "got:", "allowed:", "do:"):
        assert part in said


@pytest.mark.parametrize("mistake", BAD)
def test_bad_settings_end_with_2_and_an_explanation(run: Run, tmp_path: Path, mistake: str) -> None:
    path, value, field = BAD[mistake]
    write_settings(tmp_path / "config", "dev", VALUES)
    text = json.dumps(_with(path, value))
    (tmp_path / "config" / "dev.yaml").write_text(text, encoding="utf-8")
    code, said = run(tmp_path / "config")
    assert code == 2
    _is_explained(said, file="dev.yaml", field=field)
    assert list((tmp_path / "out").rglob("*")) == [], "nothing is written"


def test_the_same_settings_without_a_mistake_are_synthesised(run: Run, tmp_path: Path) -> None:
    write_settings(tmp_path / "config", "dev", VALUES)
    code, said = run(tmp_path / "config")
    assert code == 0
    (line,) = said.splitlines()
    assert line.startswith("list prices: dev $31.50 and what is unknown a month at rest;")
    assert (tmp_path / "out" / "manifest.json").exists()


def test_what_should_be_known_is_said_and_no_mistake(run: Run, tmp_path: Path) -> None:
    job = {"base_model": "amazon.nova-lite-v1:0:300k", "dataset": "reviews"}
    write_settings(tmp_path / "config", "dev", {**VALUES, "jobs": {"review": job}})
    code, said = run(tmp_path / "config")
    assert code == 0
    assert "warning: jobs.review.base_model: the state of Amazon Nova Lite" in said
    assert "[state-not-confirmed]" in said


def test_more_than_the_budget_ends_with_2(run: Run, tmp_path: Path) -> None:
    budget = {"month": 10, "accept_unknown_prices": True}
    write_settings(tmp_path / "config", "dev", {**VALUES, "budget": budget})
    code, said = run(tmp_path / "config")
    assert code == 2
    _is_explained(said, file="dev.yaml", field="budget.month")
    assert list((tmp_path / "out").rglob("*")) == []


def test_wrong_own_prices_end_with_2(run: Run, tmp_path: Path) -> None:
    write_settings(tmp_path / "config", "dev", VALUES)
    own = tmp_path / "config" / "prices.override.yaml"
    own.write_text("environment: {key_month: 1}", encoding="utf-8")
    code, said = run(tmp_path / "config")
    assert code == 2
    _is_explained(said, file="prices.override.yaml", field="environment.source")


def test_two_jobs_of_one_name_end_with_2(run: Run, tmp_path: Path) -> None:
    write_settings(tmp_path / "config", "dev", VALUES)
    (tmp_path / "config" / "dev.yaml").write_text(TWO_JOBS_OF_ONE_NAME, encoding="utf-8")
    code, said = run(tmp_path / "config")
    assert code == 2
    _is_explained(said, file="dev.yaml", field="jobs.review")


def test_a_missing_file_ends_with_2_and_names_those_there_are(run: Run, tmp_path: Path) -> None:
    write_settings(tmp_path / "config", "prod", VALUES)
    code, said = run(tmp_path / "config")
    assert code == 2
    _is_explained(said, file="dev.yaml", field="prod")
    assert list((tmp_path / "out").rglob("*")) == []


def test_data_that_was_not_pushed_ends_with_2_and_names_the_command(
    run: Run, tmp_path: Path
) -> None:
    write_settings(tmp_path / "config", "dev", VALUES)
    (tmp_path / "config" / "datasets.lock.json").write_text("{}", encoding="utf-8")
    code, said = run(tmp_path / "config")
    assert code == 2
    _is_explained(said, file="dev.yaml", field="jobs.review.dataset")
    assert "finetune data push reviews" in said


def test_an_s3_uri_with_an_equals_sign_ends_with_2(run: Run, tmp_path: Path) -> None:
    write_settings(tmp_path / "config", "dev", VALUES)
    lock = tmp_path / "config" / "datasets.lock.json"
    text = lock.read_text(encoding="utf-8").replace("train.jsonl", "a=b.jsonl")
    lock.write_text(text, encoding="utf-8")
    code, said = run(tmp_path / "config")
    assert code == 2
    _is_explained(said, file="datasets.lock.json", field="reviews")
    assert "`=`" in said


def test_every_mistake_is_told_at_once(run: Run, tmp_path: Path) -> None:
    write_settings(tmp_path / "config", "dev", VALUES)
    values = _with(("network", "cidr"), "10.0.0.0/24")
    values["keys"] = {"pending_window_days": 1}
    (tmp_path / "config" / "dev.yaml").write_text(json.dumps(values), encoding="utf-8")
    _, said = run(tmp_path / "config")
    assert "network.cidr" in said
    assert "keys.pending_window_days" in said


def test_the_environment_is_the_contexts_then_the_variables_then_dev(
    run: Run, tmp_path: Path
) -> None:
    for environment in ("dev", "prod", "stage"):
        write_settings(tmp_path / "config", environment, {**VALUES, "jobs": {}})

    def stacks() -> set[str]:
        manifest = json.loads((tmp_path / "out" / "manifest.json").read_text(encoding="utf-8"))
        return {name.split("-")[1] for name in manifest["artifacts"] if name.startswith("finetune")}

    run(tmp_path / "config")
    assert stacks() == {"dev"}
    run(tmp_path / "config", FINETUNE_ENVIRONMENT="stage")
    assert stacks() == {"stage"}


def _environment(**more: str) -> dict[str, str]:
    """An environment without credentials, without a home, without what the tests set."""
    mine = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("AWS_", "CDK_", "FINETUNE_", "PYTEST_"))
    }
    return {
        **mine,
        "AWS_CONFIG_FILE": os.devnull,
        "AWS_SHARED_CREDENTIALS_FILE": os.devnull,
        "AWS_EC2_METADATA_DISABLED": "true",
        **more,
    }


def _isolated(command: list[str]) -> list[str]:
    """The command in a network of its own, without even a loopback, where that is allowed."""
    unshare = shutil.which("unshare")
    if unshare is None:
        return command
    probe = subprocess.run([unshare, "-rn", "true"], check=False, capture_output=True)
    return [unshare, "-rn", *command] if probe.returncode == 0 else command


def test_python_app_py_needs_no_credentials_and_no_network(
    dev: AppDeployment, tmp_path: Path
) -> None:
    """With every gate on, as a person runs it; the templates are those the tests look at."""
    made = subprocess.run(
        _isolated([sys.executable, "app.py"]),
        cwd=ROOT,
        env=_environment(CDK_OUTDIR=str(tmp_path / "out")),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert made.returncode == 0, made.stderr
    assert _templates(tmp_path / "out") == _without_metadata(dev.templates)


def _templates(folder: Path) -> dict[str, Any]:
    return _without_metadata(
        {
            file.name.removesuffix(".template.json"): json.loads(file.read_text(encoding="utf-8"))
            for file in folder.glob("*.template.json")
        }
    )


def _without_metadata(templates: Mapping[str, Any]) -> dict[str, Any]:
    """Templates without the acknowledgements that the gates write into them."""
    found = copy.deepcopy(dict(templates))
    for template in found.values():
        for resource in template["Resources"].values():
            resource.pop("Metadata", None)
    return found


def _cdk(*arguments: str, folder: Path, application: str | None = None) -> tuple[int, str]:
    app_arguments = ["--app", application] if application else []
    made = subprocess.run(
        [
            str(ROOT / "node_modules" / ".bin" / "cdk"),
            "synth",
            "--quiet",
            "--no-notices",
            "--output",
            str(folder),
            *app_arguments,
            *arguments,
        ],
        cwd=ROOT,
        env=_environment(
            CDK_DISABLE_VERSION_CHECK="1",
            CDK_DISABLE_CLI_TELEMETRY="true",
            CDK_HOME=str(folder.parent / "home"),
            PATH=f"{Path(sys.executable).parent}{os.pathsep}{os.environ['PATH']}",
        ),
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    return made.returncode, made.stdout + made.stderr


@pytest.mark.slow
def test_the_cli_and_plain_python_make_the_same_templates(tmp_path: Path) -> None:
    code, said = _cdk(folder=tmp_path / "cli")
    assert code == 0, said
    subprocess.run(
        [sys.executable, "app.py"],
        cwd=ROOT,
        env=_environment(CDK_OUTDIR=str(tmp_path / "plain")),
        check=True,
        timeout=120,
    )
    cli = {
        file.name: file.read_text("utf-8") for file in (tmp_path / "cli").glob("*.template.json")
    }
    plain = {
        file.name: file.read_text("utf-8") for file in (tmp_path / "plain").glob("*.template.json")
    }
    assert cli
    assert cli == plain


@pytest.mark.slow
def test_the_cli_takes_the_environment_as_context(prod: AppDeployment, tmp_path: Path) -> None:
    code, said = _cdk("-c", "environment=prod", folder=tmp_path / "cli")
    assert code == 0, said
    assert _templates(tmp_path / "cli") == _without_metadata(prod.templates)


@pytest.mark.slow
def test_the_cli_ends_with_1_where_settings_are_wrong(tmp_path: Path) -> None:
    code, said = _cdk("-c", "environment=nosuch", folder=tmp_path / "cli")
    assert code == 1
    assert "config/nosuch.yaml" in said
    assert "Traceback" not in said


WEAK = """
import sys
sys.path[:0] = {path!r}
import app
from aws_cdk import aws_s3 as s3
build = app.build_app
def with_an_open_bucket(cdk_app, **arguments):
    settings = build(cdk_app, **arguments)
    s3.Bucket(cdk_app.node.find_child("finetune-dev-storage"), "Open")
    # The packs have no rule about endpoints: ours alone see this.
    network = cdk_app.node.find_child("finetune-dev-network")
    endpoint = network.node.find_child("KmsEndpoint").node.default_child
    endpoint.add_property_override("PrivateDnsEnabled", False)
    return settings
app.build_app = with_an_open_bucket
sys.exit(app.main())
"""


@pytest.fixture
def weak_app(tmp_path: Path) -> Path:
    """The app with a bucket that no pack likes, and an endpoint that none looks at."""
    path = [str(ROOT), str(ROOT / "constructs"), str(ROOT / "lambda")]
    file = tmp_path / "weak.py"
    file.write_text(WEAK.format(path=path), encoding="utf-8")
    return file


@pytest.mark.slow
def test_a_weakened_app_fails_under_plain_python(weak_app: Path, tmp_path: Path) -> None:
    made = subprocess.run(
        [sys.executable, str(weak_app)],
        cwd=ROOT,
        env=_environment(CDK_OUTDIR=str(tmp_path / "plain")),
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert made.returncode == 1
    assert "AwsSolutions-S1" in made.stdout + made.stderr
    assert "Acknowledge with 'finetune-review::endpoints.private-dns'" in made.stdout + made.stderr
    assert "endpoints.private-dns" in _reported(tmp_path / "plain")
    assert "Traceback" not in made.stderr


def _reported(folder: Path) -> set[str]:
    """What our own plugin has put into the validation report."""
    content = json.loads((folder / "validation-report.json").read_text(encoding="utf-8"))
    (ours,) = [each for each in content["pluginReports"] if each["pluginName"] == "finetune-review"]
    assert ours["conclusion"] == "failure"
    return {violation["ruleName"] for violation in ours["violations"]}


@pytest.mark.slow
def test_a_weakened_app_fails_under_the_cli(weak_app: Path, tmp_path: Path) -> None:
    code, said = _cdk(folder=tmp_path / "cli", application=f"{sys.executable} {weak_app}")
    assert code == 1
    assert "AwsSolutions-S1" in said
    assert "endpoints.private-dns" in said
    assert "endpoints.private-dns" in _reported(tmp_path / "cli")
