"""The tables of the documents, in markdown, read from an environment's templates."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Sequence

from settings.catalogue_files import table
from settings.cost import HOURS_A_MONTH
from settings.prices import ENVIRONMENT
from tools.document_diagrams import allowed_paths, endpoint_service, service_name
from tools.shown_deployments import Deployment, Resource, statements

_PRICES = table("prices")[ENVIRONMENT]
ENDPOINT_ZONE_HOUR: float = _PRICES["endpoint_zone_hour"]
"""List price in us-east-1, US dollars, of an interface endpoint in one zone for an hour."""
KEY_MONTH: float = _PRICES["key_month"]
"""List price, US dollars, of a customer managed key for a month."""
ALARM_METRIC_MONTH: float = _PRICES["alarm_metric_month"]
"""List price, US dollars, of one metric that an alarm watches for a month."""

AT_REST = {"AWS::CloudWatch::Alarm", "AWS::EC2::VPCEndpoint", "AWS::KMS::Key"}
"""Types that cost although nothing happens; gateway endpoints among them are free."""

BY_USE = {
    "AWS::DynamoDB::Table": "items stored, their continuous backups, and requests",
    "AWS::EC2::FlowLog": "flow logs delivered",
    "AWS::Events::Rule": "nothing for events of AWS services",
    "AWS::Lambda::Function": "calls and their time",
    "AWS::Logs::LogGroup": "logs taken in and kept, and two metrics in the hours in which jobs end",
    "AWS::S3::Bucket": "objects and their versions kept, and requests",
    "AWS::SNS::Topic": "messages",
    "AWS::SQS::Queue": "messages",
    "AWS::StepFunctions::StateMachine": "state transitions",
    "Custom::BedrockModelCustomizationJob": "tokens trained on, and the model kept each month",
}
"""Types that cost by what goes through them or is kept in them, and what that is."""

FREE = {
    "AWS::EC2::RouteTable",
    "AWS::EC2::SecurityGroup",
    "AWS::EC2::SecurityGroupEgress",
    "AWS::EC2::SecurityGroupIngress",
    "AWS::EC2::Subnet",
    "AWS::EC2::SubnetRouteTableAssociation",
    "AWS::EC2::VPC",
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::IAM::Role",
    "AWS::KMS::Alias",
    "AWS::Lambda::EventInvokeConfig",
    "AWS::Lambda::Permission",
    "AWS::S3::BucketPolicy",
    "AWS::SNS::TopicPolicy",
    "AWS::SQS::QueuePolicy",
    "Custom::VpcRestrictDefaultSG",
}
"""Types that cost nothing."""


class UnknownCostError(Exception):
    """A template holds a resource of which the tables do not say what it costs."""


def render_cost(deployments: Sequence[Deployment]) -> str:
    """What environments cost in a month in which nothing happens.

    Raises:
        UnknownCostError: A resource is of a type that no table here knows.
    """
    for deployment in deployments:
        unknown = {each.type for each in deployment.resources} - AT_REST - BY_USE.keys() - FREE
        if unknown:
            raise UnknownCostError(
                f"{', '.join(sorted(unknown))}: say in {__name__} whether it costs at rest, by use,"
                " or nothing"
            )
    rows = [
        ("", *(f"`{each.environment}`" for each in deployments)),
        ("interface endpoints", *(_endpoints(each) for each in deployments)),
        ("customer managed keys", *(_keys(each) for each in deployments)),
        ("alarms", *(_dollars(_alarms(each)) for each in deployments)),
        ("a month", *(f"**{_dollars(_at_rest(each))}**" for each in deployments)),
    ]
    used = sorted(
        {
            (_short(each.type), BY_USE[each.type])
            for deployment in deployments
            for each in deployment.resources
            if each.type in BY_USE
        }
    )
    return "\n\n".join(
        [
            _table(rows[0], rows[1:]),
            "By use, and next to nothing while nothing happens: "
            + "; ".join(f"{name} ({what})" for name, what in used)
            + ".",
        ]
    )


def _interface_endpoints(deployment: Deployment) -> list[Resource]:
    return [
        each
        for each in deployment.of_type("AWS::EC2::VPCEndpoint")
        if each.properties["VpcEndpointType"] == "Interface"
    ]


def _endpoint_zones(deployment: Deployment) -> int:
    return sum(len(each.properties["SubnetIds"]) for each in _interface_endpoints(deployment))


def _at_rest(deployment: Deployment) -> float:
    endpoints = _endpoint_zones(deployment) * ENDPOINT_ZONE_HOUR * HOURS_A_MONTH
    keys = len(deployment.of_type("AWS::KMS::Key")) * KEY_MONTH
    return endpoints + keys + _alarms(deployment)


def _alarms(deployment: Deployment) -> float:
    """What the alarms cost: by the metrics they watch, not by their number."""
    metrics = 0
    for alarm in deployment.of_type("AWS::CloudWatch::Alarm"):
        watched = alarm.properties.get("Metrics", [{"MetricStat": {}}])
        metrics += sum("MetricStat" in each for each in watched)
    return metrics * ALARM_METRIC_MONTH


def _endpoints(deployment: Deployment) -> str:
    endpoints = _interface_endpoints(deployment)
    zones = {len(each.properties["SubnetIds"]) for each in endpoints}
    names = ", ".join(service_name(endpoint_service(each)) for each in endpoints)
    price = _dollars(_endpoint_zones(deployment) * ENDPOINT_ZONE_HOUR * HOURS_A_MONTH)
    return f"{names} in {' or '.join(map(str, sorted(zones)))} zones: {price}"


def _keys(deployment: Deployment) -> str:
    keys = len(deployment.of_type("AWS::KMS::Key"))
    return f"{keys}: {_dollars(keys * KEY_MONTH)}"


def _dollars(amount: float) -> str:
    return f"${amount:.2f}"


def render_stack_contents(deployment: Deployment) -> str:
    """What each stack holds, by type."""
    rows = []
    for stack in deployment.stacks:
        types = Counter(_short(each.type) for each in deployment.resources if each.stack == stack)
        contents = ", ".join(
            name if count == 1 else f"{count} {name}" for name, count in sorted(types.items())
        )
        rows.append((f"`{stack}`", f"{deployment.descriptions[stack]}.", contents))
    return _table(("stack", "what it is", "resources"), rows)


def render_allowed_paths(deployment: Deployment) -> str:
    """All traffic that the security groups let through."""
    groups = {
        each.path: str(each.properties["GroupDescription"])
        for each in deployment.of_type("AWS::EC2::SecurityGroup")
    }
    return _table(
        ("from", "to", "traffic"),
        [
            (
                groups.get(path.source, path.source),
                groups.get(path.target, f"prefix list of {service_name(path.target)}"),
                path.traffic,
            )
            for path in allowed_paths(deployment)
        ],
    )


def render_endpoint_policies(deployment: Deployment) -> str:
    """Who may do what to what through each endpoint."""
    rows = []
    for endpoint in deployment.of_type("AWS::EC2::VPCEndpoint"):
        name = f"{service_name(endpoint_service(endpoint))} ({endpoint.stack})"
        document = endpoint.properties["PolicyDocument"]
        found = zip(document["Statement"], statements(document), strict=True)
        for statement, (_, actions, resources) in found:
            texts = sorted(deployment.text(each) for each in resources)
            who = _who(deployment, statement.get("Condition", {}))
            rows.append(
                (
                    name,
                    who,
                    ", ".join(f"`{action}`" for action in actions),
                    "<br/>".join(f"`{text}`" for text in texts),
                )
            )
    return _table(("endpoint", "who", "actions", "resources"), rows)


def _who(deployment: Deployment, conditions: dict[str, dict[str, object]]) -> str:
    for operator in conditions.values():
        if "aws:PrincipalArn" in operator:
            owners = deployment.owners(operator["aws:PrincipalArn"])
            return ", ".join(f"role {owner.path}" for owner in owners)
        if "aws:PrincipalAccount" in operator:
            return "principals of the account"
    return "anyone"


def render_findings(deployment: Deployment) -> str:
    """Every finding that is acknowledged: where, and why it is no risk here."""
    packs: dict[tuple[str, str], set[str]] = {}
    places: dict[tuple[str, str], dict[str, set[str]]] = {}
    for resource in deployment.resources:
        for each in resource.acknowledgements:
            finding = each.finding.removeprefix(f"{each.pack}-")
            rule, _, detail = finding.partition("[")
            key = (rule, each.reason)
            packs.setdefault(key, set()).add(each.pack)
            details = places.setdefault(key, {}).setdefault(_place(resource), set())
            if detail:
                details.add(
                    deployment.readable(detail.removesuffix("]").removeprefix("Resource::"))
                )
    rows = []
    for (rule, reason), where in sorted(places.items()):
        rows.append(
            (
                rule,
                ", ".join(sorted(packs[rule, reason])),
                _places(deployment, where),
                reason,
            )
        )
    return _table(("rule", "packs", "where", "why it is no risk here"), rows)


def _place(resource: Resource) -> str:
    return f"{resource.stack}/{resource.path}"


def _places(deployment: Deployment, where: dict[str, set[str]]) -> str:
    for stack in deployment.stacks:
        whole = {_place(each) for each in deployment.resources if each.stack == stack}
        if len(whole) > 1 and where.keys() >= whole and not any(where.values()):
            return f"every resource of `{stack}`"
    many = 12
    if len(where) > many and not any(where.values()):
        stacks = sorted({place.partition("/")[0] for place in where})
        return f"{len(where)} resources of {', '.join(f'`{stack}`' for stack in stacks)}"
    return "<br/>".join(
        f"`{place}`" + (f" on {_codes(details)}" if details else "")
        for place, details in sorted(where.items())
    )


def _codes(texts: Iterable[str]) -> str:
    return ", ".join(f"`{text}`" for text in sorted(texts))


def _short(type: str) -> str:
    """`VPCEndpoint` for AWS::EC2::VPCEndpoint."""
    return re.sub(r"^(AWS::\w+|Custom)::", "", type)


def _table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    def line(cells: Sequence[str]) -> str:
        return f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"

    return "\n".join([line(head), "|---" * len(head) + "|", *(line(row) for row in rows)])
