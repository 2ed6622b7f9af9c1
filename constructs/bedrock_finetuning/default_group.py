"""The function with which the CDK closes a VPC's default security group, held to that.

CloudFormation cannot take rules from the default group, so the library does it with a function of
its own (`@aws-cdk/aws-ec2:restrictDefaultSecurityGroup`). Left alone, that function would make its
log group itself, unencrypted and for ever, under a managed policy for all log groups.
"""

from __future__ import annotations

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from .acknowledgements import acknowledge, in_packs, resource_named
from .function import (
    OUTSIDE_THE_VPC,
    FunctionLogs,
    acknowledge_function,
    acknowledge_outside_the_vpc,
)
from .naming import Names

# The library makes one such function for all VPCs of a stack, under this name.
_PROVIDER = "Custom::VpcRestrictDefaultSGCustomResourceProvider"


class ClosedDefaultGroup(Construct):
    """Gives the library's function an encrypted log group, and no other one to write to.

    Args:
        vpc: A VPC of the same stack made with `restrict_default_security_group`.
        key: The data key.
        retention, removal_policy: Of the log group.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        names: Names,
        vpc: ec2.Vpc,
        key: kms.IKey,
        retention: logs.RetentionDays,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, id)
        log_group = FunctionLogs(
            self,
            "LogGroup",
            names=names,
            purpose="default-group",
            key=key,
            retention=retention,
            removal_policy=removal_policy,
        )
        provider = Stack.of(self).node.find_child(_PROVIDER)
        handler = resource_named(provider, "Handler")
        handler.add_property_override("LoggingConfig", {"LogGroup": log_group.log_group_name})
        role = resource_named(provider, "Role")
        role.add_property_deletion_override("ManagedPolicyArns")
        role.add_property_override(
            "Policies.1",
            {
                "PolicyName": "Logs",
                "PolicyDocument": {
                    "Version": "2012-10-17",
                    "Statement": [log_group.statement_to_write().to_statement_json()],
                },
            },
        )
        acknowledge_function(handler, reserved_concurrency=None)
        acknowledge_outside_the_vpc(handler, reason=OUTSIDE_THE_VPC)
        acknowledge(
            handler,
            reason=(
                "CloudFormation waits for its answer and fails the stack without one: no event of "
                "it is lost unseen."
            ),
            findings=in_packs("LambdaDLQ", "HIPAA.Security", "NIST.800.53.R5", "Serverless"),
        )
        acknowledge(
            role,
            reason=(
                "The library makes this role with its policy inline; the policy names the one "
                "default group and the one log group."
            ),
            findings=in_packs(
                "IAMNoInlinePolicy",
                "HIPAA.Security",
                "NIST.800.53.R4",
                "NIST.800.53.R5",
                "PCI.DSS.321",
            ),
        )
        acknowledge(
            vpc,
            reason=(
                "Custom::VpcRestrictDefaultSG in this template takes every rule from the default "
                "group; the pack sees it on the construct and not in the template."
            ),
            findings=in_packs(
                "VPCDefaultSecurityGroupClosed",
                "HIPAA.Security",
                "NIST.800.53.R4",
                "NIST.800.53.R5",
                "PCI.DSS.321",
            ),
        )
