"""The six packs of cdk-nag gate every synth: on the tree, on the templates, by their reasons."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, NamedTuple

import pytest

import app
from bedrock_finetuning.acknowledgements import PACKS, acknowledge
from settings import Settings
from tests.security.synthesis import VALUES, write_settings

Change = Callable[[Any], None]


@pytest.fixture
def packs_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without our own rules, which let no resource in that the design does not know."""
    from review.plugin import ReviewPlugin  # noqa: PLC0415 - starts Node
    from stacks import gates  # noqa: PLC0415 - the same

    monkeypatch.setattr(gates, "ReviewPlugin", lambda: ReviewPlugin(only=()))


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Correct settings, fewer than those of dev, so that the gates take less time."""
    directory = tmp_path_factory.mktemp("settings")
    network = {"training_zones": ["a"]}
    values = {**VALUES, "network": network, "tags": {"project": "packs"}}
    write_settings(directory, "dev", values)
    return directory


@pytest.fixture
def main(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Callable[[Change], tuple[int, Path]]:
    """Run app.main() with a change to the app before synth; the exit code and the folder."""
    build = app.build_app

    def run(change: Change) -> tuple[int, Path]:
        def changed(cdk_app: Any, *, directory: Path) -> Settings:  # noqa: ANN401 - jsii's types
            settings = build(cdk_app, directory=directory)
            change(cdk_app)
            return settings

        monkeypatch.setattr(app, "build_app", changed)
        monkeypatch.setenv("CDK_OUTDIR", str(tmp_path / "out"))
        monkeypatch.setenv("FINETUNE_CONFIG", str(folder))
        return app.main(), tmp_path / "out"

    return run


def _stack(cdk_app: Any, part: str) -> Any:  # noqa: ANN401 - jsii's types are not checked here
    return cdk_app.node.find_child(f"finetune-dev-{part}")


def _report(outdir: Path) -> list[dict[str, Any]]:
    content = json.loads((outdir / "validation-report.json").read_text(encoding="utf-8"))
    reports: list[dict[str, Any]] = content["pluginReports"]
    return reports


class Acknowledgement(NamedTuple):
    """A finding that is taken, as a template says."""

    logical_id: str
    finding: str
    reason: str
    properties: Mapping[str, Any]


def _acknowledgements(outdir: Path) -> Iterator[Acknowledgement]:
    """Each acknowledgement of the packs' findings that a template carries."""
    for file in sorted(outdir.glob("*.template.json")):
        template = json.loads(file.read_text(encoding="utf-8"))
        for logical_id, resource in template["Resources"].items():
            rules = resource.get("Metadata", {}).get("cdk_nag", {}).get("rules_to_suppress", [])
            for rule in rules:
                # The library writes one of its own validation's, on every resource beside a VPC.
                if not rule["id"].startswith("CloudFormation-Validate::"):
                    properties = resource.get("Properties", {})
                    yield Acknowledgement(logical_id, rule["id"], rule["reason"], properties)


@pytest.fixture(scope="module")
def passed(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a synth that passed all gates."""
    outdir = tmp_path_factory.mktemp("out")
    cdk_app = app.new_app(outdir=str(outdir))
    app.build_app(cdk_app, directory=folder)
    cdk_app.synth()
    return outdir


def test_all_six_packs_have_looked_and_nothing_is_open(passed: Path) -> None:
    reports = {report["pluginName"]: report for report in _report(passed)}
    assert set(PACKS) <= set(reports)
    assert len(PACKS) == 6
    for pack in PACKS:
        assert reports[pack].get("violations", []) == []
        # Each has something to say of this app, so each has run.
        assert reports[pack]["suppressedViolations"]


def test_the_app_passes_its_gates(
    main: Callable[[Change], tuple[int, Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    code, _ = main(lambda _: None)
    (cost,) = capsys.readouterr().err.splitlines()
    assert cost.startswith("list prices: ")
    assert code == 0


def test_a_bucket_without_encryption_fails_synth(
    main: Callable[[Change], tuple[int, Path]], capfd: pytest.CaptureFixture[str]
) -> None:
    from aws_cdk import aws_s3 as s3  # noqa: PLC0415 - with the fixture's app

    def open_bucket(cdk_app: Any) -> None:  # noqa: ANN401 - jsii's types are not checked here
        s3.Bucket(_stack(cdk_app, "storage"), "Open")

    code, _ = main(open_bucket)
    assert code == 1
    assert "AwsSolutions-S1" in "".join(capfd.readouterr())


@pytest.mark.parametrize(
    ("pack", "rule"),
    [
        ("AwsSolutions", "AwsSolutions-S1"),
        ("HIPAA.Security", "HIPAA.Security-S3BucketVersioningEnabled"),
        ("NIST.800.53.R4", "NIST.800.53.R4-S3BucketVersioningEnabled"),
        ("NIST.800.53.R5", "NIST.800.53.R5-S3BucketVersioningEnabled"),
        ("PCI.DSS.321", "PCI.DSS.321-S3BucketVersioningEnabled"),
        ("Serverless", "Serverless-SQSRedrivePolicy"),
    ],
)
def test_each_pack_is_active(weak: Path, pack: str, rule: str) -> None:
    (report,) = [each for each in _report(weak) if each["pluginName"] == pack]
    assert rule in {violation["ruleName"] for violation in report["violations"]}


@pytest.fixture(scope="module")
def weak(folder: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The output of a synth with a bucket and a queue that no pack likes."""
    from aws_cdk import aws_s3 as s3  # noqa: PLC0415 - with the fixture's app
    from aws_cdk import aws_sqs as sqs  # noqa: PLC0415 - the same

    outdir = tmp_path_factory.mktemp("weak")
    cdk_app = app.new_app(outdir=str(outdir))
    app.build_app(cdk_app, directory=folder)
    s3.Bucket(_stack(cdk_app, "storage"), "Open")
    sqs.Queue(_stack(cdk_app, "engine"), "Open")
    with pytest.raises(RuntimeError):
        cdk_app.synth()
    return outdir


@pytest.mark.usefixtures("packs_alone")
def test_a_raw_resource_that_the_tree_does_not_show_is_found_on_the_template(
    main: Callable[[Change], tuple[int, Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    from aws_cdk import CfnResource  # noqa: PLC0415 - with the fixture's app

    def raw(cdk_app: Any) -> None:  # noqa: ANN401 - jsii's types are not checked here
        CfnResource(_stack(cdk_app, "storage"), "Raw", type="AWS::S3::Bucket", properties={})

    code, _ = main(raw)
    assert code == 1
    said = capsys.readouterr().err
    assert "open finding on the template: finetune-dev-storage/Raw: AwsSolutions::" in said


def test_an_acknowledgement_that_matches_nothing_fails(
    main: Callable[[Change], tuple[int, Path]], capsys: pytest.CaptureFixture[str]
) -> None:
    def more(cdk_app: Any) -> None:  # noqa: ANN401 - jsii's types are not checked here
        bucket = _stack(cdk_app, "storage").node.find_child("Bucket")
        acknowledge(bucket, reason="a reason for nothing", findings=("AwsSolutions-S10",))

    code, _ = main(more)
    assert code == 1
    said = capsys.readouterr().err
    assert "acknowledgement that no finding answers to" in said
    assert "AwsSolutions-S10" in said


def test_a_short_form_is_refused_where_findings_are_acknowledged() -> None:
    with pytest.raises(ValueError, match="finding must start with one of AwsSolutions"):
        acknowledge(app.new_app(), reason="x", findings=("IAM5",))


@pytest.mark.usefixtures("packs_alone")
@pytest.mark.parametrize(("form", "code"), [("Serverless::{}", 0), ("{}", 1)])
def test_a_short_form_hides_nothing(
    main: Callable[[Change], tuple[int, Path]],
    capsys: pytest.CaptureFixture[str],
    form: str,
    code: int,
) -> None:
    """The packs take the short form on the tree and leave no trace; the templates show it."""
    from aws_cdk import Acknowledgment, Validations  # noqa: PLC0415 - with the fixture's app
    from aws_cdk import aws_sqs as sqs  # noqa: PLC0415 - the same

    def queue(cdk_app: Any) -> None:  # noqa: ANN401 - jsii's types are not checked here
        made = sqs.Queue(_stack(cdk_app, "engine"), "Queue", enforce_ssl=True)
        resource = made.node.default_child or made
        rule = Acknowledgment(id=form.format("Serverless-SQSRedrivePolicy"), reason="a reason")
        Validations.of(resource).acknowledge(rule)
        full = Acknowledgment(id="AwsSolutions::AwsSolutions-SQS3", reason="a reason")
        Validations.of(resource).acknowledge(full)

    assert main(queue)[0] == code
    assert ("Serverless-SQSRedrivePolicy" in capsys.readouterr().err) is bool(code)


def test_every_acknowledgement_is_in_full_form(passed: Path) -> None:
    found = list(_acknowledgements(passed))
    assert len(found) > 50
    for each in found:
        pack, _, rule = each.finding.partition("::")
        assert pack in PACKS
        assert rule.startswith(f"{pack}-")


def test_a_wildcard_is_acknowledged_by_its_very_resource(passed: Path) -> None:
    wildcards = [each.finding for each in _acknowledgements(passed) if "-IAM5" in each.finding]
    assert wildcards
    assert all(re.search(r"-IAM5\[(Resource|Action)::.+\]$", finding) for finding in wildcards)


CIRCULAR = re.compile(r"required|false positive|necessary|not needed|by design", re.IGNORECASE)


def circular(reasons: Mapping[str, str]) -> list[str]:
    """Findings whose reason says nothing that could turn false."""
    return [
        finding
        for finding, reason in reasons.items()
        if len(reason) <= 40 or CIRCULAR.search(reason)
    ]


def test_every_reason_can_turn_false(passed: Path) -> None:
    reasons = {
        f"{each.logical_id}: {each.finding}": each.reason for each in _acknowledgements(passed)
    }
    assert circular(reasons) == []


@pytest.mark.parametrize(
    "reason",
    ["it is required", "This wildcard is required for the function to do what it has to do here."],
)
def test_a_circular_reason_is_found(reason: str) -> None:
    assert circular({"finding": reason})


def test_no_policy_hides_a_second_wildcard_behind_the_first(passed: Path) -> None:
    """Once `Resource::*` is acknowledged on a policy, every widening to `*` in it is masked."""
    bare = [
        each
        for each in _acknowledgements(passed)
        if each.finding.endswith("AwsSolutions-IAM5[Resource::*]")
    ]
    assert bare
    for each in bare:
        actions = {
            action
            for statement in each.properties["PolicyDocument"]["Statement"]
            for action in _many(statement["Action"])
        }
        # What has a resource to name stands in another policy.
        assert {action.split(":")[0] for action in actions} <= {"bedrock", "ec2"}


def _many(value: str | list[str]) -> list[str]:
    return [value] if isinstance(value, str) else value
