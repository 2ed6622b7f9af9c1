"""What a job's method adds to the request and to what the customization role may do."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from constructs import Construct

from .statements import Allow, via_service


@dataclass(frozen=True, kw_only=True)
class Place:
    """The partition, Region and account that ARNs in a request name."""

    partition: str
    region: str
    account: str

    @staticmethod
    def of(scope: Construct) -> Place:
        """Those of a stack."""
        stack = Stack.of(scope)
        return Place(partition=stack.partition, region=stack.region, account=stack.account)

    def function_arn(self, name_or_arn: str) -> str:
        """ARN of a Lambda function that is named by its name or by its ARN already."""
        if name_or_arn.startswith("arn:"):
            return name_or_arn
        return f"arn:{self.partition}:lambda:{self.region}:{self.account}:function:{name_or_arn}"

    def profile_arn(self, identifier: str) -> str:
        """ARN of a cross-Region inference profile, as this account and Region see it."""
        return (
            f"arn:{self.partition}:bedrock:{self.region}:{self.account}:"
            f"inference-profile/{identifier}"
        )


@dataclass(frozen=True, kw_only=True)
class Distillation:
    """A teacher for the base model.

    Args:
        teacher: Foundation model id.
        profile: Id of the inference profile to call it through; None calls it in the Region.
        profile_regions: Regions the profile routes to.
        maximum_response_tokens: None for Bedrock's default.
    """

    teacher: str
    profile: str | None = None
    profile_regions: Sequence[str] = ()
    maximum_response_tokens: int | None = None

    def config(self, place: Place) -> dict[str, Any]:
        """`customizationConfig` of the request.

        https://docs.aws.amazon.com/bedrock/latest/APIReference/API_DistillationConfig.html
        """
        identifier = place.profile_arn(self.profile) if self.profile else self.teacher
        teacher: dict[str, Any] = {"teacherModelIdentifier": identifier}
        if self.maximum_response_tokens is not None:
            teacher["maxResponseLengthForInference"] = self.maximum_response_tokens
        return {"distillationConfig": {"teacherModelConfig": teacher}}


@dataclass(frozen=True, kw_only=True)
class Reinforcement:
    """A Lambda function that rates answers.

    Args:
        grader: Name or ARN of the function.
        hyperparameters: Those of reinforcement fine-tuning, which the API types one by one.
    """

    grader: str
    hyperparameters: Mapping[str, str]

    def config(self, place: Place) -> dict[str, Any]:
        """`customizationConfig` of the request.

        https://docs.aws.amazon.com/bedrock/latest/APIReference/API_RFTConfig.html
        """
        config: dict[str, Any] = {
            "graderConfig": {"lambdaGrader": {"lambdaArn": place.function_arn(self.grader)}}
        }
        if self.hyperparameters:
            config["hyperParameters"] = dict(sorted(self.hyperparameters.items()))
        return {"rftConfig": config}


@dataclass(frozen=True, kw_only=True)
class LogFilter:
    """One condition on the metadata of logged requests."""

    key: str
    value: str
    equal: bool


@dataclass(frozen=True, kw_only=True)
class InvocationLogs:
    """Logs of calls that are learned from, in a bucket of the account.

    Args:
        bucket, prefix: Where they are.
        key_arn: KMS key the bucket encrypts with; None for a key of S3.
        use_responses: Whether the logged answers are learned from.
        match: Whether all filters or any of them must hold.
        filters: Which requests; none for all.
    """

    bucket: str
    prefix: str
    key_arn: str | None = None
    use_responses: bool = False
    match: Literal["all", "any"] = "all"
    filters: Sequence[LogFilter] = ()

    @property
    def folder(self) -> str:
        """The prefix with its slash: `logs` would be that of `logs-of-others` too."""
        return f"{self.prefix.rstrip('/')}/"

    @property
    def config(self) -> dict[str, Any]:
        """`trainingDataConfig` of the request.

        https://docs.aws.amazon.com/bedrock/latest/APIReference/API_InvocationLogsConfig.html
        """
        logs: dict[str, Any] = {
            "usePromptResponse": self.use_responses,
            "invocationLogSource": {"s3Uri": f"s3://{self.bucket}/{self.folder}"},
        }
        conditions = [
            {"equals" if each.equal else "notEquals": {each.key: each.value}}
            for each in self.filters
        ]
        if len(conditions) == 1:
            logs["requestMetadataFilters"] = conditions[0]
        elif conditions:
            union = "andAll" if self.match == "all" else "orAll"
            logs["requestMetadataFilters"] = {union: conditions}
        return {"invocationLogsConfig": logs}

    @property
    def digest(self) -> str:
        """What stands for the data in the job's name: the logs grow, so their place and filters."""
        text = json.dumps(self.config, sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()

    def statements(self, scope: Construct) -> list[iam.PolicyStatement]:
        """Reading the logs below their folder, and nothing beside.

        https://docs.aws.amazon.com/bedrock/latest/userguide/rft-access-security.html
        """
        bucket = f"arn:{Stack.of(scope).partition}:s3:::{self.bucket}"
        ours = {"aws:ResourceAccount": Stack.of(scope).account}
        return [
            Allow(
                sid="ReadInvocationLogs",
                actions=["s3:GetObject"],
                resources=[f"{bucket}/{self.folder}*"],
                conditions={"StringEquals": ours},
                wildcard="The folder of the logs in one bucket; the action reads objects.",
            ),
            Allow(
                sid="ListInvocationLogs",
                actions=["s3:ListBucket"],
                resources=[bucket],
                conditions={"StringEquals": ours, "StringLike": {"s3:prefix": [f"{self.folder}*"]}},
            ),
        ]

    def key_statements(self, scope: Construct) -> list[iam.PolicyStatement]:
        """Decrypting the logs, for S3 alone; none where S3 keeps the key."""
        if self.key_arn is None:
            return []
        bucket = f"arn:{Stack.of(scope).partition}:s3:::{self.bucket}"
        return [
            Allow(
                sid="DecryptInvocationLogs",
                actions=["kms:Decrypt"],
                resources=[self.key_arn],
                conditions={
                    "StringEquals": via_service(scope, "s3"),
                    # With a bucket key the context is the bucket, without one the object.
                    "StringLike": {"kms:EncryptionContext:aws:s3:arn": [bucket, f"{bucket}/*"]},
                },
            )
        ]


def statements_to_ask_the_teacher(
    scope: Construct, *, distillation: Distillation
) -> list[iam.PolicyStatement]:
    """Calling the teacher through its inference profile; Bedrock itself calls one of the Region.

    https://docs.aws.amazon.com/bedrock/latest/userguide/custom-model-job-access-security.html
    """
    if distillation.profile is None:
        return []
    place = Place.of(scope)
    return [
        Allow(
            sid="CrossRegionInference",
            actions=["bedrock:InvokeModel"],
            resources=[
                place.profile_arn(distillation.profile),
                *(
                    f"arn:{place.partition}:bedrock:{region}::foundation-model/"
                    f"{distillation.teacher}"
                    for region in distillation.profile_regions
                ),
            ],
        )
    ]


def statements_to_grade(scope: Construct, *, grader: str) -> list[iam.PolicyStatement]:
    """Invoking the one function that rates answers.

    https://docs.aws.amazon.com/bedrock/latest/userguide/rft-access-security.html
    """
    return [
        Allow(
            sid="InvokeTheGrader",
            actions=["lambda:InvokeFunction"],
            resources=[Place.of(scope).function_arn(grader)],
        )
    ]


def statements_to_use_a_base_models_key(
    scope: Construct, *, key_arn: str
) -> list[iam.PolicyStatement]:
    """Decrypting a base model of one's own that another key encrypts, for Bedrock alone.

    https://docs.aws.amazon.com/bedrock/latest/userguide/encryption-custom-job.html
    """
    return [
        Allow(
            sid="BaseModelKeyThroughBedrock",
            actions=["kms:Decrypt"],
            resources=[key_arn],
            conditions={"StringEquals": via_service(scope, "bedrock")},
        )
    ]
