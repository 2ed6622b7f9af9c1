"""The solver and the evaluator are asked the same, and answer the same."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from typing import Any

import pytest
import z3
from hypothesis import HealthCheck, assume, given, settings
from hypothesis import strategies as st

from review.decisions.document import Kind, Policy, policy
from review.decisions.evaluator import evaluate
from review.decisions.request import Principal, Request, Who
from review.decisions.world import World, holder
from review.proofs import encoding
from review.proofs.access import Of, added
from review.proofs.solver import EVERYTHING
from review.proofs.symbols import KINDS, PrincipalKey, Symbols

ACCOUNT, STRANGER = "111122223333", "444455556666"
WORLD = World(account=ACCOUNT, partition="aws", region="us-east-1")

_ACTIONS = ["s3:GetObject", "s3:PutObject", "kms:Decrypt"]
_RESOURCES = [
    "arn:aws:s3:::data/train/a",
    "arn:aws:s3:::data/out:puts/b",
    "arn:aws:s3:::other/train/a",
    "arn:aws:kms:us-east-1:111122223333:key/k",
    "arn:aws:kms:us-east-1:444455556666:key/k",
]
_PATTERNS = [
    "*",
    "arn:aws:s3:::data/*",
    "arn:aws:s3:::*/train/?",
    "arn:aws:s3:::data/out:puts/b",
    "arn:aws:kms:*:111122223333:key/*",
    "arn:aws:*:key/k",
    "arn:aws:kms:us-east-1:*:key/k",
    "arn:aws:s3:::data/${aws:PrincipalAccount}/*",
    "arn:aws:s3:::${s3:prefix, 'data'}/*",
]
_VALUES: Mapping[str, list[str]] = {
    "aws:SourceVpce": ["vpce-1", "vpce-2", "vpce-10"],
    "aws:SourceArn": ["arn:aws:s3:::data", "arn:aws:sns:us-east-1:111122223333:t"],
    "s3:prefix": ["data", "da*", "train/", ""],
    "aws:SecureTransport": ["true", "false"],
    "kms:GrantIsForAWSResource": ["true", "false"],
    "s3:TlsVersion": ["1.1", "1.2", "1.3"],
    "aws:TagKeys": ["a", "b", "ab"],
}
_OPERATORS = {
    "aws:SourceVpce": ["StringEquals", "StringNotEquals", "StringLike", "StringNotLike", "Null"],
    "aws:SourceArn": ["ArnLike", "ArnNotEquals", "ArnEquals", "StringLike", "ArnNotLike"],
    "s3:prefix": ["StringEquals", "StringLike", "StringNotLike"],
    "aws:SecureTransport": ["Bool", "StringEquals"],
    "kms:GrantIsForAWSResource": ["Bool", "Null"],
    "s3:TlsVersion": ["NumericLessThan", "NumericGreaterThanEquals", "NumericNotEquals"],
    "aws:TagKeys": ["ForAllValues:StringEquals", "ForAnyValue:StringLike"],
}
_PRINCIPALS = [
    Principal(who=Who.ROLE, name="role", arn=f"arn:aws:iam::{ACCOUNT}:role/path/Job"),
    Principal(who=Who.USER, name="user", arn=f"arn:aws:iam::{STRANGER}:user/somebody"),
    Principal(
        who=Who.ROLE,
        name="bounded",
        arn=f"arn:aws:iam::{ACCOUNT}:role/path/Job",
        boundary=EVERYTHING,
    ),
    Principal(who=Who.SERVICE, name="service", service="bedrock.amazonaws.com"),
    Principal(who=Who.ANONYMOUS, name="anybody"),
]
_NAMED: list[Any] = [
    "*",
    {"AWS": "*"},
    {"AWS": ACCOUNT},
    {"AWS": f"arn:aws:iam::{STRANGER}:root"},
    {"AWS": f"arn:aws:iam::{ACCOUNT}:role/path/Job"},
    {"AWS": f"arn:aws:sts::{ACCOUNT}:assumed-role/Job/session"},
    {"AWS": [ACCOUNT, f"arn:aws:iam::{ACCOUNT}:role/path/Job"]},
    {
        "AWS": [
            f"arn:aws:iam::{ACCOUNT}:root",
            f"arn:aws:iam::{ACCOUNT}:role/path/Job",
            f"arn:aws:sts::{ACCOUNT}:assumed-role/Job/session",
        ]
    },
    {"Service": "bedrock.amazonaws.com"},
    {"Service": ["s3.amazonaws.com"], "AWS": f"arn:aws:iam::{STRANGER}:user/somebody"},
]


@st.composite
def _conditions(draw: st.DrawFn) -> dict[str, dict[str, Any]]:
    found: dict[str, dict[str, Any]] = {}
    for key in draw(st.lists(st.sampled_from(sorted(_VALUES)), max_size=3, unique=True)):
        operator = draw(st.sampled_from(_OPERATORS[key]))
        if operator == "Null":
            found.setdefault(operator, {})[key] = draw(st.sampled_from(["true", "false"]))
            continue
        if draw(st.booleans()):
            operator += "IfExists"
        values = draw(st.lists(st.sampled_from(_VALUES[key]), min_size=1, max_size=2, unique=True))
        found.setdefault(operator, {})[key] = values
    return found


def _statement(*, principals: bool) -> st.SearchStrategy[dict[str, Any]]:
    @st.composite
    def statement(draw: st.DrawFn) -> dict[str, Any]:
        action = draw(st.sampled_from(["Action", "Action", "NotAction"]))
        resource = draw(st.sampled_from(["Resource", "Resource", "NotResource"]))
        found = {
            "Effect": draw(st.sampled_from(["Allow", "Allow", "Deny"])),
            action: draw(st.sampled_from(["*", "s3:*", "s3:Get*", "kms:decrypt", "s3:?etObject"])),
            resource: draw(st.lists(st.sampled_from(_PATTERNS), min_size=1, max_size=2)),
            "Condition": draw(_conditions()),
        }
        if principals:
            element = draw(st.sampled_from(["Principal", "Principal", "NotPrincipal"]))
            found[element] = draw(st.sampled_from(_NAMED))
        return found

    return statement()


def _document(*, principals: bool) -> st.SearchStrategy[dict[str, Any]]:
    statements = st.lists(_statement(principals=principals), min_size=1, max_size=3)
    return statements.map(lambda found: {"Version": "2012-10-17", "Statement": found})


@st.composite
def _requests(draw: st.DrawFn) -> Request:
    keys: dict[str, Any] = {}
    for key, values in _VALUES.items():
        if key == "aws:TagKeys":
            chosen = draw(st.lists(st.sampled_from(values), max_size=2, unique=True))
            keys[key] = tuple(chosen) or None
        elif key == "aws:SecureTransport" or draw(st.booleans()):
            keys[key] = draw(st.sampled_from(values))
        else:
            keys[key] = None
    return Request(
        principal=draw(st.sampled_from(_PRINCIPALS)),
        action=draw(st.sampled_from(_ACTIONS)),
        resource=draw(st.sampled_from(_RESOURCES)),
        keys=keys,
    )


def _known(symbols: Symbols, request: Request) -> list[z3.BoolRef]:
    """That the solver's request is this one."""
    principal = request.principal
    fixed = [
        symbols.who == KINDS.index(principal.who),
        symbols.action.equals(request.action.lower()),
        symbols.resource.equals(request.resource),
        symbols.session.equals(principal.session),
        symbols.is_bounded == (principal.boundary is not None),
    ]
    if principal.service:
        fixed.append(symbols.service.equals(principal.service))
    if principal.arn:
        fixed.append(symbols.arn.equals(principal.arn))
    given_keys = {name.lower(): found for name, found in request.keys.items()}
    for name, key in symbols.keys.items():
        if isinstance(key, PrincipalKey):
            continue
        value = given_keys.get(name)
        values = [] if value is None else [value] if isinstance(value, str) else list(value)
        fixed += [there == (place < len(values)) for place, there in enumerate(key.there)]
        fixed += [key.values[place].equals(each) for place, each in enumerate(values)]
        if name == "s3:tlsversion" and values:
            fixed.append(key.number == z3.RealVal(values[0]))
    return fixed


def _by_the_solver(request: Request, found: Policy) -> set[bool]:
    """What may come of a request that is known, as the solver says."""
    symbols = Symbols(partition="aws")
    allowed = z3.And(encoding.allows(symbols, [found]), z3.Not(encoding.denies(symbols, [found])))
    answers = set()
    for wanted in (True, False):
        solver = z3.Solver()
        known = _known(symbols, request)
        solver.add(allowed == wanted, *known, *symbols.facts)
        if solver.check() == z3.sat:
            answers.add(wanted)
    return answers


def _agree(answers: set[bool], decision: bool, document: dict[str, Any]) -> None:
    if "${" in str(document):
        # The solver has no word for variables: what is so must be among what it may choose.
        assert decision in answers
    else:
        assert answers == {decision}


_SETTINGS = settings(
    max_examples=150,
    deadline=None,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


_EVERYTHING = policy(
    {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    },
    name="everything",
    kind=Kind.IDENTITY,
)
_SOMEBODY_ELSE = "999988887777"


def _by_the_evaluator(request: Request, found: Policy) -> bool:
    """What the resource's policy alone decides: everybody may do everything by their own."""
    asked = dataclasses.replace(
        request,
        principal=dataclasses.replace(request.principal, policies=(_EVERYTHING,)),
        # Nobody's own account: then a resource's policy has to allow.
        resource_account=_SOMEBODY_ELSE,
    )
    world = World(
        account=_SOMEBODY_ELSE,
        partition="aws",
        region="us-east-1",
        resource_policies={holder(request.resource): found},
    )
    return evaluate(asked, world).allowed


@_SETTINGS
@given(request=_requests(), document=_document(principals=True))
def test_a_resource_policy_means_the_same_to_both(
    request: Request, document: dict[str, Any]
) -> None:
    assume(not (request.principal.who is Who.ANONYMOUS and request.action.startswith("kms:")))
    found = policy(document, name="bucket", kind=Kind.RESOURCE)
    _agree(_by_the_solver(request, found), _by_the_evaluator(request, found), document)


@_SETTINGS
@given(request=_requests(), document=_document(principals=False))
def test_a_roles_policy_means_the_same_to_both(request: Request, document: dict[str, Any]) -> None:
    found = policy(document, name="role", kind=Kind.IDENTITY)
    role = dataclasses.replace(_PRINCIPALS[0], policies=(found,))
    asked = dataclasses.replace(request, principal=role, resource_account=ACCOUNT)
    _agree(_by_the_solver(asked, found), evaluate(asked, WORLD).allowed, document)


def test_what_is_said_wrongly_to_the_solver_is_noticed(monkeypatch: pytest.MonkeyPatch) -> None:
    document = {
        "Version": "2012-10-17",
        "Statement": [
            {
                "Effect": "Allow",
                "Action": "s3:*",
                "Resource": "*",
                "Condition": {"StringNotEquals": {"aws:SourceVpce": "vpce-1"}},
            }
        ],
    }
    found = policy(document, name="role", kind=Kind.IDENTITY)
    role = dataclasses.replace(_PRINCIPALS[0], policies=(found,))
    without = Request(
        principal=role, action="s3:GetObject", resource=_RESOURCES[0], keys={"aws:SourceVpce": None}
    )
    assert evaluate(without, WORLD).allowed
    assert _by_the_solver(without, found) == {True}
    # A negated operator without its key holds; a solver that is told otherwise says otherwise.
    monkeypatch.setattr(encoding, "_holds", lambda request, condition: z3.BoolVal(False))
    assert _by_the_solver(without, found) == {False}


@pytest.mark.parametrize(
    ("operator", "key", "value"),
    [
        ("IpAddress", "aws:SourceIp", "10.0.0.0/8"),
        ("DateLessThan", "aws:CurrentTime", "2027-01-01T00:00:00Z"),
        ("StringEqualsIgnoreCase", "s3:prefix", "x"),
    ],
)
def test_what_the_solver_has_no_word_for_it_may_choose(operator: str, key: str, value: str) -> None:
    for effect in ("Allow", "Deny"):
        found = policy(
            {
                "Version": "2012-10-17",
                "Statement": [
                    {
                        "Effect": effect,
                        "Action": "s3:*",
                        "Resource": "*",
                        "Condition": {operator: {key: value}},
                    }
                ],
            },
            name="role",
            kind=Kind.IDENTITY,
        )
        said = encoding.allows if effect == "Allow" else encoding.denies
        for wanted in (True, False):
            symbols = Symbols(partition="aws")
            solver = z3.Solver()
            solver.add(said(symbols, [found]) == wanted, symbols.action.equals("s3:getobject"))
            solver.add(symbols.key(key.lower()).given, *symbols.facts)
            assert solver.check() == z3.sat


@pytest.mark.parametrize("partition", ["aws", "aws-cn", "aws-us-gov"])
@pytest.mark.parametrize("by_number", [True, False])
def test_an_account_is_the_same_by_number_in_every_partition(
    partition: str, *, by_number: bool
) -> None:
    """A number names no partition: it is the account of the one that the policy is in."""
    named = STRANGER if by_number else f"arn:{partition}:iam::{STRANGER}:root"
    found = policy(
        {
            "Version": "2012-10-17",
            "Statement": [
                {
                    "Effect": "Allow",
                    "Principal": {"AWS": named},
                    "Action": "kms:Decrypt",
                    "Resource": "*",
                }
            ],
        },
        name="key",
        kind=Kind.KEY,
    )
    asked = Request(
        principal=Principal(
            who=Who.ROLE,
            name="stranger",
            arn=f"arn:{partition}:iam::{STRANGER}:role/Somebody",
            policies=(_EVERYTHING,),
        ),
        action="kms:Decrypt",
        resource=f"arn:{partition}:kms:us-east-1:{ACCOUNT}:key/k",
    )
    world = World(
        account=ACCOUNT,
        partition=partition,
        region="us-east-1",
        resource_policies={asked.resource: found},
    )
    assert evaluate(asked, world).allowed
    symbols = Symbols(partition=partition)
    solver = z3.Solver()
    solver.add(encoding.allows(symbols, [found]), *_known(symbols, asked), *symbols.facts)
    assert solver.check() == z3.sat


def test_a_denial_by_exception_is_for_whoever_has_a_boundary_too() -> None:
    """Two denials that leave out one role are not the same for that role with a boundary.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_policies_elements_notprincipal.html
    """
    role = f"arn:aws:iam::{ACCOUNT}:role/path/Job"
    denial = {"Effect": "Deny", "Action": "s3:GetObject", "Resource": "*"}
    everybody = {
        "Effect": "Allow", "Principal": {"AWS": ACCOUNT}, "Action": "s3:*", "Resource": "*"
    }  # fmt: skip
    session = f"arn:aws:sts::{ACCOUNT}:assumed-role/Job/session"

    def with_denial(**more: Any) -> list[Policy]:
        document = {"Version": "2012-10-17", "Statement": [everybody, {**denial, **more}]}
        return [policy(document, name="bucket", kind=Kind.RESOURCE)]

    by_exception = with_denial(NotPrincipal={"AWS": [ACCOUNT, role, session]})
    by_condition = with_denial(
        Principal="*", Condition={"ArnNotEquals": {"aws:PrincipalArn": role}}
    )
    of = Of(partition="aws", resource="arn:aws:s3:::data")
    (lost,) = added(before=by_exception, after=by_condition, of=of)
    assert lost.lost_denial
    witness = lost.answer.request
    assert witness is not None
    assert (witness.principal.arn, witness.principal.boundary) == (role, EVERYTHING)
