"""A small environment in the emulator: one network, bucket, keys and roles, changed at will.

It is not the app: tests of the emulator's decisions must not depend on what the app happens to
allow. Every part is sound; a test spoils one and looks at the refusal.
"""

from __future__ import annotations

import copy
import itertools
import json
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from botocore.exceptions import ClientError

from rehearsal.client import Client
from rehearsal.people import take_role

S3_LIST, DYNAMODB_LIST = "pl-0aaaaaaaaaaaaaaaa", "pl-0bbbbbbbbbbbbbbbb"
MODEL, LEGACY = "amazon.nova-2-lite-v1:0:256k", "meta.llama3-1-8b-instruct-v1:0:128k"
ENDED = ("Completed", "Failed", "Stopped")
_numbers = itertools.count(1)

Document = dict[str, Any]
Change = Callable[[Document], object]
"""A change to the resources of a template, in place."""


def allow(action: str | list[str], resource: str | list[str], **condition: Any) -> Document:
    """An Allow statement."""
    statement = {"Effect": "Allow", "Action": action, "Resource": resource}
    return {**statement, **({"Condition": condition} if condition else {})}


def document(*statements: Document) -> str:
    """A policy document as text."""
    return json.dumps({"Version": "2012-10-17", "Statement": list(statements)})


@dataclass
class Scene:
    """The parts by their ids, and ways to change them."""

    client: Client
    job_seconds: float
    name: str = field(default_factory=lambda: f"scene{next(_numbers)}")
    ids: dict[str, str] = field(default_factory=dict)
    caller: Any = None

    def __post_init__(self) -> None:
        self.iam, self.s3 = self.client.service("iam"), self.client.service("s3")
        self.kms, self.ec2 = self.client.service("kms"), self.client.service("ec2")
        self.cloudformation = self.client.service("cloudformation")
        self.bedrock = self.client.service("bedrock")
        self.deploy(self.template())
        self.s3.put_object(Bucket=self.ids["Bucket"], Key="data/train.jsonl", Body=b"{}\n")
        self.caller = take_role(
            client=self.client, role_arn=self.ids["CallerArn"], session_name="test"
        ).service("bedrock")

    # The template and the policies it holds.

    def arn(self, service: str, resource: str) -> str:
        account = "" if resource.startswith("foundation-model/") else self.client.account
        return f"arn:aws:{service}:{self.client.region}:{account}:{resource}"

    def _role(self, principal: Document, statements: list[Document], **condition: Any) -> Document:
        trust = {"Effect": "Allow", "Action": "sts:AssumeRole", "Principal": principal}
        if condition:
            trust["Condition"] = condition
        return {
            "Type": "AWS::IAM::Role",
            "Properties": {
                "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [trust]},
                "Policies": [
                    {
                        "PolicyName": "own",
                        "PolicyDocument": {"Version": "2012-10-17", "Statement": statements},
                    }
                ],
            },
        }

    def _key(self, *statements: Document) -> Document:
        root = {"AWS": f"arn:aws:iam::{self.client.account}:root"}
        administer = {**allow(["kms:PutKeyPolicy", "kms:DescribeKey"], "*"), "Principal": root}
        return {
            "Type": "AWS::KMS::Key",
            "Properties": {
                "KeyPolicy": {
                    "Version": "2012-10-17",
                    "Statement": [administer, *({**s, "Principal": root} for s in statements)],
                }
            },
        }

    def template(self) -> Document:
        """A sound environment."""
        region, account = self.client.region, self.client.account
        bucket = {"Fn::GetAtt": ["Bucket", "Arn"]}
        objects = {"Fn::Sub": "${Bucket.Arn}/*"}
        data_key, model_key = (
            {"Fn::GetAtt": ["DataKey", "Arn"]},
            {"Fn::GetAtt": ["ModelKey", "Arn"]},
        )
        through_s3 = {"kms:ViaService": f"s3.{region}.amazonaws.com"}
        through_bedrock = {"kms:ViaService": f"bedrock.{region}.amazonaws.com"}
        customize = ["kms:DescribeKey", "kms:GenerateDataKey", "kms:Decrypt", "kms:CreateGrant"]
        jobs = self.arn("bedrock", "model-customization-job/*")
        job_tag = "BedrockModelCustomizationJobArn"
        vpc = {"Ref": "Vpc"}
        return {
            "Resources": {
                "Vpc": {
                    "Type": "AWS::EC2::VPC",
                    "Properties": {
                        "CidrBlock": "10.0.0.0/16",
                        "EnableDnsSupport": True,
                        "EnableDnsHostnames": True,
                    },
                },
                "Routes": {"Type": "AWS::EC2::RouteTable", "Properties": {"VpcId": vpc}},
                **{
                    name: {
                        "Type": "AWS::EC2::Subnet",
                        "Properties": {
                            "VpcId": vpc,
                            "CidrBlock": f"10.0.{number}.0/24",
                            "AvailabilityZone": f"{region}{zone}",
                        },
                    }
                    for number, (name, zone) in enumerate([("SubnetA", "a"), ("SubnetB", "b")])
                },
                **{
                    f"{name}Routes": {
                        "Type": "AWS::EC2::SubnetRouteTableAssociation",
                        "Properties": {
                            "SubnetId": {"Ref": name},
                            "RouteTableId": {"Ref": "Routes"},
                        },
                    }
                    for name in ("SubnetA", "SubnetB")
                },
                "Group": {
                    "Type": "AWS::EC2::SecurityGroup",
                    "Properties": {
                        "GroupDescription": "job and function",
                        "VpcId": vpc,
                        "SecurityGroupEgress": [
                            {
                                "IpProtocol": "tcp",
                                "FromPort": 443,
                                "ToPort": 443,
                                "DestinationPrefixListId": S3_LIST,
                            }
                        ],
                    },
                },
                "FromItself": {
                    "Type": "AWS::EC2::SecurityGroupIngress",
                    "Properties": {
                        "GroupId": {"Ref": "Group"},
                        "IpProtocol": "-1",
                        "SourceSecurityGroupId": {"Ref": "Group"},
                    },
                },
                "ToItself": {
                    "Type": "AWS::EC2::SecurityGroupEgress",
                    "Properties": {
                        "GroupId": {"Ref": "Group"},
                        "IpProtocol": "-1",
                        "DestinationSecurityGroupId": {"Ref": "Group"},
                    },
                },
                "S3Endpoint": {
                    "Type": "AWS::EC2::VPCEndpoint",
                    "Properties": {
                        "VpcId": vpc,
                        "ServiceName": f"com.amazonaws.{region}.s3",
                        "RouteTableIds": [{"Ref": "Routes"}],
                        "PolicyDocument": {
                            "Version": "2012-10-17",
                            "Statement": [
                                {
                                    **allow(["s3:GetObject", "s3:PutObject", "s3:ListBucket"], "*"),
                                    "Principal": "*",
                                }
                            ],
                        },
                    },
                },
                "KmsEndpoint": {
                    "Type": "AWS::EC2::VPCEndpoint",
                    "Properties": {
                        "VpcId": vpc,
                        "VpcEndpointType": "Interface",
                        "ServiceName": f"com.amazonaws.{region}.kms",
                        "PrivateDnsEnabled": True,
                        "SubnetIds": [{"Ref": "SubnetA"}],
                        "SecurityGroupIds": [{"Ref": "Group"}],
                    },
                },
                "DataKey": self._key(
                    allow(["kms:Decrypt", "kms:GenerateDataKey"], "*", StringEquals=through_s3)
                ),
                "ModelKey": self._key(allow(customize, "*", StringEquals=through_bedrock)),
                "Bucket": {
                    "Type": "AWS::S3::Bucket",
                    "Properties": {
                        "BucketEncryption": {
                            "ServerSideEncryptionConfiguration": [
                                {
                                    "ServerSideEncryptionByDefault": {
                                        "SSEAlgorithm": "aws:kms",
                                        "KMSMasterKeyID": data_key,
                                    },
                                    "BucketKeyEnabled": True,
                                }
                            ]
                        }
                    },
                },
                "Customization": self._role(
                    {"Service": "bedrock.amazonaws.com"},
                    [
                        allow(["s3:GetObject", "s3:PutObject"], objects),  # type: ignore[arg-type]
                        allow("s3:ListBucket", bucket),  # type: ignore[arg-type]
                        allow(
                            ["kms:Decrypt", "kms:GenerateDataKey"],
                            data_key,  # type: ignore[arg-type]
                            StringEquals={
                                **through_s3,
                                "kms:EncryptionContext:aws:s3:arn": bucket,
                            },
                        ),
                        allow(customize, model_key),  # type: ignore[arg-type]
                        allow("ec2:Describe*", "*"),
                        allow(
                            "ec2:CreateNetworkInterface",
                            self.arn("ec2", "network-interface/*"),
                            StringEquals={"aws:RequestTag/BedrockManaged": "true"},
                            ArnEquals={f"aws:RequestTag/{job_tag}": jobs},
                        ),
                        allow(
                            "ec2:CreateNetworkInterface",
                            [self.arn("ec2", "subnet/*"), self.arn("ec2", "security-group/*")],
                        ),
                        allow(
                            "ec2:CreateTags",
                            self.arn("ec2", "network-interface/*"),
                            StringEquals={"ec2:CreateAction": "CreateNetworkInterface"},
                        ),
                        allow(
                            [
                                "ec2:CreateNetworkInterfacePermission",
                                "ec2:DeleteNetworkInterface",
                                "ec2:DeleteNetworkInterfacePermission",
                            ],
                            "*",
                            StringEquals={"ec2:ResourceTag/BedrockManaged": "true"},
                        ),
                    ],
                    StringEquals={"aws:SourceAccount": account},
                    ArnLike={"aws:SourceArn": jobs},
                ),
                "Caller": self._role(
                    {"AWS": f"arn:aws:iam::{account}:root"},
                    [
                        allow(
                            "bedrock:CreateModelCustomizationJob",
                            [
                                self.arn("bedrock", f"foundation-model/{MODEL}"),
                                self.arn("bedrock", f"foundation-model/{LEGACY}"),
                                jobs,
                                self.arn("bedrock", "custom-model/*"),
                            ],
                        ),
                        allow(["bedrock:TagResource", "bedrock:ListTagsForResource"], "*"),
                        allow(["bedrock:Get*", "bedrock:List*", "bedrock:DeleteCustomModel"], "*"),
                        allow(
                            "bedrock:StopModelCustomizationJob",
                            "*",
                            StringEquals={"aws:ResourceTag/owner": self.name},
                        ),
                        allow(
                            [
                                "bedrock:CreateCustomModelDeployment",
                                "bedrock:CreateProvisionedModelThroughput",
                            ],
                            self.arn("bedrock", "custom-model/*"),
                            StringEquals={
                                "aws:ResourceTag/owner": self.name,
                                "aws:RequestTag/owner": self.name,
                            },
                        ),
                        allow(
                            [
                                "bedrock:DeleteCustomModelDeployment",
                                "bedrock:DeleteProvisionedModelThroughput",
                                "bedrock:InvokeModel",
                            ],
                            [
                                self.arn("bedrock", "custom-model-deployment/*"),
                                self.arn("bedrock", "provisioned-model/*"),
                            ],
                            StringEquals={"aws:ResourceTag/owner": self.name},
                        ),
                        allow(
                            "iam:PassRole",
                            "*",
                            StringEquals={"iam:PassedToService": "bedrock.amazonaws.com"},
                        ),
                        allow(customize, model_key),  # type: ignore[arg-type]
                    ],
                ),
            },
            "Outputs": {
                **{
                    name: {"Value": {"Ref": name}}
                    for name in ("Vpc", "SubnetA", "SubnetB", "Group", "S3Endpoint", "Bucket")
                },
                **{
                    f"{name}Arn": {"Value": {"Fn::GetAtt": [name, "Arn"]}}
                    for name in ("Customization", "Caller", "DataKey", "ModelKey")
                },
                **{f"{name}Name": {"Value": {"Ref": name}} for name in ("Customization", "Caller")},
            },
        }

    # Changing it.

    def deploy(self, template: Document) -> None:
        """Create or update the stack.

        Raises:
            AssertionError: with the first reason, when it fails.
        """
        body, names = json.dumps(template), {"StackName": self.name}
        arguments = {**names, "TemplateBody": body, "Capabilities": ["CAPABILITY_NAMED_IAM"]}
        seen = set()
        if self.ids:
            before = self.cloudformation.describe_stack_events(**names)["StackEvents"]
            seen = {event["EventId"] for event in before}
            self.cloudformation.update_stack(**arguments)
        else:
            self.cloudformation.create_stack(**arguments)
        while True:
            stack = self.cloudformation.describe_stacks(**names)["Stacks"][0]
            if not stack["StackStatus"].endswith("_IN_PROGRESS"):
                break
            time.sleep(0.05)
        if stack["StackStatus"] not in ("CREATE_COMPLETE", "UPDATE_COMPLETE"):
            events = self.cloudformation.describe_stack_events(**names)["StackEvents"]
            failed = [
                event["ResourceStatusReason"]
                for event in reversed(events)
                if event["ResourceStatus"].endswith("_FAILED") and event["EventId"] not in seen
            ]
            raise AssertionError(failed[0])
        self.ids = {o["OutputKey"]: o["OutputValue"] for o in stack["Outputs"]}

    def changed(self, change: Change) -> None:
        """Deploy the sound template after a change to its resources."""
        template = copy.deepcopy(self.template())
        change(template["Resources"])
        self.deploy(template)

    # Using it.

    def request(self, **changes: Any) -> Document:
        """A sound CreateModelCustomizationJob request, with a name of its own."""
        name = f"job-{next(_numbers)}"
        bucket = self.ids["Bucket"]
        return {
            "jobName": name,
            "customModelName": name,
            "clientRequestToken": name,
            "roleArn": self.ids["CustomizationArn"],
            "baseModelIdentifier": MODEL,
            "customizationType": "FINE_TUNING",
            "customModelKmsKeyId": self.ids["ModelKeyArn"],
            "trainingDataConfig": {"s3Uri": f"s3://{bucket}/data/train.jsonl"},
            "outputDataConfig": {"s3Uri": f"s3://{bucket}/out/"},
            "hyperParameters": {"epochCount": "2"},
            "vpcConfig": {
                "subnetIds": [self.ids["SubnetA"], self.ids["SubnetB"]],
                "securityGroupIds": [self.ids["Group"]],
            },
            "jobTags": [{"key": "owner", "value": self.name}],
            "customModelTags": [{"key": "owner", "value": self.name}],
            **changes,
        }

    def submit(self, **changes: Any) -> str:
        """Submit a job and return its ARN."""
        arn: str = self.caller.create_model_customization_job(**self.request(**changes))["jobArn"]
        return arn

    def refusal(self, **changes: Any) -> str:
        """The error of a submission that must be refused."""
        try:
            self.submit(**changes)
        except ClientError as error:
            return str(error)
        raise AssertionError("not refused")

    def ended(self, arn: str) -> Mapping[str, Any]:
        """The job when it has ended."""
        deadline = time.monotonic() + 120
        while time.monotonic() < deadline:
            job: Mapping[str, Any] = self.bedrock.get_model_customization_job(jobIdentifier=arn)
            if job["status"] in ENDED:
                return job
            time.sleep(0.05)
        raise AssertionError(f"the job is still {job['status']}")

    def outcome(self, **changes: Any) -> str:
        """`Completed`, or the failure message of a job that was accepted."""
        job = self.ended(self.submit(**changes))
        return str(job.get("failureMessage") or job["status"])
