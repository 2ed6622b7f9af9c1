"""Controls of the keys and of what is encrypted with them."""

from __future__ import annotations

import json

from review.template.deployment import Resource
from review.template.policies import Grant
from tests.security.app_deployment import AppDeployment
from tests.security.control import control, exactly, policy_findings, property_findings, role_grants
from tests.security.permissions import permissions_of


@control
def two_rotating_keys(deployment: AppDeployment) -> list[str]:
    """A data key and a model key: symmetric, of the customer, rotating, in one Region."""
    keys, findings = exactly(deployment, "AWS::KMS::Key", 2)
    env = deployment.settings.environment
    names = {f"key-finetune-{env}-data", f"key-finetune-{env}-model"}
    if {key.ref for key in keys} != names:
        findings.append(f"keys {sorted(key.ref for key in keys)}, expected {sorted(names)}")
    window = deployment.settings.keys.pending_window_days
    for key in keys:
        # What is absent is AWS's default: enabled, symmetric, encrypt and decrypt, one Region.
        findings += property_findings(
            key,
            {"EnableKeyRotation": True, "PendingWindowInDays": window},
            also={"KeyPolicy", "Description", "Tags"},
        )
    return findings


@control
def keys_are_used_for_what_they_are_for(deployment: AppDeployment) -> list[str]:
    """Each key's policy names who uses it through which service; the account administers."""
    permissions = permissions_of(deployment)
    env = deployment.settings.environment
    expected = {
        f"key-finetune-{env}-data": permissions.data_key_policy,
        f"key-finetune-{env}-model": permissions.model_key_policy,
    }
    return [
        finding
        for key in deployment.of_type("AWS::KMS::Key")
        for finding in policy_findings(key, "KeyPolicy", expected.get(key.ref, set()))
    ]


@control
def keys_and_roles_agree(deployment: AppDeployment) -> list[str]:
    """What a role may do with a key, the key's policy lets it do, and the other way round.

    The account is the principal of the keys' statements, so both sides have to allow: a permission
    on one side alone is denied, and nobody sees it before a job fails.
    """
    policies = {key.arn: key.grants("KeyPolicy") for key in deployment.of_type("AWS::KMS::Key")}
    roles = {role.arn: role.ref for role in deployment.of_type("AWS::IAM::Role")}
    by_role = {arn: role_grants(deployment, name) for arn, name in roles.items()}
    findings = []
    for arn, said in by_role.items():
        for grant in said:
            if not grant.action.startswith("kms:") or grant.resource not in policies:
                continue
            service = _values(grant, "kms:ViaService")
            if not any(
                each.action == grant.action
                and _values(each, "kms:ViaService") in (set(), service)
                and (_values(each, "aws:PrincipalArn") or {arn}) & {arn}
                for each in policies[grant.resource]
                if each.principal.startswith("AWS:")
            ):
                findings.append(f"{roles[arn]}: the key's policy does not admit it: {grant}")
    for key, policy in policies.items():
        for each in policy:
            for arn in _values(each, "aws:PrincipalArn") & set(by_role):
                service = _values(each, "kms:ViaService")
                # A role that reads may be admitted together with those that write.
                if not any(
                    grant.resource == key and _values(grant, "kms:ViaService") == service
                    for grant in by_role[arn]
                ):
                    findings.append(f"{roles[arn]}: has no permission of its own for: {each}")
    return sorted(findings)


def _values(grant: Grant, key: str) -> set[str]:
    """What a grant's conditions say of a key; empty when they say nothing."""
    return {value for _, name, values in grant.conditions if name == key for value in values}


@control
def everything_stored_is_encrypted(deployment: AppDeployment) -> list[str]:
    """Bucket, logs, table, queue and topic under the data key."""
    key = permissions_of(deployment).data_key
    key_id = key.rsplit("/", maxsplit=1)[-1]
    findings = []

    def check(resource: Resource, what: str, found: object, expected: object) -> None:
        if found != expected:
            findings.append(f"{resource}: {what} is {json.dumps(found)}, expected {expected}")

    for bucket in deployment.of_type("AWS::S3::Bucket"):
        rules = bucket["BucketEncryption.ServerSideEncryptionConfiguration"]
        # S3's log delivery writes with SSE-S3: the access-log bucket is the one exception.
        check(
            bucket,
            "encryption",
            rules,
            [{"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}]
            if bucket.ref == "bucket-accesslogs"
            else [
                {
                    "BucketKeyEnabled": True,
                    "ServerSideEncryptionByDefault": {
                        "KMSMasterKeyID": key,
                        "SSEAlgorithm": "aws:kms",
                    },
                }
            ],
        )
    for group in deployment.of_type("AWS::Logs::LogGroup"):
        check(group, "KmsKeyId", group["KmsKeyId"], key)
    for table in deployment.of_type("AWS::DynamoDB::Table"):
        check(
            table,
            "SSESpecification",
            table["SSESpecification"],
            {"KMSMasterKeyId": key, "SSEEnabled": True, "SSEType": "KMS"},
        )
    for resource in deployment.of_type("AWS::SQS::Queue", "AWS::SNS::Topic"):
        # Both take the key's id as well as its ARN.
        if resource["KmsMasterKeyId"] != key_id:
            check(resource, "KmsMasterKeyId", resource["KmsMasterKeyId"], key)
    return findings
