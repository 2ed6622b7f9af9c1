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


def table_arn(scope: Construct, *, names: Names) -> str:
    """ARN of the environment's table, which a stack before it names in an endpoint's policy."""
    stack = Stack.of(scope)
    return (
        f"arn:{stack.partition}:dynamodb:{stack.region}:{stack.account}:table/{names.state_table}"
    )


class StateTable(dynamodb.Table):
    """One item a submitted job, encrypted with the data key, restorable to any second of 35 days.

    It names jobs; it holds no data of theirs.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        names: Names,
        key: kms.IKey,
        removal_policy: RemovalPolicy,
    ) -> None:
        super().__init__(
            scope,
            id,
            table_name=names.state_table,
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
            Allow(
                sid="DataKeyThroughDynamoDb",
                actions=["kms:Decrypt", "kms:DescribeKey", "kms:GenerateDataKey"],
                resources=[self._key.key_arn],
                conditions={"StringEquals": via_service(self, "dynamodb")},
            ),
        ]
