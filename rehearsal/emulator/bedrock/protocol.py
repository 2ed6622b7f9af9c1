"""Requests and answers of the Bedrock API on the wire, after botocore's own model of it."""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote

from botocore.model import Shape

from rehearsal.bedrock_semantics.errors import ServiceError, ValidationError
from rehearsal.bedrock_semantics.shapes import check_answer, input_problems, model_of

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, kw_only=True)
class Request:
    """One parsed and validated API call."""

    operation: str
    parameters: dict[str, Any]


@cache
def _route(name: str) -> tuple[str, re.Pattern[str]]:
    http = model_of(name).http
    uri = str(http["requestUri"]).split("?", 1)[0]
    pattern = _PLACEHOLDER.sub(lambda match: f"(?P<{match[1]}>.+)", uri)
    return str(http["method"]), re.compile(f"^{pattern}$")


def match(*, method: str, path: str, operations: tuple[str, ...]) -> str | None:
    """The operation that a method and path mean, None when it is not one of `operations`."""
    found = [
        name for name in operations if _route(name)[0] == method and _route(name)[1].match(path)
    ]
    # `/custom-models/{id}` also matches longer paths; the longest template wins.
    return max(found, key=lambda name: len(_route(name)[1].pattern)) if found else None


def parse(*, operation: str, path: str, query: Mapping[str, list[str]], body: bytes) -> Request:
    """Read and validate a call.

    Raises:
        ValidationError: with Bedrock's wording, all problems at once.
    """
    shape = model_of(operation).input_shape
    found = _route(operation)[1].match(path)
    in_path = {k: unquote(v) for k, v in found.groupdict().items()} if found else {}
    try:
        parameters: dict[str, Any] = json.loads(body) if body else {}
    except json.JSONDecodeError as error:
        raise ServiceError("SerializationException", str(error)) from error
    if shape is None:
        return Request(operation=operation, parameters=parameters)
    for name, member in shape.members.items():
        location = member.serialization.get("location")
        wire_name = member.serialization.get("name", name)
        if location == "uri":
            parameters[name] = in_path[wire_name]
        elif location == "querystring" and wire_name in query:
            parameters[name] = _from_text(query[wire_name][0], member)
    problems = input_problems(operation=operation, parameters=parameters)
    if problems:
        count = len(problems)
        raise ValidationError(
            f"{count} validation error{'s' if count > 1 else ''} detected: {'; '.join(problems)}"
        )
    return Request(operation=operation, parameters=parameters)


def _from_text(text: str, shape: Shape) -> Any:
    if shape.type_name in ("integer", "long"):
        return int(text)
    if shape.type_name == "boolean":
        return text == "true"
    if shape.type_name == "timestamp":
        return datetime.datetime.fromisoformat(text.replace("Z", "+00:00"))
    return text


def _plain(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).isoformat().replace("+00:00", "Z")
    raise TypeError(f"cannot serialise {type(value).__name__}")


Reply = tuple[int, dict[str, str], bytes]


def reply(*, operation: str, answer: Mapping[str, Any]) -> Reply:
    """Serialise an answer.

    Raises:
        ShapeError: the emulator's own answer does not fit the service model.
    """
    check_answer(operation=operation, answer=answer)
    status = int(model_of(operation).http.get("responseCode", 200))
    body = json.dumps(answer, default=_plain).encode()
    return status, {"Content-Type": "application/json"}, body


def error_reply(error: ServiceError) -> Reply:
    """Serialise a refusal as the SDK expects it."""
    body = json.dumps({"message": error.message}).encode()
    headers = {"Content-Type": "application/json", "x-amzn-errortype": error.code}
    return error.status, headers, body


Operation = Callable[..., dict[str, Any]]
