"""The `finetune` command: its sub-commands, loaded only when they are asked for."""

import gc
import sys

import typer
from typer.main import get_command as build_command

from finetune.lazy_group import LazyGroup
from finetune.report import ExitCode, Finding, Output

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
    "try": "finetune.try_model:try_model",
    "leftovers": "finetune.leftovers:leftovers",
    "destroy": "finetune.destroy:destroy",
}
"""Each command, in the order of the help text, and the function or Typer app behind it."""


class Commands(LazyGroup):
    """The commands of the table."""

    table = COMMANDS


app = typer.Typer(
    cls=Commands,
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
    # What is loaded stays: looking for garbage in it takes a tenth of the time that loading takes.
    gc.disable()
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
