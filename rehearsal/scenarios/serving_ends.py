"""What serves a model ends when it must, whatever broke; and functions end whenever they like."""

from __future__ import annotations

import copy
import re

from rehearsal.scenarios.serving import served
from rehearsal.scenarios.stage import Jobs, Stage, must
from rehearsal.toolkit import Assembly, Template

_JOB = "ends"
_HOURS = 8
JOBS: Jobs = {
    _JOB: {
        "deployment": {
            "kind": "provisioned",
            "hours": _HOURS,
            "smoke_tests": [{"prompt": "Which statement?", "contains": ["Which statement?"]}],
        }
    }
}
_HOUR = 3600.0
_A_LITTLE = 120.0
_MAY_NOT = re.compile(r"is not authorized to perform: bedrock:DeleteProvisionedModelThroughput")
BROKEN_REMOVAL = (_MAY_NOT,)
_DELETES = "bedrock:DeleteProvisionedModelThroughput"


def ends_by_its_schedule(stage: Stage, assembly: Assembly) -> None:
    """Delete the stack when nobody may give its throughput back, and see the schedule do it."""
    bought = _bought(stage, assembly)
    broken = _without_removal(stage)
    began = len(stage.session.refusals())
    stage.service("cloudformation").delete_stack(StackName=stage.job_stack(_JOB))

    def is_refused() -> bool:
        refused = stage.session.refusals(since=began)
        return any(_MAY_NOT.search(refusal.reason) for refusal in refused)

    stage.until("the stack cannot give its throughput back", is_refused)
    stage.later(_HOURS * _HOUR - _A_LITTLE)
    must(bought in stage.throughputs(), "it is there until its end", seen=stage.throughputs())
    stage.later(2 * _A_LITTLE)
    stage.until("the schedule gives it back", lambda: not stage.throughputs())
    stage.until("and goes itself", lambda: not stage.schedules())
    # What waited for that goes on, and ends well.
    stage.delete([_JOB])
    for stack in broken:
        must(stage.apply(stack, stage.deployed[stack]).ok, f"{stack} can be put right")


def ends_without_its_schedule(stage: Stage, assembly: Assembly) -> None:
    """Delete the schedule by hand, and see the deployer give the throughput back."""
    bought = _bought(stage, assembly)
    group = stage.stack("").removesuffix("-")
    rule = stage.stack("reap")
    # The deployer would make the schedule anew, which is right and not what this is about.
    stage.service("events").disable_rule(Name=rule)
    stage.service("scheduler").delete_schedule(Name=bought, GroupName=group)
    stage.later(_HOURS * _HOUR + _A_LITTLE)
    must(bought in stage.throughputs(), "nothing else ends it", seen=stage.throughputs())
    stage.service("events").enable_rule(Name=rule)
    stage.until("the deployer gives it back", lambda: not stage.throughputs())
    stage.delete([_JOB])


def _bought(stage: Stage, assembly: Assembly) -> str:
    """Train a model and have throughput bought for it; return its name."""
    with stage.listener() as listener:
        stage.deploy(assembly, [_JOB])
        bought, _ = served(stage, _JOB, listener)
    must(stage.schedules() == [bought], "its end is scheduled", seen=stage.schedules())
    return bought


def _without_removal(stage: Stage) -> list[str]:
    """Take the right to give throughput back from everybody but the scheduler's role."""
    changed = []
    for stack, template in stage.deployed.items():
        spoilt: Template = copy.deepcopy(template)
        found = 0
        for logical_id, resource in spoilt.get("Resources", {}).items():
            policy = resource.get("Properties", {}).get("PolicyDocument", {})
            if resource["Type"] != "AWS::IAM::ManagedPolicy" or "Scheduler" in logical_id:
                continue
            for statement in policy["Statement"]:
                actions = statement["Action"]
                if _DELETES in ([actions] if isinstance(actions, str) else actions):
                    statement["Effect"] = "Deny"
                    found += 1
        if found:
            must(stage.apply(stack, spoilt).ok, f"{stack} can be changed")
            changed.append(stack)
    must(bool(changed), "there is a policy that lets the deployer give throughput back")
    return changed
