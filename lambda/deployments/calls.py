"""Having Bedrock make and remove what serves a model: each call, and what its errors mean."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from customization.clients import is_transient
from customization.jobs import error_code
from deployments import seen as bedrocks
from deployments.errors import DeploymentRefusedError, PassingRefusalError
from deployments.kinds import Kind
from deployments.naming import client_token
from deployments.remedies import advice, is_passing
from deployments.wish import all_tags

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient

    from deployments.rows import Row

_BUSY: Final = frozenset({"ConflictException", "AccessDeniedException", "ValidationException"})


def create(
    *, bedrock: BedrockClient, row: Row, model_arn: str, owner_tags: Mapping[str, str]
) -> str:
    """Have Bedrock make what a row wants and return its ARN.

    The token follows from the name and the attempt: a repeated call is the same call to Bedrock.
    Errors that pass by themselves are raised as they are. Raises PassingRefusalError or
    DeploymentRefusedError with cause and remedy.
    """
    arguments: dict[str, Any] = {
        "clientRequestToken": client_token(name=row.name, attempt=row.attempt),
        "tags": all_tags(tags=row.tags, owner_tags=owner_tags),
    }
    try:
        if row.kind is Kind.ON_DEMAND:
            return bedrock.create_custom_model_deployment(
                modelDeploymentName=row.name, modelArn=model_arn, **arguments
            )["customModelDeploymentArn"]
        return bedrock.create_provisioned_model_throughput(**purchase(row, model_arn), **arguments)[
            "provisionedModelArn"
        ]
    except ClientError as error:
        if is_transient(error):
            raise
        raise _refusal(error, row=row) from None


def purchase(row: Row, model_arn: str) -> dict[str, Any]:
    """Return the arguments of CreateProvisionedModelThroughput; no commitment is its absence."""
    return {
        "provisionedModelName": row.name,
        "modelId": model_arn,
        "modelUnits": row.model_units,
        **({"commitmentDuration": row.commitment.value} if row.commitment else {}),
    }


def remove(
    *, bedrock: BedrockClient, name: str, arn: str, kind: Kind, owner_tags: Mapping[str, str]
) -> bool:
    """Have Bedrock delete something of ours; False when it cannot be deleted just now.

    What is gone already is success: a denial too may mean that, since what is gone carries no tags
    that a policy could match, and only a look tells.
    """
    try:
        if kind is Kind.ON_DEMAND:
            bedrock.delete_custom_model_deployment(customModelDeploymentIdentifier=arn)
        else:
            bedrock.delete_provisioned_model_throughput(provisionedModelId=arn)
    except ClientError as error:
        code = error_code(error)
        if code == "ResourceNotFoundException":
            return True
        if code not in _BUSY:
            raise
        left = bedrocks.find(bedrock=bedrock, name=name, kind=kind, owner_tags=owner_tags)
        if left is not None and code != "ConflictException":
            raise
        return left is None
    return True


def _refusal(error: ClientError, *, row: Row) -> DeploymentRefusedError:
    text = f"{error_code(error)}: {error.response.get('Error', {}).get('Message', '')}"
    message = f"Bedrock refused the deployment {row.name}: {text}; {advice(text)}"
    # Deployments in progress make room in minutes; model units are granted by people.
    room = row.kind is Kind.ON_DEMAND and "servicequotaexceeded" in text.lower()
    return (PassingRefusalError if room or is_passing(text) else DeploymentRefusedError)(message)
