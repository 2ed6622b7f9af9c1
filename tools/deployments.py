"""An environment's templates, read back after synth for the documents that are made from them."""

from __future__ import annotations

import json
import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "config"

_ACCOUNT = re.compile(r"<AWS::AccountId>|(?<=:)[0-9]{12}(?=:)")

_PSEUDO = {
    "AWS::AccountId": "ACCOUNT",
    "AWS::Partition": "aws",
    "AWS::URLSuffix": "amazonaws.com",
}


@dataclass(frozen=True, kw_only=True)
class Acknowledgement:
    """A finding that the app takes, as its template says."""

    pack: str
    finding: str
    reason: str


@dataclass(frozen=True, kw_only=True)
class Resource:
    """A resource of a template."""

    stack: str
    """Part of the environment, such as `network`; the stack's name without the environment."""
    logical_id: str
    type: str
    path: str
    """Path of its construct within the stack, without the library's last `Resource`."""
    properties: Mapping[str, Any]
    acknowledgements: tuple[Acknowledgement, ...]


class Deployment:
    """The stacks of one environment with their resources, and what refers to what.

    Args:
        environment: The environment's name.
        templates: By stack name.
        dependencies: Stack names that each stack waits for, by stack name.
        prefix_lists: Service, such as `s3`, by the id of the prefix list AWS manages for it.
    """

    def __init__(
        self,
        *,
        environment: str,
        templates: Mapping[str, dict[str, Any]],
        dependencies: Mapping[str, frozenset[str]],
        prefix_lists: Mapping[str, str],
    ) -> None:
        prefix = f"finetune-{environment}-"
        self.environment = environment
        self.templates = templates
        self.prefix_lists = prefix_lists
        self.dependencies = {
            name.removeprefix(prefix): frozenset(each.removeprefix(prefix) for each in needed)
            for name, needed in dependencies.items()
        }
        self.descriptions = {
            name.removeprefix(prefix): template["Description"]
            for name, template in templates.items()
        }
        self.resources = [
            _resource(name.removeprefix(prefix), logical_id, values)
            for name, template in templates.items()
            for logical_id, values in template["Resources"].items()
        ]
        self._by_id = {(each.stack, each.logical_id): each for each in self.resources}
        self._exports: dict[str, Resource] = {}
        for name, template in templates.items():
            for output, values in template.get("Outputs", {}).items():
                owner = self.owner(values["Value"], stack=name.removeprefix(prefix))
                if owner is not None:
                    self._exports[f"{name}:{output}"] = owner

    @property
    def stacks(self) -> list[str]:
        """The stacks in an order in which they can be deployed."""
        ordered: list[str] = []
        while len(ordered) < len(self.dependencies):
            ordered += sorted(
                stack
                for stack, needed in self.dependencies.items()
                if stack not in ordered and needed <= set(ordered)
            )
        return ordered

    def of_type(self, *types: str) -> list[Resource]:
        """The resources of these types, in the order of the templates."""
        return [each for each in self.resources if each.type in types]

    def owner(self, value: Any, *, stack: str) -> Resource | None:  # noqa: ANN401
        """The resource that a value of a template refers to, in whichever stack it is.

        A text made of several pieces is of the resource that its first piece refers to.
        """
        match value:
            case {"Ref": name} | {"Fn::GetAtt": [name, _]}:
                return self._by_id.get((stack, name))
            case {"Fn::ImportValue": export}:
                return self._exports.get(export)
            case {"Fn::GetStackOutput": {"StackName": name, "OutputName": output}}:
                return self._exports.get(f"{name}:{output}")
            case {"Fn::Join": [_, parts]}:
                owners = (self.owner(part, stack=stack) for part in parts)
                return next((owner for owner in owners if owner is not None), None)
        return None

    def owners(self, values: Any, *, stack: str) -> list[Resource]:  # noqa: ANN401
        """The resources that a value, or each value of a list, refers to."""
        found = (self.owner(value, stack=stack) for value in as_list(values))
        return [owner for owner in found if owner is not None]

    def text(self, value: Any, *, stack: str) -> str:  # noqa: ANN401
        """A value of a template as a person reads it: `ACCOUNT` for the account's number."""
        match value:
            case str():
                return _ACCOUNT.sub("ACCOUNT", value)
            case int() | float():
                return str(value)
            case {"Ref": name} if name in _PSEUDO:
                return _PSEUDO[name]
            case {"Fn::Join": [delimiter, parts]}:
                return str(delimiter).join(self.text(part, stack=stack) for part in parts)
        owner = self.owner(value, stack=stack)
        if owner is None:
            raise ValueError(f"a value of the stack {stack} cannot be told in words: {value!r}")
        return f"<{owner.path}>"

    def readable(self, finding: str) -> str:
        """A finding's id with construct paths for exports and references."""
        for export, owner in self._exports.items():
            finding = finding.replace(export, f"<{owner.path}>")
        for each in self.resources:
            finding = finding.replace(f"<{each.logical_id}.", f"<{each.path}.")
        return _ACCOUNT.sub("ACCOUNT", finding)


def as_list(value: Any) -> list[Any]:  # noqa: ANN401 - a piece of a template
    """The values of a list, or the one value that stands for a list of one."""
    return list(value) if isinstance(value, list) else [value]


def statements(document: Mapping[str, Any]) -> Iterator[tuple[str, list[str], list[Any]]]:
    """Effect, actions and resources of each statement of a policy document."""
    for statement in document["Statement"]:
        yield (
            statement["Effect"],
            as_list(statement["Action"]),
            as_list(statement.get("Resource", [])),
        )


def _resource(stack: str, logical_id: str, values: Mapping[str, Any]) -> Resource:
    metadata = values.get("Metadata", {})
    path = str(metadata.get("aws:cdk:path", logical_id)).partition("/")[2] or logical_id
    return Resource(
        stack=stack,
        logical_id=logical_id,
        type=values["Type"],
        path=re.sub(r"(/(Resource|Default))+$", "", path),
        properties=values.get("Properties", {}),
        acknowledgements=tuple(
            Acknowledgement(
                pack=rule["id"].partition("::")[0],
                finding=rule["id"].partition("::")[2],
                reason=rule["reason"],
            )
            for rule in metadata.get("cdk_nag", {}).get("rules_to_suppress", [])
        ),
    )


@lru_cache
def synthesised(environment: str, *, directory: Path = CONFIG) -> Deployment:
    """Synthesise an environment of a settings folder with the gates on, and read it back."""
    from app import build_app, new_app  # noqa: PLC0415 starts Node
    from settings import load_settings  # noqa: PLC0415

    settings = load_settings(environment=environment, directory=directory)
    with tempfile.TemporaryDirectory(prefix="finetune-docs-") as folder:
        app = new_app(outdir=folder, environment=environment)
        build_app(app, directory=directory)
        app.synth()
        return read_assembly(
            folder=Path(folder),
            environment=environment,
            prefix_lists={
                settings.s3_prefix_list_id: "s3",
                settings.dynamodb_prefix_list_id: "dynamodb",
            },
        )


def read_assembly(*, folder: Path, environment: str, prefix_lists: Mapping[str, str]) -> Deployment:
    """The deployment that synth wrote into a folder."""
    artifacts = json.loads((folder / "manifest.json").read_text(encoding="utf-8"))["artifacts"]
    stacks = {
        name: artifact
        for name, artifact in artifacts.items()
        if artifact["type"] == "aws:cloudformation:stack"
    }
    return Deployment(
        environment=environment,
        templates={
            name: json.loads(
                (folder / artifact["properties"]["templateFile"]).read_text(encoding="utf-8")
            )
            for name, artifact in stacks.items()
        },
        dependencies={
            name: frozenset(artifact.get("dependencies", [])) & stacks.keys()
            for name, artifact in stacks.items()
        },
        prefix_lists=prefix_lists,
    )
