"""Policy documents, taken apart strictly: what is not understood is refused and never passed over.

https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_grammar.html
"""

from __future__ import annotations

import enum
import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

from review.decisions import operators
from review.decisions.errors import MalformedPolicyError
from review.decisions.operators import Operator
from review.decisions.patterns import STAR, Text, text


class Kind(enum.StrEnum):
    """What a policy is attached to; it decides which elements it may have."""

    IDENTITY = "identity policy"
    BOUNDARY = "permissions boundary"
    SESSION = "session policy"
    SCP = "service control policy"
    RCP = "resource control policy"
    RESOURCE = "resource policy"
    KEY = "key policy"
    TRUST = "trust policy"
    ENDPOINT = "endpoint policy"


_NAMES_PRINCIPALS: Final = frozenset({Kind.RCP, Kind.RESOURCE, Kind.KEY, Kind.TRUST, Kind.ENDPOINT})
_DOCUMENT_ELEMENTS: Final = frozenset({"Version", "Id", "Statement"})
_STATEMENT_ELEMENTS: Final = frozenset(
    {
        "Sid", "Effect", "Principal", "NotPrincipal", "Action", "NotAction", "Resource",
        "NotResource", "Condition",
    }
)  # fmt: skip
_PRINCIPAL_KINDS: Final = ("AWS", "Service", "Federated")
_ACTION: Final = re.compile(r"\*|\*:\*|[a-z0-9-]+:[a-zA-Z0-9*?]+", re.IGNORECASE)
_ACCOUNT: Final = re.compile(r"[0-9]{12}")
_PRINCIPAL_ARN: Final = re.compile(
    r"arn:aws[a-z-]*:(?:iam|sts)::[0-9]{12}:"
    r"(?:root|(?:user|role|assumed-role|federated-user)/[^*?]+)"
)
UNRESOLVED: Final = "<unresolved "
"""How the template model marks what it cannot resolve."""
VERSION_WITH_VARIABLES: Final = "2012-10-17"
_VERSIONS: Final = frozenset({VERSION_WITH_VARIABLES, "2008-10-17"})


@dataclass(frozen=True, kw_only=True)
class Condition:
    """One operator on one key: one of the values has to match, or none where it is negated."""

    operator: Operator
    key: str
    values: tuple[Text, ...]


@dataclass(frozen=True, kw_only=True)
class Names:
    """The principals that an element names, by kind; `everyone` for `*`."""

    everyone: bool
    aws: frozenset[str]
    """ARNs, and numbers of accounts, which say no partition."""
    services: frozenset[str]
    federated: frozenset[str]


@dataclass(frozen=True, kw_only=True)
class Statement:
    """One statement, with its patterns compiled.

    Of each pair with and without `not_` exactly one is filled, where the policy's kind has it.
    """

    label: str
    """The Sid, or the statement's place in its document."""
    allows: bool
    principals: Names | None
    not_principals: Names | None
    actions: tuple[Text, ...]
    not_actions: tuple[Text, ...]
    resources: tuple[Text, ...]
    not_resources: tuple[Text, ...]
    conditions: tuple[Condition, ...]


@dataclass(frozen=True, kw_only=True)
class Policy:
    """A policy document under the name that reasons give it."""

    name: str
    kind: Kind
    statements: tuple[Statement, ...]


def policy(document: object, *, name: str, kind: Kind) -> Policy:
    """Take a policy document apart.

    Args:
        document: A mapping, or its JSON text.
        name: How reasons and errors call it.
        kind: What it is attached to.

    Raises:
        MalformedPolicyError: AWS would refuse it, or it says what is not known here.
    """
    try:
        return _policy(document, name=name, kind=kind)
    except MalformedPolicyError as error:
        raise MalformedPolicyError(f"{name}: {error}") from error


def _policy(document: object, *, name: str, kind: Kind) -> Policy:
    if isinstance(document, str):
        try:
            document = json.loads(document)
        except (json.JSONDecodeError, RecursionError) as error:
            raise MalformedPolicyError(f"not a JSON document: {error}") from error
    if not isinstance(document, Mapping):
        raise MalformedPolicyError(f"a policy is an object, got {_shown(document)}")
    _only(document, _DOCUMENT_ELEMENTS, "a policy")
    version = document.get("Version", "2008-10-17")
    if version not in _VERSIONS:
        raise MalformedPolicyError(
            f"Version {_shown(version)} is not known: write {VERSION_WITH_VARIABLES}"
        )
    found = document.get("Statement")
    statements = found if isinstance(found, list | tuple) else [found]
    if not statements:
        raise MalformedPolicyError("there is no statement")
    variables = version == VERSION_WITH_VARIABLES
    return Policy(
        name=name,
        kind=kind,
        statements=tuple(
            _statement(each, place=place, kind=kind, variables=variables)
            for place, each in enumerate(statements, start=1)
        ),
    )


def _statement(raw: object, *, place: int, kind: Kind, variables: bool) -> Statement:
    if not isinstance(raw, Mapping):
        raise MalformedPolicyError(f"statement {place} is no object but {_shown(raw)}")
    sid = raw.get("Sid")
    if sid is not None and not isinstance(sid, str):
        raise MalformedPolicyError(f"statement {place}: Sid {_shown(sid)} is no text")
    label = sid or f"statement {place}"
    try:
        return _elements(raw, label=label, kind=kind, variables=variables)
    except MalformedPolicyError as error:
        raise MalformedPolicyError(f"{label}: {error}") from error


def _elements(raw: Mapping[str, Any], *, label: str, kind: Kind, variables: bool) -> Statement:
    _only(raw, _STATEMENT_ELEMENTS, "a statement")
    effect = raw.get("Effect")
    if effect not in {"Allow", "Deny"}:
        raise MalformedPolicyError(f"Effect is Allow or Deny, got {_shown(effect)}")
    if kind is Kind.RCP and effect != "Deny":
        # https://docs.aws.amazon.com/organizations/latest/userguide/orgs_manage_policies_rcps_syntax.html
        raise MalformedPolicyError(f"a {kind} only denies, and Effect is {effect}")
    if kind in {Kind.RCP, Kind.TRUST} and "NotPrincipal" in raw:
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
        raise MalformedPolicyError(f"a {kind} takes no NotPrincipal")
    names = kind in _NAMES_PRINCIPALS
    _one_of(raw, "Principal", wanted=names, kind=kind)
    _one_of(raw, "Action", wanted=True, kind=kind)
    _one_of(raw, "Resource", wanted=kind is not Kind.TRUST, kind=kind)
    principals = _principals(raw["Principal"], kind=kind) if "Principal" in raw else None
    not_principals = _principals(raw["NotPrincipal"], kind=kind) if "NotPrincipal" in raw else None
    return Statement(
        label=label,
        allows=effect == "Allow",
        principals=principals,
        not_principals=not_principals,
        actions=_actions(raw.get("Action")),
        not_actions=_actions(raw.get("NotAction")),
        resources=_resources(raw.get("Resource"), variables=variables),
        not_resources=_resources(raw.get("NotResource"), variables=variables),
        conditions=_conditions(raw.get("Condition", {}), variables=variables),
    )


def _only(raw: Mapping[str, Any], known: frozenset[str], what: str) -> None:
    for name in raw:
        if name not in known:
            raise MalformedPolicyError(
                f"{what} has no element {_shown(name)}: it may have {', '.join(sorted(known))}"
            )


def _one_of(raw: Mapping[str, Any], element: str, *, wanted: bool, kind: Kind) -> None:
    has = [name for name in (element, f"Not{element}") if name in raw]
    if len(has) > 1:
        raise MalformedPolicyError(f"it has both {element} and Not{element}")
    if has and not wanted:
        raise MalformedPolicyError(f"a statement of a {kind} has no {has[0]}")
    if not has and wanted:
        raise MalformedPolicyError(f"a statement of a {kind} needs {element} or Not{element}")


def _texts(value: object, element: str) -> list[str]:
    """One text, or a list of them that is not empty."""
    values: list[object] = list(value) if isinstance(value, list | tuple) else [value]
    if not values:
        raise MalformedPolicyError(f"{element} is empty")
    found = []
    for each in values:
        if not isinstance(each, str):
            raise MalformedPolicyError(f"{element} holds {_shown(each)}, which is no text")
        found.append(_resolved(each))
    return found


def _actions(value: object) -> tuple[Text, ...]:
    if value is None:
        return ()
    actions = _texts(value, "Action")
    for each in actions:
        if not _ACTION.fullmatch(each):
            raise MalformedPolicyError(f"{each!r} is no action: write service:Action, or *")
    # Actions have no case.
    return tuple(text(each.lower(), variables=False) for each in actions)


def _resources(value: object, *, variables: bool) -> tuple[Text, ...]:
    if value is None:
        return ()
    resources = _texts(value, "Resource")
    for each in resources:
        if each != "*" and not each.startswith("arn:"):
            raise MalformedPolicyError(f"{each!r} is no resource: write an ARN, or *")
    return tuple(text(each, variables=variables) for each in resources)


def _principals(value: object, *, kind: Kind) -> Names:
    if value == "*":
        return Names(everyone=True, aws=frozenset(), services=frozenset(), federated=frozenset())
    if not isinstance(value, Mapping) or not value:
        raise MalformedPolicyError(
            f"a principal is * or an object of {', '.join(_PRINCIPAL_KINDS)}, got {_shown(value)}"
        )
    _only(value, frozenset(_PRINCIPAL_KINDS), "a principal")
    by_kind = {
        each: _texts(value[each], f"Principal {each}") if each in value else []
        for each in _PRINCIPAL_KINDS
    }
    aws = [each for each in by_kind["AWS"] if each != "*"]
    if kind is Kind.RCP and (aws or by_kind["Service"] or by_kind["Federated"]):
        raise MalformedPolicyError(f"the principal of a {kind} is *")
    return Names(
        # AWS says that * and {"AWS": "*"} are the same.
        # https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_principal.html
        everyone="*" in by_kind["AWS"],
        aws=frozenset(map(_aws_principal, aws)),
        services=frozenset(by_kind["Service"]),
        federated=frozenset(by_kind["Federated"]),
    )


def _aws_principal(value: str) -> str:
    if not _ACCOUNT.fullmatch(value) and not _PRINCIPAL_ARN.fullmatch(value):
        raise MalformedPolicyError(
            f"{value!r} is no principal: write an account's number, or the ARN of its root, of a "
            "role, user or session without wildcards; a pattern of ARNs is a condition on "
            "aws:PrincipalArn"
        )
    return value


def account_named(principal: str) -> str | None:
    """The account that a principal of a policy stands for as a whole: by number, or by its root."""
    if _ACCOUNT.fullmatch(principal):
        return principal
    return principal.split(":")[4] if principal.endswith(":root") else None


def _conditions(raw: object, *, variables: bool) -> tuple[Condition, ...]:
    if not isinstance(raw, Mapping):
        raise MalformedPolicyError(f"Condition is an object, got {_shown(raw)}")
    found = []
    for name, keys in raw.items():
        operator = operators.operator(str(name))
        if not isinstance(keys, Mapping) or not keys:
            raise MalformedPolicyError(f"{name} holds condition keys, got {_shown(keys)}")
        for key, values in keys.items():
            if not isinstance(key, str) or ":" not in key:
                raise MalformedPolicyError(f"{name}: {_shown(key)} is no condition key")
            found.append(
                Condition(
                    operator=operator,
                    key=key.lower(),
                    values=_condition_values(operator, key, values, variables=variables),
                )
            )
    return tuple(found)


def _condition_values(
    operator: Operator, key: str, values: object, *, variables: bool
) -> tuple[Text, ...]:
    given = list(values) if isinstance(values, list | tuple) else [values]
    if not given:
        raise MalformedPolicyError(f"{operator.name} {key} has no value: nothing can match it")
    try:
        return tuple(
            operators.value(operator, _scalar(each), variables=variables) for each in given
        )
    except MalformedPolicyError as error:
        raise MalformedPolicyError(f"{operator.name} {key}: {error}") from error


def _scalar(value: object) -> str:
    """A value as text: JSON's true and numbers are what they look like."""
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, str | int | float):
        return _resolved(str(value))
    raise MalformedPolicyError(f"{_shown(value)} is neither text, nor a number, nor true or false")


def _resolved(value: str) -> str:
    """The text, unless the template model could not say what a part of it is."""
    if UNRESOLVED in value:
        raise MalformedPolicyError(f"{_shown(value)} holds what the templates do not say")
    return value


def _shown(value: object) -> str:
    """A piece of somebody's document, cut to a length that an error can hold."""
    shown = repr(value)
    return shown if len(shown) <= 80 else f"{shown[:77]}..."


def everything(of: Text) -> bool:
    """Whether a pattern is `*` alone."""
    return of.tokens == (STAR,)
