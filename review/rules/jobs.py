"""The job: the request that a template makes."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any, Final

from botocore.loaders import Loader

from review.rules.environment import JOB, MISSING, Environment, environment_of
from review.rules.job_requests import JobRequest, job_requests
from review.rules.methods import expected_data
from review.rules.rule import (
    Violation,
    at,
    many,
    of_the_whole,
    rule,
    shown,
    unexpected_properties,
    unordered,
)
from review.rules.standards import (
    ENCRYPTED,
    LEAST_PRIVILEGE,
    PRIVATE_NETWORK,
    PRIVATE_STORE,
    also,
)
from review.rules.statements import statements
from review.template.deployment import Deployment, Resource


def _at(request: JobRequest, message: str, field: str = "") -> Violation:
    path = f"{request.path}.{field}" if request.path and field else request.path or field
    return at(request.resource, message, path)


@rule(
    id="jobs.known-fields",
    requirement="A request has the fields that Bedrock's API has, by their names.",
    risk="A misspelt field is refused when the job is submitted, or dropped on the way there: a"
    " job without its VPC or key.",
    remedy="Use the names of CreateModelCustomizationJob, such as vpcConfig.subnetIds.",
    step="W13",
    standards={},
)
def requests_have_known_fields(deployment: Deployment) -> Iterator[Violation]:
    """Against botocore's model of the service; two levels, below which the keys are free."""
    for request in job_requests(deployment):
        fields = _fields()
        for name, value in sorted(request.fields.items()):
            if name not in fields:
                yield _at(request, f"{name} is no field of CreateModelCustomizationJob", name)
            elif isinstance(value, Mapping) and fields[name] is not None:
                for inner in sorted(set(value) - (fields[name] or frozenset())):
                    yield _at(request, f"{name} has no field {inner}", f"{name}.{inner}")


@cache
def _fields() -> Mapping[str, frozenset[str] | None]:
    """The request's fields; with the fields of those that are structures."""
    model = Loader().load_service_model("bedrock", "service-2")
    shapes = model["shapes"]
    members = shapes[model["operations"]["CreateModelCustomizationJob"]["input"]["shape"]]
    return {
        name: frozenset(shapes[member["shape"]]["members"])
        if shapes[member["shape"]]["type"] == "structure"
        else None
        for name, member in members["members"].items()
    }


@rule(
    id="jobs.private",
    requirement="A job runs in subnets and security groups of these templates.",
    risk="Bedrock reads the training data from a network that nobody here watches.",
    remedy="Set vpcConfig with subnetIds and securityGroupIds.",
    step="W13",
    standards=PRIVATE_NETWORK,
)
def jobs_run_in_the_vpc(deployment: Deployment) -> Iterator[Violation]:
    """In one subnet or more: `network.several-zones` asks for more of them."""
    subnets = {subnet.ref for subnet in deployment.of_type("AWS::EC2::Subnet")}
    groups = {group.ref for group in deployment.of_type("AWS::EC2::SecurityGroup")}
    for request in job_requests(deployment):
        if not request.subnet_ids:
            yield _at(request, "in no subnet", "vpcConfig.subnetIds")
        for subnet in request.subnet_ids:
            if subnet not in subnets:
                yield _at(request, f"in the unknown subnet {subnet}", "vpcConfig.subnetIds")
        if not request.group_ids:
            yield _at(request, "in no security group", "vpcConfig.securityGroupIds")
        for group in request.group_ids:
            if group not in groups:
                yield _at(request, f"in the unknown group {group}", "vpcConfig.securityGroupIds")


@rule(
    id="jobs.model-key",
    requirement="A job's model is encrypted with a key of these templates.",
    risk="The model, which holds what it learned, lies under a key that AWS owns.",
    remedy="Set customModelKmsKeyId to the ARN of a customer managed key.",
    step="W13",
    standards=also(ENCRYPTED, prowler="bedrock_custom_model_encrypted_with_cmk"),
)
def models_are_encrypted(deployment: Deployment) -> Iterator[Violation]:
    """By the key's ARN or id."""
    keys = {name for key in deployment.of_type("AWS::KMS::Key") for name in (key.arn, key.ref)}
    for request in job_requests(deployment):
        if request.fields.get("customModelKmsKeyId") not in keys:
            value = shown(request.fields.get("customModelKmsKeyId"))
            yield _at(request, f"customModelKmsKeyId is {value}", "customModelKmsKeyId")


@rule(
    id="jobs.own-role",
    requirement="A job runs with a role of these templates that Bedrock, and Bedrock alone, takes.",
    risk="A job runs with permissions that nobody here looked at.",
    remedy="Name a role that trusts bedrock.amazonaws.com for this account.",
    step="W13",
    standards=LEAST_PRIVILEGE,
)
def jobs_have_a_role_of_their_own(deployment: Deployment) -> Iterator[Violation]:
    """The role's trust policy names the service."""
    roles = {role.arn: role for role in deployment.of_type("AWS::IAM::Role")}
    for request in job_requests(deployment):
        role = roles.get(str(request.fields.get("roleArn")))
        if role is None:
            yield _at(request, f"roleArn is {shown(request.fields.get('roleArn'))}", "roleArn")
            continue
        trusted = {
            principal
            for each in statements(role, "AssumeRolePolicyDocument")
            if each.allows
            for principal in each.principals
        }
        if trusted != {"Service:bedrock.amazonaws.com"}:
            yield _at(request, f"its role is taken by {sorted(trusted)}", "roleArn")


@rule(
    id="jobs.data-in-own-buckets",
    requirement="A job reads from and writes to buckets of these templates.",
    risk="Data comes from, or results go to, a bucket of somebody else.",
    remedy="Use s3 URIs of buckets of the same templates.",
    step="W5",
    standards=PRIVATE_STORE,
)
def data_is_in_own_buckets(deployment: Deployment) -> Iterator[Violation]:
    """Training and validation data, and the output."""
    buckets = {bucket.ref for bucket in deployment.of_type("AWS::S3::Bucket")}
    for request in job_requests(deployment):
        for field in ("trainingDataConfig", "outputDataConfig", "validationDataConfig"):
            said = request.fields.get(field)
            if not isinstance(said, Mapping):
                if field != "validationDataConfig":
                    yield _at(request, f"no {field}", field)
                continue
            if "invocationLogsConfig" in said:
                continue  # calls are logged to a bucket of the account, not to one of these
            uris = [said.get("s3Uri"), *(v.get("s3Uri") for v in many(said.get("validators")))]
            for uri in uris:
                if uri is not None and str(uri).removeprefix("s3://").split("/")[0] not in buckets:
                    yield _at(request, f"{field} is {uri}, in no bucket of these templates", field)


@rule(
    id="jobs.tagged",
    requirement="A job and its model carry tags.",
    risk="Nobody can tell whose a model is, and no policy can decide by it.",
    remedy="Set jobTags and customModelTags.",
    step="W13",
    standards={},
    level="warning",
)
def jobs_are_tagged(deployment: Deployment) -> Iterator[Violation]:
    """Any tag; which ones is for whoever deploys to say."""
    for request in job_requests(deployment):
        for field in ("jobTags", "customModelTags"):
            if not request.fields.get(field):
                yield _at(request, f"no {field}", field)


_DIGEST: Final = r"[0-9a-f]{64}"


@rule(
    id="jobs.as-designed",
    requirement="Each job has all training subnets, the job's group, the customization role, the"
    " model key, a data set by its digest and an output of its own.",
    risk="A job runs outside the design: in other subnets, on other data, under another key.",
    remedy="Take the change back.",
    step="W13",
    standards=PRIVATE_NETWORK,
    profile="app",
)
def jobs_are_private(deployment: Deployment) -> Iterator[Violation]:
    """What the settings decide is looked at for its form, and for agreement with what names it."""
    environment = environment_of(deployment)
    jobs = deployment.of_type(JOB)
    names = Counter(str(job["Job"]) for job in jobs)
    for job in jobs:
        if names[str(job["Job"])] > 1 or not re.fullmatch(_NAME, str(job["Job"])):
            yield at(job, f"Job is {shown(job['Job'])}", "Job")
        yield from _request_as_designed(environment, job)
        yield from unexpected_properties(
            job,
            {
                "ServiceToken": environment.function_arn("framework-on-event"),
                "ServiceTimeout": "3600",
                "Environment": environment.name,
                "KeyName": "model",
            },
            also={*_FORMS, "Job", "Request"},
        )
        for property_, form in _FORMS.items():
            value = job[property_]
            optional = property_ in ("ValidationDatasetName", "ValidationDatasetDigest")
            if (value is not None or not optional) and not re.fullmatch(form, str(value)):
                yield at(job, f"{property_} is {shown(value)}, expected {form}", property_)
    if not jobs and environment.groups["job"] == MISSING:
        yield of_the_whole("no job, and no group for one")


def _request_as_designed(environment: Environment, job: Resource) -> Iterator[Violation]:
    bucket = environment.data_bucket.rsplit(":", maxsplit=1)[-1]
    request = job["Request"] or {}
    expected = {
        "roleArn": environment.roles["customization"],
        "customModelKmsKeyId": environment.model_key,
        "outputDataConfig": {"s3Uri": f"s3://{bucket}/outputs/{job['Job']}/"},
        "vpcConfig": {
            "subnetIds": [subnet.ref for subnet in environment.subnets["training"]],
            "securityGroupIds": [environment.groups["job"]],
        },
        "trainingDataConfig": expected_data(bucket, job, _dataset(bucket, job, "")),
        "baseModelIdentifier": _base_models(environment),
        "customizationType": re.compile("|".join(_KINDS)),
        # The model's are the job's.
        "customModelTags": request.get("jobTags"),
    }
    if job["ValidationDatasetName"] is not None:
        uri = _dataset(bucket, job, "Validation")
        expected["validationDataConfig"] = {"validators": [{"s3Uri": uri}]}
    reinforced = request.get("customizationType") == "REINFORCEMENT_FINE_TUNING"
    if request.get("customizationType") in _CONFIGURED:
        expected["customizationConfig"] = request.get("customizationConfig")
    for field in sorted({*request, *expected} - {"hyperParameters", "jobTags"}):
        if not _same(request.get(field), expected.get(field)):
            found, wanted = shown(request.get(field)), shown(expected.get(field))
            yield at(job, f"{field} is {found}, expected {wanted}", f"Request.{field}")
    if not reinforced and not isinstance(request.get("hyperParameters"), Mapping):
        yield at(job, "no hyperParameters", "Request.hyperParameters")


def _base_models(environment: Environment) -> re.Pattern[str]:
    """The base models that the submitter may customize, and models of one's own made of them."""
    ids = "|".join(map(re.escape, environment.base_models))
    own = re.escape(environment.arn("bedrock", "custom-model/"))
    return re.compile(rf"({own})?(?:{ids})(?(1)/[a-z0-9]{{12}})")


_NAME: Final = r"[a-z0-9][a-z0-9-]*"

_CONFIGURED: Final = {"DISTILLATION", "REINFORCEMENT_FINE_TUNING"}
"""Methods with a configuration of their own: a teacher, a grader. Policies hold what they name."""

_KINDS: Final = (
    "FINE_TUNING",
    "CONTINUED_PRE_TRAINING",
    "DISTILLATION",
    "REINFORCEMENT_FINE_TUNING",
)

_FORMS: Final = {
    "DatasetDigest": _DIGEST,
    "DatasetName": _NAME,
    "OnDelete": "delete-model|keep-model",
    "OnReplace": "delete-model|keep-model",
    "Run": r"[1-9]\d*",
    "ValidationDatasetDigest": _DIGEST,
    "ValidationDatasetName": _NAME,
    "ValidationMinutes": r"[1-9]\d?",
    "WaitFor": "submission|validation",
}
"""What the settings decide, by its form."""


def _dataset(bucket: str, resource: Resource, kind: str) -> re.Pattern[str]:
    """Where a data set lies: under its name and the digest of what is in it."""
    name, digest = (re.escape(str(resource[f"{kind}Dataset{each}"])) for each in ("Name", "Digest"))
    return re.compile(
        rf"s3://{re.escape(bucket)}/fine-tuning-datasets/{name}/{digest}/[\w.-]+\.jsonl"
    )


def _same(found: Any, expected: Any) -> bool:  # noqa: ANN401 - pieces of a request
    """Whether a piece of a request is as expected; a pattern stands for the texts it matches."""
    if isinstance(expected, re.Pattern):
        return isinstance(found, str) and expected.fullmatch(found) is not None
    if isinstance(expected, Mapping) and isinstance(found, Mapping):
        return set(found) == set(expected) and all(_same(found[k], expected[k]) for k in expected)
    if isinstance(expected, list) and any(not isinstance(each, str) for each in expected):
        return len(many(found)) == len(expected) and all(map(_same, many(found), expected))
    return bool(unordered(found) == unordered(expected))
