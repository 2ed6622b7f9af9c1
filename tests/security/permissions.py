"""Who may do what, written by hand from the design: not read from the constructs it holds to it.

Each function says everything that one policy may say. The checks compare the templates with it in
both directions, so a permission that is not here is a finding, and so is one that is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cache, cached_property

from settings import Settings
from tests.security.deployment import Deployment
from tests.security.methods import grants_of_methods, grants_to_read_logs
from tests.security.policies import Grant, allow, deny

Conditions = Mapping[str, Mapping[str, object]]

DATASETS = "fine-tuning-datasets/*"
OUTPUTS = "outputs/*"


def permissions_of(deployment: Deployment) -> Permissions:
    """The policies that the design gives an environment; worked out once for the same settings.

    Thousands of weakened copies share their settings, and with them what they are held to.
    """
    key = id(deployment.settings)
    if key not in _KNOWN:
        _KNOWN[key] = Permissions(deployment)
    return _KNOWN[key]


class Permissions:
    """The policies of one environment.

    `role_policies` and `trust` are by the role's name.
    """

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        settings = deployment.settings
        self.settings: Settings = settings
        arn = deployment.arn
        env, region = settings.environment, settings.region
        self.names = {
            purpose: f"finetune-{env}-{region}-{purpose}"
            for purpose in (
                "submitter", "completion-check", "follower", "flow-logs", "uploader", "reader"
            )
        }  # fmt: skip
        self.names["customization"] = f"AmazonBedrock-finetune-{env}-{region}-customization"
        self.names["on-event"] = f"finetune-{env}-{region}-framework-on-event"
        self.names["complete"] = f"finetune-{env}-{region}-framework-complete"
        self.names["waiter"] = "EngineFrameworkProviderwaiterstatemachineRole"
        self.names["default-group"] = "CustomVpcRestrictDefaultSGCustomResourceProviderRole"
        self.roles = {purpose: arn("iam", f"role/{name}") for purpose, name in self.names.items()}
        self.root = f"AWS:{arn('iam', 'root')}"
        self.bucket = arn("s3", "bucket-data")
        self.logs_bucket = arn("s3", "bucket-logs")
        self.data_key = arn("kms", f"key/key-finetune-{env}-data")
        self.model_key = arn("kms", f"key/key-finetune-{env}-model")
        self.table = arn("dynamodb", f"table/finetune-{env}-jobs")
        self.queue = arn("sqs", f"finetune-{env}-failed-events")
        self.topic = arn("sns", "JobTopic")
        self.job_state_rule = arn("events", f"rule/finetune-{env}-job-state")
        self.follow_rule = arn("events", f"rule/finetune-{env}-follow")
        self.rules = [self.job_state_rule, self.follow_rule]
        self.alarms = [
            arn("cloudwatch", f"alarm:finetune-{env}-{name}")
            for name in ("failed-jobs", "follower")
        ]
        self.jobs = arn("bedrock", "model-customization-job/*")
        self.models = arn("bedrock", "custom-model/*")
        self.base_models = [
            arn("bedrock", f"foundation-model/{model}", account="")
            for model in settings.base_models
        ]
        self.subnets = [
            arn("ec2", f"subnet/subnet-{cidr}") for cidr in deployment.training_cidrs.values()
        ]

    def function(self, purpose: str) -> str:
        return self._deployment.arn(
            "lambda", f"function:finetune-{self.settings.environment}-{purpose}"
        )

    def framework(self, step: str) -> str:
        return self._deployment.arn("lambda", f"function:EngineFrameworkProviderframework{step}")

    def log_group(self, name: str) -> str:
        return self._deployment.arn("logs", f"log-group:{name}")

    def via(self, service: str) -> dict[str, str]:
        suffix = self._deployment.url_suffix
        return {"kms:ViaService": f"{service}.{self.settings.region}.{suffix}"}

    def people(self, who: str) -> list[str]:
        return [
            each if each.startswith("arn:") else self._deployment.arn("iam", each)
            for each in getattr(self.settings.people, who)
        ]

    @property
    def _ours(self) -> Conditions:
        return {"StringEquals": {"aws:ResourceAccount": self._deployment.account}}

    def _may_read(self, *prefixes: str) -> set[Grant]:
        return allow(
            "s3:GetObject", on=[f"{self.bucket}/{prefix}" for prefix in prefixes], when=self._ours
        ) | allow(
            "s3:ListBucket",
            on=self.bucket,
            when={**self._ours, "StringLike": {"s3:prefix": prefixes}},
        )

    @property
    def _may_look_for_datasets(self) -> set[Grant]:
        """A HEAD carries no prefix, and without listing S3 answers 403 for a missing object."""
        return allow("s3:GetObject", on=f"{self.bucket}/{DATASETS}", when=self._ours) | allow(
            "s3:ListBucket", on=self.bucket, when=self._ours
        )

    def _data_key_through_s3(self, *actions: str) -> set[Grant]:
        return allow(
            *actions,
            on=self.data_key,
            when={
                "StringEquals": {
                    **self.via("s3"),
                    "kms:EncryptionContext:aws:s3:arn": self.bucket,
                }
            },
        )

    @property
    def _model_key_through_bedrock(self) -> set[Grant]:
        return allow(
            "kms:CreateGrant",
            "kms:Decrypt",
            "kms:DescribeKey",
            "kms:GenerateDataKey",
            on=self.model_key,
            when={"StringEquals": self.via("bedrock")},
        )

    @property
    def _data_key_through_dynamodb(self) -> set[Grant]:
        return allow(
            "kms:Decrypt",
            "kms:DescribeKey",
            "kms:GenerateDataKey",
            on=self.data_key,
            when={"StringEquals": self.via("dynamodb")},
        )

    def _writes_logs(self, name: str, *more: str) -> set[Grant]:
        return allow(
            "logs:CreateLogStream", "logs:PutLogEvents", *more, on=f"{self.log_group(name)}:*"
        )

    @property
    def _keeps_failed_events(self) -> set[Grant]:
        return allow("sqs:SendMessage", on=self.queue) | allow(
            "kms:Decrypt",
            "kms:GenerateDataKey",
            on=self.data_key,
            when={"StringEquals": self.via("sqs")},
        )

    @cached_property
    def _trains(self) -> set[Grant]:
        return self._may_read(DATASETS, OUTPUTS) | allow(
            "s3:PutObject", on=f"{self.bucket}/{OUTPUTS}", when=self._ours
        )

    @cache  # noqa: B019 - as many as there are settings in a run
    def role_policies(self, job_group: str) -> dict[str, set[Grant]]:
        """What each role may do, by the role's name.

        Args:
            job_group: The id of the security group that jobs run in.
        """
        by_purpose = {
            "customization": self._customization(job_group),
            "submitter": self._submitter,
            "completion-check": self._completion_check,
            "follower": self._follower,
            "flow-logs": self._writes_logs(
                f"/finetune/{self.settings.environment}/flow-logs", "logs:DescribeLogStreams"
            ),
            "uploader": self._may_look_for_datasets
            | allow(
                "s3:AbortMultipartUpload",
                "s3:PutObject",
                on=f"{self.bucket}/{DATASETS}",
                when=self._ours,
            )
            | self._data_key_through_s3("kms:Decrypt", "kms:GenerateDataKey"),
            "reader": self._may_read(DATASETS, OUTPUTS) | self._data_key_through_s3("kms:Decrypt"),
            "on-event": self._calls("submitter")
            | allow(
                "states:StartExecution",
                on=self._deployment.arn(
                    "states", "stateMachine:EngineFrameworkProviderwaiterstatemachine"
                ),
            ),
            "complete": self._calls("completion-check"),
            "waiter": allow(
                "lambda:InvokeFunction",
                on=[
                    f"{self.framework(step)}{version}"
                    for step in ("isComplete", "onTimeout")
                    for version in ("", ":*")
                ],
            ),
            "default-group": allow(
                "ec2:AuthorizeSecurityGroupEgress",
                "ec2:AuthorizeSecurityGroupIngress",
                "ec2:RevokeSecurityGroupEgress",
                "ec2:RevokeSecurityGroupIngress",
                on=self._deployment.arn("ec2", "security-group/NetworkVpc.DefaultSecurityGroup"),
            )
            | self._writes_logs(self._function_logs("default-group")),
        }
        return {self.names[purpose]: grants for purpose, grants in by_purpose.items()}

    def _function_logs(self, purpose: str) -> str:
        return f"/aws/lambda/finetune-{self.settings.environment}-{purpose}"

    def _calls(self, function: str) -> set[Grant]:
        return (
            allow("lambda:GetFunction", "lambda:InvokeFunction", on=self.function(function))
            | self._writes_logs(self._function_logs("framework"))
            | self._keeps_failed_events
        )

    def _customization(self, job_group: str) -> set[Grant]:
        """https://docs.aws.amazon.com/bedrock/latest/userguide/custom-model-job-access-security.html"""
        arn = self._deployment.arn
        interfaces = arn("ec2", "network-interface/*")
        job_tag = "BedrockModelCustomizationJobArn"
        return (
            self._trains
            | grants_of_methods(self._deployment)
            | self._data_key_through_s3("kms:Decrypt", "kms:GenerateDataKey")
            | self._model_key_through_bedrock
            | (
                allow("kms:Decrypt", "kms:DescribeKey", on=self.model_key)
                if self.settings.keys.direct_kms
                else set()
            )
            | allow(
                "ec2:CreateNetworkInterface",
                on=interfaces,
                when={
                    "StringEquals": {"aws:RequestTag/BedrockManaged": "true"},
                    "ArnEquals": {f"aws:RequestTag/{job_tag}": self.jobs},
                },
            )
            | allow(
                "ec2:CreateNetworkInterface",
                on=[*self.subnets, arn("ec2", f"security-group/{job_group}")],
            )
            | allow(
                "ec2:CreateTags",
                on=interfaces,
                when={
                    "StringEquals": {"ec2:CreateAction": "CreateNetworkInterface"},
                    "ForAllValues:StringEquals": {"aws:TagKeys": ["BedrockManaged", job_tag]},
                },
            )
            | allow(
                "ec2:DescribeDhcpOptions",
                "ec2:DescribeNetworkInterfaces",
                "ec2:DescribeSecurityGroups",
                "ec2:DescribeSubnets",
                "ec2:DescribeVpcs",
                on="*",
            )
            | allow(
                "ec2:CreateNetworkInterfacePermission",
                "ec2:DeleteNetworkInterface",
                "ec2:DeleteNetworkInterfacePermission",
                on="*",
                when={
                    "ArnEquals": {
                        "ec2:Subnet": self.subnets,
                        f"ec2:ResourceTag/{job_tag}": self.jobs,
                    },
                    "StringEquals": {"ec2:ResourceTag/BedrockManaged": "true"},
                },
            )
        )

    @cached_property
    def _submitter(self) -> set[Grant]:
        ours = self.settings.environment
        tag = "finetune:environment"
        attach = (
            "ec2:AssignPrivateIpAddresses",
            "ec2:CreateNetworkInterface",
            "ec2:DeleteNetworkInterface",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSubnets",
            "ec2:UnassignPrivateIpAddresses",
        )
        created = [self.jobs, self.models]
        return (
            allow("bedrock:CreateModelCustomizationJob", on=self.base_models)
            | allow(
                "bedrock:CreateModelCustomizationJob",
                "bedrock:TagResource",
                on=created,
                when={"StringEquals": {f"aws:RequestTag/{tag}": ours}},
            )
            | allow(
                "bedrock:GetCustomModel",
                "bedrock:GetModelCustomizationJob",
                "bedrock:ListTagsForResource",
                on=created,
            )
            | allow(
                "bedrock:DeleteCustomModel",
                "bedrock:StopModelCustomizationJob",
                on=created,
                when={"StringEquals": {f"aws:ResourceTag/{tag}": ours}},
            )
            | allow(
                "iam:PassRole",
                on=self.roles["customization"],
                when={"StringEquals": {"iam:PassedToService": "bedrock.amazonaws.com"}},
            )
            | self._may_look_for_datasets
            | (
                self._model_key_through_bedrock
                if self.settings.keys.submitter_uses_model_key
                else set()
            )
            | allow(*attach, on="*")
            | deny(
                *attach,
                on="*",
                when={"ArnEquals": {"lambda:SourceFunctionArn": self.function("submitter")}},
            )
            | allow("dynamodb:GetItem", "dynamodb:UpdateItem", on=self.table)
            | self._data_key_through_dynamodb
            | self._writes_logs(self._function_logs("submitter"))
            | self._keeps_failed_events
        )

    @cached_property
    def _completion_check(self) -> set[Grant]:
        return (
            allow("bedrock:GetModelCustomizationJob", on=self.jobs)
            | allow("ec2:DescribeNetworkInterfaces", on="*")
            | self._writes_logs(self._function_logs("completion-check"))
            | self._keeps_failed_events
        )

    @cached_property
    def _follower(self) -> set[Grant]:
        """It looks, announces and ends what is ours; it submits nothing, and passes no role."""
        return (
            allow("bedrock:GetModelCustomizationJob", "bedrock:ListTagsForResource", on=self.jobs)
            | allow(
                "bedrock:DeleteCustomModel",
                "bedrock:StopModelCustomizationJob",
                on=[self.jobs, self.models],
                when={
                    "StringEquals": {
                        "aws:ResourceTag/finetune:environment": self.settings.environment
                    }
                },
            )
            | allow(
                "cloudformation:DescribeStackResource",
                "cloudformation:DescribeStacks",
                on=self._deployment.arn(
                    "cloudformation", f"stack/finetune-{self.settings.environment}-job-*/*"
                ),
            )
            | allow("dynamodb:GetItem", "dynamodb:Scan", "dynamodb:UpdateItem", on=self.table)
            | self._data_key_through_dynamodb
            | allow("sns:Publish", on=self.topic)
            | allow(
                "kms:Decrypt",
                "kms:GenerateDataKey",
                on=self.data_key,
                when={"StringEquals": self.via("sns")},
            )
            | allow("lambda:InvokeFunction", on=self.function("submitter"))
            | self._writes_logs(self._function_logs("follower"))
            | self._keeps_failed_events
        )

    @cached_property
    def trust(self) -> dict[str, set[Grant]]:
        """Who may take each role, by the role's name."""

        def service(name: str, when: Conditions | None = None) -> set[Grant]:
            return allow("sts:AssumeRole", by=f"Service:{name}.amazonaws.com", when=when)

        def people(who: str) -> set[Grant]:
            return allow(
                "sts:AssumeRole",
                by=self.root,
                when={"ArnLike": {"aws:PrincipalArn": self.people(who)}},
            )

        account = {"aws:SourceAccount": self._deployment.account}
        by_purpose = {
            "customization": service(
                "bedrock", {"StringEquals": account, "ArnEquals": {"aws:SourceArn": self.jobs}}
            ),
            "flow-logs": service(
                "vpc-flow-logs",
                {
                    "StringEquals": account,
                    "ArnLike": {"aws:SourceArn": self._deployment.arn("ec2", "vpc-flow-log/*")},
                },
            ),
            "uploader": people("uploaders"),
            "reader": people("readers"),
            "waiter": service("states"),
            **{
                purpose: service("lambda")
                for purpose in (
                    "submitter", "completion-check", "follower", "on-event", "complete",
                    "default-group",
                )
            },
        }  # fmt: skip
        return {self.names[purpose]: grants for purpose, grants in by_purpose.items()}

    def _used_by(self, *purposes: str) -> Conditions:
        return {"ArnEquals": {"aws:PrincipalArn": [self.roles[each] for each in purposes]}}

    @property
    def _administers(self) -> set[Grant]:
        return allow(
            *(
                f"kms:{action}"
                for action in (
                    "CancelKeyDeletion", "CreateAlias", "DeleteAlias", "DescribeKey", "DisableKey",
                    "EnableKey", "EnableKeyRotation", "GetKeyPolicy", "GetKeyRotationStatus",
                    "ListGrants", "ListKeyPolicies", "ListKeyRotations", "ListResourceTags",
                    "PutKeyPolicy", "RevokeGrant", "RotateKeyOnDemand", "ScheduleKeyDeletion",
                    "TagResource", "UntagResource", "UpdateAlias", "UpdateKeyDescription",
                )
            ),
            by=self.root,
            on="*",
        )  # fmt: skip

    def _in_this_account_from(self, sources: list[str]) -> Conditions:
        return {
            "StringEquals": {"aws:SourceAccount": self._deployment.account},
            "ArnEquals": {"aws:SourceArn": sources},
        }

    @cached_property
    def data_key_policy(self) -> set[Grant]:
        """The policy of the data key."""
        env = self.settings.environment
        read_write = ("kms:Decrypt", "kms:GenerateDataKey")
        through_dynamodb = {"StringEquals": self.via("dynamodb")}
        return (
            self._administers
            | allow(
                *read_write,
                by=self.root,
                on="*",
                when={
                    **self._used_by("customization", "uploader", "reader"),
                    "StringEquals": self.via("s3"),
                },
            )
            | allow(
                *read_write,
                "kms:DescribeKey",
                by=self.root,
                on="*",
                when={
                    **self._used_by("submitter", "follower"),
                    "StringEquals": self.via("dynamodb"),
                },
            )
            | allow(
                *read_write,
                "kms:DescribeKey",
                "kms:Encrypt",
                "kms:ReEncryptFrom",
                "kms:ReEncryptTo",
                by=self.root,
                on="*",
                when=through_dynamodb,
            )
            | allow(
                "kms:CreateGrant",
                by=self.root,
                on="*",
                when={**through_dynamodb, "Bool": {"kms:GrantIsForAWSResource": "true"}},
            )
            | allow(
                *read_write,
                by=self.root,
                on="*",
                when={
                    **self._used_by(
                        "submitter", "completion-check", "follower", "on-event", "complete"
                    ),
                    "StringEquals": self.via("sqs"),
                },
            )
            | allow(
                *read_write,
                by=self.root,
                on="*",
                when={**self._used_by("follower"), "StringEquals": self.via("sns")},
            )
            | allow(
                *read_write,
                "kms:DescribeKey",
                "kms:Encrypt",
                "kms:GenerateDataKeyWithoutPlaintext",
                "kms:ReEncryptFrom",
                "kms:ReEncryptTo",
                by=f"Service:logs.{self.settings.region}.amazonaws.com",
                on="*",
                when={
                    "ArnLike": {
                        "kms:EncryptionContext:aws:logs:arn": [
                            self.log_group(f"/aws/lambda/finetune-{env}-*"),
                            self.log_group(f"/finetune/{env}/*"),
                        ]
                    }
                },
            )
            | allow(
                *read_write,
                by="Service:events.amazonaws.com",
                on="*",
                when={"StringEquals": {"kms:EncryptionContext:aws:sqs:arn": self.queue}},
            )
            | allow(
                *read_write,
                by="Service:cloudwatch.amazonaws.com",
                on="*",
                when=self._in_this_account_from(self.alarms),
            )
        )

    @cached_property
    def model_key_policy(self) -> set[Grant]:
        """The policy of the model key."""
        keys = self.settings.keys
        customizers = ["customization", *(["submitter"] if keys.submitter_uses_model_key else [])]
        found = self._administers | allow(
            "kms:CreateGrant",
            "kms:Decrypt",
            "kms:DescribeKey",
            "kms:GenerateDataKey",
            by=self.root,
            on="*",
            when={**self._used_by(*customizers), "StringEquals": self.via("bedrock")},
        )
        if invokers := self.people("invokers"):
            found |= allow(
                "kms:Decrypt",
                by=self.root,
                on="*",
                when={
                    "ArnLike": {"aws:PrincipalArn": invokers},
                    "StringEquals": self.via("bedrock"),
                },
            )
        if keys.direct_kms:
            found |= allow(
                "kms:Decrypt",
                "kms:DescribeKey",
                by=self.root,
                on="*",
                when=self._used_by("customization"),
            )
        return found

    @staticmethod
    def _tls(service: str, *resources: str) -> set[Grant]:
        return deny(
            f"{service}:*", by="*", on=resources, when={"Bool": {"aws:SecureTransport": "false"}}
        )

    def _tls_1_2(self, bucket: str) -> set[Grant]:
        both = (bucket, f"{bucket}/*")
        return self._tls("s3", *both) | deny(
            "s3:*", by="*", on=both, when={"NumericLessThan": {"s3:TlsVersion": "1.2"}}
        )

    @cached_property
    def data_bucket_policy(self) -> set[Grant]:
        """The policy of the data bucket: nothing but denials."""
        objects = f"{self.bucket}/*"
        sse = "s3:x-amz-server-side-encryption"
        # Administrators list and delete; they do not read.
        users = [self.roles[each] for each in ("customization", "submitter", "uploader", "reader")]
        administrators = self.people("administrators")
        found = (
            self._tls_1_2(self.bucket)
            | deny(
                "s3:PutObject",
                by="*",
                on=objects,
                when={
                    "Null": {f"{sse}-aws-kms-key-id": "false"},
                    "ArnNotEquals": {f"{sse}-aws-kms-key-id": self.data_key},
                },
            )
            | deny(
                "s3:PutObject",
                by="*",
                on=objects,
                when={"Null": {sse: "false"}, "StringNotEquals": {sse: "aws:kms"}},
            )
            | deny(
                "s3:PutObject",
                by="*",
                on=f"{self.bucket}/{DATASETS}",
                when={
                    "Null": {f"{sse}-aws-kms-key-id": "true"},
                    "StringEquals": {sse: "aws:kms"},
                },
            )
            | deny(
                "s3:GetObject",
                "s3:GetObjectVersion",
                "s3:PutObject",
                by="*",
                on=objects,
                when={"ArnNotEquals": {"aws:PrincipalArn": users}},
            )
            | deny(
                "s3:ListBucket",
                "s3:ListBucketVersions",
                by="*",
                on=self.bucket,
                when={"ArnNotLike": {"aws:PrincipalArn": [*users, *self.people("administrators")]}},
            )
            | deny(
                "s3:ListBucket",
                "s3:ListBucketVersions",
                by="*",
                on=self.bucket,
                when={"ArnNotLike": {"aws:PrincipalArn": [*users, *administrators]}},
            )
            | deny(
                "s3:PutObject",
                by="*",
                on=f"{self.bucket}/{DATASETS}",
                when={
                    "Null": {"s3:if-none-match": "true"},
                    "Bool": {"s3:ObjectCreationOperation": "true"},
                },
            )
            | deny(
                "s3:DeleteObject",
                "s3:DeleteObjectVersion",
                by="*",
                on=objects,
                when={"ArnNotLike": {"aws:PrincipalArn": administrators}},
            )
        )
        if self.settings.storage.require_endpoint:
            found |= deny(
                "s3:GetObject",
                "s3:ListBucket",
                "s3:PutObject",
                by="*",
                on=[self.bucket, objects],
                when={
                    **self._used_by("customization"),
                    "StringNotEquals": {"aws:SourceVpce": "vpce-s3"},
                },
            )
        return found

    @cached_property
    def logs_bucket_policy(self) -> set[Grant]:
        """The policy of the access-log bucket: S3's log delivery writes the data bucket's logs."""
        return self._tls_1_2(self.logs_bucket) | allow(
            "s3:PutObject",
            by="Service:logging.s3.amazonaws.com",
            on=f"{self.logs_bucket}/training-bucket/*",
            when={
                "ArnLike": {"aws:SourceArn": self.bucket},
                "StringEquals": {"aws:SourceAccount": self._deployment.account},
            },
        )

    @cached_property
    def queue_policy(self) -> set[Grant]:
        """The policy of the dead-letter queue."""
        return self._tls("sqs", self.queue) | allow(
            "sqs:SendMessage",
            by="Service:events.amazonaws.com",
            on=self.queue,
            when={"ArnEquals": {"aws:SourceArn": self.rules}},
        )

    @cached_property
    def topic_policy(self) -> set[Grant]:
        """The policy of the topic: the alarms publish; the follower does by its role's policy."""
        return deny(
            "sns:Publish",
            by="*",
            on=self.topic,
            when={"Bool": {"aws:SecureTransport": "false"}},
        ) | allow(
            "sns:Publish",
            by="Service:cloudwatch.amazonaws.com",
            on=self.topic,
            when=self._in_this_account_from(self.alarms),
        )

    @cached_property
    def endpoint_policies(self) -> dict[str, set[Grant]]:
        """The policies of the VPC endpoints, by service."""

        def through(grants: set[Grant], purpose: str) -> set[Grant]:
            who = ("ArnEquals", "aws:PrincipalArn", (self.roles[purpose],))
            return {
                grant._replace(principal="*", conditions=tuple(sorted((*grant.conditions, who))))
                for grant in grants
            }

        if self.settings.network.scoped_s3_endpoint_policy:
            s3 = through(self._trains | grants_to_read_logs(self._deployment), "customization")
            s3 |= through(self._may_look_for_datasets, "submitter")
        else:
            s3 = allow("s3:*", by="*", on="*")
        return {
            "s3": s3,
            "dynamodb": through(
                allow("dynamodb:GetItem", "dynamodb:UpdateItem", on=self.table), "submitter"
            ),
            "kms": allow(
                "kms:Decrypt",
                "kms:DescribeKey",
                "kms:GenerateDataKey",
                by="*",
                on=[self.data_key, self.model_key],
                when={"StringEquals": {"aws:PrincipalAccount": self._deployment.account}},
            ),
            "bedrock": through(
                allow(
                    "bedrock:CreateModelCustomizationJob",
                    "bedrock:DeleteCustomModel",
                    "bedrock:GetCustomModel",
                    "bedrock:GetModelCustomizationJob",
                    "bedrock:ListTagsForResource",
                    "bedrock:StopModelCustomizationJob",
                    "bedrock:TagResource",
                    on=[self.jobs, self.models, *self.base_models],
                ),
                "submitter",
            ),
        }


# Each keeps its settings, so that no other settings get their id.
_KNOWN: dict[int, Permissions] = {}
