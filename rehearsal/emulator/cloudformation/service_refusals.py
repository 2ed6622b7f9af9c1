"""What the real services refuse at deployment and MiniStack accepts.

Each is a first deployment that fails in a real account.
"""

from __future__ import annotations

import json
import re
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import ec2, iam, kms, s3

from rehearsal.emulator import principals, refusals
from rehearsal.emulator.cloudformation.handlers import (
    Properties,
    RefusedError,
    before,
    before_delete,
)
from rehearsal.emulator.decisions import service_may, why_denied

_LAMBDA = "lambda.amazonaws.com"
_LAMBDA_VPC_ACTIONS = (
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
)
"""https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html"""
_MANAGED_POLICY_SIZE = 6144
_TRUST_POLICY_SIZE = 2048
_ATTACHED_POLICIES = 10
"""https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_iam-quotas.html"""
_ENDPOINT_POLICY_SIZE = 20_480
_BUCKET_POLICY_SIZE = 20_480
_KEY_POLICY_SIZE = 32_768
_PRINCIPAL_ARN = re.compile(r"arn:[^:]+:iam::(\d{12}):(role|user)/(?:.*/)?([^/]+)")


def _refuse(text: str) -> RefusedError:
    refusals.record(where="cloudformation", reason=text)
    return RefusedError(text)


def _statements(document: Any) -> list[dict[str, Any]]:
    found = (document or {}).get("Statement") or []
    return found if isinstance(found, list) else [found]


def _strings(value: Any) -> list[str]:
    return [value] if isinstance(value, str) else [v for v in value or [] if isinstance(v, str)]


def _check_principals(document: Any, what: str) -> None:
    """Services refuse a policy that names a role or user of this account that is not there."""
    for statement in _statements(document):
        principal = statement.get("Principal")
        for arn in _strings(principal.get("AWS")) if isinstance(principal, dict) else []:
            match = _PRINCIPAL_ARN.fullmatch(arn)
            if not match or match[1] != get_account_id() or "*" in arn:
                continue
            store = iam._roles if match[2] == "role" else iam._users
            if store.get(match[3]) is None:
                raise _refuse(f"{what}: invalid principal in policy: {arn} (MalformedPolicy)")


def _check_size(document: Any, limit: int, what: str) -> None:
    size = len(re.sub(r"\s", "", json.dumps(document, separators=(",", ":"))))
    if size > limit:
        raise _refuse(f"{what}: policy has {size} characters, at most {limit} are allowed")


def _log_group(logical_id: str, properties: Properties, stack_name: str) -> None:
    key_id = properties.get("KmsKeyId")
    if not key_id:
        return
    account, region = get_account_id(), get_region()
    name = properties.get("LogGroupName") or f"{stack_name}-{logical_id}"
    arn = f"arn:aws:logs:{region}:{account}:log-group:{name}"
    key = kms._resolve_key(key_id)
    allowed = key is not None and all(
        service_may(
            policy=key.get("Policy") or "{}",
            service=f"logs.{region}.amazonaws.com",
            action=action,
            resource=key["Arn"],
            keys={
                "kms:EncryptionContext:aws:logs:arn": arn,
                "aws:SourceAccount": account,
                "aws:SourceArn": arn,
            },
            account=account,
        )
        for action in ("kms:GenerateDataKey", "kms:Decrypt")
    )
    if not allowed:
        raise _refuse(
            "The specified KMS key does not exist or is not allowed to be used with "
            f"LogGroup '{arn}' (Service: CloudWatchLogs, Status Code: 400)"
        )


def _key(logical_id: str, properties: Properties, stack_name: str) -> None:
    document = properties.get("KeyPolicy")
    if not document:
        return
    _check_size(document, _KEY_POLICY_SIZE, "KeyPolicy")
    _check_principals(document, "KeyPolicy")
    account = get_account_id()
    root = f"arn:aws:iam::{account}:root"
    keeps_control = any(
        statement.get("Effect") == "Allow"
        and root in _strings((statement.get("Principal") or {}).get("AWS"))
        and any(
            re.fullmatch(action.replace("*", ".*"), "kms:PutKeyPolicy")
            for action in _strings(statement.get("Action"))
        )
        for statement in _statements(document)
        if isinstance(statement.get("Principal"), dict)
    )
    if not keeps_control and not properties.get("BypassPolicyLockoutSafetyCheck"):
        raise _refuse(
            "The new key policy will not allow you to update the key policy in the future. "
            "(Service: Kms, Status Code: 400)"
        )


def _bucket_policy(logical_id: str, properties: Properties, stack_name: str) -> None:
    bucket = str(properties.get("Bucket"))
    document = properties.get("PolicyDocument")
    if bucket not in s3._buckets:
        raise _refuse(f"The specified bucket does not exist: {bucket} (NoSuchBucket)")
    _check_size(document, _BUCKET_POLICY_SIZE, "BucketPolicy")
    _check_principals(document, "BucketPolicy")
    own = f"arn:aws:s3:::{bucket}"
    for statement in _statements(document):
        for arn in _strings(statement.get("Resource")):
            if arn != own and not arn.startswith(f"{own}/"):
                raise _refuse(
                    f"Policy has invalid resource: {arn} (Service: S3, Status Code: 400, "
                    "MalformedPolicy)"
                )


def _bucket_removal(name: str, properties: Properties) -> None:
    left = len((s3._buckets.get(name) or {}).get("objects") or {}) + sum(
        len(versions) for (bucket, _), versions in s3._object_versions.items() if bucket == name
    )
    if left:
        raise _refuse(
            f"The bucket you tried to delete is not empty: {name}. You must delete all versions "
            f"in the bucket. (Service: S3, Status Code: 409, BucketNotEmpty, {left} left)"
        )


def _role(logical_id: str, properties: Properties, stack_name: str) -> None:
    document = properties.get("AssumeRolePolicyDocument")
    _check_size(document, _TRUST_POLICY_SIZE, "AssumeRolePolicyDocument")
    _check_principals(document, "AssumeRolePolicyDocument")
    attached = _strings(properties.get("ManagedPolicyArns"))
    if len(attached) > _ATTACHED_POLICIES:
        raise _refuse(f"cannot attach {len(attached)} policies to a role, at most 10 are allowed")


def _managed_policy(logical_id: str, properties: Properties, stack_name: str) -> None:
    _check_size(properties.get("PolicyDocument"), _MANAGED_POLICY_SIZE, "managed policy")


def _endpoint(logical_id: str, properties: Properties, stack_name: str) -> None:
    document = properties.get("PolicyDocument")
    if document:
        _check_size(document, _ENDPOINT_POLICY_SIZE, "endpoint policy")
    for store, kind, identifiers in (
        (ec2._subnets, "subnet", properties.get("SubnetIds")),
        (ec2._security_groups, "security group", properties.get("SecurityGroupIds")),
        (ec2._route_tables, "route table", properties.get("RouteTableIds")),
    ):
        for identifier in identifiers or []:
            if identifier not in store:
                raise _refuse(f"The {kind} '{identifier}' does not exist (Service: Ec2)")


def _function(logical_id: str, properties: Properties, stack_name: str) -> None:
    role_arn = str(properties.get("Role"))
    keys: dict[str, str] = {}
    if not principals.trusts_service(role_arn=role_arn, service=_LAMBDA, keys=keys):
        raise _refuse(
            f"The role defined for the function cannot be assumed by Lambda: {role_arn} "
            "(Service: Lambda, Status Code: 400)"
        )
    role = principals.session_of_role(role_arn=role_arn, session_name="lambda-check")
    if (properties.get("VpcConfig") or {}).get("SubnetIds"):
        for action in _LAMBDA_VPC_ACTIONS:
            denied = why_denied(caller=role, action=action, resource="*", keys={})
            if denied:
                raise _refuse(
                    "The provided execution role does not have permissions to call "
                    f"{action.removeprefix('ec2:')} on EC2 (Service: Lambda, Status Code: 400): "
                    f"{denied}"
                )
    target = (properties.get("DeadLetterConfig") or {}).get("TargetArn")
    if target:
        action = "sqs:SendMessage" if ":sqs:" in target else "sns:Publish"
        denied = why_denied(caller=role, action=action, resource=target, keys={})
        if denied:
            raise _refuse(
                "The provided execution role does not have permissions to call "
                f"{action.partition(':')[2]} on the dead-letter target (Service: Lambda, Status "
                f"Code: 400): {denied}"
            )


def _in_use(field: str, kind: str, identifier: str) -> None:
    holding = [
        interface["NetworkInterfaceId"]
        for interface in ec2._network_interfaces.values()
        if identifier
        in (
            interface.get(field),
            *(g["GroupId"] for g in interface.get("Groups", []) if field == "Groups"),
        )
    ]
    if holding:
        raise _refuse(
            f"The {kind} '{identifier}' has dependencies and cannot be deleted: network interface "
            f"{', '.join(holding)} (Service: Ec2, Status Code: 400, DependencyViolation)"
        )


def _subnet_removal(identifier: str, properties: Properties) -> None:
    _in_use("SubnetId", "subnet", identifier)


def _group_removal(identifier: str, properties: Properties) -> None:
    _in_use("Groups", "security group", identifier)


def install() -> None:
    """Make these refusals from now on."""
    before("AWS::Logs::LogGroup", _log_group)
    before("AWS::KMS::Key", _key)
    before("AWS::S3::BucketPolicy", _bucket_policy)
    before("AWS::IAM::Role", _role)
    before("AWS::IAM::ManagedPolicy", _managed_policy)
    before("AWS::EC2::VPCEndpoint", _endpoint)
    before("AWS::Lambda::Function", _function)
    before_delete("AWS::S3::Bucket", _bucket_removal)
    before_delete("AWS::EC2::Subnet", _subnet_removal)
    before_delete("AWS::EC2::SecurityGroup", _group_removal)
