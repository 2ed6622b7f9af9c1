"""Requests and answers of the Bedrock API, after botocore's own model of it.

The model's patterns, enums and limits are enforced here because botocore does not enforce them
on the client's side; answers are checked too, so that a field the SDK would drop is noticed.
"""

from __future__ import annotations

import datetime
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any
from urllib.parse import unquote

import botocore.session
from botocore.model import OperationModel, Shape
from botocore.validate import ParamValidator

from rehearsal.emulator.errors import ServiceError, ValidationError

_PLACEHOLDER = re.compile(r"\{(\w+)\}")


@dataclass(frozen=True, kw_only=True)
class Request:
    """One parsed and validated API call."""

    operation: str
    parameters: dict[str, Any]


@cache
def _operation(name: str) -> OperationModel:
    model = botocore.session.get_session().get_service_model("bedrock")
    found: OperationModel = model.operation_model(name)
    return found


@cache
def _route(name: str) -> tuple[str, re.Pattern[str]]:
    http = _operation(name).http
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
    shape = _operation(operation).input_shape
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


def input_problems(*, operation: str, parameters: Mapping[str, Any]) -> list[str]:
    """Everything in a call that the service model does not allow."""
    shape = _operation(operation).input_shape
    return _problems(shape, parameters) if shape is not None else []


def output_problems(*, operation: str, answer: Mapping[str, Any]) -> list[str]:
    """Everything in an answer that the service model does not allow."""
    shape = _operation(operation).output_shape
    return _problems(shape, answer) if shape is not None else []


def _problems(shape: Shape, value: Any) -> list[str]:
    report = ParamValidator().validate(value, shape)
    found = [line for line in report.generate_report().splitlines() if line]
    _walk(shape, value, "", found)
    return found


def _walk(shape: Any, value: Any, where: str, found: list[str]) -> None:
    """Patterns, enums, lengths and unknown fields: what ParamValidator leaves out."""
    if shape.type_name == "structure" and isinstance(value, dict):
        for name, inner in value.items():
            at = f"{where}.{name}" if where else name
            if name not in shape.members:
                found.append(f"Unknown field '{at}'")
            else:
                _walk(shape.members[name], inner, at, found)
    elif shape.type_name == "list" and isinstance(value, list):
        _length(len(value), shape, where, found)
        for index, inner in enumerate(value):
            _walk(shape.member, inner, f"{where}.{index + 1}.member", found)
    elif shape.type_name == "map" and isinstance(value, dict):
        for key, inner in value.items():
            _walk(shape.key, key, f"{where}.key", found)
            _walk(shape.value, inner, f"{where}.{key}", found)
    elif shape.type_name == "string" and isinstance(value, str):
        _string(shape, value, where, found)


def _length(length: int, shape: Any, where: str, found: list[str]) -> None:
    highest = shape.metadata.get("max")
    if highest is not None and length > highest:
        found.append(
            f"Value at '{where}' failed to satisfy constraint: Member must have length less than "
            f"or equal to {highest}"
        )


def _string(shape: Any, value: str, where: str, found: list[str]) -> None:
    _length(len(value), shape, where, found)
    allowed = shape.metadata.get("enum")
    if allowed and value not in allowed:
        found.append(
            f"Value '{value}' at '{where}' failed to satisfy constraint: Member must satisfy enum "
            f"value set: [{', '.join(allowed)}]"
        )
    pattern = shape.metadata.get("pattern")
    if pattern and not re.fullmatch(pattern, value):
        found.append(
            f"Value '{value}' at '{where}' failed to satisfy constraint: Member must satisfy "
            f"regular expression pattern: {pattern}"
        )


def _plain(value: Any) -> Any:
    if isinstance(value, datetime.datetime):
        return value.astimezone(datetime.UTC).isoformat().replace("+00:00", "Z")
    raise TypeError(f"cannot serialise {type(value).__name__}")


Reply = tuple[int, dict[str, str], bytes]


def reply(*, operation: str, answer: Mapping[str, Any]) -> Reply:
    """Serialise an answer.

    Raises:
        AssertionError: the emulator's own answer does not fit the service model.
    """
    problems = output_problems(operation=operation, answer=answer)
    if problems:
        raise AssertionError(f"answer of {operation} does not fit the API: {problems}")
    status = int(_operation(operation).http.get("responseCode", 200))
    body = json.dumps(answer, default=_plain).encode()
    return status, {"Content-Type": "application/json"}, body


def error_reply(error: ServiceError) -> Reply:
    """Serialise a refusal as the SDK expects it."""
    body = json.dumps({"message": error.message}).encode()
    headers = {"Content-Type": "application/json", "x-amzn-errortype": error.code}
    return error.status, headers, body


Operation = Callable[..., dict[str, Any]]
