"""What an environment costs by list prices: at rest, for a job, and for serving a model.

An estimate says what it counts and at which price; what no price is known for stays unknown and is
never counted as nothing.
"""

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from settings.errors import Finding
from settings.model import Job, Settings
from settings.prices import ENVIRONMENT, OVERRIDES, Price, Prices, read_prices

HOURS_A_MONTH = 730
"""Hours of a month, as AWS's calculator takes them."""
INTERFACE_ENDPOINTS = ("kms", "bedrock")
"""Services with an interface endpoint in every service zone."""
INFERENCE_ENDPOINTS = ("bedrock-runtime",)
"""Those besides, where models are deployed and called."""
KEYS = ("data", "model")
"""Customer managed keys."""
ALARM_METRICS = 3
"""Metrics that the alarms watch; an alarm is paid by them."""
INFERENCE_ALARM_METRICS = 7
"""Those besides, where models are deployed and called."""
INFERENCE_DASHBOARDS = 1
"""Dashboards where models are deployed and called."""


COMMITMENTS = {"OneMonth": "a month", "SixMonths": "six months"}
"""Commitments in words."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Line:
    """One thing that is paid for."""

    what: str
    """In words."""
    dollars: float | None
    """US dollars; None when that is unknown."""
    how: str
    """How it was counted, or why it is unknown."""
    price: Price | None = None
    """The price it was counted with."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Estimate:
    """Lines and their sum."""

    lines: tuple[Line, ...]

    @property
    def dollars(self) -> float:
        """The sum of what is known."""
        return math.fsum(line.dollars for line in self.lines if line.dollars is not None)

    @property
    def unknown(self) -> tuple[Line, ...]:
        """What no price is known for."""
        return tuple(line for line in self.lines if line.dollars is None)

    @property
    def text(self) -> str:
        """The sum in words: `$46.00`, `$46.00 and what is unknown`, or `unknown`."""
        if not self.unknown:
            return money(self.dollars)
        known = [line for line in self.lines if line.dollars is not None]
        return f"{money(self.dollars)} and what is unknown" if known else "unknown"


def money(dollars: float) -> str:
    """US dollars; cents are rounded up, and less than one is said to be so."""
    if 0 < dollars < 0.01:
        return "less than $0.01"
    return f"${math.ceil(dollars * 100 - 1e-6) / 100:,.2f}"


@dataclass(frozen=True, kw_only=True)
class Costs:
    """The estimates of an environment."""

    settings: Settings
    prices: Prices

    def at_rest(self) -> Estimate:
        """A month in which nothing happens: what the environment keeps, and the jobs' models."""
        zones = len(self.settings.network.service_zones)
        inference = self.settings.inference.enabled
        endpoints = (*INTERFACE_ENDPOINTS, *(INFERENCE_ENDPOINTS if inference else ()))
        metrics = ALARM_METRICS + (INFERENCE_ALARM_METRICS if inference else 0)
        return Estimate(
            lines=(
                self._counted(
                    what=f"interface endpoints of {', '.join(endpoints[:-1])} and {endpoints[-1]}",
                    name="endpoint_zone_hour",
                    count=len(endpoints) * zones * HOURS_A_MONTH,
                    how=f"{len(endpoints)} endpoints in {zones} zones for {HOURS_A_MONTH} hours",
                ),
                self._counted(
                    what="customer managed keys",
                    name="key_month",
                    count=len(KEYS),
                    how=f"{len(KEYS)} keys",
                ),
                self._counted(
                    what="alarms",
                    name="alarm_metric_month",
                    count=metrics,
                    how=f"{metrics} metrics that alarms watch",
                ),
                *([self._dashboards()] if inference else ()),
                *(self._kept(name, job) for name, job in self.settings.jobs.items()),
            )
        )

    def _dashboards(self) -> Line:
        return self._counted(
            what="dashboard",
            name="dashboard_month",
            count=INFERENCE_DASHBOARDS,
            how="one dashboard, as if the account had its three free ones already",
        )

    def by_use(self) -> tuple[Line, ...]:
        """What is paid by how much there is of it, each for one unit."""
        units = {
            "log_gigabyte": "logs taken in, a gigabyte",
            "log_gigabyte_month": "logs kept, a gigabyte for a month",
        }
        return tuple(
            self._counted(what=what, name=name, count=1, how="one unit")
            for name, what in units.items()
        )

    def training(self, job: Job) -> Estimate:
        """One run of a job."""
        match job.customization_type:
            case "REINFORCEMENT_FINE_TUNING":
                return Estimate(lines=(_unknown_hours(job),))
            case "DISTILLATION":
                teacher = Line(
                    what="the teacher's answers",
                    dollars=None,
                    how="paid by the tokens of prompts and answers, which nobody knows before",
                )
                return Estimate(lines=(teacher, self._tokens(job)))
            case _:
                return Estimate(lines=(self._tokens(job),))

    def serving(self, job: Job, *, how: str, units: int = 1, hours: float = 1) -> Estimate:
        """Serving a job's model: `on-demand` or `provisioned`, for hours with model units."""
        model = job.model
        if how not in model.inference:
            line = Line(
                what=f"{model.name}, {how}",
                dollars=None,
                how=f"a custom model of it is served {' or '.join(model.inference)} only",
            )
            return Estimate(lines=(line,))
        if how == "on-demand":
            line = Line(
                what=f"{model.name} on demand, while nobody asks",
                dollars=0.0,
                how="paid by tokens, and nothing by the hour",
            )
            return Estimate(lines=(line,))
        price = self.prices.find(model.id, "model_unit_hour")
        line = _line(
            what=f"{model.name}, provisioned throughput",
            price=price,
            count=units * hours,
            how=f"{units} model {'unit' if units == 1 else 'units'} for {hours:g} hours",
            missing=f"{model.id}.model_unit_hour",
        )
        return Estimate(lines=(line,))

    def deployment(self, job: Job) -> Estimate:
        """Serving a job's model as its settings ask for, until its end; nothing for no deployment.

        A commitment's price is not in any table of the app, and so is unknown.
        """
        wish = job.deployment
        if wish.kind == "none":
            return Estimate(lines=())
        if wish.kind == "on_demand":
            return self.serving(job, how="on-demand")
        if wish.commitment is not None:
            line = Line(
                what=f"{job.model.name}, provisioned throughput under a commitment",
                dollars=None,
                how=f"{wish.model_units} model units for {COMMITMENTS[wish.commitment]}; AWS's"
                " prices of commitments are not in the catalogue",
            )
            return Estimate(lines=(line,))
        return self.serving(job, how="provisioned", units=wish.model_units, hours=wish.hours)

    def tokens_served(self, job: Job) -> tuple[Line, ...]:
        """A thousand tokens to and from a job's model, served on demand."""
        return tuple(
            _line(
                what=f"a thousand {which} tokens of {job.model.name}",
                price=self.prices.find(job.model.id, f"{which}_tokens"),
                count=1,
                how="on demand",
                missing=f"{job.model.id}.{which}_tokens",
            )
            for which in ("input", "output")
        )

    def _counted(self, *, what: str, name: str, count: float, how: str) -> Line:
        price = self.prices.find(ENVIRONMENT, name)
        return _line(what=what, price=price, count=count, how=how, missing=f"{ENVIRONMENT}.{name}")

    def _kept(self, name: str, job: Job) -> Line:
        return _line(
            what=f"the model of {name}, once it is trained",
            price=self.prices.find(job.model.id, "model_month"),
            count=1,
            how="one custom model kept",
            missing=f"{job.model.id}.model_month",
        )

    def _tokens(self, job: Job) -> Line:
        what = f"training {job.model.name}"
        tokens, epochs = estimated_tokens(job), epochs_of(job)
        if tokens is None:
            return Line(what=what, dollars=None, how="nobody knows how many tokens the logs hold")
        if epochs is None:
            return Line(
                what=what,
                dollars=None,
                how="the number of epochs is not set, and AWS documents no default: set epochCount",
            )
        return _line(
            what=what,
            price=self.prices.find(job.model.id, "training_tokens"),
            count=tokens * epochs / 1000,
            how=f"about {tokens:,} tokens (an estimate: bytes of the data set, by the characters"
            f" AWS counts as a token) in {epochs:g} epochs",
            missing=f"{job.model.id}.training_tokens",
        )


def _unknown_hours(job: Job) -> Line:
    return Line(
        what=f"reinforcement fine-tuning of {job.model.name}",
        dollars=None,
        how="paid by the hour, and nobody knows before how many it takes",
    )


def _line(*, what: str, price: Price | None, count: float, how: str, missing: str) -> Line:
    if price is None:
        return Line(
            what=what,
            dollars=None,
            how=f"{how}; no price is known for {missing}: put it into {OVERRIDES}",
        )
    return Line(
        what=what,
        dollars=count * price.dollars,
        how=f"{how} at ${price.dollars:g}",
        price=price,
    )


def estimated_tokens(job: Job) -> int | None:
    """Tokens of a job's training data, by AWS's rule of characters; None for logs of calls.

    Bytes are counted as characters and the marks of JSON too, so it is rather too many.
    """
    family = job.model.families.get(job.customization_type)
    if job.training_data is None or family is None:
        return None
    return math.ceil(job.training_data.bytes / family.characters_per_token)


def epochs_of(job: Job) -> float | None:
    """Epochs a job trains: the setting, or AWS's default where it documents one."""
    given = job.hyperparameters.get("epochCount")
    if given is not None:
        try:
            return float(given)
        except ValueError:
            return None
    known = job.model.hyperparameters_by_method.get(job.customization_type) or {}
    return known["epochCount"].default if "epochCount" in known else None


def costs_of(*, settings: Settings, directory: Path) -> Costs:
    """The costs of an environment, by the prices beside its settings and the committed ones.

    Raises `SettingsError` when `prices.override.yaml` is wrong.
    """
    return Costs(settings=settings, prices=read_prices(region=settings.region, directory=directory))


def in_one_line(costs: Costs) -> str:
    """At rest and for each job, as synth says it."""
    jobs = [
        f"{name} {costs.training(job).text} to train"
        + (f", {costs.deployment(job).text} to deploy" if job.deployment.wanted else "")
        for name, job in costs.settings.jobs.items()
    ]
    return "; ".join(
        [
            f"list prices: {costs.settings.environment} {costs.at_rest().text} a month at rest",
            *jobs,
            f"see `finetune cost -e {costs.settings.environment}`",
        ]
    )


def over_budget(costs: Costs, *, file: str) -> Iterator[Finding]:
    """What the settings' budget refuses."""
    budget = costs.settings.budget
    estimates: dict[str, tuple[str, float | None, Estimate]] = {
        "month": ("a month at rest", budget.month, costs.at_rest()),
    }
    for name, job in costs.settings.jobs.items():
        estimates[f"job {name}"] = (f"training {name}", budget.job, costs.training(job))
        if job.deployment.wanted:
            what = f"deploying {name} until its end"
            estimates[f"deployment {name}"] = (what, budget.deployment, costs.deployment(job))
    for key, (what, limit, estimate) in estimates.items():
        if limit is None:
            continue
        field = f"budget.{key.split()[0]}"
        if estimate.dollars > limit:
            yield Finding(
                id="settings.over-budget",
                file=file,
                field=field,
                problem=f"{what} costs {estimate.text} by list prices",
                got=money(limit),
                allowed=f"at least {money(estimate.dollars)} for what the settings ask for",
                fix="raise the budget, or ask for less: fewer service zones, epochs, hours or jobs;"
                " see `finetune cost`",
            )
        elif estimate.unknown and not budget.accept_unknown_prices:
            yield Finding(
                id="settings.unknown-price",
                file=file,
                field=field,
                problem=f"nobody can say that {what} stays below the budget: "
                + "; ".join(f"{line.what}: {line.how}" for line in estimate.unknown),
                got=money(limit),
                allowed="a budget for what has known prices",
                fix=f"put the price into {OVERRIDES}, take the limit away, or set"
                " budget.accept_unknown_prices: true",
            )


def by_job(costs: Costs) -> Mapping[str, Estimate]:
    """The training of each job, by its name."""
    return {name: costs.training(job) for name, job in costs.settings.jobs.items()}
