"""What may go wrong between a request and a model, one class per thing to treat differently.

CloudFormation shows an error's text as the reason of the failed resource, so each one says what was
wrong, what was got and what to do, within CloudFormation's limit for a response.
"""

import json

REASON_BYTES = 3000
"""Most bytes of an error's text, as JSON.

CloudFormation takes at most 4096 bytes for the whole response; ids, the physical id and the line
that the provider framework adds need the rest.
https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/crpg-ref.html
"""


def clip(text: str, *, limit: int) -> str:
    """Return `text` cut to at most `limit` bytes of UTF-8 JSON, an ellipsis showing the cut."""
    if _json_bytes(text) <= limit:
        return text
    low, high = 0, len(text)
    while low < high:
        middle = (low + high + 1) // 2
        if _json_bytes(text[:middle] + "…") <= limit:
            low = middle
        else:
            high = middle - 1
    return text[:low] + "…"


def _json_bytes(text: str) -> int:
    return len(json.dumps(text, ensure_ascii=False).encode("utf-8", errors="replace"))


class CustomizationError(Exception):
    """A request that cannot be met, told to the person who deploys."""

    def __init__(self, message: str) -> None:
        super().__init__(clip(message, limit=REASON_BYTES))


class JobRequestError(CustomizationError):
    """The custom resource's properties are not a request that Bedrock would take."""

    def __init__(self, problems: list[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("the job request is not valid: " + "; ".join(problems))


class EventError(CustomizationError):
    """The function was called with something that is not a CloudFormation request."""


class EnvironmentVariableError(CustomizationError):
    """An environment variable of the function is missing or not of its type."""


class NameTakenError(CustomizationError):
    """A job of this name exists and does not carry this environment's owner tags."""


class AttemptsUsedError(CustomizationError):
    """Every attempt at this content has ended without a model."""


class DataNotPushedError(CustomizationError):
    """A data set that the job names is not in the data bucket."""


class DataChangedError(CustomizationError):
    """The object in the data bucket is not the data set that the settings name."""


class SubmissionError(CustomizationError):
    """Bedrock refused the job."""


class QuotaError(SubmissionError):
    """Bedrock refused the job because the account has as many as it may have."""


class JobFailedError(CustomizationError):
    """The job ended without a model."""


class JobMissingError(CustomizationError):
    """The job that was submitted cannot be found."""


class UnknownStatusError(CustomizationError):
    """Bedrock answered with a status that this version does not know."""


class ModelInUseError(CustomizationError):
    """A model cannot be deleted because something still serves it."""


class ServiceCallError(CustomizationError):
    """An AWS call failed for a reason that no other class tells apart."""


class PassingServiceError(ServiceCallError):
    """An AWS call failed, and may not when it is made again later: a state machine does so."""


class StaleRequestError(CustomizationError):
    """A request of CloudFormation came after its time limit: nobody waits for its answer."""


class BusyTableError(CustomizationError):
    """The state table changed faster than it could be read."""
