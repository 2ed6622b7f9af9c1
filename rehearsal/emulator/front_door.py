"""Every call that reaches the emulator: its network path, then its policies.

MiniStack authorises requests in `iam_evaluator.enforce`. This wraps it: a call made by a function
that sits in a VPC must have a path to the service, must pass the endpoint's policy, and carries
`aws:SourceVpce`. Which function calls is known from the credentials it was given.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id

from rehearsal.emulator import network, principals, refusals
from rehearsal.emulator.decisions import why_endpoint_denies
from rehearsal.emulator.errors import UnreachableError

_original = iam_evaluator.enforce

SELF_AUTHORISING = frozenset({"bedrock", "bedrock-runtime"})
"""Services whose own module authorises each call, knowing resources and tags."""


def attachment_of(function_arn: str) -> network.Attachment | None:
    """Where a function's network interfaces sit, None for a function outside any VPC."""
    config = principals.function_config(function_arn)
    vpc = config.get("VpcConfig") or {}
    if not vpc.get("SubnetIds"):
        return None
    return network.Attachment(
        what=f"function {config['FunctionName']}",
        subnet_ids=tuple(vpc["SubnetIds"]),
        group_ids=tuple(vpc.get("SecurityGroupIds", ())),
    )


def path_of_call(
    *, function_arn: str | None, service: str, prefix_lists: Mapping[str, str]
) -> network.Path | None:
    """The endpoint a call of a function goes through, None when it goes through none.

    Raises:
        UnreachableError: the function is in a VPC and there is no way.
    """
    source = attachment_of(function_arn) if function_arn else None
    if source is None:
        return None
    try:
        return network.path(source=source, service=service, prefix_lists=prefix_lists)
    except UnreachableError as error:
        raise UnreachableError(
            f"could not connect to {service}: {error}; on AWS this call would hang until it "
            "times out"
        ) from error


def install(*, prefix_lists: Mapping[str, str]) -> None:
    """Check the network path of every call from now on."""

    def enforce(
        access_key_id: str,
        iam_action: str,
        service: str,
        region: str,
        resource_arn: str = "*",
        service_context: dict[str, Any] | None = None,
    ) -> Any:
        if service in SELF_AUTHORISING:
            failed = iam_evaluator.authenticate(access_key_id or "", get_account_id())
            return failed if isinstance(failed, iam_evaluator.AuthError) else None
        keys: dict[str, Any] = dict(service_context or {})
        function_arn = principals.function_of(access_key_id)
        if function_arn:
            keys["lambda:SourceFunctionArn"] = function_arn
        try:
            path = path_of_call(
                function_arn=function_arn,
                service=service,
                prefix_lists=prefix_lists,
            )
        except UnreachableError as error:
            refusals.record(where="network", reason=str(error))
            return iam_evaluator.AuthError("ConnectTimeout", str(error))
        if path is not None:
            keys.update(path.keys)
        denied = _original(
            access_key_id,
            iam_action,
            service,
            region,
            resource_arn=resource_arn,
            service_context=keys,
        )
        if denied is not None:
            refusals.record(
                where="front door", reason=_text(denied, action=iam_action, resource=resource_arn)
            )
            return denied
        caller = principals.resolve(access_key_id) if path is not None else None
        if path is not None and isinstance(caller, principals.Caller):
            closed = why_endpoint_denies(
                policy=path.policy,
                endpoint_id=path.endpoint_id,
                caller=caller,
                action=iam_action,
                resource=resource_arn,
                keys=keys,
            )
            if closed:
                refusals.record(where="endpoint policy", reason=closed)
                return iam_evaluator.AuthError("AccessDenied", closed)
        return None

    iam_evaluator.enforce = enforce


def _text(denied: Any, *, action: str, resource: str) -> str:
    if isinstance(denied, iam_evaluator.AuthError):
        return f"{denied.code}: {denied.message} ({action} on {resource})"
    kind = "with an explicit deny" if denied.decision == "Deny" else "because no policy allows it"
    return (
        f"User: {denied.principal_arn} is not authorized to perform: {action} on resource: "
        f"{resource} {kind}"
    )
