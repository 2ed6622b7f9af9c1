"""What Bedrock says of a deployment or of throughput, looked up by name and typed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import TYPE_CHECKING, Any

from botocore.exceptions import ClientError

from customization.errors import UnknownStatusError
from customization.jobs import error_code, tags_of
from deployments.kinds import Kind

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient


class Status(StrEnum):
    """How far Bedrock is; an update of throughput counts as serving.

    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetCustomModelDeployment.html
    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_GetProvisionedModelThroughput.html
    """

    CREATING = "Creating"
    ACTIVE = "Active"
    FAILED = "Failed"


_STATUS = {
    Kind.ON_DEMAND: {"Creating": Status.CREATING, "Active": Status.ACTIVE, "Failed": Status.FAILED},
    Kind.PROVISIONED: {
        "Creating": Status.CREATING,
        "InService": Status.ACTIVE,
        "Updating": Status.ACTIVE,
        "Failed": Status.FAILED,
    },
}


@dataclass(frozen=True, kw_only=True)
class Seen:
    """A deployment or throughput as Bedrock describes it; `ours` says that it has our tags."""

    name: str
    arn: str
    kind: Kind
    status: Status
    made: datetime
    ours: bool = True
    failure: str = ""
    commitment_ends: datetime | None = None

    def is_committed(self, *, now: datetime) -> bool:
        """Return whether a commitment keeps it from being deleted."""
        return (
            self.commitment_ends is not None
            and self.commitment_ends > now
            and self.status is not Status.FAILED
        )


def parse(answer: Mapping[str, Any], *, kind: Kind, ours: bool = True) -> Seen:
    """Return what one of the Get operations answered; raises UnknownStatusError."""
    on_demand = kind is Kind.ON_DEMAND
    name = str(answer["modelDeploymentName" if on_demand else "provisionedModelName"])
    status = str(answer.get("status"))
    if status not in _STATUS[kind]:
        raise UnknownStatusError(
            f"deployment {name} has the unknown status {status!r}: known are "
            f"{', '.join(_STATUS[kind])}; look at it in Bedrock and update this app"
        )
    return Seen(
        name=name,
        arn=str(answer["customModelDeploymentArn" if on_demand else "provisionedModelArn"]),
        kind=kind,
        status=_STATUS[kind][status],
        made=answer["createdAt" if on_demand else "creationTime"],
        ours=ours,
        failure=str(answer.get("failureMessage") or ""),
        commitment_ends=answer.get("commitmentExpirationTime"),
    )


def find(
    *, bedrock: BedrockClient, name: str, kind: Kind, owner_tags: Mapping[str, str]
) -> Seen | None:
    """Return what Bedrock has under a name, and whether it carries tags; None when nothing is."""
    answer = _get(bedrock=bedrock, name=name, kind=kind)
    if answer is None:
        return None
    tags = tags_of(bedrock=bedrock, arn=parse(answer, kind=kind).arn)
    # What went away in between has no tags any more, and is not somebody else's for that.
    if not tags and _get(bedrock=bedrock, name=name, kind=kind) is None:
        return None
    ours = all(tags.get(key) == value for key, value in owner_tags.items())
    return parse(answer, kind=kind, ours=ours)


def _get(*, bedrock: BedrockClient, name: str, kind: Kind) -> Mapping[str, Any] | None:
    try:
        if kind is Kind.ON_DEMAND:
            return bedrock.get_custom_model_deployment(customModelDeploymentIdentifier=name)
        return bedrock.get_provisioned_model_throughput(provisionedModelId=name)
    except ClientError as error:
        if error_code(error) == "ResourceNotFoundException":
            return None
        raise


@dataclass(frozen=True, kw_only=True)
class Listed:
    """One line of what Bedrock lists: enough to ask whose it is."""

    name: str
    arn: str
    kind: Kind
    made: datetime


def listed(*, bedrock: BedrockClient, name_contains: str) -> Iterator[Listed]:
    """Yield all deployments and throughput whose name holds a text, page by page."""
    token: str | None = None
    while True:
        deployments = bedrock.list_custom_model_deployments(
            nameContains=name_contains,
            **({"nextToken": token} if token else {}),  # type: ignore[arg-type] # absent at first
        )
        for one in deployments.get("modelDeploymentSummaries", []):
            yield Listed(
                name=one["customModelDeploymentName"],
                arn=one["customModelDeploymentArn"],
                kind=Kind.ON_DEMAND,
                made=one["createdAt"],
            )
        token = deployments.get("nextToken")
        if not token:
            break
    while True:
        throughputs = bedrock.list_provisioned_model_throughputs(
            nameContains=name_contains,
            **({"nextToken": token} if token else {}),  # type: ignore[arg-type] # absent at first
        )
        for each in throughputs.get("provisionedModelSummaries", []):
            yield Listed(
                name=each["provisionedModelName"],
                arn=each["provisionedModelArn"],
                kind=Kind.PROVISIONED,
                made=each["creationTime"],
            )
        token = throughputs.get("nextToken")
        if not token:
            return
