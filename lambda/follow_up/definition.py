"""The state machine that follows a completed job up: its definition as data.

Collect the metrics, report on them, deploy, try, announce; on whatever goes wrong, explain and
announce. Every step may be ended anywhere and run again, so each is retried; what a retry does not
mend is caught, explained and announced, and then the execution fails, so that an alarm sees it too.

Written in the Amazon States Language with JSONata, https://states-language.net/spec.html and
https://docs.aws.amazon.com/step-functions/latest/dg/transforming-data.html
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, Final

WAIT_SECONDS: Final = 60
"""How long to wait before the deployer is asked again."""
MOST_ASKED: Final = 180
"""How often the deployer is asked at most: three hours for a deployment to become active."""
STEP_SECONDS: Final = 330
"""Time limit of a step: that of its function, five minutes, and half a minute."""
TRIAL_SECONDS: Final = 930
"""Time limit of the smoke tests: that of their function, fifteen minutes, and half a minute."""
LONGEST_SECONDS: Final = 8 * 3600
"""Time limit of an execution, as the last resort: all of its own limits end long before."""

START: Final = "Begin"

_JOB: Final = "{% $states.context.Execution.Input.job_name %}"
_NAME: Final = "{% $states.context.Execution.Name %}"

# Lambda's own errors, a function that was ended from outside, and those of ours that pass.
# https://docs.aws.amazon.com/step-functions/latest/dg/concepts-error-handling.html
PASSING_ERRORS: Final = (
    "CrowdedRecordError",
    "Lambda.AWSLambdaException",
    "Lambda.ClientExecutionTimeoutException",
    "Lambda.SdkClientException",
    "Lambda.ServiceException",
    "Lambda.TooManyRequestsException",
    "Lambda.Unknown",
    "PassingServiceError",
    "Runtime.ExitError",
    "Sandbox.Timedout",
    "States.Timeout",
)
"""The errors after which a step is run again."""
MOST_RETRIES: Final = 5


def definition(
    *,
    partition: str,
    report_arn: str,
    deployer_arn: str,
    invoker_arn: str,
    topic_arn: str,
    wait_seconds: int = WAIT_SECONDS,
    most_asked: int = MOST_ASKED,
) -> dict[str, Any]:
    """Return the definition, for a state machine of the Standard type.

    `report_arn`, `deployer_arn` and `invoker_arn` are functions, `topic_arn` is where it is
    announced. An execution's input is `{"job_name": NAME}`, with `template`, its stack's id and
    digest, where the caller knows it; its name makes it run once. Variables hold what later
    steps need, and no prompt is handed on but to the invoker.
    """
    lambda_ = f"arn:{partition}:states:::lambda:invoke"

    def report(step: str, *, arguments: Mapping[str, Any]) -> dict[str, Any]:
        payload = {"step": step, "job_name": _JOB, "execution": _NAME, **arguments}
        return _call(lambda_, function=report_arn, payload=payload, seconds=STEP_SECONDS)

    return {
        "Comment": "What happens to a fine-tuned model after its training",
        "QueryLanguage": "JSONata",
        "StartAt": START,
        "TimeoutSeconds": LONGEST_SECONDS,
        "States": {
            # Every variable has a value from the start: JSONata refuses what is undefined.
            START: {
                "Type": "Pass",
                "Assign": {
                    "asked": 0,
                    "collected": None,
                    "reported": None,
                    "deployment": {"state": "NotWanted"},
                    "tests": [],
                    "tested": None,
                    "failure": None,
                    "announcement": None,
                },
                "Next": "Collect",
            },
            "Collect": _step(
                report("collect", arguments={}),
                assign={"collected": "{% $states.result.Payload %}"},
                then="Report",
                name="Collect",
            ),
            "Report": _step(
                report(
                    "report",
                    arguments={
                        "template": "{% $exists($states.context.Execution.Input.template)"
                        " ? $states.context.Execution.Input.template : null %}"
                    },
                ),
                assign={"reported": "{% $states.result.Payload %}"},
                then="Deploy",
                name="Report",
            ),
            "Deploy": _step(
                _call(
                    lambda_,
                    function=deployer_arn,
                    payload={"Deploy": {"job_name": _JOB, "execution": _NAME}},
                    seconds=STEP_SECONDS,
                ),
                assign={
                    "asked": "{% $asked + 1 %}",
                    # The prompts go to the invoker alone.
                    "deployment": "{% $sift($states.result.Payload,"
                    " function($value, $key) { $key != 'smoke_tests' }) %}",
                    "tests": "{% $exists($states.result.Payload.smoke_tests)"
                    " ? $states.result.Payload.smoke_tests : [] %}",
                },
                then="Check deployment",
                name="Deploy",
            ),
            "Check deployment": {
                "Type": "Choice",
                "Choices": [
                    _when("$deployment.state = 'NotWanted'", then="Compose"),
                    _when("$deployment.state = 'Active'", then="Check tests"),
                    _when("$deployment.state = 'Failed'", then="Deployment failed"),
                    _when(f"$asked < {most_asked}", then="Wait"),
                ],
                "Default": "Deployment too slow",
            },
            "Wait": {"Type": "Wait", "Seconds": wait_seconds, "Next": "Deploy"},
            "Deployment failed": _failed(
                step="Deploy",
                error="DeploymentFailed",
                cause="{% $string($deployment.failure) %}",
            ),
            "Deployment too slow": _failed(
                step="Deploy",
                error="DeploymentTooSlow",
                cause="{% 'it was ' & $string($deployment.state) & ' after ' & $string($asked)"
                f" & ' looks, {wait_seconds} seconds apart' %}}",
            ),
            "Check tests": {
                "Type": "Choice",
                "Choices": [_when("$count($tests) = 0", then="Record")],
                "Default": "Try",
            },
            "Try": _step(
                _call(
                    lambda_,
                    function=invoker_arn,
                    payload={
                        "SmokeTest": {"model": "{% $deployment.arn %}", "tests": "{% $tests %}"}
                    },
                    seconds=TRIAL_SECONDS,
                ),
                assign={"tested": "{% $states.result.Payload %}"},
                then="Record",
                name="Try",
            ),
            "Record": _step(
                report(
                    "record",
                    arguments={"deployment": "{% $deployment %}", "tested": "{% $tested %}"},
                ),
                assign={},
                then="Check answers",
                name="Record",
            ),
            "Check answers": {
                "Type": "Choice",
                "Choices": [
                    _when("$tested = null", then="Compose"),
                    _when("$tested.passed = true", then="Compose"),
                ],
                "Default": "Smoke test failed",
            },
            "Smoke test failed": _failed(
                step="Try",
                error="SmokeTestFailed",
                cause="{% $join($tested.results[passed = false]"
                ".('test ' & $string(number) & ': ' & $string(reason)), '; ') %}",
            ),
            "Compose": _step(
                report("compose", arguments=_KNOWN),
                assign={"announcement": "{% $states.result.Payload %}"},
                then="Announce",
                name="Compose",
            ),
            "Explain": _step(
                report("explain", arguments={**_KNOWN, "failure": "{% $failure %}"}),
                assign={"announcement": "{% $states.result.Payload %}"},
                then="Announce",
                name="Explain",
                caught_by="Explain in short",
            ),
            # What explains is broken itself: whoever reads it has to look for themselves.
            "Explain in short": {
                "Type": "Pass",
                "Assign": {
                    "announcement": {
                        "failed": True,
                        "subject": "{% 'Follow-up failed: ' & "
                        "$states.context.Execution.Input.job_name %}",
                        "message": "{% 'the follow-up of ' & "
                        "$states.context.Execution.Input.job_name & ' failed in the step ' & "
                        "$failure.step & ' with ' & $failure.error & ', and so did explaining it: "
                        "look at the execution ' & $states.context.Execution.Id %}",
                        "state": "FollowUpFailed",
                        "job": "{% $states.context.Execution.Input.job_name %}",
                    }
                },
                "Next": "Announce",
            },
            "Announce": _step(
                {
                    "Type": "Task",
                    "Resource": f"arn:{partition}:states:::sns:publish",
                    "Arguments": {
                        "TopicArn": topic_arn,
                        "Subject": "{% $announcement.subject %}",
                        "Message": "{% $announcement.message %}",
                        "MessageAttributes": {
                            name: {
                                "DataType": "String",
                                "StringValue": f"{{% $announcement.{name} %}}",
                            }
                            for name in ("state", "job")
                        },
                    },
                    "TimeoutSeconds": STEP_SECONDS,
                },
                assign={},
                then="Check outcome",
                name="Announce",
                caught_by="Not announced",
                retried=("States.ALL",),
            ),
            "Check outcome": {
                "Type": "Choice",
                "Choices": [_when("$announcement.failed = true", then="Failed")],
                "Default": "Done",
            },
            "Done": {"Type": "Succeed", "Output": {"state": "{% $announcement.state %}"}},
            "Failed": {
                "Type": "Fail",
                "Error": "FollowUpFailed",
                "Cause": "{% $announcement.subject %}",
            },
            # The alarm on failed executions is who tells of it.
            "Not announced": {
                "Type": "Fail",
                "Error": "NotAnnounced",
                "Cause": "{% 'nobody was told: ' & $announcement.subject %}",
            },
        },
    }


_KNOWN: Final = {
    name: f"{{% ${name} %}}" for name in ("collected", "reported", "deployment", "tested")
}


def _call(
    resource: str, *, function: str, payload: Mapping[str, Any], seconds: int
) -> dict[str, Any]:
    return {
        "Type": "Task",
        "Resource": resource,
        "Arguments": {"FunctionName": function, "Payload": dict(payload)},
        "TimeoutSeconds": seconds,
    }


def _step(
    task: Mapping[str, Any],
    *,
    name: str,
    assign: Mapping[str, Any],
    then: str,
    caught_by: str = "Explain",
    retried: Sequence[str] = PASSING_ERRORS,
) -> dict[str, Any]:
    """Return a task with what comes after it, when it is run again, and who explains its end."""
    failure = {
        "step": name,
        "error": "{% $states.errorOutput.Error %}",
        "cause": "{% $string($states.errorOutput.Cause) %}",
    }
    catch: dict[str, Any] = {"ErrorEquals": ["States.ALL"], "Next": caught_by, "Output": {}}
    if caught_by == "Explain":
        catch["Assign"] = {"failure": failure}
    return {
        **task,
        "Retry": [
            {
                "ErrorEquals": list(retried),
                "IntervalSeconds": 2,
                "BackoffRate": 2,
                "MaxDelaySeconds": 60,
                "MaxAttempts": MOST_RETRIES,
                "JitterStrategy": "FULL",
            }
        ],
        "Catch": [catch],
        **({"Assign": dict(assign)} if assign else {}),
        # Variables carry what is needed: nothing is handed on besides.
        "Output": {},
        "Next": then,
    }


def _when(condition: str, *, then: str) -> dict[str, Any]:
    return {"Condition": f"{{% {condition} %}}", "Next": then}


def _failed(*, step: str, error: str, cause: str) -> dict[str, Any]:
    """Return a state for what failed although no step did."""
    return {
        "Type": "Pass",
        "Assign": {"failure": {"step": step, "error": error, "cause": cause}},
        "Output": {},
        "Next": "Explain",
    }
