"""Classes of changes that this gate does not judge, each with the reason why nobody is worse off.

A class is a part of the normal form that is left out of it. A mutant is out of scope only when
everything else of it, policies too, is what it was. `docs/review-mutation.md` says the reasons, and
how many mutants may be out of scope.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import combinations
from typing import Any, Final

from review.mutation.normal import Normal


@dataclass(frozen=True, kw_only=True)
class Class:
    """Places in the normal form that say nothing this gate judges."""

    name: str
    why: str
    places: tuple[tuple[str, str], ...]
    """Regular expressions: of a resource type, and of a dotted property; places in lists count
    as `[]`."""

    def leaves_out(self, type_: str, path: str) -> bool:
        """Whether what stands at a path of a resource of a type belongs to the class."""
        return any(
            re.fullmatch(of, type_) and re.fullmatch(where, path) for of, where in self.places
        )


CLASSES: Final = (
    Class(
        name="texts",
        why="They are for people to read: no policy, service or function decides by a description, "
        "a label or the name of a policy inside of a role.",
        places=(
            (".*", r"(.*\.)?(Description|AlarmDescription|GroupDescription|DisplayName|Label)"),
            ("AWS::S3::Bucket", r"LifecycleConfiguration\.Rules\.\[\]\.Id"),
            ("AWS::IAM::.*", r"(Policies\.\[\]\.)?PolicyName|ManagedPolicyName"),
        ),
    ),
    Class(
        name="sizes",
        why="How much memory, for how long, how many days: within the limits that the rules set, "
        "more or less of it admits nobody and keeps nothing back.",
        places=(
            ("AWS::Lambda::Function", r"MemorySize|Timeout|EphemeralStorage(\..*)?"),
            ("AWS::Logs::LogGroup", "RetentionInDays"),
            ("AWS::KMS::Key", "PendingWindowInDays|RotationPeriodInDays"),
            ("AWS::S3::Bucket", r"LifecycleConfiguration\.Rules\.\[\]\..*(Days|InDays)"),
            ("AWS::S3::Bucket", r"LifecycleConfiguration\.Rules\.\[\]\..*DaysAfterInitiation"),
            ("AWS::EC2::VPC", "InstanceTenancy"),
        ),
    ),
    Class(
        name="learning",
        why="How well a model learns, and whether it is trained at all, is the settings' to say; a "
        "job that is not there reads nothing.",
        places=(
            ("Custom::BedrockModelCustomizationJob", r"Request\.hyperParameters(\..*)?"),
        ),
    ),
)  # fmt: skip


def out_of_scope(before: Normal, after: Normal) -> tuple[str, ...] | None:
    """The classes that a change is in, the fewest that explain all of it; None when none do."""
    changed = [place for place in {*before, *after} if before.get(place) != after.get(place)]
    if not all(
        _is_resource(before.get(place)) and _is_resource(after.get(place)) for place in changed
    ):
        return None
    for number in range(1, len(CLASSES) + 1):
        for chosen in combinations(CLASSES, number):
            if all(
                _without(before[place], chosen) == _without(after[place], chosen)
                for place in changed
            ):
                return tuple(each.name for each in chosen)
    return None


def _is_resource(found: Any) -> bool:  # noqa: ANN401 - a piece of a normal form
    return isinstance(found, Mapping) and "properties" in found


def _without(found: Mapping[str, Any], classes: tuple[Class, ...]) -> dict[str, Any]:
    """A resource of the normal form without what belongs to some classes."""
    type_ = str(found["type"])

    def left(value: Any, path: str) -> Any:  # noqa: ANN401 - a piece of a normal form
        if isinstance(value, Mapping):
            return {
                name: left(each, inner)
                for name, each in value.items()
                for inner in [f"{path}.{name}" if path else name]
                if not any(one.leaves_out(type_, inner) for one in classes)
            }
        if isinstance(value, list):
            return [left(each, f"{path}.[]") for each in value]
        return value

    return {**found, "properties": left(found["properties"], "")}


def reasons() -> Iterator[tuple[str, str]]:
    """The classes and their reasons, as the docs have to say them."""
    for each in CLASSES:
        yield each.name, each.why
