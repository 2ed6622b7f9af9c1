"""The shapes of a record: one module for each, with a fast way and an exact one.

The fast way decodes a line straight into a typed structure and says of most lines that nothing is
wrong; in any doubt it says nothing, and the exact way judges. Both give the same facts.
"""

from typing import TYPE_CHECKING

from trainingdata.formats.base import RecordFormat

if TYPE_CHECKING:
    from trainingdata.limits import DataLimits


def format_of(limits: "DataLimits") -> RecordFormat:
    """The format that a family takes, with its limits."""
    # One format is needed, and each costs time to load.
    match limits.format:
        case "converse" | "distillation-prompts":
            from trainingdata.formats.converse import Converse  # noqa: PLC0415

            return Converse(limits)
        case "prompt-completion":
            from trainingdata.formats.prompts import PromptCompletion  # noqa: PLC0415

            return PromptCompletion(limits)
        case "anthropic-messages":
            from trainingdata.formats.anthropic import AnthropicMessages  # noqa: PLC0415

            return AnthropicMessages(limits)
        case "rft-chat":
            from trainingdata.formats.chat import Chat  # noqa: PLC0415

            return Chat(limits)
        case "invocation-logs":
            from trainingdata.formats.logs import InvocationLogs  # noqa: PLC0415

            return InvocationLogs(limits)
