"""What every rule is made of: a claim about a deployment, why it matters, and how it is checked."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, Final, Literal

from review.template.deployment import Deployment, Resource, UnresolvedError
from review.template.policies import MalformedPolicyError

Profile = Literal["any", "app"]
"""`any`: holds for everybody who fine-tunes on Bedrock. `app`: holds for what this app makes."""

Level = Literal["error", "warning"]


@dataclass(frozen=True, kw_only=True)
class Violation:
    """One place at which a deployment does not do what a rule requires.

    Two violations are the same when they say the same about the same place, so that what a change
    adds can be told from what was there before.
    """

    message: str
    """What was found and what is expected."""
    property: str = ""
    """Dotted path into the resource's properties; empty for the resource as a whole."""
    stack: str = ""
    logical_id: str = ""
    resource: Resource | None = field(default=None, compare=False, repr=False)

    def __str__(self) -> str:
        return self.message


def at(resource: Resource, message: str, property: str = "") -> Violation:
    """A violation of one resource; its type and name stand before the message."""
    return Violation(
        message=f"{resource}: {message}",
        property=property,
        stack=resource.stack,
        logical_id=resource.logical_id,
        resource=resource,
    )


def of_the_whole(message: str) -> Violation:
    """A violation of no resource: something is missing, or there is too much of it."""
    return Violation(message=message)


Check = Callable[[Deployment], Iterable[Violation]]

NOT_UNDERSTOOD: Final = (
    UnresolvedError,
    MalformedPolicyError,
    # A template that lacks what CloudFormation requires, such as the key of a tag.
    AttributeError,
    IndexError,
    KeyError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True, kw_only=True)
class Rule:
    """One requirement on a deployment."""

    id: str
    """Family and claim, such as `network.no-way-out`; never changes once it is published."""
    requirement: str
    """What must hold, as a sentence."""
    risk: str
    """What may happen where it does not hold."""
    remedy: str
    """What to do about it."""
    step: str | None
    """The step of the walk-through, `W0` to `W17`; None for what goes beyond it."""
    standards: Mapping[str, tuple[str, ...]] = field(hash=False)
    """By the name of a standard or a tool, the ids of what it requires of the same kind."""
    profile: Profile
    level: Level
    check: Check
    name: str = ""
    """Of the function that checks."""

    def __call__(self, deployment: Deployment) -> list[Violation]:
        """Everything in a deployment that breaks the rule.

        What the check cannot take apart is a violation too: nobody has looked at it.
        """
        found: list[Violation] = []
        try:
            found.extend(self.check(deployment))
        except NOT_UNDERSTOOD as error:
            found.append(of_the_whole(f"cannot be understood: {type(error).__name__} {error}"))
        return found

    @property
    def family(self) -> str:
        """What stands before the dot of its id."""
        return self.id.partition(".")[0]


RULES: Final[dict[str, Rule]] = {}
"""All rules by id; importing a family adds its own."""


def rule(
    *,
    id: str,
    requirement: str,
    risk: str,
    remedy: str,
    step: str | None = None,
    standards: Mapping[str, tuple[str, ...]] | None = None,
    profile: Profile = "any",
    level: Level = "error",
) -> Callable[[Check], Rule]:
    """Registers the function that checks a requirement.

    Raises:
        ValueError: Another rule has the id.
    """

    def register(check: Check) -> Rule:
        if id in RULES:
            raise ValueError(f"two rules have the id {id!r}: give one of them another")
        RULES[id] = Rule(
            id=id,
            requirement=requirement,
            risk=risk,
            remedy=remedy,
            step=step,
            standards=dict(standards or {}),
            profile=profile,
            level=level,
            check=check,
            name=check.__name__,
        )
        return RULES[id]

    return register


def unexpected_properties(
    resource: Resource, expected: Mapping[str, Any], *, also: Iterable[str] = ()
) -> Iterator[Violation]:
    """The properties that differ from what is expected, and those that nobody has looked at.

    Args:
        resource: Of a type whose properties are all known.
        expected: What each property must be; None for one that must be absent.
        also: Properties that another rule looks at, or that say nothing about security.
    """
    passed_over = set(also)
    for name in sorted({*resource.properties, *expected} - passed_over):
        found = resource[name]
        wanted = expected.get(name)
        if unordered(found) != unordered(wanted):
            yield at(resource, f"{name} is {shown(found)}, expected {shown(wanted)}", name)


def unordered(value: Any) -> Any:  # noqa: ANN401 - a piece of a template
    """A list of texts in order: in a template their order says nothing."""
    if isinstance(value, list) and all(isinstance(each, str) for each in value):
        return sorted(value)
    if isinstance(value, Mapping):
        return {key: unordered(each) for key, each in value.items()}
    return value


def shown(value: object) -> str:
    """A value as a message quotes it: short, and `absent` for what is not there."""
    if value is None:
        return "absent"
    text = repr(value)
    return text if len(text) <= _SHOWN else f"{text[:_SHOWN]}..."


_SHOWN: Final = 200


def many(value: Any) -> list[Any]:  # noqa: ANN401 - a piece of a template
    """A list of what may be one value or a list of them; empty for what is absent."""
    if value is None:
        return []
    return list(value) if isinstance(value, list | tuple) else [value]
