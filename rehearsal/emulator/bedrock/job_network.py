"""The job's network interfaces: what the role must be allowed, making them, removing them.

https://docs.aws.amazon.com/bedrock/latest/userguide/custom-model-job-access-security.html#vpc-config
"""

from __future__ import annotations

import ipaddress
import secrets
from collections.abc import Mapping
from typing import Any

from ministack.core.responses import get_account_id, get_region
from ministack.services import ec2

from rehearsal.bedrock_semantics.errors import ValidationError
from rehearsal.emulator import network, principals
from rehearsal.emulator.bedrock.access import request_tag_keys
from rehearsal.emulator.bedrock.records import Job
from rehearsal.emulator.decisions import require, why_denied

_MANAGED_TAG, _JOB_TAG = "BedrockManaged", "BedrockModelCustomizationJobArn"
_DESCRIBES = (
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeVpcs",
    "ec2:DescribeDhcpOptions",
    "ec2:DescribeSubnets",
    "ec2:DescribeSecurityGroups",
)
_INTERFACES_PER_JOB = 2


def _arn(resource: str) -> str:
    return f"arn:aws:ec2:{get_region()}:{get_account_id()}:{resource}"


def attachment(request: Mapping[str, Any]) -> network.Attachment | None:
    """Where a requested job would sit, None for a job without a VPC."""
    vpc = request.get("vpcConfig")
    if not vpc:
        return None
    return network.Attachment(
        what="the job",
        subnet_ids=tuple(vpc["subnetIds"]),
        group_ids=tuple(vpc["securityGroupIds"]),
    )


def check_exists(source: network.Attachment) -> None:
    """Refuse subnets and groups that are not there or not in one VPC.

    Raises:
        ValidationError: names the first that is wrong.
    """
    vpcs: dict[str, str] = {}
    for store, kind, identifiers in (
        (ec2._subnets, "subnet ID", source.subnet_ids),
        (ec2._security_groups, "security group", source.group_ids),
    ):
        for identifier in identifiers:
            record = store.get(identifier)
            if record is None:
                raise ValidationError(f"The {kind} '{identifier}' does not exist")
            vpcs[identifier] = record["VpcId"]
    if len(set(vpcs.values())) != 1:
        raise ValidationError(f"vpcConfig names more than one VPC: {vpcs}")


def _tags(job: Job) -> dict[str, str]:
    return {_MANAGED_TAG: "true", _JOB_TAG: job.arn}


def _require_creation(*, job: Job, role: principals.Caller, source: network.Attachment) -> None:
    tags = _tags(job)
    asked = {**request_tag_keys(tags), "ec2:Vpc": _arn(f"vpc/{source.vpc_id}")}
    for action in _DESCRIBES:
        require(caller=role, action=action, resource="*", keys={})
    create = "ec2:CreateNetworkInterface"
    require(caller=role, action=create, resource=_arn("network-interface/*"), keys=asked)
    for resource in (
        *(f"subnet/{subnet_id}" for subnet_id in source.subnet_ids),
        *(f"security-group/{group_id}" for group_id in source.group_ids),
    ):
        require(caller=role, action=create, resource=_arn(resource), keys=asked)
    require(
        caller=role,
        action="ec2:CreateTags",
        resource=_arn("network-interface/*"),
        keys={**asked, "ec2:CreateAction": "CreateNetworkInterface"},
    )


def _held_keys(job: Job, subnet_id: str) -> dict[str, str]:
    return {
        "ec2:Subnet": _arn(f"subnet/{subnet_id}"),
        **{f"ec2:ResourceTag/{name}": value for name, value in _tags(job).items()},
        **{f"aws:ResourceTag/{name}": value for name, value in _tags(job).items()},
    }


def create(*, job: Job, role: principals.Caller, source: network.Attachment) -> None:
    """Make the job's interfaces in one of its subnets, in the role's name.

    Raises:
        AccessDeniedError: the role may not; any of the subnets could have been chosen, so all
            must be allowed.
    """
    _require_creation(job=job, role=role, source=source)
    for subnet_id in source.subnet_ids:
        require(
            caller=role,
            action="ec2:CreateNetworkInterfacePermission",
            resource=_arn("network-interface/*"),
            keys=_held_keys(job, subnet_id),
        )
    subnet_id = secrets.choice(source.subnet_ids)
    subnet = ec2._subnets[subnet_id]
    addresses = ipaddress.ip_network(subnet["CidrBlock"])
    for number in range(_INTERFACES_PER_JOB):
        interface_id = f"eni-{secrets.token_hex(9)[:17]}"
        ec2._network_interfaces[interface_id] = {
            "NetworkInterfaceId": interface_id,
            "SubnetId": subnet_id,
            "VpcId": subnet["VpcId"],
            "AvailabilityZone": subnet["AvailabilityZone"],
            "Description": "Bedrock model customization job",
            "OwnerId": get_account_id(),
            "RequesterId": "bedrock.amazonaws.com",
            "Status": "in-use",
            # AWS keeps the first four addresses of a subnet for itself.
            "PrivateIpAddress": str(addresses[10 + number]),
            "InterfaceType": "interface",
            "SourceDestCheck": True,
            "MacAddress": f"0a:{secrets.token_hex(1)}:00:00:00:{number:02x}",
            "Groups": [
                {"GroupId": group, "GroupName": ec2._security_groups[group]["GroupName"]}
                for group in source.group_ids
            ],
            "Attachment": None,
        }
        ec2._tags[interface_id] = [
            {"Key": name, "Value": value} for name, value in _tags(job).items()
        ]
        job.interfaces.append(interface_id)


def remove(job: Job) -> str | None:
    """Remove the job's interfaces in the role's name.

    Returns:
        Why they stay, when the role is gone or may not: they then hold subnets and groups.
    """
    role_arn = job.request["roleArn"]
    if principals.find_role(role_arn) is None:
        return f"the role {role_arn} is gone, its network interfaces {job.interfaces} stay"
    role = principals.session_of_role(role_arn=role_arn, session_name="bedrock-cleanup")
    for interface_id in list(job.interfaces):
        interface = ec2._network_interfaces.get(interface_id)
        if interface is not None:
            for action in ("ec2:DeleteNetworkInterfacePermission", "ec2:DeleteNetworkInterface"):
                denied = why_denied(
                    caller=role,
                    action=action,
                    resource=_arn(f"network-interface/{interface_id}"),
                    keys=_held_keys(job, interface["SubnetId"]),
                )
                if denied:
                    return f"network interface {interface_id} stays: {denied}"
            del ec2._network_interfaces[interface_id]
            ec2._tags.pop(interface_id, None)
        job.interfaces.remove(interface_id)
    return None
