"""The deployment as a whole: what is in it, whose it is, what waits for what."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

from review.rules.environment import (
    DEFAULT_GROUP,
    DEPLOYMENT,
    JOB,
    LOGGING,
    MISSING,
    TAG,
    environment_of,
)
from review.rules.rule import Violation, at, of_the_whole, rule, shown
from review.rules.standards import LEAST_PRIVILEGE
from review.template.deployment import Deployment

EXPECTED_TYPES: Final = frozenset(
    {
        "AWS::CDK::Metadata",
        "AWS::CloudWatch::Alarm",
        "AWS::CloudWatch::Dashboard",
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
        "AWS::Scheduler::ScheduleGroup",
        "AWS::SNS::TopicPolicy",
        "AWS::SQS::Queue",
        "AWS::SQS::QueuePolicy",
        "AWS::StepFunctions::StateMachine",
        DEFAULT_GROUP,
        DEPLOYMENT,
        JOB,
        LOGGING,
    }
)

TAGGED_TYPES: Final = frozenset(
    EXPECTED_TYPES
    - {
        "AWS::CDK::Metadata",
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
        DEPLOYMENT,
        JOB,
        LOGGING,
    }
)
"""Types of ours that take tags."""


@rule(
    id="resources.no-foreign-shares",
    requirement="Templates share nothing with others, and open Bedrock's resources to nobody.",
    risk="A model, a subnet or a key is used by somebody who is in none of the policies.",
    remedy="Remove the resource.",
    standards=LEAST_PRIVILEGE,
)
def nothing_is_shared_with_others(deployment: Deployment) -> Iterator[Violation]:
    """Types that do nothing but admit somebody else."""
    for resource in deployment.of_type(
        "AWS::Bedrock::ResourcePolicy",
        "AWS::Events::EventBusPolicy",
        "AWS::KMS::Grant",
        "AWS::Lambda::LayerVersionPermission",
        "AWS::RAM::Permission",
        "AWS::RAM::ResourceShare",
        "AWS::RolesAnywhere::Profile",
        "AWS::RolesAnywhere::TrustAnchor",
        "AWS::SecretsManager::ResourcePolicy",
    ):
        yield at(resource, "admits others to what is here")


@rule(
    id="resources.only-known",
    requirement="Nothing is deployed of a type that these rules do not look at.",
    risk="What nobody looks at may be anything.",
    remedy="Remove the resource, or add rules for its type.",
    standards=LEAST_PRIVILEGE,
    profile="app",
)
def only_known_resources(deployment: Deployment) -> Iterator[Violation]:
    """By type; how many of each is for the rules about it."""
    for resource in deployment.resources:
        resource.looked_at("Type")
        if resource.type not in EXPECTED_TYPES:
            yield at(resource, "a type that no rule looks at")


@rule(
    id="resources.no-macros",
    requirement="No template is transformed by a macro, and none has a condition or parameter that"
    " changes what is deployed.",
    risk="What is deployed is not what was judged.",
    remedy="Deploy what the CDK wrote.",
    standards=LEAST_PRIVILEGE,
    profile="app",
)
def templates_say_what_is_deployed(deployment: Deployment) -> Iterator[Violation]:
    """The one parameter is the CDK's, of the version of its bootstrap."""
    for stack, template in deployment.templates.items():
        for section in ("Transform", "Hooks", "Conditions", "Parameters"):
            deployment.looked_at(stack, section, template.get(section) or "none")
        for section in ("Transform", "Hooks", "Conditions"):
            if template.get(section) and set(template[section]) != {"CDKMetadataAvailable"}:
                yield of_the_whole(f"{stack}: {section} {shown(template[section])}")
        for name in sorted(set(template.get("Parameters") or ()) - {"BootstrapVersion"}):
            yield of_the_whole(f"{stack}: the parameter {name}")


@rule(
    id="resources.tagged-as-ours",
    requirement="Every resource that takes tags carries the environment's, one for all.",
    risk="Leftovers are not found, and the functions do not know their own.",
    remedy="Take the change back: the app puts the tag on everything.",
    step="W17",
    standards={},
    profile="app",
)
def carries_its_tags(deployment: Deployment) -> Iterator[Violation]:
    """The library's raw resources are the exception: its `Tags` do not reach them."""
    environment = environment_of(deployment)
    if environment.name == MISSING:
        yield of_the_whole(f"no resource has the tag {TAG}")
    untagged = {environment.role_names["default-group"], environment.function_ref("default-group")}
    for resource in deployment.resources:
        if resource.type not in TAGGED_TYPES or resource.ref in untagged:
            continue
        tags = {tag["Key"]: tag["Value"] for tag in resource["Tags"] or []}
        if tags.get(TAG) != environment.name:
            yield at(resource, f"tag {TAG} is {tags.get(TAG)}, expected {environment.name}", "Tags")


@rule(
    id="resources.stacks-wait",
    requirement="What a stack uses while it works is there before it and goes after it.",
    risk="A job runs without its permissions or endpoints, or loses them while it is stopped.",
    remedy="Take the change back.",
    step="W17",
    standards={},
    profile="app",
)
def stacks_wait_for_what_they_use(deployment: Deployment) -> Iterator[Violation]:
    """As the assembly's manifest says; a lone template says nothing of it."""
    if not deployment.dependencies:
        return
    prefix = f"finetune-{environment_of(deployment).name}-"
    parts = ("identity", "encryption", "network", "storage", "access", "engine")
    waiting = {
        "network": {"identity", "encryption"},
        "storage": {"identity", "encryption", "network"},
        "access": {"identity", "encryption", "network", "storage"},
        # The submitter needs its permissions, and reaches S3 and DynamoDB through the storage's
        # endpoints; no value of these passes.
        "engine": {"access", "storage"},
        "inference": {"identity", "encryption", "network", "storage", "access", "engine"},
    }
    for stack in sorted(deployment.templates):
        part = stack.removeprefix(prefix)
        # A job runs with the permissions until it ends.
        waits = sorted(deployment.dependencies.get(stack, ()))
        deployment.looked_at(stack, "waits for the stacks", waits or "none")
        needed = set(parts) if part.startswith("job-") else waiting.get(part, set())
        # What removes a deployment goes after the stack that asked for it.
        if any(each.stack == stack for each in deployment.of_type(DEPLOYMENT)):
            needed.add("inference")
        for each in sorted(needed):
            if prefix + each not in deployment.dependencies.get(stack, ()):
                yield of_the_whole(f"{part} does not wait for {each}")


@rule(
    id="resources.outputs-name-ours",
    requirement="The outputs that people and commands read name the environment's own resources.",
    risk="Training data is pushed into somebody else's bucket: commands go by the outputs.",
    remedy="Take the change back.",
    step="W5",
    standards=LEAST_PRIVILEGE,
    profile="app",
)
def outputs_name_what_is_ours(deployment: Deployment) -> Iterator[Violation]:
    """Those of the foundations, by name; those of a job's stack are its job's own words."""
    environment = environment_of(deployment)
    expected = {
        "AccessLogBucketName": _name(environment.logs_bucket),
        "CustomizationRoleArn": environment.roles["customization"],
        "DataBucketName": _name(environment.data_bucket),
        "DataKeyArn": environment.data_key,
        "JobTopicArn": environment.topic,
        "ModelKeyArn": environment.model_key,
        "ReaderRoleArn": environment.roles["reader"],
        "StateTableName": f"finetune-{environment.name}-jobs",
        "SubmitterFunctionName": environment.function_ref("submitter"),
        "UploaderRoleArn": environment.roles["uploader"],
    }
    if environment.serves:
        expected |= {
            "DeploymentsTableName": f"finetune-{environment.name}-deployments",
            "FollowUpArn": environment.follow_up,
            "InvokerFunctionName": environment.function_ref("invoker"),
        }
        if "tester" in environment.roles:
            expected["TesterRoleArn"] = environment.roles["tester"]
    found = {
        name: (stack, value)
        for (stack, name), value in deployment.outputs.items()
        if name in expected
    }
    for name, value in expected.items():
        stack, said = found.get(name, ("", None))
        deployment.looked_at(stack, f"Outputs.{name}.Value", said)
        if said != value:
            yield Violation(
                message=f"output {name} is {shown(said)}, expected {value}", stack=stack
            )
    for job in deployment.of_type(JOB):
        outputs = deployment.templates[job.stack].get("Outputs") or {}
        for name in ("JobName", "ModelName", "State"):
            said = (outputs.get(name) or {}).get("Value")
            if said != {"Fn::GetAtt": [job.logical_id, name]}:
                yield at(job, f"output {name} is {shown(said)}, expected the job's own")


def _name(arn: str) -> str:
    return arn.rpartition(":")[2]
