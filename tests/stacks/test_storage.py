"""Storage: a private bucket written once, open to those the settings name, through our endpoint."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable, Mapping
from typing import Any

import pytest

from review.template.policies import grants
from tests.security.app_deployment import AppDeployment
from tests.security.controls import (
    buckets_are_private_and_versioned,
    buckets_have_one_policy_each,
    keeps_what_the_settings_keep,
)

BUCKET = "AWS::S3::Bucket"
POLICY = "AWS::S3::BucketPolicy"
DATA = {"Bucket": "bucket-bucket"}


def test_buckets_are_private_versioned_and_logged(deployment: AppDeployment) -> None:
    assert buckets_are_private_and_versioned(deployment) == []


@pytest.mark.parametrize(
    "path",
    [
        "PublicAccessBlockConfiguration",
        "PublicAccessBlockConfiguration.BlockPublicAcls",
        "PublicAccessBlockConfiguration.BlockPublicPolicy",
        "PublicAccessBlockConfiguration.IgnorePublicAcls",
        "PublicAccessBlockConfiguration.RestrictPublicBuckets",
        "OwnershipControls",
        "VersioningConfiguration",
        "LifecycleConfiguration",
    ],
)
def test_a_bucket_without_a_protection_is_found(dev: AppDeployment, path: str) -> None:
    assert buckets_are_private_and_versioned(dev.without(BUCKET, path))


def test_a_bucket_without_access_logs_is_found(dev: AppDeployment) -> None:
    where = {"LoggingConfiguration.LogFilePrefix": "training-bucket/"}
    assert buckets_are_private_and_versioned(
        dev.without(BUCKET, "LoggingConfiguration", where=where)
    )


@pytest.mark.parametrize(
    ("property_", "value"),
    [
        ("AccessControl", "PublicRead"),
        ("CorsConfiguration", {"CorsRules": []}),
        ("WebsiteConfiguration", {"IndexDocument": "index.html"}),
        ("ReplicationConfiguration", {"Role": "x", "Rules": []}),
        ("VersioningConfiguration", {"Status": "Suspended"}),
    ],
)
def test_a_bucket_with_something_more_is_found(
    dev: AppDeployment, property_: str, value: object
) -> None:
    assert buckets_are_private_and_versioned(dev.put(BUCKET, property_, value))


def test_each_bucket_has_one_policy_that_says_exactly_this(deployment: AppDeployment) -> None:
    assert buckets_have_one_policy_each(deployment) == []


@pytest.mark.parametrize(
    "sid",
    [
        "DenyAnotherKey",
        "DenyAnotherEncryption",
        "DenyDataToOthers",
        "DenyListingToOthers",
        "DenyOverwritingDatasets",
        "DenyDeletingToAllButAdministrators",
        "DenyCustomizationOutsideTheEndpoint",
    ],
)
@pytest.mark.parametrize(
    "element", ["", ".Condition", ".Principal", ".Action", ".Resource", ".Effect"]
)
def test_a_weaker_denial_is_found(dev: AppDeployment, sid: str, element: str) -> None:
    path = f"PolicyDocument.Statement.Sid={sid}{element}"
    if element in {"", ".Condition"}:
        weaker = dev.without(POLICY, path, where=DATA)
    else:
        values = {
            ".Principal": {"AWS": "arn:aws:iam::111122223333:root"},
            ".Action": "s3:PutObjectAcl",
            ".Resource": "arn:aws:s3:::another",
            ".Effect": "Allow",
        }
        weaker = dev.put(POLICY, path, values[element], where=DATA)
    assert buckets_have_one_policy_each(weaker)


def test_plain_http_and_old_tls_are_refused(deployment: AppDeployment) -> None:
    for policy in deployment.of_type(POLICY):
        bucket = f"arn:{deployment.partition}:s3:::{policy['Bucket']}"
        said = grants(policy["PolicyDocument"])
        for condition in (
            ("Bool", "aws:SecureTransport", ("false",)),
            ("NumericLessThan", "s3:TlsVersion", ("1.2",)),
        ):
            denied = {
                grant.resource
                for grant in said
                if grant[:3] == ("Deny", "*", "s3:*") and grant.conditions == (condition,)
            }
            assert denied == {bucket, f"{bucket}/*"}


def test_a_bucket_that_takes_plain_http_is_found(dev: AppDeployment) -> None:
    assert buckets_have_one_policy_each(dev.without(POLICY, "PolicyDocument.Statement.0"))


def test_nobody_is_denied_to_repair_the_policy(deployment: AppDeployment) -> None:
    """A bucket whose policy nobody may change is lost."""
    for policy in deployment.of_type(POLICY):
        for grant in grants(policy["PolicyDocument"]):
            if grant.effect == "Deny" and grant.action in {"s3:*", "*"}:
                (condition,) = grant.conditions
                assert condition[1] in {"aws:SecureTransport", "s3:TlsVersion"}
            assert not grant.action.startswith(("s3:PutBucketPolicy", "s3:DeleteBucketPolicy"))


def test_a_second_policy_on_a_bucket_is_found(dev: AppDeployment) -> None:
    more = dev.plus(
        "storage", POLICY, Bucket="bucket-bucket", PolicyDocument={"Version": "2012-10-17"}
    )
    assert buckets_have_one_policy_each(more)


def test_the_endpoint_is_required_as_the_setting_says(
    variant: Callable[[Mapping[str, Any]], AppDeployment],
) -> None:
    without = variant({"storage": {"require_endpoint": False}})
    assert buckets_have_one_policy_each(without) == []
    (policy,) = without.where(POLICY, **DATA)
    assert not [
        grant
        for grant in grants(policy["PolicyDocument"])
        if any(key == "aws:SourceVpce" for _, key, _ in grant.conditions)
    ]


def test_prod_keeps_its_data_and_dev_does_not(dev: AppDeployment, prod: AppDeployment) -> None:
    assert keeps_what_the_settings_keep(dev) == []
    assert keeps_what_the_settings_keep(prod) == []
    assert prod.settings.storage.retain
    assert not dev.settings.storage.retain


@pytest.mark.parametrize(
    "type_", ["AWS::S3::Bucket", "AWS::KMS::Key", "AWS::Logs::LogGroup", "AWS::DynamoDB::Table"]
)
@pytest.mark.parametrize("when", ["DeletionPolicy", "UpdateReplacePolicy"])
def test_data_that_goes_with_the_stack_is_found(prod: AppDeployment, type_: str, when: str) -> None:
    def change(templates: dict[str, Any]) -> None:
        for template in templates.values():
            for resource in template["Resources"].values():
                if resource["Type"] == type_:
                    resource[when] = "Delete"

    assert keeps_what_the_settings_keep(prod.changed(change))


def test_a_table_without_deletion_protection_is_found(prod: AppDeployment) -> None:
    table = "AWS::DynamoDB::Table"
    assert keeps_what_the_settings_keep(prod.put(table, "DeletionProtectionEnabled", False))


def test_a_stack_without_termination_protection_is_found(prod: AppDeployment) -> None:

    assert keeps_what_the_settings_keep(dataclasses.replace(prod, protected=frozenset()))
