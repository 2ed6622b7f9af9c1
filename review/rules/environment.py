"""An environment of this app, read from its own templates.

The rules know what the app always makes, and nothing of the settings it was made from: they have to
judge a bare `cdk.out`. What the settings decide, such as the environment's name, its zones and its
people, stands in the templates in several places. It is taken from where a change in one place does
not change the answer: by a majority, or from what refers to it. What disagrees is then a finding.
"""

from __future__ import annotations

import ipaddress
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, Final

from review.template.deployment import Deployment, Resource, UnresolvedError
from review.template.policies import Grant, MalformedPolicyError

JOB: Final = "Custom::BedrockModelCustomizationJob"
DEPLOYMENT: Final = "Custom::BedrockModelDeployment"
LOGGING: Final = "Custom::BedrockInvocationLogging"
DEFAULT_GROUP: Final = "Custom::VpcRestrictDefaultSG"
TAG: Final = "finetune:environment"
"""The tag by which the app finds what is its own."""

MISSING: Final = "(none found)"
"""Stands for a name that the templates do not say: nothing is called that."""

POLICY_TYPES: Final = ("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy")

FRAMEWORK: Final = {
    "framework-on-event": "framework.onEvent",
    "framework-is-complete": "framework.isComplete",
    "framework-on-timeout": "framework.onTimeout",
    "default-group": "__entrypoint__.handler",
}
"""Handlers by which the library's functions are known: they have no names of ours."""

SERVING_ROLES: Final = ("deployer", "model-report", "invoker", "follow-up", "scheduler")
"""The roles of an environment that deploys what it trains; people have one more."""
SERVING_FUNCTIONS: Final = ("deployer", "invoker", "model-report")
LOGGING_ROLE: Final = "invocation-logs"
"""The role with which Bedrock writes the log of model invocations, where there is one."""

_SLOTS_BITS: Final = 5
"""The VPC's range has 32 equal parts, the lower half for training and the upper for functions."""


def environment_of(deployment: Deployment) -> Environment:
    """What a deployment says of its environment; worked out once."""
    known = deployment.__dict__.get("_environment")
    if not isinstance(known, Environment):
        known = Environment(deployment)
        deployment.__dict__["_environment"] = known
    return known


class Environment:
    """What one environment consists of, by purpose."""

    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.region = deployment.region
        self.account = deployment.account
        self.url_suffix = deployment.url_suffix

    def arn(self, service: str, resource: str, *, account: str | None = None) -> str:
        """An ARN of this environment's partition, Region and account."""
        return self.deployment.arn(service, resource, account=account)

    @cached_property
    def name(self) -> str:
        """The environment's name: what most tags say."""
        return (
            _most(
                str(tag.get("Value"))
                for resource in self.deployment.resources
                for tag in _mappings(resource["Tags"])
                if tag.get("Key") == TAG
            )
            or MISSING
        )

    @cached_property
    def serves(self) -> bool:
        """Whether models are deployed and called here: whether most of what that takes is there."""
        prefix = f"finetune-{self.name}-"
        roles = {role.ref for role in self.deployment.of_type("AWS::IAM::Role")}
        of_type = self.deployment.of_type
        functions = {function.ref for function in of_type("AWS::Lambda::Function")}
        signs = [
            *(f"{prefix}{self.region}-{purpose}" in roles for purpose in SERVING_ROLES),
            *(f"{prefix}{purpose}" in functions for purpose in SERVING_FUNCTIONS),
            "bedrock-runtime" in self.endpoints,
            any(table.arn == self.deployments_table for table in of_type("AWS::DynamoDB::Table")),
            bool(of_type("AWS::Scheduler::ScheduleGroup")),
            len(of_type(_MACHINE)) > 1,
        ]
        return 2 * sum(signs) > len(signs)

    @cached_property
    def logs_invocations(self) -> bool:
        """Whether model invocations are logged: whether most of what that takes is there."""
        of_type = self.deployment.of_type
        role = f"finetune-{self.name}-{self.region}-{LOGGING_ROLE}"
        signs = [
            bool(of_type(LOGGING)),
            any(each.ref == role for each in of_type("AWS::IAM::Role")),
            any(each.ref == self.invocations for each in of_type("AWS::Logs::LogGroup")),
        ]
        return self.serves and 2 * sum(signs) > len(signs)

    @property
    def invocations(self) -> str:
        """The name of the log group of model invocations."""
        return f"/finetune/{self.name}/invocations"

    # --- roles and functions

    @cached_property
    def role_names(self) -> Mapping[str, str]:
        """Role names by purpose: those the app gives, and those its library makes up."""
        prefix = f"finetune-{self.name}-{self.region}"
        names = {
            purpose: f"{prefix}-{purpose}"
            for purpose in (
                "submitter", "completion-check", "follower", "flow-logs", "uploader", "reader"
            )
        }  # fmt: skip
        names["customization"] = f"AmazonBedrock-{prefix}-customization"
        names["on-event"] = f"{prefix}-framework-on-event"
        names["complete"] = f"{prefix}-framework-complete"
        machine = self._waiter
        names["waiter"] = _last(machine["RoleArn"]) if machine else MISSING
        names["default-group"] = _last(self._function("default-group", "Role"))
        if self.serves:
            names |= {purpose: f"{prefix}-{purpose}" for purpose in SERVING_ROLES}
            if self._invokers:
                names["tester"] = f"{prefix}-tester"
        if self.logs_invocations:
            names[LOGGING_ROLE] = f"{prefix}-{LOGGING_ROLE}"
        return names

    @cached_property
    def roles(self) -> Mapping[str, str]:
        """Role ARNs by purpose."""
        return {
            purpose: self.arn("iam", f"role/{name}") for purpose, name in self.role_names.items()
        }

    @cached_property
    def functions(self) -> Mapping[str, Resource]:
        """Functions by purpose."""
        found = {}
        handlers = {handler: purpose for purpose, handler in FRAMEWORK.items()}
        for function in self.deployment.of_type("AWS::Lambda::Function"):
            name = str(function["FunctionName"])
            if function["FunctionName"] is None:
                purpose = handlers.get(str(function["Handler"]))
            else:
                purpose = name.removeprefix(f"finetune-{self.name}-")
            if purpose is not None:
                found[purpose] = function
        return found

    def _function(self, purpose: str, property: str) -> object:
        function = self.functions.get(purpose)
        return function[property] if function else MISSING

    def function_arn(self, purpose: str) -> str:
        """The ARN of a function; one of ours has it even where no template makes it."""
        if purpose in FRAMEWORK:
            function = self.functions.get(purpose)
            return function.arn if function else MISSING
        return self.arn("lambda", f"function:finetune-{self.name}-{purpose}")

    def function_ref(self, purpose: str) -> str:
        """The name of a function."""
        return self.function_arn(purpose).rsplit(":", maxsplit=1)[-1]

    @cached_property
    def state_machine(self) -> str:
        """The ARN of the provider framework's state machine."""
        return self._waiter.arn if self._waiter else MISSING

    @cached_property
    def _waiter(self) -> Resource | None:
        ours = f"finetune-{self.name}-follow-up"
        machines = self.deployment.of_type(_MACHINE)
        return first(each for each in machines if each["StateMachineName"] != ours)

    @property
    def follow_up(self) -> str:
        """The ARN of the state machine of what follows a completed job."""
        return self.arn("states", f"stateMachine:finetune-{self.name}-follow-up")

    @property
    def schedule_group(self) -> str:
        """The name of the group of the schedules that give throughput back."""
        return f"finetune-{self.name}"

    @property
    def schedules(self) -> str:
        """The pattern of those schedules' ARNs."""
        return self.arn("scheduler", f"schedule/{self.schedule_group}/*")

    # --- what is stored, and under which key

    @cached_property
    def data_bucket(self) -> str:
        """The ARN of the bucket that most statements of the roles are about."""
        buckets = {bucket.arn for bucket in self.deployment.of_type("AWS::S3::Bucket")}
        named = _most(
            grant.resource.split("/")[0]
            for grant in self._role_grants
            if grant.action.startswith("s3:")
        )
        return named if named in buckets else MISSING

    @cached_property
    def logs_bucket(self) -> str:
        """The ARN of the other bucket."""
        others = [
            bucket.arn
            for bucket in self.deployment.of_type("AWS::S3::Bucket")
            if bucket.arn != self.data_bucket
        ]
        return others[0] if others else MISSING

    @cached_property
    def data_key(self) -> str:
        """The ARN of the key that most log groups are encrypted with."""
        named = _most(str(g["KmsKeyId"]) for g in self.deployment.of_type("AWS::Logs::LogGroup"))
        return named if named in self._keys else MISSING

    @cached_property
    def model_key(self) -> str:
        """The ARN of the other key."""
        others = [arn for arn in self._keys if arn != self.data_key]
        return others[0] if others else MISSING

    @cached_property
    def _keys(self) -> dict[str, Resource]:
        return {key.arn: key for key in self.deployment.of_type("AWS::KMS::Key")}

    @cached_property
    def table(self) -> str:
        """The ARN of the table of jobs."""
        return self.arn("dynamodb", f"table/finetune-{self.name}-jobs")

    @property
    def deployments_table(self) -> str:
        """The ARN of the table of deployments."""
        return self.arn("dynamodb", f"table/finetune-{self.name}-deployments")

    @cached_property
    def queue(self) -> str:
        """The ARN of the dead-letter queue."""
        return self.arn("sqs", f"finetune-{self.name}-failed-events")

    @cached_property
    def topic(self) -> str:
        """The ARN of the topic on which the ends of jobs are announced."""
        topic = first(self.deployment.of_type("AWS::SNS::Topic"))
        return topic.ref if topic else MISSING

    # --- the network

    @cached_property
    def vpc(self) -> Resource | None:
        """The VPC: that of most subnets."""
        named = _most(str(each["VpcId"]) for each in self.deployment.of_type("AWS::EC2::Subnet"))
        return first(vpc for vpc in self.deployment.of_type("AWS::EC2::VPC") if vpc.ref == named)

    @cached_property
    def subnets(self) -> Mapping[str, tuple[Resource, ...]]:
        """The subnets by purpose, `training` and `service`: the halves of the VPC's range."""
        found: dict[str, list[Resource]] = {"training": [], "service": []}
        block = self.vpc["CidrBlock"] if self.vpc else None
        if isinstance(block, str):
            network = ipaddress.ip_network(block)
            middle = int(network.network_address) + network.num_addresses // 2
            for subnet in self.deployment.of_type("AWS::EC2::Subnet"):
                start = int(ipaddress.ip_network(str(subnet["CidrBlock"])).network_address)
                found["training" if start < middle else "service"].append(subnet)
        return {purpose: tuple(each) for purpose, each in found.items()}

    @property
    def training_subnet_arns(self) -> list[str]:
        """The ARNs of the training subnets."""
        return [self.arn("ec2", f"subnet/{subnet.ref}") for subnet in self.subnets["training"]]

    def slot(self, zone: str, purpose: str) -> str | None:
        """The range that belongs to a zone's subnet.

        Args:
            zone: Its letter.
            purpose: `training` or `service`.
        """
        block = self.vpc["CidrBlock"] if self.vpc else None
        if not isinstance(block, str) or not re.fullmatch("[a-p]", zone):
            return None
        number = ord(zone) - ord("a") + (16 if purpose == "service" else 0)
        network = ipaddress.ip_network(block)
        if network.prefixlen + _SLOTS_BITS > network.max_prefixlen:
            return None
        start = int(network.network_address) + number * (network.num_addresses >> _SLOTS_BITS)
        return f"{ipaddress.ip_address(start)}/{network.prefixlen + _SLOTS_BITS}"

    @cached_property
    def endpoints(self) -> Mapping[str, Resource]:
        """VPC endpoints by the last part of their service's name."""
        return {service_of(each): each for each in self.deployment.of_type("AWS::EC2::VPCEndpoint")}

    @property
    def s3_endpoint(self) -> str:
        """The id of S3's endpoint."""
        return self.endpoints["s3"].ref if "s3" in self.endpoints else MISSING

    @property
    def runtime_endpoint(self) -> str:
        """The id of the endpoint through which models are called."""
        found = self.endpoints.get("bedrock-runtime")
        return found.ref if found else MISSING

    @property
    def default_group(self) -> str:
        """The id of the VPC's default security group."""
        return f"{self.vpc.ref if self.vpc else MISSING}.DefaultSecurityGroup"

    @cached_property
    def groups(self) -> Mapping[str, str]:
        """Security groups by what uses them: `job`, `functions`, `kms`, `bedrock`.

        Where models are called also `invoker` and `bedrock-runtime`.
        """
        submitter = self.functions.get("submitter")
        invoker = self.functions.get("invoker") if self.serves else None
        services = ["kms", "bedrock", *(["bedrock-runtime"] if self.serves else [])]
        return {
            # The policy of the customization role names it: a job's own word is checked by it.
            "job": _only(
                {
                    grant.resource.rsplit("/", maxsplit=1)[-1]
                    for grant in self.grants_of("customization")
                    if ":security-group/" in grant.resource
                }
            ),
            "functions": _only(submitter["VpcConfig.SecurityGroupIds"] if submitter else ()),
            **{
                service: _only(self.endpoints[service]["SecurityGroupIds"])
                if service in self.endpoints
                else MISSING
                for service in services
            },
            **(
                {"invoker": _only(invoker["VpcConfig.SecurityGroupIds"] if invoker else ())}
                if self.serves
                else {}
            ),
        }

    # --- who may use it

    @cached_property
    def people(self) -> Mapping[str, tuple[str, ...]]:
        """ARN patterns of the people, by what they do."""
        administrators: set[str] = set()
        for policy in self.deployment.of_type("AWS::S3::BucketPolicy"):
            for grant in _grants(policy, "PolicyDocument"):
                if grant.effect == "Deny" and grant.action == "s3:DeleteObject":
                    administrators.update(_values(grant, "ArnNotLike", "aws:PrincipalArn"))
        return {
            "uploaders": self._takers("uploader"),
            "readers": self._takers("reader"),
            "invokers": self._invokers,
            "administrators": tuple(sorted(administrators)),
        }

    @cached_property
    def _invokers(self) -> tuple[str, ...]:
        invokers: set[str] = set()
        key = self._keys.get(self.model_key)
        if key is not None:
            for grant in _grants(key, "KeyPolicy"):
                if grant.effect == "Allow" and grant.action == "kms:Decrypt":
                    invokers.update(_values(grant, "ArnLike", "aws:PrincipalArn"))
        return tuple(sorted(invokers))

    def _takers(self, purpose: str) -> tuple[str, ...]:
        found: set[str] = set()
        for role in self.deployment.of_type("AWS::IAM::Role"):
            if role.ref == self.role_names[purpose]:
                for grant in _grants(role, "AssumeRolePolicyDocument"):
                    found.update(_values(grant, "ArnLike", "aws:PrincipalArn"))
        return tuple(sorted(found))

    @cached_property
    def base_models(self) -> tuple[str, ...]:
        """The ids of the foundation models that the submitter may customize."""
        marker = "::foundation-model/"
        return tuple(
            sorted(
                {
                    grant.resource.split(marker)[1]
                    for grant in self.grants_of("submitter")
                    if grant.action == "bedrock:CreateModelCustomizationJob"
                    and marker in grant.resource
                }
            )
        )

    @cached_property
    def by_role(self) -> Mapping[str, frozenset[Grant]]:
        """What each role may do by its inline policies, those beside it and the managed ones."""
        found: dict[str, set[Grant]] = {}
        for role in self.deployment.of_type("AWS::IAM::Role"):
            try:
                found.setdefault(role.ref, set()).update(role.inline_grants)
            except _UNREADABLE:
                continue
            for arn in role["ManagedPolicyArns"] or []:
                for policy in self.deployment.of_type("AWS::IAM::ManagedPolicy"):
                    if policy.arn == arn:
                        found[role.ref].update(_grants(policy, "PolicyDocument"))
        for policy in self.deployment.of_type(*POLICY_TYPES, "AWS::IAM::RolePolicy"):
            for name in policy["Roles"] or [policy["RoleName"]]:
                found.setdefault(str(name), set()).update(_grants(policy, "PolicyDocument"))
        return {name: frozenset(grants) for name, grants in found.items()}

    def grants_of(self, purpose: str) -> frozenset[Grant]:
        """What the role of a purpose may do; a policy that cannot be read says nothing."""
        return self.by_role.get(self.role_names[purpose], frozenset())

    @property
    def _role_grants(self) -> Iterator[Grant]:
        for grants in self.by_role.values():
            yield from grants

    # --- what the settings may loosen, because AWS does not say whether jobs need it

    @cached_property
    def direct_kms(self) -> bool:
        """Whether the customization role may call KMS itself."""
        key = self._keys.get(self.model_key)
        role = ("ArnEquals", "aws:PrincipalArn", (self.roles["customization"],))
        return key is not None and any(
            grant.action == "kms:DescribeKey" and grant.conditions == (role,)
            for grant in _grants(key, "KeyPolicy")
        )

    @cached_property
    def submitter_uses_model_key(self) -> bool:
        """Whether the submitter may have Bedrock use the model key on its behalf."""
        return any(grant.resource == self.model_key for grant in self.grants_of("submitter"))

    @cached_property
    def deployer_uses_model_key(self) -> bool:
        """Whether the deployer may have Bedrock use the model key on its behalf."""
        return self.serves and any(
            grant.resource == self.model_key for grant in self.grants_of("deployer")
        )

    @cached_property
    def throughput(self) -> str:
        """For whom Bedrock itself may use the model key while it makes throughput ready.

        `account`, `documented` for anybody, as AWS documents it, or `none`.
        """
        key = self._keys.get(self.model_key)
        found = [
            grant
            for grant in (_grants(key, "KeyPolicy") if key is not None and self.serves else ())
            if grant.principal == "Service:bedrock.amazonaws.com"
        ]
        if not found:
            return "none"
        held = any(_values(each, "StringEquals", "aws:SourceAccount") for each in found)
        return "account" if held else "documented"

    @cached_property
    def requires_endpoint(self) -> bool:
        """Whether the data bucket says anything of the endpoint that requests come through."""
        return any(
            key == "aws:SourceVpce"
            for policy in self.deployment.of_type("AWS::S3::BucketPolicy")
            for grant in _grants(policy, "PolicyDocument")
            for _, key, _ in grant.conditions
        )

    @cached_property
    def scopes_s3_endpoint(self) -> bool:
        """Whether the S3 endpoint's policy is anything but one statement that admits all."""
        endpoint = self.endpoints.get("s3")
        return endpoint is None or {
            (grant.effect, grant.action, grant.resource, grant.conditions)
            for grant in _grants(endpoint, "PolicyDocument")
        } != {("Allow", "s3:*", "*", ())}

    @cached_property
    def s3_prefix_list(self) -> str:
        """The id of S3's prefix list: the one that both the job and the functions reach."""
        return self._prefix_lists[0]

    @cached_property
    def dynamodb_prefix_list(self) -> str:
        """The id of DynamoDB's prefix list: the other one that the functions reach."""
        return self._prefix_lists[1]

    @cached_property
    def _prefix_lists(self) -> tuple[str, str]:
        by_group = Counter(
            str(rule["DestinationPrefixListId"])
            for group in self.deployment.of_type("AWS::EC2::SecurityGroup")
            if group.ref != self.groups.get("invoker")
            for rule in _mappings(group["SecurityGroupEgress"])
            if "DestinationPrefixListId" in rule
        )
        ids = [name for name, _ in by_group.most_common()] + [MISSING, MISSING]
        return ids[0], ids[1]

    @cached_property
    def identity(self) -> tuple[object, ...]:
        """Everything that decides what the policies of the environment have to say."""
        return (
            self.deployment.partition,
            self.region,
            self.account,
            self.name,
            tuple(sorted(self.roles.items())),
            self.data_bucket,
            self.logs_bucket,
            self.data_key,
            self.model_key,
            self.topic,
            self.state_machine,
            tuple(self.function_arn(purpose) for purpose in FRAMEWORK),
            tuple(self.training_subnet_arns),
            self.groups["job"],
            tuple(sorted(self.people.items())),
            self.base_models,
            self.direct_kms,
            self.submitter_uses_model_key,
            self.requires_endpoint,
            self.scopes_s3_endpoint,
            self.vpc.ref if self.vpc else None,
            self.s3_endpoint,
            self.serves,
            self.logs_invocations,
            self.runtime_endpoint,
            self.deployer_uses_model_key,
            self.throughput,
        )


_MACHINE: Final = "AWS::StepFunctions::StateMachine"

_UNREADABLE: Final = (
    UnresolvedError,
    MalformedPolicyError,
    AttributeError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
)
"""What reading a policy of any form may raise; the rules on policies report it."""


def _grants(resource: Resource, path: str) -> Iterable[Grant]:
    try:
        return resource.grants(path)
    except _UNREADABLE:
        return ()


def _values(grant: Grant, operator: str, key: str) -> tuple[str, ...]:
    return next((v for o, k, v in grant.conditions if (o, k) == (operator, key)), ())


def _mappings(value: object) -> Iterator[Mapping[str, Any]]:
    for each in value if isinstance(value, Sequence) and not isinstance(value, str) else ():
        if isinstance(each, Mapping):
            yield each


def _most(names: Iterable[str]) -> str:
    """The most frequent of some names, the first of those that are equally frequent."""
    found = Counter(names).most_common(1)
    return found[0][0] if found else ""


def _only(values: object) -> str:
    """The one value there is."""
    found = list(values) if isinstance(values, list | set | tuple) else []
    return str(found[0]) if len(found) == 1 else MISSING


def _last(arn: object) -> str:
    return str(arn).rsplit("/", maxsplit=1)[-1] if arn else MISSING


def first(resources: Iterable[Resource]) -> Resource | None:
    """The first of some resources, if there is one."""
    return next(iter(resources), None)


def service_of(endpoint: Resource) -> str:
    """The last part of the name of an endpoint's service, such as `s3` or `bedrock-runtime`."""
    return str(endpoint["ServiceName"]).rsplit(".", maxsplit=1)[-1]
