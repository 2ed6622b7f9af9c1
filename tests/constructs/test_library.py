"""The constructs keep their promises in an app of others, and refuse what they cannot keep."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
from aws_cdk import App, CfnResource, Stack
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from bedrock_finetuning.acknowledgements import acknowledge, resource_of, wildcard_finding
from bedrock_finetuning.function import Function
from bedrock_finetuning.naming import Names
from bedrock_finetuning.training_network import subnet_cidr
from settings import load_settings
from stacks.environment import build_environment
from tests.security.controls import findings
from tests.security.synthesis import VALUES, read, write_settings

ROOT = Path(__file__).resolve().parents[2]
ACCESS_LOGS_BY_POLICY = "@aws-cdk/aws-s3:serverAccessLogsUseBucketPolicy"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    write_settings(tmp_path / "config", "test", VALUES)
    return tmp_path / "config"


def test_one_feature_flag_is_all_the_library_needs_of_an_app(tmp_path: Path, folder: Path) -> None:
    """What must hold is said in arguments, not left to the flags of this project's cdk.json."""
    other = App(outdir=str(tmp_path / "out"), context={ACCESS_LOGS_BY_POLICY: True})
    build_environment(other, settings=load_settings(environment="test", directory=folder))
    other.synth()
    made = read(environment="test", directory=folder, outdir=tmp_path / "out")
    assert findings(made) == set()


def test_without_that_flag_synth_fails_and_does_not_open_the_bucket_to_an_acl(
    folder: Path,
) -> None:
    settings = load_settings(environment="test", directory=folder)
    with pytest.raises(RuntimeError, match="LogDeliveryWrite"):
        build_environment(App(), settings=settings)


@pytest.mark.parametrize(
    ("zone", "service", "expected"),
    [
        ("a", False, "10.40.0.0/21"),
        ("p", False, "10.40.120.0/21"),
        ("a", True, "10.40.128.0/21"),
        ("p", True, "10.40.248.0/21"),
    ],
)
def test_a_zone_has_a_slot_of_its_own(zone: str, service: bool, expected: str) -> None:
    assert subnet_cidr(vpc_cidr="10.40.0.0/16", zone=zone, service=service) == expected


def test_a_zone_without_a_slot_is_refused() -> None:
    with pytest.raises(ValueError, match="a letter from a to p, got 'q'"):
        subnet_cidr(vpc_cidr="10.40.0.0/16", zone="q", service=False)


def test_the_longest_names_stay_within_the_limits_of_aws() -> None:
    """IAM takes 64 characters for a role, Lambda 64 for a function, S3 63, DynamoDB 255."""
    names = Names(environment="abcdefghijkl", region="ap-southeast-7")
    assert len(names.customization_role) <= 64
    for purpose in (
        "completion-check", "follower", "framework-on-event", "framework-complete", "submitter"
    ):  # fmt: skip
        assert len(names.role(purpose)) <= 64
        assert len(names.function(purpose)) <= 64


def test_a_finding_of_no_pack_is_refused() -> None:
    with pytest.raises(ValueError, match="finding must start with one of AwsSolutions"):
        acknowledge(App(), reason="a reason", findings=("IAM5",))


def test_a_construct_that_is_not_one_resource_is_refused() -> None:
    with pytest.raises(TypeError, match="does not hold one CloudFormation resource"):
        resource_of(Construct(Stack(App(), "Stack"), "Empty"))


@pytest.mark.parametrize(
    ("suffix", "expected"),
    [
        ("/*", "AwsSolutions-IAM5[Resource::<Raw.Arn>/*]"),
        ("", "AwsSolutions-IAM5[Resource::<Raw.Arn>]"),
    ],
)
def test_a_wildcard_is_named_as_the_pack_names_it(suffix: str, expected: str) -> None:
    stack = Stack(App(), "Stack")
    raw = CfnResource(stack, "Raw", type="AWS::S3::Bucket")
    arn = raw.get_att("Arn").to_string()
    assert wildcard_finding(raw, resource=f"{arn}{suffix}", owner=stack) == expected


def test_a_wildcard_of_another_stack_is_named_by_its_export() -> None:
    app = App()
    here, there = Stack(app, "Here"), Stack(app, "There")
    queue = sqs.Queue(there, "Queue")
    found = wildcard_finding(here, resource=f"{queue.queue_arn}*", owner=there)
    assert found.startswith("AwsSolutions-IAM5[Resource::There:ExportsOutputFnGetAttQueue")
    assert found.endswith("*]")


def test_functions_need_their_staged_dependencies(monkeypatch: pytest.MonkeyPatch) -> None:
    """The module that the class is from: another test may have imported it anew."""
    module = sys.modules[Function.__module__]
    monkeypatch.setattr(module, "DEPENDENCIES", Path("nowhere.zip"))
    refusal = sys.modules[module.assemble.__module__].FunctionAssetError
    with pytest.raises(refusal, match="run make setup"):
        module._code(packages=("submitter",), folder=Path())


@pytest.mark.parametrize("root", ["constructs", "lambda"])
def test_a_source_root_that_became_a_package_is_refused_with_the_reason(
    tmp_path: Path, root: str
) -> None:
    (tmp_path / "tests").mkdir()
    (tmp_path / "tests" / "conftest.py").write_text(
        (ROOT / "tests" / "conftest.py").read_text(encoding="utf-8"), encoding="utf-8"
    )
    (tmp_path / root).mkdir()
    (tmp_path / root / "__init__.py").touch()
    made = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", "tests"],
        cwd=tmp_path,
        capture_output=True,
        text=True,
        check=False,
        timeout=60,
    )
    assert made.returncode == pytest.ExitCode.USAGE_ERROR
    assert f"delete {root}/__init__.py" in made.stdout + made.stderr


def test_the_source_roots_are_no_packages() -> None:
    assert not (ROOT / "constructs" / "__init__.py").exists()
    assert not (ROOT / "lambda" / "__init__.py").exists()
