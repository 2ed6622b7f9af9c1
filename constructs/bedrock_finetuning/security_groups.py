"""Who in the VPC may talk to whom: every group and every rule in one place."""

from __future__ import annotations

from dataclasses import dataclass

from aws_cdk import aws_ec2 as ec2
from constructs import Construct

HTTPS = ec2.Port.tcp(443)


@dataclass(frozen=True, kw_only=True)
class PrefixLists:
    """Ids of the managed prefix lists of the Region's gateway endpoints (`pl-...`).

    https://docs.aws.amazon.com/vpc/latest/userguide/working-with-aws-managed-prefix-lists.html
    """

    s3: str
    dynamodb: str


class SecurityGroups(Construct):
    """The groups of the job, the functions and the endpoints, and nothing but these paths:

    - job to job, all protocols both ways: its containers form a cluster, and one that cannot talk
      to itself fails with "the communication between worker nodes and leader node is broken"
    - job to S3 and to the KMS endpoint, 443
    - functions to S3, DynamoDB and the Bedrock endpoint, 443
    """

    def __init__(
        self, scope: Construct, id: str, *, vpc: ec2.IVpc, prefix_lists: PrefixLists
    ) -> None:
        super().__init__(scope, id)
        self.job = self._group("Job", vpc, "Customization jobs: the interfaces Bedrock makes")
        self.functions = self._group("Functions", vpc, "Functions in the service subnets")
        self.kms_endpoint = self._group("KmsEndpoint", vpc, "KMS interface endpoint")
        self.bedrock_endpoint = self._group("BedrockEndpoint", vpc, "Bedrock interface endpoint")

        s3 = ec2.Peer.prefix_list(prefix_lists.s3)
        dynamodb = ec2.Peer.prefix_list(prefix_lists.dynamodb)
        self.job.connections.allow_internally(ec2.Port.all_traffic(), "job to itself")
        self.job.connections.allow_to(s3, HTTPS, "job to S3")
        self.job.connections.allow_to(self.kms_endpoint, HTTPS, "job to KMS")
        self.functions.connections.allow_to(s3, HTTPS, "functions to S3")
        self.functions.connections.allow_to(dynamodb, HTTPS, "functions to DynamoDB")
        self.functions.connections.allow_to(self.bedrock_endpoint, HTTPS, "functions to Bedrock")

    def _group(self, id: str, vpc: ec2.IVpc, description: str) -> ec2.SecurityGroup:
        return ec2.SecurityGroup(
            self,
            id,
            vpc=vpc,
            description=description,
            allow_all_outbound=False,
        )
