"""One policy decision: a caller, an action, a resource, and everything AWS would look at."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from ministack.core import iam_evaluator
from ministack.core.responses import get_region

from rehearsal.emulator.errors import AccessDeniedError
from rehearsal.emulator.principals import Caller

Keys = Mapping[str, Any]
"""Condition keys of a call, in AWS's spelling; a value is a string or a list of strings."""


def _context(*, caller: Caller, action: str, resource: str, keys: Keys) -> Any:
    lowered = {name.lower(): value for name, value in keys.items()}
    # A request without tags has no aws:TagKeys at all.
    lowered.setdefault("aws:tagkeys", None)
    return iam_evaluator.EvalContext(
        principal_arn=caller.arn,
        principal_type=caller.principal.type,
        principal_account=caller.principal.account,
        action=action,
        resource_arn=resource,
        region=get_region(),
        secure_transport=True,
        service_context=lowered,
        principal_keys=caller.principal.keys,
    )


def _sentence(*, caller: Caller, action: str, resource: str, because: str) -> str:
    return (
        f"User: {caller.arn} is not authorized to perform: {action} on resource: {resource} "
        f"{because}"
    )


def why_denied(*, caller: Caller, action: str, resource: str, keys: Keys) -> str | None:
    """The text of a denial in AWS's words, None when the call is allowed.

    Identity policies, permissions boundary, session policies and the resource's own policy
    (bucket, key, queue, topic) are evaluated together. A key policy must allow even within
    the account: https://docs.aws.amazon.com/kms/latest/developerguide/key-policies.html
    """
    if caller.is_root:
        return None
    context = _context(caller=caller, action=action, resource=resource, keys=keys)
    service = action.split(":", 1)[0]
    identity = iam_evaluator.evaluate(context, caller.principal.policies, *caller.principal.limits)
    final = identity
    own = iam_evaluator._resource_policy(service, resource)
    if own is not None:
        final = iam_evaluator.combine_resource_policy(
            identity,
            context,
            *own,
            required=service in iam_evaluator._POLICY_REQUIRED,
            limits=caller.principal.limits,
        )
    if final.decision == "Allow":
        return None
    if final.decision == "Deny":
        kind = "a resource-based" if final.resource_policy_arn else "an identity-based"
        because = f"with an explicit deny in {kind} policy"
    elif identity.decision == "Allow":
        because = f"because no resource-based policy allows the {action} action"
    else:
        because = f"because no identity-based policy allows the {action} action"
    return _sentence(caller=caller, action=action, resource=resource, because=because)


def require(*, caller: Caller, action: str, resource: str, keys: Keys) -> None:
    """Refuse unless the policies allow it.

    Raises:
        AccessDeniedError: with AWS's sentence.
    """
    denied = why_denied(caller=caller, action=action, resource=resource, keys=keys)
    if denied:
        raise AccessDeniedError(denied)


def why_endpoint_denies(
    *, policy: Any, endpoint_id: str, caller: Caller, action: str, resource: str, keys: Keys
) -> str | None:
    """The text of a VPC endpoint policy's denial, None when it lets the call through.

    An endpoint without a policy lets everything through:
    https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-access.html
    """
    if not policy:
        return None
    document = json.loads(policy) if isinstance(policy, str) else policy
    context = _context(caller=caller, action=action, resource=resource, keys=keys)
    decision = iam_evaluator.evaluate_resource_policy(document, context).decision
    if decision == "Allow":
        return None
    because = (
        f"with an explicit deny in a VPC endpoint policy ({endpoint_id})"
        if decision == "Deny"
        else f"because no VPC endpoint policy allows the {action} action ({endpoint_id})"
    )
    return _sentence(caller=caller, action=action, resource=resource, because=because)


def service_may(
    *, policy: Any, service: str, action: str, resource: str, keys: Keys, account: str
) -> bool:
    """Whether a resource policy lets an AWS service do something on its own behalf."""
    document = json.loads(policy) if isinstance(policy, str) else policy
    context = iam_evaluator.EvalContext(
        principal_arn=f"service:{service}",
        principal_type="Service",
        principal_account=account,
        action=action,
        resource_arn=resource,
        region=get_region(),
        secure_transport=True,
        service_context={name.lower(): value for name, value in keys.items()},
    )
    result = iam_evaluator.evaluate_resource_policy(document, context, service=service)
    return bool(result.decision == "Allow")
