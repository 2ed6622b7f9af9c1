"""A request of which nothing is known: every part of it is a variable of the solver.

What AWS guarantees of every request is asserted beside it (an ARN names its account, a service has
no ARN), so that an answer is a request that could be made.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Final

import z3

from review.decisions.condition_keys import MULTIVALUED, require_known
from review.decisions.request import Who

ACCOUNT_LENGTH: Final = 12
SLOTS: Final = 2
"""How many values a key with several has at most: one that matches and one that does not."""
_TRUTHS: Final = frozenset(
    {
        "aws:securetransport",
        "aws:viaawsservice",
        "aws:principalisawsservice",
        "aws:multifactorauthpresent",
        "kms:grantisforawsresource",
        "kms:bypasspolicylockoutsafetycheck",
        "s3:bypassgovernanceretention",
    }
)
"""Keys that are `true` or `false`."""
_ALWAYS: Final = frozenset({"aws:securetransport", "aws:viaawsservice"})
"""Keys that every request carries."""

KINDS: Final = (Who.ROLE, Who.USER, Who.ROOT, Who.SERVICE, Who.ANONYMOUS, Who.WEB_IDENTITY)


class Key:
    """A condition key: whether the request carries it, and what it holds."""

    def __init__(self, name: str) -> None:
        slots = SLOTS if name in MULTIVALUED else 1
        self.name = name
        self.values = [z3.String(f"{name}#{place}") for place in range(slots)]
        self.there = [z3.Bool(f"has {name}#{place}") for place in range(slots)]
        self.number = z3.Real(f"{name} as a number")

    @property
    def given(self) -> z3.BoolRef:
        """That the request carries the key."""
        return self.there[0]


class Symbols:
    """The variables of one request.

    Args:
        partition: `aws` or another; a request does not leave it.
    """

    def __init__(self, *, partition: str) -> None:
        self.partition = partition
        self.who = z3.Int("who")
        self.account = z3.String("account")
        self.name = z3.String("name")
        """Of a role or user with its kind before it, such as `role/path/Name`."""
        self.session = z3.String("session")
        self.service = z3.String("service")
        self.provider = z3.String("provider")
        self.action = z3.String("action")
        self.resource = z3.String("resource")
        self.keys: dict[str, Key] = {}
        self._free: dict[object, z3.BoolRef] = {}
        self._facts: list[z3.BoolRef] = [
            self.who >= 0,
            self.who < len(KINDS),
            z3.Length(self.account) == ACCOUNT_LENGTH,
            z3.Implies(self.is_a(Who.ROLE), z3.PrefixOf("role/", self.name)),
            z3.Implies(self.is_a(Who.USER), z3.PrefixOf("user/", self.name)),
            z3.Implies(self.is_a(Who.ROOT), self.name == "root"),
        ]

    def is_a(self, *kinds: Who) -> z3.BoolRef:
        """That the principal is of one of these kinds."""
        return z3.Or([self.who == KINDS.index(kind) for kind in kinds])

    @property
    def has_account(self) -> z3.BoolRef:
        """That the principal is a role, a user or an account's root."""
        return self.is_a(Who.ROLE, Who.USER, Who.ROOT)

    @property
    def arn(self) -> z3.SeqRef:
        """ARN of the role, user or root."""
        return z3.Concat(f"arn:{self.partition}:iam::", self.account, ":", self.name)

    @property
    def facts(self) -> Iterator[z3.BoolRef]:
        """What AWS guarantees of the request, as far as its parts have been asked for."""
        yield from self._facts
        for key in self.keys.values():
            yield from self._of_key(key)

    def key(self, name: str) -> Key:
        """The variables of a condition key, by its name in lower case.

        Raises:
            UnknownConditionKeyError: No request is known to carry it.
        """
        require_known(name)
        if name not in self.keys:
            self.keys[name] = Key(name)
        return self.keys[name]

    def free(self, about: object, *, label: str) -> z3.BoolRef:
        """A truth that the solver may choose, the same one for the same question.

        For what is not put into the solver's terms: it then finds more requests than there are and
        never fewer, so that a proof stays one, and an answer is looked at by the evaluator.
        """
        if about not in self._free:
            self._free[about] = z3.Bool(f"{label} ({len(self._free)})")
        return self._free[about]

    def _of_key(self, key: Key) -> Iterator[z3.BoolRef]:
        for before, after in zip(key.there, key.there[1:], strict=False):
            yield z3.Implies(after, before)
        if key.name in _TRUTHS:
            yield z3.Or([key.values[0] == each for each in ("true", "false")])
        if key.name in _ALWAYS:
            yield key.given
        if known := _OF_THE_PRINCIPAL.get(key.name):
            when, value = known(self)
            yield key.given == when
            yield z3.Implies(when, key.values[0] == value)


_Known = Callable[[Symbols], tuple[z3.BoolRef, z3.SeqRef]]

_OF_THE_PRINCIPAL: Final[dict[str, _Known]] = {
    "aws:principalarn": lambda request: (request.has_account, request.arn),
    "aws:principalaccount": lambda request: (
        z3.Or(request.has_account, request.is_a(Who.ANONYMOUS)),
        z3.If(request.is_a(Who.ANONYMOUS), z3.StringVal("anonymous"), request.account),
    ),
    "aws:principalisawsservice": lambda request: (
        z3.BoolVal(True),
        z3.If(request.is_a(Who.SERVICE), z3.StringVal("true"), z3.StringVal("false")),
    ),
    "aws:principalservicename": lambda request: (request.is_a(Who.SERVICE), request.service),
    "aws:federatedprovider": lambda request: (request.is_a(Who.WEB_IDENTITY), request.provider),
}
"""Keys that say who asks: when a request carries each, and its value.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_condition-keys.html
"""
