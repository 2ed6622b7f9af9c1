"""What the app makes is proven, and each question has weakenings that refute it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import pytest
import z3

from review.proofs import solver
from review.proofs.proof import Proof
from review.proofs.run import QUESTIONS, proof_findings, prove_all
from review.proofs.solver import Outcome
from tests.review.proofs.test_serving_questions import ASKED_OF_THIS_ONE
from tests.review.proofs.test_serving_questions import TWINS as SERVING_TWINS
from tests.security.app_deployment import AppDeployment

Statements = list[dict[str, Any]]

BUCKET_POLICY = "AWS::S3::BucketPolicy"
KEY = "AWS::KMS::Key"
ROLE = "AWS::IAM::Role"
TOPIC_POLICY = "AWS::SNS::TopicPolicy"
QUEUE_POLICY = "AWS::SQS::QueuePolicy"
MANAGED = "AWS::IAM::ManagedPolicy"
ENDPOINT = "AWS::EC2::VPCEndpoint"


class Twin(NamedTuple):
    """A weakening and the question that it answers no."""

    question: str
    what: str
    change: Callable[[AppDeployment], AppDeployment]

    def __str__(self) -> str:
        return f"{self.question}: {self.what}"


def _everywhere(
    type_: str, path: str, change: Callable[[Statements], object]
) -> Callable[[AppDeployment], AppDeployment]:
    """The same change to the statements of every policy of a type."""

    def changed(dev: AppDeployment) -> AppDeployment:
        def make(templates: dict[str, Any]) -> None:
            for template in templates.values():
                for resource in template["Resources"].values():
                    if resource["Type"] == type_:
                        document = resource["Properties"].get(path)
                        if document:
                            change(document["Statement"])

        return dev.changed(make)

    return changed


def _adds(**statement: Any) -> Callable[[Statements], object]:
    return lambda found: found.append({"Effect": "Allow", **statement})


def _drops_conditions(word: str) -> Callable[[Statements], object]:
    """Every statement with this word loses its conditions."""

    def change(found: Statements) -> None:
        for statement in found:
            if word in str(statement):
                statement.pop("Condition", None)

    return change


def _drops_statements(word: str) -> Callable[[Statements], object]:
    def change(found: Statements) -> None:
        found[:] = [each for each in found if word not in str(each)]

    return change


TWINS = (
    Twin(
        "proofs.no-outsider",
        "a bucket for everybody",
        _everywhere(
            BUCKET_POLICY, "PolicyDocument", _adds(Principal="*", Action="s3:Get*", Resource="*")
        ),
    ),
    Twin(
        "proofs.no-outsider",
        "a role that another account takes",
        _everywhere(
            ROLE,
            "AssumeRolePolicyDocument",
            _adds(Principal={"AWS": "444455556666"}, Action="sts:AssumeRole"),
        ),
    ),
    Twin(
        "proofs.no-outsider",
        "a key for everybody who comes through S3",
        _everywhere(
            KEY,
            "KeyPolicy",
            _adds(
                Principal={"AWS": "*"},
                Action="kms:Decrypt",
                Resource="*",
                Condition={"StringEquals": {"kms:ViaService": "s3.us-east-1.amazonaws.com"}},
            ),
        ),
    ),
    Twin(
        "proofs.no-confused-deputy",
        "a customization role without conditions",
        _everywhere(ROLE, "AssumeRolePolicyDocument", _drops_conditions("bedrock")),
    ),
    Twin(
        "proofs.no-confused-deputy",
        "a topic that any alarm writes to",
        _everywhere(TOPIC_POLICY, "PolicyDocument", _drops_conditions("cloudwatch")),
    ),
    Twin(
        "proofs.no-confused-deputy",
        "a queue that any rule writes to",
        _everywhere(QUEUE_POLICY, "PolicyDocument", _drops_conditions("events")),
    ),
    Twin(
        "proofs.no-confused-deputy",
        "a key that the logs of anybody use",
        _everywhere(KEY, "KeyPolicy", _drops_conditions("logs")),
    ),
    Twin(
        "proofs.tls-only",
        "no denial of plain http",
        _everywhere(BUCKET_POLICY, "PolicyDocument", _drops_statements("SecureTransport")),
    ),
    Twin(
        "proofs.tls-only",
        "no denial of old TLS",
        _everywhere(BUCKET_POLICY, "PolicyDocument", _drops_statements("TlsVersion")),
    ),
    Twin(
        "proofs.passed-to-bedrock-only",
        "a role passed to anything",
        _everywhere(MANAGED, "PolicyDocument", _drops_conditions("iam:PassRole")),
    ),
    Twin(
        "proofs.passed-to-bedrock-only",
        "any role passed by a wildcard in the action",
        _everywhere(MANAGED, "PolicyDocument", _adds(Action="iam:P*", Resource="*")),
    ),
    Twin(
        "proofs.no-escalation",
        "a role that writes key policies",
        _everywhere(MANAGED, "PolicyDocument", _adds(Action="kms:Put*", Resource="*")),
    ),
    Twin(
        "proofs.data-through-endpoint",
        "no denial outside the endpoint",
        _everywhere(BUCKET_POLICY, "PolicyDocument", _drops_statements("SourceVpce")),
    ),
    Twin(
        "proofs.data-through-endpoint",
        "another endpoint too",
        _everywhere(
            BUCKET_POLICY,
            "PolicyDocument",
            lambda found: [
                each["Condition"]["StringNotEquals"].update(
                    {
                        "aws:SourceVpce": [
                            each["Condition"]["StringNotEquals"]["aws:SourceVpce"],
                            "vpce-0another",
                        ]
                    }
                )
                for each in found
                if "SourceVpce" in str(each)
            ],
        ),
    ),
    Twin(
        "proofs.data-under-its-key",
        "no denial of another key",
        _everywhere(BUCKET_POLICY, "PolicyDocument", _drops_statements("aws-kms-key-id")),
    ),
    Twin(
        "proofs.data-for-its-users",
        "no denial of other principals",
        _everywhere(BUCKET_POLICY, "PolicyDocument", _drops_statements("s3:GetObjectVersion")),
    ),
    Twin(
        "proofs.model-for-its-users",
        "a model key for every role of the account",
        _everywhere(
            KEY,
            "KeyPolicy",
            _adds(
                Principal={"AWS": "111122223333"},
                Action="kms:Decrypt",
                Resource="*",
                Condition={"StringEquals": {"kms:ViaService": "bedrock.us-east-1.amazonaws.com"}},
            ),
        ),
    ),
    Twin(
        "proofs.within-design",
        "one more permission of a role",
        _everywhere(MANAGED, "PolicyDocument", _adds(Action="s3:ListAllMyBuckets", Resource="*")),
    ),
    Twin(
        "proofs.within-design",
        "an endpoint for one more action",
        _everywhere(
            ENDPOINT,
            "PolicyDocument",
            _adds(Principal="*", Action="kms:Encrypt", Resource="*"),
        ),
    ),
)


@pytest.fixture(scope="module")
def proofs(dev: AppDeployment) -> list[Proof]:
    return prove_all(dev, "app")


def test_everything_is_proven_of_what_the_app_makes(deployment: AppDeployment) -> None:
    findings, count = proof_findings(deployment, "app")
    assert [str(each.message) for each in findings] == []
    assert count > 60


def test_every_question_is_asked(proofs: list[Proof]) -> None:
    asked = {each.question for each in proofs}
    assert asked == {each.id for each in QUESTIONS} - ASKED_OF_THIS_ONE


@pytest.mark.parametrize("question", [each.id for each in QUESTIONS])
def test_every_question_has_a_twin(question: str) -> None:
    assert any(twin.question == question for twin in (*TWINS, *SERVING_TWINS))


@pytest.mark.parametrize("twin", TWINS, ids=str)
def test_a_weakening_is_refuted_with_a_request(twin: Twin, dev: AppDeployment) -> None:
    weakened = twin.change(dev)
    asked = [each for each in QUESTIONS if each.id == twin.question]
    refuted = [each for each in prove_all(weakened, "app", questions=asked) if not each.holds]
    assert refuted
    for each in refuted:
        assert each.outcome is Outcome.REFUTED, each.message
        assert each.request is not None
        # Held against the design is a policy by itself; all else the evaluator confirms.
        if each.question != "proofs.within-design":
            assert each.decision is not None
            assert each.decision.allowed


def test_a_finding_says_where_and_shows_the_request(dev: AppDeployment) -> None:
    (twin,) = [each for each in TWINS if each.what == "a bucket for everybody"]
    findings, _ = proof_findings(twin.change(dev), "app")
    found = next(each for each in findings if each.id == "proofs.no-outsider")
    assert found.where["logical_id"]
    assert "is allowed" in found.message
    assert "444455556666" in found.message or "anybody" in found.message
    assert found.fix


def test_what_the_solver_gives_up_on_is_a_finding(
    dev: AppDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(solver, "_check", lambda asked: (z3.unknown, "timeout"))
    findings, count = proof_findings(dev, "app")
    assert len(findings) >= count / 2
    assert all("not proven, and not refuted" in each.message for each in findings)


def test_what_the_evaluator_does_not_confirm_is_not_decided(
    dev: AppDeployment, monkeypatch: pytest.MonkeyPatch
) -> None:
    # A solver that sees no denials finds requests which are none.
    monkeypatch.setattr(
        "review.proofs.encoding.denies", lambda request, policies: z3.BoolVal(False)
    )
    undecided = [each for each in prove_all(dev, "app") if each.outcome is Outcome.UNDECIDED]
    assert undecided
    assert all("is not allowed" in each.message for each in undecided)


def test_templates_without_what_is_asked_about_prove_nothing_in_app(dev: AppDeployment) -> None:
    without = dev.without_resources(BUCKET_POLICY)
    questions = {each.question for each in prove_all(without, "app") if not each.holds}
    assert {"proofs.data-through-endpoint", "proofs.data-for-its-users"} <= questions
