"""The Anthropic messages format, with texts as contents.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-customization-prepare.html
"""

from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from trainingdata.formats.base import Facts, RecordFormat, Report, names_are_single
from trainingdata.limits import DataLimits


class _Message(Struct, forbid_unknown_fields=True, gc=False):
    role: Literal["user", "assistant"]
    content: str


class _Record(Struct, forbid_unknown_fields=True, gc=False):
    messages: list[_Message]
    system: str | UnsetType = UNSET


class AnthropicMessages(RecordFormat):
    """Conversations of a user and an assistant, each message one text."""

    def __init__(self, limits: DataLimits) -> None:
        super().__init__(limits)
        self._decode = msgspec.json.Decoder(_Record).decode

    def quick(self, buffer: bytes, start: int, end: int) -> Facts | None:  # noqa: PLR0911 each is a doubt
        """The facts of a line on which nothing is wrong; None when in doubt."""
        try:
            record = self._decode(memoryview(buffer)[start:end])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        messages = record.messages
        count = len(messages)
        if count < 2 or count % 2 or (count > 2 and self.limits.turns == "single"):
            return None
        texts = [] if record.system is UNSET else [record.system]
        system = len(texts)
        if system and not self.limits.system:
            return None
        for index, message in enumerate(messages):
            if (message.role == "user") is bool(index % 2):
                return None
            texts.append(message.content)
        if any(not text or text.isspace() for text in texts):
            return None
        names = 1 + system + 2 * count
        if not names_are_single(buffer, start, end, names=names) or self.words.in_any(texts):
            return None
        return Facts(texts=texts, system=system, asked=len(texts) - 1, roles="ua" * (count // 2))

    def explain(self, record: dict[str, Any], report: Report) -> Facts:
        """Report all that is wrong with a record, and return what could be read of it."""
        facts = Facts()
        self.only(record, "system", "messages", field=None, report=report)
        if "system" in record:
            self.require_system_allowed(report=report)
            self.text(record["system"], field="system", report=report, facts=facts)
            facts.system = len(facts.texts)
        roles: list[object] = []
        for place, message in self.entries(record.get("messages"), field="messages", report=report):
            self.only(message, "role", "content", field=place, report=report)
            roles.append(message.get("role"))
            facts.asked = len(facts.texts)
            self.text(message.get("content"), field=f"{place}.content", report=report, facts=facts)
        require_turns(roles, limits=self.limits, report=report)
        facts.roles = "".join(str(role)[:1] for role in roles)
        return facts


def require_turns(roles: list[object], *, limits: DataLimits, report: Report) -> None:
    """Report roles that do not alternate from the user to the assistant."""
    for index, role in enumerate(roles):
        if role != ("user", "assistant")[index % 2]:
            report.add(
                "roles",
                "roles must alternate, beginning with user",
                "put user and assistant messages in turn; join two of one role",
                f"messages[{index}].role",
            )
            return
    if roles and roles[-1] != "assistant":
        report.add(
            "roles",
            "the last message must be the assistant's: it is what is learned",
            "add the answer, or remove the last message",
            f"messages[{len(roles) - 1}].role",
        )
    if limits.turns == "single" and len(roles) > 2:
        report.add(
            "turns",
            f"{limits.name} takes one question in a record, got several",
            "make a record of each question",
            "messages",
        )
