"""EventBridge Scheduler: who may make a schedule, and firing it under its own role.

MiniStack takes any caller, role and key, and can call functions, queues and topics. Here a
schedule's role must trust the service and be passed, its key must open for who makes it and for the
role, and a one-time schedule calls an operation of Bedrock in its role's name when the account's
time has come. Other kinds of schedules are refused: this app has none.
https://docs.aws.amazon.com/scheduler/latest/UserGuide/managing-targets-universal.html
https://docs.aws.amazon.com/scheduler/latest/UserGuide/security_iam_id-based-policies.html
"""

from __future__ import annotations

import datetime
import json
import logging
import re
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

from ministack.core import iam_actions
from ministack.core.responses import get_account_id, get_region, request_scope
from ministack.core.router import extract_access_key_id
from ministack.services import kms, scheduler

from rehearsal.bedrock_semantics.errors import (
    ConflictError,
    NotFoundError,
    ServiceError,
    ValidationError,
)
from rehearsal.emulator import clock, principals, refusals
from rehearsal.emulator.decisions import require, why_denied
from rehearsal.emulator.errors import AccessDeniedError, NothingThereError

_log = logging.getLogger("rehearsal")
_SERVICE = "scheduler.amazonaws.com"
_TICK_SECONDS = 0.5
_RETRY_SECONDS = 2.0
_MOST_RETRIES = 5
"""AWS tries again for a day, less and less often; a rehearsal has no day."""
_ONCE = re.compile(r"at\((\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d)\)")
_TARGET = re.compile(r"arn:[^:]+:scheduler:::aws-sdk:(?P<service>[a-z0-9]+):(?P<action>\w+)")
_READS = ("get", "list", "describe", "invokeModel")
"""Prefixes that Scheduler has no targets for."""
_SCHEDULE_PATH = re.compile(r"/schedules/(?P<name>[^/]+)")

Operation = Callable[[principals.Caller, Mapping[str, Any]], None]
"""Serves a target for a caller; raises ServiceError."""

_original_handle = scheduler.handle_request
_original_resource = iam_actions.extract_resource_arn


@dataclass(frozen=True, kw_only=True)
class Targets:
    """The operations that schedules may call here, by service and by name in camelCase."""

    operations: Mapping[tuple[str, str], Operation]

    def find(self, arn: str) -> Operation:
        """The operation of a universal target.

        Raises:
            ValidationError: it is none, or one the service or the rehearsal does not know.
        """
        match = _TARGET.fullmatch(arn)
        if match is None:
            raise ValidationError(
                f"Provided Arn is not in correct format: {arn} (the rehearsal knows universal "
                "targets, arn:PARTITION:scheduler:::aws-sdk:SERVICE:OPERATION)"
            )
        if match["action"].startswith(_READS):
            raise ValidationError(f"The operation {match['action']} is not supported as a target")
        found = self.operations.get((match["service"], match["action"]))
        if found is None:
            known = ", ".join(":".join(key) for key in self.operations)
            raise ValidationError(f"{arn} is not a supported target; the rehearsal knows: {known}")
        return found


def parameters_of(text: str) -> dict[str, Any]:
    """A target's `Input` as the API's parameters; their names begin with a capital letter there.

    Raises:
        ValidationError: it is no JSON object, or a name begins otherwise.
    """
    try:
        given = json.loads(text)
    except json.JSONDecodeError as error:
        raise ValidationError(f"Input is not well-formed JSON: {error}") from error
    if not isinstance(given, dict) or not all(name[:1].isupper() for name in given):
        raise ValidationError(f"Input must be an object with names in PascalCase: {text}")
    return {name[0].lower() + name[1:]: value for name, value in given.items()}


def time_of(expression: str) -> datetime.datetime:
    """When a one-time schedule is due.

    Raises:
        ValidationError: it is another expression, or no time.
    """
    match = _ONCE.fullmatch(expression)
    try:
        if match is not None:
            found = datetime.datetime.fromisoformat(match[1])
            return found.replace(tzinfo=datetime.UTC)
    except ValueError as error:
        raise ValidationError(f"Invalid Schedule Expression {expression}: {error}") from error
    raise ValidationError(
        f"Invalid Schedule Expression {expression}: the rehearsal knows at(yyyy-mm-ddThh:mm:ss)"
    )


def _schedule_arn(group: str, name: str) -> str:
    return f"arn:aws:scheduler:{get_region()}:{get_account_id()}:schedule/{group}/{name}"


def _trust_keys(group: str) -> dict[str, str]:
    # The group's ARN and not the schedule's, as the guide's confused-deputy example has it.
    arn = f"arn:aws:scheduler:{get_region()}:{get_account_id()}:schedule-group/{group}"
    return {"aws:SourceAccount": get_account_id(), "aws:SourceArn": arn}


def _check(caller: principals.Caller, name: str, body: Mapping[str, Any], targets: Targets) -> None:
    """What Scheduler looks at before it takes a schedule.

    Raises:
        ServiceError: the first thing that is wrong.
    """
    group, target = str(body.get("GroupName", "default")), body.get("Target") or {}
    time_of(str(body.get("ScheduleExpression", "")))
    if body.get("ScheduleExpressionTimezone", "UTC") != "UTC":
        raise ValidationError("the rehearsal knows schedules in UTC alone")
    if (body.get("FlexibleTimeWindow") or {}).get("Mode") != "OFF":
        raise ValidationError("the rehearsal knows schedules without a flexible window alone")
    targets.find(str(target.get("Arn", "")))
    parameters_of(str(target.get("Input", "")))
    role_arn = str(target.get("RoleArn", ""))
    passed = {"iam:PassedToService": _SERVICE}
    require(caller=caller, action="iam:PassRole", resource=role_arn, keys=passed)
    if not principals.trusts_service(role_arn=role_arn, service=_SERVICE, keys=_trust_keys(group)):
        raise ValidationError(
            "The execution role you provide must allow AWS EventBridge Scheduler to assume the "
            f"role: {role_arn}"
        )
    key = body.get("KmsKeyArn")
    if key:
        record = kms._resolve_key(key)
        if record is None or record.get("KeyState", "Enabled") != "Enabled":
            raise ValidationError(f"The KMS key {key} does not exist or is not enabled")
        for action in ("kms:DescribeKey", "kms:GenerateDataKey", "kms:Decrypt"):
            require(
                caller=caller,
                action=action,
                resource=record["Arn"],
                keys={
                    "kms:ViaService": f"scheduler.{get_region()}.amazonaws.com",
                    **_encryption_keys(group, name),
                },
            )


def _encryption_keys(group: str, name: str) -> dict[str, str]:
    return {
        "kms:CallerAccount": get_account_id(),
        "kms:EncryptionContext:aws:scheduler:schedule:arn": _schedule_arn(group, name),
    }


def _handler(targets: Targets) -> Any:
    async def handle(
        method: str,
        path: str,
        headers: dict[str, str],
        body: bytes,
        query_params: dict[str, Any],
    ) -> Any:
        match = _SCHEDULE_PATH.fullmatch(path)
        if match and method in ("POST", "PUT"):
            caller = principals.resolve(extract_access_key_id(headers, query_params) or "")
            try:
                if isinstance(caller, principals.Caller):
                    _check(caller, unquote(match["name"]), json.loads(body or b"{}"), targets)
            except ServiceError as error:
                refusals.record(where="scheduler", reason=f"{path}: {error.code}: {error.message}")
                return scheduler._error(error.status, error.code, error.message)
        return await _original_handle(method, path, headers, body, query_params)

    return handle


def resource_of(path: str, body: bytes, query: Mapping[str, Any]) -> str | None:
    """ARN that a call about one schedule is decided on; MiniStack leaves the group out."""
    match = _SCHEDULE_PATH.fullmatch(path)
    if match is None:
        return None
    try:
        group = json.loads(body or b"{}").get("GroupName")
    except (ValueError, AttributeError):
        group = None
    if group is None:
        given = query.get("groupName") or "default"
        group = given[0] if isinstance(given, list) else given
    return _schedule_arn(str(group), unquote(match["name"]))


def _resource_arn(
    service: str,
    method: str,
    path: str,
    headers: Any,
    body: bytes,
    query_params: Any,
    region: str,
    account_id: str,
) -> Any:
    if service == "scheduler":
        found = resource_of(path, body, query_params)
        if found is not None:
            return found
    return _original_resource(
        service, method, path, headers, body, query_params, region, account_id
    )


class _Clock:
    """Fires what is due, and what failed again."""

    def __init__(self, targets: Targets) -> None:
        self._targets = targets
        self._tried: dict[Any, tuple[int, float]] = {}
        """How often each was tried, and when last; one that was changed is another."""

    def tick(self) -> None:
        """Fire every schedule whose time has come, once for each try that it has left."""
        now = clock.now()
        for place, schedule in list(scheduler._schedules._data.items()):
            account, region, _ = place
            key = (place, schedule["LastModificationDate"])
            tries, last = self._tried.get(key, (0, -_RETRY_SECONDS))
            if schedule.get("State") != "ENABLED" or time.monotonic() - last < _RETRY_SECONDS:
                continue
            if tries > _MOST_RETRIES or time_of(schedule["ScheduleExpression"]) > now:
                continue
            with request_scope(account, region):
                done = self._fire(schedule)
            self._tried[key] = (tries + 1, time.monotonic())
            if done and schedule.get("ActionAfterCompletion") == "DELETE":
                scheduler._schedules._data.pop(place, None)
                self._tried.pop(key, None)
            elif done:
                self._tried[key] = (_MOST_RETRIES + 1, time.monotonic())

    def _fire(self, schedule: Mapping[str, Any]) -> bool:
        """Call the target in the role's name; return whether that is over and done with."""
        group, name, target = schedule["GroupName"], schedule["Name"], schedule["Target"]
        arn, role_arn = _schedule_arn(group, name), target["RoleArn"]
        try:
            keys = _trust_keys(group)
            if not principals.trusts_service(role_arn=role_arn, service=_SERVICE, keys=keys):
                raise AccessDeniedError(f"{_SERVICE} cannot assume {role_arn}")
            role = principals.session_of_role(role_arn=role_arn, session_name=name[:64])
            _check_payload_key(role, schedule)
            self._targets.find(target["Arn"])(role, parameters_of(target["Input"]))
        except (NotFoundError, NothingThereError) as error:
            # What it would remove is gone: nothing to try again, and no mistake.
            _log.info("schedule %s: %s", arn, error.message)
        except ConflictError as error:
            # Not yet: it is still being made, for one.
            _log.info("schedule %s: %s", arn, error.message)
            return False
        except ServiceError as error:
            refusals.record(where="scheduler", reason=f"{arn}: {error.code}: {error.message}")
            return False
        return True


def _check_payload_key(role: principals.Caller, schedule: Mapping[str, Any]) -> None:
    """Refuse unless the role opens the key of the schedule's payload.

    Raises:
        AccessDeniedError: with AWS's sentence.
    """
    record = kms._resolve_key(schedule.get("KmsKeyArn"))
    if record is None:
        return
    denied = why_denied(
        caller=role,
        action="kms:Decrypt",
        resource=record["Arn"],
        keys=_encryption_keys(schedule["GroupName"], schedule["Name"]),
    )
    if denied:
        raise AccessDeniedError(denied)


def install(targets: Targets) -> None:
    """Take and fire schedules this way from now on."""
    ticking = _Clock(targets)

    def loop() -> None:
        while True:
            time.sleep(_TICK_SECONDS)
            try:
                ticking.tick()
            except Exception:
                _log.exception("the clock of schedules")

    scheduler.handle_request = _handler(targets)
    scheduler._ticker_loop = loop
    iam_actions.extract_resource_arn = _resource_arn
