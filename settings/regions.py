"""AWS Regions and partitions, from the table that botocore ships."""

import importlib.util
import json
import re
from functools import cache
from pathlib import Path
from typing import Any


@cache
def _partitions() -> tuple[dict[str, Any], ...]:
    """The partitions table of botocore, read without importing botocore."""
    spec = importlib.util.find_spec("botocore")
    if spec is None or spec.origin is None:
        raise ModuleNotFoundError("botocore is not installed: run `make setup`")
    table = Path(spec.origin).parent / "data" / "partitions.json"
    return tuple(json.loads(table.read_text(encoding="utf-8"))["partitions"])


def partition_of(region: str) -> str | None:
    """The partition a Region name belongs to by its form, such as `aws-us-gov`; None for none.

    The form decides and not the list of Regions, so that a Region newer than the pinned botocore
    is accepted.
    """
    for partition in _partitions():
        if re.fullmatch(partition["regionRegex"].removesuffix("$"), region, flags=re.ASCII):
            return str(partition["id"])
    return None


@cache
def known_regions() -> tuple[str, ...]:
    """Every Region botocore knows, for proposals; `aws-global` and its like are not Regions."""
    return tuple(
        sorted(
            name
            for partition in _partitions()
            for name in partition["regions"]
            if not name.endswith("-global")
        )
    )


def known_partitions() -> tuple[str, ...]:
    """Every partition botocore knows."""
    return tuple(str(partition["id"]) for partition in _partitions())


def url_suffix_of(partition: str) -> str:
    """The domain of a partition's services, such as `amazonaws.com`; that of `aws` if unknown."""
    for each in _partitions():
        if each["id"] == partition:
            return str(each["outputs"]["dnsSuffix"])
    return "amazonaws.com"
