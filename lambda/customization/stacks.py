"""What CloudFormation says of the resource that a row belongs to."""

from __future__ import annotations

from typing import TYPE_CHECKING

from botocore.exceptions import ClientError

from customization.jobs import error_code
from customization.steps import StackPhase, StackView

if TYPE_CHECKING:
    from mypy_boto3_cloudformation import CloudFormationClient

UNFINISHED = frozenset({"UPDATE_FAILED", "UPDATE_ROLLBACK_FAILED"})
"""The statuses after which a stack's update is continued or rolled back by hand.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/using-cfn-updating-stacks-continueupdaterollback.html
"""

COMPLETE = frozenset(
    {"CREATE_COMPLETE", "IMPORT_COMPLETE", "UPDATE_COMPLETE", "UPDATE_ROLLBACK_COMPLETE"}
)
"""The statuses in which a stack has what an operation, or its rollback, was to leave."""

_GONE = StackView(phase=StackPhase.GONE)


def look(*, cloudformation: CloudFormationClient, stack_id: str, logical_id: str) -> StackView:
    """Return the phase of a stack and the physical id that its resource has.

    The stack is looked at before and after its resource, so that what is read in between belongs
    to one state. A stack that was deleted can be described by its id for 90 days; one that
    CloudFormation does not know any more is gone too.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_DescribeStacks.html
    """
    before = _status(cloudformation=cloudformation, stack_id=stack_id)
    if before is None or before == "DELETE_COMPLETE":
        return _GONE
    if before.endswith("_IN_PROGRESS"):
        return StackView(phase=StackPhase.BUSY)
    try:
        answer = cloudformation.describe_stack_resource(
            StackName=stack_id, LogicalResourceId=logical_id
        )
    except ClientError as error:
        if _is_missing(error):
            return _GONE
        raise
    if _status(cloudformation=cloudformation, stack_id=stack_id) != before:
        return StackView(phase=StackPhase.BUSY)
    detail = answer["StackResourceDetail"]
    if detail["ResourceStatus"] == "DELETE_COMPLETE":
        return _GONE
    return StackView(
        phase=StackPhase.SETTLED,
        physical_id=detail.get("PhysicalResourceId"),
        may_go_back=before in UNFINISHED,
        is_complete=before in COMPLETE,
        deletion_failed=detail["ResourceStatus"] == "DELETE_FAILED",
    )


def _status(*, cloudformation: CloudFormationClient, stack_id: str) -> str | None:
    try:
        stacks = cloudformation.describe_stacks(StackName=stack_id)["Stacks"]
    except ClientError as error:
        if _is_missing(error):
            return None
        raise
    return stacks[0]["StackStatus"] if stacks else None


def _is_missing(error: ClientError) -> bool:
    # CloudFormation has no code of its own for a stack or resource that does not exist.
    text = str(error.response.get("Error", {}).get("Message", ""))
    return error_code(error) == "ValidationError" and "does not exist" in text
