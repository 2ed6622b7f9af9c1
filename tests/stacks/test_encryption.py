"""Encryption: two keys, each used for what it is for, and everything stored under one of them."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from review.template.deployment import ABSENT
from review.template.policies import grants
from tests.security.app_deployment import AppDeployment
from tests.security.controls import (
    everything_stored_is_encrypted,
    keys_and_roles_agree,
    keys_are_used_for_what_they_are_for,
    two_rotating_keys,
)

KEY = "AWS::KMS::Key"


def test_there_are_two_symmetric_rotating_keys(deployment: AppDeployment) -> None:
    assert two_rotating_keys(deployment) == []


@pytest.mark.parametrize(
    ("property_", "value"),
    [
        ("EnableKeyRotation", False),
        ("EnableKeyRotation", ABSENT),
        ("PendingWindowInDays", 8),
        ("KeySpec", "RSA_2048"),
        ("KeyUsage", "SIGN_VERIFY"),
        ("MultiRegion", True),
        ("Enabled", False),
        ("Origin", "EXTERNAL"),
    ],
)
def test_a_weaker_key_is_found(dev: AppDeployment, property_: str, value: object) -> None:
    assert two_rotating_keys(dev.put(KEY, property_, value))


def test_a_key_more_or_less_is_found(dev: AppDeployment) -> None:
    assert two_rotating_keys(dev.plus("encryption", KEY, EnableKeyRotation=True))
    assert two_rotating_keys(
        dev.without_resources(KEY, Description="Custom models of the environment dev")
    )
    assert two_rotating_keys(dev.put("AWS::KMS::Alias", "AliasName", "alias/other"))


def test_keys_are_used_through_the_service_they_are_for(deployment: AppDeployment) -> None:
    assert keys_are_used_for_what_they_are_for(deployment) == []


@pytest.mark.parametrize(
    "sid",
    [
        "AccountAdministers",
        "DataInTheBucket",
        "StateInTheTable",
        "TableIsMade",
        "TableTakesAGrant",
        "FailedEventsInTheQueue",
        "LogGroups",
        "AnnouncementsOnTheTopic",
        "UndeliveredEventsInTheQueue",
        "AlarmsOnTheTopic",
    ],
)
def test_a_statement_taken_from_the_data_key_is_found(dev: AppDeployment, sid: str) -> None:
    where = {"Description": "Data, logs and state of the environment dev"}
    weaker = dev.without(KEY, f"KeyPolicy.Statement.Sid={sid}", where=where)
    assert keys_are_used_for_what_they_are_for(weaker)


@pytest.mark.parametrize("sid", ["PermissionsEncryptCustomModel", "PermissionsDecryptModel"])
@pytest.mark.parametrize(
    ("element", "value"),
    [
        ("Condition", {}),
        ("Principal", {"AWS": "*"}),
        ("Action", "kms:*"),
        ("Effect", "Deny"),
    ],
)
def test_a_widened_statement_of_the_model_key_is_found(
    dev: AppDeployment, sid: str, element: str, value: object
) -> None:
    where = {"Description": "Custom models of the environment dev"}
    weaker = dev.put(KEY, f"KeyPolicy.Statement.Sid={sid}.{element}", value, where=where)
    assert keys_are_used_for_what_they_are_for(weaker)


def test_the_account_administers_keys_and_cannot_use_them(deployment: AppDeployment) -> None:
    """Root keeps PutKeyPolicy, or the key is lost; it has no use and no grant without condition."""
    for key in deployment.of_type(KEY):
        unconditional = {grant.action for grant in grants(key["KeyPolicy"]) if not grant.conditions}
        assert "kms:PutKeyPolicy" in unconditional
        used = {"Decrypt", "Encrypt", "GenerateDataKey", "ReEncryptFrom", "CreateGrant", "*"}
        assert unconditional.isdisjoint({f"kms:{action}" for action in used})


def test_no_role_is_a_principal_of_a_key(deployment: AppDeployment) -> None:
    """KMS stores a role as its unique id: a kept key would trust nobody after a redeploy."""
    for key in deployment.of_type(KEY):
        principals = {grant.principal for grant in grants(key["KeyPolicy"])}
        assert not [each for each in principals if ":role/" in each or each == "*"]


def test_keys_and_roles_agree_on_who_may_use_what(deployment: AppDeployment) -> None:
    assert keys_and_roles_agree(deployment) == []


@pytest.mark.parametrize(
    "keys", [{"direct_kms": True}, {"direct_kms": False, "submitter_uses_model_key": False}]
)
def test_keys_and_roles_agree_whatever_the_settings(
    variant: Callable[[Mapping[str, Any]], AppDeployment], keys: Mapping[str, bool]
) -> None:
    assert keys_and_roles_agree(variant({"keys": dict(keys)})) == []


def test_a_permission_on_one_side_alone_is_found(dev: AppDeployment) -> None:
    where = {"Description": "Data, logs and state of the environment dev"}
    statement = "KeyPolicy.Statement.Sid=DataInTheBucket"
    assert keys_and_roles_agree(dev.without(KEY, statement, where=where))
    reads = {"Description": "Reads datasets and outputs"}
    said = "PolicyDocument.Statement.Sid=DataKeyThroughS3"
    assert keys_and_roles_agree(dev.without("AWS::IAM::ManagedPolicy", said, where=reads))


def test_everything_stored_is_under_the_data_key(deployment: AppDeployment) -> None:
    assert everything_stored_is_encrypted(deployment) == []


@pytest.mark.parametrize(
    ("type_", "path"),
    [
        ("AWS::S3::Bucket", "BucketEncryption"),
        ("AWS::Logs::LogGroup", "KmsKeyId"),
        ("AWS::DynamoDB::Table", "SSESpecification"),
        ("AWS::DynamoDB::Table", "SSESpecification.KMSMasterKeyId"),
        ("AWS::SQS::Queue", "KmsMasterKeyId"),
        ("AWS::SNS::Topic", "KmsMasterKeyId"),
    ],
)
def test_something_stored_in_the_open_is_found(dev: AppDeployment, type_: str, path: str) -> None:
    assert everything_stored_is_encrypted(dev.without(type_, path))


def test_the_model_key_on_stored_data_is_found(dev: AppDeployment) -> None:
    model_key = next(key.arn for key in dev.of_type(KEY) if key.ref.endswith("-model"))
    assert everything_stored_is_encrypted(dev.put("AWS::Logs::LogGroup", "KmsKeyId", model_key))


def test_the_settings_about_keys_do_what_they_say(
    variant: Callable[[Mapping[str, Any]], AppDeployment],
) -> None:
    tighter = variant({"keys": {"submitter_uses_model_key": False, "pending_window_days": 7}})
    assert keys_are_used_for_what_they_are_for(tighter) == []
    assert two_rotating_keys(tighter) == []
    direct = variant({"keys": {"direct_kms": True}})
    assert keys_are_used_for_what_they_are_for(direct) == []
