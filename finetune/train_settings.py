"""The job's entry in a settings file, written so that comments and all else stay as they are."""

import io
import json
import os
import re
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from finetune.report import ExitCode, failure


@dataclass(frozen=True, kw_only=True)
class Entry:
    """What a job's entry is to say; what is not named here stays as it is."""

    values: Mapping[str, Any]
    """Settings of the job by name."""
    hyperparameters: Mapping[str, Any] = field(default_factory=dict)
    """Hyperparameters to set beside those that are there."""


@dataclass(frozen=True, kw_only=True)
class Edited:
    """A settings file with the entry."""

    text: str
    changes: tuple[str, ...]
    """What differs from before, in words; none when the entry was there."""


def job_name_of(path: Path) -> str:
    """The name of a job that trains on a file, from the file's own.

    Raises `CommandError` when the file's name makes none.
    """
    from settings.names import JOB  # noqa: PLC0415 settings are slow to load

    name = re.sub(r"[^a-z0-9]+", "-", path.name.split(".")[0].lower()).strip("-")
    name = re.sub(r"^[^a-z]+", "", name)[:30].rstrip("-")
    return require_name(name, given=f"the file's name {path.name!r}", rule=JOB)


def require_name(name: str, *, given: str, rule: Any = None) -> str:  # noqa: ANN401 - a NameRule
    """Return a job's name, or raise `CommandError` when it is none."""
    from settings.names import JOB  # noqa: PLC0415 settings are slow to load

    allowed = rule or JOB
    if not allowed.accepts(name):
        raise failure(
            code=ExitCode.USAGE,
            id="job-name",
            message=f"{given} makes no name of a job: allowed are {allowed.allowed}",
            fix="say --name NAME",
        )
    return name


def hyperparameters_of(given: Sequence[str]) -> dict[str, Any]:
    """Hyperparameters from `name=value`; numbers become numbers.

    Raises `CommandError` for one that is written otherwise, or given twice.
    """
    found: dict[str, Any] = {}
    for each in given:
        name, sign, text = each.partition("=")
        name, text = name.strip(), text.strip()
        if not sign or not name or not text or name in found:
            raise failure(
                code=ExitCode.USAGE,
                id="hyperparameter",
                message=f"--set must be NAME=VALUE, each name once, got {each!r}",
                fix="write for example --set epochCount=2; names as the API has them: see"
                " `finetune models show ID`",
            )
        found[name] = _number(text)
    return found


def _number(text: str) -> int | float | str:
    for kind in (int, float):
        try:
            value = kind(text)
        except ValueError:
            continue
        return value if value == value and abs(value) != float("inf") else text  # noqa: PLR0124 NaN
    return text


def edited(*, text: str, job: str, entry: Entry, file: Path) -> Edited:
    """Return the text of a settings file with a job's entry in it, and what changed.

    Raises `CommandError` when the file is not such that an entry can be written into it.
    """
    from ruamel.yaml.error import YAMLError  # noqa: PLC0415 loaded when used

    try:
        yaml, document = _loader(), _read(text)
        jobs = document.get("jobs")
        if not jobs:
            # Also for `{}`, which would keep its entries on one line.
            jobs = document["jobs"] = yaml.map()
        changes = _change(yaml, jobs, job=job, entry=entry)
        if not changes:
            return Edited(text=text, changes=())
        written = io.StringIO()
        yaml.dump(document, written)
        _require_rest_same(text, written.getvalue(), job=job)
    except (YAMLError, AttributeError, TypeError, LookupError) as error:
        raise failure(
            code=ExitCode.USAGE,
            id="settings-not-edited",
            message=f"no entry of the job can be written into the file ({type(error).__name__})",
            fix=f"write it by hand, below `jobs`: {job}: {json.dumps(dict(entry.values))}",
            where={"file": str(file)},
        ) from error
    return Edited(text=written.getvalue(), changes=changes)


def _loader() -> Any:  # noqa: ANN401 - the library is untyped here
    from ruamel.yaml import YAML  # noqa: PLC0415 loaded when used

    yaml = YAML()
    yaml.preserve_quotes = True
    yaml.width = 4096
    yaml.indent(mapping=2, sequence=4, offset=2)
    yaml.representer.add_representer(
        type(None),
        lambda made, _: made.represent_scalar("tag:yaml.org,2002:null", "null"),
    )
    return yaml


def _read(text: str) -> Any:  # noqa: ANN401
    return _loader().load(text)


def _change(yaml: Any, jobs: Any, *, job: str, entry: Entry) -> tuple[str, ...]:  # noqa: ANN401
    changes = []
    if job not in jobs:
        jobs[job] = yaml.map()
        changes.append(f"jobs.{job} is new")
    there = jobs[job]
    for name, value in entry.values.items():
        if name not in there or there[name] != value:
            old = f" (was {_shown(there[name])})" if name in there else ""
            changes.append(f"jobs.{job}.{name}: {_shown(value)}{old}")
            there[name] = value
    if entry.hyperparameters:
        known = there.get("hyperparameters")
        if known is None:
            known = there["hyperparameters"] = yaml.map()
            known.fa.set_flow_style()
        for name, value in entry.hyperparameters.items():
            if name not in known or known[name] != value:
                old = f" (was {_shown(known[name])})" if name in known else ""
                changes.append(f"jobs.{job}.hyperparameters.{name}: {_shown(value)}{old}")
                known[name] = value
    return tuple(changes)


def _shown(value: object) -> str:
    return str(value) if isinstance(value, (str, int, float)) else json.dumps(value, default=str)


def _require_rest_same(before: str, after: str, *, job: str) -> None:
    """Raise `LookupError` when something besides the job's entry reads otherwise than before."""
    one, other = _read(before), _read(after)
    for document in (one, other):
        jobs = document.get("jobs") or {}
        jobs.pop(job, None)
        document["jobs"] = dict(jobs)
    if one != other:
        raise LookupError("an edit changed more than the entry")


def write(*, path: Path, text: str) -> None:
    """Replace a settings file in one step.

    Raises `CommandError` when it cannot be written.
    """
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fsync(file.fileno())
            Path(name).chmod(path.stat().st_mode & 0o777)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise failure(
            code=ExitCode.USAGE,
            id="unwritable-file",
            message=f"the settings file cannot be written ({error.strerror})",
            fix="check its permissions and the room on the disk",
            where={"file": str(path)},
        ) from error
