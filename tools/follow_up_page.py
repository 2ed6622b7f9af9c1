"""The page of the follow-up: its states and what is announced when, read from the code."""

from __future__ import annotations

import json
import textwrap
from collections.abc import Iterator, Mapping
from datetime import UTC, datetime
from typing import Any, Final

from customization.request import ModelPolicy
from customization.rows import Row, RowState
from follow_up.definition import (
    MOST_ASKED,
    MOST_RETRIES,
    PASSING_ERRORS,
    WAIT_SECONDS,
    definition,
)
from follower import announcement as of_jobs
from model_report import announcement as of_follow_ups
from model_report.orders import Order, Step

NAME = "dev-tone-0123456789abcdef"
NOW = datetime(2026, 1, 1, tzinfo=UTC)
DEFINITION: Final = definition(
    partition="aws",
    report_arn="model-report",
    deployer_arn="deployer",
    invoker_arn="invoker",
    topic_arn="topic",
)

_INTRODUCTION = """\
# After training: report, deployment, test, announcement

Made by `make generate` from the code; a test fails when it is stale.

Where an environment has `inference.enabled: true`, the follower starts a state machine of Step
Functions (`finetune-<environment>-follow-up`, of the Standard type) for each job that completed,
once: the execution is called as the job. It works through the steps below with functions that do
one thing each. A wish for a deployment that is added to a job that has completed already is
followed up by an execution with the deployment's name, which the deployer starts. Each
deployment is for one execution, the first that asks for it or its own: it is tried and told once.

## The states
"""

_STEPS = """\
| step | who | what it does | done twice |
| --- | --- | --- | --- |
| Collect | model-report | lists the job's outputs, reads the metrics, gives CloudWatch the final \
numbers, says what is missing | the same numbers at the same time: when training ended |
| Report | model-report | writes the page of curves beside the outputs, and the first entry of the \
model's [record](metrics.md#lineage) | the same bytes are not written again; an entry has an id |
| Deploy | deployer | has the deployment made that the job's stack asks for, if any, and says how \
far it is | it is one deployment, by its name |
| Try | invoker | asks the smoke tests' questions through the bedrock-runtime endpoint | they are \
asked again |
| Record | model-report | adds what serves the model, and which tests passed, to its record | an \
entry has an id |
| Compose, Explain | model-report | put into words what stands, or what went wrong and what to do; \
they call nothing of AWS | the same words |
| Announce | the state machine | publishes on the environment's topic | only when it was not taken |
"""

_RULES = """\
A step that fails in passing is run again, {retries} times at most, with pauses that grow and are
random in part. These errors pass:
{errors}.
Whatever else a step raises, and what running it again does not mend, is explained and announced,
and then the execution fails, so that the alarm of failed follow-ups sees it too. When explaining is
broken itself, the state machine says in its own words which step failed; when the topic takes
nothing, the alarm alone tells.

The deployer is asked every {wait} seconds, {asked} times at most ({hours} hours). After that the
machine gives up waiting and says so; the deployer goes on by itself, and removes throughput at its
end whatever happens.

**What it holds.** The input is the job's name, and the digest of its stack's template. Variables
hold names, ARNs, verdicts and which smoke test passed: never training data, and never a word that
the model said. The questions of the smoke tests, which are settings, go from the deployer to the
invoker and nowhere else. Executions are encrypted with the data key, and the log of the machine
holds no data of its steps.

**Killed anywhere.** A test runs the definition in the emulator's own engine with the real handlers,
ends each function once before and after every call it makes, loses each answer once, and compares
what is left with an undisturbed run: page, record, deployments, schedules and announcements.

## What is announced when

Subscribers of the topic can filter by the attributes `state` and `job`. `id` is the same whenever
the same thing is told again.

"""

_SMOKE_TESTS = """\

## Smoke tests

Each question is asked once, with the temperature at 0, by Converse, which takes deployments and
provisioned throughput of every base model of text. (Models of images and embeddings take no
conversation: leave their smoke tests out.) An answer passes when it is not empty, came within
`max_seconds`, holds every text of `contains` and none of `not_contains` (upper and lower case
count), and `matches`, a regular expression of Python, is found anywhere in it. A pattern that takes
longer than five seconds fails; it runs in a process of its own, since some would take for ever.

Throttling and a model that is not ready yet are waited for, two minutes at most in one run, which
the state machine starts again as any step. All tests of a run share the function's fifteen minutes:
what no time is left for counts as failed. A failed test is announced by its number and what it
missed, not by what the model said: ask it with `finetune try`.
"""


def render_follow_up() -> str:
    """Return the page in markdown."""
    return "\n".join(
        [
            _INTRODUCTION,
            *_picture(DEFINITION),
            "",
            _STEPS,
            _RULES.format(
                retries=MOST_RETRIES,
                errors=textwrap.fill(", ".join(f"`{name}`" for name in PASSING_ERRORS), width=100),
                wait=WAIT_SECONDS,
                asked=MOST_ASKED,
                hours=round(MOST_ASKED * WAIT_SECONDS / 3600),
            ).rstrip(),
            "",
            *_announcements(),
            _SMOKE_TESTS.rstrip(),
            "",
        ]
    )


_SHAPES = {
    "Task": '["{}"]',
    "Choice": '{{{{"{}"}}}}',
    "Wait": '[/"{}"/]',
    "Pass": '("{}")',
    "Succeed": '(["{}"])',
    "Fail": '(["{}"])',
}


def _picture(machine: Mapping[str, Any]) -> Iterator[str]:
    """Yield a flowchart of every state and every way from one to another."""
    yield "```mermaid"
    yield "flowchart TD"
    for name, state in machine["States"].items():
        yield f"  {_id(name)}{_SHAPES[state['Type']].format(_label(name, state))}"
    for name, state in machine["States"].items():
        for target, label in _ways(state):
            said = f'|"{label}"|' if label else ""
            yield f"  {_id(name)} -->{said} {_id(target)}"
        for catch in state.get("Catch", []):
            yield f"  {_id(name)} -.-> {_id(catch['Next'])}"
    yield "```"
    yield ""
    yield "Dotted: what running the step again does not mend."


def _ways(state: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
    if "Next" in state:
        yield state["Next"], ""
    for choice in state.get("Choices", []):
        condition = choice["Condition"].removeprefix("{% ").removesuffix(" %}")
        yield choice["Next"], condition.replace("$", "").replace("'", "").replace("<", "below")
    if "Default" in state:
        yield state["Default"], "else"


def _label(name: str, state: Mapping[str, Any]) -> str:
    arguments = state.get("Arguments", {})
    done_by = arguments.get("FunctionName") or arguments.get("TopicArn")
    return f"{name}<br/>({done_by})" if done_by else name


def _id(name: str) -> str:
    # `end` is a word of mermaid's own.
    return f"s{name.replace(' ', '')}"


def _announcements() -> Iterator[str]:
    yield "| by | when | `state` | subject |"
    yield "| --- | --- | --- | --- |"
    for state in RowState:
        if state.is_announced:
            row = _row(state)
            body = json.loads(of_jobs.message(row=row, job=None))
            when = body["text"].removeprefix(f"job {NAME} ")
            yield f"| follower | a job {when} | `{state}` | {of_jobs.subject(row)} |"
    for named, when, announced in _follow_ups():
        yield f"| follow-up | {when} | `{named}` | {announced['subject']} |"
    yield ""
    yield "What the follow-up says of a deployed model, with made-up values:"
    yield ""
    yield "```json"
    (message,) = [each["message"] for named, _, each in _follow_ups() if named == "Deployed"]
    yield json.dumps(json.loads(message), indent=1)
    yield "```"


def _follow_ups() -> Iterator[tuple[str, str, of_follow_ups.Announcement]]:
    said = (
        ("the report stands, and no deployment was wanted", _order(), None),
        ("the model is served and passed its tests", _order(deployed=True), None),
        (
            "a step failed, or a smoke test did: with cause, remedy and what stands",
            _order(deployed=True),
            {"step": "Try", "error": "SmokeTestFailed", "cause": "test 1: the answer is empty"},
        ),
    )
    for when, order, failure in said:
        if failure is None:
            told = of_follow_ups.compose(Order(**order), environment="dev")
        else:
            told = of_follow_ups.compose_failure(
                Order(**{**order, "failure": failure}), environment="dev"
            )
        yield told["state"], when, told


def _order(*, deployed: bool = False) -> dict[str, Any]:
    served = {
        "state": "Active",
        "deployment": f"{NAME}-abcdef",
        "arn": "arn:aws:bedrock:us-east-1:111122223333:provisioned-model/abcdefabcdef",
        "kind": "provisioned",
        "ends_at": "2026-01-01T08:00:00+00:00",
    }
    return {
        "step": Step.COMPOSE,
        "job_name": NAME,
        "execution": NAME,
        "collected": {
            "job": "tone",
            "model_arn": "arn:aws:bedrock:us-east-1:111122223333:custom-model/"
            "amazon.nova-2-lite-v1:0:256k/abcdefabcdef",
            "curves": ["training"],
            "best_step": 399,
            "verdicts": [],
            "missing": ["there are no validation metrics"],
        },
        "reported": {
            "page": "outputs/tone/model-customization-job-abcdefabcdef/training_metrics.html",
            "record": f"outputs/tone/lineage/{NAME}/",
        },
        "deployment": served if deployed else {"state": "NotWanted"},
        "tested": {"passed": True, "results": [{"number": 1, "passed": True, "reason": ""}]}
        if deployed
        else None,
    }


def _row(state: RowState) -> Row:
    return Row(
        name=NAME,
        environment="dev",
        job="tone",
        state=state,
        stack_id="made",
        logical_id="Job",
        request_id="made",
        requested_at=NOW,
        request="{}",
        on_replace=ModelPolicy.KEEP,
        on_delete=ModelPolicy.KEEP,
        ended_at=NOW,
    )
