"""Functions of the follow-up that are ended anywhere in their work come to the same end."""

from __future__ import annotations

import json
import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from rehearsal import main_scenario
from rehearsal.scenarios.serving import hears_of, served, take_away
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
_MOST = 4
"""Ends of one step in one execution: the state machine runs a step again five times."""
_ROUNDS = 6
_VOLATILE = re.compile(r"[0-9a-f]{12,}|[a-z0-9]{12}(?=/|\b)|\d{4}-\d\d-\d\dT[\d:.+Z]+")


def sudden_ends(stage: Stage, assembly: Assembly) -> None:
    """Follow one job up in peace and the other with sudden ends, and compare what came of it."""
    with stage.listener() as listener:
        stage.deploy(assembly, [_SOUND])
        served(stage, _SOUND, listener)
        # The rule wakes the deployer too, which would do the work of one that was ended.
        stage.service("events").disable_rule(Name=stage.stack("reap"))
        functions = [stage.stack(name) for name in FUNCTIONS]
        stage.session.end_functions(functions, most=_MOST, round_number=1)
        stage.deploy(assembly, [_HARD])
        name = stage.output(_HARD, "JobName")
        told = hears_of(listener, name, "Deployed")
        for number in range(2, _ROUNDS):
            stage.session.end_functions(functions, most=_MOST, round_number=number)
            if not _again(stage, name, number):
                break
        stage.session.spare_functions()
        stage.service("events").enable_rule(Name=stage.stack("reap"))
    _check_each_call(stage.session.sudden_ends())
    must(told["smoke_tests"]["passed"] == 1, "it was tested in the end", seen=told)
    deployed = [stage.output(job, "DeploymentName") for job in JOBS]
    must(
        stage.throughputs() == dict.fromkeys(deployed, "InService"),
        "one throughput serves each, and none besides",
        seen=stage.throughputs(),
    )
    must(sorted(stage.schedules()) == sorted(deployed), "each has one schedule for its end")
    sound, hard = _outputs(stage, _SOUND), _outputs(stage, _HARD)
    must(sound == hard, "both left the same", seen=(sound, hard))
    take_away(stage, list(JOBS))


def _again(stage: Stage, name: str, number: int) -> bool:
    """Run the follow-up once more; whether any function was ended in it."""
    machines = stage.service("stepfunctions")
    region, account = stage.client.region, stage.client.account
    before = len(stage.session.sudden_ends())
    execution = machines.start_execution(
        stateMachineArn=(
            f"arn:aws:states:{region}:{account}:stateMachine:{stage.stack('follow-up')}"
        ),
        name=f"again-{number}",
        input=json.dumps({"job_name": name}),
    )["executionArn"]

    def status() -> str:
        return str(machines.describe_execution(executionArn=execution)["status"])

    stage.until("the follow-up ends again", lambda: status() != "RUNNING")
    must(status() == "SUCCEEDED", "the follow-up comes to a good end", seen=status())
    return any(entry["ended"] for entry in stage.session.sudden_ends()[before:])


def _check_each_call(ends: Sequence[Mapping[str, Any]]) -> None:
    """See that every step was ended at every one of its calls.

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


def _outputs(stage: Stage, job: str) -> list[str]:
    """What a job left in the bucket, without what is different for each job and each time."""
    bucket = main_scenario.outputs(stage.client, stage.stack("storage"))["DataBucketName"]
    s3 = stage.service("s3")
    found: list[str] = []
    for page in s3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix="outputs/"):
        found += [
            _VOLATILE.sub("*", entry["Key"].replace(job, "JOB"))
            for entry in page.get("Contents", [])
            if f"/{job}/" in entry["Key"] or f"-{job}-" in entry["Key"]
        ]
    must(bool(found), f"{job} left something")
    return sorted(found)
