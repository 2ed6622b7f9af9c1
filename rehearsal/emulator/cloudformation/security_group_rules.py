"""`AWS::EC2::SecurityGroupIngress` and `…Egress`, over MiniStack's own EC2 store."""

from __future__ import annotations

from typing import Any

from ministack.services import ec2
from ministack.services.cloudformation import provisioners

from rehearsal.emulator.cloudformation.handlers import HANDLERS, Handler, Properties, RefusedError

_GROUP_PROPERTIES = ("SourceSecurityGroupId", "DestinationSecurityGroupId")


def _group(properties: Properties) -> dict[str, Any]:
    for group_id in (
        properties.get("GroupId"),
        *(properties[name] for name in _GROUP_PROPERTIES if properties.get(name)),
    ):
        if group_id not in ec2._security_groups:
            raise RefusedError(
                f"The security group '{group_id}' does not exist (Service: Ec2, Status Code: 400)"
            )
    return ec2._security_groups[properties["GroupId"]]  # type: ignore[no-any-return]  # untyped


def _is_allow_all(rule: dict[str, Any]) -> bool:
    return (
        rule["IpProtocol"] == "-1"
        and [r.get("CidrIp") for r in rule["IpRanges"]] == ["0.0.0.0/0"]
        and not rule.get("SecurityGroupRuleId")
    )


def _rule_type(store_key: str) -> Handler:
    egress = store_key == "IpPermissionsEgress"

    def create(logical_id: str, properties: Properties, stack_name: str) -> Any:
        group = _group(properties)
        rule = provisioners._ec2_sg_permissions([properties])[0]
        if any(ec2._rules_match(rule, present) for present in group[store_key]):
            raise RefusedError(
                "the specified rule already exists (Service: Ec2, Status Code: 400, "
                "InvalidPermission.Duplicate)"
            )
        if egress:
            # A group made without egress rules allows all; CloudFormation removes that rule
            # together with the first standalone egress rule.
            group[store_key][:] = [r for r in group[store_key] if not _is_allow_all(r)]
        rule_id = ec2._sg_rule_id(properties["GroupId"], egress, rule)
        rule["SecurityGroupRuleId"] = rule_id
        group[store_key].append(rule)
        return rule_id, {"Id": rule_id}

    def delete(physical_id: str, properties: Properties) -> None:
        group = ec2._security_groups.get(properties.get("GroupId"))
        if group:
            group[store_key][:] = [
                rule for rule in group[store_key] if rule.get("SecurityGroupRuleId") != physical_id
            ]

    def update(
        physical_id: str,
        old: Properties,
        new: Properties,
        stack_name: str,
        logical_id: str | None = None,
    ) -> Any:
        def without_description(properties: Properties) -> Properties:
            return {k: v for k, v in properties.items() if k != "Description"}

        if without_description(old) == without_description(new):
            return physical_id, {"Id": physical_id}
        made = create(logical_id or physical_id, new, stack_name)
        delete(physical_id, old)
        return made

    return {"create": create, "delete": delete, "update": update, "update_with_logical_id": True}


def install() -> None:
    """Register both types."""
    HANDLERS["AWS::EC2::SecurityGroupIngress"] = _rule_type("IpPermissions")
    HANDLERS["AWS::EC2::SecurityGroupEgress"] = _rule_type("IpPermissionsEgress")
