"""The state table, the topic and the functions that submit jobs."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_kms as kms
from constructs import Construct

from bedrock_finetuning.dead_letter_queue import DeadLetterQueue
from bedrock_finetuning.deployer import reap_rule_arn
from bedrock_finetuning.job_engine import DeploymentPart, JobEngine
from bedrock_finetuning.job_topic import JobTopic
from bedrock_finetuning.naming import Names
from bedrock_finetuning.serving import (
    statements_to_start_the_follow_up,
    statements_to_wait_for_removal,
)
from bedrock_finetuning.state_table import StateTable, statement_on_deployments
from bedrock_finetuning.statements import state_machine_arn
from customization.calls import FOLLOWER_CALLS, SUBMITTER_CALLS, actions
from settings import Settings

from .common import function_settings, removal_policy
from .encryption import EncryptionStack
from .identity import IdentityStack
from .network import NetworkStack


class EngineStack(Stack):
    """What turns a job in the settings into a job in Bedrock."""

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
        **kwargs: Any,
    ) -> None:
        super().__init__(
            scope,
            id,
            description="Submits Amazon Bedrock model customization jobs",
            **kwargs,
        )
        # Taken by its ARN: the library's topics, queues and tables would add statements of their
        # own to the key's policy, without a condition on who may use it.
        key = kms.Key.from_key_arn(self, "DataKey", encryption.data_key.key_arn)
        table = StateTable(
            self,
            "Jobs",
            table_name=names.state_table,
            key=key,
            removal_policy=removal_policy(settings),
        )
        failed_events = DeadLetterQueue(self, "FailedEvents", names=names, key=key)
        inference = settings.inference.enabled
        topic = JobTopic(
            self,
            "JobTopic",
            names=names,
            key=key,
            more_alarms=names.inference_alarms if inference else (),
        )
        self.engine = JobEngine(
            self,
            "Engine",
            names=names,
            network=network.network,
            groups=network.groups,
            key=key,
            table=table,
            submitter_role=identity.submitter,
            submitter_table_actions=actions(SUBMITTER_CALLS, prefix="dynamodb"),
            completion_check_role=identity.completion_check,
            follower_role=identity.follower,
            follower_table_actions=actions(FOLLOWER_CALLS, prefix="dynamodb"),
            topic=topic,
            framework_on_event_role=identity.framework_on_event,
            framework_complete_role=identity.framework_complete,
            dead_letter_queue=failed_events,
            settings=function_settings(settings),
            max_jobs_in_progress=settings.engine.max_jobs_in_progress,
            follow_every=Duration.minutes(settings.engine.follow_minutes),
            deployments=self._deployments(names=names) if inference else None,
        )
        if inference:
            failed_events.admit_rules(
                rule_arns=[reap_rule_arn(self, names=names)],
                sid="ReapRuleKeepsUndeliveredEvents",
            )
        self.table, self.topic, self.failed_events = table, topic, failed_events
        CfnOutput(self, "StateTableName", value=table.table_name)
        CfnOutput(self, "JobTopicArn", value=topic.topic.topic_arn)
        CfnOutput(self, "SubmitterFunctionName", value=self.engine.submitter.function_name)

    def _deployments(self, *, names: Names) -> DeploymentPart:
        """What the engine's functions have to do with the inference stack, which comes later."""
        return DeploymentPart(
            submitter_statements=[
                statement_on_deployments(
                    self, names=names, actions=actions(SUBMITTER_CALLS, prefix="dynamodb")
                )
            ],
            submitter_environment={"DEPLOYMENTS_TABLE": names.deployments_table},
            check_statements=statements_to_wait_for_removal(self, names=names),
            check_environment={"DEPLOYER_FUNCTION": names.function("deployer")},
            follower_statements=statements_to_start_the_follow_up(self, names=names),
            follower_environment={
                "FOLLOW_UP_STATE_MACHINE": state_machine_arn(self, name=names.follow_up)
            },
        )
