"""An environment that logs model invocations is proven too: who passes the role of the log."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import pytest

from review.proofs.run import QUESTIONS, prove_all
from review.proofs.solver import Outcome
from review.template.deployment import ABSENT
from tests.review.rules.serving_twins import ROLE, Change, in_policy
from tests.security.app_deployment import AppDeployment
from tests.security.synthesis import WITH_INFERENCE

VariantMaker = Callable[[Mapping[str, Any]], AppDeployment]


@pytest.fixture(scope="module")
def logging(variant: VariantMaker) -> AppDeployment:
    return variant({**WITH_INFERENCE, "inference": {"enabled": True, "invocation_logging": True}})


TWINS: dict[str, tuple[str, Change]] = {
    "the role of the log to any service": (
        "proofs.passed-to-bedrock-only",
        in_policy("PassTheRoleOfTheLog", "Condition", ABSENT),
    ),
    "any role to Bedrock": (
        "proofs.passed-to-bedrock-only",
        in_policy("PassTheRoleOfTheLog", "Resource", "*"),
    ),
    "written for any account": (
        "proofs.no-confused-deputy",
        lambda made: made.put(
            ROLE,
            "AssumeRolePolicyDocument.Statement.0.Condition",
            {},
            where={"RoleName": "finetune-test-us-east-1-invocation-logs"},
        ),
    ),
    "written anywhere": (
        "proofs.within-design",
        in_policy("WriteInvocations", "Resource", "*"),
    ),
}
"""The question that each weakening answers no."""


def test_everything_is_proven(logging: AppDeployment) -> None:
    proofs = prove_all(logging, "app")
    assert [each.claim for each in proofs if each.outcome is not Outcome.PROVEN] == []
    assert [each for each in proofs if "that of the log of invocations" in each.claim]


@pytest.mark.parametrize("what", TWINS)
def test_a_weakening_refutes_its_question(logging: AppDeployment, what: str) -> None:
    asked, change = TWINS[what]
    (question,) = (each for each in QUESTIONS if each.id == asked)
    proofs = prove_all(change(logging), "app", questions=[question])
    assert Outcome.REFUTED in {each.outcome for each in proofs}
