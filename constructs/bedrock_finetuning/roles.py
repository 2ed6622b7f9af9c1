"""Roles as shells: who may take them, and nothing yet of what they may do.

Permissions are managed policies, attached downstream by the construct that owns the resource
they open. So no role depends on what it uses, and no circle comes about between stacks.
"""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from .naming import Names
from .statements import (
    account_principal,
    bedrock_arn,
    customization_job_arn,
    people_arns,
    state_machine_arn,
)


class CustomizationRole(iam.Role):
    """The role Bedrock assumes for a customization job of this account, and for nothing else.

    Both confused-deputy conditions stand inside the only statement of the trust policy: Allow
    statements are a union, so a second, bare one would undo them.
    https://docs.aws.amazon.com/bedrock/latest/userguide/custom-model-job-access-security.html
    """

    def __init__(self, scope: Construct, id: str, *, names: Names) -> None:
        super().__init__(
            scope,
            id,
            role_name=names.customization_role,
            description="Assumed by Amazon Bedrock while it runs a customization job",
            assumed_by=iam.ServicePrincipal(
                "bedrock.amazonaws.com",
                conditions={
                    "StringEquals": {"aws:SourceAccount": Stack.of(scope).account},
                    "ArnEquals": {"aws:SourceArn": customization_job_arn(scope)},
                },
            ),
        )


class FunctionRole(iam.Role):
    """The role of one Lambda function."""

    def __init__(self, scope: Construct, id: str, *, names: Names, purpose: str) -> None:
        super().__init__(
            scope,
            id,
            role_name=names.role(purpose),
            description=f"Execution role of the function {names.function(purpose)}",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        )


class FrameworkRole(iam.Role):
    """A role of the functions with which the CDK's provider framework surrounds ours."""

    def __init__(self, scope: Construct, id: str, *, names: Names, purpose: str) -> None:
        super().__init__(
            scope,
            id,
            role_name=names.role(purpose),
            description="Functions of the CDK's provider framework",
            assumed_by=iam.ServicePrincipal("lambda.amazonaws.com"),
        )


class FlowLogsRole(iam.Role):
    """The role with which VPC flow logs of this account are written.

    https://docs.aws.amazon.com/vpc/latest/userguide/flow-logs-iam-role.html
    """

    def __init__(self, scope: Construct, id: str, *, names: Names) -> None:
        stack = Stack.of(scope)
        super().__init__(
            scope,
            id,
            role_name=names.role("flow-logs"),
            description="Writes the VPC's flow logs",
            assumed_by=iam.ServicePrincipal(
                "vpc-flow-logs.amazonaws.com",
                conditions={
                    "StringEquals": {"aws:SourceAccount": stack.account},
                    "ArnLike": {
                        "aws:SourceArn": (
                            f"arn:{stack.partition}:ec2:{stack.region}:{stack.account}:"
                            "vpc-flow-log/*"
                        )
                    },
                },
            ),
        )


class InvocationLogsRole(iam.Role):
    """The role with which Bedrock of this account and Region writes the log of invocations.

    https://docs.aws.amazon.com/bedrock/latest/userguide/model-invocation-logging.html
    """

    def __init__(self, scope: Construct, id: str, *, names: Names) -> None:
        super().__init__(
            scope,
            id,
            role_name=names.role("invocation-logs"),
            description="Writes the log of model invocations",
            assumed_by=iam.ServicePrincipal(
                "bedrock.amazonaws.com",
                conditions={
                    "StringEquals": {"aws:SourceAccount": Stack.of(scope).account},
                    "ArnLike": {"aws:SourceArn": bedrock_arn(scope, "*")},
                },
            ),
        )


class StateMachineRole(iam.Role):
    """The role of one state machine of this account, and of nothing else.

    https://docs.aws.amazon.com/step-functions/latest/dg/procedure-create-iam-role.html#prevent-cross-service-confused-deputy
    """

    def __init__(
        self, scope: Construct, id: str, *, names: Names, purpose: str, machine: str
    ) -> None:
        super().__init__(
            scope,
            id,
            role_name=names.role(purpose),
            description=f"Assumed by the state machine {machine}",
            assumed_by=iam.ServicePrincipal(
                "states.amazonaws.com",
                conditions={
                    "StringEquals": {"aws:SourceAccount": Stack.of(scope).account},
                    "ArnEquals": {"aws:SourceArn": state_machine_arn(scope, name=machine)},
                },
            ),
        )


class SchedulerRole(iam.Role):
    """The role with which the schedules of one group call AWS.

    https://docs.aws.amazon.com/scheduler/latest/UserGuide/cross-service-confused-deputy-prevention.html
    """

    def __init__(self, scope: Construct, id: str, *, names: Names) -> None:
        stack = Stack.of(scope)
        super().__init__(
            scope,
            id,
            role_name=names.role("scheduler"),
            description="Gives provisioned throughput back when its time is over",
            assumed_by=iam.ServicePrincipal(
                "scheduler.amazonaws.com",
                conditions={
                    "StringEquals": {"aws:SourceAccount": stack.account},
                    "ArnEquals": {
                        "aws:SourceArn": (
                            f"arn:{stack.partition}:scheduler:{stack.region}:{stack.account}:"
                            f"schedule-group/{names.schedule_group}"
                        )
                    },
                },
            ),
        )


class PersonRole(iam.Role):
    """A role that named people of the account take for one kind of work.

    Args:
        names: The environment's names.
        purpose: The last part of the role's name, such as `uploader`.
        description: What the role is for, shown in the console.
        people: Who may take it: `role/<pattern>`, `user/<pattern>` or IAM ARNs; they need
            `sts:AssumeRole` of their own besides.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        names: Names,
        purpose: str,
        description: str,
        people: Sequence[str],
    ) -> None:
        super().__init__(
            scope,
            id,
            role_name=names.role(purpose),
            description=description,
            assumed_by=account_principal(scope).with_conditions(
                {"ArnLike": {"aws:PrincipalArn": people_arns(scope, people)}}
            ),
        )
