"""The environment: one direction, names that are promised, and the same app everywhere."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import pytest

from review.template.deployment import ACCOUNT
from tests.security.app_deployment import AppDeployment
from tests.security.controls import (
    JOB,
    UNTAGGED_BY_THE_LIBRARY,
    carries_its_tags,
    findings,
    only_known_resources,
    stacks_wait_for_what_they_use,
)

if TYPE_CHECKING:
    from aws_cdk.assertions import Template

VariantMaker = Callable[[Mapping[str, Any]], AppDeployment]
PARTS = ("identity", "encryption", "network", "storage", "access", "engine")


def test_stacks_depend_in_one_direction(deployment: AppDeployment) -> None:
    """Identity, Encryption, Network, Storage, Access, Engine, then the jobs."""
    env = deployment.settings.environment
    order = [f"finetune-{env}-{part}" for part in PARTS]
    jobs = [f"finetune-{env}-job-{job}" for job in deployment.settings.jobs]
    assert set(deployment.templates) == {*order, *jobs}
    for position, stack in enumerate(order):
        assert deployment.dependencies[stack] <= set(order[:position])
    for job in jobs:
        assert deployment.dependencies[job] <= set(order)


def test_a_stack_waits_for_what_it_works_with(deployment: AppDeployment) -> None:
    assert stacks_wait_for_what_they_use(deployment) == []


@pytest.mark.parametrize(
    ("stack", "needed"),
    [("engine", "access"), ("engine", "storage"), ("job-policy-review", "access")],
)
def test_a_stack_that_does_not_wait_is_found(dev: AppDeployment, stack: str, needed: str) -> None:
    name = f"finetune-dev-{stack}"
    less = {**dev.dependencies, name: dev.dependencies[name] - {f"finetune-dev-{needed}"}}
    assert stacks_wait_for_what_they_use(dataclasses.replace(dev, dependencies=less))


def test_jobs_do_not_wait_for_each_other(variant: VariantMaker) -> None:
    job = {"base_model": "amazon.nova-micro-v1:0:128k", "dataset": "reviews"}
    two = variant({"jobs": {"one": job, "two": job}})
    assert "finetune-test-job-one" not in two.dependencies["finetune-test-job-two"]


def test_an_environment_stands_before_its_first_job(variant: VariantMaker) -> None:
    none = variant({"jobs": {}})
    assert set(none.templates) == {f"finetune-test-{part}" for part in PARTS}
    assert findings(none) == set()


def test_outputs_are_those_that_the_commands_read(deployment: AppDeployment) -> None:
    promised = {
        "storage": {"DataBucketName", "AccessLogBucketName"},
        "encryption": {"DataKeyArn", "ModelKeyArn"},
        "identity": {"UploaderRoleArn", "ReaderRoleArn", "CustomizationRoleArn"},
        "engine": {"StateTableName", "JobTopicArn", "SubmitterFunctionName"},
    }
    env = deployment.settings.environment
    for part, names in promised.items():
        found = {name for stack, name in deployment.outputs if stack == f"finetune-{env}-{part}"}
        assert names <= found
        # What else there is, the library made for other stacks.
        assert not [name for name in found - names if not re.match("(Exports|Publish)Output", name)]


def test_nothing_is_deployed_that_no_control_looks_at(deployment: AppDeployment) -> None:
    assert only_known_resources(deployment) == []


def test_a_resource_of_an_unknown_type_is_found(dev: AppDeployment) -> None:
    assert only_known_resources(dev.plus("storage", "AWS::EFS::FileSystem"))


def test_every_resource_carries_the_tags_of_the_settings(deployment: AppDeployment) -> None:
    assert carries_its_tags(deployment) == []


def test_an_untagged_resource_is_found(dev: AppDeployment) -> None:
    assert carries_its_tags(dev.without("AWS::S3::Bucket", "Tags"))
    assert carries_its_tags(dev.put("AWS::S3::Bucket", "Tags", [{"Key": "a", "Value": "b"}]))


def test_the_exceptions_from_tags_are_still_needed(dev: AppDeployment) -> None:
    untagged = {each.ref for each in dev.resources if each.ref in UNTAGGED_BY_THE_LIBRARY}
    assert untagged == UNTAGGED_BY_THE_LIBRARY
    assert all(each["Tags"] is None for each in dev.resources if each.ref in untagged)


def test_the_termination_of_prod_is_protected_and_of_dev_is_not(
    dev: AppDeployment, prod: AppDeployment
) -> None:
    assert dev.protected == frozenset()
    assert prod.protected == {f"finetune-prod-{part}" for part in PARTS}


def test_templates_name_no_account(deployment: AppDeployment) -> None:
    """No account id and none of AWS's partition in front of one: credentials say where."""
    text = json.dumps(deployment.templates)
    assert ACCOUNT not in text
    assert not re.search(r"(?<![0-9a-f])[0-9]{12}(?![0-9a-f])", text)


def test_a_named_account_is_used(variant: VariantMaker) -> None:
    named = variant({"account": "444455556666"})
    assert findings(named) == set()


@pytest.mark.parametrize(
    ("region", "network"),
    [
        ("eu-central-1", {}),
        (
            "us-gov-west-1",
            {"s3_prefix_list_id": "pl-1234abcd", "dynamodb_prefix_list_id": "pl-5678abcd"},
        ),
        (
            "cn-north-1",
            {"s3_prefix_list_id": "pl-1234abcd", "dynamodb_prefix_list_id": "pl-5678abcd"},
        ),
    ],
)
def test_the_foundations_are_the_same_in_every_region_and_partition(
    variant: VariantMaker, region: str, network: Mapping[str, str]
) -> None:
    """No base model of the table is customizable in each of them, so the jobs stay away."""
    made = variant({"region": region, "network": dict(network), "jobs": {}})
    assert findings(made) == set()
    if made.partition != "aws":
        assert "arn:aws:" not in json.dumps([resource.properties for resource in made.resources])


def test_a_job_is_the_same_in_another_region(variant: VariantMaker) -> None:
    model = "meta.llama3-2-1b-instruct-v1:0:128k"
    jobs = {"review": {"base_model": model, "dataset": "reviews"}}
    assert findings(variant({"region": "us-west-2", "jobs": jobs})) == set()


@pytest.mark.parametrize("zones", ["a", "abcdef", "abcdefghijklmnop"])
def test_every_control_holds_with_one_to_sixteen_zones(variant: VariantMaker, zones: str) -> None:
    made = variant({"network": {"training_zones": list(zones)}})
    assert findings(made) == set()
    (job,) = made.of_type(JOB)
    assert len(job["Request.vpcConfig.subnetIds"]) == len(zones)


def test_two_environments_share_no_name(dev: AppDeployment, prod: AppDeployment) -> None:
    def names(deployment: AppDeployment) -> set[str]:
        properties = (
            "RoleName", "FunctionName", "TableName", "LogGroupName", "Name", "AliasName",
            "AlarmName",
        )  # fmt: skip
        # These say whose they are, by a name that may be the library's: they have none themselves.
        about_others = {"AWS::Lambda::EventInvokeConfig", "AWS::Lambda::Permission"}
        return {
            str(resource[name])
            for resource in deployment.resources
            if resource.type not in about_others
            for name in properties
            if resource[name]
        }

    assert names(dev)
    assert names(dev) & names(prod) == set()


def test_names_of_roles_carry_the_region(dev: AppDeployment) -> None:
    """IAM names are unique in an account whatever the Region."""
    named = [role["RoleName"] for role in dev.of_type("AWS::IAM::Role") if role["RoleName"]]
    assert named
    assert all("-us-east-1-" in name for name in named)
    longest = max(map(len, named)) + len("ap-southeast-7") - len("us-east-1") + 12 - len("dev")
    assert longest <= 64, "a role name must stay within IAM's 64 characters"


def test_keys_rotate_in_the_librarys_own_words(templates: Mapping[str, Template]) -> None:
    """The same claim read by aws_cdk.assertions, which shares no code with the controls."""
    templates["encryption"].all_resources_properties("AWS::KMS::Key", {"EnableKeyRotation": True})
    templates["storage"].resource_count_is("AWS::S3::Bucket", 2)
