"""Controls of the roles: who takes them, and what each may do."""

from __future__ import annotations

from review.template.policies import MalformedPolicyError, difference
from tests.security.app_deployment import AppDeployment
from tests.security.control import control, policy_findings, property_findings, role_grants
from tests.security.groups import groups_in_use
from tests.security.permissions import permissions_of


@control
def roles_are_taken_only_by(deployment: AppDeployment) -> list[str]:
    """Each role's trust policy: one service or the named people, with every condition inside."""
    permissions = permissions_of(deployment)
    expected = permissions.trust
    roles = deployment.of_type("AWS::IAM::Role")
    findings = [
        f"role missing: {name}" for name in sorted(set(expected) - {role.ref for role in roles})
    ]
    for role in roles:
        if role.ref not in expected:
            findings.append(f"{role}: a role that the design does not know")
        findings += policy_findings(role, "AssumeRolePolicyDocument", expected.get(role.ref, set()))
        findings += property_findings(
            role,
            {},
            also={
                "AssumeRolePolicyDocument",
                "Description",
                "ManagedPolicyArns",
                "PermissionsBoundary",
                "Policies",
                "RoleName",
                "Tags",
            },
        )
    return findings


@control
def the_customization_role_is_guarded_against_confused_deputies(
    deployment: AppDeployment,
) -> list[str]:
    """Account and job stand inside the only statement of the trust policy."""
    name = permissions_of(deployment).names["customization"]
    role = next((each for each in deployment.of_type("AWS::IAM::Role") if each.ref == name), None)
    if role is None:
        return [f"no role {name}"]
    statements = role["AssumeRolePolicyDocument.Statement"]
    if len(statements) != 1:
        return [f"{role}: {len(statements)} statements; Allow statements are a union"]
    when = {
        key: value
        for operator, keys in statements[0].get("Condition", {}).items()
        if operator in {"StringEquals", "ArnEquals"}
        for key, value in keys.items()
    }
    findings = []
    if when.get("aws:SourceAccount") != deployment.account:
        findings.append(f"{role}: aws:SourceAccount is {when.get('aws:SourceAccount')}")
    if when.get("aws:SourceArn") != deployment.arn("bedrock", "model-customization-job/*"):
        findings.append(f"{role}: aws:SourceArn is {when.get('aws:SourceArn')}")
    if "AmazonBedrock" not in name:
        findings.append(f"{role}: no AmazonBedrock in its name")
    return findings


@control
def roles_may_do_only_this(deployment: AppDeployment) -> list[str]:
    """Everything attached to a role, inline or managed, is exactly what the design says."""
    permissions = permissions_of(deployment)
    group = groups_in_use(deployment).job
    expected = permissions.role_policies(str(group))
    roles = {role.ref for role in deployment.of_type("AWS::IAM::Role")}
    findings = []
    for name in sorted(roles | set(expected)):
        try:
            found = role_grants(deployment, name)
        except MalformedPolicyError as error:
            findings.append(f"role {name}: {error}")
            continue
        findings += difference(f"role {name}", found=found, expected=expected.get(name, set()))
    attached: set[str] = set()
    for policy in deployment.of_type("AWS::IAM::ManagedPolicy", "AWS::IAM::Policy"):
        attached.update(policy["Roles"] or [])
        findings += property_findings(
            policy,
            {"Path": "/"} if policy.type == "AWS::IAM::ManagedPolicy" else {},
            also={"Description", "PolicyDocument", "PolicyName", "Roles"},
        )
    findings += [f"policy on a role of another app: {name}" for name in sorted(attached - roles)]
    return findings


@control
def every_role_is_bounded(deployment: AppDeployment) -> list[str]:
    """The permissions boundary of the settings is on every role, or on none."""
    name = deployment.settings.permissions_boundary
    arn = (
        name if name is None or name.startswith("arn:") else deployment.arn("iam", f"policy/{name}")
    )
    return [
        f"{role}: permissions boundary {role['PermissionsBoundary']}, expected {arn}"
        for role in deployment.of_type("AWS::IAM::Role")
        if role["PermissionsBoundary"] != arn
    ]
