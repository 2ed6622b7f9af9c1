"""From files to a deployment: a folder that `cdk synth` wrote, or templates, with nested stacks."""

from __future__ import annotations

import dataclasses
import graphlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, Final

from review.template.deployment import Deployment
from review.template.documents import Document, read_document
from review.template.errors import UnreadableError
from review.template.names import ACCOUNT, REGION
from review.template.problems import Problem
from review.template.resolver import Template
from review.template.stacks import Stack

MAX_STACKS: Final = 2000
"""Most stacks of a deployment: an account's quota in a Region."""
MAX_RESOURCES: Final = 500
"""Most resources of a template, CloudFormation's own limit."""
MAX_MANIFEST_BYTES: Final = 16 * 1_048_576
"""Largest manifest; that of 100 jobs has less than 1 MB."""

NESTED: Final = "AWS::CloudFormation::Stack"
_SECTIONS: Final = ("Conditions", "Mappings", "Outputs", "Parameters", "Resources")
_HARMLESS_TRANSFORMS: Final = frozenset({"AWS::LanguageExtensions"})
"""Transforms whose functions the resolver knows, or tells of one by one."""


@dataclasses.dataclass(frozen=True, kw_only=True)
class Loaded:
    """What was read: the deployment, and what of the templates cannot be judged."""

    deployment: Deployment
    problems: tuple[Problem, ...]
    """Those of the deployment too."""


def load(
    paths: Sequence[Path],
    *,
    parameters: Mapping[str, str] | None = None,
    region: str | None = None,
    account: str | None = None,
) -> Loaded:
    """Read what would be deployed.

    Args:
        paths: Folders that `cdk synth` wrote, and templates, JSON or YAML.
        parameters: Values of parameters, for every stack that has one of the name.
        region: What `AWS::Region` stands for where the assembly names none.
        account: What `AWS::AccountId` stands for where the assembly names none.

    Raises:
        UnreadableError: Something is missing, no template, hostile, or goes in circles.
    """
    reader = _Reader(
        parameters=dict(parameters or {}), region=region or REGION, account=account or ACCOUNT
    )
    try:
        for path in paths:
            reader.read(path)
        deployment = reader.deployment()
        _check_circles(deployment)
        problems = (*reader.problems, *deployment.problems)
    except RecursionError as error:
        raise UnreadableError(
            "its references are nested too deeply to follow",
            fix="shorten the chains of conditions, parameters or functions",
            where={"file": str(paths[0])},
        ) from error
    return Loaded(deployment=deployment, problems=problems)


class _Reader:
    """Collects stacks from files."""

    def __init__(self, *, parameters: dict[str, str], region: str, account: str) -> None:
        self._parameters = parameters
        self._region = region
        self._account = account
        self._templates: dict[str, Template] = {}
        self._stacks: dict[str, Stack] = {}
        self._dependencies: dict[str, frozenset[str]] = {}
        self._protected: set[str] = set()
        self.problems: list[Problem] = []

    def deployment(self) -> Deployment:
        """What was collected.

        Raises:
            UnreadableError: There is no stack in it.
        """
        if not self._templates:
            raise UnreadableError(
                "there is no stack in it", fix="name a folder that `cdk synth` wrote"
            )
        return Deployment(
            templates=self._templates,
            stacks=self._stacks,
            dependencies=self._dependencies,
            protected=frozenset(self._protected),
        )

    def read(self, path: Path) -> None:
        """Adds the stacks of a folder, or the stack of a template."""
        if path.is_dir():
            self._assembly(path, shown=str(path))
            return
        stack = Stack(
            name=_stack_name(path.name),
            account=self._account,
            region=self._region,
            parameters=self._parameters,
            document=read_document(path),
        )
        self._add(self._free(stack.name), stack, folder=path.parent, chain=(path.resolve(),))

    def _free(self, name: str) -> str:
        key, number = name, 2
        while key in self._templates:
            key, number = f"{name}-{number}", number + 1
        return key

    def _assembly(self, folder: Path, *, shown: str, depth: int = 0) -> None:
        manifest = folder / "manifest.json"
        if not manifest.is_file() or depth > 8:
            raise UnreadableError(
                "a folder without manifest.json",
                fix="name a folder that `cdk synth` wrote, such as cdk.out, or a template",
                where={"file": shown},
            )
        document = read_document(manifest, name=f"{shown}/manifest.json", most=MAX_MANIFEST_BYTES)
        artifacts = document.value.get("artifacts") if isinstance(document.value, dict) else None
        if not isinstance(artifacts, dict):
            raise _malformed(document, "no object `artifacts` in it")
        names = []
        for name, artifact in artifacts.items():
            match artifact:
                case {"type": "aws:cloudformation:stack", "properties": {"templateFile": str()}}:
                    names.append(name)
                case {"type": "cdk:cloud-assembly", "properties": {"directoryName": str() as sub}}:
                    inner = _inside(folder, sub, document)
                    self._assembly(inner, shown=f"{shown}/{sub}", depth=depth + 1)
                case {"type": "aws:cloudformation:stack"} | {"type": "cdk:cloud-assembly"}:
                    raise _malformed(document, f"the artifact {name[:80]} names no file")
        for name in names:
            self._artifact(folder, name, artifacts[name], document, shown)
            waits_for = artifacts[name].get("dependencies", [])
            if not isinstance(waits_for, list):
                raise _malformed(document, f"the dependencies of {name[:80]} are no list")
            self._dependencies[name] = frozenset(
                each for each in waits_for if isinstance(each, str) and each in names
            )

    def _artifact(
        self, folder: Path, name: str, artifact: dict[str, Any], manifest: Document, shown: str
    ) -> None:
        properties = artifact["properties"]
        file = properties["templateFile"]
        account, region = self._environment(artifact.get("environment"), manifest)
        given = properties.get("parameters", {})
        if not isinstance(given, dict):
            raise _malformed(manifest, f"the parameters of {name[:80]} are no object")
        path = _inside(folder, file, manifest)
        stack = Stack(
            name=str(properties.get("stackName", name)),
            account=account,
            region=region,
            parameters={**given, **self._parameters},
            document=read_document(path, name=f"{shown}/{file}"),
        )
        if properties.get("terminationProtection") is True:
            self._protected.add(name)
        if name in self._templates:
            raise _malformed(manifest, f"the stack {name[:80]} stands in two folders")
        self._add(name, stack, folder=folder, chain=(path,))

    def _environment(self, environment: object, manifest: Document) -> tuple[str, str]:
        account, region = self._account, self._region
        if environment is None:
            return account, region
        match str(environment).removeprefix("aws://").split("/"):
            case [named_account, named_region]:
                if named_account != "unknown-account":
                    account = named_account
                if named_region != "unknown-region":
                    region = named_region
                return account, region
        raise _malformed(manifest, f"the environment {str(environment)[:80]!r}")

    def _add(self, key: str, stack: Stack, *, folder: Path, chain: tuple[Path, ...]) -> None:
        if len(self._templates) >= MAX_STACKS:
            raise UnreadableError(
                f"more than {MAX_STACKS} stacks, which is the most an account has in a Region",
                fix="review a part of them",
            )
        if stack.document is None:
            raise TypeError("a stack is read from a document")
        template = self._checked(key, stack.document)
        self._templates[key] = template
        self._stacks[key] = stack
        for logical_id, raw in list(template["Resources"].items()):
            if raw.get("Type") == NESTED:
                self._nested(key, stack, logical_id, raw, folder=folder, chain=chain)

    def _nested(
        self,
        key: str,
        parent: Stack,
        logical_id: str,
        raw: dict[str, Any],
        *,
        folder: Path,
        chain: tuple[Path, ...],
    ) -> None:
        found = _nested_file(raw, folder)
        if found is None:
            self.problems.append(
                Problem(
                    id="template.nested",
                    message="the template of this nested stack is not here, so nobody has "
                    "looked at it",
                    fix="review the folder that `cdk synth` wrote, or write the TemplateURL as "
                    "a path beside this template",
                    stack=key,
                    logical_id=logical_id,
                    property="TemplateURL",
                )
            )
            return
        where = {"stack": key, "logical_id": logical_id}
        if found in chain:
            raise UnreadableError(
                f"a circle of nested stacks: {' -> '.join(each.name for each in (*chain, found))}",
                fix="take one of them out",
                where=where,
            )
        shown = parent.document.file if parent.document else key
        file = f"{shown.rpartition('/')[0]}/{found.relative_to(folder.resolve())}".lstrip("/")
        nested = Stack(
            name=f"{parent.name}-{logical_id}",
            account=parent.account,
            region=parent.region,
            parent=(key, logical_id),
            document=read_document(found, name=file if "/" in shown else found.name),
        )
        self._add(f"{key}/{logical_id}", nested, folder=folder, chain=(*chain, found))

    def _checked(self, key: str, document: Document) -> Template:
        """The template, when it has the form of one; what a macro would make of it is a problem."""
        template = document.value
        if not isinstance(template, dict) or not isinstance(template.get("Resources"), dict):
            raise _malformed(document, "no object `Resources` in it")
        for section in _SECTIONS:
            held = template.get(section, {})
            if not isinstance(held, dict):
                raise _malformed(document, f"{section} is no object", (section,))
            if section in {"Outputs", "Parameters"}:
                for name, each in held.items():
                    if not isinstance(each, dict) and not name.startswith("Fn::"):
                        raise _malformed(document, f"{name[:80]} is no object", (section, name))
        resources = template["Resources"]
        if len(resources) > MAX_RESOURCES:
            raise _malformed(
                document,
                f"{len(resources)} resources, of which CloudFormation takes {MAX_RESOURCES}",
            )
        self._note_transforms(key, template)
        kept = {}
        for logical_id, raw in resources.items():
            place = ("Resources", logical_id)
            if logical_id.startswith("Fn::"):
                self._unseen(key, logical_id, "made by a loop or a macro", "template.transform")
                continue
            if not isinstance(raw, dict) or not isinstance(raw.get("Type"), str):
                raise _malformed(document, f"{logical_id[:80]} has no Type", place)
            if not isinstance(raw.get("Properties", {}), dict):
                raise _malformed(document, f"the Properties of {logical_id[:80]}", place)
            if raw["Type"].endswith("::MODULE"):
                self._unseen(key, logical_id, f"a module, {raw['Type'][:80]}", "template.module")
            kept[logical_id] = raw
        return {**template, "Resources": kept}

    def _note_transforms(self, key: str, template: Template) -> None:
        named = template.get("Transform", [])
        for each in named if isinstance(named, list) else [named]:
            name = each.get("Name") if isinstance(each, dict) else each
            if name not in _HARMLESS_TRANSFORMS:
                self.problems.append(
                    Problem(
                        id="template.transform",
                        message=f"the macro {str(name)[:80]} changes this template at deployment, "
                        "into what nobody has looked at",
                        fix="review what the macro makes of it: the processed template of a "
                        "change set",
                        stack=key,
                    )
                )

    def _unseen(self, key: str, logical_id: str, what: str, id_: str) -> None:
        self.problems.append(
            Problem(
                id=id_,
                message=f"{what}: nobody has looked at the resources that come of it",
                fix="review the processed template, or write the resources out",
                stack=key,
                logical_id=logical_id,
            )
        )


def _stack_name(file: str) -> str:
    for ending in (".template.json", ".template.yaml", ".template.yml", ".template"):
        if file.endswith(ending):
            return file.removesuffix(ending)
    return Path(file).stem or "template"


def _malformed(document: Document, what: str, place: tuple[str, ...] = ()) -> UnreadableError:
    return UnreadableError(
        f"not what CloudFormation or the CDK writes: {what}",
        fix="name a template, JSON or YAML, or a folder that `cdk synth` wrote",
        where={"file": document.file, "line": document.line(place)},
    )


def _inside(folder: Path, name: str, document: Document) -> Path:
    """A file of a folder; what lies outside of it is not read for anybody."""
    path = (folder / name).resolve()
    if not path.is_relative_to(folder.resolve()):
        raise _malformed(document, f"{name[:80]!r} lies outside of the folder")
    return path


def _nested_file(raw: Mapping[str, Any], folder: Path) -> Path | None:
    """The file of a nested stack's template, when it lies in the same folder."""
    match raw:
        case {"Metadata": {"aws:asset:path": str() as name}}:
            pass
        case {"Properties": {"TemplateURL": str() as name}} if "://" not in name:
            pass
        case _:
            return None
    try:
        path = (folder / name).resolve()
        return path if path.is_relative_to(folder.resolve()) and path.is_file() else None
    except (OSError, ValueError):
        return None


def _check_circles(deployment: Deployment) -> None:
    """Refuses what CloudFormation would: resources or stacks that wait for each other.

    Raises:
        UnreadableError: There is a circle; it names it.
    """
    for stack, template in deployment.templates.items():
        resources = template["Resources"]
        graph = {
            logical_id: set(_references(raw)) & resources.keys()
            for logical_id, raw in resources.items()
        }
        circle = _circle(graph)
        if circle:
            where = deployment.place(stack=stack, logical_id=circle[0])
            raise UnreadableError(
                f"a circle of resources: {' -> '.join(circle[:8])}",
                fix="take one of these references away: CloudFormation refuses circles",
                where=where,
            )
    imports: dict[str, set[str]] = {}
    for stack, other in deployment.imports:
        imports.setdefault(stack, set()).add(other)
    circle = _circle(imports)
    if circle:
        raise UnreadableError(
            f"a circle of imports: {' -> '.join(circle[:8])}",
            fix="take one of these imports away: none of the stacks could be the first",
            where=deployment.place(stack=circle[0]),
        )


def _circle(graph: Mapping[str, set[str]]) -> list[str]:
    try:
        graphlib.TopologicalSorter(graph).prepare()
    except graphlib.CycleError as error:
        return list(error.args[1])
    return []


def _references(raw: Mapping[str, Any]) -> Iterator[str]:
    """The logical ids that a resource waits for."""
    waits_for = raw.get("DependsOn", [])
    for each in waits_for if isinstance(waits_for, list) else [waits_for]:
        if isinstance(each, str):
            yield each
    left: list[Any] = [raw.get("Properties")]
    while left:
        value = left.pop()
        if isinstance(value, list):
            left.extend(value)
        elif isinstance(value, dict):
            match value:
                case {"Ref": str() as name} if len(value) == 1:
                    yield name
                case {"Fn::GetAtt": [str() as name, *_]} if len(value) == 1:
                    yield name
                case {"Fn::GetAtt": str() as name} if len(value) == 1:
                    yield name.split(".")[0]
                case {"Fn::Sub": str() as text} | {"Fn::Sub": [str() as text, *_]}:
                    yield from _named_in(text)
            left.extend(value.values())


def _named_in(text: str) -> Iterator[str]:
    for piece in text.split("${")[1:]:
        yield piece.partition("}")[0].partition(".")[0].strip()
