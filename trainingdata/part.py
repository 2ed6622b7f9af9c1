"""The check of a part of a file: every line that begins in a range of bytes.

Parts know nothing of each other, so that several processes can check them at once; what concerns
the whole data set is collected and judged when all parts are in.
"""

from array import array
from dataclasses import dataclass, field

from trainingdata.findings import DataFinding, Tally
from trainingdata.formats import format_of
from trainingdata.formats.base import Facts, RecordFormat, Report
from trainingdata.json_line import parse
from trainingdata.likeness import Likeness, Numbers
from trainingdata.limits import DataLimits
from trainingdata.lines import Line, lines_of
from trainingdata.sensitive import Scanner

BOM = b"\xef\xbb\xbf"


@dataclass(frozen=True, kw_only=True, slots=True)
class Work:
    """What to look for."""

    limits: DataLimits
    likeness: bool = True
    """Whether to take what duplicates are found by."""
    sensitive: bool = True
    """Whether to look for secrets and personal data."""


@dataclass(kw_only=True)
class Part:
    """What one part of a file holds."""

    lines: int = 0
    records: int = 0
    """Lines that hold anything: good records and bad ones."""
    characters: int = 0
    tally: Tally = field(default_factory=Tally)
    """Findings, with lines counted from the beginning of the part."""
    first_images: int | None = None
    """First line with an image."""
    first_videos: int | None = None
    buckets: dict[str, int] = field(default_factory=dict)
    """Buckets of media, each with its first line; the first few only."""
    places: Numbers = field(default_factory=lambda: array("Q"))
    """Line of each record that can be compared, and after it the digests and the sketch."""
    digests: Numbers = field(default_factory=lambda: array("Q"))
    """Two for each such record: of all of it, and of what the model is given."""
    sketches: Numbers = field(default_factory=lambda: array("I"))
    """`SKETCH` numbers for each such record."""


MAXIMUM_BUCKETS = 20
"""Buckets of media that are told apart; a data set may have one."""


class PartCheck:
    """Checks parts of files for one family; kept by a process from part to part."""

    def __init__(self, work: Work) -> None:
        self._limits = work.limits
        self._format: RecordFormat = format_of(work.limits)
        self._likeness = Likeness() if work.likeness else None
        self._scanner = Scanner() if work.sensitive else None

    def check(self, *, handle: int, start: int, stop: int) -> Part:
        """Check the lines that begin in a range of bytes of an open file."""
        part = Part()
        quick = self._format.quick
        for line in lines_of(handle=handle, start=start, stop=stop):
            part.lines += 1
            begin = line.start
            if line.offset == 0 and line.buffer.startswith(BOM):
                self._byte_order_mark(part)
                begin += len(BOM)
            facts = None if line.too_long else quick(line.buffer, begin, line.end)
            if facts is None:
                facts = self._explain(line, begin=begin, part=part)
                if facts is None:
                    continue
            else:
                part.records += 1
            self._take(facts, line=line, begin=begin, part=part)
        return part

    def _byte_order_mark(self, part: Part) -> None:
        part.tally.add(
            DataFinding(
                kind="bom",
                message="the file begins with a byte order mark",
                fix="save it as UTF-8 without a byte order mark",
                line=part.lines,
                offset=0,
            )
        )

    def _explain(self, line: Line, *, begin: int, part: Part) -> Facts | None:
        """Report what is wrong with a line; return the facts of its record if there is one."""
        number = part.lines
        if line.too_long:
            part.records += 1
            part.tally.add(
                DataFinding(
                    kind="line-too-long",
                    message="the line is longer than any record",
                    fix="write one record a line, and name media by their S3 URI",
                    line=number,
                )
            )
            return None
        content = line.buffer[begin : line.end].removesuffix(b"\r")
        if not content.strip():
            part.tally.add(
                DataFinding(
                    kind="blank-line",
                    message="the line is blank; a data set has one record on each line",
                    fix="remove the line",
                    line=number,
                )
            )
            return None
        part.records += 1
        record, findings = parse(content)
        facts = None
        if record is not None:
            report = Report()
            facts = self._format.explain(record, report)
            findings += report.findings
        for finding in findings:
            part.tally.add(at_line(finding, line=number))
        return facts

    def _take(self, facts: Facts, *, line: Line, begin: int, part: Part) -> None:
        """Judge what concerns every record, and keep what concerns the whole data set."""
        limits, number = self._limits, part.lines
        characters = facts.characters
        part.characters += characters
        tokens = characters // limits.characters_per_token
        if limits.maximum_tokens is not None and tokens > limits.maximum_tokens:
            part.tally.add(
                DataFinding(
                    kind="tokens",
                    level="warning",
                    message=f"the record has about {tokens} tokens (an estimate: one for"
                    f" {limits.characters_per_token} characters); {limits.name} takes"
                    f" {limits.maximum_tokens}",
                    fix="shorten the record, or split it",
                    line=number,
                )
            )
        size = line.end - line.start
        if limits.maximum_line_bytes is not None and size > limits.maximum_line_bytes:
            part.tally.add(
                DataFinding(
                    kind="line-too-long",
                    message=f"the line has {size} bytes; {limits.name} takes"
                    f" {limits.maximum_line_bytes}",
                    fix="shorten the prompt",
                    line=number,
                )
            )
        if facts.media:
            self._take_media(facts, part=part)
        if self._likeness is None and self._scanner is None:
            return
        words = [text.split() for text in facts.texts]
        if self._likeness is not None:
            part.places.append(number)
            part.digests.extend(self._likeness.digests(facts))
            part.sketches.extend(self._likeness.sketch(facts, words))
        if self._scanner is not None:
            for index, kind in self._scanner.scan(facts.texts, words):
                field = self._field(facts, index, line=line, begin=begin)
                part.tally.add(kind.finding(line=number, field=field))

    def _field(self, facts: Facts, index: int, *, line: Line, begin: int) -> str | None:
        """The path of a text: the fast way does not write it, so the exact way is asked."""
        fields = facts.fields
        if len(fields) != len(facts.texts):
            record, _ = parse(line.buffer[begin : line.end].removesuffix(b"\r"))
            fields = self._format.explain(record or {}, Report()).fields
        return fields[index] if index < len(fields) else None

    def _take_media(self, facts: Facts, *, part: Part) -> None:
        if facts.images and part.first_images is None:
            part.first_images = part.lines
        if facts.videos and part.first_videos is None:
            part.first_videos = part.lines
        for uri in facts.media:
            bucket = uri.removeprefix("s3://").partition("/")[0]
            if len(part.buckets) < MAXIMUM_BUCKETS:
                part.buckets.setdefault(bucket, part.lines)


def at_line(finding: DataFinding, *, line: int) -> DataFinding:
    """The finding with its line."""
    return DataFinding(
        kind=finding.kind,
        message=finding.message,
        fix=finding.fix,
        level=finding.level,
        line=line,
        offset=finding.offset,
        field=finding.field,
    )
