"""All roles of the environment, as shells."""

from __future__ import annotations

from typing import Any

from aws_cdk import CfnOutput, Stack
from constructs import Construct

from bedrock_finetuning.naming import Names
from bedrock_finetuning.roles import (
    CustomizationRole,
    FlowLogsRole,
    FrameworkRole,
    FunctionRole,
    PersonRole,
)
from settings import Settings


class IdentityStack(Stack):
    """Who there is. What each may do is attached downstream, where the resources are."""

    def __init__(
        self, scope: Construct, id: str, *, settings: Settings, names: Names, **kwargs: Any
    ) -> None:
        super().__init__(
            scope,
            id,
            description="Roles of a private environment for Amazon Bedrock model customization",
            **kwargs,
        )
        self.customization = CustomizationRole(self, "Customization", names=names)
        self.submitter = FunctionRole(self, "Submitter", names=names, purpose="submitter")
        self.completion_check = FunctionRole(
            self, "CompletionCheck", names=names, purpose="completion-check"
        )
        self.follower = FunctionRole(self, "Follower", names=names, purpose="follower")
        self.framework_on_event = FrameworkRole(
            self, "FrameworkOnEvent", names=names, purpose="framework-on-event"
        )
        self.framework_complete = FrameworkRole(
            self, "FrameworkComplete", names=names, purpose="framework-complete"
        )
        self.flow_logs = FlowLogsRole(self, "FlowLogs", names=names)
        self.uploader = PersonRole(
            self,
            "Uploader",
            names=names,
            purpose="uploader",
            description="Puts datasets into the training bucket",
            people=settings.people.uploaders,
        )
        self.reader = PersonRole(
            self,
            "Reader",
            names=names,
            purpose="reader",
            description="Reads datasets and the outputs of jobs",
            people=settings.people.readers,
        )
        CfnOutput(self, "CustomizationRoleArn", value=self.customization.role_arn)
        CfnOutput(self, "UploaderRoleArn", value=self.uploader.role_arn)
        CfnOutput(self, "ReaderRoleArn", value=self.reader.role_arn)
