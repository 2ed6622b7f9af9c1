"""All roles of the environment, as shells."""

from __future__ import annotations

from dataclasses import dataclass
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
    SchedulerRole,
    StateMachineRole,
)
from settings import Settings


@dataclass(frozen=True, kw_only=True)
class InferenceRoles:
    """The roles of what deploys models, reports on them and calls them."""

    deployer: FunctionRole
    model_report: FunctionRole
    invoker: FunctionRole
    follow_up: StateMachineRole
    scheduler: SchedulerRole
    tester: PersonRole | None
    """None where nobody may call models."""


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
        self.inference = (
            self._inference(settings=settings, names=names) if settings.inference.enabled else None
        )
        CfnOutput(self, "CustomizationRoleArn", value=self.customization.role_arn)
        CfnOutput(self, "UploaderRoleArn", value=self.uploader.role_arn)
        CfnOutput(self, "ReaderRoleArn", value=self.reader.role_arn)
        if self.inference and self.inference.tester:
            CfnOutput(self, "TesterRoleArn", value=self.inference.tester.role_arn)

    def _inference(self, *, settings: Settings, names: Names) -> InferenceRoles:
        tester = None
        if settings.people.invokers:
            tester = PersonRole(
                self,
                "Tester",
                names=names,
                purpose="tester",
                description="Asks finished models through the function that calls them",
                people=settings.people.invokers,
            )
        return InferenceRoles(
            deployer=FunctionRole(self, "Deployer", names=names, purpose="deployer"),
            model_report=FunctionRole(self, "ModelReport", names=names, purpose="model-report"),
            invoker=FunctionRole(self, "Invoker", names=names, purpose="invoker"),
            follow_up=StateMachineRole(
                self, "FollowUp", names=names, purpose="follow-up", machine=names.follow_up
            ),
            scheduler=SchedulerRole(self, "Scheduler", names=names),
            tester=tester,
        )
