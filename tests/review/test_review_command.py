"""`finetune review`: what it says, how it ends, and that nobody gets a pass for a broken file."""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from finetune.main import app
from review.run import review
from tests.review.template.made_up import BUCKET, bucket, write_assembly, write_template
from tests.security.app_deployment import AppDeployment

Result = tuple[int, dict[str, Any]]
OWN = "structure,decisions"


def run(*arguments: object) -> Result:
    """The exit code and the one object that is printed."""
    made = CliRunner().invoke(app, ["review", *map(str, arguments), "--json"])
    assert made.exception is None or isinstance(made.exception, SystemExit), made.output
    return made.exit_code, json.loads(made.stdout)


@pytest.fixture(scope="session")
def assembled(tmp_path_factory: pytest.TempPathFactory) -> Callable[[AppDeployment], Path]:
    """Write a deployment down as an assembly again."""

    def write(deployment: AppDeployment) -> Path:
        folder = tmp_path_factory.mktemp("assembly")
        facts = {
            name: {
                "environment": f"aws://unknown-account/{deployment.region}",
                "dependencies": sorted(deployment.dependencies[name]),
                "properties": {"terminationProtection": name in deployment.protected},
            }
            for name in deployment.templates
        }
        return write_assembly(folder, deployment.templates, **facts)

    return write


@pytest.mark.parametrize("profile", ["app", "any"])
def test_the_clean_app_has_no_finding(
    deployment: AppDeployment, assembled: Callable[[AppDeployment], Path], profile: str
) -> None:
    """In each environment of config/, in each profile."""
    code, said = run(assembled(deployment), "--profile", profile, "--only", OWN)
    assert said["findings"] == []
    assert (code, said["ok"], said["profile"]) == (0, True, profile)
    assert said["checks"]["structure"] > 50
    assert said["checks"]["decisions"] > 50


def test_a_weakened_app_ends_with_1_and_says_where(
    dev: AppDeployment, assembled: Callable[[AppDeployment], Path]
) -> None:
    folder = assembled(dev.put("AWS::KMS::Key", "EnableKeyRotation", False))
    code, said = run(folder, "--only", "structure")
    assert (code, said["ok"]) == (1, False)
    found = [each for each in said["findings"] if each["id"] == "keys.rotate"]
    assert len(found) == 2
    for each in found:
        where = each["where"]
        lines = Path(where["file"]).read_text(encoding="utf-8").splitlines()
        assert '"EnableKeyRotation"' in lines[where["line"] - 1]
        assert where["property"] == "EnableKeyRotation"
        assert each["fix"]


def test_a_weakened_decision_ends_with_1(
    dev: AppDeployment, assembled: Callable[[AppDeployment], Path]
) -> None:
    weaker = dev.without("AWS::EC2::VPCEndpoint", "PolicyDocument", where={"ServiceName": SERVICE})
    code, said = run(assembled(weaker), "--only", "decisions")
    assert code == 1
    assert all(each["id"].startswith("decisions.") for each in said["findings"])


SERVICE = "com.amazonaws.us-east-1.s3"


def test_a_single_template_of_somebody_else_is_judged(tmp_path: Path) -> None:
    file = tmp_path / "theirs.yaml"
    file.write_text(
        "Resources:\n  Data:\n    Type: AWS::S3::Bucket\n    Properties:\n"
        "      VersioningConfiguration: {Status: Suspended}\n",
        encoding="utf-8",
    )
    code, said = run(file, "--profile", "any", "--only", "structure")
    assert code == 1
    (versioned,) = [each for each in said["findings"] if each["id"] == "buckets.versioned"]
    assert versioned["where"] == {
        "file": str(file),
        "line": 5,
        "stack": "theirs",
        "logical_id": "Data",
        "property": "VersioningConfiguration.Status",
    }


def test_a_value_that_is_not_known_is_an_error_until_it_is_given(tmp_path: Path) -> None:
    content = {
        "Parameters": {"Name": {"Type": "String"}},
        "Resources": {"Data": bucket(BucketName={"Ref": "Name"})},
    }
    file = write_template(tmp_path, content)
    ids = [each["id"] for each in run(file, "--profile", "any", "--only", OWN)[1]["findings"]]
    assert "template.unresolved" in ids
    arguments = ("--profile", "any", "--only", OWN, "--parameter", "Name=given")
    ids = [each["id"] for each in run(file, *arguments)[1]["findings"]]
    assert "template.unresolved" not in ids


BROKEN = {
    "no JSON": ("a.json", '{"Resources": '),
    "no YAML": ("a.yaml", "Resources: ["),
    "no template": ("a.json", "{}"),
    "a list": ("a.yaml", "- a"),
    "nothing": ("a.yaml", ""),
    "binary": ("a.json", "\x00\x01\x02"),
    "deep": ("a.json", "[" * 200_000),
    "a bomb": ("a.yaml", "a: &a [x]\nResources: [" + "*a, " * 1000 + "]"),
    "10 MB": ("a.json", '{"Resources": {"A": {"Type": "' + "x" * 10_485_760 + '"}}}'),
    "a circle": (
        "a.json",
        json.dumps({"Resources": {
            "A": {"Type": BUCKET, "Properties": {"BucketName": {"Ref": "A"}}}}}),
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_what_cannot_be_read_ends_with_2_soon_and_with_an_explanation(
    tmp_path: Path, case: str
) -> None:
    name, text = BROKEN[case]
    (tmp_path / name).write_text(text, encoding="utf-8")
    begun = time.perf_counter()
    code, said = run(tmp_path / name)
    assert time.perf_counter() - begun < 10
    assert (code, said["ok"]) == (2, False)
    (error,) = said["findings"]
    assert error["id"] == "template.unreadable"
    assert error["fix"]
    assert error["where"]["file"].endswith(name)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--profile", "ours"), "--profile takes app, any, got 'ours'"),
        (("--only", "structure,nothing"), "--only takes structure, decisions, proofs"),
        (("--parameter", "name"), "--parameter takes NAME=VALUE, got 'name'"),
    ],
)
def test_wrong_use_ends_with_2(tmp_path: Path, arguments: tuple[str, str], said: str) -> None:
    code, got = run(write_template(tmp_path, {"Resources": {}}), *arguments)
    assert code == 2
    assert said in got["findings"][0]["message"]


def test_a_missing_path_ends_with_2(tmp_path: Path) -> None:
    assert run(tmp_path / "nothing.json")[0] == 2
    assert run(tmp_path)[0] == 2


def test_without_json_it_says_sentences(tmp_path: Path) -> None:
    file = write_template(tmp_path, {"Resources": {"Data": bucket()}})
    made = CliRunner().invoke(app, ["review", str(file), "--profile", "any", "--only", "structure"])
    assert made.exit_code == 1
    assert "1 resources in 1 stacks (any)" in made.stdout
    assert "[buckets.versioned]" in made.stderr
    assert "  do: " in made.stderr


def test_a_name_that_would_move_the_cursor_is_shown_as_text(tmp_path: Path) -> None:
    file = write_template(tmp_path, {"Resources": {"A\u001b[2J": bucket()}})
    made = CliRunner().invoke(app, ["review", str(file), "--profile", "any", "--only", "structure"])
    assert "\u001b" not in made.output


@pytest.fixture(scope="module")
def with_gates(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Path]:
    """What synth writes of a committed environment, acknowledgements and all."""
    import app as cdk  # noqa: PLC0415 - jsii takes a second to start

    def make(environment: str) -> Path:
        folder = tmp_path_factory.mktemp(environment)
        made = cdk.new_app(outdir=str(folder), environment=environment)
        cdk.build_app(made)
        made.synth()
        return folder

    return make


def everything(folder: Path) -> None:
    report = review([folder], profile="app")
    assert report.findings == ()
    assert len(report.acknowledged) > 50
    assert all(len(each.reason) > 40 for each in report.acknowledged)


def test_with_the_tools_of_others_nothing_is_open_either(
    with_gates: Callable[[str], Path],
) -> None:
    everything(with_gates("dev"))


@pytest.mark.slow
def test_with_the_tools_of_others_nothing_is_open_in_prod(
    with_gates: Callable[[str], Path],
) -> None:
    everything(with_gates("prod"))
