"""What the decisions report of templates that are not as they should be."""

from __future__ import annotations

import copy
from typing import Any

import pytest

from review.decisions.run import decision_findings, run
from review.decisions.scene import Scene
from review.decisions.stage import Stage
from review.decisions.table import table
from review.findings import Finding
from review.template.assembly import load
from review.template.deployment import ABSENT, Deployment, Template


def named(findings: list[Finding]) -> set[str]:
    """The ids of findings."""
    return {finding.id for finding in findings}


def test_a_finding_says_who_may_what_and_which_statement_lets_them(dev: Deployment) -> None:
    wide = dev.put(
        "AWS::IAM::Role",
        "AssumeRolePolicyDocument.Statement.0.Condition",
        ABSENT,
        where={"RoleName": "AmazonBedrock-finetune-dev-us-east-1-customization"},
    )
    found = {finding.id: finding for finding in run(wide)}
    finding = found["decisions.bedrock-takes-the-role-for-another-accounts-job"]
    assert finding.level == "error"
    assert finding.message.startswith(
        "bedrock may take-role on customization-role from anywhere: allowed, expected denied. "
        "Somebody else's job could name our role. Decided by sts:AssumeRole on arn:aws:iam::"
    )
    assert "statement 1 of trust policy Customization" in finding.message
    assert finding.where["stack"] == "finetune-dev-identity"
    assert finding.where["property"] == "AssumeRolePolicyDocument"
    assert finding.fix == "take away what allows it"


def test_what_is_no_longer_allowed_is_found_too(dev: Deployment) -> None:
    closed = dev.put("AWS::S3::BucketPolicy", "PolicyDocument.Statement.0.Condition", ABSENT)
    found = {finding.id: finding for finding in run(closed)}
    finding = found["decisions.job-reads-a-dataset"]
    assert "may not read-object" in finding.message
    assert finding.fix == "allow it, or take away what denies it"


def test_a_protection_that_a_setting_takes_away_names_it(dev: Deployment) -> None:
    without = dev.without_resources("AWS::S3::BucketPolicy", Bucket=_data_bucket(dev))
    found = {finding.id: finding for finding in run(without)}
    finding = found["decisions.job-reads-without-the-endpoint"]
    assert "storage.require_endpoint" in finding.fix
    assert finding.level == "warning"
    assert found["decisions.job-reads-without-tls"].level == "error"


def _data_bucket(dev: Deployment) -> str:
    return str(next(each.ref for each in dev.of_type("AWS::S3::Bucket") if "Logging" in str(each)
                    or each["LoggingConfiguration"]))  # fmt: skip


def test_a_policy_that_cannot_be_understood_is_one_finding(dev: Deployment) -> None:
    broken = dev.put("AWS::S3::BucketPolicy", "PolicyDocument.Statement.0.Effect", "Maybe")
    found = [each for each in run(broken) if each.id == "decisions.not-decided"]
    assert found
    assert "decisions could not be made" in found[0].message
    assert "Effect is Allow or Deny, got 'Maybe'" in found[0].message
    assert len(found) <= 2


def test_a_condition_on_a_misspelt_key_is_no_pass(dev: Deployment) -> None:
    def misspell(templates: dict[str, Template]) -> None:
        text = "aws:SecureTransport"
        for template in templates.values():
            for raw in template["Resources"].values():
                if raw["Type"] == "AWS::S3::BucketPolicy":
                    raw["Properties"] = _renamed(raw["Properties"], text, "aws:SecureTransprot")

    found = run(dev.changed(misspell))
    assert any("aws:securetransprot" in each.message for each in found)


def _renamed(value: Any, old: str, new: str) -> Any:  # noqa: ANN401 - a piece of a template
    if isinstance(value, list):
        return [_renamed(each, old, new) for each in value]
    if isinstance(value, dict):
        return {new if key == old else key: _renamed(each, old, new) for key, each in value.items()}
    return value


def test_what_is_missing_is_found_for_us_and_left_out_for_others(dev: Deployment) -> None:
    without = dev.without_resources("AWS::SQS::Queue")
    ours = [each for each in run(without) if each.id == "decisions.nothing-to-ask-about"]
    assert [each.message.rpartition(": ")[2] for each in ours] == ["the templates hold no queue"]
    assert not [each for each in run(without, "any") if "queue" in each.message]


def test_templates_of_somebody_else_are_asked_what_is_there(tmp_path: Any) -> None:  # noqa: ANN401
    (tmp_path / "peer.yaml").write_text(PEER, encoding="utf-8")
    deployment = load([tmp_path / "peer.yaml"]).deployment
    findings, asked = decision_findings(deployment, "any")
    assert asked > 20
    assert {
        "decisions.bedrock-takes-the-role-for-another-accounts-job",
        "decisions.bedrock-takes-the-role-for-nobody",
        "decisions.job-reads-without-the-endpoint",
        "decisions.job-reads-without-tls-from-anywhere",
        "decisions.account-admin-decrypts-with-the-data-key",
    } <= named(findings)
    assert "decisions.outsider-get-object-dataset" not in named(findings)
    (tmp_path / "empty.yaml").write_text("Resources: {Topic: {Type: 'AWS::SNS::Topic'}}")
    few, asked = decision_findings(load([tmp_path / "empty.yaml"]).deployment, "any")
    assert (named(few), asked > 0) == (set(), True)


PEER = """
Resources:
  Key:
    Type: AWS::KMS::Key
  Data:
    Type: AWS::S3::Bucket
    Properties:
      BucketEncryption:
        ServerSideEncryptionConfiguration:
          - ServerSideEncryptionByDefault:
              {SSEAlgorithm: 'aws:kms', KMSMasterKeyID: !GetAtt Key.Arn}
  Role:
    Type: AWS::IAM::Role
    Properties:
      AssumeRolePolicyDocument:
        Version: '2012-10-17'
        Statement:
          - Effect: Allow
            Principal: {Service: bedrock.amazonaws.com}
            Action: sts:AssumeRole
      Policies:
        - PolicyName: data
          PolicyDocument:
            Version: '2012-10-17'
            Statement:
              - Effect: Allow
                Action: ['s3:GetObject', 's3:ListBucket', 's3:PutObject', 'kms:*']
                Resource: '*'
"""


# What stands beside what it is about.


def test_a_managed_policy_that_is_not_there_is_not_passed_over(dev: Deployment) -> None:
    with_more = dev.put(
        "AWS::IAM::Role",
        "ManagedPolicyArns",
        ["arn:aws:iam::aws:policy/AdministratorAccess"],
        where={"RoleName": "finetune-dev-us-east-1-reader"},
    )
    found = run(with_more)
    assert any("AdministratorAccess, which is not in the templates" in each.message
               for each in found)  # fmt: skip


@pytest.mark.parametrize(
    ("type_", "properties"),
    [
        ("AWS::IAM::Policy", {"Roles": ["finetune-dev-us-east-1-reader"]}),
        ("AWS::IAM::ManagedPolicy", {"Roles": ["finetune-dev-us-east-1-reader"]}),
        ("AWS::IAM::RolePolicy", {"RoleName": "finetune-dev-us-east-1-reader"}),
    ],
)
def test_a_policy_of_a_role_counts_wherever_it_stands(
    type_: str, properties: dict[str, Any], dev: Deployment
) -> None:
    document = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "bedrock:InvokeModel", "Resource": "*"}],
    }
    more = _plus(dev, type_, PolicyName="more", PolicyDocument=document, **properties)
    assert "decisions.no-role-invokes-models" in named(run(more))


def _plus(dev: Deployment, type_: str, **properties: Any) -> Deployment:
    templates = copy.deepcopy(dict(dev.templates))
    templates["finetune-dev-access"]["Resources"]["Added"] = {
        "Type": type_,
        "Properties": properties,
    }
    return dev.with_templates(templates)


def test_a_key_without_a_policy_has_aws_default(dev: Deployment) -> None:
    without = dev.without("AWS::KMS::Key", "KeyPolicy")
    assert "decisions.account-admin-decrypts-with-the-data-key" in named(run(without))


def test_a_second_bucket_policy_counts_too(dev: Deployment) -> None:
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {"Effect": "Deny", "Principal": "*", "Action": "s3:GetObject", "Resource": "*"}
        ],
    }
    bucket = next(each for each in dev.of_type("AWS::S3::Bucket") if each["LoggingConfiguration"])
    more = _plus(dev, "AWS::S3::BucketPolicy", Bucket=bucket.ref, PolicyDocument=document)
    assert "decisions.job-reads-a-dataset" in named(run(more))


def test_an_endpoint_without_a_policy_lets_everything_through(dev: Deployment) -> None:
    without = dev.without("AWS::EC2::VPCEndpoint", "PolicyDocument")
    assert "decisions.endpoint-keeps-jobs-to-the-bucket" in named(run(without))


def test_a_boundary_in_the_templates_limits(dev: Deployment) -> None:
    stage = Stage(dev)
    role = next(each for each in dev.of_type("AWS::IAM::Role") if "reader" in str(each["RoleName"]))
    assert Scene(dev).role(role, name="reader").boundary is None
    policy = next(each for each in dev.of_type("AWS::IAM::ManagedPolicy"))
    bounded = dev.put(
        "AWS::IAM::Role",
        "PermissionsBoundary",
        policy.ref,
        where={"RoleName": role["RoleName"]},
    )
    row = next(each for each in table().rows if each.id == "reader-reads-an-output")
    assert stage.ask(row).allowed
    assert "decisions.reader-reads-an-output" in named(run(bounded))
