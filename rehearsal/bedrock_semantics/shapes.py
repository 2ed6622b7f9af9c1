"""Whether requests and answers fit botocore's own model of the Bedrock API.

The model's patterns, enums and limits are enforced here because botocore does not enforce them on
the client's side; answers are checked too, so that a field the SDK would drop is noticed.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import cache
from typing import Any

import botocore.session
from botocore.model import (
    ListShape,
    MapShape,
    OperationModel,
    ServiceModel,
    Shape,
    StringShape,
    StructureShape,
)
from botocore.validate import ParamValidator


class ShapeError(AssertionError):
    """An answer of the fake is not one that Bedrock could give."""


@cache
def service_model() -> ServiceModel:
    """Return botocore's model of the API."""
    return botocore.session.get_session().get_service_model("bedrock")


@cache
def model_of(name: str) -> OperationModel:
    """Return botocore's model of an operation."""
    found: OperationModel = service_model().operation_model(name)
    return found


def input_problems(*, operation: str, parameters: Mapping[str, Any]) -> list[str]:
    """Everything in a call that the service model does not allow."""
    return problems(model_of(operation).input_shape, parameters)


def output_problems(*, operation: str, answer: Mapping[str, Any]) -> list[str]:
    """Everything in an answer that the service model does not allow."""
    return problems(model_of(operation).output_shape, answer)


def check_answer(*, operation: str, answer: Mapping[str, Any], each: bool = True) -> None:
    """Check an answer; not `each` checks one of those that differ in times and digits alone.

    Raises:
        ShapeError: names what does not fit.
    """
    form = None if each else (operation, _form(answer))
    if form in _sound:
        return
    found = output_problems(operation=operation, answer=answer)
    if found:
        raise ShapeError(f"answer of {operation} does not fit the API: {found}")
    if form is not None:
        _sound.add(form)


_sound: set[object] = set()
_DIGITS = re.compile(r"[0-9a-f]")


def _form(value: object) -> object:
    if isinstance(value, dict):
        return tuple((key, _form(inner)) for key, inner in value.items())
    if isinstance(value, list):
        return tuple(_form(inner) for inner in value)
    return _text_form(value) if isinstance(value, str) else type(value)


@cache
def _text_form(text: str) -> str:
    return _DIGITS.sub("0", text)


def problems(shape: Shape | None, value: Mapping[str, Any]) -> list[str]:
    """Everything in a value that its shape does not allow; a shape of None allows all."""
    if shape is None:
        return []
    report = ParamValidator().validate(value, shape)
    found = [line for line in report.generate_report().splitlines() if line]
    _walk(shape, value, "", found)
    return found


def _walk(shape: Shape, value: object, where: str, found: list[str]) -> None:
    """Patterns, enums, lengths and unknown fields: what ParamValidator leaves out."""
    if isinstance(shape, StructureShape) and isinstance(value, dict):
        for name, inner in value.items():
            at = f"{where}.{name}" if where else name
            if name not in shape.members:
                found.append(f"Unknown field '{at}'")
            else:
                _walk(shape.members[name], inner, at, found)
    elif isinstance(shape, ListShape) and isinstance(value, list):
        _length(len(value), shape, where, found)
        for index, inner in enumerate(value):
            _walk(shape.member, inner, f"{where}.{index + 1}.member", found)
    elif isinstance(shape, MapShape) and isinstance(value, dict):
        for key, inner in value.items():
            _walk(shape.key, key, f"{where}.key", found)
            _walk(shape.value, inner, f"{where}.{key}", found)
    elif isinstance(shape, StringShape) and isinstance(value, str):
        _string(shape, value, where, found)


def _length(length: int, shape: Shape, where: str, found: list[str]) -> None:
    highest = shape.metadata.get("max")
    if highest is not None and length > highest:
        found.append(
            f"Value at '{where}' failed to satisfy constraint: Member must have length less than "
            f"or equal to {highest}"
        )


def _string(shape: Shape, value: str, where: str, found: list[str]) -> None:
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
