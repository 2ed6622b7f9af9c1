"""The Converse format, and the prompts of distillation, which are written in it.

https://docs.aws.amazon.com/nova/latest/userguide/fine-tune-prepare-data-understanding.html
https://docs.aws.amazon.com/bedrock/latest/userguide/nova-2-sft-data-prep.html
https://docs.aws.amazon.com/bedrock/latest/userguide/model-customization-prepare.html
https://docs.aws.amazon.com/bedrock/latest/userguide/distillation-data-prep-option-1.html
"""

import re
from typing import Any, Literal

import msgspec
from msgspec import UNSET, Struct, UnsetType

from trainingdata.formats.base import Facts, RecordFormat, Report, names_are_single
from trainingdata.limits import DataLimits

SCHEMA_VERSION = "bedrock-conversation-2024"
S3_URI = re.compile(r"s3://([a-z0-9][a-z0-9.-]{1,61}[a-z0-9])/([A-Za-z0-9_./-]+)")
"""Where media may be: names of letters, digits, `_`, `-`, `/` and `.`, as AWS's page says."""
ACCOUNT = re.compile(r"[0-9]{12}")


class _S3Location(Struct, forbid_unknown_fields=True, gc=False):
    uri: str
    bucketOwner: str | UnsetType = UNSET  # noqa: N815 the format's name


class _Source(Struct, forbid_unknown_fields=True, gc=False):
    s3Location: _S3Location  # noqa: N815 the format's name


class _Media(Struct, forbid_unknown_fields=True, gc=False):
    format: str
    source: _Source


class _ReasoningText(Struct, forbid_unknown_fields=True, gc=False):
    text: str


class _Reasoning(Struct, forbid_unknown_fields=True, gc=False):
    reasoningText: _ReasoningText  # noqa: N815 the format's name


class _Block(Struct, forbid_unknown_fields=True, gc=False):
    text: str | UnsetType = UNSET
    image: _Media | UnsetType = UNSET
    video: _Media | UnsetType = UNSET
    reasoningContent: _Reasoning | UnsetType = UNSET  # noqa: N815 the format's name


class _Message(Struct, forbid_unknown_fields=True, gc=False):
    role: Literal["user", "assistant"]
    content: list[_Block]


class _System(Struct, forbid_unknown_fields=True, gc=False):
    text: str


class _Record(Struct, forbid_unknown_fields=True, gc=False):
    schemaVersion: Literal["bedrock-conversation-2024"]  # noqa: N815 the format's name
    messages: list[_Message]
    system: list[_System] | UnsetType = UNSET


class Converse(RecordFormat):
    """Conversations of a user and an assistant, in blocks of text and media."""

    def __init__(self, limits: DataLimits) -> None:
        super().__init__(limits)
        self._decode = msgspec.json.Decoder(_Record).decode
        self._answered = limits.format == "converse"
        """Whether the last message must be the assistant's; in prompts it may be."""
        self._media = {"image": limits.image_formats, "video": limits.video_formats}
        self._most = {"image": limits.maximum_images, "video": limits.maximum_videos}

    def quick(self, buffer: bytes, start: int, end: int) -> Facts | None:  # noqa: PLR0911, PLR0912 one pass, for speed
        """The facts of a line on which nothing is wrong; None when in doubt."""
        try:
            record = self._decode(memoryview(buffer)[start:end])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        names = 2
        texts: list[str] = []
        facts = Facts(texts=texts)
        if record.system is not UNSET:
            if not record.system or not self.limits.system:
                return None
            texts.extend([block.text for block in record.system])
            names += 1 + len(texts)
            facts.system = len(texts)
        messages = record.messages
        count = len(messages)
        if not count or (self._answered and count % 2):
            return None
        if count > 2 and self.limits.turns == "single":
            return None
        user = False
        for message in messages:
            user = not user
            if (message.role == "user") is not user or not message.content:
                return None
            if not user:
                facts.asked = len(texts)
            names += 2
            for block in message.content:
                text = block.text
                if text is UNSET:
                    return None  # media and reasoning are rare, and judged exactly
                if (
                    block.image is not UNSET
                    or block.video is not UNSET
                    or block.reasoningContent is not UNSET
                ):
                    return None
                names += 1
                texts.append(text)
        if user:
            facts.asked = len(texts)
        for text in texts:
            if not text or text.isspace():
                return None
        facts.roles = "ua" * (count // 2) + "u" * (count % 2)
        if not names_are_single(buffer, start, end, names=names) or self.words.in_any(texts):
            return None
        return facts

    def explain(self, record: dict[str, Any], report: Report) -> Facts:
        """Report all that is wrong with a record, and return what could be read of it."""
        facts = Facts()
        if record.get("schemaVersion") != SCHEMA_VERSION:
            report.add(
                "schema-version",
                f"must be {SCHEMA_VERSION!r}",
                f'add "schemaVersion": "{SCHEMA_VERSION}"',
                "schemaVersion",
            )
        self.only(record, "schemaVersion", "system", "messages", field=None, report=report)
        if "system" in record:
            self.require_system_allowed(report=report)
            for place, block in self.entries(record["system"], field="system", report=report):
                self.only(block, "text", field=place, report=report)
                self.text(block.get("text"), field=f"{place}.text", report=report, facts=facts)
            facts.system = len(facts.texts)
        roles: list[object] = []
        answers = 0
        for place, message in self.entries(record.get("messages"), field="messages", report=report):
            self.only(message, "role", "content", field=place, report=report)
            role = message.get("role")
            roles.append(role)
            if role == "assistant":
                answers = len(facts.texts)
            for inner, block in self.entries(
                message.get("content"), field=f"{place}.content", report=report
            ):
                self._block(block, role=role, field=inner, report=report, facts=facts)
        facts.asked = answers if roles and roles[-1] == "assistant" else len(facts.texts)
        self._roles(roles, report=report)
        facts.roles = "".join(str(role)[:1] for role in roles)
        self._count_media(facts, report=report)
        return facts

    def _roles(self, roles: list[object], *, report: Report) -> None:
        if not roles:
            return
        for index, role in enumerate(roles):
            if role != ("user", "assistant")[index % 2]:
                report.add(
                    "roles",
                    "roles must alternate, beginning with user",
                    "put user and assistant messages in turn; join two of one role",
                    f"messages[{index}].role",
                )
                return
        if self._answered and roles[-1] != "assistant":
            report.add(
                "roles",
                "the last message must be the assistant's: it is what is learned",
                "add the answer, or remove the last message",
                f"messages[{len(roles) - 1}].role",
            )
        if self.limits.turns == "single" and len(roles) > 2:
            report.add(
                "turns",
                f"{self.limits.name} takes one question in a record, got several",
                "make a record of each question",
                "messages",
            )

    def _block(
        self, block: dict[str, Any], *, role: object, field: str, report: Report, facts: Facts
    ) -> None:
        """Report a content block that is not text, or media or reasoning in their places."""
        held = [name for name in ("text", "image", "video", "reasoningContent") if name in block]
        if len(block) != 1 or not held:
            report.add(
                "content-block",
                "a content block must hold one of text, image, video and reasoningContent",
                "write each part as a block of its own; tools and documents cannot be trained",
                field,
            )
            return
        place = f"{field}.{held[0]}"
        value = block[held[0]]
        match held[0]:
            case "text":
                self.text(value, field=place, report=report, facts=facts)
            case "reasoningContent":
                self._reasoning(value, role=role, field=place, report=report, facts=facts)
            case kind:
                self._medium(value, kind=kind, role=role, field=place, report=report, facts=facts)

    def _reasoning(
        self, value: object, *, role: object, field: str, report: Report, facts: Facts
    ) -> None:
        if not self.limits.reasoning or role != "assistant":
            where = "the assistant's messages" if self.limits.reasoning else "no message"
            report.add(
                "content-block",
                f"{self.limits.name} takes reasoning in {where}",
                "remove the block",
                field,
            )
            return
        inner = value.get("reasoningText") if isinstance(value, dict) else None
        if not isinstance(value, dict) or len(value) != 1 or not isinstance(inner, dict):
            report.add(
                "content-block",
                "reasoning must hold reasoningText with text, and nothing else",
                'write {"reasoningText": {"text": ...}}',
                field,
            )
            return
        place = f"{field}.reasoningText"
        self.only(inner, "text", field=place, report=report)
        self.text(inner.get("text"), field=f"{place}.text", report=report, facts=facts)

    def _medium(
        self, value: object, *, kind: str, role: object, field: str, report: Report, facts: Facts
    ) -> None:
        formats = self._media[kind]
        if not formats:
            report.add(
                "media-not-taken",
                f"{self.limits.name} takes no {kind}s",
                "remove the block, or use a model that takes them",
                field,
            )
            return
        if role != "user":
            report.add(
                "media-place",
                f"{kind}s may be in messages of the user only",
                "move it to the question, or remove it",
                field,
            )
        if kind == "image":
            facts.images += 1
        else:
            facts.videos += 1
        if not isinstance(value, dict):
            report.add("structure", "must be an object", "write format and source", field)
            return
        self.only(value, "format", "source", field=field, report=report)
        if value.get("format") not in formats:
            report.add(
                "media-format",
                f"{self.limits.name} takes {kind}s as {', '.join(formats)}",
                f"write one of these, in small letters; convert the {kind} where it is another",
                f"{field}.format",
            )
        self._location(value.get("source"), field=f"{field}.source", report=report, facts=facts)

    def _location(self, source: object, *, field: str, report: Report, facts: Facts) -> None:
        location = source.get("s3Location") if isinstance(source, dict) else None
        if not isinstance(source, dict) or len(source) != 1 or not isinstance(location, dict):
            report.add(
                "media-source",
                "media must be named by s3Location, and by nothing else",
                "put the file into the bucket of the data set and write its S3 URI",
                field,
            )
            return
        place = f"{field}.s3Location"
        self.only(location, "uri", "bucketOwner", field=place, report=report)
        uri = location.get("uri")
        if not isinstance(uri, str) or not S3_URI.fullmatch(uri):
            report.add(
                "media-source",
                "must be an S3 URI whose key has letters, digits, `_`, `-`, `/` and `.` only",
                "rename the file, and write s3://BUCKET/KEY",
                f"{place}.uri",
            )
        else:
            facts.media.append(uri)
        owner = location.get("bucketOwner")
        if "bucketOwner" in location and not (isinstance(owner, str) and ACCOUNT.fullmatch(owner)):
            report.add(
                "media-source",
                "must be the twelve digits of an AWS account, as text",
                "write them, or leave bucketOwner out",
                f"{place}.bucketOwner",
            )

    def _count_media(self, facts: Facts, *, report: Report) -> None:
        for kind, count in (("image", facts.images), ("video", facts.videos)):
            most = self._most[kind]
            if self._media[kind] and most is not None and count > most:
                report.add(
                    "media-count",
                    f"{self.limits.name} takes {most} {kind}s in a record, got {count}",
                    "remove some, or make several records of it",
                    "messages",
                )
        if facts.images and facts.videos:
            report.add(
                "mixed-media",
                "a record may hold images or videos, not both",
                "make a data set of each kind",
                "messages",
            )
