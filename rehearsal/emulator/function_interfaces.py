"""The network interfaces that Lambda makes for functions in a VPC, and that outlive them.

Lambda removes them some time after the function, in the name of the function's role, as that role
is allowed then. CloudFormation waits for that when it deletes the function, if whoever deletes the
stack may describe interfaces; until they are gone they hold their subnets and groups.
https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-properties-lambda-function-vpcconfig.html
"""

from __future__ import annotations

import contextvars
import ipaddress
import secrets
import threading
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs

from ministack.core import iam_evaluator
from ministack.core.responses import get_account_id, get_region
from ministack.core.router import extract_access_key_id
from ministack.services import cloudformation, ec2
from ministack.services.cloudformation.handlers import _resolve_stack

from rehearsal.emulator import principals, refusals
from rehearsal.emulator.cloudformation.handlers import Properties, after, around_delete
from rehearsal.emulator.decisions import why_denied

REMOVAL_SECONDS = 1.0
"""How long interfaces outlive their function: twenty to forty minutes on AWS."""
_LONGEST_WAIT = 60.0
_INTERVAL = 0.05
_FUNCTION = "AWS::Lambda::Function"
_FUNCTION_KEY = "_function"
_STACK_ACTIONS = ("CreateStack", "UpdateStack", "CreateChangeSet", "DeleteStack")

_deployers: dict[tuple[str, str], principals.Caller] = {}
"""Whose permissions CloudFormation uses, by account and stack."""


def _of(function: str) -> list[str]:
    return [
        identifier
        for identifier, interface in list(ec2._network_interfaces.items())
        if interface.get(_FUNCTION_KEY) == function
    ]


def _attach(name: str, properties: Properties) -> None:
    """Make an interface in each subnet of a function, and let those go that it has no more."""
    vpc = properties.get("VpcConfig") or {}
    groups = sorted(vpc.get("SecurityGroupIds", []))
    held = {}
    for identifier in _of(name):
        interface = ec2._network_interfaces[identifier]
        place = (interface["SubnetId"], tuple(g["GroupId"] for g in interface["Groups"]))
        held[place] = identifier
    wanted = {(subnet, tuple(groups)) for subnet in vpc.get("SubnetIds", [])}
    for subnet, _ in wanted - set(held):
        _make(name=name, subnet_id=subnet, groups=groups)
    gone = [identifier for place, identifier in held.items() if place not in wanted]
    _remove_later(gone, role_arn=str(properties.get("Role")))


def _make(*, name: str, subnet_id: str, groups: list[str]) -> None:
    subnet = ec2._subnets[subnet_id]
    identifier = f"eni-{secrets.token_hex(9)[:17]}"
    ec2._network_interfaces[identifier] = {
        "NetworkInterfaceId": identifier,
        "SubnetId": subnet_id,
        "VpcId": subnet["VpcId"],
        "AvailabilityZone": subnet["AvailabilityZone"],
        "Description": f"AWS Lambda VPC ENI-{name}",
        "OwnerId": get_account_id(),
        "RequesterId": f"AROAEXAMPLE:{name}",
        "Status": "in-use",
        "PrivateIpAddress": str(ipaddress.ip_network(subnet["CidrBlock"])[20]),
        "InterfaceType": "lambda",
        "SourceDestCheck": True,
        "MacAddress": f"0a:{secrets.token_hex(1)}:00:00:01:00",
        "Groups": [
            {"GroupId": group, "GroupName": ec2._security_groups[group]["GroupName"]}
            for group in groups
        ],
        "Attachment": None,
        _FUNCTION_KEY: name,
    }


class _Pace:
    """How long they stay: what a file says now, or else the usual time."""

    file: Path | None = None

    @classmethod
    def seconds(cls) -> float:
        """Seconds between the function's end and theirs."""
        try:
            return float(cls.file.read_text(encoding="utf-8")) if cls.file else REMOVAL_SECONDS
        except (OSError, ValueError):
            return REMOVAL_SECONDS


def _remove_later(identifiers: list[str], *, role_arn: str) -> None:
    if not identifiers:
        return

    def remove() -> None:
        began = time.monotonic()
        while time.monotonic() - began < _Pace.seconds():
            time.sleep(_INTERVAL)
        stays = _why_they_stay(role_arn)
        if stays:
            refusals.record(where="lambda", reason=f"{', '.join(identifiers)} stay: {stays}")
            return
        for identifier in identifiers:
            ec2._network_interfaces.pop(identifier, None)

    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(remove,), daemon=True, name="interfaces").start()


def _why_they_stay(role_arn: str) -> str | None:
    if principals.find_role(role_arn) is None:
        return f"the role {role_arn} is gone"
    return why_denied(
        caller=principals.session_of_role(role_arn=role_arn, session_name="lambda-cleanup"),
        action="ec2:DeleteNetworkInterface",
        resource=f"arn:aws:ec2:{get_region()}:{get_account_id()}:network-interface/*",
        keys={},
    )


def _removal(name: str, properties: Properties) -> Iterator[None]:
    """Delete a function: its interfaces go later, and CloudFormation waits if it may look."""
    held = _of(name)
    stack = _stack_of(name)
    yield
    _remove_later(held, role_arn=str(properties.get("Role")))
    if not held or not _may_look(stack):
        return
    deadline = time.monotonic() + _LONGEST_WAIT
    while any(i in ec2._network_interfaces for i in held) and time.monotonic() < deadline:
        time.sleep(_INTERVAL)


def _stack_of(function: str) -> str | None:
    for stack_name, stack in list(cloudformation._stacks.items()):
        for resource in list(stack.get("_resources", {}).values()):
            if (
                resource.get("ResourceType") == _FUNCTION
                and resource.get("PhysicalResourceId") == function
            ):
                return str(stack_name)
    return None


def _may_look(stack: str | None) -> bool:
    deployer = _deployers.get((get_account_id(), stack or ""))
    return deployer is not None and not why_denied(
        caller=deployer, action="ec2:DescribeNetworkInterfaces", resource="*", keys={}
    )


def _note_deployer(*, form: Mapping[str, list[str]], access_key: str) -> None:
    """Keep whose permissions a stack operation uses: a role, the one before it, or the caller."""
    name = form["StackName"][0]
    found = _resolve_stack(name)
    key = (get_account_id(), str(found["StackName"]) if found else name)
    if "RoleARN" in form:
        _deployers[key] = principals.session_of_role(
            role_arn=form["RoleARN"][0], session_name="AWSCloudFormation"
        )
    elif key not in _deployers:
        caller = principals.resolve(access_key)
        if not isinstance(caller, iam_evaluator.AuthError):
            _deployers[key] = caller


def install(*, pace_file: Path) -> None:
    """Make, keep and remove interfaces this way from now on.

    Args:
        pace_file: may hold the seconds that interfaces outlive their function.
    """
    _Pace.file = pace_file
    after(_FUNCTION, _attach)
    around_delete(_FUNCTION, _removal)
    original = cloudformation.handle_request

    async def handle(
        method: str,
        path: str,
        headers: Mapping[str, str],
        body: bytes,
        query_params: dict[str, Any],
    ) -> Any:
        form = parse_qs(body.decode("utf-8", errors="replace"))
        if form.get("Action", [""])[0] in _STACK_ACTIONS and form.get("StackName"):
            access_key = extract_access_key_id(dict(headers), dict(query_params)) or ""
            _note_deployer(form=form, access_key=access_key)
        return await original(method, path, headers, body, query_params)

    cloudformation.handle_request = handle
