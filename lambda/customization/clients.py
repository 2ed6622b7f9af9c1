"""The AWS clients of the functions, each made once per container and on first use."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TYPE_CHECKING

import boto3
from botocore.config import Config
from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError

from customization import remedies
from customization.errors import ServiceCallError

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient
    from mypy_boto3_cloudformation import CloudFormationClient
    from mypy_boto3_dynamodb import DynamoDBClient
    from mypy_boto3_ec2 import EC2Client
    from mypy_boto3_lambda import LambdaClient
    from mypy_boto3_s3 import S3Client
    from mypy_boto3_scheduler import EventBridgeSchedulerClient
    from mypy_boto3_sns import SNSClient
    from mypy_boto3_stepfunctions import SFNClient

# Five tries with back-off and jitter, and no call that hangs longer than half a minute: the
# endpoints are in the VPC, so a connection that takes seconds will not come about at all.
CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 5},
    connect_timeout=5,
    read_timeout=30,
    # us-east-1 would else mean S3's global name, which is no Regional endpoint.
    s3={"us_east_1_regional_endpoint": "regional"},
)

# A model may think for minutes, and whoever asks it counts the tries and the seconds.
RUNTIME_CONFIG = Config(
    retries={"mode": "standard", "total_max_attempts": 1}, connect_timeout=5, read_timeout=125
)


@functools.cache
def bedrock() -> BedrockClient:
    """Return the client of Bedrock's control plane."""
    return boto3.client("bedrock", config=CONFIG)


@functools.cache
def bedrock_runtime() -> BedrockRuntimeClient:
    """Return the client of Bedrock's runtime, which makes each call once."""
    return boto3.client("bedrock-runtime", config=RUNTIME_CONFIG)


@functools.cache
def cloudformation() -> CloudFormationClient:
    """Return the client of CloudFormation."""
    return boto3.client("cloudformation", config=CONFIG)


@functools.cache
def dynamodb() -> DynamoDBClient:
    """Return the client of DynamoDB."""
    return boto3.client("dynamodb", config=CONFIG)


@functools.cache
def ec2() -> EC2Client:
    """Return the client of EC2."""
    return boto3.client("ec2", config=CONFIG)


@functools.cache
def functions() -> LambdaClient:
    """Return the client of Lambda, whose own name is a keyword."""
    return boto3.client("lambda", config=CONFIG)


@functools.cache
def sns() -> SNSClient:
    """Return the client of SNS."""
    return boto3.client("sns", config=CONFIG)


@functools.cache
def stepfunctions() -> SFNClient:
    """Return the client of Step Functions."""
    return boto3.client("stepfunctions", config=CONFIG)


@functools.cache
def scheduler() -> EventBridgeSchedulerClient:
    """Return the client of EventBridge Scheduler."""
    return boto3.client("scheduler", config=CONFIG)


@functools.cache
def s3() -> S3Client:
    """Return the client of S3."""
    return boto3.client("s3", config=CONFIG)


# Besides every answer from 500 on; botocore's own retries have ended in vain by then.
_TRANSIENT = frozenset(
    {
        "InternalFailure",
        "InternalServerException",
        "ProvisionedThroughputExceededException",
        "RequestLimitExceeded",
        "RequestTimeout",
        "ServiceUnavailable",
        "ServiceUnavailableException",
        "SlowDown",
        "Throttling",
        "ThrottlingException",
        "TooManyRequestsException",
    }
)


def is_transient(error: Exception) -> bool:
    """Return whether an error of an AWS call may go away when the call is made again later.

    True for throttling, for answers from 500 on and for answers that never came.
    """
    if isinstance(error, ClientError):
        status = error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0)
        return status >= 500 or error.response.get("Error", {}).get("Code") in _TRANSIENT
    return isinstance(error, HTTPClientError)


@contextmanager
def explained_errors(*, passing: type[ServiceCallError] = ServiceCallError) -> Iterator[None]:
    """Turn errors of AWS calls that nothing else explains into ServiceCallError.

    `passing` is raised for those that may go away when the call is made again later, where somebody
    is there to do so. botocore's own errors are named by their class alone: some quote the
    arguments of the call.
    """
    try:
        yield
    except ClientError as error:
        answer = error.response.get("Error", {})
        text = f"{answer.get('Code', 'no code')}: {answer.get('Message', 'no message')}"
        passes = is_transient(error) or remedies.is_passing(text)
        raise (passing if passes else ServiceCallError)(
            f"{error.operation_name} failed: {text}; {remedies.advice(text)}"
        ) from None
    except BotoCoreError as error:
        raise (passing if is_transient(error) else ServiceCallError)(
            f"an AWS call failed with {type(error).__name__}: check the endpoints, route tables "
            "and security groups of the service subnets, then deploy again"
        ) from None
