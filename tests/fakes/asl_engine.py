"""Runs state machines with MiniStack's own engine; started by the emulator's Python.

Reads one order a line from standard input, `{"definition", "input", "name"}`, and writes one line
for each task, `{"resource", "arguments"}`, whose outcome comes back as a line, `{"result"}` or
`{"error", "cause"}`; at the end one line, `{"status", "output", "error", "cause", "path"}`. Nothing
is waited for: what would have been is counted.
"""

from __future__ import annotations

import json
import sys
from typing import Any

from ministack.services import stepfunctions as engine

MACHINE = "arn:aws:states:us-east-1:000000000000:stateMachine:made"


def say(line: dict[str, Any]) -> None:
    """Write one line to whoever drives."""
    sys.stdout.write(json.dumps(line) + "\n")
    sys.stdout.flush()


def call(resource: str, arguments: Any) -> Any:  # noqa: ANN401 - JSON
    """Have whoever drives do a task."""
    say({"resource": resource, "arguments": arguments})
    outcome = json.loads(sys.stdin.readline())
    if "error" in outcome:
        raise engine._ExecutionError(outcome["error"], outcome["cause"])
    return outcome["result"]


def run(order: dict[str, Any]) -> dict[str, Any]:
    """Run one execution to its end."""
    waited: list[float] = []
    engine._scaled_sleep = waited.append
    engine._invoke_resource = call
    engine.time.sleep = lambda _: None
    engine._emit_execution_status_event = lambda _: None
    engine._state_machines[MACHINE] = {
        "name": "made",
        "definition": json.dumps(order["definition"]),
    }
    arn = f"arn:aws:states:us-east-1:000000000000:execution:made:{order['name']}"
    execution: dict[str, Any] = {
        "executionArn": arn,
        "stateMachineArn": MACHINE,
        "name": order["name"],
        "status": "RUNNING",
        "startDate": engine.now_iso(),
        "input": json.dumps(order["input"]),
        "output": None,
        "events": [],
    }
    engine._executions[arn] = execution
    engine._run_execution(arn)
    entered = [event for event in execution["events"] if event["type"].endswith("StateEntered")]
    return {
        "status": execution["status"],
        "output": json.loads(execution["output"] or "null"),
        "error": execution.get("error"),
        "cause": execution.get("cause"),
        "path": [event["stateEnteredEventDetails"]["name"] for event in entered],
        "kept": json.dumps(execution["events"]),
        "waited": waited,
    }


for order in sys.stdin:
    say(run(json.loads(order)))
