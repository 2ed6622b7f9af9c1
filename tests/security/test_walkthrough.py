"""Every step of the walk-through that infrastructure answers has its controls.

W1 to W17 are this project's names for the console steps of the AWS blog post "Security best
practices to consider while fine-tuning models in Amazon Bedrock".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from review.rules import RULES, Rule
from review.template.policies import grants
from tests.security.app_deployment import AppDeployment
from tests.security.control import Control
from tests.security.settings_controls import (
    jobs_are_those_of_the_settings,
    the_network_is_that_of_the_settings,
)
from tests.security.synthesis import WITH_INFERENCE

STEPS: dict[str, list[Rule]] = defaultdict(list)
for _rule in RULES.values():
    if _rule.step is not None and _rule.level == "error":
        STEPS[_rule.step].append(_rule)

NO_TEMPLATE: dict[str, str] = {
    "W0": "how a job runs, which nobody does",
    "W2": "`finetune data check` answers it",
}
"""Steps that no template does, and what answers them."""


def test_every_step_has_its_rules_or_a_reason() -> None:
    steps = {f"W{number}" for number in range(18)}
    assert set(STEPS) | set(NO_TEMPLATE) == steps
    assert set(STEPS) & set(NO_TEMPLATE) == set()


@pytest.mark.parametrize("step", sorted(STEPS))
def test_the_app_does_the_step(deployment: AppDeployment, step: str) -> None:
    assert [str(finding) for rule in STEPS[step] for finding in rule(deployment)] == []


# What each step makes, as a resource or a part of one: without it the step is not done, and one of
# its rules has to say so, or the control that knows what the settings ask for.
MADE: dict[str, tuple[str, dict[str, object], str | None]] = {
    "W1": ("AWS::IAM::Role", {"RoleName": "finetune-dev-us-east-1-uploader"}, None),
    "W3": ("AWS::KMS::Key", {"Description": "Custom models of the environment dev"}, None),
    "W4": ("AWS::S3::Bucket", {"LoggingConfiguration.LogFilePrefix": "training-bucket/"}, None),
    "W5": ("AWS::S3::BucketPolicy", {}, None),
    "W6": ("AWS::EC2::Subnet", {"AvailabilityZone": "us-east-1f"}, None),
    "W7": ("AWS::EC2::VPCEndpoint", {"ServiceName": "com.amazonaws.us-east-1.s3"}, None),
    "W8": ("AWS::EC2::SecurityGroupIngress", {"Description": "job to KMS"}, None),
    "W9": ("AWS::EC2::SecurityGroupIngress", {"Description": "job from itself"}, None),
    "W10": ("AWS::EC2::VPCEndpoint", {"ServiceName": "com.amazonaws.us-east-1.kms"}, None),
    "W11": ("AWS::IAM::ManagedPolicy", {"Description": "Reads datasets and writes outputs"}, None),
    "W12": (
        "AWS::KMS::Key",
        {"Description": "Custom models of the environment dev"},
        "KeyPolicy.Statement.1",
    ),
    "W13": ("Custom::BedrockModelCustomizationJob", {"Job": "policy-review"}, None),
    "W14": ("AWS::Events::Rule", {"Name": "finetune-dev-job-state"}, None),
    "W15": ("Custom::BedrockModelDeployment", {"Job": "bought"}, "Hours"),
    "W16": (
        "AWS::IAM::ManagedPolicy",
        {"Description": "Calls this environment's models through its own endpoint"},
        "PolicyDocument.Statement.0.Condition",
    ),
    "W17": ("AWS::S3::Bucket", {}, "Tags"),
}
SERVED = {"W15", "W16"}
"""Steps of an environment whose models are served, which neither of config/ is."""
SET: dict[str, Control] = {
    "W6": the_network_is_that_of_the_settings,
    "W13": jobs_are_those_of_the_settings,
}


def test_every_step_that_has_rules_makes_something() -> None:
    assert set(MADE) == set(STEPS)


@pytest.fixture
def served(variant: Callable[[Mapping[str, Any]], AppDeployment]) -> AppDeployment:
    """An environment with a deployment of each kind."""
    return variant(WITH_INFERENCE)


@pytest.mark.parametrize("step", sorted(SERVED))
def test_an_environment_that_serves_does_the_step(served: AppDeployment, step: str) -> None:
    assert [str(finding) for rule in STEPS[step] for finding in rule(served)] == []


@pytest.mark.parametrize("step", MADE)
def test_a_step_that_is_left_out_is_found(
    dev: AppDeployment, served: AppDeployment, step: str
) -> None:
    type_, properties, path = MADE[step]
    made = served if step in SERVED else dev
    without = (
        made.without_resources(type_, **properties)
        if path is None
        else made.without(type_, path, where=properties)
    )
    found = [str(finding) for rule in STEPS[step] for finding in rule(without)]
    assert found or (step in SET and SET[step](without))


def test_the_kms_endpoint_admits_the_keys_of_the_environment_alone(dev: AppDeployment) -> None:
    (endpoint,) = dev.where("AWS::EC2::VPCEndpoint", ServiceName="com.amazonaws.us-east-1.kms")
    keys = {key.arn for key in dev.of_type("AWS::KMS::Key")}
    assert {grant.resource for grant in grants(endpoint["PolicyDocument"])} == keys


def test_the_s3_endpoint_admits_the_write_that_outputs_need(dev: AppDeployment) -> None:
    """The post's sample policy lacks it, and so does a job's output then."""
    (endpoint,) = dev.where("AWS::EC2::VPCEndpoint", ServiceName="com.amazonaws.us-east-1.s3")
    written = {
        grant.resource
        for grant in grants(endpoint["PolicyDocument"])
        if grant.action == "s3:PutObject"
    }
    assert written == {"arn:aws:s3:::bucket-bucket/outputs/*"}
