"""Findings of the rule packs that this library takes, each with what stops the risk instead.

An acknowledgement is written in its full form (`AwsSolutions::AwsSolutions-IAM5[Resource::*]`): the
short form hides a finding and leaves no trace in the report.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

from aws_cdk import Acknowledgment, CfnResource, Stack, Validations
from constructs import IConstruct

PACKS = (
    "AwsSolutions",
    "HIPAA.Security",
    "NIST.800.53.R4",
    "NIST.800.53.R5",
    "PCI.DSS.321",
    "Serverless",
)

_TOKEN = re.compile(r"\$\{Token\[[^\]]*\]\}")


def acknowledge(construct: IConstruct, *, reason: str, findings: tuple[str, ...]) -> None:
    """Takes findings on one resource.

    Args:
        construct: The resource, or the construct whose only child it is.
        reason: What stops the risk: a resource, a condition, a test. It must be able to turn false.
        findings: Ids with their pack in front, such as `PCI.DSS.321-LambdaInsideVPC`.

    Raises:
        ValueError: A finding names none of the packs.
    """
    resource = construct.node.default_child or construct
    for finding in findings:
        pack = next((pack for pack in PACKS if finding.startswith(f"{pack}-")), None)
        if pack is None:
            raise ValueError(f"finding must start with one of {', '.join(PACKS)}, got {finding!r}")
        Validations.of(resource).acknowledge(Acknowledgment(id=f"{pack}::{finding}", reason=reason))


def in_packs(rule: str, *packs: str) -> tuple[str, ...]:
    """The ids of one rule in several packs."""
    return tuple(f"{pack}-{rule}" for pack in packs)


def wildcard_finding(consumer: IConstruct, *, resource: str, owner: Stack) -> str:
    """The id of IAM5's finding on a resource with `*`, as the pack writes it.

    Args:
        consumer: The policy that holds the resource.
        resource: The resource as the statement has it, tokens included.
        owner: The stack of the construct that the resource belongs to: what another stack owns
            is named by its export there.
    """
    stack = Stack.of(consumer)

    def written(token: re.Match[str]) -> str:
        resolved = stack.resolve(token.group())
        if owner is not stack and not _is_pseudo(resolved):
            resolved = stack.resolve(owner.export_value(token.group()))
        return _flat(resolved)

    return f"AwsSolutions-IAM5[Resource::{_TOKEN.sub(written, resource)}]"


def _is_pseudo(resolved: Any) -> bool:  # noqa: ANN401 - a piece of a template
    return isinstance(resolved, Mapping) and str(resolved.get("Ref", "")).startswith("AWS::")


def _flat(resolved: Any) -> str:  # noqa: ANN401 - a piece of a template
    match resolved:
        case str():
            return resolved
        case {"Ref": name}:
            return f"<{name}>"
        case {"Fn::GetAtt": [name, attribute]}:
            return f"<{name}.{attribute}>"
        case {"Fn::ImportValue": name}:
            return str(name)
        case {"Fn::Join": [delimiter, parts]}:
            return str(delimiter).join(_flat(part) for part in parts)
    raise ValueError(f"a wildcard resource holds {resolved!r}, whose finding cannot be named")


def is_wildcard(resource: str) -> bool:
    """Whether IAM5 reports a resource: it holds `*` outside its tokens."""
    return "*" in _TOKEN.sub("", resource)


def resource_of(construct: IConstruct) -> CfnResource:
    """The CloudFormation resource of a construct.

    Raises:
        TypeError: The construct is no single resource.
    """
    return _resource(construct.node.default_child, construct)


def resource_named(construct: IConstruct, id: str) -> CfnResource:
    """A CloudFormation resource that a construct of the library holds under this id.

    Raises:
        TypeError: The child is no CloudFormation resource.
    """
    return _resource(construct.node.find_child(id), construct)


def _resource(child: IConstruct | None, construct: IConstruct) -> CfnResource:
    if not isinstance(child, CfnResource):
        raise TypeError(f"{construct.node.path} does not hold one CloudFormation resource")
    return child
