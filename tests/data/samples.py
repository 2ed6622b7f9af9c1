"""Good and bad records of every format, of our own making, and a quick way to check them."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from settings.base_models import dataset_families
from trainingdata import check
from trainingdata.check import FileCheck, check_file
from trainingdata.limits import DataLimits, limits_of, limits_of_logs

SECRET = "hunter2-do-not-print"
"""Stands in the samples for what must never be repeated."""


def family(name: str) -> DataLimits:
    """The limits of a family of the catalogue."""
    return limits_of(dataset_families()[name])


NOVA = family("amazon-nova")
NOVA_2 = family("amazon-nova-2")
MICRO = family("amazon-nova-micro")
LLAMA = family("meta-llama-3-1")
CLAUDE = family("anthropic-claude-3")
PROMPTS = family("distillation-nova")
SINGLE_PROMPTS = family("distillation-llama")
CHAT = family("amazon-nova-2-rft")
LOGS = limits_of_logs(PROMPTS)


def dumped(value: object, **options: Any) -> bytes:
    """JSON of a value, in UTF-8."""
    return json.dumps(value, ensure_ascii=False, **options).encode("utf-8", "surrogatepass")


def text(value: str) -> dict[str, Any]:
    """A content block of text."""
    return {"text": value}


def converse(*contents: Any, system: str | None = None) -> dict[str, Any]:
    """A Converse record: contents of user and assistant in turn, each text or a list of blocks."""
    messages = [
        {
            "role": ("user", "assistant")[index % 2],
            "content": [text(content)] if isinstance(content, str) else content,
        }
        for index, content in enumerate(contents or ("A question", "An answer"))
    ]
    head: dict[str, Any] = {"schemaVersion": "bedrock-conversation-2024"}
    if system is not None:
        head["system"] = [text(system)]
    return {**head, "messages": messages}


def medium(kind: str = "image", format: str = "png", **location: Any) -> dict[str, Any]:
    """A content block that names an image or a video."""
    place = location or {"uri": f"s3://a-bucket/media/one.{format}"}
    return {kind: {"format": format, "source": {"s3Location": place}}}


def completion(prompt: str = "A question", answer: str = "An answer") -> dict[str, Any]:
    """A prompt/completion record."""
    return {"prompt": prompt, "completion": answer}


def anthropic(*contents: str, system: str | None = None) -> dict[str, Any]:
    """An Anthropic record: contents of user and assistant in turn."""
    messages = [
        {"role": ("user", "assistant")[index % 2], "content": content}
        for index, content in enumerate(contents or ("A question", "An answer"))
    ]
    return {**({} if system is None else {"system": system}), "messages": messages}


def chat(question: str = "A question", **fields: Any) -> dict[str, Any]:
    """An OpenAI chat completions record for reinforcement fine-tuning."""
    return {
        "messages": [{"role": "user", "content": question}],
        "reference_answer": "An answer",
        **fields,
    }


def log(question: str = "A question", **fields: Any) -> dict[str, Any]:
    """An invocation log of Converse."""
    return {
        "schemaType": "ModelInvocationLog",
        "schemaVersion": "1.0",
        "timestamp": "2026-11-01T10:00:00Z",
        "accountId": "111122223333",
        "region": "us-east-1",
        "requestId": "00000000-0000-0000-0000-000000000000",
        "operation": "Converse",
        "modelId": "amazon.nova-premier-v1:0",
        "input": {
            "inputContentType": "application/json",
            "inputBodyJson": {"messages": [{"role": "user", "content": [text(question)]}]},
            "inputTokenCount": 3,
        },
        "output": {
            "outputContentType": "application/json",
            "outputBodyJson": {
                "output": {"message": {"role": "assistant", "content": [text("An answer")]}},
                "stopReason": "end_turn",
            },
            "outputTokenCount": 2,
        },
        **fields,
    }


MAKERS: dict[str, tuple[DataLimits, Any]] = {
    "converse": (NOVA, lambda question: converse(question, "An answer")),
    "prompt-completion": (LLAMA, completion),
    "anthropic-messages": (CLAUDE, lambda question: anthropic(question, "An answer")),
    "distillation-prompts": (PROMPTS, converse),
    "rft-chat": (CHAT, chat),
    "invocation-logs": (LOGS, log),
}
"""Of each format: a family that takes it, and a good record about a question."""


def good_lines(format: str, count: int) -> list[bytes]:
    """Good records of a format, each about another question."""
    _, make = MAKERS[format]
    return [dumped(make(f"Question number {number}")) for number in range(count)]


def found_in(
    folder: Path,
    content: bytes,
    *,
    limits: DataLimits = NOVA,
    training: bool = True,
    core: bool = True,
    processes: int | None = 1,
    name: str = "data.jsonl",
) -> FileCheck:
    """Check a file of some content."""
    path = folder / name
    path.write_bytes(content)
    return check_file(path=path, limits=limits, training=training, core=core, processes=processes)


__all__ = [
    "CHAT",
    "CLAUDE",
    "LLAMA",
    "LOGS",
    "MAKERS",
    "MICRO",
    "NOVA",
    "NOVA_2",
    "PROMPTS",
    "SECRET",
    "SINGLE_PROMPTS",
    "anthropic",
    "chat",
    "check",
    "completion",
    "converse",
    "dumped",
    "found_in",
    "good_lines",
    "log",
    "medium",
    "text",
]
