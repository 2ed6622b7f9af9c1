"""The limits that Bedrock puts on a request, read from botocore's bundled service model.

botocore checks types, required fields and lower bounds on the client's side; patterns, enums and
upper bounds are checked by the service alone. Here they are data, so that settings, synth and the
functions refuse a bad value before anything is deployed.
"""

import functools
import re
from dataclasses import dataclass

from botocore.loaders import Loader
from botocore.model import ListShape, MapShape, ServiceModel, Shape, StringShape, StructureShape

CREATE_JOB_SHAPE = "CreateModelCustomizationJobRequest"
"""Name of the input shape of CreateModelCustomizationJob."""

# `(-*[a-z-])*` lets a matcher split a run of hyphens in exponentially many ways; the class holds
# the hyphen itself, so the inner `-*` adds no string to the language. A test compares the two.
_LINEAR = {r"(-*[a-zA-Z0-9\+\-\.])*": r"[a-zA-Z0-9\+\-\.]*"}


@dataclass(frozen=True, kw_only=True)
class Constraint:
    """What a value of one field of the API may be; `None` where the service model is silent.

    `minimum` and `maximum` bound the length of a string, the number of entries of a list or map,
    or the value of a number.
    """

    shape: str
    kind: str
    pattern: str | None = None
    minimum: float | None = None
    maximum: float | None = None
    enum: tuple[str, ...] = ()
    required: bool = False


@functools.cache
def bedrock_model() -> ServiceModel:
    """Return botocore's model of the Bedrock control plane, loaded once per process."""
    return ServiceModel(Loader().load_service_model("bedrock", "service-2"), "bedrock")


def describe(*, shape: Shape, required: bool = False) -> Constraint:
    """Return the constraint that a botocore shape states."""
    pattern = shape.metadata.get("pattern")
    return Constraint(
        shape=shape.name,
        kind=shape.type_name,
        pattern=linear(pattern) if pattern else None,
        minimum=shape.metadata.get("min"),
        maximum=shape.metadata.get("max"),
        enum=tuple(shape.enum) if isinstance(shape, StringShape) else (),
        required=required,
    )


def linear(pattern: str) -> str:
    """Return a pattern of the service model in a form that matches in linear time."""
    for slow, fast in _LINEAR.items():
        pattern = pattern.replace(slow, fast)
    return pattern


@functools.cache
def constraints(shape_name: str, path: str = "") -> Constraint:
    """Return the constraint of a field: `constraints(CREATE_JOB_SHAPE, "vpcConfig.subnetIds[]")`.

    `path` joins the members by dots; `[]` is a list's member, `{}` a map's value; an empty path is
    the shape itself. Raises KeyError with the path when there is no such field.
    """
    shape = bedrock_model().shape_for(shape_name)
    required = False
    for step in re.findall(r"[A-Za-z0-9]+|\[\]|\{\}", path):
        if isinstance(shape, StructureShape) and step in shape.members:
            required = step in shape.required_members
            shape = shape.members[step]
        elif isinstance(shape, ListShape) and step == "[]":
            shape, required = shape.member, False
        elif isinstance(shape, MapShape) and step == "{}":
            shape, required = shape.value, False
        else:
            raise KeyError(f"{shape_name} has no field {path}: {shape.name} has no {step}")
    return describe(shape=shape, required=required)


def pattern(shape_name: str) -> str:
    """Return the pattern of a named shape such as `JobName`; a value must match it as a whole.

    Raises KeyError when the shape has none.
    """
    found = constraints(shape_name).pattern
    if found is None:
        raise KeyError(f"{shape_name} has no pattern in botocore's bedrock model")
    return found


@functools.cache
def compiled(expression: str) -> re.Pattern[str]:
    """Return a pattern of the service model compiled as the service reads it (ASCII classes)."""
    return re.compile(expression, re.ASCII)


def matches(*, value: str, expression: str) -> bool:
    """Return whether a value as a whole matches a pattern of the service model."""
    return compiled(expression).fullmatch(value) is not None
