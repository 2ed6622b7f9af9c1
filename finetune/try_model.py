"""`finetune try`: ask a deployed model something, through the environment's private way to it."""

import difflib
import json
import re
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

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
from finetune.report import CommandError, ExitCode, JsonOption, Output, failure, run_command

if TYPE_CHECKING:
    from finetune.aws import Connection

PATIENCE = 900
"""Seconds to wait for an answer: as long as the function may take."""
_SERVES = frozenset({"Active", "InService", "Updating"})
"""Statuses in which a deployment or throughput answers; one that is updated goes on serving."""
_THROTTLED = frozenset(
    {"ThrottlingException", "TooManyRequestsException", "ModelNotReadyException",
     "ServiceQuotaExceededException", "ModelTimeoutException", "ServiceUnavailableException"}
)  # fmt: skip
_WORD = re.compile(r"[A-Za-z]+")
_DENIED = frozenset({"AccessDeniedException", "AccessDenied", "UnauthorizedOperation"})


@dataclass(frozen=True, kw_only=True)
class Served:
    """A deployment or throughput of a job's model, as Bedrock tells of it."""

    name: str
    arn: str
    status: str
    created: datetime
    failure: str = ""

    @property
    def serves(self) -> bool:
        """Whether it answers."""
        return self.status in _SERVES


def try_model(
    *,
    name: Annotated[
        str, typer.Argument(help="A job of the settings, or the whole name of a job in Bedrock.")
    ],
    prompt: Annotated[str, typer.Argument(help="What to ask; - reads it from standard input.")],
    max_tokens: Annotated[
        int, typer.Option("--max-tokens", min=1, metavar="N", help="Most tokens of the answer.")
    ] = 512,
    model: Annotated[
        str | None,
        typer.Option(
            "--model", metavar="ARN", help="A deployment or throughput of the job's to ask instead."
        ),
    ] = None,
    environment: EnvironmentOption = DEFAULT_ENVIRONMENT,
    config: ConfigOption = DEFAULT_CONFIG,
    rehearsal: RehearsalOption = False,
    as_json: JsonOption = False,
) -> None:
    """Ask the deployed model of a job something and print its answer.

    The question goes to a function in the environment's private subnets, which alone may call the
    model; you take the role `tester` for it. The answer is printed as it is, its tokens and seconds
    on standard error.
    """

    def action(output: Output) -> Mapping[str, object]:
        from finetune.aws import connect  # noqa: PLC0415 loaded when used

        text = sys.stdin.read() if prompt == "-" else prompt
        _check(text, max_tokens=max_tokens)
        settings = read_environment(name=environment, directory=config)
        connection = connect(region=settings.region, rehearsal=rehearsal)
        job_name, arn = _target(
            connection=connection, environment=settings, name=name, model=model, config=config
        )
        answer = _ask(
            connection=connection,
            environment=settings,
            event={
                "job_name": job_name,
                "prompt": text,
                "max_tokens": max_tokens,
                **({"model": arn} if model else {}),
            },
        )
        if model and answer["model"] != model:
            raise failure(
                code=ExitCode.FINDINGS,
                id="other-model",
                message=f"--model named {model}, but {answer['model']} answered: the function that"
                " is deployed asks only what it finds itself",
                fix=f"deploy this version: cdk deploy -c environment={environment}"
                f" {settings.stack('inference')}",
            )
        _show(output, answer)
        return {"job": job_name, **answer}

    run_command(command="try", as_json=as_json, action=action)


def _check(prompt: str, *, max_tokens: int) -> None:
    """Refuse here what the function would refuse.

    Raises:
        CommandError: the prompt or the number of tokens is out of bounds (2).
    """
    from invoker.orders import MOST_PROMPT, MOST_TOKENS  # noqa: PLC0415 loaded when used

    if not prompt.strip():
        raise failure(
            code=ExitCode.USAGE,
            id="empty-prompt",
            message="the prompt is empty",
            fix='give one: finetune try NAME "a question"',
        )
    if len(prompt) > MOST_PROMPT:
        raise failure(
            code=ExitCode.USAGE,
            id="long-prompt",
            message=f"the prompt must have at most {MOST_PROMPT:,} characters, got {len(prompt):,}",
            fix="ask less at once",
        )
    if max_tokens > MOST_TOKENS:
        raise failure(
            code=ExitCode.USAGE,
            id="many-tokens",
            message=f"--max-tokens must be at most {MOST_TOKENS:,}, got {max_tokens:,}",
            fix="lower it",
        )


def _target(
    *,
    connection: "Connection",
    environment: Environment,
    name: str,
    model: str | None,
    config: Path,
) -> tuple[str, str | None]:
    """Return the whole name of the job to ask for, and the ARN of what serves it, if it is known.

    Raises:
        CommandError: there is no such job (1), nothing of it is deployed (1), or not yet (4).
    """
    from finetune.job_commands import summaries_of  # noqa: PLC0415 loaded when used

    job, names = environment.job_of(name), [name]
    if name in environment.jobs:
        found = summaries_of(bedrock=connection.bedrock(), environment=environment, job=name)
        names = [str(each["jobName"]) for each in found]
    if job is None or not names:
        raise _no_job(environment=environment, name=name)
    if model is not None:
        return names[0], model
    served = _served(connection=connection, environment=environment, job=job)
    if served is None:
        # Who may not list what is deployed may still ask: the function looks for itself.
        return names[0], None
    for full_name in names:
        for each in served:
            if _is_of(served=each, job_name=full_name) and each.serves:
                return full_name, each.arn
    newest = next(
        (each for each in served for full in names if _is_of(served=each, job_name=full)), None
    )
    if newest is None:
        raise _not_deployed(environment=environment, job=job, config=config)
    raise _not_serving(newest, environment=environment, job=job)


def _is_of(*, served: Served, job_name: str) -> bool:
    from deployments.naming import DIGITS, MOST_CHARACTERS  # noqa: PLC0415 loaded when used

    head = job_name[: MOST_CHARACTERS - DIGITS - 1].rstrip("-_")
    return served.name.rpartition("-")[0] == head


def _served(*, connection: "Connection", environment: Environment, job: str) -> list[Served] | None:
    """Return what serves models of a job, the newest first; None when the caller may not see it."""
    from botocore.exceptions import ClientError  # noqa: PLC0415 slow to load

    from finetune.aws import aws_errors, error_code  # noqa: PLC0415 loaded when used

    bedrock = connection.bedrock()
    part = f"{environment.name}-{job}-"
    found: list[Served] = []
    with aws_errors(doing=f"looking for deployments of {job}"):
        try:
            for page in bedrock.get_paginator("list_custom_model_deployments").paginate(
                nameContains=part
            ):
                found += [
                    Served(
                        name=each["customModelDeploymentName"],
                        arn=each["customModelDeploymentArn"],
                        status=each["status"],
                        created=each["createdAt"],
                        failure=each.get("failureMessage", ""),
                    )
                    for each in page.get("modelDeploymentSummaries", [])
                ]
            for bought in bedrock.get_paginator("list_provisioned_model_throughputs").paginate(
                nameContains=part
            ):
                found += [
                    Served(
                        name=each["provisionedModelName"],
                        arn=each["provisionedModelArn"],
                        status=each["status"],
                        created=each["creationTime"],
                    )
                    for each in bought.get("provisionedModelSummaries", [])
                ]
        except ClientError as error:
            if error_code(error) in _DENIED:
                return None
            raise
    return sorted(
        (each for each in found if each.name.startswith(part)),
        key=lambda each: each.created,
        reverse=True,
    )


def _ask(
    *, connection: "Connection", environment: Environment, event: Mapping[str, object]
) -> dict[str, object]:
    from botocore.exceptions import ClientError  # noqa: PLC0415 slow to load

    from finetune.aws import aws_errors, error_code, stack_outputs  # noqa: PLC0415 loaded when used

    function = environment.stack("invoker")
    outputs = stack_outputs(connection=connection, stack=environment.stack("identity")) or {}
    role = outputs.get("TesterRoleArn")
    if role is not None:
        with aws_errors(
            doing=f"assuming the tester role {role}",
            denied="the caller must be among people.invokers of the settings, and allowed to call"
            " sts:AssumeRole on this role",
        ):
            connection = connection.acting_as(role=role)
    with aws_errors(
        doing=f"calling the function {function}",
        denied="the caller must be among people.invokers of the settings",
    ):
        try:
            answer = connection.function_caller(seconds=PATIENCE).invoke(
                FunctionName=function, Payload=json.dumps({"Try": event}).encode()
            )
        except ClientError as error:
            if error_code(error) == "ResourceNotFoundException":
                raise _no_invoker(environment=environment, function=function) from error
            raise
    payload: dict[str, Any] = json.loads(answer["Payload"].read() or b"{}")
    if answer.get("FunctionError"):
        raise _refused(payload, environment=environment)
    return {
        "text": str(payload.get("text", "")),
        "seconds": payload.get("seconds"),
        "input_tokens": payload.get("input_tokens"),
        "output_tokens": payload.get("output_tokens"),
        "model": payload.get("model"),
    }


def _show(output: Output, answer: Mapping[str, object]) -> None:
    """Print the answer alone on standard output, and what it took on standard error."""
    if output.as_json:
        return
    seconds = answer["seconds"]
    took = f"{float(str(seconds)):.1f} s" if seconds is not None else "? s"
    counts = f"{answer['input_tokens']} tokens asked, {answer['output_tokens']} answered, {took}"
    if sys.stdout.isatty():
        from rich.console import Console  # noqa: PLC0415 slow to load
        from rich.panel import Panel  # noqa: PLC0415
        from rich.text import Text  # noqa: PLC0415

        Console().print(
            Panel(
                Text(str(answer["text"])), subtitle=counts, subtitle_align="right",
                border_style="green",
            )
        )  # fmt: skip
        return
    output.say(str(answer["text"]))
    print(counts, file=sys.stderr)


# What may go wrong


def _no_job(*, environment: Environment, name: str) -> CommandError:
    if name in environment.jobs:
        stack = environment.stack(f"job-{name}")
        return failure(
            code=ExitCode.FINDINGS,
            id="no-job",
            message=f"the job {name!r} was not submitted in the environment {environment.name}",
            fix=f"deploy its stack: cdk deploy -c environment={environment.name} {stack}",
            where={"stack": stack},
        )
    near = difflib.get_close_matches(name, environment.jobs, n=3)
    meant = f"did you mean {' or '.join(near)}? " if near else ""
    return failure(
        code=ExitCode.FINDINGS,
        id="no-job",
        message=f"there is no job {name!r} in the environment {environment.name}",
        fix=f"{meant}see `finetune jobs` for the names there are",
    )


def _not_deployed(*, environment: Environment, job: str, config: Path) -> CommandError:
    base = environment.jobs[job].base_model if job in environment.jobs else None
    ways = _ways(base)
    kinds = " or ".join(ways) if ways else "on_demand or provisioned"
    return failure(
        code=ExitCode.FINDINGS,
        id="not-deployed",
        message=f"no model of the job {job} is deployed in the environment {environment.name}",
        fix=f"set jobs.{job}.deployment.kind to {kinds}, and inference.enabled to true, in"
        f" {config / f'{environment.name}.yaml'}, then: cdk deploy -c"
        f" environment={environment.name} --all",
        where={"file": str(config / f"{environment.name}.yaml"), "property": f"jobs.{job}"},
    )


def _ways(base_model: str | None) -> list[str]:
    """How custom models of a base model are served, by the settings' words."""
    from settings import foundation_models  # noqa: PLC0415 loaded when used

    known = foundation_models().get(base_model or "")
    return [way.replace("-", "_") for way in known.inference] if known else []


def _not_serving(served: Served, *, environment: Environment, job: str) -> CommandError:
    minutes = int((datetime.now(UTC) - served.created).total_seconds() // 60)
    if served.status == "Failed":
        return failure(
            code=ExitCode.FINDINGS,
            id="deployment-failed",
            message=f"the deployment {served.name} has failed"
            + (f": {served.failure}" if served.failure else ", and Bedrock says not why"),
            fix=f"take the reason away and deploy again: cdk deploy -c"
            f" environment={environment.name} {environment.stack(f'job-{job}')}",
        )
    return failure(
        code=ExitCode.TIMED_OUT,
        id="still-deploying",
        message=f"the deployment {served.name} is still {served.status}, since"
        f" {served.created.astimezone(UTC):%H:%M} UTC ({minutes} min)",
        fix="try again in some minutes; AWS says not how long it takes",
    )


def _no_invoker(*, environment: Environment, function: str) -> CommandError:
    return failure(
        code=ExitCode.FINDINGS,
        id="no-inference",
        message=f"there is no function {function}: the environment {environment.name} calls no"
        " models",
        fix="set inference.enabled: true in its settings and deploy: cdk deploy -c"
        f" environment={environment.name} --all",
        where={"property": "inference.enabled"},
    )


def _refused(payload: Mapping[str, Any], *, environment: Environment) -> CommandError:
    """Return the error for what the function raised: its text names the cause and the remedy."""
    kind = str(payload.get("errorType", ""))
    text = " ".join(str(payload.get("errorMessage", "")).split())
    message, _, remedy = text.partition("; remedy: ")
    log = environment.stack("invoker")
    if any(code in (kind, *_WORD.findall(text)) for code in _THROTTLED):
        code, name = ExitCode.AWS, "throttled"
        fix = remedy or "try again in a minute"
        message = f"Bedrock has no room for the question just now: {message}"
    elif any(code in (kind, *_WORD.findall(text)) for code in _DENIED):
        code, name = ExitCode.AWS, "access-denied"
        fix = remedy or f"compare with what is deployed: cdk diff -c environment={environment.name}"
        message = f"the model may not be called: {message}"
    else:
        late = "Task timed out" in text or "there was no answer after" in text
        code, name = (ExitCode.TIMED_OUT if late else ExitCode.AWS), "not-answered"
        fix = remedy or f"read the log group /aws/lambda/{log}; it holds no text of the question"
        message = f"the model did not answer: {message or 'the function says not why'}"
    return failure(code=code, id=name, message=message, fix=fix)
