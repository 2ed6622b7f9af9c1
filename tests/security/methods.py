"""What the methods of jobs ask of Bedrock, written by hand.

Not read from the constructs that are held to it.
"""

from __future__ import annotations

from typing import Any

from review.rules.environment import environment_of
from settings import Job
from tests.security.app_deployment import AppDeployment


def request_of_method(deployment: AppDeployment, job: Job) -> dict[str, Any]:
    """The parts of a job's request that depend on its method and on where its data is."""
    request: dict[str, Any] = {}
    bucket = environment_of(deployment).data_bucket.rpartition(":")[2]
    if job.invocation_logs is None:
        data = job.training_data
        assert data is not None
        request["trainingDataConfig"] = {"s3Uri": f"s3://{bucket}/{data.key}"}
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


def _grader(deployment: AppDeployment, job: Job) -> str:
    assert job.reinforcement is not None
    function = job.reinforcement.grader_function
    return (
        function
        if function.startswith("arn:")
        else deployment.arn("lambda", f"function:{function}")
    )
