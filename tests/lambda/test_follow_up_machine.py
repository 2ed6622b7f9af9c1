"""What comes after training, from the follower's start to the announcement, and when it breaks.

The definition runs in the emulator's own engine; its tasks are our handlers, over a fake AWS.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Callable, Iterator
from typing import Any

import pytest

from follow_up.definition import (
    MOST_ASKED,
    MOST_RETRIES,
    PASSING_ERRORS,
    START,
    WAIT_SECONDS,
    definition,
)
from lineage.entry import Entry
from lineage.store import RecordStore
from tests.fakes.aws import Fault, RefusalError, Wire
from tests.fakes.cloudformation import sweep
from tests.fakes.following import DEFINITION, TEST, Following, MortalAws
from tests.fakes.machine import Engine, Json, TaskError
from training_metrics.sources import BucketSource


@pytest.fixture(scope="module")
def engine() -> Iterator[Engine]:
    with Engine() as running:
        yield running


@pytest.fixture
def begin(aws: object, wire: Wire, engine: Engine) -> Callable[[], Following]:
    """Return what makes a world of its own, each time it is called."""
    del aws

    def begun() -> Following:
        wire.aws = MortalAws()
        wire.aws.objects["made-bucket", f"fine-tuning-datasets/tone/{'a' * 64}/tone.jsonl"] = {
            "sha256": "a" * 64
        }
        return Following(aws=wire.aws, engine=engine)

    return begun


# The whole way


def test_a_job_without_a_wish_is_reported_and_announced(begin: Callable[[], Following]) -> None:
    following = begin()
    following.job()
    ended = following.run()
    assert (ended.status, ended.path[-1]) == ("SUCCEEDED", "Done")
    (told,) = following.told
    assert told["state"] == "Reported"
    assert told["page"] == f"{following.folder}training_metrics.html"
    assert told["deployment"] is None
    assert [entry["event"] for entry in following.entries] == ["trained"]
    assert following.entries[0]["facts"]["template"]["sha256"]


@pytest.mark.parametrize("kind", ["on_demand", "provisioned"])
def test_a_wish_is_waited_for_tried_recorded_and_announced(
    kind: str, begin: Callable[[], Following]
) -> None:
    following = begin()
    following.job(kind=kind)
    ended = following.run()
    assert (ended.status, ended.path[-1]) == ("SUCCEEDED", "Done")
    assert ended.waited
    assert set(ended.waited) == {WAIT_SECONDS}
    (told,) = following.told
    assert told["state"] == "Deployed"
    assert told["deployment"]["kind"] == kind
    assert (told["deployment"]["ends_at"] is not None) == (kind == "provisioned")
    assert told["smoke_tests"] == {"asked": 1, "passed": 1}
    assert [entry["event"] for entry in following.entries] == ["trained", "deployed", "tried"]
    trial = following.entries[-1]["facts"]["trial"]
    assert trial == {"passed": True, "tests": 1, "failed": []}


def test_a_model_that_answers_wrongly_is_explained_and_announced_as_a_failure(
    begin: Callable[[], Following],
) -> None:
    following = begin()
    following.job(kind="on_demand", tests=[TEST, {"prompt": "?", "contains": ["planted"]}])
    ended = following.run()
    assert (ended.status, ended.error) == ("FAILED", "FollowUpFailed")
    (told,) = following.told
    assert told["state"] == "FollowUpFailed"
    assert told["failed_step"] == "Try"
    assert "test 2: text 1 of contains is not in the answer" in told["text"]
    assert "finetune try" in told["text"]
    # It is served, and costs: that is said too.
    assert told["deployment"]["kind"] == "on_demand"
    assert following.entries[-1]["facts"]["trial"] == {"passed": False, "tests": 2, "failed": [2]}


def test_a_deployment_that_fails_is_explained_by_its_own_words(
    begin: Callable[[], Following],
) -> None:
    following = begin()
    following.job(kind="provisioned")
    following.aws.bedrock.serving.model_units = 0
    ended = following.run()
    assert ended.status == "FAILED"
    (told,) = following.told
    assert told["failed_step"] == "Deploy"
    assert "model units" in told["text"]
    assert following.aws.bedrock.throughputs == {}


def test_a_deployment_that_never_comes_ends_the_waiting(
    begin: Callable[[], Following], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("tests.fakes.following.serve", lambda _: None)
    following = begin()
    following.machine = definition(
        partition="aws",
        report_arn="report",
        deployer_arn="deployer",
        invoker_arn="invoker",
        topic_arn="arn:aws:sns:eu-test-1:123456789012:made-topic",
        most_asked=3,
    )
    following.job(kind="on_demand")
    ended = following.run()
    assert ended.path.count("Deploy") == 3
    assert "DeploymentTooSlow" in following.told[0]["error"]
    assert DEFINITION["TimeoutSeconds"] > MOST_ASKED * WAIT_SECONDS


def test_missing_metrics_are_said_and_end_nothing(begin: Callable[[], Following]) -> None:
    following = begin()
    following.job()
    following.aws.outputs.clear()
    assert following.run().status == "SUCCEEDED"
    (told,) = following.told
    assert any("step_wise_training_metrics.csv" in text for text in told["missing"])
    assert told["page"] is None
    assert following.entries[0]["facts"]["metrics"] is None


# What goes wrong


@pytest.mark.parametrize("times", [1, 3])
def test_what_passes_is_tried_again_and_nobody_hears_of_it(
    times: int, begin: Callable[[], Following]
) -> None:
    following = begin()
    following.job()
    sweep(following.aws)
    # botocore's own tries are not made at the stubbed wire: each refusal reaches the machine.
    refusal = RefusalError("ServiceUnavailable", "made up", 503)
    following.aws.faults.append(Fault("PutObject", refusal, times=times))
    ended = following.run()
    assert (ended.status, len(ended.waited)) == ("SUCCEEDED", times)
    assert following.told[0]["state"] == "Reported"


def test_what_does_not_pass_for_long_is_explained(begin: Callable[[], Following]) -> None:
    following = begin()
    following.job()
    refusal = RefusalError("ServiceUnavailable", "made up", 503)
    following.aws.faults.append(Fault("PutObject", refusal, times=99))
    ended = following.run()
    assert (ended.status, len(ended.waited)) == ("FAILED", MOST_RETRIES)
    assert "PassingServiceError" in following.told[0]["error"]


def test_a_refusal_of_the_bucket_is_explained_with_what_to_do(
    begin: Callable[[], Following],
) -> None:
    following = begin()
    following.job()
    refusal = RefusalError("AccessDenied", "User is not authorized to perform: s3:PutObject", 403)
    following.aws.faults.append(Fault("PutObject", refusal, times=99))
    assert following.run().status == "FAILED"
    (told,) = following.told
    assert told["failed_step"] == "Report"
    assert "AccessDenied" in told["error"]
    assert "remedy:" in told["text"]


def test_when_explaining_is_broken_too_it_is_announced_all_the_same(
    begin: Callable[[], Following], monkeypatch: pytest.MonkeyPatch
) -> None:
    following = begin()
    following.job()
    do = following.do

    def broken(resource: str, arguments: Json) -> Json:
        if arguments.get("FunctionName") == "report":
            raise TaskError("Runtime.ImportModuleError", "no module")
        return do(resource, arguments)

    monkeypatch.setattr(following, "do", broken)
    ended = following.run()
    assert (ended.status, ended.path[-3:]) == (
        "FAILED",
        ["Announce", "Check outcome", "Failed"],
    )
    text = following.aws.published[-1]["Message"]
    assert following.name in text
    assert "failed in the step Collect with Runtime.ImportModuleError" in text


def test_when_nobody_can_be_told_the_execution_fails_and_says_so(
    begin: Callable[[], Following], monkeypatch: pytest.MonkeyPatch
) -> None:
    following = begin()
    following.job()
    do = following.do

    def mute(resource: str, arguments: Json) -> Json:
        if resource.endswith(":sns:publish"):
            raise TaskError("SNS.InternalErrorException", "made up")
        return do(resource, arguments)

    monkeypatch.setattr(following, "do", mute)
    ended = following.run()
    assert (ended.status, ended.error) == ("FAILED", "NotAnnounced")


def test_the_history_holds_no_answer_of_the_model_and_prompts_go_to_the_invoker_alone(
    begin: Callable[[], Following],
) -> None:
    following = begin()
    following.job(kind="on_demand")
    following.aws.says = lambda _: "made up, and a planted secret"
    ended = following.run()
    assert ended.status == "SUCCEEDED"
    assert "planted secret" not in ended.kept
    messages = json.dumps(following.aws.published)
    assert "planted secret" not in messages
    assert TEST["prompt"] not in messages
    assert all(TEST["prompt"] not in json.dumps(entry) for entry in following.entries)


def test_the_functions_of_the_follow_up_call_what_their_tables_hold(
    begin: Callable[[], Following],
) -> None:
    from customization.calls import EVERY_CALL  # noqa: PLC0415

    following = begin()
    following.job(kind="on_demand")
    following.run()
    assert following.aws.by_caller["model_report"] == set(EVERY_CALL["model_report"])
    assert following.aws.by_caller["invoker"] == {("bedrock-runtime", "Converse")}


# Killed


KINDS: dict[str, dict[str, Any]] = {
    "no wish": {},
    "on demand": {"kind": "on_demand"},
    "provisioned": {"kind": "provisioned"},
    "wrong answer": {"kind": "on_demand", "tests": [{"prompt": "?", "contains": ["planted"]}]},
}
ALWAYS = {"no wish", "on demand"}


def differences(begin: Callable[[], Following], asked: dict[str, Any]) -> Iterator[str]:
    """Kill each function once at each of its calls, and yield where the end was another.

    Backwards: what comes late is what an earlier step could have spoilt.
    """
    undisturbed = begin()
    undisturbed.job(**asked)
    status = undisturbed.run().status
    assert undisturbed.aws.moments > 20, "hardly a call was made: it proves nothing"
    wounds = [("dies_at", moment) for moment in range(undisturbed.aws.moments)]
    wounds += [("loses", task) for task in range(undisturbed.tasks)]
    for wound, number in reversed(wounds):
        following = begin()
        following.job(**asked)
        if wound == "dies_at":
            following.aws.dies_at = number
        else:
            following.loses = number
        ended = following.run()
        if (ended.status, following.end_state()) != (status, undisturbed.end_state()):
            yield f"{wound} {number}: {ended.path}"


@pytest.mark.parametrize(
    "kind",
    [pytest.param(kind, marks=[] if kind in ALWAYS else [pytest.mark.slow]) for kind in KINDS],
)
def test_killed_anywhere_once_it_ends_as_if_nothing_had_been(
    kind: str, begin: Callable[[], Following]
) -> None:
    assert list(differences(begin, KINDS[kind])) == []


def test_a_step_that_is_not_run_again_is_found(
    begin: Callable[[], Following], monkeypatch: pytest.MonkeyPatch
) -> None:
    machine = copy.deepcopy(DEFINITION)
    machine["States"]["Record"]["Retry"] = []
    monkeypatch.setattr("tests.fakes.following.DEFINITION", machine)
    assert next(differences(begin, KINDS["on demand"]), None)


def test_a_record_that_is_added_to_twice_is_found(
    begin: Callable[[], Following], monkeypatch: pytest.MonkeyPatch
) -> None:
    append = RecordStore.append
    count = iter(range(1000))

    def append_anyway(self: RecordStore, *, id: str, **more: Any) -> Entry | None:
        return append(self, id=f"{id}/{next(count)}", **more)

    monkeypatch.setattr(RecordStore, "append", append_anyway)
    assert next(differences(begin, KINDS["no wish"]), None)


def test_a_page_that_is_written_again_is_found(
    begin: Callable[[], Following], monkeypatch: pytest.MonkeyPatch
) -> None:
    # The listing without the page: as it was before the page was compared with what is there.
    monkeypatch.setattr(
        BucketSource,
        "names",
        lambda self: [key for key in _names(self) if not key.endswith(".html")],
    )
    assert next(differences(begin, KINDS["no wish"]), None)


_names = BucketSource.names


# The definition


def test_every_task_is_run_again_and_caught() -> None:
    tasks = [state for state in DEFINITION["States"].values() if state["Type"] == "Task"]
    assert len(tasks) == 8
    for task in tasks:
        (retry,) = task["Retry"]
        assert (retry["JitterStrategy"], retry["BackoffRate"]) == ("FULL", 2)
        assert set(retry["ErrorEquals"]) in (set(PASSING_ERRORS), {"States.ALL"})
        (catch,) = task["Catch"]
        assert catch["ErrorEquals"] == ["States.ALL"]
        assert task["TimeoutSeconds"] > 300


def test_every_state_is_reached_and_leads_to_an_end() -> None:
    assert lost(DEFINITION) == set()
    broken = copy.deepcopy(DEFINITION)
    broken["States"]["Check answers"]["Default"] = "Compose"
    assert lost(broken) == {"Smoke test failed"}
    broken["States"]["Compose"]["Next"] = "Nowhere"
    assert "Nowhere" in lost(broken)


def lost(machine: dict[str, Any]) -> set[str]:
    """Return states that nothing leads to, and names that are none."""
    states = machine["States"]
    reached: set[str] = set()
    pending = [machine["StartAt"]]
    while pending:
        name = pending.pop()
        if name not in reached:
            reached.add(name)
            pending += successors(states.get(name, {}))
    return (set(states) - reached) | (reached - set(states))


def successors(state: dict[str, Any]) -> list[str]:
    """Return the names that a state names."""
    named = [each["Next"] for each in (*state.get("Catch", []), *state.get("Choices", []))]
    return [*named, *(state[key] for key in ("Next", "Default") if key in state)]


def test_the_definition_begins_with_values_for_all_that_is_read_later() -> None:
    text = json.dumps(DEFINITION)
    given = DEFINITION["States"][START]["Assign"]
    assigned = {
        name
        for state in DEFINITION["States"].values()
        for each in (state, *state.get("Catch", []))
        for name in each.get("Assign", {})
    }
    assert assigned == set(given)
    for name in given:
        assert f"${name}" in text, f"{name} is never read"


def findings(machine: dict[str, Any]) -> list[str]:
    """Return what cfn-lint says of the definition in a template."""
    from cfnlint.api import lint  # type: ignore[import-untyped]  # noqa: PLC0415 - no types, slow

    properties = {
        "RoleArn": "arn:aws:iam::111122223333:role/made",
        "DefinitionString": json.dumps(machine),
    }
    template = {
        "Resources": {
            "Made": {"Type": "AWS::StepFunctions::StateMachine", "Properties": properties}
        }
    }
    return [match.rule.id for match in lint(json.dumps(template), regions=["us-east-1"])]


def test_cfn_lint_finds_nothing_in_the_definition() -> None:
    assert findings(DEFINITION) == []


@pytest.mark.parametrize(
    "change",
    [
        lambda states: states["Announce"].pop("Resource"),
        lambda states: states["Collect"].update(Parameters={}),
        lambda states: states["Wait"].update(Minutes=1),
        lambda states: states["Done"].update(Type="Succeeed"),
    ],
)
def test_cfn_lint_finds_a_definition_that_step_functions_would_refuse(
    change: Callable[[dict[str, Any]], object],
) -> None:
    broken = copy.deepcopy(DEFINITION)
    change(broken["States"])
    assert findings(broken) == ["E3601"]
