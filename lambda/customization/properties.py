"""Reading what CloudFormation sends of a custom resource: every value is text.

Each property is named before it is read, so that what is unknown is told besides what is missing.
"""

from collections.abc import Mapping
from enum import StrEnum
from typing import Final, TypeVar

from customization.limits import matches

_FRAMEWORK: Final = frozenset({"ServiceToken", "ServiceTimeout"})
Choice = TypeVar("Choice", bound=StrEnum)


class PropertyReader:
    """Reads the custom resource's own properties and collects what is wrong with them."""

    def __init__(self, properties: Mapping[str, object], *, show_values: bool) -> None:
        self.properties = properties
        self._show = show_values
        self.seen: set[str] = set()
        self.problems: list[str] = []

    def finish(self) -> list[str]:
        """Return what is wrong with what was read, and what nobody read."""
        unknown = sorted(set(self.properties) - self.seen - _FRAMEWORK)
        known = ", ".join(sorted(self.seen))
        return [*self.problems, *(f"{name} is unknown: allowed are {known}" for name in unknown)]

    def text(self, name: str, expression: str) -> str:
        """Return a property that must be there and match as a whole; empty when it does not."""
        value = self.optional(name, expression)
        if value is None and name not in self.properties:
            self.problems.append(f"{name} is missing")
        return value or ""

    def optional(self, name: str, expression: str) -> str | None:
        """Return a property that must match as a whole, or None when it is not there."""
        self.seen.add(name)
        value = self.properties.get(name)
        if value is None:
            return None
        if not isinstance(value, str) or not matches(value=value, expression=expression):
            self.problems.append(f"{name} must match {expression}{self.got(value)}")
            return None
        return value

    def choice(self, name: str, kind: type[Choice], fallback: Choice) -> Choice:
        """Return a property that is one of an enum's values."""
        allowed = [choice.value for choice in kind]
        value = self.text(name, "|".join(allowed))
        return kind(value) if value else fallback

    def whole(self, name: str, low: int, high: int) -> int:
        """Return a property that is a whole number within bounds."""
        value = self.text(name, r"[0-9]{1,9}")
        if not value:
            return low
        if not low <= int(value) <= high:
            self.problems.append(f"{name} must be {low} to {high}{self.got(value)}")
        return int(value)

    def got(self, value: object) -> str:
        """Return the part of a text that says what was found, where values may be shown."""
        return f", got {value!r}" if self._show else ""
