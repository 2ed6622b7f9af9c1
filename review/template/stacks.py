"""What is known of a stack besides its template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

from review.template.documents import Document
from review.template.names import ACCOUNT, REGION, Scope
from settings.regions import partition_of, url_suffix_of


@dataclass(frozen=True, kw_only=True)
class Stack:
    """Where a stack is deployed, with which parameters, and which file it was read from.

    Account and Region that nobody has named are invented.
    """

    name: str
    """What `AWS::StackName` returns."""
    account: str = ACCOUNT
    region: str = REGION
    parameters: Mapping[str, Any] = field(default_factory=dict)
    """Values given at deployment, by the parameter's name."""
    parent: tuple[str, str] | None = None
    """Of a nested stack: the stack and logical id of the resource that makes it."""
    document: Document | None = None

    @cached_property
    def scope(self) -> Scope:
        """Where its resources are."""
        partition = partition_of(self.region) or "aws"
        return Scope(partition, self.region, self.account, url_suffix_of(partition))
