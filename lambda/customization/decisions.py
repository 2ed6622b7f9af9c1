"""The decisions: from a request and what was observed to what to do. No AWS call is made here."""

from dataclasses import dataclass
from datetime import datetime, timedelta
from enum import Enum, StrEnum

from customization import remedies
from customization.errors import JobFailedError, JobMissingError, clip
from customization.jobs import Job, JobStatus
from customization.request import WaitFor

MISSING_GRACE = timedelta(minutes=5)
"""How long a job that was just submitted may stay invisible."""
FAILURE_BYTES = 1200
"""Most bytes of Bedrock's own message in ours, so that the remedy is never cut off."""


class AttemptVerdict(Enum):
    """What to do about one attempt's name when a job is wanted."""

    SUBMIT = "submit"
    ADOPT = "adopt"
    NEXT = "next"
    TAKEN = "taken"


def judge_attempt(
    *, job: Job | None, owned: bool, model_alive: bool, going: bool
) -> AttemptVerdict:
    """Return whether to submit, adopt what is there, try the next attempt, or give up.

    A job is adopted when it carries our owner tags and will have, or has, a model. One that was
    stopped, failed or lost its model never comes back under its name; neither does one that is
    `going`: whose row says that it, or its model, is being taken away.
    """
    if job is None:
        return AttemptVerdict.SUBMIT
    if not owned:
        return AttemptVerdict.TAKEN
    if going:
        return AttemptVerdict.NEXT
    if job.status is JobStatus.IN_PROGRESS:
        return AttemptVerdict.ADOPT
    if job.status is JobStatus.COMPLETED and model_alive:
        return AttemptVerdict.ADOPT
    return AttemptVerdict.NEXT


class State(StrEnum):
    """The resource's attribute `State`: how far the job had come when its deployment went on."""

    QUEUED = "Queued"
    SUBMITTED = "Submitted"
    VALIDATED = "Validated"
    COMPLETED = "Completed"


@dataclass(frozen=True, kw_only=True)
class Progress:
    """Whether a Create or Update is done; `state` is None while it is not."""

    state: State | None
    note: str


def judge_progress(
    *,
    name: str,
    job: Job | None,
    wait_for: WaitFor,
    validation_minutes: int,
    submitted_at: datetime | None,
    now: datetime,
) -> Progress:
    """Return whether a deployment has waited long enough for its job.

    Raises JobFailedError when the job ended without a model, and JobMissingError when it was
    submitted but cannot be found.
    """
    if wait_for is WaitFor.SUBMISSION:
        return Progress(state=State.SUBMITTED, note="submitted: the deployment does not wait")
    if job is None:
        if submitted_at is not None and now - submitted_at > MISSING_GRACE:
            raise JobMissingError(
                f"job {name} was submitted at {submitted_at.isoformat()} and cannot be found: "
                "look for it in Bedrock, then deploy again"
            )
        return Progress(state=None, note="not visible yet")
    match job.status:
        case JobStatus.FAILED | JobStatus.STOPPED | JobStatus.STOPPING:
            raise JobFailedError(failure_report(job))
        case JobStatus.COMPLETED:
            return Progress(state=State.COMPLETED, note="completed")
        case JobStatus.IN_PROGRESS:
            if job.is_validated:
                return Progress(state=State.VALIDATED, note="validated: training goes on")
            if now - job.created >= timedelta(minutes=validation_minutes):
                return Progress(
                    state=State.SUBMITTED,
                    note=f"not validated after {validation_minutes} minutes: the job goes on",
                )
            return Progress(state=None, note="in validation")


def state_of(job: Job | None) -> State:
    """Return how far a job has come, for an answer that waits for nothing and refuses nothing."""
    if job is None:
        return State.SUBMITTED
    if job.status is JobStatus.COMPLETED:
        return State.COMPLETED
    return State.VALIDATED if job.is_validated else State.SUBMITTED


def failure_report(job: Job) -> str:
    """Return why a job ended without a model: phase, Bedrock's words, likely cause, remedy."""
    was_stopped = job.status is not JobStatus.FAILED
    phase = f" in the phase {job.failed_phase!r}" if job.failed_phase else ""
    text = f"job {job.name} {'was stopped' if was_stopped else 'failed'}{phase}"
    if job.failure:
        text += f": Bedrock says {clip(job.failure, limit=FAILURE_BYTES)}"
    if job.failure or not was_stopped:
        text += f"; {remedies.advice(job.failure)}"
    return f"{text}; deploy again to make the next attempt, or raise the job's run"
