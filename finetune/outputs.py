"""Where an environment's jobs leave their outputs, and reading them as a reader."""

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from finetune.aws import Connection, aws_errors, stack_outputs
from finetune.environments import Environment
from finetune.report import ExitCode, failure

if TYPE_CHECKING:
    from mypy_boto3_s3 import S3Client

PREFIX = "outputs"
"""Prefix of all outputs in the data bucket; each job of the settings has a folder below it."""


@dataclass(frozen=True, kw_only=True)
class Outputs:
    """The data bucket, opened as the environment's reader role."""

    client: "S3Client"
    bucket: str

    def newest_folders(self, *, prefix: str) -> list[str]:
        """Return the folders right below a prefix, that with the youngest object first."""
        youngest: dict[str, object] = {}
        pages = self.client.get_paginator("list_objects_v2").paginate(
            Bucket=self.bucket, Prefix=prefix
        )
        objects = [entry for page in pages for entry in page.get("Contents", [])]
        for entry in sorted(objects, key=lambda one: one["LastModified"]):
            folder, slash, _ = entry["Key"].removeprefix(prefix).partition("/")
            if slash:
                youngest.pop(folder, None)
                youngest[folder] = entry["LastModified"]
        return [f"{prefix}{folder}/" for folder in reversed(youngest)]


def open_outputs(*, connection: Connection, environment: Environment) -> Outputs:
    """Return the environment's bucket, opened as its reader role.

    Raises CommandError when the environment is not deployed or the caller is no reader.
    """
    bucket = _output(
        connection=connection, environment=environment, part="storage", name="DataBucketName"
    )
    role = _output(
        connection=connection, environment=environment, part="identity", name="ReaderRoleArn"
    )
    with aws_errors(
        doing=f"assuming the reader role {role}",
        denied="the caller must be among people.readers of the settings, and allowed to call"
        " sts:AssumeRole on this role",
    ):
        return Outputs(client=connection.s3_as(role=role), bucket=bucket)


def _output(*, connection: Connection, environment: Environment, part: str, name: str) -> str:
    stack = environment.stack(part)
    outputs = stack_outputs(connection=connection, stack=stack)
    if outputs is None or name not in outputs:
        raise failure(
            code=ExitCode.AWS,
            id="not-deployed" if outputs is None else "no-output",
            message=f"there is no stack {stack}: the environment {environment.name} is not deployed"
            if outputs is None
            else f"the stack {stack} has no output {name}: its deployment is under way or did not"
            " succeed",
            fix=f"deploy it: cdk deploy -c environment={environment.name} --all",
            where={"stack": stack, "property": name} if outputs is not None else {},
        )
    return outputs[name]


def listing(names: Iterable[str], *, most: int = 5) -> str:
    """Return some names for a message, and how many more there are."""
    found = list(names)
    more = f" and {len(found) - most} more" if len(found) > most else ""
    return ", ".join(found[:most]) + more
