"""Where events end up that nobody could handle, encrypted and kept for two weeks."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Duration, RemovalPolicy
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sqs as sqs
from constructs import Construct

from .acknowledgements import acknowledge
from .naming import Names
from .statements import Allow, via_service


class DeadLetterQueue(sqs.Queue):
    """A queue under the data key that takes failed events over TLS only."""

    def __init__(self, scope: Construct, id: str, *, names: Names, key: kms.IKey) -> None:
        super().__init__(
            scope,
            id,
            queue_name=names.failed_events_queue,
            encryption=sqs.QueueEncryption.KMS,
            encryption_master_key=key,
            enforce_ssl=True,
            retention_period=Duration.days(14),
            removal_policy=RemovalPolicy.DESTROY,
        )
        self._key = key
        acknowledge(
            self,
            reason=(
                "It is the dead-letter queue of the functions and the rules: nothing consumes it, "
                "so nothing fails on it that would have to go elsewhere."
            ),
            findings=("Serverless-SQSRedrivePolicy",),
        )

    def admit_rules(
        self, *, rule_arns: Sequence[str], sid: str = "RulesKeepUndeliveredEvents"
    ) -> None:
        """Lets these rules of EventBridge put events here that they could not deliver.

        https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-rule-dlq.html
        """
        self.add_to_resource_policy(
            Allow(
                sid=sid,
                principals=[iam.ServicePrincipal("events.amazonaws.com")],
                actions=["sqs:SendMessage"],
                resources=[self.queue_arn],
                conditions={"ArnEquals": {"aws:SourceArn": list(rule_arns)}},
            )
        )

    def statements_to_send(self) -> Sequence[iam.PolicyStatement]:
        """What a function's role needs for Lambda to keep its failed events here."""
        return [
            Allow(
                sid="KeepFailedEvents",
                actions=["sqs:SendMessage"],
                resources=[self.queue_arn],
            ),
            Allow(
                sid="DataKeyThroughSqs",
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=[self._key.key_arn],
                conditions={"StringEquals": via_service(self, "sqs")},
            ),
        ]
