"""Stages what the Lambda functions carry: build/functions/dependencies.zip, from the lock alone.

Installs locks/functions.txt with its hashes, keeps of botocore's data only the services and the
operations in `customization.calls`, and writes a zip whose bytes depend on nothing but the lock and
those tables. A function cannot make a call that the tables do not hold, and starts without reading
models of operations it never uses.
"""

import gzip
import importlib.util
import json
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from bedrock_finetuning.function_assets import MAX_ASSET_BYTES, write_zip
from customization.calls import EVERY_CALL, services

ROOT = Path(__file__).resolve().parent.parent
LOCK = ROOT / "locks" / "functions.txt"
TARGET = ROOT / "build" / "functions" / "dependencies.zip"
CALLS = tuple(call for calls in EVERY_CALL.values() for call in calls)

# Files beside the service folders that botocore's loader reads for any client.
_LOADER_FILES = frozenset(
    {"_retry.json", "endpoints.json", "partitions.json", "sdk-default-configuration.json"}
)
# Of a service's folder a client reads the model, its extras, the endpoint rules and the paginators.
_CLIENT_FILES = ("service-2", "endpoint-rule-set-1", "paginators-1")
# What botocore calls on its own: S3's client asks HeadBucket where a bucket is after a redirect.
_CLIENT_OPERATIONS = {"s3": {"HeadBucket"}}
_DROPPED_FOLDERS = frozenset({"__pycache__", "bin", "tests", "examples", "swagger_ui"})
_DROPPED_ROOTS = ("boto3/data", "boto3/examples")
_DROPPED_SUFFIXES = frozenset({".pyc", ".pyi", ".typed", ".rst"})


def main() -> int:
    """Stage the dependencies and say how large they are; 0 when they fit."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory() as folder:
        installed = Path(folder) / "packages"
        install(target=installed)
        TARGET.parent.mkdir(parents=True, exist_ok=True)
        fresh = Path(folder) / TARGET.name
        write_zip(target=fresh, files=kept_files(installed))
        size = fresh.stat().st_size
        if size > MAX_ASSET_BYTES:
            message = f"{TARGET.name} must be at most {MAX_ASSET_BYTES} bytes, got {size}"
            print(message, file=sys.stderr)
            return 1
        shutil.move(fresh, TARGET)
    print(f"{TARGET.relative_to(ROOT)}: {size} bytes in {time.monotonic() - started:.1f} s")
    return 0


def install(*, target: Path) -> None:
    """Install the functions' lock into a folder, by uv where it is, else by pip."""
    uv = Path(sys.executable).with_name("uv")
    options = ["--require-hashes", "--no-deps", "--target", str(target), "-r", str(LOCK)]
    if uv.is_file():
        command = [str(uv), "pip", "install", "--quiet", "--python", sys.executable, *options]
    elif importlib.util.find_spec("pip"):
        command = [sys.executable, "-m", "pip", "install", "--quiet", "--no-compile"]
        command += ["--disable-pip-version-check", *options]
    else:
        raise SystemExit("neither uv nor pip is in this environment: run make setup")
    subprocess.run(command, check=True)


def kept_files(installed: Path) -> Iterator[tuple[str, bytes]]:
    """Yield name and content of every installed file that the functions need."""
    for file in sorted(installed.rglob("*")):
        name = file.relative_to(installed).as_posix()
        if file.is_file() and is_kept(name) and not is_superseded(file):
            yield from pruned(name, file.read_bytes())


def is_kept(name: str) -> bool:
    """Return whether an installed file belongs in the zip: code, data, licences."""
    path = Path(name)
    parts = path.parts
    if parts[0].endswith(".dist-info"):
        return "LICENSE" in path.name.upper() or "NOTICE" in path.name.upper()
    if _DROPPED_FOLDERS.intersection(parts) or path.suffix in _DROPPED_SUFFIXES:
        return False
    if parts[:2] == ("botocore", "data"):
        return _is_kept_data(parts[2:])
    return not name.startswith(_DROPPED_ROOTS)


def _is_kept_data(parts: tuple[str, ...]) -> bool:
    if len(parts) == 1:
        return parts[0] in _LOADER_FILES
    return parts[0] in services(CALLS) and parts[-1].startswith(_CLIENT_FILES)


def is_superseded(file: Path) -> bool:
    """Return whether a file of botocore's data is of an API version that has a later one."""
    folder = file.parent
    if folder.parent.parent.name != "data":
        return False
    return any(later.name > folder.name for later in folder.parent.iterdir())


def pruned(name: str, content: bytes) -> Iterator[tuple[str, bytes]]:
    """Yield a file as the zip holds it, service models without what no function calls.

    The models are stored without gzip: the zip compresses them, and gzip would state a time.
    """
    if not name.startswith("botocore/data/"):
        yield name, content
        return
    data = json.loads(gzip.decompress(content) if name.endswith(".gz") else content)
    parts = Path(name).parts
    if parts[-1].startswith("service-2.json"):
        data = with_operations(model=data, operations=operations_of(parts[2]))
    elif parts[-1] == "endpoints.json":
        data = with_services(endpoints=data, services=services(CALLS))
    yield name.removesuffix(".gz"), json.dumps(data, separators=(",", ":")).encode()


def operations_of(service: str) -> set[str]:
    """Return the operations of a service that its model must keep."""
    called = {operation for owner, operation in CALLS if owner == service}
    return called | _CLIENT_OPERATIONS.get(service, set())


def with_operations(*, model: dict[str, Any], operations: set[str]) -> dict[str, Any]:
    """Return a service model with only some operations, the shapes they reach and no prose."""
    missing = operations - set(model["operations"])
    if missing:
        raise SystemExit(f"botocore has no {', '.join(sorted(missing))}: see customization.calls")
    kept = {name: model["operations"][name] for name in sorted(operations)}
    shapes: dict[str, Any] = {}
    pending = list(_references(kept))
    while pending:
        name = pending.pop()
        if name not in shapes:
            shapes[name] = model["shapes"][name]
            pending.extend(_references(shapes[name]))
    slim: dict[str, Any] = _without_prose({**model, "operations": kept, "shapes": shapes})
    if "clientContextParams" in model:
        # botocore reads their documentation when it resolves an endpoint, S3's for one.
        slim["clientContextParams"] = model["clientContextParams"]
    return slim


def with_services(*, endpoints: dict[str, Any], services: tuple[str, ...]) -> dict[str, Any]:
    """Return botocore's endpoint table with only some services."""
    return {
        **endpoints,
        "partitions": [
            {
                **partition,
                "services": {n: e for n, e in partition["services"].items() if n in services},
            }
            for partition in endpoints["partitions"]
        ],
    }


def _references(node: object) -> Iterator[str]:
    """Yield the names of the shapes that a part of a service model refers to."""
    if isinstance(node, dict):
        for key, value in node.items():
            if key == "shape" and isinstance(value, str):
                yield value
            else:
                yield from _references(value)
    elif isinstance(node, list):
        for value in node:
            yield from _references(value)


def _without_prose(node: Any) -> Any:  # noqa: ANN401 - any part of a JSON document
    """Return a part of a service model with its documentation strings empty.

    They are kept as keys: botocore reads some of them without a default.
    """
    if isinstance(node, dict):
        return {
            key: "" if key == "documentation" and isinstance(value, str) else _without_prose(value)
            for key, value in node.items()
        }
    if isinstance(node, list):
        return [_without_prose(value) for value in node]
    return node


if __name__ == "__main__":
    sys.exit(main())
