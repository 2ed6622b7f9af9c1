"""Which way a call leaves a VPC, and whether it arrives.

Isolated subnets reach a service only through an endpoint: a gateway endpoint (S3, DynamoDB) by
their route tables and by egress to its prefix list, an interface endpoint by its private DNS
name and by security groups on both sides.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from ministack.core.responses import get_region
from ministack.services import ec2

from rehearsal.emulator.errors import UnreachableError

GATEWAY_SERVICES = ("s3", "dynamodb")
HTTPS = 443
_ANYWHERE = "0.0.0.0/0"


@dataclass(frozen=True, kw_only=True)
class Attachment:
    """Where something sits in a VPC: a function's or a job's network interfaces."""

    what: str
    """How messages call it: `function finetune-dev-submitter`, `the job`."""
    subnet_ids: tuple[str, ...]
    group_ids: tuple[str, ...]

    @property
    def vpc_id(self) -> str:
        """The VPC of its subnets.

        Raises:
            UnreachableError: a subnet does not exist (any more).
        """
        return str(_found(ec2._subnets, self.subnet_ids[0], "subnet")["VpcId"])


@dataclass(frozen=True, kw_only=True)
class Path:
    """An endpoint a call goes through."""

    endpoint_id: str
    vpc_id: str
    policy: Any

    @property
    def keys(self) -> dict[str, str]:
        """Condition keys that calls through this endpoint carry."""
        return {"aws:SourceVpce": self.endpoint_id, "aws:SourceVpc": self.vpc_id}


def _found(store: Mapping[str, Any], identifier: str, kind: str) -> dict[str, Any]:
    record = store.get(identifier)
    if record is None:
        raise UnreachableError(f"the {kind} '{identifier}' does not exist")
    return dict(record)


def _covers_https(rule: Mapping[str, Any]) -> bool:
    protocol = str(rule.get("IpProtocol"))
    if protocol == "-1":
        return True
    first, last = rule.get("FromPort"), rule.get("ToPort")
    return (
        protocol in ("tcp", "6")
        and first is not None
        and last is not None
        and int(first) <= HTTPS <= int(last)
    )


def _rules(group_ids: Iterable[str], direction: str) -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = []
    for group_id in group_ids:
        found += _found(ec2._security_groups, group_id, "security group").get(direction, [])
    return found


def _names_group(rule: Mapping[str, Any], group_ids: Iterable[str]) -> bool:
    wanted = set(group_ids)
    return any(pair.get("GroupId") in wanted for pair in rule.get("UserIdGroupPairs", []))


def _covers_subnets(rule: Mapping[str, Any], subnet_ids: Iterable[str]) -> bool:
    ranges = [ipaddress.IPv4Network(entry["CidrIp"]) for entry in rule.get("IpRanges", [])]
    cidrs = [
        ipaddress.IPv4Network(_found(ec2._subnets, subnet_id, "subnet")["CidrBlock"])
        for subnet_id in subnet_ids
    ]
    return bool(cidrs) and all(any(cidr.subnet_of(outer) for outer in ranges) for cidr in cidrs)


def reaches_prefix_list(group_ids: Iterable[str], prefix_list_id: str) -> bool:
    """Whether the groups let HTTPS out to a managed prefix list (or to anywhere)."""
    return any(
        _covers_https(rule)
        and (
            any(e.get("PrefixListId") == prefix_list_id for e in rule.get("PrefixListIds", []))
            or any(e.get("CidrIp") == _ANYWHERE for e in rule.get("IpRanges", []))
        )
        for rule in _rules(group_ids, "IpPermissionsEgress")
    )


def talks_to_itself(group_ids: Iterable[str]) -> bool:
    """Whether members of the groups reach one another on all protocols, both ways."""
    groups = tuple(group_ids)

    def all_protocols(direction: str) -> bool:
        return any(
            str(rule.get("IpProtocol")) == "-1" and _names_group(rule, groups)
            for rule in _rules(groups, direction)
        )

    return all_protocols("IpPermissions") and all_protocols("IpPermissionsEgress")


def _route_table_of(subnet_id: str, vpc_id: str) -> dict[str, Any]:
    tables = [table for table in ec2._route_tables.values() if table["VpcId"] == vpc_id]
    for table in tables:
        if any(entry.get("SubnetId") == subnet_id for entry in table["Associations"]):
            return dict(table)
    for table in tables:
        if any(entry.get("Main") for entry in table["Associations"]):
            return dict(table)
    raise UnreachableError(f"the subnet '{subnet_id}' has no route table")


def _endpoints(*, vpc_id: str, service: str, kind: str) -> list[dict[str, Any]]:
    name = f"com.amazonaws.{get_region()}.{service}"
    return [
        dict(endpoint)
        for endpoint in ec2._vpc_endpoints.values()
        if endpoint["VpcId"] == vpc_id
        and endpoint["ServiceName"] == name
        and endpoint["VpcEndpointType"] == kind
    ]


def _through_gateway(
    *, source: Attachment, service: str, prefix_lists: Mapping[str, str]
) -> Path | None:
    vpc_id = source.vpc_id
    endpoints = _endpoints(vpc_id=vpc_id, service=service, kind="Gateway")
    if not endpoints:
        return None
    tables = {str(_route_table_of(s, vpc_id)["RouteTableId"]) for s in source.subnet_ids}
    routed = [e for e in endpoints if tables <= set(e["RouteTableIds"])]
    if not routed:
        raise UnreachableError(
            f"the route tables of the subnets of {source.what} have no route to a gateway "
            f"endpoint for {service}"
        )
    if not reaches_prefix_list(source.group_ids, prefix_lists[service]):
        raise UnreachableError(
            f"no security group of {source.what} allows TCP 443 egress to the {service} "
            f"prefix list {prefix_lists[service]}"
        )
    chosen = routed[0]
    return Path(
        endpoint_id=chosen["VpcEndpointId"], vpc_id=vpc_id, policy=chosen.get("PolicyDocument")
    )


def _through_interface(*, source: Attachment, service: str) -> Path:
    vpc_id = source.vpc_id
    endpoints = _endpoints(vpc_id=vpc_id, service=service, kind="Interface")
    if not endpoints:
        raise UnreachableError(
            f"{source.what} sits in isolated subnets of {vpc_id}, which has no endpoint for "
            f"{service}"
        )
    named = [e for e in endpoints if str(e.get("PrivateDnsEnabled")).lower() == "true"]
    vpc = _found(ec2._vpcs, vpc_id, "VPC")
    # Support is on unless turned off, host names are off unless turned on.
    if not named or vpc.get("EnableDnsSupport") is False or not vpc.get("EnableDnsHostnames"):
        raise UnreachableError(
            f"the name {service}.{get_region()}.amazonaws.com does not lead {source.what} to "
            f"the {service} endpoint: private DNS is off for the endpoint or the VPC"
        )
    endpoint = named[0]
    groups = tuple(endpoint["SecurityGroupIds"])
    subnets = tuple(endpoint["SubnetIds"])
    if not any(
        _covers_https(rule) and (_names_group(rule, groups) or _covers_subnets(rule, subnets))
        for rule in _rules(source.group_ids, "IpPermissionsEgress")
    ):
        raise UnreachableError(
            f"no security group of {source.what} allows TCP 443 egress to the {service} endpoint "
            f"{endpoint['VpcEndpointId']}"
        )
    if not any(
        _covers_https(rule)
        and (_names_group(rule, source.group_ids) or _covers_subnets(rule, source.subnet_ids))
        for rule in _rules(groups, "IpPermissions")
    ):
        raise UnreachableError(
            f"no security group of the {service} endpoint {endpoint['VpcEndpointId']} admits "
            f"{source.what} on TCP 443"
        )
    return Path(
        endpoint_id=endpoint["VpcEndpointId"],
        vpc_id=vpc_id,
        policy=endpoint.get("PolicyDocument"),
    )


def path(*, source: Attachment, service: str, prefix_lists: Mapping[str, str]) -> Path:
    """The endpoint that calls from `source` to `service` go through.

    Raises:
        UnreachableError: there is none, or a rule or route on the way is missing.
    """
    if service in GATEWAY_SERVICES:
        gateway = _through_gateway(source=source, service=service, prefix_lists=prefix_lists)
        if gateway is not None:
            return gateway
    return _through_interface(source=source, service=service)
