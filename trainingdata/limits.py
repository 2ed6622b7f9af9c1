"""What a family of base models takes, as the checks read it from the model catalogue."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import TYPE_CHECKING, Any, Literal, TypeAlias

if TYPE_CHECKING:
    from settings.base_models import DatasetFamily

Format: TypeAlias = Literal[
    "converse",
    "prompt-completion",
    "anthropic-messages",
    "distillation-prompts",
    "rft-chat",
    "invocation-logs",
]
"""Shapes of a record. Invocation logs are a source of prompts, not the format of a family."""

LOGS_RECORDS = (100, 15_000)
"""Least and most invocation logs of a job.

https://docs.aws.amazon.com/bedrock/latest/userguide/distillation-data-prep-option-2.html"""


@dataclass(frozen=True, kw_only=True)
class DataLimits:
    """What is asked of a data set; None where no limit is documented."""

    name: str
    """Name of the family, as the lock file has it."""
    format: Format
    minimum_records: int
    """Least number of records, training and validation together."""
    maximum_records: int
    """Greatest number of records, training and validation together."""
    maximum_is_quota: bool = False
    """Whether AWS raises the maximum on request."""
    minimum_validation_records: int | None = None
    maximum_validation_records: int | None = None
    maximum_tokens: int | None = None
    """Tokens of one record."""
    characters_per_token: int = 6
    """Characters that AWS counts as a token."""
    maximum_file_bytes: int | None = None
    maximum_validation_file_bytes: int | None = None
    maximum_line_bytes: int | None = None
    turns: Literal["multi", "single"] = "multi"
    """Whether a conversation may have more than one question."""
    reserved_words: tuple[str, ...] = ()
    """Words in a record's text with which a job fails."""
    image_formats: tuple[str, ...] = ()
    """Formats of images; none when records take no images."""
    video_formats: tuple[str, ...] = ()
    """Formats of videos; none when records take no videos."""
    maximum_images: int | None = 0
    """Images of one record."""
    maximum_videos: int | None = 0
    """Videos of one record."""
    reasoning: bool = False
    """Whether an answer may hold reasoning."""
    system: bool = True
    """Whether a record may hold a system prompt."""
    validation: Literal["used", "ignored", "none"] = "used"
    """What becomes of validation data."""


def limits_of(family: "DatasetFamily") -> DataLimits:
    """What the catalogue says of a family, in a form that other processes are given cheaply."""
    return DataLimits(**{field.name: getattr(family, field.name) for field in fields(DataLimits)})


def limits_of_row(*, name: str, row: Mapping[str, Any]) -> DataLimits:
    """What a row of the catalogue's table of families says, as `limits_of` has it of the family."""
    known = {field.name for field in fields(DataLimits)}
    values: dict[str, Any] = {
        key: tuple(value) if isinstance(value, list) else value
        for key, value in row.items()
        if key in known
    }
    return DataLimits(**{**values, "name": name})


def limits_of_logs(limits: DataLimits) -> DataLimits:
    """What is asked of invocation logs from which Bedrock takes the prompts of such a job."""
    least, most = LOGS_RECORDS
    if limits.format == "rft-chat":
        # https://docs.aws.amazon.com/bedrock/latest/userguide/rft-prepare-data.html
        most = limits.maximum_records
    return DataLimits(
        name=limits.name,
        format="invocation-logs",
        minimum_records=least,
        maximum_records=most,
        turns=limits.turns,
        validation=limits.validation,
    )
