"""The template properties that no provisioner ever looks at.

MiniStack validates no schema: a property it does not know reaches CREATE_COMPLETE without a word.
Every handler gets its properties wrapped so that what it reads is written down; what it never
reads ends up in a file, by resource type, and the rehearsal compares that with a short list of
accepted ones.

A dictionary that a handler passes on whole counts as read; a key is reported when the handler
looked for some of its siblings by name and never for it.
"""

from __future__ import annotations

import copy
import json
import threading
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from ministack.services.cloudformation import provisioners

from rehearsal.emulator.cloudformation.handlers import HANDLERS, Handler

_METADATA = "AWS::CDK::Metadata"
_NOT_OURS = "CDKToolkit"
"""The CDK's bootstrap stack."""


class Record:
    """What was offered to a type's handlers, and what they read: paths like `Rules[].Status`."""

    def __init__(self) -> None:
        self.offered: set[str] = set()
        self.read: set[str] = set()
        self.opened: set[str] = set()
        """Dictionaries whose keys were looked up one by one."""
        self.whole: set[str] = set()
        """Dictionaries that were copied or iterated."""

    def ignored(self) -> list[str]:
        """Paths that a handler passed by."""

        def parent(path: str) -> str:
            return path.rpartition(".")[0]

        def is_inside_whole(path: str) -> bool:
            while path:
                path = parent(path)
                if path in self.whole:
                    return True
            return False

        missed = {
            path
            for path in self.offered - self.read
            if parent(path) in self.opened and not is_inside_whole(path)
        }
        return sorted(path for path in missed if parent(path) not in missed)


class _Call:
    """One call of a handler: only what its own thread looks up while it lasts is the handler's.

    The emulator keeps the dictionaries and looks at them later, while it runs a function, and
    that may be while the handler of another resource of the type is at work.
    """

    def __init__(self, record: Record) -> None:
        self.record = record
        self._thread: int | None = threading.get_ident()

    def end(self) -> None:
        self._thread = None

    @property
    def is_looking(self) -> bool:
        return self._thread == threading.get_ident()


class _Watched(dict[str, Any]):
    """A dictionary that notes which of its keys are looked up."""

    def __init__(self, content: dict[str, Any], call: _Call, path: str = "") -> None:
        super().__init__(content)
        self._call = call
        self._record = record = call.record
        self._path = path
        record.offered.update(self._child(key) for key in content)

    def is_of(self, call: _Call) -> bool:
        """Return whether this is watched for that call, and not for one that is over."""
        return self._call is call

    def _child(self, key: object) -> str:
        return f"{self._path}.{key}" if self._path else str(key)

    def _note(self, key: object) -> None:
        if not self._call.is_looking:
            return
        self._record.opened.add(self._path)
        self._record.read.add(self._child(key))

    def _note_all(self) -> None:
        if not self._call.is_looking:
            return
        self._record.whole.add(self._path)
        self._record.read.update(self._child(key) for key in self.keys())

    def _wrap(self, key: object, value: Any) -> Any:
        return _watched(value, self._call, self._child(key))

    def __getitem__(self, key: str) -> Any:
        self._note(key)
        return self._wrap(key, super().__getitem__(key))

    def get(self, key: str, default: Any = None) -> Any:
        self._note(key)
        return self._wrap(key, super().get(key, default))

    def __contains__(self, key: object) -> bool:
        self._note(key)
        return super().__contains__(key)

    def pop(self, key: str, *default: Any) -> Any:
        self._note(key)
        return super().pop(key, *default)

    def items(self) -> Any:
        self._note_all()
        return super().items()

    def values(self) -> Any:
        self._note_all()
        return super().values()

    def copy(self) -> dict[str, Any]:
        self._note_all()
        return dict(super().items())

    def __iter__(self) -> Iterator[str]:
        self._note_all()
        return super().__iter__()

    def __deepcopy__(self, memo: dict[int, Any]) -> dict[str, Any]:
        self._note_all()
        return copy.deepcopy(dict(super().items()), memo)

    def __reduce__(self) -> Any:
        self._note_all()
        return (dict, (dict(super().items()),))


def _watched(value: Any, call: _Call, path: str) -> Any:
    if isinstance(value, dict) and not (isinstance(value, _Watched) and value.is_of(call)):
        return _Watched(value, call, path)
    if isinstance(value, list) and any(isinstance(entry, dict) for entry in value):
        return [_watched(entry, call, f"{path}[]") for entry in value]
    return value


class Ledger:
    """The records of all types, written to a file after every resource."""

    def __init__(self, file: Path) -> None:
        self._file = file
        self._records: dict[str, Record] = {}
        self._lock = threading.Lock()
        self._write()

    def _record(self, resource_type: str) -> Record:
        with self._lock:
            return self._records.setdefault(resource_type, Record())

    def _write(self) -> None:
        with self._lock:
            found = {
                resource_type: record.ignored()
                for resource_type, record in sorted(self._records.items())
                if resource_type != _METADATA and record.ignored()
            }
            self._file.write_text(json.dumps(found, indent=1) + "\n", encoding="utf-8")

    def watch(self, resource_type: str, handler: Handler) -> None:
        """Wrap the properties given to a handler's create, update and delete."""

        def watching(function: Callable[..., Any], positions: tuple[int, ...]) -> Any:
            def watched(*arguments: Any, **named: Any) -> Any:
                if _NOT_OURS in arguments:
                    return function(*arguments, **named)
                call = _Call(self._record(resource_type))
                given = [
                    _Watched(value or {}, call) if place in positions else value
                    for place, value in enumerate(arguments)
                ]
                try:
                    return function(*given, **named)
                finally:
                    call.end()
                    self._write()

            return watched

        # create(logical_id, properties, …), update(id, old, new, …), delete(id, properties, …)
        for verb, positions in (("create", (1,)), ("update", (1, 2)), ("delete", (1,))):
            if verb in handler:
                handler[verb] = watching(handler[verb], positions)


def install(file: Path) -> None:
    """Watch every handler, tag handling included. Must come after all other extensions."""
    ledger = Ledger(file)
    for resource_type, handler in HANDLERS.items():
        ledger.watch(resource_type, handler)
    # Stack tags are merged into the properties before a handler sees them.
    assert provisioners._RESOURCE_HANDLERS is HANDLERS  # noqa: S101 - one table, or nothing is watched
