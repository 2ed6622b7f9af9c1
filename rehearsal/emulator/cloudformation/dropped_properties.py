"""Template properties that MiniStack accepts and drops, applied to its own stores."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from ministack.services import ec2, lambda_svc, s3, sns

from rehearsal.emulator.cloudformation.handlers import Properties, RefusedError, after

_S3_XML = "http://s3.amazonaws.com/doc/2006-03-01/"


def _encryption_rule(rule: dict[str, Any]) -> str:
    default = rule["ServerSideEncryptionByDefault"]
    key = default.get("KMSMasterKeyID")
    named_key = f"<KMSMasterKeyID>{escape(key)}</KMSMasterKeyID>" if key else ""
    return (
        "<Rule><ApplyServerSideEncryptionByDefault>"
        f"<SSEAlgorithm>{escape(default['SSEAlgorithm'])}</SSEAlgorithm>{named_key}"
        "</ApplyServerSideEncryptionByDefault><BucketKeyEnabled>"
        f"{str(rule.get('BucketKeyEnabled', False)).lower()}</BucketKeyEnabled></Rule>"
    )


def _bucket(name: str, properties: Properties) -> None:
    rules = (properties.get("BucketEncryption") or {}).get("ServerSideEncryptionConfiguration")
    if rules and not _uses_managed_kms_key(rules[0]):
        body = "".join(_encryption_rule(rule) for rule in rules)
        status, _, answer = s3._put_bucket_encryption(
            name,
            f'<ServerSideEncryptionConfiguration xmlns="{_S3_XML}">{body}'
            "</ServerSideEncryptionConfiguration>".encode(),
        )
        if status >= 400:
            raise RefusedError(f"BucketEncryption refused: {answer!r}")
    ownership = (properties.get("OwnershipControls") or {}).get("Rules")
    if ownership:
        body = "".join(
            f"<Rule><ObjectOwnership>{escape(rule['ObjectOwnership'])}</ObjectOwnership></Rule>"
            for rule in ownership
        )
        s3._put_bucket_ownership_controls(
            name, f"<OwnershipControls>{body}</OwnershipControls>".encode()
        )


def _uses_managed_kms_key(rule: dict[str, Any]) -> bool:
    """Whether the rule means the `aws/s3` key, which MiniStack does not have.

    The CDK staging bucket is one; its objects then stay unencrypted here.
    """
    default = rule["ServerSideEncryptionByDefault"]
    return default["SSEAlgorithm"] == "aws:kms" and not default.get("KMSMasterKeyID")


def _topic(arn: str, properties: Properties) -> None:
    attributes = sns._topics[arn]["attributes"]
    if properties.get("KmsMasterKeyId"):
        attributes["KmsMasterKeyId"] = properties["KmsMasterKeyId"]
    else:
        attributes.pop("KmsMasterKeyId", None)


def _function(name: str, properties: Properties) -> None:
    record = lambda_svc._functions[name]
    config = record["config"]
    vpc = properties.get("VpcConfig") or {}
    subnets = list(vpc.get("SubnetIds", []))
    config["VpcConfig"] = {
        "SubnetIds": subnets,
        "SecurityGroupIds": list(vpc.get("SecurityGroupIds", [])),
        "VpcId": (ec2._subnets.get(subnets[0]) or {}).get("VpcId", "") if subnets else "",
        "Ipv6AllowedForDualStack": bool(vpc.get("Ipv6AllowedForDualStack", False)),
    }
    if properties.get("DeadLetterConfig"):
        config["DeadLetterConfig"] = dict(properties["DeadLetterConfig"])
    if properties.get("KmsKeyArn"):
        config["KMSKeyArn"] = properties["KmsKeyArn"]
    reserved = properties.get("ReservedConcurrentExecutions")
    record["concurrency"] = None if reserved is None else int(reserved)


def install() -> None:
    """Apply these properties whenever a resource is made or changed."""
    after("AWS::S3::Bucket", _bucket)
    after("AWS::SNS::Topic", _topic)
    after("AWS::Lambda::Function", _function)
