"""What a first deployment meets on AWS, and the emulator must refuse too."""

from __future__ import annotations

import json
import subprocess
import time
from pathlib import Path
from typing import Any

import pytest

from rehearsal.emulator_process import Emulator, interpreter
from rehearsal.layout import ROOT
from tests.rehearsal.scene import Change, Document, Scene, allow


def _refused(scene: Scene, change: Change) -> str:
    with pytest.raises(AssertionError) as refusal:
        scene.changed(change)
    return str(refusal.value)


def _policy(statement: Document) -> Document:
    return {"Version": "2012-10-17", "Statement": [statement]}


def _key_statements(resources: Document) -> list[Document]:
    found: list[Document] = resources["DataKey"]["Properties"]["KeyPolicy"]["Statement"]
    return found


def _log_group(resources: Document) -> None:
    resources["Logs"] = {
        "Type": "AWS::Logs::LogGroup",
        "Properties": {
            "LogGroupName": "/scene/logs",
            "KmsKeyId": {"Fn::GetAtt": ["DataKey", "Arn"]},
        },
    }


def _admit_logs(resources: Document) -> None:
    _key_statements(resources).append(
        {
            **allow(["kms:GenerateDataKey", "kms:Decrypt"], "*"),
            "Principal": {"Service": "logs.eu-central-1.amazonaws.com"},
            "Condition": {
                "ArnLike": {"kms:EncryptionContext:aws:logs:arn": "arn:aws:logs:*:*:*:/scene/*"}
            },
        }
    )


def test_a_log_group_needs_a_key_that_admits_it(scene: Scene) -> None:
    assert "is not allowed to be used with LogGroup" in _refused(scene, _log_group)

    def both(resources: Document) -> None:
        _admit_logs(resources)
        _log_group(resources)

    scene.changed(both)


def test_a_key_must_leave_its_policy_to_somebody(scene: Scene) -> None:
    def locked(resources: Document) -> None:
        _key_statements(resources)[0]["Action"] = ["kms:DescribeKey"]

    assert "update the key policy in the future" in _refused(scene, locked)


def _bucket_policy(resource: object, principal: object = "*") -> Change:
    def change(resources: Document) -> None:
        statement = {**allow("s3:GetObject", "*"), "Principal": principal, "Resource": resource}
        resources["Policy"] = {
            "Type": "AWS::S3::BucketPolicy",
            "Properties": {"Bucket": {"Ref": "Bucket"}, "PolicyDocument": _policy(statement)},
        }

    return change


def test_a_bucket_policy_may_name_its_own_bucket_only(scene: Scene) -> None:
    refusal = _refused(scene, _bucket_policy("arn:aws:s3:::somebody-elses/*"))
    assert "Policy has invalid resource" in refusal
    scene.changed(_bucket_policy({"Fn::Sub": "${Bucket.Arn}/*"}))


def test_a_policy_may_not_name_a_role_that_is_not_there(scene: Scene) -> None:
    own = {"Fn::Sub": "${Bucket.Arn}/*"}
    absent = {"AWS": f"arn:aws:iam::{scene.client.account}:role/absent"}
    assert "invalid principal in policy" in _refused(scene, _bucket_policy(own, absent))
    there = {"AWS": {"Fn::GetAtt": ["Caller", "Arn"]}}
    scene.changed(_bucket_policy(own, there))


def test_a_managed_policy_has_a_size(scene: Scene) -> None:
    def long(characters: int) -> Change:
        def change(resources: Document) -> None:
            resources["Managed"] = {
                "Type": "AWS::IAM::ManagedPolicy",
                "Properties": {"PolicyDocument": _policy(allow("s3:Get*", "a" * characters))},
            }

        return change

    assert "at most 6144" in _refused(scene, long(6200))
    scene.changed(long(5900))


def test_a_bucket_with_objects_is_not_deleted(scene: Scene) -> None:
    scene.cloudformation.delete_stack(StackName=scene.name)
    while True:
        stack = scene.cloudformation.describe_stacks(StackName=scene.name)["Stacks"][0]
        if not stack["StackStatus"].endswith("_IN_PROGRESS"):
            break
        time.sleep(0.05)
    assert stack["StackStatus"] == "DELETE_FAILED"
    assert scene.s3.list_objects_v2(Bucket=scene.ids["Bucket"])["KeyCount"] == 1


def _function(*permissions: str, target: object = None) -> Change:
    def change(resources: Document) -> None:
        trust = {
            "Effect": "Allow",
            "Action": "sts:AssumeRole",
            "Principal": {"Service": "lambda.amazonaws.com"},
        }
        resources["Queue"] = {"Type": "AWS::SQS::Queue"}
        resources["FunctionRole"] = {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": _policy(trust),
                "Policies": [
                    {
                        "PolicyName": "own",
                        "PolicyDocument": _policy(allow(["logs:PutLogEvents", *permissions], "*")),
                    }
                ],
            },
        }
        resources["Function"] = {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "Runtime": "nodejs22.x",
                "Handler": "index.handler",
                "Role": {"Fn::GetAtt": ["FunctionRole", "Arn"]},
                "Code": {"ZipFile": "exports.handler = async () => 1;"},
                "VpcConfig": {
                    "SubnetIds": [{"Ref": "SubnetA"}],
                    "SecurityGroupIds": [{"Ref": "Group"}],
                },
                "DeadLetterConfig": {"TargetArn": {"Fn::GetAtt": ["Queue", "Arn"]}},
            },
        }

    return change


def test_lambda_needs_the_roles_permission_to_attach_a_function(scene: Scene) -> None:
    refusal = _refused(scene, _function("sqs:SendMessage"))
    assert "permissions to call CreateNetworkInterface on EC2" in refusal
    assert "permissions to call SendMessage" in _refused(scene, _function("ec2:*"))
    scene.changed(_function("ec2:*", "sqs:SendMessage"))


def _ledger(emulator: Emulator) -> dict[str, list[str]]:
    path = Path(emulator.state) / "ignored-properties.json"
    found: dict[str, list[str]] = json.loads(path.read_text(encoding="utf-8"))
    return found


def test_a_property_that_no_provisioner_reads_is_written_down(
    scene: Scene, emulator: Emulator
) -> None:
    def unknown(resources: Document) -> None:
        resources["Vpc"]["Properties"]["NobodyReadsThis"] = True
        resources["Bucket"]["Properties"]["BucketEncryption"]["NorThis"] = True

    scene.changed(unknown)
    ledger = _ledger(emulator)
    assert "NobodyReadsThis" in ledger["AWS::EC2::VPC"]
    assert "BucketEncryption.NorThis" in ledger["AWS::S3::Bucket"]
    assert "CidrBlock" not in ledger["AWS::EC2::VPC"]


# The emulator looks at a stored property of one function while a handler makes another one.
_LOOKED_AT_LATER = """
import json, sys, threading
from pathlib import Path
from rehearsal.emulator.cloudformation.ledger import Ledger

stored, file, by_the_handler = [], Path(sys.argv[1]), sys.argv[2] == "handler"

def create(logical_id, properties):
    logging = properties.get("Logging")
    if logical_id == "Second":
        look = lambda: stored[0].get("Group")
        if by_the_handler:
            logging.get("Group")
        else:
            look()
            thread = threading.Thread(target=look)
            thread.start()
            thread.join()
    stored.append(logging)

handler = {"create": create}
Ledger(file).watch("AWS::Test::Thing", handler)
for name in ("First", "Second"):
    handler["create"](name, {"Logging": {"Group": "g", "Format": "JSON"}})
print(file.read_text())
"""


def _ignored(tmp_path: Path, who_looks: str) -> dict[str, list[str]]:
    done = subprocess.run(
        [interpreter(), "-c", _LOOKED_AT_LATER, str(tmp_path / "ledger.json"), who_looks],
        cwd=ROOT,
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    found: dict[str, list[str]] = json.loads(done.stdout)
    return found


def test_what_the_emulator_looks_at_later_is_not_a_provisioners_look(tmp_path: Path) -> None:
    assert _ignored(tmp_path, "emulator") == {}
    assert _ignored(tmp_path, "handler") == {"AWS::Test::Thing": ["Logging.Format"]}


# Answers FAILED to a Create and counts the Deletes in a bucket-free way: its own environment.
_FAILING = """
const https = require("https");
const { SSM } = require("@aws-sdk/client-ssm");
exports.handler = async (event) => {
  if (event.RequestType === "Delete") {
    const Name = "/scene/deleted", Type = "String", Overwrite = true;
    await new SSM({}).putParameter({ Name, Type, Overwrite, Value: event.PhysicalResourceId });
  }
  const body = JSON.stringify({
    Status: event.RequestType === "Create" ? "FAILED" : "SUCCESS", Reason: "no",
    PhysicalResourceId: "what-was-made", StackId: event.StackId,
    RequestId: event.RequestId, LogicalResourceId: event.LogicalResourceId,
  });
  await new Promise((resolve, reject) => {
    const options = { method: "PUT", headers: { "content-length": body.length } };
    const request = https.request(event.ResponseURL, options, resolve);
    request.on("error", reject); request.end(body);
  });
};
"""


def test_what_a_failed_create_made_is_deleted(scene: Scene) -> None:
    def custom(resources: Document) -> None:
        _function("ec2:*", "sqs:SendMessage", "ssm:PutParameter")(resources)
        function = resources["Function"]["Properties"]
        function["Code"]["ZipFile"] = _FAILING
        del function["VpcConfig"]
        resources["Custom"] = {
            "Type": "Custom::Failing",
            "Properties": {"ServiceToken": {"Fn::GetAtt": ["Function", "Arn"]}},
        }

    assert _refused(scene, custom) == "no"
    ssm: Any = scene.client.service("ssm")
    assert ssm.get_parameter(Name="/scene/deleted")["Parameter"]["Value"] == "what-was-made"
