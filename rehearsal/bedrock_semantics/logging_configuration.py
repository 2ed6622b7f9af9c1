"""The log of model invocations: one configuration for an account and Region, replaced as a whole.

https://docs.aws.amazon.com/bedrock/latest/APIReference/API_PutModelInvocationLoggingConfiguration.html
That a configuration without a destination is refused, that what was not named is not answered, and
that removing none is no error, is assumed: the pages say nothing of it.
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, MutableMapping
from dataclasses import dataclass, field
from typing import Any, Final

from rehearsal.bedrock_semantics.errors import ValidationError
from rehearsal.bedrock_semantics.jobs import Record

_ONLY: Final = "loggingConfig"


def admits_all(configuration: Mapping[str, Any]) -> None:
    """Take every destination and role."""
    del configuration


@dataclass(kw_only=True)
class LoggingConfiguration:
    """The configuration, over a store that others may look into.

    `admit` raises ServiceError for a destination that Bedrock cannot write to with its role, which
    it tries when it is given one.
    """

    store: MutableMapping[str, Record] = field(default_factory=dict)
    admit: Callable[[Mapping[str, Any]], None] = admits_all

    def put(self, request: Mapping[str, Any]) -> Record:
        """Replace the whole configuration."""
        given = copy.deepcopy(request[_ONLY])
        if not given.get("cloudWatchConfig") and not given.get("s3Config"):
            raise ValidationError("a logging configuration names a log group, a bucket or both")
        self.admit(given)
        self.store[_ONLY] = given
        return {}

    def get(self) -> Record:
        """Answer the configuration; without one the answer is empty."""
        return {_ONLY: copy.deepcopy(self.store[_ONLY])} if _ONLY in self.store else {}

    def delete(self) -> Record:
        """Remove the configuration."""
        self.store.pop(_ONLY, None)
        return {}
