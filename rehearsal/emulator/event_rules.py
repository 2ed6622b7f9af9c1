"""Rules of EventBridge that call functions: who may, and a shortened clock.

MiniStack calls a function whether or not its policy lets the rule, counts no invocation, and looks
at schedules every ten seconds. Here a schedule of minutes or more fires every two seconds, from
when the stack that made its rule is at rest: on AWS the first time is a whole interval later. It
waits for the call before, which on AWS has ended long ago: calls would pile up on a slow machine.
https://docs.aws.amazon.com/eventbridge/latest/userguide/eb-use-resource-based.html
"""

from __future__ import annotations

import contextvars
import json
import logging
import threading
import time
from collections import Counter
from collections.abc import Iterable
from typing import Any

from ministack.core.responses import get_account_id, request_scope
from ministack.services import cloudformation, eventbridge, lambda_svc

from rehearsal.emulator import refusals
from rehearsal.emulator.decisions import service_may

_log = logging.getLogger("rehearsal")
CLOCK_SECONDS = 2.0
"""How often a scheduled rule fires here."""
_TICK_SECONDS = 0.5
_RULE = "AWS::Events::Rule"

_busy: Counter[str] = Counter()
"""How many calls by rules a function has under way, by its ARN."""
_busy_lock = threading.Lock()

_original_dispatch = eventbridge._invoke_target


def why_function_refuses(*, function: dict[str, Any], rule_arn: str) -> str | None:
    """Why a rule may not call a function, None when it may."""
    arn = function["config"]["FunctionArn"]
    if service_may(
        policy=function.get("policy") or "{}",
        service="events.amazonaws.com",
        action="lambda:InvokeFunction",
        resource=arn,
        keys={"aws:SourceArn": rule_arn, "aws:SourceAccount": get_account_id()},
        account=get_account_id(),
    ):
        return None
    return f"no policy of the function {arn} lets the rule {rule_arn} invoke it"


def _dispatch(target: dict[str, Any], event: Any, rule: dict[str, Any], view: Any = None) -> Any:
    arn = str(target.get("Arn", ""))
    if ":lambda:" not in arn:
        return _original_dispatch(target, event, rule, view)
    function, _, name = lambda_svc._get_func_record_for_ref(arn)
    if function is None:
        refusals.record(
            where="event rule", reason=f"the rule {rule['Arn']} calls {name}, which is not there"
        )
        return None
    refused = why_function_refuses(function=function, rule_arn=rule["Arn"])
    if refused:
        refusals.record(where="event rule", reason=refused)
        return None
    return _original_dispatch(target, event, rule, view)


def _call(arn: str, payload: str) -> None:
    """Call a function as an event does, and count the call."""
    function, config, name = lambda_svc._get_func_record_for_ref(arn)
    if not function or not config:
        return
    record = lambda_svc._execution_record_for_config(function, config)
    event = json.loads(payload)

    def run() -> None:
        try:
            work()
        finally:
            with _busy_lock:
                _busy[arn] -= 1

    def work() -> None:
        began = time.time()
        answer = lambda_svc._execute_function_with_config_scope(record, event)
        failed = bool(answer.get("error"))
        lambda_svc._emit_lambda_metrics(
            name, duration_ms=(time.time() - began) * 1000, error=failed, throttle=False
        )
        if answer.get("log"):
            _log.info("function %s, called by a rule:\n%s", name, answer["log"])
        if failed:
            refusals.record(
                where="event rule", reason=f"the function {name} failed: {answer.get('body')}"
            )

    with _busy_lock:
        _busy[arn] += 1
    context = contextvars.copy_context()
    threading.Thread(target=context.run, args=(run,), daemon=True, name=f"rule-{name}").start()


def _is_waited_for(targets: Iterable[dict[str, Any]]) -> bool:
    """Whether one of the targets is at work for a rule."""
    with _busy_lock:
        return any(_busy[str(target.get("Arn"))] > 0 for target in targets)


def is_at_rest(rule_name: str) -> bool:
    """Whether no stack that holds the rule is being changed."""
    return not any(
        resource.get("ResourceType") == _RULE
        and resource.get("PhysicalResourceId") == rule_name
        and str(stack.get("StackStatus")).endswith("_IN_PROGRESS")
        for stack in list(cloudformation._stacks.values())
        for resource in list(stack.get("_resources", {}).values())
    )


class _Clock:
    """When each scheduled rule fired last, in MiniStack's place."""

    def __init__(self) -> None:
        self._fired: dict[Any, float] = {}

    def tick(self) -> None:
        """Let MiniStack fire the rules whose time has come, and no others."""
        now = time.time()
        for key, rule in list(eventbridge._rules._data.items()):
            if not rule.get("ScheduleExpression"):
                continue
            account, region, _ = key
            with request_scope(account, region):
                resting = is_at_rest(rule["Name"])
            waiting = _is_waited_for(eventbridge._targets._data.get(key, []))
            due = resting and not waiting and now - self._fired.get(key, 0.0) >= CLOCK_SECONDS
            # MiniStack compares its own note with the rule's interval.
            eventbridge._rule_last_fired[key] = 0.0 if due else now
            if due:
                self._fired[key] = now
        eventbridge._tick_scheduled_rules()


def _loop() -> None:
    clock = _Clock()
    while True:
        time.sleep(_TICK_SECONDS)
        try:
            clock.tick()
        except Exception:
            _log.exception("the schedule's clock")


def install() -> None:
    """Dispatch events and keep the clock this way from now on."""
    eventbridge._invoke_target = _dispatch
    eventbridge._dispatch_to_lambda = _call
    eventbridge._scheduler_loop = _loop
