"""New data is a new job; the old model goes when the new one is there, or stays, by policy."""

from __future__ import annotations

from rehearsal.scenarios.stage import Jobs, Stage, must
from rehearsal.toolkit import Assembly

_OTHER_DATA = "other-data"
_ON_REPLACE = {"replaces": "delete-model", "keeps": "keep-model"}
JOBS: Jobs = {job: {"on_replace": policy} for job, policy in _ON_REPLACE.items()}
_CHANGED: Jobs = {job: {**settings, "dataset": _OTHER_DATA} for job, settings in JOBS.items()}
_LONG_ENOUGH_TO_LOOK = 4.0


def changed_data(stage: Stage, assembly: Assembly) -> None:
    """Train two jobs, change their data, train again."""
    jobs = list(JOBS)
    stage.deploy(assembly, jobs)
    old = {job: stage.output(job, "JobName") for job in jobs}
    for name in old.values():
        stage.wait_for(name, "Completed")

    # The command checks data for the model of the job that names it.
    stage.write_settings(_CHANGED)
    stage.push_other_data(_OTHER_DATA)
    changed = stage.synthesise(_CHANGED)
    stage.session.set_pace(_LONG_ENOUGH_TO_LOOK)
    stage.deploy(changed, jobs)
    new = {job: stage.output(job, "JobName") for job in jobs}
    for job in jobs:
        must(new[job] != old[job], "other data is another job", seen=new[job])
        must(
            # Looked at in this order: the one may go as soon as the other is completed.
            old[job] in stage.models() or stage.status(new[job]) == "Completed",
            f"the old model {old[job]} stays while its successor trains",
        )
    for name in new.values():
        stage.wait_for(name, "Completed")
    gone, kept = old["replaces"], old["keeps"]
    stage.until(
        "the old model of `on_replace: delete-model` goes", lambda: gone not in stage.models()
    )
    stage.until("the follower is done with the other", lambda: "SettledAt" in stage.row(kept))
    must(kept in stage.models(), "the old model of `on_replace: keep-model` stays")
    must(set(new.values()) <= set(stage.models()), "both new models are there")

    stage.delete(jobs)
    must(stage.models() == [kept], "what goes with its stack is gone", seen=stage.models())
    stage.delete_model(kept)
