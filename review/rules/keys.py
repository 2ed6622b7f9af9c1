"""Keys: whose they are, how long they last and who uses them."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from review.rules.containment import covers_action
from review.rules.design import design_of
from review.rules.environment import MISSING, Environment, environment_of
from review.rules.policy_findings import policy_as_designed
from review.rules.rule import Violation, at, of_the_whole, rule, shown, unexpected_properties
from review.rules.standards import ENCRYPTED, KEY_MANAGEMENT, LEAST_PRIVILEGE, also
from review.rules.statements import statements
from review.template.deployment import Deployment, Resource
from review.template.policies import Grant

KEY: Final = "AWS::KMS::Key"
_KEYS: Final = (KEY, "AWS::KMS::ReplicaKey")


@rule(
    id="keys.rotate",
    requirement="Every symmetric key rotates.",
    risk="All data of all years hangs on one piece of key material.",
    remedy="Set EnableKeyRotation to true; it costs nothing to use, and nothing is encrypted anew.",
    step="W3",
    standards=also(
        KEY_MANAGEMENT,
        prowler="kms_cmk_rotation_enabled",
        datadog="cloudformation-aws-cmk-rotation-disabled",
    ),
)
def keys_rotate(deployment: Deployment) -> Iterator[Violation]:
    """Explicitly; and not less often than AWS does by itself."""
    for key in deployment.of_type(KEY):
        if key["EnableKeyRotation"] is not True:
            value = shown(key["EnableKeyRotation"])
            yield at(key, f"EnableKeyRotation is {value}, expected True", "EnableKeyRotation")
        days = key["RotationPeriodInDays"]
        if days is not None and int(days) > 365:
            yield at(key, f"RotationPeriodInDays is {days}", "RotationPeriodInDays")


@rule(
    id="keys.symmetric-and-ours",
    requirement="Keys are symmetric, enabled, made by KMS in one Region.",
    risk="S3 and Bedrock take no other kind; imported material may vanish, a copy in another"
    " Region has a policy of its own.",
    remedy="Leave KeySpec, KeyUsage, Origin, MultiRegion and Enabled at their defaults.",
    step="W3",
    standards=also(KEY_MANAGEMENT, prowler="kms_cmk_not_multi_region"),
)
def keys_are_symmetric_and_ours(deployment: Deployment) -> Iterator[Violation]:
    """What is absent is AWS's default: enabled, symmetric, encrypt and decrypt, one Region."""
    defaults = {
        "Enabled": True,
        "KeySpec": "SYMMETRIC_DEFAULT",
        "KeyUsage": "ENCRYPT_DECRYPT",
        "MultiRegion": False,
        "Origin": "AWS_KMS",
    }
    for key in deployment.of_type(KEY):
        for name, default in defaults.items():
            if key[name] not in (None, default):
                yield at(key, f"{name} is {shown(key[name])}, expected {default}", name)
    for key in deployment.of_type("AWS::KMS::ReplicaKey"):
        yield at(key, "a copy of a key of another Region")


@rule(
    id="keys.deleted-slowly",
    requirement="A key that is deleted can be saved for a week or longer.",
    risk="A mistake, or an attacker, destroys all data in the time nobody looks.",
    remedy="Set PendingWindowInDays between 7 and 30; 30 is the default.",
    step="W17",
    standards=KEY_MANAGEMENT,
)
def keys_are_deleted_slowly(deployment: Deployment) -> Iterator[Violation]:
    """7 days are the least that KMS takes, and what is absent means 30."""
    for key in deployment.of_type(*_KEYS):
        days = key["PendingWindowInDays"]
        if days is not None and not 7 <= int(days) <= 30:
            yield at(key, f"PendingWindowInDays is {days}, expected 7 to 30", "PendingWindowInDays")


@rule(
    id="keys.not-for-everybody",
    requirement="A key's policy admits nobody without naming the account, the principal or the"
    " source the request must come from.",
    risk="Anybody with the ciphertext, in any account, decrypts it.",
    remedy="Name principals, and for services add aws:SourceAccount, aws:SourceArn or an encryption"
    " context.",
    step="W12",
    standards=also(LEAST_PRIVILEGE, prowler="kms_key_not_publicly_accessible"),
)
def keys_are_not_for_everybody(deployment: Deployment) -> Iterator[Violation]:
    """Everybody, and services that act for everybody."""
    for key in deployment.of_type(*_KEYS):
        for each in statements(key, "KeyPolicy"):
            if not each.allows:
                continue
            if each.anybody and not each.requires(*_CALLER):
                yield at(key, f"{each} admits everybody", each.path)
            services = [name for name in each.principals if name.startswith("Service:")]
            if services and not (
                each.requires(*_CALLER, *_SOURCE)
                or any(k.startswith("kms:encryptioncontext:") for _, k, _ in each.conditions)
            ):
                yield at(key, f"{each} admits {services[0]} for any account", each.path)


_CALLER: Final = (
    "kms:CallerAccount", "aws:PrincipalAccount", "aws:PrincipalArn", "aws:PrincipalOrgID",
    "aws:SourceAccount", "aws:userid",
)  # fmt: skip
_SOURCE: Final = ("aws:SourceAccount", "aws:SourceArn", "aws:SourceOrgID")


@rule(
    id="keys.of-this-account",
    requirement="No key's policy names a principal of another account.",
    risk="Whoever runs the other account reads data and models.",
    remedy="Remove the principal, or move the work into this account.",
    step="W12",
    standards=LEAST_PRIVILEGE,
)
def keys_are_of_this_account(deployment: Deployment) -> Iterator[Violation]:
    """Twelve digits of an ARN, or alone."""
    for key in deployment.of_type(*_KEYS):
        for each in statements(key, "KeyPolicy"):
            for principal in each.principals if each.allows else ():
                account = account_of(principal)
                if account is not None and account != deployment.account:
                    yield at(key, f"{each} admits the account {account}", each.path)


def account_of(principal: str) -> str | None:
    """The account of an AWS principal; None for services and for everybody."""
    kind, _, name = principal.partition(":")
    if kind != "AWS":
        return None
    parts = name.split(":")
    account = parts[4] if len(parts) > 5 else name
    return account if account.isdigit() and len(account) == 12 else None


@rule(
    id="keys.can-be-administered",
    requirement="The account can change each key's policy, and the check against lock-out is on.",
    risk="A key whose policy nobody may change can be neither repaired nor deleted but by AWS.",
    remedy="Allow the account's root kms:PutKeyPolicy, and deny it to nobody.",
    step="W12",
    standards=KEY_MANAGEMENT,
)
def keys_can_be_administered(deployment: Deployment) -> Iterator[Violation]:
    """A permission of an AWS principal for calls of its own, and no denial that takes it back."""
    for key in deployment.of_type(*_KEYS):
        if key["BypassPolicyLockoutSafetyCheck"] not in (None, False):
            yield at(
                key,
                "BypassPolicyLockoutSafetyCheck is on",
                "BypassPolicyLockoutSafetyCheck",
            )
        found = list(statements(key, "KeyPolicy"))
        if found and not any(
            each.allows
            and each.does("kms:putkeypolicy")
            and not each.names("kms:ViaService")
            and any(principal.startswith("AWS:") for principal in each.principals)
            for each in found
        ):
            yield at(key, "nobody may change its policy", "KeyPolicy")
        for each in found:
            if not each.allows and each.does("kms:putkeypolicy") and not each.conditions:
                yield at(key, f"{each} denies changing the policy", each.path)


@rule(
    id="keys.admit-their-users",
    requirement="A role that may use a key is admitted by the key's policy.",
    risk="The job fails when it decrypts its data or Bedrock encrypts the model; the permission"
    " that is then added in haste is too wide.",
    remedy="Name the role in the key's policy with the service it comes through.",
    step="W12",
    standards=KEY_MANAGEMENT,
)
def keys_admit_their_users(deployment: Deployment) -> Iterator[Violation]:
    """For keys of these templates and roles whose policies name them.

    The account's delegation, `kms:*` for root, admits every role of the account.
    """
    keys = {key.arn: _by_action(key) for key in deployment.of_type(KEY)}
    by_role = environment_of(deployment).by_role
    for role in deployment.of_type("AWS::IAM::Role"):
        for grant in sorted(by_role.get(role.ref, ())):
            if grant.effect != "Allow" or not grant.action.startswith("kms:"):
                continue
            policy = keys.get(grant.resource)
            if policy is not None and not _admits(policy, role, grant):
                yield at(role, f"the key's policy does not admit it: {grant}", "KeyPolicy")


_MOST_PATTERNS: Final = 200


def _by_action(key: Resource) -> dict[str, list[Grant]]:
    """What a key's policy allows, by the action in lower case; `*` for those with wildcards.

    Raises:
        ValueError: There are more actions with wildcards than a policy of KMS's 32 KB has use for.
    """
    found: dict[str, list[Grant]] = {"*": []}
    for each in key.grants("KeyPolicy"):
        if each.effect == "Allow":
            action = each.action.lower()
            found.setdefault("*" if {"*", "?"} & set(action) else action, []).append(each)
    if len(found["*"]) > _MOST_PATTERNS:
        raise ValueError(f"{key}: its policy has {len(found['*'])} grants with wildcards")
    return found


def _admits(policy: dict[str, list[Grant]], role: Resource, grant: Grant) -> bool:
    """Whether a key's policy lets a role do something under some of the role's own conditions."""
    service = _values(grant, "kms:ViaService")
    account = f"{role.arn.partition(':role/')[0]}:root"
    action = grant.action.lower()
    wild = [each for each in policy["*"] if covers_action(each.action, action)]
    return any(
        (
            each.principal == f"AWS:{role.arn}"
            or (
                each.principal == f"AWS:{account}"
                and (_values(each, "aws:PrincipalArn") or {role.arn}) & {role.arn}
            )
        )
        and (not service or _values(each, "kms:ViaService") in (set(), service))
        and (not _values(each, "kms:ViaService") or bool(service))
        for each in (*policy.get(action, ()), *wild)
    )


def _values(grant: Grant, key: str) -> set[str]:
    """What a grant's conditions say of a key; empty when they say nothing."""
    return {value for _, name, values in grant.conditions if name == key for value in values}


@rule(
    id="keys.two-for-their-purposes",
    requirement="A key for data and one for models, known by their aliases, and no other.",
    risk="Who may use one of them may read both data and models.",
    remedy="Take the change back.",
    step="W3",
    standards=KEY_MANAGEMENT,
    profile="app",
)
def two_rotating_keys(deployment: Deployment) -> Iterator[Violation]:
    """Aliases, and no property that nobody looked at."""
    environment = environment_of(deployment)
    keys = deployment.of_type(KEY)
    if len(keys) != 2:
        yield of_the_whole(f"{len(keys)} of {KEY}, expected 2")
    for key in keys:
        yield from unexpected_properties(
            key,
            {"EnableKeyRotation": True},
            also={
                "BypassPolicyLockoutSafetyCheck", "Description", "Enabled", "KeyPolicy", "KeySpec",
                "KeyUsage", "MultiRegion", "Origin", "PendingWindowInDays", "RotationPeriodInDays",
                "Tags",
            },
        )  # fmt: skip
    expected = {
        f"alias/finetune-{environment.name}-{purpose}": _both_names(environment, arn)
        for purpose, arn in (("data", environment.data_key), ("model", environment.model_key))
    }
    aliases = {str(alias["AliasName"]): alias for alias in deployment.of_type("AWS::KMS::Alias")}
    for name in sorted(set(expected) - set(aliases)):
        yield of_the_whole(f"no alias {name}")
    for name, alias in sorted(aliases.items()):
        if alias["TargetKeyId"] not in expected.get(name, ()):
            yield at(alias, f"{name} names {alias['TargetKeyId']}", "TargetKeyId")


def _both_names(environment: Environment, arn: str) -> tuple[str, ...]:
    """A key's ARN and its id: most properties take both."""
    return (arn, arn.rsplit("/", maxsplit=1)[-1]) if arn != MISSING else ()


@rule(
    id="keys.used-as-designed",
    requirement="Each key's policy names who uses it through which service; the account"
    " administers, and nobody else does anything.",
    risk="Somebody else decrypts data or models, or a service stops writing what it should keep.",
    remedy="Take the change back, or change the design in review/rules/design.py with it.",
    step="W12",
    standards=LEAST_PRIVILEGE,
    profile="app",
)
def keys_are_used_for_what_they_are_for(deployment: Deployment) -> Iterator[Violation]:
    """Both policies, by containment."""
    environment = environment_of(deployment)
    design = design_of(environment)
    expected = {
        environment.data_key: design.data_key_policy,
        environment.model_key: design.model_key_policy,
    }
    for key in deployment.of_type(KEY):
        yield from policy_as_designed(key, "KeyPolicy", expected.get(key.arn, set()))


@rule(
    id="keys.roles-agree",
    requirement="Whom a key's policy names may use the key by a policy of its own, and the other"
    " way round.",
    risk="A permission on one side alone is denied, and nobody sees it before a job fails.",
    remedy="Change both policies together.",
    step="W12",
    standards=KEY_MANAGEMENT,
    profile="app",
)
def keys_and_roles_agree(deployment: Deployment) -> Iterator[Violation]:
    """The side that `keys.admit-their-users` does not look at."""
    roles = {role.arn: role for role in deployment.of_type("AWS::IAM::Role")}
    names = {role.ref: arn for arn, role in roles.items()}
    uses = {
        (names[name], grant.resource, frozenset(_values(grant, "kms:ViaService")))
        for name, grants in environment_of(deployment).by_role.items()
        for grant in grants
        if name in names
    }
    for key in deployment.of_type(KEY):
        for each in sorted(key.grants("KeyPolicy")):
            for arn in sorted(_values(each, "aws:PrincipalArn") & set(roles)):
                service = frozenset(_values(each, "kms:ViaService"))
                # A role that reads may be admitted together with those that write.
                if each.effect == "Allow" and (arn, key.arn, service) not in uses:
                    yield at(roles[arn], f"has no permission of its own for: {each}")


@rule(
    id="keys.no-direct-calls",
    requirement="The customization role uses keys through S3 and Bedrock alone.",
    risk="What runs with the role may decrypt what it finds anywhere.",
    remedy="Set keys.direct_kms to false, unless a job was seen to fail without.",
    step="W10",
    standards=ENCRYPTED,
    profile="app",
    level="warning",
)
def no_direct_calls_of_kms(deployment: Deployment) -> Iterator[Violation]:
    """A setting may allow it, because no AWS page says that a job does not need it."""
    if environment_of(deployment).direct_kms:
        yield of_the_whole("the customization role may call KMS directly")
