"""`AWS::EC2::FlowLog`, over MiniStack's own EC2 store."""

from __future__ import annotations

from typing import Any

from ministack.services import cloudwatch_logs, ec2
from ministack.services.cloudformation import provisioners

from rehearsal.emulator import principals
from rehearsal.emulator.cloudformation.handlers import HANDLERS, Properties, RefusedError

_CLOUD_WATCH = "cloud-watch-logs"
_STORES = {"VPC": ec2._vpcs, "Subnet": ec2._subnets, "NetworkInterface": ec2._network_interfaces}
_FLOW_LOGS = "vpc-flow-logs.amazonaws.com"


def _log_group(properties: Properties) -> str:
    destination = str(properties.get("LogDestination") or "")
    return str(
        properties.get("LogGroupName") or destination.removesuffix(":*").partition(":log-group:")[2]
    )


def _check(properties: Properties) -> str:
    resource = str(properties["ResourceId"])
    if resource not in _STORES.get(str(properties["ResourceType"]), {}):
        raise RefusedError(
            f"The {properties['ResourceType']} '{resource}' does not exist (Service: Ec2, "
            "Status Code: 400)"
        )
    kind = str(properties.get("LogDestinationType", _CLOUD_WATCH))
    if kind == _CLOUD_WATCH:
        role = properties.get("DeliverLogsPermissionArn")
        if not role:
            raise RefusedError(
                "DeliverLogsPermissionArn can't be empty if LogDestinationType is "
                f"{_CLOUD_WATCH} (Service: Ec2, Status Code: 400)"
            )
        if not principals.trusts_service(role_arn=role, service=_FLOW_LOGS, keys=_trust_keys()):
            raise RefusedError(
                f"Unable to assume given IAM role {role} (Service: Ec2, Status Code: 400)"
            )
        if _log_group(properties) not in cloudwatch_logs._log_groups:
            raise RefusedError(f"the log group {_log_group(properties)} does not exist")
    return kind


def _trust_keys() -> dict[str, str]:
    account, region = provisioners.get_account_id(), provisioners.get_region()
    return {
        "aws:SourceAccount": account,
        "aws:SourceArn": f"arn:aws:ec2:{region}:{account}:vpc-flow-log/fl-0123456789abcdef0",
    }


def _create(logical_id: str, properties: Properties, stack_name: str) -> Any:
    kind = _check(properties)
    before = set(ec2._flow_logs)
    ec2._create_flow_logs(
        {
            "ResourceId.1": [properties["ResourceId"]],
            "ResourceType": [properties["ResourceType"]],
            "TrafficType": [properties.get("TrafficType", "ALL")],
            "LogDestinationType": [kind],
            "LogGroupName": [_log_group(properties)],
            "LogDestination": [properties.get("LogDestination") or ""],
        }
    )
    flow_log_id = (set(ec2._flow_logs) - before).pop()
    record = ec2._flow_logs[flow_log_id]
    record["DeliverLogsPermissionArn"] = properties.get("DeliverLogsPermissionArn")
    record["MaxAggregationInterval"] = properties.get("MaxAggregationInterval", 600)
    record["LogFormat"] = properties.get("LogFormat")
    provisioners._ec2_apply_tags(flow_log_id, properties)
    return flow_log_id, {"Id": flow_log_id}


def _delete(physical_id: str, properties: Properties) -> None:
    ec2._delete_flow_logs({"FlowLogId.1": [physical_id]})


def _update(
    physical_id: str,
    old: Properties,
    new: Properties,
    stack_name: str,
    logical_id: str | None = None,
) -> Any:
    def without_tags(properties: Properties) -> Properties:
        return {k: v for k, v in properties.items() if k != "Tags"}

    if without_tags(old) == without_tags(new):
        provisioners._ec2_apply_tags(physical_id, new, old)
        return physical_id, {"Id": physical_id}
    made = _create(logical_id or physical_id, new, stack_name)
    _delete(physical_id, old)
    return made


def install() -> None:
    """Register the type."""
    HANDLERS["AWS::EC2::FlowLog"] = {
        "create": _create,
        "delete": _delete,
        "update": _update,
        "update_with_logical_id": True,
    }
