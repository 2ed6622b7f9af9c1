"""How a survey is shown: a table a fate for a person, lines for a pipe, objects for a program."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from datetime import UTC, datetime
from typing import TYPE_CHECKING

from finetune.clean_up import bill
from finetune.clean_up.survey import Entry, Survey
from finetune.clean_up.things import Fate, Judged, Kind
from settings.cost import money

if TYPE_CHECKING:
    from rich.table import Table

HEADINGS = {
    Fate.FORGOTTEN: "forgotten: the app made it, and nobody wants it",
    Fate.KEPT: "kept by policy",
    Fate.IN_USE: "in use",
}
"""What is said above each table, the most urgent first."""


def age(created: datetime | None, *, now: datetime | None = None) -> str:
    """How old something is, in the largest whole unit; `?` where nobody knows."""
    if created is None:
        return "?"
    seconds = max(((now or datetime.now(UTC)) - created).total_seconds(), 0)
    for name, length in (("d", 86_400), ("h", 3_600), ("min", 60)):
        if seconds >= length:
            return f"{int(seconds // length)} {name}"
    return f"{int(seconds)} s"


def table(entries: Sequence[Entry], *, fate: Fate) -> Table:
    """A table of the things of one fate, which fits into 100 columns: names are not cut."""
    from rich import box  # noqa: PLC0415 slow to load
    from rich.console import Group  # noqa: PLC0415
    from rich.padding import Padding  # noqa: PLC0415
    from rich.table import Table  # noqa: PLC0415
    from rich.text import Text  # noqa: PLC0415

    drawn = Table(
        title=HEADINGS[fate],
        title_justify="left",
        title_style="bold red" if fate is Fate.FORGOTTEN else "bold",
        box=box.SIMPLE_HEAD,
        pad_edge=False,
        expand=True,
    )
    drawn.add_column("name, what it is, and why", overflow="fold", ratio=1)
    drawn.add_column("age", justify="right", no_wrap=True, min_width=6)
    drawn.add_column("a month", justify="right", no_wrap=True, min_width=11)
    for entry in entries:
        judged = entry.judged
        about = Text(f"{judged.thing.kind}: ").append(why(judged), style="dim")
        cell = Group(Text(judged.thing.name, style="bold"), Padding(about, (0, 0, 0, 2)))
        amount = bill.shown(entry.cost)
        drawn.add_row(
            cell,
            age(judged.thing.created),
            Text(amount, style="bold red" if (entry.cost.dollars or 0) >= 100 else ""),
        )
    return drawn


def why(judged: Judged) -> str:
    """Why something is in use, kept or forgotten, and why it stays, if it does."""
    return judged.why + (f"; {judged.stays}" if judged.stays else "")


def grouped(entries: Sequence[Entry]) -> Iterator[str]:
    """A line for each kind: how many, and what they cost together."""
    for kind in Kind:
        some = [entry for entry in entries if entry.judged.thing.kind is kind]
        if not some:
            continue
        named = kind.value if len(some) == 1 else kind.plural
        yield f"  {len(some):>4} {named:<22} {total_of(some)}"


def total_of(entries: Sequence[Entry]) -> str:
    """What things cost together, in words."""
    known = [entry.cost.dollars for entry in entries if entry.cost.dollars is not None]
    unknown = len(entries) - len(known)
    sum_of = math.fsum(known)
    if not unknown:
        return "nothing at rest" if sum_of == 0 else f"{money(sum_of)} a month"
    if sum_of == 0:
        return "unknown"
    return f"{money(sum_of)} a month and what is unknown"


def as_object(entry: Entry) -> dict[str, object]:
    """A thing as the JSON object has it."""
    judged, cost = entry.judged, entry.cost
    thing = judged.thing
    return {
        "kind": thing.kind.value,
        "name": thing.name,
        "id": thing.id,
        "environment": thing.environment,
        "region": thing.region,
        "job": thing.job,
        "tagged": thing.tagged,
        "state": thing.state or None,
        "created": thing.created.isoformat() if thing.created else None,
        "fate": judged.fate.value,
        "why": judged.why,
        "stays": judged.stays or None,
        "with_stack": judged.with_stack or None,
        "month": {
            "dollars": None if cost.dollars is None else round(cost.dollars, 6),
            "how": cost.how,
            "price_read": cost.price.read if cost.price else None,
            "uncertain": cost.price.uncertain if cost.price else None,
        },
    }


def as_result(found: Survey) -> dict[str, object]:
    """What `--json` says of a survey."""
    return {
        "regions": list(found.regions),
        "environments": sorted(found.wanted),
        "currency": "USD",
        "counts": {fate.value: len(found.of(fate)) for fate in Fate},
        "things": [as_object(entry) for entry in found.entries],
        "only_tagged": list(found.only_tagged),
    }
