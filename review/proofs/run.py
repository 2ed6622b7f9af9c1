"""Every question, asked of a deployment, and what could not be proven as findings."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final, Literal

from review.decisions.errors import UndecidableError
from review.decisions.purposes import NotFoundError
from review.decisions.scene import Scene
from review.findings import Finding
from review.proofs import insiders, intent, outsiders, serving
from review.proofs.proof import Asking, Proof, Question
from review.proofs.solver import Outcome
from review.template.deployment import Deployment

Profile = Literal["any", "app"]

QUESTIONS: Final[tuple[Question, ...]] = (
    Question(
        id="proofs.no-outsider",
        words="Can anyone outside the account get at anything?",
        profile="any",
        fix="name accounts and roles of your own, and conditions that hold for nobody else",
        ask=outsiders.no_outsider,
    ),
    Question(
        id="proofs.no-confused-deputy",
        words="Can somebody else have a service of AWS act here on their behalf?",
        profile="any",
        fix="add aws:SourceAccount, and aws:SourceArn where the service sends it",
        ask=outsiders.no_confused_deputy,
    ),
    Question(
        id="proofs.tls-only",
        words="Is anything read or written in the clear?",
        profile="any",
        fix="deny s3:* on the bucket and its objects where aws:SecureTransport is false or "
        "s3:TlsVersion is below 1.2",
        ask=insiders.buckets_only_by_tls,
    ),
    Question(
        id="proofs.passed-to-bedrock-only",
        words="Which roles can be handed on, and to whom?",
        profile="any",
        fix="limit iam:PassRole to the customization role, with iam:PassedToService "
        "bedrock.amazonaws.com",
        ask=insiders.roles_are_passed_to_bedrock_only,
    ),
    Question(
        id="proofs.no-escalation",
        words="Can a role of the app give itself more?",
        profile="any",
        fix="take the action out of the role's policies",
        ask=insiders.no_role_raises_itself,
    ),
    Question(
        id="proofs.data-through-endpoint",
        words="What if the job is submitted without the VPC, or its role's credentials leak?",
        profile="app",
        fix="deny the customization role in the bucket's policy wherever aws:SourceVpce is not the "
        "S3 endpoint, unless the setting storage.require_endpoint is meant to say so",
        ask=insiders.data_only_through_the_endpoint,
    ),
    Question(
        id="proofs.data-under-its-key",
        words="Can data be written under another key?",
        profile="app",
        fix="deny writes whose header names another key in the bucket's policy",
        ask=insiders.data_only_under_its_key,
    ),
    Question(
        id="proofs.data-for-its-users",
        words="Who can read the data?",
        profile="app",
        fix="deny reads and writes to everybody else in the bucket's policy",
        ask=insiders.data_only_for_its_users,
    ),
    Question(
        id="proofs.model-for-its-users",
        words="Who can decrypt the model?",
        profile="app",
        fix="name those who may in the model key's policy, through Bedrock only",
        ask=insiders.models_only_for_their_users,
    ),
    Question(
        id="proofs.called-in-private",
        words="Can a deployed model be called other than through our endpoint by our invoker?",
        profile="app",
        fix="ask for aws:SourceVpce with our endpoint and for the environment's tag in the "
        "invoker's policy, and take the action out of every other role's",
        ask=serving.models_are_called_in_private,
    ),
    Question(
        id="proofs.bought-with-an-end",
        words="Can anything be bought without an end?",
        profile="app",
        fix="ask for the environment's tag in the request, in the deployer's policy alone",
        ask=serving.nothing_is_bought_without_an_end,
    ),
    Question(
        id="proofs.removed-by-its-owner",
        words="Can somebody else's deployment be removed?",
        profile="app",
        fix="ask for the environment's tag of the resource wherever something is removed",
        ask=serving.nothing_of_others_is_removed,
    ),
    Question(
        id="proofs.within-design",
        words="Does any policy admit more than was designed?",
        profile="app",
        fix="take it out, or change review/rules/design.py where it is meant to be",
        ask=intent.nothing_beyond_the_design,
    ),
)


def prove_all(
    deployment: Deployment,
    profile: Profile,
    *,
    questions: Sequence[Question] = QUESTIONS,
) -> list[Proof]:
    """Ask every question of a profile.

    A question about what the templates do not hold is left out in `any`; in `app` it is not
    proven.
    """
    scene = Scene(deployment)
    found: list[Proof] = []
    for question in questions:
        if profile == "any" and question.profile == "app":
            continue
        found += _ask(question, scene, profile)
    return found


def _ask(question: Question, scene: Scene, profile: Profile) -> Iterator[Proof]:
    deployment = scene.deployment

    def undecided(why: str) -> Proof:
        return Proof(
            question=question.id,
            claim=question.words,
            resource=None,
            path="",
            outcome=Outcome.UNDECIDED,
            why=why,
        )

    try:
        asking = Asking(
            question=question.id,
            partition=deployment.partition,
            account=deployment.account,
            world=scene.world,
        )
        yield from question.ask(asking, scene)
    except NotFoundError as error:
        if profile == "app" and not error.may_be_left_out:
            yield undecided(str(error))
    except UndecidableError as error:
        yield undecided(f"not understood: {error}")
    except _NOT_UNDERSTOOD as error:
        yield undecided(f"not understood: {type(error).__name__} {error}")


_NOT_UNDERSTOOD: Final = (AttributeError, IndexError, KeyError, TypeError, ValueError)
"""A template that lacks what CloudFormation requires, such as the handler of a function."""


def proof_findings(deployment: Deployment, profile: Profile) -> tuple[list[Finding], int]:
    """What could not be proven, and how many proofs there were to make."""
    proofs = prove_all(deployment, profile)
    return findings_of(deployment, proofs), len(proofs)


def findings_of(deployment: Deployment, proofs: Sequence[Proof]) -> list[Finding]:
    """What could not be proven."""
    by_id = {each.id: each for each in QUESTIONS}
    return [
        Finding(
            id=each.question,
            level="error",
            message=each.message,
            fix=by_id[each.question].fix,
            where=_where(deployment, each),
        )
        for each in proofs
        if not each.holds
    ]


def _where(deployment: Deployment, proof: Proof) -> dict[str, str | int]:
    if proof.resource is None:
        return {}
    return deployment.place(
        stack=proof.resource.stack, logical_id=proof.resource.logical_id, path=proof.path
    )
