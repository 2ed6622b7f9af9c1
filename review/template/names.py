"""The names and ARNs that AWS would give, invented, and always the same for the same template.

What a template names keeps its name. What AWS would name is called by what it is and by its
logical id without the CDK's hash: nobody takes `vpce-s3` for a real id, and no two resources of a
deployment share one.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any, Final, NamedTuple

ACCOUNT: Final = "111122223333"
"""What `AWS::AccountId` stands for where nobody names an account: that of AWS's documents."""
REGION: Final = "us-east-1"
"""What `AWS::Region` stands for where nobody names a Region."""

_HASH = re.compile(r"[0-9A-F]{8}$")


def plain(logical_id: str) -> str:
    """A logical id without the hash that the CDK puts at its end."""
    return _HASH.sub("", logical_id) or logical_id


class Scope(NamedTuple):
    """Where a stack is deployed."""

    partition: str
    region: str
    account: str
    url_suffix: str

    def arn(self, service: str, resource: str) -> str:
        """An ARN here; those of S3 name neither Region nor account, those of IAM no Region."""
        region = "" if service in _WITHOUT_REGION else self.region
        account = "" if service == "s3" else self.account
        return f"arn:{self.partition}:{service}:{region}:{account}:{resource}"


_WITHOUT_REGION: Final = frozenset({"cloudfront", "iam", "organizations", "route53", "s3", "waf"})

NAME_PROPERTIES: Final[Mapping[str, str]] = {
    "AWS::Athena::WorkGroup": "Name",
    "AWS::CloudTrail::Trail": "TrailName",
    "AWS::CloudWatch::Alarm": "AlarmName",
    "AWS::CodeBuild::Project": "Name",
    "AWS::DynamoDB::Table": "TableName",
    "AWS::ECR::Repository": "RepositoryName",
    "AWS::ECS::Cluster": "ClusterName",
    "AWS::Events::EventBus": "Name",
    "AWS::Events::Rule": "Name",
    "AWS::Glue::Crawler": "Name",
    "AWS::Glue::Job": "Name",
    "AWS::IAM::Group": "GroupName",
    "AWS::IAM::InstanceProfile": "InstanceProfileName",
    "AWS::IAM::ManagedPolicy": "ManagedPolicyName",
    "AWS::IAM::Role": "RoleName",
    "AWS::IAM::User": "UserName",
    "AWS::KMS::Alias": "AliasName",
    "AWS::Kinesis::Stream": "Name",
    "AWS::KinesisFirehose::DeliveryStream": "DeliveryStreamName",
    "AWS::Lambda::Function": "FunctionName",
    "AWS::Logs::LogGroup": "LogGroupName",
    "AWS::S3::AccessPoint": "Name",
    "AWS::S3::Bucket": "BucketName",
    "AWS::SNS::Topic": "TopicName",
    "AWS::SQS::Queue": "QueueName",
    "AWS::SSM::Parameter": "Name",
    "AWS::SageMaker::NotebookInstance": "NotebookInstanceName",
    "AWS::Scheduler::Schedule": "Name",
    "AWS::Scheduler::ScheduleGroup": "Name",
    "AWS::SecretsManager::Secret": "Name",
    "AWS::StepFunctions::StateMachine": "StateMachineName",
}
"""The property by which AWS knows a resource, for those it does not know by an id."""

_PREFIXES: Final[Mapping[str, str]] = {
    "AWS::EC2::CustomerGateway": "cgw",
    "AWS::EC2::DHCPOptions": "dopt",
    "AWS::EC2::EIP": "eipalloc",
    "AWS::EC2::EgressOnlyInternetGateway": "eigw",
    "AWS::EC2::FlowLog": "fl",
    "AWS::EC2::Instance": "i",
    "AWS::EC2::InternetGateway": "igw",
    "AWS::EC2::LaunchTemplate": "lt",
    "AWS::EC2::NatGateway": "nat",
    "AWS::EC2::NetworkAcl": "acl",
    "AWS::EC2::NetworkInterface": "eni",
    "AWS::EC2::PrefixList": "pl",
    "AWS::EC2::RouteTable": "rtb",
    "AWS::EC2::SecurityGroup": "sg",
    "AWS::EC2::Subnet": "subnet",
    "AWS::EC2::TransitGateway": "tgw",
    "AWS::EC2::TransitGatewayAttachment": "tgw-attach",
    "AWS::EC2::VPC": "vpc",
    "AWS::EC2::VPCEndpoint": "vpce",
    "AWS::EC2::VPCPeeringConnection": "pcx",
    "AWS::EC2::VPNGateway": "vgw",
    "AWS::KMS::Key": "key",
    "AWS::S3::Bucket": "bucket",
}
"""How the ids of a kind begin."""

_ARNS: Final[Mapping[str, tuple[str, str]]] = {
    "AWS::Bedrock::Agent": ("bedrock", "agent/{}"),
    "AWS::Bedrock::Guardrail": ("bedrock", "guardrail/{}"),
    "AWS::Bedrock::KnowledgeBase": ("bedrock", "knowledge-base/{}"),
    "AWS::CloudFormation::Stack": ("cloudformation", "stack/{}/invented"),
    "AWS::CloudTrail::Trail": ("cloudtrail", "trail/{}"),
    "AWS::CloudWatch::Alarm": ("cloudwatch", "alarm:{}"),
    "AWS::CodeBuild::Project": ("codebuild", "project/{}"),
    "AWS::DynamoDB::Table": ("dynamodb", "table/{}"),
    "AWS::EC2::FlowLog": ("ec2", "vpc-flow-log/{}"),
    "AWS::EC2::Instance": ("ec2", "instance/{}"),
    "AWS::EC2::SecurityGroup": ("ec2", "security-group/{}"),
    "AWS::EC2::Subnet": ("ec2", "subnet/{}"),
    "AWS::EC2::VPC": ("ec2", "vpc/{}"),
    "AWS::EC2::VPCEndpoint": ("ec2", "vpc-endpoint/{}"),
    "AWS::ECR::Repository": ("ecr", "repository/{}"),
    "AWS::ECS::Cluster": ("ecs", "cluster/{}"),
    "AWS::EFS::FileSystem": ("elasticfilesystem", "file-system/{}"),
    "AWS::Events::EventBus": ("events", "event-bus/{}"),
    "AWS::Events::Rule": ("events", "rule/{}"),
    "AWS::Glue::Job": ("glue", "job/{}"),
    "AWS::IAM::Group": ("iam", "group{path}{}"),
    "AWS::IAM::InstanceProfile": ("iam", "instance-profile{path}{}"),
    "AWS::IAM::ManagedPolicy": ("iam", "policy{path}{}"),
    "AWS::IAM::Role": ("iam", "role{path}{}"),
    "AWS::IAM::User": ("iam", "user{path}{}"),
    "AWS::KMS::Alias": ("kms", "{}"),
    "AWS::KMS::Key": ("kms", "key/{}"),
    "AWS::KMS::ReplicaKey": ("kms", "key/{}"),
    "AWS::Kinesis::Stream": ("kinesis", "stream/{}"),
    "AWS::KinesisFirehose::DeliveryStream": ("firehose", "deliverystream/{}"),
    "AWS::Lambda::Function": ("lambda", "function:{}"),
    "AWS::Lambda::LayerVersion": ("lambda", "layer:{}:1"),
    "AWS::Lambda::Version": ("lambda", "function:{}:1"),
    "AWS::Logs::LogGroup": ("logs", "log-group:{}:*"),
    "AWS::S3::AccessPoint": ("s3", "accesspoint/{}"),
    "AWS::S3::Bucket": ("s3", "{}"),
    "AWS::SNS::Topic": ("sns", "{}"),
    "AWS::SQS::Queue": ("sqs", "{}"),
    "AWS::SSM::Parameter": ("ssm", "parameter/{}"),
    "AWS::SageMaker::NotebookInstance": ("sagemaker", "notebook-instance/{}"),
    "AWS::Scheduler::Schedule": ("scheduler", "schedule/default/{}"),
    "AWS::Scheduler::ScheduleGroup": ("scheduler", "schedule-group/{}"),
    "AWS::SecretsManager::Secret": ("secretsmanager", "secret:{}-AbCdEf"),
    "AWS::StepFunctions::StateMachine": ("states", "stateMachine:{}"),
}
"""Service and form of the ARN; of a kind that is not here it is made of the type's own words."""

_REF_IS_ARN: Final = frozenset(
    {
        "AWS::CloudFormation::Stack",
        "AWS::IAM::ManagedPolicy",
        "AWS::Lambda::LayerVersion",
        "AWS::SNS::Topic",
        "AWS::SecretsManager::Secret",
        "AWS::StepFunctions::StateMachine",
    }
)
"""Kinds of which `Ref` returns the ARN."""


class Identity(NamedTuple):
    """What a resource is known by."""

    name: str
    """Its name or id."""
    ref: str
    """What `Ref` returns."""
    arn: str


def identify(
    *,
    scope: Scope,
    type_: str,
    logical_id: str,
    given: Callable[[str], str | None],
    alias: Callable[[], str | None],
    free: Callable[[str], str],
) -> Identity:
    """What a resource is known by.

    Args:
        scope: Where it is deployed.
        type_: Its type, as templates write it.
        logical_id: Its name in the template.
        given: The value of a property of its own, as text; None where it has none.
        alias: The name of the alias of a key; None where it has none.
        free: Makes an invented name another than all that were given out before.
    """
    name = given(NAME_PROPERTIES[type_]) if type_ in NAME_PROPERTIES else None
    if name is None:
        name = free(_invented(type_=type_, logical_id=logical_id, given=given, alias=alias))
    arn = _arn(scope, type_, name, given("Path") or "/")
    if type_ == "AWS::SQS::Queue":
        ref = f"https://sqs.{scope.region}.{scope.url_suffix}/{scope.account}/{name}"
    else:
        ref = arn if type_ in _REF_IS_ARN else name
    return Identity(name, ref, arn)


def _invented(
    *,
    type_: str,
    logical_id: str,
    given: Callable[[str], str | None],
    alias: Callable[[], str | None],
) -> str:
    name = plain(logical_id)
    match type_:
        case "AWS::S3::Bucket":
            name = name.lower()
        case "AWS::KMS::Key":
            name = alias() or name
        case "AWS::EC2::Subnet":
            name = given("CidrBlock") or name
        case "AWS::EC2::VPCEndpoint":
            name = (given("ServiceName") or name).rsplit(".", maxsplit=1)[-1]
    prefix = _PREFIXES.get(type_)
    return f"{prefix}-{name}" if prefix else name


def _arn(scope: Scope, type_: str, name: str, path: str) -> str:
    if name.startswith("arn:"):
        return name
    if type_ in _ARNS:
        service, form = _ARNS[type_]
        return scope.arn(
            service, form.format(name.removeprefix("/") if service == "ssm" else name, path=path)
        )
    words = type_.split("::")
    service = words[1].lower() if words[0] == "AWS" and len(words) > 2 else "custom"
    return scope.arn(service, f"{words[-1].lower()}/{name}")


def attribute(*, scope: Scope, type_: str, identity: Identity, name: str) -> str:
    """What `Fn::GetAtt` returns of a resource, apart from outputs of nested stacks."""
    if name in {"Arn", "TopicArn", "PolicyArn", "RoleArn", "AliasArn"} or name.endswith("::Arn"):
        return identity.arn
    if name in _IS_NAME:
        return identity.name
    form = _ATTRIBUTES.get((type_, name), "{name}.{attribute}")
    return form.format(
        name=identity.name,
        attribute=name,
        arn=identity.arn,
        ref=identity.ref,
        region=scope.region,
        domain=scope.url_suffix,
    )


_ATTRIBUTES: Final[Mapping[tuple[str, str], str]] = {
    ("AWS::DynamoDB::Table", "StreamArn"): "{arn}/stream/2026-01-01T00:00:00.000",
    ("AWS::EC2::VPC", "VpcId"): "{name}",
    ("AWS::S3::Bucket", "DomainName"): "{name}.s3.{domain}",
    ("AWS::S3::Bucket", "RegionalDomainName"): "{name}.s3.{region}.{domain}",
    ("AWS::SQS::Queue", "QueueUrl"): "{ref}",
}

_IS_NAME: Final = frozenset(
    {
        "AllocationId",
        "DBInstanceIdentifier",
        "FunctionName",
        "GroupId",
        "Id",
        "InstanceId",
        "InternetGatewayId",
        "KeyId",
        "Name",
        "NatGatewayId",
        "NetworkAclId",
        "QueueName",
        "RouteTableId",
        "SubnetId",
        "TopicName",
        "TransitGatewayId",
    }
)
"""Attributes that are the name or id."""


def parameter(type_: str, name: str) -> Any:  # noqa: ANN401 - a text or a list of texts
    """An invented value of a parameter without one, where its type says what kind of id it is.

    Returns:
        None for types whose values could be anything, a wildcard as well.
    """
    inner = type_
    for wrapper in ("AWS::SSM::Parameter::Value<", "List<"):
        if inner.startswith(wrapper) and inner.endswith(">"):
            inner = inner.removeprefix(wrapper)[:-1]
    many = "List<" in type_
    prefix = _PARAMETER_PREFIXES.get(inner)
    if prefix is None:
        return None
    if many:
        return [f"{prefix}-{name}-{number}" for number in (1, 2)]
    return f"{prefix}-{name}"


_PARAMETER_PREFIXES: Final[Mapping[str, str]] = {
    "AWS::EC2::AvailabilityZone::Name": "zone",
    "AWS::EC2::Image::Id": "ami",
    "AWS::EC2::Instance::Id": "i",
    "AWS::EC2::KeyPair::KeyName": "keypair",
    "AWS::EC2::SecurityGroup::GroupName": "group",
    "AWS::EC2::SecurityGroup::Id": "sg",
    "AWS::EC2::Subnet::Id": "subnet",
    "AWS::EC2::VPC::Id": "vpc",
    "AWS::EC2::Volume::Id": "vol",
    "AWS::Route53::HostedZone::Id": "hosted-zone",
}
