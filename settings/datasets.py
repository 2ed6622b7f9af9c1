"""The lock file: which data sets were pushed, and how each was checked."""

from collections.abc import Mapping
from pathlib import Path
from types import MappingProxyType
from typing import Self

from pydantic import BaseModel, ConfigDict, Field, ValidationError, model_validator

from customization.limits import constraints, matches
from settings.errors import Finding, shown_path
from settings.source import dotted, read_yaml

LOCK_FILE = "datasets.lock.json"
"""Name of the lock file beside the settings files."""
PREFIX = "fine-tuning-datasets"
"""Prefix of every data set in the data bucket."""


class _Entry(BaseModel):
    model_config = ConfigDict(
        frozen=True, extra="forbid", strict=True, use_attribute_docstrings=True
    )


class DatasetCheck(_Entry):
    """The check a data set passed before it was pushed."""

    version: str
    """Version of the rules."""
    model_family: str
    """Family of base models it was checked for, as in `settings/base_models.yaml`."""
    ok: bool
    """Whether nothing was found that fails a job."""
    at: str
    """When, in UTC."""


class DatasetLock(_Entry):
    """A pushed data set: one object in S3, named by its content."""

    name: str
    """Name by which jobs refer to it."""
    sha256: str = Field(pattern=r"^[0-9a-f]{64}$")
    """SHA-256 of the file, in lower-case hexadecimal digits."""
    key: str
    """Key in the data bucket: `fine-tuning-datasets/<name>/<sha256>/<file name>`."""
    bytes: int = Field(ge=0)
    """Size of the file in bytes."""
    records: int = Field(ge=0)
    """Number of records."""
    check: DatasetCheck
    """The check it passed."""

    @model_validator(mode="after")
    def _key_is_content_addressed(self) -> Self:
        folder = f"{PREFIX}/{self.name}/{self.sha256}/"
        if not self.key.startswith(folder) or not self.file_name or "/" in self.file_name:
            raise ValueError(f"the key does not name the content: expected {folder}<file name>")
        # The longest bucket name: 63 characters.
        uri = f"s3://{'b' * 63}/{self.key}"
        limit = constraints("S3Uri")
        if len(uri) > (limit.maximum or len(uri)) or not matches(
            value=uri, expression=limit.pattern or ".*"
        ):
            raise ValueError(
                "Bedrock refuses the S3 URI this key makes: it takes letters, digits and"
                " - ! _ * ' ( ) . only, so no `=`, `+` or space"
            )
        return self

    @property
    def file_name(self) -> str:
        """File name of the object."""
        return self.key.removeprefix(f"{PREFIX}/{self.name}/{self.sha256}/")


def read_lock(*, directory: Path) -> tuple[Mapping[str, DatasetLock], tuple[Finding, ...]]:
    """The pushed data sets by name, and what is wrong with the lock file.

    A lock file that does not exist yet has no data sets: nothing was pushed.
    """
    path = directory / LOCK_FILE
    if not path.exists():
        return MappingProxyType({}), ()
    source = read_yaml(path=path)
    findings = list(source.findings)
    entries: dict[str, DatasetLock] = {}
    if isinstance(source.values, dict):
        for name, entry in source.values.items():
            location = (name,)
            try:
                entries[name] = _entry(name=name, values=entry)
            except ValidationError as error:
                for detail in error.errors(include_url=False):
                    location = (name, *detail["loc"])
                    _, mark = source.nearest(location)
                    findings.append(
                        _broken(
                            file=source.file,
                            field=dotted(location),
                            problem=detail["msg"].removeprefix("Value error, ").lower(),
                            got=mark.text if mark else "nothing",
                            line=mark.line if mark else None,
                        )
                    )
    elif source.values is not None:
        findings.append(
            _broken(
                file=shown_path(path),
                field="",
                problem="the lock file is not a mapping",
                got=source.marks[()].text,
                line=1,
            )
        )
    return MappingProxyType(entries), tuple(findings)


def _entry(*, name: str, values: object) -> DatasetLock:
    named = {**values, "name": name} if isinstance(values, dict) else values
    return DatasetLock.model_validate(named)


def _broken(*, file: str, field: str, problem: str, got: str, line: int | None) -> Finding:
    return Finding(
        id="settings.broken-lock-file",
        file=file,
        field=field,
        problem=problem,
        got=got,
        allowed="what `finetune data push` writes",
        fix="do not edit the file by hand: push the data set again with"
        " `finetune data push NAME FILE`",
        line=line,
    )
