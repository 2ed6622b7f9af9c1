"""What the caller of a Bedrock operation must be allowed, on which resource, with which keys.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonbedrock.html
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.core.router import extract_access_key_id

from rehearsal.bedrock_semantics.errors import ServiceError
from rehearsal.emulator import front_door, network, principals
from rehearsal.emulator.decisions import why_denied, why_endpoint_denies
from rehearsal.emulator.errors import AccessDeniedError, UnreachableError
from rehearsal.emulator.principals import Caller

MODEL_KEY_ACTIONS = ("kms:DescribeKey", "kms:GenerateDataKey", "kms:Decrypt", "kms:CreateGrant")
"""https://docs.aws.amazon.com/bedrock/latest/userguide/encryption-custom-job.html"""


@dataclass(frozen=True, kw_only=True)
class Access:
    """A caller of Bedrock and the endpoint the call came through."""

    caller: Caller
    path: network.Path | None

    def require(self, action: str, resource: str, *, keys: Mapping[str, Any] | None = None) -> None:
        """Refuse unless identity policies and the endpoint's policy allow it.

        Raises:
            AccessDeniedError: with AWS's sentence.
        """
        given = {**(keys or {}), **(self.path.keys if self.path else {})}
        if self.caller.function_arn:
            given["lambda:SourceFunctionArn"] = self.caller.function_arn
        denied = why_denied(caller=self.caller, action=action, resource=resource, keys=given)
        if denied is None and self.path is not None and action.startswith("bedrock:"):
            denied = why_endpoint_denies(
                policy=self.path.policy,
                endpoint_id=self.path.endpoint_id,
                caller=self.caller,
                action=action,
                resource=resource,
                keys=given,
            )
        if denied:
            raise AccessDeniedError(denied)


def caller_of(
    *,
    headers: Mapping[str, str],
    query: Mapping[str, list[str]],
    service: str,
    prefix_lists: Mapping[str, str],
) -> Access:
    """Who makes a request, and the endpoint it comes through, for a service of Bedrock's.

    Raises:
        ServiceError: nobody we know, or someone in a VPC without a way to the service.
    """
    caller = principals.resolve(extract_access_key_id(dict(headers), dict(query)) or "")
    if isinstance(caller, iam_evaluator.AuthError):
        raise ServiceError(caller.code, caller.message, status=403)
    try:
        path = front_door.path_of_call(
            function_arn=caller.function_arn, service=service, prefix_lists=prefix_lists
        )
    except UnreachableError as error:
        raise ServiceError("ConnectTimeout", str(error), status=403) from error
    return Access(caller=caller, path=path)


def request_tag_keys(tags: Mapping[str, str]) -> dict[str, Any]:
    """Condition keys of a call that sets tags; none when it sets none."""
    if not tags:
        return {}
    return {
        **{f"aws:RequestTag/{name}": value for name, value in tags.items()},
        "aws:TagKeys": list(tags),
    }


def resource_tag_keys(tags: Mapping[str, str]) -> dict[str, str]:
    """Condition keys of a call on something that carries tags."""
    return {f"aws:ResourceTag/{name}": value for name, value in tags.items()}


def model_key_keys(action: str) -> dict[str, Any]:
    """Condition keys of Bedrock's calls to KMS in someone's name."""
    keys: dict[str, Any] = {
        "kms:ViaService": f"bedrock.{get_region()}.amazonaws.com",
        "kms:CallerAccount": get_account_id(),
    }
    if action == "kms:CreateGrant":
        keys |= {
            "kms:GrantIsForAWSResource": "true",
            "kms:GranteePrincipal": "bedrock.amazonaws.com",
            "kms:GrantOperations": ["Decrypt", "CreateGrant", "GenerateDataKey", "DescribeKey"],
        }
    return keys
