"""What wakes the follower, and what tells that it, or a job, has failed."""

from __future__ import annotations

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from constructs import Construct

from .dead_letter_queue import DeadLetterQueue
from .naming import Names

# https://docs.aws.amazon.com/bedrock/latest/userguide/monitoring-eventbridge-how-it-works.html
DETAIL_TYPE = "Model Customization Job State Change"
FINAL_STATUSES = ("Completed", "Failed", "Stopped")

# As follower/announcement.py writes them; a test compares the two.
NAMESPACE = "Finetune"
FAILED_JOBS = "FailedJobs"
ENVIRONMENT_DIMENSION = "Environment"


class FollowerTriggers(Construct):
    """An event rule and a schedule that wake the follower, and the alarms on what it finds.

    EventBridge delivers Bedrock's events as well as it can, and no better: the schedule finds what
    it does not hear of. Both rules may call this one function and nothing else.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        names: Names,
        follower: lambda_.IFunction,
        every: Duration,
        topic: sns.ITopic,
        undelivered: DeadLetterQueue,
    ) -> None:
        super().__init__(scope, id)
        rules = {
            "JobState": events.CfnRule(
                self,
                "JobStateRule",
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
                targets=[_target(follower, undelivered)],
            ),
            "Follow": events.CfnRule(
                self,
                "FollowRule",
                name=names.follow_rule,
                description="Looks after jobs whose events were lost, and serves the queue",
                schedule_expression=events.Schedule.rate(every).expression_string,
                targets=[_target(follower, undelivered)],
            ),
        }
        undelivered.admit_rules(rule_arns=[rule.attr_arn for rule in rules.values()])
        for name, rule in rules.items():
            lambda_.CfnPermission(
                self,
                f"{name}Permission",
                action="lambda:InvokeFunction",
                function_name=follower.function_arn,
                principal="events.amazonaws.com",
                source_account=Stack.of(self).account,
                source_arn=rule.attr_arn,
            )
        self.failed_jobs = cloudwatch.Alarm(
            self,
            "FailedJobs",
            alarm_name=names.failed_jobs_alarm,
            alarm_description=(
                "A customization job failed, was refused or went missing: see `finetune jobs` and "
                "the message on the topic for the reason and what to do"
            ),
            metric=cloudwatch.Metric(
                namespace=NAMESPACE,
                metric_name=FAILED_JOBS,
                dimensions_map={ENVIRONMENT_DIMENSION: names.environment},
                statistic="Sum",
                period=Duration.minutes(5),
            ),
            threshold=1,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        # Silent when nothing calls it, too: then its metric is missing, which is breaching.
        self.follower_works = cloudwatch.Alarm(
            self,
            "FollowerWorks",
            alarm_name=names.follower_alarm,
            alarm_description=(
                "The follower fails or is not called: jobs that end are not announced, those that "
                "wait are not submitted; see its log group"
            ),
            metric=cloudwatch.MathExpression(
                expression="invocations - errors",
                label="Sweeps that succeeded",
                period=every.plus(every).plus(every),
                using_metrics={
                    "invocations": follower.metric_invocations(statistic="Sum"),
                    "errors": follower.metric_errors(statistic="Sum"),
                },
            ),
            threshold=1,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
        )
        for alarm in (self.failed_jobs, self.follower_works):
            alarm.add_alarm_action(actions.SnsAction(topic))


def _target(
    follower: lambda_.IFunction, undelivered: DeadLetterQueue
) -> events.CfnRule.TargetProperty:
    return events.CfnRule.TargetProperty(
        id="Follower",
        arn=follower.function_arn,
        dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=undelivered.queue_arn),
    )
