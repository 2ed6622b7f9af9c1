"""Stacks that go: while the job trains, and after somebody else deleted its model."""

from __future__ import annotations

from rehearsal.scenarios.stage import TIMEOUT, Jobs, Stage, must
from rehearsal.toolkit import Assembly

_JOB = "interrupted"
JOBS: Jobs = {_JOB: {"wait_for": "submission"}}
_BY_HAND = "by-hand"
JOB_BY_HAND: Jobs = {_BY_HAND: {}}
_LONGER_THAN_THE_SCENARIO = 900.0


def delete_while_in_progress(stage: Stage, assembly: Assembly) -> None:
    """Delete a job's stack as soon as its interfaces are there."""
    stage.session.set_pace(_LONGER_THAN_THE_SCENARIO)
    with stage.listener() as listener:
        stage.deploy(assembly, [_JOB])
        name = stage.output(_JOB, "JobName")
        stage.until("the job has interfaces", lambda: bool(stage.interfaces()))
        must(stage.status(name) == "InProgress", "the job trains", seen=stage.status(name))
        stage.delete([_JOB])
        # What the teardown of roles, groups and subnets relies on, at this very moment.
        must(stage.status(name) == "Stopped", "the job is stopped when its stack is gone")
        must(not stage.interfaces(), "its interfaces are gone too", seen=stage.interfaces())
        must(not stage.models(), "it left no model", seen=stage.models())
        listener.wait_for(
            "that it was stopped",
            lambda message: message.get("name") == name and message["state"] == "Stopped",
            timeout=TIMEOUT,
        )
        must(stage.alarm("failed-jobs") != "ALARM" or _failed_before(stage), "no alarm is raised")


def _failed_before(stage: Stage) -> bool:
    """Whether an earlier scenario's failure still keeps the alarm up, as its period says."""
    return any(entry["status"] == "Failed" for entry in stage.session.job_history())


def model_deleted_by_hand(stage: Stage, assembly: Assembly) -> None:
    """Delete a job's model as a person would, then its stack."""
    stage.deploy(assembly, [_BY_HAND])
    name = stage.output(_BY_HAND, "JobName")
    stage.wait_for(name, "Completed")
    stage.delete_model(name)
    stage.delete([_BY_HAND])
    stage.until(
        "the follower takes it for gone too",
        lambda: "ModelDeletedAt" in stage.row(name),
    )
