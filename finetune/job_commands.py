"""`finetune jobs`, `watch` and `stop`: what Bedrock says of an environment's jobs, and its end."""

import difflib
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from finetune.environments import (
    DEFAULT_CONFIG,
    DEFAULT_ENVIRONMENT,
    ConfigOption,
    Environment,
    EnvironmentOption,
    RehearsalOption,
    read_environment,
)
from finetune.queued_jobs import TRAIN_AGAIN, Queue, Turn
from finetune.report import (
    CommandError,
    ExitCode,
    Finding,
    JsonOption,
    Output,
    failure,
    run_command,
)
from finetune.watch_display import Display, display

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient
    from mypy_boto3_bedrock.type_defs import ModelCustomizationJobSummaryTypeDef

    from customization.jobs import Job
    from finetune.aws import Connection

WAITS_FOR_WHAT_SERVES = "waits for what serves it"
"""What is said of a model that nobody wants and something serves still."""
REHEARSAL_INTERVAL = 0.2
"""Seconds between two looks at a rehearsed job: it takes seconds, a real one hours."""


def jobs(
    *,
    environment: EnvironmentOption = DEFAULT_ENVIRONMENT,
    config: ConfigOption = DEFAULT_CONFIG,
    rehearsal: RehearsalOption = False,
    as_json: JsonOption = False,
) -> None:
    """List the jobs that Bedrock has of the environment's settings, newest first."""

    def action(output: Output) -> Mapping[str, object]:
        settings = read_environment(name=environment, directory=config)
        connection = _connection(settings=settings, rehearsal=rehearsal)
        bedrock = connection.bedrock()
        queue = Queue(connection=connection, environment=settings, warn=output.add)
        rows: list[dict[str, object]] = []
        for job in settings.jobs:
            summaries = list(summaries_of(bedrock=bedrock, environment=settings, job=job))
            for summary in summaries:
                row: dict[str, object] = {
                    "job": job,
                    "name": summary["jobName"],
                    "status": summary["status"],
                    "created": summary["creationTime"].isoformat(),
                    "model": summary.get("customModelName"),
                }
                waits = summary["status"] == "Completed" and queue.waits_for_what_serves(
                    summary["jobName"]
                )
                row["leaving"] = WAITS_FOR_WHAT_SERVES if waits else None
                rows.append(row)
                leaving = f"  its model {WAITS_FOR_WHAT_SERVES}, then it goes" if waits else ""
                output.say(f"{row['created']}  {row['status']:<11}  {row['name']}{leaving}")
            waiting = queue.deployed(job)
            if waiting is not None and waiting not in {str(s["jobName"]) for s in summaries}:
                turn = queue.look(name=waiting, job=job)
                rows.append(
                    {
                        "job": job,
                        "name": waiting,
                        "status": turn.status,
                        "created": None,
                        "model": None,
                        "leaving": None,
                    }
                )
                since = "waits for its turn" if turn.ended is None else "never came to Bedrock"
                output.say(f"{since:<25}  {turn.status:<11}  {waiting}")
            elif not summaries:
                output.say(f"{job}: not submitted yet")
        return {"environment": environment, "jobs": rows}

    run_command(command="jobs", as_json=as_json, action=action)


def watch(
    *,
    name: Annotated[
        str, typer.Argument(help="A job of the settings, or the whole name of a job in Bedrock.")
    ],
    timeout: Annotated[
        float | None,
        typer.Option("--timeout", min=0, metavar="MINUTES", help="Give up after this time."),
    ] = None,
    interval: Annotated[
        float, typer.Option("--interval", min=1, metavar="SECONDS", help="Time between two looks.")
    ] = 30,
    environment: EnvironmentOption = DEFAULT_ENVIRONMENT,
    config: ConfigOption = DEFAULT_CONFIG,
    rehearsal: RehearsalOption = False,
    as_json: JsonOption = False,
) -> None:
    """Follow the newest job of this name to its end, saying what changes.

    On a terminal each phase has a bar; elsewhere each change is a line. A job that waits for its
    turn is waited for. Ends with 0 when the job is completed, with 1 and the reason when it failed,
    was stopped, or never comes to its turn, and with 4 at the time limit; the job itself goes on in
    any case but the first two.
    """

    def action(output: Output) -> Mapping[str, object]:
        settings = read_environment(name=environment, directory=config)
        connection = _connection(settings=settings, rehearsal=rehearsal)
        bedrock = connection.bedrock()
        queue = Queue(connection=connection, environment=settings, warn=output.add)
        target = _newest(bedrock=bedrock, environment=settings, name=name, queue=queue)
        with display(output) as shown:
            result = follow(
                shown=shown,
                bedrock=bedrock,
                environment=settings,
                queue=queue,
                target=target,
                interval=REHEARSAL_INTERVAL if rehearsal else interval,
                seconds=None if timeout is None else timeout * 60,
            )
        output.say(f"{target.name} is Completed")
        return result

    run_command(command="watch", as_json=as_json, action=action)


def stop(
    *,
    name: Annotated[
        str, typer.Argument(help="A job of the settings, or the whole name of a job in Bedrock.")
    ],
    environment: EnvironmentOption = DEFAULT_ENVIRONMENT,
    config: ConfigOption = DEFAULT_CONFIG,
    rehearsal: RehearsalOption = False,
    as_json: JsonOption = False,
) -> None:
    """Have Bedrock stop the newest job of this name; what was trained so far is lost.

    Its stack stays as it is, and a deployment that changes nothing starts no new job. To train the
    same again, raise the job's `run`. A job without this environment's owner tags is left alone.
    """

    def action(output: Output) -> Mapping[str, object]:
        settings = read_environment(name=environment, directory=config)
        connection = _connection(settings=settings, rehearsal=rehearsal)
        bedrock = connection.bedrock()
        queue = Queue(connection=connection, environment=settings, warn=output.add)
        target = _newest(bedrock=bedrock, environment=settings, name=name, queue=queue)
        turn = queue.look(name=target.name, job=target.waits_for) if target.waits_for else None
        job = job_in_bedrock(bedrock=bedrock, full_name=target.name)
        if job is None and turn is not None:
            if turn.ended is not None:
                raise CommandError(code=ExitCode.FINDINGS, findings=[turn.ended])
            raise _still_queued(target=target, environment=settings)
        if job is None:
            raise _unknown(bedrock=bedrock, environment=settings, name=target.name)
        _refuse_foreign(bedrock=bedrock, job=job, environment=settings)
        stopped = job.status.is_running
        seen = _stopped(bedrock=bedrock, job=job) if stopped else job
        follows = _what_follows(job=seen, stopped=stopped)
        output.say(f"{seen.name}: {seen.status}")
        for sentence in follows:
            output.say(sentence)
        return {
            "job": {"name": seen.name, "arn": seen.arn, "status": seen.status.value},
            "stopped": stopped,
            "follows": follows,
        }

    run_command(command="stop", as_json=as_json, action=action)


def _stopped(*, bedrock: "BedrockClient", job: "Job") -> "Job":
    from customization import endings  # noqa: PLC0415 loaded when used
    from finetune.aws import aws_errors  # noqa: PLC0415

    with aws_errors(
        doing=f"stopping the job {job.name}",
        denied="use credentials that may call bedrock:StopModelCustomizationJob",
    ):
        return endings.stop(bedrock=bedrock, job=job) or job


def _refuse_foreign(*, bedrock: "BedrockClient", job: "Job", environment: Environment) -> None:
    from customization.identity import ENVIRONMENT_TAG  # noqa: PLC0415 loaded when used
    from customization.jobs import tags_of  # noqa: PLC0415
    from finetune.aws import aws_errors  # noqa: PLC0415

    with aws_errors(doing=f"reading the tags of the job {job.name}"):
        owner = tags_of(bedrock=bedrock, arn=job.arn).get(ENVIRONMENT_TAG)
    if owner != environment.name:
        raise failure(
            code=ExitCode.FINDINGS,
            id="not-ours",
            message=f"the job {job.name} must carry the tag {ENVIRONMENT_TAG}={environment.name},"
            f" got {owner or 'none'}: it was left alone",
            fix="name a job of this environment, or choose the environment with -e",
        )


def _connection(*, settings: Environment, rehearsal: bool) -> "Connection":
    from finetune.aws import connect  # noqa: PLC0415 loaded when used

    return connect(region=settings.region, rehearsal=rehearsal)


def summaries_of(
    *, bedrock: "BedrockClient", environment: Environment, job: str
) -> "Iterator[ModelCustomizationJobSummaryTypeDef]":
    """Yield the jobs whose name is one this environment gives to this job, newest first."""
    from customization.identity import parse_physical_id  # noqa: PLC0415 loaded when used
    from finetune.aws import aws_errors  # noqa: PLC0415

    with aws_errors(doing="listing customization jobs"):
        pages = bedrock.get_paginator("list_model_customization_jobs").paginate(
            nameContains=f"{environment.name}-{job}-",
            sortBy="CreationTime",
            sortOrder="Descending",
        )
        for page in pages:
            for summary in page.get("modelCustomizationJobSummaries", []):
                # `dev-a-` is also the beginning of the job a-b's name; the whole form decides.
                if parse_physical_id(
                    physical_id=summary["jobName"], environment=environment.name, job=job
                ):
                    yield summary


@dataclass(frozen=True, kw_only=True)
class Target:
    """A job's whole name, and the settings' name of it when its stack says that it waits."""

    name: str
    waits_for: str | None = None


def _newest(
    *, bedrock: "BedrockClient", environment: Environment, name: str, queue: Queue
) -> Target:
    """Return the newest job of the settings' name; another name is taken as it is.

    A whole name may be that of a job which waits for its turn: its stack tells.
    """
    from customization.identity import parse_physical_id  # noqa: PLC0415 loaded when used

    if name not in environment.jobs:
        for job in environment.jobs:
            ours = parse_physical_id(physical_id=name, environment=environment.name, job=job)
            if ours is not None and queue.deployed(job) == name:
                return Target(name=name, waits_for=job)
        return Target(name=name)
    found = [
        str(summary["jobName"])
        for summary in summaries_of(bedrock=bedrock, environment=environment, job=name)
    ]
    waiting = queue.deployed(name)
    if waiting is not None and waiting not in found:
        return Target(name=waiting, waits_for=name)
    if found:
        return Target(name=found[0])
    raise failure(
        code=ExitCode.FINDINGS,
        id="no-job",
        message=f"the job {name!r} was not submitted in the environment {environment.name}",
        fix=f"deploy its stack: cdk deploy -c environment={environment.name}"
        f" {environment.stack(f'job-{name}')}",
        where={"stack": environment.stack(f"job-{name}")},
    )


def follow(
    *,
    shown: Display,
    bedrock: "BedrockClient",
    environment: Environment,
    queue: Queue,
    target: Target,
    interval: float,
    seconds: float | None,
) -> Mapping[str, object]:
    """Show how a job is until it has ended, and return what became of it.

    Raises `CommandError` for a job that fails, goes away, or is not over after `seconds`.
    """
    from customization.jobs import JobStatus  # noqa: PLC0415 loaded when used

    end = None if seconds is None else time.monotonic() + seconds
    seen = False
    while True:
        # First the queue, then Bedrock: a job that leaves the one is seen in the other.
        turn = None
        if target.waits_for is not None and not seen:
            turn = queue.look(name=target.name, job=target.waits_for)
        job = job_in_bedrock(bedrock=bedrock, full_name=target.name)
        if job is None and turn is None:
            if seen:
                raise _gone(name=target.name)
            raise _unknown(bedrock=bedrock, environment=environment, name=target.name)
        seen = seen or job is not None
        waits = turn or Turn()
        shown.show(_statuses(job=job, name=target.name, turn=waits))
        result = _as_result(job=job, name=target.name, turn=waits)
        if job is None and waits.ended is not None:
            raise CommandError(code=ExitCode.FINDINGS, findings=[waits.ended], result=result)
        if job is not None and job.status is JobStatus.COMPLETED:
            return result
        if job is not None and job.status.is_over:
            raise CommandError(
                code=ExitCode.FINDINGS, findings=[why_it_ended(job=job)], result=result
            )
        if end is not None and time.monotonic() + interval > end:
            late = _too_late(job=job, turn=waits)
            raise CommandError(code=ExitCode.TIMED_OUT, findings=[late], result=result)
        time.sleep(interval)


def _too_late(*, job: "Job | None", turn: Turn) -> Finding:
    if job is not None:
        message = f"the job is {job.status.value} when the time is up; it goes on in Bedrock"
    else:
        why = f" ({turn.reason})" if turn.reason else ""
        message = f"the job is {turn.status} when the time is up{why}; it stays in the queue"
    return Finding(id="timed-out", level="error", message=message, fix="watch it again later")


def _statuses(*, job: "Job | None", name: str, turn: Turn) -> dict[str, str]:
    if job is None:
        return {name: turn.status}
    return {job.name: job.status.value, **job.phases}


def _as_result(*, job: "Job | None", name: str, turn: Turn) -> dict[str, object]:
    if job is None:
        return {"job": {"name": name, "arn": None, "status": turn.status, "phases": {}}}
    return {
        "job": {
            "name": job.name,
            "arn": job.arn,
            "status": job.status.value,
            "phases": dict(job.phases),
            "model_arn": job.model_arn,
        }
    }


def job_in_bedrock(*, bedrock: "BedrockClient", full_name: str) -> "Job | None":
    """Return what Bedrock says of a job, or None when it has none of this name."""
    from customization.errors import UnknownStatusError  # noqa: PLC0415 loaded when used
    from customization.jobs import find_job  # noqa: PLC0415
    from finetune.aws import aws_errors  # noqa: PLC0415

    try:
        with aws_errors(doing=f"looking at the job {full_name}"):
            return find_job(bedrock=bedrock, name=full_name)
    except UnknownStatusError as error:
        raise failure(
            code=ExitCode.AWS, id="unknown-status", message=str(error), fix="update this app"
        ) from error


def _unknown(*, bedrock: "BedrockClient", environment: Environment, name: str) -> CommandError:
    """Return the error for a name that nobody knows, with those that look like it."""
    near = difflib.get_close_matches(
        name, [*environment.jobs, *_names(bedrock=bedrock, environment=environment)], n=3
    )
    fix = "see `finetune jobs` for the names there are"
    return failure(
        code=ExitCode.FINDINGS,
        id="no-job",
        message=f"Bedrock has no job {name!r}, and the settings name none so",
        fix=f"did you mean {' or '.join(near)}? {fix}" if near else fix,
    )


def _names(*, bedrock: "BedrockClient", environment: Environment) -> list[str]:
    """Return the environment's newest jobs in Bedrock, none where it may not list them."""
    from botocore.exceptions import BotoCoreError, ClientError  # noqa: PLC0415 slow to load

    try:
        answer = bedrock.list_model_customization_jobs(nameContains=f"{environment.name}-")
    except (BotoCoreError, ClientError):
        # It is for a proposal alone: the error to tell is another.
        return []
    return [str(each["jobName"]) for each in answer.get("modelCustomizationJobSummaries", [])]


def _gone(*, name: str) -> CommandError:
    return failure(
        code=ExitCode.FINDINGS,
        id="job-gone",
        message=f"Bedrock has no job {name!r} any more: it was there at the last look",
        fix="see `finetune jobs`, and AWS CloudTrail for who took it away",
    )


def _still_queued(*, target: Target, environment: Environment) -> CommandError:
    stack = environment.stack(f"job-{target.waits_for}")
    return failure(
        code=ExitCode.FINDINGS,
        id="not-started",
        message=f"the job {target.name} waits for its turn: Bedrock has nothing to stop yet",
        fix=f"delete its stack {stack} to take it out of the queue, or stop it when it runs",
        where={"stack": stack},
    )


def _what_follows(*, job: "Job", stopped: bool) -> list[str]:
    """Return what a person should know after asking to stop a job, a sentence each."""
    watching = f"it takes Bedrock some minutes: finetune watch {job.name}"
    if stopped:
        return [
            *([] if job.status.is_over else [watching]),
            "its stack stays and still names it; deploying the same again starts no new job",
            TRAIN_AGAIN,
        ]
    if job.status.is_over:
        return [f"the job is {job.status}: there is nothing to stop"]
    return ["somebody has stopped it already", watching]


def why_it_ended(*, job: "Job") -> Finding:
    """Return the error for a job that is over and not completed, with what to do about it."""
    from customization.jobs import JobStatus  # noqa: PLC0415 loaded when used
    from customization.remedies import find  # noqa: PLC0415

    remedy = find(job.failure)
    phase = f" in {job.failed_phase}" if job.failed_phase else ""
    reason = f": {job.failure}" if job.failure else ", and Bedrock says not why"
    if remedy is not None:
        fix = remedy.action
    elif job.status is JobStatus.STOPPED and not job.failure:
        fix = f"somebody stopped it; {TRAIN_AGAIN}"
    else:
        fix = "read Bedrock's message; it is repeated as it came"
    return Finding(
        id="job-ended",
        level="error",
        message=f"the job {job.name} is {job.status}{phase}{reason}",
        fix=fix,
    )
