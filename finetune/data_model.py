"""For which model, and which method, a data set is checked."""

from collections.abc import Iterable
from enum import StrEnum
from typing import TYPE_CHECKING, Annotated

import typer

from finetune.report import ExitCode, failure

if TYPE_CHECKING:
    from settings.base_models import DatasetFamily
    from trainingdata.limits import DataLimits


class Method(StrEnum):
    """Methods of customization, as a person names them."""

    FINE_TUNING = "fine-tuning"
    DISTILLATION = "distillation"
    REINFORCEMENT = "reinforcement"

    @property
    def api_name(self) -> str:
        """The name in CreateModelCustomizationJob."""
        return {
            Method.FINE_TUNING: "FINE_TUNING",
            Method.DISTILLATION: "DISTILLATION",
            Method.REINFORCEMENT: "REINFORCEMENT_FINE_TUNING",
        }[self]


ModelOption = Annotated[
    str, typer.Option("--model", metavar="ID", help="Base model that is to be customized.")
]
MethodOption = Annotated[Method, typer.Option("--method", help="How the model is customized.")]


def family_of(*, model: str, method: str) -> "DatasetFamily":
    """How the data of a method must look for a base model, or for a model of one's own.

    `method` is the API's name. Raises `CommandError` for a model that is not in the catalogue, and
    for a method whose data is of a kind this app does not support.
    """
    from settings.base_models import foundation_models  # noqa: PLC0415 slow to load

    models = foundation_models()
    found = models.get(model)
    if found is None and model.startswith("arn:"):
        from settings.training_checks import model_of  # noqa: PLC0415 slower still

        found = model_of(model)
    if found is None:
        raise failure(
            code=ExitCode.USAGE,
            id="unknown-model",
            message=f"there is no base model {model!r} in the table",
            fix=f"use one of: {', '.join(_nearest(model, models))}",
        )
    for name, family in found.families.items():
        if name == method:
            return family
    taken = [str(name) for name in found.families]
    raise failure(
        code=ExitCode.USAGE,
        id="unknown-format",
        message=f"the data for {method} of {model!r} is of a kind this app does not support",
        fix=f"use {' or '.join(taken)}" if taken else "use another base model",
    )


def limits_for(*, model: str, method: Method, logs: bool = False) -> "DataLimits":
    """What a data set must be for a base model and a method; of its invocation logs if `logs`."""
    from trainingdata.limits import limits_of, limits_of_logs  # noqa: PLC0415 loaded when used

    limits = _limits_of_row(model=model, method=method.api_name)
    if limits is None:
        limits = limits_of(family_of(model=model, method=method.api_name))
    if not logs:
        return limits
    if method is Method.FINE_TUNING:
        raise failure(
            code=ExitCode.USAGE,
            id="logs-not-taken",
            message="fine-tuning takes no invocation logs",
            fix="say --method distillation or --method reinforcement",
        )
    return limits_of_logs(limits)


def _limits_of_row(*, model: str, method: str) -> "DataLimits | None":
    """The limits as the catalogue's tables have them; None for what is in no table as it stands.

    A check of a gigabyte takes a second: the whole catalogue, checked, would take a tenth more.
    """
    from settings import catalogue_files  # noqa: PLC0415 loaded when used
    from trainingdata.limits import limits_of_row  # noqa: PLC0415

    family = catalogue_files.table("models").get(model, {}).get("families", {}).get(method)
    if family is None:
        return None
    return limits_of_row(name=family, row=catalogue_files.table("families")[family])


def _nearest(model: str, models: Iterable[str]) -> list[str]:
    """The ids most like a mistyped one, or all of them."""
    import difflib  # noqa: PLC0415 only for a mistake

    known = list(models)
    return difflib.get_close_matches(model, known, n=3, cutoff=0.5) or known
