"""Calls of functions inside a VPC: the path, the endpoint's policy, the condition keys."""

from __future__ import annotations

import json

import pytest

from tests.rehearsal.scene import Change, Document, Scene, allow

# Lambda's Node runtime carries the SDK, so a few lines make a function that calls KMS.
_CODE = """
const { KMS } = require("@aws-sdk/client-kms");
exports.handler = async (event) => {
  try { await new KMS({}).describeKey({ KeyId: event.key }); return "answered"; }
  catch (error) { return `${error.name}: ${error.message}`; }
};
"""


def _with_function(*, in_vpc: bool = True, condition: Document | None = None) -> Change:
    """Add a function whose role may attach it and describe keys."""

    def change(resources: Document) -> None:
        for name in ("DataKey", "ModelKey"):
            statement = resources[name]["Properties"]["KeyPolicy"]["Statement"][0]
            statement["Action"] = "kms:*"
        describe = allow("kms:DescribeKey", "*", **(condition or {}))
        role = {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Action": "sts:AssumeRole",
                    "Principal": {"Service": "lambda.amazonaws.com"},
                }
            ],
        }
        resources["FunctionRole"] = {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": role,
                "Policies": [
                    {
                        "PolicyName": "own",
                        "PolicyDocument": {
                            "Version": "2012-10-17",
                            "Statement": [allow("ec2:*", "*"), describe],
                        },
                    }
                ],
            },
        }
        function: Document = {
            "Runtime": "nodejs22.x",
            "Handler": "index.handler",
            "Role": {"Fn::GetAtt": ["FunctionRole", "Arn"]},
            "Timeout": 30,
            "Code": {"ZipFile": _CODE},
        }
        if in_vpc:
            function["VpcConfig"] = {
                "SubnetIds": [{"Ref": "SubnetA"}],
                "SecurityGroupIds": [{"Ref": "Group"}],
            }
        resources["Function"] = {"Type": "AWS::Lambda::Function", "Properties": function}

    return change


def _called(scene: Scene, *changes: Change) -> str:
    """What the function says after it was deployed and called."""

    def change(resources: Document) -> None:
        for each in changes:
            each(resources)

    scene.changed(change)
    described = scene.cloudformation.describe_stack_resource(
        StackName=scene.name, LogicalResourceId="Function"
    )["StackResourceDetail"]
    answer = scene.client.service("lambda").invoke(
        FunctionName=described["PhysicalResourceId"],
        Payload=json.dumps({"key": scene.ids["DataKeyArn"]}),
    )
    return str(json.loads(answer["Payload"].read()))


def test_a_function_reaches_a_service_through_its_endpoint(scene: Scene) -> None:
    assert _called(scene, _with_function()) == "answered"


def test_its_calls_carry_the_endpoint(scene: Scene) -> None:
    through_other = {"StringEquals": {"aws:SourceVpce": {"Ref": "S3Endpoint"}}}
    assert "AccessDenied" in _called(scene, _with_function(condition=through_other))
    through_it = {"StringEquals": {"aws:SourceVpce": {"Ref": "KmsEndpoint"}}}
    assert _called(scene, _with_function(condition=through_it)) == "answered"


def test_without_an_endpoint_the_call_does_not_arrive(scene: Scene) -> None:
    said = _called(scene, _with_function(), lambda resources: resources.pop("KmsEndpoint"))
    assert "has no endpoint for kms" in said


def test_a_function_outside_the_vpc_needs_no_endpoint(scene: Scene) -> None:
    without = lambda resources: resources.pop("KmsEndpoint")  # noqa: E731 - a change, as the others
    assert _called(scene, _with_function(in_vpc=False), without) == "answered"


def test_without_private_dns_the_name_leads_nowhere(scene: Scene) -> None:
    def nameless(resources: Document) -> None:
        resources["KmsEndpoint"]["Properties"]["PrivateDnsEnabled"] = False

    assert "private DNS is off" in _called(scene, _with_function(), nameless)


@pytest.mark.parametrize(
    ("rule", "reason"),
    [
        ("ToItself", "allows TCP 443 egress to the kms endpoint"),
        ("FromItself", "admits function"),
    ],
)
def test_the_groups_of_both_sides_decide(scene: Scene, rule: str, reason: str) -> None:
    assert reason in _called(scene, _with_function(), lambda resources: resources.pop(rule))


def test_the_endpoint_policy_decides(scene: Scene) -> None:
    def decrypt_only(resources: Document) -> None:
        resources["KmsEndpoint"]["Properties"]["PolicyDocument"] = {
            "Version": "2012-10-17",
            "Statement": [{**allow("kms:Decrypt", "*"), "Principal": "*"}],
        }

    said = _called(scene, _with_function(), decrypt_only)
    assert "no VPC endpoint policy allows the kms:DescribeKey action" in said
