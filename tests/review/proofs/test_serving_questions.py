"""What an environment that deploys makes is proven too, and each weakening refutes its question."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any, NamedTuple

import pytest

from review.proofs.run import QUESTIONS, prove_all
from review.proofs.solver import Outcome
from tests.review.rules.serving_twins import Change, in_key, in_policy
from tests.security.app_deployment import AppDeployment
from tests.security.synthesis import WITH_INFERENCE

VariantMaker = Callable[[Mapping[str, Any]], AppDeployment]

ASKED_OF_THIS_ONE = {
    "proofs.called-in-private",
    "proofs.bought-with-an-end",
    "proofs.removed-by-its-owner",
}
_TAG = "finetune:environment"


class Twin(NamedTuple):
    """A weakening and the question that it answers no."""

    question: str
    what: str
    change: Change

    def __str__(self) -> str:
        return f"{self.question}: {self.what}"


TWINS = (
    Twin(
        "proofs.called-in-private",
        "from anywhere",
        in_policy(
            "CallOurModelsInPrivate",
            "Condition",
            {"StringEquals": {f"aws:ResourceTag/{_TAG}": "test"}},
        ),
    ),
    Twin(
        "proofs.called-in-private",
        "where there is an endpoint",
        in_policy(
            "CallOurModelsInPrivate",
            "Condition",
            {
                "StringEquals": {f"aws:ResourceTag/{_TAG}": "test"},
                "StringLike": {"aws:SourceVpce": "vpce-*"},
            },
        ),
    ),
    Twin(
        "proofs.called-in-private",
        "by the deployer and the completion check",
        in_policy("LookAtWhatIsDeployed", "Action", "bedrock:*"),
    ),
    Twin(
        "proofs.bought-with-an-end",
        "without a tag",
        in_policy("DeployOurModels", "Condition", {}),
    ),
    Twin(
        "proofs.bought-with-an-end",
        "with a tag where there is one",
        in_policy(
            "DeployOurModels",
            "Condition",
            {"StringEqualsIfExists": {f"aws:RequestTag/{_TAG}": "test"}},
        ),
    ),
    Twin(
        "proofs.bought-with-an-end",
        "made bigger",
        in_policy("RemoveOurs", "Action", "bedrock:*ProvisionedModelThroughput"),
    ),
    Twin(
        "proofs.removed-by-its-owner",
        "by the schedules, whatever its tag",
        in_policy("GiveOurThroughputBack", "Condition", {}),
    ),
    Twin(
        "proofs.removed-by-its-owner",
        "of two environments",
        in_policy(
            "RemoveOurs",
            "Condition",
            {"StringEquals": {f"aws:ResourceTag/{_TAG}": ["test", "prod"]}},
        ),
    ),
    Twin(
        "proofs.model-for-its-users",
        "by Bedrock for any account",
        in_key("PermissionsNovaProvisionedThroughput", "Principal", {"Service": "*"}),
    ),
    Twin(
        "proofs.passed-to-bedrock-only",
        "the scheduler's role to any service",
        in_policy("PassTheSchedulersRole", "Condition", {}),
    ),
    Twin(
        "proofs.passed-to-bedrock-only",
        "any role to the scheduler",
        in_policy("PassTheSchedulersRole", "Resource", "*"),
    ),
    Twin(
        "proofs.no-confused-deputy",
        "throughput of any account",
        in_key(
            "PermissionsNovaProvisionedThroughput",
            "Condition",
            {"ForAnyValue:StringEquals": {"kms:EncryptionContextKeys": "aws:bedrock:custom-model"}},
        ),
    ),
    Twin(
        "proofs.within-design",
        "schedules of any group",
        in_policy("ScheduleTheEnd", "Resource", "*"),
    ),
    Twin(
        "proofs.no-escalation",
        "log deliveries of a role that a function has",
        lambda made: made.put(
            "AWS::IAM::Role",
            "AssumeRolePolicyDocument.Statement.0.Principal",
            {"Service": "lambda.amazonaws.com"},
            where={"RoleName": "finetune-test-us-east-1-follow-up"},
        ),
    ),
)


@pytest.fixture(scope="module")
def serving(variant: VariantMaker) -> AppDeployment:
    return variant(WITH_INFERENCE)


def test_everything_is_proven(serving: AppDeployment) -> None:
    proofs = prove_all(serving, "app")
    assert [each.claim for each in proofs if each.outcome is not Outcome.PROVEN] == []
    assert {each.question for each in proofs} >= ASKED_OF_THIS_ONE


def test_one_without_deployments_is_not_asked(dev: AppDeployment) -> None:
    assert not {each.question for each in prove_all(dev, "app")} & ASKED_OF_THIS_ONE


@pytest.mark.parametrize("twin", TWINS, ids=str)
def test_a_weakening_refutes_its_question(serving: AppDeployment, twin: Twin) -> None:
    (question,) = (each for each in QUESTIONS if each.id == twin.question)
    proofs = prove_all(twin.change(serving), "app", questions=[question])
    assert Outcome.REFUTED in {each.outcome for each in proofs}
