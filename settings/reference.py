"""The reference of all settings and base models, as `docs/settings.md`."""

from collections.abc import Iterator
from typing import Any

from settings.base_models import foundation_models
from settings.prefix_lists import prefix_lists
from settings.schema import in_words, schema_at, settings_schema

_SECTIONS = ("network", "keys", "storage", "people", "engine")

_HEAD = """\
# Settings

One file for each environment, `config/<environment>.yaml`; its name is the environment's name.
Unknown settings are refused, and all mistakes are reported at once. Generated from `settings/` by
`make generate`: change the docstrings there.
"""


def render_reference() -> str:
    """The text of `docs/settings.md`."""
    return "\n".join([_HEAD, *_tables(), *_base_models(), *_regions()])


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


def _table(
    title: str, text: str, settings: dict[str, Any], required: list[str], prefix: str
) -> Iterator[str]:
    yield f"## {title}\n\n{text}\n"
    yield "| setting | default | allowed | meaning |\n|---|---|---|---|"
    for name, part in settings.items():
        path = (*prefix.rstrip(".").split("."), name) if prefix else (name,)
        default = "required" if name in required else f"`{_shown(part.get('default', {}))}`"
        allowed = in_words(schema_at(path))
        yield f"| `{prefix}{name}` | {default} | {_cell(allowed)} | {_cell(part['description'])} |"
    yield ""


def _base_models() -> Iterator[str]:
    yield "## Base models\n"
    yield (
        "What is known of each, with the AWS page it was read on: `settings/base_models.yaml`. Only"
        " an active or unchecked model can be named by a job. An unchecked state is not confirmed"
        " by AWS's pages.\n"
    )
    yield "| base model | Regions | state | data | served |\n|---|---|---|---|---|"
    for model in foundation_models().values():
        state = model.state + (f", ends {model.end_of_life}" if model.end_of_life else "")
        family = model.family.format if model.family else "not supported"
        cells = (
            f"`{model.id}`",
            ", ".join(model.regions),
            f"[{state}]({model.state_source})",
            family,
            ", ".join(model.inference),
        )
        yield f"| {' | '.join(cells)} |"
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
