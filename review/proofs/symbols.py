"""A request of which nothing is known: every part of it is open to the solver.

A text of the request is known to the solver by the patterns that it matches: which of them can be
matched at once is worked out beside it (see `languages`), so that an answer is always a request
that could be made, and a question is never one about texts.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Final

import z3

from review.decisions.condition_keys import MULTIVALUED, require_known
from review.decisions.request import Who
from review.proofs.languages import Class, Pattern, Wild, classes, literal, matches

SLOTS: Final = 2
"""How many values a key with several has at most: one that matches and one that does not."""
KINDS: Final = (Who.ROLE, Who.USER, Who.ROOT, Who.SERVICE, Who.ANONYMOUS, Who.WEB_IDENTITY)

_ANYTHING: Final[Pattern] = (Wild.MANY,)
_TRUTH: Final = (literal("true"), literal("false"))
_ACCOUNT: Final[Pattern] = (Wild.ONE_IN_ITS_PART,) * 12
_SOME: Final[Pattern] = (Wild.ONE_IN_ITS_PART, Wild.MANY_IN_ITS_PART)
_NAME: Final[Pattern] = (Wild.ONE, Wild.MANY)
_TRUTHS: Final = frozenset(
    {
        "aws:multifactorauthpresent",
        "aws:principalisawsservice",
        "aws:securetransport",
        "aws:viaawsservice",
        "kms:bypasspolicylockoutsafetycheck",
        "kms:grantisforawsresource",
    }
)
"""Keys that are `true` or `false`."""
_ALWAYS: Final = frozenset({"aws:securetransport", "aws:viaawsservice"})
"""Keys that every request carries."""


class Text:
    """A text of the request, known by the patterns that it matches.

    Args:
        name: What it is.
        shapes: Patterns of which it matches one, whatever else it does.
    """

    def __init__(self, name: str, *shapes: Pattern) -> None:
        self.name = name
        self._shapes = shapes or (_ANYTHING,)
        self._atoms: dict[Pattern, z3.BoolRef] = {}
        self._class = z3.Int(f"class of {name}")

    def matches(self, pattern: Pattern) -> z3.BoolRef:
        """That it matches a pattern as a whole."""
        if pattern == _ANYTHING:
            return z3.BoolVal(True)
        if pattern not in self._atoms:
            self._atoms[pattern] = z3.Bool(f"{self.name} matches pattern {len(self._atoms)}")
        return self._atoms[pattern]

    def equals(self, text: str) -> z3.BoolRef:
        """That it is this text."""
        return self.matches(literal(text))

    @property
    def facts(self) -> Iterator[z3.BoolRef]:
        """Which patterns it can match at once.

        Raises:
            TooManyClassesError: They come together in too many ways.
        """
        found = self._classes
        yield self._class >= 0
        yield self._class < len(found)
        for place, pattern in enumerate(self._atoms):
            members = [self._class == k for k, each in enumerate(found) if place in each.matches]
            yield self._atoms[pattern] == (z3.Or(members) if members else z3.BoolVal(False))

    def is_like(self, example: str) -> z3.BoolRef | None:
        """That it is of the class of a text; None where it cannot be such a text."""
        place = self._place_of(example)
        return None if place is None else self._class == place

    def value(self, model: z3.ModelRef, *, rather: tuple[str, ...] = ()) -> str:
        """A text of the class that the model has chosen: one of `rather` when it is of it."""
        chosen = int(model.eval(self._class, model_completion=True).as_long())
        for example in rather:
            if self._place_of(example) == chosen:
                return example
        return self._classes[chosen].example

    @property
    def _classes(self) -> tuple[Class, ...]:
        patterns = tuple(self._atoms)
        shapes = range(len(patterns), len(patterns) + len(self._shapes))
        return tuple(
            each
            for each in classes((*patterns, *self._shapes))
            if not each.matches.isdisjoint(shapes)
        )

    def _place_of(self, example: str) -> int | None:
        if not any(matches(shape, example) for shape in self._shapes):
            return None
        found = {place for place, each in enumerate(self._atoms) if matches(each, example)}
        own = range(len(self._atoms))
        return next(
            (
                place
                for place, each in enumerate(self._classes)
                if {match for match in each.matches if match in own} == found
            ),
            None,
        )


class Key:
    """A condition key: whether the request carries it, and what it holds."""

    def __init__(self, name: str) -> None:
        slots = SLOTS if name in MULTIVALUED else 1
        self.name = name
        shapes = _TRUTH if name in _TRUTHS else ()
        self.values = [Text(f"{name}#{place}", *shapes) for place in range(slots)]
        self.there = [z3.Bool(f"has {name}#{place}") for place in range(slots)]
        self.number = z3.Real(f"{name} as a number")

    @property
    def given(self) -> z3.BoolRef:
        """That the request carries the key."""
        return self.there[0]

    def matches(self, place: int, pattern: Pattern) -> z3.BoolRef:
        """That one of its values matches a pattern."""
        return self.values[place].matches(pattern)

    @property
    def facts(self) -> Iterator[z3.BoolRef]:
        """What is so of the key in every request."""
        for before, after in zip(self.there, self.there[1:], strict=False):
            yield z3.Implies(after, before)
        if self.name in _ALWAYS:
            yield self.given
        for value in self.values:
            yield from value.facts


class PrincipalKey(Key):
    """A condition key that says who asks, and so follows from the principal."""

    def __init__(self, name: str, says: Says, request: Symbols) -> None:
        super().__init__(name)
        self._says, self._request = says, request

    def matches(self, place: int, pattern: Pattern) -> z3.BoolRef:
        """That what it says of the principal matches a pattern; it has one value."""
        return z3.Or(
            [
                z3.And(self._request.is_a(kind), _said(self._request, found, pattern))
                for kind, found in self._says.items()
            ]
        )

    @property
    def facts(self) -> Iterator[z3.BoolRef]:
        """That the request carries it exactly for the principals which have it."""
        yield self.given == self._request.is_a(*self._says)


class Symbols:
    """Everything that is open of one request.

    Args:
        partition: `aws` or another; a request does not leave it.
    """

    def __init__(self, *, partition: str) -> None:
        self.partition = partition
        self.who = z3.Int("who")
        self.arn = Text("arn", *(self._arn_of(kind) for kind in ("role/", "user/", "root")))
        """Of the role, user or root, whoever of them it is."""
        self.session = Text("session", _SOME)
        self.service = Text("service", (*_SOME, *literal(".amazonaws.com")))
        self.provider = Text(
            "provider", *(self._arn_of(kind) for kind in ("oidc-provider/", "saml-provider/"))
        )
        self.action = Text("action", (*_SOME, ":", *_SOME))
        self.resource = Text("resource")
        self.keys: dict[str, Key] = {}
        self.is_bounded = z3.Bool("has a permissions boundary")
        """Whether the principal has one, whatever it says."""
        self._free: dict[object, z3.BoolRef] = {}

    def _arn_of(self, name: str) -> Pattern:
        rest = () if name == "root" else _NAME
        return (*self.in_account(_ACCOUNT), *literal(name), *rest)

    def in_account(self, account: Pattern) -> Pattern:
        """The beginning of the ARNs of an account's principals."""
        return (*literal(f"arn:{self.partition}:iam::"), *account, ":")

    def is_a(self, *kinds: Who) -> z3.BoolRef:
        """That the principal is of one of these kinds."""
        return z3.Or([self.who == KINDS.index(kind) for kind in kinds])

    @property
    def has_account(self) -> z3.BoolRef:
        """That the principal is a role, a user or an account's root."""
        return self.is_a(Who.ROLE, Who.USER, Who.ROOT)

    def is_of(self, account: str) -> z3.BoolRef:
        """That the principal is a role, a user or the root of an account."""
        return z3.And(
            self.has_account,
            self.arn.matches((*self.in_account(literal(account)), Wild.MANY)),
        )

    @property
    def facts(self) -> Iterator[z3.BoolRef]:
        """What AWS guarantees of the request, as far as its parts have been asked for."""
        yield self.who >= 0
        yield self.who < len(KINDS)
        yield z3.Implies(self.is_bounded, self.is_a(Who.ROLE, Who.USER))
        for kind, name in ((Who.ROLE, "role/"), (Who.USER, "user/"), (Who.ROOT, "root")):
            yield self.is_a(kind) == z3.And(self.has_account, self.arn.matches(self._arn_of(name)))
        for key in self.keys.values():
            yield from key.facts
        for text in self.texts.values():
            yield from text.facts

    @property
    def texts(self) -> Mapping[str, Text]:
        """Its texts, but for those of the keys."""
        return {
            "arn": self.arn,
            "session": self.session,
            "service": self.service,
            "provider": self.provider,
            "action": self.action,
            "resource": self.resource,
        }

    def key(self, name: str) -> Key:
        """A condition key, by its name in lower case.

        Raises:
            UnknownConditionKeyError: No request is known to carry it.
        """
        require_known(name)
        if name not in self.keys:
            says = _PRINCIPAL_KEYS.get(name)
            self.keys[name] = PrincipalKey(name, says, self) if says else Key(name)
        return self.keys[name]

    def free(self, about: object, *, label: str) -> z3.BoolRef:
        """A truth that the solver may choose, the same one for the same question.

        For what is not put into the solver's terms: it then finds more requests than there are and
        never fewer, so that a proof stays one, and an answer is looked at by the evaluator.
        """
        if about not in self._free:
            self._free[about] = z3.Bool(f"{label} ({len(self._free)})")
        return self._free[about]


Said = str | Callable[[Symbols, Pattern], z3.BoolRef]
"""What a key holds: a text, or when that matches a pattern."""
Says = Mapping[Who, Said]
"""What a key says of each kind of principal that carries it."""


def _said(request: Symbols, said: Said, pattern: Pattern) -> z3.BoolRef:
    if isinstance(said, str):
        return z3.BoolVal(matches(pattern, said))
    return said(request, pattern)


def _account(request: Symbols, pattern: Pattern) -> z3.BoolRef:
    """That the account of an ARN matches: a star in the pattern stays within it."""
    inside = tuple(
        {Wild.MANY: Wild.MANY_IN_ITS_PART, Wild.ONE: Wild.ONE_IN_ITS_PART}.get(step, step)
        if isinstance(step, Wild)
        else step
        for step in pattern
    )
    return request.arn.matches((*request.in_account(inside), Wild.MANY))


def _arn(request: Symbols, pattern: Pattern) -> z3.BoolRef:
    return request.arn.matches(pattern)


_OF_AN_ACCOUNT: Final = (Who.ROLE, Who.USER, Who.ROOT)
_PRINCIPAL_KEYS: Final[Mapping[str, Says]] = {
    "aws:principalarn": dict.fromkeys(_OF_AN_ACCOUNT, _arn),
    "aws:principalaccount": {
        **dict.fromkeys(_OF_AN_ACCOUNT, _account),
        Who.ANONYMOUS: "anonymous",
    },
    "aws:principalisawsservice": {
        kind: "true" if kind is Who.SERVICE else "false" for kind in KINDS
    },
    "aws:principalservicename": {
        Who.SERVICE: lambda request, pattern: request.service.matches(pattern)
    },
    "aws:principaltype": {
        Who.ROLE: "AssumedRole",
        Who.USER: "User",
        Who.ROOT: "Account",
        Who.ANONYMOUS: "Anonymous",
        Who.WEB_IDENTITY: "FederatedUser",
    },
    "aws:federatedprovider": {
        Who.WEB_IDENTITY: lambda request, pattern: request.provider.matches(pattern)
    },
}
"""Keys that say who asks: whose requests carry each, and what it holds.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""
