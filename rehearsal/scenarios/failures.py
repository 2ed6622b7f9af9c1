"""A job that fails after its deployment: everybody hears of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rehearsal.faults.batch import plant
from rehearsal.faults.catalogue import named
from rehearsal.scenarios.stage import TIMEOUT, Jobs, Stage, must
from rehearsal.toolkit import Assembly

_JOB = "fails"
# Training fails, not the deployment: nobody waits for the job but the follower.
JOBS: Jobs = {_JOB: {"wait_for": "submission"}}
_FAULT = "no-self-rule"
_FAILED_JOBS = "failed-jobs"


def failed_job(stage: Stage, assembly: Assembly) -> None:
    """Cut the job's interfaces off from each other, train, and see who is told."""
    must(stage.alarm(_FAILED_JOBS) != "ALARM", "the alarm is silent before")
    with stage.listener() as listener, _workers_apart(stage):
        stage.deploy(assembly, [_JOB])
        name = stage.output(_JOB, "JobName")
        stage.wait_for(name, "Failed")
        told = listener.wait_for(
            "the job's end", lambda message: message.get("name") == name, timeout=TIMEOUT
        )
        listener.wait_for(
            "the alarm", lambda message: message.get("NewStateValue") == "ALARM", timeout=TIMEOUT
        )
        must(told[0]["state"] == "Failed", "the topic hears that it failed", seen=told[0])
        must("security group" in told[0]["text"], "and why", seen=told[0]["text"])
        must(stage.alarm(_FAILED_JOBS) == "ALARM", "the alarm is raised")
        code, said = stage.command("watch", _JOB, name="watch-failed")
        must(code == 1, "`finetune watch` ends with 1", seen=(code, said))
        must("worker nodes" in said, "`finetune watch` says why", seen=said)
        stage.until("the follower is done", lambda: "SettledAt" in stage.row(name))
        again = [message for message in listener.listen() if message.get("name") == name]
        must(len(again) == 1, "the end is told once", seen=again)
    stage.delete([_JOB])


@contextmanager
def _workers_apart(stage: Stage) -> Iterator[None]:
    """Plant a fault in the network that no validation meets, and take it away again."""
    (fault,) = named([_FAULT])
    planted = plant(fault=fault, templates=stage.deployed, prefix=stage.stack(""))
    for stack, template in planted.items():
        must(stage.apply(stack, template).ok, f"{stack} can be changed")
    try:
        yield
    finally:
        restored = [stage.apply(stack, stage.deployed[stack]) for stack in planted]
    must(all(found.ok for found in restored), "the fault can be taken away", seen=restored)
