"""The package for a Guard Hook: the rules as they are, and a template that says what it must."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path
from typing import Any

import pytest

from review.guard_hook import TEMPLATE, package, rule_files
from review.guard_hook.__main__ import main
from review.others.guard_engine import guard_remarks, guard_sources
from review.run import review
from review.template.assembly import load
from review.template.deployment import Deployment
from tests.review.rules.twins import good, twins

GIVEN = {
    "RulesBucket": "the-rules",
    "RulesKey": "guard/rules.zip",
    "RulesVersion": "one",
}


@pytest.fixture(scope="module")
def unpacked(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The package as CloudFormation unpacks it."""
    folder = tmp_path_factory.mktemp("package")
    package(folder / "rules.zip")
    with zipfile.ZipFile(folder / "rules.zip") as archive:
        assert archive.testzip() is None
        archive.extractall(folder / "rules")
    return folder / "rules"


@pytest.fixture(scope="module")
def template() -> Deployment:
    return load([TEMPLATE], parameters=GIVEN).deployment


def test_every_file_of_rules_is_in_the_package_as_it_is(unpacked: Path) -> None:
    assert {each.name for each in unpacked.iterdir()} == {each.name for each in rule_files()}
    assert len(rule_files()) >= 10
    for file in rule_files():
        assert (unpacked / file.name).read_bytes() == file.read_bytes()


def test_the_same_rules_make_the_same_package(tmp_path: Path) -> None:
    for name in ("one.zip", "other.zip"):
        package(tmp_path / name)
    assert (tmp_path / "one.zip").read_bytes() == (tmp_path / "other.zip").read_bytes()


def test_what_is_unpacked_lets_the_good_template_pass_and_stops_a_weak_one(
    unpacked: Path,
) -> None:
    (weak, *_) = [each for each in twins() if each.rule == "keys.rotate"]

    def one(deployment: Deployment) -> Any:  # noqa: ANN401 - a template
        return next(iter(deployment.templates.values()))

    templates = {"good": one(good()), "weak": one(weak.applied())}
    remarks = guard_remarks(templates, sources=guard_sources(unpacked))
    assert {(each.stack, each.finding) for each in remarks} == {("weak", "keys_rotate")}


def test_the_hook_reads_the_named_version_of_the_package(template: Deployment) -> None:
    (hook,) = template.of_type("AWS::CloudFormation::GuardHook")
    assert hook["RuleLocation"] == {"Uri": "s3://the-rules/guard/rules.zip", "VersionId": "one"}
    assert hook["HookStatus"] == "ENABLED"
    # The rules are about whole templates.
    assert hook["TargetOperations"] == ["STACK", "CHANGE_SET"]


def test_the_hook_warns_until_it_is_told_to_fail(template: Deployment) -> None:
    (hook,) = template.of_type("AWS::CloudFormation::GuardHook")
    assert hook["FailureMode"] == "WARN"
    strict = load([TEMPLATE], parameters={**GIVEN, "FailureMode": "FAIL"}).deployment
    assert strict.of_type("AWS::CloudFormation::GuardHook")[0]["FailureMode"] == "FAIL"


def test_our_own_gate_has_nothing_against_the_template(template: Deployment) -> None:
    report = review(
        [TEMPLATE],
        profile="any",
        only=("structure", "decisions", "proofs"),
        parameters=GIVEN,
    )
    ids = {each.id for each in report.findings}
    # It trains nothing: what is asked for is a network and a job's role, not something wrong here.
    assert not {each for each in ids if each.startswith(("roles.", "proofs.", "template."))}


def test_a_role_that_the_hooks_of_others_take_is_refuted(tmp_path: Path) -> None:
    text = TEMPLATE.read_text(encoding="utf-8")
    begin, end = text.index("            Condition:\n"), text.index("      Policies:")
    file = tmp_path / "hook.yaml"
    file.write_text(text[:begin] + text[end:], encoding="utf-8")
    report = review([file], profile="any", only=("proofs",), parameters=GIVEN)
    assert {each.id for each in report.findings} == {"proofs.no-confused-deputy"}


def test_cfn_lint_has_nothing_against_the_template_and_sees_a_wrong_one(tmp_path: Path) -> None:
    def lint(file: Path) -> subprocess.CompletedProcess[str]:
        command = [str(Path(sys.executable).with_name("cfn-lint")), str(file)]
        return subprocess.run(command, capture_output=True, text=True, check=False, timeout=120)

    clean = lint(TEMPLATE)
    assert (clean.returncode, clean.stdout) == (0, "")
    wrong = tmp_path / "hook.yaml"
    text = TEMPLATE.read_text(encoding="utf-8").replace("RuleLocation:", "RulesLocation:")
    wrong.write_text(text, encoding="utf-8")
    assert "RulesLocation" in lint(wrong).stdout


def test_the_command_writes_the_package(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    file = tmp_path / "rules.zip"
    assert main([str(file)]) == 0
    assert file.exists()
    assert "docs/guard-hook.md" in capsys.readouterr().out


@pytest.mark.parametrize("arguments", [[], ["a.zip", "b.zip"], ["rules.tar"], ["no/such/r.zip"]])
def test_wrong_use_ends_with_2(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert main(arguments) == 2
    assert capsys.readouterr().err
