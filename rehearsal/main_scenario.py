"""One job from data to a completed model, then everything destroyed again."""

from __future__ import annotations

import time
from collections.abc import Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from rehearsal import datasets, ignored_properties, leftovers, people, watching
from rehearsal.client import Client
from rehearsal.errors import RehearsalError
from rehearsal.narration import WHAT_IS_NOT_REAL, Narration
from rehearsal.scenarios.topic import Listener
from rehearsal.session import Session, side_by_side
from rehearsal.toolkit import Assembly
from settings import Settings

# Deadlines, not durations: many times what it takes, for slow machines.
_JOB_TIMEOUT = 300.0
_ANNOUNCED_TIMEOUT = 120.0
_ALARMS_TIMEOUT = 90.0
_LEFT_TIMEOUT = 15.0
_INTERVAL = 0.2


def prepare(
    *,
    session: Session,
    environment_name: str,
    config: Path,
    narration: Narration,
    gates: bool = True,
) -> tuple[Client, Assembly]:
    """Start and bootstrap the emulator while the app is synthesised, with its gates or without."""

    def emulated_account() -> Client:
        with narration.step("emulator started"):
            client = session.start_emulator()
        with narration.step("cdk bootstrap"):
            session.toolkit.bootstrap(client=client)
        return client

    def synthesised() -> Assembly:
        with narration.step("cdk synth"):
            return session.toolkit.synthesise(
                environment_name=environment_name, config=config, gates=gates
            )

    with side_by_side() as start:
        account, app = start(emulated_account), start(synthesised)
        try:
            assembly = app.result()
            return account.result(), assembly
        except BaseException:
            session.end()
            raise


def outputs(client: Client, stack: str) -> dict[str, str]:
    """Outputs of a deployed stack."""
    answer = client.service("cloudformation").describe_stacks(StackName=stack)["Stacks"][0]
    return {output["OutputKey"]: output["OutputValue"] for output in answer.get("Outputs", [])}


def stack_name(settings: Settings, part: str) -> str:
    """Name of one of an environment's stacks."""
    return f"finetune-{settings.environment}-{part}"


def split(assembly: Assembly, settings: Settings) -> tuple[list[str], list[str]]:
    """The stacks all jobs share, and the stacks of the jobs."""
    prefix = stack_name(settings, "job-")
    stacks = assembly.stacks()
    jobs = [stack for stack in stacks if stack.startswith(prefix)]
    return [stack for stack in stacks if stack not in jobs], jobs


def engineer(*, client: Client, settings: Settings) -> Client:
    """A person whom the settings name as an uploader."""
    return people.become(client=client, people=settings.people.uploaders, session_name="rehearsal")


def push_data(*, session: Session, client: Client, settings: Settings, config: Path) -> None:
    """Push the data sets as that person, with the real command."""
    datasets.push(
        person=engineer(client=client, settings=settings),
        settings=settings,
        config=config,
        state=session.state,
        children=session.children,
    )


def read_results(*, client: Client, settings: Settings) -> list[str]:
    """List and read the outputs as a person whom the settings name as a reader.

    Raises:
        RehearsalError: a finished job left nothing.
    """
    person = people.become(client=client, people=settings.people.readers, session_name="rehearsal")
    reader = people.take_role(
        client=person,
        role_arn=outputs(client, stack_name(settings, "identity"))["ReaderRoleArn"],
        session_name="rehearsal-read",
    )
    s3 = reader.service("s3")
    bucket = outputs(client, stack_name(settings, "storage"))["DataBucketName"]
    keys = [
        entry["Key"]
        for entry in s3.list_objects_v2(Bucket=bucket, Prefix="outputs/").get("Contents", [])
    ]
    if not keys:
        raise RehearsalError("the job left no results", fix="read the emulator's log")
    for key in keys:
        s3.get_object(Bucket=bucket, Key=key)["Body"].read()
    return keys


def follow_jobs(*, client: Client, jobs: Sequence[str]) -> list[dict[str, Any]]:
    """Wait until the jobs of these stacks have ended.

    Raises:
        RehearsalError: a job did not complete; its message is the reason.
    """
    ended = []
    for stack in jobs:
        name = outputs(client, stack)["JobName"]
        job = watching.wait_for_end(client=client, job_name=name, timeout=_JOB_TIMEOUT)
        if job["status"] != "Completed":
            raise RehearsalError(
                f"the job {name} ended {job['status']}",
                fix="read the reason; it names the principal, the action and the resource",
                reasons=(str(job.get("failureMessage", "without a message")),),
            )
        ended.append(job)
    return ended


def check_announced(
    *, client: Client, settings: Settings, listener: Listener, jobs: Sequence[Mapping[str, Any]]
) -> None:
    """Wait until the topic has heard of every job, and see that no alarm has reason to be up.

    Raises:
        RehearsalError: it does not hear, hears something else, or an alarm is up.
    """
    for job in jobs:
        name = job["jobName"]
        told = listener.wait_for(
            f"the end of {name}", partial(_is_about, name=name), timeout=_ANNOUNCED_TIMEOUT
        )
        if [message["state"] for message in told] != [job["status"]]:
            raise RehearsalError(
                f"the topic must hear once that {name} is {job['status']}",
                fix="look at lambda/follower",
                reasons=tuple(str(message) for message in told),
            )
    states = _settled_alarms(client=client, prefix=stack_name(settings, ""))
    raised = [f"{name} is {state}" for name, state in states.items() if state != "OK"]
    if raised or not states:
        raise RehearsalError(
            "an alarm is not at rest although the job completed",
            fix="look at constructs/bedrock_finetuning/follower.py",
            reasons=tuple(raised) or ("there is no alarm",),
        )


def _settled_alarms(*, client: Client, prefix: str) -> dict[str, str]:
    """The state of each alarm, once all have one or the time for it is over.

    The follower announces an end before it has logged its metrics, and an alarm without any
    is `INSUFFICIENT_DATA`: neither silent nor raised.
    """
    cloudwatch = client.service("cloudwatch")
    deadline = time.monotonic() + _ALARMS_TIMEOUT
    while True:
        alarms = cloudwatch.describe_alarms(AlarmNamePrefix=prefix)["MetricAlarms"]
        states = {alarm["AlarmName"]: alarm["StateValue"] for alarm in alarms}
        if "INSUFFICIENT_DATA" not in states.values() or time.monotonic() > deadline:
            return states
        time.sleep(_INTERVAL)


def _is_about(message: Mapping[str, Any], *, name: str) -> bool:
    return message.get("name") == name


def empty_buckets(*, client: Client, settings: Settings) -> None:
    """Delete every version as a person whom the settings name as an administrator."""
    administrator = people.become(
        client=client, people=settings.people.administrators, session_name="rehearsal"
    )
    storage = outputs(client, stack_name(settings, "storage"))
    s3 = administrator.service("s3")
    for output in ("DataBucketName", "AccessLogBucketName"):
        bucket = storage[output]
        for page in s3.get_paginator("list_object_versions").paginate(Bucket=bucket):
            doomed = [
                {"Key": entry["Key"], "VersionId": entry["VersionId"]}
                for entry in [*page.get("Versions", []), *page.get("DeleteMarkers", [])]
            ]
            if not doomed:
                continue
            answer = s3.delete_objects(Bucket=bucket, Delete={"Objects": doomed})
            for error in answer.get("Errors", []):
                raise RehearsalError(
                    f"an administrator cannot empty {bucket}: {error['Message']}",
                    fix="look at the bucket's policy",
                )


def check_properties(*, session: Session, assembly: Assembly) -> None:
    """Fail on template properties that no provisioner read and no list accepts."""
    ignored_properties.check(
        ledger=ignored_properties.read_ledger(session.ledger_file),
        allowed=ignored_properties.accepted(),
        used=ignored_properties.held_by(assembly.template(stack) for stack in assembly.stacks()),
    )


def check_nothing_refused(*, session: Session) -> None:
    """Fail when a call was refused, even if the caller went on without it.

    Raises:
        RehearsalError: the reasons are the refusals.
    """
    refused = session.refusals()
    if refused:
        raise RehearsalError(
            f"{len(refused)} calls were refused in a rehearsal that completed otherwise",
            fix="allow the calls, or do not make them",
            reasons=tuple(refusal.reason for refusal in refused),
        )


def check_nothing_left(*, client: Client, settings: Settings) -> None:
    """Fail when something is still there.

    Raises:
        RehearsalError: names what.
    """
    stand_ins = {
        people.role_of(group, account=client.account)[1]
        for group in (
            settings.people.uploaders,
            settings.people.readers,
            settings.people.administrators,
        )
    }
    # What goes by itself in a moment is not left over: the last lines of a function, an interface.
    deadline = time.monotonic() + _LEFT_TIMEOUT
    while found := leftovers.find(client=client, ignored_roles=stand_ins):
        if time.monotonic() > deadline:
            break
        time.sleep(_INTERVAL)
    if found:
        raise RehearsalError(
            "something is left after everything was destroyed",
            fix="give it a removal policy or an owner that removes it",
            reasons=tuple(f"{kind}: {', '.join(names)}" for kind, names in found.items()),
        )


def run(
    *, session: Session, settings: Settings, config: Path, narration: Narration
) -> dict[str, object]:
    """The whole scenario.

    Returns:
        What there is to say in the JSON object.

    Raises:
        RehearsalError: the first thing that went wrong.
    """
    client, assembly = prepare(
        session=session,
        environment_name=settings.environment,
        config=config,
        narration=narration,
    )
    shared, jobs = split(assembly, settings)
    with narration.step(f"cdk deploy: {len(shared)} stacks"):
        session.toolkit.deploy(client=client, assembly=assembly, stacks=shared)
    with narration.step("data pushed by an uploader"):
        push_data(session=session, client=client, settings=settings, config=config)
    topic = outputs(client, stack_name(settings, "engine"))["JobTopicArn"]
    with (
        Listener(client=client, topic_arn=topic) as listener,
        watching.JobWatch(client=client, say=narration.say),
    ):
        with narration.step(f"cdk deploy: {', '.join(jobs)}"):
            session.toolkit.deploy(client=client, assembly=assembly, stacks=jobs)
        with narration.step("job completed"):
            ended = follow_jobs(client=client, jobs=jobs)
        with narration.step("announced by the follower, alarms silent"):
            check_announced(client=client, settings=settings, listener=listener, jobs=ended)
    with narration.step("results read by a reader"):
        results = read_results(client=client, settings=settings)
    with narration.step("cdk diff: no differences"):
        session.toolkit.diff(client=client, assembly=assembly, stacks=[*shared, *jobs])
    if settings.storage.retain and not session.keep:
        narration.say("not destroyed: the settings keep data, keys and logs (storage.retain)")
    elif not session.keep:
        with narration.step("buckets emptied by an administrator"):
            empty_buckets(client=client, settings=settings)
        with narration.step("cdk destroy"):
            session.toolkit.destroy(client=client, assembly=assembly, stacks=[*jobs, *shared])
        with narration.step("left behind: nothing"):
            check_nothing_left(client=client, settings=settings)
        # A deletion reads properties too, a key's waiting period for one.
        check_properties(session=session, assembly=assembly)
    check_nothing_refused(session=session)
    narration.detail(WHAT_IS_NOT_REAL)
    return {
        "jobs": [{"name": job["jobName"], "status": job["status"]} for job in ended],
        "results": results,
    }
