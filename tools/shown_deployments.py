"""An environment's templates, read back after synth for the documents that are made from them."""

from __future__ import annotations

import re
import tempfile
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

from review.template import deployment as model
from review.template.assembly import load

ROOT = Path(__file__).resolve().parent.parent
CONFIG = ROOT / "config"

_ACCOUNT = re.compile(r"<AWS::AccountId>|(?<=:)[0-9]{12}(?=:)")


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
        model: What its templates would deploy.
        prefix_lists: Service, such as `s3`, by the id of the prefix list AWS manages for it.
    """

    def __init__(
        self, *, environment: str, model: model.Deployment, prefix_lists: Mapping[str, str]
    ) -> None:
        self._prefix = f"finetune-{environment}-"
        self.environment = environment
        self.model = model
        self.prefix_lists = prefix_lists
        self.dependencies = {
            self._part(name): frozenset(map(self._part, needed))
            for name, needed in model.dependencies.items()
        }
        self.descriptions = {
            self._part(name): template["Description"] for name, template in model.templates.items()
        }
        self.resources = [self._resource(each) for each in model.resources]
        self._by_id = {(each.stack, each.logical_id): each for each in self.resources}

    def _part(self, stack: str) -> str:
        return stack.removeprefix(self._prefix)

    def _resource(self, found: model.Resource) -> Resource:
        path = (found.path or found.logical_id).partition("/")[2] or found.logical_id
        return Resource(
            stack=self._part(found.stack),
            logical_id=found.logical_id,
            type=found.type,
            path=re.sub(r"(/(Resource|Default))+$", "", path),
            properties=found.properties,
            acknowledgements=tuple(
                Acknowledgement(
                    pack=each.id.partition("::")[0],
                    finding=each.id.partition("::")[2],
                    reason=each.reason,
                )
                for each in found.acknowledgements
            ),
        )

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

    def owner(self, value: object) -> Resource | None:
        """The resource that a value names, or what the value begins with, in whichever stack."""
        found = self.model.owner(value)
        return self._by_id[self._part(found.stack), found.logical_id] if found else None

    def owners(self, values: object) -> list[Resource]:
        """The resources that a value, or each value of a list, names."""
        found = (self.owner(value) for value in as_list(values))
        return [owner for owner in found if owner is not None]

    def text(self, value: object) -> str:
        """A value as a person reads it: `<path>` for a resource, `ACCOUNT` for the account.

        Raises:
            ValueError: It is no text, or not known before deployment.
        """
        if not isinstance(value, str | int | float) or isinstance(value, model.Unresolved):
            raise ValueError(f"a value cannot be told in words: {value!r}")  # noqa: TRY004
        text = str(value)
        found = self.model.owner(value)
        if found is not None:
            known = next(
                each for each in (found.arn, found.ref, found.name) if text.startswith(each)
            )
            path = self._by_id[self._part(found.stack), found.logical_id].path
            text = f"<{path}>{text.removeprefix(known)}"
        return _ACCOUNT.sub("ACCOUNT", text)

    def readable(self, finding: str) -> str:
        """A finding's id with construct paths for exports and references."""
        for (stack, output), value in self.model.outputs.items():
            owner = self.owner(value)
            if owner is not None:
                finding = finding.replace(f"{stack}:{output}", f"<{owner.path}>")
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
    return Deployment(
        environment=environment, model=load([folder]).deployment, prefix_lists=prefix_lists
    )
