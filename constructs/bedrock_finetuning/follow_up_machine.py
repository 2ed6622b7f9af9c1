"""The state machine that follows a completed job: report, deployment, test, announcement."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_stepfunctions as sfn
from constructs import Construct

from .acknowledgements import acknowledge
from .attached_policy import AttachedPolicy
from .job_topic import JobTopic
from .naming import Names
from .statements import Allow, state_machine_arn

DATA_KEY_REUSE_SECONDS = 300

# Step Functions sets a log delivery up, and looks for those there are, with the machine's role.
# https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
_DELIVER_LOGS = (
    "logs:CreateLogDelivery",
    "logs:DeleteLogDelivery",
    "logs:DescribeLogGroups",
    "logs:DescribeResourcePolicies",
    "logs:GetLogDelivery",
    "logs:ListLogDeliveries",
    "logs:PutResourcePolicy",
    "logs:UpdateLogDelivery",
)


class FollowUpMachine(Construct):
    """A Standard state machine under the data key that calls these functions and one topic.

    Its log holds which step was taken and how it ended, and nothing of what the steps were given:
    answers of a model and losses stay where they are.

    Args:
        definition: What it does, in the Amazon States Language.
        functions: All functions that it calls.
        topic: Where it announces.
        role: A shell that Step Functions takes for this machine alone.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        names: Names,
        definition: Mapping[str, Any],
        functions: Sequence[lambda_.IFunction],
        topic: JobTopic,
        role: iam.Role,
        key: kms.IKey,
        retention: logs.RetentionDays,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(scope, id)
        log_group = logs.LogGroup(
            self,
            "Logs",
            log_group_name=names.log_group("follow-up"),
            encryption_key=key,
            retention=retention,
            removal_policy=removal_policy,
        )
        stack = Stack.of(self)
        policies = [
            AttachedPolicy(
                self,
                "Policy",
                role=role,
                description="Calls the functions of the follow-up and announces how it ended",
                statements=[
                    Allow(
                        sid="CallTheFunctions",
                        actions=["lambda:InvokeFunction"],
                        resources=[function.function_arn for function in functions],
                    ),
                    *topic.statements_to_announce(),
                    Allow(
                        sid="DataKeyOfTheExecutions",
                        actions=["kms:Decrypt", "kms:GenerateDataKey"],
                        resources=[key.key_arn],
                        conditions={
                            "StringEquals": {
                                "kms:EncryptionContext:aws:states:stateMachineArn": (
                                    state_machine_arn(self, name=names.follow_up)
                                )
                            }
                        },
                    ),
                    Allow(
                        sid="DataKeyOfTheLogs",
                        actions=["kms:GenerateDataKey"],
                        resources=[key.key_arn],
                        conditions={
                            "StringEquals": {
                                "kms:EncryptionContext:SourceArn": (
                                    f"arn:{stack.partition}:logs:{stack.region}:{stack.account}:*"
                                )
                            }
                        },
                    ),
                ],
            ),
            AttachedPolicy(
                self,
                "LogPolicy",
                role=role,
                description="Lets Step Functions deliver the log of the follow-up",
                statements=[
                    Allow(
                        sid="DeliverLogs",
                        actions=_DELIVER_LOGS,
                        resources=["*"],
                        wildcard=(
                            "Log deliveries know no resource; only Step Functions takes this role, "
                            "for one state machine, whose steps call functions and a topic."
                        ),
                    )
                ],
            ),
        ]
        self.machine = sfn.CfnStateMachine(
            self,
            "Machine",
            state_machine_name=names.follow_up,
            state_machine_type="STANDARD",
            role_arn=role.role_arn,
            # Not by the CDK, which leaves out what is null: JSONata refuses a variable without a
            # value.
            definition_string=json.dumps(definition),
            encryption_configuration=sfn.CfnStateMachine.EncryptionConfigurationProperty(
                type="CUSTOMER_MANAGED_KMS_KEY",
                kms_key_id=key.key_arn,
                kms_data_key_reuse_period_seconds=DATA_KEY_REUSE_SECONDS,
            ),
            logging_configuration=sfn.CfnStateMachine.LoggingConfigurationProperty(
                level="ALL",
                include_execution_data=False,
                destinations=[
                    sfn.CfnStateMachine.LogDestinationProperty(
                        cloud_watch_logs_log_group=sfn.CfnStateMachine.CloudWatchLogsLogGroupProperty(
                            log_group_arn=log_group.log_group_arn
                        )
                    )
                ],
            ),
        )
        for policy in policies:
            self.machine.node.add_dependency(policy)
        acknowledge(
            self.machine,
            reason=(
                "Each step is logged without its data, and each function logs its calls; a trace "
                "would need xray:PutTraceSegments on `*` and leave the environment's keys."
            ),
            findings=("AwsSolutions-SF2", "Serverless-StepFunctionStateMachineXray"),
        )

    @property
    def arn(self) -> str:
        """The machine's ARN."""
        return self.machine.ref
