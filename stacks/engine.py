"""The state table, the topic and the functions that submit jobs."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_kms as kms
from constructs import Construct

from bedrock_finetuning.dead_letter_queue import DeadLetterQueue
from bedrock_finetuning.job_engine import JobEngine
from bedrock_finetuning.job_topic import JobTopic
from bedrock_finetuning.naming import Names
from bedrock_finetuning.provider_framework import FunctionSettings
from bedrock_finetuning.state_table import StateTable
from customization.calls import FOLLOWER_CALLS, SUBMITTER_CALLS, actions
from settings import Settings

from .common import removal_policy, retention
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
            self, "Jobs", names=names, key=key, removal_policy=removal_policy(settings)
        )
        failed_events = DeadLetterQueue(self, "FailedEvents", names=names, key=key)
        topic = JobTopic(self, "JobTopic", names=names, key=key)
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
            settings=FunctionSettings(
                log_level=settings.engine.log_level,
                log_retention=retention(settings.engine.log_retention_days),
                reserved_concurrency=settings.engine.reserved_concurrency,
                removal_policy=removal_policy(settings),
            ),
            max_jobs_in_progress=settings.engine.max_jobs_in_progress,
            follow_every=Duration.minutes(settings.engine.follow_minutes),
        )
        CfnOutput(self, "StateTableName", value=table.table_name)
        CfnOutput(self, "JobTopicArn", value=topic.topic.topic_arn)
        CfnOutput(self, "SubmitterFunctionName", value=self.engine.submitter.function_name)
