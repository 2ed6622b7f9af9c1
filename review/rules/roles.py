"""Roles: who takes them, and what each may do."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from typing import Final

from review.rules.containment import beyond, missing
from review.rules.design import design_of
from review.rules.environment import POLICY_TYPES, environment_of
from review.rules.keys import account_of
from review.rules.policy_findings import policy_as_designed
from review.rules.rule import (
    Violation,
    at,
    many,
    of_the_whole,
    rule,
    shown,
    unexpected_properties,
)
from review.rules.standards import LEAST_PRIVILEGE, also
from review.rules.statements import Statement, statements
from review.template.deployment import Deployment, Resource

ROLE: Final = "AWS::IAM::Role"
TRUST: Final = "AssumeRolePolicyDocument"

IDENTITY_TYPES: Final = (
    ROLE,
    "AWS::IAM::ManagedPolicy",
    "AWS::IAM::Policy",
    "AWS::IAM::RolePolicy",
    "AWS::IAM::UserPolicy",
    "AWS::IAM::GroupPolicy",
)

_BEDROCK: Final = "Service:bedrock.amazonaws.com"

_CONFUSED: Final = (
    _BEDROCK,
    "Service:vpc-flow-logs.amazonaws.com",
    "Service:scheduler.amazonaws.com",
)
"""Services that tell on whose behalf they take a role, and of which AWS says to ask it."""


def _trust(role: Resource) -> list[Statement]:
    return [each for each in statements(role, TRUST) if each.allows]


def _permissions(resource: Resource) -> list[Statement]:
    """What an identity policy allows: statements without principals."""
    return [
        each
        for each in statements(resource, "PolicyDocument")
        if each.allows and not each.principals and not each.excludes_principals
    ]


@rule(
    id="roles.no-confused-deputy",
    requirement="Every statement that lets Bedrock, flow logs or the scheduler take a role names"
    " the account and the kind of source it acts for.",
    risk="Somebody in another account has the service use our role for a job of his.",
    remedy="Put aws:SourceAccount and aws:SourceArn into the statement itself: a second one without"
    " them would win.",
    step="W11",
    standards=also(LEAST_PRIVILEGE, prowler="iam_role_cross_service_confused_deputy_prevention"),
)
def roles_are_guarded_against_confused_deputies(deployment: Deployment) -> Iterator[Violation]:
    """Of a source that Bedrock's customization jobs have, for Bedrock."""
    for role in deployment.of_type(ROLE):
        for each in _trust(role):
            named = [principal for principal in each.principals if principal in _CONFUSED]
            if not named:
                continue
            for key in ("aws:SourceAccount", "aws:SourceArn"):
                if not each.requires(key):
                    yield at(role, f"{each} admits {named[0]} without {key}", each.path)
            accounts = _required(each, "aws:sourceaccount")
            if accounts - {deployment.account}:
                yield at(role, f"{each} admits accounts {sorted(accounts)}", each.path)
            for source in sorted(_required(each, "aws:sourcearn")):
                parts = source.split(":")
                if len(parts) < 6 or parts[4] != deployment.account or "*" in parts[2]:
                    yield at(role, f"{each} admits the source {source}", each.path)


def _required(each: Statement, key: str) -> set[str]:
    return {value for _, name, values in each.conditions if name == key for value in values}


@rule(
    id="roles.taken-by-no-stranger",
    requirement="No role is taken by everybody, by another account's root, or by an identity"
    " provider without a condition on whom it has identified.",
    risk="A stranger works with the role's permissions.",
    remedy="Name roles of the account, or add a condition on the subject.",
    step="W11",
    standards=LEAST_PRIVILEGE,
)
def roles_are_taken_by_no_stranger(deployment: Deployment) -> Iterator[Violation]:
    """Trust policies of all roles."""
    for role in deployment.of_type(ROLE):
        if not isinstance(role[TRUST], dict):
            yield at(role, "no trust policy", TRUST)
        for each in _trust(role):
            if each.anybody and not each.requires("aws:PrincipalArn", "aws:PrincipalOrgID"):
                yield at(role, f"{each} admits everybody", each.path)
            if each.excludes_actions or "*" in each.actions or "sts:*" in each.actions:
                yield at(role, f"{each} allows any way to take it", each.path)
            for principal in each.principals:
                account = account_of(principal)
                if account is not None and account != deployment.account:
                    yield at(role, f"{each} admits the account {account}", each.path)
                if principal == f"AWS:{deployment.arn('iam', 'root')}" and not each.requires(
                    "aws:PrincipalArn", "aws:PrincipalTag", "aws:userid"
                ):
                    yield at(role, f"{each} admits the whole account", each.path)
                if principal.startswith(("Federated:", "CanonicalUser:")) and not any(
                    key.endswith((":sub", ":aud")) for _, key, _ in each.conditions
                ):
                    yield at(role, f"{each} admits whomever {principal} does", each.path)


@rule(
    id="roles.no-broad-policies",
    requirement="No policy of AWS's that is made for administrators, developers or whole services"
    " is attached to a role.",
    risk="The role may do what nobody decided, and AWS adds to it.",
    remedy="Write a policy of what the role does.",
    step="W11",
    standards=also(
        LEAST_PRIVILEGE,
        prowler=(
            "iam_aws_attached_policy_no_administrative_privileges",
            "iam_role_administratoraccess_policy",
            "bedrock_full_access_policy_attached",
        ),
    ),
)
def no_broad_managed_policies(deployment: Deployment) -> Iterator[Violation]:
    """By their names."""
    for resource in deployment.of_type(ROLE, "AWS::IAM::User", "AWS::IAM::Group"):
        for arn in many(resource["ManagedPolicyArns"]):
            if ":iam::aws:policy/" in str(arn) and _BROAD.search(str(arn)):
                yield at(resource, f"has {arn}", "ManagedPolicyArns")


_BROAD: Final = re.compile(
    r"FullAccess|PowerUser|Administrator|ReadOnlyAccess$|SecurityAudit|job-function/"
)


@rule(
    id="roles.no-wildcards",
    requirement="No policy allows all actions of a service, all but some, or actions on data,"
    " keys, functions and roles on every resource.",
    risk="The role reads, decrypts or becomes whatever there is in the account.",
    remedy="Name the actions and the resources.",
    step="W11",
    standards=also(
        LEAST_PRIVILEGE,
        prowler=(
            "iam_inline_policy_no_administrative_privileges",
            "iam_customer_attached_policy_no_administrative_privileges",
            "iam_policy_no_full_access_to_kms",
            "iam_inline_policy_no_full_access_to_kms",
        ),
    ),
)
def policies_have_no_wildcards(deployment: Deployment) -> Iterator[Violation]:
    """A condition does not excuse a wildcard action; for `kms:`, one on the service does."""
    for resource in deployment.of_type(*IDENTITY_TYPES):
        for each in _permissions(resource):
            if each.excludes_actions or each.excludes_resources:
                yield at(resource, f"{each} allows everything but some", each.path)
            for action in () if each.excludes_actions else each.actions:
                if action == "*" or action.endswith(":*"):
                    yield at(resource, f"{each} allows {action}", each.path)
                elif (
                    _everywhere(each)
                    and _SENSITIVE.match(action)
                    and action not in _WITHOUT_RESOURCE
                    and not (action in _LOG_DELIVERY and _for_state_machines(resource, deployment))
                    and not (action.startswith("kms:") and each.requires("kms:ViaService"))
                ):
                    yield at(resource, f"{each} allows {action} everywhere", each.path)


_SENSITIVE: Final = re.compile(
    r"(s3|kms|iam|sts|dynamodb|lambda|secretsmanager|ssm|sns|sqs|states|logs):(?!list|describe)|"
    r"bedrock:(create|delete|invoke|put|stop|tag|update)"
)
# The one configuration of an account and Region is no resource.
# https://docs.aws.amazon.com/service-authorization/latest/reference/list_amazonbedrock.html
_WITHOUT_RESOURCE: Final = {
    "bedrock:deletemodelinvocationloggingconfiguration",
    "bedrock:putmodelinvocationloggingconfiguration",
}
_LOG_DELIVERY: Final = {
    "logs:createlogdelivery",
    "logs:deletelogdelivery",
    "logs:getlogdelivery",
    "logs:listlogdeliveries",
    "logs:putresourcepolicy",
    "logs:updatelogdelivery",
}
"""Actions that know no resource, of which Step Functions needs these to write a log.

https://docs.aws.amazon.com/step-functions/latest/dg/cw-logs.html
"""
_ALL_OF_A_KIND: Final = re.compile(
    r"\*|arn:[^:]*:s3:::\*(/.*)?|arn:[^:]*:(kms|iam):[^:]*:[^:]*:[a-z]+/\*"
)


def _for_state_machines(resource: Resource, deployment: Deployment) -> bool:
    """Whether a policy is for roles alone that Step Functions takes for state machines it names."""
    names = {resource.ref} if resource.type == ROLE else set(map(str, many(resource["Roles"])))
    roles = [role for role in deployment.of_type(ROLE) if role.ref in names]
    return bool(names) and len(roles) == len(names) and all(map(of_named_state_machines, roles))


def of_named_state_machines(role: Resource) -> bool:
    """Whether Step Functions alone takes a role, for state machines that its trust names."""
    trusted = _trust(role)
    return bool(trusted) and all(
        each.principals == ("Service:states.amazonaws.com",) and each.requires("aws:SourceArn")
        for each in trusted
    )


def _everywhere(each: Statement) -> bool:
    return any(_ALL_OF_A_KIND.fullmatch(name) for name in each.resources)


@rule(
    id="roles.no-escalation",
    requirement="No policy lets a role change policies, take other roles' credentials, or pass a"
    " role without naming it and the service it is for.",
    risk="Who has the role gives himself every other permission.",
    remedy="Name the role in iam:PassRole, with iam:PassedToService; leave IAM to deployments.",
    step="W11",
    standards=also(
        LEAST_PRIVILEGE,
        prowler=(
            "iam_inline_policy_allows_privilege_escalation",
            "iam_policy_allows_privilege_escalation",
        ),
    ),
)
def no_role_raises_itself(deployment: Deployment) -> Iterator[Violation]:
    """Writes of IAM, whatever their resource."""
    for resource in deployment.of_type(*IDENTITY_TYPES):
        for each in _permissions(resource):
            for action in () if each.excludes_actions else each.actions:
                if action.startswith("iam:passrole") and not each.requires("iam:PassedToService"):
                    yield at(resource, f"{each} passes roles to any service", each.path)
                elif _IAM_WRITE.match(action):
                    yield at(resource, f"{each} allows {action}", each.path)


_IAM_WRITE: Final = re.compile(
    r"iam:(add|attach|create(?!servicelinked)|delete|detach|put|remove|set|update|upload|\*)"
)


@rule(
    id="roles.jobs-own-interfaces",
    requirement="A role of Bedrock makes network interfaces in named subnets and changes only those"
    " that carry a job's tags.",
    risk="A job puts an interface into any network of the account, or takes away somebody's.",
    remedy="Name the subnets and groups, and ask for the tags BedrockManaged and"
    " BedrockModelCustomizationJobArn.",
    step="W11",
    standards=LEAST_PRIVILEGE,
)
def jobs_touch_their_own_interfaces(deployment: Deployment) -> Iterator[Violation]:
    """Roles that Bedrock takes.

    https://docs.aws.amazon.com/bedrock/latest/userguide/custom-model-job-access-security.html
    """
    taken = {
        role.ref
        for role in deployment.of_type(ROLE)
        if any(_BEDROCK in each.principals for each in _trust(role))
    }
    for resource in deployment.of_type(*IDENTITY_TYPES):
        names = {resource.ref} if resource.type == ROLE else set(map(str, many(resource["Roles"])))
        if not names & taken:
            continue
        for each in _permissions(resource):
            for action in each.actions:
                if not action.startswith("ec2:") or action.startswith("ec2:describe"):
                    continue
                named = all("/" in name and name != "*" for name in each.resources)
                kinds = {name.rsplit(":", maxsplit=1)[-1] for name in each.resources}
                free = "*" in each.resources or "network-interface/*" in kinds or not named
                tagged = any(
                    key.startswith(("aws:requesttag/", "aws:resourcetag/", "ec2:resourcetag/"))
                    or key == "ec2:createaction"
                    for _, key, _ in each.conditions
                )
                if free and not tagged:
                    yield at(resource, f"{each} allows {action} on any interface", each.path)


@rule(
    id="roles.no-users",
    requirement="Templates make no users, groups or access keys.",
    risk="A key that never ends is found in a file years later.",
    remedy="Let people take roles.",
    step="W1",
    standards=also(LEAST_PRIVILEGE, prowler="iam_policy_attached_only_to_group_or_roles"),
)
def no_users_or_access_keys(deployment: Deployment) -> Iterator[Violation]:
    """And no policy is attached to one, or identity provider made."""
    for resource in deployment.of_type(
        "AWS::IAM::User",
        "AWS::IAM::AccessKey",
        "AWS::IAM::Group",
        "AWS::IAM::UserToGroupAddition",
        "AWS::IAM::UserPolicy",
        "AWS::IAM::GroupPolicy",
        "AWS::IAM::OIDCProvider",
        "AWS::IAM::SAMLProvider",
    ):
        yield at(resource, "people come by roles")
    for policy in deployment.of_type(*POLICY_TYPES):
        for name in ("Users", "Groups"):
            if policy[name]:
                yield at(policy, f"attached to {name} {shown(policy[name])}", name)


@rule(
    id="roles.inference-through-endpoints",
    requirement="Who may call models by a policy of these templates may do so through an endpoint.",
    risk="Prompts and answers cross the Internet; a leaked session works from anywhere.",
    remedy="Add aws:SourceVpce with the endpoint of bedrock-runtime as a condition.",
    step="W16",
    standards={
        "Well-Architected Generative AI Lens": ("GENSEC01-BP02",),
        "Prowler": ("bedrock_vpc_endpoints_configured",),
    },
    level="warning",
)
def models_are_called_through_endpoints(deployment: Deployment) -> Iterator[Violation]:
    """Calls of models, not of customization."""
    for resource in deployment.of_type(*IDENTITY_TYPES):
        for each in _permissions(resource):
            calls = [
                a for a in each.actions if a.startswith(("bedrock:invoke", "bedrock:converse"))
            ]
            if calls and not each.requires("aws:SourceVpce", "aws:SourceVpc"):
                yield at(resource, f"{each} allows {calls[0]} from anywhere", each.path)


@rule(
    id="roles.taken-as-designed",
    requirement="Each role is taken by one service, or by the named people, under every condition"
    " of the design; no other role exists.",
    risk="Somebody else works with a role of the app.",
    remedy="Take the change back, or change the design in review/rules/design.py with it.",
    step="W11",
    standards=LEAST_PRIVILEGE,
    profile="app",
)
def roles_are_taken_only_by(deployment: Deployment) -> Iterator[Violation]:
    """Each role's trust policy, by containment."""
    environment = environment_of(deployment)
    expected = design_of(environment).trust
    roles = deployment.of_type(ROLE)
    for name in sorted(set(expected) - {role.ref for role in roles}):
        yield of_the_whole(f"role missing: {name}")
    named = Counter(role.ref for role in roles)
    for role in roles:
        if named[role.ref] > 1:
            yield at(role, "two roles of one name", "RoleName")
        if role.ref not in expected:
            yield at(role, "a role that the design does not know")
        yield from policy_as_designed(role, TRUST, expected.get(role.ref, set()))
        yield from unexpected_properties(
            role,
            {},
            also={
                TRUST, "Description", "ManagedPolicyArns", "PermissionsBoundary", "Policies",
                "RoleName", "Tags",
            },
        )  # fmt: skip


@rule(
    id="roles.people-are-named",
    requirement="The people of the settings are roles and users by name, not whole accounts.",
    risk="Everybody in the account pushes data, or reads it.",
    remedy="Name roles under `people`; a `*` stands for a part of a name, never for all of it.",
    step="W1",
    standards=LEAST_PRIVILEGE,
    profile="app",
)
def people_are_named(deployment: Deployment) -> Iterator[Violation]:
    """In trust policies, the model key's policy and the bucket's."""
    for who, patterns in sorted(environment_of(deployment).people.items()):
        if not patterns and who != "invokers":
            yield of_the_whole(f"no {who}")
        for pattern in patterns:
            name = re.fullmatch(r"arn:[a-z-]+:iam::\d{12}:(?:role|user)/([\w+=,.@/*?-]+)", pattern)
            if name is None or not re.search(r"[A-Za-z0-9]", name[1]):
                yield of_the_whole(f"{who}: {pattern} names nobody in particular")


@rule(
    id="roles.customization-guarded",
    requirement="Account and job stand inside the only statement of the customization role's trust"
    " policy.",
    risk="Allow statements are a union: one without conditions undoes the one that has them.",
    remedy="Take the change back.",
    step="W11",
    standards=LEAST_PRIVILEGE,
    profile="app",
)
def the_customization_role_is_guarded_against_confused_deputies(
    deployment: Deployment,
) -> Iterator[Violation]:
    """The conditions themselves are with the other roles' in `roles.taken-as-designed`."""
    environment = environment_of(deployment)
    name = environment.role_names["customization"]
    role = next((each for each in deployment.of_type(ROLE) if each.ref == name), None)
    if role is None:
        yield of_the_whole(f"no role {name}")
        return
    when = {
        key
        for each in _trust(role)
        for operator, key, _ in each.conditions
        if operator in {"StringEquals", "ArnEquals", "ArnLike", "StringLike"}
    }
    for key in ("aws:SourceAccount", "aws:SourceArn"):
        if key.lower() not in when:
            yield at(role, f"its trust does not ask for {key}", TRUST)
    if any(not _CONDITIONED.issubset({k for _, k, _ in e.conditions}) for e in _trust(role)):
        yield at(role, "a statement without the conditions of the others", TRUST)
    if "AmazonBedrock" not in name:
        yield at(role, "no AmazonBedrock in its name", "RoleName")


_CONDITIONED: Final = {"aws:sourceaccount", "aws:sourcearn"}


@rule(
    id="roles.allowed-as-designed",
    requirement="Everything attached to a role, inline or managed, is within what the design says,"
    " and all of that is there.",
    risk="A role may do what nobody decided, or not what the app needs.",
    remedy="Take the change back, or change the design in review/rules/design.py with it.",
    step="W11",
    standards=LEAST_PRIVILEGE,
    profile="app",
)
def roles_may_do_only_this(deployment: Deployment) -> Iterator[Violation]:
    """All policies of a role together: how they are divided says nothing."""
    environment = environment_of(deployment)
    expected = design_of(environment).role_policies
    roles = {role.ref: role for role in deployment.of_type(ROLE)}
    policies = deployment.of_type(*POLICY_TYPES)
    found = {name: set(role.inline_grants) for name, role in roles.items()}
    for policy in policies:
        for name in policy["Roles"] or []:
            found.setdefault(str(name), set()).update(policy.grants("PolicyDocument"))
        yield from unexpected_properties(
            policy,
            {"Path": "/"} if policy.type == "AWS::IAM::ManagedPolicy" else {},
            also={"Description", "ManagedPolicyName", "PolicyDocument", "PolicyName", "Roles"},
        )
        for name in policy["Roles"] or []:
            if name not in roles:
                yield at(policy, f"policy on a role of another app: {name}", "Roles")
    for name in sorted({*roles, *expected}):
        said, wanted = found.get(name, set()), expected.get(name, set())
        place = roles.get(name)
        for word, grants in (
            ("unexpected", beyond(said, wanted)),
            ("missing", missing(said, wanted)),
        ):
            for grant in grants:
                message = f"{word}: {grant}"
                yield at(place, message) if place else of_the_whole(f"role {name}: {message}")
        if place is not None and place["ManagedPolicyArns"]:
            yield at(place, f"managed policies {place['ManagedPolicyArns']}", "ManagedPolicyArns")


@rule(
    id="roles.bounded-alike",
    requirement="One permissions boundary is on every role, or none is on any.",
    risk="A role without the boundary may be given what the organization forbids.",
    remedy="Set permissions_boundary in the settings: it is put on every role.",
    step="W11",
    standards=LEAST_PRIVILEGE,
    profile="app",
)
def every_role_is_bounded(deployment: Deployment) -> Iterator[Violation]:
    """Whether there is one is the settings' to say."""
    roles = deployment.of_type(ROLE)
    boundaries = Counter(str(role["PermissionsBoundary"]) for role in roles)
    common = boundaries.most_common(1)[0][0] if boundaries else "None"
    for role in roles:
        if str(role["PermissionsBoundary"]) != common:
            value = shown(role["PermissionsBoundary"])
            yield at(
                role, f"permissions boundary {value}, most have {common}", "PermissionsBoundary"
            )
