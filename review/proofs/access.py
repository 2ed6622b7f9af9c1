"""What one set of policies allows that another does not: each difference with a request.

Compared are policies that act on the same thing: those of one role, or the one of a resource. A
statement is taken apart into its actions and resources only where the whole of it allows more, so
that most comparisons are one question.
"""

from __future__ import annotations

import dataclasses
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import z3

from review.decisions.document import Policy, Statement, account_named
from review.decisions.request import Who
from review.proofs import encoding
from review.proofs.languages import Wild, literal
from review.proofs.solver import Answer, Hints, Outcome, find
from review.proofs.symbols import Symbols

_PRINCIPAL_KEYS: Final = frozenset({"aws:principalarn", "aws:userid", "aws:username"})


@dataclass(frozen=True, kw_only=True)
class Difference:
    """Access that is in one set of policies and not in the other."""

    policy: Policy
    statement: Statement
    """The part of it that makes the difference: one action on one resource where possible."""
    answer: Answer
    """A request that only one side lets through; or why that could not be found out."""
    lost_denial: bool = False
    """Whether the statement is a denial that is gone, and not a permission that has come."""


@dataclass(frozen=True, kw_only=True)
class Of:
    """What is known of every request that two sets of policies are compared for."""

    partition: str
    role: str = ""
    """ARN of the role that asks, where it is one's own policies."""
    resource: str = ""
    """ARN of the resource asked for, where it is one's own policy."""

    def request(self) -> Symbols:
        """A request of which only this is known."""
        return Symbols(partition=self.partition)

    def facts(self, request: Symbols) -> Iterator[z3.BoolRef]:
        """That the request is one of these."""
        if self.role:
            yield request.is_a(Who.ROLE)
            yield request.arn.equals(self.role)
        if self.resource:
            yield z3.Or(
                request.resource.equals(self.resource),
                *(
                    request.resource.matches((*literal(self.resource), sign, Wild.ONE, Wild.MANY))
                    for sign in ("/", ":")
                ),
            )


def added(*, before: Sequence[Policy], after: Sequence[Policy], of: Of) -> Iterator[Difference]:
    """What the policies allow, or no longer deny, that they did not before.

    Every difference has an answer that is `REFUTED`, with a request that shows it, or `UNDECIDED`,
    which is a difference too: nobody has shown that there is none.
    """
    asked = (_said(before), _said(after), of)
    if asked in _NOTHING_MORE:
        return
    found = False
    for each in _added(before=before, after=after, of=of):
        found = True
        yield each
    if not found:
        if len(_NOTHING_MORE) >= _KEPT:
            _NOTHING_MORE.clear()
        _NOTHING_MORE.add(asked)


_NOTHING_MORE: Final[set[tuple[frozenset[object], frozenset[object], Of]]] = set()
"""Questions that were proven: thousands of weakened copies ask them again."""
_KEPT: Final = 4096


def _said(policies: Iterable[Policy]) -> frozenset[object]:
    return frozenset(
        statement_key(statement) for policy in policies for statement in policy.statements
    )


def _added(*, before: Sequence[Policy], after: Sequence[Policy], of: Of) -> Iterator[Difference]:
    old_allows, old_denies = _statements(before)
    new_allows, new_denies = _statements(after)
    known = {statement_key(each) for _, each in old_allows}
    kept = {statement_key(each) for _, each in new_denies}
    for policy, statement in new_allows:
        if statement_key(statement) in known:
            continue
        against = [
            each
            for _, each in old_allows
            if is_delegation(each) == is_delegation(statement)
            and encoding.may_meet(each, statement)
        ]
        for part in _parts_that_add(
            statement,
            against=against,
            denials=[each for _, each in new_denies if encoding.may_meet(each, statement)],
            of=of,
        ):
            yield Difference(policy=policy, statement=part[0], answer=part[1])
    for policy, statement in old_denies:
        if statement_key(statement) in kept:
            continue
        request = of.request()
        answer = find(
            request,
            *of.facts(request),
            encoding.applies(request, statement),
            *(
                z3.Not(encoding.applies(request, each))
                for _, each in new_denies
                if encoding.may_meet(each, statement)
            ),
            hints=hints_of([statement], of),
        )
        if answer.outcome is not Outcome.PROVEN:
            yield Difference(policy=policy, statement=statement, answer=answer, lost_denial=True)


def is_delegation(statement: Statement) -> bool:
    """Whether a statement of a key's or resource's policy leaves it to IAM who of an account may.

    Such a statement names an account and nobody in it. It allows nobody anything by itself, so
    that another statement which names somebody is new beside it.
    https://docs.aws.amazon.com/kms/latest/developerguide/key-policy-default.html
    """
    names = statement.principals
    return (
        names is not None
        and not names.everyone
        and any(account_named(each) is not None for each in names.aws)
        and not any(condition.key in _PRINCIPAL_KEYS for condition in statement.conditions)
    )


def statement_key(statement: Statement) -> object:
    """What a statement says, without its label and its order."""

    def texts(field: str) -> frozenset[str]:
        return frozenset(each.source for each in getattr(statement, field))

    return (
        statement.allows,
        statement.principals,
        statement.not_principals,
        *(texts(field) for field in ("actions", "not_actions", "resources", "not_resources")),
        frozenset(
            (each.operator.name, each.key, frozenset(value.source for value in each.values))
            for each in statement.conditions
        ),
    )


def hints_of(statements: Iterable[Statement], of: Of | None = None) -> Hints:
    """What the statements themselves name: an answer reads best in their words."""
    actions: dict[str, None] = {}
    resources: dict[str, None] = {}
    keys: dict[str, list[str]] = {}
    for statement in statements:
        for action in statement.actions:
            actions[_filled(action.source)] = None
        for resource in statement.resources:
            resources[_filled(resource.source)] = None
        for condition in statement.conditions:
            values = [_filled(each.source) for each in condition.values]
            keys.setdefault(condition.key, []).extend(values)
    if of is not None and of.resource:
        resources = {of.resource: None, f"{of.resource}/some-object": None, **resources}
    return Hints(actions=list(actions), resources=list(resources), keys=keys)


def _filled(pattern: str) -> str:
    """A pattern with something in the place of its wildcards."""
    if pattern == "*":
        return "arn:aws:s3:::some-bucket/some-object"
    return pattern.replace("*", "anything").replace("?", "x")


def _statements(
    policies: Iterable[Policy],
) -> tuple[list[tuple[Policy, Statement]], list[tuple[Policy, Statement]]]:
    every = [(policy, statement) for policy in policies for statement in policy.statements]
    return (
        [each for each in every if each[1].allows],
        [each for each in every if not each[1].allows],
    )


def _parts_that_add(
    statement: Statement,
    *,
    against: Sequence[Statement],
    denials: Sequence[Statement],
    of: Of,
) -> Iterator[tuple[Statement, Answer]]:
    """The parts of a statement that allow what was not allowed: all of it when it has no parts."""
    whole = _adds(statement, against=against, denials=denials, of=of)
    if whole.outcome is Outcome.PROVEN:
        return
    parts = list(_parts(statement))
    if len(parts) < 2:
        yield statement, whole
        return
    found = False
    for part in parts:
        answer = _adds(part, against=against, denials=denials, of=of)
        if answer.outcome is not Outcome.PROVEN:
            found = True
            yield part, answer
    if not found:
        yield statement, whole


def _adds(
    statement: Statement,
    *,
    against: Sequence[Statement],
    denials: Sequence[Statement],
    of: Of,
) -> Answer:
    request = of.request()
    return find(
        request,
        *of.facts(request),
        encoding.applies(request, statement),
        z3.Not(encoding.some(encoding.applies(request, each) for each in against)),
        *(z3.Not(encoding.applies(request, each)) for each in denials),
        hints=hints_of([statement], of),
    )


def _parts(statement: Statement) -> Iterator[Statement]:
    """A statement for each pair of an action and a resource."""
    for action in statement.actions or (None,):
        for resource in statement.resources or (None,):
            yield dataclasses.replace(
                statement,
                actions=(action,) if action else (),
                resources=(resource,) if resource else (),
            )
