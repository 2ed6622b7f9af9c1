"""What the provider framework calls the functions with, typed and checked at the door.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref-requests.html
The event holds CloudFormation's signed response URL: no part of it is kept beyond what is named
here, and errors name fields, never values.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from enum import StrEnum
from typing import Any, Final, NotRequired, TypedDict

from customization.errors import EnvironmentVariableError, EventError

LONGEST_SECONDS: Final = 3600
"""What CloudFormation waits at most, and by default, for a custom resource's answer."""


DEFAULT_JOBS_IN_PROGRESS: Final = 2
MOST_JOBS_IN_PROGRESS: Final = 10
"""Bedrock's quota of scheduled customization jobs; https://docs.aws.amazon.com/general/latest/gr/bedrock.html"""


class RequestType(StrEnum):
    """What CloudFormation asks for."""

    CREATE = "Create"
    UPDATE = "Update"
    DELETE = "Delete"


class Follow(StrEnum):
    """What the completion check has still to wait for after the submitter answered."""

    JOB = "job"
    """The job: until it is submitted, validated or, on Delete, over with its interfaces gone."""
    QUEUE = "queue"
    """The queue, which no deployment waits for: the follower takes over."""
    NOTHING = "nothing"


class OnEventResult(TypedDict):
    """What the submitter answers; the framework hands all of it on to the completion check.

    `Jobs` names what has to be over on a Delete (jobs, or deployments where the resource is one),
    `NotBefore` when one that Bedrock does not have may be taken for gone: until then a submission
    may still be under way.
    """

    PhysicalResourceId: str
    Follow: str
    SubmittedAt: NotRequired[str]
    Jobs: NotRequired[list[str]]
    NotBefore: NotRequired[str]
    Data: NotRequired[dict[str, str]]


class IsCompleteResult(TypedDict):
    """What the completion check answers; the framework refuses `Data` while incomplete."""

    IsComplete: bool
    Data: NotRequired[dict[str, str]]


@dataclass(frozen=True, kw_only=True)
class ResourceEvent:
    """One request of CloudFormation for one custom resource.

    `follow`, `submitted_at`, `jobs` and `not_before` are what the submitter answered, on the way
    to the completion check.
    """

    request_type: RequestType
    request_id: str
    stack_id: str
    logical_id: str
    physical_id: str | None
    properties: Mapping[str, object] = field(repr=False)
    old_properties: Mapping[str, object] = field(repr=False)
    follow: Follow
    submitted_at: datetime | None
    jobs: tuple[str, ...] = ()
    not_before: datetime | None = None
    resource_type: str = ""

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
        jobs = event.get("Jobs", [])
        if not isinstance(jobs, list) or not all(isinstance(job, str) for job in jobs):
            raise EventError("Jobs must be a list of strings")
        properties = _mapping(event, "ResourceProperties")
        return cls(
            request_type=RequestType(kind),
            request_id=_text(event, "RequestId"),
            stack_id=_text(event, "StackId"),
            logical_id=_text(event, "LogicalResourceId"),
            physical_id=physical_id,
            properties=properties,
            old_properties=_mapping(event, "OldResourceProperties", absent_is_empty=True),
            follow=Follow(follow),
            submitted_at=_moment(event, "SubmittedAt"),
            jobs=tuple(jobs),
            not_before=_moment(event, "NotBefore"),
            resource_type=str(event.get("ResourceType", "")),
        )

    @property
    def time_limit(self) -> timedelta:
        """How long CloudFormation waits for the answer, by the resource's ServiceTimeout.

        https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-cloudformation-customresource.html
        """
        seconds = str(self.properties.get("ServiceTimeout", LONGEST_SECONDS))
        whole = seconds.isascii() and seconds.isdigit() and int(seconds) <= LONGEST_SECONDS
        return timedelta(seconds=int(seconds) if whole else LONGEST_SECONDS)


@dataclass(frozen=True, kw_only=True)
class SubmitEvent:
    """The follower's word that a queued job's turn has come."""

    name: str

    @classmethod
    def parse(cls, event: object) -> "SubmitEvent | None":
        """Return the event's typed form, or None when it is another event.

        Raises EventError when it is one and names nothing.
        """
        if not isinstance(event, Mapping) or "Submit" not in event:
            return None
        name = event["Submit"]
        if not isinstance(name, str) or not name:
            raise EventError("Submit must name a job")
        return cls(name=name)


def _text(event: Mapping[str, Any], name: str) -> str:
    value = event.get(name)
    if not isinstance(value, str) or not value:
        raise EventError(f"{name} must be a string")
    return value


def _mapping(
    event: Mapping[str, Any], name: str, *, absent_is_empty: bool = False
) -> Mapping[str, object]:
    value = event.get(name, {} if absent_is_empty else None)
    if not isinstance(value, Mapping):
        raise EventError(f"{name} must be a JSON object")
    return value


def _moment(event: Mapping[str, Any], name: str) -> datetime | None:
    value = event.get(name)
    if value is None:
        return None
    try:
        return datetime.fromisoformat(str(value))
    except ValueError:
        raise EventError(f"{name} must be a time in ISO 8601") from None


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


def read_jobs_in_progress(environment: Mapping[str, str]) -> int:
    """Return MAX_JOBS_IN_PROGRESS, how many jobs may be in Bedrock at once (1 to 10, default 2)."""
    return read_whole(
        environment,
        "MAX_JOBS_IN_PROGRESS",
        default=DEFAULT_JOBS_IN_PROGRESS,
        low=1,
        high=MOST_JOBS_IN_PROGRESS,
    )
