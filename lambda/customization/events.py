"""What the provider framework calls the functions with, typed and checked at the door.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html
The event holds CloudFormation's signed response URL: no part of it is kept beyond what is named
here, and errors name fields, never values.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any, NotRequired, TypedDict

from customization.errors import EnvironmentVariableError, EventError


class RequestType(StrEnum):
    """What CloudFormation asks for."""

    CREATE = "Create"
    UPDATE = "Update"
    DELETE = "Delete"


class Follow(StrEnum):
    """What the completion check has still to wait for after the submitter answered."""

    JOB = "job"
    """The job: until it is submitted, validated or, on Delete, over with its interfaces gone."""
    NOTHING = "nothing"


class OnEventResult(TypedDict):
    """What the submitter answers; the framework hands all of it on to the completion check."""

    PhysicalResourceId: str
    Follow: str
    SubmittedAt: NotRequired[str]
    Data: NotRequired[dict[str, str]]


class IsCompleteResult(TypedDict):
    """What the completion check answers; the framework refuses `Data` while incomplete."""

    IsComplete: bool
    Data: NotRequired[dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class ResourceEvent:
    """One request of CloudFormation for one custom resource.

    `follow` and `submitted_at` are what the submitter answered, on the way to the completion check.
    """

    request_type: RequestType
    physical_id: str | None
    properties: Mapping[str, object] = field(repr=False)
    old_properties: Mapping[str, object] = field(repr=False)
    follow: Follow
    submitted_at: datetime | None

    @classmethod
    def parse(cls, event: object) -> "ResourceEvent":
        """Return the event's typed form; raises EventError naming the field that is wrong."""
        if not isinstance(event, Mapping):
            raise EventError(f"the event must be a JSON object, got a {type(event).__name__}")
        kind = event.get("RequestType")
        if kind not in set(RequestType):
            raise EventError(f"RequestType must be one of {', '.join(RequestType)}")
        physical_id = event.get("PhysicalResourceId")
        if kind == RequestType.CREATE and physical_id is None:
            pass
        elif not isinstance(physical_id, str) or not physical_id:
            raise EventError(f"PhysicalResourceId must be a string on {kind}")
        follow = event.get("Follow", Follow.JOB)
        if follow not in set(Follow):
            raise EventError(f"Follow must be one of {', '.join(Follow)}")
        return cls(
            request_type=RequestType(kind),
            physical_id=physical_id,
            properties=_mapping(event, "ResourceProperties"),
            old_properties=_mapping(event, "OldResourceProperties", absent_is_empty=True),
            follow=Follow(follow),
            submitted_at=_moment(event.get("SubmittedAt")),
        )


def _mapping(
    event: Mapping[str, Any], name: str, *, absent_is_empty: bool = False
) -> Mapping[str, object]:
    value = event.get(name, {} if absent_is_empty else None)
    if not isinstance(value, Mapping):
        raise EventError(f"{name} must be a JSON object")
    return value


def _moment(value: object) -> datetime | None:
    if value is None:
        return None
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        raise EventError("SubmittedAt must be a time in ISO 8601") from None


def read_variable(environment: Mapping[str, str], name: str, *, default: str | None = None) -> str:
    """Return an environment variable of the function.

    Raises EnvironmentVariableError when it is missing or empty and has no default.
    """
    value = environment.get(name) or default
    if value is None:
        raise EnvironmentVariableError(f"the environment variable {name} is missing: deploy again")
    return value


def read_whole(
    environment: Mapping[str, str], name: str, *, default: int, low: int, high: int
) -> int:
    """Return an environment variable as a whole number within bounds, or its default."""
    text = read_variable(environment, name, default=str(default))
    if not text.isascii() or not text.isdigit() or not low <= int(text) <= high:
        raise EnvironmentVariableError(f"{name} must be a whole number from {low} to {high}")
    return int(text)
