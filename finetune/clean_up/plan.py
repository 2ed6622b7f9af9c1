"""What a destroy takes away and what it leaves, as the deployed templates have it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from finetune.clean_up.judge import order_of
from finetune.clean_up.stacks import Resource, Stack
from finetune.clean_up.things import JOB_RESOURCE, Kind, Thing
from finetune.clean_up.wanted import Wanted
from finetune.report import Finding

DATA_TYPES: Final[Mapping[str, Kind]] = {
    "AWS::S3::Bucket": Kind.BUCKET,
    "AWS::KMS::Key": Kind.KEY,
    "AWS::DynamoDB::Table": Kind.TABLE,
    "AWS::Logs::LogGroup": Kind.LOG_GROUP,
}
"""Resources that hold what cannot be made again, or without which it cannot be read."""
IDENTIFIERS: Final[Mapping[str, str]] = {
    "AWS::S3::Bucket": "BucketName",
    "AWS::KMS::Key": "KeyId",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Logs::LogGroup": "LogGroupName",
}
"""What CloudFormation wants to know of a resource to take it into a stack.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/resource-import-supported-resources.html
"""


@dataclass(frozen=True, kw_only=True)
class Plan:
    """The stacks of an environment in the order in which they go, and what becomes of what."""

    wanted: Wanted
    stacks: Sequence[Stack]
    things: Sequence[Thing]
    """What Bedrock has of the environment: jobs and models."""

    @property
    def jobs(self) -> list[Stack]:
        """The stacks of jobs, which go first, side by side."""
        return [stack for stack in self.stacks if stack.job]

    @property
    def shared(self) -> list[Stack]:
        """The other stacks, each before those it needs."""
        return [stack for stack in self.stacks if not stack.job]

    @property
    def protected(self) -> list[Stack]:
        """The stacks that CloudFormation does not delete yet."""
        return [stack for stack in self.stacks if stack.protected]

    def data(self, *, stays: bool) -> list[tuple[Stack, Resource]]:
        """Buckets, keys, tables and log groups that stay, or that go."""
        return [
            (stack, resource)
            for stack in self.stacks
            for resource in stack.resources
            if resource.type in DATA_TYPES and resource.stays is stays
        ]

    def buckets_to_empty(self, stack: Stack) -> list[str]:
        """The buckets that go with a stack: CloudFormation deletes none that holds something."""
        return [each.physical_id for each in stack.of_type("AWS::S3::Bucket") if not each.stays]

    def models(self, *, stay: bool) -> list[Thing]:
        """The models that are left afterwards, or that go with their stacks."""
        going = {
            resource.physical_id
            for stack in self.jobs
            for resource in stack.of_type(JOB_RESOURCE)
            if stack.policies and stack.policies.on_delete == "delete-model"
        }
        return [
            thing
            for thing in self.things
            if thing.kind is Kind.MODEL and (thing.name not in going) is stay
        ]

    def running(self) -> list[Thing]:
        """The jobs that train, and are stopped."""
        return [
            thing
            for thing in self.things
            if thing.kind is Kind.JOB and thing.state in {"InProgress", "Stopping"}
        ]

    def served(self) -> list[Thing]:
        """Deployments and throughput, which go."""
        return [thing for thing in self.things if thing.kind in {Kind.THROUGHPUT, Kind.DEPLOYMENT}]


def make_plan(*, wanted: Wanted, stacks: Sequence[Stack], things: Sequence[Thing]) -> Plan:
    """Put the stacks of an environment into the order in which they go."""
    ordered = sorted(
        (stack for stack in stacks if stack.environment == wanted.environment),
        # Of parts that nobody knows, the youngest goes first: it may need the others.
        key=lambda stack: (order_of(stack.part), -stack.created.timestamp(), stack.name),
    )
    return Plan(
        wanted=wanted,
        stacks=ordered,
        things=[thing for thing in things if thing.environment == wanted.environment],
    )


def surprises(plan: Plan) -> Iterator[Finding]:
    """What the deployed templates do that the settings do not say, or that loses something.

    A destroy that has one is refused: policies hold from the deployment that brings them.
    """
    name = plan.wanted.environment
    for stays in (True, False):
        if stays is plan.wanted.retain:
            continue
        differ = plan.data(stays=stays)
        if differ:
            does = "keeps" if stays else "deletes"
            yield Finding(
                id="policy-differs",
                level="error",
                message=f"storage.retain is {str(plan.wanted.retain).lower()}, but what is deployed"
                f" {does} {len(differ)} buckets, keys, tables and log groups, such as"
                f" {differ[0][1].physical_id}",
                fix=f"deploy the setting first (cdk deploy -c environment={name} --all), or set"
                f" storage.retain: {str(stays).lower()}",
                where={"stack": differ[0][0].name, "property": "storage.retain"},
            )
    for stack in plan.jobs:
        deployed = stack.policies
        policies = plan.wanted.jobs.get(stack.job or "")
        if deployed and policies and deployed.on_delete != policies.on_delete:
            yield Finding(
                id="policy-differs",
                level="error",
                message=f"on_delete of the job {stack.job} is {policies.on_delete}, but what is"
                f" deployed says {deployed.on_delete}",
                fix=f"deploy the setting first: cdk deploy -c environment={name} {stack.name}",
                where={"stack": stack.name, "property": f"jobs.{stack.job}.on_delete"},
            )
    keys = {
        resource.physical_id
        for _, resource in plan.data(stays=False)
        if resource.type == "AWS::KMS::Key"
    }
    lost = [
        model
        for model in plan.models(stay=True)
        if model.details.get("key", "").rpartition("/")[2] in keys
    ]
    if lost:
        listed = ", ".join(model.name for model in lost)
        yield Finding(
            id="model-without-key",
            level="error",
            message=f"{len(lost)} models would stay whose key goes, and nobody could use them any"
            f" more: {listed}",
            fix=f"delete them first (finetune leftovers -e {name} --delete --also-kept"
            " 'custom model'), let them go (on_delete: delete-model), or keep data and keys"
            " (storage.retain: true); deploy before you destroy",
            where={"property": "storage.retain"},
        )


def sentences(plan: Plan) -> Iterator[str]:
    """What goes and what stays, for a person who is asked."""
    stacks = ", ".join(stack.part for stack in plan.stacks)
    yield f"goes: {len(plan.stacks)} stacks, in this order: {stacks}"
    for thing in plan.running():
        yield f"goes: the job {thing.name} is stopped, and what it trained so far is lost"
    for thing in plan.served():
        yield f"goes: the {thing.kind} {thing.name}"
    for model in plan.models(stay=False):
        yield f"goes: the model {model.name}"
    days = plan.wanted.pending_window_days
    for stays, verb in ((False, "goes"), (True, "stays")):
        found = plan.data(stays=stays)
        for _, resource in found:
            kind = DATA_TYPES[resource.type]
            if kind is not Kind.LOG_GROUP:
                yield f"{verb}: the {kind} {resource.physical_id}" + (
                    "" if stays else _HOW_IT_GOES.get(kind, "").format(days=days)
                )
        groups = sum(DATA_TYPES[resource.type] is Kind.LOG_GROUP for _, resource in found)
        if groups:
            yield f"{verb}: {groups} log {'group' if groups == 1 else 'groups'}"
    for model in plan.models(stay=True):
        yield f"stays: the model {model.name}"


_HOW_IT_GOES: Final[Mapping[Kind, str]] = {
    Kind.BUCKET: ", with every version of every object",
    Kind.KEY: ", {days} days later; what it encrypted cannot be read from now on",
}


def mappings(plan: Plan) -> dict[str, dict[str, dict[str, str]]]:
    """What stays of each stack, as `cdk import --resource-mapping` takes it up again."""
    found: dict[str, dict[str, dict[str, str]]] = {}
    for stack, resource in plan.data(stays=True):
        identifier = {IDENTIFIERS[resource.type]: resource.physical_id}
        found.setdefault(stack.name, {})[resource.logical_id] = identifier
    return found
