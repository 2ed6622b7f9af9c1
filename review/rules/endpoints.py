"""VPC endpoints: the private ways to the services that a job and the functions call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from review.rules.design import design_of
from review.rules.environment import MISSING, environment_of, service_of
from review.rules.policy_findings import policy_as_designed
from review.rules.rule import (
    Violation,
    at,
    many,
    of_the_whole,
    rule,
    shown,
    unexpected_properties,
)
from review.rules.standards import PRIVATE_NETWORK, also
from review.rules.statements import Statement, statements
from review.template.deployment import Deployment, Resource

ENDPOINT: Final = "AWS::EC2::VPCEndpoint"
GATEWAYS: Final = ("s3", "dynamodb")


def _is_gateway(endpoint: Resource) -> bool:
    """CloudFormation's default is a gateway."""
    return (endpoint["VpcEndpointType"] or "Gateway") == "Gateway"


def _vpcs_with(deployment: Deployment, service: str) -> set[object]:
    return {
        endpoint["VpcId"]
        for endpoint in deployment.of_type(ENDPOINT)
        if service_of(endpoint) == service
    }


@rule(
    id="endpoints.s3-present",
    requirement="Every VPC has an endpoint of S3.",
    risk="A job in a network without a way out cannot read its data; in one with, it goes outside.",
    remedy="Add a gateway endpoint of S3 to the VPC; it costs nothing.",
    step="W7",
    standards=PRIVATE_NETWORK,
)
def s3_has_an_endpoint(deployment: Deployment) -> Iterator[Violation]:
    """In the VPC itself: endpoints of another one are of no use."""
    there = _vpcs_with(deployment, "s3")
    for vpc in deployment.of_type("AWS::EC2::VPC"):
        if vpc.ref not in there:
            yield at(vpc, "no endpoint of S3")


@rule(
    id="endpoints.kms-present",
    requirement="Every VPC has an interface endpoint of KMS.",
    risk="Calls to KMS from the network go outside or fail.",
    remedy="Add an interface endpoint of KMS with private DNS.",
    step="W10",
    standards=PRIVATE_NETWORK,
)
def kms_has_an_endpoint(deployment: Deployment) -> Iterator[Violation]:
    """In the VPC itself."""
    there = _vpcs_with(deployment, "kms") | _vpcs_with(deployment, "kms-fips")
    for vpc in deployment.of_type("AWS::EC2::VPC"):
        if vpc.ref not in there:
            yield at(vpc, "no endpoint of KMS")


@rule(
    id="endpoints.private-dns",
    requirement="Interface endpoints answer to the service's own name.",
    risk="Calls by the usual name go past the endpoint and its policy.",
    remedy="Set PrivateDnsEnabled to true.",
    step="W10",
    standards=PRIVATE_NETWORK,
)
def interface_endpoints_have_private_dns(deployment: Deployment) -> Iterator[Violation]:
    """Explicitly: CloudFormation's default depends on how the endpoint is made."""
    for endpoint in deployment.of_type(ENDPOINT):
        if not _is_gateway(endpoint) and endpoint["PrivateDnsEnabled"] is not True:
            value = shown(endpoint["PrivateDnsEnabled"])
            yield at(endpoint, f"PrivateDnsEnabled is {value}", "PrivateDnsEnabled")


@rule(
    id="endpoints.limited-policy",
    requirement="An endpoint's policy admits named actions on named resources, or under a condition"
    " on who calls.",
    risk="The endpoint carries data to any bucket or key of any account, as AWS's default does.",
    remedy="Write a PolicyDocument that names the actions and resources called through it.",
    step="W7",
    standards=also(PRIVATE_NETWORK, prowler="vpc_endpoint_connections_trust_boundaries"),
)
def endpoint_policies_are_limited(deployment: Deployment) -> Iterator[Violation]:
    """A statement is limited when its resources are, or when a condition on the caller is there."""
    for endpoint in deployment.of_type(ENDPOINT):
        found = list(statements(endpoint))
        if not found:
            yield at(endpoint, "no policy: AWS's default admits everything", "PolicyDocument")
        for each in found:
            if _opens_s3(endpoint, each):
                continue  # for `endpoints.s3-scoped`
            wide = each.excludes_resources or "*" in each.resources
            if each.allows and each.excludes_actions:
                yield at(endpoint, f"{each} allows all actions but some", each.path)
            elif each.allows and wide and not each.requires(*_CALLER_KEYS):
                yield at(endpoint, f"{each} allows every resource to everybody", each.path)


_CALLER_KEYS: Final = (
    "aws:PrincipalAccount",
    "aws:PrincipalArn",
    "aws:PrincipalOrgID",
    "aws:ResourceAccount",
    "aws:ResourceOrgID",
    "s3:ResourceAccount",
)


@rule(
    id="endpoints.own-groups",
    requirement="Interface endpoints are in security groups of their own.",
    risk="Without a group of its own an endpoint is in the VPC's default group.",
    remedy="Give the endpoint a security group that takes HTTPS from who calls through it.",
    step="W8",
    standards=PRIVATE_NETWORK,
)
def interface_endpoints_have_groups(deployment: Deployment) -> Iterator[Violation]:
    """At least one, and none that the endpoint shares with a job or function."""
    users: dict[str, set[str]] = {}
    for function in deployment.of_type("AWS::Lambda::Function"):
        for group in many(function["VpcConfig.SecurityGroupIds"]):
            users.setdefault(str(group), set()).add(str(function))
    for endpoint in deployment.of_type(ENDPOINT):
        if _is_gateway(endpoint):
            continue
        groups = many(endpoint["SecurityGroupIds"])
        if not groups:
            yield at(endpoint, "no security group", "SecurityGroupIds")
        for group in groups:
            for user in sorted(users.get(str(group), ())):
                yield at(endpoint, f"shares its group {group} with {user}", "SecurityGroupIds")


@rule(
    id="endpoints.every-route-table",
    requirement="Gateway endpoints are in the route table of every subnet.",
    risk="From a subnet without the route S3 is reached outside the endpoint, or not at all.",
    remedy="Name every route table of the VPC in RouteTableIds.",
    step="W7",
    standards=PRIVATE_NETWORK,
)
def gateway_endpoints_reach_every_subnet(deployment: Deployment) -> Iterator[Violation]:
    """The tables of the endpoint's own VPC that these templates make."""
    for endpoint in deployment.of_type(ENDPOINT):
        if not _is_gateway(endpoint):
            continue
        named = {str(each) for each in many(endpoint["RouteTableIds"])}
        for table in deployment.of_type("AWS::EC2::RouteTable"):
            if table["VpcId"] == endpoint["VpcId"] and table.ref not in named:
                yield at(endpoint, f"not in the route table {table.ref}", "RouteTableIds")


@rule(
    id="endpoints.several-zones",
    requirement="Interface endpoints stand in two or more subnets.",
    risk="A zone that fails takes every call to the service with it.",
    remedy="Name subnets of two zones in SubnetIds.",
    step="W10",
    standards={"Prowler": ("vpc_endpoint_multi_az_enabled",)},
)
def interface_endpoints_are_in_several_zones(deployment: Deployment) -> Iterator[Violation]:
    """By the zones of their subnets where these are known."""
    zones = {
        subnet.ref: str(subnet["AvailabilityZone"])
        for subnet in deployment.of_type("AWS::EC2::Subnet")
    }
    for endpoint in deployment.of_type(ENDPOINT):
        if not _is_gateway(endpoint):
            found = {zones.get(str(each), str(each)) for each in many(endpoint["SubnetIds"])}
            if len(found) < 2:
                yield at(endpoint, f"in {len(found)} zones, expected two or more", "SubnetIds")


@rule(
    id="endpoints.as-designed",
    requirement="Endpoints of S3, DynamoDB, KMS and Bedrock, and of Bedrock's runtime where models"
    " are called: the gateways for all subnets and the interfaces in the service subnets, each with"
    " a policy of exactly the calls made through it.",
    risk="A call that nobody foresaw leaves through an endpoint, or one that is needed fails.",
    remedy="Take the change back, or change the design in review/rules/design.py with it.",
    step="W10",
    standards=PRIVATE_NETWORK,
    profile="app",
)
def endpoints_are_private_ways_for_these_calls(deployment: Deployment) -> Iterator[Violation]:
    """Four endpoints or five, where they must be."""
    environment = environment_of(deployment)
    design = design_of(environment)
    endpoints = deployment.of_type(ENDPOINT)
    services = sorted(service_of(endpoint) for endpoint in endpoints)
    runtime = ["bedrock-runtime"] if environment.serves else []
    if services != ["bedrock", *runtime, "dynamodb", "kms", "s3"]:
        yield of_the_whole(f"endpoints of the services {services}")
    tables = sorted(table.ref for table in deployment.of_type("AWS::EC2::RouteTable"))
    subnets = sorted(subnet.ref for subnet in environment.subnets["service"])
    for endpoint in endpoints:
        service = service_of(endpoint)
        gateway = service in GATEWAYS
        placement: dict[str, Any] = (
            {"RouteTableIds": tables}
            if gateway
            else {
                "SubnetIds": subnets,
                "SecurityGroupIds": [environment.groups.get(service, MISSING)],
                "PrivateDnsEnabled": True,
            }
        )
        yield from unexpected_properties(
            endpoint,
            {
                "VpcEndpointType": "Gateway" if gateway else "Interface",
                "ServiceName": f"com.amazonaws.{deployment.region}.{service}",
                **placement,
            },
            also={"PolicyDocument", "Tags", "VpcId"},
        )
        yield from policy_as_designed(
            endpoint, "PolicyDocument", design.endpoint_policies.get(service, set())
        )


def _opens_s3(endpoint: Resource, each: Statement) -> bool:
    """Whether a statement says that all of S3 may be reached: somebody decided, and wrote it."""
    return (
        service_of(endpoint) == "s3"
        and each.allows
        and each.actions == ("s3:*",)
        and each.resources == ("*",)
        and not each.excludes_actions
        and not each.excludes_resources
        and not each.conditions
    )


@rule(
    id="endpoints.s3-scoped",
    requirement="The S3 endpoint lets through some buckets, prefixes and actions, and no others.",
    risk="Whatever runs in the training subnets may write to any bucket of any account.",
    remedy="Name the buckets of the job in the policy: in this app, set"
    " network.scoped_s3_endpoint_policy to true, unless a job was seen to need more.",
    step="W7",
    standards=PRIVATE_NETWORK,
    level="warning",
)
def the_s3_endpoint_is_scoped(deployment: Deployment) -> Iterator[Violation]:
    """A warning where it is said aloud, because no AWS page says that a job needs no other bucket.

    Without a policy, or with one of all actions, it is an error of `endpoints.limited-policy`.
    """
    for endpoint in deployment.of_type(ENDPOINT):
        for each in statements(endpoint):
            if _opens_s3(endpoint, each):
                yield at(endpoint, f"{each} admits all of S3", each.path)
