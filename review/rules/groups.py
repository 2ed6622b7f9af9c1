"""Security groups: which paths are open inside the network."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

from review.rules.environment import MISSING, environment_of, service_of
from review.rules.job_requests import job_requests
from review.rules.network import ANYWHERE
from review.rules.rule import Violation, at, many, of_the_whole, rule, unexpected_properties
from review.rules.standards import PRIVATE_NETWORK, also
from review.template.deployment import Deployment, Resource
from review.template.security_groups import Rule, effective_rules

GROUP: Final = "AWS::EC2::SecurityGroup"


def _of(deployment: Deployment, rule: Rule, message: str) -> Violation:
    """A violation of the group that a rule in force belongs to."""
    for group in deployment.of_type(GROUP):
        if group.ref == rule.group:
            return at(group, message)
    return of_the_whole(f"security group {rule.group}: {message}")


@rule(
    id="groups.nothing-in-from-anywhere",
    requirement="No security group lets anything in from every address.",
    risk="Whatever reaches the network reaches the job's interfaces or the endpoints.",
    remedy="Name the group that calls as the source.",
    step="W8",
    standards=also(
        PRIVATE_NETWORK, prowler="ec2_securitygroup_allow_ingress_from_internet_to_all_ports"
    ),
)
def nothing_comes_in_from_anywhere(deployment: Deployment) -> Iterator[Violation]:
    """Of the rules in force, wherever they are written."""
    for each in sorted(effective_rules(deployment)):
        if each.direction == "ingress" and ANYWHERE.fullmatch(each.peer):
            yield _of(deployment, each, f"lets in {_ports(each)} from {each.peer}")


@rule(
    id="groups.nothing-out-to-anywhere",
    requirement="No security group lets anything out to every address.",
    risk="A job's data may be sent anywhere the network leads; AWS's default for a group is this.",
    remedy="Write egress rules to groups and prefix lists; a group without one gets AWS's default.",
    step="W9",
    standards=PRIVATE_NETWORK,
)
def nothing_goes_out_to_anywhere(deployment: Deployment) -> Iterator[Violation]:
    """Of the rules in force, AWS's own default among them."""
    for each in sorted(effective_rules(deployment)):
        if each.direction == "egress" and ANYWHERE.fullmatch(each.peer):
            yield _of(deployment, each, f"lets out {_ports(each)} to {each.peer}")


@rule(
    id="groups.endpoints-take-https",
    requirement="The group of an interface endpoint takes HTTPS and nothing else.",
    risk="An endpoint without the rule answers nobody; with more it is open to no purpose.",
    remedy="One ingress rule: TCP 443 from the group of who calls.",
    step="W8",
    standards=PRIVATE_NETWORK,
)
def endpoints_take_https_only(deployment: Deployment) -> Iterator[Violation]:
    """For each group of an interface endpoint that these templates make."""
    groups = {group.ref: group for group in deployment.of_type(GROUP)}
    rules = effective_rules(deployment)
    for endpoint in deployment.of_type("AWS::EC2::VPCEndpoint"):
        for ref in many(endpoint["SecurityGroupIds"]):
            if ref not in groups:
                continue
            incoming = {each for each in rules if each[:2] == (ref, "ingress")}
            https = {each for each in incoming if each[2:5] == ("tcp", "443", "443")}
            if not https:
                yield at(groups[ref], f"takes no HTTPS for {service_of(endpoint)}")
            for other in sorted(incoming - https):
                yield at(groups[ref], f"takes {_ports(other)} from {other.peer}")


@rule(
    id="groups.job-talks-to-itself",
    requirement="The group of a job takes everything from itself and sends everything to itself.",
    risk="The interfaces of one job do not reach each other, and the job fails.",
    remedy="Add an ingress and an egress rule of all protocols with the group itself as the peer.",
    step="W9",
    standards=PRIVATE_NETWORK,
)
def jobs_talk_to_themselves(deployment: Deployment) -> Iterator[Violation]:
    """For the groups that a job's request names and these templates make."""
    groups = {group.ref: group for group in deployment.of_type(GROUP)}
    rules = effective_rules(deployment)
    for request in job_requests(deployment):
        for ref in request.group_ids:
            if ref not in groups:
                continue
            for direction in ("ingress", "egress"):
                if Rule(ref, direction, "-1", "None", "None", ref) not in rules:
                    yield at(groups[ref], f"no {direction} rule for the group itself")


@rule(
    id="groups.known-peers",
    requirement="Every rule of a security group has one peer, which is a group, a prefix list or a"
    " range of private addresses.",
    risk="A rule with a public range, or with no peer, says something else than was meant.",
    remedy="Name one group or prefix list as the peer.",
    step="W9",
    standards=PRIVATE_NETWORK,
)
def peers_are_groups_or_prefix_lists(deployment: Deployment) -> Iterator[Violation]:
    """Anywhere is for the two rules above; here the narrower mistakes."""
    for each in sorted(effective_rules(deployment)):
        if ANYWHERE.fullmatch(each.peer):
            continue
        if each.peer == "nobody" or " and " in each.peer:
            yield _of(deployment, each, f"a rule for {each.peer}")
        elif "/" in each.peer and not _PRIVATE.match(each.peer):
            yield _of(deployment, each, f"a rule for the public range {each.peer}")


_PRIVATE: Final = re.compile(
    r"10\.|192\.168\.|172\.(1[6-9]|2\d|3[01])\.|100\.(6[4-9]|[7-9]\d|1[01]\d|12[0-7])\.|f[cd]"
)


@rule(
    id="groups.as-designed",
    requirement="A job reaches itself, S3 and KMS; functions reach S3, DynamoDB and Bedrock, the"
    " invoker DynamoDB and Bedrock's runtime; nothing else is open, and no group is shared.",
    risk="A path that nobody needs is open, or one that a job needs is closed.",
    remedy="Take the rule back.",
    step="W9",
    standards=PRIVATE_NETWORK,
    profile="app",
)
def groups_let_only_these_paths_through(deployment: Deployment) -> Iterator[Violation]:
    """The rules in force, compared in both directions."""
    environment = environment_of(deployment)
    job, functions, kms, bedrock = (
        environment.groups[name] for name in ("job", "functions", "kms", "bedrock")
    )

    def https(group: str, direction: str, peer: str) -> Rule:
        return Rule(group, direction, "tcp", "443", "443", peer)

    expected = {
        Rule(job, "ingress", "-1", "None", "None", job),
        Rule(job, "egress", "-1", "None", "None", job),
        https(job, "egress", environment.s3_prefix_list),
        https(job, "egress", kms),
        https(kms, "ingress", job),
        https(functions, "egress", environment.s3_prefix_list),
        https(functions, "egress", environment.dynamodb_prefix_list),
        https(functions, "egress", bedrock),
        https(bedrock, "ingress", functions),
    }
    used = [job, functions, kms, bedrock]
    if environment.serves:
        invoker, runtime = (environment.groups[name] for name in ("invoker", "bedrock-runtime"))
        used += [invoker, runtime]
        expected |= {
            https(invoker, "egress", environment.dynamodb_prefix_list),
            https(invoker, "egress", runtime),
            https(runtime, "ingress", invoker),
        }
    found = effective_rules(deployment)
    for each in sorted(found - expected):
        yield _of(deployment, each, f"rule that nothing needs: {_told(each)}")
    for each in sorted(expected - found):
        yield _of(deployment, each, f"rule missing: {_told(each)}")
    if MISSING in used or len(set(used)) != len(used):
        yield of_the_whole(f"groups are shared or missing: {', '.join(used)}")
    for group in deployment.of_type(GROUP):
        if group.ref not in used:
            yield at(group, "a group that nothing uses")
        yield from _only_known_properties(group)
    for each_rule in deployment.of_type(
        "AWS::EC2::SecurityGroupEgress", "AWS::EC2::SecurityGroupIngress"
    ):
        # Its peer and ports are among the rules in force.
        yield from unexpected_properties(
            each_rule,
            {},
            also={
                "CidrIp", "CidrIpv6", "Description", "DestinationPrefixListId",
                "DestinationSecurityGroupId", "FromPort", "GroupId", "IpProtocol",
                "SourcePrefixListId", "SourceSecurityGroupId", "ToPort",
            },
        )  # fmt: skip
    for name in (environment.s3_prefix_list, environment.dynamodb_prefix_list):
        if not re.fullmatch(r"pl-[0-9a-f]{8,17}", name):
            yield of_the_whole(f"{name} is no id of a prefix list")


def _only_known_properties(group: Resource) -> Iterator[Violation]:
    return unexpected_properties(
        group,
        {},
        also={"GroupDescription", "SecurityGroupEgress", "SecurityGroupIngress", "Tags", "VpcId"},
    )


def _ports(each: Rule) -> str:
    return "everything" if each.protocol == "-1" else f"{each.protocol} {each.from_port}"


def _told(each: Rule) -> str:
    return f"{each.group} {each.direction} {_ports(each)} to {each.to_port} {each.peer}"
