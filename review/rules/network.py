"""The network: a place to train that nothing leads out of."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any, Final

from review.rules.environment import DEFAULT_GROUP, environment_of
from review.rules.rule import Violation, at, of_the_whole, rule, shown, unexpected_properties
from review.rules.standards import PRIVATE_NETWORK, also
from review.template.deployment import Deployment

WAYS_OUT: Final = re.compile(
    r"AWS::EC2::(.*Gateway.*|EIP.*|.*Peering.*|Transit.*|VPN.*|ClientVpn.*|CustomerGateway|"
    r"VPCCidrBlock|IPAM.*|VPCEndpointService.*|TrafficMirror.*|"
    r"NetworkInterface.*|Instance|SpotFleet|EC2Fleet|VerifiedAccess.*)"
    r"|AWS::(NetworkManager|VpcLattice|DirectConnect|NetworkFirewall|GlobalAccelerator|"
    r"ElasticLoadBalancing|ElasticLoadBalancingV2)::.*"
)
"""Types that carry traffic over the border of a VPC, or stand in it with an address."""

ANYWHERE: Final = re.compile(r"(0\.0\.0\.0|::)/0")


@rule(
    id="network.no-way-out",
    requirement="No gateway, peering, transit, tunnel, load balancer or host stands at the VPC.",
    risk="Training data leaves the network past the endpoints and their policies.",
    remedy="Remove the resource: the job reaches what it needs through VPC endpoints.",
    step="W6",
    standards=also(PRIVATE_NETWORK, prowler="vpc_peering_routing_tables_with_least_privilege"),
)
def no_way_to_the_internet(deployment: Deployment) -> Iterator[Violation]:
    """Types that would be a way."""
    for resource in deployment.resources:
        resource.looked_at("Type")
        if WAYS_OUT.fullmatch(resource.type):
            yield at(resource, "a way out of the network")


@rule(
    id="network.only-local-routes",
    requirement="Route tables hold the VPC's own route and those of gateway endpoints, no other.",
    risk="Packets of a job find a way to somewhere else.",
    remedy="Remove the route.",
    step="W6",
    standards=PRIVATE_NETWORK,
)
def no_route_but_the_local_one(deployment: Deployment) -> Iterator[Violation]:
    """AWS adds the local route and the endpoints' itself, so no template needs one."""
    for route in deployment.of_type(
        "AWS::EC2::Route", "AWS::EC2::GatewayRouteTableAssociation", "AWS::EC2::RouteServerPeer"
    ):
        yield at(route, f"a route to {shown(route['DestinationCidrBlock'])}")


@rule(
    id="network.no-public-addresses",
    requirement="No subnet gives public or IPv6 addresses, and each says so.",
    risk="An interface in the subnet is reachable as soon as somebody adds a gateway.",
    remedy="Set MapPublicIpOnLaunch to false, and leave out what is about IPv6.",
    step="W6",
    standards=also(PRIVATE_NETWORK, prowler="vpc_subnet_no_public_ip_by_default"),
)
def no_public_addresses(deployment: Deployment) -> Iterator[Violation]:
    """Explicitly false: what is absent is for somebody else's default to decide."""
    for subnet in deployment.of_type("AWS::EC2::Subnet"):
        if subnet["MapPublicIpOnLaunch"] is not False:
            value = shown(subnet["MapPublicIpOnLaunch"])
            yield at(
                subnet,
                f"MapPublicIpOnLaunch is {value}, expected False",
                "MapPublicIpOnLaunch",
            )
        for name in subnet.properties:
            outside = "Ipv6" in name or "Outpost" in name or name == "EnableDns64"
            if outside and subnet[name] is not False:
                yield at(subnet, f"{name}: a subnet of IPv6 or of an outpost", name)


@rule(
    id="network.acls-closed",
    requirement="No network ACL rule of a template lets in or out what comes from anywhere.",
    risk="The second wall of the subnets has a hole.",
    remedy="Name the VPC's own range in the ACL's rules.",
    step="W6",
    standards=also(PRIVATE_NETWORK, prowler="ec2_networkacl_allow_ingress_any_port"),
)
def network_acls_are_closed(deployment: Deployment) -> Iterator[Violation]:
    """A VPC's default ACL is no resource of a template; one that is written should say more."""
    for entry in deployment.of_type("AWS::EC2::NetworkAclEntry"):
        peer = str(entry["CidrBlock"] or entry["Ipv6CidrBlock"])
        if entry["RuleAction"] == "allow" and ANYWHERE.fullmatch(peer):
            yield at(entry, f"allows {peer}", "CidrBlock")


@rule(
    id="network.names-resolve",
    requirement="The VPC resolves names and gives host names.",
    risk="Private DNS of the endpoints does not work, and calls go to public addresses or nowhere.",
    remedy="Set EnableDnsSupport and EnableDnsHostnames to true.",
    step="W7",
    standards={"Well-Architected Generative AI Lens": ("GENSEC01-BP02",)},
)
def names_resolve_to_the_endpoints(deployment: Deployment) -> Iterator[Violation]:
    """DNS support and host names: private DNS and the S3 gateway endpoint rest on them."""
    for vpc in deployment.of_type("AWS::EC2::VPC"):
        for name in ("EnableDnsSupport", "EnableDnsHostnames"):
            if vpc[name] is not True:
                yield at(vpc, f"{name} is {shown(vpc[name])}, expected True", name)


@rule(
    id="network.several-zones",
    requirement="Subnets stand in two or more Availability Zones.",
    risk="A zone without capacity for training, or that fails, stops every job.",
    remedy="Add a subnet in each zone of the Region: Bedrock chooses among them.",
    step="W6",
    standards={"Prowler": ("vpc_subnet_different_az",)},
)
def subnets_are_in_several_zones(deployment: Deployment) -> Iterator[Violation]:
    """For each VPC of the templates."""
    zones: dict[str, set[str]] = {}
    for subnet in deployment.of_type("AWS::EC2::Subnet"):
        zone = subnet["AvailabilityZone"] or subnet["AvailabilityZoneId"] or subnet.ref
        zones.setdefault(str(subnet["VpcId"]), set()).add(str(zone))
    for vpc in deployment.of_type("AWS::EC2::VPC"):
        found = zones.get(vpc.ref, set())
        if len(found) < 2:
            yield at(vpc, f"its subnets are in {len(found)} zones, expected two or more")


@rule(
    id="network.own-route-tables",
    requirement="Every subnet has one route table of its VPC, and does not take the main one.",
    risk="The main route table is what the last change made it; the endpoints' routes are missing.",
    remedy="Associate each subnet with a route table, once.",
    step="W6",
    standards=PRIVATE_NETWORK,
)
def every_subnet_has_its_route_table(deployment: Deployment) -> Iterator[Violation]:
    """One association for each subnet, to a table of these templates in the same VPC."""
    tables = {table.ref: table for table in deployment.of_type("AWS::EC2::RouteTable")}
    own: dict[str, list[str]] = {}
    for link in deployment.of_type("AWS::EC2::SubnetRouteTableAssociation"):
        own.setdefault(str(link["SubnetId"]), []).append(str(link["RouteTableId"]))
    for subnet in deployment.of_type("AWS::EC2::Subnet"):
        used = own.get(subnet.ref, [])
        if len(used) != 1:
            yield at(subnet, f"{len(used)} route tables; without its own it takes the main one")
        for name in used:
            if name not in tables or tables[name]["VpcId"] != subnet["VpcId"]:
                yield at(subnet, f"its route table {name} is none of its VPC's")


@rule(
    id="network.default-group-closed",
    requirement="The VPC's default security group has no rules.",
    risk="Whatever is started in the VPC without a group may talk to everything else that was.",
    remedy="Use the CDK's flag `@aws-cdk/aws-ec2:restrictDefaultSecurityGroup`, or its like.",
    step="W9",
    standards=also(PRIVATE_NETWORK, prowler="ec2_securitygroup_default_restrict_traffic"),
    profile="app",
)
def the_default_group_is_closed(deployment: Deployment) -> Iterator[Violation]:
    """A custom resource takes every rule from the VPC's default security group."""
    found = deployment.of_type(DEFAULT_GROUP)
    if len(found) != 1:
        yield of_the_whole(f"{len(found)} of {DEFAULT_GROUP}, expected 1")
    environment = environment_of(deployment)
    vpc = environment.vpc.ref if environment.vpc else None
    for each in found:
        yield from unexpected_properties(
            each,
            {
                "DefaultSecurityGroupId": f"{vpc}.DefaultSecurityGroup",
                "Account": deployment.account,
                "ServiceToken": environment.function_arn("default-group"),
            },
        )


@rule(
    id="network.one-vpc",
    requirement="One VPC holds everything of the environment.",
    risk="A resource in another network is under none of the other rules.",
    remedy="Put it into the environment's VPC.",
    step="W6",
    standards=PRIVATE_NETWORK,
    profile="app",
)
def one_vpc(deployment: Deployment) -> Iterator[Violation]:
    """Everything that names a VPC names this one, and it says nothing that nobody looked at."""
    vpcs = deployment.of_type("AWS::EC2::VPC")
    if len(vpcs) != 1:
        yield of_the_whole(f"{len(vpcs)} of AWS::EC2::VPC, expected 1")
    for vpc in vpcs:
        yield from unexpected_properties(
            vpc,
            {},
            also={
                "CidrBlock", "EnableDnsHostnames", "EnableDnsSupport", "InstanceTenancy", "Tags",
            },
        )  # fmt: skip
    own = environment_of(deployment).vpc
    for resource in deployment.of_type(
        "AWS::EC2::Subnet",
        "AWS::EC2::RouteTable",
        "AWS::EC2::SecurityGroup",
        "AWS::EC2::VPCEndpoint",
    ):
        if own is None or resource["VpcId"] != own.ref:
            yield at(resource, f"VpcId is {shown(resource['VpcId'])}: not in the VPC", "VpcId")


@rule(
    id="network.subnets-in-their-slots",
    requirement="Each zone has a training subnet in its own slot of the VPC's range, and two or"
    " more zones a service subnet, with a route table for all of a kind.",
    risk="Jobs and functions share ways; a zone that is dropped moves the addresses of others.",
    remedy="Let the app lay out the subnets: set the zones in the settings.",
    step="W6",
    standards=PRIVATE_NETWORK,
    profile="app",
)
def subnets_in_their_slots(deployment: Deployment) -> Iterator[Violation]:
    """Which zones there are is for the settings to say; a zone letter decides the range."""
    environment = environment_of(deployment)
    tables: dict[str, set[Any]] = {"training": set(), "service": set()}
    own = {
        link["SubnetId"]: link["RouteTableId"]
        for link in deployment.of_type("AWS::EC2::SubnetRouteTableAssociation")
    }
    zones: dict[str, set[str]] = {"training": set(), "service": set()}
    for purpose, subnets in environment.subnets.items():
        for subnet in subnets:
            zone = str(subnet["AvailabilityZone"]).removeprefix(deployment.region)
            zones[purpose].add(zone)
            slot = environment.slot(zone, purpose)
            if slot is None or subnet["CidrBlock"] != slot:
                yield at(
                    subnet,
                    f"{subnet['CidrBlock']} in zone {zone!r}, expected {slot}",
                    "CidrBlock",
                )
            tables[purpose].add(own.get(subnet.ref))
            yield from unexpected_properties(
                subnet,
                {},
                also={"AvailabilityZone", "CidrBlock", "MapPublicIpOnLaunch", "Tags", "VpcId"},
            )
        if len(zones[purpose]) != len(subnets):
            yield of_the_whole(f"{len(subnets)} {purpose} subnets in {len(zones[purpose])} zones")
        least = _LEAST_ZONES[purpose]
        if len(zones[purpose]) < least:
            yield of_the_whole(f"{purpose} subnets in {sorted(zones[purpose])}: {least} at least")
        if len(tables[purpose]) != 1:
            yield of_the_whole(f"{purpose} subnets use {len(tables[purpose])} route tables")
    if tables["training"] & tables["service"]:
        yield of_the_whole("training and service subnets share a route table")
    for table in deployment.of_type("AWS::EC2::RouteTable"):
        if table.ref not in tables["training"] | tables["service"]:
            yield at(table, "a route table that no subnet uses")
        yield from unexpected_properties(table, {}, also={"Tags", "VpcId"})


@rule(
    id="network.zones-can-be-dropped",
    requirement="No subnet is exported.",
    risk="An export that a job's stack imports could not be taken away, nor could the zone.",
    remedy="Pass subnets by a weak reference, `Fn::GetStackOutput`.",
    profile="app",
)
def a_zone_can_be_dropped(deployment: Deployment) -> Iterator[Violation]:
    """Outputs with an export that refer to a subnet."""
    subnets = {
        (each.stack, each.logical_id): each for each in deployment.of_type("AWS::EC2::Subnet")
    }
    for stack, template in deployment.templates.items():
        exported = [name for name, each in template.get("Outputs", {}).items() if "Export" in each]
        deployment.looked_at(stack, "Outputs with Export", exported or "none")
        for name, output in template.get("Outputs", {}).items():
            value = output.get("Value")
            place = (stack, value.get("Ref")) if isinstance(value, dict) else None
            if "Export" in output and place in subnets:
                yield at(subnets[place], f"exported as {name}")


_LEAST_ZONES = {"training": 1, "service": 2}
"""What the settings allow; the zones of the one say nothing about those of the other."""
