"""Bedrock's log of model invocations: where it goes, with which role, and who sets it."""

from __future__ import annotations

from aws_cdk import CustomResource, Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_logs as logs
from constructs import Construct, IConstruct

from customization.calls import LOGGING_CALLS, actions
from deployments.invocation_logging import RESOURCE_TYPE, log_group_of

from .attached_policy import AttachedPolicy
from .naming import Names
from .roles import InvocationLogsRole
from .statements import Allow

STREAM = "aws/bedrock/modelinvocations"
"""The one stream that Bedrock writes to."""


class InvocationLogging(Construct):
    """The log of every model invocation of the account and Region, encrypted under the data key.

    All of it is in one stack: the role and the policies are removed after the resource that needs
    them, whether the option is turned off or the stack goes. Nobody gets a permission to read it.

    Args:
        service_token: The provider's, as for jobs.
        deployer: The function that sets the configuration.
        deployer_role: Its role.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        names: Names,
        service_token: str,
        deployer: IConstruct,
        deployer_role: iam.IRole,
        key: kms.IKey,
        retention: logs.RetentionDays,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, id)
        stack, name = Stack.of(self), log_group_of(names.environment)
        log_group = logs.LogGroup(
            self,
            "Logs",
            log_group_name=name,
            encryption_key=key,
            retention=retention,
            removal_policy=removal_policy,
        )
        role = InvocationLogsRole(self, "Role", names=names)
        policies = [
            AttachedPolicy(
                self,
                "Write",
                role=role,
                description="Writes the log of model invocations",
                statements=[
                    # https://docs.aws.amazon.com/bedrock/latest/userguide/model-invocation-logging.html
                    Allow(
                        sid="WriteInvocations",
                        actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                        resources=[
                            f"arn:{stack.partition}:logs:{stack.region}:{stack.account}:log-group:"
                            f"{name}:log-stream:{STREAM}"
                        ],
                    )
                ],
            ),
            AttachedPolicy(
                self,
                "Set",
                role=deployer_role,
                description="Turns the log of model invocations on and off",
                statements=[
                    Allow(
                        sid="SetTheLogOfInvocations",
                        actions=actions(LOGGING_CALLS, prefix="bedrock"),
                        resources=["*"],
                        wildcard=(
                            "The one configuration of an account and Region is no resource; the "
                            "deployer changes none whose destination is not this environment's, "
                            "and may pass one role."
                        ),
                    ),
                    Allow(
                        sid="PassTheRoleOfTheLog",
                        actions=["iam:PassRole"],
                        resources=[role.role_arn],
                        conditions={
                            "StringEquals": {"iam:PassedToService": "bedrock.amazonaws.com"}
                        },
                    ),
                ],
            ),
        ]
        self.resource = CustomResource(
            self,
            "Resource",
            resource_type=RESOURCE_TYPE,
            service_token=service_token,
            service_timeout=Duration.hours(1),
            properties={
                "Environment": names.environment,
                "LogGroup": log_group.log_group_name,
                "RoleArn": role.role_arn,
            },
        )
        deployer.node.add_dependency(*policies)
        # Made before it, and still there when it is deleted.
        self.resource.node.add_dependency(deployer, *policies)
