"""What the services say is there: one look for each, in one Region.

The Resource Groups Tagging API tells most of what carries the owner tag, but it lags and does not
know everything: so each service is asked for its own list, and by names, besides.
https://docs.aws.amazon.com/resourcegroupstagging/latest/APIReference/API_GetResources.html
"""

from __future__ import annotations

import re
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError

from customization.identity import DIGEST_PATTERN, ENVIRONMENT_TAG, JOB_TAG
from customization.jobs import tags_of
from finetune.aws import Connection, aws_errors, error_code
from finetune.clean_up.things import APPLICATION, Kind, Thing
from finetune.report import CommandError, Finding

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient

GONE_CODES: Final = frozenset(
    {
        "NoSuchBucket", "NoSuchEntity", "NoSuchTagSet", "NotFoundException", "ResourceNotFound",
        "ResourceNotFoundException", "NonExistentQueue", "QueueDoesNotExist", "404",
        "AWS.SimpleQueueService.NonExistentQueue", "StateMachineDoesNotExist", "NotFound",
    }
)  # fmt: skip
"""Codes of the answers about something that went away between the list and the look at it."""
_MARK: Final = f"{APPLICATION}-"
_JOB_NAME: Final = re.compile(
    rf"(?P<environment_and_job>.+)-{DIGEST_PATTERN}(-[1-9][0-9]?)?(?P<deployment>-[0-9a-f]{{6}})?"
)
_AT: Final = re.compile(r"at\(([0-9T:-]+)\)")
"""A schedule for one time, in UTC where it names no zone, as the app's do not.
https://docs.aws.amazon.com/scheduler/latest/UserGuide/schedule-types.html"""
_WORKERS: Final = 8
"""Calls at once: enough to be done in seconds, far below what services throttle."""


@dataclass(frozen=True, kw_only=True)
class Region:
    """An account in one Region, and whose things are looked for."""

    connection: Connection
    environments: frozenset[str] | None
    """None for those of everybody."""
    tagged: dict[str, str] = field(default_factory=dict)
    """Environment by ARN, as the tagging API knows it."""
    _clients: dict[str, Any] = field(default_factory=dict)
    _making: threading.Lock = field(default_factory=threading.Lock)

    @property
    def name(self) -> str:
        """Name of the Region."""
        return self.connection.region

    def client(self, service: str) -> Any:  # noqa: ANN401 - each service has its own type
        """The client of a service, made once."""
        # A session may make one client at a time; clients themselves serve all threads.
        with self._making:
            if service not in self._clients:
                self._clients[service] = self.connection.client(service)
            return self._clients[service]

    @property
    def bedrock(self) -> BedrockClient:
        """The client that knows jobs and models."""
        found: BedrockClient = self.client("bedrock")
        return found

    def pages(self, service: str, operation: str, key: str, **arguments: Any) -> Iterator[Any]:
        """Yield the entries of all pages of a list."""
        client = self.client(service)
        if client.can_paginate(operation):
            for page in client.get_paginator(operation).paginate(**arguments):
                yield from page.get(key) or []
        else:
            yield from getattr(client, operation)(**arguments).get(key) or []

    def admits(self, environment: str | None) -> bool:
        """Whether things of this environment are looked for."""
        return environment is not None and (
            self.environments is None or environment in self.environments
        )

    def owner(self, *, arn: str, name: str, ask: Callable[[], Mapping[str, str]]) -> Owner | None:
        """Whose a thing is: by the tagging API, else by the tags it has, else by its name."""
        if arn in self.tagged:
            found: Owner | None = Owner(environment=self.tagged[arn], tagged=True)
        else:
            tag = _or_nothing(ask).get(ENVIRONMENT_TAG)
            found = Owner(environment=tag, tagged=True) if tag else self._by_name(name)
        return found if found and self.admits(found.environment) else None

    def _by_name(self, name: str) -> Owner | None:
        """An environment that is asked for and whose names look so; a name proves no more."""
        for environment in sorted(self.environments or set(self.tagged.values()), key=len):
            if re.search(rf"(^|[-/]){_MARK}{re.escape(environment)}(-|/|$)", name):
                return Owner(environment=environment, tagged=False)
        return None


@dataclass(frozen=True, kw_only=True)
class Owner:
    """Whose a thing is, and whether its tag says so."""

    environment: str
    tagged: bool


def _tags(
    region: Region, service: str, operation: str, key: str, **arguments: str
) -> Callable[[], Mapping[str, str]]:
    """Asking a service for the tags of one thing, when it comes to that."""

    def ask() -> Mapping[str, str]:
        found = getattr(region.client(service), operation)(**arguments).get(key) or {}
        return found if isinstance(found, dict) else _pairs(found)

    return ask


def _or_nothing(ask: Callable[[], Mapping[str, str]]) -> Mapping[str, str]:
    try:
        return ask()
    except ClientError as error:
        if error_code(error) in GONE_CODES | {"AccessDenied", "AccessDeniedException"}:
            # Tags of what belongs to others, or is gone.
            return {}
        raise


def _pairs(tags: Iterable[Mapping[str, str]] | None) -> dict[str, str]:
    """Tags as a mapping, however the service spells their parts."""
    found = {}
    for each in tags or []:
        parts = {name.lower().removeprefix("tag"): value for name, value in each.items()}
        found[parts["key"]] = parts["value"]
    return found


def read_tagged(region: Region) -> None:
    """Ask the tagging API what carries the owner tag."""
    arguments = {"TagFilters": [{"Key": ENVIRONMENT_TAG}]}
    for each in region.pages(
        "resourcegroupstaggingapi", "get_resources", "ResourceTagMappingList", **arguments
    ):
        region.tagged[each["ResourceARN"]] = _pairs(each["Tags"])[ENVIRONMENT_TAG]


# Bedrock


def _bedrock_things(
    region: Region, entries: Iterable[tuple[str, str, Mapping[str, Any]]], *, kind: Kind
) -> Iterator[tuple[Thing, Mapping[str, Any]]]:
    """The entries that are ours by their tags, as things, each with the entry it was made from."""

    def tags(arn: str) -> Mapping[str, str]:
        # Not passed over when it is denied: what costs most would be missing without a word.
        return tags_of(bedrock=region.bedrock, arn=arn)

    listed = list(entries)
    with ThreadPoolExecutor(max_workers=_WORKERS) as pool:
        tagged = pool.map(tags, [arn for _, arn, _ in listed])
    for (name, arn, entry), found in zip(listed, tagged, strict=True):
        environment = found.get(ENVIRONMENT_TAG)
        if not region.admits(environment):
            continue
        yield (
            Thing(
                kind=kind,
                name=name,
                id=arn,
                physical_id=name,
                region=region.name,
                environment=str(environment),
                job=found.get(JOB_TAG),
                created=entry.get("creationTime", entry.get("createdAt")),
                state=str(entry.get("status", entry.get("modelStatus", ""))),
            ),
            entry,
        )


def jobs(region: Region) -> Iterator[Thing]:
    """Customization jobs, also those that are over: Bedrock keeps their records for good."""
    summaries = region.pages(
        "bedrock", "list_model_customization_jobs", "modelCustomizationJobSummaries"
    )
    listed = (
        (each["jobName"], each["jobArn"], each)
        for each in summaries
        if _JOB_NAME.fullmatch(each["jobName"]) and _may_be(region, each["jobName"])
    )
    for thing, entry in _bedrock_things(region, listed, kind=Kind.JOB):
        yield _with(thing, base=_foundation_model(entry.get("baseModelArn")))


def _may_be(region: Region, name: str) -> bool:
    return region.environments is None or any(
        name.startswith(f"{environment}-") for environment in region.environments
    )


def models(region: Region) -> Iterator[Thing]:
    """Custom models of the account."""
    listed = (
        (each["modelName"], each["modelArn"], each)
        for each in region.pages("bedrock", "list_custom_models", "modelSummaries", isOwned=True)
    )
    for thing, entry in _bedrock_things(region, listed, kind=Kind.MODEL):
        key = _key_of_model(region, thing.id)
        yield _with(thing, base=_foundation_model(entry.get("baseModelArn")), key=key)


def _key_of_model(region: Region, arn: str) -> str | None:
    try:
        return region.bedrock.get_custom_model(modelIdentifier=arn).get("modelKmsKeyArn")
    except ClientError as error:
        if error_code(error) in GONE_CODES | {"AccessDeniedException", "ValidationException"}:
            return None
        raise


def throughputs(region: Region) -> Iterator[Thing]:
    """Provisioned throughput: what is paid by the hour."""
    listed = (
        (each["provisionedModelName"], each["provisionedModelArn"], each)
        for each in region.pages(
            "bedrock", "list_provisioned_model_throughputs", "provisionedModelSummaries"
        )
    )
    for thing, entry in _bedrock_things(region, listed, kind=Kind.THROUGHPUT):
        until = entry.get("commitmentExpirationTime")
        yield _with(
            thing,
            base=_foundation_model(entry.get("foundationModelArn")),
            model=entry.get("modelArn"),
            units=str(entry.get("modelUnits", 1)),
            commitment=entry.get("commitmentDuration"),
            committed_until=until.isoformat() if until else None,
        )


def deployments(region: Region) -> Iterator[Thing]:
    """Deployments of custom models that are called on demand."""
    listed = (
        (each["customModelDeploymentName"], each["customModelDeploymentArn"], each)
        for each in region.pages(
            "bedrock", "list_custom_model_deployments", "modelDeploymentSummaries"
        )
    )
    for thing, entry in _bedrock_things(region, listed, kind=Kind.DEPLOYMENT):
        yield _with(thing, model=entry.get("modelArn"))


def _with(thing: Thing, **details: str | None) -> Thing:
    known = {name: value for name, value in details.items() if value is not None}
    return Thing(**{**_fields(thing), "details": {**thing.details, **known}})


def _fields(thing: Thing) -> dict[str, Any]:
    return {name: getattr(thing, name) for name in Thing.__dataclass_fields__}


def _foundation_model(arn: str | None) -> str | None:
    """The base model's id in its ARN; None for a model that was made from another custom one."""
    _, found, identifier = (arn or "").partition(":foundation-model/")
    return identifier if found else None


# What a stack makes


def schedule_groups(region: Region) -> Iterator[Thing]:
    """Groups of schedules, and the schedules in them, which carry no tags of their own."""
    for group in region.pages("scheduler", "list_schedule_groups", "ScheduleGroups"):
        if not group["Name"].startswith(_MARK):
            continue
        owner = region.owner(
            arn=group["Arn"],
            name=group["Name"],
            ask=_tags(
                region, "scheduler", "list_tags_for_resource", "Tags", ResourceArn=group["Arn"]
            ),
        )
        if owner is None:
            continue
        yield _thing(region, Kind.SCHEDULE_GROUP, group["Name"], owner,
                     created=group.get("CreationDate"), state=group.get("State", ""))  # fmt: skip
        for each in region.pages(
            "scheduler", "list_schedules", "Schedules", GroupName=group["Name"]
        ):
            about = region.client("scheduler").get_schedule(
                GroupName=group["Name"], Name=each["Name"]
            )
            at = _AT.fullmatch(about.get("ScheduleExpression", ""))
            yield _thing(
                region, Kind.SCHEDULE, each["Name"], owner,
                created=each.get("CreationDate"), state=each.get("State", ""),
                details={"group": group["Name"], **({"at": f"{at[1]}+00:00"} if at else {})},
            )  # fmt: skip


def buckets(region: Region) -> Iterator[Thing]:
    """Buckets whose name begins as a stack's, and tagged ones."""
    tagged = {arn.rpartition(":")[2] for arn in region.tagged if ":s3:::" in arn}
    for bucket in region.pages("s3", "list_buckets", "Buckets"):
        name = bucket["Name"]
        if not name.startswith(_MARK) and name not in tagged:
            continue
        if not _is_here(region, bucket):
            continue
        owner = region.owner(
            arn=next((arn for arn in region.tagged if arn.endswith(f":s3:::{name}")), name),
            name=name,
            ask=_tags(region, "s3", "get_bucket_tagging", "TagSet", Bucket=name),
        )
        if owner:
            yield _thing(region, Kind.BUCKET, name, owner, created=bucket.get("CreationDate"))


def _is_here(region: Region, bucket: Mapping[str, Any]) -> bool:
    found = bucket.get("BucketRegion")
    if found is None:
        try:
            found = region.client("s3").head_bucket(Bucket=bucket["Name"]).get("BucketRegion")
        except ClientError as error:
            found = error.response["ResponseMetadata"].get("HTTPHeaders", {}).get(
                "x-amz-bucket-region"
            )  # fmt: skip
    return found in {None, region.name}


def keys(region: Region) -> Iterator[Thing]:
    """Customer managed keys, also those that wait for their deletion."""
    kms = region.client("kms")

    def look(key: Mapping[str, str]) -> Thing | None:
        owner = region.owner(
            arn=key["KeyArn"],
            name="",
            ask=_tags(region, "kms", "list_resource_tags", "Tags", KeyId=key["KeyId"]),
        )
        if owner is None:
            return None
        about = kms.describe_key(KeyId=key["KeyId"])["KeyMetadata"]
        goes = about.get("DeletionDate")
        return _thing(
            region, Kind.KEY, about.get("Description") or key["KeyId"], owner,
            identifier=key["KeyId"], created=about.get("CreationDate"),
            state=about.get("KeyState", ""),
            details={"arn": key["KeyArn"], **({"gone_at": goes.isoformat()} if goes else {})},
        )  # fmt: skip

    with ThreadPoolExecutor(max_workers=_WORKERS) as pool:
        found = pool.map(look, list(region.pages("kms", "list_keys", "Keys")))
    yield from (thing for thing in found if thing is not None)


def log_groups(region: Region) -> Iterator[Thing]:
    """Log groups of the app's names."""
    for prefix in (f"/aws/lambda/{_MARK}", f"/{APPLICATION}/", f"/aws/vendedlogs/states/{_MARK}"):
        for group in region.pages(
            "logs", "describe_log_groups", "logGroups", logGroupNamePrefix=prefix
        ):
            arn = group["arn"].removesuffix(":*")
            owner = region.owner(
                arn=arn,
                name=group["logGroupName"],
                ask=_tags(region, "logs", "list_tags_for_resource", "tags", resourceArn=arn),
            )
            if owner:
                yield _thing(
                    region, Kind.LOG_GROUP, group["logGroupName"], owner,
                    created=_epoch(group.get("creationTime")),
                    details={"bytes": str(group.get("storedBytes", 0))},
                )  # fmt: skip


def _epoch(milliseconds: int | None) -> datetime | None:
    return None if milliseconds is None else datetime.fromtimestamp(milliseconds / 1000, tz=UTC)


def tables(region: Region) -> Iterator[Thing]:
    """Tables of the app's names."""
    dynamodb = region.client("dynamodb")
    for name in region.pages("dynamodb", "list_tables", "TableNames"):
        if not name.startswith(_MARK):
            continue
        about = dynamodb.describe_table(TableName=name)["Table"]
        owner = region.owner(
            arn=about["TableArn"],
            name=name,
            ask=_tags(
                region, "dynamodb", "list_tags_of_resource", "Tags", ResourceArn=about["TableArn"]
            ),
        )
        if owner:
            yield _thing(
                region, Kind.TABLE, name, owner,
                created=about.get("CreationDateTime"), state=about.get("TableStatus", ""),
                details={"bytes": str(about.get("TableSizeBytes", 0))},
            )  # fmt: skip


def network(region: Region) -> Iterator[Thing]:
    """VPCs, their endpoints, and interfaces in them that a service has not released."""
    ours = [{"Name": "tag-key", "Values": [ENVIRONMENT_TAG]}]
    vpcs: dict[str, Owner] = {}
    for vpc in region.pages("ec2", "describe_vpcs", "Vpcs", Filters=ours):
        owner = _ec2_owner(region, vpc["Tags"])
        if owner:
            vpcs[vpc["VpcId"]] = owner
            yield _thing(region, Kind.VPC, vpc["VpcId"], owner, state=vpc.get("State", ""))
    if not vpcs:
        return
    in_ours = [{"Name": "vpc-id", "Values": sorted(vpcs)}]
    for each in region.pages("ec2", "describe_vpc_endpoints", "VpcEndpoints", Filters=in_ours):
        if each.get("State") == "deleted":
            continue
        own = _ec2_owner(region, each.get("Tags") or [])
        owner = own or Owner(environment=vpcs[each["VpcId"]].environment, tagged=False)
        service = each["ServiceName"].removeprefix("com.amazonaws.").partition(".")[2]
        yield _thing(
            region, Kind.ENDPOINT, f"{service} ({each['VpcEndpointId']})", owner,
            identifier=each["VpcEndpointId"],
            created=each.get("CreationTimestamp"), state=each.get("State", ""),
            details={
                "type": each.get("VpcEndpointType", ""),
                "zones": str(len(each.get("SubnetIds") or [])),
                "vpc": each["VpcId"],
            },
        )  # fmt: skip
    for each in region.pages(
        "ec2", "describe_network_interfaces", "NetworkInterfaces", Filters=in_ours
    ):
        tags = _pairs(each.get("TagSet"))
        by_service = tags.get("BedrockManaged") == "true" or each.get("InterfaceType") == "lambda"
        if not by_service:
            # An endpoint's interfaces are a part of it.
            continue
        job = tags.get("BedrockModelCustomizationJobArn", "")
        yield _thing(
            region, Kind.INTERFACE, each["NetworkInterfaceId"], vpcs[each["VpcId"]],
            created=(each.get("Attachment") or {}).get("AttachTime"),
            state=each.get("Status", ""),
            details={"vpc": each["VpcId"], "of": "Bedrock" if job else "Lambda", "job": job},
        )  # fmt: skip


def _ec2_owner(region: Region, tags: Iterable[Mapping[str, str]]) -> Owner | None:
    environment = _pairs(tags).get(ENVIRONMENT_TAG)
    if environment is None or not region.admits(environment):
        return None
    return Owner(environment=environment, tagged=True)


def functions(region: Region) -> Iterator[Thing]:
    """Functions of the app's names."""
    for each in region.pages("lambda", "list_functions", "Functions"):
        yield from _named(
            region, Kind.FUNCTION, each["FunctionName"], arn=each["FunctionArn"],
            ask=_tags(region, "lambda", "list_tags", "Tags", Resource=each["FunctionArn"]),
        )  # fmt: skip


def rules(region: Region) -> Iterator[Thing]:
    """Rules of EventBridge of the app's names."""
    for each in region.pages("events", "list_rules", "Rules", NamePrefix=_MARK):
        yield from _named(
            region, Kind.RULE, each["Name"], arn=each["Arn"], state=each.get("State", ""),
            ask=_tags(region, "events", "list_tags_for_resource", "Tags", ResourceARN=each["Arn"]),
        )  # fmt: skip


def topics(region: Region) -> Iterator[Thing]:
    """Topics of the app's names."""
    for each in region.pages("sns", "list_topics", "Topics"):
        arn = each["TopicArn"]
        yield from _named(
            region, Kind.TOPIC, arn.rpartition(":")[2], arn=arn, identifier=arn,
            ask=_tags(region, "sns", "list_tags_for_resource", "Tags", ResourceArn=arn),
        )  # fmt: skip


def queues(region: Region) -> Iterator[Thing]:
    """Queues of the app's names."""
    for url in region.pages("sqs", "list_queues", "QueueUrls", QueueNamePrefix=_MARK):
        yield from _named(
            region, Kind.QUEUE, url.rpartition("/")[2], arn=url, identifier=url,
            ask=_tags(region, "sqs", "list_queue_tags", "Tags", QueueUrl=url),
        )  # fmt: skip


def state_machines(region: Region) -> Iterator[Thing]:
    """State machines of the app's names."""
    for each in region.pages("stepfunctions", "list_state_machines", "stateMachines"):
        arn = each["stateMachineArn"]
        yield from _named(
            region, Kind.STATE_MACHINE, each["name"], arn=arn, identifier=arn,
            created=each.get("creationDate"),
            ask=_tags(region, "stepfunctions", "list_tags_for_resource", "tags", resourceArn=arn),
        )  # fmt: skip


def watching(region: Region) -> Iterator[Thing]:
    """Alarms, and dashboards, which carry no tags."""
    for key in ("MetricAlarms", "CompositeAlarms"):
        for each in region.pages("cloudwatch", "describe_alarms", key, AlarmNamePrefix=_MARK):
            yield from _named(
                region, Kind.ALARM, each["AlarmName"], arn=each["AlarmArn"],
                state=each.get("StateValue", ""),
                details={"metrics": str(len(each.get("Metrics") or []) or 1)},
                ask=_tags(
                    region, "cloudwatch", "list_tags_for_resource", "Tags",
                    ResourceARN=each["AlarmArn"],
                ),
            )  # fmt: skip
    for each in region.pages(
        "cloudwatch", "list_dashboards", "DashboardEntries", DashboardNamePrefix=_MARK
    ):
        yield from _named(
            region, Kind.DASHBOARD, each["DashboardName"], arn=each["DashboardArn"],
            ask=dict,
        )  # fmt: skip


def identities(region: Region) -> Iterator[Thing]:
    """Roles whose names carry the app's and this Region's, and managed policies of the app."""
    for each in region.pages("iam", "list_roles", "Roles"):
        name = each["RoleName"]
        # IAM is one for all Regions; the app's names say for which one a role is.
        if _MARK in name and f"-{region.name}-" in name:
            yield from _named(
                region, Kind.ROLE, name, arn=each["Arn"], created=each.get("CreateDate"),
                ask=_tags(region, "iam", "list_role_tags", "Tags", RoleName=name),
            )  # fmt: skip
    for each in region.pages("iam", "list_policies", "Policies", Scope="Local"):
        name = each["PolicyName"]
        # Named by CloudFormation after the stack: which Region that is in, the name does not say.
        if name.startswith(_MARK):
            yield from _named(
                region, Kind.POLICY, name, arn=each["Arn"], identifier=each["Arn"],
                created=each.get("CreateDate"),
                ask=_tags(region, "iam", "list_policy_tags", "Tags", PolicyArn=each["Arn"]),
            )  # fmt: skip


def _named(
    region: Region,
    kind: Kind,
    name: str,
    *,
    arn: str,
    ask: Callable[[], Mapping[str, str]],
    identifier: str = "",
    created: datetime | None = None,
    state: str = "",
    details: Mapping[str, str] | None = None,
) -> Iterator[Thing]:
    """A thing whose name has the app's mark, when its owner is looked for."""
    if _MARK not in name:
        return
    owner = region.owner(arn=arn, name=name, ask=ask)
    if owner:
        yield _thing(
            region, kind, name, owner,
            identifier=identifier, created=created, state=state, details=details,
        )  # fmt: skip


def _thing(
    region: Region,
    kind: Kind,
    name: str,
    owner: Owner,
    *,
    identifier: str = "",
    created: datetime | None = None,
    state: str = "",
    details: Mapping[str, str] | None = None,
) -> Thing:
    return Thing(
        kind=kind,
        name=name,
        id=identifier or name,
        region=region.name,
        environment=owner.environment,
        tagged=owner.tagged,
        created=created,
        state=state,
        details=details or {},
    )


LOOKS: Final[Mapping[str, Callable[[Region], Iterator[Thing]]]] = {
    "provisioned throughput": throughputs,
    "model deployments": deployments,
    "customization jobs": jobs,
    "custom models": models,
    "schedules": schedule_groups,
    "alarms and dashboards": watching,
    "event rules": rules,
    "state machines": state_machines,
    "functions": functions,
    "queues": queues,
    "topics": topics,
    "network": network,
    "tables": tables,
    "buckets": buckets,
    "log groups": log_groups,
    "roles and policies": identities,
    "keys": keys,
}
"""Every look, by what it looks for."""


def look_at_bedrock(region: Region) -> list[Thing]:
    """What Bedrock has of an environment. Raises botocore's errors."""
    return [thing for look in (throughputs, deployments, jobs, models) for thing in look(region)]


@dataclass(frozen=True, kw_only=True)
class Seen:
    """What was seen, and what could not be looked at."""

    things: tuple[Thing, ...]
    problems: tuple[Finding, ...]
    """Why nobody can say that nothing is forgotten."""


def look_around(region: Region) -> Seen:
    """Look at everything in one Region; a look that fails does not keep the others from theirs."""
    problems: list[Finding] = []
    things: list[Thing] = []

    def one(what: str, look: Callable[[Region], Iterable[Thing]]) -> tuple[list[Thing], Any]:
        try:
            with aws_errors(doing=f"looking at {what} in {region.name}"):
                return list(look(region)), None
        except CommandError as error:
            return [], error.findings[0]

    def tagged(at: Region) -> list[Thing]:
        read_tagged(at)
        return []

    # The tags first: what they tell saves the looks a call for each thing.
    _, problem = one("tags", tagged)
    if problem:
        problems.append(problem)
    with ThreadPoolExecutor(max_workers=_WORKERS) as pool:
        for found, problem in pool.map(lambda item: one(*item), LOOKS.items()):
            things += found
            if problem:
                problems.append(problem)
    return Seen(things=tuple(things), problems=tuple(problems))
