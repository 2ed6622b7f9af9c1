"""What templates would deploy: every resource of every stack, with nothing left to resolve.

Checks that look at one template miss what crosses stacks, and checks that look at `Fn::Join` miss
what is joined. Here references become the names and ARNs that CloudFormation would put in; one that
cannot be resolved is an error and never a wildcard.
"""

from __future__ import annotations

import copy
import dataclasses
import ipaddress
import json
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache, cached_property
from typing import Any, Final

from review.template.policies import Grant, grants
from settings import Settings
from settings.regions import partition_of

ACCOUNT: Final = "111122223333"
"""The account that `AWS::AccountId` stands for: the documentation's."""

_HASH = re.compile(r"[0-9A-F]{8}$")
_SUB = re.compile(r"\$\{([^!}][^}]*)\}")
_SUFFIXES: Final = {"aws": "amazonaws.com", "aws-us-gov": "amazonaws.com"}

Template = dict[str, Any]


class UnresolvedError(Exception):
    """A template says something that this model does not know how to resolve."""


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource with its properties resolved.

    `ref` is what other resources know it by; `attributes` what stands beside its properties, such
    as DeletionPolicy.
    """

    stack: str
    logical_id: str
    type: str
    ref: str
    arn: str
    properties: Mapping[str, Any]
    attributes: Mapping[str, Any]

    def __getitem__(self, path: str) -> Any:  # noqa: ANN401 - a piece of a template
        """A property by its dotted path; None where it is absent."""
        value: Any = self.properties
        for part in path.split("."):
            if not isinstance(value, Mapping) or part not in value:
                return None
            value = value[part]
        return value

    def __str__(self) -> str:
        return f"{self.type} {self.ref}"

    def grants(self, path: str) -> set[Grant]:
        """What the policy document at a path says; worked out once.

        Raises:
            MalformedPolicyError: As `policies.grants` does.
        """
        known: dict[str, set[Grant]] = self.__dict__.setdefault("_grants", {})
        if path not in known:
            known[path] = grants(self[path] or {})
        return known[path]

    @cached_property
    def inline_grants(self) -> set[Grant]:
        """What a role's own inline policies say."""
        policies = self["Policies"] or []
        return {grant for policy in policies for grant in grants(policy["PolicyDocument"])}


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The templates of one environment, by stack name, and the settings they were made from."""

    settings: Settings
    templates: Mapping[str, Template]
    dependencies: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The stacks that a stack waits for, as the assembly's manifest has them."""
    protected: frozenset[str] = frozenset()
    """The stacks with termination protection."""

    @property
    def region(self) -> str:
        """The Region that `AWS::Region` stands for."""
        return self.settings.region

    @property
    def account(self) -> str:
        """The account that `AWS::AccountId` stands for."""
        return self.settings.account or ACCOUNT

    @cached_property
    def partition(self) -> str:
        """The partition of the Region, such as `aws`."""
        return partition_of(self.region) or "aws"

    @property
    def url_suffix(self) -> str:
        """The domain that `AWS::URLSuffix` stands for."""
        return _SUFFIXES.get(self.partition, "amazonaws.com.cn")

    @cached_property
    def training_cidrs(self) -> dict[str, str]:
        """The range of the training subnet of each zone, by zone letter."""
        return self._slots(self.settings.network.training_zones, first=0)

    @cached_property
    def service_cidrs(self) -> dict[str, str]:
        """The range of the service subnet of each zone, by zone letter."""
        return self._slots(self.settings.network.service_zones, first=16)

    def _slots(self, zones: Sequence[str], *, first: int) -> dict[str, str]:
        slots = _slots(self.settings.network.cidr)
        return {zone: slots[first + ord(zone) - ord("a")] for zone in zones}

    @cached_property
    def resources(self) -> tuple[Resource, ...]:
        """Every resource of every stack."""
        return tuple(_Resolver(self).resources())

    @cached_property
    def outputs(self) -> Mapping[tuple[str, str], Any]:
        """Output values by stack and logical id."""
        resolver = _Resolver(self)
        return {
            (stack, name): resolver.resolve(stack, output["Value"])
            for stack, template in self.templates.items()
            for name, output in template.get("Outputs", {}).items()
        }

    def of_type(self, *types: str) -> list[Resource]:
        """The resources of the types."""
        return [resource for type_ in types for resource in self._by_type.get(type_, [])]

    @cached_property
    def _by_type(self) -> dict[str, list[Resource]]:
        found: dict[str, list[Resource]] = {}
        for resource in self.resources:
            found.setdefault(resource.type, []).append(resource)
        return found

    def where(self, type_: str, **properties: object) -> list[Resource]:
        """The resources of a type whose properties have these values."""
        return [
            resource
            for resource in self.of_type(type_)
            if all(resource[name] == value for name, value in properties.items())
        ]

    def arn(self, service: str, resource: str, *, account: str | None = None) -> str:
        """An ARN of this partition, Region and account; S3 and IAM ARNs name less of it."""
        region = "" if service in {"iam", "s3"} else self.region
        owner = "" if service == "s3" else self.account if account is None else account
        return f"arn:{self.partition}:{service}:{region}:{owner}:{resource}"

    def changed(self, change: Callable[[dict[str, Template]], None]) -> Deployment:
        """A copy whose templates the change has been applied to; this one stays as it is."""
        templates = copy.deepcopy(dict(self.templates))
        change(templates)
        return self.with_templates(templates)

    def with_templates(self, templates: Mapping[str, Template]) -> Deployment:
        """The same environment with other templates."""
        return dataclasses.replace(self, templates=templates)

    def with_resource(self, stack: str, logical_id: str, raw: Template) -> Deployment:
        """A copy in which one resource says something else; all others are shared with this one.

        A resource that keeps its name changes nothing for the others, so they are not resolved
        anew: thousands of weakenings are tried.
        """
        template = self.templates[stack]
        resources = {**template["Resources"], logical_id: raw}
        changed = self.with_templates(
            {**self.templates, stack: {**template, "Resources": resources}}
        )
        if raw["Type"] == "AWS::KMS::Alias":
            return changed  # A key is known by its alias.
        try:
            new = _Resolver(changed).resource(stack, logical_id)
        except Exception:  # a control that looks at it meets the same error
            return changed
        place = [(each.stack, each.logical_id) for each in self.resources].index(
            (stack, logical_id)
        )
        if (new.ref, new.arn) == (self.resources[place].ref, self.resources[place].arn):
            shared = (*self.resources[:place], new, *self.resources[place + 1 :])
            changed.__dict__["resources"] = shared
        return changed

    def put(
        self, type_: str, path: str, value: object, *, where: Mapping[str, object] | None = None
    ) -> Deployment:
        """A copy in which a property of every resource of a type has another value.

        Args:
            type_: As templates write it.
            path: Dotted; numbers are places in a list, and `Sid=name` finds a statement.
            value: The new value, or `ABSENT` to take the property away.
            where: Only of resources whose properties have these values.

        Raises:
            LookupError: No resource is changed by it: a twin that changes nothing shows nothing.
        """
        places = [(each.stack, each.logical_id) for each in self.where(type_, **(where or {}))]
        if not places:
            raise LookupError(f"no {type_} with {where}")

        def change(templates: dict[str, Template]) -> None:
            for stack, logical_id in places:
                _put(templates[stack]["Resources"][logical_id]["Properties"], path, value)

        return self.changed(change)

    def without(
        self, type_: str, path: str, *, where: Mapping[str, object] | None = None
    ) -> Deployment:
        """A copy in which every resource of a type has lost a property or a statement."""
        return self.put(type_, path, ABSENT, where=where)

    def without_resources(self, type_: str, **where: object) -> Deployment:
        """A copy without the resources of a type."""
        places = [(each.stack, each.logical_id) for each in self.where(type_, **where)]
        if not places:
            raise LookupError(f"no {type_} with {where}")

        def change(templates: dict[str, Template]) -> None:
            for stack, logical_id in places:
                del templates[stack]["Resources"][logical_id]

        return self.changed(change)

    def plus(self, part: str, type_: str, **properties: object) -> Deployment:
        """A copy with one resource more, in the stack of one part of the environment."""
        stack = f"finetune-{self.settings.environment}-{part}"

        def change(templates: dict[str, Template]) -> None:
            templates[stack]["Resources"]["Added00000000"] = {
                "Type": type_,
                "Properties": properties,
            }

        return self.changed(change)


@cache
def _slots(cidr: str) -> list[str]:
    """The 32 equal parts of the VPC's range, among which each zone letter has its places."""
    return [str(part) for part in ipaddress.ip_network(cidr).subnets(prefixlen_diff=5)]


ABSENT: Final = object()
"""Stands for a property that is taken away."""


def _put(properties: Any, path: str, value: object) -> None:  # noqa: ANN401 - a piece of a template
    here = properties
    *parents, last = path.split(".")
    for part in parents:
        here = here[_step(here, part)]
    step = _step(here, last)
    if value is ABSENT:
        del here[step]
    else:
        here[step] = value


def _step(here: Any, part: str) -> Any:  # noqa: ANN401 - a piece of a template
    if not isinstance(here, list):
        return part
    if part.startswith("Sid="):
        sids = [statement.get("Sid") for statement in here]
        return sids.index(part.removeprefix("Sid="))
    return int(part)


class _Resolver:
    """Puts names and ARNs in the place of references, across stacks."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self._templates = deployment.templates
        self._exports: dict[str, tuple[str, Any]] = {
            output["Export"]["Name"]: (stack, output["Value"])
            for stack, template in deployment.templates.items()
            for output in template.get("Outputs", {}).values()
            if "Export" in output
        }
        self._names: dict[tuple[str, str], str] = {}

    def resources(self) -> Iterator[Resource]:
        for stack, template in self._templates.items():
            for logical_id in template["Resources"]:
                yield self.resource(stack, logical_id)

    def resource(self, stack: str, logical_id: str) -> Resource:
        raw = self._templates[stack]["Resources"][logical_id]
        return Resource(
            stack=stack,
            logical_id=logical_id,
            type=raw["Type"],
            ref=self._name(stack, logical_id),
            arn=self._arn(stack, logical_id),
            properties=self.resolve(stack, raw.get("Properties", {})),
            attributes={key: raw[key] for key in raw if key not in {"Type", "Properties"}},
        )

    def resolve(self, stack: str, value: Any) -> Any:  # noqa: ANN401 - a piece of a template
        if isinstance(value, list):
            return [self.resolve(stack, each) for each in value]
        if not isinstance(value, dict):
            return value
        if len(value) == 1:
            ((name, argument),) = value.items()
            if name in {"Ref", "Condition"} or name.startswith("Fn::"):
                return self._intrinsic(stack, name, argument)
        return {key: self.resolve(stack, each) for key, each in value.items()}

    def _intrinsic(self, stack: str, name: str, argument: Any) -> Any:  # noqa: ANN401 - as above
        resolved: Any
        match name, argument:
            case "Ref", str():
                resolved = self._ref(stack, argument)
            case "Fn::GetAtt", [logical_id, attribute]:
                resolved = self._attribute(stack, logical_id, attribute)
            case "Fn::Join", [delimiter, parts]:
                resolved = delimiter.join(self._text(stack, part) for part in parts)
            case "Fn::Sub", str():
                resolved = _SUB.sub(lambda it: self._substitute(stack, it.group(1)), argument)
            case "Fn::ImportValue", str() if argument in self._exports:
                resolved = self.resolve(*self._exports[argument])
            case "Fn::GetStackOutput", {"StackName": other, "OutputName": output}:
                resolved = self._output(other, output)
            case "Condition", dict():
                # A policy statement of nothing but conditions: no intrinsic.
                resolved = {name: self.resolve(stack, argument)}
            case _:
                raise UnresolvedError(f"{stack}: {name} {json.dumps(argument)[:80]}")
        return resolved

    def _output(self, stack: str, name: str) -> Any:  # noqa: ANN401 - a piece of a template
        try:
            value = self._templates[stack]["Outputs"][name]["Value"]
        except KeyError as error:
            raise UnresolvedError(f"{stack} has no output {name}") from error
        return self.resolve(stack, value)

    def _text(self, stack: str, value: Any) -> str:  # noqa: ANN401 - a piece of a template
        resolved = self.resolve(stack, value)
        if not isinstance(resolved, str | int):
            raise UnresolvedError(f"joined {json.dumps(value)[:80]}, which is no text")
        return str(resolved)

    def _substitute(self, stack: str, name: str) -> str:
        if "." in name:
            return str(self._attribute(stack, *name.split(".", maxsplit=1)))
        return str(self._ref(stack, name))

    def _ref(self, stack: str, name: str) -> str:
        deployment = self._deployment
        pseudo = {
            "AWS::AccountId": deployment.account,
            "AWS::Region": deployment.region,
            "AWS::Partition": deployment.partition,
            "AWS::URLSuffix": deployment.url_suffix,
            "AWS::StackName": stack,
        }
        return pseudo[name] if name in pseudo else self._name(stack, name)

    def _attribute(self, stack: str, logical_id: str, attribute: str) -> str:
        if attribute in {"Arn", "TopicArn"}:
            return self._arn(stack, logical_id)
        if attribute in {"GroupId", "KeyId"}:
            return self._name(stack, logical_id)
        return f"{self._name(stack, logical_id)}.{attribute}"

    def _raw(self, stack: str, logical_id: str) -> Template:
        try:
            raw: Template = self._templates[stack]["Resources"][logical_id]
        except KeyError as error:
            raise UnresolvedError(f"{stack} has no resource {logical_id}") from error
        return raw

    def _name(self, stack: str, logical_id: str) -> str:
        """What Ref returns, near enough; names are given by property, never by a hashed id."""
        place = (stack, logical_id)
        if place not in self._names:
            self._names[place] = self._named(stack, logical_id)
        return self._names[place]

    def _named(self, stack: str, logical_id: str) -> str:
        raw = self._raw(stack, logical_id)
        properties = raw.get("Properties", {})
        plain = _HASH.sub("", logical_id)
        type_ = raw["Type"]
        if type_ in _NAME_PROPERTIES:
            return self._given(stack, properties, _NAME_PROPERTIES[type_], plain)
        name = plain
        match type_:
            case "AWS::KMS::Key":
                name = f"key-{self._alias(stack, logical_id) or plain}"
            case "AWS::S3::Bucket":
                name = "bucket-data" if "LoggingConfiguration" in properties else "bucket-logs"
            case "AWS::EC2::Subnet":
                name = f"subnet-{properties.get('CidrBlock')}"
            case "AWS::EC2::SecurityGroup":
                name = f"sg-{plain}"
            case "AWS::EC2::VPCEndpoint":
                service = self._text(stack, properties.get("ServiceName", plain))
                name = f"vpce-{service.rsplit('.', maxsplit=1)[-1]}"
            case "AWS::SNS::Topic":
                name = self._deployment.arn("sns", plain)
            case "AWS::StepFunctions::StateMachine":
                name = self._deployment.arn("states", f"stateMachine:{plain}")
        return name

    def _given(self, stack: str, properties: Template, name: str, otherwise: str) -> str:
        return self._text(stack, properties[name]) if name in properties else otherwise

    def _alias(self, stack: str, logical_id: str) -> str | None:
        for raw in self._templates[stack]["Resources"].values():
            if raw["Type"] != "AWS::KMS::Alias":
                continue
            target = raw["Properties"].get("TargetKeyId")
            if target in ({"Ref": logical_id}, {"Fn::GetAtt": [logical_id, "Arn"]}):
                return str(raw["Properties"].get("AliasName", "")).removeprefix("alias/") or None
        return None

    def _arn(self, stack: str, logical_id: str) -> str:
        name = self._name(stack, logical_id)
        type_ = self._raw(stack, logical_id)["Type"]
        if name.startswith("arn:"):
            return name
        if type_ not in _ARNS:
            return f"{name}.Arn"
        service, form = _ARNS[type_]
        return self._deployment.arn(service, form.format(name))


_NAME_PROPERTIES: Final = {
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::Events::Rule": "Name",
    "AWS::IAM::Role": "RoleName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::SQS::Queue": "QueueName",
}
"""Resources that Ref knows by a property; the others are known by an id."""

_ARNS: Final = {
    "AWS::CloudWatch::Alarm": ("cloudwatch", "alarm:{}"),
    "AWS::DynamoDB::Table": ("dynamodb", "table/{}"),
    "AWS::Events::Rule": ("events", "rule/{}"),
    "AWS::IAM::Role": ("iam", "role/{}"),
    "AWS::KMS::Key": ("kms", "key/{}"),
    "AWS::Lambda::Function": ("lambda", "function:{}"),
    "AWS::Logs::LogGroup": ("logs", "log-group:{}:*"),
    "AWS::S3::Bucket": ("s3", "{}"),
    "AWS::SQS::Queue": ("sqs", "{}"),
}
"""Service and form of what `Fn::GetAtt` of `Arn` returns."""
