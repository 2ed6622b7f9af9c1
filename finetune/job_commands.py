"""`finetune jobs`, `watch` and `stop`: what Bedrock says of an environment's jobs, and its end."""

import time
from collections.abc import Iterator, Mapping
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
from finetune.report import (
    CommandError,
    ExitCode,
    Finding,
    JsonOption,
    Output,
    failure,
    run_command,
)

if TYPE_CHECKING:
    from mypy_boto3_bedrock import BedrockClient
    from mypy_boto3_bedrock.type_defs import ModelCustomizationJobSummaryTypeDef

    from customization.jobs import Job

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
        bedrock = _bedrock(settings=settings, rehearsal=rehearsal)
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
                rows.append(row)
                output.say(f"{row['created']}  {row['status']:<11}  {row['name']}")
            waiting = _waiting(settings=settings, job=job, rehearsal=rehearsal)
            if waiting is not None and waiting not in {str(s["jobName"]) for s in summaries}:
                rows.append(
                    {
                        "job": job,
                        "name": waiting,
                        "status": "Queued",
                        "created": None,
                        "model": None,
                    }
                )
                output.say(f"{'waits for its turn':<25}  {'Queued':<11}  {waiting}")
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

    Ends with 0 when the job is completed, with 1 and Bedrock's own message when it failed or was
    stopped, and with 4 at the time limit; the job itself goes on in any case but the first two.
    """

    def action(output: Output) -> Mapping[str, object]:
        settings = read_environment(name=environment, directory=config)
        bedrock = _bedrock(settings=settings, rehearsal=rehearsal)
        return _follow(
            output=output,
            bedrock=bedrock,
            full_name=_newest(bedrock=bedrock, environment=settings, name=name),
            interval=REHEARSAL_INTERVAL if rehearsal else interval,
            seconds=None if timeout is None else timeout * 60,
        )

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
        bedrock = _bedrock(settings=settings, rehearsal=rehearsal)
        full_name = _newest(bedrock=bedrock, environment=settings, name=name)
        job = _look(bedrock=bedrock, full_name=full_name)
        _refuse_foreign(bedrock=bedrock, job=job, environment=settings)
        if not job.status.is_running:
            output.say(f"{job.name} is {job.status}: there is nothing to stop")
            return {"job": {"name": job.name, "arn": job.arn, "status": job.status.value}}
        seen = _stopped(bedrock=bedrock, job=job)
        output.say(f"{seen.name}: {seen.status}")
        output.say(f"it takes Bedrock some minutes: finetune watch {seen.name}")
        return {"job": {"name": seen.name, "arn": seen.arn, "status": seen.status.value}}

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


def _waiting(*, settings: Environment, job: str, rehearsal: bool) -> str | None:
    """Return the name of the job that a stack says was queued when it was deployed, or None."""
    from finetune.aws import connect, stack_outputs  # noqa: PLC0415 loaded when used

    outputs = stack_outputs(
        connection=connect(region=settings.region, rehearsal=rehearsal),
        stack=settings.stack(f"job-{job}"),
    )
    if outputs is None or outputs.get("State") != "Queued":
        return None
    return outputs.get("JobName")


def _bedrock(*, settings: Environment, rehearsal: bool) -> "BedrockClient":
    from finetune.aws import connect  # noqa: PLC0415 loaded when used

    return connect(region=settings.region, rehearsal=rehearsal).bedrock()


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


def _newest(*, bedrock: "BedrockClient", environment: Environment, name: str) -> str:
    """Return the name of the newest Bedrock job; a name that is no job's is taken as it is."""
    if name not in environment.jobs:
        return name
    for summary in summaries_of(bedrock=bedrock, environment=environment, job=name):
        return summary["jobName"]
    raise failure(
        code=ExitCode.FINDINGS,
        id="no-job",
        message=f"the job {name!r} was not submitted in the environment {environment.name}",
        fix=f"deploy its stack: cdk deploy -c environment={environment.name}"
        f" {environment.stack(f'job-{name}')}",
        where={"stack": environment.stack(f"job-{name}")},
    )


def _follow(
    *,
    output: Output,
    bedrock: "BedrockClient",
    full_name: str,
    interval: float,
    seconds: float | None,
) -> Mapping[str, object]:
    from customization.jobs import JobStatus  # noqa: PLC0415 loaded when used

    end = None if seconds is None else time.monotonic() + seconds
    shown: dict[str, str] = {}
    while True:
        job = _look(bedrock=bedrock, full_name=full_name)
        _say_changes(output=output, job=job, shown=shown)
        result = {
            "job": {
                "name": job.name,
                "arn": job.arn,
                "status": job.status.value,
                "phases": dict(job.phases),
                "model_arn": job.model_arn,
            }
        }
        if job.status is JobStatus.COMPLETED:
            return result
        if job.status.is_over:
            raise CommandError(
                code=ExitCode.FINDINGS, findings=[_why_it_ended(job=job)], result=result
            )
        if end is not None and time.monotonic() + interval > end:
            late = Finding(
                id="timed-out",
                level="error",
                message=f"the job is {job.status} when the time is up; it goes on in Bedrock",
                fix="watch it again later",
            )
            raise CommandError(code=ExitCode.TIMED_OUT, findings=[late], result=result)
        time.sleep(interval)


def _look(*, bedrock: "BedrockClient", full_name: str) -> "Job":
    from customization.errors import UnknownStatusError  # noqa: PLC0415 loaded when used
    from customization.jobs import find_job  # noqa: PLC0415
    from finetune.aws import aws_errors  # noqa: PLC0415

    try:
        with aws_errors(doing=f"looking at the job {full_name}"):
            job = find_job(bedrock=bedrock, name=full_name)
    except UnknownStatusError as error:
        raise failure(
            code=ExitCode.AWS, id="unknown-status", message=str(error), fix="update this app"
        ) from error
    if job is None:
        raise failure(
            code=ExitCode.FINDINGS,
            id="no-job",
            message=f"Bedrock has no job {full_name!r}, and the settings name none so",
            fix="see `finetune jobs` for the names there are",
        )
    return job


def _say_changes(*, output: Output, job: "Job", shown: dict[str, str]) -> None:
    """Say each status that differs from what was shown last."""
    clock = time.strftime("%H:%M:%S")
    for what, status in {job.name: job.status.value, **job.phases}.items():
        if shown.get(what) != status:
            shown[what] = status
            output.say(f"{clock}  {what}: {status}")


def _why_it_ended(*, job: "Job") -> Finding:
    from customization.remedies import find  # noqa: PLC0415 loaded when used

    remedy = find(job.failure)
    phase = f" in {job.failed_phase}" if job.failed_phase else ""
    return Finding(
        id="job-ended",
        level="error",
        message=f"the job {job.name} is {job.status}{phase}:"
        f" {job.failure or 'Bedrock gives no reason'}",
        fix=remedy.action if remedy else "read Bedrock's message; it is repeated as it came",
    )
