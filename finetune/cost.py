"""`finetune cost`: what an environment costs at rest, for its jobs, and while models are served."""

import datetime
from collections.abc import Mapping
from typing import TYPE_CHECKING, Annotated

import typer

from finetune.environments import (
    DEFAULT_CONFIG,
    DEFAULT_ENVIRONMENT,
    ConfigOption,
    EnvironmentOption,
    finding_of,
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
    from settings.cost import Costs, Estimate, Line

SERVED = ("on-demand", "provisioned")
"""Ways of serving a custom model."""


def cost(
    *,
    serve: Annotated[
        str | None,
        typer.Option(
            "--serve", metavar="HOW", help="Serving the models too: on-demand or provisioned."
        ),
    ] = None,
    hours: Annotated[
        float | None, typer.Option("--hours", min=0, help="For how many hours; 1 by default.")
    ] = None,
    until: Annotated[
        str | None,
        typer.Option("--until", metavar="TIME", help="From now to a time, such as 2026-12-24T18."),
    ] = None,
    units: Annotated[
        int, typer.Option("--units", min=1, help="Model units of provisioned throughput.")
    ] = 1,
    environment: EnvironmentOption = DEFAULT_ENVIRONMENT,
    config: ConfigOption = DEFAULT_CONFIG,
    as_json: JsonOption = False,
) -> None:
    """Estimate costs by list prices: a month at rest, each job, and serving its model.

    Prices are dated; what no price is known for is said to be unknown. Own prices go into
    prices.override.yaml beside the settings. Ends with 1 when the settings' budget is exceeded.
    """

    def action(output: Output) -> Mapping[str, object]:
        if serve is not None and serve not in SERVED:
            raise failure(
                code=ExitCode.USAGE,
                id="unknown-way-of-serving",
                message=f"--serve must be {' or '.join(SERVED)}, got {serve}",
                fix="leave it out for what training costs alone",
            )
        duration = _hours(hours=hours, until=until)
        from settings import SettingsError, load_settings  # noqa: PLC0415 loaded when used
        from settings.cost import costs_of, over_budget  # noqa: PLC0415

        try:
            settings = load_settings(
                environment=environment, directory=config, hold_to_budget=False
            )
            costs = costs_of(settings=settings, directory=config)
        except SettingsError as error:
            raise CommandError(
                code=ExitCode.USAGE,
                findings=[finding_of(each.as_json()) for each in error.findings],
            ) from error
        result = _tell(output, costs, serve=serve, hours=duration, units=units)
        over = [
            finding_of(each.as_json())
            for each in over_budget(costs, file=str(config / f"{environment}.yaml"))
        ]
        if over:
            raise CommandError(code=ExitCode.FINDINGS, findings=over, result=result)
        return result

    run_command(command="cost", as_json=as_json, action=action)


def _hours(*, hours: float | None, until: str | None) -> float:
    if hours is not None and until is not None:
        raise failure(
            code=ExitCode.USAGE,
            id="two-durations",
            message="--hours and --until were both given",
            fix="give one of them",
        )
    if until is None:
        return 1.0 if hours is None else hours
    now = datetime.datetime.now(datetime.UTC)
    try:
        end = datetime.datetime.fromisoformat(until)
    except ValueError as error:
        raise failure(
            code=ExitCode.USAGE,
            id="not-a-time",
            message=f"--until must be a time such as 2026-12-24T18:00Z, got {until}",
            fix="write year, month, day and hour; without a zone it is UTC",
        ) from error
    end = end if end.tzinfo else end.replace(tzinfo=datetime.UTC)
    if end <= now:
        raise failure(
            code=ExitCode.USAGE,
            id="time-is-past",
            message=f"--until must be later than now, got {until}",
            fix="write a time to come",
        )
    return (end - now).total_seconds() / 3600


def _tell(
    output: Output, costs: "Costs", *, serve: str | None, hours: float, units: int
) -> dict[str, object]:
    settings = costs.settings
    output.say(f"{settings.environment} in {settings.region}, by list prices in US dollars")
    at_rest = costs.at_rest()
    _say(output, "a month at rest", at_rest)
    output.say("by use, besides:")
    for line in costs.by_use():
        _say_line(output, line)
    jobs: dict[str, dict[str, object]] = {}
    for name, job in settings.jobs.items():
        training = costs.training(job)
        _say(output, f"training {name}", training)
        jobs[name] = {"training": _estimate(training)}
        if job.deployment.wanted:
            deployment = costs.deployment(job)
            _say(output, f"deploying {name} as its settings ask for", deployment)
            jobs[name]["deployment"] = _estimate(deployment)
        if serve is None:
            continue
        hour = costs.serving(job, how=serve, units=units)
        whole = costs.serving(job, how=serve, units=units, hours=hours)
        _say(output, f"serving {name} {serve}, an hour", hour)
        _say(output, f"serving {name} {serve}, for {hours:.4g} hours", whole)
        tokens = costs.tokens_served(job) if serve == "on-demand" else ()
        for line in tokens:
            _say_line(output, line)
        jobs[name] |= {
            "hour": _estimate(hour),
            "serving": _estimate(whole),
            "tokens": [_line(each) for each in tokens],
        }
    for text in _remarks(costs):
        output.add(Finding(id="uncertain-price", level="note", message=text, fix=""))
    return {
        "environment": settings.environment,
        "region": settings.region,
        "currency": "USD",
        "at_rest": _estimate(at_rest),
        "by_use": [_line(each) for each in costs.by_use()],
        "jobs": jobs,
    }


def _say(output: Output, what: str, estimate: "Estimate") -> None:
    output.say(f"{what}: {estimate.text}")
    for line in estimate.lines:
        _say_line(output, line)


def _say_line(output: Output, line: "Line") -> None:
    from settings.cost import money  # noqa: PLC0415 loaded when used

    amount = "unknown" if line.dollars is None else money(line.dollars)
    dated = f" (read {line.price.read})" if line.price else ""
    output.say(f"    {amount:>12}  {line.what}: {line.how}{dated}")


def _remarks(costs: "Costs") -> list[str]:
    """What is not certain of the prices that were used, each once."""
    jobs = costs.settings.jobs.values()
    estimates = [costs.at_rest(), *map(costs.training, jobs), *map(costs.deployment, jobs)]
    found = {
        f"{line.price.name}: {line.price.uncertain}"
        for estimate in estimates
        for line in estimate.lines
        if line.price is not None and line.price.uncertain
    }
    return sorted(found)


def _estimate(estimate: "Estimate") -> dict[str, object]:
    return {
        "known_dollars": round(estimate.dollars, 6),
        "complete": not estimate.unknown,
        "lines": [_line(each) for each in estimate.lines],
    }


def _line(line: "Line") -> dict[str, object]:
    price = line.price
    return {
        "what": line.what,
        "dollars": None if line.dollars is None else round(line.dollars, 6),
        "how": line.how,
        "price": None
        if price is None
        else {
            "name": price.name,
            "dollars": price.dollars,
            "source": price.source,
            "read": price.read,
            "uncertain": price.uncertain,
        },
    }
