"""Every step of the walk-through that infrastructure answers has its controls.

W1 to W17 are this project's names for the console steps of the AWS blog post "Security best
practices to consider while fine-tuning models in Amazon Bedrock".
"""

from __future__ import annotations

import pytest

from review.template.policies import grants
from tests.security.app_deployment import AppDeployment
from tests.security.controls import (
    CONTROLS,
    Control,
    all_traffic_is_logged,
    buckets_are_private_and_versioned,
    buckets_have_one_policy_each,
    endpoints_are_private_ways_for_these_calls,
    everything_stored_is_encrypted,
    failures_raise_an_alarm,
    groups_let_only_these_paths_through,
    jobs_are_private,
    keys_and_roles_agree,
    keys_are_used_for_what_they_are_for,
    names_resolve_to_the_endpoints,
    no_way_to_the_internet,
    one_subnet_in_every_zone,
    people_hear_of_jobs_that_ended,
    roles_are_taken_only_by,
    roles_may_do_only_this,
    the_customization_role_is_guarded_against_confused_deputies,
    the_default_group_is_closed,
    the_follower_is_called_by_its_rules_alone,
    two_rotating_keys,
)

STEPS: dict[str, tuple[Control, ...]] = {
    "W3 a symmetric customer managed key": (two_rotating_keys,),
    "W4 a bucket encrypted with the key": (
        everything_stored_is_encrypted,
        buckets_are_private_and_versioned,
    ),
    "W5 datasets and outputs, their encryption kept": (buckets_have_one_policy_each,),
    "W6 private subnets in all zones": (
        one_subnet_in_every_zone,
        no_way_to_the_internet,
        all_traffic_is_logged,
    ),
    "W7 an S3 gateway endpoint limited to the bucket": (
        endpoints_are_private_ways_for_these_calls,
        names_resolve_to_the_endpoints,
    ),
    "W8 a group of the KMS endpoint that takes HTTPS": (groups_let_only_these_paths_through,),
    "W9 a group of the job that takes itself": (
        groups_let_only_these_paths_through,
        the_default_group_is_closed,
    ),
    "W10 a KMS endpoint limited to the keys": (endpoints_are_private_ways_for_these_calls,),
    "W11 a service role for Bedrock in this account": (
        the_customization_role_is_guarded_against_confused_deputies,
        roles_are_taken_only_by,
        roles_may_do_only_this,
    ),
    "W12 a key policy that names the role": (
        keys_are_used_for_what_they_are_for,
        keys_and_roles_agree,
    ),
    "W13 a job in the VPC, under the key, with the role": (jobs_are_private,),
    "W14 the job's status is told": (
        people_hear_of_jobs_that_ended,
        the_follower_is_called_by_its_rules_alone,
        failures_raise_an_alarm,
    ),
}


def test_steps_three_to_thirteen_have_a_control_each() -> None:
    """W1, W2 and W15 to W17 are commands' and people's: no template answers them."""
    assert [step.split()[0] for step in STEPS] == [f"W{number}" for number in range(3, 15)]
    assert all(STEPS.values())
    assert all(control in CONTROLS for controls in STEPS.values() for control in controls)


@pytest.mark.parametrize("step", STEPS)
def test_the_app_does_the_step(deployment: AppDeployment, step: str) -> None:
    assert [finding for control in STEPS[step] for finding in control(deployment)] == []


# What each step makes: without it the step is not done, and one of its controls has to say so.
MADE: dict[str, tuple[str, dict[str, object]]] = {
    "W3": ("AWS::KMS::Key", {"Description": "Custom models of the environment dev"}),
    "W4": ("AWS::S3::Bucket", {"LoggingConfiguration.LogFilePrefix": "training-bucket/"}),
    "W5": ("AWS::S3::BucketPolicy", {"Bucket": "bucket-bucket"}),
    "W6": ("AWS::EC2::Subnet", {"AvailabilityZone": "us-east-1f"}),
    "W7": ("AWS::EC2::VPCEndpoint", {"ServiceName": "com.amazonaws.us-east-1.s3"}),
    "W8": ("AWS::EC2::SecurityGroup", {"GroupDescription": "KMS interface endpoint"}),
    "W9": ("AWS::EC2::SecurityGroupIngress", {"Description": "job from itself"}),
    "W10": ("AWS::EC2::VPCEndpoint", {"ServiceName": "com.amazonaws.us-east-1.kms"}),
    "W11": ("AWS::IAM::ManagedPolicy", {"Description": "Reads datasets and writes outputs"}),
    "W12": ("AWS::KMS::Key", {"Description": "Custom models of the environment dev"}),
    "W13": ("Custom::BedrockModelCustomizationJob", {"Job": "policy-review"}),
    "W14": ("AWS::Events::Rule", {"Name": "finetune-dev-job-state"}),
}


@pytest.mark.parametrize("step", STEPS)
def test_a_step_that_is_left_out_is_found(dev: AppDeployment, step: str) -> None:
    type_, properties = MADE[step.split(maxsplit=1)[0]]
    without = dev.without_resources(type_, **properties)
    before = {finding for control in STEPS[step] for finding in control(dev)}
    assert {finding for control in STEPS[step] for finding in control(without)} - before


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
