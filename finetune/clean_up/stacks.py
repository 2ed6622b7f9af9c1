"""The app's stacks as CloudFormation tells of them: what each owns, and what its template says.

What becomes of a resource when its stack goes is decided by the template that is deployed, not by
settings that were changed since: so the template is read.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any, Final

from botocore.exceptions import ClientError

from customization.identity import ENVIRONMENT_TAG
from finetune.aws import error_code
from finetune.clean_up.looks import Region
from finetune.clean_up.things import DEPLOYMENT_RESOURCE, JOB_RESOURCE
from finetune.clean_up.wanted import JOB_PART, Policies, stack_name

NEVER_MADE: Final = "REVIEW_IN_PROGRESS"
"""A stack of which there is only a change set."""
GONE: Final = "DELETE_COMPLETE"
_KEPT: Final = frozenset({"Retain", "RetainExceptOnCreate", "Snapshot"})
"""Deletion policies with which something stays.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/aws-attribute-deletionpolicy.html
"""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource of a stack."""

    logical_id: str
    type: str
    physical_id: str
    stays: bool
    """Whether it outlives the stack."""
    properties: Mapping[str, Any] = field(default_factory=dict)
    """As the template has them: what is not written out there is no text."""

    def text(self, name: str) -> str | None:
        """A property that the template writes out."""
        value = self.properties.get(name)
        return value if isinstance(value, str) else None


@dataclass(frozen=True, kw_only=True)
class Stack:
    """A stack of the app that is there."""

    name: str
    id: str
    environment: str
    region: str
    status: str
    created: datetime
    protected: bool = False
    reason: str = ""
    resources: tuple[Resource, ...] = ()
    tagged: bool = True

    @property
    def part(self) -> str:
        """Which part of the environment it holds, such as `storage` or `job-reviews`."""
        return self.name.removeprefix(stack_name(self.environment, ""))

    @property
    def job(self) -> str | None:
        """The job that it holds, if it is a job's."""
        return self.part.removeprefix(JOB_PART) if self.part.startswith(JOB_PART) else None

    @property
    def is_busy(self) -> bool:
        """Whether CloudFormation is changing it."""
        return self.status.endswith("_IN_PROGRESS")

    @property
    def policies(self) -> Policies | None:
        """What its template says of the job's model; None when it holds no job."""
        return next((_policies(each) for each in self.of_type(JOB_RESOURCE)), None)

    @property
    def deployment(self) -> Resource | None:
        """The wish for a deployment of its model, if there is one."""
        return next(iter(self.of_type(DEPLOYMENT_RESOURCE)), None)

    def of_type(self, type_: str) -> list[Resource]:
        """Its resources of a type."""
        return [each for each in self.resources if each.type == type_]


def _policies(resource: Resource) -> Policies:
    # A template that was written before there was a choice kept nothing back.
    on_replace, on_delete = resource.text("OnReplace"), resource.text("OnDelete")
    return Policies(
        on_replace="delete-model" if on_replace == "delete-model" else "keep-model",
        on_delete="delete-model" if on_delete == "delete-model" else "keep-model",
    )


def living(region: Region) -> list[Stack]:
    """The stacks that carry the owner tag, with all they own, and those of jobs by their names.

    A stack that was deployed without its tags, by the API or by another tool, is a job's when it is
    called as one of an environment that is asked for, and its template has a job.
    """
    found = []
    for each in region.pages("cloudformation", "describe_stacks", "Stacks"):
        if each["StackStatus"] in {GONE, NEVER_MADE}:
            continue
        environment = _environment(each)
        if region.admits(environment):
            found.append(_read(region, each, str(environment)))
        elif (named := _job_environment(region, each)) is not None:
            found.append(_read(region, each, named, tagged=False))
    return found


def _job_environment(region: Region, stack: Mapping[str, Any]) -> str | None:
    """Return the environment whose job an untagged stack holds, None when it holds none."""
    if any(tag["Key"] == ENVIRONMENT_TAG for tag in stack.get("Tags") or []):
        return None
    # The longest first: `dev-job-x` begins as `dev` does.
    for environment in sorted(region.environments or (), key=len, reverse=True):
        if stack["StackName"].startswith(stack_name(environment, JOB_PART)):
            written = _template(region, stack["StackId"]).get("Resources") or {}
            types = {each.get("Type") for each in written.values()}
            return environment if JOB_RESOURCE in types else None
    return None


def _environment(stack: Mapping[str, Any]) -> str | None:
    tags = {tag["Key"]: tag["Value"] for tag in stack.get("Tags") or []}
    environment = tags.get(ENVIRONMENT_TAG)
    # The tag alone could be on a stack that somebody else tagged so.
    if environment and stack["StackName"].startswith(stack_name(environment, "")):
        return str(environment)
    return None


def _read(
    region: Region, about: Mapping[str, Any], environment: str, *, tagged: bool = True
) -> Stack:
    template = _template(region, about["StackId"])
    return Stack(
        name=about["StackName"],
        id=about["StackId"],
        environment=environment,
        region=region.name,
        status=about["StackStatus"],
        created=about["CreationTime"],
        protected=bool(about.get("EnableTerminationProtection")),
        reason=str(about.get("StackStatusReason", "")),
        resources=tuple(_resources(region, about["StackName"], template)),
        tagged=tagged,
    )


def _resources(region: Region, stack: str, template: Mapping[str, Any]) -> Iterator[Resource]:
    written = template.get("Resources") or {}
    for each in region.pages(
        "cloudformation", "list_stack_resources", "StackResourceSummaries", StackName=stack
    ):
        if each["ResourceStatus"] == GONE or not each.get("PhysicalResourceId"):
            continue
        entry = written.get(each["LogicalResourceId"], {})
        yield Resource(
            logical_id=each["LogicalResourceId"],
            type=each["ResourceType"],
            physical_id=each["PhysicalResourceId"],
            stays=entry.get("DeletionPolicy") in _KEPT,
            properties=entry.get("Properties") or {},
        )


def _template(region: Region, stack: str) -> Mapping[str, Any]:
    body: object = region.client("cloudformation").get_template(StackName=stack)["TemplateBody"]
    if isinstance(body, str):
        try:
            body = json.loads(body)
        except ValueError:
            # YAML: none that this app deploys. Then nothing is known of policies.
            return {}
    return body if isinstance(body, dict) else {}


@dataclass(frozen=True, kw_only=True)
class LastWords:
    """What a job's stack said before it went."""

    policies: Policies
    model: str | None
    """The model that it stood for; None when nobody knows any more."""


def last_words(region: Region) -> dict[str, LastWords]:
    """What deleted job stacks said of their models, by the stack's name.

    CloudFormation knows a deleted stack, its template and its resources for 90 days.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_GetTemplate.html
    https://docs.aws.amazon.com/AWSCloudFormation/latest/APIReference/API_ListStackResources.html
    """
    found: dict[str, LastWords] = {}
    newest: dict[str, Mapping[str, Any]] = {}
    for each in region.pages(
        "cloudformation", "list_stacks", "StackSummaries", StackStatusFilter=[GONE]
    ):
        name = each["StackName"]
        if not _is_jobs(region, name):
            continue
        before = newest.get(name)
        if before is None or each["CreationTime"] > before["CreationTime"]:
            newest[name] = each
    for name, each in newest.items():
        try:
            template = _template(region, each["StackId"])
            models = _physical_ids(region, each["StackId"])
        except ClientError as error:
            if error_code(error) == "ValidationError":
                # Forgotten between the list and the look at it.
                continue
            raise
        for logical_id, entry in (template.get("Resources") or {}).items():
            if entry.get("Type") == JOB_RESOURCE:
                resource = Resource(
                    logical_id=logical_id,
                    type=JOB_RESOURCE,
                    physical_id=models.get(logical_id, ""),
                    stays=False,
                    properties=entry.get("Properties") or {},
                )
                found[name] = LastWords(
                    policies=_policies(resource), model=resource.physical_id or None
                )
    return found


def _physical_ids(region: Region, stack: str) -> dict[str, str]:
    """The physical ids of a stack's resources, by logical id."""
    return {
        each["LogicalResourceId"]: each["PhysicalResourceId"]
        for each in region.pages(
            "cloudformation", "list_stack_resources", "StackResourceSummaries", StackName=stack
        )
        if each.get("PhysicalResourceId")
    }


def _is_jobs(region: Region, name: str) -> bool:
    if region.environments is None:
        return name.startswith("finetune-") and f"-{JOB_PART}" in name
    return any(
        name.startswith(stack_name(environment, JOB_PART)) for environment in region.environments
    )
