"""What the customization role needs to put a job's network interfaces into the VPC.

The five statements of https://docs.aws.amazon.com/bedrock/latest/userguide/custom-model-job-access-security.html
Those that need `*` stand apart from those that do not: an acknowledgement of the one would hide
a widening of the other.
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from .statements import Allow, customization_job_arn

TAG_MANAGED = "BedrockManaged"
TAG_JOB = "BedrockModelCustomizationJobArn"

_NEW_INTERFACE = (
    "The interface has no id before it exists; the conditions on its tags admit those that Bedrock "
    "makes for a customization job of this account."
)
_NO_RESOURCE = (
    "EC2's Describe actions know no resource; the other statement of this policy is held by its "
    "conditions on subnet and tags."
)


def _ec2_arns(scope: Construct, kind: str, ids: Sequence[str]) -> list[str]:
    stack = Stack.of(scope)
    return [
        f"arn:{stack.partition}:ec2:{stack.region}:{stack.account}:{kind}/{each}" for each in ids
    ]


def statements_to_create_interfaces(
    scope: Construct, *, subnet_ids: Sequence[str], security_group_ids: Sequence[str]
) -> list[iam.PolicyStatement]:
    """Creating interfaces in these subnets and groups, tagged as a customization job's."""
    interfaces = _ec2_arns(scope, "network-interface", ["*"])
    return [
        Allow(
            sid="CreateTaggedInterfaces",
            actions=["ec2:CreateNetworkInterface"],
            resources=interfaces,
            wildcard=_NEW_INTERFACE,
            conditions={
                "StringEquals": {f"aws:RequestTag/{TAG_MANAGED}": ["true"]},
                "ArnEquals": {f"aws:RequestTag/{TAG_JOB}": [customization_job_arn(scope)]},
            },
        ),
        Allow(
            sid="CreateInterfacesInTheseSubnets",
            actions=["ec2:CreateNetworkInterface"],
            resources=[
                *_ec2_arns(scope, "subnet", subnet_ids),
                *_ec2_arns(scope, "security-group", security_group_ids),
            ],
        ),
        Allow(
            sid="TagInterfacesWhileCreating",
            actions=["ec2:CreateTags"],
            resources=interfaces,
            wildcard=_NEW_INTERFACE,
            conditions={
                "StringEquals": {"ec2:CreateAction": ["CreateNetworkInterface"]},
                "ForAllValues:StringEquals": {"aws:TagKeys": [TAG_MANAGED, TAG_JOB]},
            },
        ),
    ]


def statements_to_manage_interfaces(
    scope: Construct, *, subnet_ids: Sequence[str]
) -> list[iam.PolicyStatement]:
    """Looking at the network, and removing interfaces that are a customization job's."""
    return [
        # EC2 describes all or nothing: these actions know no resource.
        # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
        Allow(
            sid="DescribeTheNetwork",
            actions=[
                "ec2:DescribeDhcpOptions",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeSubnets",
                "ec2:DescribeVpcs",
            ],
            resources=["*"],
            wildcard=_NO_RESOURCE,
        ),
        Allow(
            sid="ManageTheJobsInterfaces",
            actions=[
                "ec2:CreateNetworkInterfacePermission",
                "ec2:DeleteNetworkInterface",
                "ec2:DeleteNetworkInterfacePermission",
            ],
            resources=["*"],
            conditions={
                "ArnEquals": {
                    "ec2:Subnet": _ec2_arns(scope, "subnet", subnet_ids),
                    f"ec2:ResourceTag/{TAG_JOB}": [customization_job_arn(scope)],
                },
                "StringEquals": {f"ec2:ResourceTag/{TAG_MANAGED}": "true"},
            },
        ),
    ]
