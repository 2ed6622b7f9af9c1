"""The topic that tells people how a job ended."""

from __future__ import annotations

from collections.abc import Sequence

from aws_cdk import Stack
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from .naming import Names
from .statements import Allow, deny, via_service


class JobTopic(Construct):
    """An encrypted topic that hears once of every job of the environment that ended.

    The follower announces on it, and the alarms of the environment; nobody else may.

    Args:
        more_alarms: Names of alarms besides those of the jobs.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        names: Names,
        key: kms.IKey,
        more_alarms: Sequence[str] = (),
    ) -> None:
        super().__init__(scope, id)
        self._key = key
        self.topic = sns.Topic(
            self,
            "Topic",
            display_name=f"Customization jobs of {names.environment}",
            master_key=key,
        )
        stack = Stack.of(self)
        alarms = f"arn:{stack.partition}:cloudwatch:{stack.region}:{stack.account}:alarm:"
        sns.CfnTopicPolicy(
            self,
            "Policy",
            topics=[self.topic.topic_arn],
            policy_document=iam.PolicyDocument(
                statements=[
                    # https://docs.aws.amazon.com/AmazonCloudWatch/latest/monitoring/Notify_Users_Alarm_Changes.html
                    Allow(
                        sid="AlarmsPublish",
                        principals=[iam.ServicePrincipal("cloudwatch.amazonaws.com")],
                        actions=["sns:Publish"],
                        resources=[self.topic.topic_arn],
                        conditions={
                            "StringEquals": {"aws:SourceAccount": stack.account},
                            "ArnEquals": {
                                "aws:SourceArn": [
                                    alarms + names.failed_jobs_alarm,
                                    alarms + names.follower_alarm,
                                    *(alarms + name for name in more_alarms),
                                ]
                            },
                        },
                    ),
                    deny(
                        sid="DenyInsecureTransport",
                        principals=[iam.AnyPrincipal()],
                        actions=["sns:Publish"],
                        resources=[self.topic.topic_arn],
                        conditions={"Bool": {"aws:SecureTransport": "false"}},
                    ),
                ]
            ),
        )

    def statements_to_announce(self) -> Sequence[iam.PolicyStatement]:
        """Publishing on this topic, and the key through SNS."""
        return [
            Allow(
                sid="AnnounceEnds",
                actions=["sns:Publish"],
                resources=[self.topic.topic_arn],
            ),
            Allow(
                sid="DataKeyThroughSns",
                actions=["kms:Decrypt", "kms:GenerateDataKey"],
                resources=[self._key.key_arn],
                conditions={"StringEquals": via_service(self, "sns")},
            ),
        ]
