"""Taking away one thing that nobody wants; what is not tagged ours is never brought here."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, Final

from customization import endings
from customization.errors import CustomizationError
from customization.jobs import find_job
from finetune.aws import aws_errors
from finetune.clean_up import emptying
from finetune.clean_up.looks import GONE_CODES, Region
from finetune.clean_up.stack_deletion import Deleter
from finetune.clean_up.things import Kind, Thing
from finetune.report import ExitCode, failure

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client


@dataclass(frozen=True, kw_only=True)
class Remover:
    """Takes things of one Region away."""

    region: Region
    deleter: Deleter
    administrator: S3Client
    """Who empties buckets: one of people.administrators."""
    pending_window_days: Mapping[str, int]
    """Days until a key is deleted, by environment."""

    def remove(self, thing: Thing) -> str:
        """Take a thing away and return what was done, in words.

        One that is gone already is no error.

        Raises:
            CommandError: AWS refused.
            ValueError: the thing does not carry the owner tag.
        """
        if not thing.tagged:
            raise ValueError(f"{thing.name} does not carry the owner tag")
        with aws_errors(doing=f"deleting the {thing.kind} {thing.name}"):
            try:
                return _REMOVALS[thing.kind](self, thing)
            except self.region.bedrock.exceptions.ClientError as error:
                if str(error.response.get("Error", {}).get("Code")) in GONE_CODES:
                    return "was gone already"
                raise

    def client(self, service: str) -> Any:  # noqa: ANN401 - each service has its own type
        """The client of a service."""
        return self.region.client(service)

    def wait_until_gone(self, thing: Thing, look: Callable[[], object]) -> None:
        """Wait until a look finds nothing any more.

        Raises:
            CommandError: it is still there when the time is up (4).
        """
        deadline = time.monotonic() + self.deleter.patience.seconds
        exceptions = self.region.bedrock.exceptions
        while time.monotonic() < deadline:
            try:
                look()
            except exceptions.ClientError as error:
                if str(error.response.get("Error", {}).get("Code")) in GONE_CODES:
                    return
                raise
            time.sleep(self.deleter.patience.interval)
        raise failure(
            code=ExitCode.TIMED_OUT,
            id="timed-out",
            message=f"the {thing.kind} {thing.name} is still there when the time is up",
            fix="run the command again later",
        )


def _throughput(at: Remover, thing: Thing) -> str:
    bedrock = at.region.bedrock
    bedrock.delete_provisioned_model_throughput(provisionedModelId=thing.id)
    at.wait_until_gone(
        thing, lambda: bedrock.get_provisioned_model_throughput(provisionedModelId=thing.id)
    )
    return "deleted: nothing more is paid for it"


def _deployment(at: Remover, thing: Thing) -> str:
    bedrock = at.region.bedrock
    bedrock.delete_custom_model_deployment(customModelDeploymentIdentifier=thing.id)
    at.wait_until_gone(
        thing,
        lambda: bedrock.get_custom_model_deployment(customModelDeploymentIdentifier=thing.id),
    )
    return "deleted"


def _schedule(at: Remover, thing: Thing) -> str:
    at.client("scheduler").delete_schedule(GroupName=thing.details["group"], Name=thing.name)
    return "deleted"


def _job(at: Remover, thing: Thing) -> str:
    job = find_job(bedrock=at.region.bedrock, name=thing.id)
    if job is None:
        return "was gone already"
    seen = endings.stop(bedrock=at.region.bedrock, job=job)
    return f"is {seen.status if seen else 'gone'}"


def _stack(at: Remover, thing: Thing) -> str:
    at.deleter.delete(thing.id)
    return "deleted with all it owned"


def _model(at: Remover, thing: Thing) -> str:
    try:
        endings.delete_model(bedrock=at.region.bedrock, arn=thing.id)
    except CustomizationError as error:
        raise failure(
            code=ExitCode.FINDINGS, id="in-use", message=str(error), fix="see `finetune leftovers`"
        ) from error
    return "deleted"


def _alarm(at: Remover, thing: Thing) -> str:
    at.client("cloudwatch").delete_alarms(AlarmNames=[thing.name])
    return "deleted"


def _rule(at: Remover, thing: Thing) -> str:
    events = at.client("events")
    targets = events.list_targets_by_rule(Rule=thing.name)["Targets"]
    if targets:
        events.remove_targets(Rule=thing.name, Ids=[target["Id"] for target in targets])
    events.delete_rule(Name=thing.name)
    return "deleted"


def _state_machine(at: Remover, thing: Thing) -> str:
    at.client("stepfunctions").delete_state_machine(stateMachineArn=thing.id)
    return "deleted"


def _function(at: Remover, thing: Thing) -> str:
    at.client("lambda").delete_function(FunctionName=thing.name)
    return "deleted"


def _queue(at: Remover, thing: Thing) -> str:
    at.client("sqs").delete_queue(QueueUrl=thing.id)
    return "deleted"


def _topic(at: Remover, thing: Thing) -> str:
    at.client("sns").delete_topic(TopicArn=thing.id)
    return "deleted"


def _schedule_group(at: Remover, thing: Thing) -> str:
    at.client("scheduler").delete_schedule_group(Name=thing.name)
    return "deleted"


def _endpoint(at: Remover, thing: Thing) -> str:
    answer = at.client("ec2").delete_vpc_endpoints(VpcEndpointIds=[thing.id])
    for refused in answer.get("Unsuccessful", []):
        raise failure(
            code=ExitCode.AWS,
            id="aws-error",
            message=f"the endpoint {thing.name} cannot be deleted:"
            f" {refused.get('Error', {}).get('Message', 'no reason')}",
            fix="read the message; it is AWS's own",
        )
    return "deleted"


def _table(at: Remover, thing: Thing) -> str:
    dynamodb = at.client("dynamodb")
    # What is kept was protected by the same setting.
    if dynamodb.describe_table(TableName=thing.name)["Table"].get("DeletionProtectionEnabled"):
        dynamodb.update_table(TableName=thing.name, DeletionProtectionEnabled=False)
        dynamodb.get_waiter("table_exists").wait(TableName=thing.name)
    dynamodb.delete_table(TableName=thing.name)
    return "deleted"


def _bucket(at: Remover, thing: Thing) -> str:
    versions = emptying.empty(s3=at.administrator, bucket=thing.name)
    at.client("s3").delete_bucket(Bucket=thing.name)
    return f"deleted with {versions} versions of objects"


def _log_group(at: Remover, thing: Thing) -> str:
    at.client("logs").delete_log_group(logGroupName=thing.name)
    return "deleted"


def _role(at: Remover, thing: Thing) -> str:
    iam = at.client("iam")
    for page in iam.get_paginator("list_attached_role_policies").paginate(RoleName=thing.name):
        for policy in page["AttachedPolicies"]:
            iam.detach_role_policy(RoleName=thing.name, PolicyArn=policy["PolicyArn"])
    for page in iam.get_paginator("list_role_policies").paginate(RoleName=thing.name):
        for name in page["PolicyNames"]:
            iam.delete_role_policy(RoleName=thing.name, PolicyName=name)
    iam.delete_role(RoleName=thing.name)
    return "deleted"


def _policy(at: Remover, thing: Thing) -> str:
    iam = at.client("iam")
    for version in iam.list_policy_versions(PolicyArn=thing.id)["Versions"]:
        if not version["IsDefaultVersion"]:
            iam.delete_policy_version(PolicyArn=thing.id, VersionId=version["VersionId"])
    iam.delete_policy(PolicyArn=thing.id)
    return "deleted"


def _key(at: Remover, thing: Thing) -> str:
    days = at.pending_window_days.get(thing.environment, 30)
    answer = at.client("kms").schedule_key_deletion(KeyId=thing.id, PendingWindowInDays=days)
    when = answer.get("DeletionDate")
    return f"is deleted in {days} days" + (f", on {when:%Y-%m-%d}" if when else "")


_REMOVALS: Final[Mapping[Kind, Callable[[Remover, Thing], str]]] = {
    Kind.THROUGHPUT: _throughput,
    Kind.DEPLOYMENT: _deployment,
    Kind.SCHEDULE: _schedule,
    Kind.JOB: _job,
    Kind.STACK: _stack,
    Kind.MODEL: _model,
    Kind.ALARM: _alarm,
    Kind.RULE: _rule,
    Kind.STATE_MACHINE: _state_machine,
    Kind.FUNCTION: _function,
    Kind.QUEUE: _queue,
    Kind.TOPIC: _topic,
    Kind.SCHEDULE_GROUP: _schedule_group,
    Kind.ENDPOINT: _endpoint,
    Kind.TABLE: _table,
    Kind.BUCKET: _bucket,
    Kind.LOG_GROUP: _log_group,
    Kind.ROLE: _role,
    Kind.POLICY: _policy,
    Kind.KEY: _key,
}
"""How each kind goes. Dashboards carry no tags; VPCs and interfaces are others' to release."""
REMOVABLE: Final = frozenset(_REMOVALS)
