"""Controls of the buckets and their policies."""

from __future__ import annotations

from typing import Any

from tests.security.app_deployment import AppDeployment
from tests.security.control import control, exactly, policy_findings, property_findings
from tests.security.permissions import permissions_of


@control
def buckets_are_private_and_versioned(deployment: AppDeployment) -> list[str]:
    """Two buckets: no public access, no ACLs, versions kept, access logged, logs expiring."""
    buckets, findings = exactly(deployment, "AWS::S3::Bucket", 2)
    if sorted(bucket.ref for bucket in buckets) != ["bucket-accesslogs", "bucket-bucket"]:
        findings.append("expected one bucket with access logs and one that takes them")
    abort = {"DaysAfterInitiation": 7}
    days = deployment.settings.storage.access_log_retention_days
    for bucket in buckets:
        data = bucket.ref == "bucket-bucket"
        rule: dict[str, Any] = {"AbortIncompleteMultipartUpload": abort, "Status": "Enabled"}
        if not data:
            rule |= {
                "ExpirationInDays": days,
                "NoncurrentVersionExpiration": {"NoncurrentDays": 7},
            }
        rules = [
            {key: value for key, value in each.items() if key != "Id"}
            for each in bucket["LifecycleConfiguration.Rules"] or []
        ]
        if rules != [rule]:
            findings.append(f"{bucket}: lifecycle rules {rules}, expected {rule}")
        expected: dict[str, Any] = {
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            "PublicAccessBlockConfiguration": {
                "BlockPublicAcls": True,
                "BlockPublicPolicy": True,
                "IgnorePublicAcls": True,
                "RestrictPublicBuckets": True,
            },
            "VersioningConfiguration": {"Status": "Enabled"},
        }
        if data:
            expected["LoggingConfiguration"] = {
                "DestinationBucketName": "bucket-accesslogs",
                "LogFilePrefix": "training-bucket/",
            }
        findings += property_findings(
            bucket, expected, also={"BucketEncryption", "LifecycleConfiguration", "Tags"}
        )
    return findings


@control
def buckets_have_one_policy_each(deployment: AppDeployment) -> list[str]:
    """TLS 1.2, the right key, only these people, datasets written once, our endpoint."""
    permissions = permissions_of(deployment)
    expected = {
        "bucket-bucket": permissions.data_bucket_policy,
        "bucket-accesslogs": permissions.logs_bucket_policy,
    }
    findings = []
    policies = deployment.of_type("AWS::S3::BucketPolicy")
    if sorted(str(policy["Bucket"]) for policy in policies) != sorted(expected):
        findings.append(f"bucket policies for {[policy['Bucket'] for policy in policies]}")
    for policy in policies:
        findings += policy_findings(
            policy, "PolicyDocument", expected.get(str(policy["Bucket"]), set())
        )
    return findings
