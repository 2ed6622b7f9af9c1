"""Security groups as EC2 sees them: the rules in force."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final, NamedTuple

from review.template.deployment import Deployment


class Rule(NamedTuple):
    """What a security group lets through, as EC2 sees it; the peer is a group, list or range."""

    group: str
    direction: str
    protocol: str
    from_port: str
    to_port: str
    peer: str


EVERYWHERE: Final = "0.0.0.0/0"
_NOTHING: Final = ("icmp", "252", "86", "255.255.255.255/32")


def effective_rules(deployment: Deployment) -> set[Rule]:
    """The rules in force: those in the groups, those beside them, and EC2's own default.

    A group whose SecurityGroupEgress is absent or empty gets from EC2 a rule that lets everything
    out, whatever standalone egress rules there are. A rule to an address that no host can have is
    how one writes that nothing is let out; it counts for nothing.
    https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/aws-resource-ec2-securitygroup.html
    """
    rules: set[Rule] = set()
    for group in deployment.of_type("AWS::EC2::SecurityGroup"):
        egress = group["SecurityGroupEgress"] or []
        if not egress:
            rules.add(Rule(group.ref, "egress", "-1", "None", "None", EVERYWHERE))
        rules.update(_rule(group.ref, "egress", each) for each in egress)
        rules.update(
            _rule(group.ref, "ingress", each) for each in group["SecurityGroupIngress"] or []
        )
    for type_, direction in (
        ("AWS::EC2::SecurityGroupEgress", "egress"),
        ("AWS::EC2::SecurityGroupIngress", "ingress"),
    ):
        rules.update(
            _rule(str(each["GroupId"] or each["GroupName"]), direction, each.properties)
            for each in deployment.of_type(type_)
        )
    return {rule for rule in rules if rule[2:] != _NOTHING}


_PEERS: Final = (
    "CidrIp",
    "CidrIpv6",
    "DestinationPrefixListId",
    "DestinationSecurityGroupId",
    "SourcePrefixListId",
    "SourceSecurityGroupId",
    "SourceSecurityGroupName",
)


def _rule(group: str, direction: str, properties: Mapping[str, Any]) -> Rule:
    peers = [str(properties[name]) for name in _PEERS if name in properties]
    return Rule(
        group,
        direction,
        str(properties.get("IpProtocol")),
        str(properties.get("FromPort")),
        str(properties.get("ToPort")),
        " and ".join(peers) or "nobody",
    )
