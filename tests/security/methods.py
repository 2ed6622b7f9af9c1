"""What the methods of jobs ask of Bedrock and need of permissions, written by hand.

Not read from the constructs that are held to it.
"""

from __future__ import annotations

from typing import Any

from settings import Job
from tests.security.deployment import Deployment
from tests.security.policies import Grant, allow


def grants_to_read_logs(deployment: Deployment) -> set[Grant]:
    """Reading the invocation logs that jobs learn from, and nothing beside their folders."""
    found: set[Grant] = set()
    ours = {"aws:ResourceAccount": deployment.account}
    for job in deployment.settings.jobs.values():
        if job.invocation_logs is None:
            continue
        bucket = deployment.arn("s3", job.invocation_logs.bucket)
        below = f"{job.invocation_logs.prefix.rstrip('/')}/*"
        found |= allow("s3:GetObject", on=f"{bucket}/{below}", when={"StringEquals": ours})
        found |= allow(
            "s3:ListBucket",
            on=bucket,
            when={"StringEquals": ours, "StringLike": {"s3:prefix": below}},
        )
    return found


def grants_of_methods(deployment: Deployment) -> set[Grant]:
    """What the customization role may do because of the methods of the settings' jobs."""
    found = grants_to_read_logs(deployment)
    region, suffix = deployment.settings.region, deployment.url_suffix
    for job in deployment.settings.jobs.values():
        logs = job.invocation_logs
        if logs is not None and logs.key is not None:
            bucket = deployment.arn("s3", logs.bucket)
            found |= allow(
                "kms:Decrypt",
                on=logs.key,
                when={
                    "StringEquals": {"kms:ViaService": f"s3.{region}.{suffix}"},
                    "StringLike": {"kms:EncryptionContext:aws:s3:arn": [bucket, f"{bucket}/*"]},
                },
            )
        if job.distillation is not None and job.distillation.inference_profile is not None:
            profile = job.distillation.inference_profile
            partition = deployment.partition
            found |= allow(
                "bedrock:InvokeModel",
                on=[
                    deployment.arn("bedrock", f"inference-profile/{profile.id}"),
                    *(
                        f"arn:{partition}:bedrock:{each}::foundation-model/"
                        f"{job.distillation.teacher}"
                        for each in profile.regions
                    ),
                ],
            )
        if job.reinforcement is not None:
            found |= allow("lambda:InvokeFunction", on=_grader(deployment, job))
        if job.base_model_key is not None:
            found |= allow(
                "kms:Decrypt",
                on=job.base_model_key,
                when={"StringEquals": {"kms:ViaService": f"bedrock.{region}.{suffix}"}},
            )
    return found


def request_of_method(deployment: Deployment, job: Job) -> dict[str, Any]:
    """The parts of a job's request that depend on its method and on where its data is."""
    request: dict[str, Any] = {}
    if job.invocation_logs is None:
        data = job.training_data
        assert data is not None
        request["trainingDataConfig"] = {"s3Uri": f"s3://bucket-data/{data.key}"}
    else:
        request["trainingDataConfig"] = {"invocationLogsConfig": _logs(job)}
    if job.reinforcement is None:
        request["hyperParameters"] = dict(job.hyperparameters)
    else:
        rated = {"graderConfig": {"lambdaGrader": {"lambdaArn": _grader(deployment, job)}}}
        typed = {"hyperParameters": dict(job.hyperparameters)} if job.hyperparameters else {}
        request["customizationConfig"] = {"rftConfig": {**rated, **typed}}
    if job.distillation is not None:
        profile = job.distillation.inference_profile
        teacher: dict[str, Any] = {
            "teacherModelIdentifier": deployment.arn("bedrock", f"inference-profile/{profile.id}")
            if profile
            else job.distillation.teacher
        }
        if job.distillation.maximum_response_tokens:
            tokens = job.distillation.maximum_response_tokens
            teacher["maxResponseLengthForInference"] = tokens
        request["customizationConfig"] = {"distillationConfig": {"teacherModelConfig": teacher}}
    return request


def _logs(job: Job) -> dict[str, Any]:
    logs = job.invocation_logs
    assert logs is not None
    config: dict[str, Any] = {
        "usePromptResponse": logs.use_responses,
        "invocationLogSource": {"s3Uri": f"s3://{logs.bucket}/{logs.prefix.rstrip('/')}/"},
    }
    conditions = [
        {"notEquals": {each.key: each.not_equals}}
        if each.equals is None
        else {"equals": {each.key: each.equals}}
        for each in logs.filters
    ]
    if conditions:
        union = {"all": "andAll", "any": "orAll"}[logs.match]
        config["requestMetadataFilters"] = (
            conditions[0] if len(conditions) == 1 else {union: conditions}
        )
    return config


def _grader(deployment: Deployment, job: Job) -> str:
    assert job.reinforcement is not None
    function = job.reinforcement.grader_function
    return (
        function
        if function.startswith("arn:")
        else deployment.arn("lambda", f"function:{function}")
    )
