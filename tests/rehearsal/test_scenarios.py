"""The scenarios' list, their judges, and the emulator's own record of jobs."""

from __future__ import annotations

import json
import re
import threading
import time
from pathlib import Path
from typing import Any

import pytest
import yaml
from rich.console import Console

from rehearsal import main_scenario
from rehearsal.client import Client
from rehearsal.emulator_process import Emulator
from rehearsal.errors import RehearsalError
from rehearsal.layout import ROOT
from rehearsal.narration import Narration
from rehearsal.run import SCENARIOS
from rehearsal.scenarios import catalogue, sudden_ends
from rehearsal.scenarios.play import check_refusals
from rehearsal.scenarios.rollbacks import _with_a_failure
from rehearsal.scenarios.stage import ZONES, Stage, must
from rehearsal.session import Session
from settings import load_settings
from tests.rehearsal.conftest import WORLD
from tests.rehearsal.scene import Scene

_MEANT = re.compile("broken on purpose")


def test_every_scenario_is_listed_once_with_a_sentence() -> None:
    names = [scenario.name for scenario in catalogue.SCENARIOS]
    assert len(set(names)) == len(names)
    assert list(SCENARIOS) == ["main", *names, "all"]
    assert all(SCENARIOS.values())


def test_a_scenario_is_found_by_name_and_all_of_them_by_one() -> None:
    assert [s.name for s in catalogue.named("twenty-jobs")] == ["twenty-jobs"]
    assert catalogue.named("all") == catalogue.SCENARIOS
    with pytest.raises(KeyError):
        catalogue.named("no-such-scenario")


def test_a_claim_that_does_not_hold_fails_with_what_was_seen() -> None:
    must(True, "it is so")
    with pytest.raises(RehearsalError, match="not so: it is so") as failure:
        must(False, "it is so", seen=[1])
    assert failure.value.reasons == ("seen: [1]",)


def test_only_what_is_refused_on_purpose_may_be_refused() -> None:
    check_refusals(expected=(), refused=())
    check_refusals(expected=[_MEANT], refused=["this is broken on purpose"])
    with pytest.raises(RehearsalError, match="1 calls were refused") as failure:
        check_refusals(expected=[_MEANT], refused=["broken on purpose", "broken by mistake"])
    assert failure.value.reasons == ("broken by mistake",)


def test_a_refusal_that_must_come_and_does_not_fails() -> None:
    with pytest.raises(RehearsalError, match="nothing was refused for the reason"):
        check_refusals(expected=[_MEANT], refused=[])


@pytest.fixture
def stage(tmp_path: Path) -> Stage:
    """A stage in a folder, without an emulator."""
    session = Session(world=WORLD)
    session.state = tmp_path
    return Stage.prepare(
        session=session,
        settings=load_settings(environment="dev", directory=ROOT / "config"),
        config=ROOT / "config",
        narration=Narration(console=Console(quiet=True)),
    )


@pytest.mark.parametrize("scenario", catalogue.SCENARIOS, ids=lambda scenario: scenario.name)
def test_every_scenario_begins_with_sound_settings(
    stage: Stage, scenario: catalogue.Scenario
) -> None:
    stage.serves = scenario.serves
    stage.write_settings(scenario.jobs)
    found = load_settings(environment="dev", directory=stage.config)
    assert list(found.jobs) == list(scenario.jobs)
    assert found.network.training_zones == ZONES
    assert found.inference.enabled is scenario.serves


def test_scenarios_that_serve_models_come_after_all_that_do_not() -> None:
    serving = [scenario.serves for scenario in catalogue.SCENARIOS]
    assert serving == sorted(serving)
    assert catalogue.SCENARIOS[-1].name == "destroyed"


def test_a_call_that_no_function_was_ended_at_is_noticed() -> None:
    def entry(calls: int, *, ended: bool, function: str = "deployer") -> dict[str, Any]:
        return {"function": function, "subject": "one", "calls": calls, "ended": ended}

    others = [entry(0, ended=False, function=name) for name in ("invoker", "model-report")]
    complete = [entry(1, ended=True), entry(2, ended=True), entry(2, ended=False), *others]
    sudden_ends._check_each_call(complete)
    with pytest.raises(RehearsalError, match="ended at each of its 2 calls"):
        sudden_ends._check_each_call([complete[0], *complete[2:]])
    with pytest.raises(RehearsalError, match="all work"):
        sudden_ends._check_each_call(complete[:3])


def test_the_settings_that_a_scenario_starts_from_stay_as_they_are(stage: Stage) -> None:
    stage.write_settings({"one": {}, "two": {"run": 2}})
    stage.write_settings({"three": {}})
    found = yaml.safe_load((stage.config / "dev.yaml").read_text(encoding="utf-8"))
    assert list(found["jobs"]) == ["three"]
    assert "three" not in (ROOT / "config" / "dev.yaml").read_text(encoding="utf-8")


def test_the_failure_of_the_rollback_comes_after_the_job() -> None:
    template = {"Resources": {"Job": {"Type": "Custom::Job", "Properties": {}}}}
    changed = _with_a_failure(template)
    assert changed["Resources"]["Refused"]["DependsOn"] == "Job"


def _history(emulator: Emulator, *names: str) -> list[dict[str, Any]]:
    lines = (emulator.state / "jobs.jsonl").read_text(encoding="utf-8").splitlines()
    return [entry for entry in map(json.loads, lines) if entry["job"] in names]


def test_the_emulator_writes_down_how_many_jobs_are_in_progress(
    emulator: Emulator, sound: Scene
) -> None:
    arns = [sound.submit(), sound.submit()]
    names = [sound.ended(arn)["jobName"] for arn in arns]
    found = _history(emulator, *names)
    assert [(entry["status"], entry["in_progress"]) for entry in found] == [
        ("InProgress", 1),
        ("InProgress", 2),
        ("Completed", 1),
        ("Completed", 0),
    ]


def test_jobs_take_as_long_as_they_are_told(emulator: Emulator, sound: Scene) -> None:
    def seconds() -> float:
        began = time.monotonic()
        sound.ended(sound.submit())
        return time.monotonic() - began

    file = emulator.state / "job-seconds"
    usual = seconds()
    file.write_text("4", encoding="utf-8")
    try:
        assert seconds() > 4 > usual
    finally:
        file.unlink()


def test_models_are_listed_with_the_names_the_api_allows(sound: Scene) -> None:
    job = sound.ended(sound.submit())
    found = sound.caller.list_custom_models()["modelSummaries"]
    names = {model["modelName"]: model["baseModelName"] for model in found}
    assert names[job["outputModelName"]] == "amazon.nova-2-lite-v1"


class _Told:
    """A listener that has heard what it was given."""

    def __init__(self, *messages: dict[str, Any]) -> None:
        self._messages = list(messages)

    def wait_for(self, what: str, wanted: Any, *, timeout: float) -> list[dict[str, Any]]:  # noqa: ANN401
        return [message for message in self._messages if wanted(message)]


def _announced(root: Client, *messages: dict[str, Any]) -> None:
    main_scenario.check_announced(
        client=root,
        settings=load_settings(environment="dev", directory=ROOT / "config"),
        listener=_Told(*messages),  # type: ignore[arg-type]  # stands for one
        jobs=[{"jobName": "j", "status": "Completed"}],
    )


@pytest.mark.parametrize(
    "messages",
    [
        [],
        [{"name": "j", "state": "Failed"}],
        [{"name": "j", "state": "Completed"}, {"name": "j", "state": "Completed"}],
    ],
)
def test_an_end_that_is_not_told_once_and_rightly_fails(
    root: Client, messages: list[dict[str, Any]]
) -> None:
    with pytest.raises(RehearsalError, match="the topic must hear once"):
        _announced(root, *messages)


def test_an_alarm_that_is_not_at_rest_fails_the_rehearsal(root: Client) -> None:
    told = {"name": "j", "state": "Completed"}
    with pytest.raises(RehearsalError) as failure:
        _announced(root, told)
    assert failure.value.reasons == ("there is no alarm",)
    cloudwatch = root.service("cloudwatch")
    _alarm(root)
    cloudwatch.set_alarm_state(AlarmName="finetune-dev-test", StateValue="ALARM", StateReason="t")
    with pytest.raises(RehearsalError) as failure:
        _announced(root, told)
    assert failure.value.reasons == ("finetune-dev-test is ALARM",)
    cloudwatch.set_alarm_state(AlarmName="finetune-dev-test", StateValue="OK", StateReason="t")
    _announced(root, told)
    cloudwatch.delete_alarms(AlarmNames=["finetune-dev-test"])


def _alarm(root: Client) -> None:
    root.service("cloudwatch").put_metric_alarm(
        AlarmName="finetune-dev-test",
        Namespace="Test",
        MetricName="M",
        Statistic="Sum",
        Period=60,
        EvaluationPeriods=1,
        Threshold=1,
        ComparisonOperator="GreaterThanThreshold",
    )


def test_an_alarm_that_has_had_no_metric_yet_is_waited_for(root: Client) -> None:
    _alarm(root)
    cloudwatch = root.service("cloudwatch")
    settle = threading.Timer(
        0.5,
        lambda: cloudwatch.set_alarm_state(
            AlarmName="finetune-dev-test", StateValue="OK", StateReason="t"
        ),
    )
    settle.start()
    _announced(root, {"name": "j", "state": "Completed"})
    settle.join()
    cloudwatch.delete_alarms(AlarmNames=["finetune-dev-test"])


def test_an_alarm_that_never_has_a_metric_fails_the_rehearsal(
    root: Client, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(main_scenario, "_ALARMS_TIMEOUT", 0.5)
    _alarm(root)
    with pytest.raises(RehearsalError) as failure:
        _announced(root, {"name": "j", "state": "Completed"})
    assert failure.value.reasons == ("finetune-dev-test is INSUFFICIENT_DATA",)
    root.service("cloudwatch").delete_alarms(AlarmNames=["finetune-dev-test"])
