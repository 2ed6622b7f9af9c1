"""Functions' interfaces outlive them: what a deletion waits for, and what fails if it does not."""

from __future__ import annotations

import json
import time
from typing import Any

from rehearsal.client import Client
from rehearsal.deployment import Deployment
from rehearsal.emulator_process import Emulator
from tests.rehearsal.scene import Document, allow

_TRUST = {
    "Effect": "Allow",
    "Action": "sts:AssumeRole",
    "Principal": {"Service": ["lambda.amazonaws.com", "cloudformation.amazonaws.com"]},
}
_VPC_ACTIONS = [
    "ec2:CreateNetworkInterface",
    "ec2:DescribeNetworkInterfaces",
    "ec2:DescribeSubnets",
    "ec2:DeleteNetworkInterface",
    "ec2:AssignPrivateIpAddresses",
    "ec2:UnassignPrivateIpAddresses",
]


def _network() -> Document:
    return {
        "Resources": {
            "Vpc": {"Type": "AWS::EC2::VPC", "Properties": {"CidrBlock": "10.0.0.0/16"}},
            "Subnet": {
                "Type": "AWS::EC2::Subnet",
                "Properties": {"VpcId": {"Ref": "Vpc"}, "CidrBlock": "10.0.0.0/24"},
            },
            "Group": {
                "Type": "AWS::EC2::SecurityGroup",
                "Properties": {"GroupDescription": "functions", "VpcId": {"Ref": "Vpc"}},
            },
        },
        "Outputs": {name: {"Value": {"Ref": name}} for name in ("Subnet", "Group")},
    }


def _role(name: str, *actions: str) -> Document:
    statement = allow(list(actions), "*")
    return {
        "Type": "AWS::IAM::Role",
        "Properties": {
            "RoleName": name,
            "AssumeRolePolicyDocument": {"Version": "2012-10-17", "Statement": [_TRUST]},
            "Policies": [
                {
                    "PolicyName": "own",
                    "PolicyDocument": {"Version": "2012-10-17", "Statement": [statement]},
                }
            ],
        },
    }


class Place:
    """Three stacks: the network, the roles, and a function that uses both."""

    def __init__(self, root: Client, name: str) -> None:
        self.root, self.name = root, name
        self.deployment = Deployment(root)
        self.cloudformation = root.service("cloudformation")
        self.ec2 = root.service("ec2")
        assert self.deployment.apply(stack=f"{name}-network", template=_network()).ok
        roles = {
            "Resources": {
                "Function": _role(f"{name}-function", *_VPC_ACTIONS),
                "Sees": _role(f"{name}-sees", "lambda:*", "ec2:Describe*"),
                "Blind": _role(f"{name}-blind", "lambda:*"),
            }
        }
        assert self.deployment.apply(stack=f"{name}-roles", template=roles).ok

    def _arn(self, role: str) -> str:
        return f"arn:aws:iam::{self.root.account}:role/{self.name}-{role}"

    def deploy(self, *, by: str, in_vpc: bool = True, timeout: int = 3) -> None:
        """Make or change the function's stack under a role."""

        def output(name: str) -> str:
            return str(self.deployment.output(stack=f"{self.name}-network", name=name))

        vpc = {"SubnetIds": [output("Subnet")], "SecurityGroupIds": [output("Group")]}
        function: Document = {
            "Type": "AWS::Lambda::Function",
            "Properties": {
                "FunctionName": self.name,
                "Runtime": "python3.11",
                "Handler": "index.handler",
                "Role": self._arn("function"),
                "Timeout": timeout,
                "Code": {"ZipFile": "def handler(event, context): pass"},
                **({"VpcConfig": vpc} if in_vpc else {}),
            },
        }
        body = json.dumps({"Resources": {"Function": function}})
        exists = bool(self.interfaces())
        call = self.cloudformation.update_stack if exists else self.cloudformation.create_stack
        call(StackName=f"{self.name}-function", TemplateBody=body, RoleARN=self._arn(by))
        wait = "stack_update_complete" if exists else "stack_create_complete"
        waiter = self.cloudformation.get_waiter(wait)
        waiter.wait(StackName=f"{self.name}-function", WaiterConfig={"Delay": 1})

    def interfaces(self) -> list[dict[str, Any]]:
        """The function's interfaces."""
        found = self.ec2.describe_network_interfaces()["NetworkInterfaces"]
        return [one for one in found if one["Description"].endswith(self.name)]

    def delete(self, part: str) -> tuple[bool, str]:
        """Delete a stack: whether it went, and why not."""
        found = self.deployment.delete(stack=f"{self.name}-{part}")
        return found.ok, " ".join(found.reasons)

    def wait_until_gone(self) -> None:
        """Return when the function has no interfaces any more."""
        deadline = time.monotonic() + 20
        while self.interfaces():
            assert time.monotonic() < deadline, "the interfaces stay"
            time.sleep(0.05)


def test_a_function_is_deleted_with_its_interfaces_and_then_the_network_goes(root: Client) -> None:
    place = Place(root, "waited")
    place.deploy(by="sees")
    (interface,) = place.interfaces()
    assert interface["InterfaceType"] == "lambda"
    assert place.delete("function") == (True, "")
    assert place.interfaces() == []
    assert place.delete("roles") == (True, "")
    assert place.delete("network") == (True, "")


def test_who_may_not_see_interfaces_does_not_wait_and_the_network_cannot_go(
    root: Client, emulator: Emulator
) -> None:
    place = Place(root, "blind")
    place.deploy(by="blind")
    pace = emulator.state / "interface-seconds"
    pace.write_text("3600", encoding="utf-8")
    try:
        assert place.delete("function") == (True, "")
        gone, why = place.delete("network")
    finally:
        pace.unlink()
    assert not gone
    assert "DependencyViolation" in why
    # Lambda gets there in the end.
    place.wait_until_gone()
    assert place.delete("network") == (True, "")


def test_without_its_permissions_lambda_leaves_the_interfaces(root: Client) -> None:
    """The role must keep them until the function is gone: its policy is of an earlier stack."""
    place = Place(root, "bereft")
    place.deploy(by="blind")
    assert place.delete("function") == (True, "")
    assert place.delete("roles") == (True, "")
    time.sleep(2)
    gone, why = place.delete("network")
    assert not gone
    assert "DependencyViolation" in why
    for interface in place.interfaces():
        place.ec2.delete_network_interface(NetworkInterfaceId=interface["NetworkInterfaceId"])
    assert place.delete("network") == (True, "")


def test_a_function_that_leaves_the_vpc_leaves_its_interfaces_for_a_while(root: Client) -> None:
    place = Place(root, "leaves")
    place.deploy(by="sees")
    place.deploy(by="sees", timeout=4)
    assert len(place.interfaces()) == 1, "an update makes no second one"
    place.deploy(by="sees", in_vpc=False)
    place.wait_until_gone()
    assert place.delete("function") == (True, "")
    assert place.delete("network") == (True, "")
