"""The reference of all settings, as `docs/settings.md`."""

from collections.abc import Iterator
from typing import Any

from settings.prefix_lists import prefix_lists
from settings.schema import in_words, schema_at, settings_schema
from settings.source import Location

_SECTIONS = ("network", "keys", "storage", "people", "engine", "inference", "budget")
_SECTIONS_OF_JOBS = {
    ("distillation",): "Distillation",
    ("distillation", "inference_profile"): "InferenceProfile",
    ("reinforcement",): "Reinforcement",
    ("invocation_logs",): "InvocationLogs",
    ("invocation_logs", "filters", 0): "LogFilter",
    ("deployment",): "Deployment",
    ("deployment", "smoke_tests", 0): "SmokeTest",
}
"""Where they are below a job, and their names in the schema."""

_HEAD = """\
# Settings

One file for each environment, `config/<environment>.yaml`; its name is the environment's name.
Unknown settings are refused, and all mistakes are reported at once. Generated from `settings/` by
`make generate`: change the docstrings there.
"""


def render_reference() -> str:
    """The text of `docs/settings.md`."""
    return "\n".join([_HEAD, *_tables(), *_regions()])


def _tables() -> Iterator[str]:
    schema = settings_schema()
    top = {name: part for name, part in schema["properties"].items() if name not in _SECTIONS}
    top.pop("jobs")
    yield from _table("The environment", schema["description"], top, schema["required"], "")
    for name in _SECTIONS:
        section = schema_at((name,)) or {}
        title = f"`{name}`"
        yield from _table(
            title,
            schema["$defs"][name.capitalize()]["description"],
            section["properties"],
            section.get("required", []),
            f"{name}.",
        )
    job = schema_at(("jobs", "name")) or {}
    yield from _table(
        "`jobs`",
        schema["properties"]["jobs"]["description"],
        job["properties"],
        job["required"],
        "jobs.NAME.",
    )
    for path, definition in _SECTIONS_OF_JOBS.items():
        section = schema["$defs"][definition]
        dotted = ".".join(str(part) for part in path if isinstance(part, str))
        yield from _table(
            f"`{dotted}` of a job",
            section["description"],
            section["properties"],
            section.get("required", []),
            f"{dotted}.",
            place=("jobs", "name", *path),
        )


def _table(
    title: str,
    text: str,
    settings: dict[str, Any],
    required: list[str],
    prefix: str,
    *,
    place: Location | None = None,
) -> Iterator[str]:
    yield f"## {title}\n\n{text}\n"
    yield "| setting | default | allowed | meaning |\n|---|---|---|---|"
    for name, part in settings.items():
        parent = place or (prefix.rstrip(".").split(".") if prefix else ())
        path = (*parent, name)
        default = "required" if name in required else f"`{_shown(part.get('default', {}))}`"
        allowed = in_words(schema_at(path))
        yield f"| `{prefix}{name}` | {default} | {_cell(allowed)} | {_cell(part['description'])} |"
    yield ""


def _regions() -> Iterator[str]:
    yield "## Regions\n"
    known = ", ".join(
        region if len(services) == 2 else f"{region} (only {' and '.join(services)})"
        for region, services in prefix_lists().items()
    )
    yield (
        f"Any Region works where Bedrock customizes the base model. In {known} the prefix lists of"
        " S3 and DynamoDB are known; elsewhere set `network.s3_prefix_list_id` and"
        " `network.dynamodb_prefix_list_id`.\n"
    )


def _shown(value: object) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, list):
        return f"[{', '.join(map(str, value))}]"
    return "null" if value is None else str(value)


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n\n", " ")
