"""What another tool says, before it takes the shape of our findings."""

from __future__ import annotations

from dataclasses import dataclass

from review.findings import Level


@dataclass(frozen=True, order=True, kw_only=True)
class Remark:
    """One thing that a tool says of one place."""

    tool: str
    """`cdk-nag`, `cfn-lint` or `guard`."""
    stack: str
    logical_id: str
    finding: str
    """As an acknowledgement writes it: of the packs with the pack in front, such as
    `AwsSolutions::AwsSolutions-S1`."""
    level: Level = "error"
    message: str = ""
    fix: str = ""
    property: str = ""
    line: int = 0
    """In the template's file, where the tool says so; else 0."""


class ToolError(Exception):
    """A tool could not look at the templates, so what it would have found is not known."""

    def __init__(self, tool: str, reason: str) -> None:
        super().__init__(reason)
        self.tool = tool
