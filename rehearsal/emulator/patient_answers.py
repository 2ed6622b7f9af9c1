"""Whoever asks about a stack in progress is answered when it is at rest.

Most of a rehearsal would pass in the CDK command line's sleep: it looks at a stack every five
seconds, and stacks take less here. CloudFormation answers at once, and the command line does with
an answer what it does there; only the time between two looks is shortened. Functions are answered
at once: what they do about a stack in progress is theirs to decide.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import parse_qs

from ministack.core.router import extract_access_key_id
from ministack.services import cloudformation
from ministack.services.cloudformation.handlers import _resolve_stack

from rehearsal.emulator import principals

LONGEST_SECONDS = 20.0
"""After this time the answer is what it would have been at once."""
_INTERVAL = 0.02
_ACTION = "DescribeStacks"


def stack_asked_for(body: bytes) -> str | None:
    """Name or id of the one stack that a call asks about, None for other calls."""
    form = parse_qs(body.decode("utf-8", errors="replace"))
    if form.get("Action") != [_ACTION] or len(form.get("StackName", [])) != 1:
        return None
    return form["StackName"][0]


def _is_in_progress(name: str) -> bool:
    stack = _resolve_stack(name)
    status = str(stack.get("StackStatus")) if stack else ""
    # A stack with nothing but a change set is in review until somebody executes that.
    return status.endswith("_IN_PROGRESS") and status != "REVIEW_IN_PROGRESS"


async def _wait(headers: Mapping[str, str], body: bytes, query_params: dict[str, Any]) -> None:
    name = stack_asked_for(body)
    key = extract_access_key_id(dict(headers), dict(query_params))
    if name is not None and principals.function_of(key or "") is None:
        deadline = time.monotonic() + LONGEST_SECONDS
        while _is_in_progress(name) and time.monotonic() < deadline:
            await asyncio.sleep(_INTERVAL)


def install() -> None:
    """Answer this way from now on."""
    original = cloudformation.handle_request

    async def handle(
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        query_params: dict[str, Any],
    ) -> Any:
        await _wait(headers, body, query_params)
        return await original(method, path, headers, body, query_params)

    cloudformation.handle_request = handle
