"""What stands around a request: policies of resources, endpoints and organizations."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from review.decisions.document import Policy


@dataclass(frozen=True, kw_only=True)
class Endpoint:
    """A VPC endpoint. Without a policy it lets everything through."""

    id: str
    vpc: str
    policy: Policy | None
    owner: str = ""
    """Its account."""


@dataclass(frozen=True, kw_only=True)
class Guardrails:
    """What an organization lets an account do.

    Each level, from the root of the organization to the account, holds the policies attached
    there; each has to allow. No level means no organization, or its management account.
    https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_scps_evaluation.html
    """

    scps: tuple[tuple[Policy, ...], ...] = ()
    rcps: tuple[tuple[Policy, ...], ...] = ()


@dataclass(frozen=True, kw_only=True)
class World:
    """Everything that policies beyond the caller's own say."""

    account: str
    """Whose the resources are whose ARN names no account."""
    partition: str
    region: str
    resource_policies: Mapping[str, Policy] = field(default_factory=dict)
    """By the ARN of the resource: buckets, keys, queues, topics, functions, and roles by what
    their trust policies say."""
    endpoints: Mapping[str, Endpoint] = field(default_factory=dict)
    """By id."""
    guardrails: Mapping[str, Guardrails] = field(default_factory=dict)
    """By account."""

    def policy_of(self, resource: str, *, action: str) -> Policy | None:
        """The policy of a resource, where it has one that decides about an action."""
        parts = resource.split(":", maxsplit=5)
        if len(parts) == 6 and parts[2] == "iam" and not action.lower().startswith("sts:"):
            # A trust policy says who takes a role; who passes or changes it is not in it.
            return None
        return self.resource_policies.get(holder(resource))

    def owner_of(self, resource: str, *, stated: str | None) -> str | None:
        """The account of a resource; None for what is AWS's own, such as a foundation model."""
        parts = resource.split(":", maxsplit=5)
        if stated:
            return stated
        if len(parts) == 6 and parts[4]:
            return parts[4]
        return self.account if len(parts) == 6 and parts[2] == "s3" else None


def holder(resource: str) -> str:
    """The resource that has the policy: an object's bucket, the function of a version."""
    parts = resource.split(":", maxsplit=5)
    if len(parts) < 6:
        return resource
    service, last = parts[2], parts[5]
    if service == "s3":
        last = last.partition("/")[0]
    elif service == "lambda" and last.startswith("function:"):
        last = ":".join(last.split(":")[:2])
    elif service == "dynamodb" and last.startswith("table/"):
        last = "/".join(last.split("/")[:2])
    return ":".join([*parts[:5], last])
