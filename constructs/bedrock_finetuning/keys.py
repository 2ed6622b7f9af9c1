"""The two keys: one for data at rest, one for the custom models."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from aws_cdk import Duration, RemovalPolicy, Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from .naming import Names
from .statements import Allow, account_principal, state_machine_arn, via_service

# What it takes to administer a key and nothing that uses it. PutKeyPolicy is kept: a key whose
# policy nobody may change is lost. CreateGrant is left out: a grant is a use by another name.
# https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
ADMINISTER = (
    "kms:CancelKeyDeletion",
    "kms:CreateAlias",
    "kms:DeleteAlias",
    "kms:DescribeKey",
    "kms:DisableKey",
    "kms:EnableKey",
    "kms:EnableKeyRotation",
    "kms:GetKeyPolicy",
    "kms:GetKeyRotationStatus",
    "kms:ListGrants",
    "kms:ListKeyPolicies",
    "kms:ListKeyRotations",
    "kms:ListResourceTags",
    "kms:PutKeyPolicy",
    "kms:RevokeGrant",
    "kms:RotateKeyOnDemand",
    "kms:ScheduleKeyDeletion",
    "kms:TagResource",
    "kms:UntagResource",
    "kms:UpdateAlias",
    "kms:UpdateKeyDescription",
)

READ_AND_WRITE = ("kms:Decrypt", "kms:GenerateDataKey")

# https://docs.aws.amazon.com/bedrock/latest/userguide/encryption-custom-job.html
CUSTOMIZE = ("kms:CreateGrant", "kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey")

CALL_DIRECTLY = ("kms:Decrypt", "kms:DescribeKey")

# https://docs.aws.amazon.com/amazondynamodb/latest/developerguide/encryption.usagenotes.html
DYNAMODB = (
    "kms:Decrypt",
    "kms:DescribeKey",
    "kms:Encrypt",
    "kms:GenerateDataKey",
    "kms:ReEncryptFrom",
    "kms:ReEncryptTo",
)


class _RotatingKey(kms.Key):
    """A symmetric customer managed key that rotates and says in its policy who uses it for what."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        description: str,
        alias: str,
        pending_window: Duration,
        removal_policy: RemovalPolicy,
        statements: Sequence[iam.PolicyStatement],
    ) -> None:
        super().__init__(
            scope,
            id,
            description=description,
            alias=alias,
            enable_key_rotation=True,
            pending_window=pending_window,
            removal_policy=removal_policy,
            policy=iam.PolicyDocument(
                statements=[
                    Allow(
                        sid="AccountAdministers",
                        principals=[account_principal(scope)],
                        actions=ADMINISTER,
                        resources=["*"],
                    ),
                    *statements,
                ]
            ),
        )


def _used_by(
    scope: Construct,
    *,
    sid: str,
    roles: Sequence[iam.IRole],
    actions: Sequence[str],
    service: str | None,
) -> iam.PolicyStatement:
    conditions: dict[str, dict[str, object]] = {
        "ArnEquals": {"aws:PrincipalArn": [role.role_arn for role in roles]}
    }
    if service:
        conditions["StringEquals"] = dict(via_service(scope, service))
    return Allow(
        sid=sid,
        principals=[account_principal(scope)],
        actions=actions,
        resources=["*"],
        conditions=conditions,
    )


@dataclass(frozen=True, kw_only=True)
class InferenceKeyUsers:
    """Who uses the data key to deploy models, beside those who use tables, queue and topic.

    `deployer` makes schedules, `scheduler` is the role they run with, `follow_up` the state
    machine's.
    """

    deployer: iam.IRole
    scheduler: iam.IRole
    follow_up: iam.IRole


def schedule_arns(scope: Construct, *, names: Names) -> str:
    """Pattern of the ARNs of the schedules in the environment's group."""
    stack = Stack.of(scope)
    return (
        f"arn:{stack.partition}:scheduler:{stack.region}:{stack.account}:"
        f"schedule/{names.schedule_group}/*"
    )


def _for_inference(
    scope: Construct, *, names: Names, users: InferenceKeyUsers
) -> list[iam.PolicyStatement]:
    """Schedules, the state machine and its logs, each for its own encryption context."""
    stack = Stack.of(scope)
    schedules = {
        "kms:EncryptionContext:aws:scheduler:schedule:arn": schedule_arns(scope, names=names)
    }
    machine = {
        "kms:EncryptionContext:aws:states:stateMachineArn": state_machine_arn(
            scope, name=names.follow_up
        )
    }
    logs = f"arn:{stack.partition}:logs:{stack.region}:{stack.account}:*"
    made = _used_by(
        scope,
        sid="SchedulesAreMade",
        roles=[users.deployer],
        actions=READ_AND_WRITE,
        service="scheduler",
    )
    made.add_condition("ArnLike", schedules)
    runs = _used_by(
        scope,
        sid="SchedulesRun",
        roles=[users.scheduler],
        actions=["kms:Decrypt"],
        service=None,
    )
    runs.add_condition("ArnLike", schedules)
    executions = _used_by(
        scope,
        sid="ExecutionsOfTheStateMachine",
        roles=[users.follow_up],
        actions=READ_AND_WRITE,
        service=None,
    )
    executions.add_condition("StringEquals", machine)
    logged = _used_by(
        scope,
        sid="LogsOfTheStateMachine",
        roles=[users.follow_up],
        actions=["kms:GenerateDataKey"],
        service=None,
    )
    logged.add_condition("StringEquals", {"kms:EncryptionContext:SourceArn": logs})
    return [
        # https://docs.aws.amazon.com/scheduler/latest/UserGuide/encryption-rest.html
        made,
        _used_by(
            scope,
            sid="SchedulesFindTheKey",
            roles=[users.deployer],
            actions=["kms:DescribeKey"],
            service="scheduler",
        ),
        runs,
        # https://docs.aws.amazon.com/step-functions/latest/dg/encryption-at-rest.html
        executions,
        # In the name of whoever makes the state machine: CloudFormation.
        Allow(
            sid="StateMachineIsMade",
            principals=[account_principal(scope)],
            actions=["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"],
            resources=["*"],
            conditions={"StringEquals": via_service(scope, "states")},
        ),
        logged,
        Allow(
            sid="LogsOfTheStateMachineAreDelivered",
            principals=[iam.ServicePrincipal("delivery.logs.amazonaws.com")],
            actions=["kms:Decrypt"],
            resources=["*"],
            conditions={
                "StringEquals": {"aws:SourceAccount": stack.account},
                "ArnLike": {"aws:SourceArn": logs},
            },
        ),
    ]


class DataKey(_RotatingKey):
    """The key of everything stored: the bucket, the logs, the topic, the table, the queue.

    Each use names the service the call comes through, and who it is for. The role policies add
    the encryption context (the bucket), which does not exist yet when the key is made.

    Args:
        names: The environment's names; log groups, rules and alarms are admitted by them.
        bucket_users: Roles that read or write objects.
        table_users: Roles that read or write the table.
        queue_senders: Roles whose failed events Lambda puts into the encrypted queue.
        topic_publishers: Roles that announce on the topic.
        inference: Who uses it to deploy models; None where nobody does.
        pending_window: 7 to 30 days.
        removal_policy: Kept exactly when something it encrypts is kept.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        names: Names,
        bucket_users: Sequence[iam.IRole],
        table_users: Sequence[iam.IRole],
        queue_senders: Sequence[iam.IRole],
        topic_publishers: Sequence[iam.IRole],
        inference: InferenceKeyUsers | None = None,
        pending_window: Duration,
        removal_policy: RemovalPolicy,
    ) -> None:
        stack = Stack.of(scope)
        logs = f"arn:{stack.partition}:logs:{stack.region}:{stack.account}:log-group:"
        queue = (
            f"arn:{stack.partition}:sqs:{stack.region}:{stack.account}:{names.failed_events_queue}"
        )
        alarms = f"arn:{stack.partition}:cloudwatch:{stack.region}:{stack.account}:alarm:"
        super().__init__(
            scope,
            id,
            description=f"Data, logs and state of the environment {names.environment}",
            alias=f"alias/{names.stack('data')}",
            pending_window=pending_window,
            removal_policy=removal_policy,
            statements=[
                _used_by(
                    scope,
                    sid="DataInTheBucket",
                    roles=bucket_users,
                    actions=READ_AND_WRITE,
                    service="s3",
                ),
                _used_by(
                    scope,
                    sid="StateInTheTable",
                    roles=table_users,
                    actions=["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"],
                    service="dynamodb",
                ),
                # DynamoDB asks for these in the name of whoever makes the table: CloudFormation.
                Allow(
                    sid="TableIsMade",
                    principals=[account_principal(scope)],
                    actions=DYNAMODB,
                    resources=["*"],
                    conditions={"StringEquals": via_service(scope, "dynamodb")},
                ),
                Allow(
                    sid="TableTakesAGrant",
                    principals=[account_principal(scope)],
                    actions=["kms:CreateGrant"],
                    resources=["*"],
                    conditions={
                        "Bool": {"kms:GrantIsForAWSResource": "true"},
                        "StringEquals": via_service(scope, "dynamodb"),
                    },
                ),
                _used_by(
                    scope,
                    sid="FailedEventsInTheQueue",
                    roles=queue_senders,
                    actions=READ_AND_WRITE,
                    service="sqs",
                ),
                # https://docs.aws.amazon.com/AmazonCloudWatch/latest/logs/encrypt-log-data-kms.html
                Allow(
                    sid="LogGroups",
                    principals=[iam.ServicePrincipal(f"logs.{stack.region}.amazonaws.com")],
                    actions=[
                        "kms:Decrypt",
                        "kms:DescribeKey",
                        "kms:Encrypt",
                        "kms:GenerateDataKey",
                        "kms:GenerateDataKeyWithoutPlaintext",
                        "kms:ReEncryptFrom",
                        "kms:ReEncryptTo",
                    ],
                    resources=["*"],
                    conditions={
                        "ArnLike": {
                            "kms:EncryptionContext:aws:logs:arn": [
                                logs + pattern for pattern in names.log_group_patterns
                            ]
                        }
                    },
                ),
                _used_by(
                    scope,
                    sid="AnnouncementsOnTheTopic",
                    roles=topic_publishers,
                    actions=READ_AND_WRITE,
                    service="sns",
                ),
                # https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-encryption-key-policy.html
                Allow(
                    sid="UndeliveredEventsInTheQueue",
                    principals=[iam.ServicePrincipal("events.amazonaws.com")],
                    actions=READ_AND_WRITE,
                    resources=["*"],
                    # The queue's own context, since EventBridge is not known to tell KMS whose rule
                    # it acts for; the queue's policy admits this environment's rules alone.
                    conditions={"StringEquals": {"kms:EncryptionContext:aws:sqs:arn": queue}},
                ),
                # https://docs.aws.amazon.com/sns/latest/dg/sns-key-management.html
                Allow(
                    sid="AlarmsOnTheTopic",
                    principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                    actions=READ_AND_WRITE,
                    resources=["*"],
                    conditions={
                        "StringEquals": {"aws:SourceAccount": stack.account},
                        "ArnEquals": {
                            "aws:SourceArn": [
                                alarms + names.failed_jobs_alarm,
                                alarms + names.follower_alarm,
                                *(
                                    alarms + name
                                    for name in (names.inference_alarms if inference else ())
                                ),
                            ]
                        },
                    },
                ),
                *(_for_inference(scope, names=names, users=inference) if inference else ()),
            ],
        )

    def statement_to_read_and_write_objects(self, *, bucket_arn: str) -> iam.PolicyStatement:
        """What a role that is among the `bucket_users` needs besides, for one bucket.

        With a bucket key the encryption context is the bucket's ARN, not the object's.
        https://docs.aws.amazon.com/AmazonS3/latest/userguide/bucket-key.html
        """
        return self._through_s3(actions=READ_AND_WRITE, bucket_arn=bucket_arn)

    def statement_to_read_objects(self, *, bucket_arn: str) -> iam.PolicyStatement:
        """The same for a role that only reads."""
        return self._through_s3(actions=["kms:Decrypt"], bucket_arn=bucket_arn)

    def _through_s3(self, *, actions: Sequence[str], bucket_arn: str) -> iam.PolicyStatement:
        return Allow(
            sid="DataKeyThroughS3",
            actions=actions,
            resources=[self.key_arn],
            conditions={
                "StringEquals": {
                    **via_service(self, "s3"),
                    "kms:EncryptionContext:aws:s3:arn": bucket_arn,
                }
            },
        )


def _throughput(scope: Construct, *, of_this_account: bool) -> iam.PolicyStatement:
    """Bedrock makes Nova models anew for provisioned throughput, under the same key.

    https://docs.aws.amazon.com/nova/latest/userguide/customize-fine-tune-encrypt.html has no
    condition on the account: a request of another one would pass.
    """
    statement = Allow(
        sid="PermissionsNovaProvisionedThroughput",
        principals=[iam.ServicePrincipal("bedrock.amazonaws.com")],
        actions=READ_AND_WRITE,
        resources=["*"],
        conditions={
            "ForAnyValue:StringEquals": {
                "kms:EncryptionContextKeys": "aws:bedrock:custom-model",
            }
        },
    )
    if of_this_account:
        statement.add_condition("StringEquals", {"aws:SourceAccount": Stack.of(scope).account})
    return statement


class ModelKey(_RotatingKey):
    """The key of the custom models: Bedrock alone uses it, for those who train and invoke.

    https://docs.aws.amazon.com/bedrock/latest/userguide/encryption-custom-job.html

    Args:
        customizers: The customization role, and the submitter where the caller needs the key too.
        invokers: ARN patterns of the people who may call a custom model; may be empty.
        direct_callers: Roles that may decrypt without Bedrock in between; empty by default.
        deployers: Roles that deploy models, where the caller needs the key too.
        private_invokers: Roles that call models through the endpoint.
        throughput: Whether Bedrock itself may prepare throughput with it: for this account's
            requests, as AWS documents it for Nova models, or not.
        pending_window: 7 to 30 days.
        removal_policy: A model whose key is gone is lost: kept when models are kept.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        names: Names,
        customizers: Sequence[iam.IRole],
        invokers: Sequence[str],
        direct_callers: Sequence[iam.IRole] = (),
        deployers: Sequence[iam.IRole] = (),
        private_invokers: Sequence[iam.IRole] = (),
        throughput: Literal["account", "documented", "none"] = "none",
        pending_window: Duration,
        removal_policy: RemovalPolicy,
    ) -> None:
        statements = [
            _used_by(
                scope,
                sid="PermissionsEncryptCustomModel",
                roles=customizers,
                actions=CUSTOMIZE,
                service="bedrock",
            )
        ]
        if invokers:
            statements.append(
                Allow(
                    sid="PermissionsDecryptModel",
                    principals=[account_principal(scope)],
                    actions=["kms:Decrypt"],
                    resources=["*"],
                    conditions={
                        "ArnLike": {"aws:PrincipalArn": list(invokers)},
                        "StringEquals": via_service(scope, "bedrock"),
                    },
                )
            )
        if direct_callers:
            statements.append(
                _used_by(
                    scope,
                    sid="DirectCallsFromTheVpc",
                    roles=direct_callers,
                    actions=CALL_DIRECTLY,
                    service=None,
                )
            )
        if deployers:
            statements.append(
                _used_by(
                    scope,
                    sid="PermissionsDeployCustomModel",
                    roles=deployers,
                    actions=CUSTOMIZE,
                    service="bedrock",
                )
            )
        if private_invokers:
            statements.append(
                _used_by(
                    scope,
                    sid="PermissionsInvokeInPrivate",
                    roles=private_invokers,
                    actions=["kms:Decrypt"],
                    service="bedrock",
                )
            )
        if throughput != "none":
            statements.append(_throughput(scope, of_this_account=throughput == "account"))
        super().__init__(
            scope,
            id,
            description=f"Custom models of the environment {names.environment}",
            alias=f"alias/{names.stack('model')}",
            pending_window=pending_window,
            removal_policy=removal_policy,
            statements=statements,
        )

    def statement_to_call_directly(self) -> iam.PolicyStatement:
        """What one of the `direct_callers` needs in its own policy besides the key's."""
        return Allow(sid="ModelKeyDirectly", actions=CALL_DIRECTLY, resources=[self.key_arn])

    def statement_to_invoke(self) -> iam.PolicyStatement:
        """What an invoker's own policy has to say besides the key's."""
        return Allow(
            sid="ModelKeyThroughBedrock",
            actions=["kms:Decrypt"],
            resources=[self.key_arn],
            conditions={"StringEquals": via_service(self, "bedrock")},
        )

    def statement_to_customize(self) -> iam.PolicyStatement:
        """What a customizer's own policy has to say besides the key's."""
        return Allow(
            sid="ModelKeyThroughBedrock",
            actions=CUSTOMIZE,
            resources=[self.key_arn],
            conditions={"StringEquals": via_service(self, "bedrock")},
        )
