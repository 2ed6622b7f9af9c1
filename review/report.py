"""Everything that was found, by whomever, in one shape and each thing once."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, Final

from review.findings import Finding, Level
from review.others.acknowledgements import Acknowledged
from review.record import Record

_LEVELS: Final[Sequence[Level]] = ("error", "warning", "note")


@dataclass(frozen=True, kw_only=True)
class Taken:
    """A finding that the templates acknowledge, with the reason they give."""

    finding: Finding
    reason: str

    def as_json(self) -> dict[str, object]:
        """The finding in the shape of the contract, with its reason."""
        return {**self.finding.as_json(), "reason": self.reason}


@dataclass(frozen=True, kw_only=True)
class Report:
    """What came of a review."""

    findings: tuple[Finding, ...]
    """Open ones, the most serious first; duplicates are folded into one."""
    acknowledged: tuple[Taken, ...]
    profile: str
    parts: tuple[str, ...]
    """What was asked for: `structure`, `decisions`, `proofs`, `access`, `packs`."""
    checks: Mapping[str, int] = field(default_factory=dict)
    """How many rules, decisions, proofs or comparisons each part has tried."""
    stacks: int = 0
    resources: int = 0
    folded: int = 0
    """How many findings said what another said already."""
    seconds: Mapping[str, float] = field(default_factory=dict)
    """How long reading and each part took."""
    record: Record | None = field(default=None, compare=False, repr=False)
    """How it came to that."""

    @property
    def ok(self) -> bool:
        """Whether nothing is open that is more than a note."""
        return all(finding.level == "note" for finding in self.findings)

    def counts(self) -> dict[str, int]:
        """How many findings of each level are open."""
        found = Counter(finding.level for finding in self.findings)
        return {level: found[level] for level in _LEVELS}

    def as_json(self) -> dict[str, Any]:
        """The keys of the JSON object besides those that every command has."""
        return {
            "profile": self.profile,
            "parts": list(self.parts),
            "checks": dict(self.checks),
            "counts": self.counts(),
            "stacks": self.stacks,
            "resources": self.resources,
            "folded": self.folded,
            "acknowledged": [each.as_json() for each in self.acknowledged],
            "seconds": {name: round(each, 3) for name, each in self.seconds.items()},
        }


SAME: Final[Mapping[str, str]] = {
    # cdk-nag's rules, without the pack, and ours.
    "CloudWatchLogGroupEncrypted": "stores.logs-encrypted",
    "CloudWatchLogGroupRetentionPeriod": "stores.logs-kept",
    "AwsSolutions-DDB3": "stores.table-restorable",
    "DynamoDBPITREnabled": "stores.table-restorable",
    "AwsSolutions-EC23": "groups.nothing-in-from-anywhere",
    "AwsSolutions-KMS5": "keys.rotate",
    "KMSBackingKeyRotationEnabled": "keys.rotate",
    "AwsSolutions-L1": "functions.supported-runtimes",
    "AwsSolutions-S1": "buckets.access-logged",
    "S3BucketLoggingEnabled": "buckets.access-logged",
    "AwsSolutions-S2": "buckets.no-public-access",
    "S3BucketLevelPublicAccessProhibited": "buckets.no-public-access",
    "S3BucketPublicReadProhibited": "buckets.no-public-access",
    "S3BucketPublicWriteProhibited": "buckets.no-public-access",
    "AwsSolutions-S5": "buckets.stay-inside",
    "AwsSolutions-S10": "buckets.tls-only",
    "S3BucketSSLRequestsOnly": "buckets.tls-only",
    "S3BucketServerSideEncryptionEnabled": "buckets.encrypted",
    "S3DefaultEncryptionKMS": "buckets.encrypted",
    "S3BucketVersioningEnabled": "buckets.versioned",
    "AwsSolutions-SNS3": "stores.tls-only",
    "SNSEncryptedKMS": "stores.topic-encrypted",
    "AwsSolutions-SQS4": "stores.tls-only",
    "AwsSolutions-VPC7": "flow-logs.every-vpc",
    "VPCFlowLogsEnabled": "flow-logs.every-vpc",
    "VPCNoUnrestrictedRouteToIGW": "network.only-local-routes",
    "VPCSubnetAutoAssignPublicIpDisabled": "network.no-public-addresses",
    "IAMPolicyNoStatementsWithFullAccess": "roles.no-wildcards",
    "IAMPolicyNoStatementsWithAdminAccess": "roles.no-wildcards",
    # The bucket's policy stands beside the bucket: the packs name the bucket, we the policy.
}
"""Rules of others that find what one of ours finds at the same resource."""


def subject(id_: str) -> str:
    """What a finding is about: the same for rules that say the same of a resource."""
    name = id_.rpartition("::")[2] if "::" in id_ and "[" not in id_ else id_
    if "[" in name:  # a detail, such as which action is too wide, is a finding of its own
        return name
    for pack in ("HIPAA.Security-", "NIST.800.53.R4-", "NIST.800.53.R5-", "PCI.DSS.321-"):
        name = name.removeprefix(pack)
    return SAME.get(name, name)


def fold(findings: Iterable[Finding]) -> tuple[list[Finding], int]:
    """Findings of which none says what another says; ours come first and name the others.

    Returns:
        The findings in the order they came, and how many were folded into others.
    """
    kept: dict[tuple[object, ...], Finding] = {}
    also: dict[tuple[object, ...], list[str]] = {}
    seen: set[tuple[object, ...]] = set()
    count = 0
    for finding in findings:
        place = (finding.where.get("stack"), finding.where.get("logical_id"))
        words = (finding.id, *place, finding.where.get("property"), finding.message)
        if words in seen:
            count += 1
            continue
        seen.add(words)
        about: tuple[object, ...] = (subject(finding.id), *place)
        first = kept.get(about)
        if first is None and place != (None, None):
            kept[about] = finding
        elif first is None or first.id == finding.id:
            kept[words] = finding  # one rule may say several things of one resource
        else:
            count += 1
            if finding.id not in also.setdefault(about, []):
                also[about].append(finding.id)
            if _LEVELS.index(finding.level) < _LEVELS.index(first.level):
                kept[about] = replace(first, level=finding.level)
    return [
        replace(each, message=f"{each.message} (also {', '.join(also[key])})")
        if also.get(key)
        else each
        for key, each in kept.items()
    ], count


def order(findings: Iterable[Finding]) -> list[Finding]:
    """The most serious first, then by where they are."""

    def key(finding: Finding) -> tuple[object, ...]:
        where = finding.where
        return (
            _LEVELS.index(finding.level),
            str(where.get("file", "")),
            int(where.get("line", 0)),
            finding.id,
            finding.message,
        )

    return sorted(findings, key=key)


def divide(
    findings: Iterable[Finding], acknowledged: Iterable[Acknowledged]
) -> tuple[list[Finding], list[Taken]]:
    """Open findings, and those that the templates take."""
    reasons = {(each.stack, each.logical_id, each.finding): each.reason for each in acknowledged}
    opened: list[Finding] = []
    taken: list[Taken] = []
    for finding in findings:
        where = finding.where
        place = (str(where.get("stack")), str(where.get("logical_id")))
        reason = reasons.get((*place, finding.id))
        if reason is None:
            opened.append(finding)
        else:
            taken.append(Taken(finding=finding, reason=reason))
    return opened, taken
