"""List prices: the committed table, and an environment's own prices that go before it."""

import datetime
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

from pydantic import BaseModel, ConfigDict, Field, ValidationError

from settings import catalogue_files
from settings.errors import Finding, SettingsError, shown_path
from settings.source import dotted, read_yaml

OVERRIDES = "prices.override.yaml"
"""Name of the file with own prices, beside the settings files."""
ENVIRONMENT = "environment"
"""The row of what an environment has whatever it trains."""


@dataclass(frozen=True, kw_only=True, slots=True)
class Price:
    """What one unit of something costs."""

    name: str
    """Row and name, such as `environment.key_month`."""
    dollars: float
    """US dollars."""
    source: str
    """Page or document it was read in."""
    read: str
    """Day it was read, YYYY-MM-DD; `undated` where nobody knows."""
    uncertain: str | None = None
    """What is not confirmed of it."""


class OwnPrices(BaseModel):
    """A row of own prices; names as in the committed table."""

    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)

    source: Annotated[str, Field(min_length=1)]
    """Where the prices are from, such as an agreement or the AWS Price List."""
    read: datetime.date
    """Day they were read."""
    prices: Mapping[str, Annotated[float, Field(ge=0, allow_inf_nan=False)]]
    """US dollars by name."""


class Prices:
    """Prices of one Region."""

    def __init__(self, *, region: str, own: Mapping[str, OwnPrices]) -> None:
        self._region = region
        self._own = own
        self._readings = catalogue_files.readings()
        known = catalogue_files.committed_facts()
        self._facts = {fact.path: fact for fact in known}
        gone = catalogue_files.undated(known=known, read=self._readings)
        self._undated = {each.path for each in gone}

    def find(self, row: str, name: str) -> Price | None:
        """The price of a row's name in the Region; None when nobody knows it."""
        own = self._own.get(row)
        if own is not None and name in own.prices:
            return Price(
                name=f"{row}.{name}",
                dollars=own.prices[name],
                source=own.source,
                read=own.read.isoformat(),
            )
        rows = catalogue_files.table("prices")
        fact = self._facts.get(f"prices/{row}/{name}")
        if fact is None or self._region not in rows[row]["regions"]:
            return None
        day = "undated" if fact.path in self._undated else self._readings[fact.path]["read"]
        return Price(
            name=f"{row}.{name}",
            dollars=float(str(fact.value)),
            source=fact.source,
            read=day,
            uncertain=fact.uncertain,
        )


def names() -> frozenset[str]:
    """Every name a price may have."""
    return frozenset(
        name for row in catalogue_files.table("prices").values() for name in _priced(row)
    ) | {"training_hours", "training_tokens"}


def _priced(row: Mapping[str, Any]) -> list[str]:
    return [name for name in catalogue_files.content(row) if name != "regions"]


def read_prices(*, region: str, directory: Path) -> Prices:
    """The prices of a Region, with those of `prices.override.yaml` before the committed ones.

    Raises `SettingsError` when that file is there and wrong.
    """
    path = directory / OVERRIDES
    if not path.exists():
        return Prices(region=region, own={})
    source = read_yaml(path=path)
    findings = list(source.findings)
    own: dict[str, OwnPrices] = {}
    rows = source.values if isinstance(source.values, dict) else {}
    if source.values is not None and not isinstance(source.values, dict):
        findings.append(_broken(path, "", "the file is not a mapping", "something else", None))
    for name, row in rows.items():
        values = dict(row) if isinstance(row, dict) else {}
        about = {key: values.pop(key) for key in ("source", "read") if key in values}
        for unknown in sorted(set(values) - names()):
            _, mark = source.nearest((name, unknown))
            findings.append(
                _broken(
                    path, f"{name}.{unknown}", "there is no such price", unknown,
                    mark.line if mark else None,
                )
            )  # fmt: skip
        try:
            own[name] = OwnPrices.model_validate({**about, "prices": values})
        except ValidationError as error:
            for detail in error.errors(include_url=False):
                where = tuple(part for part in detail["loc"] if part != "prices")
                _, mark = source.nearest((name, *where))
                findings.append(
                    _broken(
                        path, dotted((name, *where)), detail["msg"].lower(),
                        mark.text if mark else "nothing", mark.line if mark else None,
                    )
                )  # fmt: skip
    if findings:
        raise SettingsError(findings)
    return Prices(region=region, own=own)


def _broken(path: Path, field: str, problem: str, got: str, line: int | None) -> Finding:
    return Finding(
        id="settings.bad-price",
        file=shown_path(path),
        field=field,
        problem=problem,
        got=got,
        allowed="a row for `environment` or a base model's id, with `source`, `read` (a day) and"
        f" dollars for any of {', '.join(sorted(names()))}",
        fix="see docs/cost.md for an example",
        line=line,
    )
