"""Controls of the environment as a whole: what there is, what is kept, what waits for what."""

from __future__ import annotations

from typing import Final

from tests.security.app_deployment import AppDeployment
from tests.security.control import DEFAULT_GROUP, JOB, control

EXPECTED_TYPES: Final = frozenset(
    {
        "AWS::CloudWatch::Alarm",
        "AWS::DynamoDB::Table",
        "AWS::EC2::FlowLog",
        "AWS::EC2::RouteTable",
        "AWS::EC2::SecurityGroup",
        "AWS::EC2::SecurityGroupEgress",
        "AWS::EC2::SecurityGroupIngress",
        "AWS::EC2::Subnet",
        "AWS::EC2::SubnetRouteTableAssociation",
        "AWS::EC2::VPC",
        "AWS::EC2::VPCEndpoint",
        "AWS::Events::Rule",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::Policy",
        "AWS::IAM::Role",
        "AWS::KMS::Alias",
        "AWS::KMS::Key",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::Function",
        "AWS::Lambda::Permission",
        "AWS::Logs::LogGroup",
        "AWS::S3::Bucket",
        "AWS::S3::BucketPolicy",
        "AWS::SNS::Topic",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::Queue",
        "AWS::SQS::QueuePolicy",
        "AWS::StepFunctions::StateMachine",
        DEFAULT_GROUP,
        JOB,
    }
)

RETAINED_TYPES: Final = frozenset(
    {
        "AWS::DynamoDB::Table",
        "AWS::KMS::Key",
        "AWS::Logs::LogGroup",
        "AWS::S3::Bucket",
    }
)
"""Data, keys, logs and state: kept or destroyed as `storage.retain` says."""

UNTAGGED_BY_THE_LIBRARY: Final = frozenset(
    {
        "CustomVpcRestrictDefaultSGCustomResourceProviderHandler",
        "CustomVpcRestrictDefaultSGCustomResourceProviderRole",
    }
)
"""Raw resources that the CDK writes, which its `Tags` do not reach; checked for staleness."""


@control
def only_known_resources(deployment: AppDeployment) -> list[str]:
    """Nothing is deployed that these controls do not look at."""
    return [
        f"{resource}: a type that no control looks at"
        for resource in deployment.resources
        if resource.type not in EXPECTED_TYPES
    ]


@control
def keeps_what_the_settings_keep(deployment: AppDeployment) -> list[str]:
    """Data, keys, logs and state outlive the stacks exactly when `storage.retain` says so."""
    expected = "Retain" if deployment.settings.storage.retain else "Delete"
    findings = [
        f"{resource}: {when} is {resource.attributes.get(when)}, expected {expected}"
        for resource in deployment.of_type(*RETAINED_TYPES)
        for when in ("DeletionPolicy", "UpdateReplacePolicy")
        if resource.attributes.get(when) != expected
    ]
    # What is not data goes: a job that is kept would never hear that its stack is gone.
    findings += [
        f"{resource}: {when} is {resource.attributes[when]}"
        for resource in deployment.resources
        for when in ("DeletionPolicy", "UpdateReplacePolicy")
        if resource.type not in RETAINED_TYPES
        and resource.attributes.get(when, "Delete") != "Delete"
    ]
    findings += [
        f"{table}: deletion protection is {table['DeletionProtectionEnabled']}"
        for table in deployment.of_type("AWS::DynamoDB::Table")
        if table["DeletionProtectionEnabled"] is not deployment.settings.storage.retain
    ]
    protected = {name for name in deployment.templates if "-job-" not in name}
    if deployment.settings.storage.retain:
        findings += [
            f"{name}: no termination protection"
            for name in sorted(protected - deployment.protected)
        ]
    return findings


@control
def carries_its_tags(deployment: AppDeployment) -> list[str]:
    """Every resource that takes tags carries the environment's, by which leftovers are found."""
    expected = {
        "finetune:environment": deployment.settings.environment,
        **deployment.settings.tags,
    }
    untaggable = {
        "AWS::EC2::SecurityGroupEgress",
        "AWS::EC2::SecurityGroupIngress",
        "AWS::EC2::SubnetRouteTableAssociation",
        "AWS::IAM::ManagedPolicy",
        "AWS::IAM::Policy",
        "AWS::KMS::Alias",
        "AWS::Lambda::EventInvokeConfig",
        "AWS::Lambda::Permission",
        "AWS::S3::BucketPolicy",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::QueuePolicy",
        DEFAULT_GROUP,
        JOB,
    }
    findings = []
    for resource in deployment.resources:
        if resource.type in untaggable or resource.ref in UNTAGGED_BY_THE_LIBRARY:
            continue
        tags = {tag["Key"]: tag["Value"] for tag in resource["Tags"] or []}
        for key, value in expected.items():
            if tags.get(key) != value:
                findings.append(f"{resource}: tag {key} is {tags.get(key)}, expected {value}")
    return findings


@control
def stacks_wait_for_what_they_use(deployment: AppDeployment) -> list[str]:
    """What a stack uses while it works is there before it and goes after it."""
    parts = ("identity", "encryption", "network", "storage", "access", "engine")
    env = deployment.settings.environment
    waiting = {
        "network": {"identity", "encryption"},
        "storage": {"identity", "encryption", "network"},
        "access": {"identity", "encryption", "network", "storage"},
        # The submitter needs its permissions, and reaches S3 and DynamoDB through the storage's
        # endpoints; no value of these passes.
        "engine": {"access", "storage"},
        # A job runs with the permissions until it ends.
        **{f"job-{job}": set(parts) for job in deployment.settings.jobs},
    }
    return [
        f"{part} does not wait for {each}"
        for part, needed in waiting.items()
        for each in sorted(needed)
        if f"finetune-{env}-{each}" not in deployment.dependencies.get(f"finetune-{env}-{part}", ())
    ]


@control
def a_zone_can_be_dropped(deployment: AppDeployment) -> list[str]:
    """No subnet is exported: an export that a job's stack imports could not be taken away."""
    subnets = {
        (subnet.stack, subnet.logical_id): subnet
        for subnet in deployment.of_type("AWS::EC2::Subnet")
    }
    return [
        f"{subnets[stack, output['Value']['Ref']]}: exported as {name}"
        for stack, template in deployment.templates.items()
        for name, output in template.get("Outputs", {}).items()
        if "Export" in output
        and isinstance(output["Value"], dict)
        and (stack, output["Value"].get("Ref")) in subnets
    ]
