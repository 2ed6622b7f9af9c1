"""The planted faults: what each breaks, where, and why it must be refused."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from rehearsal.faults.edits import (
    Edit,
    change_properties,
    change_statement,
    drop_resources,
    drop_statement,
    with_condition,
    without_action,
    without_principal,
)

ALL = "all"
_ENDPOINT = "AWS::EC2::VPCEndpoint"
_JOB = "Custom::BedrockModelCustomizationJob"
_NOBODYS_ENDPOINT = "vpce-0123456789abcdef0"
_NOBODYS_SUBNET = "subnet-0123456789abcdef0"


@dataclass(frozen=True, kw_only=True)
class Fault:
    """One thing that is wrong with a deployment, and how it must come out."""

    name: str
    says: str
    """What is wrong, in one sentence."""
    stack: str
    """The part of the stack's name that it is in; `job-` for every job's."""
    edit: Edit
    reason: re.Pattern[str]
    """What the first refusal must say."""
    fresh: bool = False
    """Only a first deployment meets it, not the change of a deployed one."""


def _trusts_another_account(properties: dict[str, Any]) -> bool:
    document = properties["AssumeRolePolicyDocument"]
    for statement in document["Statement"]:
        if statement["Principal"].get("Service") == "bedrock.amazonaws.com":
            statement["Condition"]["StringEquals"]["aws:SourceAccount"] = "9" * 12
            return True
    return False


def _no_way_to_s3(properties: dict[str, Any]) -> bool:
    if not str(properties.get("GroupDescription")).startswith("Customization jobs"):
        return False
    rules = properties["SecurityGroupEgress"]
    kept = [rule for rule in rules if "DestinationPrefixListId" not in rule]
    # Without any rule the group would let everything out; the CDK writes this one instead.
    nothing = {"CidrIp": "255.255.255.255/32", "IpProtocol": "icmp", "FromPort": 252, "ToPort": 86}
    properties["SecurityGroupEgress"] = kept or [nothing]
    return len(kept) < len(rules)


def _admits_itself(properties: dict[str, Any]) -> bool:
    return bool(properties.get("SourceSecurityGroupId") == properties.get("GroupId"))


def _admits_functions_to_bedrock(properties: dict[str, Any]) -> bool:
    return properties.get("Description") == "functions to Bedrock"


def _serves(service: str, properties: dict[str, Any]) -> bool:
    return str(properties.get("ServiceName")).endswith(f".{service}")


def _without_private_dns(properties: dict[str, Any]) -> bool:
    if not _serves("bedrock", properties):
        return False
    properties["PrivateDnsEnabled"] = False
    return True


def _without_training_routes(properties: dict[str, Any]) -> bool:
    tables = properties.get("RouteTableIds", [])
    if properties.get("VpcEndpointType") != "Gateway" or "s3" not in str(
        properties.get("ServiceName")
    ):
        return False
    kept = [table for table in tables if "Training" not in str(table)]
    properties["RouteTableIds"] = kept
    return len(kept) < len(tables)


def _another_buckets_policy(properties: dict[str, Any]) -> bool:
    for statement in properties["PolicyDocument"]["Statement"]:
        if statement.get("Sid") == "DenyDataToOthers":
            statement["Resource"] = "arn:aws:s3:::somebody-elses-bucket/*"
            return True
    return False


def _outputs_of_finished_jobs_only(statement: dict[str, Any]) -> bool:
    resource = statement["Resource"]
    parts = resource["Fn::Join"][1] if isinstance(resource, dict) else []
    if not parts or parts[-1] != "/outputs/*":
        return False
    parts[-1] = "/outputs/*/model-customization-job-*"
    return True


def _another_model(properties: dict[str, Any]) -> bool:
    properties["Request"]["baseModelIdentifier"] = "amazon.titan-text-express-v1"
    return True


def _another_subnet(properties: dict[str, Any]) -> bool:
    properties["Request"]["vpcConfig"]["subnetIds"] = [_NOBODYS_SUBNET]
    return True


def _logs_of_another_region(statement: dict[str, Any]) -> bool:
    block = statement["Condition"]["ArnLike"]
    block["kms:EncryptionContext:aws:logs:arn"] = "arn:aws:logs:eu-west-1:*:log-group:*"
    return True


FAULTS = (
    Fault(
        name="trust-other-account",
        says="the customization role trusts jobs of another account",
        stack="identity",
        edit=change_properties("AWS::IAM::Role", _trusts_another_account),
        reason=re.compile(r"Could not assume provided IAM role"),
    ),
    Fault(
        name="endpoint-without-write",
        says="the S3 endpoint's policy lets the job read and not write",
        stack="storage",
        edit=drop_statement("WriteOutputs", resource_type=_ENDPOINT),
        reason=re.compile(r"PutObject.*\.write_access_check_file\.tmp.*no VPC endpoint policy"),
    ),
    Fault(
        name="job-group-without-s3",
        says="the job's security group lets nothing out to S3",
        stack="network",
        edit=change_properties("AWS::EC2::SecurityGroup", _no_way_to_s3),
        reason=re.compile(r"no security group of the job allows TCP 443 egress to the s3 prefix"),
    ),
    Fault(
        name="pass-role-missing",
        says="the submitter may not pass the customization role",
        stack="access",
        edit=drop_statement("PassTheCustomizationRole"),
        reason=re.compile(r"iam:PassRole on resource: \S*customization because no identity-based"),
    ),
    Fault(
        name="model-key-without-submitter",
        says="the model key's policy does not know the submitter",
        stack="encryption",
        edit=change_statement("PermissionsEncryptCustomModel", without_principal("Submitter")),
        reason=re.compile(r"assumed-role/\S*submitter/.*kms:\w+.*no resource-based policy"),
    ),
    Fault(
        name="role-without-model-key",
        says="the customization role's own policy does not open the model key",
        stack="access",
        edit=drop_statement("ModelKeyThroughBedrock", holding="Customization"),
        reason=re.compile(r"provided role may not use the model key.*no identity-based policy"),
    ),
    Fault(
        name="data-key-without-role",
        says="the data key's policy does not know the customization role",
        stack="encryption",
        edit=change_statement("DataInTheBucket", without_principal("Customization")),
        reason=re.compile(r"Could not validate GetObject.*kms:Decrypt.*no resource-based policy"),
    ),
    Fault(
        name="bucket-pinned-to-other-endpoint",
        says="the bucket admits the role through an endpoint that is not ours",
        stack="storage",
        edit=change_statement(
            "DenyCustomizationOutsideTheEndpoint",
            with_condition("StringNotEquals", "aws:SourceVpce", _NOBODYS_ENDPOINT),
        ),
        reason=re.compile(r"s3:ListBucket.*explicit deny in a resource-based policy"),
    ),
    Fault(
        name="no-self-rule",
        says="the job's security group does not admit its own members",
        stack="network",
        edit=drop_resources("AWS::EC2::SecurityGroupIngress", _admits_itself),
        reason=re.compile(r"communication between worker nodes and leader node is broken"),
    ),
    Fault(
        name="eni-tags-wrong",
        says="the role may create network interfaces with another tag than Bedrock's",
        stack="access",
        edit=change_statement(
            "CreateTaggedInterfaces",
            with_condition("StringEquals", "aws:RequestTag/BedrockManaged", ["yes"]),
        ),
        reason=re.compile(r"ec2:CreateNetworkInterface on resource: \S+network-interface/\*"),
    ),
    Fault(
        name="bedrock-endpoint-missing-create",
        says="the Bedrock endpoint's policy forgets the call that submits",
        stack="network",
        edit=change_statement(
            "TheSubmittersCalls",
            without_action("bedrock:CreateModelCustomizationJob"),
            resource_type=_ENDPOINT,
        ),
        reason=re.compile(r"no VPC endpoint policy allows the bedrock:CreateModelCustomizationJob"),
    ),
    Fault(
        name="bedrock-endpoint-closed",
        says="the Bedrock endpoint's security group does not admit the functions",
        stack="network",
        edit=drop_resources("AWS::EC2::SecurityGroupIngress", _admits_functions_to_bedrock),
        reason=re.compile(r"no security group of the bedrock endpoint \S+ admits function"),
    ),
    Fault(
        name="bedrock-name-unknown",
        says="the Bedrock endpoint has no private DNS name",
        stack="network",
        edit=change_properties(_ENDPOINT, _without_private_dns),
        reason=re.compile(r"private DNS is off"),
    ),
    Fault(
        name="s3-route-missing",
        says="the training subnets have no route to the S3 endpoint",
        stack="storage",
        edit=change_properties(_ENDPOINT, _without_training_routes),
        reason=re.compile(r"subnets of the job have no route to a gateway endpoint for s3"),
    ),
    Fault(
        name="probe-not-writable",
        says="the role may write results and not Bedrock's probe beside them",
        stack="access",
        edit=change_statement(
            "WriteOutputs", _outputs_of_finished_jobs_only, holding="Customization"
        ),
        reason=re.compile(
            r"\.write_access_check_file\.tmp.*no identity-based policy allows the s3"
        ),
    ),
    Fault(
        name="tags-of-another-environment",
        says="the submitter may submit only with another environment's tag",
        stack="access",
        edit=change_statement(
            "SubmitJobsTaggedAsOurs",
            with_condition("StringEquals", "aws:RequestTag/finetune:environment", "another"),
        ),
        reason=re.compile(r"CreateModelCustomizationJob on resource: \S+:custom-model/\*"),
    ),
    Fault(
        name="wrong-model",
        says="the job asks for a base model that the submitter may not customize",
        stack="job-",
        edit=change_properties(_JOB, _another_model),
        reason=re.compile(r"CreateModelCustomizationJob on resource: \S+foundation-model/\S*titan"),
    ),
    Fault(
        name="wrong-subnet",
        says="the job asks for a subnet that is not there",
        stack="job-",
        edit=change_properties(_JOB, _another_subnet),
        reason=re.compile(rf"subnet ID '{_NOBODYS_SUBNET}' does not exist"),
    ),
    Fault(
        name="bucket-policy-other-bucket",
        says="the bucket's policy names another bucket",
        stack="storage",
        edit=change_properties("AWS::S3::BucketPolicy", _another_buckets_policy),
        reason=re.compile(r"Policy has invalid resource"),
    ),
    Fault(
        name="key-locked-out",
        says="nobody may change the model key's policy any more",
        stack="encryption",
        edit=change_statement(
            "AccountAdministers", without_action("kms:PutKeyPolicy"), holding="ModelKey"
        ),
        reason=re.compile(r"will not allow you to update the key policy in the future"),
    ),
    Fault(
        name="log-group-key",
        says="the data key admits the log groups of another Region",
        stack="encryption",
        edit=change_statement("LogGroups", _logs_of_another_region),
        reason=re.compile(r"KMS key does not exist or is not allowed to be used with LogGroup"),
        fresh=True,
    ),
    Fault(
        name="function-without-interfaces",
        says="Lambda may not make network interfaces for the submitter",
        stack="access",
        edit=drop_statement("LambdaAttachesTheFunction"),
        reason=re.compile(r"execution role does not have permissions to call CreateNetworkInterf"),
        fresh=True,
    ),
)
"""All of them, in the order of `--list`."""


def named(names: Sequence[str]) -> tuple[Fault, ...]:
    """The faults of these names; `all` means every one.

    Raises:
        KeyError: there is no such fault.
    """
    if ALL in names:
        return FAULTS
    known = {fault.name: fault for fault in FAULTS}
    return tuple(known[name] for name in dict.fromkeys(names))
