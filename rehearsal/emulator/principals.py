"""Who makes a call: its principal, its policies, and the function it runs in."""

from __future__ import annotations

import json
import secrets
import threading
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from ministack.core import iam_evaluator, lambda_runtime
from ministack.core.responses import get_account_id, get_region
from ministack.services import iam, lambda_svc, sts


@dataclass(frozen=True, kw_only=True)
class Caller:
    """A principal as policies see it."""

    arn: str
    """Session ARN of an assumed role, ARN of a user, or of the account's root."""
    principal: Any
    """MiniStack's `PrincipalInfo`; its `policies` are None for the account's root."""
    function_arn: str | None = None
    """The Lambda function whose credentials these are."""

    @property
    def is_root(self) -> bool:
        """Whether no identity policy applies."""
        return self.principal.policies is None


_functions: dict[str, str] = {}
_functions_lock = threading.Lock()
_original_credentials = lambda_runtime.execution_credentials


def _remembering_credentials(config: dict[str, Any]) -> dict[str, str]:
    """Credentials of a function's role, remembered as that function's."""
    found: dict[str, str] = _original_credentials(config)
    with _functions_lock:
        _functions[found["AWS_ACCESS_KEY_ID"]] = config.get("FunctionArn", "")
    return found


def function_of(access_key: str) -> str | None:
    """ARN of the function that was given `access_key`, None for anyone else's."""
    with _functions_lock:
        return _functions.get(access_key)


def function_config(function_arn: str) -> dict[str, Any]:
    """Current configuration of a function, empty when it is gone."""
    name = function_arn.split(":")[6]
    record = lambda_svc._functions.get(name)
    return dict(record["config"]) if record else {}


def resolve(access_key: str) -> Caller | iam_evaluator.AuthError:
    """The caller behind an access key, with the policies in force now."""
    principal = iam_evaluator.resolve_principal(access_key, get_account_id())
    if isinstance(principal, iam_evaluator.AuthError):
        return principal
    return Caller(arn=principal.arn, principal=principal, function_arn=function_of(access_key))


def role_name(role_arn: str) -> str:
    """Name at the end of a role ARN; the path is not part of it."""
    return role_arn.rsplit("/", 1)[-1]


def find_role(role_arn: str) -> dict[str, Any] | None:
    """MiniStack's record of a role of this account, None when there is none of that ARN."""
    role = iam._roles.get_scoped(get_account_id(), None, role_name(role_arn))
    return role if role and role.get("Arn") == role_arn else None


def trusts_service(*, role_arn: str, service: str, keys: dict[str, str]) -> bool:
    """Whether a role's trust policy lets an AWS service assume it.

    Args:
        role_arn: the role.
        service: service principal, `bedrock.amazonaws.com`.
        keys: condition keys of the call, `aws:SourceArn` and the like.
    """
    role = find_role(role_arn)
    if role is None:
        return False
    document = role.get("AssumeRolePolicyDocument") or {}
    if isinstance(document, str):
        document = json.loads(unquote(document))
    statements = document.get("Statement", [])
    naming = [
        # The evaluator matches principals by ARN; which statements name the service is
        # decided here, and their conditions and actions by the evaluator.
        {**statement, "Principal": {"AWS": "*"}}
        for statement in (statements if isinstance(statements, list) else [statements])
        if iam_evaluator._service_principal_matches(statement.get("Principal"), service)
    ]
    context = iam_evaluator.EvalContext(
        principal_arn=service,
        principal_type="Service",
        principal_account="",
        action="sts:AssumeRole",
        resource_arn=role_arn,
        region=get_region(),
        secure_transport=True,
        service_context={name.lower(): value for name, value in keys.items()},
    )
    return bool(naming) and bool(
        iam_evaluator.evaluate_trust_policy({"Statement": naming}, service, context)
    )


def session_of_role(*, role_arn: str, session_name: str) -> Caller:
    """A session of a role, as a service holds it after it assumed the role.

    The policies are resolved once, when this is called; use it again after a wait.
    """
    account = get_account_id()
    name = role_name(role_arn)
    key = "ASIA" + secrets.token_hex(8).upper()
    sts.register_session(
        key,
        {
            "Arn": f"arn:aws:sts::{account}:assumed-role/{name}/{session_name}",
            "UserId": f"{name}:{session_name}",
            "SecretAccessKey": secrets.token_hex(20),
            "SessionToken": secrets.token_hex(20),
        },
    )
    found = resolve(key)
    if isinstance(found, iam_evaluator.AuthError):
        # Just registered, so a defect of ours.
        raise AssertionError(f"no session for {role_arn}: {found.message}")  # noqa: TRY004
    return found


def install() -> None:
    """Remember from now on which function each set of credentials was given to."""
    lambda_runtime.execution_credentials = _remembering_credentials
    lambda_svc.execution_credentials = _remembering_credentials
