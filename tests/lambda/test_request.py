"""A request that Bedrock would refuse is refused before a deployment, by its field's name."""

from __future__ import annotations

import copy
import re
import time
from collections.abc import Callable
from typing import Any

import pytest
from botocore.model import StructureShape
from botocore.validate import ParamValidator
from hypothesis import given, settings
from hypothesis import strategies as st

from customization.errors import JobRequestError
from customization.limits import (
    CREATE_JOB_SHAPE,
    bedrock_model,
    constraints,
    linear,
    matches,
    pattern,
)
from customization.request import JobRequest, ModelPolicy, WaitFor, validate_request

Properties = dict[str, Any]


def put(path: str, value: object) -> Callable[[Properties], None]:
    """Return a change that puts a value at a dotted path of the properties."""
    *parents, last = path.split(".")

    def change(properties: Properties) -> None:
        node = properties
        for parent in parents:
            node = node[parent]
        node[last] = value

    return change


def rename(path: str, new: str) -> Callable[[Properties], None]:
    *parents, last = path.split(".")

    def change(properties: Properties) -> None:
        node = properties
        for parent in parents:
            node = node[parent]
        node[new] = node.pop(last)

    return change


def drop(path: str) -> Callable[[Properties], None]:
    *parents, last = path.split(".")

    def change(properties: Properties) -> None:
        node = properties
        for parent in parents:
            node = node[parent]
        del node[last]

    return change


S3_URI = "Request.trainingDataConfig.s3Uri"
BAD: list[tuple[str, Callable[[Properties], None]]] = [
    # the API's fields
    ("vpcConfig.subnets is unknown", rename("Request.vpcConfig.subnetIds", "subnets")),
    ("vpcConfig.subnetIds is missing", rename("Request.vpcConfig.subnetIds", "subnets")),
    (
        "vpcConfig.securityGroups is unknown",
        rename("Request.vpcConfig.securityGroupIds", "securityGroups"),
    ),
    ("outputDataConfig is missing", drop("Request.outputDataConfig")),
    ("roleArn is missing", drop("Request.roleArn")),
    ("outputDataConfig.s3Uri is missing", drop("Request.outputDataConfig.s3Uri")),
    ("trainingDataConfig.s3Uri must match", put(S3_URI, "s3://made-bucket/dt=2026-01-01/t.jsonl")),
    ("trainingDataConfig.s3Uri must match", put(S3_URI, "s3://made-bucket/a b.jsonl")),
    ("trainingDataConfig.s3Uri must match", put(S3_URI, "s3://made-bucket//t.jsonl")),
    ("trainingDataConfig.s3Uri must match", put(S3_URI, "https://made-bucket/t.jsonl")),
    ("trainingDataConfig.s3Uri must have at most 1024", put(S3_URI, "s3://b" + "a" * 1020)),
    (
        "vpcConfig.subnetIds must have at most 16 entries, got 17",
        put("Request.vpcConfig.subnetIds", [f"subnet-{n}" for n in range(17)]),
    ),
    ("vpcConfig.subnetIds must have at least 1", put("Request.vpcConfig.subnetIds", [])),
    ("vpcConfig.subnetIds must be a list", put("Request.vpcConfig.subnetIds", "subnet-1")),
    ("vpcConfig.subnetIds[0] must match", put("Request.vpcConfig.subnetIds", ["subnet_1"])),
    (
        "vpcConfig.securityGroupIds must have at most 5 entries, got 6",
        put("Request.vpcConfig.securityGroupIds", [f"sg-{n}" for n in range(6)]),
    ),
    (
        "hyperParameters.epochCount must be a string, got a int: write it as '2'",
        put("Request.hyperParameters.epochCount", 2),
    ),
    (
        "hyperParameters.learningRate must be a string, got a float",
        put("Request.hyperParameters.learningRate", 1e-5),
    ),
    ("hyperParameters.shuffle must be a string", put("Request.hyperParameters.shuffle", True)),
    ("hyperParameters must be a map", put("Request.hyperParameters", ["epochCount"])),
    ("customizationType must be one of", put("Request.customizationType", "FineTuning")),
    ("customModelKmsKeyId must match", put("Request.customModelKmsKeyId", "my key")),
    ("roleArn must match", put("Request.roleArn", "arn:aws:iam::12:role/x")),
    ("roleArn must match", put("Request.roleArn", "arn:aws:iam::123456789012:role/x\n")),
    ("baseModelIdentifier must match", put("Request.baseModelIdentifier", "Nova 2 Lite")),
    ("jobTags[0].Key is unknown", put("Request.jobTags", [{"Key": "a", "Value": "b"}])),
    ("jobTags[0].value is missing", put("Request.jobTags", [{"key": "a"}])),
    ("jobTags[0].value must match", put("Request.jobTags", [{"key": "a", "value": "ü;"}])),
    (
        "jobTags must have at most 50",
        put("Request.jobTags", [{"key": f"k{n}", "value": ""} for n in range(48)]),
    ),
    ("more than once", put("Request.customModelTags", [{"key": "a", "value": "b"}] * 2)),
    ("'aws:' for itself", put("Request.jobTags", [{"key": "aws:x", "value": ""}])),
    (
        "validationDataConfig.validators must have at most 10",
        put("Request.validationDataConfig", {"validators": [{"s3Uri": "s3://made-bucket/v"}] * 11}),
    ),
    ("customizationConfig must hold exactly one", put("Request.customizationConfig", {})),
    (
        "customizationConfig.rftConfig.hyperParameters.epochCount must have at most 50",
        put(
            "Request.customizationConfig",
            {"rftConfig": {"hyperParameters": {"epochCount": "51"}}},
        ),
    ),
    (
        "customizationConfig.rftConfig.hyperParameters.batchSize must be a whole number",
        put("Request.customizationConfig", {"rftConfig": {"hyperParameters": {"batchSize": "x"}}}),
    ),
    (
        "customizationConfig.rftConfig.hyperParameters.learningRate must be a finite number",
        put(
            "Request.customizationConfig",
            {"rftConfig": {"hyperParameters": {"learningRate": "nan"}}},
        ),
    ),
    ("Request.jobName is derived", put("Request.jobName", "mine")),
    ("jobName must match", put("Request.jobName", "my_job")),
    ("Request.clientRequestToken is derived", put("Request.clientRequestToken", "t")),
    ("Request is missing", drop("Request")),
    # our own
    ("Environment must match", put("Environment", "Dev")),
    ("Job must match", put("Job", "my_job")),
    ("Job must match", put("Job", "j" * 31)),
    ("Job is missing", drop("Job")),
    ("CustomModelName", put("Job", "a--b")),
    ("DatasetDigest must match", put("DatasetDigest", "A" * 64)),
    ("Run must match", put("Run", "first")),
    ("WaitFor must match submission|validation", put("WaitFor", "completion")),
    ("OnDelete must match keep-model|delete-model", put("OnDelete", "retain")),
    ("ValidationMinutes must be 1 to 20", put("ValidationMinutes", "21")),
    ("Retries is unknown", put("Retries", "3")),
    ("ValidationDatasetDigest and Request.validation", put("ValidationDatasetDigest", "b" * 64)),
]


@pytest.mark.parametrize(
    ("named", "change"), BAD, ids=[f"{n}-{named}"[:60] for n, (named, _) in enumerate(BAD)]
)
def test_a_bad_request_is_refused_by_the_fields_name(
    named: str, change: Callable[[Properties], None], properties: Properties
) -> None:
    JobRequest.from_properties(properties)
    change(properties)
    with pytest.raises(JobRequestError) as caught:
        JobRequest.from_properties(properties)
    assert named in str(caught.value)


def test_all_problems_are_told_at_once(properties: Properties) -> None:
    properties["Job"] = "my_job"
    properties["Request"]["vpcConfig"]["subnets"] = []
    properties["Request"]["hyperParameters"]["epochCount"] = 2
    with pytest.raises(JobRequestError) as caught:
        JobRequest.from_properties(properties)
    assert len(caught.value.problems) == 3


def test_refused_values_are_left_out_of_what_a_function_logs(properties: Properties) -> None:
    properties["WaitFor"] = "planted-secret"
    properties["Request"]["roleArn"] = "planted-secret"
    with pytest.raises(JobRequestError, match="planted-secret"):
        JobRequest.from_properties(properties)
    with pytest.raises(JobRequestError) as caught:
        JobRequest.from_properties(properties, show_values=False)
    assert "planted-secret" not in str(caught.value)
    assert {problem.split()[0] for problem in caught.value.problems} == {"WaitFor", "roleArn"}


def test_strings_of_cloudformation_get_their_types_back(properties: Properties) -> None:
    properties["Request"]["customizationConfig"] = {
        "rftConfig": {
            "graderConfig": {
                "lambdaGrader": {
                    "lambdaArn": "arn:aws:lambda:eu-test-1:123456789012:function:grade"
                }
            },
            "hyperParameters": {"epochCount": "3", "learningRate": "1e-05"},
        }
    }
    properties["Request"]["trainingDataConfig"]["invocationLogsConfig"] = {
        "usePromptResponse": "true",
        "invocationLogSource": {"s3Uri": "s3://made-bucket/logs/"},
    }
    job = JobRequest.from_properties(properties)
    rft = job.request["customizationConfig"]["rftConfig"]
    assert rft["hyperParameters"] == {"epochCount": 3, "learningRate": 1e-05}
    logs = job.request["trainingDataConfig"]["invocationLogsConfig"]
    assert logs["usePromptResponse"] is True
    assert job.request["hyperParameters"] == {"epochCount": "2"}
    assert job.validation_minutes == 20
    assert (job.wait_for, job.on_delete) == (WaitFor.VALIDATION, ModelPolicy.DELETE)


def test_one_name_is_job_model_and_token_and_owner_tags_join_the_others(
    properties: Properties,
) -> None:
    properties["Request"]["jobTags"].append({"key": "finetune:job", "value": "stale"})
    arguments = JobRequest.from_properties(properties).create_arguments(attempt=2)
    name = arguments["jobName"]
    assert re.fullmatch(r"dev-tone-[0-9a-f]{16}-2", name)
    assert arguments["customModelName"] == arguments["clientRequestToken"] == name
    for field in ("jobTags", "customModelTags"):
        assert {tag["key"]: tag["value"] for tag in arguments[field]} == {
            "project": "made",
            "finetune:environment": "dev",
            "finetune:job": "tone",
            "finetune:digest": name.split("-")[2],
        }


@pytest.mark.parametrize(
    ("path", "value"),
    [
        ("Request.roleArn", "arn:aws:iam::123456789012:role/other"),
        ("Request.vpcConfig.subnetIds", ["subnet-2b", "subnet-1a"]),
        ("Request.vpcConfig.securityGroupIds", ["sg-2b"]),
        ("Request.customModelKmsKeyId", "alias/other"),
        ("Request.outputDataConfig.s3Uri", "s3://other-bucket/outputs/"),
        (S3_URI, "s3://other-bucket/t.jsonl"),
        ("Request.jobTags", [{"key": "team", "value": "made"}]),
        ("Request.customModelTags", []),
        ("WaitFor", "submission"),
        ("OnReplace", "delete-model"),
        ("OnDelete", "keep-model"),
        ("ValidationMinutes", "5"),
        ("DatasetName", "tone-renamed"),
        ("Request.hyperParameters.epochCount", "2.0"),
    ],
)
def test_what_does_not_change_the_training_does_not_change_the_digest(
    path: str, value: object, properties: Properties
) -> None:
    before = JobRequest.from_properties(properties)
    put(path, value)(properties)
    assert JobRequest.from_properties(properties).digest == before.digest
    put("Run", "2")(properties)
    assert JobRequest.from_properties(properties).digest != before.digest


SPELLINGS = st.recursive(
    st.one_of(st.none(), st.booleans(), st.integers(-5, 99), st.floats(), st.text(max_size=5)),
    lambda inner: st.one_of(
        st.lists(inner, max_size=3), st.dictionaries(st.text(max_size=5), inner, max_size=3)
    ),
    max_leaves=6,
)
SHAPE = bedrock_model().shape_for(CREATE_JOB_SHAPE)
assert isinstance(SHAPE, StructureShape)
GOOD = {
    "jobName": "a",
    "customModelName": "a",
    "roleArn": "arn:aws:iam::123456789012:role/x",
    "baseModelIdentifier": "amazon.nova-2-lite-v1:0:256k",
    "trainingDataConfig": {"s3Uri": "s3://made-bucket/t.jsonl"},
    "outputDataConfig": {"s3Uri": "s3://made-bucket/o/"},
    "vpcConfig": {"subnetIds": ["subnet-1"], "securityGroupIds": ["sg-1"]},
}


@settings(max_examples=250, deadline=None)
@given(
    field=st.sampled_from([*SHAPE.members, "vpcConfig.subnetIds", "outputDataConfig.s3Uri"]),
    value=SPELLINGS,
)
def test_whatever_botocore_refuses_is_refused_here_too(field: str, value: object) -> None:
    request = copy.deepcopy(GOOD)
    put(field, value)(request)
    if ParamValidator().validate(request, SHAPE).has_errors():
        assert validate_request(request)


def test_the_good_request_of_these_tests_is_good() -> None:
    assert validate_request(GOOD) == []


def test_limits_come_from_the_service_model_with_their_path() -> None:
    name = constraints(CREATE_JOB_SHAPE, "jobName")
    assert (name.minimum, name.maximum, name.required) == (1, 63, True)
    assert constraints(CREATE_JOB_SHAPE, "vpcConfig.subnetIds").maximum == 16
    assert constraints(CREATE_JOB_SHAPE, "vpcConfig.subnetIds[]").maximum == 32
    assert constraints(CREATE_JOB_SHAPE, "hyperParameters{}").kind == "string"
    assert "DISTILLATION" in constraints(CREATE_JOB_SHAPE, "customizationType").enum
    assert pattern("S3Uri").startswith("s3://")
    with pytest.raises(KeyError, match=r"vpcConfig\.subnets"):
        constraints(CREATE_JOB_SHAPE, "vpcConfig.subnets")
    with pytest.raises(KeyError, match="SubnetIds has no pattern"):
        pattern("SubnetIds")


@settings(max_examples=200, deadline=None)
@given(st.text(alphabet="aZ9-+._ ", max_size=9))
def test_the_linear_pattern_means_what_the_service_models_means(text: str) -> None:
    original = str(bedrock_model().shape_for("JobName").metadata["pattern"])
    assert linear(original) != original
    assert matches(value=text, expression=pattern("JobName")) == bool(
        re.fullmatch(original, text, re.ASCII)
    )


def test_a_hostile_job_name_is_refused_at_once() -> None:
    started = time.perf_counter()
    assert validate_request({**GOOD, "jobName": "a" + "-" * 61 + "_"})
    assert time.perf_counter() - started < 1
