"""A record of all traffic of the VPC, accepted and refused, encrypted and kept."""

from __future__ import annotations

from aws_cdk import RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct

from .attached_policy import AttachedPolicy
from .naming import Names
from .statements import Allow


class FlowLogs(Construct):
    """Flow logs of all traffic into a log group under the data key.

    The role may write to this log group alone.
    https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        names: Names,
        vpc: ec2.IVpc,
        key: kms.IKey,
        role: iam.IRole,
        retention: logs.RetentionDays,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, id)
        self.log_group = logs.LogGroup(
            self,
            "LogGroup",
            log_group_name=names.log_group("flow-logs"),
            encryption_key=key,
            retention=retention,
            removal_policy=removal_policy,
        )
        policy = AttachedPolicy(
            self,
            "Write",
            description="Writes the VPC's flow logs to their log group",
            role=role,
            statements=[
                Allow(
                    sid="WriteFlowLogs",
                    actions=[
                        "logs:CreateLogStream",
                        "logs:DescribeLogStreams",
                        "logs:PutLogEvents",
                    ],
                    resources=[self.log_group.log_group_arn],
                )
            ],
        )
        flow_log = ec2.CfnFlowLog(
            self,
            "Resource",
            resource_type="VPC",
            resource_id=vpc.vpc_id,
            traffic_type="ALL",
            max_aggregation_interval=60,
            log_destination_type="cloud-watch-logs",
            log_group_name=self.log_group.log_group_name,
            deliver_logs_permission_arn=role.role_arn,
        )
        flow_log.node.add_dependency(policy)
