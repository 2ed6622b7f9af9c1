"""The prefix lists AWS manages for gateway endpoints, by Region (`prefix_lists.yaml`)."""

from collections.abc import Mapping
from functools import cache
from pathlib import Path
from types import MappingProxyType
from typing import Literal, TypeAlias

from settings.source import read_yaml

TABLE = Path(__file__).with_name("prefix_lists.yaml")
"""The committed table."""

GatewayService: TypeAlias = Literal["s3", "dynamodb"]


@cache
def prefix_lists() -> Mapping[str, Mapping[str, str]]:
    """Prefix list ids by Region, then by service (`s3`, `dynamodb`)."""
    source = read_yaml(path=TABLE)
    if source.findings:
        raise ValueError(f"{TABLE.name} is broken: {source.findings}")
    return MappingProxyType(
        {region: MappingProxyType(dict(row)) for region, row in source.values.items()}
    )


def managed_prefix_list(*, region: str, service: GatewayService) -> str | None:
    """The id for a Region and service; None when the table does not have it."""
    return prefix_lists().get(region, {}).get(service)
