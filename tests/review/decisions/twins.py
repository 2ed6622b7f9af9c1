"""What has to be weakened in the templates before a decision of the table comes out otherwise.

Taken are generic changes that know nothing of the table: a statement removed, everything allowed to
everybody in a policy, a permission beside a function. A denied row is widened until it is allowed,
and then narrowed again to what it takes; an allowed row is taken one statement after the other.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

from review.decisions.errors import UndecidableError
from review.decisions.stage import Answer, Stage
from review.decisions.table import Row
from review.mutation.additions import openings
from review.mutation.mutant import Mutant, put
from review.mutation.weaken import weakenings
from review.template.deployment import Deployment, Resource

Place = tuple[str, str]
"""Stack and logical id."""

_FOR_EVERYBODY: Final = ("added everything for everybody", "added everything")
_TAKEN: Final = ("removed", "without", "set to Deny")
_TABLE_FOR_EVERYBODY: Final = {
    "PolicyDocument": {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Principal": "*", "Action": "*", "Resource": "*"}],
    }
}
_MOST: Final = 12
"""Denials that are taken away before a row counts as one that nothing turns."""


@dataclass(frozen=True)
class Twin:
    """The least that turns a row; empty when nothing does."""

    changes: tuple[Mutant, ...]


class Twins:
    """Looks for twins in one deployment."""

    def __init__(self, deployment: Deployment) -> None:
        self._deployment = deployment
        self.stage = Stage(deployment)
        self._stages: dict[tuple[int, ...], Stage] = {(): self.stage}
        self._changes = [*weakenings(deployment), *openings(deployment), *self._table_policies()]
        self._by_place: dict[Place, list[int]] = {}
        for number, change in enumerate(self._changes):
            self._by_place.setdefault(self._place(change), []).append(number)

    def forget(self, type_: str) -> None:
        """Know no changes of the resources of a type any more."""
        for change in self._changes:
            if change.type == type_:
                self._by_place.pop(self._place(change), None)

    def _table_policies(self) -> Iterator[Mutant]:
        """Tables have a policy only where somebody gives them one."""
        for table in self._deployment.of_type("AWS::DynamoDB::Table"):
            path = ("Properties", "ResourcePolicy")
            yield Mutant(
                stack=table.stack,
                logical_id=table.logical_id,
                type=table.type,
                path=path,
                how="added everything for everybody",
                change=put(path, _TABLE_FOR_EVERYBODY),
            )

    @staticmethod
    def _place(change: Mutant) -> Place:
        """The resource that it is about: what is added is about the resource that it opens."""
        if change.adds is None:
            return change.stack, change.logical_id
        return change.stack, change.how.removeprefix("for ")

    def twin(self, row: Row) -> Twin:
        """The least that turns a row."""
        answer = self.stage.ask(row)
        places = self._involved(answer)
        found = self._removal(row, places) if answer.allowed else self._widening(row, places)
        return Twin(tuple(self._changes[each] for each in found))

    # What a row looks at.

    def _involved(self, answer: Answer) -> list[Place]:
        """The resources whose policies have a say in a row, or that could have one."""
        scene, world = self.stage.scene, self.stage.scene.world
        places: dict[Place, None] = {}

        def add(resource: Resource | None) -> None:
            if resource is not None:
                places[resource.stack, resource.logical_id] = None

        for request in answer.requests:
            for policy in request.principal.policies:
                add(scene.sources.get(policy.name))
            policy_of_it = world.policy_of(request.resource, action=request.action)
            for name in (policy_of_it.name if policy_of_it else "").split(" and "):
                add(scene.sources.get(name))
            if request.endpoint in world.endpoints:
                endpoint = world.endpoints[str(request.endpoint)].policy
                add(scene.sources.get(endpoint.name if endpoint else ""))
            for resource in self._deployment.of_type(
                "AWS::Lambda::Function", "AWS::DynamoDB::Table"
            ):
                if request.resource == resource.arn:
                    add(resource)
        return list(places)

    def _changes_of(self, places: list[Place]) -> list[int]:
        return [number for place in places for number in self._by_place.get(place, [])]

    # Turning it.

    def _turned(self, row: Row, changes: tuple[int, ...]) -> bool | None:
        """Whether the row comes out otherwise under changes; None when it cannot be decided."""
        try:
            return not self._under(changes).ask(row).holds
        except UndecidableError:
            return None

    def _under(self, changes: tuple[int, ...]) -> Stage:
        if changes not in self._stages:
            weaker = self._deployment
            # Removals last and from the end, so that the places of statements stay true.
            for each in sorted(changes, key=self._order):
                weaker = self._changes[each].apply(weaker)
            self._stages[changes] = Stage(weaker)
        return self._stages[changes]

    def _order(self, number: int) -> tuple[bool, tuple[int, ...]]:
        change = self._changes[number]
        places = tuple(-part for part in change.path if isinstance(part, int))
        return change.how == "removed", places

    def _removal(self, row: Row, places: list[Place]) -> tuple[int, ...]:
        for number in self._changes_of(places):
            # Of a policy's only statement the Effect is turned: without it nothing would be left.
            taken = self._changes[number].how.startswith(_TAKEN)
            if taken and self._turned(row, (number,)):
                return (number,)
        return ()

    def _widening(self, row: Row, places: list[Place]) -> tuple[int, ...]:
        numbers = self._changes_of(places)
        taken = [
            number
            for number in numbers
            if self._changes[number].how in _FOR_EVERYBODY
            or (
                self._changes[number].type == "AWS::Lambda::Permission"
                and self._changes[number].adds is not None
            )
        ]
        for _ in range(_MOST):
            turned = self._turned(row, tuple(taken))
            if turned:
                return self._narrowed(row, tuple(taken))
            denial = None if turned is None else self._denial(row, tuple(taken), numbers)
            if denial is None:
                return ()
            taken.append(denial)
        return ()

    def _denial(self, row: Row, taken: tuple[int, ...], numbers: list[int]) -> int | None:
        """The removal of the statement that still denies."""
        stage = self._under(taken)
        _, decision = stage.ask(row).decisive
        reason = decision.reasons[0]
        source = stage.scene.sources.get(reason.policy or "")
        if not decision.explicit or source is None:
            return None
        for number in numbers:
            change = self._changes[number]
            here = (change.stack, change.logical_id) == (source.stack, source.logical_id)
            if (
                here
                and change.how == "removed"
                and _label(self._deployment, change) == (reason.statement)
            ):
                return None if number in taken else number
        return None

    def _narrowed(self, row: Row, taken: tuple[int, ...]) -> tuple[int, ...]:
        """Without the changes that it turns without."""
        for number in taken:
            fewer = tuple(each for each in taken if each != number)
            if self._turned(row, fewer):
                taken = fewer
        return taken


def _label(deployment: Deployment, change: Mutant) -> str | None:
    """What reasons call the statement that a change removes; None for other changes."""
    if len(change.path) < 2 or change.path[-2] != "Statement":
        return None
    here: Any = deployment.templates[change.stack]["Resources"][change.logical_id]
    for part in change.path:
        here = here[part]
    return str(here.get("Sid") or f"statement {int(change.path[-1]) + 1}")
