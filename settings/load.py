"""From a settings file to `Settings`, or to everything that is wrong with it.

Reading is pure: no AWS call, no credential, no network, no CDK.
"""

import copy
from collections.abc import Iterable, Mapping
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType
from typing import Any

from pydantic import ValidationError
from pydantic_core import ErrorDetails

from settings import checks, names
from settings.checks import Context, Problem
from settings.cost import costs_of, over_budget
from settings.datasets import DatasetLock, read_lock
from settings.errors import Finding, SettingsError, shown_path
from settings.model import Settings
from settings.regions import partition_of
from settings.schema import in_words, schema_at
from settings.source import Location, Source, described, dotted, read_yaml

_SECTIONS = ("network", "keys", "storage", "engine", "inference", "budget")
"""Sections a file may leave out; they are checked all the same."""


def load_settings(*, environment: str, directory: Path, hold_to_budget: bool = True) -> Settings:
    """The settings of an environment: `<directory>/<environment>.yaml` and the lock file beside it.

    Args:
        environment: Its name.
        directory: Folder of the settings files, the lock file and own prices.
        hold_to_budget: Whether what costs more than the settings' budget is refused.

    Raises `SettingsError` with everything that is wrong.
    """
    path = directory / f"{environment}.yaml"
    _require_environment(environment=environment, directory=directory, path=path)
    datasets, findings = read_lock(directory=directory)
    source = read_yaml(path=path)
    settings = _checked(source=source, environment=environment, datasets=datasets, earlier=findings)
    budget = settings.budget
    limits = (budget.month, budget.job, budget.deployment)
    if hold_to_budget and any(limit is not None for limit in limits):
        _hold_to_budget(settings, source=source, directory=directory)
    return settings


def _hold_to_budget(settings: Settings, *, source: Source, directory: Path) -> None:
    refused = []
    for finding in over_budget(costs_of(settings=settings, directory=directory), file=source.file):
        _, mark = source.nearest(tuple(finding.field.split(".")))
        refused.append(replace(finding, line=mark.line if mark else None))
    if refused:
        raise SettingsError(refused)


def settings_from_values(
    *,
    environment: str,
    values: Mapping[str, Any],
    datasets: Mapping[str, DatasetLock] | None = None,
) -> Settings:
    """The settings made of values in memory, checked like a file: for tests and other tools.

    Raises `SettingsError`, whose findings have no lines.
    """
    if not names.ENVIRONMENT.accepts(environment):
        raise SettingsError([_bad_environment(environment, shown=f"{environment}.yaml")])
    source = Source(file=f"{environment}.yaml", values=copy.deepcopy(dict(values)))
    return _checked(
        source=source,
        environment=environment,
        datasets=datasets or MappingProxyType({}),
        earlier=(),
    )


def available_environments(*, directory: Path) -> tuple[str, ...]:
    """Names of the environments that have a settings file."""
    found = (path.stem for path in directory.glob("*.yaml"))
    return tuple(sorted(name for name in found if names.ENVIRONMENT.accepts(name)))


def _require_environment(*, environment: str, directory: Path, path: Path) -> None:
    available = available_environments(directory=directory)
    if not names.ENVIRONMENT.accepts(environment):
        raise SettingsError([_bad_environment(environment, shown=shown_path(directory))])
    if not path.exists():
        meant = checks.nearest(environment, available)
        raise SettingsError(
            [
                Finding(
                    id="settings.missing-file",
                    file=shown_path(path),
                    field="",
                    problem="there is no such settings file",
                    got=f"environment {environment}",
                    allowed=f"an environment in {shown_path(directory)}:"
                    f" {checks.listed(available)}",
                    fix=(f"did you mean {meant}? " if meant else "")
                    + "choose with `-c environment=NAME` or FINETUNE_ENVIRONMENT,"
                    " or copy one of the files",
                )
            ]
        )

    # Names of stacks, roles, rules and jobs begin with the environment's: those of `dev` would take
    # in those of `dev-two`.
    for other in available:
        if other.startswith(f"{environment}-") or environment.startswith(f"{other}-"):
            raise SettingsError(
                [
                    Finding(
                        id="settings.environment-name-within-another",
                        file=shown_path(path),
                        field="",
                        problem="one environment's name begins with another's and a hyphen, so that"
                        " the names of their resources could not be told apart",
                        got=f"environments {environment} and {other}",
                        allowed="names of which none begins with another and `-`",
                        fix="rename one of the settings files",
                    )
                ]
            )


def _bad_environment(environment: str, *, shown: str) -> Finding:
    return Finding(
        id="settings.bad-environment-name",
        file=shown,
        field="",
        problem="not a name for an environment",
        got=described(environment),
        allowed=names.ENVIRONMENT.allowed,
        fix="rename the settings file: roles, stacks and jobs are named after it",
    )


def _checked(
    *,
    source: Source,
    environment: str,
    datasets: Mapping[str, DatasetLock],
    earlier: Iterable[Finding],
) -> Settings:
    findings = [*earlier, *source.findings]
    if source.values is None and source.findings:
        raise SettingsError(findings)
    values = source.values
    if isinstance(values, dict):
        values = {**{section: {} for section in _SECTIONS}, **values}
    context = _context(values, environment=environment, datasets=datasets)
    try:
        settings = Settings.model_validate(values, context=context)
    except ValidationError as error:
        for detail in error.errors(include_url=False, include_input=True):
            findings.extend(_findings(detail, source))
        # What the reader refused has no value; that the value is missing then says nothing new.
        refused = {finding.field for finding in source.findings if finding.field}
        findings = list(source.findings) + [
            finding
            for finding in findings
            if finding in source.findings or finding.field not in refused
        ]
    if findings:
        raise SettingsError(findings)
    return settings


def _context(values: object, *, environment: str, datasets: Mapping[str, DatasetLock]) -> Context:
    """What checks of one setting know of others, as far as those are right."""
    region = values.get("region") if isinstance(values, dict) else None
    known = isinstance(region, str) and partition_of(region) is not None
    tags = values.get("tags") if isinstance(values, dict) else None
    account = values.get("account") if isinstance(values, dict) else None
    return Context(
        environment=environment,
        region=region if known else None,
        account=account if isinstance(account, str) else None,
        datasets=datasets,
        tags={key: value for key, value in tags.items() if isinstance(value, str)}
        if isinstance(tags, dict)
        else {},
    )


def _findings(detail: ErrorDetails, source: Source) -> Iterable[Finding]:
    location: Location = detail["loc"]
    on_key = bool(location) and location[-1] == "[key]"
    if on_key:
        location = location[:-1]
    context = detail.get("ctx", {})
    if detail["type"] == checks.ERROR_TYPE:
        for problem in context["problems"]:
            yield _finding(problem, location, source, detail["input"], on_key=on_key)
    else:
        yield _finding(_explained(detail, location), location, source, detail["input"])


def _finding(
    problem: Problem, base: Location, source: Source, value: object, *, on_key: bool = False
) -> Finding:
    location = (*base, *problem.at)
    known, mark = source.nearest(location)
    if on_key:
        got = described(location[-1])
    elif known == location and mark is not None:
        got = mark.text
    elif source.marks or problem.kind == "missing-setting":
        # A default was refused, or the setting is absent.
        got = "nothing"
    else:
        got = described(_inside(value, problem.at))
    return Finding(
        id=f"settings.{problem.kind}",
        file=source.file,
        field=dotted(location),
        problem=problem.problem,
        got=got,
        allowed=problem.allowed,
        fix=problem.fix,
        line=mark.line if mark else None,
    )


def _inside(value: object, location: Location) -> object:
    for part in location:
        if isinstance(value, dict):
            value = value.get(part)
        elif isinstance(value, list) and isinstance(part, int):
            value = value[part]
        else:
            return None
    return value


def _explained(detail: ErrorDetails, location: Location) -> Problem:
    """An error of pydantic itself in the words of this app."""
    schema = schema_at(location)
    allowed = in_words(schema)
    value = detail["input"]
    kind = detail["type"]
    if kind == "extra_forbidden":
        parent = schema_at(location[:-1]) or {}
        fields = list(parent.get("properties", {}))
        meant = checks.nearest(str(location[-1]), fields)
        return Problem(
            "unknown-setting",
            "there is no such setting",
            checks.listed(fields),
            f"did you mean {meant}?" if meant else "delete it",
        )
    if kind == "missing":
        return Problem(
            "missing-setting",
            "the setting is missing",
            allowed,
            f"add `{location[-1]}:`" + _described_by(schema),
        )
    if kind in {"greater_than_equal", "less_than_equal", "literal_error"} and not isinstance(
        value, dict | list
    ):
        return Problem(
            "out-of-range",
            "the value is not one of those allowed",
            allowed,
            _nearest_choice(value, schema) + _default(schema),
        )
    if kind in {"too_short", "too_long"}:
        return Problem(
            "wrong-length",
            f"there are {_length(value)} entries",
            allowed,
            "add some" if kind == "too_short" else "delete some",
        )
    return Problem(
        "wrong-type", "the value is of the wrong type", allowed, _type_fix(value, schema)
    )


def _length(value: object) -> int:
    return len(value) if isinstance(value, dict | list | tuple) else 0


def _described_by(schema: Mapping[str, Any] | None) -> str:
    description = str((schema or {}).get("description", "")).split(". ")[0].replace("\n", " ")
    description = description.rstrip(".")
    if not description:
        return ""
    # An abbreviation keeps its capitals.
    first = description[0].lower() if description[1:2].islower() else description[0]
    return f": {first}{description[1:]}"


def _nearest_choice(value: object, schema: Mapping[str, Any] | None) -> str:
    choices = (schema or {}).get("enum", [])
    if isinstance(value, int) and choices and all(isinstance(item, int) for item in choices):
        larger = [item for item in choices if item >= value]
        return f"take {min(larger) if larger else max(choices)}"
    if isinstance(value, str):
        meant = next((item for item in choices if str(item).lower() == value.lower()), None)
        meant = meant or checks.nearest(value, [str(item) for item in choices])
        if meant:
            return f"did you mean {meant}?"
    return "choose one of them"


def _default(schema: Mapping[str, Any] | None) -> str:
    if schema is None or "default" not in schema:
        return ""
    return f"; leave it out for the default, {described(schema['default'])}"


def _type_fix(value: object, schema: Mapping[str, Any] | None) -> str:
    kind = (schema or {}).get("type")
    if kind == "string" and isinstance(value, bool | int | float):
        return "put it in quotes: without them YAML reads a number, true, false or null"
    if kind in ("integer", "number", "boolean") and isinstance(value, str):
        return "write it without quotes" + (
            "; YAML 1.2 knows true and false, not yes and no" if kind == "boolean" else ""
        )
    if value is None:
        return "write a value, or delete the line for the default"
    if kind == "object":
        return "write one indented `name: value` line for each entry, or {} for none"
    return "write a value that is allowed"
