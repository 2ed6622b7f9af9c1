"""What the app makes with one thing changed, so that it breaks one of the rules for the app."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from review.template.deployment import ABSENT
from tests.security.app_deployment import AppDeployment

Change = Callable[[AppDeployment], AppDeployment]

VPC = "AWS::EC2::VPC"
ENDPOINT = "AWS::EC2::VPCEndpoint"
FUNCTION = "AWS::Lambda::Function"
ROLE = "AWS::IAM::Role"
KEY = "AWS::KMS::Key"
JOB = "Custom::BedrockModelCustomizationJob"
SUBMITTER = {"FunctionName": "finetune-dev-submitter"}
DATA_KEY = {"Description": "Data, logs and state of the environment dev"}
MODEL_KEY = {"Description": "Custom models of the environment dev"}
S3 = {"ServiceName": "com.amazonaws.us-east-1.s3"}


class AppTwin(NamedTuple):
    """A change that breaks a rule."""

    rule: str
    change: Change
    what: str

    def __str__(self) -> str:
        return f"{self.rule}: {self.what}"


def _put(type_: str, path: str, value: object, **where: object) -> Change:
    return lambda dev: dev.put(type_, path, value, where=where)


def _without(type_: str, path: str, **where: object) -> Change:
    return lambda dev: dev.put(type_, path, ABSENT, where=where)


def _gone(type_: str, **where: object) -> Change:
    return lambda dev: dev.without_resources(type_, **where)


def _raw(path: str, value: object, type_: str, **where: object) -> Change:
    """What stands beside the properties."""

    def change(dev: AppDeployment) -> AppDeployment:
        places = [(each.stack, each.logical_id) for each in dev.where(type_, **where)]

        def make(templates: dict[str, Any]) -> None:
            for stack, logical_id in places:
                templates[stack]["Resources"][logical_id][path] = value

        return dev.changed(make)

    return change


def _template(change: Callable[[dict[str, Any]], object]) -> Change:
    """A change of the network's template."""
    return lambda dev: dev.changed(lambda templates: _made(change, templates))


def _made(change: Callable[[dict[str, Any]], object], templates: dict[str, Any]) -> None:
    change(templates["finetune-dev-network"])


def _export_a_subnet(template: dict[str, Any]) -> None:
    subnet = next(n for n, r in template["Resources"].items() if r["Type"] == "AWS::EC2::Subnet")
    template["Outputs"]["It"] = {"Value": {"Ref": subnet}, "Export": {"Name": "it"}}


def _kms_itself(dev: AppDeployment) -> AppDeployment:
    role = next(r for r in dev.of_type(ROLE) if str(r["RoleName"]).startswith("AmazonBedrock-")).arn
    statement = {
        "Effect": "Allow",
        "Principal": {"AWS": dev.arn("iam", "root")},
        "Action": ["kms:Decrypt", "kms:DescribeKey"],
        "Resource": "*",
        "Condition": {"ArnEquals": {"aws:PrincipalArn": role}},
    }
    return dev.put(KEY, "KeyPolicy.Statement.1", statement, where=MODEL_KEY)


def _no_endpoint_asked_for(dev: AppDeployment) -> AppDeployment:
    return dev.without(
        "AWS::S3::BucketPolicy", "PolicyDocument.Statement.Sid=DenyCustomizationOutsideTheEndpoint",
        where={"Bucket": next(b.ref for b in dev.of_type("AWS::S3::Bucket")
                              if b["LoggingConfiguration"])},
    )  # fmt: skip


def _stack_without_waiting(dev: AppDeployment) -> AppDeployment:
    import dataclasses  # noqa: PLC0415 - here alone

    waiting = {**dev.dependencies, "finetune-dev-engine": frozenset[str]()}
    return dataclasses.replace(dev, dependencies=waiting)


_CHANGES: dict[str, dict[str, Change]] = {
        "network.default-group-closed": {
            "gone": _gone("Custom::VpcRestrictDefaultSG"),
            "another group": _put("Custom::VpcRestrictDefaultSG", "DefaultSecurityGroupId", "sg-1"),
        },
        "network.one-vpc": {
            "a second": lambda dev: dev.plus("network", VPC, CidrBlock="10.1.0.0/16"),
            "a group elsewhere": _put("AWS::EC2::SecurityGroup", "VpcId", "vpc-1"),
        },
        "network.subnets-in-their-slots": {
            "a range of another zone": _put(
                "AWS::EC2::Subnet", "AvailabilityZone", "us-east-1c", CidrBlock="10.40.8.0/21"
            ),
            "one route table for all": lambda dev: dev.put(
                "AWS::EC2::SubnetRouteTableAssociation",
                "RouteTableId",
                dev.of_type("AWS::EC2::RouteTable")[0].ref,
            ),
        },
        "network.zones-can-be-dropped": {"an exported subnet": _template(_export_a_subnet)},
        "endpoints.as-designed": {
            "one less": _gone(ENDPOINT, ServiceName="com.amazonaws.us-east-1.dynamodb"),
            "another principal": _put(
                ENDPOINT, "PolicyDocument.Statement.0.Resource", "*", **S3
            ),
        },
            "groups.as-designed": {
            "a port more": _put(
                "AWS::EC2::SecurityGroupIngress", "FromPort", 0, Description="job to KMS"
            ),
            "a rule less": _gone("AWS::EC2::SecurityGroupEgress", Description="job to itself"),
            "another owner": _put(
                "AWS::EC2::SecurityGroupIngress", "SourceSecurityGroupOwnerId", "999999999999"
            ),
        },
        "flow-logs.as-designed": {
            "late": _put("AWS::EC2::FlowLog", "MaxAggregationInterval", 600),
            "before its permission": _raw("DependsOn", [], "AWS::EC2::FlowLog"),
        },
        "keys.two-for-their-purposes": {
            "a third": lambda dev: dev.plus("encryption", KEY, EnableKeyRotation=True),
            "an alias of the other": lambda dev: dev.put(
                "AWS::KMS::Alias",
                "TargetKeyId",
                dev.where(KEY, **MODEL_KEY)[0].arn,
                where={"AliasName": "alias/finetune-dev-data"},
            ),
        },
        "keys.used-as-designed": {
            "without the service": _without(KEY, "KeyPolicy.Statement.1.Condition", **DATA_KEY),
            "nobody": _without(KEY, "KeyPolicy.Statement.1", **MODEL_KEY),
        },
        "keys.roles-agree": {
            "no permission of its own": _gone(
                "AWS::IAM::ManagedPolicy",
                Description="Uses the data key through S3 and the model key through Bedrock",
            ),
        },
        "keys.no-direct-calls": {"a setting": _kms_itself},
        "buckets.as-designed": {
            "data that expires": lambda dev: dev.put(
                "AWS::S3::Bucket", "LifecycleConfiguration.Rules.0.ExpirationInDays", 1
            ),
            "another prefix": _put(
                "AWS::S3::Bucket",
                "LoggingConfiguration.LogFilePrefix",
                "elsewhere/",
                **{"LoggingConfiguration.LogFilePrefix": "training-bucket/"},
            ),
            "unfinished uploads that stay": lambda dev: dev.put(
                "AWS::S3::Bucket",
                "LifecycleConfiguration.Rules.0.AbortIncompleteMultipartUpload."
                "DaysAfterInitiation",
                65535,
            ),
            "replaced access logs that are gone at once": lambda dev: dev.put(
                "AWS::S3::Bucket",
                "LifecycleConfiguration.Rules.0.NoncurrentVersionExpiration.NoncurrentDays",
                0,
                where={"LoggingConfiguration": None},
            ),
        },
        "buckets.policies-as-designed": {
            "a denial less": _without("AWS::S3::BucketPolicy", "PolicyDocument.Statement.1"),
            "no policy": _gone("AWS::S3::BucketPolicy"),
        },
        "buckets.endpoint-required": {"a setting": _no_endpoint_asked_for},
        "stores.logs-as-designed": {
            "one less": _gone("AWS::Logs::LogGroup", LogGroupName="/finetune/dev/flow-logs"),
            "a class that nobody reads": _put(
                "AWS::Logs::LogGroup", "LogGroupClass", "INFREQUENT_ACCESS"
            ),
        },
        "stores.table-as-designed": {
            "a stream": _put(
                "AWS::DynamoDB::Table", "StreamSpecification", {"StreamViewType": "NEW_IMAGE"}
            ),
            "all items expire": _put(
                "AWS::DynamoDB::Table", "TimeToLiveSpecification.AttributeName", "Id"
            ),
        },
        "stores.queue-as-designed": {
            "a day": _put("AWS::SQS::Queue", "MessageRetentionPeriod", 86400),
            "anybody": _put("AWS::SQS::QueuePolicy", "PolicyDocument.Statement.1.Principal", "*"),
        },
        "stores.topic-as-designed": {
            "a second": lambda dev: dev.plus("engine", "AWS::SNS::Topic"),
            "anybody": _put(
                "AWS::SNS::TopicPolicy", "PolicyDocument.Statement.Sid=AlarmsPublish.Principal", "*"
            ),
        },
        "functions.as-designed": {
            "outside the VPC": _without(FUNCTION, "VpcConfig", **SUBMITTER),
            "another role": _put(FUNCTION, "Role", "arn:aws:iam::111122223333:role/admin"),
            "a variable more": _put(FUNCTION, "Environment.Variables.PROXY", "http://x",
                                    **SUBMITTER),
            "switched off": _put(FUNCTION, "ReservedConcurrentExecutions", 0, **SUBMITTER),
            "no time": _put(FUNCTION, "Timeout", 1, **SUBMITTER),
            "Lambda's own time": _without(FUNCTION, "Timeout", **SUBMITTER),
            "more than there is": _put(FUNCTION, "MemorySize", 32768, **SUBMITTER),
        },
        "functions.start-after-permissions": {
            "at once": _raw("DependsOn", [], FUNCTION, **SUBMITTER),
        },
        "functions.code-of-the-account": {
            "a bucket of others": _put(FUNCTION, "Code.S3Bucket", "somebody-elses"),
            "inline": _put(FUNCTION, "Code", {"ZipFile": "..."}),
        },
        "functions.requests-do-not-grow-old": {
            "six hours": _put(
                "AWS::Lambda::EventInvokeConfig", "MaximumEventAgeInSeconds", 21600
            ),
            "unlimited": _gone("AWS::Lambda::EventInvokeConfig"),
        },
        "functions.follower-called-by-its-rules": {
            "all jobs of the account": _without(
                "AWS::Events::Rule", "EventPattern.detail.jobName", Name="finetune-dev-job-state"
            ),
            "seldom": _put(
                "AWS::Events::Rule", "ScheduleExpression", "rate(1 day)", Name="finetune-dev-follow"
            ),
        },
        "watching.alarms-as-designed": {
            "silence is fine": _put(
                "AWS::CloudWatch::Alarm",
                "TreatMissingData",
                "ignore",
                AlarmName="finetune-dev-follower",
            ),
            "nobody told": _without("AWS::CloudWatch::Alarm", "AlarmActions"),
        },
        "watching.waiter-as-designed": {
            "something else": _put(
                "AWS::StepFunctions::StateMachine",
                "DefinitionString",
                '{"StartAt": "It", "States": {"It": {"Type": "Succeed"}}}',
            ),
        },
        "jobs.as-designed": {
            "one subnet less": _without(JOB, "Request.vpcConfig.subnetIds.0"),
            "another key": _put(JOB, "Request.customModelKmsKeyId", "alias/aws/s3"),
            "another model": _put(JOB, "Request.baseModelIdentifier", "another"),
            "no tags": _without(JOB, "Request.customModelTags"),
        },
        "roles.taken-as-designed": {
            "a role more": lambda dev: dev.plus(
                "identity", ROLE, AssumeRolePolicyDocument={"Version": "2012-10-17"}
            ),
            "without conditions": _without(
                ROLE,
                "AssumeRolePolicyDocument.Statement.0.Condition",
                RoleName="finetune-dev-us-east-1-reader",
            ),
        },
        "roles.people-are-named": {
            "everybody": _put(
                ROLE,
                "AssumeRolePolicyDocument.Statement.0.Condition.ArnLike",
                {"aws:PrincipalArn": "arn:aws:iam::111122223333:role/*"},
                RoleName="finetune-dev-us-east-1-reader",
            ),
        },
        "roles.customization-guarded": {
            "gone": _gone(ROLE, RoleName="AmazonBedrock-finetune-dev-us-east-1-customization"),
            "any source": _without(
                ROLE,
                "AssumeRolePolicyDocument.Statement.0.Condition.ArnEquals",
                RoleName="AmazonBedrock-finetune-dev-us-east-1-customization",
            ),
        },
        "roles.allowed-as-designed": {
            "an action more": _put(
                "AWS::IAM::ManagedPolicy",
                "PolicyDocument.Statement.0.Action",
                "s3:*",
                Description="Reads datasets and writes outputs",
            ),
            "a statement less": _without(
                "AWS::IAM::ManagedPolicy",
                "PolicyDocument.Statement.0",
                Description="Reads datasets and writes outputs",
            ),
        },
        "roles.bounded-alike": {
            "one of them": _put(
                ROLE, "PermissionsBoundary", "arn:aws:iam::111122223333:policy/it",
                RoleName="finetune-dev-us-east-1-reader",
            ),
        },
        "retention.as-designed": {
            "one bucket": _raw("DeletionPolicy", "Retain", "AWS::DynamoDB::Table"),
            "a protected table": _put("AWS::DynamoDB::Table", "DeletionProtectionEnabled", True),
            "a job that stays": _raw("DeletionPolicy", "Retain", JOB),
        },
        "resources.only-known": {
            "an instance": lambda dev: dev.plus("network", "AWS::EC2::Instance"),
        },
        "resources.no-macros": {
            "a macro": _template(lambda template: template.update(Transform="Somebody-Elses")),
            "a parameter": _template(
                lambda template: template["Parameters"].update(It={"Type": "String", "Default": ""})
            ),
        },
        "resources.tagged-as-ours": {
            "untagged": _without("AWS::S3::Bucket", "Tags"),
        },
        "resources.outputs-name-ours": {
        "another bucket": lambda dev: dev.changed(
            lambda templates: templates["finetune-dev-storage"]["Outputs"]["DataBucketName"].update(
                Value="somebody-elses"
            )
        ),
        "another job": lambda dev: dev.changed(
            lambda templates: templates["finetune-dev-job-policy-review"]["Outputs"].pop("State")
        ),
    },
    "resources.stacks-wait": {"the engine": _stack_without_waiting},
}  # fmt: skip

APP_TWINS = [
    AppTwin(rule, change, what)
    for rule, changes in _CHANGES.items()
    for what, change in changes.items()
]
