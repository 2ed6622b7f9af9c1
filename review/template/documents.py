"""Reading one file of JSON or YAML as CloudFormation reads it, within bounds.

Whoever wrote the file may want the reader to stumble: size and depth are limited, no alias is
expanded, nothing is constructed but plain values, and a key that stands twice is refused, because
two readers may take different ones.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final, NoReturn

import yaml
from yaml.constructor import ConstructorError, SafeConstructor
from yaml.resolver import Resolver

from review.template.errors import UnreadableError

MAX_BYTES: Final = 1_048_576
"""Largest template, in bytes: CloudFormation takes no larger one.

https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/cloudformation-limits.html
"""
MAX_DEPTH: Final = 100
"""Deepest nesting of lists and mappings; the deepest templates of the CDK have about 20."""

Place = tuple[str | int, ...]
Lines = Mapping[Place, int]


@dataclass(frozen=True, kw_only=True)
class Document:
    """A file that was read, and where in it things stand."""

    file: str
    value: Any
    lines_of: Callable[[], Lines]

    @cached_property
    def lines(self) -> Lines:
        """The line, from 1, on which each value or its key begins."""
        return self.lines_of()

    def line(self, place: Place) -> int:
        """The line of a value, or of the closest value around it that the file has."""
        while place and place not in self.lines:
            place = place[:-1]
        return self.lines.get(place, 1)


def read_document(file: Path, *, name: str | None = None, most: int = MAX_BYTES) -> Document:
    """Read a file of JSON or YAML.

    Args:
        file: The file; its content decides which of the two it is.
        name: How the file is called in messages; the path unless given.
        most: Largest size in bytes.

    Raises:
        UnreadableError: There is no such file, or it cannot be read safely.
    """
    name = name or str(file)
    try:
        if not file.is_file():
            kind = "a folder" if file.is_dir() else "nothing that could be read"
            raise UnreadableError(
                f"expected a template, found {kind}",
                fix="name a template, JSON or YAML, or a folder that `cdk synth` wrote",
                where={"file": name},
            )
        with file.open("rb") as stream:
            content = stream.read(most + 1)
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or str(error)
        raise UnreadableError(
            f"cannot be read: {reason}",
            fix="name a file that is there and that you may read",
            where={"file": name},
        ) from error
    if len(content) > most:
        raise UnreadableError(
            f"larger than {most} bytes, which is the most that is read",
            fix="split it: CloudFormation takes no template above 1 MB either",
            where={"file": name},
        )
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise UnreadableError(
            f"no text: byte {error.start} is not UTF-8",
            fix="save the template as UTF-8",
            where={"file": name, "offset": error.start},
        ) from error
    return parse_document(text, name=name)


def parse_document(text: str, *, name: str) -> Document:
    """Read JSON or YAML from a text; one that begins with `{` is JSON, unless named `*.y(a)ml`.

    Raises:
        UnreadableError: It is neither, or it cannot be read safely.
    """
    as_json = text.lstrip()[:1] in {"{", "["} and not name.endswith((".yaml", ".yml"))
    if as_json:
        return Document(
            file=name, value=_parse_json(text, name), lines_of=lambda: dict(_json_lines(text))
        )
    reader = _YamlReader(name)
    value = reader.read(text)
    return Document(file=name, value=value, lines_of=lambda: reader.lines)


class _DuplicateKeyError(ValueError):
    pass


def _object(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    result = dict(pairs)
    if len(result) != len(pairs):
        names = [key for key, _ in pairs]
        twice = next(key for key in names if names.count(key) > 1)
        raise _DuplicateKeyError(f"the key {twice[:80]!r} stands twice in one object")
    return result


def _no_constant(name: str) -> NoReturn:
    raise ValueError(f"{name} is no JSON")


def _parse_json(text: str, name: str) -> Any:  # noqa: ANN401 - any JSON
    try:
        value = json.loads(text, object_pairs_hook=_object, parse_constant=_no_constant)
    except json.JSONDecodeError as error:
        raise UnreadableError(
            f"no JSON: {error.msg} at column {error.colno}",
            fix="correct it there",
            where={"file": name, "line": error.lineno},
        ) from error
    except RecursionError as error:
        raise _too_deep(name) from error
    except ValueError as error:
        raise UnreadableError(
            f"no JSON that could be read: {error}", fix="correct it", where={"file": name}
        ) from error
    _check_depth(value, name)
    if "\\u" in text:
        _check_text(value, name)
    return value


def _check_text(value: object, name: str) -> None:
    """A text that cannot be written out again could not be reported either."""
    try:
        json.dumps(value, ensure_ascii=False).encode("utf-8")
    except UnicodeEncodeError as error:
        raise UnreadableError(
            "holds half of a pair of surrogates, which is no character",
            fix="write the character itself",
            where={"file": name},
        ) from error


def _too_deep(name: str, line: int | None = None) -> UnreadableError:
    return UnreadableError(
        f"nested deeper than {MAX_DEPTH} levels",
        fix="flatten it; no template needs this",
        where={"file": name, **({} if line is None else {"line": line})},
    )


def _check_depth(value: object, name: str) -> None:
    level = [value]
    for _ in range(MAX_DEPTH):
        level = [
            inner
            for each in level
            if isinstance(each, dict | list)
            for inner in (each.values() if isinstance(each, dict) else each)
        ]
        if not level:
            return
    raise _too_deep(name)


_JSON_TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|[{}\[\],:]|[^\s{}\[\],:"]+|\n', flags=re.DOTALL)


def _json_lines(text: str) -> Iterator[tuple[Place, int]]:
    """Where each value of a correct JSON text begins; that of a member is where its key stands."""
    line = 1
    place: list[str | int] = []
    inside: list[str] = []
    key: tuple[str, int] | None = None
    expects_key = False
    for match in _JSON_TOKEN.finditer(text):
        piece = match.group()
        if piece == "\n":
            line += 1
        elif piece == ":":
            pass
        elif piece == ",":
            if inside[-1] == "[":
                place[-1] = int(place[-1]) + 1
            else:
                place.pop()
                expects_key = True
        elif piece in {"}", "]"}:
            # An empty object has no member whose place would have to go.
            if piece == "]" or not expects_key:
                place.pop()
            inside.pop()
            expects_key = False
        elif expects_key:
            key = (json.loads(piece), line)
            place.append(key[0])
            expects_key = False
        else:
            yield tuple(place), key[1] if key else line
            key = None
            if piece in {"{", "["}:
                inside.append(piece)
                if piece == "[":
                    place.append(0)
                expects_key = piece == "{"
            line += piece.count("\n")


_SHORT_FORMS: Final = frozenset(
    {
        "And",
        "Base64",
        "Cidr",
        "Contains",
        "EachMemberEquals",
        "EachMemberIn",
        "Equals",
        "FindInMap",
        "ForEach",
        "GetAZs",
        "GetAtt",
        "GetStackOutput",
        "If",
        "ImportValue",
        "Join",
        "Length",
        "Not",
        "Or",
        "RefAll",
        "Select",
        "Split",
        "Sub",
        "ToJsonString",
        "Transform",
        "ValueOf",
        "ValueOfAll",
    }
)
"""Functions that YAML may write as a tag, such as `!Sub`; `!Ref` and `!Condition` besides.

https://docs.aws.amazon.com/AWSCloudFormation/latest/TemplateReference/intrinsic-function-reference.html
"""

_YAML = "tag:yaml.org,2002:"
_PLAIN_TAGS: Final = frozenset(
    f"{_YAML}{name}" for name in ("str", "int", "float", "bool", "null", "map", "seq")
)


class _Resolver(Resolver):
    """Which plain texts are numbers, booleans or nothing; a date stays a text."""

    yaml_implicit_resolvers = {  # noqa: RUF012 - PyYAML's own way
        first: [each for each in found if each[0] in _PLAIN_TAGS]
        for first, found in Resolver.yaml_implicit_resolvers.items()
    }


class _Open:
    """A list or mapping whose end was not met yet."""

    def __init__(self, *, value: dict[str, Any] | list[Any], short: str | None) -> None:
        self.value = value
        self.short = short
        self.key: str | None = None


def _line(event: yaml.Event) -> int:
    return event.start_mark.line + 1 if event.start_mark else 1


class _YamlReader:
    """Builds plain values from PyYAML's events, which come without recursion."""

    def __init__(self, name: str) -> None:
        self._name = name
        self.lines: dict[Place, int] = {}
        self._construct = SafeConstructor()
        self._resolver = _Resolver()
        self._open: list[_Open] = []
        self._place: list[str | int] = []
        self._roots: list[Any] = []

    def read(self, text: str) -> Any:  # noqa: ANN401 - any YAML
        try:
            for event in yaml.parse(text, Loader=yaml.CSafeLoader):
                self._take(event)
        except yaml.MarkedYAMLError as error:
            line = error.problem_mark.line + 1 if error.problem_mark else 1
            raise UnreadableError(
                f"no YAML: {error.problem}",
                fix="correct it there",
                where={"file": self._name, "line": line},
            ) from error
        except yaml.YAMLError as error:
            raise UnreadableError(
                f"no YAML: {str(error).splitlines()[0]}",
                fix="correct it",
                where={"file": self._name},
            ) from error
        if len(self._roots) != 1:
            raise UnreadableError(
                f"expected one YAML document, found {len(self._roots)}",
                fix="write one template to a file",
                where={"file": self._name},
            )
        return self._roots[0]

    def _refuse(self, event: yaml.Event, message: str, fix: str) -> NoReturn:
        raise UnreadableError(message, fix=fix, where={"file": self._name, "line": _line(event)})

    def _take(self, event: yaml.Event) -> None:
        match event:
            case yaml.AliasEvent():
                self._refuse(
                    event,
                    f"the alias *{str(event.anchor)[:80]}: CloudFormation takes no aliases",
                    "write the value out where it is used",
                )
            case yaml.ScalarEvent():
                if self._awaits_key():
                    self._take_key(event)
                else:
                    self._take_scalar(event)
            case yaml.MappingStartEvent() | yaml.SequenceStartEvent():
                self._begin(event)
            case yaml.MappingEndEvent() | yaml.SequenceEndEvent():
                done = self._open.pop()
                if done.short is not None:
                    self._place.pop()
                if isinstance(done.value, list):
                    self._place.pop()
                self._close()

    def _awaits_key(self) -> bool:
        here = self._open[-1] if self._open else None
        return here is not None and isinstance(here.value, dict) and here.key is None

    def _take_key(self, event: yaml.ScalarEvent) -> None:
        here = self._open[-1]
        key = event.value
        if key == "<<" and event.implicit[0]:
            self._refuse(
                event,
                "the merge key <<: CloudFormation takes no hash merges",
                "write the merged keys out",
            )
        if key in here.value:
            self._refuse(
                event, f"the key {key[:80]!r} stands twice in one mapping", "remove one of them"
            )
        here.key = key
        self._place.append(key)
        self.lines[tuple(self._place)] = _line(event)

    def _take_scalar(self, event: yaml.ScalarEvent) -> None:
        self.lines.setdefault(tuple(self._place), _line(event))
        short = self._short_form(event)
        if short is None:
            self._put(self._scalar(event))
        elif short == "Fn::GetAtt":
            self._put({short: event.value.split(".", maxsplit=1)})
        else:
            self._put({short: event.value})
        self._close()

    def _begin(self, event: yaml.MappingStartEvent | yaml.SequenceStartEvent) -> None:
        if self._awaits_key():
            self._refuse(event, "a key that is no text", "write a name before the colon")
        # A short form of a list counts twice: it becomes a mapping with a list.
        if len(self._open) >= MAX_DEPTH - 1:
            raise _too_deep(self._name, _line(event))
        self.lines.setdefault(tuple(self._place), _line(event))
        short = self._short_form(event)
        value: dict[str, Any] | list[Any] = {} if isinstance(event, yaml.MappingStartEvent) else []
        self._put(value if short is None else {short: value})
        if short is not None:
            self._place.append(short)
        if isinstance(value, list):
            self._place.append(0)
        self._open.append(_Open(value=value, short=short))

    def _put(self, value: object) -> None:
        if not self._open:
            self._roots.append(value)
            return
        here = self._open[-1]
        if isinstance(here.value, list):
            here.value.append(value)
        else:
            here.value[str(here.key)] = value

    def _close(self) -> None:
        """What comes after a whole value: the next key, or the next place of the list."""
        if not self._open:
            return
        here = self._open[-1]
        if isinstance(here.value, list):
            self._place[-1] = len(here.value)
        else:
            here.key = None
            self._place.pop()

    def _short_form(self, event: Any) -> str | None:  # noqa: ANN401 - three kinds of event
        tag = event.tag
        if tag is None or tag in _PLAIN_TAGS or tag == "!":
            return None
        name = str(tag.removeprefix("!"))
        if tag in {"!Ref", "!Condition"}:
            return name
        if tag.startswith("!") and name in _SHORT_FORMS:
            return f"Fn::{name}"
        return self._refuse(
            event,
            f"the tag {tag[:80]!r} is none of CloudFormation's",
            f"use one of !Ref, !Condition, !{', !'.join(sorted(_SHORT_FORMS))}",
        )

    def _scalar(self, event: yaml.ScalarEvent) -> Any:  # noqa: ANN401 - any scalar
        tag = event.tag
        if tag in {None, "!"}:
            if not event.implicit[0]:
                return event.value
            tag = self._resolver.resolve(yaml.ScalarNode, event.value, (True, False))  # type: ignore[no-untyped-call] # PyYAML's stubs leave it out
        try:
            return self._constructed(tag.removeprefix(_YAML), event.value)
        except (ConstructorError, ValueError, KeyError, IndexError, OverflowError):
            self._refuse(
                event, f"{event.value[:80]!r} is not what its tag says", "correct it there"
            )

    def _constructed(self, kind: str, text: str) -> Any:  # noqa: ANN401 - any scalar
        node = yaml.ScalarNode(_YAML + kind, text)
        match kind:
            case "int":
                return self._construct.construct_yaml_int(node)
            case "float":
                number = self._construct.construct_yaml_float(node)
                # JSON, and so CloudFormation, has neither infinities nor what is no number.
                return number if math.isfinite(number) else text
            case "bool":
                return self._construct.construct_yaml_bool(node)
            case "null":
                return None
        return text
