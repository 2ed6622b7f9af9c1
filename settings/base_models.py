"""The catalogue of base models: which exist where, in which state, with which hyperparameters.

The data, with the AWS page each fact comes from, is in `settings/catalogue/`.
"""

import datetime
import difflib
import os
from collections.abc import Mapping
from functools import cache
from types import MappingProxyType
from typing import Any, Literal, Self, TypeAlias

from pydantic import BaseModel, ConfigDict, Field, model_validator

from settings import catalogue_files
from settings.catalogue_files import Rows

CustomizationType: TypeAlias = Literal[
    "FINE_TUNING", "CONTINUED_PRE_TRAINING", "DISTILLATION", "REINFORCEMENT_FINE_TUNING"
]
"""Methods of CreateModelCustomizationJob. Its fifth value, IMPORTED, is what Bedrock reports of
models made by other calls, and not one to send."""

State: TypeAlias = Literal["active", "legacy", "end-of-life", "unchecked"]

WARNING_DAYS = 90
"""Days before a model's end from which on settings that name it are warned of."""


class _Row(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid", use_attribute_docstrings=True)


class DatasetFamily(_Row):
    """Base models that take the same records, so that one check of a data set serves them all."""

    name: str
    """Name in the lock file's `check.model_family`."""
    format: Literal[
        "converse", "prompt-completion", "anthropic-messages", "distillation-prompts", "rft-chat"
    ]
    """Shape of a record."""
    minimum_records: int
    """Least number of records, training and validation together."""
    maximum_records: int
    """Greatest number of records, training and validation together."""
    maximum_is_quota: bool
    """True when AWS raises the maximum on request."""
    maximum_tokens: int | None
    """Tokens of one record, input and output; None where no limit is documented."""
    minimum_validation_records: int | None = None
    """Least number of validation records; None when only the sum is limited."""
    maximum_validation_records: int | None = None
    """Greatest number of validation records; None when only the sum is limited."""
    characters_per_token: int
    """Characters that AWS counts as a token where it says how to estimate."""
    maximum_file_bytes: int | None = None
    """Size of the training file in bytes; None where no limit is documented."""
    maximum_validation_file_bytes: int | None = None
    """Size of the validation file in bytes; None where no limit is documented."""
    maximum_line_bytes: int | None = None
    """Size of one line in bytes; None where no limit is documented."""
    turns: Literal["multi", "single"] = "multi"
    """Whether a conversation may have more than one question."""
    reserved_words: tuple[str, ...] = ()
    """Words in a record's text with which a job fails."""
    image_formats: tuple[str, ...] = ()
    """Formats of images; none when records take no images."""
    video_formats: tuple[str, ...] = ()
    """Formats of videos; none when records take no videos."""
    maximum_images: int | None = 0
    """Images of one record; None where no limit is documented."""
    maximum_videos: int | None = 0
    """Videos of one record; None where no limit is documented."""
    reasoning: bool = False
    """Whether an answer may hold reasoning."""
    system: bool = True
    """Whether a record may hold a system prompt."""
    validation: Literal["used", "ignored", "none"] = "used"
    """What becomes of validation data: Bedrock ignores it for some models, and some jobs take
    none."""


class Hyperparameter(_Row):
    """A hyperparameter as the API names it, with the range AWS documents."""

    name: str
    """Name in the API."""
    type: Literal["integer", "number", "word"]
    """What the text must be that the API is given."""
    minimum: float | None
    """Least value; None where no bound is documented."""
    maximum: float | None
    """Greatest value; None where no bound is documented."""
    default: float | None
    """What Bedrock takes when the parameter is absent; None when AWS documents none."""
    words: tuple[str, ...] = ()
    """Values that are words, such as `auto`."""

    @property
    def allowed(self) -> str:
        """The range in words."""
        listed = ", ".join(f"`{word}`" for word in self.words)
        if self.type == "word":
            return f"one of {listed}"
        kind = "a whole number" if self.type == "integer" else "a number"
        least = "" if self.minimum is None else f" from {self.minimum:g}"
        most = "" if self.maximum is None else f" to {self.maximum:g}"
        return f"{kind}{least}{most}" + (f", or {listed}" if listed else "")


class _Lifecycle(_Row):
    name: str
    """Name for people."""
    state: State
    """Lifecycle: a `legacy` model takes no new customization job."""
    launched: datetime.date | None = None
    """Day on which AWS offered the model first, where it was read."""
    end_of_life: datetime.date | None = None
    """Day on which AWS withdraws the model, where one is announced."""
    end_of_life_not_before: datetime.date | None = None
    """Day before which AWS promises not to withdraw the model, where one is given."""
    state_source: str
    """AWS page the state was read on."""
    uncertain: Mapping[str, str] = Field(default_factory=dict)
    """What no AWS page confirms, by the name of the fact."""

    @model_validator(mode="after")
    def _state_and_days_agree(self) -> Self:
        if self.state in {"legacy", "end-of-life"} and self.end_of_life is None:
            raise ValueError(f"{self.name}: a {self.state} model needs its end_of_life")
        return self

    def state_on(self, day: datetime.date) -> State:
        """The state on a day: past its end a model is withdrawn, whatever was read before."""
        if self.end_of_life is not None and day >= self.end_of_life:
            return "end-of-life"
        return self.state

    def takes_jobs_on(self, day: datetime.date) -> bool:
        """Whether a new job may use it on a day, as far as is known."""
        return self.state_on(day) in {"active", "unchecked"}

    def ends_soon(self, day: datetime.date) -> bool:
        """Whether it ends within `WARNING_DAYS` of a day, and not before it."""
        return self.end_of_life is not None and day < self.end_of_life <= day + datetime.timedelta(
            days=WARNING_DAYS
        )

    @property
    def state_sentence(self) -> str:
        """The state with its date and source, for an error."""
        day = self.end_of_life.isoformat() if self.end_of_life else "a day not announced"
        match self.state_on(today()):
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


class FoundationModel(_Lifecycle):
    """A base model that Amazon Bedrock customizes, or did."""

    id: str
    """`baseModelIdentifier`, with the context-length suffix that customization wants."""
    regions: tuple[str, ...]
    """Regions in which Bedrock customizes it."""
    methods: tuple[CustomizationType, ...]
    """Customization types it supports."""
    inference: tuple[Literal["on-demand", "provisioned"], ...]
    """How the customized model can be served."""
    families: Mapping[CustomizationType, DatasetFamily]
    """How its data must look, by method; methods whose data this app does not support, such as
    images, are absent."""
    hyperparameters_by_method: Mapping[CustomizationType, Mapping[str, Hyperparameter]]
    """By method and API name; methods are absent whose hyperparameters no AWS page lists, so that
    they cannot be checked."""

    @property
    def family(self) -> DatasetFamily | None:
        """How its data must look for fine-tuning; None for kinds this app does not support."""
        return self.families.get("FINE_TUNING")

    @property
    def hyperparameters(self) -> Mapping[str, Hyperparameter] | None:
        """Those of fine-tuning by API name; None where no AWS page lists them."""
        return self.hyperparameters_by_method.get("FINE_TUNING")

    @property
    def usable(self) -> bool:
        """Whether a new fine-tuning job may name it today, as far as is known."""
        return self.usable_for("FINE_TUNING")

    def usable_for(self, method: str) -> bool:
        """Whether a new job of a method may name it today, as far as is known."""
        return self.takes_jobs_on(today()) and method in self.methods and method in self.families


class Teacher(_Lifecycle):
    """A model that students learn from by distillation."""

    id: str
    """`teacherModelIdentifier`."""
    students: tuple[str, ...]
    """Ids of the base models it may teach."""


class Catalogue(_Row):
    """All that is known of base models."""

    families: Mapping[str, DatasetFamily]
    models: Mapping[str, FoundationModel]
    teachers: Mapping[str, Teacher]


def today() -> datetime.date:
    """The day that lifecycles are judged by: this one, or `FINETUNE_TODAY` (YYYY-MM-DD)."""
    text = os.environ.get("FINETUNE_TODAY")
    return datetime.date.fromisoformat(text) if text else datetime.datetime.now(datetime.UTC).date()


def make_catalogue(*, tables: Mapping[str, Rows], pages: Mapping[str, str]) -> Catalogue:
    """The catalogue that tables of `settings/catalogue/` describe.

    Raises `ValueError` when a row lacks something, or names a row that is not there.
    """
    families = {
        name: {"name": name, **catalogue_files.content(row)}
        for name, row in tables["families"].items()
    }
    sets = {
        set_name: {
            name: {"name": name, **row} for name, row in catalogue_files.content(rows).items()
        }
        for set_name, rows in tables["hyperparameters"].items()
    }
    models = {}
    for identifier, row in tables["models"].items():
        facts = catalogue_files.content(row)
        models[identifier] = {
            **facts,
            **_about(identifier, row, pages),
            "families": _looked_up(identifier, facts.get("families"), families),
            "hyperparameters_by_method": _looked_up(
                identifier, facts.pop("hyperparameters", None), sets
            ),
        }
        models[identifier].pop("hyperparameters", None)
    teachers = {
        identifier: {**catalogue_files.content(row), **_about(identifier, row, pages)}
        for identifier, row in tables["teachers"].items()
    }
    catalogue = Catalogue.model_validate(
        {"families": families, "models": models, "teachers": teachers}
    )
    for teacher in catalogue.teachers.values():
        _require_students(teacher, catalogue.models)
    return catalogue


def _about(identifier: str, row: Mapping[str, Any], pages: Mapping[str, str]) -> dict[str, Any]:
    page = str((row.get("sources") or {}).get("state", row.get("source")))
    if page not in pages:
        raise ValueError(f"{identifier}: its state needs a source of sources.yaml, got {page!r}")
    return {
        "id": identifier,
        "state_source": pages[page],
        "uncertain": row.get("uncertain") or {},
    }


def _looked_up(identifier: str, names: object, rows: Mapping[str, Any]) -> dict[str, Any]:
    if not isinstance(names, Mapping):
        raise ValueError(f"{identifier}: families and hyperparameters are mappings by method")  # noqa: TRY004 as pydantic's
    missing = sorted(str(name) for name in names.values() if name not in rows)
    if missing:
        raise ValueError(f"{identifier}: there is no {', '.join(missing)} in the catalogue")
    return {method: rows[name] for method, name in names.items()}


def _require_students(teacher: Teacher, models: Mapping[str, FoundationModel]) -> None:
    for student in teacher.students:
        if student not in models or "DISTILLATION" not in models[student].methods:
            raise ValueError(f"{teacher.id}: {student} is no base model that learns from a teacher")


@cache
def _catalogue() -> Catalogue:
    names = ("families", "hyperparameters", "models", "teachers")
    return make_catalogue(
        tables={name: catalogue_files.table(name) for name in names},
        pages=catalogue_files.sources(),
    )


def foundation_models() -> Mapping[str, FoundationModel]:
    """Every base model of the catalogue by its id."""
    return MappingProxyType(_catalogue().models)


def dataset_families() -> Mapping[str, DatasetFamily]:
    """Every data set family of the catalogue by its name."""
    return MappingProxyType(_catalogue().families)


def teachers() -> Mapping[str, Teacher]:
    """Every teacher of the catalogue by its id."""
    return MappingProxyType(_catalogue().teachers)


def usable_in(region: str | None, method: str = "FINE_TUNING") -> tuple[str, ...]:
    """Ids of the models a new job of a method may name in a Region; in any Region for None."""
    return tuple(
        model.id
        for model in foundation_models().values()
        if model.usable_for(method) and (region is None or region in model.regions)
    )


def nearest_usable(
    identifier: str, *, region: str | None, method: str = "FINE_TUNING"
) -> str | None:
    """The usable model most like another one: of the same maker, then by its name; None for none.

    In the Region where one is usable there, else in any.
    """
    known = usable_in(region, method) or usable_in(None, method)
    maker = identifier.partition(".")[0]
    ranked = sorted(
        known,
        key=lambda other: (
            other.partition(".")[0] == maker,
            difflib.SequenceMatcher(None, identifier, other).ratio(),
        ),
    )
    return ranked[-1] if ranked else None
