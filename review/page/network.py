"""Who can talk to whom through what: the network of a deployment as a graph, and as a picture.

Drawn are security groups after EC2's semantics, endpoints, the services behind them, and whatever
leads out. An edge stands for traffic that a group lets out; it is whole where the other side lets
it in.
"""

from __future__ import annotations

import ipaddress
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final, Literal

from review.decisions.purposes import job_request
from review.rules.environment import service_of
from review.rules.network import ANYWHERE, WAYS_OUT
from review.rules.rule import many
from review.template.deployment import Deployment, Resource
from review.template.security_groups import Rule, effective_rules
from settings.prefix_lists import managed_prefix_list

Column = Literal["inside", "endpoint", "service", "outside"]

OUTSIDE: Final = "outside"
_WIDTH, _HEIGHT, _GAP, _TOP = 262, 66, 26, 66
_X: Final = {"inside": 34, "endpoint": 440, "service": 800, "outside": 800}
_FITS: Final = 36
"""Characters of a line in a box that surely fit."""
_TITLE_FITS: Final = 30


@dataclass(frozen=True, kw_only=True)
class Node:
    """A box of the picture."""

    id: str
    column: Column
    title: str
    lines: tuple[str, ...] = ()
    bad: bool = False

    @property
    def short(self) -> str:
        """The title as far as it fits into the box."""
        return _short(self.title, _TITLE_FITS)


@dataclass(frozen=True, kw_only=True)
class Way:
    """Traffic that may pass from one box to another."""

    source: str
    target: str
    what: str
    """Protocol and ports, or what leads there."""
    by: str
    """What lets it through, in words."""
    bad: bool = False
    """It leads out, or nobody can tell where to."""
    half: bool = False
    """Only one side lets it through, so nothing passes."""


@dataclass(frozen=True, kw_only=True)
class Network:
    """Boxes and the ways between them."""

    title: str
    nodes: tuple[Node, ...]
    ways: tuple[Way, ...]
    within: tuple[str, ...]
    """What passes between members of one group, a sentence each."""

    @property
    def leads_out(self) -> bool:
        """Whether anything leads out of the network past the endpoints."""
        return any(each.bad for each in self.ways) or any(each.bad for each in self.nodes)

    def called(self, id_: str) -> str:
        """The title of a box."""
        return next((each.title for each in self.nodes if each.id == id_), id_)


def network_of(deployment: Deployment) -> Network:
    """The network that templates describe; without a VPC it has no box inside."""
    return _Drawing(deployment).network()


class _Drawing:
    def __init__(self, deployment: Deployment) -> None:
        self.deployment = deployment
        self.rules = sorted(effective_rules(deployment))
        self.endpoints = deployment.of_type("AWS::EC2::VPCEndpoint")
        self.groups = {each.ref: each for each in deployment.of_type("AWS::EC2::SecurityGroup")}
        self.endpoint_groups = {
            str(group): endpoint
            for endpoint in self.endpoints
            for group in many(endpoint["SecurityGroupIds"])
        }
        self.lists = {
            managed_prefix_list(region=deployment.region, service=service): service
            for service in ("s3", "dynamodb")
        }
        self.ranges = [str(each["CidrBlock"]) for each in deployment.of_type("AWS::EC2::VPC")]

    def network(self) -> Network:
        ways = tuple(self._ways())
        nodes = [*self._inside(), *self._endpoints(), *self._services()]
        known = {each.id for each in nodes}
        for way in ways:
            for end in (way.source, way.target):
                if end not in known and end != OUTSIDE:
                    known.add(end)
                    nodes.append(
                        Node(id=end, column="outside", title=end, bad=way.bad,
                             lines=("no box of these templates",))
                    )  # fmt: skip
        out = any(each.target == OUTSIDE for each in ways)
        nodes.append(
            Node(
                id=OUTSIDE,
                column="outside",
                title="Internet and other networks",
                lines=("reached past the endpoints" if out else "nothing leads there",),
                bad=out,
            )
        )
        return Network(
            title=", ".join(f"VPC {each}" for each in self.ranges) or "no VPC in these templates",
            nodes=tuple(nodes),
            ways=ways,
            within=tuple(self._within()),
        )

    def _inside(self) -> Iterator[Node]:
        jobs = many(job_request(self.deployment, "vpcConfig", "securityGroupIds"))
        subnets = many(job_request(self.deployment, "vpcConfig", "subnetIds"))
        for ref, group in self.groups.items():
            if ref in self.endpoint_groups:
                continue
            users = []
            if ref in jobs:
                users.append(f"jobs of Bedrock, in {len(subnets)} subnets")
            users += [
                str(each.ref)
                for each in self.deployment.of_type("AWS::Lambda::Function")
                if ref in many(each["VpcConfig.SecurityGroupIds"])
            ]
            itself = "talks to itself" if self._talks_to_itself(ref) else ""
            lines = tuple(_short(each) for each in (", ".join(users) or "nothing uses it", itself))
            yield Node(
                id=ref, column="inside", title=_name(group),
                lines=tuple(filter(None, lines)),
            )  # fmt: skip

    def _talks_to_itself(self, ref: str) -> bool:
        sides = {each.direction for each in self.rules if each.group == each.peer == ref}
        return sides == {"egress", "ingress"}

    def _endpoints(self) -> Iterator[Node]:
        for each in self.endpoints:
            document = each["PolicyDocument"]
            statements = len(many(document["Statement"])) if document else 0
            kind = str(each["VpcEndpointType"] or "Gateway").lower()
            dns = ", private DNS" if each["PrivateDnsEnabled"] is True else ""
            yield Node(
                id=each.ref,
                column="endpoint",
                title=f"{_called(service_of(each))} endpoint",
                lines=(
                    f"{kind}{dns}",
                    f"policy of {statements} statement{'' if statements == 1 else 's'}"
                    if document
                    else "no policy: anybody's resources",
                ),
                bad=not document,
            )

    def _services(self) -> Iterator[Node]:
        for service in dict.fromkeys(map(service_of, self.endpoints)):
            types = {
                "kms": ("AWS::KMS::Key", "key"),
                "s3": ("AWS::S3::Bucket", "bucket"),
                "dynamodb": ("AWS::DynamoDB::Table", "table"),
            }
            type_, word = types.get(service, ("", ""))
            count = len(self.deployment.of_type(type_)) if type_ else 0
            held = f"{count} {word}{'' if count == 1 else 's'} of these templates" if count else ""
            yield Node(
                id=f"service {service}",
                column="service",
                title=_called(service),
                lines=tuple(filter(None, ("reached over AWS's own network", held))),
            )

    def _ways(self) -> Iterator[Way]:
        for each in self.rules:
            if each.direction == "egress" and each.group != each.peer:
                yield self._out(each)
            elif each.direction == "ingress" and each.group != each.peer:
                yield from self._in(each)
        for endpoint in self.endpoints:
            yield Way(
                source=endpoint.ref,
                target=f"service {service_of(endpoint)}",
                what="what its policy allows" if endpoint["PolicyDocument"] else "everything",
                by="endpoint policy" if endpoint["PolicyDocument"] else "no endpoint policy",
                bad=not endpoint["PolicyDocument"],
            )
        yield from self._out_of_it()

    def _out(self, rule: Rule) -> Way:
        source, what = self._box(rule.group), _ports(rule)
        if rule.peer in self.lists:
            service = self.lists[rule.peer]
            gateways = [each for each in self.endpoints if service_of(each) == service]
            if gateways:
                return Way(source=source, target=gateways[0].ref, what=what,
                           by=f"egress to the prefix list of {_called(service)}")  # fmt: skip
            return Way(source=source, target=OUTSIDE, what=what, bad=True,
                       by=f"egress to {_called(service)}, and no endpoint of it")  # fmt: skip
        if rule.peer in self.groups:
            return Way(
                source=source,
                target=self._box(rule.peer),
                what=what,
                by="egress rule, and ingress rule of the other group",
                half=not self._lets_in(rule),
            )
        if self._is_of_the_vpc(rule.peer):
            return Way(source=source, target=rule.peer, what=what, by="egress rule to a range")
        return Way(source=source, target=OUTSIDE, what=what, by=f"egress rule to {rule.peer}",
                   bad=True)  # fmt: skip

    def _lets_in(self, out: Rule) -> bool:
        return any(
            each.direction == "ingress"
            and each.group == out.peer
            and (each.peer == out.group or ANYWHERE.fullmatch(each.peer) is not None)
            and (each.protocol in {"-1", out.protocol})
            for each in self.rules
        )

    def _in(self, rule: Rule) -> Iterator[Way]:
        target, what = self._box(rule.group), _ports(rule)
        if rule.peer in self.groups:
            answered = any(
                each.direction == "egress"
                and each.group == rule.peer
                and (each.peer == rule.group or ANYWHERE.fullmatch(each.peer) is not None)
                for each in self.rules
            )
            if not answered:
                yield Way(source=self._box(rule.peer), target=target, what=what, half=True,
                          by="ingress rule without an egress rule of the other group")  # fmt: skip
            return
        inside = self._is_of_the_vpc(rule.peer)
        yield Way(source=rule.peer if inside else OUTSIDE, target=target, what=what,
                  by=f"ingress rule from {rule.peer}", bad=not inside)  # fmt: skip

    def _out_of_it(self) -> Iterator[Way]:
        inside = self._main_box()
        for route in self.deployment.of_type("AWS::EC2::Route"):
            said = {k: v for k, v in route.properties.items() if k != "RouteTableId"}
            yield Way(source=inside, target=OUTSIDE, what="route", bad=True,
                      by=f"{route.logical_id}: {', '.join(map(str, said.values()))}")  # fmt: skip
        for each in self.deployment.resources:
            if WAYS_OUT.fullmatch(each.type):
                yield Way(source=inside, target=OUTSIDE, bad=True, by=each.logical_id,
                          what=each.type.rpartition("::")[2])  # fmt: skip

    def _main_box(self) -> str:
        for ref in many(job_request(self.deployment, "vpcConfig", "securityGroupIds")):
            if ref in self.groups:
                return str(ref)
        return next((each for each in self.groups if each not in self.endpoint_groups), "VPC")

    def _within(self) -> Iterator[str]:
        for ref, group in self.groups.items():
            rules = [each for each in self.rules if each.group == each.peer == ref]
            if rules:
                sides = " and ".join(sorted({each.direction for each in rules}))
                yield f"{_name(group)} to itself: {_ports(rules[0])} ({sides})"

    def _box(self, group: str) -> str:
        endpoint = self.endpoint_groups.get(group)
        return endpoint.ref if endpoint else group

    def _is_of_the_vpc(self, text: str) -> bool:
        try:
            asked = ipaddress.ip_network(text)
            ranges = [ipaddress.ip_network(each) for each in self.ranges]
        except ValueError:
            return False
        return any(each.version == asked.version and asked.subnet_of(each) for each in ranges)  # type: ignore[arg-type] # the versions are the same


def _called(service: str) -> str:
    names = {"s3": "Amazon S3", "kms": "AWS KMS", "dynamodb": "Amazon DynamoDB"}
    return names.get(service, f"Amazon {service.replace('-', ' ').title()}")


def _name(group: Resource) -> str:
    return str(group["GroupDescription"] or group["GroupName"] or group.logical_id)


def _short(text: str, most: int = _FITS) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"


def _ports(rule: Rule) -> str:
    if rule.protocol == "-1":
        return "all protocols"
    ports = rule.from_port if rule.from_port == rule.to_port else f"{rule.from_port}-{rule.to_port}"
    return f"{rule.protocol} {ports}"


@dataclass(frozen=True, kw_only=True)
class Box:
    """A node with its place in the picture."""

    node: Node
    x: int
    y: int
    width: int = _WIDTH
    height: int = _HEIGHT


@dataclass(frozen=True, kw_only=True)
class Line:
    """A way with its place in the picture."""

    way: Way
    path: str
    x: float
    """Of the middle of its label."""
    y: float
    label: str
    label_width: float


@dataclass(frozen=True, kw_only=True)
class Picture:
    """Everything with its place, in pixels."""

    width: int
    height: int
    frame: tuple[int, int, int, int]
    """Of what is inside the network: x, y, width, height."""
    boxes: tuple[Box, ...]
    lines: tuple[Line, ...]


def picture_of(network: Network) -> Picture:
    """Where each box and way stands."""
    places: dict[str, Box] = {}
    heights = {"inside": 0, "endpoint": 0, "right": 0}
    for node in network.nodes:
        column = "right" if node.column in {"service", "outside"} else node.column
        y = _TOP + heights[column] * (_HEIGHT + _GAP)
        heights[column] += 1
        places[node.id] = Box(node=node, x=_X[node.column], y=y)
    rows = max(heights.values(), default=1)
    height = _TOP + rows * (_HEIGHT + _GAP) + 10
    lines = []
    merged: dict[tuple[str, str, bool, bool], list[Way]] = {}
    for way in network.ways:
        merged.setdefault((way.source, way.target, way.bad, way.half), []).append(way)
    for ways in merged.values():
        source, target = places.get(ways[0].source), places.get(ways[0].target)
        if source is not None and target is not None:
            lines.append(_line(ways, source, target, around=heights))
    inside = max(heights["inside"], heights["endpoint"], 1)
    return Picture(
        width=1080,
        height=height,
        frame=(14, 14, 708, _TOP - 14 + inside * (_HEIGHT + _GAP)),
        boxes=tuple(places.values()),
        lines=tuple(lines),
    )


def _line(ways: list[Way], source: Box, target: Box, *, around: dict[str, int]) -> Line:
    forward = source.x <= target.x
    x1 = source.x + (source.width if forward else 0)
    x2 = target.x if forward else target.x + target.width
    y1, y2 = source.y + source.height / 2, target.y + target.height / 2
    bend = max(40.0, abs(x2 - x1) / 2)
    path = f"M{x1} {y1:.0f}C{x1 + bend:.0f} {y1:.0f} {x2 - bend:.0f} {y2:.0f} {x2} {y2:.0f}"
    middle_x, middle_y = (x1 + x2) / 2, (y1 + y2) / 2
    if abs(x2 - x1) > 300:  # past the endpoints: below all of them
        below = _TOP + around["endpoint"] * (_HEIGHT + _GAP) - _GAP / 2
        path = (
            f"M{x1} {y1:.0f}C{x1 + 70} {y1:.0f} {x1 + 40} {below:.0f} {x1 + 130} {below:.0f}"
            f"L{x2 - 110} {below:.0f}C{x2 - 40} {below:.0f} {x2 - 60} {y2:.0f} {x2} {y2:.0f}"
        )
        middle_y = below
    words = list(dict.fromkeys(each.what for each in ways))
    label = words[0] if len(words) == 1 else f"{words[0]} and {len(words) - 1} more"
    if target.node.column == "service" and not ways[0].bad:
        label = ""  # the endpoint's box says it
    return Line(
        way=ways[0], path=path, x=middle_x, y=middle_y, label=label,
        label_width=len(label) * 6.6 + 14 if label else 0,
    )  # fmt: skip
