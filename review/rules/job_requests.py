"""Requests for customization jobs, wherever a template holds them.

There is no CloudFormation type for a job, so people write the request into a custom resource, a
state machine or a function's variables. It is known by its fields.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any, Final

from review.rules.rule import many
from review.template.deployment import Deployment, Resource

_MARKS: Final = frozenset({"baseModelIdentifier", "trainingDataConfig"})
"""Fields that nothing but this request has; with a capital in Step Functions."""


@dataclass(frozen=True, kw_only=True)
class JobRequest:
    """The request of one job, with field names as the API has them."""

    resource: Resource
    path: str
    """Dotted, in the resource's properties."""
    fields: Mapping[str, Any]

    @cached_property
    def vpc(self) -> Mapping[str, Any]:
        """What `vpcConfig` says."""
        value = self.fields.get("vpcConfig")
        return value if isinstance(value, Mapping) else {}

    @property
    def group_ids(self) -> list[str]:
        """The security groups of the job."""
        return [str(each) for each in many(self.vpc.get("securityGroupIds"))]

    @property
    def subnet_ids(self) -> list[str]:
        """The subnets of the job."""
        return [str(each) for each in many(self.vpc.get("subnetIds"))]


def job_requests(deployment: Deployment) -> list[JobRequest]:
    """Every request of a deployment; looked for once."""
    known = deployment.__dict__.get("_job_requests")
    if known is None:
        known = [
            JobRequest(resource=resource, path=path, fields=fields)
            for resource in deployment.resources
            for path, fields in _requests(resource)
        ]
        deployment.__dict__["_job_requests"] = known
    found: list[JobRequest] = known
    for each in found:
        each.resource.looked_at(each.path)
    return found


def _requests(resource: Resource) -> Iterator[tuple[str, Mapping[str, Any]]]:
    # Worked out once for each resource: weakened copies of a deployment share all but one.
    known = resource.__dict__.get("_requests")
    if known is None:
        known = list(_search(resource.properties, ""))
        resource.__dict__["_requests"] = known
    yield from known


def _search(value: Any, path: str) -> Iterator[tuple[str, Mapping[str, Any]]]:  # noqa: ANN401 - a piece of a template
    if isinstance(value, Mapping):
        fields = {str(name)[:1].lower() + str(name)[1:]: each for name, each in value.items()}
        if _MARKS & set(fields):
            yield path, {name: _lowered(each) for name, each in fields.items()}
            return
        for name, each in value.items():
            yield from _search(each, f"{path}.{name}" if path else str(name))
    elif isinstance(value, list):
        for index, each in enumerate(value):
            yield from _search(each, f"{path}.{index}")
    elif isinstance(value, str) and any(mark[1:] in value for mark in _MARKS):
        try:
            text = json.loads(value)
        except ValueError:
            return
        if isinstance(text, Mapping | list):
            yield from _search(text, path)


def _lowered(value: Any) -> Any:  # noqa: ANN401 - a piece of a request
    """The API's names begin with a small letter, Step Functions' with a capital."""
    if isinstance(value, Mapping):
        return {str(name)[:1].lower() + str(name)[1:]: _lowered(v) for name, v in value.items()}
    return [_lowered(each) for each in value] if isinstance(value, list) else value
