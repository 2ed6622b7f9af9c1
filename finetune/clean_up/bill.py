"""What a thing costs by the month, by list prices: unknown is unknown, and never nothing."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Final

from finetune.clean_up.things import Kind, Thing
from settings.cost import HOURS_A_MONTH, Estimate, Line, money
from settings.prices import ENVIRONMENT, OVERRIDES, Price, Prices

_GIGABYTE: Final = 1_000_000_000
_BY_USE: Final[Mapping[Kind, str]] = {
    Kind.DEPLOYMENT: "paid by tokens, and nothing while nobody asks",
    Kind.SCHEDULE: "paid when it fires",
    Kind.SCHEDULE_GROUP: "paid by what its schedules do",
    Kind.STACK: "what it owns is paid for, each on its own",
    Kind.RULE: "nothing is paid for events of AWS",
    Kind.STATE_MACHINE: "paid by its steps",
    Kind.FUNCTION: "paid by its calls",
    Kind.QUEUE: "paid by requests",
    Kind.TOPIC: "paid by messages",
    Kind.INTERFACE: "nothing is paid for it",
    Kind.VPC: "nothing is paid for it",
    Kind.ROLE: "nothing is paid for it",
    Kind.POLICY: "nothing is paid for it",
}
"""Kinds of which nothing is paid for while nobody uses them, and why."""


def monthly(thing: Thing, prices: Prices) -> Line:
    """What a thing costs in a month in which nothing happens, if it stays as it is."""
    if thing.kind in _BY_USE:
        return Line(what=thing.name, dollars=0.0, how=_BY_USE[thing.kind])
    return _PAID[thing.kind](thing, prices)


def total(lines: Iterable[Line]) -> Estimate:
    """Lines and their sum."""
    return Estimate(lines=tuple(lines))


def shown(line: Line) -> str:
    """A line's amount for a table: dollars, nothing, or that it is unknown."""
    if line.dollars is None:
        return "unknown"
    if line.dollars == 0:
        return "nothing"
    return "< $0.01" if line.dollars < 0.01 else money(line.dollars)


def _throughput(thing: Thing, prices: Prices) -> Line:
    base, units = thing.details.get("base"), int(thing.details.get("units", "1"))
    what = f"{units} model {'unit' if units == 1 else 'units'}"
    commitment = thing.details.get("commitment")
    if commitment:
        return _unknown(thing, f"{what} under a commitment ({commitment}), which has its own price")
    price = prices.find(base, "model_unit_hour") if base else None
    return _counted(
        thing, price, units * HOURS_A_MONTH, f"{what} for {HOURS_A_MONTH} hours",
        missing=f"{base or 'its base model'}.model_unit_hour",
    )  # fmt: skip


def _job(thing: Thing, prices: Prices) -> Line:
    del prices
    if thing.state in {"Completed", "Failed", "Stopped"}:
        return Line(what=thing.name, dollars=0.0, how="a record of Bedrock's")
    return _unknown(thing, "it trains, and is paid by the tokens it reads, once")


def _model(thing: Thing, prices: Prices) -> Line:
    base = thing.details.get("base")
    price = prices.find(base, "model_month") if base else None
    return _counted(
        thing, price, 1, "one custom model kept", missing=f"{base or 'its base model'}.model_month"
    )


def _alarm(thing: Thing, prices: Prices) -> Line:
    metrics = int(thing.details.get("metrics", "1"))
    price = prices.find(ENVIRONMENT, "alarm_metric_month")
    return _counted(
        thing, price, metrics, f"{metrics} {'metric' if metrics == 1 else 'metrics'}",
        missing=f"{ENVIRONMENT}.alarm_metric_month",
    )  # fmt: skip


def _endpoint(thing: Thing, prices: Prices) -> Line:
    if thing.details.get("type") == "Gateway":
        return Line(what=thing.name, dollars=0.0, how="nothing is paid for a gateway endpoint")
    zones = int(thing.details.get("zones", "1"))
    return _counted(
        thing, prices.find(ENVIRONMENT, "endpoint_zone_hour"), zones * HOURS_A_MONTH,
        f"{zones} {'zone' if zones == 1 else 'zones'} for {HOURS_A_MONTH} hours",
        missing=f"{ENVIRONMENT}.endpoint_zone_hour",
    )  # fmt: skip


def _log_group(thing: Thing, prices: Prices) -> Line:
    gigabytes = int(thing.details.get("bytes", "0")) / _GIGABYTE
    return _counted(
        thing, prices.find(ENVIRONMENT, "log_gigabyte_month"), gigabytes, f"{gigabytes:.3g} GB",
        missing=f"{ENVIRONMENT}.log_gigabyte_month",
    )  # fmt: skip


def _key(thing: Thing, prices: Prices) -> Line:
    if thing.state == "PendingDeletion":
        # https://aws.amazon.com/kms/pricing/
        return Line(what=thing.name, dollars=0.0, how="nothing is paid until its deletion")
    return _counted(
        thing, prices.find(ENVIRONMENT, "key_month"), 1, "one key",
        missing=f"{ENVIRONMENT}.key_month",
    )  # fmt: skip


def _stored(thing: Thing, prices: Prices) -> Line:
    del prices
    return _unknown(thing, "paid by what is stored, and no price of that is in the table")


def _dashboard(thing: Thing, prices: Prices) -> Line:
    return _counted(
        thing, prices.find(ENVIRONMENT, "dashboard_month"), 1, "one dashboard",
        missing=f"{ENVIRONMENT}.dashboard_month",
    )  # fmt: skip


_PAID: Final[Mapping[Kind, Callable[[Thing, Prices], Line]]] = {
    Kind.THROUGHPUT: _throughput,
    Kind.JOB: _job,
    Kind.MODEL: _model,
    Kind.ALARM: _alarm,
    Kind.DASHBOARD: _dashboard,
    Kind.ENDPOINT: _endpoint,
    Kind.TABLE: _stored,
    Kind.BUCKET: _stored,
    Kind.LOG_GROUP: _log_group,
    Kind.KEY: _key,
}


def _counted(thing: Thing, price: Price | None, count: float, how: str, *, missing: str) -> Line:
    if price is None:
        return _unknown(thing, f"{how}; no price is known for {missing}: put it into {OVERRIDES}")
    return Line(
        what=thing.name, dollars=count * price.dollars, how=f"{how} at ${price.dollars:g}",
        price=price,
    )  # fmt: skip


def _unknown(thing: Thing, how: str) -> Line:
    return Line(what=thing.name, dollars=None, how=how)
