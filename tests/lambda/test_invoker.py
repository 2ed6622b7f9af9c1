"""The invoker: what it asks, what it says of an answer, and what it never lets out."""

from __future__ import annotations

import io
import json
from collections.abc import Callable, Iterator
from typing import Any, cast

import pytest
from aws_lambda_powertools.utilities.typing import LambdaContext

import invoker.handler
from customization.calls import EVERY_CALL
from customization.clients import RUNTIME_CONFIG
from customization.errors import EventError, PassingServiceError, ServiceCallError
from invoker import checking, orders, remedies
from invoker.asking import Answer, InvocationError
from invoker.orders import MOST_SECONDS, SmokeTest
from tests.fakes.aws import FakeAws, Fault, LostError, RefusalError
from tests.fakes.cloudformation import Context
from tests.fakes.deployments import WishResource, ask, job_name, plant_job, serve, wish

SECRET = "planted words of the model"


@pytest.fixture
def log() -> Iterator[io.StringIO]:
    """What the function's own logger writes."""
    stream = io.StringIO()
    handler = invoker.handler.logger.registered_handler
    kept = handler.stream  # type: ignore[attr-defined] # a StreamHandler by default
    handler.setStream(stream)  # type: ignore[attr-defined] # as above
    yield stream
    handler.setStream(kept)  # type: ignore[attr-defined] # as above


@pytest.fixture
def served(aws: FakeAws, wished: WishResource) -> str:
    """A model that is served on demand; returns the deployment's ARN."""
    plant_job(aws)
    wished.create()
    wished.at_rest()
    ask(aws)
    serve(aws)
    return str(ask(aws)["arn"])


def invoke(aws: FakeAws, event: object, *, seconds: float = 900) -> dict[str, Any]:
    """Invoke the function with an event as it arrives, through JSON."""
    with aws.called_by("invoker"):
        result = invoker.handler.handler(
            json.loads(json.dumps(event)), cast("LambdaContext", Context(seconds))
        )
    return dict(json.loads(json.dumps(result)))


def smoke(aws: FakeAws, model: str, *tests: dict[str, Any], seconds: float = 900) -> dict[str, Any]:
    event = {"SmokeTest": {"model": model, "tests": [{"prompt": "?", **test} for test in tests]}}
    return invoke(aws, event, seconds=seconds)


# Smoke tests


@pytest.mark.parametrize(
    ("test", "reason"),
    [
        ({}, ""),
        ({"contains": ["blue", "sky"]}, ""),
        ({"contains": ["blue", "Sky"]}, "text 2 of contains is not in the answer"),
        ({"not_contains": ["red"]}, ""),
        ({"not_contains": ["red", "blue"]}, "text 2 of not_contains is in the answer"),
        ({"matches": r"^The sky is \w+"}, ""),
        ({"matches": r"^sky"}, "matches is not found in the answer"),
        ({"matches": "("}, "matches is not a regular expression"),
    ],
)
def test_an_answer_is_checked_as_the_test_says(
    test: dict[str, Any], reason: str, aws: FakeAws, served: str
) -> None:
    aws.says = lambda _: "The sky is blue"
    assert smoke(aws, served, test) == {
        "passed": not reason,
        "results": [{"number": 1, "passed": not reason, "reason": reason}],
    }


def test_every_test_is_asked_though_one_failed(aws: FakeAws, served: str) -> None:
    found = smoke(aws, served, {"contains": ["never"]}, {}, {"contains": ["made up"]})
    assert [result["passed"] for result in found["results"]] == [False, True, True]
    assert not found["passed"]
    assert aws.calls.count(("bedrock-runtime", "Converse")) == 3


def test_no_word_of_the_model_leaves_a_smoke_test(
    aws: FakeAws, served: str, log: io.StringIO
) -> None:
    aws.says = lambda _: SECRET
    found = smoke(aws, served, {"contains": ["x"], "not_contains": ["planted"], "matches": "y"})
    assert SECRET not in json.dumps(found)
    assert "planted" not in json.dumps(found)
    assert '"passed":0' in log.getvalue()
    assert SECRET not in log.getvalue()


def test_neither_question_nor_answer_is_logged_nor_shown_by_what_holds_them(
    aws: FakeAws, served: str, log: io.StringIO
) -> None:
    aws.says = lambda _: SECRET
    event = {"Try": {"job_name": job_name(), "prompt": "a planted question", "max_tokens": 9}}
    assert invoke(aws, event)["text"] == SECRET
    logged = log.getvalue()
    assert "asked for somebody" in logged
    assert SECRET not in logged
    assert "planted" not in logged
    assert "planted" not in repr(orders.parse(event))
    answer = Answer(text=SECRET, seconds=1, input_tokens=1, output_tokens=1, cut=False)
    assert SECRET not in repr(answer)


def test_a_pattern_that_would_take_for_ever_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(checking, "PATTERN_SECONDS", 0.5)
    test = SmokeTest(number=1, prompt="?", matches=r"(a+)+$")
    answer = Answer(text="a" * 40 + "b", seconds=1, input_tokens=1, output_tokens=1, cut=False)
    (reason,) = checking.reasons(test, answer)
    assert "could not be looked for" in reason
    assert list(checking.reasons(test, Answer(**{**vars(answer), "text": "aaa"}))) == []


def test_an_answer_that_came_late_was_cut_or_is_empty_is_said_to_be() -> None:
    def reasons(**changes: Any) -> list[str]:
        answer = {"text": "yes", "seconds": 1.0, "input_tokens": 1, "output_tokens": 1}
        test = SmokeTest(number=1, prompt="?", contains=("yes",), max_seconds=5, max_tokens=7)
        return list(checking.reasons(test, Answer(**{**answer, "cut": False, **changes})))

    assert reasons() == []
    assert reasons(seconds=6.4) == ["the answer took 6 seconds, 5 are allowed"]
    assert reasons(text="no", cut=True) == [
        "text 1 of contains is not in the answer (it was cut after 7 tokens)"
    ]
    assert reasons(text=" \n", cut=True) == ["the answer is empty (it was cut after 7 tokens)"]


def test_what_there_is_no_time_for_is_not_asked(aws: FakeAws, served: str) -> None:
    found = smoke(aws, served, {"max_seconds": 30}, {"max_seconds": 120}, seconds=60)
    assert [result["passed"] for result in found["results"]] == [True, False]
    assert "it was not asked" in found["results"][1]["reason"]
    assert aws.calls.count(("bedrock-runtime", "Converse")) == 1


def test_the_client_waits_longer_than_any_test_allows() -> None:
    assert RUNTIME_CONFIG.read_timeout > MOST_SECONDS  # type: ignore[attr-defined] # it has one
    assert RUNTIME_CONFIG.retries["total_max_attempts"] == 1  # type: ignore[attr-defined] # the same


# Errors


@pytest.mark.parametrize(
    ("code", "status"),
    [
        ("ThrottlingException", 429),
        ("ModelNotReadyException", 429),
        ("ServiceUnavailableException", 503),
        ("InternalServerException", 500),
        ("ModelTimeoutException", 408),
    ],
)
def test_what_passes_is_asked_again_within_bounds(
    code: str, status: int, aws: FakeAws, served: str
) -> None:
    aws.faults.append(Fault("Converse", RefusalError(code, "made up", status), times=3))
    assert smoke(aws, served, {})["passed"]
    assert aws.slept == [2, 4, 8]
    aws.slept.clear()
    aws.faults.append(Fault("Converse", RefusalError(code, "made up", status), times=999))
    with pytest.raises(PassingServiceError, match="could not be asked") as caught:
        smoke(aws, served, {})
    assert "remedy:" in str(caught.value)
    assert sum(aws.slept) <= invoker.handler.PATIENCE_SECONDS


@pytest.mark.parametrize(
    ("code", "message", "told"),
    [
        (
            "AccessDeniedException",
            "User is not authorized to perform: bedrock:InvokeModel on resource",
            "only through the environment's own bedrock-runtime endpoint",
        ),
        (
            "AccessDeniedException",
            "is not authorized: no VPC endpoint policy allows the action",
            "deploy the network stack again",
        ),
        (
            "AccessDeniedException",
            "User is not authorized to perform: kms:Decrypt on the resource",
            "deploy the encryption stack again",
        ),
        ("ResourceNotFoundException", "made up", "finetune leftovers"),
        ("ValidationException", "This model doesn't support the Converse API", "InvokeModel"),
        ("ValidationException", "The maximum tokens you requested", "lower max_tokens"),
    ],
)
def test_what_does_not_pass_is_explained_at_once(
    code: str, message: str, told: str, aws: FakeAws, served: str
) -> None:
    aws.faults.append(Fault("Converse", RefusalError(code, message, 400), times=9))
    with pytest.raises(InvocationError) as caught:
        smoke(aws, served, {})
    assert told in str(caught.value)
    assert aws.slept == []


def test_a_model_that_fails_at_one_question_fails_that_test_alone(
    aws: FakeAws, served: str
) -> None:
    refusal = RefusalError("ModelErrorException", SECRET, 424)
    aws.faults.append(Fault("Converse", refusal, times=1))
    found = smoke(aws, served, {}, {})
    assert [result["passed"] for result in found["results"]] == [False, True]
    assert SECRET not in json.dumps(found)
    assert "the model failed at the question" in found["results"][0]["reason"]


def test_an_answer_that_never_comes_is_not_paid_for_twice(aws: FakeAws, served: str) -> None:
    aws.faults.append(Fault("Converse", LostError(), times=1))
    found = smoke(aws, served, {})
    assert "there was no answer" in found["results"][0]["reason"]
    assert aws.calls.count(("bedrock-runtime", "Converse")) == 1


def test_a_deployment_that_is_not_there_yet_is_waited_for(
    aws: FakeAws, wished: WishResource
) -> None:
    plant_job(aws)
    wished.create()
    wished.at_rest()
    ask(aws)
    (arn,) = aws.bedrock.deployments
    with pytest.raises(PassingServiceError, match="not yet ready to answer"):
        smoke(aws, arn, {})


def test_every_remedy_is_found_by_its_own_words() -> None:
    for remedy in remedies.REMEDIES:
        assert remedy.action in remedies.advice(" ".join(remedy.words))
    assert "remedy:" not in remedies.advice("SomethingNew: never seen")


# People


def test_a_person_is_answered_with_the_text_and_what_it_took(aws: FakeAws, served: str) -> None:
    aws.says = lambda prompt: f"You asked: {prompt}"
    tried = invoke(aws, {"Try": {"job_name": job_name(), "prompt": "Why?", "max_tokens": 9}})
    assert tried["text"] == "You asked: Why?"
    assert tried["model"] == served
    assert (tried["input_tokens"], tried["output_tokens"]) == (7, 3)
    assert aws.by_caller["invoker"] == set(EVERY_CALL["invoker"])


def test_a_person_may_name_what_serves_the_model(aws: FakeAws, served: str) -> None:
    asked = {"job_name": "of-another-job", "prompt": "Why?", "model": served}
    assert invoke(aws, {"Try": asked})["model"] == served
    with pytest.raises(EventError, match="model must be the ARN of"):
        invoke(aws, {"Try": {**asked, "model": served.replace("deployment", "job")}})


def test_a_job_without_a_deployment_is_told_what_to_do(aws: FakeAws, served: str) -> None:
    with pytest.raises(InvocationError, match="give the job a deployment"):
        invoke(aws, {"Try": {"job_name": "dev-other-1111111111111111", "prompt": "?"}})
    name = next(key for key, item in aws.items.items() if item.get("Arn") == served)
    aws.items[name]["State"] = "Ended"
    with pytest.raises(InvocationError, match=f"nothing serves .* {name} is Ended"):
        invoke(aws, {"Try": {"job_name": job_name(), "prompt": "?"}})


def test_an_error_of_the_table_is_explained(aws: FakeAws, served: str) -> None:
    refusal = RefusalError("AccessDeniedException", "not authorized to perform", 403)
    aws.faults.append(Fault("Scan", refusal, times=1))
    with pytest.raises(ServiceCallError, match="Scan failed"):
        invoke(aws, {"Try": {"job_name": job_name(), "prompt": "?"}})


# The door


def _without(name: str) -> Callable[[dict[str, Any]], object]:
    return lambda event: event["SmokeTest"].pop(name)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda event: event.clear(), "must hold SmokeTest or Try"),
        (_without("model"), "model must be a text"),
        (_without("tests"), "tests must be a list of 1 to 10"),
        (lambda event: event["SmokeTest"].update(tests=[]), "tests must be a list of 1 to 10"),
        (lambda event: event["SmokeTest"].update(tests=["?"]), "test 1 must be a JSON object"),
        (lambda event: event["SmokeTest"]["tests"][0].pop("prompt"), "prompt must be a text"),
        (lambda event: event["SmokeTest"]["tests"][0].update(max_seconds=121), "from 1 to 120"),
        (lambda event: event["SmokeTest"]["tests"][0].update(max_tokens=True), "max_tokens"),
        (lambda event: event["SmokeTest"]["tests"][0].update(contains="x"), "list of texts"),
    ],
)
def test_an_event_that_is_no_order_is_refused_without_quoting_it(
    change: Callable[[dict[str, Any]], object], told: str
) -> None:
    event: dict[str, Any] = {"SmokeTest": {"model": "arn", "tests": [{"prompt": "planted"}]}}
    assert orders.parse(event)
    change(event)
    with pytest.raises(EventError, match=told) as caught:
        orders.parse(event)
    assert "planted" not in str(caught.value)


def test_settings_as_they_are_kept_are_an_order() -> None:
    """What the settings leave out is null in a wish."""
    test: dict[str, Any] = {"prompt": "?", "contains": [], "not_contains": [], "matches": None}
    limits = {"max_seconds": 30, "max_tokens": 512}
    event = {"SmokeTest": {"model": "arn", "tests": [{**test, **limits}]}}
    parsed = orders.parse(event)
    assert isinstance(parsed, orders.SmokeTests)
    assert parsed.tests == (SmokeTest(number=1, prompt="?"),)
    assert wish()["SmokeTests"]
