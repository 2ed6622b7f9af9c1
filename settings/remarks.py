"""What is not wrong with settings, but should be known before they are deployed."""

from collections.abc import Iterator
from dataclasses import dataclass

from settings.base_models import teachers as known_teachers
from settings.base_models import today
from settings.model import Job, Settings


@dataclass(frozen=True, kw_only=True, slots=True)
class Remark:
    """One thing to know."""

    id: str
    """Kind of remark, stable for programs."""
    field: str
    """Dotted path of the setting."""
    text: str
    """What is so, and until when."""
    fix: str
    """What to do."""


def remarks(settings: Settings) -> tuple[Remark, ...]:
    """What to know of an environment's jobs."""
    return tuple(
        remark for name, job in settings.jobs.items() for remark in _of_job(f"jobs.{name}", job)
    )


def _of_job(field: str, job: Job) -> Iterator[Remark]:
    day, model = today(), job.model
    if model.ends_soon(day):
        yield Remark(
            id="base-model-ends-soon",
            field=f"{field}.base_model",
            text=f"{model.name} ends on {model.end_of_life}: its models cannot be used after that,"
            " and it takes no new job once it is Legacy",
            fix="plan to train again on another base model: see `finetune models`",
        )
    if not model.takes_jobs_on(day):
        yield Remark(
            id="retired-base-model-accepted",
            field=f"{field}.accept_retired_base_model",
            text=f"the settings accept it: {model.state_sentence}",
            fix="ask AWS whether your account may still customize it; Bedrock is documented to"
            " refuse the job",
        )
    elif model.state == "unchecked":
        yield Remark(
            id="state-not-confirmed",
            field=f"{field}.base_model",
            text=f"{model.state_sentence}: {model.uncertain.get('state', '')}",
            fix="ask your account: `finetune models refresh`",
        )
    teacher = known_teachers().get(job.distillation.teacher) if job.distillation else None
    if teacher is not None and teacher.ends_soon(day):
        yield Remark(
            id="teacher-ends-soon",
            field=f"{field}.distillation.teacher",
            text=f"{teacher.name} ends on {teacher.end_of_life}, and cannot teach after that",
            fix="distil before, or choose another teacher",
        )
    family = model.families.get(job.customization_type)
    if family is not None and family.validation == "ignored" and job.validation_dataset:
        yield Remark(
            id="validation-data-ignored",
            field=f"{field}.validation_dataset",
            text=f"AWS says that {model.name} does not use validation data",
            fix="set it to null",
        )
