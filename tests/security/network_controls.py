"""Controls of the network: no way out, and a private way to each service that is called."""

from __future__ import annotations

import ipaddress
import re
from typing import Any

from review.template.security_groups import Rule, effective_rules
from tests.security.app_deployment import AppDeployment
from tests.security.control import (
    DEFAULT_GROUP,
    control,
    endpoints_of,
    exactly,
    first,
    policy_findings,
    property_findings,
    service_of,
)
from tests.security.groups import groups_in_use
from tests.security.permissions import permissions_of


@control
def no_way_to_the_internet(deployment: AppDeployment) -> list[str]:
    """No gateway, no route but the local one, no address that is reachable from outside."""
    ways = re.compile(
        r"AWS::EC2::(.*Gateway.*|Route|EIP.*|.*Peering.*|Transit.*|VPN.*|ClientVpn.*|"
        r"VPCCidrBlock|NetworkInterface.*|Instance)|AWS::NetworkManager::.*|AWS::VpcLattice::.*"
    )
    findings = [
        f"{resource}: a way out of the network"
        for resource in deployment.resources
        if ways.fullmatch(resource.type)
    ]
    for subnet in deployment.of_type("AWS::EC2::Subnet"):
        if subnet["MapPublicIpOnLaunch"] is not False:
            findings.append(f"{subnet}: MapPublicIpOnLaunch is {subnet['MapPublicIpOnLaunch']}")
        findings += [
            f"{subnet}: {name}: an IPv6 or outpost subnet"
            for name in subnet.properties
            if "Ipv6" in name or "Outpost" in name
        ]
    return findings


@control
def one_subnet_in_every_zone(deployment: AppDeployment) -> list[str]:
    """A training subnet in each zone of the settings, service subnets in theirs, in fixed slots."""
    network = deployment.settings.network
    (vpcs, findings) = exactly(deployment, "AWS::EC2::VPC", 1)
    if not vpcs:
        return findings
    vpc = vpcs[0]
    if vpc["CidrBlock"] != network.cidr:
        findings.append(f"{vpc}: CidrBlock is {vpc['CidrBlock']}, expected {network.cidr}")
    expected = {
        (f"{deployment.region}{zone}", cidr, purpose)
        for purpose, cidrs in (
            ("training", deployment.training_cidrs),
            ("service", deployment.service_cidrs),
        )
        for zone, cidr in cidrs.items()
    }
    middle = ipaddress.ip_network(network.cidr)
    half = int(middle.network_address) + middle.num_addresses // 2
    found = set()
    tables: dict[str, set[Any]] = {"training": set(), "service": set()}
    associations: dict[str, list[str]] = {}
    for link in deployment.of_type("AWS::EC2::SubnetRouteTableAssociation"):
        associations.setdefault(link["SubnetId"], []).append(link["RouteTableId"])
    for subnet in deployment.of_type("AWS::EC2::Subnet"):
        block = ipaddress.ip_network(str(subnet["CidrBlock"]))
        purpose = "training" if int(block.network_address) < half else "service"
        found.add((subnet["AvailabilityZone"], subnet["CidrBlock"], purpose))
        own = associations.get(subnet.ref, [])
        if len(own) != 1:
            findings.append(f"{subnet}: {len(own)} route tables; without its own it takes the main")
        tables[purpose].update(own)
        if subnet["VpcId"] != vpc.ref:
            findings.append(f"{subnet}: not in the VPC")
    findings += [f"subnet missing: {each}" for each in sorted(expected - found, key=str)]
    findings += [f"subnet unexpected: {each}" for each in sorted(found - expected, key=str)]
    route_tables = {table.ref: table for table in deployment.of_type("AWS::EC2::RouteTable")}
    for purpose, used in tables.items():
        if len(used) != 1 or not used <= set(route_tables):
            findings.append(f"{purpose} subnets use the route tables {sorted(map(str, used))}")
    if tables["training"] & tables["service"]:
        findings.append("training and service subnets share a route table")
    findings += [
        f"{table}: not in the VPC" for table in route_tables.values() if table["VpcId"] != vpc.ref
    ]
    return findings


@control
def names_resolve_to_the_endpoints(deployment: AppDeployment) -> list[str]:
    """DNS support and host names: private DNS and the S3 gateway endpoint rest on them."""
    return [
        f"{vpc}: {name} is {vpc[name]}"
        for vpc in deployment.of_type("AWS::EC2::VPC")
        for name in ("EnableDnsSupport", "EnableDnsHostnames")
        if vpc[name] is not True
    ]


@control
def all_traffic_is_logged(deployment: AppDeployment) -> list[str]:
    """One flow log for the VPC, of accepted and refused traffic, to an encrypted log group."""
    logs, findings = exactly(deployment, "AWS::EC2::FlowLog", 1)
    permissions = permissions_of(deployment)
    vpc = first(deployment.of_type("AWS::EC2::VPC"))
    expected = {
        "ResourceId": vpc.ref if vpc else None,
        "ResourceType": "VPC",
        "TrafficType": "ALL",
        "LogDestinationType": "cloud-watch-logs",
        "LogGroupName": f"/finetune/{deployment.settings.environment}/flow-logs",
        "DeliverLogsPermissionArn": permissions.roles["flow-logs"],
        "MaxAggregationInterval": 60,
    }
    for log in logs:
        findings += property_findings(log, expected, also={"Tags"})
        findings += [
            f"{log}: does not wait for the permission to write"
            for _ in [0]
            if not log.attributes.get("DependsOn")
        ]
    return findings


@control
def the_default_group_is_closed(deployment: AppDeployment) -> list[str]:
    """A custom resource takes every rule from the VPC's default security group."""
    found, findings = exactly(deployment, DEFAULT_GROUP, 1)
    vpc = first(deployment.of_type("AWS::EC2::VPC"))
    handlers = {
        function.arn
        for function in deployment.where("AWS::Lambda::Function", Handler="__entrypoint__.handler")
    }
    for each in found:
        if vpc is None or each["DefaultSecurityGroupId"] != f"{vpc.ref}.DefaultSecurityGroup":
            findings.append(f"{each}: closes {each['DefaultSecurityGroupId']}")
        if each["Account"] != deployment.account:
            findings.append(f"{each}: account {each['Account']}")
        if each["ServiceToken"] not in handlers:
            findings.append(f"{each}: handled by {each['ServiceToken']}")
    return findings


@control
def groups_let_only_these_paths_through(deployment: AppDeployment) -> list[str]:
    """Job to itself, to S3 and to KMS; functions to S3, DynamoDB and Bedrock; and nothing else."""
    job, functions, kms, bedrock = groups_in_use(deployment)
    s3 = deployment.settings.s3_prefix_list_id
    dynamodb = deployment.settings.dynamodb_prefix_list_id

    def https(group: str | None, direction: str, peer: str | None) -> Rule:
        return Rule(str(group), direction, "tcp", "443", "443", str(peer))

    expected = {
        Rule(str(job), "ingress", "-1", "None", "None", str(job)),
        Rule(str(job), "egress", "-1", "None", "None", str(job)),
        https(job, "egress", s3),
        https(job, "egress", kms),
        https(kms, "ingress", job),
        https(functions, "egress", s3),
        https(functions, "egress", dynamodb),
        https(functions, "egress", bedrock),
        https(bedrock, "ingress", functions),
    }
    found = effective_rules(deployment)
    groups = deployment.of_type("AWS::EC2::SecurityGroup")
    used = {job, functions, kms, bedrock}
    vpc = first(deployment.of_type("AWS::EC2::VPC"))
    return [
        *(f"rule that nothing needs: {rule}" for rule in sorted(found - expected)),
        *(f"rule missing: {rule}" for rule in sorted(expected - found)),
        *(f"{group}: a group that nothing uses" for group in groups if group.ref not in used),
        *(f"{group}: not in the VPC" for group in groups if not vpc or group["VpcId"] != vpc.ref),
        *(
            []
            if None not in used and len(used) == 4
            else [f"groups are shared or missing: {job}, {functions}, {kms}, {bedrock}"]
        ),
    ]


@control
def endpoints_are_private_ways_for_these_calls(deployment: AppDeployment) -> list[str]:
    """Four endpoints, where they must be, each with a policy of exactly the calls made through."""
    permissions = permissions_of(deployment)
    endpoints = endpoints_of(deployment)
    services = sorted(service_of(endpoint) for endpoint in endpoints)
    findings = (
        []
        if services == ["bedrock", "dynamodb", "kms", "s3"]
        else [f"endpoints of the services {services}"]
    )
    groups = groups_in_use(deployment)
    vpc = first(deployment.of_type("AWS::EC2::VPC"))
    cidrs = deployment.service_cidrs.values()
    tables = sorted(table.ref for table in deployment.of_type("AWS::EC2::RouteTable"))
    for endpoint in endpoints:
        service = service_of(endpoint)
        gateway = service in {"s3", "dynamodb"}
        placement: dict[str, Any] = (
            {"RouteTableIds": tables}
            if gateway
            else {
                "SubnetIds": sorted(f"subnet-{cidr}" for cidr in cidrs),
                "SecurityGroupIds": [getattr(groups, service, None)],
                "PrivateDnsEnabled": True,
            }
        )
        findings += property_findings(
            endpoint,
            {
                "VpcId": vpc.ref if vpc else None,
                "VpcEndpointType": "Gateway" if gateway else "Interface",
                "ServiceName": f"com.amazonaws.{deployment.region}.{service}",
                **placement,
            },
            also={"PolicyDocument", "Tags"},
        )
        findings += policy_findings(
            endpoint, "PolicyDocument", permissions.endpoint_policies.get(service, set())
        )
    return findings
