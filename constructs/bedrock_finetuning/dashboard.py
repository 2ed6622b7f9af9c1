"""What an environment's dashboard shows, as data, and the dashboard itself."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from aws_cdk import Stack
from aws_cdk import aws_cloudwatch as cloudwatch
from constructs import Construct

from .deployer import FAILED_DEPLOYMENTS, THROUGHPUT_OVERDUE
from .follower import ENVIRONMENT_DIMENSION, FAILED_JOBS, NAMESPACE
from .naming import Names

# As follower/announcement.py and training_metrics/publish.py write them; a test compares them.
ENDED_JOBS = "EndedJobs"
JOB_DIMENSION = "Job"
LOSSES = ("TrainingLoss", "ValidationLoss", "BestLoss")
VERDICTS = ("Diverged", "Overfitted")

WIDTH = 24
"""Columns of a dashboard. https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html"""
HEIGHT = 6

Metric = list[Any]


def dashboard_body(
    *,
    names: Names,
    region: str,
    state_machine_arn: str,
    alarm_arns: Sequence[str],
    jobs: Sequence[str],
) -> dict[str, Any]:
    """What the dashboard of an environment shows: from the alarms down to what is called.

    Args:
        names: The environment's names.
        region: The Region of all metrics.
        state_machine_arn: The follow-up's.
        alarm_arns: The alarms, as one row of lights.
        jobs: Names of the jobs in the settings, whose final losses are drawn.
    """
    of_environment = [ENVIRONMENT_DIMENSION, names.environment]

    def of_job(metric: str) -> list[Metric]:
        return [
            [NAMESPACE, metric, *of_environment, JOB_DIMENSION, job, {"label": f"{job} {metric}"}]
            for job in jobs
        ]

    def of_states(metric: str) -> Metric:
        return ["AWS/States", metric, "StateMachineArn", state_machine_arn]

    def of_function(metric: str, purpose: str) -> Metric:
        return ["AWS/Lambda", metric, "FunctionName", names.function(purpose)]

    rows: list[list[dict[str, Any]]] = [
        [
            {
                "type": "alarm",
                "height": 3,
                "properties": {"title": "Alarms", "alarms": list(alarm_arns)},
            }
        ],
        [
            _graph("Final losses", region, [each for loss in LOSSES for each in of_job(loss)],
                   statistic="Average", view="singleValue"),
            _graph("Diverged or overfitted", region,
                   [each for verdict in VERDICTS for each in of_job(verdict)],
                   statistic="Maximum", view="singleValue"),
        ],
        [
            _graph("Jobs that ended", region,
                   [[NAMESPACE, ENDED_JOBS, *of_environment],
                    [NAMESPACE, FAILED_JOBS, *of_environment]]),
            _graph("Follow-ups", region,
                   [of_states("ExecutionsStarted"), of_states("ExecutionsSucceeded"),
                    of_states("ExecutionsFailed"), of_states("ExecutionsTimedOut")]),
            _graph("Events that nobody handled", region,
                   [["AWS/SQS", "ApproximateNumberOfMessagesVisible", "QueueName",
                     names.failed_events_queue]], statistic="Maximum"),
        ],
        [
            _graph("Deployments that failed, throughput past its end", region,
                   [[NAMESPACE, FAILED_DEPLOYMENTS, *of_environment],
                    [NAMESPACE, THROUGHPUT_OVERDUE, *of_environment, {"stat": "Maximum"}]]),
            _graph("Calls of models in this account", region,
                   [_search("Invocations", "Sum"), _search("InvocationClientErrors", "Sum"),
                    _search("InvocationThrottles", "Sum")]),
            _graph("Milliseconds to an answer", region, [_search("InvocationLatency", "Average")],
                   statistic="Average"),
        ],
        [
            _graph("Functions called", region,
                   [of_function("Invocations", each) for each in _FUNCTIONS]),
            _graph("Functions that failed", region,
                   [of_function("Errors", each) for each in _FUNCTIONS]),
        ],
    ]  # fmt: skip
    return {"start": "-P7D", "widgets": list(_placed(rows))}


_FUNCTIONS = (
    "submitter", "completion-check", "follower", "deployer", "model-report", "invoker"
)  # fmt: skip


def _search(metric: str, statistic: str) -> Metric:
    """All models served here: a deployment's id is unknown before there is one."""
    return [
        {
            "expression": (
                f'SEARCH(\'{{AWS/Bedrock,ModelId}} MetricName="{metric}" '
                f"(custom-model-deployment OR provisioned-model)', '{statistic}', 300)"
            ),
            "id": f"m{metric.lower()}",
            "label": f"{metric} ${{PROP('Dim.ModelId')}}",
        }
    ]


def _graph(
    title: str,
    region: str,
    metrics: list[Metric],
    *,
    statistic: str = "Sum",
    view: str = "timeSeries",
) -> dict[str, Any]:
    return {
        "type": "metric",
        "height": HEIGHT,
        "properties": {
            "title": title,
            "region": region,
            "view": view,
            "stat": statistic,
            "period": 300,
            # An environment may stand before its first job; CloudWatch takes no widget without one.
            "metrics": metrics or [[NAMESPACE, ENDED_JOBS]],
        },
    }


def _placed(rows: Sequence[Sequence[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Widgets beside each other in their row, and rows below each other."""
    placed, top = [], 0
    for row in rows:
        width = WIDTH // len(row)
        for column, widget in enumerate(row):
            placed.append({**widget, "x": column * width, "y": top, "width": width})
        top += max(widget["height"] for widget in row)
    return placed


class Dashboard(Construct):
    """One page of an environment: its alarms, its jobs' losses, what fails and what is called."""

    def __init__(
        self,
        scope: Construct,
        id: str,
        *,
        names: Names,
        state_machine_arn: str,
        alarms: Sequence[cloudwatch.IAlarm],
        jobs: Sequence[str],
    ) -> None:
        super().__init__(scope, id)
        stack = Stack.of(self)
        earlier = f"arn:{stack.partition}:cloudwatch:{stack.region}:{stack.account}:alarm:"
        self.resource = cloudwatch.CfnDashboard(
            self,
            "Resource",
            dashboard_name=names.dashboard,
            dashboard_body=stack.to_json_string(
                dashboard_body(
                    names=names,
                    region=stack.region,
                    state_machine_arn=state_machine_arn,
                    alarm_arns=[
                        earlier + names.failed_jobs_alarm,
                        earlier + names.follower_alarm,
                        *(alarm.alarm_arn for alarm in alarms),
                    ],
                    jobs=jobs,
                )
            ),
        )
