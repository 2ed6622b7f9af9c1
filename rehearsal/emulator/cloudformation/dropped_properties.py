"""Template properties that MiniStack accepts and drops, applied to its own stores."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

from ministack.services import dynamodb, ec2, lambda_svc, s3, sns

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
    rules = (properties.get("LifecycleConfiguration") or {}).get("Rules")
    if rules:
        body = "".join(_lifecycle_rule(rule) for rule in rules)
        s3._put_bucket_lifecycle(
            name, f"<LifecycleConfiguration>{body}</LifecycleConfiguration>".encode()
        )
    logging = properties.get("LoggingConfiguration")
    if logging:
        _bucket_logging(name, logging)
    s3._bucket_tags[name] = {tag["Key"]: tag["Value"] for tag in properties.get("Tags") or []}


def _element(name: str, value: Any) -> str:
    return "" if value is None else f"<{name}>{escape(str(value))}</{name}>"


_LIFECYCLE = frozenset(
    {
        "AbortIncompleteMultipartUpload",
        "ExpirationInDays",
        "ExpiredObjectDeleteMarker",
        "Id",
        "NoncurrentVersionExpiration",
        "Prefix",
        "Status",
    }
)


def _lifecycle_rule(rule: dict[str, Any]) -> str:
    unknown = sorted(set(rule) - _LIFECYCLE)
    if unknown:
        raise RefusedError(f"the rehearsal does not know lifecycle rules with {unknown}")
    expiration = _element("Days", rule.get("ExpirationInDays")) or _element(
        "ExpiredObjectDeleteMarker", rule.get("ExpiredObjectDeleteMarker")
    )
    noncurrent = rule.get("NoncurrentVersionExpiration") or {}
    noncurrent_days = _element("NoncurrentDays", noncurrent.get("NoncurrentDays")) + _element(
        "NewerNoncurrentVersions", noncurrent.get("NewerNoncurrentVersions")
    )
    abort = rule.get("AbortIncompleteMultipartUpload") or {}
    abort_days = _element("DaysAfterInitiation", abort.get("DaysAfterInitiation"))
    return (
        "<Rule>"
        + _element("ID", rule.get("Id"))
        + f"<Filter>{_element('Prefix', rule.get('Prefix', ''))}</Filter>"
        + _element("Status", rule["Status"])
        + (f"<Expiration>{expiration}</Expiration>" if expiration else "")
        + (
            f"<NoncurrentVersionExpiration>{noncurrent_days}</NoncurrentVersionExpiration>"
            if noncurrent_days
            else ""
        )
        + (
            f"<AbortIncompleteMultipartUpload>{abort_days}</AbortIncompleteMultipartUpload>"
            if abort_days
            else ""
        )
        + "</Rule>"
    )


def _bucket_logging(name: str, logging: dict[str, Any]) -> None:
    target = logging.get("DestinationBucketName", name)
    if target not in s3._buckets:
        raise RefusedError(
            f"The target bucket for logging does not exist: {target} "
            "(InvalidTargetBucketForLogging)"
        )
    s3._put_bucket_logging(
        name,
        f'<BucketLoggingStatus xmlns="{_S3_XML}"><LoggingEnabled>'
        f"{_element('TargetBucket', target)}"
        f"{_element('TargetPrefix', logging.get('LogFilePrefix'))}"
        "</LoggingEnabled></BucketLoggingStatus>".encode(),
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


def _table(name: str, properties: Properties) -> None:
    table = dynamodb._tables[name]
    table["SSEDescription"] = dynamodb._sse_description_from_spec(
        _as_request(properties.get("SSESpecification"))
    )
    recovery = properties.get("PointInTimeRecoverySpecification") or {}
    dynamodb._pitr_settings[name] = bool(recovery.get("PointInTimeRecoveryEnabled"))
    expiry = properties.get("TimeToLiveSpecification") or {}
    if expiry.get("Enabled"):
        dynamodb._ttl_settings[name] = {
            "TimeToLiveStatus": "ENABLED",
            "AttributeName": expiry["AttributeName"],
        }
    else:
        dynamodb._ttl_settings.pop(name, None)


def _as_request(specification: dict[str, Any] | None) -> dict[str, Any] | None:
    """CloudFormation's SSESpecification in the API's words."""
    if not specification:
        return None
    key = specification.get("KMSMasterKeyId")
    return {
        "Enabled": specification.get("SSEEnabled"),
        "SSEType": specification.get("SSEType", "KMS"),
        **({"KMSMasterKeyId": key} if key else {}),
    }


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
    after("AWS::DynamoDB::Table", _table)
    after("AWS::SNS::Topic", _topic)
    after("AWS::Lambda::Function", _function)
