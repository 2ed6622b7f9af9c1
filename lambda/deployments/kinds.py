"""The two ways in which Bedrock serves a custom model, and how long what is bought lives."""

from datetime import timedelta
from enum import StrEnum
from typing import Final


class Kind(StrEnum):
    """How a model is served."""

    ON_DEMAND = "on_demand"
    """A custom model deployment: paid by the token, nothing while nobody asks."""
    PROVISIONED = "provisioned"
    """Provisioned throughput: paid by the hour until it is deleted."""


class Commitment(StrEnum):
    """For how long provisioned throughput is bought at least; it cannot be deleted before."""

    ONE_MONTH = "OneMonth"
    SIX_MONTHS = "SixMonths"


MOST_HOURS: Final = 720
"""How long throughput without a commitment may live at most; the settings ask for consent first."""
COMMITTED_FOR: Final = {
    Commitment.ONE_MONTH: timedelta(days=31),
    Commitment.SIX_MONTHS: timedelta(days=184),
}
"""The longest that a commitment can be by the calendar; Bedrock says the true end afterwards."""
