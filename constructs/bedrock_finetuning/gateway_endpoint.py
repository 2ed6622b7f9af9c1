"""Private ways to S3 and DynamoDB, on every route table of the VPC."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Stack, Tags
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from constructs import Construct

from .training_network import TrainingNetwork


class GatewayEndpoint(Construct):
    """A gateway endpoint on every route table of the network, with a policy of its own.

    https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-s3.html
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        service: str,
        network: TrainingNetwork,
        statements: Sequence[iam.PolicyStatement],
    ) -> None:
        super().__init__(scope, id)
        self.endpoint = ec2.CfnVPCEndpoint(
            self,
            "Resource",
            vpc_endpoint_type="Gateway",
            service_name=f"com.amazonaws.{Stack.of(self).region}.{service}",
            vpc_id=network.vpc.vpc_id,
            route_table_ids=network.route_table_ids,
            policy_document=iam.PolicyDocument(statements=list(statements)),
        )
        Tags.of(self.endpoint).add("Name", f"{Stack.of(self).stack_name} {service}")

    @property
    def endpoint_id(self) -> str:
        """The id that `aws:SourceVpce` carries for calls through this endpoint."""
        return self.endpoint.ref
