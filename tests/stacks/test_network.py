"""The network: a place to train with no way out but to the services that are called."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from review.template.deployment import ABSENT
from tests.security.app_deployment import AppDeployment
from tests.security.controls import (
    EVERYWHERE,
    Rule,
    a_zone_can_be_dropped,
    all_traffic_is_logged,
    effective_rules,
    endpoints_are_private_ways_for_these_calls,
    groups_let_only_these_paths_through,
    job_group,
    names_resolve_to_the_endpoints,
    no_way_to_the_internet,
    one_subnet_in_every_zone,
    the_default_group_is_closed,
)

GROUP = "AWS::EC2::SecurityGroup"
ENDPOINT = "AWS::EC2::VPCEndpoint"
EGRESS = "AWS::EC2::SecurityGroupEgress"
INGRESS = "AWS::EC2::SecurityGroupIngress"


def test_nothing_leads_to_the_internet(deployment: AppDeployment) -> None:
    assert no_way_to_the_internet(deployment) == []


@pytest.mark.parametrize(
    "type_",
    [
        "AWS::EC2::InternetGateway",
        "AWS::EC2::NatGateway",
        "AWS::EC2::EgressOnlyInternetGateway",
        "AWS::EC2::VPCPeeringConnection",
        "AWS::EC2::TransitGatewayAttachment",
        "AWS::EC2::VPCGatewayAttachment",
        "AWS::EC2::VPNConnection",
        "AWS::EC2::Route",
        "AWS::EC2::EIP",
    ],
)
def test_a_way_out_is_found(dev: AppDeployment, type_: str) -> None:
    assert no_way_to_the_internet(dev.plus("network", type_))


def test_a_subnet_with_public_addresses_is_found(dev: AppDeployment) -> None:
    assert no_way_to_the_internet(dev.put("AWS::EC2::Subnet", "MapPublicIpOnLaunch", True))
    assert no_way_to_the_internet(dev.without("AWS::EC2::Subnet", "MapPublicIpOnLaunch"))
    assert no_way_to_the_internet(dev.put("AWS::EC2::Subnet", "Ipv6CidrBlock", "fd00::/64"))


def test_every_zone_of_the_settings_has_a_subnet(deployment: AppDeployment) -> None:
    assert one_subnet_in_every_zone(deployment) == []


@pytest.mark.parametrize(
    ("property_", "value"),
    [("AvailabilityZone", "us-east-1z"), ("VpcId", "vpc-of-others"), ("CidrBlock", "10.0.0.0/21")],
)
def test_a_subnet_out_of_place_is_found(dev: AppDeployment, property_: str, value: str) -> None:
    one = {"CidrBlock": dev.training_cidrs["a"]}
    assert one_subnet_in_every_zone(dev.put("AWS::EC2::Subnet", property_, value, where=one))


def test_a_subnet_on_the_main_route_table_is_found(dev: AppDeployment) -> None:
    association = "AWS::EC2::SubnetRouteTableAssociation"
    assert one_subnet_in_every_zone(dev.without_resources(association))
    assert one_subnet_in_every_zone(dev.put(association, "RouteTableId", "rtb-of-others"))


def test_dropping_a_zone_moves_no_other(
    variant: Callable[[Mapping[str, Any]], AppDeployment],
) -> None:
    all_zones = variant({"network": {"training_zones": list("abcdef")}})
    without_b = variant({"network": {"training_zones": list("acdef")}})

    def places(made: AppDeployment) -> dict[str, object]:
        return {
            subnet.logical_id: (subnet["CidrBlock"], subnet["AvailabilityZone"])
            for subnet in made.of_type("AWS::EC2::Subnet")
        }

    dropped = {key for key in places(all_zones) if key not in places(without_b)}
    assert len(dropped) == 1
    assert places(without_b).items() <= places(all_zones).items()


def test_a_zone_can_be_dropped_while_a_job_lists_it(deployment: AppDeployment) -> None:
    assert a_zone_can_be_dropped(deployment) == []


def test_an_exported_subnet_is_found(dev: AppDeployment) -> None:
    (subnet,) = dev.where("AWS::EC2::Subnet", CidrBlock=dev.training_cidrs["a"])

    def change(templates: dict[str, Any]) -> None:
        templates[subnet.stack]["Outputs"]["Added"] = {
            "Value": {"Ref": subnet.logical_id},
            "Export": {"Name": "subnet"},
        }

    assert a_zone_can_be_dropped(dev.changed(change))


def test_the_vpc_resolves_names_to_its_endpoints(deployment: AppDeployment) -> None:
    assert names_resolve_to_the_endpoints(deployment) == []


@pytest.mark.parametrize("value", [False, ABSENT])
@pytest.mark.parametrize("property_", ["EnableDnsSupport", "EnableDnsHostnames"])
def test_a_vpc_without_dns_is_found(dev: AppDeployment, property_: str, value: object) -> None:
    assert names_resolve_to_the_endpoints(dev.put("AWS::EC2::VPC", property_, value))


def test_all_traffic_is_logged_to_an_encrypted_group(deployment: AppDeployment) -> None:
    assert all_traffic_is_logged(deployment) == []


@pytest.mark.parametrize(
    ("property_", "value"),
    [
        ("TrafficType", "REJECT"),
        ("LogDestinationType", "s3"),
        ("LogGroupName", "/another"),
        ("ResourceId", "vpc-of-others"),
        ("LogFormat", "${version}"),
    ],
)
def test_a_flow_log_of_less_is_found(dev: AppDeployment, property_: str, value: str) -> None:
    assert all_traffic_is_logged(dev.put("AWS::EC2::FlowLog", property_, value))


def test_a_network_without_flow_logs_is_found(dev: AppDeployment) -> None:
    assert all_traffic_is_logged(dev.without_resources("AWS::EC2::FlowLog"))


def test_the_default_group_lets_nothing_through(deployment: AppDeployment) -> None:
    assert the_default_group_is_closed(deployment) == []


def test_an_open_default_group_is_found(dev: AppDeployment) -> None:
    closing = "Custom::VpcRestrictDefaultSG"
    assert the_default_group_is_closed(dev.without_resources(closing))
    assert the_default_group_is_closed(dev.put(closing, "DefaultSecurityGroupId", "sg-other"))


def test_groups_let_only_what_a_job_needs_through(deployment: AppDeployment) -> None:
    assert groups_let_only_these_paths_through(deployment) == []


def test_the_job_group_talks_to_itself_on_all_protocols_both_ways(dev: AppDeployment) -> None:
    job = job_group(dev)
    rules = effective_rules(dev)
    for direction in ("ingress", "egress"):
        assert Rule(str(job), direction, "-1", "None", "None", str(job)) in rules


def test_an_absent_egress_list_is_an_open_one(dev: AppDeployment) -> None:
    """EC2 puts its own rule where a template says nothing, whatever stands beside the group."""
    open_ = dev.without(GROUP, "SecurityGroupEgress")
    found = {rule for rule in effective_rules(open_) if rule.peer == EVERYWHERE}
    assert len(found) == len(dev.of_type(GROUP))
    assert {rule.protocol for rule in found} == {"-1"}
    assert groups_let_only_these_paths_through(open_)
    assert groups_let_only_these_paths_through(dev.put(GROUP, "SecurityGroupEgress", []))


@pytest.mark.parametrize(
    "rule",
    [
        {"CidrIp": "0.0.0.0/0", "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443},
        {"CidrIpv6": "::/0", "IpProtocol": "-1"},
        {"CidrIp": "10.40.0.0/16", "IpProtocol": "tcp", "FromPort": 443, "ToPort": 443},
    ],
)
def test_one_rule_more_is_found(dev: AppDeployment, rule: dict[str, object]) -> None:
    group = job_group(dev)
    assert groups_let_only_these_paths_through(dev.plus("network", EGRESS, GroupId=group, **rule))
    assert groups_let_only_these_paths_through(dev.plus("network", INGRESS, GroupId=group, **rule))
    assert groups_let_only_these_paths_through(dev.put(GROUP, "SecurityGroupIngress", [rule]))


@pytest.mark.parametrize("type_", [EGRESS, INGRESS])
def test_one_rule_less_or_wider_is_found(dev: AppDeployment, type_: str) -> None:
    assert groups_let_only_these_paths_through(dev.without_resources(type_))
    assert groups_let_only_these_paths_through(dev.put(type_, "ToPort", 65535))


def test_a_group_that_nothing_uses_is_found(dev: AppDeployment) -> None:
    assert groups_let_only_these_paths_through(
        dev.plus("network", GROUP, GroupDescription="x", VpcId="vpc-of-others")
    )


def test_every_service_called_has_its_endpoint_and_no_other_has(deployment: AppDeployment) -> None:
    assert endpoints_are_private_ways_for_these_calls(deployment) == []


@pytest.mark.parametrize("service", ["s3", "dynamodb", "kms", "bedrock"])
def test_an_endpoint_without_a_policy_is_found(dev: AppDeployment, service: str) -> None:
    where = {"ServiceName": f"com.amazonaws.us-east-1.{service}"}
    check = endpoints_are_private_ways_for_these_calls
    assert check(dev.without(ENDPOINT, "PolicyDocument", where=where))
    assert check(dev.without_resources(ENDPOINT, **where))
    assert check(dev.put(ENDPOINT, "PolicyDocument.Statement.0.Action", "*", where=where))
    assert check(dev.put(ENDPOINT, "PolicyDocument.Statement.0.Resource", "*", where=where))
    assert check(dev.without(ENDPOINT, "PolicyDocument.Statement.0.Condition", where=where))


@pytest.mark.parametrize("service", ["kms", "bedrock"])
def test_an_interface_endpoint_without_private_dns_or_group_is_found(
    dev: AppDeployment, service: str
) -> None:
    where = {"ServiceName": f"com.amazonaws.us-east-1.{service}"}
    check = endpoints_are_private_ways_for_these_calls
    assert check(dev.put(ENDPOINT, "PrivateDnsEnabled", False, where=where))
    assert check(dev.without(ENDPOINT, "PrivateDnsEnabled", where=where))
    assert check(dev.without(ENDPOINT, "SecurityGroupIds", where=where))
    assert check(dev.put(ENDPOINT, "SubnetIds", [], where=where))


@pytest.mark.parametrize("service", ["s3", "dynamodb"])
def test_a_gateway_endpoint_off_a_route_table_is_found(dev: AppDeployment, service: str) -> None:
    where = {"ServiceName": f"com.amazonaws.us-east-1.{service}"}
    check = endpoints_are_private_ways_for_these_calls
    assert check(dev.without(ENDPOINT, "RouteTableIds.0", where=where))


def test_an_endpoint_of_another_service_is_found(dev: AppDeployment) -> None:
    more = dev.plus(
        "network", ENDPOINT, ServiceName="com.amazonaws.us-east-1.sts", VpcEndpointType="Interface"
    )
    assert endpoints_are_private_ways_for_these_calls(more)


def test_the_bedrock_endpoint_lets_exactly_the_submitters_calls_through(dev: AppDeployment) -> None:
    """The policy follows the calls that the function's code makes, and this shows that it does."""
    from customization.calls import SUBMITTER_CALLS, actions  # noqa: PLC0415

    (endpoint,) = dev.where(ENDPOINT, ServiceName="com.amazonaws.us-east-1.bedrock")
    (statement,) = endpoint["PolicyDocument.Statement"]
    assert sorted(statement["Action"]) == sorted(actions(SUBMITTER_CALLS, prefix="bedrock"))


def test_the_open_s3_endpoint_stays_within_the_account(
    variant: Callable[[Mapping[str, Any]], AppDeployment],
) -> None:
    opened = variant({"network": {"scoped_s3_endpoint_policy": False}})
    assert endpoints_are_private_ways_for_these_calls(opened) == []
