"""A group of commands of which only the one that is used is loaded and built.

Typer builds a Pydantic adapter for each parameter of each command: of all commands, that takes
longer than checking a hundred megabytes.
"""

from collections.abc import Mapping
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING, ClassVar

import typer
from typer.core import TyperGroup
from typer.main import get_command as build_command

if TYPE_CHECKING:
    from typer._click import Command, Context


class LazyGroup(TyperGroup):
    """A group that imports the module of a command when the command is used or listed."""

    table: ClassVar[Mapping[str, str]] = {}
    """Each command, in the order of the help text, and the function or Typer app behind it."""

    def list_commands(self, ctx: "Context") -> list[str]:
        """Return the commands whose module is installed, in the order of the table."""
        del ctx
        return [name for name in self.table if self._is_installed(name)]

    def get_command(self, ctx: "Context", cmd_name: str) -> "Command | None":
        """Return the command of this name, importing its module, or None when there is none."""
        del ctx
        if cmd_name not in self.table or not self._is_installed(cmd_name):
            return None
        if cmd_name not in self.commands:
            module, name = self.table[cmd_name].split(":")
            target = getattr(import_module(module), name)
            if not isinstance(target, typer.Typer):
                single = typer.Typer(add_completion=False, rich_markup_mode=None)
                single.command(cmd_name)(target)
                target = single
            command = build_command(target)
            command.name = cmd_name
            self.commands[cmd_name] = command
        return self.commands[cmd_name]

    def _is_installed(self, name: str) -> bool:
        return find_spec(self.table[name].split(":")[0]) is not None
