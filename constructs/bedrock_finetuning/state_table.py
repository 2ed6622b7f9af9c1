"""The table that remembers what was submitted and what superseded it."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import RemovalPolicy, Stack
from aws_cdk import aws_dynamodb as dynamodb
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from constructs import Construct

from .acknowledgements import acknowledge, in_packs
from .naming import Names
from .statements import Allow, via_service

# As customization/table.py writes it; a test compares the two.
EXPIRES_AT = "ExpiresAt"


def table_arn(scope: Construct, *, name: str) -> str:
    """ARN of a table of the environment, which a stack before it names in a policy."""
    stack = Stack.of(scope)
    return f"arn:{stack.partition}:dynamodb:{stack.region}:{stack.account}:table/{name}"


def statement_on_jobs(scope: Construct, *, names: Names, actions: Sequence[str]) -> Allow:
    """The named actions on items of the table of jobs."""
    return Allow(
        sid="JobState", actions=actions, resources=[table_arn(scope, name=names.state_table)]
    )


def statement_on_deployments(scope: Construct, *, names: Names, actions: Sequence[str]) -> Allow:
    """The named actions on items of the table of deployments."""
    return Allow(
        sid="DeploymentState",
        actions=actions,
        resources=[table_arn(scope, name=names.deployments_table)],
    )


def data_key_through_dynamodb(scope: Construct, *, key: kms.IKey) -> Allow:
    """What a role that is among the key's `table_users` needs besides."""
    return Allow(
        sid="DataKeyThroughDynamoDb",
        actions=["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"],
        resources=[key.key_arn],
        conditions={"StringEquals": via_service(scope, "dynamodb")},
    )


class StateTable(dynamodb.Table):
    """One item a job or a deployment, encrypted with the data key, restorable for 35 days.

    It names jobs; it holds no data of theirs.

    Args:
        table_name: One of the names of the environment's tables.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        table_name: str,
        key: kms.IKey,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(
            scope,
            id,
            table_name=table_name,
            partition_key=dynamodb.Attribute(name="Id", type=dynamodb.AttributeType.STRING),
            billing_mode=dynamodb.BillingMode.PAY_PER_REQUEST,
            encryption=dynamodb.TableEncryption.CUSTOMER_MANAGED,
            encryption_key=key,
            # Of the requests that were seen; rows of jobs have no such time and stay.
            time_to_live_attribute=EXPIRES_AT,
            point_in_time_recovery_specification=dynamodb.PointInTimeRecoverySpecification(
                point_in_time_recovery_enabled=True
            ),
            deletion_protection=removal_policy is RemovalPolicy.RETAIN,
            removal_policy=removal_policy,
        )
        self._key = key
        acknowledge(
            self,
            reason=(
                "Point-in-time recovery is on; what the table says of a job can be read again from "
                "Bedrock and from the stack."
            ),
            findings=in_packs(
                "DynamoDBInBackupPlan", "HIPAA.Security", "NIST.800.53.R4", "NIST.800.53.R5"
            ),
        )

    def statements_to_keep_state(self, *, actions: Sequence[str]) -> list[iam.PolicyStatement]:
        """The named actions on items of this table, and the key through DynamoDB."""
        return [
            Allow(sid="JobState", actions=actions, resources=[self.table_arn]),
            data_key_through_dynamodb(self, key=self._key),
        ]
