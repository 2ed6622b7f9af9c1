"""The command line of the app: `finetune`, thin over the packages beside it.

Nothing here is imported by `app.py` or by a Lambda function. Modules that define commands import
only Typer and the standard library when they load; AWS clients, settings and progress bars are
imported inside the commands, so that `finetune --help` and a usage error answer at once.
"""
