"""What should not be there: resources, properties, routes, rules and grants nobody decided."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from typing import Any, Final

from review.mutation import schemas
from review.mutation.mutant import Mutant, put
from review.template.deployment import Deployment

ADDED: Final = "Added00000000"
"""The logical id of what is added."""

_COPIES_SAY_NOTHING_NEW: Final = frozenset({"AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"})
"""A second policy with the same statements allows what the first one does."""


def additions(deployment: Deployment) -> Iterator[Mutant]:
    """Every addition."""
    yield from added_resources(deployment)
    yield from copies(deployment)
    yield from openings(deployment)
    yield from added_properties(deployment)


def added_resources(deployment: Deployment) -> Iterator[Mutant]:
    """A resource of every type that AWS knows, with what its schema requires.

    Each in the stack that has most resources of its service, as far as there are some.
    """
    homes: dict[str, str] = {}
    for stack, template in deployment.templates.items():
        for raw in template["Resources"].values():
            homes.setdefault(_service(raw["Type"]), stack)
    anywhere = next(iter(deployment.templates))
    there = {raw["Type"] for t in deployment.templates.values() for raw in t["Resources"].values()}
    for type_ in schemas.resource_types():
        if type_ not in there:
            yield _added(
                homes.get(_service(type_), anywhere),
                {"Type": type_, "Properties": schemas.smallest(type_)},
                "added",
            )


def copies(deployment: Deployment) -> Iterator[Mutant]:
    """Each resource a second time."""
    for stack, template in deployment.templates.items():
        for logical_id, raw in template["Resources"].items():
            if raw["Type"] not in _COPIES_SAY_NOTHING_NEW:
                yield _added(stack, copy.deepcopy(raw), f"a second {logical_id}")


def openings(deployment: Deployment) -> Iterator[Mutant]:
    """Rules, routes and grants beside what is there, for everybody."""
    for stack, template in deployment.templates.items():
        for logical_id, raw in template["Resources"].items():
            for resource in _beside(raw["Type"], logical_id):
                yield _added(stack, resource, f"for {logical_id}")


def _beside(type_: str, logical_id: str) -> Iterator[Mapping[str, Any]]:
    """What opens a resource of a type and stands in a resource of its own."""
    this, arn = {"Ref": logical_id}, {"Fn::GetAtt": [logical_id, "Arn"]}
    everybody = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}],
    }
    anything = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
    anywhere = {"IpProtocol": "-1", "CidrIp": "0.0.0.0/0"}
    made: dict[str, list[tuple[str, dict[str, Any]]]] = {
        "AWS::EC2::SecurityGroup": [
            ("AWS::EC2::SecurityGroupIngress", {"GroupId": this, **anywhere}),
            ("AWS::EC2::SecurityGroupEgress", {"GroupId": this, **anywhere}),
            (
                "AWS::EC2::SecurityGroupIngress",
                {"GroupId": this, "IpProtocol": "-1", "CidrIp": "10.0.0.0/8"},
            ),
            (
                "AWS::EC2::SecurityGroupIngress",
                {"GroupId": this, "IpProtocol": "tcp", "FromPort": 22, "ToPort": 22,
                 "SourceSecurityGroupId": "sg-0123456789abcdef0"},
            ),
        ],
        "AWS::EC2::RouteTable": [
            (
                "AWS::EC2::Route",
                {"RouteTableId": this, "DestinationCidrBlock": "0.0.0.0/0",
                 "GatewayId": "igw-0123456789abcdef0"},
            ),
        ],
        "AWS::EC2::VPC": [
            ("AWS::EC2::Subnet", {"VpcId": this, "CidrBlock": "10.40.240.0/24",
                                  "MapPublicIpOnLaunch": True}),
            ("AWS::EC2::SecurityGroup", {"VpcId": this, "GroupDescription": "added"}),
        ],
        "AWS::EC2::Subnet": [
            (
                "AWS::EC2::SubnetRouteTableAssociation",
                {"SubnetId": this, "RouteTableId": "rtb-0123456789abcdef0"},
            ),
        ],
        "AWS::IAM::Role": [
            (
                "AWS::IAM::Policy",
                {"PolicyName": "added", "Roles": [this], "PolicyDocument": anything},
            ),
            ("AWS::IAM::ManagedPolicy", {"Roles": [this], "PolicyDocument": anything}),
            (
                "AWS::IAM::RolePolicy",
                {"PolicyName": "added", "RoleName": this, "PolicyDocument": anything},
            ),
        ],
        "AWS::KMS::Key": [("AWS::KMS::Alias", {"AliasName": "alias/added", "TargetKeyId": this})],
        "AWS::Lambda::Function": [
            (
                "AWS::Lambda::Permission",
                {"FunctionName": arn, "Action": "lambda:InvokeFunction", "Principal": "*"},
            ),
            ("AWS::Lambda::Url", {"TargetFunctionArn": arn, "AuthType": "NONE"}),
            ("AWS::Lambda::EventInvokeConfig", {"FunctionName": this, "Qualifier": "$LATEST"}),
        ],
        "AWS::S3::Bucket": [
            ("AWS::S3::BucketPolicy", {"Bucket": this, "PolicyDocument": everybody}),
            ("AWS::S3::AccessPoint", {"Bucket": this}),
        ],
        "AWS::SNS::Topic": [
            ("AWS::SNS::TopicPolicy", {"Topics": [this], "PolicyDocument": everybody}),
            (
                "AWS::SNS::Subscription",
                {"TopicArn": this, "Protocol": "http", "Endpoint": "http://example.com"},
            ),
        ],
        "AWS::SQS::Queue": [
            ("AWS::SQS::QueuePolicy", {"Queues": [this], "PolicyDocument": everybody}),
        ],
    }  # fmt: skip
    for type_beside, properties in made.get(type_, []):
        yield {"Type": type_beside, "Properties": properties}


def added_properties(deployment: Deployment) -> Iterator[Mutant]:
    """Every property that a resource's type has and the resource does not, with each value.

    Resources of one type that say the same properties take the same additions: one is enough.
    """
    seen: set[tuple[str, frozenset[str]]] = set()
    for stack, template in deployment.templates.items():
        for logical_id, raw in template["Resources"].items():
            there = frozenset(raw.get("Properties", {}))
            if (raw["Type"], there) in seen or schemas.schema_of(raw["Type"]) is None:
                continue
            seen.add((raw["Type"], there))
            for name in sorted(set(schemas.properties_of(raw["Type"])) - there):
                for value in schemas.examples(raw["Type"], name):
                    yield Mutant(
                        stack=stack,
                        logical_id=logical_id,
                        type=raw["Type"],
                        path=("Properties", name),
                        how=f"added as {str(value)[:60]}",
                        change=put(("Properties", name), value),
                    )


def _added(stack: str, raw: Mapping[str, Any], how: str) -> Mutant:
    return Mutant(
        stack=stack,
        logical_id=ADDED,
        type=raw["Type"],
        path=(),
        how=how,
        change=None,
        adds=raw,
    )


def _service(type_: str) -> str:
    return type_.split("::")[1] if "::" in type_ else type_
