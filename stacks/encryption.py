"""The data key and the model key."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from bedrock_finetuning.keys import DataKey, ModelKey
from bedrock_finetuning.naming import Names
from bedrock_finetuning.statements import people_arns
from settings import Settings

from .common import removal_policy
from .identity import IdentityStack


class EncryptionStack(Stack):
    """Who may use which key, for what, through which service."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        settings: Settings,
        names: Names,
        identity: IdentityStack,
        **kwargs: Any,
    ) -> None:
        super().__init__(
            scope,
            id,
            description="Keys of a private environment for Amazon Bedrock model customization",
            **kwargs,
        )
        pending_window = Duration.days(settings.keys.pending_window_days)
        self.data_key = DataKey(
            self,
            "DataKey",
            names=names,
            bucket_users=[identity.customization, identity.uploader, identity.reader],
            table_users=[identity.submitter, identity.follower],
            queue_senders=[
                identity.submitter,
                identity.completion_check,
                identity.follower,
                identity.framework_on_event,
                identity.framework_complete,
            ],
            topic_publishers=[identity.follower],
            pending_window=pending_window,
            removal_policy=removal_policy(settings),
        )
        customizers: list[iam.IRole] = [identity.customization]
        if settings.keys.submitter_uses_model_key:
            customizers.append(identity.submitter)
        self.model_key = ModelKey(
            self,
            "ModelKey",
            names=names,
            customizers=customizers,
            invokers=people_arns(self, settings.people.invokers),
            direct_callers=[identity.customization] if settings.keys.direct_kms else [],
            pending_window=pending_window,
            removal_policy=removal_policy(settings),
        )
        CfnOutput(self, "DataKeyArn", value=self.data_key.key_arn)
        CfnOutput(self, "ModelKeyArn", value=self.model_key.key_arn)
