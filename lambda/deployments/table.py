"""The table of deployments: rows by name, and the requests that were seen."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from customization.claims import Claim
from customization.table import Sighting, Table, When
from deployments.rows import CLAIM, Row

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient


@dataclass(frozen=True, kw_only=True)
class DeploymentTable:
    """The table of one environment's deployments, over the writes that all tables share."""

    items: Table

    @classmethod
    def of(cls, *, dynamodb: DynamoDBClient, name: str) -> DeploymentTable:
        """Return the table of a name; it has no ledger, so nothing waits for one."""
        return cls(items=Table(dynamodb=dynamodb, name=name, pause=lambda _: None))

    def read(self, name: str) -> Row | None:
        """Return the row of a name, or None."""
        item = self.items.item(name)
        return Row.parse(item) if item else None

    def rows(self) -> Iterator[Row]:
        """Yield every row."""
        for item in self.items.scan("attribute_exists(#State)", names=("State",)):
            yield Row.parse(item)

    def of_job(self, job_name: str) -> list[Row]:
        """Return the rows of a job, by its physical id, that are wanted still; newest first.

        A replaced one comes after what took its place.
        """
        found = [row for row in self.rows() if row.job_name == job_name and row.deleted_at is None]
        found.sort(key=lambda row: (row.superseded_by is None, row.requested_at), reverse=True)
        return found

    def change(
        self,
        name: str,
        values: Mapping[str, str],
        *,
        once: Mapping[str, str] | None = None,
        remove: Sequence[str] = (),
        when: When | None = None,
    ) -> bool:
        """Write a row; False when the condition does not hold."""
        return self.items.change(name, values, once=once, remove=remove, when=when)

    def give_back(self, row: Row, *, to: Claim, keep: Sequence[Claim], when: When) -> bool:
        """Let an earlier claim on a row stand again; False when the condition does not hold."""
        return self.change(
            row.name,
            {**to, "ClaimsBefore": json.dumps(keep)},
            remove=[*(key for key in CLAIM if key not in to), "SettledAt"],
            when=when,
        )

    def see(self, request_id: str, *, resource: str, now: datetime) -> Sighting:
        """Write down that a request of CloudFormation came, and return since when."""
        return self.items.see(request_id, resource=resource, now=now)
