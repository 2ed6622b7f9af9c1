"""What an account says of base models beside what the catalogue says, and taking it over."""

import datetime
import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from settings.base_models import FoundationModel
from settings.catalogue_files import BrokenCatalogueError, Rows

LISTED_METHODS = ("FINE_TUNING", "CONTINUED_PRE_TRAINING", "DISTILLATION")
"""Methods that ListFoundationModels tells of; it has no value for reinforcement fine-tuning.
https://docs.aws.amazon.com/bedrock/latest/APIReference/API_FoundationModelSummary.html"""
_INFERENCE = {"ON_DEMAND": "on-demand", "PROVISIONED": "provisioned"}


@dataclass(frozen=True, kw_only=True, slots=True)
class Seen:
    """A model as an account sees it in one Region."""

    id: str
    """`modelId`."""
    region: str
    """Where."""
    legacy: bool
    """Whether `modelLifecycle.status` is LEGACY."""
    end_of_life: datetime.date | None
    """`modelLifecycle.endOfLifeTime`."""
    methods: tuple[str, ...]
    """`customizationsSupported`."""
    inference: tuple[str, ...]
    """`inferenceTypesSupported`, in the catalogue's words."""

    @staticmethod
    def of(summary: Mapping[str, Any], *, region: str) -> "Seen":
        """The model that a summary of ListFoundationModels describes."""
        lifecycle = summary.get("modelLifecycle") or {}
        ends = lifecycle.get("endOfLifeTime")
        return Seen(
            id=str(summary["modelId"]),
            region=region,
            legacy=lifecycle.get("status") == "LEGACY",
            end_of_life=ends.date() if isinstance(ends, datetime.datetime) else None,
            methods=tuple(summary.get("customizationsSupported") or ()),
            inference=tuple(
                _INFERENCE[each]
                for each in summary.get("inferenceTypesSupported") or ()
                if each in _INFERENCE
            ),
        )


@dataclass(frozen=True, kw_only=True, slots=True)
class Difference:
    """A fact that the account sees otherwise."""

    model: str
    """Id of the base model."""
    fact: str
    """Name of the fact."""
    known: object
    """What the catalogue says."""
    seen: object
    """What the account says."""

    @property
    def path(self) -> str:
        """As in `Fact`."""
        return f"models/{self.model}/{self.fact}"


def differences(
    *,
    models: Mapping[str, FoundationModel],
    seen: Sequence[Seen],
    regions: Sequence[str],
) -> Iterator[Difference]:
    """What an account sees otherwise in the Regions it was asked in.

    Methods and ways of serving are not compared: the API leaves reinforcement out, and says how
    the base model is served, not a custom one.
    """
    for model in models.values():
        found = [each for each in seen if is_same(each.id, model.id)]
        yield from _lifecycle(model, found)
        yield from _regions(model, found, regions)


def is_same(listed: str, identifier: str) -> bool:
    """Whether a listed id is a base model's, with its context length or without."""
    return identifier == listed or identifier.startswith(f"{listed}:")


def _lifecycle(model: FoundationModel, found: Sequence[Seen]) -> Iterator[Difference]:
    if not found:
        return
    state = "legacy" if any(each.legacy for each in found) else "active"
    ends = min((each.end_of_life for each in found if each.end_of_life), default=None)
    if ends is not None and ends != model.end_of_life:
        yield Difference(
            model=model.id,
            fact="end_of_life",
            known=model.end_of_life.isoformat() if model.end_of_life else None,
            seen=ends.isoformat(),
        )
    # A model past its end may be listed for a while; that it ended is what counts.
    if state != model.state and not (state == "legacy" and model.state == "end-of-life"):
        yield Difference(model=model.id, fact="state", known=model.state, seen=state)


def _regions(
    model: FoundationModel, found: Sequence[Seen], regions: Sequence[str]
) -> Iterator[Difference]:
    methods = set(model.methods) & set(LISTED_METHODS)
    there = {each.region for each in found if methods & set(each.methods)}
    seen = sorted((set(model.regions) - set(regions)) | there)
    if seen != sorted(model.regions):
        yield Difference(model=model.id, fact="regions", known=list(model.regions), seen=seen)


def unlisted(*, models: Mapping[str, FoundationModel], seen: Sequence[Seen]) -> tuple[Seen, ...]:
    """Models that the account could customize and the catalogue does not know."""
    return tuple(
        each
        for each in seen
        if each.methods and not any(is_same(each.id, identifier) for identifier in models)
    )


def apply(*, text: str, rows: Rows, changes: Sequence[Difference]) -> str:
    """The text of `models.yaml` with the changed facts, and the account as their source.

    Everything else stays as it is, comments too. Raises `BrokenCatalogueError` when a row is not
    written as this expects, or a change cannot be made: a Legacy model without its day.
    """
    for model in dict.fromkeys(change.model for change in changes):
        own = {each.fact: each.seen for each in changes if each.model == model}
        row = rows[model]
        if own.get("state") == "legacy" and not (own.get("end_of_life") or row.get("end_of_life")):
            raise BrokenCatalogueError(
                f"{model} is Legacy in the account, which gives no day of its end: write state and"
                " end_of_life into settings/catalogue/models.yaml by hand, from its model card"
            )
        text = _with_row(text, model, row, own)
    return text


def _with_row(text: str, model: str, row: Mapping[str, Any], own: Mapping[str, object]) -> str:
    match = re.search(rf"(?m)^{re.escape(model)}:\n(?:(?:  .*)?\n)+", text)
    if match is None:
        raise BrokenCatalogueError(f"models.yaml has no row {model} in block style")
    block = match[0]
    for fact, value in own.items():
        block = _with_fact(block, fact, _written(value))
    sources = {**(row.get("sources") or {}), **dict.fromkeys(own, "account")}
    uncertain = {k: v for k, v in (row.get("uncertain") or {}).items() if k not in own}
    block = _with_mapping(block, "sources", sources)
    block = _with_mapping(block, "uncertain", uncertain)
    return text[: match.start()] + block + text[match.end() :]


def _written(value: object) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    return str(value)


def _with_fact(block: str, fact: str, value: str) -> str:
    line = f"  {fact}: {value}\n"
    changed, count = re.subn(rf"(?m)^  {fact}: .*\n", line, block)
    return changed if count else re.sub(r"(?m)^(  state: .*\n)", rf"\g<1>{line}", block)


def _with_mapping(block: str, name: str, values: Mapping[str, str]) -> str:
    body = block.rstrip("\n")
    end = block[len(body) :]
    without = re.sub(rf"(?m)^  {name}:.*(?:\n    .*)*\n?", "", body + "\n").rstrip("\n")
    if not values:
        return without + end
    lines = "\n".join(
        f"    {key}: {value if re.fullmatch(r'[a-z0-9-]+', value) else json.dumps(value)}"
        for key, value in values.items()
    )
    return f"{without}\n  {name}:\n{lines}{end}"
