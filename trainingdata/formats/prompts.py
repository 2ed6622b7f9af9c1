"""The prompt/completion format.

https://docs.aws.amazon.com/bedrock/latest/userguide/model-customization-prepare.html
"""

from typing import Any

import msgspec
from msgspec import Struct

from trainingdata.formats.base import Facts, RecordFormat, Report, names_are_single
from trainingdata.limits import DataLimits


class _Record(Struct, forbid_unknown_fields=True, gc=False):
    prompt: str
    completion: str


class PromptCompletion(RecordFormat):
    """A prompt and what should follow it."""

    def __init__(self, limits: DataLimits) -> None:
        super().__init__(limits)
        self._decode = msgspec.json.Decoder(_Record).decode

    def quick(self, buffer: bytes, start: int, end: int) -> Facts | None:
        """The facts of a line on which nothing is wrong; None when in doubt."""
        try:
            record = self._decode(memoryview(buffer)[start:end])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        texts = [record.prompt, record.completion]
        if any(not text or text.isspace() for text in texts):
            return None
        if not names_are_single(buffer, start, end, names=2) or self.words.in_any(texts):
            return None
        return Facts(texts=texts, asked=1, roles="ua")

    def explain(self, record: dict[str, Any], report: Report) -> Facts:
        """Report all that is wrong with a record, and return what could be read of it."""
        facts = Facts(roles="ua")
        self.only(record, "prompt", "completion", field=None, report=report)
        self.text(record.get("prompt"), field="prompt", report=report, facts=facts)
        facts.asked = len(facts.texts)
        self.text(record.get("completion"), field="completion", report=report, facts=facts)
        return facts
