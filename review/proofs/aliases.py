"""Names for what a template gives no name of its own, that stay when its logical ids change.

The model invents ids for such resources from their logical ids. What was approved is compared with
what comes by what things are for, so that a renamed resource is no new access.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Final

from review.decisions.purposes import PURPOSES
from review.rules.environment import service_of
from review.rules.rule import many
from review.template.deployment import Deployment, Resource


def renaming(deployment: Deployment) -> Callable[[str], str]:
    """What puts the name of each thing's purpose into a text, for the id that it has there."""
    names = {ref: name for ref, name in _names(deployment) if ref and ref != name}
    if not names:
        return lambda text: text
    longest_first = sorted(names, key=len, reverse=True)
    pattern = re.compile(rf"(?<![\w-])({'|'.join(map(re.escape, longest_first))})(?![\w-])")
    return lambda text: pattern.sub(lambda found: names[found[1]], text)


def _names(deployment: Deployment) -> Iterator[tuple[str, str]]:
    seen: set[tuple[str, str]] = set()
    for purpose, name, resource in _purposes(deployment):
        place = (resource.stack, resource.logical_id)
        if place in seen or not _is_invented(resource):
            continue
        seen.add(place)
        yield resource.ref.rpartition("/")[2].rpartition(":")[2], name or purpose


def _is_invented(resource: Resource) -> bool:
    """Whether the template leaves it to AWS how the resource is called."""
    return _OWN.isdisjoint(resource.properties)


_OWN: Final = frozenset(
    {
        "AlarmName", "BucketName", "FunctionName", "LogGroupName", "Name", "QueueName", "RoleName",
        "StateMachineName", "TableName", "TopicName",
    }
)  # fmt: skip
"""Properties by which a template names a resource itself."""


def _purposes(deployment: Deployment) -> Iterator[tuple[str, str, Resource]]:
    for purpose, find in PURPOSES.items():
        found = sorted(find(deployment), key=_place)
        for number, resource in enumerate(found):
            yield purpose, f"{purpose}-{number}" if len(found) > 1 else purpose, resource
    for endpoint in deployment.of_type("AWS::EC2::VPCEndpoint"):
        for group in deployment.of_type("AWS::EC2::SecurityGroup"):
            if group.ref in (endpoint["SecurityGroupIds"] or []):
                yield "group", f"{service_of(endpoint)}-endpoint-group", group
        for table in deployment.of_type("AWS::EC2::RouteTable"):
            subnets = [
                str(each.ref)
                for each in deployment.of_type("AWS::EC2::SubnetRouteTableAssociation")
                if each["RouteTableId"] == table.ref
            ]
            if subnets:
                yield "routes", f"routes-{_slot(deployment, table)}", table
    for function in deployment.of_type("AWS::Lambda::Function"):
        for group in deployment.of_type("AWS::EC2::SecurityGroup"):
            if function["FunctionName"] and group.ref in many(
                function["VpcConfig.SecurityGroupIds"]
            ):
                yield "group", f"{function.ref}-group", group
    for vpc in deployment.of_type("AWS::EC2::VPC"):
        yield "vpc", f"vpc-{vpc['CidrBlock']}", vpc


def _slot(deployment: Deployment, table: Resource) -> str:
    """The lowest range of the subnets that use a route table."""
    used = {
        each["SubnetId"]
        for each in deployment.of_type("AWS::EC2::SubnetRouteTableAssociation")
        if each["RouteTableId"] == table.ref
    }
    ranges = [
        str(each["CidrBlock"])
        for each in deployment.of_type("AWS::EC2::Subnet")
        if each.ref in used
    ]
    return min(ranges, default="none")


def _place(resource: Resource) -> tuple[str, str]:
    """An order that does not depend on logical ids where there is one."""
    return str(resource["CidrBlock"] or resource["Description"] or ""), resource.type
