"""What the methods of jobs need of permissions, told from the requests of the templates.

A request names the logs, the teacher and the grader. What it does not name (the keys that logs and
models of one's own lie under, the Regions of an inference profile) is taken from the role's own
permissions, in the one form that they may have.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from review.rules.environment import JOB, Environment
from review.template.deployment import Resource
from review.template.policies import Grant, allow

_MODEL: Final = "::foundation-model/"


def requests(environment: Environment) -> Iterator[Mapping[str, Any]]:
    """The request of each job."""
    for job in environment.deployment.of_type(JOB):
        if isinstance(job["Request"], Mapping):
            yield job["Request"]


def log_source(request: Mapping[str, Any]) -> tuple[str, str] | None:
    """Bucket and folder of the invocation logs that a job learns from; None where it does not."""
    uri = _at(request, "trainingDataConfig", "invocationLogsConfig", "invocationLogSource", "s3Uri")
    if not isinstance(uri, str) or not uri.startswith("s3://"):
        return None
    bucket, _, folder = uri.removeprefix("s3://").partition("/")
    return bucket, folder.rstrip("/")


def grants_to_read_logs(environment: Environment) -> set[Grant]:
    """Reading the invocation logs that jobs learn from, and nothing beside their folders."""
    found: set[Grant] = set()
    ours = {"aws:ResourceAccount": environment.account}
    for request in requests(environment):
        if (source := log_source(request)) is None:
            continue
        bucket = f"arn:{environment.deployment.partition}:s3:::{source[0]}"
        below = f"{source[1]}/*"
        found |= allow("s3:GetObject", on=f"{bucket}/{below}", when={"StringEquals": ours})
        found |= allow(
            "s3:ListBucket",
            on=bucket,
            when={"StringEquals": ours, "StringLike": {"s3:prefix": below}},
        )
    return found


def grants_of_methods(environment: Environment) -> set[Grant]:
    """What the customization role may do because of the methods of jobs."""
    found = grants_to_read_logs(environment)
    for request in requests(environment):
        if source := log_source(request):
            found |= _decrypts_logs(environment, source[0])
        teacher = _at(
            request,
            "customizationConfig",
            "distillationConfig",
            "teacherModelConfig",
            "teacherModelIdentifier",
        )
        if isinstance(teacher, str) and ":inference-profile/" in teacher:
            found |= _asks(environment, teacher)
        grader = _at(
            request, "customizationConfig", "rftConfig", "graderConfig", "lambdaGrader", "lambdaArn"
        )
        if isinstance(grader, str):
            found |= allow("lambda:InvokeFunction", on=grader)
        if ":custom-model/" in str(request.get("baseModelIdentifier")):
            found |= _opens_base_models(environment)
    return found


def _decrypts_logs(environment: Environment, bucket: str) -> set[Grant]:
    arn = f"arn:{environment.deployment.partition}:s3:::{bucket}"
    via = f"s3.{environment.region}.{environment.url_suffix}"
    return {
        grant
        for key in _other_keys(environment)
        for grant in allow(
            "kms:Decrypt",
            on=key,
            when={
                "StringEquals": {"kms:ViaService": via},
                "StringLike": {"kms:EncryptionContext:aws:s3:arn": [arn, f"{arn}/*"]},
            },
        )
        if grant in environment.grants_of("customization")
    }


def _opens_base_models(environment: Environment) -> set[Grant]:
    via = f"bedrock.{environment.region}.{environment.url_suffix}"
    return {
        grant
        for key in _other_keys(environment)
        for grant in allow("kms:Decrypt", on=key, when={"StringEquals": {"kms:ViaService": via}})
        if grant in environment.grants_of("customization")
    }


def _asks(environment: Environment, profile: str) -> set[Grant]:
    """Calling a teacher through its profile, in the Regions that it leads to."""
    teacher = profile.rpartition("/")[2].partition(".")[2]
    models = {
        grant.resource
        for grant in environment.grants_of("customization")
        if grant.action == "bedrock:InvokeModel" and grant.resource.endswith(f"{_MODEL}{teacher}")
    }
    return allow("bedrock:InvokeModel", on=[profile, *sorted(models)])


def _other_keys(environment: Environment) -> set[str]:
    """Keys that the role may use and that are none of the environment's."""
    start = f"arn:{environment.deployment.partition}:kms:{environment.region}:"
    own = {environment.data_key, environment.model_key}
    return {
        grant.resource
        for grant in environment.grants_of("customization")
        if grant.resource.startswith(start) and "*" not in grant.resource
    } - own


def identity(environment: Environment) -> tuple[object, ...]:
    """What decides what the methods need."""
    return tuple(sorted(grants_of_methods(environment)))


def expected_data(bucket: str, job: Resource, dataset: object) -> dict[str, Any]:
    """Where a job's data is: the data set of the data bucket, or the logs that it names.

    Args:
        bucket: Name of the data bucket; logs are in another.
        job: The custom resource.
        dataset: What a data set's URI has to be.
    """
    config = _at(job["Request"] or {}, "trainingDataConfig")
    if not isinstance(config, Mapping) or "invocationLogsConfig" not in config:
        return {"s3Uri": dataset}
    source = log_source(job["Request"])
    if source is None or source[0] == bucket or not source[1]:
        return {"invocationLogsConfig": "logs below a folder of a bucket that is not the data's"}
    return dict(config)


def _at(value: object, *path: str) -> object:
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value
