"""Who may do what in this app, written by hand: not read from the constructs it is held against.

Each function says everything that one policy may say. Rules compare the templates with it in both
directions: a permission that is not within this is a finding, and so is one that is gone.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from typing import Final

from review.rules.environment import LOGGING_ROLE, SERVING_FUNCTIONS, Environment
from review.rules.methods import grants_of_methods, grants_to_read_logs, identity
from review.rules.serving import Serving
from review.template.policies import Grant, allow, deny

Conditions = Mapping[str, Mapping[str, object]]

DATASETS = "fine-tuning-datasets/*"
OUTPUTS = "outputs/*"


def design_of(environment: Environment) -> Design:
    """The policies that the design gives an environment; worked out once for each.

    Thousands of weakened copies say the same of their environment, and are held to the same.
    """
    key = (environment.identity, identity(environment))
    if key not in _KNOWN:
        if len(_KNOWN) >= _KEPT:
            _KNOWN.clear()
        _KNOWN[key] = Design(environment)
    return _KNOWN[key]


class Design:
    """The policies of one environment.

    `role_policies` and `trust` are by the role's name.
    """

    def __init__(self, environment: Environment) -> None:
        self.environment = environment
        arn = environment.arn
        name = environment.name
        self.names = environment.role_names
        self.roles = environment.roles
        self.root = f"AWS:{arn('iam', 'root')}"
        self.bucket = environment.data_bucket
        self.logs_bucket = environment.logs_bucket
        self.data_key = environment.data_key
        self.model_key = environment.model_key
        self.table = environment.table
        self.queue = environment.queue
        self.topic = environment.topic
        self.job_state_rule = arn("events", f"rule/finetune-{name}-job-state")
        self.follow_rule = arn("events", f"rule/finetune-{name}-follow")
        self.rules = [self.job_state_rule, self.follow_rule]
        alarms = ["failed-jobs", "follower"]
        self.serves = environment.serves
        self.serving = Serving(environment)
        if self.serves:
            self.rules.append(self.serving.reap_rule)
            alarms += ["deployer", "follow-up", "throughput-overdue"]
        self.alarms = [arn("cloudwatch", f"alarm:finetune-{name}-{each}") for each in alarms]
        self.jobs = arn("bedrock", "model-customization-job/*")
        self.models = arn("bedrock", "custom-model/*")
        self.base_models = [
            arn("bedrock", f"foundation-model/{model}", account="")
            for model in environment.base_models
        ]
        self.subnets = environment.training_subnet_arns

    def function(self, purpose: str) -> str:
        """The ARN of a function by its purpose."""
        return self.environment.function_arn(purpose)

    def log_group(self, name: str) -> str:
        """The ARN of a log group, or of those that a pattern names."""
        return self.environment.arn("logs", f"log-group:{name}")

    def via(self, service: str) -> dict[str, str]:
        """The condition that a key is used through a service."""
        suffix = self.environment.url_suffix
        return {"kms:ViaService": f"{service}.{self.environment.region}.{suffix}"}

    def people(self, who: str) -> list[str]:
        """ARN patterns of the people who do something."""
        return list(self.environment.people[who])

    @property
    def _ours(self) -> Conditions:
        return {"StringEquals": {"aws:ResourceAccount": self.environment.account}}

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

    @cached_property
    def role_policies(self) -> dict[str, set[Grant]]:
        """What each role may do, by the role's name."""
        by_purpose = {
            "customization": self._customization,
            "submitter": self._submitter,
            "completion-check": self._completion_check,
            "follower": self._follower,
            "flow-logs": self._writes_logs(
                f"/finetune/{self.environment.name}/flow-logs", "logs:DescribeLogStreams"
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
                on=self.environment.state_machine,
            ),
            "complete": self._calls("completion-check"),
            "waiter": allow(
                "lambda:InvokeFunction",
                on=[
                    f"{self.function(f'framework-{step}')}{version}"
                    for step in ("is-complete", "on-timeout")
                    for version in ("", ":*")
                ],
            ),
            "default-group": allow(
                "ec2:AuthorizeSecurityGroupEgress",
                "ec2:AuthorizeSecurityGroupIngress",
                "ec2:RevokeSecurityGroupEgress",
                "ec2:RevokeSecurityGroupIngress",
                on=self.environment.arn("ec2", f"security-group/{self.environment.default_group}"),
            )
            | self._writes_logs(self._function_logs("default-group")),
        }
        if self.serves:
            by_purpose |= self._serving_roles
            if "tester" in self.names:
                by_purpose["tester"] = allow("lambda:InvokeFunction", on=self.function("invoker"))
        return {self.names[purpose]: grants for purpose, grants in by_purpose.items()}

    @property
    def _serving_roles(self) -> dict[str, set[Grant]]:
        """What those may do who deploy, call, report on and follow up models."""

        def function(purpose: str) -> set[Grant]:
            return self._writes_logs(self._function_logs(purpose)) | self._keeps_failed_events

        return {
            "deployer": self.serving.deploys
            | self.serving.removes
            | self.serving.schedules_the_end
            | (self.serving.sets_logging if self.environment.logs_invocations else set())
            | (
                self._model_key_through_bedrock
                if self.environment.deployer_uses_model_key
                else set()
            )
            | allow(
                "cloudformation:DescribeStackResource",
                "cloudformation:DescribeStacks",
                on=self._job_stacks,
            )
            | allow(
                "dynamodb:GetItem",
                "dynamodb:Scan",
                "dynamodb:UpdateItem",
                on=self.environment.deployments_table,
            )
            | self._data_key_through_dynamodb
            | allow("states:StartExecution", on=self.environment.follow_up)
            | function("deployer"),
            "model-report": self._reports
            | allow("bedrock:GetModelCustomizationJob", on=self.jobs)
            | self._data_key_through_s3("kms:Decrypt", "kms:GenerateDataKey")
            | allow("dynamodb:GetItem", on=self.table)
            | self._data_key_through_dynamodb
            | self._in_the_vpc("model-report")
            | function("model-report"),
            "invoker": self.serving.calls
            | allow("kms:Decrypt", on=self.model_key, when={"StringEquals": self.via("bedrock")})
            | allow("dynamodb:Scan", on=self.environment.deployments_table)
            | self._data_key_through_dynamodb
            | self._in_the_vpc("invoker")
            | function("invoker"),
            "follow-up": allow(
                "lambda:InvokeFunction",
                on=[self.function(each) for each in SERVING_FUNCTIONS],
            )
            | self._announces
            | self.serving.runs_and_logs,
            "scheduler": self.serving.gives_back,
            **(
                {LOGGING_ROLE: self.serving.writes_invocations}
                if self.environment.logs_invocations
                else {}
            ),
        }

    @cached_property
    def _reports(self) -> set[Grant]:
        """Reading what a job put out, and writing beside it; no data set is read."""
        return self._may_read(OUTPUTS) | allow(
            "s3:PutObject", on=f"{self.bucket}/{OUTPUTS}", when=self._ours
        )

    @property
    def _job_stacks(self) -> str:
        name = self.environment.name
        return self.environment.arn("cloudformation", f"stack/finetune-{name}-job-*/*")

    @property
    def _announces(self) -> set[Grant]:
        return allow("sns:Publish", on=self.topic) | allow(
            "kms:Decrypt",
            "kms:GenerateDataKey",
            on=self.data_key,
            when={"StringEquals": self.via("sns")},
        )

    def _in_the_vpc(self, purpose: str) -> set[Grant]:
        """What Lambda needs to attach a function, which its own code may not do.

        https://docs.aws.amazon.com/lambda/latest/dg/configuration-vpc.html
        """
        attach = (
            "ec2:AssignPrivateIpAddresses",
            "ec2:CreateNetworkInterface",
            "ec2:DeleteNetworkInterface",
            "ec2:DescribeNetworkInterfaces",
            "ec2:DescribeSubnets",
            "ec2:UnassignPrivateIpAddresses",
        )
        return allow(*attach, on="*") | deny(
            *attach,
            on="*",
            when={"ArnEquals": {"lambda:SourceFunctionArn": self.function(purpose)}},
        )

    def _function_logs(self, purpose: str) -> str:
        return f"/aws/lambda/finetune-{self.environment.name}-{purpose}"

    def _calls(self, function: str) -> set[Grant]:
        return (
            allow("lambda:GetFunction", "lambda:InvokeFunction", on=self.function(function))
            | self._writes_logs(self._function_logs("framework"))
            | self._keeps_failed_events
        )

    @property
    def _customization(self) -> set[Grant]:
        """What a job does with its role.

        https://docs.aws.amazon.com/bedrock/latest/userguide/custom-model-job-access-security.html
        """
        job_group = self.environment.groups["job"]
        arn = self.environment.arn
        interfaces = arn("ec2", "network-interface/*")
        job_tag = "BedrockModelCustomizationJobArn"
        return (
            self._trains
            | grants_of_methods(self.environment)
            | self._data_key_through_s3("kms:Decrypt", "kms:GenerateDataKey")
            | self._model_key_through_bedrock
            | (
                allow("kms:Decrypt", "kms:DescribeKey", on=self.model_key)
                if self.environment.direct_kms
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
        ours = self.environment.name
        tag = "finetune:environment"
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
                if self.environment.submitter_uses_model_key
                else set()
            )
            | self._in_the_vpc("submitter")
            | allow("dynamodb:GetItem", "dynamodb:UpdateItem", on=self._submitters_tables)
            | self._data_key_through_dynamodb
            | self._writes_logs(self._function_logs("submitter"))
            | self._keeps_failed_events
        )

    @property
    def _submitters_tables(self) -> list[str]:
        """Jobs, and the deployments that are wished for."""
        return [self.table, *([self.environment.deployments_table] if self.serves else [])]

    @cached_property
    def _completion_check(self) -> set[Grant]:
        return (
            allow("bedrock:GetModelCustomizationJob", on=self.jobs)
            | (self.serving.waits_for_removal if self.serves else set())
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
                    "StringEquals": {"aws:ResourceTag/finetune:environment": self.environment.name}
                },
            )
            | allow(
                "cloudformation:DescribeStackResource",
                "cloudformation:DescribeStacks",
                # A model's lineage names the template that its job came from.
                *(["cloudformation:GetTemplate"] if self.serves else []),
                on=self._job_stacks,
            )
            | (
                allow("states:StartExecution", on=self.environment.follow_up)
                # A model is not deleted while something serves it.
                | allow(
                    "bedrock:ListCustomModelDeployments",
                    "bedrock:ListProvisionedModelThroughputs",
                    on="*",
                )
                if self.serves
                else set()
            )
            | allow("dynamodb:GetItem", "dynamodb:Scan", "dynamodb:UpdateItem", on=self.table)
            | self._data_key_through_dynamodb
            | self._announces
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

        account = {"aws:SourceAccount": self.environment.account}
        by_purpose = {
            "customization": service(
                "bedrock", {"StringEquals": account, "ArnEquals": {"aws:SourceArn": self.jobs}}
            ),
            "flow-logs": service(
                "vpc-flow-logs",
                {
                    "StringEquals": account,
                    "ArnLike": {"aws:SourceArn": self.environment.arn("ec2", "vpc-flow-log/*")},
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
        if self.serves:
            by_purpose |= {purpose: service("lambda") for purpose in SERVING_FUNCTIONS}
            by_purpose |= self.serving.trust
            if self.environment.logs_invocations:
                by_purpose[LOGGING_ROLE] = self.serving.logging_trust
            if "tester" in self.names:
                by_purpose["tester"] = people("invokers")
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
            "StringEquals": {"aws:SourceAccount": self.environment.account},
            "ArnEquals": {"aws:SourceArn": sources},
        }

    @cached_property
    def data_key_policy(self) -> set[Grant]:
        """The policy of the data key."""
        env = self.environment.name
        read_write = ("kms:Decrypt", "kms:GenerateDataKey")
        through_dynamodb = {"StringEquals": self.via("dynamodb")}
        return (
            self._administers
            | allow(
                *read_write,
                by=self.root,
                on="*",
                when={
                    **self._used_by(
                        "customization", "uploader", "reader", *self._if("model-report")
                    ),
                    "StringEquals": self.via("s3"),
                },
            )
            | allow(
                *read_write,
                "kms:DescribeKey",
                by=self.root,
                on="*",
                when={
                    **self._used_by("submitter", "follower", *self._if(*SERVING_FUNCTIONS)),
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
                        "submitter",
                        "completion-check",
                        "follower",
                        "on-event",
                        "complete",
                        *self._if(*SERVING_FUNCTIONS),
                    ),
                    "StringEquals": self.via("sqs"),
                },
            )
            | allow(
                *read_write,
                by=self.root,
                on="*",
                when={
                    **self._used_by("follower", *self._if("follow-up")),
                    "StringEquals": self.via("sns"),
                },
            )
            | allow(
                *read_write,
                "kms:DescribeKey",
                "kms:Encrypt",
                "kms:GenerateDataKeyWithoutPlaintext",
                "kms:ReEncryptFrom",
                "kms:ReEncryptTo",
                by=f"Service:logs.{self.environment.region}.amazonaws.com",
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
            | (self.serving.data_key_policy if self.serves else set())
        )

    def _if(self, *purposes: str) -> tuple[str, ...]:
        """Some purposes, where models are deployed and called."""
        return purposes if self.serves else ()

    @cached_property
    def model_key_policy(self) -> set[Grant]:
        """The policy of the model key."""
        uses = self.environment.submitter_uses_model_key
        customizers = ["customization", *(["submitter"] if uses else [])]
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
        if self.serves:
            found |= self._served_under_the_model_key
        if self.environment.direct_kms:
            found |= allow(
                "kms:Decrypt",
                "kms:DescribeKey",
                by=self.root,
                on="*",
                when=self._used_by("customization"),
            )
        return found

    @property
    def _served_under_the_model_key(self) -> set[Grant]:
        """Bedrock decrypts a model for the deployer and the invoker, and to make throughput ready.

        https://docs.aws.amazon.com/nova/latest/userguide/customize-fine-tune-encrypt.html
        """
        through_bedrock = {"StringEquals": self.via("bedrock")}
        found = allow(
            "kms:Decrypt",
            by=self.root,
            on="*",
            when={**self._used_by("invoker"), **through_bedrock},
        )
        if self.environment.deployer_uses_model_key:
            found |= allow(
                "kms:CreateGrant",
                "kms:Decrypt",
                "kms:DescribeKey",
                "kms:GenerateDataKey",
                by=self.root,
                on="*",
                when={**self._used_by("deployer"), **through_bedrock},
            )
        if self.environment.throughput != "none":
            of_ours = {"StringEquals": {"aws:SourceAccount": self.environment.account}}
            found |= allow(
                "kms:Decrypt",
                "kms:GenerateDataKey",
                by="Service:bedrock.amazonaws.com",
                on="*",
                when={
                    "ForAnyValue:StringEquals": {
                        "kms:EncryptionContextKeys": "aws:bedrock:custom-model"
                    },
                    # Without the account it is as AWS documents it, and `keys.not-for-everybody`
                    # is what finds it.
                    **(of_ours if self.environment.throughput == "account" else {}),
                },
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
        users = [
            self.roles[each]
            for each in (
                "customization", "submitter", "uploader", "reader", *self._if("model-report")
            )
        ]  # fmt: skip
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
        if self.environment.requires_endpoint:
            found |= deny(
                "s3:GetObject",
                "s3:ListBucket",
                "s3:PutObject",
                by="*",
                on=[self.bucket, objects],
                when={
                    **self._used_by("customization"),
                    "StringNotEquals": {"aws:SourceVpce": self.environment.s3_endpoint},
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
                "StringEquals": {"aws:SourceAccount": self.environment.account},
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

        if self.environment.scopes_s3_endpoint:
            reads = self._trains | grants_to_read_logs(self.environment)
            s3 = through(reads, "customization")
            s3 |= through(self._may_look_for_datasets, "submitter")
            if self.serves:
                s3 |= through(self._reports, "model-report")
        else:
            s3 = allow("s3:*", by="*", on="*")
        found = {
            "s3": s3,
            "dynamodb": through(
                allow("dynamodb:GetItem", "dynamodb:UpdateItem", on=self._submitters_tables),
                "submitter",
            ),
            "kms": allow(
                "kms:Decrypt",
                "kms:DescribeKey",
                "kms:GenerateDataKey",
                by="*",
                on=[self.data_key, self.model_key],
                when={"StringEquals": {"aws:PrincipalAccount": self.environment.account}},
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
        if self.serves:
            found["dynamodb"] |= through(allow("dynamodb:GetItem", on=self.table), "model-report")
            found["dynamodb"] |= through(
                allow("dynamodb:Scan", on=self.environment.deployments_table), "invoker"
            )
            found["bedrock"] |= through(
                allow("bedrock:GetModelCustomizationJob", on=self.jobs), "model-report"
            )
            found["bedrock-runtime"] = through(self.serving.called, "invoker")
        return found


_KNOWN: dict[tuple[object, ...], Design] = {}
_KEPT: Final = 256
