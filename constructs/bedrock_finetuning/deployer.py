"""What wakes the deployer, and what tells that it, or a follow-up, has failed."""

from __future__ import annotations

from aws_cdk import Duration, Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from aws_cdk import aws_cloudwatch_actions as actions
from aws_cdk import aws_events as events
from aws_cdk import aws_lambda as lambda_
from aws_cdk import aws_sns as sns
from constructs import Construct

from .follower import ENVIRONMENT_DIMENSION, NAMESPACE
from .naming import Names

# As the deployer writes them; a test compares the two.
THROUGHPUT_OVERDUE = "ThroughputOverdue"
FAILED_DEPLOYMENTS = "FailedDeployments"


def reap_rule_arn(scope: Construct, *, names: Names) -> str:
    """ARN of the rule that wakes the deployer, which the queue of an earlier stack admits."""
    stack = Stack.of(scope)
    return f"arn:{stack.partition}:events:{stack.region}:{stack.account}:rule/{names.reap_rule}"


class DeployerTriggers(Construct):
    """A schedule that wakes the deployer, whatever else does or fails to, and the alarms.

    Every look begins with what is past its end, so that nothing that is paid by the hour lives
    longer because a stack, a schedule or a state machine did not do its part.

    Args:
        every: Time between two looks.
        state_machine_arn: The follow-up's.
        undelivered_arn: ARN of the queue that admits the rule.
    """

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        names: Names,
        deployer: lambda_.IFunction,
        every: Duration,
        state_machine_arn: str,
        topic: sns.ITopic,
        undelivered_arn: str,
    ) -> None:
        super().__init__(scope, id)
        rule = events.CfnRule(
            self,
            "ReapRule",
            name=names.reap_rule,
            description="Makes wanted deployments, and removes what is unwanted or past its end",
            schedule_expression=events.Schedule.rate(every).expression_string,
            targets=[
                events.CfnRule.TargetProperty(
                    id="Deployer",
                    arn=deployer.function_arn,
                    dead_letter_config=events.CfnRule.DeadLetterConfigProperty(arn=undelivered_arn),
                )
            ],
        )
        lambda_.CfnPermission(
            self,
            "ReapPermission",
            action="lambda:InvokeFunction",
            function_name=deployer.function_arn,
            principal="events.amazonaws.com",
            source_account=Stack.of(self).account,
            source_arn=rule.attr_arn,
        )
        of_environment = {ENVIRONMENT_DIMENSION: names.environment}
        self.overdue = cloudwatch.Alarm(
            self,
            "ThroughputOverdue",
            alarm_name=names.overdue_alarm,
            alarm_description=(
                "Provisioned throughput lives past its end and costs by the hour: see `finetune "
                "leftovers`, and delete it by hand if it stays"
            ),
            metric=cloudwatch.Metric(
                namespace=NAMESPACE,
                metric_name=THROUGHPUT_OVERDUE,
                dimensions_map=of_environment,
                statistic="Maximum",
                period=Duration.minutes(5),
            ),
            threshold=1,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        # Silent when nothing calls it, too: then its metric is missing, which is breaching.
        self.deployer_works = cloudwatch.Alarm(
            self,
            "DeployerWorks",
            alarm_name=names.deployer_alarm,
            alarm_description=(
                "The deployer fails or is not called: models are not deployed, and what costs by "
                "the hour is ended by its schedule alone; see its log group"
            ),
            metric=cloudwatch.MathExpression(
                expression="invocations - errors",
                label="Looks that succeeded",
                period=every.plus(every).plus(every),
                using_metrics={
                    "invocations": deployer.metric_invocations(statistic="Sum"),
                    "errors": deployer.metric_errors(statistic="Sum"),
                },
            ),
            threshold=1,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.LESS_THAN_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.BREACHING,
        )
        executions = {
            name: cloudwatch.Metric(
                namespace="AWS/States",
                metric_name=metric,
                dimensions_map={"StateMachineArn": state_machine_arn},
                statistic="Sum",
                period=Duration.minutes(5),
            )
            for name, metric in (
                ("failed", "ExecutionsFailed"),
                ("aborted", "ExecutionsAborted"),
                ("expired", "ExecutionsTimedOut"),
            )
        }
        deployments = cloudwatch.Metric(
            namespace=NAMESPACE,
            metric_name=FAILED_DEPLOYMENTS,
            dimensions_map=of_environment,
            statistic="Sum",
            period=Duration.minutes(5),
        )
        self.follow_up = cloudwatch.Alarm(
            self,
            "FollowUp",
            alarm_name=names.follow_up_alarm,
            alarm_description=(
                "A completed job was not followed up: its report, its deployment or its test "
                "failed; see the message on the topic, and the executions of the state machine"
            ),
            metric=cloudwatch.MathExpression(
                expression=" + ".join(f"FILL({name}, 0)" for name in (*executions, "deployments")),
                label="Follow-ups and deployments that failed",
                period=Duration.minutes(5),
                using_metrics={**executions, "deployments": deployments},
            ),
            threshold=1,
            evaluation_periods=1,
            comparison_operator=cloudwatch.ComparisonOperator.GREATER_THAN_OR_EQUAL_TO_THRESHOLD,
            treat_missing_data=cloudwatch.TreatMissingData.NOT_BREACHING,
        )
        for alarm in (self.overdue, self.deployer_works, self.follow_up):
            alarm.add_alarm_action(actions.SnsAction(topic))
