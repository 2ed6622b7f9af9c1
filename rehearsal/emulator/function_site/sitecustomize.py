"""Moves the clock of a function that runs in the emulator, by what a file says at that moment.

Python imports a module of this name when it starts. It is the only one a function finds here.
"""

import datetime
import os
import time

_FILE = os.environ.pop("REHEARSAL_CLOCK_FILE", "")
_real_datetime = datetime.datetime
_real_time = time.time


def _offset() -> float:
    try:
        with open(_FILE, encoding="utf-8") as file:
            return float(file.read())
    except (OSError, ValueError):
        return 0.0


class _Kind(type):
    """Lets what was made before, or by C code, be an instance too."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, _real_datetime)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return issubclass(subclass, _real_datetime)


class _MovedDatetime(_real_datetime, metaclass=_Kind):
    """`datetime.datetime` whose present is ahead."""

    @classmethod
    def now(cls, tz: datetime.tzinfo | None = None) -> "_MovedDatetime":
        return cls.fromtimestamp(_real_time() + _offset(), tz)

    @classmethod
    def utcnow(cls) -> "_MovedDatetime":
        return cls.now(datetime.timezone.utc).replace(tzinfo=None)  # noqa: UP017 - of Lambda's Python


def _moved_time() -> float:
    return _real_time() + _offset()


if _FILE:
    datetime.datetime = _MovedDatetime  # type: ignore[misc]
    time.time = _moved_time
