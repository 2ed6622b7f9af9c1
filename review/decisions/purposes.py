"""What there is in a deployment, found by what it is for, as the templates tell it.

The role that Bedrock may take, the bucket that a job's data is in, the function whose handler
submits. Nothing here knows a logical id or reads the settings.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any, Final

from review.decisions.errors import UndecidableError
from review.rules.environment import environment_of
from review.template.deployment import Deployment, Resource

JOB: Final = "Custom::BedrockModelCustomizationJob"
OWNER_TAG: Final = "finetune:environment"
FACTS: Final = frozenset(
    {"account", "region", "partition", "suffix", "environment", "base-model", "default-group-id"}
)
"""What is no resource, and named in tables beside them."""
_OF_JOBS: Final = frozenset({"training-subnet", "job-group"})
"""What only a job names."""
_CLOSED_GROUP: Final = "Custom::VpcRestrictDefaultSG"
_BEDROCK: Final = "bedrock.amazonaws.com"
_KEY_IN_BUCKET: Final = "ServerSideEncryptionByDefault"


class NotFoundError(UndecidableError):
    """The templates hold nothing that is for this purpose."""

    def __init__(self, message: str, *, may_be_left_out: bool = False) -> None:
        super().__init__(message)
        self.may_be_left_out = may_be_left_out
        """Whether correct settings of this app may leave it out."""


def resource_for(purpose: str, deployment: Deployment) -> Resource:
    """The resource that is for a purpose.

    Raises:
        NotFoundError: There is none.
        KeyError: The purpose is none of `PURPOSES`.
    """
    for found in PURPOSES[purpose](deployment):
        return found
    raise NotFoundError(
        f"the templates hold no {purpose.replace('-', ' ')}",
        may_be_left_out=(purpose in _OF_JOBS and not deployment.of_type(JOB))
        or (purpose == "tester" and not environment_of(deployment).people["invokers"]),
    )


def job_request(deployment: Deployment, *path: str) -> Any:  # noqa: ANN401 - a piece of a template
    """A piece of the request of the first job; None without a job, or without the piece."""
    for job in deployment.of_type(JOB):
        here: Any = job["Request"]
        for part in path:
            here = here.get(part) if isinstance(here, Mapping) else None
        return here
    return None


def facts(deployment: Deployment) -> dict[str, str]:
    """What tables write in braces: account, Region, partition, and what only some templates say."""
    found = {
        "account": deployment.account,
        "region": deployment.region,
        "partition": deployment.partition,
        "suffix": deployment.url_suffix,
    }
    if base_model := job_request(deployment, "baseModelIdentifier"):
        found["base-model"] = str(base_model)
    for environment in _environments(deployment):
        found.setdefault("environment", environment)
    for custom in deployment.of_type(_CLOSED_GROUP):
        found.setdefault("default-group-id", str(custom["DefaultSecurityGroupId"]))
    return found


def _environments(deployment: Deployment) -> Iterator[str]:
    for job in deployment.of_type(JOB):
        if job["Environment"]:
            yield str(job["Environment"])
    for function in _with_handler("submitter.")(deployment):
        for tag in function["Tags"] or []:
            if tag.get("Key") == OWNER_TAG:
                yield str(tag.get("Value"))


# Each purpose is a way to go through the candidates, the best first.

Finder = Callable[[Deployment], Iterable[Resource]]


def _of_type(type_: str) -> Finder:
    return lambda deployment: deployment.of_type(type_)


def _known_as(type_: str, deployment: Deployment, *names: object) -> Iterator[Resource]:
    """Those of a type that something else refers to, by whatever it is referred to."""
    wanted = [str(name) for name in names if name]
    for each in deployment.of_type(type_):
        if each.ref in wanted or each.arn in wanted:
            yield each


def _with_handler(prefix: str) -> Finder:
    def find(deployment: Deployment) -> Iterator[Resource]:
        for function in deployment.of_type("AWS::Lambda::Function"):
            if str(function["Handler"]).startswith(prefix):
                yield function

    return find


def _role_of(type_: str, property_: str, only: Finder | None = None) -> Finder:
    def find(deployment: Deployment) -> Iterator[Resource]:
        for user in (only or _of_type(type_))(deployment):
            yield from _known_as("AWS::IAM::Role", deployment, user[property_])

    return find


def _function_role(handler: str) -> Finder:
    return _role_of("AWS::Lambda::Function", "Role", _with_handler(handler))


def _role_named(suffix: str) -> Finder:
    def find(deployment: Deployment) -> Iterator[Resource]:
        for role in deployment.of_type("AWS::IAM::Role"):
            if str(role["RoleName"]).endswith(f"-{suffix}"):
                yield role

    return find


def _customization_role(deployment: Deployment) -> Iterator[Resource]:
    yield from _known_as("AWS::IAM::Role", deployment, job_request(deployment, "roleArn"))
    for role in deployment.of_type("AWS::IAM::Role"):
        if _BEDROCK in _services(role["AssumeRolePolicyDocument"]):
            yield role


def _services(trust: object) -> set[str]:
    found: set[str] = set()
    statements = trust.get("Statement", []) if isinstance(trust, Mapping) else []
    for statement in statements if isinstance(statements, list) else [statements]:
        principal = statement.get("Principal") if isinstance(statement, Mapping) else None
        services = principal.get("Service", []) if isinstance(principal, Mapping) else []
        found.update(services if isinstance(services, list) else [services])
    return found


def _closer(deployment: Deployment) -> Iterator[Resource]:
    for custom in deployment.of_type(_CLOSED_GROUP):
        functions = _known_as("AWS::Lambda::Function", deployment, custom["ServiceToken"])
        for function in functions:
            yield from _known_as("AWS::IAM::Role", deployment, function["Role"])


def _data_bucket(deployment: Deployment) -> Iterator[Resource]:
    """The one that a job reads, that the customization role may read, or that is encrypted."""
    uri = str(job_request(deployment, "trainingDataConfig", "s3Uri") or "")
    buckets = deployment.of_type("AWS::S3::Bucket")
    for bucket in buckets:
        if uri.startswith(f"s3://{bucket.ref}/"):
            yield bucket
    for role in _customization_role(deployment):
        named = _s3_resources_of(role, deployment)
        yield from (bucket for bucket in buckets if bucket.arn in named)
    yield from (bucket for bucket in buckets if _key_of_bucket(bucket))


def _s3_resources_of(role: Resource, deployment: Deployment) -> set[str]:
    documents = [each.get("PolicyDocument") for each in role["Policies"] or []]
    policies = deployment.of_type("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy")
    documents += [each["PolicyDocument"] for each in policies if role.ref in (each["Roles"] or [])]
    found: set[str] = set()
    for document in documents:
        statements = document.get("Statement", []) if isinstance(document, Mapping) else []
        for statement in statements if isinstance(statements, list) else [statements]:
            resources = statement.get("Resource", [])
            for each in resources if isinstance(resources, list) else [resources]:
                found.add(str(each).partition("/")[0])
    return found


def _key_of_bucket(bucket: Resource) -> str | None:
    rules = bucket["BucketEncryption.ServerSideEncryptionConfiguration"] or []
    for rule in rules:
        if key := rule.get(_KEY_IN_BUCKET, {}).get("KMSMasterKeyID"):
            return str(key)
    return None


def _log_bucket(deployment: Deployment) -> Iterator[Resource]:
    for bucket in _data_bucket(deployment):
        name = bucket["LoggingConfiguration.DestinationBucketName"]
        yield from _known_as("AWS::S3::Bucket", deployment, name)


def _data_key(deployment: Deployment) -> Iterator[Resource]:
    for bucket in _data_bucket(deployment):
        yield from _known_as("AWS::KMS::Key", deployment, _key_of_bucket(bucket))


def _model_key(deployment: Deployment) -> Iterator[Resource]:
    key = job_request(deployment, "customModelKmsKeyId")
    yield from _known_as("AWS::KMS::Key", deployment, key)
    for each in deployment.of_type("AWS::KMS::Key"):
        if "'bedrock." in str(each["KeyPolicy"]):
            yield each


def _endpoint(service: str) -> Finder:
    def find(deployment: Deployment) -> Iterator[Resource]:
        for endpoint in deployment.of_type("AWS::EC2::VPCEndpoint"):
            if str(endpoint["ServiceName"]).rsplit(".", maxsplit=1)[-1] == service:
                yield endpoint

    return find


def _of_the_jobs_network(type_: str, name: str) -> Finder:
    def find(deployment: Deployment) -> Iterator[Resource]:
        named = job_request(deployment, "vpcConfig", name)
        if isinstance(named, list):
            yield from _known_as(type_, deployment, *named)

    return find


def _of_the_submitters_network(type_: str, name: str) -> Finder:
    def find(deployment: Deployment) -> Iterator[Resource]:
        for function in _with_handler("submitter.")(deployment):
            named = function[f"VpcConfig.{name}"]
            if isinstance(named, list):
                yield from _known_as(type_, deployment, *named)

    return find


def _rule(property_: str, but: str | None = None) -> Finder:
    def find(deployment: Deployment) -> Iterator[Resource]:
        rules = deployment.of_type("AWS::Events::Rule")
        of_the_others = [rule for rule in rules if not (but and str(rule["Name"]).endswith(but))]
        return (rule for rule in of_the_others if rule[property_] is not None)

    return find


def _but(type_: str, property_: str, suffix: str) -> Finder:
    """Those of a type, without those whose name ends so."""

    def find(deployment: Deployment) -> Iterator[Resource]:
        for each in deployment.of_type(type_):
            if not str(each[property_]).endswith(suffix):
                yield each

    return find


def _named(type_: str, property_: str, suffix: str) -> Finder:
    """Those of a type whose name ends so."""

    def find(deployment: Deployment) -> Iterator[Resource]:
        for each in deployment.of_type(type_):
            if str(each[property_]).endswith(suffix):
                yield each

    return find


def _log_group_of(type_: str, property_: str, only: Finder | None = None) -> Finder:
    def find(deployment: Deployment) -> Iterator[Resource]:
        for user in (only or _of_type(type_))(deployment):
            yield from _known_as("AWS::Logs::LogGroup", deployment, user[property_])

    return find


_MACHINE: Final = "AWS::StepFunctions::StateMachine"

ROLES: Final[Mapping[str, Finder]] = {
    "customization-role": _customization_role,
    "submitter": _function_role("submitter."),
    "completion-check": _function_role("completion_check."),
    "follower": _function_role("follower."),
    "framework-on-event": _function_role("framework.onEvent"),
    "framework-complete": _function_role("framework.isComplete"),
    "framework-waiter": _role_of(
        _MACHINE, "RoleArn", _but(_MACHINE, "StateMachineName", "-follow-up")
    ),
    "default-group-closer": _closer,
    "flow-logs-role": _role_of("AWS::EC2::FlowLog", "DeliverLogsPermissionArn"),
    "uploader": _role_named("uploader"),
    "reader": _role_named("reader"),
}
"""Roles of the templates: who asks, and what is asked for when a role is taken or passed."""

SERVING_ROLES: Final[Mapping[str, Finder]] = {
    "deployer": _function_role("deployer."),
    "model-report": _function_role("model_report."),
    # The table knows people as invokers, and the service as the scheduler.
    "runtime-caller": _function_role("invoker."),
    "follow-up": _role_of(_MACHINE, "RoleArn", _named(_MACHINE, "StateMachineName", "-follow-up")),
    "schedules-role": _role_named("scheduler"),
    "tester": _role_named("tester"),
}
"""Roles of an environment that deploys what it trains."""

LOGGING_ROLES: Final[Mapping[str, Finder]] = {"invocations-role": _role_named("invocation-logs")}
"""Roles of an environment that logs model invocations."""

PURPOSES: Final[Mapping[str, Finder]] = {
    **ROLES,
    **SERVING_ROLES,
    **LOGGING_ROLES,
    "invocations-log-group": _named("AWS::Logs::LogGroup", "LogGroupName", "/invocations"),
    "deployments-table": _named("AWS::DynamoDB::Table", "TableName", "-deployments"),
    "follow-up-machine": _named(_MACHINE, "StateMachineName", "-follow-up"),
    "deployer-function": _with_handler("deployer."),
    "invoker-function": _with_handler("invoker."),
    "model-report-function": _with_handler("model_report."),
    "runtime-endpoint": _endpoint("bedrock-runtime"),
    "reap-rule": _named("AWS::Events::Rule", "Name", "-reap"),
    "data-bucket": _data_bucket,
    "log-bucket": _log_bucket,
    "data-key": _data_key,
    "model-key": _model_key,
    "table": _but("AWS::DynamoDB::Table", "TableName", "-deployments"),
    "queue": _of_type("AWS::SQS::Queue"),
    "topic": _of_type("AWS::SNS::Topic"),
    "state-machine": _but(_MACHINE, "StateMachineName", "-follow-up"),
    "submitter-function": _with_handler("submitter."),
    "completion-check-function": _with_handler("completion_check."),
    "follower-function": _with_handler("follower."),
    "on-event-function": _with_handler("framework.onEvent"),
    "is-complete-function": _with_handler("framework.isComplete"),
    "on-timeout-function": _with_handler("framework.onTimeout"),
    "training-subnet": _of_the_jobs_network("AWS::EC2::Subnet", "subnetIds"),
    "job-group": _of_the_jobs_network("AWS::EC2::SecurityGroup", "securityGroupIds"),
    "service-subnet": _of_the_submitters_network("AWS::EC2::Subnet", "SubnetIds"),
    "functions-group": _of_the_submitters_network("AWS::EC2::SecurityGroup", "SecurityGroupIds"),
    "s3-endpoint": _endpoint("s3"),
    "dynamodb-endpoint": _endpoint("dynamodb"),
    "kms-endpoint": _endpoint("kms"),
    "bedrock-endpoint": _endpoint("bedrock"),
    "job-state-rule": _rule("EventPattern"),
    "schedule-rule": _rule("ScheduleExpression", but="-reap"),
    "alarm": _of_type("AWS::CloudWatch::Alarm"),
    "flow-log-group": _log_group_of("AWS::EC2::FlowLog", "LogGroupName"),
    "submitter-log-group": _log_group_of(
        "AWS::Lambda::Function", "LoggingConfig.LogGroup", _with_handler("submitter.")
    ),
    "default-group-log-group": _log_group_of(
        "AWS::Lambda::Function", "LoggingConfig.LogGroup", _with_handler("__entrypoint__.")
    ),
}
"""Everything that has a policy, or is named in one, by what it is for."""
