"""The key behind a request for stored data: the service asks KMS in the caller's name.

S3 needs `kms:Decrypt` to read and `kms:GenerateDataKey` to write, with `kms:ViaService` of S3 and,
because of the bucket key, the bucket's ARN as encryption context. DynamoDB needs `kms:Decrypt` for
the items of a table under a customer managed key, SNS `kms:GenerateDataKey` and `kms:Decrypt` to
publish on a topic under one.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html
https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
"""

from __future__ import annotations

import json
import re
from typing import Any
from urllib.parse import parse_qs

from ministack.core import iam_actions
from ministack.core.responses import get_account_id, get_region
from ministack.core.router import extract_access_key_id
from ministack.services import dynamodb, kms, s3, sns

from rehearsal.emulator import principals, refusals
from rehearsal.emulator.decisions import why_denied

_original_handle = s3.handle_request
_original_dynamodb = dynamodb.handle_request
_original_sns = sns.handle_request
_ITEM_OPERATIONS = frozenset({"DeleteItem", "GetItem", "PutItem", "Query", "Scan", "UpdateItem"})
_KEY_ID = re.compile(r"<KMSMasterKeyID>([^<]+)</KMSMasterKeyID>")
_BUCKET_KEY = re.compile(r"<BucketKeyEnabled>true</BucketKeyEnabled>")


def _stored_text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value or "")


def why_key_denies(*, caller: principals.Caller, bucket: str, key: str, action: str) -> str | None:
    """The text of KMS's denial behind an object read or write, None when it is allowed.

    Args:
        caller: who reads or writes.
        bucket: bucket name.
        key: object key.
        action: `kms:Decrypt` or `kms:GenerateDataKey`.
    """
    configuration = _stored_text(s3._bucket_encryption.get(bucket))
    named = _KEY_ID.search(configuration)
    if not named:
        return None
    record = kms._resolve_key(named[1])
    if record is None or record.get("KeyState", "Enabled") != "Enabled":
        return f"the key {named[1]} of bucket {bucket} does not exist or is not enabled"
    resource = f"arn:aws:s3:::{bucket}"
    context = resource if _BUCKET_KEY.search(configuration) else f"{resource}/{key}"
    return why_denied(
        caller=caller,
        action=action,
        resource=record["Arn"],
        keys={
            "kms:ViaService": f"s3.{get_region()}.amazonaws.com",
            "kms:CallerAccount": get_account_id(),
            "kms:EncryptionContext:aws:s3:arn": context,
            "kms:EncryptionContextKeys": ["aws:s3:arn"],
        },
    )


def _needed(method: str, key: str, query: dict[str, Any]) -> str | None:
    """The KMS action behind an object request; none for a HEAD, a listing or a subresource."""
    if not key or {"acl", "tagging", "retention", "legal-hold"} & set(query):
        return None
    if method == "GET" and "uploadId" not in query:
        return "kms:Decrypt"
    if method == "PUT" or (method == "POST" and {"uploads", "uploadId"} & set(query)):
        return "kms:GenerateDataKey"
    return None


async def _handle(
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query_params: dict[str, Any],
    *rest: Any,
    **named: Any,
) -> Any:
    bucket, key = s3._parse_bucket_key(path, headers)
    action = _needed(method, key or "", query_params)
    if action:
        caller = principals.resolve(extract_access_key_id(headers, query_params) or "")
        if isinstance(caller, principals.Caller):
            denied = why_key_denies(caller=caller, bucket=bucket, key=key, action=action)
            if denied:
                refusals.record(where="data key", reason=denied)
                return s3._error("AccessDenied", denied, 403)
    return await _original_handle(method, path, headers, body, query_params, *rest, **named)


def why_table_key_denies(*, caller: principals.Caller, table: str) -> str | None:
    """The text of KMS's denial behind a table's items, None when it is allowed."""
    description = (dynamodb._tables.get(table) or {}).get("SSEDescription") or {}
    record = kms._resolve_key(description.get("KMSMasterKeyArn"))
    if record is None:
        return None
    return why_denied(
        caller=caller,
        action="kms:Decrypt",
        resource=record["Arn"],
        keys={
            "kms:ViaService": f"dynamodb.{get_region()}.amazonaws.com",
            "kms:CallerAccount": get_account_id(),
            "kms:EncryptionContext:aws:dynamodb:tableName": table,
            "kms:EncryptionContext:aws:dynamodb:subscriberId": get_account_id(),
        },
    )


async def _handle_dynamodb(
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query_params: dict[str, Any],
    *rest: Any,
    **named: Any,
) -> Any:
    operation = headers.get("x-amz-target", "").rpartition(".")[2]
    if operation in _ITEM_OPERATIONS:
        caller = principals.resolve(extract_access_key_id(headers, query_params) or "")
        table = str(json.loads(body or b"{}").get("TableName", "")).rpartition("/")[2]
        if isinstance(caller, principals.Caller):
            denied = why_table_key_denies(caller=caller, table=table)
            if denied:
                refusals.record(where="table key", reason=denied)
                return iam_actions.access_denied_response(
                    "dynamodb", f"dynamodb:{operation}", caller.arn, "", message=denied
                )
    return await _original_dynamodb(method, path, headers, body, query_params, *rest, **named)


def why_topic_key_denies(*, caller: principals.Caller, topic_arn: str) -> str | None:
    """The text of KMS's denial behind a message on a topic, None when it is allowed."""
    topic = sns._topics.get(topic_arn) or {}
    record = kms._resolve_key((topic.get("attributes") or {}).get("KmsMasterKeyId"))
    if record is None:
        return None
    for action in ("kms:GenerateDataKey", "kms:Decrypt"):
        denied = why_denied(
            caller=caller,
            action=action,
            resource=record["Arn"],
            keys={
                "kms:ViaService": f"sns.{get_region()}.amazonaws.com",
                "kms:CallerAccount": get_account_id(),
                "kms:EncryptionContext:aws:sns:topicArn": topic_arn,
            },
        )
        if denied:
            return denied
    return None


async def _handle_sns(
    method: str,
    path: str,
    headers: dict[str, str],
    body: bytes,
    query_params: dict[str, Any],
    *rest: Any,
    **named: Any,
) -> Any:
    sent = {**query_params, **parse_qs(body.decode("utf-8", errors="replace"))}
    if _first(sent, "Action") == "Publish":
        caller = principals.resolve(extract_access_key_id(headers, query_params) or "")
        if isinstance(caller, principals.Caller):
            denied = why_topic_key_denies(caller=caller, topic_arn=_first(sent, "TopicArn"))
            if denied:
                refusals.record(where="topic key", reason=denied)
                return sns._error("KMSAccessDenied", denied, 400)
    return await _original_sns(method, path, headers, body, query_params, *rest, **named)


def _first(sent: dict[str, Any], name: str) -> str:
    value = sent.get(name) or ""
    return str(value[0] if isinstance(value, list) else value)


def install() -> None:
    """Ask KMS behind objects, items and messages from now on."""
    s3.handle_request = _handle
    dynamodb.handle_request = _handle_dynamodb
    sns.handle_request = _handle_sns
