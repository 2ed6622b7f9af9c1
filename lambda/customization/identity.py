"""What a job is called: names that follow from what is trained, so that a retry finds its job.

The physical id of the custom resource, the job's name, the model's name and the client request
token are one string, `<environment>-<job>-<digest>`, with `-<attempt>` from the second attempt on.
The same content gives the same name whatever else changed; other content gives another.
"""

import hashlib
import json
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Final

from customization.limits import constraints, matches

ENVIRONMENT_PATTERN: Final = r"[a-z][a-z0-9-]{0,11}"
"""What an environment may be called: at most 12 characters."""
JOB_PATTERN: Final = r"[a-z][a-z0-9-]{0,29}"
"""What a job may be called: at most 30 characters, so that every derived name fits in 63."""
DIGEST_PATTERN: Final = r"[0-9a-f]{16}"
"""The form of a content digest."""
MAX_ATTEMPTS: Final = 99
"""Most attempts at one content: two digits are what is left of Bedrock's 63 characters."""

ENVIRONMENT_TAG: Final = "finetune:environment"
JOB_TAG: Final = "finetune:job"
DIGEST_TAG: Final = "finetune:digest"
"""The owner tags on jobs and models; what does not carry all three is not ours to change."""

_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]{1,6})?", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class PhysicalId:
    """The parts of a physical id that belongs to a known environment and job."""

    environment: str
    job: str
    digest: str
    attempt: int

    def __str__(self) -> str:
        return names_for(
            environment=self.environment, job=self.job, digest=self.digest, attempt=self.attempt
        )


def content_digest(
    *,
    base_model: str,
    customization_type: str,
    hyperparameters: Mapping[str, object],
    training_digest: str,
    validation_digest: str | None,
    key_name: str,
    customization_config: Mapping[str, object] | None,
    run: str | int,
) -> str:
    """Return 16 hexadecimal digits that stand for what is trained.

    Roles, subnets, security groups, tags, buckets and key ARNs are left out on purpose: changing
    them must not train, and pay for, the same model again. Numbers count by value, so `2`, `2.0`
    and `"2"` are the same, and CloudFormation's turning of every value into a string changes
    nothing; neither does the order of keys.
    """
    content = {
        "base_model": base_model,
        "customization_type": customization_type,
        "hyperparameters": hyperparameters,
        "training": training_digest,
        "validation": validation_digest,
        "key": key_name,
        "customization_config": customization_config or None,
        "run": run,
    }
    text = json.dumps(_canonical(content), sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(text.encode()).hexdigest()[:16]


def _canonical(value: object) -> object:
    match value:
        case None:
            return None
        case bool():
            return "true" if value else "false"
        case int() | float():
            return _number(repr(value))
        case str():
            return _number(value)
        case Mapping():
            return {str(key): _canonical(entry) for key, entry in value.items()}
        case Sequence():
            return [_canonical(entry) for entry in value]
        case _:
            raise TypeError(f"cannot take the digest of a {type(value).__name__}")


def _number(text: str) -> str:
    """Return a number's one spelling (sign, digits, exponent), any other text as it is."""
    if not _NUMBER.fullmatch(text):
        return text
    try:
        sign, digits, exponent = Decimal(text).as_tuple()
    except InvalidOperation:
        return text
    significant = "".join(map(str, digits)).lstrip("0")
    kept = significant.rstrip("0")
    if not kept:
        return "0"
    power = int(exponent) + len(significant) - len(kept)
    return f"{'-' if sign else ''}{kept}" + (f"e{power}" if power else "")


def names_for(*, environment: str, job: str, digest: str, attempt: int = 1) -> str:
    """Return the name of a job, its model, its token and its custom resource.

    At most 63 characters, valid as job name, model name and client request token. Raises
    ValueError when a part does not have its form.
    """
    for label, value, expression in (
        ("environment", environment, ENVIRONMENT_PATTERN),
        ("job", job, JOB_PATTERN),
        ("digest", digest, DIGEST_PATTERN),
    ):
        if not matches(value=value, expression=expression):
            raise ValueError(f"{label} must match {expression}, got {value!r}")
    if not 1 <= attempt <= MAX_ATTEMPTS:
        raise ValueError(f"attempt must be 1 to {MAX_ATTEMPTS}, got {attempt}")
    name = f"{environment}-{job}-{digest}" + (f"-{attempt}" if attempt > 1 else "")
    for shape in ("JobName", "CustomModelName", "IdempotencyToken"):
        limit = constraints(shape)
        if limit.pattern and not matches(value=name, expression=limit.pattern):
            raise ValueError(
                f"{name!r} is not a {shape} for Bedrock, which takes {limit.pattern}: "
                "let neither the environment's nor the job's name hold '--' or end in '-'"
            )
    return name


def parse_physical_id(*, physical_id: str, environment: str, job: str) -> PhysicalId | None:
    """Return the parts of an id that has the form of this environment's and job's, else None.

    None too for ids that CloudFormation or the provider framework invented for a resource that
    never came to be. The form alone does not prove ownership: the tags of the job do.
    """
    found = re.fullmatch(
        rf"{re.escape(environment)}-{re.escape(job)}-({DIGEST_PATTERN})(?:-([2-9]|[1-9][0-9]))?",
        physical_id,
        re.ASCII,
    )
    if found is None:
        return None
    attempt = int(found[2]) if found[2] else 1
    return PhysicalId(environment=environment, job=job, digest=found[1], attempt=attempt)


def owner_tags(*, environment: str, job: str, digest: str) -> dict[str, str]:
    """Return the tags that say which environment and job a Bedrock job or model belongs to."""
    return {ENVIRONMENT_TAG: environment, JOB_TAG: job, DIGEST_TAG: digest}


def is_owned(*, tags: Mapping[str, str], environment: str, job: str, digest: str) -> bool:
    """Return whether tags found on a job or model are this environment's, job's and content's."""
    wanted = owner_tags(environment=environment, job=job, digest=digest)
    return all(tags.get(key) == value for key, value in wanted.items())
