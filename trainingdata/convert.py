"""From rows of any of the common shapes to the records of a model."""

import os
import re
import tempfile
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import msgspec

from trainingdata.findings import DataFinding, Tally
from trainingdata.formats.converse import SCHEMA_VERSION
from trainingdata.limits import DataLimits
from trainingdata.part import at_line
from trainingdata.rows import rows_of

PROMPTS = ("prompt", "question", "instruction", "input", "query", "problem", "user", "human")
"""Names of columns that hold what is asked, the likeliest first."""
COMPLETIONS = (
    "completion",
    "answer",
    "response",
    "output",
    "target",
    "solution",
    "label",
    "assistant",
    "bot",
)
"""Names of columns that hold the answer."""
REFERENCES = ("reference answer", "reference", "ground truth")
"""Names of columns that hold what a reward function measures by."""
SYSTEMS = ("system", "system prompt", "system message")
ROLES = {
    "user": "user",
    "human": "user",
    "assistant": "assistant",
    "gpt": "assistant",
    "bot": "assistant",
    "model": "assistant",
    "system": "system",
}
"""What speakers are called elsewhere."""


@dataclass(frozen=True, kw_only=True)
class Columns:
    """Names of columns that a person gave; None to find them."""

    prompt: str | None = None
    completion: str | None = None
    system: str | None = None


@dataclass(kw_only=True)
class Conversation:
    """What a row says, whatever its shape was."""

    system: str | None = None
    turns: list[tuple[str, list[dict[str, Any]]]] = field(default_factory=list)
    """Role and content blocks of each message."""
    reference: Any = None
    """What a reward function measures the answer by, where the row has it."""


class RowError(Exception):
    """A row from which no record can be made."""

    def __init__(self, *, message: str, fix: str, field: str | None = None) -> None:
        super().__init__(message)
        self.finding = DataFinding(kind="row", message=message, fix=fix, field=field)


@dataclass(kw_only=True)
class Converted:
    """What came of a conversion."""

    records: int = 0
    skipped: int = 0
    tally: Tally = field(default_factory=Tally)


def convert(
    *,
    source: Path,
    target: Path,
    limits: DataLimits,
    columns: Columns | None = None,
    system: str | None = None,
    skip_bad: bool = False,
) -> Converted:
    """Write the rows of a file as records that a family takes.

    `system` is a system prompt for every record that has none. A bad row makes the conversion
    fail, and then nothing is written, unless `skip_bad` leaves such rows out. The target appears
    whole or not at all. Raises `RowsError` and OSError.
    """
    result = Converted()
    handle, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
    temporary = Path(name)
    encoder = msgspec.json.Encoder()
    try:
        with os.fdopen(handle, "wb") as file:
            for number, row, findings in rows_of(source):
                found = list(findings)
                if row is not None and not found:
                    try:
                        said = conversation(row, columns=columns or Columns())
                        said.system = said.system or system
                        file.write(encoder.encode(record_of(said, limits=limits)) + b"\n")
                        result.records += 1
                    except RowError as error:
                        found = [error.finding]
                result.skipped += bool(found)
                result.tally.extend(at_line(finding, line=number) for finding in found)
        if result.records and (skip_bad or not result.tally.errors):
            mask = os.umask(0)
            os.umask(mask)
            temporary.chmod(0o666 & ~mask)
            temporary.replace(target)
    finally:
        temporary.unlink(missing_ok=True)
    return result


def conversation(row: Mapping[str, Any], *, columns: Columns) -> Conversation:
    """What a row says. Raises `RowError`."""
    for name in ("messages", "conversations", "conversation"):
        if isinstance(row.get(name), list):
            found = _from_messages(row[name], name=name)
            first = row.get("system")
            if isinstance(first, list):
                first = "\n\n".join(str(block.get("text", "")) for block in first if block)
            if isinstance(first, str) and first.strip():
                found.system = first
            found.reference = row.get("reference_answer")
            return found
    names = {_plain(name): name for name in row if isinstance(name, str)}
    prompt = _column(names, PROMPTS, given=columns.prompt, what="prompt")
    if prompt is None:
        raise RowError(
            message="there is no column with the prompt",
            fix=f"call it one of {', '.join(PROMPTS)}, or say --prompt-column NAME",
        )
    asked = _text(row, prompt)
    # Instructions with an input of their own, as in the Alpaca data.
    if columns.prompt is None and _plain(prompt) == "instruction" and "input" in names:
        more = row.get(names["input"])
        if isinstance(more, str) and more.strip():
            asked = f"{asked}\n\n{more}"
    found = Conversation(turns=[("user", [{"text": asked}])])
    answer = _column(names, COMPLETIONS, given=columns.completion, what="completion")
    if answer is not None:
        found.turns.append(("assistant", [{"text": _text(row, answer)}]))
    reference = _column(names, REFERENCES, given=None, what="reference")
    found.reference = row[reference] if reference is not None else None
    told = _column(names, SYSTEMS, given=columns.system, what="system")
    if told is not None and isinstance(row[told], str) and row[told].strip():
        found.system = row[told]
    return found


def _plain(name: str) -> str:
    return re.sub(r"[\s_-]+", " ", name).strip().lower()


def _column(
    names: Mapping[str, str], known: tuple[str, ...], *, given: str | None, what: str
) -> str | None:
    if given is not None:
        if given not in names.values():
            raise RowError(
                message=f"there is no column of the name given by --{what}-column",
                fix="write it as the header has it",
            )
        return given
    return next((names[name] for name in known if name in names), None)


def _text(row: Mapping[str, Any], name: str) -> str:
    value = row[name]
    if isinstance(value, bool) or not isinstance(value, (str, int, float)):
        raise RowError(message="the column holds no text", fix="write a text")
    text = str(value)
    if not text.strip():
        raise RowError(message="the text is empty", fix="write the text, or remove the row")
    return text


def _from_messages(messages: list[Any], *, name: str) -> Conversation:
    found = Conversation()
    for index, message in enumerate(messages):
        place = f"{name}[{index}]"
        if not isinstance(message, dict):
            raise RowError(message="must be an object", fix="write role and content", field=place)
        said = message.get("role", message.get("from"))
        role = ROLES.get(said) if isinstance(said, str) else None
        if role is None:
            raise RowError(
                message="the role is not known", fix=f"use one of {', '.join(ROLES)}", field=place
            )
        blocks = _blocks(message.get("content", message.get("value")), place=place)
        if role != "system":
            found.turns.append((role, blocks))
        elif found.turns or found.system:
            raise RowError(
                message="the system prompt must be the first message",
                fix="move it to the beginning",
                field=place,
            )
        else:
            found.system = "\n\n".join(block.get("text", "") for block in blocks)
    return found


def _blocks(content: object, *, place: str) -> list[dict[str, Any]]:
    if isinstance(content, str):
        return [{"text": content}]
    if isinstance(content, list) and content and all(isinstance(one, dict) for one in content):
        # Typed parts, as the chat completions have them, lose their type.
        return [
            {"text": one["text"]} if one.get("type") == "text" and "text" in one else one
            for one in content
        ]
    raise RowError(
        message="the content is neither a text nor a list of parts",
        fix="write a text",
        field=f"{place}.content",
    )


def record_of(said: Conversation, *, limits: DataLimits) -> dict[str, Any]:
    """The record of a conversation in a family's format. Raises `RowError`."""
    if not said.turns:
        raise RowError(message="there is no message", fix="write a prompt and a completion")
    match limits.format:
        case "converse" | "distillation-prompts":
            if limits.format == "converse":
                _require_answer(said)
            system = {"system": [{"text": said.system}]} if said.system else {}
            messages = [{"role": role, "content": blocks} for role, blocks in said.turns]
            return {"schemaVersion": SCHEMA_VERSION, **system, "messages": messages}
        case "anthropic-messages":
            _require_answer(said)
            told = {"system": said.system} if said.system else {}
            return {**told, "messages": _chat(said)}
        case "prompt-completion":
            _require_answer(said)
            if len(said.turns) != 2:
                raise RowError(
                    message="the format has one prompt and one completion, got a conversation",
                    fix="make a row of each question and its answer",
                )
            asked, answer = (_joined(blocks) for _, blocks in said.turns)
            prompt = f"{said.system}\n\n{asked}" if said.system else asked
            return {"prompt": prompt, "completion": answer}
        case "rft-chat":
            turns = list(said.turns)
            reference = said.reference
            if turns[-1][0] == "assistant" and len(turns) > 1:
                answer = _joined(turns.pop()[1])
                reference = answer if reference is None else reference
            if reference is None:
                raise RowError(
                    message="there is no reference answer",
                    fix="add a column reference_answer, or the answer itself",
                )
            first = [{"role": "system", "content": said.system}] if said.system else []
            asked_ = _chat(Conversation(turns=turns))
            return {"messages": [*first, *asked_], "reference_answer": reference}
        case "invocation-logs":
            raise RowError(
                message="invocation logs are written by Bedrock alone",
                fix="convert to the format of the method",
            )


def _require_answer(said: Conversation) -> None:
    if said.turns[-1][0] != "assistant":
        raise RowError(
            message="there is no answer to learn",
            fix=f"add a column of one of the names {', '.join(COMPLETIONS)}, or say"
            " --completion-column NAME",
        )


def _chat(said: Conversation) -> list[dict[str, str]]:
    return [{"role": role, "content": _joined(blocks)} for role, blocks in said.turns]


def _joined(blocks: list[dict[str, Any]]) -> str:
    if any(set(block) != {"text"} or not isinstance(block["text"], str) for block in blocks):
        raise RowError(
            message="the format takes texts only, got something else",
            fix="leave images, videos and tools out, or use a model that takes them",
        )
    return "\n".join(block["text"] for block in blocks)
