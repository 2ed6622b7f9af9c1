"""Who in the VPC may talk to whom: every group and every rule in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import Stack, Tags
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

from .acknowledgements import acknowledge, in_packs

# A group without any egress rule of its own gets one from EC2 that lets everything out. This one
# lets nothing out, as the CDK writes it where it means that.
_NOTHING_OUT = ec2.CfnSecurityGroup.EgressProperty(
    ip_protocol="icmp",
    from_port=252,
    to_port=86,
    cidr_ip="255.255.255.255/32",
    description="Disallow all traffic",
)


@dataclass(frozen=True, kw_only=True)
class PrefixLists:
    """Ids of the managed prefix lists of the Region's gateway endpoints (`pl-...`).

    https://docs.aws.amazon.com/vpc/latest/userguide/working-with-aws-managed-prefix-lists.html
    """

    s3: str
    dynamodb: str


@dataclass(frozen=True, kw_only=True)
class RuntimeGroups:
    """The groups of the function that calls models, and of the endpoint it calls them through."""

    invoker: ec2.ISecurityGroup
    endpoint: ec2.ISecurityGroup


class SecurityGroups(Construct):
    """The groups of the job, the functions and the endpoints, and nothing but these paths.

    - job to job, all protocols both ways: its containers form a cluster, and one that cannot talk
      to itself fails with "the communication between worker nodes and leader node is broken"
    - job to S3 and to the KMS endpoint, 443
    - functions to S3, DynamoDB and the Bedrock endpoint, 443
    - with `inference`, the invoker to DynamoDB and the endpoint of Bedrock's runtime, 443
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        vpc: ec2.IVpc,
        prefix_lists: PrefixLists,
        inference: bool = False,
    ) -> None:
        super().__init__(scope, id)
        self.job = self._group(
            "Job",
            vpc,
            "Customization jobs: the interfaces Bedrock makes",
            [_to_prefix_list(prefix_lists.s3, "job to S3")],
        )
        self.functions = self._group(
            "Functions",
            vpc,
            "Functions in the service subnets",
            [
                _to_prefix_list(prefix_lists.s3, "functions to S3"),
                _to_prefix_list(prefix_lists.dynamodb, "functions to DynamoDB"),
            ],
        )
        self.kms_endpoint = self._group(
            "KmsEndpoint", vpc, "KMS interface endpoint", [_NOTHING_OUT]
        )
        self.bedrock_endpoint = self._group(
            "BedrockEndpoint", vpc, "Bedrock interface endpoint", [_NOTHING_OUT]
        )
        self._job_to_itself()
        self._https("JobToKms", "job to KMS", source=self.job, target=self.kms_endpoint)
        self._https(
            "FunctionsToBedrock",
            "functions to Bedrock",
            source=self.functions,
            target=self.bedrock_endpoint,
        )
        self.runtime: RuntimeGroups | None = None
        if inference:
            self.runtime = RuntimeGroups(
                invoker=self._group(
                    "Invoker",
                    vpc,
                    "The function that calls models",
                    [_to_prefix_list(prefix_lists.dynamodb, "invoker to DynamoDB")],
                ),
                endpoint=self._group(
                    "RuntimeEndpoint", vpc, "Bedrock runtime interface endpoint", [_NOTHING_OUT]
                ),
            )
            self._https(
                "InvokerToRuntime",
                "invoker to Bedrock runtime",
                source=self.runtime.invoker,
                target=self.runtime.endpoint,
            )

    def _group(
        self,
        id: str,
        vpc: ec2.IVpc,
        description: str,
        egress: Sequence[ec2.CfnSecurityGroup.EgressProperty],
    ) -> ec2.ISecurityGroup:
        group = ec2.CfnSecurityGroup(
            self,
            f"{id}Group",
            vpc_id=vpc.vpc_id,
            group_description=description,
            security_group_egress=list(egress),
        )
        Tags.of(group).add("Name", f"{Stack.of(self).stack_name} {id}")
        return ec2.SecurityGroup.from_security_group_id(
            self, id, group.attr_group_id, mutable=False
        )

    def _job_to_itself(self) -> None:
        group = self.job.security_group_id
        ingress = ec2.CfnSecurityGroupIngress(
            self,
            "JobFromItself",
            group_id=group,
            source_security_group_id=group,
            ip_protocol="-1",
            description="job from itself",
        )
        ec2.CfnSecurityGroupEgress(
            self,
            "JobToItself",
            group_id=group,
            destination_security_group_id=group,
            ip_protocol="-1",
            description="job to itself",
        )
        # https://docs.aws.amazon.com/sagemaker/latest/dg/train-vpc.html
        acknowledge(
            ingress,
            reason=(
                "The source is the group itself: only interfaces of the same job's group are let "
                "in, and Bedrock alone makes them."
            ),
            findings=in_packs(
                "EC2RestrictedCommonPorts",
                "HIPAA.Security",
                "NIST.800.53.R4",
                "NIST.800.53.R5",
                "PCI.DSS.321",
            ),
        )

    def _https(
        self,
        id: str,
        description: str,
        *,
        source: ec2.ISecurityGroup,
        target: ec2.ISecurityGroup,
    ) -> None:
        ec2.CfnSecurityGroupEgress(
            self,
            f"{id}Out",
            group_id=source.security_group_id,
            destination_security_group_id=target.security_group_id,
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            description=description,
        )
        ec2.CfnSecurityGroupIngress(
            self,
            f"{id}In",
            group_id=target.security_group_id,
            source_security_group_id=source.security_group_id,
            ip_protocol="tcp",
            from_port=443,
            to_port=443,
            description=description,
        )


def _to_prefix_list(prefix_list_id: str, description: str) -> ec2.CfnSecurityGroup.EgressProperty:
    return ec2.CfnSecurityGroup.EgressProperty(
        ip_protocol="tcp",
        from_port=443,
        to_port=443,
        destination_prefix_list_id=prefix_list_id,
        description=description,
    )
