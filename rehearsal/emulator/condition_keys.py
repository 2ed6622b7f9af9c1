"""Global condition keys that MiniStack resolves differently from AWS, or not at all.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""

from __future__ import annotations

from typing import Any

from ministack.core import iam_actions, iam_evaluator
from ministack.services import iam

_original = iam_evaluator._resolve_condition_key
_original_s3 = iam_actions.s3_service_context

_TLS_VERSION = "1.3"


def role_arn_of_session(session_arn: str, account: str) -> str:
    """ARN of the role behind an assumed-role session: what `aws:PrincipalArn` holds on AWS."""
    name = session_arn.split(":assumed-role/", 1)[1].split("/", 1)[0]
    role = iam._roles.get_scoped(account, None, name) or {}
    return str(role.get("Arn") or f"arn:aws:iam::{account}:role/{name}")


def _resolve(key: str, context: Any) -> Any:
    name = key.lower()
    if name == "aws:principalarn" and ":assumed-role/" in context.principal_arn:
        return role_arn_of_session(context.principal_arn, context.principal_account)
    if name == "aws:principalisawsservice":
        return str(context.principal_type == "Service").lower()
    if name == "aws:viaawsservice":
        return str("kms:viaservice" in context.service_context).lower()
    return _original(key, context)


def _s3_context(
    action: str,
    query: dict[str, Any] | None,
    path: str = "",
    headers: dict[str, str] | None = None,
) -> dict[str, Any]:
    """S3's condition keys, with the ones write-once and TLS policies use."""
    found: dict[str, Any] = _original_s3(action, query, path, headers)
    sent = headers or {}
    found["s3:TlsVersion"] = _TLS_VERSION
    if action == "s3:PutObject":
        multipart_part = bool(query and ({"uploads", "partNumber"} & set(query)))
        found["s3:ObjectCreationOperation"] = str(not multipart_part).lower()
        for header in ("if-none-match", "if-match"):
            if sent.get(header):
                found[f"s3:{header}"] = sent[header]
        key = sent.get("x-amz-server-side-encryption-aws-kms-key-id")
        if key:
            found["s3:x-amz-server-side-encryption-aws-kms-key-id"] = key
    return found


def install() -> None:
    """Put the corrected resolution in place."""
    iam_evaluator._resolve_condition_key = _resolve
    iam_actions.s3_service_context = _s3_context
