"""A job that fails after its deployment: everybody hears of it."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from rehearsal.scenarios.stage import Jobs, Stage, must
from rehearsal.toolkit import Assembly

_JOB = "fails"
# Training fails, not the deployment: nobody waits for the job but the follower.
JOBS: Jobs = {_JOB: {"wait_for": "submission"}}
_FAILED_JOBS = "failed-jobs"


def failed_job(stage: Stage, assembly: Assembly) -> None:
    """Cut the job's interfaces off from each other, train, and see who is told."""
    must(stage.alarm(_FAILED_JOBS) != "ALARM", "the alarm is silent before")
    with stage.listener() as listener, _workers_apart(stage):
        stage.deploy(assembly, [_JOB])
        name = stage.output(_JOB, "JobName")
        stage.wait_for(name, "Failed")
        told = listener.wait_for(
            "the job's end", lambda message: message.get("name") == name, timeout=20
        )
        listener.wait_for(
            "the alarm", lambda message: message.get("NewStateValue") == "ALARM", timeout=20
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
    """Take the job group's rules to itself away, and put them back."""
    ec2 = stage.service("ec2")
    found = ec2.describe_security_groups()["SecurityGroups"]
    taken = []
    for group in found:
        own = [
            rule
            for rule in group["IpPermissionsEgress"]
            if any(pair["GroupId"] == group["GroupId"] for pair in rule["UserIdGroupPairs"])
        ]
        if own:
            ec2.revoke_security_group_egress(GroupId=group["GroupId"], IpPermissions=own)
            taken.append((group["GroupId"], own))
    must(len(taken) == 1, "one group lets its members talk to each other", seen=taken)
    try:
        yield
    finally:
        for group_id, rules in taken:
            ec2.authorize_security_group_egress(GroupId=group_id, IpPermissions=rules)
