"""The JSON Schema of a settings file, made from the model."""

import json
from functools import cache
from typing import Any, TypeAlias

from pydantic.json_schema import GenerateJsonSchema

from settings.model import Settings
from settings.source import Location

Schema: TypeAlias = dict[str, Any]


class _WithoutFieldTitles(GenerateJsonSchema):
    """Leaves out the titles pydantic makes of field names: they say nothing new."""

    def field_title_should_be_set(self, schema: object) -> bool:
        del schema
        return False


@cache
def settings_schema() -> Schema:
    """The schema of a settings file, for editors and for the texts of errors."""
    return {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        **_unwrapped(
            Settings.model_json_schema(mode="validation", schema_generator=_WithoutFieldTitles)
        ),
    }


def _unwrapped(schema: Schema) -> Schema:
    """Descriptions without the line breaks of the source they come from; paragraphs stay."""

    def visit(value: object) -> object:
        if isinstance(value, dict):
            return {key: visit(inner) for key, inner in value.items()} | _description(value)
        return [visit(inner) for inner in value] if isinstance(value, list) else value

    return {key: visit(inner) for key, inner in schema.items()} | _description(schema)


def _description(schema: Schema) -> dict[str, str]:
    text = schema.get("description")
    if not isinstance(text, str):
        return {}
    paragraphs = (" ".join(paragraph.split()) for paragraph in text.split("\n\n"))
    return {"description": "\n\n".join(paragraphs)}


def render_schema() -> str:
    """The schema as the text of `config/settings.schema.json`."""
    return json.dumps(settings_schema(), indent=2) + "\n"


def schema_at(location: Location) -> Schema | None:
    """The part of the schema that describes a setting; None for a setting that does not exist."""
    root = settings_schema()
    here = _resolved(root, root)
    for part in location:
        if isinstance(part, int):
            inner = here.get("items")
        else:
            inner = here.get("properties", {}).get(part, here.get("additionalProperties"))
        if not isinstance(inner, dict):
            return None
        here = _resolved(inner, root)
    return here


def _resolved(schema: Schema, root: Schema) -> Schema:
    """Follow a reference, and look through `null`, which only adds itself."""
    while True:
        if "$ref" in schema:
            name = schema["$ref"].rsplit("/", 1)[-1]
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            schema = {**root["$defs"][name], **rest}
        elif "anyOf" in schema:
            choices = [choice for choice in schema["anyOf"] if choice.get("type") != "null"]
            if len(choices) != 1:
                return schema
            rest = {key: value for key, value in schema.items() if key != "anyOf"}
            schema = {**choices[0], **rest, "nullable": True}
        else:
            return schema


_TYPES = {
    "string": "text",
    "integer": "a whole number",
    "number": "a number",
    "boolean": "true or false",
    "array": "a list",
    "object": "a mapping",
}


def in_words(schema: Schema | None) -> str:
    """What a schema allows, as the `allowed` part of an error."""
    if schema is None:
        return "nothing"
    if "enum" in schema:
        words = ", ".join(str(value) for value in schema["enum"])
        return words if len(schema["enum"]) == 1 else f"one of {words}"
    if "const" in schema:
        return str(schema["const"])
    kind = schema.get("type")
    kinds = kind if isinstance(kind, list) else [kind]
    words = " or ".join(_TYPES.get(str(name), "a value") for name in kinds)
    least, most = schema.get("minimum"), schema.get("maximum")
    if least is not None and most is not None:
        words += f" from {least} to {most}"
    if kind == "string" and schema.get("examples"):
        words += f" such as {schema['examples'][0]}"
    if kind == "array":
        words += f" of {_plural(in_words(schema.get('items')))}"
        if schema.get("minItems"):
            words += f", at least {schema['minItems']}"
        if schema.get("maxItems"):
            words += f", at most {schema['maxItems']}"
    if kind == "object" and "properties" in schema:
        words += " of " + ", ".join(schema["properties"])
    if kind == "object" and schema.get("maxProperties"):
        words += f", at most {schema['maxProperties']} entries"
    if schema.get("nullable"):
        words += ", or null"
    return words


def _plural(words: str) -> str:
    return "texts" if words == "text" else words
