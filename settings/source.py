"""YAML with positions: values together with the line each was written on.

Scalars follow YAML 1.2's core schema, as editors check them: `yes` is text, `1e-5` is a number
and `012` is twelve. What YAML takes silently is refused: a key written twice (the last one would
win), aliases (a recursive one has no end) and tags of other types.
"""

import re
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeAlias

import yaml

from settings.errors import Finding, shown_path

Location: TypeAlias = tuple[str | int, ...]
"""Keys and list indices from the top of the file to a value."""

MAXIMUM_BYTES = 1_000_000
"""A settings file larger than this is not a settings file."""
_COLLECTION_TAGS = {"tag:yaml.org,2002:map", "tag:yaml.org,2002:seq"}
MAXIMUM_SHOWN = 120
"""Characters of a wrong value that an error repeats."""


_SCALARS = (
    ("null", r"~|null|Null|NULL|", ["~", "n", "N", ""]),
    ("bool", r"true|True|TRUE|false|False|FALSE", list("tTfF")),
    ("int", r"[-+]?[0-9]+|0o[0-7]+|0x[0-9a-fA-F]+", list("-+0123456789")),
    (
        "float",
        r"[-+]?(\.[0-9]+|[0-9]+(\.[0-9]*)?)([eE][-+]?[0-9]+)?|[-+]?\.(inf|Inf|INF)|\.(nan|NaN|NAN)",
        list("-+.0123456789"),
    ),
)


def core_schema(loader: type[Any]) -> type[Any]:
    """A loader of PyYAML with the scalars of YAML 1.2 instead of 1.1."""
    changed: Any = type(f"CoreSchema{loader.__name__}", (loader,), {"yaml_implicit_resolvers": {}})
    for tag, pattern, first in _SCALARS:
        changed.add_implicit_resolver(
            f"tag:yaml.org,2002:{tag}", re.compile(rf"(?:{pattern})\Z"), first
        )
    made: type[Any] = changed
    return made


_CoreSchemaLoader = core_schema(yaml.SafeLoader)


@dataclass(frozen=True, slots=True)
class Mark:
    """Where a value stands in its file."""

    line: int
    """Line from 1: of the key, or of the list item."""
    text: str
    """The value as it is written, shortened; a summary for a mapping or a list."""


@dataclass(frozen=True, slots=True)
class Source:
    """A file's values and where each was written."""

    file: str
    """The file as errors name it."""
    values: Any
    """Mappings, lists, text, numbers, booleans and None; None for a file that cannot be read."""
    findings: tuple[Finding, ...] = ()
    """What is wrong with the file itself. When it is not empty, `values` may lack parts."""
    marks: dict[Location, Mark] = field(default_factory=dict)
    """Position of every value by its location."""

    def nearest(self, location: Location) -> tuple[Location, Mark | None]:
        """The longest known beginning of a location, and its mark: the parent of what is absent."""
        for length in range(len(location), -1, -1):
            if (mark := self.marks.get(location[:length])) is not None:
                return location[:length], mark
        return (), None


def read_yaml(*, path: Path) -> Source:
    """Read a YAML (or JSON) file; what is wrong with it is in the result, nothing is raised."""
    file = shown_path(path)

    def refused(kind: str, problem: str, got: str, allowed: str, fix: str) -> Source:
        finding = Finding(
            id=f"settings.{kind}",
            file=file,
            field="",
            problem=problem,
            got=got,
            allowed=allowed,
            fix=fix,
        )
        return Source(file=file, values=None, findings=(finding,))

    try:
        raw = path.read_bytes()
    except OSError as error:
        return refused(
            "unreadable-file",
            "the file cannot be read",
            (error.strerror or type(error).__name__).lower(),
            "a file that this user may read",
            "check that the path is a file, and its permissions",
        )
    if len(raw) > MAXIMUM_BYTES:
        return refused(
            "file-too-large",
            "the file is too large to be settings",
            f"{len(raw)} bytes",
            f"at most {MAXIMUM_BYTES} bytes",
            "check that this is the file you meant",
        )
    try:
        text = raw.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        return refused(
            "not-utf-8",
            "the file is not UTF-8 text",
            f"byte 0x{raw[error.start]:02x} at offset {error.start}",
            "UTF-8",
            "save the file as UTF-8",
        )
    return parse_yaml(text=text, file=file)


def parse_yaml(*, text: str, file: str) -> Source:
    """Parse YAML text; what is wrong with it is in the result, nothing is raised."""
    try:
        loader = _CoreSchemaLoader(text)
        try:
            node = loader.get_single_node()
        finally:
            loader.dispose()
        reader = _Reader(file=file)
        values = reader.value(node, ()) if node is not None else {}
    except yaml.MarkedYAMLError as error:
        mark = error.problem_mark or error.context_mark
        return _unreadable(
            file=file,
            problem=error.problem or error.context or "unknown",
            line=mark.line + 1 if mark else None,
            column=mark.column + 1 if mark else None,
        )
    except yaml.reader.ReaderError as error:
        line = text.count("\n", 0, error.position) + 1
        column = error.position - (text.rfind("\n", 0, error.position) + 1) + 1
        character = f"U+{ord(text[error.position]):04X}"
        return _unreadable(
            file=file, problem=f"{character} may not appear", line=line, column=column
        )
    except RecursionError:
        return _unreadable(
            file=file, problem="lists or mappings are nested too deeply", line=None, column=None
        )
    reader.marks.setdefault((), Mark(line=1, text=_summary(values)))
    return Source(file=file, values=values, findings=tuple(reader.findings), marks=reader.marks)


def _unreadable(*, file: str, problem: str, line: int | None, column: int | None) -> Source:
    finding = Finding(
        id="settings.unreadable-yaml",
        file=file,
        field="",
        problem="the file is not readable as YAML",
        got=problem,
        allowed="one YAML document: a mapping of settings",
        fix="correct the syntax there; look at indentation, colons and quotes first",
        line=line,
        column=column,
    )
    return Source(file=file, values=None, findings=(finding,))


class _Reader:
    """Turns YAML nodes into values, collecting positions and what YAML would take silently."""

    def __init__(self, *, file: str) -> None:
        self.file = file
        self.marks: dict[Location, Mark] = {}
        self.findings: list[Finding] = []
        self._seen: set[int] = set()

    def value(self, node: yaml.Node, location: Location, line: int | None = None) -> object:
        line = line or node.start_mark.line + 1
        # The composer gives every alias the node of its anchor, so a second visit is an alias.
        if id(node) in self._seen:
            self._refuse(
                kind="alias",
                location=location,
                line=line,
                problem="an alias repeats another value",
                got="an alias (`*name`)",
                allowed="values written out",
                fix="write the value out here: settings are read by people who look at one job",
            )
            return None
        self._seen.add(id(node))
        if isinstance(node, yaml.CollectionNode) and str(node.tag) not in _COLLECTION_TAGS:
            self._unknown_tag(str(node.tag), location, line)
        if isinstance(node, yaml.MappingNode):
            return self._mapping(node, location, line)
        if isinstance(node, yaml.SequenceNode):
            items = [self.value(item, (*location, index)) for index, item in enumerate(node.value)]
            self.marks[location] = Mark(line=line, text=_summary(items))
            return items
        if not isinstance(node, yaml.ScalarNode):  # pragma: no cover - YAML has three kinds
            raise TypeError(f"unknown kind of YAML node: {node}")
        self.marks[location] = Mark(line=line, text=_shortened(repr_of(node)))
        return self._scalar(node, location, line)

    def _mapping(self, node: yaml.MappingNode, location: Location, line: int) -> dict[str, Any]:
        result: dict[str, Any] = {}
        first_lines: dict[Hashable, int] = {}
        for key_node, value_node in self._pairs(node, location):
            key = str(key_node.value)
            key_line = key_node.start_mark.line + 1
            inner = (*location, key)
            if key in result:
                self._refuse(
                    kind="duplicate-key",
                    location=inner,
                    line=key_line,
                    problem="the name is written twice, and the first one would be lost",
                    got=f"`{key}` on line {first_lines[key]} and again on line {key_line}",
                    allowed="each name once",
                    fix="rename one of the two, or delete it",
                )
                continue
            first_lines[key] = key_line
            result[key] = self.value(value_node, inner, key_line)
        self.marks[location] = Mark(line=line, text=_summary(result))
        return result

    def _pairs(
        self, node: yaml.MappingNode, location: Location
    ) -> Iterator[tuple[yaml.ScalarNode, yaml.Node]]:
        for key_node, value_node in node.value:
            if isinstance(key_node, yaml.ScalarNode):
                yield key_node, value_node
            else:
                self._refuse(
                    kind="key-not-text",
                    location=location,
                    line=key_node.start_mark.line + 1,
                    problem="a list or a mapping is used as a name",
                    got="`? [...]` or `? {...}`",
                    allowed="text",
                    fix="write a name before the colon",
                )

    def _scalar(self, node: yaml.ScalarNode, location: Location, line: int) -> object:
        kind = str(node.tag).removeprefix("tag:yaml.org,2002:")
        text = str(node.value)
        try:
            match kind:
                case "null":
                    return None
                case "bool":
                    return {"true": True, "false": False}[text.lower()]
                case "int":
                    return int(text, 0) if text[:2] in {"0o", "0x"} else int(text)
                case "float":
                    return float(text.lower().replace(".inf", "inf").replace(".nan", "nan"))
                case "str":
                    return text
        except (ValueError, KeyError):
            pass
        self._unknown_tag(f"{node.tag} {text!r}", location, line)
        return None

    def _unknown_tag(self, got: str, location: Location, line: int) -> None:
        self._refuse(
            kind="unreadable-value",
            location=location,
            line=line,
            problem="the value cannot be read",
            got=_shortened(got),
            allowed="plain text, numbers, true, false, null, lists and mappings, without tags",
            fix="write the plain value without a tag, in quotes when it is text",
        )

    def _refuse(
        self,
        *,
        kind: str,
        location: Location,
        line: int,
        problem: str,
        got: str,
        allowed: str,
        fix: str,
    ) -> None:
        self.findings.append(
            Finding(
                id=f"settings.{kind}",
                file=self.file,
                field=dotted(location),
                problem=problem,
                got=got,
                allowed=allowed,
                fix=fix,
                line=line,
            )
        )


def repr_of(node: yaml.ScalarNode) -> str:
    """A scalar as it is written: in quotes when it was, bare when it was not."""
    text = str(node.value)
    if node.style in {"'", '"', "|", ">"}:
        return repr(text)
    return text or "nothing"


def dotted(location: Location) -> str:
    """A location as errors write it: `jobs.policy-review.base_model`, `tags["a b"]`, `zones[2]`."""
    result = ""
    for part in location:
        if isinstance(part, int):
            result += f"[{part}]"
        elif re.fullmatch(r"[A-Za-z0-9_-]+", part):
            result += f".{part}" if result else part
        else:
            result += f"[{_shortened(repr(part))}]"
    return result


def described(value: object) -> str:
    """A value for an error about settings that were not read from a file."""
    if isinstance(value, dict | list):
        return _summary(value)
    if value is None:
        return "nothing"
    return _shortened(str(value).lower() if isinstance(value, bool) else repr(value))


def _summary(value: object) -> str:
    if isinstance(value, dict):
        return _shortened("a mapping of " + ", ".join(map(str, value))) if value else "{}"
    if isinstance(value, list):
        shown = ", ".join(str(item) for item in value)
        return _shortened(f"[{shown}]")
    return described(value)


def _shortened(text: str) -> str:
    printable = "".join(character if character.isprintable() else "?" for character in text)
    if len(printable) <= MAXIMUM_SHOWN:
        return printable
    return printable[: MAXIMUM_SHOWN - 3] + "..."
