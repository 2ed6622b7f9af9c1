"""The topic that tells people how a job ended, and the rule that feeds it."""

from __future__ import annotations

from aws_cdk import Stack
from aws_cdk import aws_events as events
from aws_cdk import aws_iam as iam
from aws_cdk import aws_kms as kms
from aws_cdk import aws_sns as sns
from constructs import Construct

from .dead_letter_queue import DeadLetterQueue
from .naming import Names
from .statements import Allow, deny

# https://docs.aws.amazon.com/bedrock/latest/userguide/monitoring-eventbridge-how-it-works.html
DETAIL_TYPE = "Model Customization Job State Change"
FINAL_STATUSES = ("Completed", "Failed", "Stopped")


class JobTopic(Construct):
    """An encrypted topic that hears of every job of the environment that ended.

    The rule is made without the library's topic target: that would add a key statement for the
    events service without any condition. The data key admits this rule, by its name.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        names: Names,
        key: kms.IKey,
        undelivered: DeadLetterQueue,
    ) -> None:
        super().__init__(scope, id)
        self.topic = sns.Topic(
            self,
            "Topic",
            display_name=f"Customization jobs of {names.environment}",
            master_key=key,
        )
        rule = events.CfnRule(
            self,
            "Rule",
            name=names.job_state_rule,
            description="Customization jobs of this environment that ended",
            event_pattern={
                "source": ["aws.bedrock"],
                "detail-type": [DETAIL_TYPE],
                "detail": {
                    "jobStatus": list(FINAL_STATUSES),
                    "jobName": [{"prefix": f"{names.environment}-"}],
                },
            },
            targets=[
                events.CfnRule.TargetProperty(
                    id="Topic",
                    arn=self.topic.topic_arn,
                    dead_letter_config=events.CfnRule.DeadLetterConfigProperty(
                        arn=undelivered.queue_arn
                    ),
                )
            ],
        )
        undelivered.admit_rule(rule_arn=rule.attr_arn)
        sns.CfnTopicPolicy(
            self,
            "Policy",
            topics=[self.topic.topic_arn],
            policy_document=iam.PolicyDocument(
                statements=[
                    Allow(
                        sid="JobStateRulePublishes",
                        principals=[iam.ServicePrincipal("events.amazonaws.com")],
                        actions=["sns:Publish"],
                        resources=[self.topic.topic_arn],
                        conditions={
                            "StringEquals": {"aws:SourceAccount": Stack.of(self).account},
                            "ArnEquals": {"aws:SourceArn": rule.attr_arn},
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
