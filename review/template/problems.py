"""What of a template could not be judged: each is a finding, and never a guess."""

from __future__ import annotations

from dataclasses import dataclass

from review.findings import Level


@dataclass(frozen=True, kw_only=True)
class Problem:
    """A part of a template that the model cannot know."""

    id: str
    """`template.unresolved`, `template.transform`, `template.module`, `template.nested`, or
    `template.not-judged`."""
    message: str
    fix: str
    stack: str
    logical_id: str | None = None
    property: str | None = None
    """Dotted path, with the number of the place in lists."""
    level: Level = "error"


class Unresolved(str):
    """Stands for a value that is not known; equal to no value of any template.

    It is a text without wildcards, so that whoever reads it as one is not led to think that
    anything is allowed; that it is there is an error of its own.
    """

    __slots__ = ()

    @classmethod
    def at(cls, *place: str) -> Unresolved:
        """The stand-in for what is at a place."""
        name = "/".join(place).translate(_WITHOUT_WILDCARDS)
        return cls(f"<unresolved {name}>")


_WITHOUT_WILDCARDS = str.maketrans({"*": "_", "?": "_", "$": "_"})
