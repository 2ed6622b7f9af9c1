"""Names people choose: environments, jobs and data sets."""

import re
from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class NameRule:
    """What a kind of name may look like."""

    pattern: str
    """Regular expression for the whole name, in the dialect JSON Schema shares with Python."""
    allowed: str
    """The same in words."""

    def accepts(self, name: str) -> bool:
        """Whether the name follows the rule."""
        # `$` would accept a newline at the end.
        return re.fullmatch(self.pattern.removeprefix("^").removesuffix("$"), name) is not None


ENVIRONMENT = NameRule(
    pattern=r"^(?=.{1,12}$)[a-z][a-z0-9]*(-[a-z0-9]+)*$",
    allowed="1 to 12 lower-case letters, digits and single hyphens, starting with a letter",
)
"""An environment: the name of its settings file. Role and job names begin with it."""

JOB = NameRule(
    pattern=r"^(?=.{1,30}$)[a-z][a-z0-9]*(-[a-z0-9]+)*$",
    allowed="1 to 30 lower-case letters, digits and single hyphens, starting with a letter",
)
"""A job. With the environment, a digest and an attempt it makes Bedrock's job and model name."""

DATASET = NameRule(
    pattern=r"^(?=.{1,64}$)[a-z0-9]+(-[a-z0-9]+)*$",
    allowed="1 to 64 lower-case letters, digits and single hyphens",
)
"""A data set: a key of the lock file and a part of the object's key in S3."""
