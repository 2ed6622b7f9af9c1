"""Invocation logs, from which Bedrock takes prompts, or prompts with their answers.

https://docs.aws.amazon.com/bedrock/latest/userguide/distillation-data-prep-option-2.html
https://docs.aws.amazon.com/bedrock/latest/userguide/rft-prepare-data.html
"""

from typing import Any

import msgspec

from trainingdata.formats.base import Facts, RecordFormat, Report, names_are_single
from trainingdata.formats.chat import count_names
from trainingdata.limits import DataLimits

OPERATIONS = ("InvokeModel", "InvokeModelWithResponseStream", "Converse", "ConverseStream")
MAXIMUM_METADATA = 16
MAXIMUM_METADATA_LENGTH = 256
_PROMPTS = ("prompt", "inputText", "message")
"""Where the bodies of models that take one text have it."""
_ANSWERS = ("completion", "generation", "outputText", "text")


class InvocationLogs(RecordFormat):
    """One call of a model, as Bedrock's model invocation logging writes it."""

    def __init__(self, limits: DataLimits) -> None:
        super().__init__(limits)
        self._decode = msgspec.json.Decoder(dict[str, Any]).decode

    def quick(self, buffer: bytes, start: int, end: int) -> Facts | None:
        """The facts of a line on which nothing is wrong; None when in doubt."""
        try:
            record = self._decode(memoryview(buffer)[start:end])
        except (msgspec.MsgspecError, UnicodeDecodeError, RecursionError):
            return None
        report = Report()
        facts = self.explain(record, report)
        names = count_names(record)
        if report.findings or names is None:
            return None
        if not names_are_single(buffer, start, end, names=names) or self.words.in_any(facts.texts):
            return None
        facts.fields = []
        return facts

    def explain(self, record: dict[str, Any], report: Report) -> Facts:
        """Report all that is wrong with a record, and return what could be read of it."""
        facts = Facts(roles="ua")
        for name, value in (("schemaType", "ModelInvocationLog"), ("schemaVersion", "1.0")):
            if record.get(name) != value:
                report.add(
                    "schema-version",
                    f"{name} must be {value!r}",
                    "use files that Bedrock's model invocation logging wrote",
                    name,
                )
        if record.get("operation") not in OPERATIONS:
            report.add(
                "log-operation",
                f"must be one of {', '.join(OPERATIONS)}",
                "leave the logs of other operations out",
                "operation",
            )
        model = record.get("modelId")
        if not isinstance(model, str) or not model:
            report.add("structure", "must name the model", "leave such logs out", "modelId")
        asked = self._body(record, "input", report=report)
        if asked is not None:
            self._input(asked, report=report, facts=facts)
        facts.asked = len(facts.texts)
        answered = self._body(record, "output", report=report)
        if answered is not None:
            self._output(answered, facts=facts)
        self._metadata(record.get("requestMetadata"), report=report)
        return facts

    def _body(self, record: dict[str, Any], side: str, *, report: Report) -> Any:  # noqa: ANN401 any JSON value
        value = record.get(side)
        name = f"{side}BodyJson"
        if not isinstance(value, dict):
            report.add("structure", "must be an object", "leave logs of failed calls out", side)
            return None
        if f"{side}BodyS3Path" in value and name not in value:
            report.add(
                "log-body",
                "the body is in a file of its own, which a job does not read",
                "leave this log out: bodies of more than 100 KB are written apart",
                f"{side}.{side}BodyS3Path",
            )
            return None
        body = value.get(name)
        if not isinstance(body, (dict, list)) or not body:
            report.add(
                "log-body",
                "must be the body of the call, as JSON",
                "turn on the logging of text, and leave logs of failed calls out",
                f"{side}.{name}",
            )
            return None
        return body

    def _input(self, body: object, *, report: Report, facts: Facts) -> None:
        place = "input.inputBodyJson"
        if not isinstance(body, dict):
            report.add("structure", "must be an object", "leave this log out", place)
            return
        system = body.get("system")
        for text in _texts(system):
            facts.texts.append(text)
            facts.fields.append(f"{place}.system")
        facts.system = len(facts.texts)
        if "messages" not in body:
            prompts = [name for name in _PROMPTS if isinstance(body.get(name), str)]
            if not prompts:
                report.add(
                    "log-body",
                    "holds neither messages nor a prompt",
                    "leave this log out",
                    place,
                )
                return
            self.text(body[prompts[0]], field=f"{place}.{prompts[0]}", report=report, facts=facts)
            return
        users = 0
        for inner, message in self.entries(
            body["messages"], field=f"{place}.messages", report=report
        ):
            if message.get("role") != "user":
                continue
            users += 1
            content = message.get("content")
            blocks = content if isinstance(content, list) else [{"text": content}]
            if any(not isinstance(block, dict) or "text" not in block for block in blocks):
                report.add(
                    "log-media",
                    "only prompts of text are taken from logs",
                    "leave this log out",
                    f"{inner}.content",
                )
                continue
            for block in blocks:
                self.text(block["text"], field=f"{inner}.content.text", report=report, facts=facts)
        if users > 1 and self.limits.turns == "single":
            report.add(
                "turns",
                "only logs with one question are taken",
                "leave this log out",
                f"{place}.messages",
            )
        elif not users:
            report.add("roles", "there is no message of the user", "leave this log out", place)

    def _output(self, body: object, *, facts: Facts) -> None:
        for text in _texts(body):
            facts.texts.append(text)
            facts.fields.append("output.outputBodyJson")

    def _metadata(self, value: object, *, report: Report) -> None:
        if value is None:
            return
        good = isinstance(value, dict) and len(value) <= MAXIMUM_METADATA
        if good and isinstance(value, dict):
            good = all(
                isinstance(part, str) and len(part) <= MAXIMUM_METADATA_LENGTH
                for pair in value.items()
                for part in pair
            )
        if not good:
            report.add(
                "log-metadata",
                f"must be at most {MAXIMUM_METADATA} texts by name, each and its name of at most"
                f" {MAXIMUM_METADATA_LENGTH} characters",
                "leave this log out",
                "requestMetadata",
            )


def _texts(value: object) -> list[str]:
    """The texts of an answer or a system prompt, in the shapes that models have."""
    if isinstance(value, str):
        return [value] if value.strip() else []
    if isinstance(value, list):
        return [text for one in value for text in _texts(one)]
    if isinstance(value, dict):
        return [
            text
            for name in (*_ANSWERS, "content", "message", "output", "results")
            if name in value
            for text in _texts(value[name])
        ]
    return []
