"""The table of base models: which exist where, in which state, with which hyperparameters.

The data, with the AWS page each fact comes from, is in `base_models.yaml`.
"""

import datetime
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, model_validator

from settings.source import read_yaml

TABLE = Path(__file__).with_name("base_models.yaml")
"""The committed table."""

CustomizationType: TypeAlias = Literal[
    "FINE_TUNING", "CONTINUED_PRE_TRAINING", "DISTILLATION", "REINFORCEMENT_FINE_TUNING"
]
"""Methods of CreateModelCustomizationJob. Its fifth value, IMPORTED, is what Bedrock reports of
models made by other calls, and not one to send."""

State: TypeAlias = Literal["active", "legacy", "end-of-life", "unchecked"]


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class DatasetFamily(_Row):
    """Base models that take the same records, so that one check of a data set serves them all."""

    name: str
    """Name in the lock file's `check.model_family`."""
    format: Literal["converse", "prompt-completion", "anthropic-messages"]
    """Shape of a record."""
    minimum_records: int
    """Least number of records, training and validation together."""
    maximum_records: int
    """Greatest number of records, training and validation together."""
    maximum_is_quota: bool
    """True when AWS raises the maximum on request."""
    maximum_tokens: int
    """Tokens of one record, input and output."""
    maximum_validation_records: int | None = None
    """Greatest number of validation records; None when only the sum is limited."""


class Hyperparameter(_Row):
    """A hyperparameter as the API names it, with the range AWS documents."""

    name: str
    """Name in the API."""
    type: Literal["integer", "number"]
    """What the text must be that the API is given."""
    minimum: float
    """Least value."""
    maximum: float
    """Greatest value."""
    default: float | None
    """What Bedrock takes when the parameter is absent; None when AWS documents none."""
    words: tuple[str, ...] = ()
    """Values that are words, such as `auto`."""

    @property
    def allowed(self) -> str:
        """The range in words."""
        kind = "a whole number" if self.type == "integer" else "a number"
        words = "".join(f", or `{word}`" for word in self.words)
        return f"{kind} from {self.minimum:g} to {self.maximum:g}{words}"


class FoundationModel(_Row):
    """A base model that Amazon Bedrock customizes, or did."""

    id: str
    """`baseModelIdentifier`, with the context-length suffix that customization wants."""
    name: str
    """Name for people."""
    regions: tuple[str, ...]
    """Regions in which Bedrock customizes it."""
    methods: tuple[CustomizationType, ...]
    """Customization types it supports."""
    inference: tuple[Literal["on-demand", "provisioned"], ...]
    """How the customized model can be served."""
    family: DatasetFamily | None
    """How its data must look; None for kinds of data this app does not support, such as images."""
    state: State
    """Lifecycle: a `legacy` model takes no new customization job."""
    end_of_life: datetime.date | None = None
    """Day on which AWS withdraws the model, where one is announced."""
    state_source: str
    """AWS page the state was read on."""
    hyperparameters: Mapping[str, Hyperparameter] | None
    """By API name; None where no AWS page lists them, so that they cannot be checked."""
    uncertain: tuple[str, ...] = ()
    """What no AWS page confirms."""

    @property
    def usable(self) -> bool:
        """Whether a new fine-tuning job may name it, as far as is known."""
        return (
            self.state in {"active", "unchecked"}
            and self.family is not None
            and "FINE_TUNING" in self.methods
        )

    @property
    def state_sentence(self) -> str:
        """The state with its date and source, for an error."""
        day = self.end_of_life.isoformat() if self.end_of_life else "a day not announced"
        match self.state:
            case "end-of-life":
                return f"{self.name} was withdrawn on {day} ({self.state_source})"
            case "legacy":
                return (
                    f"{self.name} is Legacy, takes no new customization job and ends on {day}"
                    f" ({self.state_source})"
                )
            case "active":
                return f"{self.name} is active ({self.state_source})"
            case "unchecked":
                return f"the state of {self.name} is not confirmed ({self.state_source})"


class _Table(_Row):
    sources: dict[str, str]
    families: dict[str, DatasetFamily]
    hyperparameter_sets: dict[str, dict[str, Hyperparameter]]
    models: dict[str, FoundationModel]

    @model_validator(mode="after")
    def _rows_are_consistent(self) -> Self:
        for model in self.models.values():
            if model.state in {"legacy", "end-of-life"} and model.end_of_life is None:
                raise ValueError(f"{model.id}: a {model.state} model needs its end_of_life")
        return self


@cache
def _table() -> _Table:
    source = read_yaml(path=TABLE)
    if source.findings:
        raise ValueError(f"{TABLE.name} is broken: {source.findings}")
    raw = source.values
    families = {name: {"name": name, **row} for name, row in raw["families"].items()}
    sets = {
        set_name: {name: {"name": name, **row} for name, row in rows.items()}
        for set_name, rows in raw["hyperparameter_sets"].items()
    }
    models = {}
    for identifier, row in raw["models"].items():
        models[identifier] = {
            **row,
            "id": identifier,
            "family": families[row["family"]] if row["family"] else None,
            "hyperparameters": sets[row["hyperparameters"]] if row["hyperparameters"] else None,
        }
    return _Table.model_validate(
        {
            "sources": raw["sources"],
            "families": families,
            "hyperparameter_sets": sets,
            "models": models,
        }
    )


def foundation_models() -> Mapping[str, FoundationModel]:
    """Every base model of the table by its id."""
    return MappingProxyType(_table().models)


def dataset_families() -> Mapping[str, DatasetFamily]:
    """Every data set family of the table by its name."""
    return MappingProxyType(_table().families)


def usable_in(region: str | None) -> tuple[str, ...]:
    """Ids of the models a new fine-tuning job may name in a Region; in any Region for None."""
    return tuple(
        model.id
        for model in foundation_models().values()
        if model.usable and (region is None or region in model.regions)
    )
