"""Parts of EC2's Describe answers that MiniStack stores and leaves out, and filters it ignores."""

from __future__ import annotations

import json
from typing import Any
from xml.sax.saxutils import escape

from ministack.services import ec2

_original_endpoint = ec2._vpce_fields_xml

_FULL_ACCESS = {
    "Version": "2008-10-17",
    "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}],
}


def _endpoint_xml(endpoint: dict[str, Any], tag: str = "item") -> str:
    policy = endpoint.get("PolicyDocument") or _FULL_ACCESS
    text = policy if isinstance(policy, str) else json.dumps(policy)
    groups = "".join(
        f"<item><groupId>{escape(group)}</groupId></item>"
        for group in endpoint.get("SecurityGroupIds", [])
    )
    private_dns = str(bool(endpoint.get("PrivateDnsEnabled"))).lower()
    body: str = _original_endpoint(endpoint, tag)
    return (
        body.rstrip().removesuffix(f"</{tag}>")
        + f"<policyDocument>{escape(text)}</policyDocument><groupSet>{groups}</groupSet>"
        + f"<privateDnsEnabled>{private_dns}</privateDnsEnabled></{tag}>"
    )


def _tags(identifier: str) -> dict[str, str]:
    return {tag["Key"]: tag["Value"] for tag in ec2._tags.get(identifier) or []}


def _interface_matches(interface: dict[str, Any], name: str, wanted: list[str]) -> bool:
    tags = _tags(interface["NetworkInterfaceId"])
    if name.startswith("tag:"):
        return tags.get(name.removeprefix("tag:")) in wanted
    if name == "tag-key":
        return bool(set(tags) & set(wanted))
    if name == "group-id":
        return any(group["GroupId"] in wanted for group in interface.get("Groups", []))
    fields = {
        "network-interface-id": "NetworkInterfaceId",
        "status": "Status",
        "subnet-id": "SubnetId",
        "vpc-id": "VpcId",
        "description": "Description",
        "requester-id": "RequesterId",
    }
    if name not in fields:
        raise ValueError(f"The filter '{name}' is invalid")
    return interface.get(fields[name]) in wanted


def _describe_network_interfaces(parameters: dict[str, Any]) -> Any:
    wanted_ids = ec2._parse_member_list(parameters, "NetworkInterfaceId")
    filters = ec2._parse_filters(parameters)
    try:
        found = [
            interface
            for interface in ec2._network_interfaces.values()
            if (not wanted_ids or interface["NetworkInterfaceId"] in wanted_ids)
            and all(_interface_matches(interface, name, v) for name, v in filters.items())
        ]
    except ValueError as error:
        return ec2._error("InvalidParameterValue", str(error), 400)
    missing = set(wanted_ids) - {interface["NetworkInterfaceId"] for interface in found}
    if missing and not filters:
        return ec2._error(
            "InvalidNetworkInterfaceID.NotFound",
            f"The networkInterface ID '{sorted(missing)[0]}' does not exist",
            400,
        )
    items = "".join(ec2._eni_fields_xml(interface) for interface in found)
    return ec2._xml(
        200,
        "DescribeNetworkInterfacesResponse",
        f"<networkInterfaceSet>{items}</networkInterfaceSet>",
    )


def install() -> None:
    """Answer with these from now on."""
    ec2._vpce_fields_xml = _endpoint_xml
    ec2._ACTION_MAP["DescribeNetworkInterfaces"] = _describe_network_interfaces
