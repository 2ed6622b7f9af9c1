"""What `finetune doctor` looks at: each check tells an AWS error before AWS does.

A check asks the account and yields what it found. It knows nothing of the others: one that may not
ask, or that a small account lacks the service for, is told as not made, and the rest go on.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import TYPE_CHECKING, Any, Final

from bedrock_finetuning.naming import Names
from customization.identity import ENVIRONMENT_TAG, parse_physical_id
from customization.jobs import tags_of
from finetune.aws import Connection, error_code, stack_outputs
from finetune.report import Level

if TYPE_CHECKING:
    from botocore.exceptions import ClientError

    from settings import Settings

BOOTSTRAP_PARAMETER: Final = "/cdk-bootstrap/hnb659fds/version"
"""Where `cdk bootstrap` keeps its version, for the qualifier the CDK takes by default."""
BOOTSTRAP_VERSION: Final = 6
"""Least version that the default stack synthesizer deploys with.
https://docs.aws.amazon.com/cdk/v2/guide/bootstrapping-env.html"""
RESERVING_FUNCTIONS: Final = 6
"""Functions that take `engine.reserved_concurrency` executions each."""
INFERENCE_FUNCTIONS: Final = 3
"""Those besides, where models are deployed and called."""
UNRESERVED_MINIMUM: Final = 100
"""Executions that Lambda keeps unreserved in an account, or all of them where there are fewer.
https://docs.aws.amazon.com/lambda/latest/dg/configuration-concurrency.html"""
SHORT_TIMEOUT: Final = 3
"""Seconds: Lambda's default, which is short for a function that rates answers."""
JOBS_QUOTA: Final = 10
"""Scheduled customization jobs of an account in a Region; AWS does not raise it.
https://docs.aws.amazon.com/general/latest/gr/bedrock.html"""

_MISSING = frozenset(
    {
        "404", "NoSuchBucket", "NoSuchEntity", "NotFoundException", "ParameterNotFound",
        "ResourceNotFoundException", "ResourceNotFound",
    }
)  # fmt: skip
_GONE = _MISSING | {"ValidationException"}
_STUCK = frozenset({"ROLLBACK_COMPLETE", "ROLLBACK_FAILED", "DELETE_FAILED", "CREATE_FAILED"})


@dataclass(frozen=True, kw_only=True)
class Found:
    """One thing that would go wrong."""

    id: str
    """Stable name."""
    level: Level
    """`error` when a deployment or job would fail."""
    message: str
    """What is so."""
    prevents: str
    """The error that AWS would answer with."""
    fix: str
    """What to do."""
    where: Mapping[str, str | int] = field(default_factory=dict)
    """Where it is set."""


@dataclass(frozen=True, kw_only=True)
class Quota:
    """How much of a quota is used."""

    name: str
    """In words."""
    limit: int
    """How many there may be."""
    used: int
    """How many there are."""
    wanted: int
    """How many more these settings may make."""

    @property
    def left(self) -> int:
        """How many more there may be."""
        return max(self.limit - self.used, 0)


class Look:
    """An account as these settings need it; answers are asked for once."""

    def __init__(self, *, settings: Settings, connection: Connection) -> None:
        self.settings = settings
        self.connection = connection
        self.names = Names(environment=settings.environment, region=settings.region)
        self._clients: dict[str, Any] = {}
        self.quotas: list[Quota] = []
        """Filled by the check of quotas, to be shown."""

    def client(self, service: str) -> Any:  # noqa: ANN401 - each service has its own type
        """The client of a service, made once."""
        if service not in self._clients:
            self._clients[service] = self.connection.client(service)
        return self._clients[service]

    @cached_property
    def identity(self) -> Mapping[str, str]:
        """Whose credentials these are."""
        found: Mapping[str, str] = self.client("sts").get_caller_identity()
        return found

    def outputs(self, part: str) -> Mapping[str, str] | None:
        """The outputs of one of the environment's stacks; None before it is deployed."""
        return stack_outputs(connection=self.connection, stack=self.names.stack(part))


def _code(error: ClientError) -> str:
    return error_code(error)


# Account and Region


def account(look: Look) -> Iterator[Found]:
    """The credentials are those of the account that the settings name."""
    wanted, got = look.settings.account, look.identity["Account"]
    if wanted is not None and wanted != got:
        yield Found(
            id="other-account",
            level="error",
            message=f"the credentials are of account {got}, the settings name {wanted}",
            prevents=f"Need to perform AWS calls for account {wanted}, but the current credentials"
            f" are for {got}",
            fix="choose other credentials (AWS_PROFILE), or correct `account`",
            where={"property": "account"},
        )


def region(look: Look) -> Iterator[Found]:
    """The account uses the Region."""
    name = look.settings.region
    try:
        answer = look.client("ec2").describe_regions(RegionNames=[name], AllRegions=True)
        known = answer["Regions"]
    except look.client("ec2").exceptions.ClientError as error:
        if _code(error) != "InvalidParameterValue":
            raise
        known = []
    if not known or known[0].get("OptInStatus") == "not-opted-in":
        yield Found(
            id="region-not-enabled",
            level="error",
            message=f"the account does not use {name}"
            + ("" if known else ": AWS knows no such Region"),
            prevents="UnrecognizedClientException: The security token included in the request is"
            " invalid",
            fix=f"enable the Region: aws account enable-region --region-name {name}; or correct"
            " `region`",
            where={"property": "region"},
        )


def zones(look: Look) -> Iterator[Found]:
    """The Region's zones are those of the settings, and the endpoints take the service zones."""
    name = look.settings.region
    ec2 = look.client("ec2")
    listed = ec2.describe_availability_zones(
        Filters=[{"Name": "zone-type", "Values": ["availability-zone"]}]
    )["AvailabilityZones"]
    there = {zone["ZoneName"].removeprefix(name) for zone in listed if zone["State"] == "available"}
    network = look.settings.network
    for setting in ("training_zones", "service_zones"):
        for letter in sorted(set(getattr(network, setting)) - there):
            yield Found(
                id="zone-missing",
                level="error",
                message=f"{name} has no zone {letter} for this account; it has"
                f" {', '.join(sorted(there))}",
                prevents=f"Value ({name}{letter}) for parameter availabilityZone is invalid",
                fix=f"take {letter} out of network.{setting}",
                where={"property": f"network.{setting}"},
            )
    for letter in sorted(there - set(network.training_zones)):
        yield Found(
            id="zone-left-out",
            level="warning",
            message=f"zone {letter} of {name} has no training subnet",
            prevents="a job that fails because Bedrock chose a zone without a subnet, as was"
            " reported",
            fix=f"add {letter} to network.training_zones",
            where={"property": "network.training_zones"},
        )


def endpoint_zones(look: Look) -> Iterator[Found]:
    """The endpoint services take the service zones."""
    name, network = look.settings.region, look.settings.network
    services = [f"com.amazonaws.{name}.{each}" for each in ("bedrock", "kms")]
    details = look.client("ec2").describe_vpc_endpoint_services(
        Filters=[{"Name": "service-name", "Values": services}]
    )["ServiceDetails"]
    taken = {each["ServiceName"]: each.get("AvailabilityZones", []) for each in details}
    for service in services:
        if service not in taken:
            yield Found(
                id="endpoint-service-missing",
                level="error",
                message=f"{name} has no endpoint service {service}",
                prevents=f"InvalidServiceName: The Vpc Endpoint Service '{service}' does not exist",
                fix="choose a Region with Bedrock and PrivateLink for it",
                where={"property": "region"},
            )
            continue
        for letter in network.service_zones:
            if f"{name}{letter}" not in taken[service]:
                yield Found(
                    id="endpoint-refuses-zone",
                    level="error",
                    message=f"{service} takes no endpoint in zone {letter}",
                    prevents=f"InvalidParameter: The VPC endpoint service {service} does not"
                    " support the availability zone of the subnet",
                    fix=f"take {letter} out of network.service_zones; it takes"
                    f" {', '.join(each[-1] for each in sorted(taken[service]))}",
                    where={"property": "network.service_zones"},
                )


def prefix_lists(look: Look) -> Iterator[Found]:
    """The prefix lists of S3 and DynamoDB are those the settings take."""
    name, settings = look.settings.region, look.settings
    wanted = {
        f"com.amazonaws.{name}.s3": settings.s3_prefix_list_id,
        f"com.amazonaws.{name}.dynamodb": settings.dynamodb_prefix_list_id,
    }
    listed = look.client("ec2").describe_managed_prefix_lists(
        Filters=[{"Name": "prefix-list-name", "Values": list(wanted)}]
    )["PrefixLists"]
    there = {each["PrefixListName"]: each["PrefixListId"] for each in listed}
    for service, identifier in wanted.items():
        if there.get(service, identifier) != identifier:
            short = service.rsplit(".", 1)[-1]
            yield Found(
                id="prefix-list-differs",
                level="error",
                message=f"the prefix list of {short} is {there[service]} in {name}, the settings"
                f" take {identifier}",
                prevents="InvalidPrefixListID.NotFound, or a job whose download times out",
                fix=f"set network.{short}_prefix_list_id: {there[service]}",
                where={"property": f"network.{short}_prefix_list_id"},
            )


# Deployment


def bootstrap(look: Look) -> Iterator[Found]:
    """The CDK's bootstrap is there and new enough."""
    ssm = look.client("ssm")
    command = f"cdk bootstrap aws://{look.identity['Account']}/{look.settings.region}"
    try:
        version = int(ssm.get_parameter(Name=BOOTSTRAP_PARAMETER)["Parameter"]["Value"])
    except ssm.exceptions.ClientError as error:
        if _code(error) not in _MISSING:
            raise
        yield Found(
            id="not-bootstrapped",
            level="error",
            message=f"the CDK is not bootstrapped in {look.settings.region}",
            prevents=f"SSM parameter {BOOTSTRAP_PARAMETER} not found. Has the environment been"
            " bootstrapped?",
            fix=f"run `{command}`",
        )
        return
    if version < BOOTSTRAP_VERSION:
        yield Found(
            id="bootstrap-too-old",
            level="error",
            message=f"the CDK's bootstrap has version {version}, at least {BOOTSTRAP_VERSION} is"
            " needed",
            prevents=f"This CDK deployment requires bootstrap stack version '{BOOTSTRAP_VERSION}',"
            f" found '{version}'",
            fix=f"run `{command}` again",
        )


ACTIONS: Final = (
    "bedrock:CreateModelCustomizationJob", "cloudformation:CreateChangeSet", "dynamodb:CreateTable",
    "ec2:CreateVpc", "ec2:CreateVpcEndpoint", "iam:CreateRole", "kms:CreateKey",
    "lambda:CreateFunction", "s3:CreateBucket",
)  # fmt: skip
"""Actions without which nothing here can be deployed, or trained."""


def denies(look: Look) -> Iterator[Found]:
    """No policy of the organization or of the caller denies what a deployment does."""
    iam = look.client("iam")
    arn = look.identity["Arn"]
    if ":assumed-role/" in arn:
        # The simulator wants the role; a session's ARN leaves out the role's path.
        role = arn.split(":assumed-role/", 1)[1].split("/", 1)[0]
        arn = iam.get_role(RoleName=role)["Role"]["Arn"]
    results = iam.simulate_principal_policy(PolicySourceArn=arn, ActionNames=list(ACTIONS))[
        "EvaluationResults"
    ]
    for result in results:
        action = result["EvalActionName"]
        organization = result.get("OrganizationsDecisionDetail", {})
        if not organization.get("AllowedByOrganizations", True):
            yield Found(
                id="denied-by-organization",
                level="error",
                message=f"a policy of the organization does not allow {action} in this account",
                prevents=f"AccessDeniedException: not authorized to perform: {action} with an"
                " explicit deny in a service control policy",
                fix="ask who administers the organization for it; no role of the account can"
                " allow it",
            )
        elif result["EvalDecision"] == "explicitDeny":
            yield Found(
                id="denied-to-you",
                level="error",
                message=f"a policy denies {action} to {arn}",
                prevents=f"AccessDeniedException: not authorized to perform: {action} with an"
                " explicit deny in an identity-based policy",
                fix="deploy with other credentials, or have the Deny taken away",
            )


def names(look: Look) -> Iterator[Found]:
    """What is not deployed yet finds its names free, and no stack is stuck."""
    wanted = look.names
    exceptions = look.client("iam").exceptions
    cloudformation = look.client("cloudformation")
    for part in ("identity", "encryption", "network", "storage", "access", "engine"):
        status = _status(cloudformation, wanted.stack(part))
        if status in _STUCK:
            yield Found(
                id="stack-stuck",
                level="error",
                message=f"the stack {wanted.stack(part)} is {status}",
                prevents=f"ValidationError: Stack is in {status} state and can not be updated",
                fix=f"delete it and deploy again: aws cloudformation delete-stack --stack-name"
                f" {wanted.stack(part)}",
                where={"stack": wanted.stack(part)},
            )
    taken: dict[str, Callable[[], object]] = {}
    if look.outputs("identity") is None:
        role = wanted.customization_role
        taken[f"role {role}"] = lambda: look.client("iam").get_role(RoleName=role)
    if look.outputs("engine") is None:
        table = wanted.state_table
        taken[f"table {table}"] = lambda: look.client("dynamodb").describe_table(TableName=table)
    if look.outputs("encryption") is None:
        alias = f"alias/{wanted.stack('data')}"
        taken[f"key {alias}"] = lambda: look.client("kms").describe_key(KeyId=alias)
    for what, ask in taken.items():
        try:
            ask()
        except exceptions.ClientError as error:
            if _code(error) not in _MISSING:
                raise
            continue
        yield Found(
            id="name-taken",
            level="error",
            message=f"there is a {what} already, and no stack of {look.settings.environment}",
            prevents="EntityAlreadyExists or ResourceAlreadyExists: a resource of that name already"
            " exists",
            fix="delete it if an earlier environment left it, or name the environment otherwise",
        )


def job_names(look: Look) -> Iterator[Found]:
    """No job of somebody else has a name that the settings' jobs would get."""
    bedrock = look.client("bedrock")
    environment = look.settings.environment
    for job in look.settings.jobs:
        pages = bedrock.get_paginator("list_model_customization_jobs").paginate(
            nameContains=f"{environment}-{job}-"
        )
        for page in pages:
            for each in page["modelCustomizationJobSummaries"]:
                name = each["jobName"]
                if not parse_physical_id(physical_id=name, environment=environment, job=job):
                    continue
                owner = tags_of(bedrock=bedrock, arn=each["jobArn"]).get(ENVIRONMENT_TAG)
                if owner != environment:
                    yield Found(
                        id="job-name-taken",
                        level="warning",
                        message=f"Bedrock has a job {name} that this environment did not make: a"
                        " job of the same content would get its name",
                        prevents="ConflictException: The provided job name is currently in use",
                        fix=f"raise jobs.{job}.run when the deployment says so, or rename the job",
                        where={"property": f"jobs.{job}"},
                    )


def _status(cloudformation: Any, stack: str) -> str | None:  # noqa: ANN401 - a client
    try:
        found = cloudformation.describe_stacks(StackName=stack)["Stacks"]
    except cloudformation.exceptions.ClientError as error:
        if _code(error) == "ValidationError" and "does not exist" in str(error):
            return None
        raise
    return str(found[0].get("StackStatus", "")) if found else None


def concurrency(look: Look) -> Iterator[Found]:
    """Lambda has the executions that the settings reserve."""
    wanted = look.settings.engine.reserved_concurrency
    if wanted is None or look.outputs("engine") is not None:
        return
    limit = look.client("lambda").get_account_settings()["AccountLimit"]
    least = min(UNRESERVED_MINIMUM, limit["ConcurrentExecutions"])
    functions = RESERVING_FUNCTIONS
    if look.settings.inference.enabled:
        functions += INFERENCE_FUNCTIONS
    left = limit["UnreservedConcurrentExecutions"] - functions * wanted
    if left < least:
        yield Found(
            id="no-concurrency-left",
            level="error",
            message=f"{functions} functions would reserve {wanted} executions each, and"
            f" leave {left} of {limit['UnreservedConcurrentExecutions']} unreserved",
            prevents="InvalidParameterValueException: Specified ReservedConcurrentExecutions for"
            " function decreases account's UnreservedConcurrentExecution below its minimum value of"
            f" [{least}]",
            fix="set engine.reserved_concurrency to null, or ask for a higher quota",
            where={"property": "engine.reserved_concurrency"},
        )


# Models and jobs


def base_models(look: Look) -> Iterator[Found]:
    """The base models are there, take jobs, and the account may use them."""
    bedrock = look.client("bedrock")
    for name, job in look.settings.jobs.items():
        where = {"property": f"jobs.{name}.base_model"}
        model = job.model
        try:
            details = bedrock.get_foundation_model(modelIdentifier=model.id)["modelDetails"]
        except bedrock.exceptions.ClientError as error:
            if _code(error) not in _GONE:
                raise
            yield Found(
                id="model-not-in-region",
                level="error",
                message=f"Bedrock has no {model.id} in {look.settings.region} for this account",
                prevents="ValidationException: The provided model identifier is invalid",
                fix="see `finetune models refresh`, and choose another base model or Region",
                where=where,
            )
            continue
        status = details.get("modelLifecycle", {}).get("status")
        if status == "LEGACY":
            yield Found(
                id="model-legacy",
                level="error",
                message=f"{model.id} is Legacy for this account",
                prevents="ValidationException: the model is in Legacy state and takes no new"
                " customization job",
                fix="choose another base model: see `finetune models --usable`",
                where=where,
            )
        if job.distillation is not None:
            yield from _teacher(bedrock, job.distillation.teacher, setting=f"jobs.{name}")
        offered = details.get("customizationsSupported", [])
        # The API has no value for reinforcement fine-tuning.
        if job.customization_type not in {*offered, "REINFORCEMENT_FINE_TUNING"}:
            yield Found(
                id="method-not-offered",
                level="error",
                message=f"{model.id} offers {', '.join(offered) or 'no customization'} in"
                f" {look.settings.region}, not {job.customization_type}",
                prevents="ValidationException: the model does not support this customization type",
                fix="choose another base model, method or Region",
                where=where,
            )


def _teacher(bedrock: Any, identifier: str, *, setting: str) -> Iterator[Found]:  # noqa: ANN401 - a client
    details = bedrock.get_foundation_model(modelIdentifier=identifier)["modelDetails"]
    if details.get("modelLifecycle", {}).get("status") == "LEGACY":
        yield Found(
            id="teacher-legacy",
            level="warning",
            message=f"{identifier} is Legacy for this account, and may stop to teach",
            prevents="ValidationException or AccessDeniedException when the teacher is asked",
            fix="choose another teacher: see docs/models.md",
            where={"property": f"{setting}.distillation.teacher"},
        )


def model_access(look: Look) -> Iterator[Found]:
    """The account has access to the base models and to teachers."""
    bedrock = look.client("bedrock")
    wanted = {job.model.id: f"jobs.{name}.base_model" for name, job in look.settings.jobs.items()}
    for name, job in look.settings.jobs.items():
        if job.distillation is not None:
            wanted[job.distillation.teacher] = f"jobs.{name}.distillation.teacher"
    for identifier, setting in wanted.items():
        answer = bedrock.get_foundation_model_availability(modelId=identifier)
        lacking = [
            words
            for words, there in {
                "no agreement for it": answer["agreementAvailability"]["status"] == "AVAILABLE",
                "no authorization": answer["authorizationStatus"] == "AUTHORIZED",
                "no entitlement": answer["entitlementAvailability"] == "AVAILABLE",
                "it is not in the Region": answer["regionAvailability"] == "AVAILABLE",
            }.items()
            if not there
        ]
        if lacking:
            yield Found(
                id="model-access-missing",
                level="error",
                message=f"the account has no access to {identifier}: {', '.join(lacking)}",
                prevents="AccessDeniedException: You don't have access to the model with the"
                " specified model ID",
                fix="ask for access: Bedrock's console, Model access, in this Region",
                where={"property": setting},
            )


def quotas(look: Look) -> Iterator[Found]:
    """The account has room for the jobs and models of the settings."""
    bedrock = look.client("bedrock")
    wanted = len(look.settings.jobs)
    models = sum(
        len(page["modelSummaries"])
        for page in bedrock.get_paginator("list_custom_models").paginate(isOwned=True)
    )
    running = sum(
        len(page["modelCustomizationJobSummaries"])
        for page in bedrock.get_paginator("list_model_customization_jobs").paginate(
            statusEquals="InProgress"
        )
    )
    limit = look.client("service-quotas").get_service_quota(
        ServiceCode="bedrock", QuotaCode="L-CB5B847D"
    )["Quota"]["Value"]
    # A job that is not there yet makes a model; those of the settings may be there already.
    room = Quota(name="custom models", limit=int(limit), used=models, wanted=min(wanted, 1))
    at_once = min(wanted, look.settings.engine.max_jobs_in_progress)
    jobs = Quota(
        name="customization jobs in progress", limit=JOBS_QUOTA, used=running, wanted=at_once
    )
    look.quotas += [room, jobs]
    if room.left < room.wanted:
        yield Found(
            id="no-models-left",
            level="error",
            message=f"the account has {models} of {int(limit)} custom models",
            prevents="ServiceQuotaExceededException: the number of custom models exceeds the quota",
            fix="delete custom models nobody uses, or ask for more (quota L-CB5B847D)",
        )
    if jobs.left < jobs.wanted:
        yield Found(
            id="no-jobs-left",
            level="error",
            message=f"{running} of {JOBS_QUOTA} customization jobs are in progress, and"
            f" {at_once} more may begin at once",
            prevents="ServiceQuotaExceededException: the number of scheduled customization jobs"
            " exceeds the quota, which AWS does not raise",
            fix="wait for some to end, or lower engine.max_jobs_in_progress",
            where={"property": "engine.max_jobs_in_progress"},
        )


def graders(look: Look) -> Iterator[Found]:
    """The functions that rate answers are there, and have time."""
    functions = look.client("lambda")
    for name, job in look.settings.jobs.items():
        if job.reinforcement is None:
            continue
        where = {"property": f"jobs.{name}.reinforcement.grader_function"}
        grader = job.reinforcement.grader_function
        try:
            timeout = functions.get_function_configuration(FunctionName=grader)["Timeout"]
        except functions.exceptions.ClientError as error:
            if _code(error) not in _MISSING:
                raise
            yield Found(
                id="grader-missing",
                level="error",
                message=f"there is no function {grader} in {look.settings.region}",
                prevents="ValidationException: the Lambda function of the grader does not exist",
                fix="deploy it first, or correct the name",
                where=where,
            )
            continue
        if timeout <= SHORT_TIMEOUT:
            yield Found(
                id="grader-timeout-short",
                level="warning",
                message=f"the function {grader} may run {timeout} seconds",
                prevents="a job that fails since the function that rates answers times out",
                fix="raise the function's timeout, to 15 minutes at most",
                where=where,
            )


# Data


def keys(look: Look) -> Iterator[Found]:
    """The keys that are deployed, or named by the settings, can be used."""
    kms = look.client("kms")
    outputs = look.outputs("encryption") or {}
    wanted = {
        arn: what
        for what in ("DataKeyArn", "ModelKeyArn")
        if (arn := outputs.get(what)) is not None
    }
    for name, job in look.settings.jobs.items():
        if job.base_model_key is not None:
            wanted[job.base_model_key] = f"jobs.{name}.base_model_key"
        if job.invocation_logs is not None and job.invocation_logs.key is not None:
            wanted[job.invocation_logs.key] = f"jobs.{name}.invocation_logs.key"
    for arn, what in wanted.items():
        try:
            state = kms.describe_key(KeyId=arn)["KeyMetadata"]["KeyState"]
        except kms.exceptions.ClientError as error:
            if _code(error) not in _MISSING:
                raise
            state = "missing"
        if state != "Enabled":
            yield Found(
                id="key-not-usable",
                level="error",
                message=f"the key {arn} ({what}) is {state}",
                prevents="KMSInvalidStateException, DisabledException or NotFoundException:"
                f" {arn} is {state}",
                fix={
                    "PendingDeletion": f"aws kms cancel-key-deletion --key-id {arn}, and enable it",
                    "Disabled": f"aws kms enable-key --key-id {arn}",
                }.get(state, "make the key usable, or name another"),
            )


def buckets(look: Look) -> Iterator[Found]:
    """The buckets are there, and in the Region."""
    s3 = look.client("s3")
    outputs = look.outputs("storage") or {}
    wanted = {outputs["DataBucketName"]: "the data bucket"} if "DataBucketName" in outputs else {}
    for name, job in look.settings.jobs.items():
        if job.invocation_logs is not None:
            wanted[job.invocation_logs.bucket] = f"jobs.{name}.invocation_logs.bucket"
    for bucket, what in wanted.items():
        place = _place_of(s3, bucket)
        if place is None:
            yield Found(
                id="bucket-missing",
                level="error",
                message=f"there is no bucket {bucket} ({what})",
                prevents="ValidationException: Could not validate GetObject permissions to access"
                f" Amazon S3 bucket: {bucket}",
                fix="correct the name, or deploy what makes it",
            )
            continue
        if place != look.settings.region:
            yield Found(
                id="bucket-elsewhere",
                level="error",
                message=f"the bucket {bucket} ({what}) is in {place}, the job runs in"
                f" {look.settings.region}",
                prevents="ValidationException: the S3 bucket must be in the same Region as the job",
                fix="copy the data into a bucket of the Region",
            )


def _place_of(s3: Any, bucket: str) -> str | None:  # noqa: ANN401 - a client
    """The Region of a bucket, None for no bucket; S3 tells it to those too whom it denies."""
    try:
        return str(s3.head_bucket(Bucket=bucket)["BucketRegion"])
    except s3.exceptions.ClientError as error:
        if _code(error) in _MISSING:
            return None
        headers = error.response.get("ResponseMetadata", {}).get("HTTPHeaders", {})
        if "x-amz-bucket-region" not in headers:
            raise
        return str(headers["x-amz-bucket-region"])


CHECKS: Final[Mapping[str, Callable[[Look], Iterator[Found]]]] = {
    "account": account,
    "region": region,
    "zones": zones,
    "endpoint-zones": endpoint_zones,
    "prefix-lists": prefix_lists,
    "bootstrap": bootstrap,
    "denies": denies,
    "names": names,
    "job-names": job_names,
    "concurrency": concurrency,
    "base-models": base_models,
    "model-access": model_access,
    "quotas": quotas,
    "graders": graders,
    "keys": keys,
    "buckets": buckets,
}
"""Every check by the name it is told by, in the order of a deployment."""
