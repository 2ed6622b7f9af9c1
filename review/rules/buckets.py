"""Buckets: where training data and results lie."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final

from review.rules.containment import covers
from review.rules.design import design_of
from review.rules.environment import environment_of
from review.rules.keys import account_of
from review.rules.policy_findings import policy_as_designed
from review.rules.rule import Violation, at, of_the_whole, rule, shown, unexpected_properties
from review.rules.standards import (
    ENCRYPTED,
    KEPT,
    LEAST_PRIVILEGE,
    LOGGED,
    PRIVATE_NETWORK,
    PRIVATE_STORE,
    TLS,
    also,
)
from review.rules.statements import Statement, statements
from review.template.deployment import Deployment, Resource

BUCKET: Final = "AWS::S3::Bucket"
POLICY: Final = "AWS::S3::BucketPolicy"
BLOCKS: Final = (
    "BlockPublicAcls",
    "BlockPublicPolicy",
    "IgnorePublicAcls",
    "RestrictPublicBuckets",
)


def _log_buckets(deployment: Deployment) -> set[object]:
    """The names of buckets into which others deliver their access logs."""
    return {
        bucket["LoggingConfiguration.DestinationBucketName"]
        for bucket in deployment.of_type(BUCKET)
        if bucket["LoggingConfiguration.DestinationBucketName"] != bucket.ref
    }


def _statements_by_bucket(deployment: Deployment) -> dict[object, list[Statement]]:
    found: dict[object, list[Statement]] = {}
    for policy in deployment.of_type(POLICY):
        found.setdefault(str(policy["Bucket"]), []).extend(statements(policy))
    return found


@rule(
    id="buckets.encrypted",
    requirement="Every bucket encrypts with a key of these templates; one that only takes access"
    " logs may use S3's own.",
    risk="Who may read the bucket may read the data: no key's policy stands in between.",
    remedy="Set BucketEncryption to aws:kms with the ARN of a customer managed key.",
    step="W4",
    standards=also(ENCRYPTED, prowler=("s3_bucket_kms_encryption", "s3_bucket_default_encryption")),
)
def buckets_are_encrypted(deployment: Deployment) -> Iterator[Violation]:
    """A key of AWS's has no policy that the account can change, so it does not count."""
    keys = {name for key in deployment.of_type("AWS::KMS::Key") for name in (key.arn, key.ref)}
    logs = _log_buckets(deployment)
    for bucket in deployment.of_type(BUCKET):
        rules = bucket["BucketEncryption.ServerSideEncryptionConfiguration"] or []
        path = "BucketEncryption"
        if len(rules) != 1:
            yield at(bucket, f"{len(rules)} rules of encryption, expected 1", path)
            continue
        default = rules[0].get("ServerSideEncryptionByDefault") or {}
        algorithm, key = default.get("SSEAlgorithm"), default.get("KMSMasterKeyID")
        if bucket.ref in logs and algorithm == "AES256":
            # S3's log delivery writes with SSE-S3 alone.
            continue
        if algorithm not in ("aws:kms", "aws:kms:dsse"):
            yield at(bucket, f"SSEAlgorithm is {shown(algorithm)}, expected 'aws:kms'", path)
        elif key not in keys:
            yield at(bucket, f"KMSMasterKeyID is {shown(key)}: no key of these templates", path)


@rule(
    id="buckets.no-public-access",
    requirement="Every bucket blocks public access in all four ways.",
    risk="One wrong policy or ACL publishes the training data.",
    remedy="Set all four of PublicAccessBlockConfiguration to true.",
    step="W4",
    standards=also(
        PRIVATE_STORE, prowler=("s3_bucket_level_public_access_block", "s3_bucket_public_access")
    ),
)
def buckets_block_public_access(deployment: Deployment) -> Iterator[Violation]:
    """Explicitly: an account may have turned its own block off."""
    for bucket in deployment.of_type(BUCKET):
        for name in BLOCKS:
            path = f"PublicAccessBlockConfiguration.{name}"
            if bucket[path] is not True:
                yield at(bucket, f"{name} is {shown(bucket[path])}, expected True", path)


@rule(
    id="buckets.no-acls",
    requirement="Every object is the bucket owner's, and no bucket has an ACL.",
    risk="An ACL admits other accounts past the bucket's policy.",
    remedy="Set ObjectOwnership to BucketOwnerEnforced, and leave AccessControl out.",
    step="W4",
    standards=also(PRIVATE_STORE, prowler="s3_bucket_acl_prohibited"),
)
def buckets_have_no_acls(deployment: Deployment) -> Iterator[Violation]:
    """Ownership is explicit, so that no ACL has a say."""
    for bucket in deployment.of_type(BUCKET):
        rules = bucket["OwnershipControls.Rules"] or []
        if [each.get("ObjectOwnership") for each in rules] != ["BucketOwnerEnforced"]:
            yield at(bucket, f"ownership is {shown(rules)}", "OwnershipControls")
        if bucket["AccessControl"] not in (None, "Private"):
            yield at(bucket, f"AccessControl is {bucket['AccessControl']}", "AccessControl")


@rule(
    id="buckets.versioned",
    requirement="Every bucket keeps the versions of its objects.",
    risk="Data that was overwritten or deleted, by mistake or to hide something, is gone.",
    remedy="Set VersioningConfiguration to Enabled, with a lifecycle rule for old versions.",
    step="W4",
    standards=also(
        KEPT,
        prowler="s3_bucket_object_versioning",
        datadog="cloudformation-aws-s3-bucket-without-versioning",
    ),
)
def buckets_are_versioned(deployment: Deployment) -> Iterator[Violation]:
    """Enabled, and not suspended."""
    for bucket in deployment.of_type(BUCKET):
        status = bucket["VersioningConfiguration.Status"]
        if status != "Enabled":
            yield at(bucket, f"versioning is {shown(status)}", "VersioningConfiguration.Status")


@rule(
    id="buckets.access-logged",
    requirement="Every bucket logs access into another one of these templates.",
    risk="Nobody can tell who read the training data.",
    remedy="Set LoggingConfiguration to a bucket that only takes logs.",
    step="W4",
    standards=also(LOGGED, prowler="s3_bucket_server_access_logging_enabled"),
)
def access_to_buckets_is_logged(deployment: Deployment) -> Iterator[Violation]:
    """A bucket that takes the logs of others needs none: its own would be its own reader."""
    names = {bucket.ref for bucket in deployment.of_type(BUCKET)}
    logs = _log_buckets(deployment)
    for bucket in deployment.of_type(BUCKET):
        to = bucket["LoggingConfiguration.DestinationBucketName"]
        if to is None and bucket.ref in logs:
            continue
        if to is None or to not in names or to == bucket.ref:
            yield at(bucket, f"access logs go to {shown(to)}", "LoggingConfiguration")


@rule(
    id="buckets.tls-only",
    requirement="Every bucket's policy denies requests without TLS, to everybody.",
    risk="Data and credentials' signatures pass networks in the clear.",
    remedy="Deny s3:* on the bucket and its objects where aws:SecureTransport is false.",
    step="W5",
    standards=also(
        TLS,
        prowler="s3_bucket_secure_transport_policy",
        datadog="cloudformation-aws-s3-bucket-without-ssl-in-write-actions",
    ),
)
def buckets_take_tls_only(deployment: Deployment) -> Iterator[Violation]:
    """The bucket and its objects, whatever the action."""
    by_bucket = _statements_by_bucket(deployment)
    for bucket in deployment.of_type(BUCKET):
        denied = [
            resource
            for each in by_bucket.get(bucket.ref, ())
            if not each.allows
            and each.principals == ("*",)
            and not each.excludes_principals
            and each.actions in (("s3:*",), ("*",))
            and _insists_on_tls(each)
            for resource in each.resources
        ]
        for resource in (bucket.arn, f"{bucket.arn}/*"):
            if not any(covers(each, resource) for each in denied):
                yield at(bucket, f"its policy does not deny plain HTTP on {resource}")


def _insists_on_tls(each: Statement) -> bool:
    return [
        (operator, key, tuple(value.lower() for value in values))
        for operator, key, values in each.conditions
    ] == [("Bool", "aws:securetransport", ("false",))]


@rule(
    id="buckets.not-for-everybody",
    requirement="A bucket's policy admits nobody outside the account, and no service for others.",
    risk="The training data is public, or anybody has a service read it for him.",
    remedy="Name principals of the account; give services aws:SourceAccount and aws:SourceArn.",
    step="W5",
    standards=also(
        PRIVATE_STORE,
        prowler=("s3_bucket_policy_public_write_access", "s3_bucket_cross_account_access"),
    ),
)
def bucket_policies_admit_no_stranger(deployment: Deployment) -> Iterator[Violation]:
    """What allows; denials admit nobody."""
    for policy in deployment.of_type(POLICY):
        yield from strangers(policy, deployment.account)


_CALLER: Final = (
    "aws:PrincipalAccount", "aws:PrincipalArn", "aws:PrincipalOrgID", "aws:SourceVpc",
    "aws:SourceVpce", "aws:SourceAccount",
)  # fmt: skip
_SOURCE: Final = ("aws:SourceAccount", "aws:SourceArn", "aws:SourceOrgID")


def strangers(policy: Resource, account: str) -> Iterator[Violation]:
    """Whom a resource's policy admits who is not of the account, or comes for somebody who is not.

    Args:
        policy: The resource that holds the policy.
        account: Its own account.
    """
    for each in statements(policy):
        if not each.allows:
            continue
        if each.anybody and not each.requires(*_CALLER, *_SOURCE):
            yield at(policy, f"{each} admits everybody", each.path)
        for principal in each.principals:
            if principal.startswith("Service:") and not each.requires(*_SOURCE):
                yield at(policy, f"{each} admits {principal} for any account", each.path)
            other = account_of(principal)
            if other is not None and other != account:
                yield at(policy, f"{each} admits the account {other}", each.path)


@rule(
    id="buckets.stay-inside",
    requirement="No bucket is a website, replicates, sends notifications or reports elsewhere, or"
    " shares itself with other origins.",
    risk="Data leaves by a way that no policy of a role shows.",
    remedy="Remove the property.",
    step="W5",
    standards=PRIVATE_STORE,
)
def nothing_leaves_a_bucket_by_itself(deployment: Deployment) -> Iterator[Violation]:
    """Each of these sends objects, copies or news of them to somewhere."""
    for bucket in deployment.of_type(BUCKET):
        for name in _OUTWARD:
            if bucket[name] is not None:
                yield at(bucket, f"{name} leads out of the bucket", name)
    for other in deployment.of_type(
        "AWS::S3::AccessPoint",
        "AWS::S3::AccessGrant",
        "AWS::S3::MultiRegionAccessPoint",
        "AWS::S3ObjectLambda::AccessPoint",
        "AWS::DataSync::Task",
        "AWS::Transfer::Server",
    ):
        yield at(other, "another way into a bucket, with a policy of its own")


_OUTWARD: Final = (
    "AnalyticsConfigurations",
    "CorsConfiguration",
    "InventoryConfigurations",
    "MetadataConfiguration",
    "MetadataTableConfiguration",
    "NotificationConfiguration",
    "ReplicationConfiguration",
    "WebsiteConfiguration",
)


@rule(
    id="buckets.wrong-keys-refused",
    requirement="The policy of a bucket with data denies writing under another key than its own.",
    risk="Data lies under a key whose policy somebody else writes.",
    remedy="Deny s3:PutObject where s3:x-amz-server-side-encryption-aws-kms-key-id is another key.",
    step="W5",
    standards=ENCRYPTED,
)
def wrong_keys_are_refused(deployment: Deployment) -> Iterator[Violation]:
    """A request may name no key at all: then the bucket's own encryption decides."""
    header = "s3:x-amz-server-side-encryption-aws-kms-key-id"
    by_bucket, logs = _statements_by_bucket(deployment), _log_buckets(deployment)
    for bucket in deployment.of_type(BUCKET):
        if bucket.ref in logs:
            continue
        if not any(
            not each.allows
            and each.principals == ("*",)
            and each.does("s3:putobject")
            and any("Not" in operator for operator, key, _ in each.conditions if key == header)
            for each in by_bucket.get(bucket.ref, ())
        ):
            yield at(bucket, "its policy does not deny writing under another key")


@rule(
    id="buckets.can-be-administered",
    requirement="No bucket's policy denies everybody everything, or changing the policy.",
    risk="Nobody but the account's root can read, repair or empty the bucket.",
    remedy="Give the denial a condition, or name the actions it is about.",
    step="W17",
    standards=KEPT,
)
def buckets_can_be_administered(deployment: Deployment) -> Iterator[Violation]:
    """Denials that no request escapes, because they have no condition."""
    for policy in deployment.of_type(POLICY):
        for each in statements(policy):
            if not each.allows and each.does("s3:putbucketpolicy") and not each.conditions:
                yield at(policy, f"{each} locks everybody out", each.path)


@rule(
    id="buckets.as-designed",
    requirement="A bucket of data, and one of its access logs, with nothing that nobody looked at.",
    risk="Data is kept in a form, or goes to a place, that the design does not know.",
    remedy="Take the change back.",
    step="W4",
    standards=PRIVATE_STORE,
    profile="app",
)
def buckets_are_private_and_versioned(deployment: Deployment) -> Iterator[Violation]:
    """How long access logs are kept is the settings' to say; that they expire is not."""
    environment = environment_of(deployment)
    buckets = deployment.of_type(BUCKET)
    logs = [bucket for bucket in buckets if bucket.arn == environment.logs_bucket]
    if len(buckets) != 2 or not logs:
        yield of_the_whole(f"{len(buckets)} buckets, expected one of data and one of logs")
        return
    for bucket in buckets:
        data = bucket.arn == environment.data_bucket
        expected: dict[str, Any] = {
            "BucketEncryption": {
                "ServerSideEncryptionConfiguration": [
                    {
                        "BucketKeyEnabled": True,
                        "ServerSideEncryptionByDefault": {
                            "KMSMasterKeyID": environment.data_key,
                            "SSEAlgorithm": "aws:kms",
                        },
                    }
                    if data
                    else {"ServerSideEncryptionByDefault": {"SSEAlgorithm": "AES256"}}
                ]
            },
            "OwnershipControls": {"Rules": [{"ObjectOwnership": "BucketOwnerEnforced"}]},
            "PublicAccessBlockConfiguration": dict.fromkeys(BLOCKS, True),
            "VersioningConfiguration": {"Status": "Enabled"},
        }
        if data:
            expected["LoggingConfiguration"] = {
                "DestinationBucketName": logs[0].ref,
                "LogFilePrefix": "training-bucket/",
            }
        yield from unexpected_properties(bucket, expected, also={"LifecycleConfiguration", "Tags"})
        yield from _lifecycle(bucket, expires=not data)


def _lifecycle(bucket: Resource, *, expires: bool) -> Iterator[Violation]:
    """Unfinished uploads go; data never does by itself, and access logs do."""
    path = "LifecycleConfiguration.Rules"
    rules = bucket[path] or []
    wanted = {"AbortIncompleteMultipartUpload", "Status"}
    if expires:
        wanted |= {"ExpirationInDays", "NoncurrentVersionExpiration"}
    shapes = [set(each) - {"Id"} for each in rules]
    if shapes != [wanted] or any(each.get("Status") != "Enabled" for each in rules):
        yield at(bucket, f"lifecycle rules {shown(rules)}, expected one of {sorted(wanted)}", path)
        return
    (rule,) = rules
    numbers = {
        "AbortIncompleteMultipartUpload": ("DaysAfterInitiation",),
        "NoncurrentVersionExpiration": ("NoncurrentDays",),
    }
    for name, parts in numbers.items():
        if name in wanted and set(rule[name]) != set(parts):
            yield at(bucket, f"{name} is {shown(rule[name])}", f"{path}.{name}")
            continue
        for part in parts:
            days = int(rule[name][part]) if name in wanted else 1
            if not 1 <= days <= _MOST_DAYS:
                yield at(bucket, f"{name} after {days} days, expected 1 to {_MOST_DAYS}", path)
    if expires and int(rule["ExpirationInDays"]) < 1:
        yield at(bucket, f"access logs expire after {rule['ExpirationInDays']} days", path)


_MOST_DAYS: Final = 90
"""What nobody finished, or replaced, is gone by then: it holds data too, and is paid for."""


@rule(
    id="buckets.policies-as-designed",
    requirement="TLS 1.2, the right key, only these people and roles, datasets written once, and a"
    " job through our endpoint alone.",
    risk="Data is read, replaced or deleted by somebody, or from somewhere, that it should not be.",
    remedy="Take the change back, or change the design in review/rules/design.py with it.",
    step="W5",
    standards=also(LEAST_PRIVILEGE, prowler="s3_bucket_cross_account_access"),
    profile="app",
)
def buckets_have_one_policy_each(deployment: Deployment) -> Iterator[Violation]:
    """Both policies, by containment."""
    environment = environment_of(deployment)
    design = design_of(environment)
    expected = {
        bucket.ref: design.data_bucket_policy
        if bucket.arn == environment.data_bucket
        else design.logs_bucket_policy
        for bucket in deployment.of_type(BUCKET)
    }
    policies = deployment.of_type(POLICY)
    if sorted(str(policy["Bucket"]) for policy in policies) != sorted(expected):
        yield of_the_whole(f"bucket policies for {[policy['Bucket'] for policy in policies]}")
    for policy in policies:
        wanted = expected.get(str(policy["Bucket"]), set())
        yield from policy_as_designed(policy, "PolicyDocument", wanted)


@rule(
    id="buckets.endpoint-required",
    requirement="The data bucket denies the customization role outside this VPC's endpoint.",
    risk="Whoever takes the role's session reads the data from anywhere.",
    remedy="Set storage.require_endpoint to true, unless a job was seen to fail with it.",
    step="W7",
    standards=PRIVATE_NETWORK,
    profile="app",
    level="warning",
)
def the_endpoint_is_required(deployment: Deployment) -> Iterator[Violation]:
    """A setting may drop it, because no AWS page says how Bedrock looks at the data beforehand."""
    if not environment_of(deployment).requires_endpoint:
        yield of_the_whole("the data bucket does not ask for the endpoint")
