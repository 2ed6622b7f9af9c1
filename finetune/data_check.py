"""The core checks of a data set: what makes a customization job fail, told by line, in one pass.

The file is read once, line by line, and digested on the way, so that memory does not grow with it
and what was checked is what the digest names. Findings say where and what, and never repeat
anything of the data: not a value, not the name of an unknown field.

Rules: https://docs.aws.amazon.com/nova/latest/userguide/fine-tune-prepare-data-understanding.html
and, for Nova 2, https://docs.aws.amazon.com/bedrock/latest/userguide/nova-2-sft-data-prep.html
"""

import hashlib
import json
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, BinaryIO, NoReturn

from finetune.report import Finding, Level

if TYPE_CHECKING:
    from settings.base_models import DatasetFamily

CHECK_VERSION = "1"
"""Version of these rules, kept in the lock file; raise it when a rule is added or changed."""
FORMATS = ("converse",)
"""Record formats these checks know, by their names in `settings/base_models.yaml`."""
SCHEMA_VERSION = "bedrock-conversation-2024"
RESERVED_WORDS: Mapping[str, tuple[str, ...]] = {
    "amazon-nova": ("User:", "Bot:", "Assistant:", "System:", "<image>", "<video>", "[EOS]")
}
"""By family: words of the training prompt itself, with which a job fails."""
CHARACTERS_PER_TOKEN = 6
"""AWS's rule of thumb; the token counts made with it are estimates and only warn."""
MAXIMUM_LINE_BYTES = 16 * 1024 * 1024
"""A longer line is no record: the longest context is far smaller, and media are kept outside."""
SHOWN_OF_EACH_KIND = 20
"""Findings kept of each kind; all are counted."""
_BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, kw_only=True)
class DataFinding:
    """One thing that is wrong with a data set."""

    kind: str
    """Name of the rule."""
    message: str
    fix: str
    level: Level = "error"
    line: int | None = None
    """Line of the file, from 1; None for the file as a whole."""
    offset: int | None = None
    """Bytes from the beginning of the line, where a place in the line is known."""
    field: str | None = None
    """Path inside the record, such as `messages[1].content[0].text`."""

    def as_finding(self, *, file: str) -> Finding:
        """Return it in the shape that every command prints."""
        places = {"line": self.line, "offset": self.offset, "property": self.field}
        where = {key: place for key, place in places.items() if place is not None}
        message = f"{self.field}: {self.message}" if self.field else self.message
        return Finding(
            id=f"data.{self.kind}",
            level=self.level,
            message=message,
            fix=self.fix,
            where={"file": file, **where},
        )


@dataclass(kw_only=True)
class FileCheck:
    """What one pass over a file found."""

    sha256: str = ""
    bytes: int = 0
    records: int = 0
    """Lines that hold anything: good records and bad ones."""
    counts: Counter[str] = field(default_factory=Counter)
    """Findings of each kind, also those not kept."""
    errors: int = 0
    findings: list[DataFinding] = field(default_factory=list)
    """The first findings of each kind, in the order of the file."""

    @property
    def ok(self) -> bool:
        """Whether nothing was found with which a job fails."""
        return self.errors == 0

    def add(self, finding: DataFinding) -> None:
        """Count a finding, and keep it when it is among the first of its kind."""
        self.counts[finding.kind] += 1
        self.errors += finding.level == "error"
        if self.counts[finding.kind] <= SHOWN_OF_EACH_KIND:
            self.findings.append(finding)


class _RecordError(Exception):
    """A record breaks a rule; the record is not looked at further."""

    def __init__(self, *, kind: str, message: str, fix: str, field: str | None = None) -> None:
        super().__init__(message)
        self.kind = kind
        self.message = message
        self.fix = fix
        self.field = field


def check_file(
    *,
    path: Path,
    family: "DatasetFamily",
    training: bool = True,
    progress: Callable[[int], None] | None = None,
) -> FileCheck:
    """Check a JSON Lines file for a family of base models and return what was found.

    `training` is False for a file that is used only for validation, to which the least number of
    records does not apply. `progress` is called with the bytes read so far. Raises OSError when
    the file cannot be read, and ValueError for a family whose format these checks do not know.
    """
    if family.format not in FORMATS:
        raise ValueError(f"no checks for the format {family.format}")
    check = FileCheck()
    with path.open("rb") as file:
        for number, line in _lines(file=file, check=check):
            _check_line(line=line, number=number, family=family, check=check)
            if progress is not None:
                progress(check.bytes)
    _check_count(family=family, training=training, check=check)
    return check


def _lines(*, file: BinaryIO, check: FileCheck) -> Iterator[tuple[int, bytes]]:
    """Yield each line without its end, having digested it; a line too long is reported instead."""
    digest = hashlib.sha256()
    number = 0
    while line := file.readline(MAXIMUM_LINE_BYTES):
        number += 1
        digest.update(line)
        check.bytes += len(line)
        if len(line) == MAXIMUM_LINE_BYTES and not line.endswith(b"\n"):
            while rest := file.readline(MAXIMUM_LINE_BYTES):
                digest.update(rest)
                check.bytes += len(rest)
                if rest.endswith(b"\n"):
                    break
            check.records += 1
            check.add(
                DataFinding(
                    kind="line-too-long",
                    message=f"the line is longer than {MAXIMUM_LINE_BYTES} bytes",
                    fix="write one record a line, and name media by their S3 URI",
                    line=number,
                )
            )
            continue
        if number == 1 and line.startswith(_BOM):
            check.add(
                DataFinding(
                    kind="bom",
                    message="the file begins with a byte order mark",
                    fix="save it as UTF-8 without a byte order mark",
                    line=1,
                    offset=0,
                )
            )
            line = line.removeprefix(_BOM)
        yield number, line.removesuffix(b"\n").removesuffix(b"\r")
    check.sha256 = digest.hexdigest()


def _check_line(*, line: bytes, number: int, family: "DatasetFamily", check: FileCheck) -> None:
    if not line.strip():
        check.add(
            DataFinding(
                kind="blank-line",
                message="the line is blank; a data set has one record on each line",
                fix="remove the line",
                line=number,
            )
        )
        return
    check.records += 1
    try:
        text = line.decode("utf-8")
    except UnicodeDecodeError as error:
        check.add(
            DataFinding(
                kind="encoding",
                message="the line is not UTF-8",
                fix="save the file as UTF-8",
                line=number,
                offset=error.start,
            )
        )
        return
    try:
        record = json.loads(text, parse_constant=_refuse_constant)
    except json.JSONDecodeError as error:
        # The decoder's own message can quote the data, so only its position is used.
        several = error.msg.startswith("Extra data")
        check.add(
            DataFinding(
                kind="more-than-one-object" if several else "not-json",
                message="there is more than one JSON value on the line"
                if several
                else "the line is not JSON",
                fix="write exactly one JSON object on each line",
                line=number,
                offset=len(text[: error.pos].encode()),
            )
        )
        return
    except (ValueError, RecursionError):
        check.add(
            DataFinding(
                kind="not-json",
                message="the line holds a number or a nesting that JSON readers refuse",
                fix="write exactly one JSON object on each line, without NaN or Infinity",
                line=number,
            )
        )
        return
    try:
        characters = _check_converse(record=record, words=RESERVED_WORDS.get(family.name, ()))
    except _RecordError as error:
        check.add(
            DataFinding(
                kind=error.kind,
                message=error.message,
                fix=error.fix,
                line=number,
                field=error.field,
            )
        )
        return
    tokens = characters // CHARACTERS_PER_TOKEN
    if tokens > family.maximum_tokens:
        check.add(
            DataFinding(
                kind="tokens",
                level="warning",
                message=f"the record has about {tokens} tokens (an estimate: one for"
                f" {CHARACTERS_PER_TOKEN} characters); {family.name} takes {family.maximum_tokens}",
                fix="shorten the record, or split it",
                line=number,
            )
        )


def _refuse_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is not JSON")


def _check_converse(*, record: object, words: tuple[str, ...]) -> int:
    """Refuse a record that is not in the Converse format; return its number of characters."""
    if not isinstance(record, dict):
        raise _RecordError(
            kind="not-an-object",
            message="the line holds a JSON value that is not an object",
            fix="write one JSON object on each line",
        )
    if record.get("schemaVersion") != SCHEMA_VERSION:
        raise _RecordError(
            kind="schema-version",
            message=f"must be {SCHEMA_VERSION!r}",
            fix=f'add "schemaVersion": "{SCHEMA_VERSION}"',
            field="schemaVersion",
        )
    _refuse_unknown(record, known=("schemaVersion", "system", "messages"), field=None)
    characters = 0
    if "system" in record:
        for place, block in _entries(record["system"], field="system"):
            _refuse_unknown(block, known=("text",), field=place)
            characters += _check_text(block.get("text"), field=f"{place}.text", words=words)
    roles = []
    for place, message in _entries(record.get("messages"), field="messages"):
        _refuse_unknown(message, known=("role", "content"), field=place)
        roles.append(message.get("role"))
        if roles[-1] != ("user", "assistant")[(len(roles) - 1) % 2]:
            raise _RecordError(
                kind="roles",
                message="roles must alternate, beginning with user",
                fix="put user and assistant messages in turn; join two of one role",
                field=f"{place}.role",
            )
        for inner, block in _entries(message.get("content"), field=f"{place}.content"):
            characters += _check_block(block, role=str(roles[-1]), field=inner, words=words)
    if roles[-1] != "assistant":
        raise _RecordError(
            kind="roles",
            message="the last message must be the assistant's: it is what is learned",
            fix="add the answer, or remove the last message",
            field=f"messages[{len(roles) - 1}].role",
        )
    return characters


def _check_block(block: dict[str, object], *, role: str, field: str, words: tuple[str, ...]) -> int:
    """Refuse a content block that is not text, or media or reasoning in their places."""
    others = ("image", "video") if role == "user" else ("reasoningContent",)
    if len(block) != 1 or not block.keys() <= {"text", *others}:
        raise _RecordError(
            kind="content-block",
            message=f"a content block of the {role} must hold one of text, {', '.join(others)}",
            fix="write each part as a block of its own; tool use cannot be trained",
            field=field,
        )
    if "text" in block:
        return _check_text(block["text"], field=f"{field}.text", words=words)
    return 0


def _check_text(text: object, *, field: str, words: tuple[str, ...]) -> int:
    if not isinstance(text, str) or not text.strip():
        raise _RecordError(
            kind="empty-text",
            message="must be text that is not empty",
            fix="write the text, or remove the record",
            field=field,
        )
    for word in words:
        if word in text:
            raise _RecordError(
                kind="reserved-word",
                message=f"holds the reserved word {word}, with which the job fails",
                fix="write it differently, for example without the colon or the brackets",
                field=field,
            )
    return len(text)


def _entries(value: object, *, field: str) -> Iterator[tuple[str, dict[str, object]]]:
    """Yield the objects of a list that must not be empty, each with its path."""
    if not isinstance(value, list) or not value:
        raise _RecordError(
            kind="structure",
            message="must be a list that is not empty",
            fix="write it as the Converse format says",
            field=field,
        )
    for index, entry in enumerate(value):
        if not isinstance(entry, dict):
            raise _RecordError(
                kind="structure",
                message="must be an object",
                fix="write it as the Converse format says",
                field=f"{field}[{index}]",
            )
        yield f"{field}[{index}]", entry


def _refuse_unknown(
    value: Mapping[str, object], *, known: tuple[str, ...], field: str | None
) -> None:
    if value.keys() - set(known):
        raise _RecordError(
            kind="unknown-field",
            message=f"has a field other than {', '.join(known)}",
            fix="remove it; a job refuses fields it does not know",
            field=field,
        )


def _check_count(*, family: "DatasetFamily", training: bool, check: FileCheck) -> None:
    least = family.minimum_records if training else 1
    if not least <= check.records <= family.maximum_records:
        quota = "; the maximum is a quota that AWS can raise" if family.maximum_is_quota else ""
        check.add(
            DataFinding(
                kind="record-count",
                message=f"{family.name} takes {least} to {family.maximum_records} records,"
                f" got {check.records}{quota}",
                fix="add records" if check.records < least else "remove records, or sample them",
            )
        )
