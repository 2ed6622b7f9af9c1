"""What a changed policy adds is found, with a request; what only looks different is not."""

from __future__ import annotations

import copy
import dataclasses
from collections.abc import Callable
from typing import Any

import pytest
import z3

from review.decisions.document import Kind, Policy, policy
from review.decisions.evaluator import evaluate
from review.decisions.request import Principal, Who
from review.decisions.world import World
from review.proofs import solver
from review.proofs.access import Difference, Of, added
from review.proofs.solver import Outcome

ACCOUNT = "111122223333"
ROLE = f"arn:aws:iam::{ACCOUNT}:role/Job"
_BUCKET = "arn:aws:s3:::data"

Document = dict[str, Any]

READS: Document = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Action": ["s3:GetObject", "s3:PutObject"],
            "Resource": [f"{_BUCKET}/train/*", f"{_BUCKET}/out/*"],
            "Condition": {
                "StringEquals": {"aws:ResourceAccount": ACCOUNT},
                "StringLike": {"s3:x-amz-storage-class": ["STANDARD*"]},
            },
        },
        {
            "Effect": "Deny",
            "Action": "s3:*",
            "Resource": "*",
            "Condition": {"StringNotEquals": {"aws:SourceVpce": "vpce-1"}},
        },
    ],
}
KEY: Document = {
    "Version": "2012-10-17",
    "Statement": [
        {
            "Effect": "Allow",
            "Principal": {"AWS": f"arn:aws:iam::{ACCOUNT}:root"},
            "Action": "kms:*",
            "Resource": "*",
        },
        {
            "Effect": "Allow",
            "Principal": {"AWS": ROLE},
            "Action": "kms:Decrypt",
            "Resource": "*",
            "Condition": {"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}},
        },
    ],
}


def _identity(document: Document) -> list[Policy]:
    return [policy(document, name="role", kind=Kind.IDENTITY)]


def _key(document: Document) -> list[Policy]:
    return [policy(document, name="key", kind=Kind.KEY)]


def _changed(document: Document, change: Callable[[list[Document]], object]) -> Document:
    changed = copy.deepcopy(document)
    change(changed["Statement"])
    return changed


def _added(before: Document, after: Document) -> list[Difference]:
    reading = _key if before is KEY else _identity
    return list(added(before=reading(before), after=reading(after), of=Of(partition="aws")))


WIDER: dict[str, Callable[[list[Document]], object]] = {
    "an action": lambda found: found[0]["Action"].append("s3:DeleteObject"),
    "an action with a wildcard": lambda found: found[0].update(Action="s3:*Object"),
    "a resource": lambda found: found[0]["Resource"].append(f"{_BUCKET}/*"),
    "a shorter prefix": lambda found: found[0].update(Resource=f"{_BUCKET}/t*"),
    "a condition gone": lambda found: found[0]["Condition"].pop("StringEquals"),
    "a condition that may be absent": lambda found: found[0]["Condition"].update(
        StringEqualsIfExists=found[0]["Condition"].pop("StringEquals")
    ),
    "another value": lambda found: found[0]["Condition"]["StringLike"][
        "s3:x-amz-storage-class"
    ].append("GLACIER"),
    "a statement": lambda found: found.append(
        {"Effect": "Allow", "Action": "s3:ListBucket", "Resource": _BUCKET}
    ),
    "a denial gone": lambda found: found.pop(),
    "a denial of less": lambda found: found[1].update(Action="s3:Get*"),
    "a denial with an exception": lambda found: found[1]["Condition"]["StringNotEquals"].update(
        {"aws:PrincipalArn": ROLE}
    ),
}
NO_WIDER: dict[str, Callable[[list[Document]], object]] = {
    "nothing": lambda found: None,
    "another order": lambda found: found.reverse(),
    "an action less": lambda found: found[0].update(Action="s3:GetObject"),
    "another case": lambda found: found[0].update(Action=["S3:getobject", "s3:PutObject"]),
    "a longer prefix": lambda found: found[0]["Resource"].append(f"{_BUCKET}/train/a/*"),
    "one more condition": lambda found: found[0]["Condition"].update(
        Bool={"aws:SecureTransport": "true"}
    ),
    "split statements": lambda found: found.__setitem__(
        slice(0, 1),
        [{**found[0], "Action": each} for each in found[0]["Action"]],
    ),
    "equality for a pattern": lambda found: found[0]["Condition"].update(
        StringLike={"s3:x-amz-storage-class": "STANDARD_IA"}
    ),
    "a denial of more": lambda found: found[1]["Condition"].pop("StringNotEquals"),
    "a permission that is denied": lambda found: found.extend(
        [
            {"Effect": "Allow", "Action": "ec2:RunInstances", "Resource": "*"},
            {"Effect": "Deny", "Action": "ec2:*", "Resource": "*"},
        ]
    ),
}


@pytest.mark.parametrize("name", WIDER)
def test_access_that_comes_is_found(name: str) -> None:
    after = _changed(READS, WIDER[name])
    differences = _added(READS, after)
    assert differences
    for each in differences:
        assert each.answer.outcome is Outcome.REFUTED
        assert each.answer.request is not None
        assert not _allowed(READS, each) or each.lost_denial
        assert _allowed(after, each)


def _allowed(document: Document, difference: Difference) -> bool:
    """Whether the evaluator lets the request of a difference through."""
    request = difference.answer.request
    assert request is not None
    # A denial that is gone lets through what something else allows.
    everything = {
        "Version": "2012-10-17",
        "Statement": [{"Effect": "Allow", "Action": "*", "Resource": "*"}],
    }
    role = Principal(
        who=Who.ROLE,
        name="role",
        arn=ROLE,
        policies=(
            *_identity(document),
            *(_identity(everything) if difference.lost_denial else []),
        ),
    )
    world = World(account=ACCOUNT, partition="aws", region="us-east-1")
    asked = dataclasses.replace(request, principal=role, resource_account=ACCOUNT)
    return evaluate(asked, world).allowed


@pytest.mark.parametrize("name", NO_WIDER)
def test_what_is_not_wider_is_no_new_access(name: str) -> None:
    assert _added(READS, _changed(READS, NO_WIDER[name])) == []


def test_the_account_in_a_keys_policy_does_not_hide_what_comes_beside_it() -> None:
    def change(found: list[Document]) -> None:
        found[1]["Action"] = ["kms:Decrypt", "kms:Encrypt"]

    (difference,) = _added(KEY, _changed(KEY, change))
    assert [each.source for each in difference.statement.actions] == ["kms:encrypt"]
    assert difference.answer.request is not None
    assert difference.answer.request.principal.arn == ROLE


def test_another_account_in_a_keys_policy_is_found() -> None:
    def change(found: list[Document]) -> None:
        found[0]["Principal"] = {"AWS": [f"arn:aws:iam::{ACCOUNT}:root", "444455556666"]}

    (difference,) = _added(KEY, _changed(KEY, change))
    assert difference.answer.request is not None
    assert difference.answer.request.principal.account == "444455556666"


def test_an_account_that_is_all_of_a_keys_policy_is_new_when_it_comes() -> None:
    without = _changed(KEY, lambda found: found.pop(0))
    differences = list(added(before=_key(without), after=_key(KEY), of=Of(partition="aws")))
    assert [each.statement.label for each in differences] == ["statement 1"]


def test_a_question_that_takes_too_long_is_a_difference(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(solver, "_check", lambda asked: (z3.unknown, "timeout"))
    differences = _added(READS, _changed(READS, WIDER["a resource"]))
    assert {each.answer.outcome for each in differences} == {Outcome.UNDECIDED}
    assert "timeout" in differences[0].answer.why
