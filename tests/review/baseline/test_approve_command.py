"""`finetune approve`, and what `finetune review` says of access then."""

from __future__ import annotations

import json
import shutil
import subprocess
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from finetune.main import app
from review.proofs import baseline as baselines
from review.run import PARTS
from tests.review.template.made_up import write_assembly, write_template
from tests.security.app_deployment import AppDeployment

BECAUSE = "The access that the design gives, looked at together."


def run(*arguments: object) -> tuple[int, dict[str, Any]]:
    made = CliRunner().invoke(app, [*map(str, arguments), "--json"])
    assert made.exception is None or isinstance(made.exception, SystemExit), made.output
    return made.exit_code, json.loads(made.stdout)


def theirs(folder: Path, *actions: str) -> Path:
    """A template of somebody else with a role that may do some actions."""
    statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
    trust = {
        "Effect": "Allow",
        "Principal": {"Service": "lambda.amazonaws.com"},
        "Action": "sts:AssumeRole",
    }
    content = {
        "Resources": {
            "Role": {
                "Type": "AWS::IAM::Role",
                "Properties": {
                    "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
                    "Policies": [
                        {
                            "PolicyName": "p",
                            "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
                        }
                    ],
                },
            }
        }
    }
    return write_template(folder, content)


@pytest.fixture
def approved(tmp_path: Path) -> Path:
    """A baseline of somebody else's template."""
    file = tmp_path / "approved.json"
    code, _ = run(
        "approve", theirs(tmp_path, "s3:GetObject"), "--because", BECAUSE, "--by", "Security",
        "--baseline", file,
    )  # fmt: skip
    assert code == 0
    return file


def review(file: Path, *arguments: object) -> tuple[int, dict[str, Any]]:
    return run("review", file, "--profile", "any", "--only", "access", *arguments)


def test_what_is_approved_is_no_finding(approved: Path, tmp_path: Path) -> None:
    code, said = review(theirs(tmp_path, "s3:GetObject"), "--baseline", approved)
    assert (code, said["findings"]) == (0, [])
    assert said["checks"]["access"] > 0


def test_new_access_ends_with_1_and_says_whom_it_lets_do_what(
    approved: Path, tmp_path: Path
) -> None:
    file = theirs(tmp_path, "s3:GetObject", "kms:Decrypt")
    code, said = review(file, "--baseline", approved)
    assert code == 1
    (found,) = said["findings"]
    assert found["id"] == "access.new"
    assert "may kms:decrypt" in found["message"]
    assert found["where"]["file"] == str(file)


def test_access_that_goes_is_a_note(approved: Path, tmp_path: Path) -> None:
    code, said = review(theirs(tmp_path, "s3:PutObject"), "--baseline", approved)
    assert code == 1
    assert {each["id"] for each in said["findings"]} == {"access.new", "access.removed"}


def test_it_says_who_approved_why_and_where(tmp_path: Path) -> None:
    file = tmp_path / "here.json"
    code, said = run(
        "approve", theirs(tmp_path, "s3:GetObject"), "--because", BECAUSE, "--by", "Security",
        "--baseline", file,
    )  # fmt: skip
    assert code == 0
    assert (said["by"], said["by_from"], said["because"]) == ("Security", "--by", BECAUSE)
    found = baselines.read(file)
    assert (found.approved.by, found.environment) == ("Security", "here")


def test_who_approves_is_taken_from_git_and_said(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    git = shutil.which("git")
    assert git is not None
    home = tmp_path / "home"
    home.mkdir()
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.setenv("GIT_CONFIG_GLOBAL", str(home / "gitconfig"))
    monkeypatch.setenv("GIT_CONFIG_NOSYSTEM", "1")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("LOGNAME", "somebody")
    arguments = (
        "approve", theirs(tmp_path, "s3:GetObject"), "--because", BECAUSE,
        "--baseline", tmp_path / "x.json",
    )  # fmt: skip
    _, said = run(*arguments)
    assert (said["by"], said["by_from"]) == ("somebody", "the system's user")
    subprocess.run([git, "config", "--global", "user.name", "A Person"], check=True)
    _, said = run(*arguments)
    assert (said["by"], said["by_from"]) == ("A Person", "git's user.name")


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--because", " "), "--because must say why"),
        (("--because", BECAUSE, "--by", ""), "--by must name somebody"),
        ((), "because"),
    ],
)
def test_an_approval_without_a_name_or_a_reason_ends_with_2(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    file = theirs(tmp_path, "s3:GetObject")
    target = tmp_path / "x.json"
    made = CliRunner().invoke(app, ["approve", str(file), "--baseline", str(target), *arguments])
    assert made.exit_code == 2
    assert said in made.output
    assert not target.exists()


def test_templates_that_do_not_say_their_environment_need_a_file(tmp_path: Path) -> None:
    code, said = run("approve", theirs(tmp_path, "s3:GetObject"), "--because", BECAUSE)
    assert code == 2
    assert "which environment" in said["findings"][0]["message"]


def test_a_place_that_cannot_be_written_ends_with_2(tmp_path: Path) -> None:
    (tmp_path / "a-file").write_text("", encoding="utf-8")
    code, said = run(
        "approve", theirs(tmp_path, "s3:GetObject"), "--because", BECAUSE, "--by", "x",
        "--baseline", tmp_path / "a-file" / "x.json",
    )  # fmt: skip
    assert code == 2
    assert "cannot be written" in said["findings"][0]["message"]


def test_what_is_not_known_before_deployment_is_not_approved(tmp_path: Path) -> None:
    file = theirs(tmp_path, "s3:GetObject")
    content = json.loads(file.read_text(encoding="utf-8"))
    (policy,) = content["Resources"]["Role"]["Properties"]["Policies"]
    policy["PolicyDocument"]["Statement"][0]["Resource"] = {"Fn::ImportValue": "elsewhere"}
    write_template(tmp_path, content)
    target = tmp_path / "x.json"
    code, said = run("approve", file, "--because", BECAUSE, "--by", "x", "--baseline", target)
    assert code == 2
    assert "cannot be approved" in said["findings"][0]["message"]
    assert said["findings"][0]["where"]["logical_id"] == "Role"
    assert not target.exists()


def test_a_policy_that_nobody_understands_is_not_approved(tmp_path: Path) -> None:
    file = theirs(tmp_path, "s3:GetObject")
    file.write_text(file.read_text().replace('"Allow"', '"Permit"'), encoding="utf-8")
    code, said = run(
        "approve", file, "--because", BECAUSE, "--by", "x", "--baseline", tmp_path / "x.json"
    )
    assert code == 2
    assert "cannot be approved" in said["findings"][0]["message"]


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (("--only", "structure", "--baseline", "x.json"), "--baseline is for the part access"),
        (("--profile", "any", "--only", "access"), "none is named"),
        (("--baseline", "nothing.json"), "nothing.json cannot be read"),
    ],
)
def test_wrong_use_of_a_baseline_ends_with_2(
    arguments: tuple[str, ...], said: str, tmp_path: Path
) -> None:
    code, found = run("review", theirs(tmp_path, "s3:GetObject"), *arguments)
    assert code == 2
    assert said in found["findings"][0]["message"]


@pytest.fixture(scope="module")
def assembly(dev: AppDeployment, tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_assembly(tmp_path_factory.mktemp("dev"), dev.templates)


def test_the_app_is_compared_with_what_is_committed(assembly: Path) -> None:
    code, said = run("review", assembly, "--only", "access")
    assert (code, said["findings"]) == (0, [])
    assert said["checks"]["access"] > 30


def test_an_environment_without_a_baseline_is_told_so_in_a_note(
    assembly: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(baselines, "FOLDER", tmp_path)
    code, said = run("review", assembly, "--only", "access")
    assert (code, [each["id"] for each in said["findings"]]) == (0, ["access.no-baseline"])


def test_the_baseline_of_another_environment_is_refused(assembly: Path) -> None:
    other = baselines.committed("prod")
    code, said = run("review", assembly, "--only", "access", "--baseline", other)
    assert code == 2
    assert "'prod', and the templates are of 'dev'" in said["findings"][0]["message"]


def test_the_proofs_are_a_part_of_the_review(assembly: Path, dev: AppDeployment) -> None:
    assert PARTS == ("structure", "decisions", "proofs", "access", "packs")
    code, said = run("review", assembly, "--only", "proofs")
    assert (code, said["findings"]) == (0, [])
    assert said["checks"]["proofs"] > 60


def test_a_proof_that_fails_ends_the_review_with_1(dev: AppDeployment, tmp_path: Path) -> None:
    weaker = dev.without_resources("AWS::S3::BucketPolicy")
    code, said = run("review", write_assembly(tmp_path, weaker.templates), "--only", "proofs")
    assert code == 1
    assert "proofs.tls-only" in {each["id"] for each in said["findings"]}
