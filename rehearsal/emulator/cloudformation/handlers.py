"""MiniStack's table of resource handlers, and ways to put something before or after one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import Any

from ministack.services.cloudformation import provisioners

Properties = dict[str, Any]
Handler = dict[str, Any]
HANDLERS: dict[str, Handler] = provisioners._RESOURCE_HANDLERS


class RefusedError(ValueError):
    """A service refuses what CloudFormation asks of it; the text becomes the event's reason."""


def before(
    resource_type: str, check: Callable[[str, Properties, str], None], *, on_update: bool = True
) -> None:
    """Run `check(logical_id, properties, stack_name)` before a resource is made or changed.

    Args:
        resource_type: `AWS::KMS::Key`.
        check: raises `RefusedError` to refuse.
        on_update: False for refusals that only a creation meets.
    """
    handler = HANDLERS[resource_type]
    create: Any = handler["create"]
    update: Any = handler.get("update")

    def checked_create(logical_id: str, properties: Properties, stack_name: str) -> Any:
        check(logical_id, properties, stack_name)
        return create(logical_id, properties, stack_name)

    def checked_update(
        physical_id: str, old: Properties, new: Properties, stack_name: str, *rest: Any
    ) -> Any:
        check(rest[0] if rest else physical_id, new, stack_name)
        return update(physical_id, old, new, stack_name, *rest)

    handler["create"] = checked_create
    if update and on_update:
        handler["update"] = checked_update


def after(resource_type: str, apply: Callable[[str, Properties], None]) -> None:
    """Run `apply(physical_id, properties)` after a resource was made or changed."""
    handler = HANDLERS[resource_type]
    create: Any = handler["create"]
    update: Any = handler.get("update")

    def applied_create(logical_id: str, properties: Properties, stack_name: str) -> Any:
        made = create(logical_id, properties, stack_name)
        apply(made[0], properties)
        return made

    def applied_update(
        physical_id: str, old: Properties, new: Properties, stack_name: str, *rest: Any
    ) -> Any:
        made = update(physical_id, old, new, stack_name, *rest)
        apply(made[0], new)
        return made

    handler["create"] = applied_create
    if update:
        handler["update"] = applied_update


def before_delete(resource_type: str, check: Callable[[str, Properties], None]) -> None:
    """Run `check(physical_id, properties)` before a resource is deleted."""
    handler = HANDLERS[resource_type]
    delete = handler["delete"]

    def checked_delete(physical_id: str, properties: Properties, *rest: Any) -> Any:
        check(physical_id, properties)
        return delete(physical_id, properties, *rest)

    handler["delete"] = checked_delete


def around_delete(resource_type: str, steps: Callable[[str, Properties], Iterator[None]]) -> None:
    """Run `steps(physical_id, properties)`, a generator, around a resource's deletion.

    It yields once, and the resource is deleted then.
    """
    handler = HANDLERS[resource_type]
    delete = handler["delete"]
    surrounding = contextmanager(steps)

    def surrounded_delete(physical_id: str, properties: Properties, *rest: Any) -> Any:
        with surrounding(physical_id, properties):
            return delete(physical_id, properties, *rest)

    handler["delete"] = surrounded_delete
