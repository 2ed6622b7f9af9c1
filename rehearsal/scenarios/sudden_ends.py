"""Functions of the follow-up that are ended anywhere in their work come to the same end."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from rehearsal import main_scenario
from rehearsal.scenarios.serving import served
from rehearsal.scenarios.stage import Jobs, Stage, must
from rehearsal.toolkit import Assembly

_SOUND, _HARD = "sound", "hard"
_SERVED: Mapping[str, Any] = {
    "deployment": {
        "kind": "provisioned",
        "smoke_tests": [{"prompt": "Which statement?", "contains": ["Which statement?"]}],
    }
}
JOBS: Jobs = {_SOUND: _SERVED, _HARD: {**_SERVED, "run": 2}}
FUNCTIONS = ("deployer", "invoker", "model-report")
_ENDED = "Runtime.ExitError"
_RECORD = ["trained", "deployed", "tried"]
_VOLATILE = re.compile(r"[0-9a-f]{12,}|[a-z0-9]{12}(?=/|\b)|\d{4}-\d\d-\d\dT[\d:.+Z]+")

Answer = Mapping[str, Any]


def sudden_ends(stage: Stage, assembly: Assembly) -> None:
    """Follow one job up in peace and the other with sudden ends, and compare what came of it.

    The other's functions are called here and not by the state machine, which runs a step again five
    times only: the deployer alone makes more calls than that.
    """
    with stage.listener() as listener:
        stage.deploy(assembly, [_SOUND])
        served(stage, _SOUND, listener)
    # The rule wakes the deployer too, which would do the work of one that was ended.
    stage.service("events").disable_rule(Name=stage.stack("reap"))
    stage.deploy(assembly, [_HARD])
    name = stage.output(_HARD, "JobName")
    _stop_the_machine(stage, name)
    stage.session.end_functions([stage.stack(function) for function in FUNCTIONS])
    tested = _follow_up(stage, name)
    stage.session.spare_functions()
    stage.service("events").enable_rule(Name=stage.stack("reap"))

    _check_each_call(stage.session.sudden_ends())
    must(tested["passed"] is True, "it passed its test in the end", seen=tested)
    deployed = [stage.output(job, "DeploymentName") for job in JOBS]
    must(
        stage.throughputs() == dict.fromkeys(deployed, "InService"),
        "one throughput serves each, and none besides",
        seen=stage.throughputs(),
    )
    must(sorted(stage.schedules()) == sorted(deployed), "each has one schedule for its end")
    (sound, told_of_sound), (hard, told_of_hard) = _outputs(stage, _SOUND), _outputs(stage, _HARD)
    must(sound == hard, "both left the same files", seen=(sound, hard))
    must(told_of_hard == _RECORD, "each step is recorded once", seen=told_of_hard)
    # However early its job ended: each deployment is tried and told once.
    must(told_of_sound == _RECORD, "both are recorded alike", seen=told_of_sound)
    stage.delete(list(JOBS))


def _stop_the_machine(stage: Stage, name: str) -> None:
    """Stop the follow-up that the follower starts, before it does more than read."""
    running = "RUNNING"
    stage.until("the follow-up is started", lambda: name in stage.executions(running))
    machine = stage.follow_up_arn.replace(":stateMachine:", ":execution:")
    stage.service("stepfunctions").stop_execution(executionArn=f"{machine}:{name}")


def _follow_up(stage: Stage, name: str) -> Answer:
    """Do what the state machine does, each step until it comes to its end; return the test's.

    It goes on as the execution that was stopped: no other may try what that one has taken.
    """

    def report(step: str, **more: object) -> Answer:
        event = {"step": step, "job_name": name, "execution": name, **more}
        return _until_done(stage, "model-report", event)

    collected = report("collect")
    reported = report("report", collected=collected)
    deployed: dict[str, Any] = {}

    def is_active() -> bool:
        asked = {"Deploy": {"job_name": name, "execution": name}}
        deployed.update(_until_done(stage, "deployer", asked))
        return bool(deployed["state"] == "Active")

    stage.until("the model is served", is_active)
    tests = deployed.pop("smoke_tests")
    tested = _until_done(
        stage, "invoker", {"SmokeTest": {"model": deployed["arn"], "tests": tests}}
    )
    report("record", deployment=deployed, tested=tested)
    report("compose", collected=collected, reported=reported, deployment=deployed, tested=tested)
    return tested


def _until_done(stage: Stage, function: str, event: Mapping[str, Any]) -> Answer:
    """Call a function again and again, until it is not ended; return its answer."""
    functions, name = stage.service("lambda"), stage.stack(function)
    while True:
        answer = functions.invoke(FunctionName=name, Payload=json.dumps(event))
        found: dict[str, Any] = json.loads(answer["Payload"].read())
        if "FunctionError" not in answer:
            return found
        must(found["errorType"] == _ENDED, f"{function} is ended, and nothing else", seen=found)


def _check_each_call(ends: Sequence[Mapping[str, Any]]) -> None:
    """See that every step was ended at its first call, its second and so on up to its end.

    Raises:
        RehearsalError: names a step that was not.
    """
    ended: dict[tuple[str, str], set[int]] = defaultdict(set)
    calls: dict[tuple[str, str], int] = defaultdict(int)
    for entry in ends:
        place = (entry["function"], entry["subject"])
        if entry["ended"]:
            ended[place].add(entry["calls"])
        else:
            calls[place] = max(calls[place], entry["calls"])
    must(len({function for function, _ in calls}) == len(FUNCTIONS), "all work", seen=dict(calls))
    for place, count in calls.items():
        missed = set(range(1, count + 1)) - ended[place]
        must(not missed, f"{place} was ended at each of its {count} calls", seen=sorted(missed))


def _outputs(stage: Stage, job: str) -> tuple[list[str], list[str]]:
    """What a job left in the bucket: its files, by names without what differs, and its record."""
    bucket = main_scenario.outputs(stage.client, stage.stack("storage"))["DataBucketName"]
    s3 = stage.service("s3")
    pages = s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=f"outputs/{job}/")
    keys = [entry["Key"] for page in pages for entry in page.get("Contents", [])]
    entries = [
        json.loads(s3.get_object(Bucket=bucket, Key=key)["Body"].read())
        for key in keys
        if "/lineage/" in key
    ]
    files = [_VOLATILE.sub("*", key.replace(job, "JOB")) for key in keys if "/lineage/" not in key]
    return sorted(files), [entry["event"] for entry in entries]
