"""A Bedrock model customization job as a resource of CloudFormation."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from aws_cdk import CustomResource, Duration
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_s3 as s3
from constructs import Construct

from customization.request import JobRequest

from .methods import Distillation, InvocationLogs, Place, Reinforcement
from .naming import OUTPUTS_PREFIX

RESOURCE_TYPE = "Custom::BedrockModelCustomizationJob"

ModelPolicy = Literal["keep-model", "delete-model"]


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A dataset in the bucket, named by its content.

    Args:
        name: As the settings and the lock file name it.
        key: The object's key.
        sha256: Digest of the object, 64 hex digits.
    """

    name: str
    key: str
    sha256: str


@dataclass(frozen=True, kw_only=True)
class Training:
    """What is trained: this alone decides whether a job is the same job.

    Args:
        base_model: Base model id with its context suffix, or the ARN of a model of one's own.
        customization_type: One of the API's CustomizationType.
        hyperparameters: API name to value; the API takes strings.
        training: The dataset, or the logs of calls, that are learned from.
        validation: The dataset to measure on, or None.
        method: What the customization type needs besides.
        run: Raised to train the same content again on purpose.
    """

    base_model: str
    customization_type: str
    hyperparameters: Mapping[str, str]
    training: Dataset | InvocationLogs
    validation: Dataset | None = None
    method: Distillation | Reinforcement | None = None
    run: int = 1


class CustomizationJob(Construct):
    """One customization job: private, under the model key, submitted once for its content.

    The property `Request` is the call CreateModelCustomizationJob in the API's own words; the
    submitter adds the names and the client token, which derive from the content. It is checked
    against botocore's service model here, so that a bad value never leaves the laptop.
    https://docs.aws.amazon.com/bedrock/latest/APIReference/API_CreateModelCustomizationJob.html

    Args:
        service_token: The provider's.
        environment, job: Names; with the digest they make the job's name.
        key_name: The model key by its settings name: another key is another model.
        subnet_ids, security_group_ids: Where Bedrock puts its interfaces; required, so that no
            job runs outside the VPC.
        tags: On the job and on the model.
        wait_for: `validation` waits for Bedrock's check of the data, at most `validation_minutes`.
        on_replace, on_delete: What becomes of a model that is superseded, or whose stack goes.

    Raises:
        JobRequestError: Bedrock would refuse the request.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        service_token: str,
        environment: str,
        job: str,
        training: Training,
        bucket: s3.IBucket,
        role: iam.IRole,
        key: kms.IKey,
        key_name: str,
        subnet_ids: Sequence[str],
        security_group_ids: Sequence[str],
        tags: Mapping[str, str],
        wait_for: Literal["submission", "validation"] = "validation",
        validation_minutes: int = 20,
        on_replace: ModelPolicy = "keep-model",
        on_delete: ModelPolicy = "delete-model",
    ) -> None:
        super().__init__(scope, id)
        control = {
            "Environment": environment,
            "Job": job,
            "Run": str(training.run),
            **_data_identity(training.training),
            "KeyName": key_name,
            "WaitFor": wait_for,
            "ValidationMinutes": str(validation_minutes),
            "OnReplace": on_replace,
            "OnDelete": on_delete,
        }
        if training.validation:
            control["ValidationDatasetName"] = training.validation.name
            control["ValidationDatasetDigest"] = training.validation.sha256

        def properties(place: _Surroundings) -> dict[str, Any]:
            return {**control, "Request": _request(training, job=job, tags=tags, place=place)}

        # Read here as the submitter will read it, with stand-ins for what only a deployment knows.
        request = JobRequest.from_properties(
            properties(
                _Surroundings(
                    bucket_name="placeholder",
                    role_arn="arn:aws:iam::000000000000:role/placeholder",
                    key_arn="alias/placeholder",
                    subnet_ids=[f"subnet-{n:017x}" for n in range(len(subnet_ids))],
                    security_group_ids=[f"sg-{n:017x}" for n in range(len(security_group_ids))],
                    arns=Place(partition="aws", region="us-east-1", account="0" * 12),
                )
            )
        )
        self.job_name = request.name(attempt=1)
        self.resource = CustomResource(
            self,
            "Resource",
            resource_type=RESOURCE_TYPE,
            service_token=service_token,
            service_timeout=Duration.hours(1),
            properties=properties(
                _Surroundings(
                    bucket_name=bucket.bucket_name,
                    role_arn=role.role_arn,
                    key_arn=key.key_arn,
                    subnet_ids=subnet_ids,
                    security_group_ids=security_group_ids,
                    arns=Place.of(self),
                )
            ),
        )


@dataclass(frozen=True, kw_only=True)
class _Surroundings:
    bucket_name: str
    role_arn: str
    key_arn: str
    subnet_ids: Sequence[str]
    security_group_ids: Sequence[str]
    arns: Place


def _data_identity(data: Dataset | InvocationLogs) -> dict[str, str]:
    """What the data is called and what stands for its content in the job's name."""
    if isinstance(data, InvocationLogs):
        return {"DatasetName": "invocation-logs", "DatasetDigest": data.digest}
    return {"DatasetName": data.name, "DatasetDigest": data.sha256}


def _request(
    training: Training, *, job: str, tags: Mapping[str, str], place: _Surroundings
) -> dict[str, Any]:
    tag_list = [{"key": key, "value": value} for key, value in sorted(tags.items())]
    bucket = f"s3://{place.bucket_name}/"
    request: dict[str, Any] = {
        "roleArn": place.role_arn,
        "baseModelIdentifier": training.base_model,
        "customizationType": training.customization_type,
        "customModelKmsKeyId": place.key_arn,
        "trainingDataConfig": training.training.config
        if isinstance(training.training, InvocationLogs)
        else {"s3Uri": f"{bucket}{training.training.key}"},
        "outputDataConfig": {"s3Uri": f"{bucket}{OUTPUTS_PREFIX}{job}/"},
        "vpcConfig": {
            "subnetIds": list(place.subnet_ids),
            "securityGroupIds": list(place.security_group_ids),
        },
        "jobTags": tag_list,
        "customModelTags": tag_list,
    }
    # Those of reinforcement fine-tuning are typed, and a part of its configuration.
    if not isinstance(training.method, Reinforcement):
        request["hyperParameters"] = dict(sorted(training.hyperparameters.items()))
    if training.method:
        request["customizationConfig"] = training.method.config(place.arns)
    if training.validation:
        request["validationDataConfig"] = {
            "validators": [{"s3Uri": f"{bucket}{training.validation.key}"}]
        }
    return request
