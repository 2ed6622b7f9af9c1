"""More jobs than may run: they wait for their turn, and the deployment does not."""

from __future__ import annotations

from rehearsal import main_scenario
from rehearsal.scenarios.stage import TIMEOUT, Jobs, Stage, must
from rehearsal.toolkit import Assembly

COUNT, LIMIT = 20, 2
JOBS: Jobs = {f"queued-{number:02}": {"run": number} for number in range(1, COUNT + 1)}
_AT_ONCE = 5
"""Stacks at once: more would start more functions at once than a small machine has processors."""


def twenty_jobs(stage: Stage, assembly: Assembly) -> None:
    """Deploy twenty jobs at once by the real command line and see them all through."""
    must(stage.settings.engine.max_jobs_in_progress == LIMIT, f"the limit is {LIMIT}")
    stacks = [stage.job_stack(job) for job in JOBS]
    began = len(stage.session.job_history())
    stage.session.set_pace(0.5)
    with stage.listener() as listener:
        with stage.narration.step(f"cdk deploy: {COUNT} jobs"):
            stage.session.toolkit.deploy(
                client=stage.client, assembly=assembly, stacks=stacks, concurrency=_AT_ONCE
            )
        names = {stage.output(job, "JobName") for job in JOBS}
        must(len(names) == COUNT, "every stack stands for a job of its own", seen=names)
        queued = [job for job in JOBS if stage.output(job, "State") == "Queued"]
        must(bool(queued), "some Creates were queued")
        stage.narration.say(f"{len(queued)} of {COUNT} Creates were answered with Queued")

        def ended() -> list[str]:
            return [str(entry["job"]) for entry in history() if entry["status"] == "Completed"]

        def history() -> list[dict[str, object]]:
            return stage.session.job_history(since=began)

        with stage.narration.step("all jobs completed"):
            stage.until("all are completed", lambda: len(ended()) == COUNT, timeout=300)
        must(sorted(ended()) == sorted(names), "each once", seen=ended())
        most = max(int(str(entry["in_progress"])) for entry in history())
        must(most == LIMIT, f"at most {LIMIT} are in progress, and {LIMIT} are", seen=most)
        listener.wait_for(
            "an end for each job", lambda message: "name" in message, count=COUNT, timeout=TIMEOUT
        )
        told = sorted(message["name"] for message in listener.listen() if "name" in message)
        must(told == sorted(names), "each end is told once", seen=told)
    with stage.narration.step(f"cdk destroy: {COUNT} jobs"):
        stage.session.toolkit.destroy(
            client=stage.client, assembly=assembly, stacks=stacks, concurrency=_AT_ONCE
        )
    must(not stage.models(), "their models went with them", seen=stage.models())
    must(main_scenario.split(assembly, stage.settings)[1] == sorted(stacks), "no other jobs")
