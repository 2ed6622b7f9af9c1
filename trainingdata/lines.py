"""Reading a file line by line, from any place in it, without copying lines."""

import os
from collections.abc import Iterator
from dataclasses import dataclass

CHUNK_BYTES = 1024 * 1024
"""What is read at once; small enough to stay in the processor's cache while it is looked at."""
MAXIMUM_LINE_BYTES = 16 * 1024 * 1024
"""A longer line is no record: the longest context is far smaller, and media are kept outside."""


@dataclass(slots=True)
class Line:
    """One line: `buffer[start:end]`, without its line feed."""

    buffer: bytes
    start: int
    end: int
    offset: int
    """Where the line begins in the file, in bytes."""
    too_long: bool = False
    """Whether the line is longer than `MAXIMUM_LINE_BYTES`; then the buffer holds its beginning."""

    def content(self) -> bytes:
        """The line, without its end."""
        return self.buffer[self.start : self.end].removesuffix(b"\r")


def lines_of(*, handle: int, start: int, stop: int) -> Iterator[Line]:
    """Yield the lines of a file that begin from `start` on and before `stop`.

    `handle` is a descriptor of a regular file. A range that begins within a line leaves that line
    to the range before it. The last line may lack its line feed. At most `MAXIMUM_LINE_BYTES` are
    held, and lines share their buffer: it is gone with the next chunk.
    """
    at = _after_line_feed(handle=handle, at=start - 1) if start else 0
    size = CHUNK_BYTES
    line = Line(b"", 0, 0, 0)
    while at < stop and (buffer := os.pread(handle, size, at)):
        whole = buffer.rfind(b"\n") + 1
        if not whole and len(buffer) < size:
            whole = len(buffer)  # the last line of the file, without a line feed
        elif not whole and size <= MAXIMUM_LINE_BYTES:
            size = min(size * 4, MAXIMUM_LINE_BYTES + 1)
            continue
        elif not whole:
            yield Line(buffer, 0, len(buffer), at, too_long=True)
            at = _after_line_feed(handle=handle, at=at + len(buffer))
            size = CHUNK_BYTES
            continue
        find = buffer.find
        begin = 0
        while begin < whole:
            end = find(b"\n", begin)
            line.buffer, line.start, line.offset = buffer, begin, at + begin
            line.end = whole if end < 0 else end
            if line.offset >= stop:
                return
            yield line
            begin = line.end + 1
        at += whole
        size = CHUNK_BYTES


def _after_line_feed(*, handle: int, at: int) -> int:
    """The place after the first line feed from `at` on, or the end of the file."""
    while buffer := os.pread(handle, CHUNK_BYTES, at):
        found = buffer.find(b"\n")
        if found >= 0:
            return at + found + 1
        at += len(buffer)
    return at
