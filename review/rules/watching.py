"""What watches over the jobs: alarms, and the provider framework's wait."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any, Final

from review.rules.environment import Environment, environment_of
from review.rules.job_requests import job_requests
from review.rules.rule import (
    Violation,
    at,
    many,
    of_the_whole,
    rule,
    shown,
    unexpected_properties,
)
from review.rules.standards import LOGGED
from review.template.deployment import Deployment

ALARM: Final = "AWS::CloudWatch::Alarm"
_EVENT: Final = "Model Customization Job State Change"


@rule(
    id="watching.ends-are-heard",
    requirement="Where a template starts jobs, something hears of their ends.",
    risk="A job that failed, or was stopped by somebody, stays unnoticed.",
    remedy="Add an EventBridge rule for `Model Customization Job State Change` of aws.bedrock.",
    step="W14",
    standards={**LOGGED, "Well-Architected Generative AI Lens": ("GENSEC03-BP01",)},
    level="warning",
)
def ends_are_heard(deployment: Deployment) -> Iterator[Violation]:
    """A rule, enabled, with a target; Step Functions' `.sync` hears by itself."""
    requests = [
        each
        for each in job_requests(deployment)
        if ".sync" not in str(each.resource["DefinitionString"])
    ]
    if not requests:
        return
    for each in deployment.of_type("AWS::Events::Rule"):
        if (
            _EVENT in many(each["EventPattern.detail-type"])
            and each["Targets"]
            and each["State"] != "DISABLED"
        ):
            return
    yield at(requests[0].resource, "nothing hears of the end of its job")


@rule(
    id="watching.alarms-as-designed",
    requirement="An alarm on jobs that failed, one on a follower that fails or is not called; where"
    " models are deployed the same of the deployer, one on throughput past its end and one on what"
    " follows a job.",
    risk="Nobody hears that a job failed, that something costs by the hour for ever, or that nobody"
    " hears of anything.",
    remedy="Take the change back.",
    step="W14",
    standards=LOGGED,
    profile="app",
)
def failures_raise_an_alarm(deployment: Deployment) -> Iterator[Violation]:
    """Over which time the follower's calls are counted follows from how often it is called."""
    environment = environment_of(deployment)
    env = environment.name
    of_this_environment = [{"Name": "Environment", "Value": env}]

    expected: dict[str, dict[str, Any]] = {
        f"finetune-{env}-failed-jobs": {
            "ComparisonOperator": "GreaterThanOrEqualToThreshold",
            "Dimensions": of_this_environment,
            "MetricName": "FailedJobs",
            "Namespace": "Finetune",
            "Period": 300,
            "Statistic": "Sum",
            # No job ended: no job failed.
            "TreatMissingData": "notBreaching",
        },
        f"finetune-{env}-follower": _is_called(environment.function_ref("follower")),
    }
    if environment.serves:
        expected |= {
            f"finetune-{env}-throughput-overdue": {
                "ComparisonOperator": "GreaterThanOrEqualToThreshold",
                "Dimensions": of_this_environment,
                "MetricName": "ThroughputOverdue",
                "Namespace": "Finetune",
                "Period": 300,
                "Statistic": "Maximum",
                "TreatMissingData": "notBreaching",
            },
            f"finetune-{env}-deployer": _is_called(environment.function_ref("deployer")),
            f"finetune-{env}-follow-up": _is_followed_up(environment),
        }
    alarms = deployment.of_type(ALARM)
    names = sorted(alarm.ref for alarm in alarms)
    if names != sorted(expected):
        yield of_the_whole(f"alarms {names}, expected {sorted(expected)}")
    for alarm in alarms:
        said = dict(expected.get(alarm.ref, {}))
        metrics = said.pop("Metrics", [])
        yield from unexpected_properties(
            alarm,
            {
                **said,
                "AlarmActions": [environment.topic],
                "EvaluationPeriods": 1,
                "Threshold": 1,
            },
            also={"AlarmDescription", "AlarmName", "Metrics", "Tags"},
        )
        watched, periods = _without_texts(alarm["Metrics"] or [])
        if watched != metrics:
            yield at(alarm, f"watches {shown(watched)}", "Metrics")
        rounds = str(alarm["ComparisonOperator"]).startswith("Less")
        if len(set(periods)) > 1 or not all(
            _is_rounds(each) if rounds else each == _MINUTES * 60 for each in periods
        ):
            yield at(alarm, f"counts over {periods} seconds", "Metrics")


def _without_texts(metrics: list[dict[str, Any]]) -> tuple[list[dict[str, Any]], list[Any]]:
    """Metrics without labels, which are for people, and without periods, which are returned."""
    watched, periods = [], []
    for each in metrics:
        said = {name: value for name, value in each.items() if name != "Label"}
        if "MetricStat" in said:
            stat = dict(said["MetricStat"])
            periods.append(stat.pop("Period", None))
            said["MetricStat"] = stat
        watched.append(said)
    return watched, periods


_MINUTES: Final = 5
"""Over how long is counted what happens now and then."""


def _is_rounds(value: object) -> bool:
    """Three rounds of one minute to an hour."""
    return isinstance(value, int) and value % 180 == 0 and 180 <= value <= 3 * 3600


def _counted(metric: str, namespace: str, dimension: str, value: str, id_: str) -> dict[str, Any]:
    return {
        "Id": id_,
        "MetricStat": {
            "Metric": {
                "Dimensions": [{"Name": dimension, "Value": value}],
                "MetricName": metric,
                "Namespace": namespace,
            },
            "Stat": "Sum",
        },
        "ReturnData": False,
    }


def _is_called(function: str) -> dict[str, Any]:
    """That a function is called by its schedule, and succeeds."""
    return {
        "ComparisonOperator": "LessThanThreshold",
        "Metrics": [
            {"Expression": "invocations - errors", "Id": "expr_1", "ReturnData": True},
            *(
                _counted(metric, "AWS/Lambda", "FunctionName", function, metric.lower())
                for metric in ("Invocations", "Errors")
            ),
        ],
        # Nobody calls it: nobody hears of anything.
        "TreatMissingData": "breaching",
    }


def _is_followed_up(environment: Environment) -> dict[str, Any]:
    """That no execution of the follow-up and no deployment failed."""
    metrics = {
        "failed": "ExecutionsFailed",
        "aborted": "ExecutionsAborted",
        "expired": "ExecutionsTimedOut",
    }
    machine = environment.follow_up
    return {
        "ComparisonOperator": "GreaterThanOrEqualToThreshold",
        "Metrics": [
            {
                "Expression": "FILL(failed, 0) + FILL(aborted, 0) + FILL(expired, 0)"
                " + FILL(deployments, 0)",
                "Id": "expr_1",
                "ReturnData": True,
            },
            *(
                _counted(metric, "AWS/States", "StateMachineArn", machine, id_)
                for id_, metric in metrics.items()
            ),
            _counted(
                "FailedDeployments", "Finetune", "Environment", environment.name, "deployments"
            ),
        ],
        "TreatMissingData": "notBreaching",
    }


@rule(
    id="watching.waiter-as-designed",
    requirement="The provider framework's state machine asks the completion check for half an hour,"
    " and then gives up.",
    risk="A stack waits for ever, or something else is called with the framework's role.",
    remedy="Take the change back.",
    step="W13",
    standards=LOGGED,
    profile="app",
)
def the_waiter_calls_the_framework_only(deployment: Deployment) -> Iterator[Violation]:
    """Its states and what they call."""
    environment = environment_of(deployment)
    machines = [
        each
        for each in deployment.of_type("AWS::StepFunctions::StateMachine")
        if not (environment.serves and each.arn == environment.follow_up)
    ]
    if len(machines) != 1:
        yield of_the_whole(f"{len(machines)} state machines that wait, expected 1")
    first, last = "framework-isComplete-task", "framework-onTimeout-task"
    expected = {
        first: environment.function_arn("framework-is-complete"),
        last: environment.function_arn("framework-on-timeout"),
    }
    path = "DefinitionString"
    for machine in machines:
        yield from unexpected_properties(
            machine, {"RoleArn": environment.roles["waiter"]}, also={path, "Tags"}
        )
        try:
            definition = json.loads(machine[path] or "{}")
        except ValueError:
            yield at(machine, "its definition is no JSON", path)
            continue
        states = definition.get("States", {})
        if {name: state.get("Resource") for name, state in states.items()} != expected:
            yield at(machine, f"states {sorted(states)} call {shown(states)}", path)
            continue
        if definition.get("StartAt") != first:
            yield at(machine, f"starts at {shown(definition.get('StartAt'))}", path)
        (retry,) = states[first].get("Retry") or [{}]
        if retry.get("IntervalSeconds", 0) * retry.get("MaxAttempts", 0) != 30 * 60:
            yield at(machine, f"waits {shown(retry)}", path)
        if [catch.get("Next") for catch in states[first].get("Catch", [])] != [last]:
            yield at(machine, "a job that is never complete is not given up", path)
