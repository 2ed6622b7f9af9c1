"""The key behind an S3 request: SSE-KMS asks KMS in the caller's name.

Reading needs `kms:Decrypt` and writing `kms:GenerateDataKey`, with `kms:ViaService` of S3 and,
because of the bucket key, the bucket's ARN as encryption context.
https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html
"""

from __future__ import annotations

import re
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.core.router import extract_access_key_id
from ministack.services import kms, s3

from rehearsal.emulator import principals, refusals
from rehearsal.emulator.decisions import why_denied

_original_handle = s3.handle_request
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


def install() -> None:
    """Ask KMS behind every object read and write from now on."""
    s3.handle_request = _handle
