"""The `finetune` command: its sub-commands, loaded only when they are asked for."""

import sys
from importlib import import_module
from importlib.util import find_spec
from typing import TYPE_CHECKING

import typer
from typer.core import TyperGroup
from typer.main import get_command as build_command

from finetune.report import ExitCode, Finding, Output

if TYPE_CHECKING:
    from typer._click import Command, Context

COMMANDS = {
    "rehearse": "finetune.rehearse:rehearse",
    "review": "finetune.review:review",
    "approve": "finetune.approve:approve",
    "data": "finetune.data_commands:app",
    "train": "finetune.train:train",
    "jobs": "finetune.job_commands:jobs",
    "watch": "finetune.job_commands:watch",
    "stop": "finetune.job_commands:stop",
    "init": "finetune.init:init",
    "models": "finetune.models:app",
    "cost": "finetune.cost:cost",
    "doctor": "finetune.doctor:doctor",
    "metrics": "finetune.metrics:metrics",
    "lineage": "finetune.lineage:lineage",
}
"""Each command, in the order of the help text, and the function or Typer app behind it."""


class LazyGroup(TyperGroup):
    """A group that imports the module of a command when the command is used or listed."""

    def list_commands(self, ctx: "Context") -> list[str]:
        """Return the commands whose module is installed, in the order of the table."""
        del ctx
        return [name for name, target in COMMANDS.items() if find_spec(target.split(":")[0])]

    def get_command(self, ctx: "Context", cmd_name: str) -> "Command | None":
        """Return the command of this name, importing its module, or None when there is none."""
        if cmd_name not in self.list_commands(ctx):
            return None
        if cmd_name not in self.commands:
            module, name = COMMANDS[cmd_name].split(":")
            target = getattr(import_module(module), name)
            if not isinstance(target, typer.Typer):
                single = typer.Typer(add_completion=False, rich_markup_mode=None)
                single.command(cmd_name)(target)
                target = single
            command = build_command(target)
            command.name = cmd_name
            self.commands[cmd_name] = command
        return self.commands[cmd_name]


app = typer.Typer(
    cls=LazyGroup,
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)


@app.callback()
def finetune() -> None:
    """Fine-tune Amazon Bedrock models privately: rehearse, push data, follow jobs, judge them.

    Exit codes: 0 done; 1 findings, or a job or rehearsal that failed; 2 unreadable input, wrong
    settings or wrong use; 3 AWS or credentials; 4 timed out; 130 interrupted.
    """


def main() -> None:
    """Run the command line and exit with the code of the contract."""
    arguments = sys.argv[1:]
    if "--json" not in arguments:
        app(prog_name="finetune")
        return
    # A script that reads JSON gets JSON for its own mistakes too, not a usage text.
    command = build_command(app)
    try:
        code = command.main(args=arguments, prog_name="finetune", standalone_mode=False)
    except typer.TyperException as error:
        context = getattr(error, "ctx", None)
        path = context.command_path if context is not None else "finetune"
        output = Output(as_json=True)
        output.add(
            Finding(
                id="usage",
                level="error",
                message=error.format_message(),
                fix=f"see {path} --help",
            )
        )
        called = path.removeprefix("finetune").strip() or asked_for(arguments)
        output.print_object(command=called, ok=False, result={})
        code = ExitCode.USAGE
    sys.exit(code)


def asked_for(arguments: list[str]) -> str:
    """Return what somebody who names no command of ours called it, or nothing."""
    return next((argument for argument in arguments if not argument.startswith("-")), "")


if __name__ == "__main__":
    main()
