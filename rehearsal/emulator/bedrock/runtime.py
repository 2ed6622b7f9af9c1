"""Bedrock's runtime: whoever may, over the endpoint that the policies ask for, gets an answer.

The answer is the emulator's own and always the same for the same question: nothing was trained.
What a model says that is not ready, or has gone, and that a caller needs `kms:Decrypt` on the
model's key, are read from the API's errors and from
https://docs.aws.amazon.com/bedrock/latest/userguide/encryption-custom-job.html
"""

from __future__ import annotations

import json
import re
import time
from collections.abc import Mapping
from typing import Any
from urllib.parse import unquote

import botocore.session
from ministack.services import bedrock_runtime

from rehearsal.bedrock_semantics.errors import NotFoundError, ServiceError, ValidationError
from rehearsal.bedrock_semantics.service import Bedrock
from rehearsal.bedrock_semantics.shapes import problems
from rehearsal.emulator import refusals
from rehearsal.emulator.bedrock import protocol
from rehearsal.emulator.bedrock.access import Access, caller_of, model_key_keys, resource_tag_keys
from rehearsal.emulator.bedrock.serving import Model, invoked
from rehearsal.emulator.errors import AccessDeniedError, NothingThereError

_CALL = re.compile(r"/model/(?P<model>.+)/(?P<operation>converse|invoke)")
_OPERATIONS = {"converse": "Converse", "invoke": "InvokeModel"}
_SERVICE = "bedrock-runtime"
_MODEL = botocore.session.get_session().get_service_model(_SERVICE)
_MOST_TOKENS = 512


class NotReadyError(ServiceError):
    """What serves the model is not ready; SDKs try again some times."""

    def __init__(self, message: str) -> None:
        super().__init__("ModelNotReadyException", message, 429)


def text_of(*, name: str, prompt: str) -> str:
    """What a served model says here: its name and the question, and that nobody learnt anything."""
    return f"This is the rehearsal speaking for {name}; no model was trained. You asked: {prompt}"


def shortened(text: str, most_tokens: int) -> tuple[str, int, bool]:
    """A text of at most so many words, which stand for tokens; their number; whether any is cut."""
    words = text.split()
    return " ".join(words[:most_tokens]), min(len(words), most_tokens), len(words) > most_tokens


class Runtime:
    """Answers Converse and InvokeModel."""

    def __init__(self, *, bedrock: Bedrock, prefix_lists: Mapping[str, str]) -> None:
        self._bedrock = bedrock
        self._prefix_lists = prefix_lists

    def answer(
        self,
        *,
        method: str,
        path: str,
        headers: Mapping[str, str],
        query: Mapping[str, list[str]],
        body: bytes,
    ) -> protocol.Reply:
        """Serve a request; operations that the rehearsal does not know are refused."""
        match = _CALL.fullmatch(path)
        operation = match["operation"] if match else path
        try:
            access = caller_of(
                headers=headers, query=query, service=_SERVICE, prefix_lists=self._prefix_lists
            )
            if match is None or method != "POST":
                raise ValidationError(f"the rehearsal's runtime does not know {method} {path}")
            began = time.monotonic()
            model = self._model(unquote(match["model"]), access)
            sent = _parsed(_OPERATIONS[operation], unquote(match["model"]), body)
            said = _converse if operation == "converse" else _invoke
            answer = said(model, sent, began)
        except ServiceError as error:
            # To ask what is gone, or not ready yet, is no mistake of anybody's policies.
            if not isinstance(error, (NotFoundError, NotReadyError, NothingThereError)):
                refusals.record(
                    where="bedrock-runtime", reason=f"{operation}: {error.code}: {error.message}"
                )
            return protocol.error_reply(error)
        return 200, {"Content-Type": "application/json"}, json.dumps(answer).encode()

    def _model(self, identifier: str, access: Access) -> Model:
        """What is invoked, if the caller may.

        Raises:
            ServiceError: the caller may not, or it is not there, or not ready.
        """
        try:
            found = invoked(self._bedrock, identifier)
        except NotFoundError:
            # Bedrock looks at the policies first: what is gone carries no tags that could match.
            try:
                access.require("bedrock:InvokeModel", identifier)
            except AccessDeniedError as error:
                raise NothingThereError(error.message) from error
            raise
        tags = resource_tag_keys(self._bedrock.tags_of(found.arn))
        access.require("bedrock:InvokeModel", found.arn, keys=tags)
        key = found.model.get("modelKmsKeyArn")
        if key:
            access.require("kms:Decrypt", key, keys=model_key_keys("kms:Decrypt"))
        if not found.is_ready:
            raise NotReadyError(f"The model {found.name} is {found.status} and not ready to serve")
        return found


def _parsed(operation: str, identifier: str, body: bytes) -> dict[str, Any]:
    """The parameters of a call; of InvokeModel what the body holds.

    Raises:
        ValidationError: the API's model does not allow them.
    """
    try:
        sent = json.loads(body or b"{}")
    except json.JSONDecodeError as error:
        raise ValidationError(f"Malformed input request: {error}") from error
    if not isinstance(sent, dict):
        raise ValidationError("Malformed input request: not a JSON object")
    parameters = {"modelId": identifier, **(sent if operation == "Converse" else {"body": body})}
    found = problems(_MODEL.operation_model(operation).input_shape, parameters)
    if found:
        raise ValidationError(f"{len(found)} validation errors detected: {'; '.join(found)}")
    return sent


def _prompt(messages: list[dict[str, Any]]) -> str:
    """The last question of a conversation.

    Raises:
        ValidationError: it does not end with one of the user's.
    """
    if not messages or messages[-1].get("role") != "user":
        raise ValidationError("A conversation must end with a user message.")
    return " ".join(
        str(block["text"]) for block in messages[-1].get("content", []) if "text" in block
    )


def _converse(model: Model, sent: dict[str, Any], began: float) -> dict[str, Any]:
    prompt = _prompt(sent.get("messages", []))
    most = int(sent.get("inferenceConfig", {}).get("maxTokens", _MOST_TOKENS))
    text, tokens, is_cut = shortened(text_of(name=model.name, prompt=prompt), most)
    asked = len(prompt.split())
    return {
        "output": {"message": {"role": "assistant", "content": [{"text": text}]}},
        "stopReason": "max_tokens" if is_cut else "end_turn",
        "usage": {"inputTokens": asked, "outputTokens": tokens, "totalTokens": asked + tokens},
        "metrics": {"latencyMs": int((time.monotonic() - began) * 1000)},
    }


def _invoke(model: Model, sent: dict[str, Any], began: float) -> dict[str, Any]:
    """The answer as the base model's family gives it: Nova's messages, or a completion.

    Raises:
        ValidationError: the body is that of another family.
    """
    if "amazon.nova" in str(model.model["baseModelArn"]):
        return _converse(model, sent, began)
    if "prompt" not in sent:
        raise ValidationError("Malformed input request: required key [prompt] not found")
    prompt = str(sent["prompt"])
    most = int(sent.get("max_gen_len", _MOST_TOKENS))
    text, tokens, is_cut = shortened(text_of(name=model.name, prompt=prompt), most)
    return {
        "generation": text,
        "prompt_token_count": len(prompt.split()),
        "generation_token_count": tokens,
        "stop_reason": "length" if is_cut else "stop",
    }


def install(runtime: Runtime) -> None:
    """Answer in MiniStack's place from now on."""

    async def handle(
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query_params: dict[str, list[str]],
    ) -> Any:
        return runtime.answer(
            method=method, path=path, headers=headers, query=query_params, body=body
        )

    bedrock_runtime.handle_request = handle
