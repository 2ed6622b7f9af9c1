"""What CloudFormation does around a custom resource and MiniStack does not.

A Delete follows a Create that answered FAILED, with the physical id of that answer; an answer
above 4096 bytes is a failure. When an update that gave a new physical id is rolled back, an Update
back to the old properties comes first, with the new id, and then the Delete of what is left over.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
"""

from __future__ import annotations

import json
import logging
import threading
from typing import Any

from ministack.core.concurrency import run_reentrant
from ministack.services.cloudformation import custom_resource, stacks

from rehearsal.emulator import refusals

_log = logging.getLogger("rehearsal")
_LONGEST_ANSWER = 4096

_answers: dict[tuple[str, str], dict[str, Any]] = {}
_lock = threading.Lock()
_original_deliver = custom_resource.deliver_response
_original_invoke = custom_resource.invoke_custom_resource
_original_roll_back = stacks._roll_back_operation


def _deliver(token: str, response: dict[str, Any]) -> bool:
    if len(json.dumps(response).encode()) > _LONGEST_ANSWER:
        response = {**response, "Status": "FAILED", "Reason": "Response object is too long."}
    with _lock:
        key = (response.get("StackId", ""), response.get("LogicalResourceId", ""))
        _answers[key] = response
    return bool(_original_deliver(token, response))


def _invoke(
    request_type: str,
    logical_id: str,
    props: dict[str, Any],
    stack_name: str,
    stack_id: str,
    resource_type: str,
    physical_id: str | None = None,
    old_props: dict[str, Any] | None = None,
) -> Any:
    try:
        return _original_invoke(
            request_type,
            logical_id,
            props,
            stack_name,
            stack_id,
            resource_type,
            physical_id=physical_id,
            old_props=old_props,
        )
    except (RuntimeError, TimeoutError) as error:
        # The provider framework appends its stack trace after an empty line.
        sentence = str(error).split("\n\n", 1)[0]
        refusals.record(
            where="custom resource", reason=f"{request_type} of {logical_id}: {sentence}"
        )
        with _lock:
            answer = _answers.get((stack_id, logical_id)) or {}
        made = answer.get("PhysicalResourceId")
        if request_type == "Create" and made:
            _delete_what_failed(logical_id, props, stack_name, stack_id, resource_type, made)
        raise


def _delete_what_failed(
    logical_id: str,
    props: dict[str, Any],
    stack_name: str,
    stack_id: str,
    resource_type: str,
    physical_id: str,
) -> None:
    try:
        _original_invoke(
            "Delete",
            logical_id,
            props,
            stack_name,
            stack_id,
            resource_type,
            physical_id=physical_id,
        )
    except Exception:
        # The rollback goes on either way, as on AWS, and the Create's reason is what counts.
        _log.exception("Delete of %s after its failed Create", logical_id)


async def _roll_back(
    stack_name: str,
    stack_id: str,
    stack: dict[str, Any],
    operation: dict[str, Any],
    reason_override: str = "",
) -> None:
    previous = (operation.get("previous_stack") or {}).get("_resources", {})
    if operation.get("is_update"):
        stack["StackStatus"] = "UPDATE_ROLLBACK_IN_PROGRESS"
    for logical_id in operation.get("created", []):
        made, before = stack["_resources"].get(logical_id), previous.get(logical_id)
        if made and before and _is_replaced(made, before):
            await run_reentrant(_go_back, logical_id, stack_name, stack_id, made, before)
    await _original_roll_back(stack_name, stack_id, stack, operation, reason_override)


def _is_replaced(made: dict[str, Any], before: dict[str, Any]) -> bool:
    kind = str(made.get("ResourceType"))
    custom = kind.startswith("Custom::") or kind == "AWS::CloudFormation::CustomResource"
    return custom and made["PhysicalResourceId"] != before["PhysicalResourceId"]


def _go_back(
    logical_id: str,
    stack_name: str,
    stack_id: str,
    made: dict[str, Any],
    before: dict[str, Any],
) -> None:
    try:
        physical_id, attributes = _invoke(
            "Update",
            logical_id,
            before["Properties"],
            stack_name,
            stack_id,
            made["ResourceType"],
            physical_id=made["PhysicalResourceId"],
            old_props=made["Properties"],
        )
    except Exception:
        # MiniStack goes on with the Delete, and the refusal is recorded.
        _log.exception("rollback of %s", logical_id)
        return
    before["PhysicalResourceId"] = physical_id
    before["Attributes"] = {**before.get("Attributes", {}), **attributes}


def install() -> None:
    """Put all of it in place."""
    stacks._roll_back_operation = _roll_back
    custom_resource.deliver_response = _deliver
    custom_resource.invoke_custom_resource = _invoke
