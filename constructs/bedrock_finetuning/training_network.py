"""A VPC with no way out: training subnets in every zone, service subnets in two or more."""

from __future__ import annotations

import ipaddress
import string
from collections.abc import Sequence

from aws_cdk import CrossStackReferences, ReferenceStrength, Stack, Tags
from aws_cdk import aws_ec2 as ec2
from constructs import Construct

# The zones' letters have fixed places in the VPC's range, so that a zone can be added or dropped
# without moving another: training subnets take the lower sixteen slots, service subnets the upper.
ZONE_LETTERS = string.ascii_lowercase[:16]
SLOT_BITS = 5


def subnet_cidr(*, vpc_cidr: str, zone: str, service: bool) -> str:
    """The range of a zone's subnet: one of 32 equal slots of the VPC's range.

    Raises:
        ValueError: The zone is not one of the letters a to p.
    """
    if len(zone) != 1 or zone not in ZONE_LETTERS:
        raise ValueError(
            f"zone must be a letter from {ZONE_LETTERS[0]} to {ZONE_LETTERS[-1]}, got {zone!r}"
        )
    slot = ZONE_LETTERS.index(zone) + (len(ZONE_LETTERS) if service else 0)
    vpc = ipaddress.ip_network(vpc_cidr)
    size = vpc.max_prefixlen - vpc.prefixlen - SLOT_BITS
    start = int(vpc.network_address) + (slot << size)
    return f"{ipaddress.ip_address(start)}/{vpc.prefixlen + SLOT_BITS}"


class TrainingNetwork(Construct):
    """A VPC without Internet, NAT or egress-only gateway, whose default group lets nothing pass.

    Training subnets (for the interfaces Bedrock makes) and service subnets (for endpoints and
    functions) have one route table each, and neither has a route but the local one until a
    gateway endpoint adds its own.

    Args:
        cidr: The VPC's range, /16 to /21, so that a subnet has 64 addresses at least.
        training_zones: 1 to 16 zone letters; Bedrock recommends a subnet in every zone and has
            been seen to refuse less (https://docs.aws.amazon.com/bedrock/latest/userguide/usingVPC.html).
        service_zones: 2 or more zone letters.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        cidr: str,
        training_zones: Sequence[str],
        service_zones: Sequence[str],
    ) -> None:
        super().__init__(scope, id)
        # DNS support and host names are what private DNS and the S3 gateway endpoint rest on:
        # https://docs.aws.amazon.com/vpc/latest/privatelink/vpc-endpoints-s3.html
        self.vpc = ec2.Vpc(
            self,
            "Vpc",
            ip_addresses=ec2.IpAddresses.cidr(cidr),
            subnet_configuration=[],
            nat_gateways=0,
            create_internet_gateway=False,
            enable_dns_support=True,
            enable_dns_hostnames=True,
            restrict_default_security_group=True,
        )
        self.training_route_table, self.training_subnets = self._subnets(
            "Training", cidr=cidr, zones=training_zones, service=False
        )
        self.service_route_table, service_subnets = self._subnets(
            "Service", cidr=cidr, zones=service_zones, service=True
        )
        self.service_subnets = ec2.SubnetSelection(
            subnets=[
                ec2.Subnet.from_subnet_attributes(
                    self,
                    f"ServiceSubnet{zone.upper()}",
                    subnet_id=subnet.ref,
                    availability_zone=str(subnet.availability_zone),
                    route_table_id=self.service_route_table.ref,
                )
                for zone, subnet in zip(service_zones, service_subnets, strict=True)
            ]
        )

    @property
    def training_subnet_ids(self) -> list[str]:
        """The ids a customization job takes as `vpcConfig.subnetIds`."""
        return [subnet.ref for subnet in self.training_subnets]

    @property
    def service_subnet_ids(self) -> list[str]:
        """The ids of the subnets of endpoints and functions."""
        return [subnet.subnet_id for subnet in self.service_subnets.subnets or []]

    @property
    def route_table_ids(self) -> list[str]:
        """Every route table of the VPC's subnets: a gateway endpoint belongs on all of them."""
        return [self.training_route_table.ref, self.service_route_table.ref]

    def _subnets(
        self, purpose: str, *, cidr: str, zones: Sequence[str], service: bool
    ) -> tuple[ec2.CfnRouteTable, list[ec2.CfnSubnet]]:
        routes = ec2.CfnRouteTable(self, f"{purpose}Routes", vpc_id=self.vpc.vpc_id)
        _name(routes, f"{purpose.lower()} (isolated)")
        subnets = []
        for zone in zones:
            letter = zone.upper()
            subnet = ec2.CfnSubnet(
                self,
                f"{purpose}{letter}",
                vpc_id=self.vpc.vpc_id,
                availability_zone=f"{Stack.of(self).region}{zone}",
                cidr_block=subnet_cidr(vpc_cidr=cidr, zone=zone, service=service),
                map_public_ip_on_launch=False,
            )
            _name(subnet, f"{purpose.lower()} {zone}")
            # A strong reference would refuse to drop a zone that a job's stack still lists.
            CrossStackReferences.of(subnet).produce(ReferenceStrength.WEAK)
            ec2.CfnSubnetRouteTableAssociation(
                self, f"{purpose}{letter}Routes", subnet_id=subnet.ref, route_table_id=routes.ref
            )
            subnets.append(subnet)
        return routes, subnets


def _name(construct: Construct, name: str) -> None:
    Tags.of(construct).add("Name", f"{Stack.of(construct).stack_name} {name}")
