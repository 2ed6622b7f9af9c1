"""Asking the solver, and turning its answer into a request that a person can read and repeat."""

from __future__ import annotations

import enum
import time
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Final

import z3

from review.decisions.document import Kind, policy
from review.decisions.request import Principal, Request, Value, Who
from review.proofs.languages import TooManyClassesError
from review.proofs.symbols import KINDS, Key, PrincipalKey, Symbols, Text

TIMEOUT_MS: Final = 4000
"""How long one question may take; one that takes longer is not answered, and that is a failure."""
EVERYTHING: Final = policy(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    },
    name="a permissions boundary that takes nothing away",
    kind=Kind.BOUNDARY,
)
"""Of a principal that is not in the templates: the least that it can be limited by."""
STRANGER: Final = "444455556666"
"""The account that stands for somebody else's where the solver has the choice."""


def _of_a_stranger(name: str) -> tuple[str, ...]:
    return tuple(
        f"arn:{partition}:iam::{STRANGER}:{name}" for partition in ("aws", "aws-us-gov", "aws-cn")
    )


_FIRST_CHOICES: Final[Mapping[str, tuple[str, ...]]] = {
    "arn": _of_a_stranger("role/Somebody"),
    "session": ("session",),
    "service": ("cloudtrail.amazonaws.com",),
    "provider": _of_a_stranger("oidc-provider/accounts.example.com"),
}


class Outcome(enum.StrEnum):
    """What came of a question."""

    PROVEN = "proven"
    """There is no such request."""
    REFUTED = "refuted"
    """There is one, and it is shown."""
    UNDECIDED = "undecided"
    """The solver gave up, or its request is none that the evaluator confirms: a failure too."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What the solver says of a question."""

    outcome: Outcome
    request: Request | None = None
    """One that should not be, where there is one."""
    seconds: float = 0.0
    why: str = ""
    """Why it is undecided."""


@dataclass(frozen=True, kw_only=True)
class Hints:
    """Values that a person would choose, tried where the solver does not care."""

    actions: Sequence[str] = ()
    resources: Sequence[str] = ()
    keys: Mapping[str, Sequence[str]] = field(default_factory=dict)
    """By the key's name in lower case."""


_NO_HINTS: Final = Hints()


def find(
    request: Symbols,
    *conditions: z3.BoolRef,
    hints: Hints = _NO_HINTS,
    timeout_ms: int = TIMEOUT_MS,
) -> Answer:
    """Look for a request that meets all conditions.

    Args:
        request: Its variables.
        conditions: What it has to meet.
        hints: What to prefer in an answer.
        timeout_ms: For each look, in milliseconds.

    Returns:
        `PROVEN` where there is none, `REFUTED` with the request where there is one.
    """
    started = time.perf_counter()
    solver = z3.Solver()
    solver.set("timeout", timeout_ms)
    try:
        solver.add(*conditions, *request.facts)
        found, why = _check(solver)
    except TooManyClassesError as error:
        found, why = z3.unknown, str(error)
    if found == z3.unsat:
        return Answer(outcome=Outcome.PROVEN, seconds=time.perf_counter() - started)
    if found != z3.sat:
        return Answer(
            outcome=Outcome.UNDECIDED,
            seconds=time.perf_counter() - started,
            why=f"the solver gave up: {why}",
        )
    model = _readable(solver, request, hints)
    return Answer(
        outcome=Outcome.REFUTED,
        request=_request(request, model, hints),
        seconds=time.perf_counter() - started,
    )


def _check(solver: z3.Solver) -> tuple[z3.CheckSatResult, str]:
    """The solver's answer, and why it has none where it has none."""
    found = solver.check()
    return found, solver.reason_unknown() if found == z3.unknown else ""


def _readable(solver: z3.Solver, request: Symbols, hints: Hints) -> z3.ModelRef:
    """A model in which each part has a value that a person would choose, where one fits."""
    model = solver.model()
    for choices in _wishes(request, hints):
        for choice in choices:
            solver.push()
            solver.add(choice)
            if solver.check() == z3.sat:
                model = solver.model()
                break
            solver.pop()
    return model


def _wishes(request: Symbols, hints: Hints) -> Iterator[Iterator[z3.BoolRef]]:
    for key in request.keys.values():
        if not hints.keys.get(key.name):
            yield iter([z3.Not(key.given)])
    for name, text in request.texts.items():
        yield _likes(text, _examples(name, hints))
    for name, values in hints.keys.items():
        if name in request.keys:
            yield _likes(request.keys[name].values[0], tuple(values))


def _examples(name: str, hints: Hints) -> tuple[str, ...]:
    by_hand = {
        "action": tuple(each.lower() for each in hints.actions),
        "resource": tuple(hints.resources),
    }
    return by_hand.get(name) or _FIRST_CHOICES.get(name, ())


def _likes(text: Text, examples: tuple[str, ...]) -> Iterator[z3.BoolRef]:
    return (found for each in examples if (found := text.is_like(each)) is not None)


def _request(symbols: Symbols, model: z3.ModelRef, hints: Hints) -> Request:
    who = KINDS[model.eval(symbols.who, model_completion=True).as_long()]

    def value(name: str) -> str:
        return symbols.texts[name].value(model, rather=_examples(name, hints))

    arn = ""
    if who in {Who.ROLE, Who.USER, Who.ROOT}:
        arn = value("arn")
    elif who is Who.WEB_IDENTITY:
        arn = value("provider")
    return Request(
        principal=Principal(
            who=who,
            name=_called(who, arn=arn, service=value("service")),
            arn=arn,
            session=value("session"),
            service=value("service") if who is Who.SERVICE else "",
            boundary=EVERYTHING if z3.is_true(model.eval(symbols.is_bounded)) else None,
        ),
        action=value("action"),
        resource=value("resource") or "*",
        keys=dict(_keys(symbols.keys.values(), model, hints)),
    )


def _called(who: Who, *, arn: str, service: str) -> str:
    if who is Who.SERVICE:
        return service or "a service"
    return arn or "anybody, without credentials"


def _keys(
    keys: Iterable[Key], model: z3.ModelRef, hints: Hints
) -> Iterator[tuple[str, Value | None]]:
    for key in keys:
        if isinstance(key, PrincipalKey):
            continue  # it follows from the principal
        values = tuple(
            text.value(model, rather=tuple(hints.keys.get(key.name, ())))
            for text, there in zip(key.values, key.there, strict=True)
            if z3.is_true(model.eval(there, model_completion=True))
        )
        if not values:
            yield key.name, None
        elif len(key.values) > 1:
            yield key.name, values
        else:
            yield key.name, _number(key, model) or values[0]


def _number(key: Key, model: z3.ModelRef) -> str | None:
    """A key that a number is asked of, as text."""
    found = model.eval(key.number)
    if not z3.is_rational_value(found):
        return None
    return str(float(found.as_fraction())).removesuffix(".0")
