"""The functions that submit a job and wait for it, behind the provider framework of the CDK."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_ec2 as ec2
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_logs as logs
from aws_cdk import aws_sqs as sqs
from aws_cdk import custom_resources as cr
from constructs import Construct

from .function import Function, FunctionLogs
from .naming import Names
from .security_groups import SecurityGroups
from .state_table import StateTable
from .statements import allow, via_service
from .training_network import TrainingNetwork

# The framework waits an hour at most; the wait for a job's validation ends well before.
TOTAL_TIMEOUT = Duration.minutes(30)
QUERY_INTERVAL = Duration.seconds(10)


@dataclass(frozen=True, kw_only=True)
class FunctionSettings:
    """What all functions of an environment have in common."""

    log_level: str
    log_retention: logs.RetentionDays
    reserved_concurrency: int | None
    removal_policy: RemovalPolicy


class JobEngine(Construct):
    """The provider of `Custom::BedrockModelCustomizationJob`.

    The **submitter** runs in the service subnets and reaches Bedrock, S3 and DynamoDB through
    endpoints alone. The **completion check** runs outside the VPC: it holds no data and no key and
    sees nothing but the state of jobs and of the interfaces Bedrock makes. The framework's own
    functions answer CloudFormation, so no endpoint needs a hole for its response bucket.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        names: Names,
        network: TrainingNetwork,
        groups: SecurityGroups,
        key: kms.IKey,
        table: StateTable,
        submitter_role: iam.Role,
        submitter_table_actions: Sequence[str],
        completion_check_role: iam.Role,
        settings: FunctionSettings,
    ) -> None:
        super().__init__(scope, id)
        self.dead_letter_queue = sqs.Queue(
            self,
            "DeadLetterQueue",
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=key,
            enforce_ssl=True,
            retention_period=Duration.days(14),
            removal_policy=RemovalPolicy.DESTROY,
        )
        self._names, self._key, self._settings = names, key, settings

        self.submitter = self._function(
            "Submitter",
            purpose="submitter",
            role=submitter_role,
            statements=table.statements_to_keep_state(actions=submitter_table_actions),
            # The framework waits for the handler; retries of slow permissions fit in here.
            timeout=Duration.minutes(5),
            environment={"TABLE_NAME": table.table_name},
            network=network,
            security_group=groups.functions,
        )
        self.completion_check = self._function(
            "CompletionCheck",
            purpose="completion-check",
            role=completion_check_role,
            statements=[],
            timeout=Duration.minutes(1),
            environment={},
        )
        framework_logs = logs.LogGroup(
            self,
            "FrameworkLogs",
            log_group_name=names.function_log_group("framework"),
            encryption_key=key,
            retention=settings.log_retention,
            removal_policy=settings.removal_policy,
        )
        self.provider = cr.Provider(
            self,
            "Provider",
            on_event_handler=self.submitter,
            is_complete_handler=self.completion_check,
            query_interval=QUERY_INTERVAL,
            total_timeout=TOTAL_TIMEOUT,
            log_group=framework_logs,
            framework_on_event_role=self._framework_role("OnEventRole", framework_logs),
            framework_complete_and_timeout_role=self._framework_role(
                "CompleteRole", framework_logs
            ),
            framework_lambda_logging_level=lambda_.ApplicationLogLevel.WARN,
            waiter_state_machine_log_options=cr.LogOptions(
                destination=logs.LogGroup(
                    self,
                    "WaiterLogs",
                    log_group_name=names.log_group("waiter"),
                    encryption_key=key,
                    retention=settings.log_retention,
                    removal_policy=settings.removal_policy,
                ),
                include_execution_data=False,
            ),
        )

    def _function(
        self,
        id: str,
        *,
        purpose: str,
        role: iam.Role,
        statements: Sequence[iam.PolicyStatement],
        timeout: Duration,
        environment: dict[str, str],
        network: TrainingNetwork | None = None,
        security_group: ec2.ISecurityGroup | None = None,
    ) -> Function:
        log_group = FunctionLogs(
            self,
            f"{id}Logs",
            names=self._names,
            purpose=purpose,
            key=self._key,
            retention=self._settings.log_retention,
            removal_policy=self._settings.removal_policy,
        )
        policy = iam.ManagedPolicy(
            self,
            f"{id}Policy",
            description=f"What the function {self._names.function(purpose)} writes",
            roles=[role],
            statements=[
                log_group.statement_to_write(),
                *self._statements_to_send_failed_events(),
                *statements,
            ],
        )
        function = Function(
            self,
            id,
            names=self._names,
            purpose=purpose,
            role=role,
            log_group=log_group,
            log_level=self._settings.log_level,
            environment=environment,
            timeout=timeout,
            dead_letter_queue=self.dead_letter_queue,
            reserved_concurrency=self._settings.reserved_concurrency,
            vpc=network.vpc if network else None,
            subnets=network.service_subnets if network else None,
            security_group=security_group,
        )
        function.node.add_dependency(policy)
        return function

    def _statements_to_send_failed_events(self) -> list[iam.PolicyStatement]:
        return [
            allow(
                sid="KeepFailedEvents",
                actions=["sqs:SendMessage"],
                resources=[self.dead_letter_queue.queue_arn],
            ),
            allow(
                sid="DataKeyThroughSqs",
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=[self._key.key_arn],
                conditions={"StringEquals": via_service(self, "sqs")},
            ),
        ]

    def _framework_role(self, id: str, log_group: logs.LogGroup) -> iam.Role:
        role = iam.Role(
            self,
            id,
            description="The CDK's provider framework",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        )
        role.add_to_policy(
            allow(
                sid="WriteLogs",
                actions=["logs:CreateLogStream", "logs:PutLogEvents"],
                resources=[log_group.log_group_arn],
            )
        )
        return role
