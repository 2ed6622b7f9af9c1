"""The properties of a custom resource, as CloudFormation sends them: every value a string."""

from __future__ import annotations

import copy
from typing import Any

TRAINING = "a" * 64


def made() -> dict[str, Any]:
    """Return properties of its own for whoever asks."""
    return copy.deepcopy(_PROPERTIES)


_PROPERTIES: dict[str, Any] = {
    "ServiceToken": "arn:aws:lambda:eu-test-1:123456789012:function:framework",
    "ServiceTimeout": "3600",
    "Environment": "dev",
    "Job": "tone",
    "Run": "1",
    "DatasetName": "tone",
    "DatasetDigest": TRAINING,
    "KeyName": "model",
    "WaitFor": "validation",
    "OnReplace": "keep-model",
    "OnDelete": "delete-model",
    "ValidationMinutes": "20",
    "Request": {
        "roleArn": "arn:aws:iam::123456789012:role/AmazonBedrock-made",
        "baseModelIdentifier": "amazon.nova-2-lite-v1:0:256k",
        "customizationType": "FINE_TUNING",
        "customModelKmsKeyId": "arn:aws:kms:eu-test-1:123456789012:key/"
        "12345678-1234-1234-1234-123456789012",
        "trainingDataConfig": {
            "s3Uri": f"s3://made-bucket/fine-tuning-datasets/tone/{TRAINING}/tone.jsonl"
        },
        "outputDataConfig": {"s3Uri": "s3://made-bucket/outputs/tone/"},
        "hyperParameters": {"epochCount": "2"},
        "vpcConfig": {"subnetIds": ["subnet-1a"], "securityGroupIds": ["sg-1a"]},
        "jobTags": [{"key": "project", "value": "made"}],
        "customModelTags": [{"key": "project", "value": "made"}],
    },
}
