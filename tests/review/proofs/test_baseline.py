"""A change's new access is told in words with a request; what is as approved says nothing."""

from __future__ import annotations

import json
from collections.abc import Callable
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest
import z3

from review.decisions.scene import UNKNOWN_BOUNDARY, Scene
from review.findings import Finding
from review.mutation.neutral import NEUTRAL, applied
from review.proofs import solver
from review.proofs.baseline import Approval, Baseline, access_findings, approve, read, save
from review.template.deployment import Deployment
from review.template.errors import UnreadableError
from tests.security.app_deployment import AppDeployment

Resources = dict[str, dict[str, Any]]


@pytest.fixture(scope="module")
def approved(dev: AppDeployment, tmp_path_factory: pytest.TempPathFactory) -> Baseline:
    """What dev would deploy, approved, written and read again."""
    file = tmp_path_factory.mktemp("baseline") / "dev.json"
    save(approve(dev, by="Security", because="the first one"), file)
    return read(file)


def _changed(
    dev: AppDeployment, type_: str, change: Callable[[dict[str, Any]], object]
) -> AppDeployment:
    """The same change to the properties of the first resource of a type."""

    def make(templates: dict[str, Any]) -> None:
        for template in templates.values():
            for resource in template["Resources"].values():
                if resource["Type"] == type_:
                    change(resource["Properties"])
                    return

    return dev.changed(make)


def _news(dev: Deployment, approved: Baseline) -> list[Finding]:
    return access_findings(dev, approved)[0]


def test_what_is_as_approved_says_nothing(dev: AppDeployment, approved: Baseline) -> None:
    findings, count = access_findings(dev, approved)
    assert findings == []
    assert count > 30


@pytest.mark.parametrize("neutral", sorted(NEUTRAL))
def test_neutral_changes_are_no_new_access(
    neutral: str, dev: AppDeployment, approved: Baseline
) -> None:
    changed = applied(dev, neutral)
    assert [each.message for each in _news(changed, approved) if each.level == "error"] == []


def test_a_permission_that_comes_is_told_with_its_role_and_a_request(
    dev: AppDeployment, approved: Baseline
) -> None:
    def change(properties: dict[str, Any]) -> None:
        properties["PolicyDocument"]["Statement"].append(
            {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::any/*"}
        )

    changed = _changed(dev, "AWS::IAM::ManagedPolicy", change)
    (finding,) = _news(changed, approved)
    assert (finding.id, finding.level) == ("access.new", "error")
    assert "role/" in finding.message
    assert "may s3:deleteobject on arn:aws:s3:::any/*" in finding.message
    assert "for example s3:deleteobject on arn:aws:s3:::any/" in finding.message
    assert finding.where["logical_id"]


def test_a_permission_that_goes_is_a_note(dev: AppDeployment, approved: Baseline) -> None:
    def make(templates: dict[str, Any]) -> None:
        for resource in templates["finetune-dev-access"]["Resources"].values():
            statements = resource["Properties"].get("PolicyDocument", {}).get("Statement", [])
            if len(statements) > 1:
                statements.pop(0)
                return

    found = _news(dev.changed(make), approved)
    assert found
    assert {(each.id, each.level) for each in found} == {("access.removed", "note")}


def test_a_denial_that_goes_is_new_access(dev: AppDeployment, approved: Baseline) -> None:
    def change(properties: dict[str, Any]) -> None:
        statements = properties["PolicyDocument"]["Statement"]
        statements[:] = [each for each in statements if "SecureTransport" not in str(each)]

    changed = _changed(dev, "AWS::S3::BucketPolicy", change)
    found = [each for each in _news(changed, approved) if each.level == "error"]
    assert found
    assert all(each.message.startswith("not denied any more:") for each in found)


def test_a_role_that_comes_is_new_access(dev: AppDeployment, approved: Baseline) -> None:
    def make(templates: dict[str, Any]) -> None:
        trust = {"Effect": "Allow", "Principal": {"Service": "ec2.amazonaws.com"}}
        templates["finetune-dev-identity"]["Resources"]["Another"] = {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [{**trust, "Action": "sts:AssumeRole"}],
                }
            },
        }

    (finding,) = _news(dev.changed(make), approved)
    assert "ec2.amazonaws.com may sts:assumerole" in finding.message


def test_an_endpoint_that_loses_its_policy_is_new_access(
    dev: AppDeployment, approved: Baseline
) -> None:
    """AWS gives an endpoint without one a policy that lets everything through."""
    changed = dev.without("AWS::EC2::VPCEndpoint", "PolicyDocument")
    found = [each for each in _news(changed, approved) if each.level == "error"]
    assert len(found) == len(dev.of_type("AWS::EC2::VPCEndpoint"))
    assert all("everybody may * on * by the endpoint policy" in each.message for each in found)


def test_a_way_through_the_network_is_new_access(dev: AppDeployment, approved: Baseline) -> None:
    def change(properties: dict[str, Any]) -> None:
        properties["IpProtocol"] = "-1"
        properties["CidrIp"] = "10.0.0.0/8"

    changed = _changed(dev, "AWS::EC2::SecurityGroupIngress", change)
    found = [each.message for each in _news(changed, approved) if each.level == "error"]
    assert any("new way through the network" in each and "10.0.0.0/8" in each for each in found)


def test_a_route_is_a_way_through_the_network(dev: AppDeployment, approved: Baseline) -> None:
    def make(templates: dict[str, Any]) -> None:
        templates["finetune-dev-network"]["Resources"]["Out"] = {
            "Type": "AWS::EC2::Route",
            "Properties": {
                "RouteTableId": "rtb-1",
                "DestinationCidrBlock": "0.0.0.0/0",
                "NatGatewayId": "nat-1",
            },
        }

    (finding,) = _news(dev.changed(make), approved)
    assert "rtb-1: route of 0.0.0.0/0 to nat-1" in finding.message


def test_what_the_solver_gives_up_on_is_an_error(
    dev: AppDeployment, approved: Baseline, monkeypatch: pytest.MonkeyPatch
) -> None:
    def change(properties: dict[str, Any]) -> None:
        properties["PolicyDocument"]["Statement"].append(
            {"Effect": "Allow", "Action": "s3:DeleteObject", "Resource": "arn:aws:s3:::any/*"}
        )

    monkeypatch.setattr(solver, "_check", lambda asked: (z3.unknown, "timeout"))
    (finding,) = _news(_changed(dev, "AWS::IAM::ManagedPolicy", change), approved)
    assert finding.level == "error"
    assert "could not be found out" in finding.message


def test_a_policy_that_nobody_understands_is_an_error(
    dev: AppDeployment, approved: Baseline
) -> None:
    def change(properties: dict[str, Any]) -> None:
        properties["PolicyDocument"]["Statement"][0]["Condition"] = {"StringEquls": {"aws:x": "y"}}

    changed = _changed(dev, "AWS::IAM::ManagedPolicy", change)
    assert [each.id for each in _news(changed, approved)] == ["access.not-understood"]
    with pytest.raises(UnreadableError, match="cannot be approved"):
        approve(changed, by="Security", because="anyway")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        ("", "is no baseline"),
        ("{}", "environment"),
        ('{"schema": 2}', "schema"),
        ("[1]", "is no baseline"),
        ("\x00", "is no baseline"),
    ],
)
def test_what_is_no_baseline_is_refused(content: str, said: str, tmp_path: Path) -> None:
    file = tmp_path / "dev.json"
    file.write_text(content, encoding="utf-8")
    with pytest.raises(UnreadableError, match=said):
        read(file)


def test_a_baseline_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(UnreadableError, match="cannot be read") as refusal:
        read(tmp_path / "none.json")
    assert "finetune approve" in refusal.value.fix


def test_a_baseline_says_who_when_and_why(approved: Baseline, tmp_path: Path) -> None:
    assert approved.approved.by == "Security"
    assert approved.approved.because == "the first one"
    assert approved.approved.at.tzinfo is not None
    with pytest.raises(ValueError, match="because"):
        Baseline.model_validate(
            {
                **json.loads(approved.model_dump_json(by_alias=True)),
                "approved": {"by": "x", "at": "2026-11-23T00:00:00Z", "because": ""},
            }
        )


def test_a_baseline_is_the_same_file_for_the_same_access(
    dev: AppDeployment, tmp_path: Path
) -> None:
    files = [tmp_path / name for name in ("one.json", "other.json")]
    for file in files:
        found = approve(dev, by="Security", because="x")
        save(found.model_copy(update={"approved": approve_once(found)}), file)
    assert files[0].read_bytes() == files[1].read_bytes()


def approve_once(found: Baseline) -> Approval:
    """The approval at one time, whenever it was given."""
    return found.approved.model_copy(update={"at": datetime(2026, 11, 23, tzinfo=UTC)})


# A permissions boundary that the templates hold is a policy of its own.


def _bounded(dev: AppDeployment, *actions: str) -> AppDeployment:
    """With a boundary for every role of the identity stack."""

    def make(templates: dict[str, Any]) -> None:
        resources = templates["finetune-dev-identity"]["Resources"]
        statement = {"Effect": "Allow", "Action": list(actions), "Resource": "*"}
        resources["Boundary"] = {
            "Type": "AWS::IAM::ManagedPolicy",
            "Properties": {"PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]}},
        }
        for resource in resources.values():
            if resource["Type"] == "AWS::IAM::Role":
                resource["Properties"]["PermissionsBoundary"] = {"Ref": "Boundary"}

    return dev.changed(make)


def test_a_boundary_that_is_widened_or_gone_is_new_access(dev: AppDeployment) -> None:
    narrow, wide = _bounded(dev, "s3:*"), _bounded(dev, "s3:*", "iam:*")
    approved = approve(narrow, by="Security", because="a boundary")
    assert _news(narrow, approved) == []
    for weaker in (wide, dev):
        errors = [each.message for each in _news(weaker, approved) if each.level == "error"]
        assert errors
        assert all("as far as its permissions boundary goes" in each for each in errors)
    stricter = _news(narrow, approve(wide, by="Security", because="a wide one"))
    assert {each.level for each in stricter} == {"note"}


def test_a_boundary_of_somebody_elses_takes_nothing_away_and_is_one(dev: AppDeployment) -> None:
    """A denial by exception holds for a role with one: the role counts as bounded."""
    arn = "arn:aws:iam::111122223333:policy/boundary"
    bounded = dev.put("AWS::IAM::Role", "PermissionsBoundary", arn)
    role = bounded.of_type("AWS::IAM::Role")[0]
    assert Scene(bounded).role(role, name="role").boundary is UNKNOWN_BOUNDARY
    assert Scene(dev).role(dev.of_type("AWS::IAM::Role")[0], name="role").boundary is None
