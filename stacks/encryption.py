"""The data key and the model key."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, Duration, Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from bedrock_finetuning.keys import DataKey, InferenceKeyUsers, ModelKey
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
        inference = identity.inference
        functions: list[iam.IRole] = (
            [inference.deployer, inference.model_report, inference.invoker] if inference else []
        )
        pending_window = Duration.days(settings.keys.pending_window_days)
        self.data_key = DataKey(
            self,
            "DataKey",
            names=names,
            bucket_users=[
                identity.customization,
                identity.uploader,
                identity.reader,
                *([inference.model_report] if inference else ()),
            ],
            table_users=[identity.submitter, identity.follower, *functions],
            queue_senders=[
                identity.submitter,
                identity.completion_check,
                identity.follower,
                identity.framework_on_event,
                identity.framework_complete,
                *functions,
            ],
            topic_publishers=[
                identity.follower,
                *([inference.follow_up] if inference else ()),
            ],
            inference=InferenceKeyUsers(
                deployer=inference.deployer,
                scheduler=inference.scheduler,
                follow_up=inference.follow_up,
            )
            if inference
            else None,
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
            deployers=[inference.deployer]
            if inference and settings.keys.deployer_uses_model_key
            else [],
            private_invokers=[inference.invoker] if inference else [],
            throughput=settings.keys.throughput if inference else "none",
            pending_window=pending_window,
            removal_policy=removal_policy(settings),
        )
        CfnOutput(self, "DataKeyArn", value=self.data_key.key_arn)
        CfnOutput(self, "ModelKeyArn", value=self.model_key.key_arn)
