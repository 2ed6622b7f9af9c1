"""What follows a job: the state machine, what it logs, and the dashboard."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, Final

from review.rules.deployments import read_json
from review.rules.design import design_of
from review.rules.environment import SERVING_FUNCTIONS, Environment, environment_of
from review.rules.rule import (
    Violation,
    at,
    many,
    of_the_whole,
    rule,
    shown,
    unexpected_properties,
)
from review.rules.standards import LEAST_PRIVILEGE, LOGGED, PRIVATE_STORE
from review.template.deployment import Deployment, Resource

MACHINE: Final = "AWS::StepFunctions::StateMachine"
DASHBOARD: Final = "AWS::CloudWatch::Dashboard"


@rule(
    id="follow-up.as-designed",
    requirement="One state machine, encrypted with the data key, calls the three functions and the"
    " topic, each step with its retries and its way out; its log has no data.",
    risk="A step that fails ends in silence, prompts and answers lie in the log, or something else"
    " is called with the role.",
    remedy="Take the change back.",
    step="W14",
    standards=LOGGED,
    profile="app",
)
def jobs_are_followed_up_as_designed(deployment: Deployment) -> Iterator[Violation]:
    """Its properties, and of its definition what is called and where failures lead."""
    environment = environment_of(deployment)
    machines = [m for m in deployment.of_type(MACHINE) if m.arn == environment.follow_up]
    if len(machines) != int(environment.serves):
        yield of_the_whole(f"{len(machines)} follow-ups, expected {int(environment.serves)}")
    for machine in machines:
        yield from unexpected_properties(
            machine,
            {
                "EncryptionConfiguration": {
                    "KmsDataKeyReusePeriodSeconds": 300,
                    "KmsKeyId": environment.data_key,
                    "Type": "CUSTOMER_MANAGED_KMS_KEY",
                },
                "LoggingConfiguration": {
                    "Destinations": [
                        {
                            "CloudWatchLogsLogGroup": {
                                "LogGroupArn": environment.arn(
                                    "logs", f"log-group:/finetune/{environment.name}/follow-up:*"
                                )
                            }
                        }
                    ],
                    "IncludeExecutionData": False,
                    "Level": "ALL",
                },
                "RoleArn": environment.roles.get("follow-up"),
                "StateMachineName": environment.follow_up.rpartition(":")[2],
                "StateMachineType": "STANDARD",
            },
            also={"DefinitionString", "Tags"},
        )
        yield from _calls_as_designed(environment, machine)


def _calls_as_designed(environment: Environment, machine: Resource) -> Iterator[Violation]:
    path = "DefinitionString"
    definition = read_json(machine[path])
    states = definition.get("States") if isinstance(definition, dict) else None
    if not isinstance(states, dict) or not states:
        yield at(machine, "its definition has no states", path)
        return
    if definition.get("StartAt") not in states:
        yield at(machine, f"starts at {shown(definition.get('StartAt'))}", path)
    called: set[object] = set()
    for name, state in states.items():
        if state.get("Type") not in _STATES:
            yield at(machine, f"{name} is of the type {shown(state.get('Type'))}", path)
        if state.get("Type") != "Task":
            continue
        found = _called(environment, state)
        called.add(found)
        if found is None:
            said = shown((state.get("Resource"), state.get("Arguments")))
            yield at(machine, f"{name} calls {said}", path)
        for wrong in _ways_out(state, states):
            yield at(machine, f"{name} {wrong}", path)
    for missing in sorted({*_callable(environment)} - called):
        yield at(machine, f"never calls {missing}", path)


def _callable(environment: Environment) -> dict[str, tuple[str, str]]:
    """What may be called, with the integration that does and the argument that names it."""
    invoke, publish = (f"arn:{environment.deployment.partition}:states:::{each}" for each in _TASKS)
    functions = map(environment.function_arn, SERVING_FUNCTIONS)
    return {
        **dict.fromkeys(functions, (invoke, "FunctionName")),
        environment.topic: (publish, "TopicArn"),
    }


def _called(environment: Environment, state: Mapping[str, Any]) -> str | None:
    """The one thing of ours that a task calls; None for anything else."""
    arguments = state.get("Arguments") or {}
    for arn, (resource, argument) in _callable(environment).items():
        if state.get("Resource") == resource and arguments.get(argument) == arn:
            return arn
    return None


def _ways_out(state: Mapping[str, Any], states: Mapping[str, Any]) -> Iterator[str]:
    if state.get("Credentials") is not None:
        yield "takes another role"
    for word in ("Retry", "Catch"):
        if not state.get(word):
            yield f"has no {word}"
    for way in many(state.get("Catch")):
        if way.get("Next") not in states:
            yield f"fails into {shown(way.get('Next'))}"


_TASKS: Final = ("lambda:invoke", "sns:publish")
_STATES: Final = ("Choice", "Fail", "Pass", "Succeed", "Task", "Wait")


@rule(
    id="follow-up.logs-no-data",
    requirement="State machines log without the data of their executions.",
    risk="Prompts, answers and names lie in a log that more people read than may ask the model.",
    remedy="Set IncludeExecutionData to false in the LoggingConfiguration.",
    step="W14",
    standards=PRIVATE_STORE,
)
def executions_log_no_data(deployment: Deployment) -> Iterator[Violation]:
    """What is absent is AWS's default: no log, and no data in it."""
    path = "LoggingConfiguration.IncludeExecutionData"
    for machine in deployment.of_type(MACHINE):
        if machine[path] not in (None, False):
            yield at(machine, f"IncludeExecutionData is {shown(machine[path])}", path)


@rule(
    id="follow-up.dashboard-harmless",
    requirement="A dashboard shows what this account has, and calls no function.",
    risk="A widget runs somebody's code, or shows what is another account's, to whoever looks.",
    remedy="Use no widgets of the type custom, and none with an accountId.",
    step="W14",
    standards=LEAST_PRIVILEGE,
)
def dashboards_are_harmless(deployment: Deployment) -> Iterator[Violation]:
    """By the types of its widgets.

    https://docs.aws.amazon.com/AmazonCloudWatch/latest/APIReference/CloudWatch-Dashboard-Body-Structure.html
    """
    path = "DashboardBody"
    for dashboard in deployment.of_type(DASHBOARD):
        body = read_json(dashboard[path])
        widgets = body.get("widgets") if isinstance(body, dict) else None
        if not isinstance(widgets, list):
            yield at(dashboard, "its body has no widgets", path)
            continue
        for widget in widgets:
            said = widget.get("properties") or {}
            if widget.get("type") == "custom":
                yield at(dashboard, f"a widget calls {shown(said.get('endpoint'))}", path)
            others = {deployment.account} ^ {deployment.account, *_accounts(said)}
            for account in sorted(others):
                yield at(dashboard, f"a widget shows what the account {account} has", path)


def _accounts(said: object) -> Iterator[str]:
    """The accounts that a widget names: by `accountId`, and in ARNs."""
    if isinstance(said, dict):
        if "accountId" in said:
            yield str(said["accountId"])
        for each in said.values():
            yield from _accounts(each)
    elif isinstance(said, list):
        for each in said:
            yield from _accounts(each)
    elif isinstance(said, str) and said.startswith("arn:") and said.count(":") > 4:
        yield said.split(":")[4]


@rule(
    id="follow-up.dashboard-as-designed",
    requirement="Where models are deployed one dashboard of the environment's name shows its alarms"
    " and metrics of its Region; there is no other.",
    risk="What nobody decided to show is shown, or what costs by the hour is not.",
    remedy="Take the change back.",
    step="W14",
    standards=LOGGED,
    profile="app",
)
def the_dashboard_shows_the_alarms(deployment: Deployment) -> Iterator[Violation]:
    """Its name, the types of its widgets, and each alarm of the environment."""
    environment = environment_of(deployment)
    dashboards = deployment.of_type(DASHBOARD)
    if len(dashboards) != int(environment.serves):
        yield of_the_whole(f"{len(dashboards)} dashboards, expected {int(environment.serves)}")
    for dashboard in dashboards:
        yield from unexpected_properties(
            dashboard,
            {"DashboardName": f"finetune-{environment.name}"},
            also={"DashboardBody", "Tags"},
        )
        body = read_json(dashboard["DashboardBody"])
        widgets = body.get("widgets") or [] if isinstance(body, dict) else []
        said = [each.get("properties") or {} for each in widgets]
        kinds = sorted({str(each.get("type")) for each in widgets})
        if kinds != ["alarm", "metric"]:
            yield at(dashboard, f"widgets of the types {kinds}", "DashboardBody")
        for region in sorted({str(each.get("region", deployment.region)) for each in said}):
            if region != deployment.region:
                yield at(dashboard, f"a widget of the Region {region}", "DashboardBody")
        shown_alarms = {str(arn) for each in said for arn in many(each.get("alarms"))}
        for arn in sorted(set(design_of(environment).alarms) ^ shown_alarms):
            yield at(dashboard, f"the alarm {arn} is not as it is elsewhere", "DashboardBody")
