"""The diagrams of the documents, in mermaid, drawn from an environment's templates."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tools.shown_deployments import Deployment, Resource, as_list, statements

# A resource of one of these types would be a way out of the VPC, or into it.
WAYS_OUT = frozenset(
    {
        "AWS::EC2::EgressOnlyInternetGateway",
        "AWS::EC2::InternetGateway",
        "AWS::EC2::NatGateway",
        "AWS::EC2::Route",
        "AWS::EC2::TransitGatewayAttachment",
        "AWS::EC2::TransitGatewayVpcAttachment",
        "AWS::EC2::VPCGatewayAttachment",
        "AWS::EC2::VPCPeeringConnection",
        "AWS::EC2::VPNGateway",
    }
)

# How the CDK writes "nothing" where a group without a rule would let everything out.
_NOTHING = "255.255.255.255/32"

_SERVICES = {
    "bedrock": "Bedrock",
    "bedrock-runtime": "Bedrock runtime",
    "dynamodb": "DynamoDB",
    "ec2": "EC2",
    "kms": "KMS",
    "s3": "S3",
}


class DiagramError(Exception):
    """A template holds something that the diagrams do not know how to show."""


@dataclass(frozen=True, order=True, kw_only=True)
class Path:
    """Traffic that the security groups let through."""

    source: str
    """Path of a security group's construct."""
    target: str
    """Path of a security group's construct, a service that has a prefix list, or a CIDR."""
    traffic: str
    """Protocol and port, such as `tcp 443`."""


def service_name(name: str) -> str:
    """What people call a service: its name in an endpoint or an action, spelled its own way."""
    return _SERVICES.get(name, name)


def endpoint_service(endpoint: Resource) -> str:
    """The service of an endpoint, such as `s3`."""
    return str(endpoint.properties["ServiceName"]).split(".")[-1]


def allowed_paths(deployment: Deployment) -> list[Path]:
    """All traffic that the groups of the VPC let through.

    Raises:
        DiagramError: A rule between two groups stands on one side only: nothing passes, and one of
            the two is not meant.
    """
    out = {path for path in _rules(deployment, "Egress") if path.target != _NOTHING}
    into = {path for path in _rules(deployment, "Ingress") if path.source != _NOTHING}
    groups = {group.path for group in deployment.of_type("AWS::EC2::SecurityGroup")}

    def between_groups(paths: set[Path]) -> set[Path]:
        return {path for path in paths if {path.source, path.target} <= groups}

    one_sided = between_groups(out) ^ between_groups(into)
    if one_sided:
        raise DiagramError(f"rules on one side only, give each its other side: {sorted(one_sided)}")
    return sorted(out | into)


def _rules(deployment: Deployment, direction: str) -> Iterator[Path]:
    inline, other_end = (
        ("SecurityGroupEgress", "Destination")
        if direction == "Egress"
        else ("SecurityGroupIngress", "Source")
    )
    found = [
        (group, group, rule)
        for group in deployment.of_type("AWS::EC2::SecurityGroup")
        for rule in group.properties.get(inline, [])
    ]
    for resource in deployment.of_type(f"AWS::EC2::SecurityGroup{direction}"):
        rule = resource.properties
        owner = deployment.owner(rule["GroupId"])
        if owner is None:
            raise DiagramError(f"the rule {resource.path} belongs to a group that is not ours")
        found.append((resource, owner, rule))
    for where, group, rule in found:
        other = _other_end(deployment, where=where, rule=rule, prefix=other_end)
        source, target = (group.path, other) if direction == "Egress" else (other, group.path)
        yield Path(source=source, target=target, traffic=_traffic(rule))


def _other_end(
    deployment: Deployment, *, where: Resource, rule: Mapping[str, Any], prefix: str
) -> str:
    group = deployment.owner(rule.get(f"{prefix}SecurityGroupId"))
    if group is not None:
        return group.path
    prefix_list = rule.get(f"{prefix}PrefixListId")
    if isinstance(prefix_list, str) and prefix_list in deployment.prefix_lists:
        return deployment.prefix_lists[prefix_list]
    cidr = rule.get("CidrIp") or rule.get("CidrIpv6") or prefix_list
    if cidr is None:
        raise DiagramError(f"the rule {where.path} names neither a group, a list nor a range")
    return str(cidr)


def _traffic(rule: Mapping[str, Any]) -> str:
    if str(rule["IpProtocol"]) == "-1":
        return "all protocols"
    ports = sorted({str(rule["FromPort"]), str(rule["ToPort"])})
    return f"{rule['IpProtocol']} {'-'.join(ports)}"


class _Flowchart:
    """The lines of a mermaid flowchart."""

    def __init__(self, direction: str) -> None:
        self._lines = [f"flowchart {direction}"]
        self._ids: dict[str, str] = {}
        self._depth = 1

    def node(self, key: str, label: str, *, shape: str = "[]") -> None:
        """A node, to be named by its key in edges."""
        opening, closing = shape[: len(shape) // 2], shape[len(shape) // 2 :]
        self._add(f'{self._id(key)}{opening}"{label}"{closing}')

    def open(self, key: str, label: str, *, direction: str | None = None) -> None:
        """Begins a frame around what follows."""
        self._add(f'subgraph {self._id(key)}["{label}"]')
        self._depth += 1
        if direction:
            self._add(f"direction {direction}")

    def close(self) -> None:
        """Ends the frame that began last."""
        self._depth -= 1
        self._add("end")

    def edge(self, source: str, target: str, label: str = "") -> None:
        """An arrow between two nodes."""
        text = f'|"{label}"|' if label else ""
        self._add(f"{self._id(source)} -->{text} {self._id(target)}")

    def text(self) -> str:
        """The flowchart as a block of markdown."""
        return "\n".join(["```mermaid", *self._lines, "```"])

    def _id(self, key: str) -> str:
        return self._ids.setdefault(key, f"n{len(self._ids) + 1}")

    def _add(self, line: str) -> None:
        self._lines.append("  " * self._depth + line)


@dataclass(frozen=True, kw_only=True)
class _Tenant:
    """Something that has network interfaces in the VPC."""

    key: str
    label: str
    group: str
    subnets: frozenset[str]
    """Logical ids."""


def render_network(deployment: Deployment) -> str:
    """Who talks to whom: the VPC with its subnets, groups and endpoints, and what is around it.

    Solid arrows inside the VPC are traffic that the security groups let through; the others are
    calls that a policy, a trust or a wiring of the templates allows.
    """
    chart = _Flowchart("LR")
    tenants = list(_tenants(deployment))
    gateways = [
        each
        for each in deployment.of_type("AWS::EC2::VPCEndpoint")
        if each.properties["VpcEndpointType"] == "Gateway"
    ]
    people = _people(deployment)
    for role in people:
        chart.node(f"people {role.path}", f"people.{role.path.lower()}s", shape="([])")
    framework = [each for each in _engine_functions(deployment) if "Provider" in each.path]
    chart.node("cloudformation", "CloudFormation", shape="([])")
    outside = [each for each in _engine_functions(deployment) if "VpcConfig" not in each.properties]
    seen = {action for each in outside for action in _actions_of(deployment, each)}
    access = "access to data" if any(each.startswith("s3:") for each in seen) else "no data"
    chart.open("outside", f"Functions outside the VPC: {access}")
    chart.node("framework", f"provider framework<br/>{len(framework)} functions")
    alone = [each for each in outside if "Provider" not in each.path]
    for function in alone:
        chart.node(function.path, _spaced(function.path))
    chart.close()

    _draw_vpc(chart, deployment, tenants=tenants, gateways=gateways)

    for gateway in gateways:
        for target in _targets(deployment, gateway):
            chart.node(f"target {target.path}", _target_label(target), shape="[()]")
    for endpoint in _interface_endpoints(deployment):
        if endpoint_service(endpoint) != "bedrock":
            chart.node(f"service {endpoint.path}", _keys_label(deployment, endpoint))
    chart.node("bedrock", "Amazon Bedrock")

    _draw_paths(chart, deployment, tenants=tenants, gateways=gateways)
    for endpoint in _interface_endpoints(deployment):
        bedrock = endpoint_service(endpoint) == "bedrock"
        chart.edge(endpoint.path, "bedrock" if bedrock else f"service {endpoint.path}")
    for gateway in gateways:
        for target in _targets(deployment, gateway):
            chart.edge(gateway.path, f"target {target.path}")
    _draw_calls(chart, deployment, people=people, framework=framework)
    for function in alone:
        _draw_work(chart, deployment, function)
    _draw_events(chart, deployment)
    return chart.text()


def _draw_vpc(
    chart: _Flowchart,
    deployment: Deployment,
    *,
    tenants: Iterable[_Tenant],
    gateways: Iterable[Resource],
) -> None:
    (vpc,) = deployment.of_type("AWS::EC2::VPC")
    ways = sorted({each.type.split("::")[-1] for each in deployment.of_type(*WAYS_OUT)})
    closed = "no way to the Internet or another network"
    if ways:
        closed = f"WAYS OUT: {', '.join(ways)}"
    chart.open("vpc", f"VPC {vpc.properties['CidrBlock']}: {closed}")
    for name, subnets in _subnet_groups(deployment).items():
        zones = ", ".join(str(each.properties["AvailabilityZone"])[-1] for each in subnets)
        chart.open(f"subnets {name}", f"{name} subnets, zones {zones}")
        ids = {each.logical_id for each in subnets}
        for tenant in tenants:
            if tenant.subnets <= ids:
                chart.node(tenant.key, tenant.label + _among_themselves(deployment, tenant))
        chart.close()
    for gateway in gateways:
        service = service_name(endpoint_service(gateway))
        chart.node(gateway.path, f"{service} gateway endpoint", shape="[//]")
    chart.close()


def _among_themselves(deployment: Deployment, tenant: _Tenant) -> str:
    return "".join(
        f"<br/>among themselves: {path.traffic}"
        for path in allowed_paths(deployment)
        if path.source == path.target == tenant.group
    )


def _draw_paths(
    chart: _Flowchart,
    deployment: Deployment,
    *,
    tenants: Sequence[_Tenant],
    gateways: Iterable[Resource],
) -> None:
    by_service = {endpoint_service(gateway): gateway.path for gateway in gateways}
    by_group: dict[str, list[str]] = {}
    for tenant in tenants:
        by_group.setdefault(tenant.group, []).append(tenant.key)
    for source in tenants:
        for path in allowed_paths(deployment):
            if path.source != source.group or path.target == path.source:
                continue
            targets = by_group.get(path.target) or [by_service.get(path.target, path.target)]
            for target in targets:
                if target == path.target:
                    chart.node(target, target)
                chart.edge(source.key, target, path.traffic)


def _draw_calls(
    chart: _Flowchart,
    deployment: Deployment,
    *,
    people: Iterable[Resource],
    framework: Iterable[Resource],
) -> None:
    for job in deployment.of_type("Custom::BedrockModelCustomizationJob"):
        token = deployment.owner(job.properties["ServiceToken"])
        if token is None or "Provider" not in token.path:
            raise DiagramError(f"the job {job.path} is not handled by the provider framework")
    chart.edge("cloudformation", "framework", "a job's stack")
    for path in sorted({path for each in framework for path in _called_by(deployment, each)}):
        chart.edge("framework", path, "calls")
    for role in people:
        actions = _actions_of_role(deployment, role)
        verb = "write once" if "s3:PutObject" in actions else "read"
        for bucket in _data_buckets(deployment):
            label = f"{verb}, as role {role.path.lower()}"
            chart.edge(f"people {role.path}", f"target {bucket.path}", label)


# What every function calls to log and to keep its failed events.
_PLUMBING = {"kms", "logs", "sqs"}

# What is drawn with an arrow of its own.
_OWN_ARROW = {"cloudformation", "dynamodb", "lambda", "sns"}

_VERBS = {
    "reads": ("Describe", "Get", "List"),
    "submits": ("Create",),
    "stops": ("Stop",),
    "deletes": ("Delete",),
}


def _draw_work(chart: _Flowchart, deployment: Deployment, function: Resource) -> None:
    """What a function outside the VPC does with whom, as its role's policies have it."""
    said = [action.split(":") for action in _actions_of(deployment, function)]
    services = {service for service, _ in said}
    asked = sorted(services - _PLUMBING - _OWN_ARROW)
    verbs = [
        verb
        for verb, prefixes in _VERBS.items()
        if any(action.startswith(prefixes) for service, action in said if service in asked)
    ]
    where = "" if asked == ["bedrock"] else f" {_listed(map(service_name, asked))}"
    chart.edge(function.path, "bedrock", f"{_listed(verbs)}{where}")
    if "cloudformation" in services:
        chart.edge(function.path, "cloudformation", "reads a job's stack")
    for path in _called_by(deployment, function):
        chart.edge(function.path, path, "calls")
    if "dynamodb" in services:
        for table in deployment.of_type("AWS::DynamoDB::Table"):
            chart.edge(function.path, f"target {table.path}", "keeps states")
    if "sns" in services:
        for topic in deployment.of_type("AWS::SNS::Topic"):
            chart.node(f"topic {topic.path}", _topic_label(topic))
            chart.edge(function.path, f"topic {topic.path}", "announces")


def _draw_events(chart: _Flowchart, deployment: Deployment) -> None:
    """What EventBridge calls, and where alarms are told."""
    rules = deployment.of_type("AWS::Events::Rule")
    if rules:
        chart.node("events", "EventBridge", shape="([])")
    for rule in rules:
        when = rule.properties.get("ScheduleExpression")
        label = f"every {when.strip('rate()')}" if when else "a job ended"
        for target in rule.properties["Targets"]:
            for owner in deployment.owners(target["Arn"]):
                chart.edge("events", owner.path, label)
    told: dict[str, int] = {}
    for alarm in deployment.of_type("AWS::CloudWatch::Alarm"):
        for topic in deployment.owners(alarm.properties["AlarmActions"]):
            told[topic.path] = told.get(topic.path, 0) + 1
    for path, count in told.items():
        chart.node("alarms", f"{count} CloudWatch alarms", shape="([])")
        chart.edge("alarms", f"topic {path}")


def _called_by(deployment: Deployment, function: Resource) -> list[str]:
    """Paths of the engine's own functions that a function may call."""
    role = _role_of(deployment, function)
    return sorted(
        {
            target.path
            for policy in _policies_of_role(deployment, role)
            for _, actions, resources in statements(policy.properties["PolicyDocument"])
            if "lambda:InvokeFunction" in actions
            for target in deployment.owners(resources)
            if target in _engine_functions(deployment) and "Provider" not in target.path
        }
    )


def _spaced(path: str) -> str:
    """`completion check` for Engine/CompletionCheck."""
    return re.sub(r"(?<=[a-z])(?=[A-Z])", " ", path.rsplit("/", maxsplit=1)[-1]).lower()


def _listed(names: Iterable[str]) -> str:
    """`a, b and c`."""
    *others, last = names
    return f"{', '.join(others)} and {last}" if others else last


def _topic_label(topic: Resource) -> str:
    return "encrypted topic" if "KmsMasterKeyId" in topic.properties else "topic"


def _tenants(deployment: Deployment) -> Iterator[_Tenant]:
    def tenant(
        key: str,
        label: str,
        *,
        stack: str,
        groups: list[object],
        subnets: list[object],
    ) -> _Tenant:
        (group,) = deployment.owners(groups)
        owners = deployment.owners(subnets)
        return _Tenant(
            key=key,
            label=label,
            group=group.path,
            subnets=frozenset(each.logical_id for each in owners),
        )

    jobs = deployment.of_type("Custom::BedrockModelCustomizationJob")
    networks = {str(job.properties["Request"]["vpcConfig"]): job for job in jobs}
    assumed = " and ".join(
        role.path.lower()
        for role in deployment.of_type("AWS::IAM::Role")
        if "bedrock.amazonaws.com" in _trusted(role, "Service")
    )
    for job in networks.values():
        network = job.properties["Request"]["vpcConfig"]
        yield tenant(
            f"job {job.stack}",
            f"interfaces of a job, made<br/>by Bedrock as role {assumed}",
            stack=job.stack,
            groups=network["securityGroupIds"],
            subnets=network["subnetIds"],
        )
    for function in deployment.of_type("AWS::Lambda::Function"):
        place = function.properties.get("VpcConfig")
        if place:
            yield tenant(
                function.path,
                f"{function.path.split('/')[-1].lower()} (Lambda)",
                stack=function.stack,
                groups=place["SecurityGroupIds"],
                subnets=place["SubnetIds"],
            )
    for endpoint in _interface_endpoints(deployment):
        yield tenant(
            endpoint.path,
            f"{service_name(endpoint_service(endpoint))} endpoint",
            stack=endpoint.stack,
            groups=endpoint.properties["SecurityGroupIds"],
            subnets=endpoint.properties["SubnetIds"],
        )


def _subnet_groups(deployment: Deployment) -> dict[str, list[Resource]]:
    """The subnets by their route table: `training` for the table TrainingRoutes."""
    groups: dict[str, list[Resource]] = {}
    for each in deployment.of_type("AWS::EC2::SubnetRouteTableAssociation"):
        table = deployment.owner(each.properties["RouteTableId"])
        subnet = deployment.owner(each.properties["SubnetId"])
        if table is None or subnet is None:
            raise DiagramError(f"{each.path} joins a subnet and a table that are not both ours")
        name = table.path.split("/")[-1].removesuffix("Routes").lower()
        groups.setdefault(name, []).append(subnet)
    return groups


def _interface_endpoints(deployment: Deployment) -> list[Resource]:
    return [
        each
        for each in deployment.of_type("AWS::EC2::VPCEndpoint")
        if each.properties["VpcEndpointType"] == "Interface"
    ]


def _targets(deployment: Deployment, gateway: Resource) -> list[Resource]:
    """The buckets or tables that a gateway endpoint's policy names; all there are for `*`."""
    kind = {"s3": "AWS::S3::Bucket", "dynamodb": "AWS::DynamoDB::Table"}[endpoint_service(gateway)]
    named = {
        owner.path: owner
        for _, _, resources in statements(gateway.properties["PolicyDocument"])
        for owner in deployment.owners(resources)
    }
    return list(named.values()) or deployment.of_type(kind)


def _data_buckets(deployment: Deployment) -> list[Resource]:
    """The buckets whose objects are under a key of ours; access logs are not."""
    return [
        bucket
        for bucket in deployment.of_type("AWS::S3::Bucket")
        if "KMSMasterKeyID" in str(bucket.properties.get("BucketEncryption"))
    ]


def _target_label(target: Resource) -> str:
    return "data bucket" if target.type == "AWS::S3::Bucket" else "table of job states"


def _keys_label(deployment: Deployment, endpoint: Resource) -> str:
    named = {
        owner.path
        for _, _, resources in statements(endpoint.properties["PolicyDocument"])
        for owner in deployment.owners(resources)
    }
    service = service_name(endpoint_service(endpoint))
    keys = " and ".join(name.removesuffix("Key").lower() for name in sorted(named))
    return f"{service}: {keys} key" if keys else service


def _engine_functions(deployment: Deployment) -> list[Resource]:
    return [each for each in deployment.of_type("AWS::Lambda::Function") if each.stack == "engine"]


def _people(deployment: Deployment) -> list[Resource]:
    """Roles that people of the account take."""
    return [each for each in deployment.of_type("AWS::IAM::Role") if _trusted(each, "AWS")]


def _trusted(role: Resource, kind: str) -> list[Any]:
    """The principals of one kind in a role's trust policy."""
    return [
        principal
        for statement in role.properties["AssumeRolePolicyDocument"]["Statement"]
        for principal in as_list(statement["Principal"].get(kind, []))
    ]


def _role_of(deployment: Deployment, function: Resource) -> Resource:
    role = deployment.owner(function.properties["Role"])
    if role is None:
        raise DiagramError(f"the function {function.path} has a role that is not ours")
    return role


def _actions_of(deployment: Deployment, function: Resource) -> set[str]:
    return _actions_of_role(deployment, _role_of(deployment, function))


def _policies_of_role(deployment: Deployment, role: Resource) -> list[Resource]:
    return [
        policy
        for policy in deployment.of_type("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy")
        if role in deployment.owners(policy.properties.get("Roles", []))
    ]


def _actions_of_role(deployment: Deployment, role: Resource) -> set[str]:
    return {
        action
        for policy in _policies_of_role(deployment, role)
        for effect, actions, _ in statements(policy.properties["PolicyDocument"])
        if effect == "Allow"
        for action in actions
    }


def render_stacks(deployment: Deployment) -> str:
    """The stacks and what each waits for; what follows from the other arrows is left out."""
    chart = _Flowchart("LR")
    for stack in deployment.stacks:
        chart.node(stack, stack)
    for stack in deployment.stacks:
        needed = deployment.dependencies[stack]
        through_others = frozenset().union(*(_all_needed(deployment, each) for each in needed))
        for each in sorted(needed - through_others):
            chart.edge(each, stack)
    return chart.text()


def _all_needed(deployment: Deployment, stack: str) -> frozenset[str]:
    direct = deployment.dependencies[stack]
    return direct.union(*(_all_needed(deployment, each) for each in direct))
