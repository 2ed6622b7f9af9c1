"""Another subnet is no other job."""

from __future__ import annotations

from rehearsal.scenarios.stage import ZONES, Jobs, Stage, must
from rehearsal.toolkit import Assembly

_JOB = "stays"
JOBS: Jobs = {_JOB: {}}
_MORE_ZONES = (*ZONES, "c")


def changed_subnet(stage: Stage, assembly: Assembly) -> None:
    """Train a job, give its network one more zone, deploy everything again."""
    stage.deploy(assembly, [_JOB])
    name = stage.output(_JOB, "JobName")
    stage.wait_for(name, "Completed")
    known = len(stage.jobs())

    larger = stage.synthesise(JOBS, zones=_MORE_ZONES)
    stack = stage.job_stack(_JOB)
    must(
        larger.template(stack) != assembly.template(stack),
        "another zone changes the job's template",
    )
    stage.deploy_shared(larger)
    before = stage.row(name).get("RequestId")
    stage.deploy(larger, [_JOB])
    must(stage.row(name).get("RequestId") != before, "the submitter was asked to update the job")
    must(stage.output(_JOB, "JobName") == name, "the stack stands for the same job")
    must(len(stage.jobs()) == known, "there is no new job", seen=stage.jobs())
    must(name in stage.models(), "the model is as it was")

    stage.delete([_JOB])
    stage.deploy_shared(assembly)
