"""Who may deploy a model, take it away, call it, and report on it: each no more than that."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from customization.identity import ENVIRONMENT_TAG

from .keys import schedule_arns
from .naming import Names
from .statements import Allow, bedrock_arn, function_arn, state_machine_arn

_UNKNOWN_ID = (
    "Bedrock makes the ids of models, deployments and throughput; the statements that change or "
    "call anything are held by conditions on the owner tag, the others only look."
)
_JOB_STACKS = (
    "Jobs come and go with the settings, and a stack's id is unknown before it is made; the names "
    "are the environment's, and the actions only look."
)


def served_arns(scope: Construct) -> list[str]:
    """Patterns of the ARNs by which a custom model can be called."""
    return [
        bedrock_arn(scope, "custom-model-deployment/*"),
        bedrock_arn(scope, "provisioned-model/*"),
    ]


def _ours(names: Names) -> dict[str, str]:
    return {f"aws:ResourceTag/{ENVIRONMENT_TAG}": names.environment}


def statements_to_deploy(
    scope: Construct, *, names: Names, scheduler: iam.IRole, data_key: kms.IKey
) -> list[iam.PolicyStatement]:
    """Deploying this environment's models, and removing what carries its owner tag.

    No foundation model can be bought throughput for: a purchase is authorised on the model, and
    custom models of this environment alone are named.
    https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonbedrock.html
    """
    models = bedrock_arn(scope, "custom-model/*")
    served = served_arns(scope)
    tagged_ours = {f"aws:RequestTag/{ENVIRONMENT_TAG}": names.environment}
    create = ["bedrock:CreateCustomModelDeployment", "bedrock:CreateProvisionedModelThroughput"]
    schedules = schedule_arns(scope, names=names)
    return [
        Allow(
            sid="DeployOurModels",
            actions=create,
            resources=[models],
            conditions={"StringEquals": {**_ours(names), **tagged_ours}},
            wildcard=_UNKNOWN_ID,
        ),
        Allow(
            sid="TagWhatIsDeployedAsOurs",
            actions=[*create, "bedrock:TagResource"],
            resources=served,
            conditions={"StringEquals": tagged_ours},
            wildcard=_UNKNOWN_ID,
        ),
        Allow(
            sid="LookAtWhatIsDeployed",
            actions=[
                "bedrock:GetCustomModelDeployment",
                "bedrock:GetProvisionedModelThroughput",
                "bedrock:ListTagsForResource",
            ],
            resources=served,
            wildcard=_UNKNOWN_ID,
        ),
        Allow(
            sid="LookAtJobsAndModels",
            actions=[
                "bedrock:GetCustomModel",
                "bedrock:GetModelCustomizationJob",
                "bedrock:ListTagsForResource",
            ],
            resources=[bedrock_arn(scope, "model-customization-job/*"), models],
            wildcard=_UNKNOWN_ID,
        ),
        Allow(
            sid="FindWhatNobodyWroteDown",
            actions=[
                "bedrock:ListCustomModelDeployments",
                "bedrock:ListProvisionedModelThroughputs",
            ],
            resources=["*"],
            wildcard="Both actions know no resource; what they find is changed by its tag alone.",
        ),
        Allow(
            sid="RemoveOurs",
            actions=[
                "bedrock:DeleteCustomModelDeployment",
                "bedrock:DeleteProvisionedModelThroughput",
            ],
            resources=served,
            conditions={"StringEquals": _ours(names)},
            wildcard=_UNKNOWN_ID,
        ),
        Allow(
            sid="ScheduleTheEnd",
            actions=[
                "scheduler:CreateSchedule",
                "scheduler:DeleteSchedule",
                "scheduler:GetSchedule",
                "scheduler:UpdateSchedule",
            ],
            resources=[schedules],
            wildcard=(
                "A schedule is called as the throughput that it ends; the group is the "
                "environment's own."
            ),
        ),
        Allow(
            sid="PassTheSchedulersRole",
            actions=["iam:PassRole"],
            resources=[scheduler.role_arn],
            conditions={"StringEquals": {"iam:PassedToService": "scheduler.amazonaws.com"}},
        ),
        *_data_key_through_scheduler(scope, names=names, data_key=data_key),
        Allow(
            sid="LookAtTheJobsStacks",
            actions=["cloudformation:DescribeStackResource", "cloudformation:DescribeStacks"],
            resources=[_job_stacks(scope, names=names)],
            wildcard=_JOB_STACKS,
        ),
    ]


def _job_stacks(scope: Construct, *, names: Names) -> str:
    stack = Stack.of(scope)
    return (
        f"arn:{stack.partition}:cloudformation:{stack.region}:{stack.account}:"
        f"stack/{names.job_stacks}/*"
    )


def _data_key_through_scheduler(
    scope: Construct, *, names: Names, data_key: kms.IKey
) -> list[iam.PolicyStatement]:
    stack = Stack.of(scope)
    service = {"kms:ViaService": f"scheduler.{stack.region}.{stack.url_suffix}"}
    return [
        Allow(
            sid="DataKeyThroughScheduler",
            actions=["kms:Decrypt", "kms:GenerateDataKey"],
            resources=[data_key.key_arn],
            conditions={
                "StringEquals": service,
                "ArnLike": {
                    "kms:EncryptionContext:aws:scheduler:schedule:arn": schedule_arns(
                        scope, names=names
                    )
                },
            },
        ),
        # Looking at a key has no encryption context.
        Allow(
            sid="DataKeyIsFoundByScheduler",
            actions=["kms:DescribeKey"],
            resources=[data_key.key_arn],
            conditions={"StringEquals": service},
        ),
    ]


def statements_to_end_throughput(
    scope: Construct, *, names: Names, data_key: kms.IKey
) -> list[iam.PolicyStatement]:
    """What the schedules do: give this environment's throughput back, and nothing else.

    Scheduler decrypts a schedule with its role:
    https://docs.aws.amazon.com/scheduler/latest/UserGuide/encryption-rest.html
    """
    return [
        Allow(
            sid="GiveOurThroughputBack",
            actions=["bedrock:DeleteProvisionedModelThroughput"],
            resources=[bedrock_arn(scope, "provisioned-model/*")],
            conditions={"StringEquals": _ours(names)},
            wildcard=_UNKNOWN_ID,
        ),
        Allow(
            sid="ReadTheSchedule",
            actions=["kms:Decrypt"],
            resources=[data_key.key_arn],
            conditions={
                "ArnLike": {
                    "kms:EncryptionContext:aws:scheduler:schedule:arn": schedule_arns(
                        scope, names=names
                    )
                }
            },
        ),
    ]


def statements_to_invoke(
    scope: Construct, *, names: Names, endpoint_id: str
) -> list[iam.PolicyStatement]:
    """Calling this environment's models, through this endpoint only.

    The same call with the same role from anywhere else is denied: its request names no endpoint.
    https://docs.aws.amazon.com/bedrock/latest/userguide/vpc-interface-endpoints.html
    """
    return [
        Allow(
            sid="CallOurModelsInPrivate",
            actions=["bedrock:InvokeModel"],
            resources=served_arns(scope),
            conditions={
                "StringEquals": {**_ours(names), "aws:SourceVpce": endpoint_id},
            },
            wildcard=_UNKNOWN_ID,
        )
    ]


def statements_to_reach_the_runtime(
    scope: Construct, *, names: Names, invoker: iam.IRole
) -> list[iam.PolicyStatement]:
    """The policy of the runtime's endpoint: the invoker's calls of this environment's models."""
    return [
        Allow(
            sid="TheInvokersCalls",
            principals=[iam.AnyPrincipal()],
            actions=["bedrock:InvokeModel"],
            resources=served_arns(scope),
            conditions={
                "ArnEquals": {"aws:PrincipalArn": [invoker.role_arn]},
                "StringEquals": _ours(names),
            },
        )
    ]


def statements_to_report(scope: Construct) -> list[iam.PolicyStatement]:
    """Seeing a job, for the report on its model."""
    return [
        Allow(
            sid="LookAtJobs",
            actions=["bedrock:GetModelCustomizationJob"],
            resources=[bedrock_arn(scope, "model-customization-job/*")],
            wildcard=_UNKNOWN_ID,
        )
    ]


def statements_to_wait_for_removal(scope: Construct, *, names: Names) -> list[iam.PolicyStatement]:
    """Seeing whether something is deployed still, and waking the function that removes it."""
    return [
        Allow(
            sid="LookAtWhatIsDeployed",
            actions=[
                "bedrock:GetCustomModelDeployment",
                "bedrock:GetProvisionedModelThroughput",
                "bedrock:ListTagsForResource",
            ],
            resources=served_arns(scope),
            wildcard=_UNKNOWN_ID,
        ),
        Allow(
            sid="WakeTheDeployer",
            actions=["lambda:InvokeFunction"],
            resources=[function_arn(scope, name=names.function("deployer"))],
        ),
    ]


def statement_to_follow_up(scope: Construct, *, names: Names) -> Allow:
    """Starting what follows a completed job, once for each name."""
    return Allow(
        sid="StartTheFollowUp",
        actions=["states:StartExecution"],
        resources=[state_machine_arn(scope, name=names.follow_up)],
    )


def statements_to_start_the_follow_up(
    scope: Construct, *, names: Names
) -> list[iam.PolicyStatement]:
    """What the follower needs besides: a job's template, the start, and what serves a model."""
    return [
        Allow(
            sid="SeeWhatServesAModel",
            actions=[
                "bedrock:ListCustomModelDeployments",
                "bedrock:ListProvisionedModelThroughputs",
            ],
            resources=["*"],
            wildcard="Both actions know no resource; nothing is changed by what they find.",
        ),
        Allow(
            sid="ReadTheJobsTemplates",
            actions=["cloudformation:GetTemplate"],
            resources=[_job_stacks(scope, names=names)],
            wildcard=_JOB_STACKS,
        ),
        statement_to_follow_up(scope, names=names),
    ]


def statements_to_try(scope: Construct, *, names: Names) -> Sequence[iam.PolicyStatement]:
    """What a person needs who asks a model: the one function that calls it."""
    return [
        Allow(
            sid="AskThroughTheInvoker",
            actions=["lambda:InvokeFunction"],
            resources=[function_arn(scope, name=names.function("invoker"))],
        )
    ]
