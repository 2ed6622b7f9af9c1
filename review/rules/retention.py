"""What is kept, and what goes, when a stack does."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from typing import Final

from review.rules.rule import Violation, at, many, of_the_whole, rule, shown
from review.rules.standards import KEPT, also
from review.template.deployment import Deployment, Resource

RETAINED_TYPES: Final = (
    "AWS::DynamoDB::Table",
    "AWS::KMS::Key",
    "AWS::Logs::LogGroup",
    "AWS::S3::Bucket",
)
"""Data, keys, logs and state: kept or destroyed as `storage.retain` says."""

POLICIES: Final = ("DeletionPolicy", "UpdateReplacePolicy")


@rule(
    id="retention.decided",
    requirement="Every key, bucket, table and log group says whether it is kept: the same when it"
    " is replaced as when its stack goes.",
    risk="An update that replaces a bucket or key destroys what the deletion would have kept.",
    remedy="Set DeletionPolicy and UpdateReplacePolicy to the same value.",
    step="W17",
    standards=KEPT,
)
def what_is_kept_is_decided(deployment: Deployment) -> Iterator[Violation]:
    """Both stand in the template: the default differs by how the stack is deleted."""
    for resource in deployment.of_type(*RETAINED_TYPES):
        said = [resource.attribute(name) for name in POLICIES]
        if None in said or said[0] != said[1]:
            yield at(resource, f"{' and '.join(POLICIES)} are {shown(said)}", POLICIES[0])


@rule(
    id="retention.keys-outlive-data",
    requirement="A key is kept where something that it encrypts is.",
    risk="The data is there and nobody can read it ever again.",
    remedy="Set DeletionPolicy and UpdateReplacePolicy of the key to Retain.",
    step="W17",
    standards=KEPT,
)
def keys_outlive_what_they_encrypt(deployment: Deployment) -> Iterator[Violation]:
    """For what names the key in its own properties."""
    keys = {name: key for key in deployment.of_type("AWS::KMS::Key") for name in (key.arn, key.ref)}
    for resource in deployment.of_type(*RETAINED_TYPES):
        if not str(resource.attribute("DeletionPolicy")).startswith("Retain"):
            continue
        rules = resource["BucketEncryption.ServerSideEncryptionConfiguration"]
        names = [
            resource["KmsKeyId"],
            resource["SSESpecification.KMSMasterKeyId"],
            *(
                (each.get("ServerSideEncryptionByDefault") or {}).get("KMSMasterKeyID")
                for each in many(rules)
            ),
        ]
        for key in {keys[name].ref: keys[name] for name in names if name in keys}.values():
            if key.attribute("DeletionPolicy") != "Retain":
                yield at(key, f"goes with its stack, and {resource} stays", "DeletionPolicy")


@rule(
    id="retention.as-designed",
    requirement="Data, keys, logs and state are all kept, with their stacks protected and the table"
    " against deletion, or all go; everything else always goes.",
    risk="A part is lost, or a part is left behind that costs money and that nobody owns.",
    remedy="Set storage.retain in the settings: it decides for all of them.",
    step="W17",
    standards=also(KEPT, prowler="dynamodb_table_deletion_protection_enabled"),
    profile="app",
)
def keeps_what_the_settings_keep(deployment: Deployment) -> Iterator[Violation]:
    """Which of the two is what most of them say."""
    kept = deployment.of_type(*RETAINED_TYPES)
    common = _common(kept)
    if common not in ("Retain", "Delete"):
        yield of_the_whole(f"data, keys, logs and state are set to {common}")
    for resource in kept:
        for when in POLICIES:
            found = resource.attribute(when)
            if found != common:
                yield at(resource, f"{when} is {shown(found)}, most have {common}", when)
    # What is not data goes: a job that is kept would never hear that its stack is gone.
    for resource in deployment.resources:
        for when in POLICIES:
            if (
                resource.type not in RETAINED_TYPES
                and resource.attributes.get(when, "Delete") != "Delete"
            ):
                yield at(resource, f"{when} is {resource.attributes[when]}", when)
    for table in deployment.of_type("AWS::DynamoDB::Table"):
        if table["DeletionProtectionEnabled"] is not (common == "Retain"):
            value = shown(table["DeletionProtectionEnabled"])
            yield at(table, f"deletion protection is {value}", "DeletionProtectionEnabled")
    if common == "Retain" and deployment.dependencies:
        foundations = {name for name in deployment.templates if "-job-" not in name}
        for name in sorted(foundations - deployment.protected):
            yield of_the_whole(f"{name}: no termination protection")


def _common(resources: list[Resource]) -> str:
    found = Counter(str(resource.attribute(when)) for resource in resources for when in POLICIES)
    return found.most_common(1)[0][0] if found else "Delete"
