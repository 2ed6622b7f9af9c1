"""What a job's stack asks for: that its model is served, how, and for how long.

The construct at synth and the submitter read it with the same `Wish.from_properties`.
"""

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from customization.identity import ENVIRONMENT_PATTERN, JOB_PATTERN
from customization.properties import PropertyReader
from deployments.errors import WishError
from deployments.kinds import MOST_HOURS, Commitment, Kind
from deployments.naming import deployment_name, owner_of

RESOURCE_TYPE: Final = "Custom::BedrockModelDeployment"
"""The custom resource's type in a template."""
MOST_UNITS: Final = 1000
MOST_SMOKE_TESTS: Final = 50
MOST_TAGS: Final = 47
"""Bedrock takes 50 tags, and three of them are the owner's."""

_JOB_NAME = r"[a-z][a-z0-9-]{0,62}"


@dataclass(frozen=True, kw_only=True)
class Wish:
    """A deployment as the settings ask for it; `hours` is None for what does not end by itself.

    `smoke_tests` is JSON, a list of tests as the invoker takes them; it is handed on unread.
    """

    environment: str
    job: str
    job_name: str
    kind: Kind
    model_units: int
    commitment: Commitment | None
    hours: int | None
    smoke_tests: str
    tags: Mapping[str, str]

    @classmethod
    def from_properties(
        cls, properties: Mapping[str, object], *, show_values: bool = True
    ) -> "Wish":
        """Return the wish that a custom resource's properties state.

        Raises WishError with every problem at once. `show_values` puts refused values into the
        text; the functions leave them out of what they log.
        """
        reader = PropertyReader(properties, show_values=show_values)
        environment = reader.text("Environment", ENVIRONMENT_PATTERN)
        job = reader.text("Job", JOB_PATTERN)
        job_name = reader.text("JobName", _JOB_NAME)
        kind = reader.choice("Kind", Kind, Kind.ON_DEMAND)
        units = reader.whole("ModelUnits", 1, MOST_UNITS)
        committed = reader.optional("Commitment", "|".join(["", *Commitment]))
        hours = reader.optional("Hours", r"[0-9]{0,4}")
        # Names the table for CloudFormation alone, which keeps what a job's stack imports.
        reader.optional("Table", r"[A-Za-z0-9_.-]{3,255}")
        tests = _tests(reader)
        tags = _tags(reader)
        commitment = Commitment(committed) if committed else None
        if kind is Kind.PROVISIONED:
            _check_hours(reader, hours=hours, commitment=commitment)
        elif commitment is not None:
            reader.problems.append("Commitment is for provisioned throughput alone: leave it empty")
        problems = reader.finish()
        if not problems and owner_of(job_name=job_name, environment=environment, job=job) is None:
            problems.append(
                "JobName must be the physical id of the job's resource, "
                f"{environment}-{job}-<16 hex>"
            )
        if problems:
            raise WishError(problems)
        return cls(
            environment=environment,
            job=job,
            job_name=job_name,
            kind=kind,
            model_units=units,
            commitment=commitment,
            hours=int(hours) if hours and kind is Kind.PROVISIONED else None,
            smoke_tests=tests,
            tags=tags,
        )

    @property
    def name(self) -> str:
        """The deployment's name: its physical id, its name in Bedrock and its row's id."""
        return deployment_name(
            job_name=self.job_name,
            kind=self.kind,
            model_units=self.model_units,
            commitment=self.commitment,
        )

    def values(self) -> dict[str, str]:
        """Return what a row of the table keeps of the wish."""
        return {
            "Environment": self.environment,
            "Job": self.job,
            "JobName": self.job_name,
            "Kind": self.kind.value,
            "ModelUnits": str(self.model_units),
            "Commitment": self.commitment.value if self.commitment else "",
            "Hours": str(self.hours) if self.hours is not None else "",
            "SmokeTests": self.smoke_tests,
            "Tags": json.dumps(self.tags, sort_keys=True),
        }


def all_tags(*, tags: Mapping[str, str], owner_tags: Mapping[str, str]) -> list[dict[str, str]]:
    """Return the tags of a deployment as the API takes them; those of the owner win."""
    return [{"key": key, "value": value} for key, value in {**tags, **owner_tags}.items()]


def _check_hours(reader: PropertyReader, *, hours: str | None, commitment: object) -> None:
    if not hours:
        if commitment is None:
            reader.problems.append(
                "Hours is missing: throughput without a commitment is paid by the hour and must end"
            )
    elif not 1 <= int(hours) <= MOST_HOURS:
        reader.problems.append(f"Hours must be 1 to {MOST_HOURS}{reader.got(hours)}")


def _tests(reader: PropertyReader) -> str:
    reader.seen.add("SmokeTests")
    value = reader.properties.get("SmokeTests", "[]")
    try:
        tests = json.loads(value) if isinstance(value, str) else None
    except ValueError:
        tests = None
    if not isinstance(tests, list) or not all(isinstance(test, dict) for test in tests):
        reader.problems.append("SmokeTests must be a list of tests, as JSON")
        return "[]"
    if len(tests) > MOST_SMOKE_TESTS:
        reader.problems.append(
            f"SmokeTests must have at most {MOST_SMOKE_TESTS} entries, got {len(tests)}"
        )
    return json.dumps(tests, ensure_ascii=False)


def _tags(reader: PropertyReader) -> Mapping[str, str]:
    reader.seen.add("Tags")
    value: Any = reader.properties.get("Tags", [])
    if not isinstance(value, list) or not all(
        isinstance(tag, Mapping)
        and isinstance(tag.get("key"), str)
        and isinstance(tag.get("value"), str)
        for tag in value
    ):
        reader.problems.append("Tags must be a list of key and value")
        return {}
    tags = {tag["key"]: tag["value"] for tag in value}
    if len(tags) > MOST_TAGS:
        reader.problems.append(f"Tags must have at most {MOST_TAGS} entries, got {len(tags)}")
    return tags
