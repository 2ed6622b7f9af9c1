"""What templates would deploy: every resource of every stack, with nothing left to resolve.

Checks that look at one template miss what crosses stacks, and checks that look at `Fn::Join` miss
what is joined. Here references become the names and ARNs that CloudFormation would put in; one that
cannot be resolved is a problem of its own and never a wildcard.
"""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any, Final, Self

from review.template.errors import UnresolvedError
from review.template.names import ACCOUNT
from review.template.policies import Grant, grants
from review.template.problems import Problem, Unresolved
from review.template.resolver import Resolver, Template
from review.template.stacks import Stack

__all__ = [
    "ABSENT",
    "ACCOUNT",
    "Acknowledgement",
    "Deployment",
    "Problem",
    "Resource",
    "Stack",
    "Template",
    "Unresolved",
    "UnresolvedError",
    "told_of_reads",
]


_READER: ContextVar[Callable[[Resource, str], None] | None] = ContextVar("_READER", default=None)
_LISTENER: ContextVar[Callable[[str, str, object], None] | None] = ContextVar(
    "_LISTENER", default=None
)


@contextmanager
def told_of_reads(
    reader: Callable[[Resource, str], None],
    *,
    beside: Callable[[str, str, object], None] | None = None,
) -> Iterator[None]:
    """While the body runs, tell of every property that is read: what, and its dotted path.

    Args:
        reader: Told of a resource and the path.
        beside: Told of what is read beside resources: the stack, or nothing for all of them; what;
            and what was found.
    """
    token, other = _READER.set(reader), _LISTENER.set(beside)
    try:
        yield
    finally:
        _READER.reset(token)
        _LISTENER.reset(other)


@dataclass(frozen=True, kw_only=True)
class Acknowledgement:
    """A finding that is taken, as the resource's metadata says."""

    id: str
    """The finding, such as `AwsSolutions::AwsSolutions-IAM5[Resource::*]`."""
    reason: str


@dataclass(frozen=True, kw_only=True)
class Resource:
    """One resource with its properties resolved.

    `ref` is what `Ref` returns, `name` what AWS knows it by, most often the same; `attributes` what
    stands beside its properties, such as DeletionPolicy.
    """

    stack: str
    logical_id: str
    type: str
    ref: str
    arn: str
    properties: Mapping[str, Any]
    attributes: Mapping[str, Any]
    name: str = ""

    def __getitem__(self, path: str) -> Any:  # noqa: ANN401 - a piece of a template
        """A property by its dotted path; None where it is absent."""
        if (reader := _READER.get()) is not None:
            reader(self, path)
        value: Any = self.properties
        for part in path.split("."):
            if not isinstance(value, Mapping) or part not in value:
                return None
            value = value[part]
        return value

    def __str__(self) -> str:
        return f"{self.type} {self.ref}"

    def attribute(self, name: str) -> Any:  # noqa: ANN401 - a piece of a template
        """What stands beside the properties, such as DeletionPolicy; None where it is absent."""
        self.looked_at(name)
        return self.attributes.get(name)

    def looked_at(self, path: str) -> None:
        """Tell whoever listens that something of this resource is read in another way."""
        if (reader := _READER.get()) is not None:
            reader(self, path)

    def grants(self, path: str) -> set[Grant]:
        """What the policy document at a path says; worked out once.

        Raises:
            MalformedPolicyError: As `policies.grants` does.
        """
        self.looked_at(path)  # also where it was worked out before
        known: dict[str, set[Grant]] = self.__dict__.setdefault("_grants", {})
        if path not in known:
            known[path] = grants(self[path] or {})
        return known[path]

    @cached_property
    def inline_grants(self) -> set[Grant]:
        """What a role's own inline policies say."""
        policies = self["Policies"] or []
        return {grant for policy in policies for grant in grants(policy["PolicyDocument"])}

    @property
    def metadata(self) -> Mapping[str, Any]:
        """What the template notes of it; CloudFormation does nothing with it."""
        found = self.attributes.get("Metadata")
        return found if isinstance(found, Mapping) else {}

    @property
    def path(self) -> str | None:
        """Where in the construct tree it was made, when the CDK has written it down."""
        found = self.metadata.get("aws:cdk:path")
        return found if isinstance(found, str) else None

    @property
    def acknowledgements(self) -> tuple[Acknowledgement, ...]:
        """The findings that its metadata takes, with the reasons."""
        match self.metadata.get("cdk_nag"):
            case {"rules_to_suppress": [*rules]}:
                return tuple(
                    Acknowledgement(id=str(rule["id"]), reason=str(rule.get("reason", "")))
                    for rule in rules
                    if isinstance(rule, Mapping) and "id" in rule
                )
        return ()


@dataclass(frozen=True, kw_only=True)
class Deployment:
    """The templates of what is deployed together, by stack.

    Accounts and Regions that nobody names are invented; see `review.template.assembly.load`.
    """

    templates: Mapping[str, Template]
    dependencies: Mapping[str, frozenset[str]] = field(default_factory=dict)
    """The stacks that a stack waits for, as the assembly's manifest has them."""
    protected: frozenset[str] = frozenset()
    """The stacks with termination protection."""
    stacks: Mapping[str, Stack] = field(default_factory=dict)
    """What else is known of a stack, by the keys of `templates`."""

    @cached_property
    def _first(self) -> Stack:
        return next(iter(self.stacks.values()), Stack(name=""))

    @property
    def region(self) -> str:
        """The Region of the first stack; for most deployments, of all."""
        return self._first.region

    @property
    def account(self) -> str:
        """The account of the first stack; for most deployments, of all."""
        return self._first.account

    @property
    def partition(self) -> str:
        """The partition of that Region, such as `aws`."""
        return self._first.scope.partition

    @property
    def url_suffix(self) -> str:
        """The domain of that partition's services."""
        return self._first.scope.url_suffix

    @cached_property
    def _resolved(self) -> _Resolved:
        resolver = Resolver(self.templates, self.stacks)
        resources = tuple(
            _resource(resolver, stack, logical_id, raw)
            for stack, template in self.templates.items()
            for logical_id, raw in template.get("Resources", {}).items()
            if _is_resource(raw) and resolver.judged(stack, logical_id)
        )
        return _Resolved(
            resources=resources,
            problems=tuple(resolver.problems),
            imports=frozenset(resolver.imports),
        )

    @property
    def resources(self) -> tuple[Resource, ...]:
        """Every resource of every stack that is deployed."""
        return self._resolved.resources

    @property
    def problems(self) -> tuple[Problem, ...]:
        """What of the templates is not known; none of it was taken for a wildcard."""
        return self._resolved.problems

    @property
    def imports(self) -> frozenset[tuple[str, str]]:
        """Which stack imports an exported value of which."""
        return self._resolved.imports

    @cached_property
    def outputs(self) -> Mapping[tuple[str, str], Any]:
        """Output values by stack and logical id; `Unresolved` where one is not known."""
        resolver = Resolver(self.templates, self.stacks)
        found = {}
        for stack, template in self.templates.items():
            for name in template.get("Outputs", {}):
                try:
                    found[stack, name] = resolver.output(stack, name)
                except UnresolvedError:  # no problem: nobody imports it
                    found[stack, name] = Unresolved.at(stack, "Outputs", name)
        return found

    def location(self, resource: Resource, path: str = "") -> dict[str, str | int]:
        """Where a resource, or a property of it, stands: the `where` of a finding.

        Args:
            resource: One of this deployment.
            path: The property, dotted, with the numbers of places in lists; empty for the whole.
        """
        return self.place(stack=resource.stack, logical_id=resource.logical_id, path=path)

    def place(
        self, *, stack: str, logical_id: str | None = None, path: str | None = None
    ) -> dict[str, str | int]:
        """Where something stands in a template: the `where` of a finding.

        Args:
            stack: The key of the stack.
            logical_id: The resource; None for the template as a whole.
            path: The property, dotted; None or empty for the resource as a whole.
        """
        found: dict[str, str | int] = {}
        document = self.stacks[stack].document if stack in self.stacks else None
        if document is not None:
            found["file"] = document.file
            steps: tuple[str | int, ...] = ()
            if logical_id is not None:
                properties = ("Properties", *_steps(path)) if path else ()
                steps = ("Resources", logical_id, *properties)
            found["line"] = document.line(steps)
        found["stack"] = stack
        if logical_id is not None:
            found["logical_id"] = logical_id
        if path:
            found["property"] = path
        return found

    def owner(self, text: object) -> Resource | None:
        """The resource that a resolved text names: by name, id, URL, ARN, or below its ARN."""
        if not isinstance(text, str) or isinstance(text, Unresolved):
            return None
        found = self._by_name.get(text)
        while found is None and "/" in text:
            text = text.rpartition("/")[0]
            found = self._by_name.get(text) if text.startswith("arn:") else None
        return found

    @cached_property
    def _by_name(self) -> dict[str, Resource]:
        """By ARN, and by what else only one resource is known by."""
        found: dict[str, Resource] = {}
        shared: set[str] = set()
        for resource in self.resources:
            for text in {resource.ref, resource.name} - {resource.arn}:
                if text in found:
                    shared.add(text)
                found[text] = resource
        for text in shared:
            del found[text]
        return {**found, **{each.arn: each for each in self.resources}}

    def of_type(self, *types: str) -> list[Resource]:
        """The resources of the types."""
        if (listener := _LISTENER.get()) is not None:
            for type_ in types:
                if type_ not in self._by_type:
                    listener("", f"resources of type {type_}", "none")
        return [resource for type_ in types for resource in self._by_type.get(type_, [])]

    def looked_at(self, stack: str, what: str, found: object) -> None:
        """Tell whoever listens that something beside the resources is read.

        Args:
            stack: Where.
            what: As a reader of the template would look for it.
            found: What is there.
        """
        if (listener := _LISTENER.get()) is not None:
            listener(stack, what, found)

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

    def changed(self, change: Callable[[dict[str, Template]], None]) -> Self:
        """A copy whose templates the change has been applied to; this one stays as it is."""
        templates = copy.deepcopy(dict(self.templates))
        change(templates)
        return self.with_templates(templates)

    def with_templates(self, templates: Mapping[str, Template]) -> Self:
        """The same environment with other templates."""
        return dataclasses.replace(self, templates=templates)

    def with_resource(self, stack: str, logical_id: str, raw: Template) -> Self:
        """A copy in which one resource says something else; all others are shared with this one.

        A resource that keeps its name changes nothing for the others, so they are not resolved
        anew: thousands of weakenings are tried.
        """
        template = self.templates[stack]
        resources = {**template["Resources"], logical_id: raw}
        changed = self.with_templates(
            {**self.templates, stack: {**template, "Resources": resources}}
        )
        if raw.get("Type") == "AWS::KMS::Alias" or not _is_resource(raw):
            return changed  # A key is known by its alias.
        resolver = Resolver(changed.templates, changed.stacks)
        try:
            judged = resolver.judged(stack, logical_id)
            new = _resource(resolver, stack, logical_id, raw)
        except Exception:  # a check that looks at it meets the same error
            return changed
        place = self._places.get((stack, logical_id))
        if place is None or not judged:
            return changed
        old = self.resources[place]
        if (new.ref, new.arn) == (old.ref, old.arn):
            others = (
                each
                for each in self.problems
                if (each.stack, each.logical_id) != (stack, logical_id)
            )
            changed.__dict__["_resolved"] = _Resolved(
                resources=(*self.resources[:place], new, *self.resources[place + 1 :]),
                problems=(*others, *resolver.problems),
                imports=self.imports | resolver.imports,
            )
        return changed

    @cached_property
    def _places(self) -> dict[tuple[str, str], int]:
        return {(each.stack, each.logical_id): number for number, each in enumerate(self.resources)}

    def put(
        self, type_: str, path: str, value: object, *, where: Mapping[str, object] | None = None
    ) -> Self:
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

    def without(self, type_: str, path: str, *, where: Mapping[str, object] | None = None) -> Self:
        """A copy in which every resource of a type has lost a property or a statement."""
        return self.put(type_, path, ABSENT, where=where)

    def without_resources(self, type_: str, **where: object) -> Self:
        """A copy without the resources of a type."""
        places = [(each.stack, each.logical_id) for each in self.where(type_, **where)]
        if not places:
            raise LookupError(f"no {type_} with {where}")

        def change(templates: dict[str, Template]) -> None:
            for stack, logical_id in places:
                del templates[stack]["Resources"][logical_id]

        return self.changed(change)


@dataclass(frozen=True, kw_only=True)
class _Resolved:
    """What resolving a deployment gives."""

    resources: tuple[Resource, ...]
    problems: tuple[Problem, ...]
    imports: frozenset[tuple[str, str]]


def _is_resource(raw: object) -> bool:
    """Whether something below `Resources` is a resource; loading tells of all that is none."""
    return isinstance(raw, dict) and isinstance(raw.get("Type"), str)


def _resource(resolver: Resolver, stack: str, logical_id: str, raw: Template) -> Resource:
    identity = resolver.identity(stack, logical_id)
    return Resource(
        stack=stack,
        logical_id=logical_id,
        type=raw["Type"],
        ref=identity.ref,
        arn=identity.arn,
        name=identity.name,
        properties=resolver.properties(stack, logical_id),
        attributes={key: raw[key] for key in raw if key not in {"Type", "Properties"}},
    )


def _steps(path: str | None) -> tuple[str | int, ...]:
    parts = path.split(".") if path else []
    return tuple(int(part) if part.isdecimal() else part for part in parts)


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
