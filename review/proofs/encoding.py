"""Policies in the solver's terms: when a statement applies to a request of which nothing is known.

Equality, prefixes and suffixes are said as such, as the solver is quick with them; other patterns
become regular expressions. What is not put into its terms (dates, addresses, texts without case)
becomes a truth that the solver may choose: see `Symbols.free`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Final

import z3

from review.decisions import operators
from review.decisions.document import Condition, Names, Policy, Statement
from review.decisions.patterns import ARN_PARTS, QUESTION, STAR, Text, Token, Variable
from review.decisions.request import Who
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

Test = Callable[[z3.SeqRef], z3.BoolRef]


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


def _about_the_action(request: Symbols, statement: Statement) -> z3.BoolRef:
    wanted = statement.actions or statement.not_actions
    found = some(_matches(request, each, request.action) for each in wanted)
    return found if statement.actions else z3.Not(found)


def _about_the_resource(request: Symbols, statement: Statement) -> z3.BoolRef:
    if statement.resources:
        return some(_arn(request, each, request.resource) for each in statement.resources)
    if statement.not_resources:
        found = some(_arn(request, each, request.resource) for each in statement.not_resources)
        return z3.Not(found)
    return z3.BoolVal(True)


def names_the_principal(request: Symbols, statement: Statement) -> z3.BoolRef:
    """That a statement's Principal element names who asks; true where it has none."""
    if statement.principals is not None:
        return _named(request, statement.principals)
    if statement.not_principals is not None:
        return z3.Not(_exempt(request, statement.not_principals))
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
            service if each == "*" else z3.And(service, request.service == each)
            for each in sorted(names.services)
        ),
        *(
            federated if each == "*" else z3.And(federated, request.provider == each)
            for each in sorted(names.federated)
        ),
    ]


def _is_principal(request: Symbols, arn: str) -> z3.BoolRef:
    """That an ARN of a Principal element is one of the names that the principal has."""
    _, partition, _, _, account, name = arn.split(":", maxsplit=5)
    if partition != request.partition:
        return z3.BoolVal(False)
    ours = z3.And(request.has_account, request.account == account)
    if name == "root":
        return ours
    if name.startswith("assumed-role/"):
        _, role, session = name.split("/", maxsplit=2)
        return z3.And(
            request.is_a(Who.ROLE),
            request.account == account,
            z3.SuffixOf(f"/{role}", request.name),
            request.session == session,
        )
    return z3.And(ours, request.name == name)


def _exempt(request: Symbols, names: Names) -> z3.BoolRef:
    """That NotPrincipal leaves the principal out: the account, the role and the session are named.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
    """
    if names.everyone:
        return z3.BoolVal(True)
    accounts = [arn for arn in names.aws if arn.endswith(":root")]
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
        value = key.values[place]
        if base in _EQUAL:
            found = some(_matches(request, each, value) for each in condition.values)
        elif base == "Bool":
            found = some(value == each.source.lower() for each in condition.values)
        elif base in _ARNS:
            found = some(_arn(request, each, value) for each in condition.values)
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


def _matches(request: Symbols, pattern: Text, value: z3.SeqRef) -> z3.BoolRef:
    """That a value is what a text of a policy stands for; `*` crosses everything."""
    return _glob(request, pattern, pattern.tokens, value, star=_ANYTHING)


def _arn(request: Symbols, pattern: Text, value: z3.SeqRef) -> z3.BoolRef:
    """That a value is an ARN which a pattern stands for.

    The parts are matched one by one: a star within one of the first five stays in it, and one at
    its end may cross into what follows.
    """
    tokens = pattern.tokens
    if tokens == (STAR,):
        return z3.BoolVal(True)
    return _glob(request, pattern, tokens, value, star=None)


def _glob(
    request: Symbols,
    pattern: Text,
    tokens: tuple[Token, ...],
    value: z3.SeqRef,
    *,
    star: z3.ReRef | None,
) -> z3.BoolRef:
    """A pattern on a value; where no `star` is given, it depends on its part of an ARN."""
    variables = [token for token in tokens if isinstance(token, Variable)]
    if variables:
        return _with_variables(request, pattern, value)
    literals = [token for token in tokens if isinstance(token, str)]
    if len(literals) == len(tokens):
        return value == "".join(literals)
    if tokens == (STAR,):
        return z3.BoolVal(True)
    if tokens[-1] is STAR and len(literals) == len(tokens) - 1:
        return z3.PrefixOf("".join(literals), value)
    return z3.InRe(value, _expression(tokens, star=star))


def _with_variables(request: Symbols, pattern: Text, value: z3.SeqRef) -> z3.BoolRef:
    """A pattern with condition keys in it: their values, where a star only stands at the end."""
    pieces: list[z3.SeqRef] = []
    there: list[z3.BoolRef] = []
    tokens = pattern.tokens
    open_end = tokens[-1] is STAR
    for token in tokens[:-1] if open_end else tokens:
        if isinstance(token, str):
            pieces.append(z3.StringVal(token))
        elif isinstance(token, Variable):
            key = request.key(token.key.lower())
            if token.default is None:
                there.append(key.given)
                pieces.append(key.values[0])
            else:
                default = z3.StringVal(token.default)
                pieces.append(z3.If(key.given, key.values[0], default))
        else:
            return request.free((pattern.source, value), label=f"matches {pattern.source}")
    whole = z3.Concat(pieces) if len(pieces) > 1 else pieces[0]
    return every([*there, z3.PrefixOf(whole, value) if open_end else value == whole])


_CHARACTER: Final = z3.AllChar(z3.ReSort(z3.StringSort()))
_ANYTHING: Final = z3.Full(z3.ReSort(z3.StringSort()))
_NO_COLON: Final = z3.Star(z3.Diff(_CHARACTER, z3.Re(":")))


def _expression(tokens: Sequence[Token], *, star: z3.ReRef | None) -> z3.ReRef:
    pieces: list[z3.ReRef] = []
    colons = 0
    for place, token in enumerate(tokens):
        if isinstance(token, str):
            colons += token.count(":")
            pieces.append(z3.Re(token))
        elif token is QUESTION:
            pieces.append(_CHARACTER if star is not None or _is_last(colons) else _no_colon())
        elif star is not None or _is_last(colons) or _ends_its_part(tokens, place):
            pieces.append(_ANYTHING)
        else:
            pieces.append(_NO_COLON)
    return z3.Concat(pieces) if len(pieces) > 1 else pieces[0]


def _no_colon() -> z3.ReRef:
    return z3.Diff(_CHARACTER, z3.Re(":"))


def _is_last(colons: int) -> bool:
    return colons >= ARN_PARTS - 1


def _ends_its_part(tokens: Sequence[Token], place: int) -> bool:
    following = tokens[place + 1] if place + 1 < len(tokens) else ":"
    return isinstance(following, str) and following.startswith(":")


def known_operators() -> frozenset[str]:
    """The operators that are put into the solver's terms; the others it may choose."""
    return frozenset(
        name for name in operators.OPERATORS if _base(name) in {*_EQUAL, *_ARNS, *_NUMBERS, "Bool"}
    ) | {"Null"}
