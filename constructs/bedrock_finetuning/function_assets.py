"""The functions' zip files: staged dependencies plus our own packages, the same bytes every time.

Needs no CDK: the staging tool writes the dependencies with the same `write_zip`, once per set-up;
synth then only copies them and appends a few small files.
"""

import hashlib
import shutil
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Final

MAX_ASSET_BYTES: Final = 6 * 1024 * 1024
"""Largest zip of one function; a small one starts faster and uploads in seconds."""

# The first moment that a zip file can state: the content alone decides the hash.
_TIMESTAMP: Final = (1980, 1, 1, 0, 0, 0)
_MODE: Final = 0o100644 << 16
# Nothing else that may lie in a package's folder is deployed by accident.
_CARRIED_SUFFIXES: Final = frozenset({".py", ".js", ".css"})


_SHARED: Final[Mapping[str, tuple[str, ...]]] = MappingProxyType(
    {
        "completion_check": ("deployments",),
        "deployer": ("deployments",),
        "follower": ("lineage",),
        "invoker": ("deployments",),
        "model_report": ("lineage", "training_metrics"),
        "submitter": ("deployments",),
    }
)


def packages_of(function: str) -> tuple[str, ...]:
    """Return all packages of ours that a function's code needs, its own first."""
    return (function, "customization", *_SHARED.get(function, ()))


class FunctionAssetError(Exception):
    """A function's zip cannot be made."""


def write_zip(*, target: Path, files: Iterable[tuple[str, bytes]], mode: str = "w") -> None:
    """Write files, given as name and content, into a zip file; `mode="a"` appends to one.

    Names are sorted and timestamps and permissions fixed, so equal content makes equal bytes.
    """
    with zipfile.ZipFile(target, "a" if mode == "a" else "w") as archive:
        for name, content in sorted(files):
            entry = zipfile.ZipInfo(name, _TIMESTAMP)
            entry.external_attr = _MODE
            entry.compress_type = zipfile.ZIP_DEFLATED
            archive.writestr(entry, content, compresslevel=9)


def package_files(*, source: Path, packages: Sequence[str]) -> list[tuple[str, bytes]]:
    """Return the files of packages under a source root, as name in the zip and content.

    Besides Python they may hold what their code reads, such as a page's style sheet.

    Raises FunctionAssetError naming a package that has no Python file there.
    """
    found: list[tuple[str, bytes]] = []
    for package in packages:
        files = sorted(
            path
            for path in (source / package).rglob("*")
            if path.suffix in _CARRIED_SUFFIXES or path.name == "LICENSE"
        )
        if not any(path.suffix == ".py" for path in files):
            raise FunctionAssetError(
                f"no Python file in {source / package}: check the package name"
            )
        found += [(file.relative_to(source).as_posix(), file.read_bytes()) for file in files]
    return found


def assemble(*, packages: Sequence[str], dependencies: Path, source: Path, target: Path) -> str:
    """Make a function's zip from its dependencies and packages; return its SHA-256 as hex.

    `dependencies` is the zip that `make setup` stages, `source` the folder that holds `packages`.
    Raises FunctionAssetError when the dependencies are not staged or the result is too large.
    """
    if not dependencies.is_file():
        raise FunctionAssetError(
            f"the functions' dependencies are not staged: {dependencies} is missing, run make setup"
        )
    files = package_files(source=source, packages=packages)
    target.parent.mkdir(parents=True, exist_ok=True)
    shutil.copyfile(dependencies, target)
    write_zip(target=target, files=files, mode="a")
    size = target.stat().st_size
    if size > MAX_ASSET_BYTES:
        raise FunctionAssetError(
            f"{target.name} must be at most {MAX_ASSET_BYTES} bytes, got {size}: "
            "prune more in tools/stage_functions.py"
        )
    return hashlib.sha256(target.read_bytes()).hexdigest()
