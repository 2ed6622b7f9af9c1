"""OpenAI chat completions, the format of reinforcement fine-tuning.

https://docs.aws.amazon.com/bedrock/latest/userguide/rft-prepare-data.html
"""

from typing import Any

import msgspec

from trainingdata.formats.base import Facts, RecordFormat, Report, names_are_single
from trainingdata.limits import DataLimits

ROLES = ("system", "user", "assistant")


class Chat(RecordFormat):
    """A prompt in messages, and what the reward function measures the answer by.

    Further fields are allowed: they are handed to the reward function.
    """

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
        if report.findings:
            return None
        # A name may end with a backslash here, and then hide a second one from the scan.
        counted = count_names(record)
        if counted is None:
            return None
        if not names_are_single(buffer, start, end, names=counted) or self.words.in_any(
            facts.texts
        ):
            return None
        facts.fields = []
        return facts

    def explain(self, record: dict[str, Any], report: Report) -> Facts:
        """Report all that is wrong with a record, and return what could be read of it."""
        facts = Facts()
        roles: list[object] = []
        for place, message in self.entries(record.get("messages"), field="messages", report=report):
            self.only(message, "role", "content", "name", field=place, report=report)
            role = message.get("role")
            roles.append(role)
            if role not in ROLES:
                report.add(
                    "roles",
                    "must be system, user or assistant",
                    "write one of them",
                    f"{place}.role",
                )
            elif role == "system" and len(roles) > 1:
                report.add(
                    "roles",
                    "the system message must be the first, and the only one",
                    "move it to the beginning",
                    f"{place}.role",
                )
            self.text(message.get("content"), field=f"{place}.content", report=report, facts=facts)
            facts.system += role == "system" and len(facts.texts) == 1
        if roles and "user" not in roles:
            report.add("roles", "there is no message of the user", "add the prompt", "messages")
        elif roles and roles[-1] == "assistant":
            report.warn(
                "roles",
                "the last message is the assistant's: the model is to answer it",
                "end with the user's message, and put the answer into reference_answer",
                f"messages[{len(roles) - 1}].role",
            )
        facts.asked = len(facts.texts)
        facts.roles = "".join(str(role)[:1] for role in roles)
        self._reference(record, report=report)
        if "tools" in record and not isinstance(record["tools"], list):
            report.add("structure", "must be a list", "write a list of tools", "tools")
        return facts

    def _reference(self, record: dict[str, Any], *, report: Report) -> None:
        answer = record.get("reference_answer")
        if answer is None or (isinstance(answer, str) and not answer.strip()):
            report.add(
                "reference-answer",
                "must be what the reward function measures the answer by",
                "add it, as a text or an object",
                "reference_answer",
            )


def count_names(value: object) -> int | None:
    """How many names the objects of a value have; None when one of them ends with a backslash."""
    names = 0
    pending = [value]
    while pending:
        one = pending.pop()
        if isinstance(one, dict):
            if any(name.endswith("\\") for name in one):
                return None
            names += len(one)
            pending.extend(one.values())
        elif isinstance(one, list):
            pending.extend(one)
    return names
