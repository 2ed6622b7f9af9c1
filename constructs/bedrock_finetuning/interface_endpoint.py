"""Private ways to KMS and to Bedrock, each for what this environment calls and no more."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Stack, Tags
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from .statements import Allow
from .training_network import TrainingNetwork


class InterfaceEndpoint(Construct):
    """An interface endpoint with private DNS, one security group and a policy of its own.

    https://docs.aws.amazon.com/bedrock/latest/userguide/vpc-interface-endpoints.html
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        service: str,
        network: TrainingNetwork,
        security_group: ec2.ISecurityGroup,
        statements: Sequence[iam.PolicyStatement],
    ) -> None:
        super().__init__(scope, id)
        self.endpoint = ec2.CfnVPCEndpoint(
            self,
            "Resource",
            vpc_endpoint_type="Interface",
            service_name=f"com.amazonaws.{Stack.of(self).region}.{service}",
            vpc_id=network.vpc.vpc_id,
            subnet_ids=network.service_subnet_ids,
            security_group_ids=[security_group.security_group_id],
            private_dns_enabled=True,
            policy_document=iam.PolicyDocument(statements=list(statements)),
        )
        Tags.of(self.endpoint).add("Name", f"{Stack.of(self).stack_name} {service}")

    @property
    def endpoint_id(self) -> str:
        """The id that `aws:SourceVpce` carries for calls through this endpoint."""
        return self.endpoint.ref


class KmsEndpoint(InterfaceEndpoint):
    """A private way to KMS for these keys and this account's principals.

    It matters for direct calls from the VPC alone: S3 and Bedrock call KMS on their own side.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        network: TrainingNetwork,
        security_group: ec2.ISecurityGroup,
        keys: Sequence[kms.IKey],
    ) -> None:
        super().__init__(
            scope,
            id,
            service="kms",
            network=network,
            security_group=security_group,
            statements=[
                Allow(
                    sid="TheseKeys",
                    principals=[iam.AnyPrincipal()],
                    actions=["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"],
                    resources=[key.key_arn for key in keys],
                    conditions={"StringEquals": {"aws:PrincipalAccount": Stack.of(scope).account}},
                )
            ],
        )
