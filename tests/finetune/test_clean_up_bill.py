"""What things cost by the month, how old they are, and how that is shown."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from rich.console import Console

from finetune.clean_up import bill, picture
from finetune.clean_up.survey import Entry
from finetune.clean_up.things import Fate, Judged, Kind, Thing
from settings.prices import Prices, read_prices

MODEL = "amazon.nova-2-lite-v1:0:256k"
LONGEST = "dev-a-job-of-thirty-characters-x-0123456789abcdef-12-abc123"


@pytest.fixture(scope="module")
def prices(tmp_path_factory: pytest.TempPathFactory) -> Prices:
    """The committed prices."""
    return read_prices(region="us-east-1", directory=tmp_path_factory.mktemp("config"))


def thing(kind: Kind, *, name: str = "it", state: str = "", **details: str) -> Thing:
    return Thing(
        kind=kind,
        name=name,
        id=name,
        region="us-east-1",
        environment="dev",
        state=state,
        details=details,
        created=datetime.now(UTC) - timedelta(days=3),
    )


@pytest.mark.parametrize(
    ("kind", "details", "dollars"),
    [
        (Kind.THROUGHPUT, {"base": MODEL, "units": "3"}, 3 * 60.50 * 730),
        (Kind.MODEL, {"base": MODEL}, 1.95),
        (Kind.ENDPOINT, {"type": "Interface", "zones": "3"}, 3 * 0.01 * 730),
        (Kind.ENDPOINT, {"type": "Gateway"}, 0),
        (Kind.ALARM, {"metrics": "2"}, 0.20),
        (Kind.KEY, {}, 1.0),
        (Kind.LOG_GROUP, {"bytes": "2000000000"}, 0.06),
        (Kind.DEPLOYMENT, {}, 0),
        (Kind.TOPIC, {}, 0),
    ],
)
def test_a_month_is_counted_by_the_price_table(
    prices: Prices, kind: Kind, details: Mapping[str, str], dollars: float
) -> None:
    assert bill.monthly(thing(kind, **details), prices).dollars == pytest.approx(dollars)


@pytest.mark.parametrize(
    ("kind", "details"),
    [
        (Kind.THROUGHPUT, {"base": MODEL, "commitment": "SixMonths"}),
        (Kind.THROUGHPUT, {"base": "somebody.new-model-v1:0"}),
        (Kind.THROUGHPUT, {}),
        (Kind.MODEL, {}),
        (Kind.BUCKET, {}),
        (Kind.TABLE, {}),
    ],
)
def test_what_has_no_price_is_unknown(
    prices: Prices, kind: Kind, details: Mapping[str, str]
) -> None:
    line = bill.monthly(thing(kind, **details), prices)
    assert (line.dollars, bill.shown(line)) == (None, "unknown")


def test_a_key_costs_nothing_while_it_waits_for_its_deletion(prices: Prices) -> None:
    assert bill.monthly(thing(Kind.KEY, state="PendingDeletion"), prices).dollars == 0


def test_every_kind_has_a_price_or_a_reason_for_none(prices: Prices) -> None:
    assert all(bill.monthly(thing(kind), prices).how for kind in Kind)


@pytest.mark.parametrize(
    ("seconds", "said"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (7199, "1 h"), (86_400, "1 d"), (-5, "0 s")],
)
def test_an_age_is_said_in_its_largest_unit(seconds: int, said: str) -> None:
    now = datetime(2026, 11, 23, tzinfo=UTC)
    assert picture.age(now - timedelta(seconds=seconds), now=now) == said


def test_an_age_nobody_knows_is_not_made_up() -> None:
    assert picture.age(None) == "?"


def entry(prices: Prices, judged: Judged) -> Entry:
    return Entry(judged=judged, cost=bill.monthly(judged.thing, prices))


def test_names_are_whole_on_a_terminal_of_100_columns(prices: Prices, tmp_path: Path) -> None:
    judged = Judged(
        thing=thing(Kind.THROUGHPUT, name=LONGEST, base=MODEL, units="100"),
        fate=Fate.FORGOTTEN,
        why="past its end, 2026-11-23 11:00 UTC",
        stays="AWS deletes it only after its commitment, 2027-05-23T11:00:00+00:00",
    )
    with (tmp_path / "shown").open("w+", encoding="utf-8") as file:
        Console(file=file, width=100).print(
            picture.table([entry(prices, judged)], fate=Fate.FORGOTTEN)
        )
        file.seek(0)
        lines = file.read().splitlines()
    assert any(LONGEST in line and "$4,416,500.00" in line and "3 d" in line for line in lines)
    assert max(map(len, lines)) <= 100
    assert "past its end" in " ".join(lines)


def test_a_sum_says_what_it_leaves_out(prices: Prices) -> None:
    def kept(kind: Kind, **details: str) -> Entry:
        return entry(prices, Judged(thing=thing(kind, **details), fate=Fate.KEPT, why="so"))

    key, bucket, role = kept(Kind.KEY), kept(Kind.BUCKET), kept(Kind.ROLE)
    assert picture.total_of([key, role]) == "$1.00 a month"
    assert picture.total_of([key, bucket]) == "$1.00 a month and what is unknown"
    assert picture.total_of([bucket, role]) == "unknown"
    assert picture.total_of([role]) == "nothing at rest"
