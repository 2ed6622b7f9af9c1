"""Every error text that is known is answered with what to do, in a response that fits."""

from __future__ import annotations

import json

import pytest

from customization import remedies
from customization.errors import CustomizationError, JobFailedError
from tests.fakes.aws import FakeAws, Fault, RefusalError
from tests.fakes.cloudformation import Resource

MOST_BYTES = 4096
"""https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-responses.html"""
FRAMEWORK_LINES = "\n\nLogs: /aws/lambda/" + "f" * 64 + "\n\n" + "    at a line of Node.js\n" * 12
"""What the provider framework puts behind an error's text: its log group and its own stack."""
PLANTED = "planted-in-the-properties"

REFUSALS = [
    ("ValidationException", text)
    for text in (
        "Could not assume provided IAM role. Please ensure the role exists and can be assumed.",
        "Amazon S3 perms missing (GetObject): Could not validate GetObject permissions to access "
        "Amazon S3 bucket: made-bucket at key tone.jsonl",
        "Amazon S3 perms missing (PutObject): Could not validate PutObject permissions to access "
        "S3 bucket: made-bucket at key output/.write_access_check_file.tmp",
        "Invalid training input data configuration: Uri should be a file, not a directory",
        "The provided model identifier is invalid.",
        "The provided job name is currently in use.",
    )
] + [
    (
        "AccessDeniedException",
        "User: made is not authorized to perform: bedrock:CreateModelCustomizationJob on resource: "
        "arn:aws:bedrock:us-west-2:123456789012:model-customization-job/*",
    ),
    ("AccessDeniedException", "User: made is not authorized to perform: iam:PassRole on resource"),
    ("AccessDeniedException", "made is not authorized to perform: kms:CreateGrant on resource"),
    ("AccessDeniedException", "made is not authorized to perform: ec2:CreateNetworkInterface"),
    ("AccessDeniedException", "no VPC endpoint policy allows the bedrock:Create action"),
    ("ConflictException", "made up"),
    ("ServiceQuotaExceededException", "too many scheduled jobs"),
    ("TooManyTagsException", "made up"),
]
FAILURES = [
    "Unable to parse Amazon S3 file: tone.jsonl",
    'Input data at tone.jsonl must follow {"prompt","completion"} format',
    "Data download failed:Failed to download data. Error downloading manifest for channel train.",
    "Data download failed:Failed to download data. Error downloading manifest for channel train. "
    "The communication between worker nodes and leader node is broken. Please ensure that the "
    "subnet's security group inbound and outbound connections are allowed between members",
    "Could not assume provided IAM role",
    "Amazon S3 perms missing (PutObject): Could not validate PutObject permissions",
]


def response_bytes(text: str) -> int:
    """Return the size of CloudFormation's response with a text as the framework sends it."""
    response = {
        "Status": "FAILED",
        "Reason": f"Error: {text}{FRAMEWORK_LINES}",
        "StackId": "arn:aws:cloudformation:eu-test-1:123456789012:stack/"
        + "s" * 128
        + "/"
        + "0" * 36,
        "RequestId": "0" * 36,
        "LogicalResourceId": "L" * 255,
        "PhysicalResourceId": "p" * 63,
    }
    return len(json.dumps(response, ensure_ascii=False).encode())


def is_told(text: str, *, name: str, message: str) -> bool:
    """Return whether a text says what, in whose words, why, and what to do, and nothing more."""
    words = (name, message, "likely cause: ", "; remedy: ")
    return all(word in text for word in words) and PLANTED not in text


@pytest.mark.parametrize(("code", "message"), REFUSALS)
def test_a_refusal_is_told_with_name_message_cause_and_remedy(
    code: str, message: str, aws: FakeAws, resource: Resource
) -> None:
    resource.properties["Request"]["jobTags"] = [{"key": "project", "value": PLANTED}]
    refusal = RefusalError(code, message, 400)
    aws.faults.append(Fault("CreateModelCustomizationJob", refusal, times=99))
    with pytest.raises(CustomizationError) as caught:
        resource.create()
    text = str(caught.value)
    (name,) = (each for each in aws.items if each.startswith("dev-tone-"))
    assert is_told(text, name=name, message=message), text
    assert response_bytes(text) < MOST_BYTES


@pytest.mark.parametrize("phase", ["validationDetails", "dataProcessingDetails", "trainingDetails"])
@pytest.mark.parametrize("message", FAILURES)
def test_a_failure_is_told_with_phase_besides(
    message: str, phase: str, aws: FakeAws, resource: Resource
) -> None:
    name = resource.create()["PhysicalResourceId"]
    aws.end_job(name, "Failed", failure=message, phase=phase)
    with pytest.raises(JobFailedError) as caught:
        resource.is_complete()
    text = str(caught.value)
    assert is_told(text, name=name, message=message), text
    assert f"in the phase '{phase.removesuffix('Details').replace('P', ' p')}'" in text
    assert response_bytes(text) < MOST_BYTES


def test_every_known_remedy_is_met_by_one_of_these_texts() -> None:
    texts = [f"{code}: {message}" for code, message in REFUSALS] + FAILURES
    met = {id(remedies.find(text)) for text in [*texts, "ThrottlingException: too fast"]}
    assert met >= {id(remedy) for remedy in remedies.REMEDIES}


def test_a_text_that_nobody_knows_says_where_to_read() -> None:
    assert "remedy: " in remedies.advice(FAILURES[0])
    assert "remedy: " not in remedies.advice("new")
    assert "fine-tuning-troubleshooting.html" in remedies.advice("new")


@pytest.mark.parametrize(
    "text", ["x" * 9000, "é" * 9000, '"\n\\' * 3000, "\x01" * 5000, "語" * 5000]
)
def test_no_text_is_too_long_for_cloudformation(text: str) -> None:
    assert response_bytes(str(CustomizationError(text))) < MOST_BYTES
    assert response_bytes(text) > MOST_BYTES, "it would have been"


def test_a_text_without_its_remedy_would_be_noticed() -> None:
    text = "Bedrock refused job made: ValidationException: no; likely cause: made; remedy: made"
    assert is_told(text, name="made", message="no")
    assert not is_told(text.replace("remedy", ""), name="made", message="no")
    assert not is_told(text + PLANTED, name="made", message="no")
