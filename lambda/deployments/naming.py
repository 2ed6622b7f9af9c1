"""What a deployment is called: its name follows from its job and what is asked for.

The physical id of the custom resource, the name in Bedrock and the row's id are one string,
`<job's physical id>-<6 hex>`, cut so that it has 63 characters at most. The digits stand for the
job's id as a whole and for kind, units and commitment: whatever else changes (the hours, the smoke
tests, tags) is changed in place.
"""

import hashlib
import json
import re
from typing import Final

from customization.identity import (
    DIGEST_TAG,
    ENVIRONMENT_TAG,
    JOB_TAG,
    PhysicalId,
    owner_tags,
    parse_physical_id,
)
from customization.limits import pattern
from deployments.kinds import Commitment, Kind

MOST_CHARACTERS: Final = 63
"""Bedrock's limit for the name of a deployment and of provisioned throughput."""
DIGITS: Final = 6
MOST_EXECUTION_CHARACTERS: Final = 80
"""https://docs.aws.amazon.com/step-functions/latest/apireference/API_StartExecution.html"""

_TAIL = rf"-[0-9a-f]{{{DIGITS}}}"


def deployment_name(
    *, job_name: str, kind: Kind, model_units: int, commitment: Commitment | None
) -> str:
    """Return the name of a deployment of a job's model, at most 63 characters.

    Raises ValueError when Bedrock would not take it.
    """
    content = [job_name, kind.value, model_units, commitment.value if commitment else ""]
    text = json.dumps(content, separators=(",", ":"))
    digest = hashlib.sha256(text.encode()).hexdigest()[:DIGITS]
    head = job_name[: MOST_CHARACTERS - DIGITS - 1].rstrip("-_")
    name = f"{head}-{digest}"
    if not re.fullmatch(pattern("ModelDeploymentName"), name, re.ASCII):
        raise ValueError(
            f"{name!r} is no name for a deployment: Bedrock takes {pattern('ModelDeploymentName')}"
        )
    return name


def client_token(*, name: str, attempt: int) -> str:
    """Return the client request token of an attempt (from 1) at a deployment.

    Bedrock answers a token that it knows with what it made then, though that is gone: so what is
    asked for again has another one.
    """
    return f"{name}-a{attempt}"


def execution_name(*, name: str, attempt: int) -> str:
    """Return the name of the follow-up's execution for a wish that came after its job's end."""
    suffix = f"-{attempt}" if attempt > 1 else ""
    return f"{name[: MOST_EXECUTION_CHARACTERS - len(suffix)]}{suffix}"


def is_deployment_name(*, name: str, environment: str) -> bool:
    """Return whether a name has the form of this environment's deployments.

    The form alone proves nothing: the tags do.
    """
    return re.fullmatch(rf"{re.escape(environment)}-.+{_TAIL}", name, re.ASCII) is not None


def owner_of(*, job_name: str, environment: str, job: str) -> PhysicalId | None:
    """Return the parts of the job's physical id, or None when it is not of that form."""
    return parse_physical_id(physical_id=job_name, environment=environment, job=job)


def tags_of_owner(owner: PhysicalId) -> dict[str, str]:
    """Return the owner tags of a deployment: those of its job."""
    return owner_tags(environment=owner.environment, job=owner.job, digest=owner.digest)


def are_ours(*, tags: dict[str, str], environment: str) -> bool:
    """Return whether tags say that something was made by this app for this environment."""
    return tags.get(ENVIRONMENT_TAG) == environment and {JOB_TAG, DIGEST_TAG} <= tags.keys()
