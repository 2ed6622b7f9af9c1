"""What follows a completed job: report, deployment, test; and what takes deployments away."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_kms as kms
from aws_cdk import aws_scheduler as scheduler
from constructs import Construct

from bedrock_finetuning.dashboard import Dashboard
from bedrock_finetuning.deployer import DeployerTriggers
from bedrock_finetuning.follow_up_machine import FollowUpMachine
from bedrock_finetuning.function import Function, acknowledge_outside_the_vpc, limit_events
from bedrock_finetuning.function_maker import FunctionMaker
from bedrock_finetuning.invocation_logging import InvocationLogging
from bedrock_finetuning.naming import Names
from bedrock_finetuning.serving import statement_to_follow_up
from bedrock_finetuning.state_table import (
    StateTable,
    data_key_through_dynamodb,
    statement_on_deployments,
    statement_on_jobs,
)
from bedrock_finetuning.statements import state_machine_arn
from customization.calls import EVERY_CALL, INVOKER_CALLS, REPORT_CALLS, actions
from follow_up.definition import definition
from settings import Settings

from .common import function_settings, removal_policy, retention
from .encryption import EncryptionStack
from .engine import EngineStack
from .identity import IdentityStack, InferenceRoles
from .network import NetworkStack
from .storage import StorageStack

# What is left of a step's time limit in follow_up/definition.py for Step Functions itself.
STEP = Duration.minutes(5)
TRIAL = Duration.minutes(15)


class InferenceStack(Stack):
    """The functions behind the follow-up, and the state machine that calls them in order."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: Settings,
        names: Names,
        identity: IdentityStack,
        encryption: EncryptionStack,
        network: NetworkStack,
        storage: StorageStack,
        engine: EngineStack,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            scope,
            id,
            description="Reports on Amazon Bedrock custom models, deploys them and removes them",
            **kwargs,
        )
        roles, groups = identity.inference, network.groups
        if roles is None or groups.runtime is None:
            raise ValueError("the inference stack needs inference.enabled")
        self._names = names
        self._key = kms.Key.from_key_arn(self, "DataKey", encryption.data_key.key_arn)
        self._machine_arn = state_machine_arn(self, name=names.follow_up)
        self.table = StateTable(
            self,
            "Deployments",
            table_name=names.deployments_table,
            key=self._key,
            removal_policy=removal_policy(settings),
        )
        group = scheduler.CfnScheduleGroup(self, "Schedules", name=names.schedule_group)
        self._functions = FunctionMaker(
            names=names,
            key=self._key,
            dead_letter_queue=engine.failed_events,
            settings=function_settings(settings),
        )
        self.deployer = self._deployer(roles)
        self.deployer.node.add_dependency(group)
        self.invoker = self._functions.make(
            self,
            "Invoker",
            purpose="invoker",
            role=roles.invoker,
            statements=[
                statement_on_deployments(
                    self, names=names, actions=actions(INVOKER_CALLS, prefix="dynamodb")
                ),
                data_key_through_dynamodb(self, key=self._key),
            ],
            timeout=TRIAL,
            environment={
                "ENVIRONMENT": names.environment,
                "DEPLOYMENTS_TABLE": self.table.table_name,
            },
            network=network.network,
            security_group=groups.runtime.invoker,
        )
        self.model_report = self._functions.make(
            self,
            "ModelReport",
            purpose="model-report",
            role=roles.model_report,
            statements=[
                statement_on_jobs(
                    self, names=names, actions=actions(REPORT_CALLS, prefix="dynamodb")
                ),
                data_key_through_dynamodb(self, key=self._key),
            ],
            timeout=STEP,
            environment={
                "ENVIRONMENT": names.environment,
                "TABLE_NAME": engine.table.table_name,
                "BUCKET_NAME": storage.bucket.bucket_name,
            },
            network=network.network,
            security_group=groups.functions,
        )
        self.follow_up = FollowUpMachine(
            self,
            "FollowUp",
            names=names,
            definition=definition(
                partition=self.partition,
                report_arn=self.model_report.function_arn,
                deployer_arn=self.deployer.function_arn,
                invoker_arn=self.invoker.function_arn,
                topic_arn=engine.topic.topic.topic_arn,
            ),
            functions=[self.model_report, self.deployer, self.invoker],
            topic=engine.topic,
            role=roles.follow_up,
            key=self._key,
            retention=retention(settings.engine.log_retention_days),
            removal_policy=removal_policy(settings),
        )
        triggers = DeployerTriggers(
            self,
            "Triggers",
            names=names,
            deployer=self.deployer,
            every=Duration.minutes(settings.inference.reap_minutes),
            state_machine_arn=self._machine_arn,
            topic=engine.topic.topic,
            undelivered_arn=engine.failed_events.queue_arn,
        )
        Dashboard(
            self,
            "Dashboard",
            names=names,
            state_machine_arn=self._machine_arn,
            alarms=[triggers.overdue, triggers.deployer_works, triggers.follow_up],
            jobs=list(settings.jobs),
        )
        if settings.inference.invocation_logging:
            InvocationLogging(
                self,
                "InvocationLogging",
                names=names,
                service_token=engine.engine.service_token,
                deployer=self.deployer,
                deployer_role=roles.deployer,
                key=self._key,
                retention=retention(settings.engine.log_retention_days),
                removal_policy=removal_policy(settings),
            )
        CfnOutput(self, "DeploymentsTableName", value=self.table.table_name)
        CfnOutput(self, "InvokerFunctionName", value=self.invoker.function_name)
        CfnOutput(self, "FollowUpArn", value=self.follow_up.arn)

    def _deployer(self, roles: InferenceRoles) -> Function:
        names = self._names
        state = actions(EVERY_CALL["deployer"], prefix="dynamodb")
        function = self._functions.make(
            self,
            "Deployer",
            purpose="deployer",
            role=roles.deployer,
            statements=[
                statement_on_deployments(self, names=names, actions=state),
                data_key_through_dynamodb(self, key=self._key),
                statement_to_follow_up(self, names=names),
            ],
            timeout=STEP,
            environment={
                "ENVIRONMENT": names.environment,
                "DEPLOYMENTS_TABLE": self.table.table_name,
                "SCHEDULE_GROUP": names.schedule_group,
                "SCHEDULER_ROLE_ARN": roles.scheduler.role_arn,
                "DATA_KEY_ARN": self._key.key_arn,
                "FOLLOW_UP_STATE_MACHINE": self._machine_arn,
            },
        )
        acknowledge_outside_the_vpc(
            function,
            reason=(
                "It sees states and names and no data: CloudFormation, Scheduler and Step "
                "Functions would need three more endpoints in the VPC."
            ),
        )
        # The next look comes anyway.
        limit_events(function, max_event_age=Duration.minutes(1), retry_attempts=0)
        return function
