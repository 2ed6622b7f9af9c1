"""Policies in the solver's terms: when a statement applies to a request of which nothing is known.

What is not put into its terms (dates, addresses, texts without case, variables) becomes a truth
that the solver may choose: see `Symbols.free`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Final

import z3

from review.decisions.document import Condition, Names, Policy, Statement, account_named
from review.decisions.patterns import ARN_PARTS, QUESTION, STAR, Text, Token, Variable
from review.decisions.request import Who
from review.proofs.languages import Pattern, Wild, literal, meet
from review.proofs.symbols import Key, Symbols

_EQUAL: Final = frozenset({"StringEquals", "StringLike"})
_ARNS: Final = frozenset({"ArnEquals", "ArnLike"})
_NUMBERS: Final[dict[str, Callable[[z3.ArithRef, z3.ArithRef], z3.BoolRef]]] = {
    "NumericEquals": lambda left, right: left == right,
    "NumericLessThan": lambda left, right: left < right,
    "NumericLessThanEquals": lambda left, right: left <= right,
    "NumericGreaterThan": lambda left, right: left > right,
    "NumericGreaterThanEquals": lambda left, right: left >= right,
}

Matches = Callable[[Pattern], z3.BoolRef]
"""When some text of the request matches a pattern."""


def some(conditions: Iterable[z3.BoolRef]) -> z3.BoolRef:
    """That one of these holds; false for none."""
    found = list(conditions)
    return z3.Or(found) if found else z3.BoolVal(False)


def every(conditions: Iterable[z3.BoolRef]) -> z3.BoolRef:
    """That all of these hold; true for none."""
    found = list(conditions)
    return z3.And(found) if found else z3.BoolVal(True)


def allows(request: Symbols, policies: Iterable[Policy]) -> z3.BoolRef:
    """That a statement of the policies allows the request."""
    return some(
        applies(request, statement)
        for policy in policies
        for statement in policy.statements
        if statement.allows
    )


def denies(request: Symbols, policies: Iterable[Policy]) -> z3.BoolRef:
    """That a statement of the policies denies the request."""
    return some(
        applies(request, statement)
        for policy in policies
        for statement in policy.statements
        if not statement.allows
    )


def applies(request: Symbols, statement: Statement) -> z3.BoolRef:
    """That a statement is about the request: its action, principal, resource and conditions."""
    return every(
        [
            _about_the_action(request, statement),
            names_the_principal(request, statement),
            _about_the_resource(request, statement),
            *(_holds(request, condition) for condition in statement.conditions),
        ]
    )


def may_meet(one: Statement, other: Statement) -> bool:
    """Whether some request could be about both, by their actions and resources alone."""
    return _some_meet(one.actions, other.actions, steps_of) and _some_meet(
        one.resources, other.resources, steps_of_arn
    )


def is_about(statement: Statement, actions: Sequence[Pattern]) -> bool:
    """Whether a statement could be about one of some actions."""
    if not statement.actions:
        return True
    return any(meet(steps_of(each), action) for each in statement.actions for action in actions)


def _some_meet(
    ones: Sequence[Text], others: Sequence[Text], steps: Callable[[Text], Pattern]
) -> bool:
    # What is said by exception, or with variables, may be about anything.
    if not ones or not others or any(each.has_variables for each in (*ones, *others)):
        return True
    return any(meet(steps(one), steps(other)) for one in ones for other in others)


def _about_the_action(request: Symbols, statement: Statement) -> z3.BoolRef:
    wanted = statement.actions or statement.not_actions
    found = some(_matches(request, each, request.action.matches, about="action") for each in wanted)
    return found if statement.actions else z3.Not(found)


def _about_the_resource(request: Symbols, statement: Statement) -> z3.BoolRef:
    def some_resource(wanted: Iterable[Text]) -> z3.BoolRef:
        matches = request.resource.matches
        return some(_arn(request, each, matches, about="resource") for each in wanted)

    if statement.resources:
        return some_resource(statement.resources)
    if statement.not_resources:
        return z3.Not(some_resource(statement.not_resources))
    return z3.BoolVal(True)


def names_the_principal(request: Symbols, statement: Statement) -> z3.BoolRef:
    """That a statement's Principal element names who asks; true where it has none."""
    if statement.principals is not None:
        return _named(request, statement.principals)
    if statement.not_principals is not None:
        others = z3.Not(_exempt(request, statement.not_principals))
        # AWS: such a Deny is always for whoever has a permissions boundary.
        return others if statement.allows else z3.Or(request.is_bounded, others)
    return z3.BoolVal(True)


def _named(request: Symbols, names: Names) -> z3.BoolRef:
    if names.everyone:
        return z3.BoolVal(True)
    return some(
        [
            *(_is_principal(request, arn) for arn in sorted(names.aws)),
            *_is_other(request, names),
        ]
    )


def _is_other(request: Symbols, names: Names) -> list[z3.BoolRef]:
    service, federated = request.is_a(Who.SERVICE), request.is_a(Who.WEB_IDENTITY)
    return [
        *(
            service if each == "*" else z3.And(service, request.service.equals(each))
            for each in sorted(names.services)
        ),
        *(
            federated if each == "*" else z3.And(federated, request.provider.equals(each))
            for each in sorted(names.federated)
        ),
    ]


def _is_principal(request: Symbols, arn: str) -> z3.BoolRef:
    """That a name of a Principal element is one of those that the principal has."""
    if ":" not in arn:
        return request.is_of(arn)
    _, partition, _, _, account, name = arn.split(":", maxsplit=5)
    if partition != request.partition:
        return z3.BoolVal(False)
    if name == "root":
        return request.is_of(account)
    if name.startswith("assumed-role/"):
        _, role, session = name.split("/", maxsplit=2)
        own = request.in_account(literal(account))
        # A session's ARN leaves out the path of its role.
        named = (*own, *literal("role/"), *literal(role))
        under_a_path = (*own, *literal("role/"), Wild.MANY, "/", *literal(role))
        return z3.And(
            request.is_a(Who.ROLE),
            z3.Or(request.arn.matches(named), request.arn.matches(under_a_path)),
            request.session.equals(session),
        )
    return z3.And(request.has_account, request.arn.equals(arn))


def _exempt(request: Symbols, names: Names) -> z3.BoolRef:
    """That NotPrincipal leaves the principal out: the account, the role and the session are named.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
    """
    if names.everyone:
        return z3.BoolVal(True)
    accounts = [each for each in names.aws if account_named(each) is not None]
    sessions = [arn for arn in names.aws if ":assumed-role/" in arn]
    others = [arn for arn in names.aws if arn not in accounts and arn not in sessions]

    def among(arns: Sequence[str]) -> z3.BoolRef:
        return some(_is_principal(request, arn) for arn in sorted(arns))

    root = z3.And(request.is_a(Who.ROOT), among(accounts))
    user = z3.And(request.is_a(Who.USER), among(accounts), among(others))
    role = z3.And(request.is_a(Who.ROLE), among(accounts), among(others), among(sessions))
    return some([root, user, role, *_is_other(request, names)])


def _holds(request: Symbols, condition: Condition) -> z3.BoolRef:
    """That a condition is met, as `Operator.holds` says it of values that are known."""
    operator, key = condition.operator, request.key(condition.key)
    if operator.looks_for_presence:
        return some(
            z3.Not(key.given) if each.source.lower() == "true" else key.given
            for each in condition.values
        )
    one = _one(request, key, condition)
    if operator.over == "ForAllValues":
        return every(z3.Implies(there, one(place)) for place, there in enumerate(key.there))
    found = some(z3.And(there, one(place)) for place, there in enumerate(key.there))
    absent_is_enough = operator.if_exists or (operator.negated and operator.over is None)
    return z3.Or(z3.Not(key.given), found) if absent_is_enough else found


def _one(request: Symbols, key: Key, condition: Condition) -> Callable[[int], z3.BoolRef]:
    """What one value of a key has to be."""
    operator = condition.operator
    base = _base(operator.name)

    def one(place: int) -> z3.BoolRef:
        value = f"{key.name}#{place}"

        def test(pattern: Pattern) -> z3.BoolRef:
            return key.matches(place, pattern)

        if base in _EQUAL:
            found = some(_matches(request, each, test, about=value) for each in condition.values)
        elif base == "Bool":
            found = some(test(literal(each.source.lower())) for each in condition.values)
        elif base in _ARNS:
            found = some(_arn(request, each, test, about=value) for each in condition.values)
        elif base in _NUMBERS:
            number = _NUMBERS[base]
            found = some(
                number(key.number, z3.RealVal(each.source.strip())) for each in condition.values
            )
        else:
            values = frozenset(each.source for each in condition.values)
            found = request.free(
                (base, key.name, place, values),
                label=f"{key.name} {base} {', '.join(sorted(values))}",
            )
        return z3.Not(found) if operator.negated else found

    return one


def _base(name: str) -> str:
    """An operator's name without set prefix, negation and IfExists."""
    plain = name.rpartition(":")[2].removesuffix("IfExists")
    return {
        "StringNotEquals": "StringEquals",
        "StringNotLike": "StringLike",
        "ArnNotEquals": "ArnEquals",
        "ArnNotLike": "ArnLike",
        "NumericNotEquals": "NumericEquals",
        "NotIpAddress": "IpAddress",
        "DateNotEquals": "DateEquals",
        "StringNotEqualsIgnoreCase": "StringEqualsIgnoreCase",
    }.get(plain, plain)


def _matches(request: Symbols, pattern: Text, test: Matches, *, about: str) -> z3.BoolRef:
    """That a text is what a policy writes; `*` crosses everything."""
    return _text(request, pattern, test, steps_of, about=about)


def _arn(request: Symbols, pattern: Text, test: Matches, *, about: str) -> z3.BoolRef:
    """That a text is an ARN which a policy's pattern stands for."""
    return _text(request, pattern, test, steps_of_arn, about=about)


def _text(
    request: Symbols,
    pattern: Text,
    test: Matches,
    steps: Callable[[Text], Pattern],
    *,
    about: str,
) -> z3.BoolRef:
    if pattern.has_variables:
        return request.free((pattern.source, about), label=f"{about} matches {pattern.source}")
    return test(steps(pattern))


@lru_cache(maxsize=65536)
def steps_of(pattern: Text) -> Pattern:
    """A policy's text as a pattern whose wildcards cross everything."""
    return tuple(_steps(pattern.tokens, lambda _: Wild.MANY, lambda _: Wild.ONE))


@lru_cache(maxsize=65536)
def steps_of_arn(pattern: Text) -> Pattern:
    """A policy's pattern of ARNs, whose parts are matched one by one.

    A star within one of the first five stays in it, and one at its end may cross into what follows.
    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_resource.html
    """
    tokens = pattern.tokens
    if tokens == (STAR,):
        return (Wild.MANY,)

    def is_in_the_last(place: int) -> bool:
        before = sum(token.count(":") for token in tokens[:place] if isinstance(token, str))
        return before >= ARN_PARTS - 1

    def star(place: int) -> Wild:
        crosses = is_in_the_last(place) or _ends_its_part(tokens, place)
        return Wild.MANY if crosses else Wild.MANY_IN_ITS_PART

    return tuple(
        _steps(
            tokens,
            star,
            lambda place: Wild.ONE if is_in_the_last(place) else Wild.ONE_IN_ITS_PART,
        )
    )


def _steps(
    tokens: Sequence[Token], star: Callable[[int], Wild], question: Callable[[int], Wild]
) -> Iterator[str | Wild]:
    for place, token in enumerate(tokens):
        if isinstance(token, str):
            yield from token
        elif token is QUESTION:
            yield question(place)
        elif token is STAR:
            yield star(place)
        elif isinstance(token, Variable):  # a caller's mistake: the text is not filled
            raise TypeError(f"a variable in a pattern: {token.key}")


def _ends_its_part(tokens: Sequence[Token], place: int) -> bool:
    following = tokens[place + 1] if place + 1 < len(tokens) else ":"
    return isinstance(following, str) and following.startswith(":")
