"""The state table: what CloudFormation has said of each id, which Bedrock does not know.

One item for each physical id (partition key `Id`): its environment and job, its state, the id that
took its place and when its clean-up came. No data and no secret is kept.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Mapping
    from datetime import datetime

    from mypy_boto3_dynamodb import DynamoDBClient

    from customization.identity import PhysicalId

CURRENT = "Submitted"
"""The state of an id whose job was submitted, however far it has come since: Bedrock knows."""
DELETED = "Deleted"
"""The state of an id that CloudFormation has deleted."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """What the table holds of one id; `exists` is false when it holds nothing.

    `retired` says that the clean-up Delete of a superseded id has come: the update that replaced
    it is final, and no rollback of that update can follow.
    """

    exists: bool
    superseded_by: str | None = None
    retired: bool = False


@dataclass(frozen=True, kw_only=True)
class Records:
    """The state table of one environment."""

    dynamodb: DynamoDBClient
    table: str

    def read(self, physical_id: str) -> Record:
        """Return what is known of an id."""
        answer = self.dynamodb.get_item(
            TableName=self.table, Key={"Id": {"S": physical_id}}, ConsistentRead=True
        )
        item = answer.get("Item", {})
        return Record(
            exists=bool(item),
            superseded_by=item["SupersededBy"]["S"] if "SupersededBy" in item else None,
            retired="RetiredAt" in item,
        )

    def make_current(self, owner: PhysicalId, *, now: datetime) -> None:
        """Write an id as its resource's current one, taking back an earlier replacement."""
        self._update(
            owner,
            {"State": CURRENT},
            once={"SubmittedAt": now.isoformat()},
            remove=("SupersededBy", "RetiredAt", "OnReplace"),
        )

    def supersede(self, owner: PhysicalId, *, by: str) -> None:
        """Mark an id as replaced by another."""
        self._update(owner, {"SupersededBy": by})

    def retire(self, owner: PhysicalId, *, on_replace: str, now: datetime) -> None:
        """Write that a superseded id's clean-up came, and what its model's policy is."""
        self._update(owner, {"RetiredAt": now.isoformat(), "OnReplace": on_replace})

    def delete(self, owner: PhysicalId) -> None:
        """Write that an id was deleted; the item stays as its history."""
        self._update(owner, {"State": DELETED})

    def _update(
        self,
        owner: PhysicalId,
        values: Mapping[str, str],
        *,
        once: Mapping[str, str] | None = None,
        remove: tuple[str, ...] = (),
    ) -> None:
        always = {"Environment": owner.environment, "Job": owner.job, **values}
        once = once or {}
        # Every name goes through a placeholder: State is one of DynamoDB's reserved words.
        sets = [f"#{name} = :{name}" for name in always]
        sets += [f"#{name} = if_not_exists(#{name}, :{name})" for name in once]
        expression = "SET " + ", ".join(sets)
        if remove:
            expression += " REMOVE " + ", ".join(f"#{name}" for name in remove)
        self.dynamodb.update_item(
            TableName=self.table,
            Key={"Id": {"S": str(owner)}},
            UpdateExpression=expression,
            ExpressionAttributeNames={f"#{n}": n for n in (*always, *once, *remove)},
            ExpressionAttributeValues={
                f":{name}": {"S": value} for name, value in {**always, **once}.items()
            },
        )
