"""The AWS calls that the functions make, and the permissions that each needs.

Policies of roles and endpoints, the service models in the functions' assets and a test that drives
every path are all made from these tables: a call that is not here is neither allowed nor possible.
"""

from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Final

Call = tuple[str, str]
"""A service by botocore's name and an operation by the API's."""

SUBMITTER_CALLS: Final[tuple[Call, ...]] = (
    ("bedrock", "CreateModelCustomizationJob"),
    ("bedrock", "DeleteCustomModel"),
    ("bedrock", "GetCustomModel"),
    ("bedrock", "GetModelCustomizationJob"),
    ("bedrock", "ListTagsForResource"),
    ("bedrock", "StopModelCustomizationJob"),
    ("dynamodb", "GetItem"),
    ("dynamodb", "UpdateItem"),
    ("s3", "HeadObject"),
)
"""What the submitter calls, all through endpoints of its VPC."""

COMPLETION_CHECK_CALLS: Final[tuple[Call, ...]] = (
    ("bedrock", "GetModelCustomizationJob"),
    ("ec2", "DescribeNetworkInterfaces"),
)
"""What the completion check calls, from outside the VPC; it reads and changes nothing."""

FOLLOWER_CALLS: Final[tuple[Call, ...]] = (
    ("bedrock", "DeleteCustomModel"),
    ("bedrock", "GetModelCustomizationJob"),
    ("bedrock", "ListTagsForResource"),
    ("bedrock", "StopModelCustomizationJob"),
    ("cloudformation", "DescribeStackResource"),
    ("cloudformation", "DescribeStacks"),
    ("dynamodb", "GetItem"),
    ("dynamodb", "Scan"),
    ("dynamodb", "UpdateItem"),
    ("lambda", "Invoke"),
    ("sns", "Publish"),
)
"""What the follower calls, from outside the VPC; it sees no data and submits nothing itself."""

STARTING_CALLS: Final[tuple[Call, ...]] = (
    ("bedrock", "ListCustomModelDeployments"),
    ("bedrock", "ListProvisionedModelThroughputs"),
    ("cloudformation", "GetTemplate"),
    ("stepfunctions", "StartExecution"),
)
"""What the follower calls besides, where the environment serves models: it starts the follow-up,
and deletes no model that something serves."""

REPORT_CALLS: Final[tuple[Call, ...]] = (
    ("bedrock", "GetModelCustomizationJob"),
    ("dynamodb", "GetItem"),
    ("s3", "GetObject"),
    ("s3", "ListObjectsV2"),
    ("s3", "PutObject"),
)
"""What the report on a model calls, all through endpoints of its VPC: it reads and adds to outputs
alone."""

INVOKER_CALLS: Final[tuple[Call, ...]] = (
    ("bedrock-runtime", "Converse"),
    ("dynamodb", "Scan"),
)
"""What the invoker calls, all through endpoints of its VPC."""

DELETION_CALLS: Final[tuple[Call, ...]] = (
    ("bedrock", "GetCustomModelDeployment"),
    ("bedrock", "GetProvisionedModelThroughput"),
    ("bedrock", "ListTagsForResource"),
    ("lambda", "Invoke"),
)
"""What the completion check calls besides, only where models are deployed."""

DEPLOYER_CALLS: Final[tuple[Call, ...]] = (
    ("bedrock", "CreateCustomModelDeployment"),
    ("bedrock", "CreateProvisionedModelThroughput"),
    ("bedrock", "DeleteCustomModelDeployment"),
    ("bedrock", "DeleteProvisionedModelThroughput"),
    ("bedrock", "GetCustomModelDeployment"),
    ("bedrock", "GetModelCustomizationJob"),
    ("bedrock", "GetProvisionedModelThroughput"),
    ("bedrock", "ListCustomModelDeployments"),
    ("bedrock", "ListProvisionedModelThroughputs"),
    ("bedrock", "ListTagsForResource"),
    ("cloudformation", "DescribeStackResource"),
    ("cloudformation", "DescribeStacks"),
    ("dynamodb", "GetItem"),
    ("dynamodb", "Scan"),
    ("dynamodb", "UpdateItem"),
    ("scheduler", "CreateSchedule"),
    ("scheduler", "DeleteSchedule"),
    ("scheduler", "GetSchedule"),
    ("scheduler", "UpdateSchedule"),
    ("stepfunctions", "StartExecution"),
)
"""What the deployer calls, from outside the VPC; it alone deploys and removes."""

LOGGING_CALLS: Final[tuple[Call, ...]] = (
    ("bedrock", "DeleteModelInvocationLoggingConfiguration"),
    ("bedrock", "GetModelInvocationLoggingConfiguration"),
    ("bedrock", "PutModelInvocationLoggingConfiguration"),
)
"""What the deployer calls besides, only where model invocations are logged."""

EVERY_CALL: Final[Mapping[str, tuple[Call, ...]]] = MappingProxyType(
    {
        "submitter": SUBMITTER_CALLS,
        "completion_check": COMPLETION_CHECK_CALLS + DELETION_CALLS,
        "follower": FOLLOWER_CALLS + STARTING_CALLS,
        "model_report": REPORT_CALLS,
        "invoker": INVOKER_CALLS,
        "deployer": DEPLOYER_CALLS + LOGGING_CALLS,
    }
)
"""The calls of each function, by its package."""

# Only where they are not the operation's own name.
_OTHER_ACTIONS: Final[dict[Call, tuple[str, ...]]] = {
    # TagResource for the tags in the request, PassRole for the customization role.
    # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonbedrock.html
    ("bedrock", "CreateModelCustomizationJob"): (
        "bedrock:CreateModelCustomizationJob",
        "bedrock:TagResource",
        "iam:PassRole",
    ),
    ("bedrock", "CreateCustomModelDeployment"): (
        "bedrock:CreateCustomModelDeployment",
        "bedrock:TagResource",
    ),
    # PassRole for the role that Bedrock writes the log with.
    ("bedrock", "PutModelInvocationLoggingConfiguration"): (
        "bedrock:PutModelInvocationLoggingConfiguration",
        "iam:PassRole",
    ),
    ("bedrock", "CreateProvisionedModelThroughput"): (
        "bedrock:CreateProvisionedModelThroughput",
        "bedrock:TagResource",
    ),
    # PassRole for the role that the schedule acts with.
    # https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazoneventbridgescheduler.html
    ("scheduler", "CreateSchedule"): ("scheduler:CreateSchedule", "iam:PassRole"),
    ("scheduler", "UpdateSchedule"): ("scheduler:UpdateSchedule", "iam:PassRole"),
    # A conversation is an invocation to IAM.
    # https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
    ("bedrock-runtime", "Converse"): ("bedrock:InvokeModel",),
    ("lambda", "Invoke"): ("lambda:InvokeFunction",),
    # HeadObject has no action of its own; without ListBucket a missing object answers 403, not 404.
    # https://docs.aws.amazon.com/AmazonS3/latest/API/API_HeadObject.html
    ("s3", "HeadObject"): ("s3:GetObject", "s3:ListBucket"),
    ("s3", "ListObjectsV2"): ("s3:ListBucket",),
    ("stepfunctions", "StartExecution"): ("states:StartExecution",),
}


def actions_for(call: Call) -> tuple[str, ...]:
    """Return the IAM actions that one call needs, such as `("dynamodb:GetItem",)`."""
    service, operation = call
    return _OTHER_ACTIONS.get(call, (f"{service}:{operation}",))


def actions(calls: Iterable[Call], *, prefix: str | None = None) -> tuple[str, ...]:
    """Return the IAM actions that calls need, sorted; a `prefix` such as `"s3"` keeps its own."""
    found = {action for call in calls for action in actions_for(call)}
    return tuple(sorted(a for a in found if prefix is None or a.startswith(f"{prefix}:")))


def services(calls: Iterable[Call]) -> tuple[str, ...]:
    """Return the services that calls go to, by botocore's names, sorted."""
    return tuple(sorted({service for service, _ in calls}))
