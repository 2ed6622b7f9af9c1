"""Templates that pass and fail one rule each: good.yaml, and good.yaml with one thing changed."""

from __future__ import annotations

import copy
from collections.abc import Iterator, Mapping
from functools import cache
from pathlib import Path
from typing import Any, NamedTuple

import yaml

from review.template.assembly import load
from review.template.deployment import Deployment

FOLDER = Path(__file__).parent / "twin_templates"
ADDED = "Added"


class Twin(NamedTuple):
    """A change that breaks a rule."""

    rule: str
    number: int
    change: Mapping[str, Any]

    def __str__(self) -> str:
        return f"{self.rule} {self.number}"

    @property
    def also(self) -> set[str]:
        """Other rules that it breaks."""
        return set(self.change.get("also", ()))

    def applied(self) -> Deployment:
        """The good template with the change."""
        return good().changed(lambda templates: self._change_in(next(iter(templates.values()))))

    def _change_in(self, template: dict[str, Any]) -> None:
        resources = template["Resources"]
        for path, value in self.change.items():
            if path == "also":
                continue
            if path == "add":
                resources[ADDED] = copy.deepcopy(value)
                continue
            *parents, last = path.split(".")
            here: Any = resources
            for part in parents:
                here = here[int(part) if isinstance(here, list) else part]
            step = int(last) if isinstance(here, list) else last
            if value == "absent":
                del here[step]
            else:
                here[step] = copy.deepcopy(value)


@cache
def good() -> Deployment:
    """The template on which every rule for everybody passes."""
    return load([FOLDER / "good.yaml"]).deployment


def twins() -> Iterator[Twin]:
    """Every failing twin."""
    changes = yaml.safe_load((FOLDER / "changes.yaml").read_text(encoding="utf-8"))
    for rule, cases in changes.items():
        for number, change in enumerate(cases):
            yield Twin(rule, number, change)
