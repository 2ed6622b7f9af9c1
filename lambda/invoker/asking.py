"""One question to a model, by Bedrock's Converse, which has one form for every model of text.

It takes a custom model deployment and provisioned throughput by their ARNs alike, and no model of
images or embeddings: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_Converse.html
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Final

from botocore.exceptions import ClientError, HTTPClientError, ReadTimeoutError

from customization.clients import is_transient
from customization.errors import CustomizationError, PassingServiceError
from customization.jobs import error_code
from invoker import remedies

if TYPE_CHECKING:
    from mypy_boto3_bedrock_runtime import BedrockRuntimeClient
    from mypy_boto3_bedrock_runtime.type_defs import InferenceConfigurationTypeDef

    from customization.patience import Patience

_NOT_YET: Final = frozenset({"ModelNotReadyException", "ModelTimeoutException"})
"""Errors after which the same question may be answered."""


class InvocationError(CustomizationError):
    """A model cannot be asked."""


class NoAnswerError(CustomizationError):
    """A model was asked, and did not answer this question."""


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a model answered; the text is never logged nor part of an error."""

    text: str = field(repr=False)
    seconds: float
    input_tokens: int
    output_tokens: int
    cut: bool
    """Whether the answer ended because it had as many tokens as it may have."""


@dataclass(frozen=True, kw_only=True)
class Model:
    """A model, by the ARN of what serves it; `clock` counts seconds."""

    runtime: BedrockRuntimeClient
    arn: str
    patience: Patience
    clock: Callable[[], float]

    def ask(self, prompt: str, *, max_tokens: int, steady: bool = False) -> Answer:
        """Ask one question; `steady` asks for the likeliest answer instead of a random one.

        Throttling, a model that is not ready, and answers from 500 on are tried again while there
        is patience. `seconds` is the time of the call that was answered.

        Raises NoAnswerError when the model fails at this question, PassingServiceError when
        patience ran out, InvocationError for what trying again does not mend.
        """
        configuration: InferenceConfigurationTypeDef = {"maxTokens": max_tokens}
        if steady:
            configuration["temperature"] = 0
        tries = 0
        while True:
            started = self.clock()
            try:
                answer = self.runtime.converse(
                    modelId=self.arn,
                    messages=[{"role": "user", "content": [{"text": prompt}]}],
                    inferenceConfig=configuration,
                )
            except ReadTimeoutError:
                seconds = self.clock() - started
                raise NoAnswerError(f"there was no answer after {seconds:.0f} seconds") from None
            except (ClientError, HTTPClientError) as error:
                if not _may_pass(error):
                    raise _refusal(error) from None
                if not self.patience.wait(tries):
                    raise _exhausted(error, waited=self.patience.waited) from None
                tries += 1
                continue
            return _parse(answer, seconds=self.clock() - started)


def _may_pass(error: ClientError | HTTPClientError) -> bool:
    if isinstance(error, ClientError) and error_code(error) in _NOT_YET:
        return True
    return is_transient(error)


def _parse(answer: Any, *, seconds: float) -> Answer:  # noqa: ANN401 - as botocore answers
    blocks = answer["output"].get("message", {}).get("content", [])
    usage = answer.get("usage", {})
    return Answer(
        text="".join(block["text"] for block in blocks if "text" in block),
        seconds=seconds,
        input_tokens=int(usage.get("inputTokens", 0)),
        output_tokens=int(usage.get("outputTokens", 0)),
        cut=answer.get("stopReason") == "max_tokens",
    )


def _said(error: ClientError | HTTPClientError) -> str:
    """Return an error in words; the service's own text may quote a question it refuses."""
    if not isinstance(error, ClientError):
        return f"no answer ({type(error).__name__})"
    if error_code(error) in {"ModelErrorException", "ModelTimeoutException"}:
        return error_code(error)
    return f"{error_code(error)}: {error.response.get('Error', {}).get('Message', '')}"


def _refusal(error: ClientError | HTTPClientError) -> CustomizationError:
    text = _said(error)
    message = f"the model cannot be asked: {text}; {remedies.advice(text)}"
    if isinstance(error, ClientError) and error_code(error) == "ModelErrorException":
        return NoAnswerError(f"the model failed at the question; {remedies.advice(text)}")
    return InvocationError(message)


def _exhausted(error: ClientError | HTTPClientError, *, waited: float) -> PassingServiceError:
    text = _said(error)
    return PassingServiceError(
        f"the model could not be asked (tried for {waited:.0f} s): {text}; {remedies.advice(text)}"
    )
