"""An update that is rolled back leaves the job it found, and stops the one it made."""

from __future__ import annotations

from rehearsal.scenarios.stage import Jobs, Stage, must
from rehearsal.toolkit import Assembly, Template

_JOB = "returns"
JOBS: Jobs = {_JOB: {}}
_LONGER_THAN_THE_UPDATE = 900.0


def rolled_back_update(stage: Stage, assembly: Assembly) -> None:
    """Train a job, then update it in a stack where something else fails."""
    stack = stage.job_stack(_JOB)
    stage.deploy(assembly, [_JOB])
    old = stage.output(_JOB, "JobName")
    stage.wait_for(old, "Completed")
    known = set(stage.jobs())

    again = stage.synthesise({_JOB: {"run": 2}})
    stage.session.set_pace(_LONGER_THAN_THE_UPDATE)
    # Waits for submission alone, or a fifth of the pace would pass in validation.
    found = stage.apply(stack, _with_a_failure(again.template(stack)))
    must(found.status == "UPDATE_ROLLBACK_COMPLETE", "the update is rolled back", seen=found)
    made = set(stage.jobs()) - known
    must(len(made) == 1, "the update had submitted a job", seen=made)
    stray = made.pop()
    stage.wait_for(stray, "Stopped")
    stage.until("its interfaces go", lambda: not stage.interfaces())
    must(stage.output(_JOB, "JobName") == old, "the stack stands for the old job again")
    must(old in stage.models(), "the old model is there")
    must("DeletedAt" not in stage.row(old), "nothing takes it away", seen=stage.row(old))
    row = stage.row(stray)
    must("DeletedAt" in row, "the other is marked as unwanted", seen=row)

    stage.session.set_pace(1.0)
    stage.deploy(again, [_JOB])
    new = stage.output(_JOB, "JobName")
    must(new not in (old, stray), "the next update makes a job of its own", seen=new)
    stage.wait_for(new, "Completed")
    stage.delete([_JOB])
    must(stage.models() == [old], "its model goes, the superseded one is kept", seen=stage.models())
    stage.delete_model(old)


def _with_a_failure(template: Template) -> Template:
    """The template with a resource that is made after the job, and refused."""
    job = next(
        logical_id
        for logical_id, resource in template["Resources"].items()
        if resource["Type"].startswith("Custom::")
    )
    template["Resources"][job]["Properties"]["WaitFor"] = "submission"
    template["Resources"]["Refused"] = {
        "Type": "AWS::S3::BucketPolicy",
        "DependsOn": job,
        "Properties": {
            "Bucket": "there-is-no-such-bucket",
            "PolicyDocument": {"Version": "2012-10-17", "Statement": []},
        },
    }
    return template
