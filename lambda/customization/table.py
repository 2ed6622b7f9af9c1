"""The state table: rows by physical id, the ledger of places, and the requests that were seen.

Every write that depends on what was read carries that as a condition, so that of two functions
that decide at once one decides again.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Final

from botocore.exceptions import ClientError

from customization import claims
from customization.admission import Ledger
from customization.claims import Claim
from customization.errors import BusyTableError
from customization.jobs import error_code
from customization.rows import Row

if TYPE_CHECKING:
    from mypy_boto3_dynamodb import DynamoDBClient

LEDGER: Final = "ledger"
"""The id of the item that holds the ledger; no physical id looks so."""
REQUEST: Final = "request#"
"""How ids of the items begin that say when a request was first seen."""
RESOURCE: Final = "resource#"
"""How ids of the items begin that say which request for a resource came last."""
REMEMBERED: Final = timedelta(days=1)
"""How long a request is remembered: far longer than Lambda keeps an event."""
MOST_TRIES: Final = 30
"""How often the ledger is read again when others change it at the same time."""


@dataclass(frozen=True, kw_only=True)
class When:
    """What must hold for a write: attributes that are absent, and values, one of which is there.

    None among the values of an attribute stands for its absence.
    """

    absent: Sequence[str] = ()
    present: Sequence[str] = ()
    equal: Mapping[str, Sequence[str | None]] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class Sighting:
    """When a request was first seen, and whether a later one for its resource came since."""

    first: datetime
    overtaken: bool


@dataclass(frozen=True, kw_only=True)
class Table:
    """The state table of one environment; `pause` waits before the ledger is tried again."""

    dynamodb: DynamoDBClient
    name: str
    pause: Callable[[int], None]

    def read(self, name: str) -> Row | None:
        """Return the row of an id, or None."""
        item = self.item(name)
        return Row.parse(item) if item else None

    def unsettled(self) -> Iterator[Row]:
        """Yield every row that something is left to do for."""
        wanted = "attribute_exists(#State) AND attribute_not_exists(#SettledAt)"
        for item in self.scan(wanted, names=("State", "SettledAt")):
            yield Row.parse(item)

    def scan(self, expression: str, *, names: Sequence[str]) -> Iterator[dict[str, str]]:
        """Yield every item for which an expression over attributes holds, page by page."""
        start: dict[str, dict[str, str]] | None = None
        while True:
            answer = self.dynamodb.scan(
                TableName=self.name,
                ConsistentRead=True,
                FilterExpression=expression,
                ExpressionAttributeNames={f"#{name}": name for name in names},
                **({"ExclusiveStartKey": start} if start else {}),  # type: ignore[arg-type] # the key as it came
            )
            for item in answer["Items"]:
                yield _plain(item)
            start = answer.get("LastEvaluatedKey")  # type: ignore[assignment] # handed back as it came
            if not start:
                return

    def change(
        self,
        name: str,
        values: Mapping[str, str],
        *,
        once: Mapping[str, str] | None = None,
        remove: Sequence[str] = (),
        when: When | None = None,
    ) -> bool:
        """Write a row; False when the condition does not hold.

        `once` writes what is not there yet, `remove` takes attributes away. Without a condition
        the row is made when it is not there.
        """
        return self._update(name, values, once=once or {}, remove=remove, when=when) is not None

    def give_back(self, row: Row, *, to: Claim, keep: Sequence[Claim], when: When) -> bool:
        """Let an earlier claim on a row stand again; False when the condition does not hold.

        What the row says of its job stays. `keep` are the claims that are kept besides.
        """
        return self.change(
            row.name,
            {**to, "ClaimsBefore": json.dumps(keep)},
            remove=[*(key for key in claims.PARTS if key not in to), "SettledAt"],
            when=when,
        )

    def see(self, request_id: str, *, resource: str, now: datetime) -> Sighting:
        """Write down that a request of CloudFormation for a resource came, and return since when.

        A request that was seen before and is not its resource's newest any more was overtaken.
        """
        expiry = {"ExpiresAt": int((now + REMEMBERED).timestamp())}
        name, newest = f"{REQUEST}{request_id}", f"{RESOURCE}{resource}"
        known = self.item(name)
        if "SeenAt" in known:
            overtaken = self.item(newest).get("Newest") not in {None, request_id}
            return Sighting(first=datetime.fromisoformat(known["SeenAt"]), overtaken=overtaken)
        # In this order: after a crash in between it counts as new once more.
        self._update(newest, {"Newest": request_id}, numbers=expiry)
        self._update(name, {"SeenAt": now.isoformat()}, numbers=expiry)
        return Sighting(first=now, overtaken=False)

    def ledger(self) -> Ledger:
        """Return the ledger as it is now."""
        return self._ledger()[0]

    def change_ledger(self, change: Callable[[Ledger], Ledger], *, always: bool = False) -> Ledger:
        """Change the ledger as a whole and return it; `change` may be called several times.

        It is called again when another call has changed the ledger since: so what it reads of rows
        is no older than the ledger that it was given, and none that enters meanwhile is overlooked.
        `always` writes a ledger that stays as it is too, for those who come back to their place.
        Raises BusyTableError when others change it all the time.
        """
        for attempt in range(MOST_TRIES):
            before, version = self._ledger()
            after = change(before)
            if after == before and not always:
                return after
            written = self._update(
                LEDGER,
                {
                    "Running": json.dumps(after.running),
                    "Waiting": json.dumps(after.waiting),
                    "Version": str(int(version or 0) + 1),
                },
                when=When(equal={"Version": (version,)}),
            )
            if written is not None:
                return after
            self.pause(attempt)
        raise BusyTableError(
            f"the ledger of the table {self.name} changed {MOST_TRIES} times while it was read: "
            "deploy again"
        )

    def _ledger(self) -> tuple[Ledger, str | None]:
        item = self.item(LEDGER)
        ledger = Ledger(
            running=tuple(json.loads(item.get("Running", "[]"))),
            waiting=tuple(json.loads(item.get("Waiting", "[]"))),
        )
        return ledger, item.get("Version")

    def item(self, name: str) -> dict[str, str]:
        """Return the item of an id as text by attribute; empty when there is none."""
        answer = self.dynamodb.get_item(
            TableName=self.name, Key={"Id": {"S": name}}, ConsistentRead=True
        )
        return _plain(answer.get("Item", {}))

    def _update(
        self,
        name: str,
        values: Mapping[str, str],
        *,
        once: Mapping[str, str] | None = None,
        remove: Sequence[str] = (),
        numbers: Mapping[str, int] | None = None,
        when: When | None = None,
    ) -> dict[str, str] | None:
        """Return the item as it is after the write, or None when the condition did not hold."""
        once, numbers, when = once or {}, numbers or {}, when or When()
        # Every name goes through a placeholder: State is one of DynamoDB's reserved words.
        sets = [f"#{key} = :{key}" for key in (*values, *numbers)]
        sets += [f"#{key} = if_not_exists(#{key}, :{key})" for key in once]
        # DynamoDB takes no clause without an action.
        clauses = [f"SET {', '.join(sets)}"] if sets else []
        if remove:
            clauses.append(f"REMOVE {', '.join(f'#{key}' for key in remove)}")
        expression = " ".join(clauses)
        names = {*values, *numbers, *once, *remove}
        arguments: dict[str, dict[str, str]] = {
            f":{key}": {"S": value} for key, value in {**values, **once}.items()
        }
        arguments |= {f":{key}": {"N": str(value)} for key, value in numbers.items()}
        conditions = [f"attribute_not_exists(#{key})" for key in when.absent]
        conditions += [f"attribute_exists(#{key})" for key in when.present]
        for key, allowed in when.equal.items():
            some = []
            for number, value in enumerate(allowed):
                if value is None:
                    some.append(f"attribute_not_exists(#{key})")
                else:
                    arguments[f":{key}{number}"] = {"S": value}
                    some.append(f"#{key} = :{key}{number}")
            conditions.append(f"({' OR '.join(some)})")
        names |= {*when.absent, *when.present, *when.equal}
        try:
            answer = self.dynamodb.update_item(
                TableName=self.name,
                Key={"Id": {"S": name}},
                UpdateExpression=expression,
                ExpressionAttributeNames={f"#{key}": key for key in sorted(names)},
                ReturnValues="ALL_NEW",
                **({"ExpressionAttributeValues": arguments} if arguments else {}),  # type: ignore[arg-type] # absent where there is none
                **({"ConditionExpression": " AND ".join(conditions)} if conditions else {}),  # type: ignore[arg-type] # absent where there is none
            )
        except ClientError as error:
            if error_code(error) == "ConditionalCheckFailedException":
                return None
            raise
        return _plain(answer.get("Attributes", {}))


def _plain(item: Mapping[str, object]) -> dict[str, str]:
    """Return an item without DynamoDB's types; all that is kept is text, or a number as text."""
    plain = {}
    for key, value in item.items():
        if isinstance(value, Mapping):
            plain[key] = str(value.get("S", value.get("N", "")))
    return plain
