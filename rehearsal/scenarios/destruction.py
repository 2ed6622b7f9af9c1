"""An environment with models that are served goes by one command, and nothing is forgotten."""

from __future__ import annotations

from rehearsal import people
from rehearsal.scenarios.serving import served
from rehearsal.scenarios.stage import Jobs, Stage, must
from rehearsal.toolkit import Assembly

_LONG = 600.0
_TESTS = [{"prompt": "Which statement?", "contains": ["Which statement?"]}]
JOBS: Jobs = {
    f"{kind.replace('_', '-')}-too": {"deployment": {"kind": kind, "smoke_tests": _TESTS}}
    for kind in ("on_demand", "provisioned")
}


def destroyed(stage: Stage, assembly: Assembly) -> None:
    """Serve one model on demand and another by throughput, then destroy everything."""
    with stage.listener() as listener:
        # By the command line, which tags the stacks: that is what they are found by.
        stage.session.toolkit.deploy(
            client=stage.client,
            assembly=assembly,
            stacks=[stage.job_stack(job) for job in JOBS],
        )
        for job in JOBS:
            served(stage, job, listener)
    administrators = stage.settings.people.administrators
    people.become(client=stage.client, people=administrators, session_name="rehearsal")
    path, name = people.role_of(administrators, account=stage.client.account)
    role = f"arn:aws:iam::{stage.client.account}:role{path}{name}"
    code, said = stage.command(
        "destroy", "--yes", "--administrator", role, name="destroy", timeout=_LONG
    )
    must(code == 0, "`finetune destroy` ends with 0", seen=(code, said))
    must(not stage.is_deployed(), "no stack is left")
    code, said = stage.command("leftovers", name="leftovers")
    must(code == 0, "`finetune leftovers` finds nothing forgotten", seen=(code, said))
