"""Our decisions against those of an independent simulator, on thousands of requests.

`@cloud-copilot/iam-simulate` is installed by `make iam-simulator` and by `make check-all`. Where
the two disagree, one of `EXPLANATIONS` has to say why, and show it: with its cause taken out of the
question, both say the same.
"""

from __future__ import annotations

import dataclasses
import json
import random
from collections.abc import Callable, Iterator, Mapping
from typing import Any, Final, NamedTuple

import pytest

from review.decisions.condition_keys import KNOWN_SERVICES, MULTIVALUED, is_known
from review.decisions.errors import UndecidableError
from review.decisions.request import Who
from tests.review.decisions import simulator
from tests.review.decisions.chance import Chance
from tests.review.decisions.simulator import Document, Question, ask

pytestmark = [
    pytest.mark.slow,
    pytest.mark.skipif(
        not simulator.INSTALLED.exists(),
        reason="the simulator is not installed: run `make iam-simulator` (AGPL-3.0, a development "
        "tool in its own process)",
    ),
]

HOW_MANY: Final = 6000
SEED: Final = 20261123


class Explanation(NamedTuple):
    """Why the two may disagree, and the question without the cause; None where it has none."""

    because: str
    without: Callable[[Question], Question | None]


def _changed(question: Question, change: Callable[[dict[str, Any]], None]) -> Question | None:
    """The question with a change made to every statement; None where it changes nothing."""

    def of(document: Document | None) -> Document | None:
        if document is None:
            return None
        copy: dict[str, Any] = json.loads(json.dumps(document))
        for statement in copy["Statement"]:
            change(statement)
        return copy

    def all_of(documents: Any) -> Any:  # noqa: ANN401 - documents, or lists of them
        if isinstance(documents, Mapping):
            return of(documents)
        return [all_of(each) for each in documents]

    made = dataclasses.replace(
        question,
        identity=all_of(question.identity),
        boundary=of(question.boundary),
        session=of(question.session),
        resource_policy=of(question.resource_policy),
        endpoint=of(question.endpoint),
        scps=all_of(question.scps),
        rcps=all_of(question.rcps),
    )
    return made if made != question else None


def _without_addresses_of_the_other_version(question: Question) -> Question | None:
    given = str(question.keys.get("aws:SourceIp", ""))

    def change(statement: dict[str, Any]) -> None:
        for operator in ("NotIpAddress", "NotIpAddressIfExists"):
            keys = statement.get("Condition", {}).get(operator, {})
            for key, values in keys.items():
                same = [each for each in values if (":" in each) == (":" in given)]
                # Of the same version and elsewhere: also not the address.
                keys[key] = same or (["2001:db8:1::/64"] if ":" in given else ["192.0.2.0/24"])

    return _changed(question, change) if given else None


def _without_if_exists_for_any_value(question: Question) -> Question | None:
    def change(statement: dict[str, Any]) -> None:
        conditions = statement.get("Condition", {})
        for operator in list(conditions):
            if operator.startswith("ForAnyValue:") and operator.endswith("IfExists"):
                conditions[operator.removesuffix("IfExists")] = conditions.pop(operator)

    return _changed(question, change)


def _without_limits_on_a_direct_grant(question: Question) -> Question | None:
    if question.boundary is None and question.session is None:
        return None
    return dataclasses.replace(question, boundary=None, session=None)


def _with_every_layer_exempt(question: Question) -> Question | None:
    own = question.arn
    account = f"arn:aws:iam::{own.split(':')[4]}:root" if own else ""
    session = own.replace(":iam:", ":sts:").replace(":role/", ":assumed-role/") + "/session"

    def change(statement: dict[str, Any]) -> None:
        if "NotPrincipal" in statement:
            layers = [account, own, *([session] if ":role/" in own else [])]
            statement["NotPrincipal"] = {"AWS": layers}

    return _changed(question, change) if own else None


def _of_a_role_that_root_takes(question: Question) -> Question | None:
    if question.who is not Who.ROOT or not question.action.startswith("sts:"):
        return None
    user = question.arn.replace(":root", ":user/alice")
    everything = {"Effect": "Allow", "Action": "*", "Resource": "*"}
    identity = [{"Version": "2012-10-17", "Statement": [everything]}]
    as_user = dataclasses.replace(question, who=Who.USER, arn=user, identity=identity)
    return _with_every_layer_exempt(as_user) or as_user


EXPLANATIONS: Final[Mapping[str, Explanation]] = {
    "addresses": Explanation(
        "NotIpAddress is every address that is not in the ranges, and so one of another version; "
        "to the simulator an address of another version satisfies neither operator",
        _without_addresses_of_the_other_version,
    ),
    "if-exists": Explanation(
        "AWS: IfExists goes to the end of any operator but Null and makes it true for an absent "
        "key; the simulator leaves ForAnyValue false",
        _without_if_exists_for_any_value,
    ),
    "direct-grants": Explanation(
        "AWS: what names everyone with aws:PrincipalArn, or the session itself, is not limited by "
        "implicit denials of boundary and session policy; the simulator limits some of these "
        "(https://docs.aws.amazon.com/IAM/latest/UserGuide/"
        "reference_policies_evaluation-logic_policy-eval-basics-resource.html)",
        _without_limits_on_a_direct_grant,
    ),
    "not-principal": Explanation(
        "AWS: account, role and session all have to be named to be left out, and its sample "
        "denies the users of an account whose root is named; to the simulator one of them is "
        "enough (https://docs.aws.amazon.com/IAM/latest/UserGuide/"
        "reference_policies_elements_notprincipal.html)",
        _with_every_layer_exempt,
    ),
    "root-takes-roles": Explanation(
        "STS: an account's root takes no role; the simulator does not know",
        _of_a_role_that_root_takes,
    ),
}


@pytest.fixture(scope="module")
def questions() -> list[Question]:
    """As many questions as both can be asked."""
    chance = Chance(SEED)
    return [chance.question() for _ in range(HOW_MANY)]


class Difference(NamedTuple):
    """A question on which the two disagree."""

    question: Question
    theirs: str
    ours: bool


def _differences(questions: list[Question]) -> Iterator[Difference]:
    for question, answer in zip(questions, ask(questions), strict=True):
        if "error" in answer or answer["ignored"]:
            raise AssertionError(f"the simulator cannot be asked {question}: {answer}")
        ours = question.decided()
        if ours is not (answer["decision"] == "Allowed"):
            yield Difference(question, answer["decision"], ours)


def test_the_two_disagree_only_where_an_explanation_shows_why(questions: list[Question]) -> None:
    differences = list(_differences(questions))
    variants = [
        (number, name, changed)
        for number, difference in enumerate(differences)
        for name, explanation in EXPLANATIONS.items()
        if (changed := explanation.without(difference.question)) is not None
    ]
    still = {id(each.question) for each in _differences([changed for *_, changed in variants])}
    explained = {number for number, _, changed in variants if id(changed) not in still}
    names = {name for _, name, changed in variants if id(changed) not in still}
    unexplained = [each for number, each in enumerate(differences) if number not in explained]
    assert unexplained == []
    assert names == set(EXPLANATIONS), "an explanation that explains nothing any more"


def test_the_questions_are_no_foregone_conclusions(questions: list[Question]) -> None:
    allowed = sum(question.decided() for question in questions)
    assert HOW_MANY * 0.15 < allowed < HOW_MANY * 0.5


def test_a_wrong_evaluator_would_be_found_out(questions: list[Question]) -> None:
    """A mistake that is planted in the answers is a difference that nothing explains."""

    class Mistaken(Question):
        def decided(self) -> bool:
            # As if Deny statements of a resource's policy were not read.
            policy = self.resource_policy
            kept = [one for one in (policy or {}).get("Statement", []) if one["Effect"] == "Allow"]
            if policy is None or not kept:
                return super().decided()
            made = dataclasses.replace(self, resource_policy={**policy, "Statement": kept})
            return Question.decided(made)

    mistaken = [
        Mistaken(**{each.name: getattr(one, each.name) for each in dataclasses.fields(one)})
        for one in questions[:1000]
    ]
    found = sum(1 for _ in _differences(list(mistaken)))
    assert found > sum(1 for _ in _differences(questions[:1000])) + 5


# Over the policies of the app.


def _as_both_see_them(questions: list[Question]) -> list[Question]:
    """Without the keys that the simulator drops, as it knows them of other actions.

    Left out are actions on resources that the Service Authorization Reference does not name for
    them, such as bedrock:CreateModelCustomizationJob on a job: the simulator refuses those.
    """
    answered = list(zip(questions, ask(questions), strict=True))
    refused = [answer["error"] for _, answer in answered if "error" in answer]
    assert all("resource" in each.lower() for each in refused)
    assert len(refused) < len(questions) * 0.2
    return [
        dataclasses.replace(
            question,
            keys={
                key: None if key in answer["ignored"] else value
                for key, value in question.keys.items()
            },
        )
        for question, answer in answered
        if "error" not in answer
    ]


@pytest.mark.parametrize("seed", [1, 2])
def test_the_two_agree_about_the_policies_of_the_app(seed: int, dev: Any) -> None:  # noqa: ANN401
    from tests.review.decisions.ours import questions_about  # noqa: PLC0415 - synthesises

    chance = random.Random(seed)  # noqa: S311 - for tests
    asked = _as_both_see_them(list(questions_about(dev, chance, how_many=800)))
    assert list(_differences(asked)) == []
    allowed = sum(question.decided() for question in asked)
    assert len(asked) * 0.05 < allowed < len(asked) * 0.8


# What we know of condition keys.


def test_the_keys_of_our_services_are_those_of_the_reference() -> None:
    known = simulator.condition_keys(sorted(KNOWN_SERVICES - {"aws"}))
    missing = [key for key in known if not is_known(key.replace("${TagKey}", "x"))]
    assert missing == []


def test_the_keys_with_several_values_are_those_of_the_reference() -> None:
    known = simulator.condition_keys(sorted(KNOWN_SERVICES - {"aws"}))
    several = {key.lower() for key, type_ in known.items() if type_.startswith("ArrayOf")}
    ours = {key for key in MULTIVALUED if not key.startswith("aws:")}
    assert {key for key in several if "${" not in key} == ours


def test_a_question_that_cannot_be_decided_is_an_error_and_no_answer() -> None:
    question = Question(
        who=Who.USER,
        arn="arn:aws:iam::111122223333:user/alice",
        action="s3:GetObject",
        resource="arn:aws:s3:::data/one",
        owner="111122223333",
        identity=[
            {
                "Version": "2012-10-17",
                "Statement": {
                    "Effect": "Allow",
                    "Action": "*",
                    "Resource": "*",
                    "Condition": {"StringEquals": {"aws:Misspelt": "x"}},
                },
            }
        ],
    )
    with pytest.raises(UndecidableError):
        question.decided()
