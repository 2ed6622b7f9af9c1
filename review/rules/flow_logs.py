"""Flow logs: every packet of the network leaves a line."""

from __future__ import annotations

from collections.abc import Iterator

from review.rules.environment import environment_of
from review.rules.rule import Violation, at, of_the_whole, rule, shown, unexpected_properties
from review.rules.standards import LOGGED, also
from review.template.deployment import Deployment


@rule(
    id="flow-logs.every-vpc",
    requirement="Every VPC has a flow log of accepted and refused traffic.",
    risk="Nobody can tell afterwards whether data left, or who tried.",
    remedy="Add an AWS::EC2::FlowLog of the VPC with TrafficType ALL.",
    step="W6",
    standards=also(
        LOGGED,
        prowler="vpc_flow_logs_enabled",
        datadog="cloudformation-aws-vpc-flowlogs-disabled",
    ),
)
def every_vpc_is_logged(deployment: Deployment) -> Iterator[Violation]:
    """A log of the VPC itself: one of a subnet or interface leaves the others out."""
    logged = {
        str(log["ResourceId"])
        for log in deployment.of_type("AWS::EC2::FlowLog")
        if log["ResourceType"] == "VPC" and log["TrafficType"] == "ALL"
    }
    for vpc in deployment.of_type("AWS::EC2::VPC"):
        if vpc.ref not in logged:
            yield at(vpc, "no flow log of all its traffic")


@rule(
    id="flow-logs.complete",
    requirement="Flow logs hold all traffic and go to a group or bucket that these templates make.",
    risk="Logs of refused traffic alone do not show what was taken; ones elsewhere are not ours.",
    remedy="Set TrafficType to ALL, and name a log group of the same templates.",
    step="W6",
    standards=LOGGED,
)
def flow_logs_are_complete(deployment: Deployment) -> Iterator[Violation]:
    """What each flow log says of itself."""
    groups = deployment.of_type("AWS::Logs::LogGroup")
    buckets = deployment.of_type("AWS::S3::Bucket")
    for log in deployment.of_type("AWS::EC2::FlowLog"):
        if log["TrafficType"] != "ALL":
            yield at(log, f"TrafficType is {shown(log['TrafficType'])}", "TrafficType")
        to = str(log["LogDestination"] or log["LogGroupName"])
        if not any(to in (each.ref, each.arn) for each in groups) and not any(
            to == each.arn or to.startswith(f"{each.arn}/") for each in buckets
        ):
            yield at(log, f"goes to {to}, which these templates do not make", "LogGroupName")
        if log["DeliverCrossAccountRole"] is not None:
            yield at(log, "is delivered to another account", "DeliverCrossAccountRole")


@rule(
    id="flow-logs.as-designed",
    requirement="One flow log of the VPC, each minute, by a role of its own, to its own log group.",
    risk="Traffic is logged late, elsewhere or not at all.",
    remedy="Take the change back.",
    step="W6",
    standards=LOGGED,
    profile="app",
)
def all_traffic_is_logged(deployment: Deployment) -> Iterator[Violation]:
    """Every property of the log, and that it waits for the permission to write."""
    environment = environment_of(deployment)
    logs = deployment.of_type("AWS::EC2::FlowLog")
    if len(logs) != 1:
        yield of_the_whole(f"{len(logs)} of AWS::EC2::FlowLog, expected 1")
    for log in logs:
        yield from unexpected_properties(
            log,
            {
                "ResourceId": environment.vpc.ref if environment.vpc else None,
                "ResourceType": "VPC",
                "TrafficType": "ALL",
                "LogDestinationType": "cloud-watch-logs",
                "LogGroupName": f"/finetune/{environment.name}/flow-logs",
                "DeliverLogsPermissionArn": environment.roles["flow-logs"],
                "MaxAggregationInterval": 60,
            },
            also={"Tags"},
        )
        if not log.attribute("DependsOn"):
            yield at(log, "does not wait for the permission to write")
