"""What the submitter may ask of Bedrock: jobs of this environment, on the allowed base models."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from customization.identity import ENVIRONMENT_TAG

from .naming import Names
from .statements import (
    Allow,
    bedrock_arn,
    customization_job_arn,
    foundation_model_arn,
    through_endpoint,
)

_UNKNOWN_ID = (
    "Bedrock makes a job's and a model's id; the statements that change anything are held by "
    "conditions on the owner tag, the others only look."
)


def statements_to_submit(
    scope: Construct,
    *,
    environment: str,
    base_models: Sequence[str],
    role: iam.IRole,
) -> list[iam.PolicyStatement]:
    """Submitting, stopping and removing this environment's jobs and models, by their owner tag.

    CreateModelCustomizationJob is authorised on the base model, the custom model and the job:
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonbedrock.html
    Bedrock has no condition key for the VPC or the key of a job, so these three hold instead: only
    this role submits, it may pass one role only, and that role reads data through our endpoint
    alone.
    """
    jobs = bedrock_arn(scope, "model-customization-job/*")
    models = bedrock_arn(scope, "custom-model/*")
    ours = {"StringEquals": {f"aws:ResourceTag/{ENVIRONMENT_TAG}": environment}}
    tagged_ours = {"StringEquals": {f"aws:RequestTag/{ENVIRONMENT_TAG}": environment}}
    customizable = Allow(
        sid="CustomizeTheAllowedBaseModels",
        actions=["bedrock:CreateModelCustomizationJob"],
        resources=[foundation_model_arn(scope, each) for each in base_models],
    )
    return [
        # An environment may stand before its first job; IAM takes no statement without a resource.
        *([customizable] if base_models else []),
        Allow(
            sid="SubmitJobsTaggedAsOurs",
            actions=["bedrock:CreateModelCustomizationJob", "bedrock:TagResource"],
            resources=[jobs, models],
            conditions=tagged_ours,
            wildcard=_UNKNOWN_ID,
        ),
        Allow(
            sid="LookAtJobsAndModels",
            actions=[
                "bedrock:GetCustomModel",
                "bedrock:GetModelCustomizationJob",
                "bedrock:ListTagsForResource",
            ],
            resources=[jobs, models],
            wildcard=_UNKNOWN_ID,
        ),
        Allow(
            sid="StopAndRemoveOurs",
            actions=["bedrock:DeleteCustomModel", "bedrock:StopModelCustomizationJob"],
            resources=[jobs, models],
            conditions=ours,
            wildcard=_UNKNOWN_ID,
        ),
        Allow(
            sid="PassTheCustomizationRole",
            actions=["iam:PassRole"],
            resources=[role.role_arn],
            conditions={"StringEquals": {"iam:PassedToService": "bedrock.amazonaws.com"}},
        ),
    ]


def statements_to_follow(scope: Construct) -> list[iam.PolicyStatement]:
    """Seeing the state of jobs and of the interfaces Bedrock makes for them, and nothing else."""
    return [
        Allow(
            sid="LookAtJobs",
            actions=["bedrock:GetModelCustomizationJob"],
            resources=[bedrock_arn(scope, "model-customization-job/*")],
            wildcard=_UNKNOWN_ID,
        ),
        # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonec2.html
        Allow(
            sid="LookForInterfaces",
            actions=["ec2:DescribeNetworkInterfaces"],
            resources=["*"],
            wildcard=(
                "DescribeNetworkInterfaces knows no resource and is the only action of this "
                "statement."
            ),
        ),
    ]


def statements_to_end(scope: Construct, *, names: Names) -> list[iam.PolicyStatement]:
    """Seeing jobs and the stacks they belong to; stopping and removing this environment's.

    What it may change carries the environment's owner tag; it submits nothing, and passes no role.
    """
    stack = Stack.of(scope)
    jobs = bedrock_arn(scope, "model-customization-job/*")
    models = bedrock_arn(scope, "custom-model/*")
    return [
        Allow(
            sid="LookAtJobs",
            actions=["bedrock:GetModelCustomizationJob", "bedrock:ListTagsForResource"],
            resources=[jobs],
            wildcard=_UNKNOWN_ID,
        ),
        Allow(
            sid="StopAndRemoveOurs",
            actions=["bedrock:DeleteCustomModel", "bedrock:StopModelCustomizationJob"],
            resources=[jobs, models],
            conditions={"StringEquals": {f"aws:ResourceTag/{ENVIRONMENT_TAG}": names.environment}},
            wildcard=_UNKNOWN_ID,
        ),
        Allow(
            sid="LookAtTheJobsStacks",
            actions=["cloudformation:DescribeStackResource", "cloudformation:DescribeStacks"],
            resources=[
                f"arn:{stack.partition}:cloudformation:{stack.region}:{stack.account}:"
                f"stack/{names.job_stacks}/*"
            ],
            wildcard=(
                "Jobs come and go with the settings, and a stack's id is unknown before it is "
                "made; the names are the environment's, and both actions only look."
            ),
        ),
    ]


def statements_to_reach_bedrock(
    scope: Construct,
    *,
    actions: Sequence[str],
    base_models: Sequence[str],
    submitter: iam.IRole,
    reporter: iam.IRole | None = None,
) -> list[iam.PolicyStatement]:
    """The Bedrock endpoint's policy: the submitter's own calls, for the submitter.

    Args:
        scope: The stack of the endpoint.
        actions: The actions of the calls that the submitter makes, read from its code.
        base_models: Ids of the base models the settings name.
        submitter: Who submits, and nobody else does.
        reporter: Who looks at jobs for the report on their models; None for nobody.
    """
    reports = [
        Allow(
            sid="TheReportsCalls",
            actions=["bedrock:GetModelCustomizationJob"],
            resources=[customization_job_arn(scope)],
        )
    ]
    return [
        *_submissions(scope, actions=actions, base_models=base_models, submitter=submitter),
        *(through_endpoint(reports, roles=[reporter]) if reporter else ()),
    ]


def _submissions(
    scope: Construct,
    *,
    actions: Sequence[str],
    base_models: Sequence[str],
    submitter: iam.IRole,
) -> list[iam.PolicyStatement]:
    return through_endpoint(
        [
            Allow(
                sid="TheSubmittersCalls",
                actions=actions,
                resources=[
                    bedrock_arn(scope, "model-customization-job/*"),
                    bedrock_arn(scope, "custom-model/*"),
                    *(foundation_model_arn(scope, each) for each in base_models),
                ],
            )
        ],
        roles=[submitter],
    )
