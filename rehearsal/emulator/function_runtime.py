"""How functions run: Python on a bare interpreter, Node with a small EC2 client, no long waits.

A Python function gets the interpreter this environment was made from, without the emulator's own
packages, so that an asset that forgot a dependency fails here too. Node functions of the CDK
library `require('@aws-sdk/client-ec2')`, which Lambda's runtime has and MiniStack does not. The
submitter tries again for a minute while permissions spread through AWS; here they hold at once. An
error is told by its own class, as on AWS, and the end of a process as `Runtime.ExitError`: a state
machine goes by that. A function is deleted when its calls have ended: on AWS a call that is under
way then fails unheard. Code is unpacked once and not for each process that runs it, nor compiled
again by each.
"""

from __future__ import annotations

import hashlib
import os
import sys
import tempfile
import threading
import time
import zipfile
from pathlib import Path
from typing import Any

from ministack.core import lambda_runtime
from ministack.services import lambda_svc
from ministack.services.cloudformation import stacks

from rehearsal.emulator.cloudformation.handlers import before_delete

_NODE_MODULES = Path(__file__).parent / "node"
_PATIENCE = "PROPAGATION_SECONDS"
_original = lambda_runtime._detect_runtime_binary
_original_spawn = lambda_runtime.Worker._spawn
_original_execute = lambda_svc._execute_function
_original_thread = stacks._runs_on_worker_thread
_LONGEST_CALL = 60.0
_INTERVAL = 0.02


def bare_python() -> str:
    """Path of the interpreter outside any virtual environment."""
    return str(Path(sys.base_prefix) / "bin" / f"python{sys.version_info[0]}.{sys.version_info[1]}")


def _binary(runtime: str) -> tuple[str, str]:
    binary, worker = _original(runtime)
    return (bare_python() if runtime.startswith("python") else binary), worker


def without_patience(config: dict[str, Any]) -> dict[str, Any]:
    """A function's configuration with no time to wait for permissions to spread."""
    variables = (config.get("Environment") or {}).get("Variables") or {}
    if _PATIENCE not in variables:
        return config
    return {**config, "Environment": {"Variables": {**variables, _PATIENCE: "0"}}}


def _spawn(worker: Any) -> None:
    deployed = worker.config
    worker.config = without_patience(deployed)
    try:
        _original_spawn(worker)
    finally:
        worker.config = deployed


class SharedArchive(zipfile.ZipFile):
    """An archive that is unpacked once; whoever unpacks it again gets a link to the same folder."""

    # Not `_lock`: an archive has one of that name for itself.
    _unpacking = threading.Lock()

    def extractall(self, path: Any = None, members: Any = None, pwd: bytes | None = None) -> None:
        """Put a link to the unpacked archive in the place of the empty folder `path`."""
        digest = hashlib.sha256(Path(str(self.filename)).read_bytes()).hexdigest()
        shared = Path(tempfile.gettempdir()) / f"code-{digest[:16]}"
        with self._unpacking:
            if not shared.exists():
                unfinished = shared.with_suffix(".new")
                super().extractall(unfinished, members, pwd)
                unfinished.rename(shared)
        folder = Path(path)
        folder.rmdir()
        folder.symlink_to(shared, target_is_directory=True)


class _Archives:
    """The module `zipfile` as the functions' runtime sees it."""

    ZipFile = SharedArchive
    BadZipFile = zipfile.BadZipFile
    LargeZipFile = zipfile.LargeZipFile
    # MiniStack names the class so, in a clause that is looked at when unpacking a layer fails.
    LargeFileError = zipfile.LargeZipFile


def error_type(*, message: str, log: str) -> str | None:
    """The `errorType` of a failed call, None where MiniStack's is as good as any.

    Args:
        message: what MiniStack has as the error's message.
        log: the call's log; a Python function's ends with the traceback.
    """
    if message == "Worker process died":
        return "Runtime.ExitError"
    _, found, trace = log.rpartition("Traceback (most recent call last):\n")
    if not found:
        return None
    last = next((line for line in trace.splitlines() if line and not line[0].isspace()), "")
    name = last.partition(":")[0].rpartition(".")[2]
    return name if name.isidentifier() else None


def _execute(*arguments: Any, **named: Any) -> Any:
    answer = _original_execute(*arguments, **named)
    body = answer.get("body") if answer.get("error") else None
    if isinstance(body, dict) and body.get("errorType") == "Runtime.HandlerError":
        found = error_type(message=str(body["errorMessage"]), log=str(answer.get("log") or ""))
        body["errorType"] = found or body["errorType"]
    return answer


def _is_busy(name: str) -> bool:
    record = lambda_svc._functions.get(name)
    if record is None:
        return False
    with lambda_svc._inflight_lock:
        return bool(lambda_svc._inflight.get(lambda_svc._inflight_key(record["config"])))


def _wait_for_calls(name: str, properties: dict[str, Any]) -> None:
    deadline = time.monotonic() + _LONGEST_CALL
    while _is_busy(name) and time.monotonic() < deadline:
        time.sleep(_INTERVAL)


def _on_a_thread(resource_type: str) -> bool:
    """Whether a resource is made and deleted beside the loop that answers calls."""
    return resource_type == "AWS::Lambda::Function" or bool(_original_thread(resource_type))


def install() -> None:
    """Run functions this way from now on."""
    before_delete("AWS::Lambda::Function", _wait_for_calls)
    stacks._runs_on_worker_thread = _on_a_thread
    lambda_runtime.Worker._spawn = _spawn
    lambda_runtime._detect_runtime_binary = _binary
    lambda_svc._execute_function = _execute
    lambda_runtime.zipfile = _Archives
    os.environ["NODE_PATH"] = str(_NODE_MODULES)
    # A function must not find the packages of the person's own site directory either.
    os.environ["PYTHONNOUSERSITE"] = "1"
