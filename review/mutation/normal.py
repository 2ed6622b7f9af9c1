"""The normal form of a deployment: two that have the same one do the same.

Left out is what AWS decides nothing by, and each time that is worked out from the deployment and
CloudFormation's schemas: a default that is said aloud, a tag that no policy asks for, an order in
which something is waited for anyway, a rule of a security group said twice; and the description of
a role or a managed policy, which IAM gives nobody to decide by. Policies are left to
`review.proofs.access`, which compares what they allow; where one stands that it does not read, the
document stays.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping
from typing import Any, Final

from review.decisions.scene import Scene
from review.mutation import schemas
from review.proofs.inventory import inventory
from review.template.deployment import Deployment, Resource
from review.template.security_groups import effective_rules

Normal = Mapping[str, Any]
"""By place, what is there: see `normal_form`."""

_MARK_OF_THE_CDK: Final = "AWS::CDK::Metadata"
"""Says which library wrote the template; nothing is made of it."""
_JUDGED: Final = "a policy that is compared by what it allows"
_DELETE: Final = "Delete"
"""What CloudFormation does with what a template drops, where that says nothing.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-attribute-deletionpolicy.html
"""
_GROUP: Final = "AWS::EC2::SecurityGroup"
_RULES: Final = {
    "AWS::EC2::SecurityGroupEgress": "GroupId",
    "AWS::EC2::SecurityGroupIngress": "GroupId",
}
_INLINE_RULES: Final = frozenset({"SecurityGroupEgress", "SecurityGroupIngress"})
_SHOWN_TO_PEOPLE: Final = {
    "AWS::IAM::ManagedPolicy": "Description",
    "AWS::IAM::Role": "Description",
}
"""Texts that nothing decides by: no condition key is for them, and no service is told them.

https://docs.aws.amazon.com/service-authorization/latest/reference/list_awsidentityandaccessmanagementiam.html
"""
_TAG_OF_A_POLICY: Final = re.compile(r"Tag/([^}\"\\]+)")
_ATTRIBUTES: Final = frozenset(
    {"DependsOn", "Metadata", "DeletionPolicy", "UpdateReplacePolicy"}
)  # fmt: skip


def normal_form(deployment: Deployment) -> Normal:
    """What a deployment does beside its policies, by place.

    Raises:
        UndecidableError: A policy is not understood, so that its access is not known.
    """
    scene = Scene(deployment)
    for _ in inventory(scene):
        pass  # each policy is parsed, and known to be
    asked_for = _tags_of_policies(deployment)
    waits = _waits(deployment)
    found: dict[str, Any] = {
        "rules of security groups": sorted(effective_rules(deployment)),
        "stacks wait": {name: sorted(of) for name, of in deployment.dependencies.items()},
        "protected stacks": sorted(deployment.protected),
        "stacks": sorted(deployment.templates),
    }
    for (stack, name), value in deployment.outputs.items():
        found[f"output {stack} {name}"] = _plain(value)
    for resource in deployment.resources:
        if resource.type == _MARK_OF_THE_CDK or resource.type in _RULES:
            continue
        judged = scene.documents.get((resource.stack, resource.logical_id), [])
        said = _properties(resource, judged=judged, tags=asked_for)
        place = _place(resource)
        same = {"type": resource.type, "properties": said, **_attributes(resource)}
        # What is said to be there twice, in the same words, is there once.
        if place in found and found[place] == same:
            continue
        key = place if place not in found else f"{place} in {resource.stack} {resource.logical_id}"
        found[key] = same
        found[f"{key} waits"] = sorted(waits[resource.stack, resource.logical_id])
    for problem in deployment.problems:
        found[f"problem {problem}"] = True
    return found


def _place(resource: Resource) -> str:
    """By what AWS tells a resource from others, where the template says that; else by its id."""
    schema = schemas.schema_of(resource.type) or {}
    parts = [str(each).removeprefix("/properties/") for each in schema.get("primaryIdentifier", ())]
    values = [resource.properties.get(part) for part in parts]
    if parts and all(isinstance(each, str) for each in values):
        return f"{resource.type} {' '.join(map(str, values))}"
    return f"{resource.type} {resource.stack}.{resource.logical_id}"


def _properties(
    resource: Resource, *, judged: list[object], tags: frozenset[str]
) -> dict[str, Any]:
    schema = schemas.schema_of(resource.type)
    tagging = (schema or {}).get("tagging") or {}
    tagged = str(tagging.get("tagProperty", "/properties/Tags")).removeprefix("/properties/")
    found: dict[str, Any] = {}
    for name, value in resource.properties.items():
        if resource.type == _GROUP and name in _INLINE_RULES:
            continue
        if isinstance(value, str) and _SHOWN_TO_PEOPLE.get(resource.type) == name:
            continue
        if name == tagged:
            if kept := _asked_for(value, tags):
                found[name] = kept
            continue
        found[name] = _plain(value, judged=judged)
    return {**schemas.defaults(resource.type), **found}


def _plain(value: Any, *, judged: list[object] | None = None) -> Any:  # noqa: ANN401 - a piece of a template
    """A value with each policy that access is known of replaced by a mark."""
    if judged and any(value is each for each in judged):
        return _JUDGED
    if isinstance(value, Mapping):
        return {name: _plain(each, judged=judged) for name, each in value.items()}
    if isinstance(value, list):
        return [_plain(each, judged=judged) for each in value]
    return value


def _asked_for(value: Any, tags: frozenset[str]) -> Any:  # noqa: ANN401 - a piece of a template
    """The tags by which a policy decides; all of what is no list of tags."""
    if isinstance(value, Mapping):
        return {key: each for key, each in value.items() if key in tags}
    if not isinstance(value, list) or not all(isinstance(each, Mapping) for each in value):
        return value
    return sorted(
        (dict(each) for each in value if each.get("Key") in tags),
        key=lambda each: str(each.get("Key")),
    )


def _tags_of_policies(deployment: Deployment) -> frozenset[str]:
    """The keys of tags that anything in the deployment names: in a condition or a pattern."""
    found: set[str] = set()
    for resource in deployment.resources:
        said = {name: each for name, each in resource.properties.items() if name != "Tags"}
        text = json.dumps(said, default=str)
        found.update(_TAG_OF_A_POLICY.findall(text))
        if "aws:TagKeys" in text:
            found.update(_texts(said))
    return frozenset(found)


def _texts(value: Any) -> Iterator[str]:  # noqa: ANN401 - a piece of a template
    if isinstance(value, str):
        yield value
    elif isinstance(value, Mapping):
        for each in value.values():
            yield from _texts(each)
    elif isinstance(value, list):
        for each in value:
            yield from _texts(each)


def _attributes(resource: Resource) -> dict[str, Any]:
    """What stands beside the properties, with what CloudFormation does where nothing is said."""
    return {
        "DeletionPolicy": resource.attributes.get("DeletionPolicy", _DELETE),
        "UpdateReplacePolicy": resource.attributes.get("UpdateReplacePolicy", _DELETE),
        **{
            name: _plain(each)
            for name, each in resource.attributes.items()
            if name not in _ATTRIBUTES
        },
    }


def _waits(deployment: Deployment) -> dict[tuple[str, str], set[str]]:
    """For each resource all that is made before it: what it names or waits for, and so on."""
    direct = {
        (resource.stack, resource.logical_id): set(_named(deployment, resource))
        for resource in deployment.resources
    }
    found: dict[tuple[str, str], set[str]] = {}
    for place, named in direct.items():
        seen: set[str] = set()
        waiting = list(named)
        while waiting:
            each = waiting.pop()
            if each not in seen:
                seen.add(each)
                waiting.extend(direct.get((place[0], each), ()))
        found[place] = seen
    return found


def _named(deployment: Deployment, resource: Resource) -> Iterator[str]:
    """The resources of its stack that a resource names in its template, or waits for."""
    raw = deployment.templates[resource.stack]["Resources"][resource.logical_id]
    there = deployment.templates[resource.stack]["Resources"]
    waits = raw.get("DependsOn", [])
    yield from (waits if isinstance(waits, list) else [waits])
    for text in _references(raw.get("Properties", {})):
        if text in there:
            yield text


def _references(value: Any) -> Iterator[str]:  # noqa: ANN401 - a piece of a template
    if isinstance(value, list):
        for each in value:
            yield from _references(each)
    elif isinstance(value, Mapping):
        for name, each in value.items():
            if name == "Ref" and isinstance(each, str):
                yield each
            elif name == "Fn::GetAtt":
                yield each[0] if isinstance(each, list) else str(each).partition(".")[0]
            elif name == "Fn::Sub":
                text = each[0] if isinstance(each, list) else each
                yield from re.findall(r"\$\{([^}.!]+)", str(text))
                yield from _references(each if isinstance(each, list) else [])
            else:
                yield from _references(each)
